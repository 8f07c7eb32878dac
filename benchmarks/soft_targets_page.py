"""Whether the soft targets page stays quick, light and small on long runs, in a real browser; and whether it leaks when live.

    python benchmarks/soft_targets_page.py                 both long runs: seconds, largest message, memory of the server
    python benchmarks/soft_targets_page.py --live 10       ten minutes of a live page: growth of the browser's heap

Long runs: 10,000 readings x 500 examples x 3 classes, and 2,000 x 500 x 150, written by the recorder from drawn numbers. The
browser has loaded the lab before; a time is from the click until the page stands still again, canvases drawn.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
SIZES = {"long": (10_000, 500, 3), "wide": (2_000, 500, 150)}
MOST_SECONDS, MOST_MESSAGE_MB, MOST_MEMORY_MB, MOST_HEAP_MB = 1.0, 2.0, 300.0, 50.0
ROUNDS = 3


def events(readings: int, n_probe: int, n_classes: int) -> Iterator[Any]:
    """Yield the events of an invented run: soft targets that wander, a reading and a small course batch each step."""
    from ikd.events import Course, Example, Reading, RunFinished, RunStarted, StepTaken

    draw = np.random.default_rng(0)
    labels = draw.integers(0, n_classes, n_probe)
    probe = [Example(id=one, split="probe", text=f"An invented text, number {one}, of some ordinary length.", text_pair=None,
                     label=int(labels[one])) for one in range(n_probe)]  # fmt: skip
    course = [Example(id=one, split="course", text=f"Course text {one}", text_pair=None, label=0) for one in range(64)]
    yield RunStarted(label_names=[f"class {one}" for one in range(n_classes)], n_steps=readings, temperature=2.0, probe=probe, facts={})
    teacher = (draw.normal(size=(n_probe, n_classes)) + 3 * np.eye(n_classes)[labels]).astype(np.float32)
    student = draw.normal(size=teacher.shape).astype(np.float32)
    noise = draw.normal(size=(16, *teacher.shape)).astype(np.float32)
    for step in range(readings):
        teacher = teacher + np.float32(0.02) * noise[step % 16] * np.sign(np.float32(draw.normal()))
        student = student + np.float32(0.005) * (teacher - student) + np.float32(0.02) * noise[(step + 7) % 16]
        batch = (np.arange(8) + 8 * step) % 64
        row = (8, n_classes)
        yield StepTaken(
            step=step, scalars={"course_loss": 1.0, "agreement": 0.5, "student_accuracy": 0.5, "teacher_accuracy": 0.6},
            reading=Reading(teacher_logits=teacher, student_logits=student, feedback=0.01 * noise[(step + 3) % 16]),
            course=Course(examples=batch, teacher_logits=np.zeros(row, np.float32), student_logits=np.zeros(row, np.float32),
                          feedback=0.01 * noise[0][:8], influence=noise[0][:8, 0]),
            seconds=0.01, new_examples=course if step == 0 else (),
        )  # fmt: skip
    yield RunFinished(scores={})


def write(size: tuple[int, int, int], *, pause: float = 0.0, name: str = "long") -> Any:
    """Record an invented run, at leisure where a pause is given, and return its folder."""
    from dataclasses import replace

    from ikd.config import build_config
    from ikd.trace.recorder import Recorder
    from ikd.trace.store import new_run

    values = {"label": name, "training.steps": size[0], "record.probe_every": 1, "record.probe_size": size[1]}
    folder = new_run(build_config(values))

    def record() -> None:
        with Recorder(folder, dtype="float16") as recorder:
            for at, event in enumerate(events(*size)):
                recorder.record(event)
                if pause:
                    now = folder.state()
                    folder.write_state(replace(now, state="running", stage="teaching", step=at, total=size[0], pid=os.getpid(),
                                               heartbeat=time.time()))  # fmt: skip
                    time.sleep(pause)
        folder.write_state(replace(folder.state(), state="finished", stage="done", step=size[0], total=size[0]))

    if pause:
        threading.Thread(target=record, daemon=True).start()
    else:
        record()
    return folder


class Watched:
    """A page whose actions are timed and whose messages are weighed."""

    def __init__(self, page: Any, process: int) -> None:
        """Keep the page and the server's process."""
        self.page, self.largest = page, 0
        self._process = psutil.Process(process)
        page.on("websocket", lambda socket: socket.on("framereceived", self._weigh))

    def _weigh(self, frame: Any) -> None:
        self.largest = max(self.largest, len(frame))

    def memory(self) -> float:
        """Return the server's resident memory in MB."""
        return float(self._process.memory_info().rss / 1e6)

    def seconds(self, act: Callable[[], None]) -> float:
        """Return the seconds from an action until the page stands still."""
        from tests.browser.server import settle

        start = time.perf_counter()
        act()
        self.page.wait_for_timeout(60)  # the click has to reach the server before stillness means anything
        settle(self.page)
        return time.perf_counter() - start - 0.06


