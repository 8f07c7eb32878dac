"""Time and peak memory of one step: ordinary distillation against the three hypergradients, in one run.

    python benchmarks/step_cost.py            both sizes, every method, and the price of trace, thread and live page
    python benchmarks/step_cost.py --steps 20 --no-page

Sizes: (a) the built-in pair on `reviews`; (b) a 6-layer, 384-wide teacher with a 3-layer student, 32 texts of 64 tokens.
The methods take turns, step by step, in one process, so that a machine that slows down slows all of them; the ratio of
each is the median over the rounds. Peak memory counts the tensors alive above those before the step, byte for byte, on one
step more. Only ratios within one run mean anything.
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
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
METHODS = ("kd", "jvp", "finite_difference", "unrolled")
WARM_UP = 3
SLACK = 1.10
PAGE_SLACK = {"a": 1.25, "b": 1.10}
COMMON: dict[str, Any] = {"training.batch_size": 32, "policy.exam_batch_size": 32, "policy.exam_start": 0}
SIZES: dict[str, dict[str, Any]] = {
    "a": {**COMMON},
    "b": {**COMMON, "teacher.name": "builtin/6x384", "student.name": "teacher", "student.layers": 3,
          "student.initialisation": "first_layers"},
}  # fmt: skip
TITLES = {"a": "(a) built-in pair, 2x64 and 1x32, reviews", "b": "(b) 6x384 and 3x384, 32 x 64 tokens"}


def config_of(size: str, method: str, **more: Any) -> Any:
    """Return the run config of one method at one size."""
    from ikd.config import build_config

    policy = {"policy.name": "fixed"} if method == "kd" else {"policy.hypergradient": method}
    return build_config({**SIZES[size], **policy, **more})


def classroom_of(config: Any) -> Any:
    """Return the classroom of a config on its device, without any fine-tuning."""
    import torch
    from torch import nn

    from ikd.classroom import Classroom
    from ikd.models import build_student, build_teacher, encode
    from ikd.runs.devices import resolve_device, use_threads
    from ikd.tasks import load_task

    use_threads(config.machine.threads)
    device = resolve_device(config.machine.device)
    data = load_task(config.task)
    teacher = build_teacher(config, data)
    student = build_student(config, data, teacher)
    splits = {name: encode(data, name, config, teacher=teacher, student=student) for name in data.splits}
    torch.manual_seed(0)
    return Classroom(
        student=nn.Module.to(student.model, device), teacher=nn.Module.to(teacher.model, device), teacher_layers=None,
        splits=splits, label_names=data.label_names, device=device, facts={},
    )  # fmt: skip


def batches(size: str, splits: Any, device: Any, n: int) -> list[Any]:
    """Return n batches: the task's own for (a), 32 x 64 full tokens for (b)."""
    import torch

    from ikd.teaching.reading import on_device
    from ikd.teaching.schedule import shuffled_batches

    order = shuffled_batches(len(splits["course"]), batch_size=32, seed=(0,))
    made = [splits["course"].batch(next(order)) for _ in range(n)]
    if size == "b":
        long = {"input_ids": (32, 64), "token_type_ids": (32, 64), "attention_mask": (32, 64)}
        made = [
            one._replace(**dict.fromkeys(("student_inputs", "teacher_inputs"), {
                name: torch.randint(4, 200, shape) if name == "input_ids" else
                torch.full(shape, int(name == "attention_mask")) for name, shape in long.items()
            })) for one in made
        ]  # fmt: skip
    return [on_device(one, device) for one in made]


