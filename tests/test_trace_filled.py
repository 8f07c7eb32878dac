"""Formulas filled with numbers: by hand, against torch, and against what a real run recorded."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from ikd.config import alpha_at, build_config, temperature_at
from ikd.errors import RunError
from ikd.objectives import CourseObjective, KnowledgeDistillation, Term
from ikd.protocols import Outputs
from ikd.runs.job import run_job
from ikd.teaching.hypergradients import feedback_through
from ikd.trace.filled import Influence, cannot_recover, fill_feedback, fill_influence, fill_loss, fill_soft_target
from ikd.trace.folder import RunFolder
from ikd.trace.measures import softmax
from ikd.trace.reader import TraceReader
from ikd.trace.store import list_recorded, new_run

SMALL: dict[str, Any] = {
    "task.train_size": 200, "task.exam_size": 60, "task.validation_size": 60, "task.test_size": 60,
    "teacher.name": "builtin/2x32", "student.name": "builtin/1x16", "teacher.fine_tune_steps": 8,
    "training.steps": 8, "training.batch_size": 8, "training.warmup_steps": 2, "policy.exam_start": 2,
    "policy.exam_batch_size": 16, "policy.teacher_learning_rate": 1e-3, "record.probe_size": 10,
    "record.probe_every": 4, "machine.threads": 1,
}  # fmt: skip


def test_a_soft_target_by_hand() -> None:
    filled = fill_soft_target([math.log(9.0), math.log(4.0), 0.0], 2.0)
    np.testing.assert_allclose(filled.exponentials, [3.0, 2.0, 1.0])
    assert filled.total == pytest.approx(6.0) and filled.shift == 0.0
    np.testing.assert_allclose(filled.probabilities, [1 / 2, 1 / 3, 1 / 6])


def test_large_logits_are_shifted_and_stay_the_same_soft_target() -> None:
    filled = fill_soft_target([2000.0, 1998.0], 2.0)
    assert filled.shift == 1000.0 and np.isfinite(filled.exponentials).all()
    np.testing.assert_allclose(filled.exponentials / filled.total, filled.probabilities)
    np.testing.assert_allclose(filled.probabilities, softmax([1.0, 0.0]))


def test_a_loss_by_hand() -> None:
    """p = (3/4, 1/4) and q = (1/2, 1/2) at t = 2; the student is even, so CE = log 2."""
    filled = fill_loss([math.log(9.0), 0.0], [1.0, 1.0], 1, temperature=2.0, alpha=0.7)
    kl = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert filled.at_label == pytest.approx(0.5) and filled.cross_entropy == pytest.approx(math.log(2))
    np.testing.assert_allclose(filled.terms, [0.75 * math.log(1.5), 0.25 * math.log(0.5)])
    assert filled.kl == pytest.approx(kl)
    assert filled.hard == pytest.approx(0.3 * math.log(2)) and filled.soft == pytest.approx(0.7 * 4 * kl)
    assert filled.total == pytest.approx(filled.hard + filled.soft)


@pytest.mark.parametrize(("alpha", "temperature", "n_classes"), [(0.7, 2.0, 3), (0.0, 1.0, 2), (1.0, 5.0, 20), (0.25, 0.5, 4)])
def test_the_loss_is_that_of_the_objective(alpha: float, temperature: float, n_classes: int) -> None:
    draw = np.random.default_rng(n_classes)
    teacher, student = 3 * draw.normal(size=(2, 50, n_classes))
    labels = draw.integers(n_classes, size=50)
    objective = CourseObjective(alpha=alpha, terms=(Term(1.0, KnowledgeDistillation(temperature=temperature)),))
    theirs = objective(Outputs(torch.tensor(student)), Outputs(torch.tensor(teacher)), torch.tensor(labels))
    ours = [fill_loss(*rows, int(label), temperature=temperature, alpha=alpha).total
            for *rows, label in zip(teacher, student, labels, strict=True)]  # fmt: skip
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-12, atol=1e-14)


def test_feedback_directions_by_hand() -> None:
    filled = fill_feedback([0.0, 0.0], [0.2, -0.2], 2.0)
    assert filled.mean == pytest.approx(0.0)
    np.testing.assert_allclose(filled.directions, [0.05, -0.05])


def test_feedback_moves_the_soft_target_that_way() -> None:
    logits, feedback, step = np.array([1.0, -0.5, 0.3]), np.array([0.3, 0.1, -0.4]), 1e-6
    moved = (softmax(logits + step * feedback, 2.0) - softmax(logits - step * feedback, 2.0)) / (2 * step)
    np.testing.assert_allclose(fill_feedback(logits, feedback, 2.0).directions, moved, atol=1e-9)


def test_an_influence_by_hand() -> None:
    """Even beliefs, label 0, alpha 1/2, t = 1, B = 2: slopes (-1/8, 1/8), responses 8 f."""
    filled = fill_influence([0.0, 0.0], [0.0, 0.0], 0, feedback=[0.01, -0.01], recorded=-0.03, temperature=1.0, alpha=0.5,
                            batch_size=2)  # fmt: skip
    np.testing.assert_allclose(filled.slopes, [-0.125, 0.125])
    np.testing.assert_allclose(filled.responses, [0.08, -0.08])
    assert filled.recomputed == pytest.approx(-0.02) and filled.difference == pytest.approx(0.01)
    assert not filled.agrees


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_any_tangent_gives_the_influence_of_the_hypergradient(temperature: float) -> None:
    """In float64 the way back from the feedback is exact, whatever the student's tangent."""
    draw, alpha, rate = torch.Generator().manual_seed(3), 0.6, 2e-3
    student, teacher, tangent = torch.randn(3, 6, 5, generator=draw, dtype=torch.float64)
    labels = torch.randint(5, (6,), generator=draw)
    objective = CourseObjective(alpha=alpha, terms=(Term(1.0, KnowledgeDistillation(temperature=temperature)),))
    through, influences = feedback_through(objective, Outputs(student), Outputs(teacher), labels, Outputs(tangent))
    cotangent, influence = through.logits / 6, influences / 6
    for one in range(6):
        filled = fill_influence(
            teacher[one].numpy(), student[one].numpy(), int(labels[one]), feedback=(-rate * cotangent[one]).numpy(),
            recorded=float(rate * influence[one]), temperature=temperature, alpha=alpha, batch_size=6,
        )  # fmt: skip
        assert filled.recomputed == pytest.approx(filled.recorded, rel=1e-11)


