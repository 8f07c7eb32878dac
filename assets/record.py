"""Make the recorded runs and studies that come with the lab: real runs of this code, without their student's weights.

    python assets/record.py            every run
    python assets/record.py NAME       one of them
    python assets/record.py study:NAME the lines of a study that was carried out in the folder of runs, without its runs
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

SMALL: dict[str, Any] = {
    "training.steps": 400, "task.validation_size": 300, "task.test_size": 400, "record.probe_size": 100, "record.probe_dtype": "float16",
}  # fmt: skip
SHORTCUT: dict[str, Any] = {**SMALL, "training.steps": 1000, "record.probe_every": 10}
SOURCES: dict[str, Any] = {**SMALL, "training.steps": 1200, "record.probe_every": 20}
PAIRS: dict[str, Any] = {**SMALL, "task.train_size": 4000, "training.steps": 300}
IRONY: dict[str, Any] = {
    **SMALL, "task.train_size": 8000, "teacher.fine_tune_steps": 1500, "student.name": "builtin/1x64", "training.steps": 300,
}  # fmt: skip
FIXED: dict[str, Any] = {"policy.name": "fixed"}
RECORDINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "reviews-exam": ("demo", {**SHORTCUT, "label": "A shortcut: feedback"}),
    "reviews-fixed": ("demo", {**SHORTCUT, **FIXED, "label": "A shortcut: fixed teacher"}),
    "sources-exam": ("sources", {**SOURCES, "label": "Whom to trust: feedback"}),
    "sources-fixed": ("sources", {**SOURCES, **FIXED, "label": "Whom to trust: fixed soft targets"}),
    "pairs-exam": ("pairs", {**PAIRS, "label": "Pairs: feedback"}),
    "pairs-fixed": ("pairs", {**PAIRS, **FIXED, "label": "Pairs: fixed teacher"}),
    "irony-exam": ("irony", {**IRONY, "label": "Irony: feedback"}),
    "irony-fixed": ("irony", {**IRONY, **FIXED, "label": "Irony: fixed teacher"}),
}
"""Pairs that differ in the policy alone: texts, teacher, first weights of the student and batches are the same."""
KEPT = ("config.json", "state.json", "trace.sqlite", "log.txt")


def record(name: str) -> None:
    """Carry out one run and keep its record under assets/recorded."""
    from ikd.config import PRESETS, build_config
    from ikd.runs.job import run_job
    from ikd.trace.store import assets_root, new_run

    preset, changed = RECORDINGS[name]
    config = build_config({**PRESETS[preset].values, **changed})
    folder = new_run(config)
    run_job(folder, config)
    state = folder.state()
    if state.state != "finished":
        raise SystemExit(f"{name}: {state.state}: {state.error}")
    target = assets_root() / name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for part in KEPT:
        shutil.copy(folder.path / part, target / part)
    own = replace(state, host="", pid=0)  # the machine it ran on is nobody's business
    (target / "state.json").write_text(json.dumps(asdict(own), indent=1) + "\n", "utf-8")
    print(name, f"{sum(path.stat().st_size for path in target.iterdir()) / 1e6:.2f} MB", state.scores)


def record_study(name: str) -> None:
    """Keep what a study has found: what was asked, the last line on each run, and its sessions without their processes."""
    from ikd.study.folder import StudyFolder
    from ikd.trace.store import assets_root

    made, kept = StudyFolder(name), StudyFolder(name, assets_root())
    shutil.rmtree(kept.path, ignore_errors=True)
    kept.write_study(made.study())
    for row in made.rows().values():
        kept.append(row)
    for session in made.sessions():
        kept.append_session({key: value for key, value in session.items() if key != "pid"})
    print(name, f"{sum(path.stat().st_size for path in kept.path.iterdir()) / 1e6:.2f} MB")


if __name__ == "__main__":
    asked = sys.argv[1:] or list(RECORDINGS)
    for one in asked:
        if one.startswith("study:"):
            record_study(one.removeprefix("study:"))
    with tempfile.TemporaryDirectory() as home:
        os.environ["IKD_HOME"] = home
        for one in asked:
            if not one.startswith("study:"):
                record(one)