def measure(size: str, rounds: int) -> dict[str, Any]:
    """Return, over the rounds, each method's seconds a step, its ratio to kd and its peak bytes, and the cost ratio r."""
    import torch

    from ikd.classroom import build_lesson
    from ikd.teaching.forward import outputs_of
    from ikd.teaching.policies import POLICIES

    configs = {method: config_of(size, method) for method in METHODS}
    rooms = {method: classroom_of(config) for method, config in configs.items()}
    lessons = {method: build_lesson(rooms[method], config) for method, config in configs.items()}
    device = rooms["kd"].device
    work = batches(size, rooms["kd"].splits, device, 2 * (rounds + WARM_UP) + 2)

    def step(method: str, at: int) -> None:
        POLICIES[configs[method].policy.name](lessons[method], work[2 * at], work[2 * at + 1])

    def forward(role: str, at: int) -> None:
        with torch.no_grad():
            outputs_of(getattr(lessons["kd"], role), work[2 * at].student_inputs)

    taken: dict[str, list[float]] = {}
    for at in range(rounds + WARM_UP):
        for method in METHODS:
            taken.setdefault(method, []).append(_seconds(device, partial(step, method, at)))
        for role in ("teacher", "student"):
            taken.setdefault(role, []).append(_seconds(device, partial(forward, role, at)))
    kept = {name: times[WARM_UP:] for name, times in taken.items()}
    return {
        "seconds": {method: statistics.median(kept[method]) for method in METHODS},
        "over_kd": {method: _median_ratio(kept[method], kept["kd"]) for method in METHODS},
        "peak_bytes": {method: _peak_bytes(device, partial(step, method, rounds + WARM_UP)) for method in METHODS},
        "ratio": _median_ratio(kept["teacher"], kept["student"]),
    }


def _median_ratio(over: list[float], under: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


def _seconds(device: Any, work: Callable[[], None]) -> float:
    """Return the processor's seconds on the CPU (other programs do not count), the clock's on a GPU."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    _wait(device)
    start = clock()
    work()
    _wait(device)
    return clock() - start


def _wait(device: Any) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _peak_bytes(device: Any, work: Callable[[], None]) -> int:
    """Return the most bytes of tensors alive at once during the work, above those alive before it."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return int(torch.cuda.max_memory_allocated(device) - before)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        work()
    changes = [event for event in seen.profiler.kineto_results.events() if event.name() == "[memory]"]
    live = peak = 0
    for event in sorted(changes, key=lambda one: one.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return peak


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
    return config_of(size, "jvp", **{"training.steps": steps, "teacher.fine_tune_steps": 1, "task.test_size": 50})


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


def report_methods(steps: int) -> bool:
    """Print the table of methods of both sizes; return whether every bound holds."""
    good = True
    for size in SIZES:
        print(f"\n{TITLES[size]}")
        print(f"{'method':<18}{'ms/step':>9}{'over kd':>9}{'model':>8}{'bound':>8}{'peak MB':>9}")
        found = in_own_process("--methods", size, "--steps", str(steps))
        ratio, over, peak = found["ratio"], found["over_kd"], found["peak_bytes"]
        for method in METHODS:
            extra = {"kd": 0.0, "jvp": 2 * ratio + 6, "finite_difference": 2 * ratio + 5, "unrolled": float("nan")}[method]
            model = (ratio + 3 + extra) / (ratio + 3)
            print(f"{method:<18}{1000 * found['seconds'][method]:>9.2f}{over[method]:>9.2f}{model:>8.2f}"
                  f"{SLACK * model:>8.2f}{peak[method] / 1e6:>9.1f}", flush=True)
        bound = SLACK * (3 * ratio + 9) / (ratio + 3)
        quick, lean = over["jvp"] <= bound, peak["jvp"] <= peak["unrolled"]
        print(f"r = {ratio:.2f}; jvp over kd {over['jvp']:.2f}, allowed {bound:.2f}: {'holds' if quick else 'BROKEN'}; "
              f"jvp no more memory than unrolled: {'holds' if lean else 'BROKEN'}", flush=True)
        good &= quick and lean
    return good


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
    """Print every table; exit 1 where a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=30, help="rounds measured of the methods")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the bare loop and the watched run")
    parser.add_argument("--no-page", action="store_true")
    parser.add_argument("--no-methods", action="store_true")
    parser.add_argument("--methods", help=argparse.SUPPRESS)
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    parser.add_argument("--watched", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.methods:
        print(json.dumps(measure(chosen.methods, chosen.steps)))
    elif chosen.bare or chosen.watched:
        seconds = bare_loop(chosen.bare, chosen.steps) if chosen.bare else watched_run(chosen.watched, chosen.steps)
        print(json.dumps({"seconds": seconds}))
    else:
        good = chosen.no_methods or report_methods(chosen.steps)
        if not chosen.no_page:
            good &= report_page({"a": 600, "b": 24}, chosen.rounds)
        raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