def measure(name: str, size: tuple[int, int, int]) -> bool:
    """Print the figures of one long run; return whether every bound holds."""
    from tests.browser.server import Server, open_browser, visit

    began = time.perf_counter()
    folder = write(size, name=name)
    on_disk = sum(path.stat().st_size for path in folder.path.iterdir()) / 1e6
    print(f"\n{name}: {size[0]:,} readings x {size[1]} examples x {size[2]} classes, {on_disk:,.0f} MB, "
          f"written in {time.perf_counter() - began:.0f} s", flush=True)  # fmt: skip
    with Server() as server, open_browser(width=1600, height=1200) as page:
        visit(page, f"{server.url}/run?run=recorded:reviews-exam")
        watched = Watched(page, server.process.pid)
        memory = watched.memory()
        times = {"open the page": [_open(watched, folder.id, f"{server.url}/targets") for _ in range(ROUNDS)]}
        numbers = iter(range(11, 400, 17))
        act: dict[str, Callable[[], None]] = {
            "move the step": lambda: page.locator(".st-key-reading-before button").first.click(),
            "select an example": lambda: _type(page.locator("[class*=st-key-example-] input[type=number]").first, str(next(numbers))),
        }  # fmt: skip
        for what, doing in act.items():
            times[what] = [watched.seconds(doing) for _ in range(ROUNDS)]
        page.get_by_role("radio", name="Drift table").or_(page.get_by_role("button", name="Drift table")).first.click()
        watched.seconds(lambda: page.locator("[data-testid=stDataFrame]").first.wait_for())
        orders = iter(("gain of the student", "flips", "number"))
        times["sort the table"] = [watched.seconds(lambda: _choose(page, "table-order", next(orders))) for _ in range(ROUNDS)]
        grown = watched.memory() - memory
    good = True
    for what, found in times.items():
        middle = float(np.median(found))
        good &= middle < MOST_SECONDS
        print(f"{what:<20}{middle:>7.2f} s   allowed {MOST_SECONDS:.1f}: {'holds' if middle < MOST_SECONDS else 'BROKEN'}   "
              f"({', '.join(f'{one:.2f}' for one in found)})", flush=True)  # fmt: skip
    sizes = (("largest message", watched.largest / 1e6, MOST_MESSAGE_MB), ("memory of the server", grown, MOST_MEMORY_MB))
    for what, value, bound in sizes:
        good &= value < bound
        print(f"{what:<20}{value:>7.2f} MB  allowed {bound:.0f}: {'holds' if value < bound else 'BROKEN'}", flush=True)
    return good


def _open(watched: Watched, run: str, address: str) -> float:
    """Return the seconds it takes to open the run from the list of runs, as a visitor who has not read it yet."""
    from tests.browser.server import visit

    visit(watched.page, address)
    link = watched.page.locator("[data-testid=stMain]").get_by_role("link", name=run)

    def act() -> None:
        link.click()
        watched.page.locator(".st-key-targets-bar").wait_for()

    return watched.seconds(act)


def _type(field: Any, text: str) -> None:
    field.fill(text)
    field.press("Enter")


def _choose(page: Any, key: str, option: str) -> None:
    field = page.locator(f".st-key-{key} input").first
    field.scroll_into_view_if_needed()
    field.click()
    page.get_by_role("option", name=option, exact=True).click()


def live(minutes: float) -> bool:
    """Print how the browser's heap grows on a live page; return whether the bound holds."""
    from tests.browser.server import Server, open_browser, visit

    folder = write((int(minutes * 60 * 2) + 400, 200, 3), pause=0.5, name="live")
    with Server() as server, open_browser(width=1600, height=1200) as page:
        while folder.state().step < 10:
            time.sleep(0.5)
        visit(page, f"{server.url}/targets?run={folder.id}")
        tools = page.context.new_cdp_session(page)
        page.wait_for_timeout(20_000)
        heaps = []
        end = time.monotonic() + 60 * minutes
        while True:
            tools.send("HeapProfiler.collectGarbage")
            heaps.append(tools.send("Runtime.getHeapUsage")["usedSize"] / 1e6)
            print(f"step {folder.state().step}: heap {heaps[-1]:.1f} MB", flush=True)
            if time.monotonic() > end:
                break
            page.wait_for_timeout(30_000)
    growth = float(heaps[-1] - heaps[0])
    print(f"heap after {minutes:g} minutes: {growth:+.1f} MB, allowed {MOST_HEAP_MB:.0f}: {'holds' if growth < MOST_HEAP_MB else 'BROKEN'}")
    return growth < MOST_HEAP_MB


def main() -> None:
    """Print every figure; exit 1 where a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--live", type=float, default=0.0, metavar="MINUTES", help="measure the heap of a live page instead")
    parser.add_argument("--only", choices=list(SIZES), help="one of the long runs")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["IKD_HOME"] = home
        if chosen.live:
            raise SystemExit(0 if live(chosen.live) else 1)
        wanted = [chosen.only] if chosen.only else list(SIZES)
        held = [measure(name, SIZES[name]) for name in wanted]
        raise SystemExit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
