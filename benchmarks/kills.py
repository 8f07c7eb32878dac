"""Kill small runs many times, at dangerous points and at random moments, and say what was lost: `python -m benchmarks.kills --kills 200`.

Each run is killed until it comes to its end, then compared bit for bit with a run that was never killed.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from ikd.trace.folder import RunFolder
from ikd.trace.store import new_run
from tests.killed_run import FAULTS, Nursery, check_nothing_lost, committed
from tests.small_runs import assert_same, small

AT_RANDOM = "a random moment"
MOST_KILLS_OF_A_RUN = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    draw, kinds, kills, compared, runs, began = random.Random(chosen.seed), Counter[str](), 0, 0, 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ikd-kills-") as place, Nursery() as nursery:
        whole = new_run(small(), Path(place) / "whole")
        nursery.attempt(whole)
        while kills < chosen.kills:
            folder, runs, own = new_run(small(), Path(place) / f"run-{runs}"), runs + 1, 0
            before = committed(folder)
            while True:
                last = own == MOST_KILLS_OF_A_RUN or kills == chosen.kills
                fault = "-" if last else draw.choice([*FAULTS, *[AT_RANDOM] * len(FAULTS)])
                seconds = draw.uniform(0.02, 1.2) if fault == AT_RANDOM else None
                point = "-" if seconds else fault
                killed = nursery.attempt(folder, point, draw.randint(1, 8), seconds=seconds)
                now = committed(folder)
                rows = check_nothing_lost(before, now)
                before, compared = now, compared + rows
                if not killed:
                    break
                own, kills = own + 1, kills + 1
                kinds[fault] += 1
                n_steps = len(now["steps"])
                print(f"kill {kills:3}  run {runs:2}  {fault:<34} {n_steps:2} steps kept, {rows} earlier rows the same", flush=True)
            _end(folder, whole)
    print(f"{kills} kills of {runs} runs in {time.monotonic() - began:.0f} s: {compared} rows compared, 0 lost, 0 twice; every run "
          "and its student equal the run never killed, bit for bit.")  # fmt: skip
    for fault, count in kinds.most_common():
        print(f"{count:5}  {fault}")


def _end(folder: RunFolder, whole: RunFolder) -> None:
    state = folder.state()
    assert state.state == "finished", state.error
    assert not folder.warnings(), folder.warnings()
    assert_same(whole, folder)


if __name__ == "__main__":
    main()
