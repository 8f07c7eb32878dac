"""What a run reports, as plain values: tensors of a lesson become the arrays of events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from ikd.classroom.examples import example_of
from ikd.classroom.lesson import named_numbers
from ikd.classroom.room import Classroom, LabelledSource
from ikd.config import RunConfig, temperature_at
from ikd.events import Course, Reading, RunStarted, StepTaken
from ikd.protocols import Batch
from ikd.teaching.lesson import Taught
from ikd.teaching.probe import ProbeAsked, ProbeReading, hidden_norms


def run_started(room: Classroom, config: RunConfig, *, n_steps: int, shown: Sequence[str]) -> RunStarted:
    """Return what is fixed for the whole run; `shown` names the layers that the objective looks at."""
    validation = room.splits["validation"].split
    size = min(config.record.probe_size, len(validation))
    return RunStarted(
        label_names=list(room.label_names),
        n_steps=n_steps,
        temperature=temperature_at(0, config),
        probe=[example_of(room.splits["validation"], index, "probe") for index in range(size)],
        facts=room.facts,
        shown=shown,
        **named_numbers(room, config),
    )


def step_taken(
    step: int, taught: Taught, batch: Batch, *, probe: ProbeReading | None, texts: LabelledSource, known: set[int],
    numbers: Tensor | None,
) -> StepTaken:  # fmt: skip
    """Return all that is known of one step.

    Args:
        step: completed student updates before it.
        taught: what it did.
        batch: its course batch.
        probe: the reading before it, if there was one, and `numbers` (M,), the few numbers that the teacher learns, as they were then.
        texts: the course split.
        known: course examples reported so far; those of this step are added.
        numbers: see probe.
    """
    examples = batch.examples.numpy()
    new = [index for index in dict.fromkeys(examples.tolist()) if index not in known]
    known.update(new)
    feedback = taught.feedback
    course = Course(
        examples=examples,
        teacher_logits=array_of(taught.course.teacher_outputs.logits),
        student_logits=array_of(taught.course.student_logits),
        feedback=array_of(-feedback.scale * feedback.cotangent.logits) if feedback else None,
        influence=array_of(feedback.influence) if feedback else None,
        hidden_feedback=_hidden(feedback.scale * hidden_norms(feedback.cotangent)) if feedback else None,
    )
    return StepTaken(
        step=step, scalars=taught.scalars, course=course,
        reading=reading_of(probe, taught.probe_asked, numbers) if probe is not None else None,
        new_examples=[example_of(texts, index, "course") for index in new],
    )  # fmt: skip


def reading_of(probe: ProbeReading, asked: ProbeAsked | None, numbers: Tensor | None) -> Reading:
    """Return a reading, with what is asked of the probe set and the numbers (M,) that the teacher learns where there are any."""
    return Reading(
        teacher_logits=array_of(probe.in_order(probe.teacher_logits)),
        student_logits=array_of(probe.in_order(probe.student_logits)),
        feedback=array_of(asked.feedback) if asked else None,
        influence=array_of(asked.influence) if asked else None,
        hidden_feedback=_hidden(asked.hidden) if asked else None,
        numbers=array_of(numbers) if numbers is not None else None,
    )


def _hidden(norms: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]] | None:
    return array_of(norms) if norms.shape[1] else None


def array_of(tensor: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return a tensor's values as an array in 32 bits."""
    return tensor.detach().float().cpu().numpy()
