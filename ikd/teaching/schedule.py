"""Learning-rate schedules and the order of batches: functions of the step and the seed alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
}


def learning_rate_factor(step: int, *, n_steps: int, warmup_steps: int, schedule: str) -> float:
    """Return the factor in (0, 1] on the peak learning rate at a step; never zero, so that feedback never vanishes.

    Args:
        step: 0 to n_steps - 1.
        n_steps: steps of the run.
        warmup_steps: steps of linear rise before the schedule starts.
        schedule: a name in SCHEDULES.
    """
    if step < warmup_steps:
        return (step + 1) / (warmup_steps + 1)
    return SCHEDULES[schedule]((step - warmup_steps) / max(1, n_steps - warmup_steps))


def shuffled_batches(n_examples: int, *, batch_size: int, seed: tuple[int, ...]) -> Iterator[list[int]]:
    """Yield batches of example indices without end: every example once an epoch, each epoch in a new order.

    A batch may reach over the end of an epoch; the last examples of one epoch are followed by the first of the next.
    A split smaller than the batch gives the whole split each time.

    Args:
        n_examples: size of the split.
        batch_size: examples a batch.
        seed: numbers that determine the order.
    """
    generator = np.random.default_rng(seed)
    size = min(batch_size, n_examples)
    waiting: list[int] = []
    while True:
        while len(waiting) < size:
            waiting += generator.permutation(n_examples).tolist()
        yield waiting[:size]
        waiting = waiting[size:]
