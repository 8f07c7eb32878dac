"""Time and peak memory of one step: distillation with and without feedback, by the lab and by hand, in one run.

    python benchmarks/step_cost.py                  sizes (a) and (b) on the CPU
    python benchmarks/step_cost.py --sizes b --steps 20
    python benchmarks/step_cost.py --sizes gpu      on a CUDA device: base size, bf16, 32 x 128 tokens, GPU memory

Sizes: (a) the built-in pair on `reviews`; (b) a 6-layer, 384-wide teacher with a 3-layer student, 32 texts of 64 tokens; (gpu) 12 and 6
layers, 768 wide. The methods take turns, step by step, in one process, so that a machine that slows down slows all of them; a ratio
is the median over the rounds. Peak memory counts the tensors alive above those before the step, byte for byte, on one step more. Only
ratios within one run mean anything.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from step_methods import HAND, LENGTHS, SETTINGS, SIZES, TITLES, batches, classroom_of, config_of, step_of  # noqa: E402

METHODS = (*SETTINGS, *HAND, "kd, trainer", "jvp, trainer")
WARM_UP = 3
BARS: dict[str, tuple[str, str, float]] = {
    "every step, over kd": ("jvp", "kd", 3.0),
    "exam_every=4, over kd": ("every 4th", "kd", 1.5),
    "head, over kd": ("jvp, head", "kd", 2.2),
    "adapters, over kd": ("jvp, adapter", "kd", 2.6),
    "kd with cached targets, over fine-tuning": ("kd, targets cached", "fine-tuning by hand", 1.05),
    "trainer over hand-written loop, kd": ("kd, trainer", "kd by hand", 1.05),
    "trainer over hand-written loop, exam": ("jvp, trainer", "jvp by hand", 1.05),
}
LEANER = 0.75
"""Peak memory of jvp over unrolled, at most."""


def measure(size: str, rounds: int) -> dict[str, Any]:
    """Return, over the rounds, each method's seconds a step, its peak bytes and flops, and the cost ratio r."""
    import torch

    from ikd.teaching.forward import autocast, outputs_of

    config = config_of(size, "kd")
    room = classroom_of(config, LENGTHS.get(size))
    work = batches(room, 2 * (rounds + WARM_UP) + 6)
    steps = {method: step_of(size, method, work) for method in METHODS}

    def forward(role: str, at: int) -> None:
        with torch.no_grad(), autocast(room.device, config.machine.precision):
            outputs_of(getattr(room, role).eval(), work[2 * at].student_inputs)

    taken: dict[str, list[float]] = {}
    for at in range(rounds + WARM_UP):
        for method in METHODS:
            taken.setdefault(method, []).append(seconds(room.device, partial(steps[method], at)))
        for role in ("teacher", "student"):
            taken.setdefault(role, []).append(seconds(room.device, partial(forward, role, at)))
    kept = {name: times[WARM_UP:] for name, times in taken.items()}
    kept["every 4th"] = [(3 * kd + exam) / 4 for kd, exam in zip(kept["kd"], kept["jvp"], strict=True)]
    counted = [one for one in METHODS if not one.endswith(("by hand", "trainer"))]
    return {
        "seconds": kept,
        "peak_bytes": {one: peak_bytes(room.device, partial(steps[one], rounds + WARM_UP)) for one in counted},
        "flops": {one: flops(partial(steps[one], rounds + WARM_UP + 1)) for one in counted},
    }


def ratio(found: dict[str, Any], over: str, under: str) -> float:
    """Return the median over the rounds of one method's time over another's."""
    pairs: list[tuple[float, float]] = list(zip(found["seconds"][over], found["seconds"][under], strict=True))
    return statistics.median(a / b for a, b in pairs)


def seconds(device: Any, work: Callable[[], None]) -> float:
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


def flops(work: Callable[[], None]) -> int:
    """Return the floating-point operations of matrix products and attention in a step."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def peak_bytes(device: Any, work: Callable[[], None]) -> int:
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


def in_own_process(size: str, rounds: int) -> dict[str, Any]:
    """Measure one size in a fresh process."""
    command = [sys.executable, __file__, "--measure", size, "--steps", str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def report(size: str, rounds: int) -> bool:
    """Print the tables of one size; return whether every bar holds (they are set for size (b) and the GPU)."""
    found = in_own_process(size, rounds)
    r = ratio(found, "teacher", "student")
    print(f"\n{TITLES[size]}, r = {r:.2f}\n\n| method | ms a step | over kd | GFLOP | peak MB of tensors |\n| --- " + "| --- " * 4 + "|")
    for method in (*METHODS, "every 4th"):
        peak, count = found["peak_bytes"].get(method), found["flops"].get(method)
        print(f"| {method} | {1000 * statistics.median(found['seconds'][method]):.1f} | {ratio(found, method, 'kd'):.2f} | "
              f"{f'{count / 1e9:.1f}' if count else ''} | {f'{peak / 1e6:.1f}' if peak else ''} |")  # fmt: skip
    print(f"\nBy the cost model at this r: every step {(3 * r + 9) / (r + 3):.2f}, head {(r + 9) / (r + 3):.2f}, "
          f"adapters {(2 * r + 9) / (r + 3):.2f}, every 4th {1 + (2 * r + 6) / (4 * (r + 3)):.2f}.\n")
    good = True
    for title, (over, under, allowed) in BARS.items():
        good &= _verdict(title, ratio(found, over, under), allowed)
    return good & _verdict("peak memory, jvp over unrolled", found["peak_bytes"]["jvp"] / found["peak_bytes"]["unrolled"], LEANER)


def _verdict(title: str, value: float, allowed: float) -> bool:
    print(f"{title}: {value:.3f}, allowed {allowed}: {'holds' if value <= allowed else 'BROKEN'}", flush=True)
    return value <= allowed


def main() -> None:
    """Print every table; exit 1 where a bar of size (b) or the GPU is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=30, help="rounds measured")
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=["a", "b"])
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        print(json.dumps(measure(chosen.measure, chosen.steps)))
        return
    held = {size: report(size, chosen.steps) for size in chosen.sizes}
    raise SystemExit(0 if all(good for size, good in held.items() if size != "a") else 1)


if __name__ == "__main__":
    main()
