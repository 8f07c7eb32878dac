"""From a config and two models to a lesson: the only place where settings become plain arguments of the maths."""

from ikd.classroom.lesson import build_lesson, changed_lesson, named_numbers, scheduled_lesson
from ikd.classroom.objective import LayersShown, course_objective, layers_shown
from ikd.classroom.room import Classroom, LabelledSource, course_sampler

__all__ = [
    "Classroom",
    "LabelledSource",
    "LayersShown",
    "build_lesson",
    "changed_lesson",
    "course_objective",
    "course_sampler",
    "layers_shown",
    "named_numbers",
    "scheduled_lesson",
]
