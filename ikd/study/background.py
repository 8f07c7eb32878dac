"""Starting and ending a study from a page: it is carried out by a program of its own, which outlives the page and the server."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from ikd.errors import BusyError, RunError
from ikd.runs.permission import require_writable
from ikd.study.folder import StudyFolder
from ikd.study.plan import Study
from ikd.study.reading import study_text
from ikd.trace.state import cannot_write

LOG = "log.txt"
SECONDS_FOR_COST = 300.0


def start_study(study: Study, root: Path | None = None, *, jobs: int | None = None, retry: bool = False) -> StudyFolder:
    """Start `python -m ikd study` on a study, or let it go on, and return its folder at once; its output goes to log.txt there.

    Raises:
        BusyError: it is at work already.
        RunError: the lab is read-only, or the folder cannot be written.
    """
    require_writable()
    folder = StudyFolder(study.name, root)
    if folder.at_work():
        raise BusyError(f"Study {study.name} is at work already: wait for its end, or cancel it.")
    asked = folder.path / "asked" / f"{study.name}.yaml"  # study.yaml is what was asked before, until the program has compared the two
    words = [*_command(asked, jobs), *(["--retry"] if retry else [])]
    environment = _environment(folder)
    try:
        asked.parent.mkdir(parents=True, exist_ok=True)
        asked.write_text(study_text(study), encoding="utf-8")
        with (folder.path / LOG).open("ab") as log:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True)
    except OSError as fault:
        raise RunError(cannot_write(f"Study {study.name}", fault)) from fault
    threading.Thread(target=process.wait, name=f"ikd-study:{study.name}", daemon=True).start()  # so that no dead process is left behind
    return folder


def told_cost(study: Study, root: Path | None = None, *, jobs: int | None = None) -> str:
    """Return in words what the missing runs of a study will cost; a program of its own takes some seconds for it.

    Raises:
        RunError: the lab is read-only; nothing else, since what cannot be told is said.
    """
    require_writable()
    folder = StudyFolder(study.name, root)
    try:
        with tempfile.TemporaryDirectory() as place:
            asked = Path(place) / f"{study.name}.yaml"
            asked.write_text(study_text(study), encoding="utf-8")
            done = subprocess.run([*_command(asked, jobs), "--cost"], capture_output=True, text=True, timeout=SECONDS_FOR_COST, check=False,
                                  stdin=subprocess.DEVNULL, env=_environment(folder))  # fmt: skip
    except (OSError, subprocess.SubprocessError) as fault:
        return f"What it will cost cannot be told ({type(fault).__name__})."
    said = done.stdout.strip().splitlines()
    return said[-1] if done.returncode == 0 and said else "What it will cost cannot be told before its first runs are over."


def _command(asked: Path, jobs: int | None) -> list[str]:
    return [sys.executable, "-m", "ikd", "study", str(asked), *([] if jobs is None else ["--jobs", str(jobs)])]


def _environment(folder: StudyFolder) -> dict[str, str]:
    places = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "IKD_HOME": str(folder.root), "PYTHONPATH": os.pathsep.join(places)}


def cancel_study(name: str, root: Path | None = None) -> None:
    """Ask a study at work to end; its runs stop after their step, and what it has is kept.

    Raises:
        RunError: it is not at work, or the lab is read-only.
    """
    require_writable()
    folder = StudyFolder(name, root)
    if not folder.at_work():
        raise RunError(f"Study {name} is not at work: there is nothing to cancel.")
    folder.ask_to_end()
