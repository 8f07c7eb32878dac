"""Every objective under every teacher policy, scope and student update: what moves, when, and that the exam step is exact.

Each run goes through the trainer's own door in float64, with dropout, and is watched from outside, weight by weight. The truth of
the hypergradients is `unrolled`, which differentiates the update itself.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from ikd.config import HIDDEN_OBJECTIVES, OBJECTIVE_NAMES, RunConfig, Timeline, build_config
from ikd.errors import ConfigError
from ikd.events import Reading, StepTaken
from ikd.models.adapters import add_adapters
from ikd.protocols import ExamLoss, Feedback
from ikd.teaching.course import CourseStep
from ikd.teaching.hypergradients import HYPERGRADIENTS
from ikd.trainer import Training
from tests.tiny import tiny_bert, tiny_room

POLICIES = ("exam", "fixed", "mutual", "online", "annealed")
SCOPES = ("all", "top_layers", "head", "adapter")
UPDATES = ("keep", "redo")
STEPS, START, EVERY, FREEZE = 7, 1, 2, 6
EXAMS = {2, 4}  # not 0, which is before the start, not 1, 3 and 5, and not 6, where the teacher is frozen
PROBED = 4  # a step with a reading and an exam
Cell = tuple[str, str, str, str]
GRID: list[Cell] = list(product([*OBJECTIVE_NAMES, "sum"], POLICIES, SCOPES, UPDATES))

NO_FEEDBACK_AT_THE_HEAD = "An objective that looks at layers alone sends no feedback to the teacher's classifier"
NO_FEEDBACK_ON_TOP = "The objective pkd looks at the teacher's layers up to number 1 of 2"
REFUSED: dict[Cell, str] = {
    **{(name, "exam", "head", update): NO_FEEDBACK_AT_THE_HEAD for name in ("pkd", "tinybert", "minilm", "cosine") for update in UPDATES},
    **{("pkd", "exam", "top_layers", update): NO_FEEDBACK_ON_TOP for update in UPDATES},
}
RUN = [cell for cell in GRID if cell not in REFUSED]


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What was seen of one run.

    Attributes:
        teacher, student: by step, the names of the weights that changed in the least bit; the student's projections included.
        weights: the student's at the end.
        names: all of the teacher's and of the student's.
        gaps: relative errors of jvp against unrolled, by name of what was compared; one for each exam.
        readings: by step.
    """

    scalars: list[Mapping[str, float]] = field(default_factory=list)
    teacher: list[set[str]] = field(default_factory=list)
    student: list[set[str]] = field(default_factory=list)
    weights: dict[str, Tensor] = field(default_factory=dict)
    names: tuple[set[str], set[str]] = field(default_factory=lambda: (set(), set()))
    gaps: list[dict[str, float]] = field(default_factory=list)
    readings: dict[int, Reading] = field(default_factory=dict)


def config_of(cell: Cell) -> RunConfig:
    objective, policy, scope, update = cell
    return build_config({
        "objective.name": objective, "objective.pkd_weight": 0.5, "objective.tinybert_weight": 0.3, "policy.name": policy,
        "policy.teacher_scope": scope, "policy.student_update": update, "policy.adapter_rank": 2, "policy.exam_start": START,
        "policy.exam_every": EVERY, "policy.teacher_freeze_at": FREEZE, "policy.exam_batch_size": 4, "policy.teacher_learning_rate": 1e-3,
        "teacher.name": "builtin/2x32", "student.name": "builtin/2x16", "training.steps": STEPS, "training.batch_size": 4,
        "training.warmup_steps": 1, "record.probe_every": PROBED,
    })  # fmt: skip


@cache
def models() -> tuple[nn.Module, nn.Module]:
    """Return the teacher and the student that every run begins with a copy of; their widths differ."""
    return tiny_bert(2, 32, seed=1), tiny_bert(2, 16, seed=2)


