"""What trace, thread and an open live page cost a run: the bare loop against a run that is watched in Chromium.

    python benchmarks/watched_cost.py

The bare loop and the watched run take turns; the median of their ratios counts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from step_methods import classroom_of, config_of  # noqa: E402

PAGE_SLACK = {"a": 1.25, "b": 1.10}
STEPS = {"a": 600, "b": 24}


def in_own_process(*arguments: str) -> dict[str, Any]:
    """Run one measurement in a fresh process and return what it printed."""
    done = subprocess.run(
        [sys.executable, __file__, *arguments], capture_output=True, text=True, check=False, cwd=ROOT
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def bare_loop(size: str, steps: int) -> float:
    """Return seconds a step of train() alone: no recorder, no thread, no page; readings included."""
    from ikd.events import StepTaken
    from ikd.trainer import train

    config = page_config(size, steps)
    room = classroom_of(config)
    stamps = [time.perf_counter() for event in train(room, config) if isinstance(event, StepTaken) and event.course]
    return (stamps[-1] - stamps[5]) / (len(stamps) - 6)


def page_config(size: str, steps: int) -> Any:
    """Return the config of the run that is watched: as shipped, but without much fine-tuning."""
    usual = {"record.probe_every": 5, "record.probe_size": 200, "task.validation_size": None}
    return config_of(size, "jvp", **usual, **{"training.steps": steps, "teacher.fine_tune_steps": 1, "task.test_size": 50})


def watched_run(size: str, steps: int) -> float:
    """Return seconds a step of the same run in a server's thread, recorded, with its live page open in Chromium."""
    from ikd.trace.reader import TraceReader
    from ikd.trace.store import open_run
    from tests.browser.server import Server, open_browser  # the project's own test server

    with tempfile.TemporaryDirectory() as home:
        os.environ["IKD_HOME"] = home
        path = Path(home) / "config.json"
        path.write_text(page_config(size, steps).model_dump_json())
        app = Server(ROOT / "benchmarks" / "watched_app.py", environment={"IKD_BENCHMARK_CONFIG": str(path)})
        with app as server, open_browser() as page:
            page.goto(server.url)
            marker = Path(home) / "run_id"
            folder = None
            while folder is None or folder.state().live:
                time.sleep(1)
                if folder is None and marker.exists():
                    folder = open_run(marker.read_text())
        frame = TraceReader(folder).steps()
    seconds = frame.seconds[frame.step < steps].to_numpy()
    return float((seconds[-1] - seconds[5]) / (len(seconds) - 6))


def report_page(steps: dict[str, int], rounds: int) -> bool:
    """Print what trace, thread and an open live page cost; return whether the bounds hold.

    The bare loop and the watched run take turns, and the median of their ratios counts: single runs vary by a tenth.
    """
    good = True
    print("\nwith trace, thread and an open live page, against the bare loop: ms/step, by rounds")
    for size, n_steps in steps.items():
        pairs = []
        for _ in range(rounds):
            bare = in_own_process("--bare", size, "--steps", str(n_steps))["seconds"]
            pairs.append((bare, in_own_process("--watched", size, "--steps", str(n_steps))["seconds"]))
        ratio = statistics.median(watched / bare for bare, watched in pairs)
        shown = ", ".join(f"{1000 * bare:.1f} -> {1000 * watched:.1f}" for bare, watched in pairs)
        holds = ratio <= PAGE_SLACK[size]
        print(f"({size}) {shown}: {ratio:.2f}, allowed {PAGE_SLACK[size]:.2f}: {'holds' if holds else 'BROKEN'}", flush=True)
        good &= holds
    return good


def main() -> None:
    """Print the table; exit 1 where a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the bare loop and the watched run")
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    parser.add_argument("--watched", help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, default=0, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.bare or chosen.watched:
        seconds = bare_loop(chosen.bare, chosen.steps) if chosen.bare else watched_run(chosen.watched, chosen.steps)
        print(json.dumps({"seconds": seconds}))
        return
    raise SystemExit(0 if report_page(STEPS, chosen.rounds) else 1)


if __name__ == "__main__":
    main()
