"""What a run of a study has come to, read from its folder alone."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ikd.config.permission import require_writable
from ikd.errors import RunError
from ikd.runs.spent import exam_scalar, flops_after, flops_spent
from ikd.trace.folder import RunFolder
from ikd.trace.reader import TraceReader

DIGITS = 6
CURVES = ("nll", "accuracy")
"""Scores of the student on the probe set that are kept of every reading."""

CHANGED = (
    "Settings of the run were changed while it was at work, so it is not the run that the study asked for: carry it out again with --retry."
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended; the fields are those of `ikd.study.folder.Row`."""

    state: Literal["done", "failed", "stopped", "interrupted"]
    error: str | None = None
    scores: dict[str, float] = field(default_factory=dict)
    flops: float | None = None
    seconds: float | None = None
    wall: float | None = None
    curve: Mapping[str, Sequence[float]] = field(default_factory=dict)


def outcome_of(folder: RunFolder) -> Outcome:
    """Return how a run ended: "done" with its scores, "failed", "stopped" or "interrupted". Never raises."""
    state = folder.state()
    if state.state != "finished":
        return Outcome(state=state.state if state.state == "stopped" or state.state == "interrupted" else "failed", error=state.error)
    try:
        reader = TraceReader(folder)
        if reader.interventions():
            return Outcome(state="failed", error=CHANGED)
        seconds = reader.steps()["seconds"]
        return Outcome(state="done", scores=dict(state.scores), flops=_flops(folder, reader),
                       seconds=float(seconds.max()) if len(seconds) else None, curve=curve_of(reader))  # fmt: skip
    except RunError as fault:
        return Outcome(state="failed", error=str(fault))


def curve_of(reader: TraceReader) -> dict[str, list[float]]:
    """Return the student's scores on the probe set at each reading: `step` and each of `CURVES`; nothing where one is not finite."""
    found: dict[str, list[float]] = {}
    for score in CURVES:
        steps, values = reader.series(f"student_{score}")
        if not len(steps) or not np.isfinite(values).all() or found.get("step", steps.tolist()) != steps.tolist():
            return {}
        found["step"], found[score] = [int(step) for step in steps], [round(float(value), DIGITS) for value in values]
    return found


def let_go(folder: RunFolder, *, keep_student: bool) -> None:
    """Delete what a run that is over leaves beside its trace: checkpoints, which nobody resumes, and unless it is kept its student."""
    require_writable()
    for name in ("checkpoints",) if keep_student else ("checkpoints", "student"):
        shutil.rmtree(folder.path / name, ignore_errors=True)


def _flops(folder: RunFolder, reader: TraceReader) -> float | None:
    config = folder.config()
    exams, n_steps, facts = reader.series(exam_scalar(config))[0].tolist(), config.training.steps, reader.meta().get("facts", {})
    spent = flops_spent(config, facts, exams=exams, n_steps=n_steps, steps=[n_steps])
    return None if spent is None else float(spent[0]) + flops_after(config, facts)
