"""Make the recorded runs that come with the lab: real runs of this code, without their student's weights.

    python assets/record.py            every recording
    python assets/record.py NAME       one of them
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

SMALL: dict[str, Any] = {"training.steps": 400, "record.probe_size": 100, "record.probe_dtype": "float16"}
RECORDINGS: dict[str, tuple[str, dict[str, Any]]] = {
    "reviews-exam": ("overconfident", {**SMALL, "label": "Reviews: an overconfident teacher learns to soften"}),
    "irony-exam": ("irony", {
        **SMALL, "task.train_size": 10000, "teacher.fine_tune_steps": 1500, "student.name": "builtin/1x64",
        "training.steps": 300, "label": "Irony: two classes",
    }),
}
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


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ["IKD_HOME"] = home
        for one in sys.argv[1:] or RECORDINGS:
            record(one)
