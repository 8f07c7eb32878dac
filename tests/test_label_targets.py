"""What stands in the labels' place: people's votes, the known posterior, or nothing at all. Losses against their closed forms."""

from __future__ import annotations

import copy
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import log_softmax, softmax
from torch import nn

from ikd.classroom import build_lesson
from ikd.config import build_config
from ikd.objectives.combined import CourseObjective, Term
from ikd.objectives.kd import KnowledgeDistillation
from ikd.protocols import UNLABELLED, Batch, Outputs
from ikd.teaching.exam import exam_on
from ikd.teaching.forward import mode
from ikd.teaching.hypergradients import HYPERGRADIENTS
from ikd.teaching.lesson import Lesson, course_of, soft_targets_of
from ikd.teaching.policies import POLICIES, fixed_step
from ikd.trace.folder import RunFolder
from ikd.trace.reader import TraceReader
from tests.test_runs import finished
from tests.tiny import padded_batch, tiny_bert, tiny_room

TEACHER, STUDENT = torch.tensor([[2.0, 0.5, -1.0], [0.1, 0.2, 0.3]]), torch.tensor([[0.3, -0.4, 1.2], [1.0, 0.0, -1.0]])
ALPHA, T = 0.6, 2.0


def both(labels: torch.Tensor) -> torch.Tensor:
    objective = CourseObjective(alpha=ALPHA, terms=(Term(1.0, KnowledgeDistillation(temperature=T)),))
    return objective(Outputs(STUDENT.double()), Outputs(TEACHER.double()), labels)


def kd(teacher: np.ndarray[Any, Any], student: np.ndarray[Any, Any], t: float) -> np.ndarray[Any, Any]:
    p = softmax(teacher / t, axis=-1)
    return t**2 * (p * (log_softmax(teacher / t, axis=-1) - log_softmax(student / t, axis=-1))).sum(-1)


def test_a_distribution_takes_the_labels_place() -> None:
    q = torch.tensor([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0]], dtype=torch.float64)
    expected = (1 - ALPHA) * -(q.numpy() * log_softmax(STUDENT.numpy().astype(float), axis=-1)).sum(-1)
    expected += ALPHA * kd(TEACHER.numpy().astype(float), STUDENT.numpy().astype(float), T)
    np.testing.assert_allclose(both(q).numpy(), expected, rtol=1e-7)
    np.testing.assert_allclose(both(q)[1], both(torch.tensor([2, 0]))[1], rtol=1e-12)


def test_without_a_label_the_soft_target_alone_is_studied() -> None:
    alone = ALPHA * kd(TEACHER.numpy().astype(float), STUDENT.numpy().astype(float), T)
    np.testing.assert_allclose(both(torch.tensor([UNLABELLED, UNLABELLED])).numpy(), alone, rtol=1e-7)
    np.testing.assert_allclose(both(torch.zeros(2, 3, dtype=torch.float64)).numpy(), alone, rtol=1e-7)


@cache
def models() -> tuple[nn.Module, nn.Module]:
    return tiny_bert(2, 32, seed=1), tiny_bert(2, 16, seed=2)


def lesson_of(**values: Any) -> Lesson:
    teacher, student = copy.deepcopy(models())
    sizes = {"teacher.name": "builtin/2x32", "student.name": "builtin/2x16", "policy.teacher_optimizer": "sgd"}
    lesson = build_lesson(tiny_room(teacher, student), build_config(sizes | values))
    for step in range(3):
        fixed_step(lesson, padded_batch(5, seed=100 + step))
    return lesson


