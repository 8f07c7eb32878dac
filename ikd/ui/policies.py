"""The teacher policies in a person's words, said the same on every page."""

from __future__ import annotations

from ikd.config import MOVING_POLICIES, RunConfig, temperature_at
from ikd.ui.wording import number

IN_A_LINE: dict[str, str] = {
    "exam": "the teacher learns from exams",
    "fixed": "fixed teacher",
    "direct": "the teacher learns the exam texts' labels",
    "mutual": "teacher and student learn from each other",
    "online": "the teacher learns the labels, near the student",
    "annealed": "fixed teacher, its temperature falls",
}
"""Policy to what stands in the line under a run's name."""

IN_A_WORD: dict[str, str] = {"exam": "exams", "fixed": "fixed", "direct": "direct", "mutual": "mutual", "online": "online",
                             "annealed": "annealed"}  # fmt: skip
"""Policy to what stands in a column of a table."""

WITHOUT_EXAMS: dict[str, str] = {
    "fixed": "The teacher of this run is fixed: it sits no exams and never changes.",
    "direct": "No exams are sat under the policy direct: at the steps of the exams the teacher learns the exam texts' labels itself.",
    "mutual": "No exams are sat under the policy mutual: at each step the teacher learns the labels and what the student says.",
    "online": "No exams are sat under the policy online: at each step the teacher learns the labels and stays near the student.",
    "annealed": "No exams are sat under the policy annealed: the teacher never changes, only the temperature of its soft targets falls.",
}
"""Policy to a sentence on why it has no exams, and what happens to the teacher instead."""


def teacher_moves(config: RunConfig) -> bool:
    """Return whether the policy ever changes the teacher's weights, so that it can be frozen and thawed."""
    return config.policy.name in MOVING_POLICIES


def why_no_exams(config: RunConfig, step: int) -> str:
    """Return why a run whose policy is not `exam` has none at a step, with what the temperature is where that falls."""
    words = WITHOUT_EXAMS[config.policy.name]
    if config.policy.name != "annealed":
        return words
    return f"{words} At step {step} it is {number(round(temperature_at(step, config), 3))}."


__all__ = ["IN_A_LINE", "IN_A_WORD", "WITHOUT_EXAMS", "teacher_moves", "why_no_exams"]
