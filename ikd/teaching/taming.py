"""Against the noise of single exams, which Adam would turn into motion: the mean of several, a gate, and an end (README, *Taming*).

With g_1 ... g_k the gradients of k exams at the same teacher, m their mean and s their standard deviation, coordinate by coordinate:

    mean    the teacher steps once after k exams, on m
    gate    a coordinate moves only where |m| > c s / sqrt(k); where none does, no step is taken
    end     once the mean exam loss of the last n exams is not below that of the n before by one standard error, the teacher stays
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, variance

import torch
from torch import Tensor


class Taming:
    """What is remembered from exam to exam.

    Attributes:
        exams: k, of which the mean is taken.
        gate: c; None: every coordinate moves.
        silent_exams: n; None: the exams never end by themselves.
    """

    def __init__(self, *, exams: int = 1, gate: float | None = None, silent_exams: int | None = None) -> None:
        """Begin with nothing remembered."""
        self.exams, self.gate, self.silent_exams = exams, gate, silent_exams
        self._sums: list[Tensor] = []
        self._squares: list[Tensor] = []
        self._count = 0
        self._losses: list[float] = []

    def add(self, gradients: Sequence[Tensor]) -> bool:
        """Keep the gradients of one exam; return whether k are there."""
        if not self._sums:
            self._sums = [torch.zeros_like(one) for one in gradients]
            self._squares = [torch.zeros_like(one) for one in gradients] if self.gate is not None else []
        torch._foreach_add_(self._sums, list(gradients))
        if self._squares:
            torch._foreach_addcmul_(self._squares, list(gradients), list(gradients))
        self._count += 1
        return self._count >= self.exams

    def mean(self) -> tuple[list[Tensor], list[Tensor] | None]:
        """Return the mean gradients, zero where the gate is shut, and where it is open (None: everywhere); then forget them."""
        k = self._count
        means = [total / k for total in self._sums]
        opened = None
        if self.gate is not None:
            spread = [((square - k * mean.square()) / (k - 1)).clamp(min=0).sqrt()
                      for square, mean in zip(self._squares, means, strict=True)]  # fmt: skip
            opened = [mean.abs() > self.gate * sd / math.sqrt(k) for mean, sd in zip(means, spread, strict=True)]
            means = [torch.where(open_, mean, torch.zeros_like(mean)) for open_, mean in zip(opened, means, strict=True)]
        self._sums, self._squares, self._count = [], [], 0
        return means, opened

    def heard(self, exam_loss: float) -> None:
        """Keep the loss of an exam, as far as it is needed."""
        if self.silent_exams is not None and not self.silent:
            self._losses = [*self._losses, exam_loss][-2 * self.silent_exams :]

    @property
    def silent(self) -> bool:
        """Return whether the exams have nothing more to say; once true, it stays true, for no exam follows."""
        n = self.silent_exams
        if n is None or len(self._losses) < 2 * n:
            return False
        before, last = self._losses[:n], self._losses[n:]
        return fmean(before) - fmean(last) <= math.sqrt((variance(before) + variance(last)) / n)

    def tensors(self) -> dict[str, Tensor]:
        """Return all that is remembered, by name."""
        kept = {f"sum/{index}": one for index, one in enumerate(self._sums)}
        kept |= {f"square/{index}": one for index, one in enumerate(self._squares)}
        return kept | {"count": torch.tensor(self._count), "losses": torch.tensor(self._losses, dtype=torch.float64)}

    def restore(self, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        """Remember what `tensors` returned."""
        self._count, self._losses = int(tensors["count"]), tensors["losses"].tolist()
        self._sums = [tensors[f"sum/{index}"].to(device, copy=True) for index in range(sum(name.startswith("sum/") for name in tensors))]
        self._squares = [tensors[f"square/{index}"].to(device, copy=True)
                         for index in range(sum(name.startswith("square/") for name in tensors))]  # fmt: skip
