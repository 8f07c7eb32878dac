"""Drift against gain: did the student gain on the examples whose soft targets moved?"""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from ikd.plots.gain import gain_chart, gain_table
from ikd.plots.theme import REST_SLOT
from ikd.trace.measures import drift, gain
from ikd.ui import state
from ikd.ui.figures import show_figure
from ikd.ui.targets.look import Look
from ikd.ui.targets.panel import draw_words
from ikd.ui.targets.words import VIEWS
from ikd.ui.timeline import marks_of
from ikd.ui.wording import snippet, visible


def base_step(look: Look) -> int:
    """Return the step gains are counted from: the reading at the first exam, the first reading where there is none."""
    marks, _ = marks_of(look.timeline, look.n_steps)
    return look.digest.reading_at(min(marks.get("first exam", 0), look.cursor))


def gain_frame(look: Look) -> pd.DataFrame:
    """Return one row a probe example: example, label, drift (nats), gain (of the student's probability of the label)."""
    frozen, teacher, student = look.both()
    before = look.reading("student", base_step(look))
    assert before is not None
    t, labels = look.temperature, look.labels
    return pd.DataFrame({"example": np.arange(len(labels)), "label": labels, "drift": drift(teacher, frozen, t),
                         "gain": gain(student, before, labels, t)})  # fmt: skip


def draw_gain(look: Look) -> int | None:
    """Draw the figure and return the example picked in it since the last run."""
    frame = gain_frame(look)
    logarithmic = st.toggle("Logarithmic drift", key="gain-log")
    names = [visible(name, longest=30) for name in look.names]
    texts = [snippet(one, longest=60) for one in look.probe["text"].tolist()]
    table = gain_table(frame["drift"], frame["gain"], frame["label"], frame["example"], names=names, slots=slots_of_labels(len(names)),
                       selected=look.example, words=texts)  # fmt: skip
    reach, limit = _scale(look, frame)
    spoken = _spoken(look, frame)
    name = f"gain-{logarithmic}"
    shown = show_figure(
        gain_chart, table, key=state.pick_key(name, look.example), spoken=spoken, era=look.era, picked="picked", names=tuple(names),
        slots=tuple(slots_of_labels(len(names))), log=logarithmic, reach=reach, limit=limit,
    )  # fmt: skip
    st.caption(spoken)
    draw_words("gain", VIEWS["gain"], look, figures={"Figure as SVG": shown},
               make_table=lambda: frame.assign(label=[look.names[one] for one in frame["label"]]))  # fmt: skip
    return state.fresh_pick(name, shown.picked)


def _spoken(look: Look, frame: pd.DataFrame) -> str:
    moved = frame["drift"] > frame["drift"].median()
    parts = (f"; {frame['gain'][moved].mean():+.3f} in the half that drifted more, {frame['gain'][~moved].mean():+.3f} in the other"
             if moved.any() else "; no example drifted more than the others")  # fmt: skip
    one = frame.iloc[look.example]
    return (f"Drift against gain of {len(frame)} examples, gains counted from step {base_step(look)} to {look.cursor}: mean gain "
            f"{frame['gain'].mean():+.3f}{parts}. Example {look.example}: drift {one['drift']:.4f} nats, gain "
            f"{one['gain']:+.3f}.")  # fmt: skip


def slots_of_labels(n_classes: int) -> list[int]:
    """Return the colour slot of each class: of many classes the last ones share the slot of all others."""
    return [min(one, REST_SLOT) for one in range(n_classes)]


def _scale(look: Look, frame: pd.DataFrame) -> tuple[float, float]:
    """Return the ends of both axes, of round numbers that hold the whole run's drift, so that steps can be compared."""
    farthest = float(look.digest.measure("drift_most", look.scale).max())
    return _round_up(farthest), min(1.0, _round_up(float(frame["gain"].abs().max())))


def _round_up(value: float) -> float:
    if value <= 1e-6:
        return 1e-6
    size = 10.0 ** np.floor(np.log10(value))
    return float(next(one * size for one in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if one * size >= value * (1 - 1e-9)))
