"""The head of a run's page: state, progress, times and the newest scores."""

from __future__ import annotations

import time

import pandas as pd
import streamlit as st

from ikd.trace.folder import RunFolder
from ikd.trace.state import RunState
from ikd.ui.tail import Tail
from ikd.ui.wording import duration

BADGES = {
    "queued": ("gray", "queued", ":material/schedule:"),
    "preparing": ("blue", "preparing", ":material/hourglass_top:"),
    "running": ("blue", "running", ":material/play_circle:"),
    "paused": ("violet", "paused", ":material/pause_circle:"),
    "finished": ("green", "finished", ":material/check_circle:"),
    "stopped": ("orange", "stopped", ":material/stop_circle:"),
    "interrupted": ("orange", "interrupted", ":material/power_off:"),
    "failed": ("red", "failed", ":material/error:"),
    "lost": ("red", "lost", ":material/link_off:"),
}
RECENT_STEPS = 50
NEWEST = ("student_accuracy", "teacher_accuracy", "student_nll", "agreement", "drift_median")


def badge(folder: RunFolder, run: RunState, *, position: int | None = None) -> None:
    """Draw the state of a run in a word, an icon and a colour, with its position in the queue where it is given."""
    colour, word, icon = BADGES[run.state]
    word = word if position is None else f"{word}, position {position}"
    st.badge(f"recorded, {word}" if folder.recorded else word, icon=icon, color=colour)  # type: ignore[arg-type]


def draw_progress(run: RunState, tail: Tail, *, replayed: tuple[int, int] | None = None) -> None:
    """Draw a run's progress, 99 % at most until it is really done; of a replay, how much of the run is shown.

    Args:
        run: its state.
        tail: of its trace.
        replayed: the step up to which a run that has ended is shown, and the last one of its replay; None where nothing is replayed.
    """
    if replayed is not None and replayed[0] < replayed[1]:
        share = min(replayed[0] / replayed[1], 0.99)
        words = f"Shown up to step {replayed[0]} of {replayed[1]}"
    elif run.stage == "catching up":
        share = min(run.stage_step / max(run.total, 1), 0.99)
        words = f"Computing again what was recorded up to step {run.step}: step {run.stage_step}"
    elif run.state == "paused" and run.stage == "teaching":
        share, words = run.fraction(), f"Paused after step {run.step} of {run.total}"
    elif run.stage in ("teaching", "done"):
        share, words = run.fraction(), f"Step {run.step} of {run.total}"
    else:
        share = min(run.stage_step / run.stage_total, 0.99) if run.stage_total else run.fraction()
        part = f", step {run.stage_step} of {run.stage_total}" if run.stage_total else ""
        words = f"{'Paused: ' if run.state == 'paused' else ''}{run.stage.capitalize()}{part}"
    words += f" · stops at step {run.stop_at}" if run.live and run.stop_at is not None else ""
    st.progress(share, text=f"{words} · {share:.0%}")
    st.caption(" · ".join(_times(run, tail)))


def draw_newest(tail: Tail, cursor: int, *, live: bool) -> None:
    """Draw the newest reading's scores up to a step, in five small numbers, and say on what they were measured."""
    table = (tail.live_scalars if live else tail.scalars)(*NEWEST)
    first, last = _reading(table, 0), _reading(table, cursor)
    with st.container(horizontal=True, key="newest"):
        _number("Student accuracy", last.get("student_accuracy"), "on the probe set")
        _number("Teacher accuracy", last.get("teacher_accuracy"), "on the probe set", than=first.get("teacher_accuracy"))
        _number("Student NLL", last.get("student_nll"), "mean negative log-likelihood of the labels, lower is better")
        _number("Agreement", last.get("agreement"), "share of probe examples on which both give the same class")
        _number("Median drift", last.get("drift_median"), "KL of the soft targets from the frozen teacher's, in nats", form=".4f")
    st.caption(f"On the {len(tail.probe())} probe examples, a fixed sample that is read again and again; the final scores are those of "
               "whole splits, and differ.")  # fmt: skip


def _reading(table: pd.DataFrame, step: int) -> dict[str, float]:
    upto = table[table["step"] <= step]
    return {str(name): float(value) for name, value in upto.groupby("name")["value"].last().items()}


def _number(label: str, value: float | None, meaning: str, *, than: float | None = None, form: str = ".3f") -> None:
    change = None if value is None or than is None else f"{value - than:+.3f} vs frozen"
    st.metric(label, "–" if value is None else f"{value:{form}}", delta=change, delta_color="off", help=meaning, width=150,
              delta_arrow="off")  # fmt: skip


def _times(run: RunState, tail: Tail) -> list[str]:
    recent = tail.reader.steps(after=run.step - RECENT_STEPS)
    whole = f"{duration((run.ended or time.time()) - run.started)} since the start"
    words = [f"{duration(recent['seconds'].max())} of teaching", whole] if len(recent) else [whole]
    speed = steps_per_second(recent)
    if run.stage == "teaching" and run.state != "paused" and speed:
        end = run.total if run.stop_at is None else min(run.total, run.stop_at)
        words += [f"about {duration((end - run.step) / speed)} remaining", f"{speed:.1f} steps/s"]
    if run.device:
        words.append(run.device)
    if run.peak_memory_bytes:
        words.append(f"{run.peak_memory_bytes / 2**20:.0f} MiB at most")
    return words


def steps_per_second(recent: pd.DataFrame) -> float | None:
    """Return the speed of some recorded steps, readings included; None before there are two."""
    if len(recent) < 2:
        return None
    taken = float(recent["seconds"].iloc[-1] - recent["seconds"].iloc[0])
    return float(recent["step"].iloc[-1] - recent["step"].iloc[0]) / taken if taken > 0 else None
