"""The sweep behind the defaults: ordinary distillation, IKD at many settings and its controls, over seeds.

    python benchmarks/sweep.py --out runs/sweep            every task and method, ten seeds; goes on where it stopped
    python benchmarks/sweep.py --out runs/sweep --table    the tables alone, from what is there
    python benchmarks/sweep.py --tasks irony --seeds 3

Each finished run is a line of FOLDER/scores.jsonl with its config's values and its scores; Ctrl-C loses at most one run,
and a failed run is listed and tried again the next time. The runs of one task and seed share texts, teacher, the
student's first weights and the seed of the batches. Where no exam is sat the student studies the exam examples too.
Settings are chosen by the student's mean nll on validation texts and reported on test texts (README, *Studies*).
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.stats import bootstrap  # type: ignore[import-untyped]

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))
if TYPE_CHECKING:
    from ikd.classroom import Classroom
    from ikd.config import RunConfig

Values = dict[str, Any]
SCORES = ("nll", "truth_kl", "accuracy")
TASKS: dict[str, Values] = {
    "reviews": {"training.steps": 400},
    "overconfident": {"task.train_size": 1500, "task.exam_size": 500, "teacher.fine_tune_steps": 700, "training.steps": 500},
    "irony": {"task.name": "irony", "task.train_size": 6000, "training.steps": 400},
    "pairs": {"task.name": "pairs", "task.train_size": 6000, "training.steps": 400},
}
FIXED = {"policy.name": "fixed"}
KD, LONGER, LABELS, FEWER = "KD, equal steps", "KD, equal compute", "labels alone", "KD without the exam examples"


def exam(rate: float, every: int = 1, **more: Any) -> Values:
    """Return the values of IKD at a teacher learning rate, with an exam after every so many steps."""
    values = {"policy.name": "exam", "policy.teacher_learning_rate": rate, "policy.exam_every": every}
    return values | {f"policy.{name}": value for name, value in more.items()}


METHODS: dict[str, Values] = {
    LABELS: {**FIXED, "objective.alpha": 0.0},
    KD: FIXED,
    LONGER: FIXED,  # its steps are counted in `values_of`
    FEWER: {**FIXED, "policy.fixed_studies_exam": False},
    **{f"exam every step, {rate:g}": exam(rate) for rate in (5e-6, 2e-5, 5e-5, 2e-4, 5e-4)},
    **{f"exam every 4th, {rate:g}": exam(rate, 4) for rate in (5e-6, 2e-5, 5e-5, 2e-4, 5e-4)},
    **{f"exam every step, {rate:g}, anchor {anchor} {weight:g}": exam(rate, anchor=anchor, anchor_weight=weight)
       for rate in (5e-5, 2e-4) for anchor in ("labels", "initial_teacher") for weight in (0.1, 1.0)},
    "exam every step, 5e-05, redo": exam(5e-5, student_update="redo"),
    **{name: {"policy.name": name, "policy.teacher_learning_rate": 2e-5} for name in ("online", "mutual", "annealed")},
}  # fmt: skip
LOW, USUAL, MIDDLE, HIGH, HIGHEST = (f"exam every step, {rate:g}" for rate in (5e-6, 2e-5, 5e-5, 2e-4, 5e-4))
ANCHORED = tuple(f"{rate}, anchor {anchor} 1" for rate in (MIDDLE, HIGH) for anchor in ("labels", "initial_teacher"))
CORE = (LABELS, KD, LONGER, FEWER, LOW, MIDDLE, HIGHEST, "exam every 4th, 5e-05", ANCHORED[0], ANCHORED[3], "online")
SELDOM = tuple(f"exam every 4th, {rate:g}" for rate in (5e-6, 2e-5, 2e-4, 5e-4))
REST = (USUAL, HIGH, *SELDOM, *ANCHORED, f"{MIDDLE}, redo", "mutual", "annealed")
PARTS: tuple[dict[str, tuple[str, ...]], ...] = (
    dict.fromkeys(TASKS, CORE),
    dict.fromkeys(TASKS, REST),
    dict.fromkeys(("reviews", "overconfident"), tuple(METHODS)),
)
"""What is run, the most valuable first; within a part the seeds are outermost, so that it is balanced wherever it stops."""


class Run(NamedTuple):
    """One run to be had."""

    task: str
    method: str
    seed: int


class Found(NamedTuple):
    """What a run came to, and its seconds of processor time."""

    values: Values
    scores: dict[str, float]
    seconds: float


def values_of(run: Run) -> Values:
    """Return the settings of a run that are not left to their defaults; texts and weights change with the seed."""
    values = {**TASKS[run.task], **METHODS[run.method], "seed": run.seed, "task.seed": run.seed}
    if run.method == LONGER:
        values["training.steps"] = round(values["training.steps"] * cost_ratio({**TASKS[run.task], **exam(2e-5)}))
    return values | {"record.probe_every": values["training.steps"], "machine.threads": 1, "machine.device": "cpu"}


def cost_ratio(values: Values) -> float:
    """Return the cost of a run over that of ordinary distillation with as many steps (README, *Cost*)."""
    from ikd.config import build_config
    from ikd.runs.cost import kd_units, step_units
    from ikd.runs.estimate import shape_of, student_shape

    config = build_config(values)
    student = student_shape(config, teacher := shape_of(config.teacher.name))
    assert teacher is not None and student is not None
    ratio = teacher.forward_flops(1, 16) / student.forward_flops(1, 16)  # texts of about 16 tokens
    return step_units(config, ratio, teacher.layers) / kd_units(ratio)


class Desk:
    """Texts, fine-tuned teacher and fresh student of one task and seed: made once, copied for each run."""

    def __init__(self, config: RunConfig, root: Path) -> None:
        import torch

        from ikd.models import build_student, build_teacher, encode
        from ikd.runs.preparation import with_exam_in_course
        from ikd.runs.teachers import prepare_teacher
        from ikd.tasks import load_task

        self._device = torch.device("cpu")
        data = load_task(config.task)
        teacher = build_teacher(config, data)
        student = build_student(config, data, teacher)
        self._splits = {name: encode(data, name, config, teacher=teacher, student=student) for name in data.splits}
        both = encode(with_exam_in_course(data), "course", config, teacher=teacher, student=student)
        self._without_exams = {**self._splits, "course": both}
        list(prepare_teacher(teacher, self._splits["course"], config, device=self._device, root=root, fingerprint=data.fingerprint))
        self._models, self._label_names = (student.model, teacher.model), data.label_names

    def classroom(self, config: RunConfig) -> Classroom:
        """Return copies of both models with the splits that the policy is given."""
        from ikd.classroom import Classroom

        student, teacher = copy.deepcopy(self._models)
        from ikd.config import exam_joins_course

        splits = self._without_exams if exam_joins_course(config.policy) else self._splits
        return Classroom(student=student, teacher=teacher, teacher_layers=None, splits=splits,
                         label_names=self._label_names, device=self._device, facts={})  # fmt: skip


def carry_out(run: Run, desks: dict[tuple[str, int], Desk], root: Path) -> Found:
    """Carry out one run in this process, without a trace."""
    from ikd.config import build_config
    from ikd.events import RunFinished
    from ikd.trainer import train

    values = values_of(run)
    config = build_config(values)
    if (run.task, run.seed) not in desks:
        desks.clear()  # one at a time is kept
        desks[run.task, run.seed] = Desk(config, root)
    room = desks[run.task, run.seed].classroom(config)
    began = time.process_time()
    scores = next(dict(event.scores) for event in train(room, config) if isinstance(event, RunFinished))
    return Found(values, scores, time.process_time() - began)


def planned(tasks: Sequence[str], n_seeds: int) -> list[Run]:
    """Return every run in the order in which they are carried out."""
    runs = [Run(task, method, seed) for part in PARTS for seed in range(n_seeds)
            for task, methods in part.items() if task in tasks for method in methods]  # fmt: skip
    return list(dict.fromkeys(runs))


def read(path: Path) -> tuple[dict[Run, Found], dict[Run, str]]:
    """Return the finished runs of a file and the faults of those that failed; a line broken off is left out."""
    found: dict[Run, Found] = {}
    faults: dict[Run, str] = {}
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for row in (json.loads(line) for line in lines if line.endswith("}")):
        run = Run(row["task"], row["method"], row["seed"])
        faults.pop(run, None)
        if "fault" in row:
            faults[run] = row["fault"]
        else:
            found[run] = Found(row["values"], row["scores"], row["seconds"])
    return found, faults


def sweep(runs: Sequence[Run], path: Path) -> None:
    """Carry out the runs that are not there yet with the same values."""
    import torch

    torch.set_num_threads(1)
    found, _ = read(path)
    waiting = [run for run in runs if run not in found or found[run].values != values_of(run)]
    desks: dict[tuple[str, int], Desk] = {}
    usual, began = {run.method: one.seconds for run, one in found.items()}, time.monotonic()
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" * (path.stat().st_size > 0))  # after a line broken off
        for count, run in enumerate(waiting):
            row: Values = run._asdict()
            try:
                found[run] = carry_out(run, desks, path.parent)
                usual[run.method] = found[run].seconds
                row |= found[run]._asdict()
            except Exception as fault:
                row |= {"values": values_of(run), "fault": f"{type(fault).__name__}: {fault}"}
            file.write(json.dumps(row) + "\n")
            file.flush()
            rate = (time.monotonic() - began) / time.process_time() / 60  # others may share the machine
            said = row.get("fault") or f"{row['seconds']:.0f} s"
            left = rate * sum(usual.get(one.method, 20.0) for one in waiting[count + 1 :])
            print(f"{count + 1}/{len(waiting)} {run.task}, seed {run.seed}, {run.method}: {said}; {left:.0f} min left", file=sys.stderr)


def compared(a: dict[int, Found], b: dict[int, Found], score: str) -> tuple[str, str]:
    """Return a verdict on a against b on test texts, and the numbers: mean difference, 95 % interval, seeds in favour.

    The interval is a bootstrap (BCa) of the paired differences over the seeds that both have; none under five seeds.
    """
    name = f"student/test/{score}"
    gaps = [a[seed].scores[name] - b[seed].scores[name] for seed in sorted(a.keys() & b.keys())]
    if a is b or not gaps:
        return "", ""
    good = [gap if score == "accuracy" else -gap for gap in gaps]
    better = f"{sum(gap > 0 for gap in good)}/{len(good)}"
    if len(gaps) < 5 or min(gaps) == max(gaps):
        return "no interval", f"{statistics.mean(gaps):+.3f}, {better}"
    low, high = bootstrap((gaps,), np.mean, method="BCa", rng=np.random.default_rng(0)).confidence_interval
    proven = "better" if statistics.mean(good) > 0 else "worse"
    word = proven if low > 0 or high < 0 else "no difference shown"
    return word, f"{statistics.mean(gaps):+.3f} ({low:+.3f} to {high:+.3f}), {better}"


def tables(found: dict[Run, Found], runs: Sequence[Run]) -> Iterator[str]:
    """Yield the lines of two Markdown tables for each task, and what follows for the best setting of IKD."""
    for task in dict.fromkeys(run.task for run in runs):
        there = sorted((run for run in runs if run.task == task and run in found), key=lambda run: list(METHODS).index(run.method))
        own: dict[str, dict[int, Found]] = {run.method: {} for run in there}
        for run in there:
            own[run.method][run.seed] = found[run]
        if KD in own:
            yield from (f"### {task}", "", *_means(own), "", *_differences(own), "", *_verdicts(own), "")


def _mean(seeds: dict[int, Found], score: str) -> float:
    return statistics.mean(one.scores[score] for one in seeds.values())


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _means(own: dict[str, dict[int, Found]]) -> Iterator[str]:
    yield _row("method", "seeds", "validation nll", *(f"test {one}" for one in SCORES), "teacher's accuracy after", "time")
    yield "|---" * (5 + len(SCORES)) + "|"
    keys = ["student/validation/nll", *(f"student/test/{one}" for one in SCORES), "teacher/test/accuracy"]
    seconds = {name: statistics.median(one.seconds for one in seeds.values()) for name, seeds in own.items()}
    for name, seeds in own.items():
        yield _row(name, len(seeds), *(f"{_mean(seeds, key):.3f}" for key in keys), f"x {seconds[name] / seconds[KD]:.1f}")


def _differences(own: dict[str, dict[int, Found]]) -> Iterator[str]:
    yield _row("method", *(f"{one} against KD, equal {what}" for what in ("steps", "compute") for one in SCORES), "seed 0")
    yield "|---" * (2 + 2 * len(SCORES)) + "|"
    for name, seeds in own.items():
        gaps = [compared(seeds, own.get(other, {}), one)[1] for other in (KD, LONGER) for one in SCORES]
        first = [f"{seeds[0].scores[f'student/test/{one}']:.3f}" for one in SCORES] if 0 in seeds else []
        yield _row(name, *gaps, ", ".join(first))


def _verdicts(own: dict[str, dict[int, Found]]) -> Iterator[str]:
    whole = {name: _mean(seeds, "student/validation/nll") for name, seeds in own.items() if len(seeds) >= len(own[KD])}
    best = min((name for name in whole if name.startswith("exam")), key=whole.__getitem__, default=KD)
    yield f"Of IKD, **{best}** has the lowest validation nll; of all methods, {min(whole, key=whole.__getitem__)}. On test texts:\n"
    for other in (KD, LONGER, FEWER, LABELS, "online", "annealed"):
        if other in own:
            said = (f"{one} {' '.join(compared(own[best], own[other], one))}" for one in SCORES)
            yield f"- against {other}: {'; '.join(said)}."


def main() -> None:
    """Carry out what is missing, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("runs/sweep"))
    parser.add_argument("--table", action="store_true", help="only print the tables")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    path, runs = chosen.out / "scores.jsonl", planned(chosen.tasks, chosen.seeds)
    if not chosen.table:
        sweep(runs, path)
    found, faults = read(path)
    print("\n".join(tables(found, runs)))
    print("\n".join(f"- failed: {run.task}, {run.method}, seed {run.seed}: {fault}" for run, fault in faults.items()))


if __name__ == "__main__":
    main()
