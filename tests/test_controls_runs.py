"""The controls in whole runs: what they leave behind, how they go on after a stop, and what the pages and the command line say."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from ikd.cli import main
from ikd.events import Event, Progress, TeacherProgress
from ikd.trace.branching import make_fork
from ikd.trace.export import export_parquet
from ikd.trace.folder import RunFolder
from ikd.trace.reader import TraceReader
from ikd.trace.scores import final_scores
from ikd.trace.store import runs_root
from ikd.ui.run_extras import ended_by, made_of, score_frame
from tests.small_runs import again, assert_same, carried_out, small, student_of
from tests.test_runs_resume import stop

THEN = {"training__then_exam_steps": 12, "training__then_exam_learning_rate": 0.005, "policy__name": "fixed"}
STORED = {"teacher__name": "stored", "task__shift": "sources", "policy__name": "fixed", "policy__cached_targets": "never"}


def break_at(step: int) -> Any:
    """Return a watch that stops a run within the phase after the course."""

    def watch(folder: RunFolder, event: Event) -> None:
        if isinstance(event, Progress) and event.step == step:
            stop(folder)

    return watch


def test_a_run_stopped_while_it_studies_the_exam_texts_repeats_that_from_its_checkpoint() -> None:
    whole, broken = carried_out(small(**THEN)), carried_out(small(**THEN), break_at(5))
    assert broken.state().state == "stopped" and not broken.state().scores
    assert broken.state().stage == "done" and not (broken.path / "student").exists()
    again(broken)
    assert broken.state().state == "finished" and TraceReader(broken).meta()["ending"] == TraceReader(whole).meta()["ending"]
    assert_same(whole, broken)


def test_a_fork_may_study_the_exam_texts_after_its_parents_course() -> None:
    plain, then = carried_out(small(policy__name="fixed")), carried_out(small(**THEN))
    child = make_fork(plain, 20 - 1, {"training.then_exam_steps": 12, "training.then_exam_learning_rate": 0.005}, root=runs_root())
    again(child)
    ours, theirs = student_of(child), student_of(then)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_both_students_stand_in_the_scores_the_export_and_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    folder = carried_out(small(**THEN))
    several = final_scores(TraceReader(folder))
    assert [list(one.roles.values()) for one in several] == [["teacher", "student before exam texts", "student after exam texts"]] * 2
    assert {"student_before_exam_texts/test/nll", "student/test/nll"} <= folder.state().scores.keys()
    assert "student before exam texts" in score_frame(folder.state().scores).index
    assert main(["scores", folder.id]) == 0 and "student before exam texts" in capsys.readouterr().out
    export_parquet(folder, tmp_path)
    table = pd.read_parquet(tmp_path / "final.parquet")
    final = TraceReader(folder).final("test")
    assert final is not None
    said = np.stack(table[table["split"] == "test"]["student_before_exam_texts_logits"].tolist())
    np.testing.assert_array_equal(said, final.logits["student_before_exam_texts"])
    words = " ".join(ended_by(TraceReader(folder).meta()["ending"]))
    assert f"for {TraceReader(folder).meta()['ending']['then_exam_steps_kept']} steps, chosen on the validation" in words
    assert "steps on the exam texts" in folder.log_path.read_text("utf-8")


def test_a_calibrated_student_is_saved_with_its_temperature() -> None:
    folder = carried_out(small(policy__name="fixed", policy__fixed_studies_exam=False, training__calibrate_on_exam=True))
    temperature = TraceReader(folder).meta()["ending"]["student_temperature"]
    place = folder.path / "student"
    assert json.loads((place / "config.json").read_text("utf-8"))["ikd_temperature"] == temperature
    assert repr(temperature) in (place / "README.md").read_text("utf-8")
    reader = TraceReader(folder)
    final, texts = reader.final("test"), reader.examples("test")["text"].tolist()
    assert final is not None
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(place), AutoTokenizer.from_pretrained(place)
    with torch.no_grad():
        logits = model(**tokenizer(texts, padding=True, truncation=True, max_length=64, return_tensors="pt")).logits
    np.testing.assert_allclose(logits.numpy() / temperature, final.logits["student"], rtol=1e-4, atol=1e-5)
    assert f"{temperature:.3f}" in " ".join(ended_by(reader.meta()["ending"]))
    plain = carried_out(small(policy__name="fixed", policy__fixed_studies_exam=False))
    assert not (plain.path / "student" / "README.md").exists() and "ending" not in TraceReader(plain).meta()


def test_a_teacher_that_studies_the_exam_texts_is_another_one_and_says_so() -> None:
    texts: dict[bool, list[str]] = {}
    for studies in (False, True, True):
        folder = carried_out(small(teacher__studies_exam=studies, policy__name="fixed", training__steps=2))
        facts = TraceReader(folder).meta()["facts"]
        assert facts["teacher_saw"] == ("course and exam splits" if studies else "course split")
        assert any("course and the exam texts" in one for one in made_of(facts)) == studies
        texts.setdefault(studies, []).append(folder.log_path.read_text("utf-8"))
    assert "fine-tuned on the exam texts too" in texts[True][0] and "exam texts too" not in texts[False][0]
    assert "read from the cache" in texts[True][1] and "read from the cache" not in texts[True][0]


def test_a_teacher_that_studies_the_exam_texts_sees_their_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    import ikd.runs.teachers as module

    seen: list[int] = []

    def noted(teacher: Any, course: Any, **settings: Any) -> Any:
        seen.extend([len(course), len(settings["rows"])])
        yield TeacherProgress(step=0, total=1, loss=1.0)

    monkeypatch.setattr(module, "fine_tune", noted)
    carried_out(small(teacher__studies_exam=True, policy__name="fixed", training__steps=2))
    assert seen == [200, 200], "140 of the course and 60 exam texts"


def test_stored_soft_targets_are_corrected_by_the_exam_texts() -> None:
    plain = carried_out(small(**STORED))
    folder = carried_out(small(**STORED, teacher__sources_by_exam=True, teacher__fine_tune_steps=30))
    assert folder.state().state == "finished", folder.state().error
    assert "a confusion matrix each" in folder.log_path.read_text("utf-8")
    before, after = (TraceReader(one).course(3) for one in (plain, folder))
    assert before is not None and after is not None
    np.testing.assert_array_equal(before.examples, after.examples)
    assert not np.allclose(before.teacher_logits, after.teacher_logits)
    np.testing.assert_allclose(np.exp(after.teacher_logits).sum(axis=1), 1, rtol=1e-5)
