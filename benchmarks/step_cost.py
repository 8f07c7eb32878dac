"""Time and peak memory of one step: ordinary distillation against the three hypergradients, in one run.

    python benchmarks/step_cost.py            both sizes, every method, and the price of trace, thread and live page
    python benchmarks/step_cost.py --steps 20 --no-page

Sizes: (a) the built-in pair on `reviews`; (b) a 6-layer, 384-wide teacher with a 3-layer student, 32 texts of 64 tokens.
Every method runs in a process of its own, so that its peak memory is its own. Only ratios within one run mean anything.
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
sys.path.insert(0, str(ROOT))
METHODS = ("kd", "jvp", "finite_difference", "unrolled")
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


def build(size: str, config: Any) -> tuple[Any, Any, Any]:
    """Return a lesson, a source of batches and the device, without any fine-tuning."""
    import torch

    from ikd.classroom import Classroom, build_lesson
    from ikd.models import build_student, build_teacher, encode
    from ikd.runs.devices import resolve_device, use_threads
    from ikd.tasks import load_task

    use_threads(config.machine.threads)
    device = resolve_device(config.machine.device)
    data = load_task(config.task)
    teacher = build_teacher(config, data)
    student = build_student(config, data, teacher)
    splits = {name: encode(data, name, config, teacher=teacher, student=student) for name in data.splits}
    room = Classroom(
        student=student.model.to(device), teacher=teacher.model.to(device), teacher_layers=None, splits=splits,
        label_names=data.label_names, device=device, facts={},
    )  # fmt: skip
    torch.manual_seed(0)
    return build_lesson(room, config), splits, device


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


def measure_one(size: str, method: str, steps: int) -> dict[str, float]:
    """Return seconds a step, the cost ratio r, and peak memory over the models, of one method in this process."""
    import torch

    from ikd.teaching.forward import outputs_of
    from ikd.teaching.policies import POLICIES

    config = config_of(size, method)
    lesson, splits, device = build(size, config)
    work = batches(size, splits, device, 2 * (steps + 3))
    policy = POLICIES[config.policy.name]
    before = _memory(device)
    seconds = []
    for step in range(steps + 3):
        start = time.process_time() if device.type == "cpu" else time.perf_counter()
        policy(lesson, work[2 * step], work[2 * step + 1])
        _wait(device)
        seconds.append((time.process_time() if device.type == "cpu" else time.perf_counter()) - start)
    peak = _peak(device) - before
    forwards = {}
    for role, model in (("teacher", lesson.teacher), ("student", lesson.student)):
        times = []
        with torch.no_grad():
            for batch in work[: min(20, len(work))]:
                start = time.process_time() if device.type == "cpu" else time.perf_counter()
                outputs_of(model, batch.student_inputs)
                _wait(device)
                times.append((time.process_time() if device.type == "cpu" else time.perf_counter()) - start)
        forwards[role] = statistics.median(times)
    return {
        "seconds": statistics.median(seconds[3:]), "peak_mb": peak / 1e6,
        "ratio": forwards["teacher"] / forwards["student"], "student_seconds": forwards["student"],
    }  # fmt: skip


def _wait(device: Any) -> None:
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _memory(device: Any) -> float:
    import psutil
    import torch

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return float(torch.cuda.memory_allocated(device))
    return float(psutil.Process().memory_info().rss)


def _peak(device: Any) -> float:
    import resource

    import torch

    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024


def in_own_process(*arguments: str) -> dict[str, float]:
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

    config = page_config(size, steps)
    from ikd.classroom import Classroom
    from ikd.models import build_student, build_teacher, encode
    from ikd.runs.devices import resolve_device, use_threads
    from ikd.tasks import load_task
    from ikd.trainer import train

    use_threads(None)
    device, data = resolve_device("auto"), load_task(config.task)
    teacher = build_teacher(config, data)
    student = build_student(config, data, teacher)
    room = Classroom(
        student=student.model.to(device), teacher=teacher.model.to(device), teacher_layers=None, device=device, facts={},
        splits={name: encode(data, name, config, teacher=teacher, student=student) for name in data.splits},
        label_names=data.label_names,
    )  # fmt: skip
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
    """Print the table of methods; return whether every bound holds."""
    good = True
    for size in SIZES:
        print(f"\n{TITLES[size]}")
        print(f"{'method':<18}{'ms/step':>9}{'over kd':>9}{'model':>8}{'bound':>8}{'peak MB':>9}")
        rows = {method: in_own_process("--one", size, method, "--steps", str(steps)) for method in METHODS}
        ratio = statistics.median(row["ratio"] for row in rows.values())
        for method, row in rows.items():
            over = row["seconds"] / rows["kd"]["seconds"]
            extra = {"kd": 0.0, "jvp": 2 * ratio + 6, "finite_difference": 2 * ratio + 5, "unrolled": float("nan")}[method]
            model = (ratio + 3 + extra) / (ratio + 3)
            print(f"{method:<18}{1000 * row['seconds']:>9.2f}{over:>9.2f}{model:>8.2f}{SLACK * model:>8.2f}{row['peak_mb']:>9.1f}")
        over = rows["jvp"]["seconds"] / rows["kd"]["seconds"]
        bound = SLACK * (3 * ratio + 9) / (ratio + 3)
        lean = rows["jvp"]["peak_mb"] <= rows["unrolled"]["peak_mb"]
        print(f"r = {ratio:.2f}; jvp over kd {over:.2f}, allowed {bound:.2f}: {'holds' if over <= bound else 'BROKEN'}; "
              f"jvp no more memory than unrolled: {'holds' if lean else 'BROKEN'}")
        good &= over <= bound and lean
    return good


def report_page(steps: dict[str, int]) -> bool:
    """Print what trace, thread and an open live page cost; return whether the bounds hold."""
    good = True
    print("\nwith trace, thread and an open live page, against the bare loop")
    for size, n_steps in steps.items():
        bare = in_own_process("--bare", size, "--steps", str(n_steps))["seconds"]
        watched = in_own_process("--watched", size, "--steps", str(n_steps))["seconds"]
        holds = watched <= PAGE_SLACK[size] * bare
        print(f"({size}) bare {1000 * bare:.1f} ms, watched {1000 * watched:.1f} ms: {watched / bare:.2f}, "
              f"allowed {PAGE_SLACK[size]:.2f}: {'holds' if holds else 'BROKEN'}")
        good &= holds
    return good


def main() -> None:
    """Print every table; exit 1 where a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--no-page", action="store_true")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    parser.add_argument("--watched", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        print(json.dumps(measure_one(*chosen.one, chosen.steps)))
    elif chosen.bare or chosen.watched:
        seconds = bare_loop(chosen.bare, chosen.steps) if chosen.bare else watched_run(chosen.watched, chosen.steps)
        print(json.dumps({"seconds": seconds}))
    else:
        good = report_methods(chosen.steps)
        if not chosen.no_page:
            good &= report_page({"a": 600, "b": 60})
        raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
