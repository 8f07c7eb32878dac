"""What temperature and alpha are at a step: plain arithmetic on the config that holds there."""

from __future__ import annotations

import math

from ikd.config.run import RunConfig


def temperature_at(step: int, config: RunConfig) -> float:
    """Return the temperature of the course step of this index."""
    objective, policy = config.objective, config.policy
    if policy.name == "annealed":
        return _between(policy.annealed_from, objective.temperature, step, config)
    return _between(objective.temperature, objective.temperature_end, step, config)


def alpha_at(step: int, config: RunConfig) -> float:
    """Return alpha at the course step of this index."""
    return _between(config.objective.alpha, config.objective.alpha_end, step, config)


def is_scheduled(config: RunConfig) -> bool:
    """Return whether temperature or alpha changes from step to step."""
    return config.policy.name == "annealed" or not (config.objective.temperature_end is None and config.objective.alpha_end is None)


def _between(start: float, end: float | None, step: int, config: RunConfig) -> float:
    if end is None:
        return start
    progress = min(1.0, step / max(1, config.training.steps - 1))
    if config.objective.schedule == "cosine":
        progress = (1 - math.cos(math.pi * progress)) / 2
    return start + (end - start) * progress
