"""Settings that name a file or folder of this machine."""

from __future__ import annotations

from pathlib import Path

from ikd.config.data import given_files
from ikd.config.run import RunConfig


def local_places(config: RunConfig) -> dict[str, str]:
    """Return the settings that name a file or folder of this machine, by dotted path; hub names and built-in models are none."""
    task = config.task
    found = {f"task.{name}": path for name, path in given_files(task).items()} if task.name == "files" else {}
    named = {"task.hub_name": task.hub_name if task.name == "hub" else None, "teacher.name": config.teacher.name,
             "student.name": config.student.name}  # fmt: skip
    found |= {path: name for path, name in named.items() if name and _is_place(name)}
    if config.student.checkpoint:
        found["student.checkpoint"] = config.student.checkpoint  # never a hub name
    return found


def _is_place(name: str) -> bool:
    if name.startswith((".", "/", "~")) or "\\" in name or name.count("/") > 1 or Path(name).is_absolute():
        return True
    try:
        return Path(name).expanduser().exists()  # libraries take such a folder before the hub's
    except (OSError, ValueError, RuntimeError):
        return True
