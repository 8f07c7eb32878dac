"""From a config and two models to a lesson: the only place where settings become plain arguments of the maths."""

from ikd.classroom.lesson import build_lesson, changed_lesson, scheduled_lesson
from ikd.classroom.objective import LayersShown, course_objective, layers_shown
from ikd.classroom.reports import array_of, reading_of, run_started, step_taken
from ikd.classroom.room import Classroom, LabelledSource, course_sampler

__all__ = [
    "Classroom",
    "LabelledSource",
    "LayersShown",
    "array_of",
    "build_lesson",
    "changed_lesson",
    "course_objective",
    "course_sampler",
    "layers_shown",
    "reading_of",
    "run_started",
    "scheduled_lesson",
    "step_taken",
]
