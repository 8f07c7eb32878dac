"""Settings of the task that are named and have no effect: each is told."""

from __future__ import annotations

from ikd.config import TaskSettings, applies, settings_of


def unused_note(setting: str, why: str) -> str:
    """Return the sentence on a setting of the task that is named and has no effect."""
    return f"task.{setting} is set and has no effect: {why}."


def idle_settings(settings: TaskSettings) -> tuple[str, ...]:
    """Return a sentence on each setting that is not at its default and is not read for this task."""
    values = {f"task.{name}": value for name, value in settings.model_dump().items()}
    why = f"it is not read for the task {settings.name!r}"
    return tuple(
        unused_note(one.name, why) for one in settings_of("task")
        if values[one.path] != one.default and not applies(one, values)
    )  # fmt: skip
