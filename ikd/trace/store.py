"""Where runs live: their root, their ids, opening and listing them."""

from __future__ import annotations

import os
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path

from ikd.config import RunConfig
from ikd.config.permission import read_only, require_writable
from ikd.errors import RunError, unknown_name
from ikd.trace.folder import RunFolder
from ikd.trace.state import RunState, cannot_write

__all__ = [
    "RUN_ID",
    "RunFolder",
    "RunState",
    "assets_root",
    "list_recorded",
    "list_runs",
    "new_run",
    "open_run",
    "runs_root",
]

RUN_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")
RECORDED = "recorded:"


def runs_root() -> Path:
    """Return the folder of all runs: the environment variable IKD_HOME, or `runs` in the working folder.

    It is made on demand; where that fails, `new_run` says why.
    """
    home = os.environ.get("IKD_HOME", "").strip()
    root = (Path(home).expanduser() if home else Path("runs")).absolute()
    if not read_only():
        with suppress(OSError):
            root.mkdir(parents=True, exist_ok=True)
    return root


def assets_root() -> Path:
    """Return the folder of the recorded runs that come with the lab; they are read, never written."""
    return Path(__file__).parents[2] / "assets" / "recorded"


def new_run(config: RunConfig, root: Path | None = None) -> RunFolder:
    """Make the folder of a new run, with its config.json and a state.json that says "preparing".

    Raises:
        RunError: the disk is full, the folder cannot be made, or the lab is read-only.
    """
    require_writable()
    root = runs_root() if root is None else root
    try:
        folder = _fresh_folder(config, root)
    except OSError as fault:
        raise RunError(cannot_write("The folder of a new run", fault)) from fault
    try:
        (folder.path / "config.json").write_text(config.model_dump_json(indent=1) + "\n", encoding="utf-8")
        folder.write_state(RunState(state="preparing", total=config.training.steps))
    except (OSError, RunError) as fault:
        # A folder without its config would be listed as a damaged run that nobody started.
        shutil.rmtree(folder.path, ignore_errors=True)
        if isinstance(fault, RunError):
            raise
        raise RunError(cannot_write("The folder of a new run", fault)) from fault
    return folder


def open_run(run_id: str, root: Path | None = None) -> RunFolder:
    """Return the folder of a run; "recorded:NAME" opens one of the recorded runs that come with the lab.

    Raises:
        RunError: an id that no run can have, or a run that is not there.
    """
    recorded = run_id.startswith(RECORDED)
    name = run_id.removeprefix(RECORDED)
    # The name is checked before any path is built from it: it may come from a page's address.
    if not RUN_ID.fullmatch(name):
        raise RunError(f"{run_id[:100]!r} is not the id of a run: an id has only small letters, digits and hyphens, at most 80.")
    parent = assets_root() if recorded else (runs_root() if root is None else root)
    if not (parent / name).is_dir():
        known = [one.id for one in (list_recorded() if recorded else list_runs(root))]
        raise RunError(unknown_name("run", run_id, known, hint="It may have been deleted: choose another run."))
    return RunFolder(parent / name, recorded=recorded)


def list_runs(root: Path | None = None) -> list[RunFolder]:
    """Return every run, newest first, damaged ones included; never raises."""
    return _folders(runs_root() if root is None else root, recorded=False)


def list_recorded() -> list[RunFolder]:
    """Return the recorded runs that come with the lab, by name; never raises."""
    return _folders(assets_root(), recorded=True)[::-1]


def _folders(parent: Path, *, recorded: bool) -> list[RunFolder]:
    try:
        with os.scandir(parent) as entries:
            names = [entry.name for entry in entries if RUN_ID.fullmatch(entry.name) and _is_folder(entry)]
    except OSError:
        return []
    return [RunFolder(parent / name, recorded=recorded) for name in sorted(names, key=_start_of, reverse=True)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: it hides no other run
        return False


def _fresh_folder(config: RunConfig, root: Path) -> RunFolder:
    root.mkdir(parents=True, exist_ok=True)
    while True:
        seconds, rest = divmod(time.time_ns(), 1_000_000_000)
        moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime(seconds))
        path = root / f"{moment}-{_task_word(config)}-{config.policy.name}-{rest * 65536 // 1_000_000_000:04x}"
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return RunFolder(path)


def _start_of(name: str) -> tuple[str, str, str]:
    """Return the time of a run's start as its id tells it: UTC date and time in front, 65,536ths of the second at the end."""
    return name[:15], name[-4:], name


def _task_word(config: RunConfig) -> str:
    name = config.task.hub_name if config.task.name == "hub" and config.task.hub_name else config.task.name
    name += "" if config.task.shift == "none" else f"-{config.task.shift}"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:30].strip("-") or "task"
