"""Commands about runs that are there already: pause, step, resume, stop, change, fork, rename, delete, pack, unpack."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ikd.cli.carrying import add_carrying, carry_out
from ikd.config import AT_A_FORK, IN_FLIGHT
from ikd.errors import ConfigError, RunError

TRUST = "let an imported run read the files and folders of this machine that its settings name"


def add_steering(commands: Any) -> None:
    """Add the commands to the parser's."""
    _add(commands, "pause", "let a run wait after its present step, with a checkpoint", _pause)
    resume = _add(commands, "resume", "let a paused run go on; carry out here the rest of one that has ended early", _resume)
    add_carrying(resume)
    resume.add_argument("--trust-files", action="store_true", help=TRUST)
    _add(commands, "step", "let a paused run take one step, and one at work pause after its next", _step)
    stop = _add(commands, "stop", "end a run after its present step; it can be resumed", _stop)
    stop.add_argument("--at", type=int, metavar="STEP", help="end it when it has completed so many steps")
    change = _add(commands, "change", "change a setting of a run at work", _change)
    change.add_argument("setting", help=", ".join(IN_FLIGHT) + "; the teacher is frozen by policy.teacher_freeze_at 0 and thawed by none")
    change.add_argument("value", help="its new value; none: empty")
    fork = _add(commands, "fork", "start a run that is as another up to a step and goes on with changed settings", _fork)
    fork.add_argument("step", type=int, help="completed steps at the fork")
    fork.add_argument("--set", action="append", default=[], metavar="SETTING=VALUE",
                      help="a changed setting, any of: " + ", ".join(AT_A_FORK))
    fork.add_argument("--label", default="", help="a name of your own for the fork")
    add_carrying(fork)
    fork.add_argument("--trust-files", action="store_true", help=TRUST)
    rename = _add(commands, "rename", "give a run another name, or a note", _rename)
    rename.add_argument("name", nargs="?", help="its new name")
    rename.add_argument("--note", help="a note of any length up to 2000 characters")
    delete = _add(commands, "delete", "delete a run for good", _delete)
    delete.add_argument("--yes", action="store_true", help="really delete it")
    pack = _add(commands, "pack", "write a run into one zip", _pack)
    pack.add_argument("file", type=Path, help="the zip to write")
    pack.add_argument("--checkpoints", action="store_true", help="with its checkpoints, so that it can be resumed elsewhere")
    unpack = commands.add_parser("unpack", help="take in a run from such a zip")
    unpack.add_argument("file", type=Path, help="the zip to read")
    unpack.set_defaults(command=_unpack, parser=unpack)


def _add(commands: Any, name: str, what: str, command: Callable[[argparse.Namespace], int]) -> Any:
    parser = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
    parser.add_argument("run", help="id of a run, see `runs`")
    parser.set_defaults(command=command, parser=parser)
    return parser


def _pause(chosen: argparse.Namespace) -> int:
    from ikd.runs.control import pause_run

    pause_run(chosen.run)
    print("Asked: it pauses after its present step.")
    return 0


def _step(chosen: argparse.Namespace) -> int:
    from ikd.runs.control import step_run

    step_run(chosen.run)
    print("Asked: one step.")
    return 0


def _stop(chosen: argparse.Namespace) -> int:
    from ikd.runs import stop_run
    from ikd.runs.control import stop_run_at

    if chosen.at is None:
        stop_run(chosen.run)
        print("Asked: it stops after its present step.")
    else:
        stop_run_at(chosen.run, chosen.at)
        print(f"Asked: it stops at step {chosen.at}.")
    return 0


def _resume(chosen: argparse.Namespace) -> int:
    from ikd.runs.control import require_resumable, resume_run
    from ikd.runs.permission import require_writable
    from ikd.trace.imported import trust_places
    from ikd.trace.store import open_run

    folder = open_run(chosen.run)
    if folder.state().live:
        resume_run(chosen.run)
        print("Asked: it goes on.")
        return 0
    require_writable()
    if chosen.trust_files:
        trust_places(folder)
    require_resumable(folder)
    return carry_out(folder.id, chosen)


def _change(chosen: argparse.Namespace) -> int:
    from ikd.runs.control import change_run

    path = chosen.setting.replace("-", "_")
    change_run(chosen.run, path, _value(chosen.value))
    print(f"Asked: {path} becomes {chosen.value} at the next step; the log says so.")
    return 0


def _fork(chosen: argparse.Namespace) -> int:
    from ikd.runs.permission import require_room, require_writable
    from ikd.trace.branching import make_fork
    from ikd.trace.imported import trust_places
    from ikd.trace.store import open_run, runs_root

    changes = {}
    for pair in chosen.set:
        path, equals, value = pair.partition("=")
        if not equals:
            raise ConfigError(f"--set {pair!r} has no value: write SETTING=VALUE, for example --set objective.alpha=0.5.")
        changes[path.strip().replace("-", "_")] = _value(value)
    require_writable()
    require_room()
    parent = open_run(chosen.run)
    if chosen.trust_files:
        trust_places(parent)
    folder = make_fork(parent, chosen.step, changes, root=runs_root(), label=chosen.label)
    print(f"Run {folder.id} in {folder.path}")
    return carry_out(folder.id, chosen)


def _rename(chosen: argparse.Namespace) -> int:
    from ikd.runs.permission import require_writable
    from ikd.trace.notes import read_notes, write_notes
    from ikd.trace.store import open_run

    require_writable()
    if chosen.name is None and chosen.note is None:
        raise RunError("Nothing to write: give a name, or --note with a text.")
    folder = open_run(chosen.run)
    notes = read_notes(folder.path)
    name, note = (old if new is None else new for new, old in ((chosen.name, notes.label), (chosen.note, notes.text)))
    write_notes(folder.path, replace(notes, label=name, text=note))
    return 0


def _delete(chosen: argparse.Namespace) -> int:
    from ikd.runs.permission import require_writable
    from ikd.trace.removal import delete_run
    from ikd.trace.store import open_run

    require_writable()
    folder = open_run(chosen.run)
    if not chosen.yes:
        raise RunError(f"Run {folder.id} would be deleted for good: add --yes to do it.")
    delete_run(folder)
    return 0


def _pack(chosen: argparse.Namespace) -> int:
    from ikd.trace.packing import pack_run
    from ikd.trace.store import open_run

    pack_run(open_run(chosen.run), chosen.file, checkpoints=chosen.checkpoints)
    print(chosen.file)
    return 0


def _unpack(chosen: argparse.Namespace) -> int:
    from ikd.runs.importing import import_run

    print(f"Run {import_run(chosen.file).id}")
    return 0


def _value(text: str) -> str | None:
    return None if text.strip().lower() in ("", "none", "empty") else text.strip()
