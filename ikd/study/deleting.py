"""Deleting a study that was begun here, with its runs."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ikd.errors import RunError, unknown_name
from ikd.runs.permission import require_writable
from ikd.study.folder import StudyFolder, studies_here
from ikd.study.plan import LONGEST_NAME, NAME
from ikd.trace.folder import RunFolder
from ikd.trace.removal import delete_run, hide, sweep
from ikd.trace.store import RUN_ID, open_run


def delete_study(name: str, root: Path | None = None) -> int:
    """Delete a study for good, its runs first and its folder last, and return how many runs went; one that was cut off is done again.

    The folder is hidden before it is emptied, so that nobody sees half of a study. A link is removed, and what it points to stays.

    Raises:
        BusyError: it is at work.
        RunError: the lab is read-only, no such study was begun here, or its folder or a run cannot be written.
    """
    require_writable()
    folder = _begun(name, root)
    with folder.hold():
        n_deleted = sum(_deleted(run) for run in runs_to_delete(name, root))
        try:
            hide(folder.path)
        except OSError as fault:
            reason = fault.strerror or type(fault).__name__
            raise RunError(f"The folder of study {name} could not be deleted ({reason}): close what has its files open, or make the folder "
                           f"of the runs writable, and delete it again. {n_deleted} of its runs are deleted.") from fault  # fmt: skip
    sweep(folder.path.parent)
    return n_deleted


def runs_to_delete(name: str, root: Path | None = None) -> list[RunFolder]:
    """Return the runs that go with a study: those that its lines name and whose label is the study's, but for any that is at work.

    A run that is damaged, so that its label is not known, stays.

    Raises:
        RunError: no such study was begun here.
    """
    folder = _begun(name, root)
    found = []
    for run in dict.fromkeys(row.run for row in folder.lines() if RUN_ID.fullmatch(row.run)):
        if not (folder.root / run).is_dir():
            continue  # deleted since
        with suppress(RunError):  # damaged
            one = open_run(run, folder.root)
            if one.config().label.startswith(f"{name}: ") and not one.state().live:
                found.append(one)
    return found


def _begun(name: str, root: Path | None) -> StudyFolder:
    # The name is checked before any path is built from it: it may come from a page's address.
    if not NAME.fullmatch(name):
        raise RunError(f"{name[:100]!r} is not the name of a study: a name has only small letters, digits and hyphens, at most "
                       f"{LONGEST_NAME}.")  # fmt: skip
    folder = StudyFolder(name, root)
    if not folder.path.is_dir():
        raise RunError(unknown_name("study", name, studies_here(root), hint="Nothing of it was begun here, so nothing can be deleted."))
    return folder


def _deleted(run: RunFolder) -> bool:
    """Delete a run and return whether it went: meanwhile it may have been deleted by others, or be at work again."""
    try:
        delete_run(run)
    except RunError:
        if run.path.is_dir() and not run.state().live:
            raise
        return False
    return True
