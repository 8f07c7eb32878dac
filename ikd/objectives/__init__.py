"""Distillation objectives: functions of (student outputs, teacher outputs, labels) to one loss an example."""

from __future__ import annotations

from collections.abc import Callable

from ikd.errors import ConfigError, unknown_name
from ikd.objectives.kd import KnowledgeDistillation
from ikd.protocols import Objective

OBJECTIVES: dict[str, Callable[..., Objective]] = {"kd": KnowledgeDistillation}


def build_objective(name: str, **parameters: float) -> Objective:
    """Return the named objective with its parameters.

    Raises:
        ConfigError: no objective has that name.
    """
    if name not in OBJECTIVES:
        raise ConfigError(unknown_name("objective", name, OBJECTIVES))
    return OBJECTIVES[name](**parameters)


__all__ = ["OBJECTIVES", "KnowledgeDistillation", "build_objective"]