@cache
def watched(cell: Cell) -> Watched:
    """Carry out a run, with the hypergradient computed in two ways at each exam."""
    config, seen = config_of(cell), Watched()
    teacher, student = copy.deepcopy(models())
    if cell[2] == "adapter" and cell[1] in ("exam", "mutual", "online"):
        add_adapters(teacher, rank=2, seed=3)  # type: ignore[arg-type]

    def both(course: CourseStep, exam: ExamLoss, *, inner_update: str = "exact") -> Feedback:
        got, wanted = (HYPERGRADIENTS[name](course, exam, inner_update=inner_update) for name in ("alone", "unrolled"))
        seen.gaps.append(gaps_between(got, wanted))
        return got

    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(HYPERGRADIENTS, "alone", HYPERGRADIENTS["jvp"])
        patched.setitem(HYPERGRADIENTS, "jvp", both)
        training = Training(tiny_room(teacher, student), Timeline(config))
        watch(training, teacher, seen)
    return seen


def watch(training: Training, teacher: nn.Module, seen: Watched) -> None:
    """Go through a run and note what each step changes."""
    before: dict[str, dict[str, Tensor]] = {}
    for event in training.events():
        after = {"teacher": copy.deepcopy(teacher.state_dict()), "student": of_student(training)}
        if isinstance(event, StepTaken) and event.course is not None:
            for role, changed in (("teacher", seen.teacher), ("student", seen.student)):
                changed.append({name for name, now in after[role].items() if not torch.equal(now, before[role][name])})
            seen.scalars.append(event.scalars)
            if event.reading is not None:
                seen.readings[event.step] = event.reading
        before = after
    seen.weights.update(before["student"])
    seen.names[0].update(before["teacher"])
    seen.names[1].update(before["student"])


def of_student(training: Training) -> dict[str, Tensor]:
    """Return the student's weights, its projections included."""
    found = training.snapshot().tensors
    return {name.removeprefix("student/"): tensor for name, tensor in found.items() if name.startswith("student/")}


def gaps_between(got: Feedback, wanted: Feedback) -> dict[str, float]:
    """Return relative errors at every leaf and of the influences; where nothing is wanted, any answer is infinitely wrong."""
    leaves = {f"leaf {at}": pair for at, pair in enumerate(zip(got.cotangent.leaves, wanted.cotangent.leaves, strict=True))}
    pairs = {**leaves, "influence": (got.influence, wanted.influence), "exam loss": (got.exam_loss, wanted.exam_loss)}
    norms = {name: (float((one - other).norm()), float(other.norm())) for name, (one, other) in pairs.items()}
    return {name: off / size if size else (math.inf if off else 0.0) for name, (off, size) in norms.items()}


def in_scope(scope: str, name: str) -> bool:
    """Return whether a weight of the teacher may learn at all."""
    head = "pooler" in name or "classifier" in name
    return {"all": True, "top_layers": head or "layer.1." in name, "head": head, "adapter": "lora_" in name}[scope]


def reached(objective: str, policy: str, name: str) -> bool:
    """Return whether what the objective looks at, or a policy of logits, depends on a weight of the teacher."""
    if policy != "exam" or objective not in HIDDEN_OBJECTIVES:
        return True
    below = {"pkd": "layer.1.", "minilm": "layer.1.attention.output layer.1.intermediate layer.1.output"}.get(objective, "")
    return not any(part in name for part in ("pooler", "classifier", *below.split()))


def has_no_effect(objective: str, policy: str, name: str) -> bool:
    """Return whether a weight is a bias of keys that only a softmax sees, which does not mind it: rounding alone moves it."""
    shown = {"tinybert": ("layer.0.", "layer.1."), "sum": ("layer.0.", "layer.1."), "minilm": ("layer.1.",)}
    looked_at = shown.get(objective, ()) if policy == "exam" else ()
    return "key" in name and name.endswith("bias") and not any(layer in name for layer in looked_at)


def test_what_is_refused_is_exactly_this() -> None:
    refused = {}
    for cell in GRID:
        try:
            config_of(cell)
        except ConfigError as fault:
            refused[cell] = str(fault)
    assert refused.keys() == REFUSED.keys()
    assert all(refused[cell].startswith(sentence) for cell, sentence in REFUSED.items())


