"""`python -m ikd study`: methods x tasks x seeds, carried out or gone on with, with partial results on the way and verdicts at the end."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ikd.cli.carrying import FAILED, end_as_by_keyboard
from ikd.errors import ConfigError, RunError, unknown_name

if TYPE_CHECKING:
    from ikd.study import Progress, Study, StudyFolder

INTERRUPTED = 130


def add_study(commands: Any) -> None:
    """Add the command to the parser's."""
    study = commands.add_parser(
        "study", help="compare methods over tasks and seeds, with verdicts",
        description="Carries out what is missing of a study, run by run, and prints what it found. Ended by Ctrl-C or a crash, it goes on "
        "when it is started again.",
    )  # fmt: skip
    study.add_argument("study", nargs="?", metavar="STUDY", help="one that comes with the lab or was begun here (--list), or a YAML file")
    study.add_argument("--jobs", type=int, metavar="N", help="runs side by side (default: one a core, or one a GPU)")
    study.add_argument("--seeds", type=int, metavar="N", help="so many seeds in place of the study's own, to carry out or (--table) tell "
                       "of; what is there is kept")  # fmt: skip
    study.add_argument("--retry", action="store_true", help="carry out failed runs again")
    study.add_argument("--cost", action="store_true", help="only say what is left to carry out and how long that takes")
    study.add_argument("--table", action="store_true", help="only print what is there so far")
    study.add_argument("--out", type=Path, metavar="FOLDER", help="write every table there: Markdown, LaTeX, CSV, Parquet, and report.md")
    study.add_argument("--list", action="store_true", help="list the studies that can be named")
    study.add_argument("--delete", action="store_true", help="delete a study that was begun here for good, with its runs")
    study.add_argument("--yes", action="store_true", help="with --delete: really delete it")
    study.set_defaults(command=_study, parser=study)


def _study(chosen: argparse.Namespace) -> int:
    if chosen.list:
        return _list()
    if chosen.study is None:
        from ikd.study import known_studies

        raise ConfigError(f"Name a study: {', '.join(known_studies())}; or give the path of a YAML file.")
    if chosen.delete:
        return _delete(chosen)
    from ikd.study import StudyFolder, with_seeds

    study = _found(chosen.study)
    if chosen.seeds is not None:
        study = with_seeds(study, chosen.seeds)
    if chosen.table:
        _tell(_told(study.name), chosen)
        return 0
    if chosen.cost:
        print(_cost(study, chosen))
        return 0
    code = _carried_out(study, chosen)
    if code != INTERRUPTED or chosen.out is not None:
        _tell(StudyFolder(study.name), chosen)
    return code


def _cost(study: Study, chosen: argparse.Namespace) -> str:
    """Return what the study will cost, which is no reason not to start it: what cannot be told is said."""
    from ikd.errors import IKDError
    from ikd.study.foretold import cost_words, planned_cost

    try:
        return cost_words(planned_cost(study, jobs=chosen.jobs))
    except IKDError as fault:
        return f"What it will cost cannot be told. {fault}"


def _delete(chosen: argparse.Namespace) -> int:
    from ikd.runs.permission import require_writable
    from ikd.study import delete_study, runs_to_delete
    from ikd.study.verdicts import counted

    require_writable()
    n_runs = len(runs_to_delete(chosen.study))
    if not chosen.yes:
        raise RunError(f"Study {chosen.study} would be deleted for good, with {counted(n_runs, 'run')} and its folder: add --yes to do it.")
    print(f"Deleted: {counted(delete_study(chosen.study), 'run')} of study {chosen.study}, and its folder.")
    return 0


def _told(name: str) -> StudyFolder:
    """Return the folder of what is told of: that of the study begun here, else of the one recorded with the lab."""
    from ikd.study import StudyFolder, studies_here
    from ikd.trace.store import assets_root

    if name not in studies_here() and name in studies_here(assets_root()):
        print(f"Nothing of {name} was carried out here: this is what was recorded with the lab.", file=sys.stderr)
        return StudyFolder(name, assets_root())
    return StudyFolder(name)


def _found(name_or_file: str) -> Study:
    """Return a study that comes with the lab, one that was begun here or recorded with the lab, or one of a file."""
    from ikd.study import StudyFolder, known_studies, load_study, shipped_names, studies_here
    from ikd.trace.store import assets_root

    if name_or_file in shipped_names() or Path(name_or_file).suffix in (".yaml", ".yml") or Path(name_or_file).is_file():
        return load_study(name_or_file)
    for root in (None, assets_root()):
        if name_or_file in studies_here(root):
            return StudyFolder(name_or_file, root).study()
    known = sorted({*known_studies(), *studies_here(assets_root())})
    raise ConfigError(unknown_name("study", name_or_file[:300], known, hint="Or give the path of a YAML file."))


