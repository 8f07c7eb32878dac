"""Learning-rate schedules and the order of batches: functions of the step and the seed alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

BUCKETS_A_POOL = 50

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

    What is drawn depends on the seed and on how many were drawn before, not on the sizes of the batches. With lengths, texts of like
    length follow each other: pools of 50 batches are sorted by length, cut into batches, and those shuffled. With labels, the classes
    take turns, each with its own examples in an order of its own, in the places of the labelled examples of each epoch.

    Attributes:
        drawn: how many were drawn so far.
    """

    def __init__(
        self, n_examples: int, *, seed: tuple[int, ...], lengths: Sequence[int] | None = None, bucket: int = 1,
        labels: Sequence[int] | None = None,
    ) -> None:  # fmt: skip
        """Begin with the first epoch.

        Args:
            n_examples: size of the split.
            seed: numbers that determine the order.
            lengths: of the texts, where those of like length should come together.
            bucket: how many of them.
            labels: of the examples, negative where there is none, where every class should be drawn equally often.
        """
        self.drawn = 0
        self._lengths, self._bucket = None if lengths is None else np.asarray(lengths), bucket
        self._n_examples = n_examples
        self._generator = np.random.default_rng(seed)
        self._waiting: list[int] = []
        self._begun = 0  # examples of the epochs begun so far
        self._labelled = None if labels is None else np.asarray(labels) >= 0
        self._turns = None if labels is None else _turns(np.asarray(labels), np.random.default_rng((*seed, 1)))

    def take(self, batch_size: int) -> list[int]:
        """Return the next examples; a split smaller than the batch gives the whole split each time.

        A batch may reach over the end of an epoch: its last examples are followed by the first of the next.
        """
        size = min(batch_size, self._n_examples)
        while len(self._waiting) < size:
            self._waiting += self._epoch().tolist()
        batch, self._waiting = self._waiting[:size], self._waiting[size:]
        self.drawn += size
        return batch

    def _epoch(self) -> NDArray[np.int64]:
        order = self._generator.permutation(self._n_examples)
        if self._labelled is not None and self._turns is not None:
            order = np.asarray([next(self._turns) if self._labelled[one] else one for one in order], dtype=np.int64)
        if self._lengths is None:
            return order
        # A bucket that is no whole batch would shift all after it: the last one comes last, and the next epoch first fills its batch.
        first = -self._begun % self._bucket
        self._begun += self._n_examples
        pool, whole = BUCKETS_A_POOL * self._bucket, [order[:first]]
        for start in range(first, len(order), pool):
            some = order[start : start + pool]
            some = some[np.argsort(self._lengths[some], kind="stable")]
            n_whole = len(some) // self._bucket
            buckets = np.split(some, range(self._bucket, len(some), self._bucket))
            whole += [buckets[at] for at in self._generator.permutation(n_whole)] + buckets[n_whole:]
        return np.concatenate(whole)

    def skip(self, n_drawn: int) -> set[int]:
        """Draw from a fresh sampler what was drawn before, and return which examples those were."""
        seen: set[int] = set()
        while n_drawn > self.drawn:
            seen.update(self.take(min(n_drawn - self.drawn, self._n_examples)))
        return seen


def _turns(labels: NDArray[np.int64], generator: np.random.Generator) -> Iterator[int]:
    """Yield examples without end, one of each class in turn, the classes of each round and the examples of each class shuffled."""
    members = [np.flatnonzero(labels == label) for label in np.unique(labels[labels >= 0])]
    waiting: list[list[int]] = [[] for _ in members]
    while members:
        for place in generator.permutation(len(members)):
            waiting[place] = waiting[place] or generator.permutation(members[place]).tolist()
            yield waiting[place].pop()


def shuffled_batches(n_examples: int, *, batch_size: int, seed: tuple[int, ...]) -> Iterator[list[int]]:
    """Yield batches of a `Sampler` without end."""
    sampler = Sampler(n_examples, seed=seed)
    while True:
        yield sampler.take(batch_size)
