"""Probe texts of a shortcut task with other cue words: what reliance on the shortcut is measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ikd.teaching.probe import ProbeReading
from ikd.teaching.reading import BatchSource
from ikd.teaching.reliance import reliance


@dataclass(frozen=True, kw_only=True)
class CueSwaps:
    """The first probe texts, each with other cue words in place of its own.

    Attributes:
        words: the cue word of each class, (C,).
        own: (n,) the class whose cue word each of the first n probe texts begins with.
        swapped: n * K texts: probe text i with its k-th other cue word stands at i * K + k.
    """

    words: Sequence[str]
    own: Sequence[int]
    swapped: BatchSource

    def by_text(self, logits: Tensor) -> Tensor:
        """Return logits (n * K, C) of the swapped texts as (n, K, C)."""
        return logits.reshape(len(self.own), -1, logits.shape[-1])

    def reliances(self, probe: ProbeReading, swapped: ProbeReading, *, temperature: float) -> dict[str, float]:
        """Return the reliance of teacher and student at a reading, by the names of their scalars.

        Args:
            probe: both models on the probe set, whose first n texts are these.
            swapped: both models on the swapped texts.
            temperature: of the soft targets.
        """
        pairs = {"teacher": (probe.teacher_logits, swapped.teacher_logits), "student": (probe.student_logits, swapped.student_logits)}
        return {
            f"reliance_{role}": reliance(
                probe.in_order(own)[: len(self.own)], self.by_text(swapped.in_order(other)), temperature
            ) for role, (own, other) in pairs.items()
        }  # fmt: skip
