"""The lab with a demo that ends in seconds: an entry page beside the lab's own pages, for a server of `tests.browser.server`."""

from __future__ import annotations

from pathlib import Path

from tests.browser.server import REPOSITORY

SMALL = {
    "task.train_size": 1500, "task.exam_size": 300, "task.validation_size": 200, "task.test_size": 200, "task.ambiguity": 0.0,
    "task.shift_strength": 0.8, "teacher.fine_tune_steps": 150, "training.steps": 120, "policy.exam_every": 1, "policy.exam_start": 5,
    "policy.teacher_learning_rate": 4e-4, "record.probe_every": 5, "machine.threads": 1,
}  # fmt: skip
"""In place of the demo's own settings: a stronger shortcut, a quicker teacher, and fewer steps."""

ENTRY = """\
from dataclasses import replace

from ikd.config import PRESETS
from ikd.ui.home_view import show_home
from ikd.ui.shell import open_page

PRESETS["demo"] = replace(PRESETS["demo"], values={**PRESETS["demo"].values, **SMALL})
with open_page("Home"):
    show_home()
"""


def entry_page(folder: Path) -> Path:
    """Write the entry page into an empty folder and return its path."""
    (folder / "pages").symlink_to(REPOSITORY / "pages", target_is_directory=True)
    path = folder / "app.py"
    path.write_text(f"SMALL = {SMALL!r}\n{ENTRY}", "utf-8")
    return path
