"""Which teacher learning rate should be the default? Ordinary distillation against IKD at several rates, over seeds.

    python benchmarks/teacher_rate.py                        the demo's task and steps, five seeds
    python benchmarks/teacher_rate.py --task pairs --seeds 2
    python benchmarks/teacher_rate.py --preset overconfident

Prints a Markdown table of the student on the test split, as means over the seeds and the mean difference to the fixed
teacher with its standard deviation. Every run of one seed has the same data, teacher and student to begin with; the
fixed teacher's student studies the exam examples too. Runs go into a folder of their own, thrown away at the end.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
RATES = (1e-5, 2e-5, 5e-5, 1e-4, 4e-4)
SCORES = ("accuracy", "nll", "truth_kl")


def scores_of(values: dict[str, Any]) -> dict[str, float]:
    """Carry out one run and return its final scores; exit where it failed."""
    from ikd.config import build_config
    from ikd.runs.job import run_job
    from ikd.trace.store import new_run

    config = build_config(values)
    folder = new_run(config)
    run_job(folder, config)
    state = folder.state()
    if state.state != "finished":
        raise SystemExit(f"{folder.id} {state.state}: {state.error}")
    return state.scores


def main() -> None:
    """Carry out every run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--task", default="reviews")
    parser.add_argument("--preset", default="demo")
    parser.add_argument("--seeds", type=int, default=5)
    chosen = parser.parse_args()
    from ikd.config import PRESETS

    base = {**PRESETS[chosen.preset].values, "task.name": chosen.task}
    settings: dict[str, dict[str, Any]] = {"fixed": {"policy.name": "fixed"}}
    settings |= {f"exam {rate:g}": {"policy.name": "exam", "policy.teacher_learning_rate": rate} for rate in RATES}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in settings}
    with tempfile.TemporaryDirectory() as home:
        os.environ["IKD_HOME"] = home
        for seed in range(chosen.seeds):
            for name, values in settings.items():
                found[name].append(scores_of({**base, **values, "seed": seed}))
                print(f"seed {seed}, {name}: done", file=sys.stderr, flush=True)
    print_table(found)


def print_table(found: dict[str, list[dict[str, float]]]) -> None:
    """Print one row for each setting, one column for each score that the task has."""
    columns = [one for one in SCORES if f"student/test/{one}" in found["fixed"][0]]
    print("| teacher | " + " | ".join(columns) + " | teacher's accuracy after |")
    print("|---" * (len(columns) + 2) + "|")
    for name, runs in found.items():
        cells = []
        for column in columns:
            own = [one[f"student/test/{column}"] for one in runs]
            gaps = [a - one[f"student/test/{column}"] for a, one in zip(own, found["fixed"], strict=True)]
            spread = statistics.stdev(gaps) if len(gaps) > 1 else float("nan")
            note = "" if name == "fixed" else f" ({statistics.mean(gaps):+.3f} ± {spread:.3f})"
            cells.append(f"{statistics.mean(own):.3f}{note}")
        after = statistics.mean(one["teacher/test/accuracy"] for one in runs)
        print(f"| {name} | " + " | ".join(cells) + f" | {after:.3f} |")


if __name__ == "__main__":
    main()
