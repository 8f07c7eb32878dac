"""The objective of a config: which layers both models show for it, and its terms with the parameters of a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from ikd.classroom.room import Classroom
from ikd.config import HIDDEN_OBJECTIVES, ObjectiveSettings, RunConfig, alpha_at, objective_terms, temperature_at
from ikd.errors import ConfigError
from ikd.objectives import TOKEN_LEVEL, CourseObjective, Term, build_objective
from ikd.objectives.layers import layer_pairs
from ikd.teaching.taps import Tapped

Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True)
class LayersShown:
    """Which layers both models show for an objective, in pairs of (student layer, teacher layer).

    Attributes:
        hidden: hidden states, 0 for the embeddings' output.
        attention: layers whose queries, keys and values are shown, from 1.
        parts: by objective, which of both its term looks at.
    """

    hidden: Pairs = ()
    attention: Pairs = ()
    parts: Mapping[str, tuple[slice, slice]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Return a name for each hidden state and then for each attention shown, as the trace keeps it."""
        kinds = (("hidden state", self.hidden), ("attention", self.attention))
        return [f"{kind} {ours} of the student, {theirs} of the teacher" for kind, pairs in kinds for ours, theirs in pairs]


def layers_shown(room: Classroom, config: RunConfig) -> LayersShown:
    """Return the layers that the config's objective looks at; none for an objective of logits.

    Raises:
        ConfigError: models whose layers or tokens cannot be paired.
    """
    hidden: Pairs = ()
    attention: Pairs = ()
    parts: dict[str, tuple[slice, slice]] = {}
    told_apart = room.student_layers is not None and room.teacher_layers is not None
    n_student, n_teacher = (len(room.student_layers or ()), len(room.teacher_layers or ())) if told_apart else (1, 1)
    for name in objective_terms(config.objective):
        pairs = layer_pairs(name, n_student=n_student, n_teacher=n_teacher, layer_map=config.objective.layer_map)
        if pairs.hidden or pairs.attention:
            _require_pairs(room, name, config)
        parts[name] = (
            slice(len(hidden), len(hidden) + len(pairs.hidden)), slice(len(attention), len(attention) + len(pairs.attention))
        )  # fmt: skip
        hidden, attention = hidden + tuple(pairs.hidden), attention + tuple(pairs.attention)
    shown = LayersShown(hidden=hidden, attention=attention, parts=parts)
    _require_feedback(room, shown, config)
    return shown


def tapped(room: Classroom, shown: LayersShown, *, seed: int) -> tuple[nn.Module, nn.Module]:
    """Return student and teacher as the objective needs them: as they are, or showing layers, projections drawn from the seed."""
    if not shown.hidden and not shown.attention:
        return room.student, room.teacher
    assert room.student_layers is not None and room.teacher_layers is not None
    torch.manual_seed(seed)
    own, other = _width(room.student), _width(room.teacher)
    student = Tapped(
        room.student, list(room.student_layers), hidden=[ours for ours, _ in shown.hidden],
        attention=[ours for ours, _ in shown.attention], widths=[(own, other)] * len(shown.hidden),
    )  # fmt: skip
    teacher = Tapped(
        room.teacher, list(room.teacher_layers), hidden=[theirs for _, theirs in shown.hidden],
        attention=[theirs for _, theirs in shown.attention],
    )  # fmt: skip
    return student, teacher


def course_objective(config: RunConfig, shown: LayersShown, *, step: int) -> CourseObjective:
    """Return the objective of one step: temperature and alpha may follow a schedule."""
    temperature = temperature_at(step, config)
    terms = [
        Term(
            weight=weight, objective=build_objective(name, **_parameters(name, config.objective, temperature)),
            hidden=shown.parts[name][0], attention=shown.parts[name][1],
        ) for name, weight in objective_terms(config.objective).items()
    ]  # fmt: skip
    return CourseObjective(alpha=alpha_at(step, config), terms=tuple(terms))


def _parameters(name: str, objective: ObjectiveSettings, temperature: float) -> dict[str, Any]:
    known: dict[str, dict[str, Any]] = {
        "kd": {"temperature": temperature},
        "dkd": {"temperature": temperature, "target_weight": objective.dkd_target, "other_weight": objective.dkd_others},
        "dist": {"temperature": temperature, "inter_weight": objective.dist_inter, "intra_weight": objective.dist_intra},
        "minilm": {"relation_heads": objective.relation_heads},
    }
    return known.get(name, {})


def _require_pairs(room: Classroom, name: str, config: RunConfig) -> None:
    if room.student_layers is None or room.teacher_layers is None:
        raise ConfigError(f"The objective {name} looks at layers, and those of one of the two models cannot be told apart: choose an "
                          "objective of logits such as kd, or another model.")  # fmt: skip
    if name in TOKEN_LEVEL and not room.splits["course"].same_tokens:
        raise ConfigError(f"The objective {name} compares token by token, but the two models cut texts into other tokens: choose "
                          "student.name teacher, the objective pkd, or one of logits such as kd.")  # fmt: skip
    own, other = _width(room.student), _width(room.teacher)
    if own != other and name != "minilm" and config.objective.projection == "none":
        raise ConfigError(f"The student is {own} wide and the teacher {other}, so their hidden states cannot be compared as they are: set "
                          "objective.projection to learned, or choose models of one width.")  # fmt: skip


def _require_feedback(room: Classroom, shown: LayersShown, config: RunConfig) -> None:
    policy, n_layers = config.policy, len(room.teacher_layers or ())
    alone = objective_terms(config.objective).keys() <= HIDDEN_OBJECTIVES and policy.name == "exam"
    highest = max((theirs for _, theirs in (*shown.hidden, *shown.attention)), default=n_layers)
    if alone and policy.teacher_scope == "top_layers" and highest <= n_layers - policy.teacher_top_layers:
        raise ConfigError(f"This objective looks at the teacher's layers up to number {highest} of {n_layers}, so its top "
                          f"{policy.teacher_top_layers} would get no feedback: set policy.teacher_top_layers to {n_layers - highest + 1} "
                          "or more, choose another scope, or objective.name sum with a weight for kd.")  # fmt: skip


def _width(model: nn.Module) -> int:
    config: Any = model.config
    width: int = config.hidden_size
    return width