def recorded_steps(folder: RunFolder) -> list[tuple[Influence, float]]:
    """Return every course example's influence, and the largest of its batch."""
    reader, config = TraceReader(folder), folder.config()
    labels = dict(zip(*(reader.examples("course")[name].tolist() for name in ("id", "label")), strict=True))
    found = []
    for step in reader.course_sizes()["step"].unique().tolist():
        course = reader.course(step)
        assert course is not None
        if course.feedback is None or course.influence is None:
            continue
        largest = float(np.abs(course.influence).max())
        for row, example in enumerate(course.examples.tolist()):
            filled = fill_influence(
                course.teacher_logits[row], course.student_logits[row], labels[example], feedback=course.feedback[row],
                recorded=float(course.influence[row]), temperature=temperature_at(step, config),
                alpha=alpha_at(step, config), batch_size=len(course.examples), largest=largest,
            )  # fmt: skip
            found.append((filled, largest))
    return found


@pytest.mark.parametrize("changed", [
    {}, {"training.optimizer": "sgd", "policy.inner_update": "sgd"}, {"policy.hypergradient": "unrolled"},
    {"policy.student_update": "redo", "objective.temperature": 5.0, "objective.alpha": 0.3},
    {"objective.temperature_end": 5.0, "objective.alpha_end": 0.2}, {"objective.schedule": "cosine", "objective.temperature_end": 1.0},
], ids=["exact", "sgd", "unrolled", "redo", "line", "cosine"])  # fmt: skip
def test_the_recomputed_influence_is_the_one_a_real_run_recorded(changed: dict[str, Any]) -> None:
    config = build_config({**SMALL, **changed})
    folder = new_run(config)
    run_job(folder, config)
    assert folder.state().state == "finished", folder.state().error
    found = recorded_steps(folder)
    assert len(found) == 6 * 8
    for filled, largest in found:
        assert filled.agrees
        assert abs(filled.difference) <= 2e-4 * largest


@pytest.mark.parametrize("folder", [one for one in list_recorded() if one.config().policy.name == "exam"], ids=lambda folder: folder.id)
def test_the_recomputed_influence_is_that_of_the_recorded_runs(folder: RunFolder) -> None:
    found = recorded_steps(folder)
    assert found and all(filled.agrees for filled, _ in found)
    assert max(abs(filled.difference) / largest for filled, largest in found) < 1e-3


def test_what_cannot_be_recovered_is_a_sentence() -> None:
    assert not cannot_recover([0.5, 0.5], 0.7)
    assert "alpha 0" in cannot_recover([0.5, 0.5], 0.0)
    assert "below 1e-06" in cannot_recover([1.0, 1e-9], 0.7)
    assert "below" in cannot_recover([np.nan, 1.0], 0.7)
    with pytest.raises(RunError, match="below"):
        fill_influence([60.0, 0.0], [0.0, 0.0], 0, feedback=[0.0, 0.0], recorded=0.0, temperature=1.0, alpha=0.5, batch_size=4)
