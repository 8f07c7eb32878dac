"""A study whose lines are written by hand, with scores that are made up for tests and stand for nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ikd.study import Row, Study, StudyFolder, study_from
from ikd.study.cells import Cell, all_cells

TREE: dict[str, Any] = {
    "name": "hand", "title": "Made up for a *test*",
    "base": {"training.steps": 20},
    "tasks": {"reviews": {}, "irony": {}},
    "methods": {"KD": {"policy.name": "fixed"}, "KD, equal compute": {"policy.name": "fixed", "equal_compute_to": "exam"},
                "exam": {"policy.name": "exam"}},
    "baseline": "KD", "seeds": 7,
    "tune": {"KD": {"objective.temperature": [2, 4]}, "KD, equal compute": {"objective.temperature": [2, 4]},
             "exam": {"policy.teacher_learning_rate": [0.00002, 0.00005]}},
    "tune_seeds": [1000],
}  # fmt: skip
GFLOPS = {"KD": 10.0, "KD, equal compute": 40.0, "exam": 40.0, "alone": 10.0}


def hand_study(**changes: Any) -> Study:
    """Return the study with some keys replaced."""
    return study_from({**TREE, **changes})


def nll_of(cell: Cell) -> float:
    """Return the made-up score of a run: on reviews exam is better in each seed, on irony now better and now worse."""
    gain = 0.05 + 0.002 * (cell.seed % 3) if cell.task == "reviews" else 0.01 * (-1) ** cell.seed
    return 0.6 + 0.01 * (cell.seed % 5) + 0.001 * cell.choice - (gain if cell.method == "exam" else 0.0)


def hand_row(cell: Cell, *, run: str = "", state: str = "done", error: str | None = None) -> Row:
    """Return the line of a run."""
    if state != "done":
        return Row(cell=cell, digest="d", run=run, state=state, error=error, steps=20)  # type: ignore[arg-type]
    nll, splits = nll_of(cell), ("validation",) if cell.stage == "tune" else ("validation", "test")
    scores = {f"student/{split}/{score}": value for split in splits for score, value in (("nll", nll), ("accuracy", 1.2 - nll))}
    scores |= {f"teacher/{split}/accuracy": 0.9 for split in splits}
    return Row(cell=cell, digest="d", run=run, state="done", scores=scores, steps=20, forwards=800.0, flops=GFLOPS[cell.method] * 1e9,
               seconds=2.0, wall=4.0)  # fmt: skip


def written_study(
    study: Study | None = None, *, root: Path | None = None, last: int | None = None, failing: Cell | None = None, ended: str = "finished",
    runs: dict[Cell, str] | None = None,
) -> StudyFolder:  # fmt: skip
    """Write a study that has been carried out, up to the `last` of its runs, and return its folder.

    Args:
        study: None: `hand_study`.
        root: of all runs.
        last: number of runs that are over; None: all.
        failing: one that has failed.
        ended: how it ended; "": it did not say.
        runs: ids of runs.
    """
    study = hand_study() if study is None else study
    folder = StudyFolder(study.name, root)
    folder.write_study(study)
    folder.append_session({"began": 1_800_000_000.0, "command": "python -m ikd study hand", "jobs": 2, "versions": {"ikd": "0"},
                           "commit": None, "machine": "2 cores"})  # fmt: skip
    for cell in all_cells(study)[:last]:
        run = (runs or {}).get(cell, "")
        folder.append(hand_row(cell, run=run, state="failed", error="It <b>ran</b> out of memory.") if cell == failing
                      else hand_row(cell, run=run))  # fmt: skip
    if ended:
        folder.append_session({"ended": 1_800_000_600.0, "how": ended})
    return folder
