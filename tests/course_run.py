"""A run whose course examples have feedback and influence, worked out apart from the trainer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ikd.config import build_config
from ikd.events import Course, Example, RunStarted, Stage, StepTaken
from ikd.trace.folder import RunFolder
from ikd.trace.measures import softmax
from ikd.trace.recorder import Recorder
from ikd.trace.store import new_run

ALPHA, T, RATE = 0.7, 2.0, 1e-3


def course_run(n_classes: int, *, n_steps: int = 30, n_examples: int = 6, batch: int = 3, texts: Sequence[str] = (),
               state: str = "finished", least: float = 0.0, stride: int = 1) -> RunFolder:  # fmt: skip
    """Return a run whose course examples have feedback and influence as KD gives them for a drawn tangent."""
    config = build_config({"training.steps": n_steps, "policy.exam_start": 4, "objective.alpha": ALPHA, "objective.temperature": T})
    folder, draw = new_run(config), np.random.default_rng(n_classes)
    names = [f"class {one}" for one in range(n_classes)]
    examples = [Example(id=one, split="course", text=texts[one] if one < len(texts) else f"course text {one}", text_pair=None,
                        label=one % n_classes) for one in range(n_examples)]  # fmt: skip
    probe = [replace(one, split="probe", truth=(1 / n_classes,) * n_classes) for one in examples]
    with Recorder(folder) as recorder:
        recorder.record(Stage(name="teaching", total=n_steps))
        recorder.record(RunStarted(label_names=names, n_steps=n_steps, temperature=T, probe=probe, facts={}))
        known: set[int] = set()
        for step in range(n_steps):
            ids = (stride * (np.arange(batch) + batch * step)) % n_examples
            teacher, student, tangent = draw.normal(size=(3, batch, n_classes))
            teacher[:, 0] -= least
            p, y = softmax(teacher, T), np.eye(n_classes)[ids % n_classes]
            slopes = ((1 - ALPHA) * (softmax(student) - y) + ALPHA * T * (softmax(student, T) - p)) / batch
            asked = -RATE * ALPHA / batch * p * (tangent - (p * tangent).sum(axis=-1, keepdims=True))
            parts = [one.astype(np.float32) for one in (teacher, student, asked, -RATE * (slopes * tangent).sum(axis=-1))]
            exam = step >= 4
            course = Course(examples=ids, teacher_logits=parts[0], student_logits=parts[1], feedback=parts[2] if exam else None,
                            influence=parts[3] if exam else None)  # fmt: skip
            fresh = [one for one in examples if one.id in set(ids.tolist()) - known]
            known.update(ids.tolist())
            recorder.record(StepTaken(step=step, scalars={}, course=course, seconds=0.01, new_examples=fresh))
    folder.write_state(replace(folder.state(), state=state, stage="done", step=n_steps, total=n_steps))  # type: ignore[arg-type]
    return folder
