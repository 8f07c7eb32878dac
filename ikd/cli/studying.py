"""`python -m ikd study`: methods x tasks x seeds, carried out or gone on with, with partial results on the way and verdicts at the end."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ikd.cli.carrying import FAILED, end_as_by_keyboard
from ikd.errors import ConfigError

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
    study.add_argument("--table", action="store_true", help="only print what is there so far")
    study.add_argument("--out", type=Path, metavar="FOLDER", help="write every table there: Markdown, LaTeX, CSV, Parquet, and report.md")
    study.add_argument("--list", action="store_true", help="list the studies that can be named")
    study.set_defaults(command=_study, parser=study)


def _study(chosen: argparse.Namespace) -> int:
    if chosen.list:
        return _list()
    if chosen.study is None:
        from ikd.study import known_studies

        raise ConfigError(f"Name a study: {', '.join(known_studies())}; or give the path of a YAML file.")
    from ikd.study import StudyFolder, with_seeds

    study = _found(chosen.study)
    if chosen.seeds is not None:
        study = with_seeds(study, chosen.seeds)
    code = 0 if chosen.table else _carried_out(study, chosen)
    _tell(StudyFolder(study.name), chosen)
    return code


def _found(name_or_file: str) -> Study:
    """Return a study that comes with the lab, one of a file, or one that was begun here."""
    from ikd.study import StudyFolder, load_study, shipped_names, studies_here

    if name_or_file not in shipped_names() and name_or_file in studies_here():
        return StudyFolder(name_or_file).study()
    return load_study(name_or_file)


def _carried_out(study: Study, chosen: argparse.Namespace) -> int:
    from ikd.study import carry_out

    end_as_by_keyboard()
    progress = None
    try:
        for progress in carry_out(study, jobs=chosen.jobs, retry=chosen.retry, command=_command(chosen)):
            print(_line(progress), file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print(f"Interrupted. What is there is kept: python -m ikd study {chosen.study} goes on.", file=sys.stderr)
        return INTERRUPTED
    if progress is None or progress.done == progress.total:
        return 0
    if not progress.failed:
        print(f"Ended before its end, as it was asked: python -m ikd study {chosen.study} goes on.", file=sys.stderr)
        return INTERRUPTED
    return FAILED


def _command(chosen: argparse.Namespace) -> str:
    """Return the command line for the record, without the folders of this machine."""
    flags = [[f"--{name}", str(value)] for name in ("jobs", "seeds") if (value := getattr(chosen, name)) is not None]
    words = ["python", "-m", "ikd", "study", Path(chosen.study).name, *(word for flag in flags for word in flag)]
    return shlex.join([*words, "--retry"] if chosen.retry else words)


def _line(progress: Progress) -> str:
    """Return the progress in a line: what has just ended, what it came to, and how long the rest will take."""
    from ikd.study.telling import so_far, time_words

    left = "" if progress.seconds_left is None else f"; {time_words(progress.seconds_left)} left"
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
    from ikd.study import StudyFolder, known_studies
    from ikd.study.cells import all_cells

    for name in known_studies():
        study = _found(name)
        rows = StudyFolder(name).rows()
        cells = all_cells(study)
        done = sum(1 for cell in cells if cell in rows and rows[cell].state == "done")
        begun = f", {done} done" if rows else ""
        print(f"{name}  {study.title}  ({len(study.methods)} methods, {len(study.tasks)} tasks, {len(study.seeds)} seeds: {len(cells)} "
              f"runs{begun})")  # fmt: skip
    return 0
