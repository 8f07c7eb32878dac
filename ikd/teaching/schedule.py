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


class Sampler:
    """An endless order of example indices: every example once an epoch, each epoch in a new order.

    What is drawn depends on the seed and on how many were drawn before, not on the sizes of the batches.

    Attributes:
        drawn: how many were drawn so far.
    """

    def __init__(self, n_examples: int, *, seed: tuple[int, ...]) -> None:
        """Begin with the first epoch.

        Args:
            n_examples: size of the split.
            seed: numbers that determine the order.
        """
        self.drawn = 0
        self._n_examples = n_examples
        self._generator = np.random.default_rng(seed)
        self._waiting: list[int] = []

    def take(self, batch_size: int) -> list[int]:
        """Return the next examples; a split smaller than the batch gives the whole split each time.

        A batch may reach over the end of an epoch: its last examples are followed by the first of the next.
        """
        size = min(batch_size, self._n_examples)
        while len(self._waiting) < size:
            self._waiting += self._generator.permutation(self._n_examples).tolist()
        batch, self._waiting = self._waiting[:size], self._waiting[size:]
        self.drawn += size
        return batch

    def skip(self, n_drawn: int) -> set[int]:
        """Draw from a fresh sampler what was drawn before, and return which examples those were."""
        seen: set[int] = set()
        while n_drawn > self.drawn:
            seen.update(self.take(min(n_drawn - self.drawn, self._n_examples)))
        return seen


def shuffled_batches(n_examples: int, *, batch_size: int, seed: tuple[int, ...]) -> Iterator[list[int]]:
    """Yield batches of a `Sampler` without end."""
    sampler = Sampler(n_examples, seed=seed)
    while True:
        yield sampler.take(batch_size)
