"""Two models ready to meet, and the splits they meet on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import nn

from ikd.classroom.cues import CueSwaps
from ikd.config import RunConfig
from ikd.protocols import Split
from ikd.teaching.reading import BatchSource
from ikd.teaching.schedule import Sampler


class LabelledSource(BatchSource, Protocol):
    """A split with its texts, served as batches."""

    split: Split


@dataclass(frozen=True, kw_only=True)
class Classroom:
    """Two models ready to meet, and the splits they meet on.

    Attributes:
        teacher: already fine-tuned on the task.
        teacher_layers, student_layers: their lists of transformer layers, where they can be told apart.
        splits: "course", "validation" and, for exams, "exam"; "test" where there is one.
        device: where both models are.
        facts: what the log and the pages should know of how they were made.
        source_names: of who gave labels or soft targets of the course, index = `Batch.sources`; empty where nobody is named.
        source_worth: as `TaskData.source_worth`.
        cues: probe texts with other cue words, where the task has a shortcut.
    """

    student: nn.Module
    teacher: nn.Module
    teacher_layers: nn.ModuleList | None
    student_layers: nn.ModuleList | None = None
    splits: Mapping[str, LabelledSource]
    label_names: Sequence[str]
    device: torch.device
    facts: Mapping[str, float | int | str]
    source_names: Sequence[str] = ()
    source_worth: Mapping[str, Sequence[float]] = field(default_factory=dict)
    cues: CueSwaps | None = None


def course_sampler(course: LabelledSource, config: RunConfig) -> Sampler:
    """Return what draws the course batches of a run, from its first one on."""
    return Sampler(
        len(course), seed=(config.seed, 2), bucket=config.training.batch_size,
        lengths=course.lengths if config.training.length_buckets else None,
        labels=course.split.labels if config.training.balanced_batches else None,
    )  # fmt: skip
