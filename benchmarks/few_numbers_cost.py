"""What feedback costs where the soft targets are stored: exams after every 4th step, held against the same steps without any.

    python benchmarks/few_numbers_cost.py                    the built-in pair, and a student of 3 layers 384 wide
    python benchmarks/few_numbers_cost.py --rounds 10

Exam batches are as large as course batches (32 texts). The methods take turns, four steps each, in one process, so that a machine that
slows down slows all of them; a ratio is the median over the rounds of processor seconds. Only ratios within one run mean anything.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

BAR = 1.6
EVERY = 4
STUDENTS = ("builtin/1x32", "builtin/3x384")
SCOPES = ("trust", "class_bias", "temperature", "label_matrix", "memory")
STORED: dict[str, object] = {
    "task.name": "reviews", "task.shift": "sources", "task.shift_strength": 1.0, "task.train_size": 2000, "task.exam_size": 200,
    "teacher.name": "stored", "objective.alpha": 1.0, "training.batch_size": 32, "policy.exam_batch_size": 32, "policy.exam_start": 0,
    "training.steps": 100_000, "record.probe_every": 100_000, "machine.threads": 1,
}  # fmt: skip


def steps_of(student: str, scope: str) -> Iterator[object]:
    """Yield an event for each step of a run without readings; scope "" is a fixed teacher."""
    import torch

    from ikd.config import Timeline, build_config
    from ikd.events import StepTaken
    from ikd.runs.preparation import prepare
    from ikd.trace.store import new_run
    from ikd.trainer import Training

    values = {"policy.name": "exam", "policy.teacher_scope": scope, "policy.exam_every": EVERY} if scope else {"policy.name": "fixed"}
    config = build_config({**STORED, **values, "student.name": student})
    making = prepare(new_run(config), config, torch.device("cpu"), 1)
    while True:
        try:
            next(making)
        except StopIteration as done:
            room = done.value.room
            break
    return (event for event in Training(room, Timeline(config)).events() if isinstance(event, StepTaken))


def measure(student: str, rounds: int) -> dict[str, float]:
    """Return by scope the median over the rounds of its processor seconds over those of a fixed teacher."""
    runs = {scope: steps_of(student, scope) for scope in ("", *SCOPES)}
    seconds: dict[str, list[float]] = {scope: [] for scope in runs}
    for turn in range(rounds + 1):
        for scope, run in runs.items():
            began = time.process_time()
            for _ in range(EVERY):
                next(run)
            if turn:  # the first round reads the probe set and warms up
                seconds[scope].append(time.process_time() - began)
    return {scope: statistics.median(one / plain for one, plain in zip(seconds[scope], seconds[""], strict=True)) for scope in SCOPES}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    chosen = parser.parse_args()
    import os

    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        os.environ["IKD_HOME"] = home
        held = True
        for student in STUDENTS:
            found = measure(student, chosen.rounds)
            print(f"{student}: {', '.join(f'{scope} {found[scope]:.2f}' for scope in SCOPES)}", flush=True)
            kept = found["trust"] <= BAR and found["class_bias"] <= BAR
            print(f"{student}: trust and class_bias at most {BAR} times as dear as stored soft targets alone: "
                  f"{'holds' if kept else 'does not hold'}.", flush=True)  # fmt: skip
            held = held and kept
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
