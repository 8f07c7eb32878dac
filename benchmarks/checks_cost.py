"""What the checks of a run cost beside the run: `python -m benchmarks.checks_cost`.

One demo is carried out whole, and the processor time of every check in it is measured: texts and models compared with the record, models
tried on a few texts, the teacher's self-test, checksums of trace and checkpoints. Then the finished run is checked as a resume would.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

Spent = dict[str, list[float]]


def timed(module: Any, name: str, what: str, spent: Spent) -> None:
    """Let a function of a module add its processor time to a list."""
    real: Callable[..., Any] = getattr(module, name)

    def measured(*arguments: Any, **more: Any) -> Any:
        start = time.process_time()
        try:
            return real(*arguments, **more)
        finally:
            spent[what].append(time.process_time() - start)

    setattr(module, name, measured)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="good_teacher")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ikd-checks-") as home:
        os.environ["IKD_HOME"] = home
        measure(chosen.preset)


def measure(preset: str) -> None:
    import ikd.runs.checkpoints as checkpoints
    import ikd.runs.facts as facts
    import ikd.runs.preparation as preparation
    import ikd.trace.opening as opening
    import ikd.trace.sums as sums
    from ikd.config import PRESETS, build_config
    from ikd.runs.job import run_job
    from ikd.trace.store import new_run

    spent: Spent = defaultdict(list)
    for module, name, what in (
        (preparation, "try_model", "both models tried on a few texts"), (preparation, "self_test", "the teacher's self-test"),
        (preparation, "require_same_texts", "texts compared"), (preparation, "require_same_models", "models compared"),
        (facts, "model_hashes", "models hashed"), (sums.RunningSums, "_note", "checksums of the trace: rows"),
        (sums.RunningSums, "write", "checksums of the trace: steps"), (checkpoints, "sealed_facts", "checksums of checkpoints"),
    ):  # fmt: skip
        timed(module, name, what, spent)
    config = build_config(PRESETS[preset].values)
    warm = build_config({**PRESETS[preset].values, "training.steps": 20, "seed": 1})
    run_job(new_run(warm), warm)  # any run loads these libraries, with or without checks
    spent.clear()
    folder = new_run(config)
    start = time.process_time()
    run_job(folder, config)
    whole = time.process_time() - start
    assert folder.state().state == "finished", folder.state().error
    print(f"{preset}, {config.training.steps} steps: {whole:.1f} s of processor time\n")
    print("| check | calls | ms | share of the run |\n| --- | --- | --- | --- |")
    for what, several in spent.items():
        print(f"| {what} | {len(several)} | {1000 * sum(several):.1f} | {sum(several) / whole:.2%} |")
    total = sum(map(sum, spent.values()))
    print(f"| all | | {1000 * total:.1f} | {total / whole:.2%} |")
    start = time.process_time()
    opening.require_sound_run(folder)
    print(f"\nThe finished trace ({folder.trace_path.stat().st_size / 1e6:.1f} MB) checked as before a resume: "
          f"{(time.process_time() - start) / whole:.2%} of the run")


if __name__ == "__main__":
    main()
