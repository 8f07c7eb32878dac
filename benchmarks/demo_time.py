"""Whether each demo of Home ends in time: the run in a process of its own, its teacher's preparation included.

    python benchmarks/demo_time.py                 both demos, 120 seconds and 2 GB allowed
    python benchmarks/demo_time.py demo --watched  with the Run page open in a browser meanwhile

A run starts with an empty folder of runs, so that its teacher is fine-tuned and not taken from the cache. Memory is the largest resident
set of the training process, the loaded torch included. `cpu` is its processor time: on a busy machine the better measure.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
MOST_SECONDS, MOST_GB = 120.0, 2.0
SAMPLE_SECONDS = 0.1


class Measured(NamedTuple):
    """What one demo took."""

    seconds: float
    cpu_seconds: float
    gigabytes: float
    outcome: str


def main() -> None:
    """Measure the demos that were named and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*")
    parser.add_argument("--watched", action="store_true", help="with the Run page open in a browser")
    chosen = parser.parse_args()
    print("| demo | seconds | cpu | GB | allowed | |\n| --- | --- | --- | --- | --- | --- |")
    for preset in chosen.presets or names():
        found = measure(preset, watched=chosen.watched)
        holds = found.seconds <= MOST_SECONDS and found.gigabytes <= MOST_GB and found.outcome == "finished"
        name, verdict = f"{preset}, watched" if chosen.watched else preset, "holds" if holds else f"does not hold ({found.outcome})"
        cells = (name, f"{found.seconds:.0f}", f"{found.cpu_seconds:.0f}", f"{found.gigabytes:.2f}",
                 f"{MOST_SECONDS:.0f} s, {MOST_GB:g} GB")  # fmt: skip
        print(f"| {' | '.join(cells)} | {verdict} |", flush=True)


def names() -> list[str]:
    """Return the presets of the demos that Home offers."""
    from ikd.ui.home_view import DEMOS

    return [one.preset for one in DEMOS]


def measure(preset: str, *, watched: bool) -> Measured:
    """Carry out one demo on the command line and return what it took."""
    from ikd.trace.store import list_runs

    with tempfile.TemporaryDirectory() as home, ExitStack() as open_things:
        os.environ["IKD_HOME"] = home
        began = time.monotonic()
        command = [sys.executable, "-m", "ikd", "train", "--quiet", "--preset", preset]
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "IKD_HOME": home}, stdout=subprocess.DEVNULL)
        if watched:
            _watch(Path(home), open_things)
        own, largest, cpu = psutil.Process(process.pid), 0, 0.0
        while process.poll() is None:
            try:
                largest, times = max(largest, own.memory_info().rss), own.cpu_times()
                cpu = times.user + times.system
            except psutil.Error:
                break
            time.sleep(SAMPLE_SECONDS)
        process.wait()
        seconds = time.monotonic() - began
        runs = list_runs()
        return Measured(seconds, cpu, largest / 1e9, runs[0].state().state if runs else "no run")


def _watch(home: Path, open_things: ExitStack) -> None:
    from ikd.trace.store import list_runs
    from tests.browser.server import Server, open_browser, visit

    server = open_things.enter_context(Server(environment={"IKD_HOME": str(home)}))
    page = open_things.enter_context(open_browser())
    while not (runs := list_runs()):
        time.sleep(SAMPLE_SECONDS)
    visit(page, f"{server.url}/run?run={runs[0].id}")


if __name__ == "__main__":
    main()
