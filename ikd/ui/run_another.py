"""One more curve on a run's page: any score of teacher and student over the steps, and its newest values with their intervals."""

from __future__ import annotations

import math

import streamlit as st

from ikd.metrics.scores import METRICS
from ikd.plots.theme import ROLES
from ikd.trace.reading_scores import MOST_READINGS, reading_intervals
from ikd.trace.scores import in_words
from ikd.ui.run_curves import Scene, draw_lines

CHOICE = "curves-another"
EVENLY = " Of this long run not every reading is scored, but evenly spaced ones."


def draw_another(scene: Scene) -> None:
    """Draw the choice of a score, and its figure once one is chosen."""
    offered = _offered(scene)
    what = st.selectbox("Another score", offered, index=None, format_func=lambda name: METRICS[name].label, key=CHOICE, width=320,
                        placeholder="Another score over the steps", label_visibility="collapsed")  # fmt: skip
    if what is None:
        return
    table = scene.tail.probe_scores()
    metric = METRICS[what]
    names = {role: f"{role}_{what}" for role in ("teacher", "student")}
    first = table[table["name"] == names["teacher"]]["value"]
    better = "Larger" if metric.larger_is_better else "Smaller"
    shown = st.session_state.get("curves-shown", "All steps") or "All steps"
    draw_lines(
        scene, table, names, what=f"another_{what}", shown=shown, looks=ROLES, title=metric.label,
        frozen=float(first.iloc[0]) if len(first) else None, unit=what in ("accuracy", "worst_group_accuracy", "macro_f1", "second_f1"),
        words=f"{metric.meaning} {better} is better. On the probe examples; dotted: the frozen teacher."
        f"{EVENLY if table['step'].nunique() >= MOST_READINGS else ''}",
    )  # fmt: skip
    _draw_newest(scene, what, list(table[table["step"] <= scene.cursor]["step"].tail(1)))


def _draw_newest(scene: Scene, what: str, newest: list[int]) -> None:
    if not newest:
        return
    tail, step = scene.tail, int(newest[0])
    found = tail.shared("score intervals", step, lambda: reading_intervals(tail.reader, tail.probe(), step))
    values = [f"{role} {in_words(one[what])}" for role, one in found.items() if what in one and math.isfinite(one[what].value)]
    st.caption(f"Step {step}, over the {len(tail.probe())} probe examples: {', '.join(values)}. In brackets: 95 % of the resamples.")


def _offered(scene: Scene) -> list[str]:
    truth = any(one is not None for one in scene.tail.probe()["truth"])
    grouped = scene.tail.has_groups()
    two = len(scene.tail.meta.get("label_names", ())) == 2
    return [name for name, one in METRICS.items() if (truth or not one.needs_truth) and (two or not one.two_classes)
            and (grouped or not one.needs_groups)]  # fmt: skip