def _carried_out(study: Study, chosen: argparse.Namespace) -> int:
    from ikd.study import carry_out

    end_as_by_keyboard()
    progress = None
    try:
        for progress in carry_out(study, jobs=chosen.jobs, retry=chosen.retry, command=_command(chosen)):
            print(_line(progress), file=sys.stderr, flush=True)
            if progress.row is None and progress.done < progress.total:  # before the first run begins
                print(_cost(study, chosen), file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print(f"Interrupted. What is there is kept: python -m ikd study {chosen.study} goes on, and with --table it is told.",
              file=sys.stderr)  # fmt: skip
        return INTERRUPTED
    return 0 if progress is None or progress.done == progress.total else _left(study, progress, chosen)


def _left(study: Study, progress: Progress, chosen: argparse.Namespace) -> int:
    """Say why a study that was not interrupted is not done, unless runs have failed, which the report says; return the exit code."""
    from ikd.study import StudyFolder
    from ikd.study.bench import left_words

    sessions = StudyFolder(study.name).sessions()
    if sessions and sessions[-1].get("how") == "cancelled":
        print(f"Ended before its end, as it was asked: python -m ikd study {chosen.study} goes on, and with --table it is told.",
              file=sys.stderr)  # fmt: skip
        return INTERRUPTED
    left = left_words(study, progress.results.rows)
    if left:
        print(f"{left} python -m ikd study {chosen.study} finishes what is left.", file=sys.stderr)
    return FAILED


def _command(chosen: argparse.Namespace) -> str:
    """Return the command line for the record, without the folders of this machine."""
    flags = [[f"--{name}", str(value)] for name in ("jobs", "seeds") if (value := getattr(chosen, name)) is not None]
    words = ["python", "-m", "ikd", "study", Path(chosen.study).name, *(word for flag in flags for word in flag)]
    return shlex.join([*words, "--retry"] if chosen.retry else words)


def _line(progress: Progress) -> str:
    """Return the progress in a line: what has just ended, what it came to, and how long the rest will take."""
    from ikd.study.telling import so_far, time_words

    over = progress.done + progress.failed == progress.total
    left = "" if progress.seconds_left is None or over else f"; {time_words(progress.seconds_left)} left"
    place = f"[{progress.done + progress.failed}/{progress.total}]"
    if progress.row is None:
        side = "" if progress.jobs == 1 else f", {progress.jobs} at a time"
        return f"{place} Study {progress.results.study.name}: {progress.total - progress.done} runs to carry out{side}{left}."
    return f"{place} {so_far(progress.results, progress.row)}{left}"


def _tell(folder: StudyFolder, chosen: argparse.Namespace) -> None:
    from ikd.study import with_seeds
    from ikd.study.results import read_results
    from ikd.study.telling import report, write_all

    results = read_results(folder)
    if chosen.seeds is not None:
        results = replace(results, study=with_seeds(results.study, chosen.seeds))
    print(report(results))
    if chosen.out is not None:
        for path in write_all(results, chosen.out):
            print(path)


def _list() -> int:
    from ikd.study import StudyFolder, known_studies, studies_here
    from ikd.study.cells import all_cells
    from ikd.study.verdicts import counted
    from ikd.trace.store import assets_root

    recorded = studies_here(assets_root())
    for name in sorted({*known_studies(), *recorded}):
        try:
            study = StudyFolder(name, assets_root()).study() if name in recorded and name not in known_studies() else _found(name)
        except (ConfigError, RunError) as fault:
            print(f"{name}  damaged: {fault}")
            continue
        rows, cells = StudyFolder(name).rows(), all_cells(study)
        states = [rows[cell].state for cell in cells if cell in rows]
        begun = "".join(f", {states.count(state)} {state}" for state in ("done", "failed", "stopped") if state in states)
        kept = "; recorded with the lab" if name in recorded else ""
        size = ", ".join(counted(len(several), what) for several, what in (
            (study.methods, "method"), (study.tasks, "task"), (study.seeds, "seed")))  # fmt: skip
        print("  ".join(filter(None, [name, study.title, f"({size}: {counted(len(cells), 'run')}{begun}{kept})"])))
    return 0
