"""Real tasks from the Data page to the live view: a hundred steps each, with metrics that scikit-learn and scipy give too.

The data are not part of the project: without them these tests are skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.special import log_softmax, rel_entr, softmax
from sklearn.metrics import accuracy_score, f1_score, log_loss, matthews_corrcoef
from streamlit.testing.v1 import AppTest

from ikd.runs import start_run
from ikd.runs.inspecting import inspect
from ikd.trace.folder import RunFolder
from ikd.trace.reader import TraceReader
from ikd.trace.store import list_runs
from ikd.ui import data_view, start, state
from ikd.ui.shell import PAGES
from tests.conftest import REPOSITORY
from tests.test_runs import wait_for_end

SECONDS = 180
DATA = REPOSITORY.parent / "shared" / "data"
STEPS = 100
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not DATA.is_dir(), reason="the developers' data folder is not here")]

QUICK: dict[str, Any] = {
    "teacher.name": "builtin/1x32", "student.name": "builtin/1x16", "teacher.fine_tune_steps": 30, "training.steps": STEPS,
    "training.batch_size": 16, "policy.exam_batch_size": 16, "record.probe_every": 20, "record.probe_size": 60, "machine.threads": 1,
    "task.train_size": 1200, "task.validation_size": 300, "task.test_size": 300, "task.max_length": 64,
}  # fmt: skip

CLASSES = {"sst2": 2, "rte": 2, "mrpc": 2, "trec": 6, "clinc150": 150, "tweet_sentiment": 3}


def page_of(values: dict[str, Any]) -> AppTest:
    """Return the Data page with these settings chosen before."""
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=SECONDS)
    app.run()
    app.session_state[state.VALUES] = dict(values)
    app.switch_page(PAGES["data"].path)
    return app.run()


def trained(monkeypatch: pytest.MonkeyPatch, name: str, **more: Any) -> tuple[RunFolder, AppTest]:
    """Take a task's files in on the Data page, start a run on the Train page, and return it ended, with its page as a visitor sees it."""
    monkeypatch.setattr(data_view, "inspect_later", inspect)
    monkeypatch.setattr(start, "estimate_later", lambda config: None)
    page = page_of(QUICK | {"task.name": "files", "task.train_size": 4500 if name == "clinc150" else 1200} | more)
    for split, label in (("train", "Training file"), ("validation", "Validation file"), ("test", "Test file")):
        path = DATA / name / f"{split}.parquet"
        if path.exists():
            page = next(one for one in page.text_input if one.label == label).input(str(path)).run()
    assert not page.exception and not page.error, [one.value for one in page.error]
    assert any("Ready to train" in str(one.value) for one in page.success)
    begun: list[str] = []
    monkeypatch.setattr(start, "start_run", lambda config, **how: begun.append(start_run(config, **how)) or begun[0])
    page.switch_page(PAGES["train"].path)
    page = page.run()
    assert not page.error, [one.value for one in page.error]
    page = page.button(key="start").click().run()
    folder = wait_for_end(begun[0], seconds=400)
    assert folder.state().state == "finished", folder.state().error
    live = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=SECONDS)
    live.run()
    live.switch_page(PAGES["run"].path)
    live.query_params["run"] = folder.id
    live = live.run()
    assert not live.exception and not live.error
    return folder, live


def close(folder: RunFolder, split: str, expected: dict[str, Callable[[Any, Any, Any], float]]) -> None:
    """Compare the recorded scores of both models on a split with those of other libraries on the recorded predictions."""
    final, scores = TraceReader(folder).final(split), folder.state().scores
    assert final is not None
    for role in ("teacher", "student"):
        logits = np.asarray(final.logits[role], dtype=np.float64)
        for name, score in expected.items():
            assert scores[f"{role}/{split}/{name}"] == pytest.approx(score(logits, final.labels, final.truth), abs=1e-6), (role, name)


COMMON: dict[str, Callable[[Any, Any, Any], float]] = {
    "accuracy": lambda logits, labels, _: accuracy_score(labels, logits.argmax(1)),
    "macro_f1": lambda logits, labels, _: f1_score(labels, logits.argmax(1), average="macro", zero_division=0),
    "matthews": lambda logits, labels, _: matthews_corrcoef(labels, logits.argmax(1)),
    "nll": lambda logits, labels, _: log_loss(labels, softmax(logits, axis=1), labels=range(logits.shape[1])),
    "brier": lambda logits, labels, _: float(((softmax(logits, axis=1) - np.eye(logits.shape[1])[labels]) ** 2).sum(1).mean()),
}


@pytest.mark.parametrize("name", CLASSES)
def test_a_real_task_is_trained_from_the_data_page_to_the_live_view(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, page = trained(monkeypatch, name)
    assert len(TraceReader(folder).meta()["label_names"]) == CLASSES[name]
    assert folder.state().step == STEPS
    for split in ("validation", "test"):
        if (DATA / name / f"{split}.parquet").exists():
            close(folder, split, COMMON)
    shown = "\n".join(str(one.value) for one in page.get("markdown"))
    assert name == "clinc150" or shown
    assert len(list_runs()) == 1


def test_human_votes_are_the_truth_under_a_teacher_of_another_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The teacher is trained on NLI texts, used as it is on those with votes, and both models are held against the votes."""
    teacher, _ = trained(monkeypatch, "nli_dev_mix", **{"policy.name": "fixed", "objective.alpha": 0.0, "student.name": "builtin/1x32"})
    folder, _ = trained(monkeypatch, "chaosnli", **{
        "teacher.name": str(teacher.path / "student"), "teacher.fine_tune": "never", "student.name": "builtin/1x16",
        "task.soft_label_column": "soft_label"})  # fmt: skip
    votes: dict[str, Callable[[Any, Any, Any], float]] = {
        "truth_kl": lambda logits, _, truth: float(rel_entr(truth, np.exp(log_softmax(logits, axis=1))).sum(1).mean()),
        "truth_js": lambda logits, _, truth: float((jensenshannon(truth, softmax(logits, axis=1), axis=1) ** 2).mean()),
    }
    for split in ("validation", "test"):
        close(folder, split, COMMON | votes)
    truth = TraceReader(folder).examples("probe")["truth"]
    assert all(row is not None and abs(sum(row) - 1) < 1e-9 for row in truth)
    assert TraceReader(folder).meta()["facts"]["truth_is"] == "votes"
