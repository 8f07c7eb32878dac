"""From a config and two models to a lesson: the only place where settings become plain arguments of the maths."""

from ikd.classroom.cues import CueSwaps
from ikd.classroom.ending import Asked, BestStudent, end_of
from ikd.classroom.lesson import build_lesson, changed_lesson, scheduled_lesson
from ikd.classroom.objective import LayersShown, course_objective, layers_shown
from ikd.classroom.reports import plain, reading_of, run_started, step_taken
from ikd.classroom.room import Classroom, LabelledSource, course_sampler

__all__ = [
    "Asked",
    "BestStudent",
    "Classroom",
    "CueSwaps",
    "LabelledSource",
    "LayersShown",
    "build_lesson",
    "changed_lesson",
    "course_objective",
    "course_sampler",
    "end_of",
    "layers_shown",
    "plain",
    "reading_of",
    "run_started",
    "scheduled_lesson",
    "step_taken",
]
