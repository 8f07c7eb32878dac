"""Stored soft targets corrected by the exam texts before the first step: the control `teacher.sources_by_exam`."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace

import torch
from torch import nn

from ikd.classroom.ending import studied_in_stages
from ikd.config import STORED, RunConfig, student_rate
from ikd.events import Event, Notice
from ikd.models import EncodedSplit, TeacherModel, build_student
from ikd.protocols import TaskData
from ikd.teaching.reading import read_split
from ikd.teaching.sources import corrected_by_source
from ikd.teaching.studying import Studies


def asks_for_sources_by_exam(config: RunConfig) -> bool:
    """Return whether the stored soft targets of a run are corrected by the exam texts."""
    return config.teacher.sources_by_exam and config.teacher.name == STORED


def with_sources_by_exam(
    data: TaskData, lessons: Mapping[str, EncodedSplit], config: RunConfig, *, teacher: TeacherModel, device: torch.device
) -> Generator[Event, None, TaskData]:
    """Return the task with the soft targets of its course corrected source by source; yields what is done.

    A model of the student's kind, with its first weights, learns the exam texts alone, in as many steps as `teacher.fine_tune_steps` at
    most; how many are kept is chosen on the validation split. What it says to the course texts gives each source its confusion matrix.
    """
    course = data.splits["course"]
    assert course.soft_targets is not None, "refused when the teacher was built"
    judge = build_student(config, data, teacher).model
    nn.Module.to(judge, device)
    how = Studies(
        n_steps=config.teacher.fine_tune_steps, batch_size=config.teacher.fine_tune_batch_size, learning_rate=student_rate(config),
        optimizer=config.training.optimizer, weight_decay=config.training.weight_decay, dropout=config.student.dropout,
        seed=(config.seed, 5), precision=config.machine.precision,
    )  # fmt: skip
    studied = yield from studied_in_stages(
        judge, lessons["exam"], lessons["validation"], how, device=device, stage="a model learns the exam texts alone"
    )
    said = read_split(judge, "student", lessons["course"], device, precision=config.machine.precision)
    names = sorted(set(course.sources or ()))
    sources = torch.tensor([names.index(one) for one in course.sources or ()] or [0] * len(course))
    corrected = corrected_by_source(torch.tensor(course.soft_targets, dtype=torch.float64), sources, torch.softmax(said.double(), dim=-1))
    yield Notice(text=f"A model of the student's kind learned the exam texts alone ({studied.kept} of {how.n_steps} steps kept, chosen on "
                 f"the validation split: {studied.losses[studied.kept]:.4f} nats there) and gave {max(len(names), 1)} sources a confusion "
                 "matrix each: their soft targets are corrected by it.")  # fmt: skip
    return replace(data, splits={**data.splits, "course": replace(course, soft_targets=corrected.tolist())})
