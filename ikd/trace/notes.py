"""What a person says of a run: a name, a note, and the run it was forked from. One small file in the run's folder."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ikd.config.permission import require_writable
from ikd.errors import RunError
from ikd.trace.replacing import replace_text
from ikd.trace.state import cannot_write
from ikd.trace.store import assets_root

NOTES_FILE = "notes.json"
LONGEST_LABEL = 80
LONGEST_TEXT = 2000
_LONGEST_PARENT = 100
_MOST_BYTES = 100_000


@dataclass(frozen=True)
class Notes:
    """What a person says of a run.

    Attributes:
        label: name shown in place of the config's.
        text: a note, of several lines where wanted.
        parent: id of the run this one was forked from, "" where it was started on its own.
        parent_step: completed student updates of the parent at the fork.
    """

    label: str = ""
    text: str = ""
    parent: str = ""
    parent_step: int | None = None


def read_notes(path: Path) -> Notes:
    """Return the notes in a run's folder; never raises. Missing or damaged ones are empty, long ones are cut."""
    try:
        with (path / NOTES_FILE).open("rb") as file:
            tree = json.loads(file.read(_MOST_BYTES).decode("utf-8"))
    except (OSError, ValueError, RecursionError):
        return Notes()
    if not isinstance(tree, dict):
        return Notes()
    texts = {name: tree.get(name, "") for name in ("label", "text", "parent")}
    step = tree.get("parent_step")
    right_step = step is None or (isinstance(step, int) and not isinstance(step, bool) and step >= 0)
    if not right_step or not all(isinstance(one, str) for one in texts.values()):
        return Notes()
    return Notes(label=texts["label"][:LONGEST_LABEL], text=texts["text"][:LONGEST_TEXT],
                 parent=texts["parent"][:_LONGEST_PARENT], parent_step=step)  # fmt: skip


def write_notes(path: Path, notes: Notes) -> None:
    """Replace the notes in a run's folder as a whole, so that a reader sees the old ones or the new ones.

    Raises:
        RunError: a text that is too long, a recorded run, a full disk, a folder that is gone or cannot be written, or a lab that
            is read-only.
    """
    require_writable()
    if path.absolute().parent == assets_root():
        raise RunError(f"recorded:{path.name} is a recorded run and cannot be changed: start a new run with its settings instead.")
    for what, text, longest in (("name", notes.label, LONGEST_LABEL), ("note", notes.text, LONGEST_TEXT),
                                ("parent's id", notes.parent, _LONGEST_PARENT)):  # fmt: skip
        if len(text) > longest:
            raise RunError(f"The {what} of a run has {len(text)} characters, at most {longest} are kept: shorten it.")
    try:
        # ASCII alone: half of a surrogate pair, which a page can send, has no UTF-8 form.
        replace_text(path / NOTES_FILE, json.dumps(asdict(notes), indent=1), encoding="ascii")
    except OSError as fault:
        raise RunError(cannot_write(f"The notes of run {path.name}", fault)) from fault
