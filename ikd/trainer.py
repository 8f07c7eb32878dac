"""One run as a generator of events. Stop = stop iterating, pause = stop asking, single step = ask once."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from ikd.classroom import (
    Asked,
    BestStudent,
    Classroom,
    LabelledSource,
    build_lesson,
    changed_lesson,
    course_sampler,
    end_of,
    layers_shown,
    plain,
    reading_of,
    run_started,
    scheduled_lesson,
    step_taken,
)
from ikd.classroom.checks import require_finite, require_floor
from ikd.classroom.examples import scored_split
from ikd.config import (
    EXAM_POLICIES,
    HIDDEN_OBJECTIVES,
    MOVING_POLICIES,
    RunConfig,
    Timeline,
    alpha_at,
    exam_is_due,
    fresh_student_at,
    is_scheduled,
    objective_terms,
    student_rate,
    teacher_learns,
    teacher_rate,
    temperature_at,
)
from ikd.events import Event, Notice, Predicted, RunFinished, Stage, StepTaken
from ikd.metrics.scores import point_values
from ikd.protocols import Batch
from ikd.teaching.corrections import numbers_of
from ikd.teaching.lesson import Lesson
from ikd.teaching.optimizers import set_learning_rate
from ikd.teaching.policies import POLICIES, fixed_step
from ikd.teaching.probe import ProbeReading
from ikd.teaching.reading import corrected_reading, on_device, read_corrected, read_probe, read_split, whole_split
from ikd.teaching.schedule import Sampler, learning_rate_factor
from ikd.teaching.snapshot import Snapshot, gather, restore
from ikd.teaching.teacher_update import LOOKS_BACK

SCORED = ("validation", "test")
PEERS = MOVING_POLICIES - EXAM_POLICIES


def train(room: Classroom, config: RunConfig) -> Iterator[Event]:
    """Teach the student by one config, yielding every fact of the run as plain values; as `Training.events`."""
    yield from Training(room, Timeline(config)).events()


class Training:
    """One run under way, between any two of its events.

    Attributes:
        step: completed student updates.
    """

    def __init__(
        self, room: Classroom, timeline: Timeline, *, start: Snapshot | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Build the lesson; nothing is computed yet.

        Args:
            room: both models as they were before the first step, even where the run goes on from a snapshot.
            timeline: the settings at each step; changes may be added while the run goes on.
            start: where to go on.
            clock: returns seconds; read while a step is computed, so that what is done between two events does not count.
        """
        self._clock = clock
        self._room, self._timeline, self._start = room, timeline, start
        self._config = timeline.at(0)
        anchored = any(one.path == "policy.anchor" and one.value in LOOKS_BACK for one in timeline.changes)
        self._lesson, self._shown = build_lesson(room, self._config, anchored=anchored), layers_shown(room, self._config)
        self.step = 0
        seed, splits = self._config.seed, room.splits
        self._exam_split = splits.get("course" if self._config.policy.exam_source == "train" else "exam")
        self._course = course_sampler(splits["course"], self._config)
        self._exams = Sampler(len(self._exam_split) if self._exam_split is not None else 0, seed=(seed, 3))
        self._first_student = copy.deepcopy(self._lesson.student.state_dict()) if fresh_student_at(self._config) is not None else None
        self._swapped = whole_split(room.cues.swapped, room.device) if room.cues is not None else []
        self._known: set[int] = set()
        self._scores: dict[str, float] = {}
        self._best = BestStudent(room)

    def events(self) -> Iterator[Event]:
        """Yield the run's facts from its start, or from its snapshot, to its end.

        Each step s: read the probe set (every `record.probe_every` steps), take one course step and, where one is due,
        one exam step (README, *The method in formulas*), report. A last reading follows the last step.

        Raises:
            TrainingError: a loss that is not finite, or a teacher below its accuracy floor.
            ModelError: a snapshot of other models.
        """
        probe_batches = whole_split(self._room.splits["validation"], self._room.device, first=self._config.record.probe_size)
        yield run_started(self._room, self._config, n_steps=self._timeline.last.training.steps, shown=self._shown.names)
        if self._config.policy.fresh_student:
            yield Notice(text=f"From step {fresh_student_at(self._config)} on a fresh student is taught by the teacher as it is then.")
        yield from (scored_split(self._room.splits[name], name) for name in SCORED if name in self._room.splits)
        yield from self._begin()
        before_step_0 = 0.0
        if caches_soft_targets(self._config, len(self._room.splits["course"])):
            yield Stage(name="soft targets of the whole course split")
            began = self._clock()
            self._lesson = replace(self._lesson, soft_targets=self._said_once())
            before_step_0 = self._clock() - began
        yield Stage(name="teaching", total=self._timeline.at(self.step).training.steps)
        while self.step < self._config_now().training.steps:
            began = self._clock()
            was_silent = self._silent
            taken = self._next_step(probe_batches)
            if self._silent and not was_silent:
                yield Notice(text=f"At step {taken.step} the exams had nothing more to say (policy.silent_exams): the teacher is frozen.")
            yield replace(taken, seconds=self._clock() - began + (before_step_0 if taken.step == 0 else 0.0))
        began = self._clock()
        last = self._read(probe_batches)
        scalars = {**self._best.look(self.step, self._config), **self._reliances(last)}
        yield StepTaken(step=self.step, scalars=scalars, reading=reading_of(last, None, self._numbers()), seconds=self._clock() - began)
        yield Stage(name="final scores")
        yield from self._predictions(Asked("teacher", self._lesson.teacher))
        facts = yield from end_of(self._room, self._config, self._best, self._predictions)
        yield RunFinished(scores=dict(self._scores), facts=facts)

    def snapshot(self) -> Snapshot:
        """Return all that is needed to go on from here; to be asked for after an event of a step."""
        return Snapshot(
            step=self.step, tensors=gather(self._lesson, self._room.device) | self._best.tensors(), course_drawn=self._course.drawn,
            exam_drawn=self._exams.drawn, scores=dict(self._scores),
        )  # fmt: skip

    def _begin(self) -> Iterator[Event]:
        start = self._start
        if start is None:
            yield Stage(name="scoring the teacher")
            if self._config.policy.name in MOVING_POLICIES:
                yield from self._predictions(Asked("frozen_teacher", self._lesson.teacher))
            torch.manual_seed(self._config.seed)
            return
        self._scores = dict(start.scores)
        self._known = self._course.skip(start.course_drawn)
        self._exams.skip(start.exam_drawn)
        restore(self._lesson, start.tensors, self._room.device)
        self._best.restore(start.tensors)
        self.step = start.step

    def _predictions(self, asked: Asked) -> Iterator[Predicted]:
        """Yield what one model says on every scored split, and keep its scores, named role/split/score."""
        room, role, reads = self._room, asked.role, "student" if asked.role.startswith("student") else "teacher"
        for name in SCORED:
            if name not in room.splits:
                continue
            data = room.splits[name].split
            said = self._said(asked.model, reads, room.splits[name])
            logits = plain(said if asked.temperature == 1 else said / asked.temperature)
            scores = point_values(logits, data.labels, data.truth, data.groups)
            self._scores |= {f"{role}/{name}/{score}": value for score, value in scores.items()}
            yield Predicted(role=role, split=name, logits=logits)

    def _said(self, model: nn.Module, role: str, source: LabelledSource) -> Tensor:
        """Return what a model says on a whole split (n, C); of the teacher with its correction, as this student is taught by it."""
        lesson, device, precision = self._lesson, self._room.device, self._config.machine.precision
        said = read_split(model, role, source, device, precision=precision)
        if lesson.correction is None or role == "student":
            return said
        student = read_split(lesson.student, "student", source, device, precision=precision)
        return read_corrected(lesson.correction, said, student, source, device, temperature=lesson.temperature)

    def _numbers(self) -> Tensor | None:
        correction = self._lesson.correction
        return None if correction is None else numbers_of(correction)

    @property
    def _silent(self) -> bool:
        return self._lesson.taming is not None and self._lesson.taming.silent

    def _config_now(self) -> RunConfig:
        config = self._timeline.at(self.step)
        if self.step == fresh_student_at(config) and self._first_student is not None:
            self._lesson.student.load_state_dict(self._first_student)
            self._lesson.update.optimizer.state.clear()
        if config is not self._config:
            self._config = config
            self._lesson = changed_lesson(self._lesson, config, self._shown, room=self._room, step=self.step)
        elif is_scheduled(config):
            self._lesson = scheduled_lesson(self._lesson, config, self._shown, step=self.step)
        return config

    def _said_once(self) -> Tensor:
        room, precision = self._room, self._config.machine.precision
        return read_split(room.teacher, "teacher", room.splits["course"], room.device, precision=precision).to(room.device)

    def _next_step(self, probe_batches: Sequence[Batch]) -> StepTaken:
        config, room, step = self._config, self._room, self.step
        _set_rates(self._lesson, step, config)
        probe = self._read(probe_batches) if step % config.record.probe_every == 0 else None
        require_floor(probe, config, step)
        looked, numbers = self._best.look(step, config), self._numbers() if probe is not None else None
        batch = on_device(room.splits["course"].batch(self._course.take(config.training.batch_size)), room.device)
        exam = None
        if exam_is_due(step, config) and self._exam_split is not None and not self._silent:
            exam = on_device(self._exam_split.batch(self._exams.take(config.policy.exam_batch_size)), room.device)
        # The policy exam sees for itself whether there is an exam; one without exams knows nothing of a frozen teacher.
        rests = config.policy.name in PEERS and not teacher_learns(step, config)
        policy = fixed_step if rests else POLICIES[config.policy.name]
        taught = policy(self._lesson, batch, exam, probe)
        if is_scheduled(config):
            taught.scalars.update(temperature=temperature_at(step, config), alpha=alpha_at(step, config))
        taught.scalars.update({**looked, **self._reliances(probe)})
        require_finite(taught.scalars, step)
        self.step = step + 1
        if self._lesson.taming is not None and "exam_loss" in taught.scalars:
            self._lesson.taming.heard(taught.scalars["exam_loss"])
        return step_taken(step, taught, batch, probe=probe, texts=room.splits["course"], known=self._known, numbers=numbers)

    def _read(self, batches: Sequence[Batch]) -> ProbeReading:
        lesson = self._lesson
        reading = read_probe(lesson.student, lesson.teacher, batches, precision=self._config.machine.precision)
        if lesson.correction is None:
            return reading
        return corrected_reading(lesson.correction, reading, temperature=lesson.temperature)

    def _reliances(self, probe: ProbeReading | None) -> dict[str, float]:
        cues = self._room.cues
        if probe is None or cues is None:
            return {}
        return cues.reliances(probe, self._read(self._swapped), temperature=temperature_at(0, self._timeline.at(0)))


def caches_soft_targets(config: RunConfig, n_examples: int) -> bool:
    """Return whether the soft targets of all course examples are computed before the first step (`policy.cached_targets`)."""
    if config.policy.name not in ("fixed", "annealed") or config.policy.cached_targets == "never":
        return False
    again = config.training.steps * config.training.batch_size > n_examples
    return not HIDDEN_OBJECTIVES & objective_terms(config.objective).keys() and (again or config.policy.cached_targets == "always")


def _set_rates(lesson: Lesson, step: int, config: RunConfig) -> None:
    training, policy = config.training, config.policy
    half = fresh_student_at(config)
    begun, ends = (half, training.steps) if half is not None and step >= half else (0, training.steps if half is None else half)
    factor = learning_rate_factor(
        step - begun, n_steps=ends - begun, warmup_steps=training.warmup_steps, schedule=training.schedule
    )
    set_learning_rate(lesson.update.optimizer, student_rate(config) * factor)
    if lesson.teacher_optimizer is not None:
        factor = learning_rate_factor(
            step - begun, n_steps=ends - begun, warmup_steps=policy.teacher_warmup_steps, schedule=policy.teacher_schedule
        )
        set_learning_rate(lesson.teacher_optimizer, teacher_rate(config) * factor)
