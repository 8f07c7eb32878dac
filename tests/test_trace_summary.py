"""What the recorder derives from a reading equals what torch says of the same logits."""

from __future__ import annotations

import numpy as np
import torch

from ikd.config import build_config
from ikd.events import RunStarted, StepTaken
from ikd.trace.reader import TraceReader
from ikd.trace.recorder import Recorder
from ikd.trace.store import new_run
from tests.rehearsal import rehearsal


def test_derived_scalars_equal_torch() -> None:
    folder, events = new_run(build_config({})), list(rehearsal(12, n_classes=4, n_probe=70))
    with Recorder(folder) as recorder:
        for event in events:
            recorder.record(event)
    started = next(event for event in events if isinstance(event, RunStarted))
    labels = torch.tensor([one.label for one in started.probe])
    table = TraceReader(folder).scalars().pivot(index="step", columns="name", values="value")
    readings = [event for event in events if isinstance(event, StepTaken) and event.reading is not None]
    frozen = torch.from_numpy(readings[0].reading.teacher_logits).double()
    for event in readings:
        teacher = torch.from_numpy(event.reading.teacher_logits).double()
        student = torch.from_numpy(event.reading.student_logits).double()
        row = table.loc[event.step]
        for role, logits in (("teacher", teacher), ("student", student)):
            np.testing.assert_allclose(row[f"{role}_accuracy"], (logits.argmax(1) == labels).double().mean())
            np.testing.assert_allclose(row[f"{role}_nll"], torch.nn.functional.cross_entropy(logits, labels), rtol=1e-9)
        np.testing.assert_allclose(row["agreement"], (teacher.argmax(1) == student.argmax(1)).double().mean())
        now, before = (torch.log_softmax(logits / started.temperature, 1) for logits in (teacher, frozen))
        drift = torch.nn.functional.kl_div(before, now, log_target=True, reduction="none").sum(1)
        for name, q in (("drift_q05", 0.05), ("drift_median", 0.5), ("drift_q95", 0.95)):
            np.testing.assert_allclose(row[name], torch.quantile(drift, q), rtol=1e-7, atol=1e-12)
