"""Stored soft targets corrected by the exam texts before the first step: the control `teacher.sources_by_exam`."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import nn

from ikd.classroom.ending import studied_in_stages
from ikd.config import STORED, RunConfig, student_rate
from ikd.events import Event, Notice, Progress, Stage
from ikd.models import EncodedSplit, TeacherModel, build_student
from ikd.models.stored import stored_logits
from ikd.protocols import Split, TaskData
from ikd.teaching.reading import read_split
from ikd.teaching.sources import corrected_by_source
from ikd.teaching.studying import Studied, Studies, learn_targets

EXAM_STEPS = 100
"""Steps on the exam texts at most; every tenth may be the last one kept."""


class Judge(NamedTuple):
    """A model that has learned the exam texts: in which way, and how many steps on them were kept."""

    way: str
    model: nn.Module
    studied: Studied

    @property
    def loss(self) -> float:
        """Return its negative log-likelihood on the validation split."""
        return self.studied.losses[self.studied.kept]


def asks_for_sources_by_exam(config: RunConfig) -> bool:
    """Return whether the stored soft targets of a run are corrected by the exam texts."""
    return config.teacher.sources_by_exam and config.teacher.name == STORED


def with_sources_by_exam(
    data: TaskData, lessons: Mapping[str, EncodedSplit], config: RunConfig, *, teacher: TeacherModel, device: torch.device
) -> Generator[Event, None, TaskData]:
    """Return the task with the soft targets of its course corrected source by source; yields what is done.

    Two models of the student's kind learn the exam texts: one those alone, one the course as it stands before them. The better one on
    the validation split is trusted: what it says to the course texts gives each source its confusion matrix.
    """
    course = data.splits["course"]
    assert course.soft_targets is not None, "refused when the teacher was built"
    judges = []
    for first_the_course in (False, True):
        judges.append((yield from _judge(data, lessons, config, teacher=teacher, device=device, first_the_course=first_the_course)))
    best = min(judges, key=lambda one: one.loss)
    said = read_split(best.model, "student", lessons["course"], device, precision=config.machine.precision)
    names, sources = _sources(course)
    corrected = corrected_by_source(torch.tensor(course.soft_targets, dtype=torch.float64), sources, torch.softmax(said.double(), dim=-1))
    losses = ", ".join(f"{one.way} {one.loss:.4f}" for one in judges)
    yield Notice(text=f"A model of the student's kind that learned {best.way} gave {len(names)} sources a confusion matrix each, by which "
                 f"their soft targets are corrected. Negative log-likelihood on the validation split: {losses}.")  # fmt: skip
    return replace(data, splits={**data.splits, "course": replace(course, soft_targets=corrected.tolist())})


def _sources(course: Split) -> tuple[list[str], torch.Tensor]:
    """Return the names of a course's sources, one without a name among them, and which each text has, (n,)."""
    given = course.sources or [""] * len(course)
    names = sorted(set(given))
    return names, torch.tensor([names.index(one) for one in given])


def _judge(
    data: TaskData, lessons: Mapping[str, EncodedSplit], config: RunConfig, *, teacher: TeacherModel, device: torch.device,
    first_the_course: bool,
) -> Generator[Event, None, Judge]:  # fmt: skip
    model = build_student(config, data, teacher).model
    nn.Module.to(model, device)
    how = Studies(
        n_steps=config.teacher.fine_tune_steps, batch_size=config.teacher.fine_tune_batch_size, learning_rate=student_rate(config),
        optimizer=config.training.optimizer, weight_decay=config.training.weight_decay, dropout=config.student.dropout,
        seed=(config.seed, 5), precision=config.machine.precision,
    )  # fmt: skip
    way = "the course, then the exam texts" if first_the_course else "the exam texts alone"
    if first_the_course:
        targets = stored_logits(data.splits["course"], len(data.label_names), course=True)
        yield Stage(name="a model learns the course as it stands", total=how.n_steps)
        for step in learn_targets(model, lessons["course"], targets, how, device=device):
            yield Progress(step=step, total=how.n_steps)
    how = replace(how, n_steps=EXAM_STEPS, learning_rate=how.learning_rate / 3, seed=(config.seed, 6))
    studied = yield from studied_in_stages(
        model, lessons["exam"], lessons["validation"], how, device=device, stage=f"a model learns {way}"
    )
    return Judge(way, model, studied)
