"""What a run reports of its start, its steps and its readings: plain values in the place of tensors."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ikd.classroom.examples import example_of
from ikd.classroom.lesson import named_numbers
from ikd.classroom.room import Classroom, LabelledSource
from ikd.config import RunConfig, temperature_at
from ikd.events import Course, Floats, Reading, RunStarted, StepTaken
from ikd.protocols import Batch
from ikd.teaching.lesson import Taught
from ikd.teaching.probe import ProbeAsked, ProbeReading, hidden_norms


def run_started(room: Classroom, config: RunConfig, *, n_steps: int, shown: Sequence[str]) -> RunStarted:
    """Return what is fixed for a whole run, its probe set among it."""
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
    """Return what is recorded of one step.

    Args:
        step: completed student updates before it.
        taught: what the policy did.
        batch: its course batch.
        probe: the reading before it, if any.
        texts: the course split.
        known: course examples that were issued a soft target before; those of this batch are added.
        numbers: those of the teacher's correction, if any, at the reading.
    """
    examples = batch.examples.numpy()
    new = [index for index in dict.fromkeys(examples.tolist()) if index not in known]
    known.update(new)
    feedback = taught.feedback
    course = Course(
        examples=examples,
        teacher_logits=plain(taught.course.teacher_outputs.logits),
        student_logits=plain(taught.course.student_logits),
        feedback=plain(-feedback.scale * feedback.cotangent.logits) if feedback else None,
        influence=plain(feedback.influence) if feedback else None,
        hidden_feedback=_hidden(feedback.scale * hidden_norms(feedback.cotangent)) if feedback else None,
    )
    return StepTaken(
        step=step, scalars=taught.scalars, course=course,
        reading=reading_of(probe, taught.probe_asked, numbers) if probe is not None else None,
        new_examples=[example_of(texts, index, "course") for index in new],
    )  # fmt: skip


def reading_of(probe: ProbeReading, asked: ProbeAsked | None, numbers: Tensor | None) -> Reading:
    """Return a reading of the probe set with what was asked of it, in the order of its examples."""
    return Reading(
        teacher_logits=plain(probe.in_order(probe.teacher_logits)),
        student_logits=plain(probe.in_order(probe.student_logits)),
        feedback=plain(asked.feedback) if asked else None,
        influence=plain(asked.influence) if asked else None,
        hidden_feedback=_hidden(asked.hidden) if asked else None,
        numbers=plain(numbers) if numbers is not None else None,
    )


def _hidden(norms: Tensor) -> Floats | None:
    return plain(norms) if norms.shape[1] else None


def plain(tensor: Tensor) -> Floats:
    """Return a tensor as an array of 32-bit numbers."""
    return tensor.detach().float().cpu().numpy()