def marked(cell: Cell) -> object:
    """Return a cell for the everyday suite, or one that is run with the slow tests: what is left out here is the other scopes and redo."""
    everyday = cell[2:] == ("all", "keep")
    return pytest.param(cell, id="-".join(cell), marks=() if everyday else pytest.mark.slow)


@pytest.mark.parametrize("cell", [marked(cell) for cell in RUN])
def test_whatever_is_chosen_moves_what_it_should_and_nothing_else(cell: Cell) -> None:
    the_teacher_moves_when_and_where_it_should(cell)
    the_whole_student_moves_at_every_step(cell)
    a_choice_changes_the_student_only_where_it_applies(cell)
    if cell[1] == "exam":
        the_exam_step_is_exact_at_every_leaf(cell)


def the_teacher_moves_when_and_where_it_should(cell: Cell) -> None:
    objective, policy, scope, _ = cell
    seen = watched(cell)
    due = {"exam": EXAMS, "mutual": set(range(FREEZE)), "online": set(range(FREEZE))}.get(policy, set())
    free = {name for name in seen.names[0] if has_no_effect(objective, policy, name)}
    may = {name for name in seen.names[0] if in_scope(scope, name) and reached(objective, policy, name)}
    assert may or not due
    for step, moved in enumerate(seen.teacher):
        wanted = may if step in due else set()
        if due and step == min(due):  # the second factor is zero: the first has no slope yet
            wanted = {name for name in wanted if "lora_A" not in name}
        assert moved - free == wanted - free
        assert moved <= may, "not even by rounding"


def the_whole_student_moves_at_every_step(cell: Cell) -> None:
    objective, policy, *_ = cell
    seen = watched(cell)
    n_projections = {"pkd": 1, "tinybert": 3, "cosine": 1, "sum": 4}.get(objective, 0)
    assert sum("projections" in name for name in seen.names[1]) == n_projections
    free = {name for name in seen.names[1] if name.endswith("key.bias")}
    assert len(seen.student) == STEPS
    for moved in seen.student:
        assert moved | free == seen.names[1] | free
    assert all(math.isfinite(value) for scalars in seen.scalars for value in scalars.values())
    assert [step for step, scalars in enumerate(seen.scalars) if "exam_loss" in scalars] == (sorted(EXAMS) if policy == "exam" else [])


def a_choice_changes_the_student_only_where_it_applies(cell: Cell) -> None:
    """Scope is a matter of teachers that move, redoing of exams; elsewhere not one bit may differ."""
    objective, policy, scope, update = cell
    if policy in ("fixed", "annealed"):
        other: Cell = (objective, policy, "all", "keep")
    else:
        other = (objective, policy, scope, "keep")
    same = all(torch.equal(one, watched(other).weights[name]) for name, one in watched(cell).weights.items())
    assert same == (policy != "exam" or update == "keep")


def the_exam_step_is_exact_at_every_leaf(cell: Cell) -> None:
    objective = cell[0]
    seen = watched(cell)
    n_hidden = {"pkd": 1, "tinybert": 3, "cosine": 1, "sum": 4}.get(objective, 0)
    n_attention = {"tinybert": 2, "minilm": 1, "sum": 2}.get(objective, 0)
    assert len(seen.gaps) == len(EXAMS)
    for gaps in seen.gaps:
        assert len(gaps) == 1 + n_hidden + 3 * n_attention + 2
        assert max(gaps.values()) < 1e-8, gaps
    asked = seen.readings[PROBED]
    assert asked.feedback is not None and bool(asked.feedback.any()) == (objective not in HIDDEN_OBJECTIVES)
    shown = n_hidden + n_attention
    assert (asked.hidden_feedback is not None) == bool(shown)
    if asked.hidden_feedback is not None:
        assert asked.hidden_feedback.shape == (5, shown) and bool((asked.hidden_feedback > 0).all())