def batches() -> dict[str, Batch]:
    batch = padded_batch(12, seed=11)
    some = batch.labels.clone()
    some[::3] = UNLABELLED
    votes = torch.rand(12, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    votes /= votes.sum(-1, keepdim=True)
    votes[4] = 0.0
    return {"some without a label": batch._replace(labels=some), "votes": batch._replace(labels=some, truth=votes)}


@pytest.mark.parametrize("kind", ["some without a label", "votes"])
def test_the_hypergradient_is_exact_with_them(kind: str) -> None:
    """`jvp` against `unrolled`, dropout on, in float64."""
    lesson, batch, exam = lesson_of(), batches()[kind], padded_batch(12, seed=12)
    course = course_of(lesson, batch, soft_targets_of(lesson, batch), examined=True)
    examined = exam_on(lesson.student, exam.student_inputs, labels=exam.labels)
    with mode(lesson.student, training=lesson.dropout):
        found = {name: HYPERGRADIENTS[name](course, examined) for name in ("jvp", "unrolled")}
    for ours, theirs in zip(found["jvp"].cotangent.leaves, found["unrolled"].cotangent.leaves, strict=True):
        assert float(theirs.norm()) > 0
        torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-12)
    torch.testing.assert_close(found["jvp"].influence, found["unrolled"].influence, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("kind", ["some without a label", "votes"])
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("pieces", [1, 3])
def test_every_policy_teaches_with_them(kind: str, policy: str, pieces: int) -> None:
    lesson = lesson_of(**{"policy.name": policy, "training.pieces": pieces, "policy.anchor": "labels" if policy == "exam" else "none"})
    taught = POLICIES[policy](lesson, batches()[kind], padded_batch(12, seed=12), None)
    assert all(np.isfinite(value) for value in taught.scalars.values())


def test_labels_that_are_not_there_teach_a_peer_nothing() -> None:
    """The teacher's own loss of policy online: (1 - l) CE over the labelled texts, divided by the whole batch."""
    batch = batches()["some without a label"]
    values = {"policy.name": "online", "policy.online_weight": 0.0, "training.pieces": 1}
    lesson = lesson_of(**values)
    logits = soft_targets_of(lesson, batch).logits.double().numpy()
    said = POLICIES["online"](lesson, batch, None, None).scalars["teacher_loss"]
    labelled = batch.labels.numpy() != UNLABELLED
    expected = -log_softmax(logits, axis=-1)[np.arange(12), batch.labels.numpy()][labelled].sum() / 12
    assert said == pytest.approx(expected, rel=1e-6)


def losses(folder: RunFolder) -> tuple[dict[int, Any], dict[int, float], pd.DataFrame]:
    reader = TraceReader(folder)
    course = {step: reader.course(step) for step in range(12)}
    loss = reader.scalars(["course_loss"])
    return course, dict(zip(loss["step"], loss["value"], strict=True)), reader.examples("course").set_index("id")


def recomputed(course: Any, examples: pd.DataFrame, *, alpha: float, t: float, votes: bool) -> float:
    total = 0.0
    for at, one in enumerate(course.examples):
        row, student = examples.loc[int(one)], course.student_logits[at].astype(float)
        log_q = log_softmax(student)
        if votes:
            total += (1 - alpha) * (0.0 if row["truth"] is None else float(-(np.asarray(row["truth"]) * log_q).sum()))
        elif row["label"] != UNLABELLED:
            total += (1 - alpha) * float(-log_q[row["label"]])
        total += alpha * float(kd(course.teacher_logits[at].astype(float), student, t))
    return total / len(course.examples)


def write_rows(path: Path, *, votes: bool) -> str:
    draw = np.random.default_rng(0)
    counts = draw.multinomial(20, [0.3, 0.4, 0.3], size=90)
    table = pd.DataFrame({"text": [f"Statement number {i} of {i % 7}." for i in range(90)], "label": counts.argmax(1).astype(str)})
    if votes:
        table["votes"] = [json.dumps(row.tolist()) if i % 10 else None for i, row in enumerate(counts)]
    else:
        table.loc[::4, "label"] = None
    table.to_csv(path, index=False)
    return str(path)


@pytest.mark.parametrize("policy", ["exam", "fixed"])
@pytest.mark.parametrize("kind", ["unlabelled", "votes", "votes alone"])
def test_a_whole_run_learns_from_what_its_trace_says(kind: str, policy: str, tmp_path: Path) -> None:
    if kind == "votes alone" and policy == "exam":
        pytest.skip("without soft targets there is no feedback, which the config refuses")
    votes, alpha = kind != "unlabelled", 0.0 if kind == "votes alone" else 0.6
    values: dict[str, Any] = {"task__name": "files", "task__train_file": write_rows(tmp_path / "rows.csv", votes=votes),
                              "task__exam_size": 16, "task__train_size": None, "objective__alpha": alpha, "policy__name": policy,
                              "student__dropout": False, "policy__cached_targets": "never"}  # fmt: skip
    if votes:
        values |= {"task__soft_label_column": "votes", "objective__label_targets": "truth"}
    else:
        values |= {"task__missing_labels": "study"}
    folder = finished(**values)
    course, loss, examples = losses(folder)
    kinds = {examples.loc[int(one), "label"] for step in course.values() for one in step.examples}
    assert (UNLABELLED in kinds) == (kind == "unlabelled")
    for step, one in course.items():
        assert loss[step] == pytest.approx(recomputed(one, examples, alpha=alpha, t=2.0, votes=votes), rel=1e-4)
    if votes:
        assert {name for name in folder.state().scores if "truth_kl" in name}


def test_the_known_posterior_of_a_built_in_task_can_be_studied() -> None:
    folder = finished(objective__label_targets="truth", objective__alpha=0.0, policy__name="fixed", student__dropout=False)
    course, loss, examples = losses(folder)
    for step, one in course.items():
        assert loss[step] == pytest.approx(recomputed(one, examples, alpha=0.0, t=2.0, votes=True), rel=1e-4)
