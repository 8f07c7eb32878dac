"""How a student comes to its end: which student the course leaves, what it studies then, and how sure it may be."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ikd.classroom.room import Classroom
from ikd.config import RunConfig, fresh_student_at, then_exam_rate
from ikd.config.exam_texts import measured_every
from ikd.events import Event, Notice, Predicted, Progress, Stage
from ikd.teaching.calibration import FLATTEST, SHARPEST, fitted_temperature
from ikd.teaching.optimizers import trained_parameters
from ikd.teaching.reading import BatchSource, read_split
from ikd.teaching.studying import Studied, Studies, put_weights, split_loss, study, weights_of

BEFORE = "student_before_exam_texts"
LOSS, STEP = "kept//loss", "kept//step"
Facts = dict[str, float | int | str]


class Asked(NamedTuple):
    """Who is asked on the scored splits: a role, its model, and the temperature that its answers are divided by."""

    role: str
    model: nn.Module
    temperature: float = 1.0


class BestStudent:
    """The student whose loss on the exam texts was the lowest so far, where `training.kept_student` asks for it.

    Attributes:
        step: completed updates of the student that is kept; -1: none is.
        loss: its mean negative log-likelihood on the whole exam split, in nats.
    """

    def __init__(self, room: Classroom) -> None:
        """Begin with none."""
        self.step, self.loss = -1, math.inf
        self._room = room
        self._kept: dict[str, Tensor] = {}

    def look(self, step: int, config: RunConfig) -> dict[str, float]:
        """Measure the student where that is due, keep it where it is better, and return what is recorded of it."""
        n_steps = config.training.steps
        due = step % measured_every(n_steps) == 0 or step == n_steps
        if config.training.kept_student != "best_exam" or not due or step < (fresh_student_at(config) or 0):
            return {}
        room = self._room
        loss = split_loss(room.student, room.splits["exam"], room.device, precision=config.machine.precision)
        if loss < self.loss:
            self.step, self.loss, self._kept = step, loss, weights_of(trained_parameters(room.student))
        return {"exam_split_loss": loss}

    def put(self) -> Iterator[Notice]:
        """Give the student the weights that were kept, and say so; nothing where none were."""
        if self._kept:
            put_weights(trained_parameters(self._room.student), self._kept)
            yield Notice(text=f"The student of step {self.step} is kept: its loss on the exam texts, {self.loss:.4f}, was the lowest.")

    def tensors(self) -> dict[str, Tensor]:
        """Return what a checkpoint needs to hold of it."""
        if not self._kept:
            return {}
        numbers = {LOSS: torch.tensor(self.loss, dtype=torch.float64), STEP: torch.tensor(self.step)}
        return {**{f"kept/{name}": weight.to("cpu", copy=True).contiguous() for name, weight in self._kept.items()}, **numbers}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Be as `tensors` found it."""
        if STEP in tensors:
            self.step, self.loss = int(tensors[STEP]), float(tensors[LOSS])
            self._kept = {name: tensors[f"kept/{name}"].to(self._room.device, copy=True) for name in trained_parameters(self._room.student)}


def end_of(
    room: Classroom, config: RunConfig, best: BestStudent, ask: Callable[[Asked], Iterator[Predicted]]
) -> Generator[Event, None, Facts]:
    """Bring the student to its end and ask it on the scored splits; yields what happens and returns facts of it.

    Args:
        room: the student as the course left it.
        config: what holds after the last step.
        best: what was kept on the way.
        ask: how a model is asked.
    """
    training, facts = config.training, Facts()
    yield from best.put()
    if training.kept_student == "best_exam":
        facts |= {"kept_step": best.step, "kept_exam_loss": best.loss}
    if training.then_exam_steps:
        yield from ask(Asked(BEFORE, room.student))
        facts |= yield from _exam_texts_studied(room, config)
        yield Stage(name="final scores")
    temperature = 1.0
    if training.calibrate_on_exam:
        temperature = _temperature(room, config)
        facts["student_temperature"] = temperature
        yield Notice(text=_temperature_words(temperature))
    yield from ask(Asked("student", room.student, temperature))
    return facts


def _exam_texts_studied(room: Classroom, config: RunConfig) -> Generator[Event, None, Facts]:
    training, total = config.training, config.training.then_exam_steps
    how = Studies(
        n_steps=total, batch_size=training.batch_size, learning_rate=then_exam_rate(config), optimizer=training.optimizer,
        weight_decay=training.weight_decay, max_gradient_norm=training.max_gradient_norm, dropout=config.student.dropout,
        seed=(config.seed, 4), pieces=training.pieces, precision=config.machine.precision,
    )  # fmt: skip
    studied = yield from studied_in_stages(
        room.student, room.splits["exam"], room.splits["validation"], how, device=room.device, stage="studying the exam texts"
    )
    yield Notice(text=_studied_words(studied, total))
    return {"then_exam_steps_kept": studied.kept, "then_exam_validation_nll_before": studied.losses[0],
            "then_exam_validation_nll": studied.losses[studied.kept]}  # fmt: skip


def studied_in_stages(
    student: nn.Module, texts: BatchSource, deciding: BatchSource, how: Studies, *, device: torch.device, stage: str
) -> Generator[Event, None, Studied]:
    """Study texts as `ikd.teaching.studying.study` does, and yield the stage and how far it is."""
    yield Stage(name=stage, total=how.n_steps)
    taken = study(student, texts, deciding, how, device=device)
    while True:
        try:
            step = next(taken)
        except StopIteration as end:
            studied: Studied = end.value
            return studied
        yield Progress(step=step, total=how.n_steps)


def _studied_words(studied: Studied, total: int) -> str:
    before, after = studied.losses[0], studied.losses[studied.kept]
    broke = "" if all(map(math.isfinite, studied.losses.values())) else " Its loss ceased to be a number: lower the learning rate."
    if not studied.kept:
        least = min((loss for step, loss in studied.losses.items() if step), default=math.nan)
        return (f"None of {total} steps on the exam texts is kept: the negative log-likelihood on the validation split was {before:.4f} "
                f"before them and at best {least:.4f} after some.{broke}")  # fmt: skip
    return (f"{studied.kept} of {total} steps on the exam texts are kept: the negative log-likelihood on the validation split was lowest "
            f"there, {after:.4f} (before: {before:.4f}).{broke}")  # fmt: skip


def _temperature(room: Classroom, config: RunConfig) -> float:
    exam = room.splits["exam"]
    logits = read_split(room.student, "student", exam, room.device, precision=config.machine.precision)
    return fitted_temperature(logits, torch.tensor(list(exam.split.labels)))


def _temperature_words(temperature: float) -> str:
    bound = " That is the bound of what is fitted." if temperature in (SHARPEST, FLATTEST) else ""
    return f"The student's final answers are divided by the temperature {temperature:.3f}, which fits the exam texts best.{bound}"
