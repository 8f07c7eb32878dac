"""Who has seen the exam texts, and what they can no longer be used for."""

from __future__ import annotations

from collections.abc import Iterator

from ikd.config.models import TeacherSettings
from ikd.config.policy import PolicySettings, exam_joins_course
from ikd.config.training import StudentUpdateSettings

MEASURED_TIMES = 50
"""About so often a run the student is measured on all exam texts, where the best one is kept."""


def measured_every(n_steps: int) -> int:
    """Return the steps between two measurements of the student on all exam texts, where the best one is kept; one follows the last step."""
    return max(1, n_steps // MEASURED_TIMES)


def broken_exam_text_rules(teacher: TeacherSettings, policy: PolicySettings, training: StudentUpdateSettings) -> Iterator[str]:
    """Yield a sentence for each use of the exam texts that another one makes pointless."""
    if teacher.studies_exam and teacher.fine_tune == "never":
        yield ("The teacher is never fine-tuned, so it cannot study the exam texts: set teacher.fine_tune to auto, or teacher.studies_exam "
               "to false.")
    joined = ("they are studied in the course", "set policy.fixed_studies_exam to false")
    if training.kept_student == "best_exam" and exam_joins_course(policy):
        yield (f"The exam texts cannot tell which student is best, as {joined[0]}: {joined[1]}, or training.kept_student to last.")
    if training.calibrate_on_exam and exam_joins_course(policy):
        yield (f"The exam texts cannot calibrate the student, as {joined[0]}: {joined[1]}, or training.calibrate_on_exam to false.")
    if training.calibrate_on_exam and training.then_exam_steps:
        yield ("The exam texts cannot calibrate the student, as it studies them after the course: set training.then_exam_steps to 0, or "
               "training.calibrate_on_exam to false.")


def learns_from_exam_texts(teacher: TeacherSettings, policy: PolicySettings, training: StudentUpdateSettings) -> bool:
    """Return whether the exam texts play a part in a run that sits no exams: it is then told as much as one that does."""
    return (exam_joins_course(policy) or teacher.studies_exam or bool(training.then_exam_steps) or training.calibrate_on_exam
            or training.kept_student == "best_exam")  # fmt: skip
