"""Distillation objectives: functions of (student outputs, teacher outputs, labels) to one loss an example."""

from __future__ import annotations

from collections.abc import Callable

from ikd.errors import ConfigError, unknown_name
from ikd.objectives.combined import CourseObjective, Term
from ikd.objectives.cosine import HiddenCosine
from ikd.objectives.dist import RelationalDistillation
from ikd.objectives.dkd import DecoupledDistillation
from ikd.objectives.kd import KnowledgeDistillation
from ikd.objectives.layers import LayerPairs, layer_pairs
from ikd.objectives.logit_mse import LogitMatching
from ikd.objectives.minilm import MiniLMRelations
from ikd.objectives.pkd import PatientDistillation
from ikd.objectives.tinybert import TinyBertDistillation
from ikd.protocols import Objective

OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "kd": KnowledgeDistillation,
    "logit_mse": LogitMatching,
    "pkd": PatientDistillation,
    "tinybert": TinyBertDistillation,
    "minilm": MiniLMRelations,
    "dkd": DecoupledDistillation,
    "dist": RelationalDistillation,
    "cosine": HiddenCosine,
}

HIDDEN = frozenset({"pkd", "tinybert", "minilm", "cosine"})
"""Objectives that look at more than logits."""

TOKEN_LEVEL = frozenset({"tinybert", "minilm", "cosine"})
"""Objectives that compare token by token, so that both models must read the same tokens."""

COUPLED = frozenset({"dist"})
"""Objectives in which an example's loss hangs on the other examples of its batch."""


def build_objective(name: str, **parameters: float) -> Objective:
    """Return the named objective with its parameters.

    Raises:
        ConfigError: no objective has that name.
    """
    if name not in OBJECTIVES:
        raise ConfigError(unknown_name("objective", name, OBJECTIVES))
    return OBJECTIVES[name](**parameters)


__all__ = [
    "COUPLED",
    "HIDDEN",
    "OBJECTIVES",
    "TOKEN_LEVEL",
    "CourseObjective",
    "DecoupledDistillation",
    "HiddenCosine",
    "KnowledgeDistillation",
    "LayerPairs",
    "LogitMatching",
    "MiniLMRelations",
    "PatientDistillation",
    "RelationalDistillation",
    "Term",
    "TinyBertDistillation",
    "build_objective",
    "layer_pairs",
]
