"""Starting and ending a study from a page: it is carried out by a program of its own, which outlives the page and the server."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from ikd.errors import BusyError, RunError
from ikd.runs.permission import require_writable
from ikd.study.folder import StudyFolder
from ikd.study.plan import Study
from ikd.study.reading import study_text
from ikd.trace.state import cannot_write

LOG = "log.txt"


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
    words = [sys.executable, "-m", "ikd", "study", str(asked)]
    words += [] if jobs is None else ["--jobs", str(jobs)]
    words += ["--retry"] if retry else []
    package = str(Path(__file__).parents[2])
    places = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "IKD_HOME": str(folder.root), "PYTHONPATH": os.pathsep.join(places)}
    try:
        asked.parent.mkdir(parents=True, exist_ok=True)
        asked.write_text(study_text(study), encoding="utf-8")
        with (folder.path / LOG).open("ab") as log:
            process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True)
    except OSError as fault:
        raise RunError(cannot_write(f"Study {study.name}", fault)) from fault
    threading.Thread(target=process.wait, name=f"ikd-study:{study.name}", daemon=True).start()  # so that no dead process is left behind
    return folder


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
