"""Tasks: texts, labels and splits to distil on."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from ikd.config import TaskSettings
from ikd.errors import TaskError, unknown_name
from ikd.protocols import Split, Task, TaskData
from ikd.tasks.checking import checked, fingerprint
from ikd.tasks.files import files_task
from ikd.tasks.generated import Grammar, best_accuracy
from ikd.tasks.guarding import said_plainly
from ikd.tasks.hub import hub_task, known_task
from ikd.tasks.idle import idle_settings
from ikd.tasks.irony import IRONY
from ikd.tasks.known import KNOWN
from ikd.tasks.pairs import PAIRS
from ikd.tasks.reviews import REVIEWS
from ikd.tasks.shifts import CUES, cue_of, shifted, with_cue

__all__ = ["BUILT_IN", "CUES", "KNOWN", "TASKS", "best_accuracy", "cue_of", "fingerprint", "load_task", "with_cue"]

BUILT_IN: dict[str, Grammar] = {"reviews": REVIEWS, "pairs": PAIRS, "irony": IRONY}
"""The generated tasks: no download, and the posterior is known exactly."""

TASKS: dict[str, Task] = {
    **BUILT_IN,
    "files": files_task,
    "hub": hub_task,
    **{name: partial(known_task, name, known) for name, known in KNOWN.items()},
}
"""Every task by name."""


def load_task(settings: TaskSettings) -> TaskData:
    """Return the checked data of the task the settings name, with its fingerprint.

    Raises:
        TaskError: an unknown name, or data that cannot be used.
        HubError: the hub is out of reach or has no such name.
    """
    if settings.name not in TASKS:
        hint = "Use the task 'files' for your own files, or 'hub' with a hub name for any other data set."
        raise TaskError(unknown_name("task", settings.name, TASKS, hint=hint))
    with said_plainly(settings):
        data = TASKS[settings.name](settings)
        more = partial(_longer_course, settings, len(data.splits["exam"])) if settings.name in BUILT_IN else None
        data = checked(shifted(data, settings, more=more))
    return replace(data, notes=(*idle_settings(settings), *data.notes))


def _longer_course(settings: TaskSettings, exam_size: int, n_texts: int) -> Split:
    """Return the course of a built-in task with that many texts; its other splits stay what they are."""
    sizes = {"train_size": exam_size + n_texts, "exam_size": exam_size}
    return TASKS[settings.name](settings.model_copy(update=sizes)).splits["course"]
