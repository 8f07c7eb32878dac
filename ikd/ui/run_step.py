"""The newest step of a paused run in numbers: its course step, and its exam step or whatever else moves the teacher, apart."""

from __future__ import annotations

import streamlit as st

from ikd.config import EXAM_POLICIES, RunConfig, exam_is_due
from ikd.trace.schema import SCALARS
from ikd.ui.policies import WITHOUT_EXAMS, teacher_moves, why_no_exams
from ikd.ui.tail import Tail
from ikd.ui.timeline import RunTimeline

COURSE = {"course_loss": "Course loss", "course_gradient_norm": "Gradient norm", "student_learning_rate": "Student's rate"}
SCHEDULED = {"temperature": "Temperature", "alpha": "Alpha"}
UPDATE = {"teacher_gradient_norm": "Teacher's gradient", "teacher_update_ratio": "Update ratio", "teacher_learning_rate": "Teacher's rate"}
EXAM = {"influence_sum": "Sum of influences", "influence_sum_unclipped": "Sum before clipping", **UPDATE}
PEER = {"teacher_loss": "Teacher's loss", "anchor_loss": "Anchor", **UPDATE}
ANCHORED = "The inner update is off (policy.inner_update), so the exam does not reach the teacher: the anchor alone has moved it."
CLIPPED = ("Clipping was active, so the influences sum to zero: scaling the whole gradient changes nothing. Before clipping they sum to "
           "the number beside.")  # fmt: skip
ISSUED = "Soft targets the teacher issued to this step's batch, one an example."


def draw_step(tail: Tail, timeline: RunTimeline | None) -> None:
    """Draw the newest recorded step as two cards."""
    step = tail.reader.last_step()
    if step < 0:
        st.caption("No step is there yet: “Step” computes the first one.")
        return
    rows = tail.reader.scalars(after=step - 1)
    values = {str(name): float(value) for at, name, value in rows.itertuples(index=False) if at == step}
    course = tail.reader.course(step)
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True, key="course-card"):
        st.markdown(f"**Course step {step}**")
        with st.container(horizontal=True):
            for name, label in COURSE.items():
                _number(label, values.get(name), SCALARS[name])
            for name, label in SCHEDULED.items():
                if name in values:
                    _number(label, values[name], SCALARS[name])
            _number("Soft targets issued", None if course is None else float(len(course.examples)), ISSUED)
    with right, st.container(border=True, key="exam-card"):
        config = None if timeline is None else timeline.at(step)
        if "exam_loss" in values:
            _draw_exam(step, values, config)
        elif "teacher_update_ratio" in values:
            _draw_peer(step, values, config)
        else:
            st.markdown(f"**No exam at step {step}**" if config is None or config.policy.name == "exam" else
                        f"**The teacher stays as it is at step {step}**")  # fmt: skip
            st.caption(why_no_exam(step, config))


def why_no_exam(step: int, config: RunConfig | None) -> str:
    """Return why a step has no exam, in words."""
    if config is None:
        return "The settings of this run cannot be read, so it is not known why."
    policy = config.policy
    if not teacher_moves(config):
        return why_no_exams(config, step)
    if policy.teacher_freeze_at is not None and step >= policy.teacher_freeze_at:
        return f"The teacher is frozen from step {policy.teacher_freeze_at} on (policy.teacher_freeze_at)."
    if policy.name not in EXAM_POLICIES:
        return why_no_exams(config, step)
    return _not_due(step, config) if policy.name == "exam" else f"{why_no_exams(config, step)} {_not_due(step, config)}"


def _not_due(step: int, config: RunConfig) -> str:
    policy = config.policy
    if step < policy.exam_start:
        return f"The first exam may be at step {policy.exam_start} (policy.exam_start)."
    if not exam_is_due(step, config):
        after = (step // policy.exam_every + 1) * policy.exam_every
        return f"An exam only every {policy.exam_every} steps (policy.exam_every): the next one is at step {after}."
    return "The trace has no exam of this step."


def was_clipped(values: dict[str, float], config: RunConfig | None) -> bool:
    """Return whether a step's scalars say that the student's gradient was clipped, and the exam was differentiated through that."""
    if config is None or config.training.max_gradient_norm is None or config.policy.inner_update != "exact":
        return False
    return values.get("course_gradient_norm", 0.0) > config.training.max_gradient_norm


def _draw_exam(step: int, values: dict[str, float], config: RunConfig | None) -> None:
    st.markdown(f"**Exam step {step}**")
    before, after = values.get("exam_loss_before"), values["exam_loss"]
    with st.container(horizontal=True):
        both = f"{_word(before)} → {_word(after)}" if before is not None else _word(after)
        words = f"Before: {SCALARS['exam_loss_before']}. After: {SCALARS['exam_loss']}."
        st.metric("Exam loss before → after" if before is not None else "Exam loss after", both, help=words, width="content")
        for name, label in EXAM.items():
            _number(label, values.get(name), SCALARS[name])
    if was_clipped(values, config):
        st.caption(CLIPPED)


def _draw_peer(step: int, values: dict[str, float], config: RunConfig | None) -> None:
    st.markdown(f"**The teacher's step {step}**")
    with st.container(horizontal=True):
        for name, label in PEER.items():
            if name in values:
                _number(label, values[name], SCALARS[name])
    if config is not None:
        st.caption(ANCHORED if config.policy.name == "exam" else WITHOUT_EXAMS[config.policy.name])


def _number(label: str, value: float | None, meaning: str) -> None:
    st.metric(label, _word(value), help=meaning, width="content")


def _word(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
