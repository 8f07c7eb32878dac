"""The curves of a run's page: scores on the left, the teacher's drift on the right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from ikd.config import RunConfig, few_numbers
from ikd.events import Floats, Integers
from ikd.plots.curves import drift_chart, drift_table, score_chart, score_table
from ikd.plots.theme import FROZEN, LOSSES, ROLES
from ikd.trace.cues import Cues, cues_of
from ikd.trace.thin import thin
from ikd.ui.board_choice import shared_moment
from ikd.ui.figures import show_figure
from ikd.ui.group_lines import WHOSE, WORST, group_lines
from ikd.ui.number_lines import AXES, BY_SOURCE, EVERY_CLASS, TITLES, number_lines
from ikd.ui.pace import PACES_SECONDS, pace_seconds
from ikd.ui.parentage import parent_series
from ikd.ui.tail import Tail
from ikd.ui.timeline import RunTimeline, marks_of, temperature_moves, temperature_words, timeline_of

MOST_POINTS = 600
SHOWN = {"All steps": 0, "Last 200": 200, "Last 50": 50}
SLOWED = " Drawn every {:g} s, to leave this machine to the run."
BY_GROUP = "By group"
MOST_OFFERED = 6
"""Classes of which the numbers of sources are offered one by one."""
LEFT = {"Accuracy": "accuracy", "Likelihood": "nll", "Agreement": "agreement", BY_GROUP: "groups"}
RIGHT = {"Drift": "drift", "Losses": "losses", "Teacher's update": "update"}
RELIANCE = {"Reliance": "reliance"}
"""Offered first where the task has a shortcut."""
MEANINGS = {
    "accuracy": "Share of the held-out probe examples whose most probable class is the label. Dotted: the frozen teacher.",
    "nll": "Mean negative log-likelihood of the labels: lower is better, and an overconfident model pays here first.",
    "agreement": "Share of the probe examples on which student and teacher give the same class.",
    "drift": "Line: median over the probe set. Dark band: its middle half. Light band: 5 % to 95 %. "
    "KL(teacher now ‖ frozen teacher) at {}.",
    "losses": "Course loss: the objective of each course batch. Exam loss: cross-entropy of the exam batch after the course step.",
    "reliance": "How far a soft target moves when the cue word of its text is swapped (mean total variation, over {} probe texts): at 0 "
    "the cue word is ignored. Dotted: the frozen teacher.",
    "update": "Norm of the teacher's update over the norm of its trained weights; much above 0.001 it risks collapse.",
}
NUMBERS_UPDATE = "Norm of the update of the teacher's few numbers over the norm of all of them."
PEERS = ("direct", "mutual", "online")
PEER_LOSSES = "Course loss: the objective of each course batch. Teacher's loss: its own on that batch, towards labels and student."
PARENT = {"parent's teacher": (FROZEN, [1, 0]), "parent's student": (FROZEN, [6, 3]), "parent's agreement": (FROZEN, [6, 3])}
DRIFT = ("drift_q05", "drift_q25", "drift_median", "drift_q75", "drift_q95")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What every figure of a run's page shares.

    Attributes:
        tail: what was read of the trace.
        n_steps: steps of the whole run.
        cursor: nothing later than this step is shown.
        config: the run's settings, None where they are damaged.
        replayed: whether the run is over, so that scales can be those of the whole run.
        era: while the figures move, a number that changes ten times in a run; None while they stand.
    """

    tail: Tail
    n_steps: int
    cursor: int
    config: RunConfig | None
    replayed: bool
    era: int | None

    def scalars(self, *names: str) -> pd.DataFrame:
        """Return the wanted scalars: columns step, name, value; of a live run's distant past the spikes."""
        return (self.tail.scalars if self.replayed else self.tail.live_scalars)(*names)

    def readings(self, role: str, examples: Sequence[int]) -> tuple[Integers, Floats]:
        """Return the readings of a role for some examples: steps (R,), logits (R, P, C); of a live run's distant past some."""
        return (self.tail.readings if self.replayed else self.tail.live_readings)(role, examples)

    @cached_property
    def cues(self) -> Cues | None:
        """Return the cue words of a shortcut task, None for any other."""
        return cues_of(self.tail.meta.get("facts", {}))

    @cached_property
    def numbers(self) -> str:
        """Return the scope of a teacher that learns few numbers; empty for any other."""
        return "" if self.config is None else few_numbers(self.config.policy)

    @cached_property
    def timeline(self) -> RunTimeline | None:
        """Return the run's settings with all changes so far."""
        return timeline_of(self.tail, self.config)


def draw_curves(scene: Scene) -> None:
    """Draw the two charts with the choice of what each shows."""
    left, right = st.columns(2, gap="medium")
    shown = st.session_state.get("curves-shown", "All steps") or "All steps"
    # A choice made for a run with a shortcut or with groups is not carried to one without.
    kind = "" if scene.cues is None else "-cues"
    grouped = "-groups" if scene.tail.has_groups() else ""
    with left:
        scores = [name for name in LEFT if name != BY_GROUP or grouped]
        first = BY_GROUP if scene.cues is not None and BY_GROUP in scores else scores[0]
        what = LEFT[st.segmented_control("Scores", scores, default=first, key=f"curves-left{kind or grouped}", required=True,
                                         label_visibility="collapsed")]  # fmt: skip
        (_draw_groups if what == "groups" else partial(_draw_scores, what=what))(scene, shown=shown)
    with right:
        offered = ({TITLES[scene.numbers]: "numbers"} if scene.numbers else {}) | (RIGHT if scene.cues is None else RELIANCE | RIGHT)
        kind += f"-{scene.numbers}" if scene.numbers else ""
        what = offered[st.segmented_control("Teacher", list(offered), default=next(iter(offered)), key=f"curves-right{kind}", required=True,
                                            label_visibility="collapsed")]  # fmt: skip
        {"drift": _draw_drift, "losses": _draw_losses, "update": _draw_update, "reliance": _draw_reliance,
         "numbers": _draw_numbers}[what](scene, shown)
    with st.container(horizontal=True, vertical_alignment="center", key="curves-foot"):
        st.segmented_control("Steps shown", list(SHOWN), default="All steps", key="curves-shown", required=True,
                             label_visibility="collapsed")  # fmt: skip
        slowed = "" if scene.replayed or pace_seconds() == PACES_SECONDS[0] else SLOWED.format(pace_seconds())
        st.caption(f"Drag to move along the steps, scroll to zoom, double-click for the whole run.{slowed}")


def _draw_scores(scene: Scene, what: str, shown: str) -> None:
    table = scene.scalars("student_accuracy", "teacher_accuracy", "student_nll", "teacher_nll", "agreement")
    names = {"student": "agreement"} if what == "agreement" else {"teacher": f"teacher_{what}", "student": f"student_{what}"}
    if what == "agreement":
        names = {"agreement": "agreement"}
    looks = {"agreement": ROLES["student"]} if what == "agreement" else ROLES
    frozen = _first(table, names["teacher"]) if "teacher" in names else None
    title = {"accuracy": "accuracy", "nll": "negative log-likelihood (nats)", "agreement": "agreement"}[what]
    draw_lines(scene, table, names, what=what, shown=shown, title=title, looks=looks, frozen=frozen, unit=what != "nll",
                parent=True)  # fmt: skip


def _draw_groups(scene: Scene, shown: str) -> None:
    whose = str(st.segmented_control("Whose accuracy", WHOSE, default=WHOSE[0], key="curves-whose", required=True,
                                     format_func=str.capitalize, label_visibility="collapsed"))  # fmt: skip
    found = scene.tail.group_readings()
    newest = int(found.steps[found.steps <= scene.cursor].max(initial=0))
    # While the figures move, other groups would build the figure anew at each reading.
    lines = group_lines(found, whose, scene.cursor, chosen_at=newest if scene.era is None else shared_moment(newest))
    draw_lines(scene, lines.table, lines.names, what=f"groups_{whose}", shown=shown, title=f"accuracy of the {whose}", looks=lines.looks,
               unit=True, words=lines.words, halo=WORST, columns=2)  # fmt: skip


def _draw_losses(scene: Scene, shown: str) -> None:
    table = scene.scalars("course_loss", "exam_loss", "teacher_loss")
    own = scene.config is not None and scene.config.policy.name in PEERS
    second = {"teacher's loss": "teacher_loss"} if own else {"exam loss": "exam_loss"}
    looks = {who: LOSSES[who] for who in ("course loss", *second)}
    draw_lines(scene, table, {"course loss": "course_loss", **second}, what="losses", shown=shown, title="loss (nats)", looks=looks,
                words=PEER_LOSSES if own else "")  # fmt: skip


def _draw_reliance(scene: Scene, shown: str) -> None:
    table = scene.scalars("reliance_teacher", "reliance_student")
    names = {"teacher": "reliance_teacher", "student": "reliance_student"}
    words = MEANINGS["reliance"].format(scene.cues.n_texts if scene.cues is not None else 0)
    draw_lines(scene, table, names, what="reliance", shown=shown, title="reliance on the cue", looks=ROLES,
               frozen=_first(table, "reliance_teacher"), from_zero=True, parent=True, words=words)  # fmt: skip


def _draw_numbers(scene: Scene, shown: str) -> None:
    labels, scope, chosen = list(scene.tail.meta["label_names"]), scene.numbers, None
    if scope in BY_SOURCE:
        one = st.segmented_control("Class", [EVERY_CLASS, *labels], default=EVERY_CLASS, key="curves-class", required=True,
                                   label_visibility="collapsed") if len(labels) <= MOST_OFFERED else EVERY_CLASS  # fmt: skip
        chosen = labels.index(one) if one in labels else None
    lines = number_lines(scene.tail.numbers(), scope, labels, chosen, scene.cursor)
    draw_lines(scene, lines.table, lines.names, what=f"numbers_{chosen}", shown=shown, title=AXES[scope], looks=lines.looks,
               unit=scope in BY_SOURCE, words=lines.words, levels=lines.levels)  # fmt: skip


def _draw_update(scene: Scene, shown: str) -> None:
    table = scene.scalars("teacher_update_ratio")
    looks = {"update / weights": ROLES["teacher"]}
    draw_lines(scene, table, {"update / weights": "teacher_update_ratio"}, what="update", shown=shown, title="ratio of norms",
                looks=looks, words=NUMBERS_UPDATE if scene.numbers else "")  # fmt: skip


def draw_lines(
    scene: Scene, table: pd.DataFrame, names: dict[str, str], *, what: str, shown: str, title: str, looks: Any,
    frozen: float | None = None, unit: bool = False, from_zero: bool = False, parent: bool = False, words: str = "", halo: str = "",
    columns: int = 3, levels: Mapping[str, float] | None = None,
) -> None:  # fmt: skip
    """Draw lines over the steps, with the marks of the run and words under them.

    Args:
        scene: of the page.
        table: columns step, name, value.
        names: who to the name of its rows.
        what: name of the figure, as an identifier; its zoom is named after it.
        shown: of `SHOWN`.
        title: of the vertical axis.
        looks: who to colour and dash.
        frozen: the frozen teacher's value, or None.
        unit: whether the vertical axis goes from 0 to 1.
        from_zero: whether one that fits the values begins at zero.
        parent: whether the run this one was forked from is drawn too.
        words: under the figure, in place of those of `MEANINGS`.
        levels: a value for some of `names`, drawn as a thin line from end to end.
        halo: name of the rows that are marked with a broad pale line.
        columns: of the legend.
    """
    first = _first_shown(scene, shown)
    series = {who: _series(table, name, first, scene.cursor) for who, name in names.items()}
    of_parent = _parent_lines(scene, names, first) if parent else {}
    looks = {**looks, **{who: PARENT[who] for who in of_parent}}
    marks, exams = marks_of(scene.timeline, scene.n_steps)
    rows = score_table({**series, **of_parent}, n_steps=scene.n_steps, frozen=frozen, marks=marks, exams=exams, thin=list(of_parent),
                       levels=levels, halo=_series(table, halo, first, scene.cursor) if halo else None)  # fmt: skip
    rows = rows[rows["step"].between(first, scene.cursor)] if shown != "All steps" else rows
    zoom = f"zoom_{what}"
    spoken = "; ".join(_spoken(who, steps, values) for who, (steps, values) in series.items())
    if frozen is not None:
        spoken += f"; frozen teacher {frozen:.3f}"
    show_figure(score_chart, rows, key=_key(what, shown), zoom=zoom, era=scene.era, spoken=f"{title} over steps: {spoken}.",
                window=_window(scene, shown), title=title, zoom_name=zoom, looks=looks, unit_interval=unit,
                from_zero=from_zero, columns=columns)  # fmt: skip
    st.caption(words or MEANINGS[what])


def _draw_drift(scene: Scene, shown: str) -> None:
    whole = scene.scalars(*DRIFT)
    wide = whole.pivot_table(index="step", columns="name", values="value", dropna=False).reset_index()
    for name in DRIFT:
        if name not in wide:
            wide[name] = np.nan
    first = _first_shown(scene, shown)
    ceiling = float(wide["drift_q95"].max()) if scene.replayed and len(wide) else 0.0
    bands = wide[wide["step"].between(first, scene.cursor)]
    bands = bands[bands["step"].isin(_kept_steps(bands))].rename(columns=lambda name: str(name).removeprefix("drift_"))
    marks, exams = marks_of(scene.timeline, scene.n_steps)
    parent = parent_series(scene.tail, "drift_median", scene.cursor)
    rows = drift_table(bands, ceiling=0.0 if np.isnan(ceiling) else ceiling, marks=marks, exams=exams, n_steps=scene.n_steps,
                       parent=thin(*parent, MOST_POINTS) if len(parent[0]) else None)  # fmt: skip
    if shown != "All steps":
        rows = rows[rows["step"].between(first, scene.cursor)]
    spoken = _spoken("median drift", bands["step"].to_numpy(), bands["median"].to_numpy())
    show_figure(drift_chart, rows, key=_key("drift", shown), zoom="zoom_drift", era=scene.era,
                spoken=f"Drift of the soft targets in nats: {spoken}.", window=_window(scene, shown), zoom_name="zoom_drift")  # fmt: skip
    words = temperature_words(float(scene.tail.meta["temperature"]), moves=temperature_moves(scene.timeline, scene.n_steps))
    st.caption(MEANINGS["drift"].format(words))


def _parent_lines(scene: Scene, names: dict[str, str], first: int) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    found = {f"parent's {who}": parent_series(scene.tail, name, scene.cursor) for who, name in names.items()}
    return {who: thin(steps[steps >= first], values[steps >= first], MOST_POINTS) for who, (steps, values) in found.items() if len(steps)}


def _key(what: str, shown: str) -> str:
    return f"chart-{what}-{SHOWN[shown]}"


def _window(scene: Scene, shown: str) -> tuple[float, float] | None:
    # A little room at the left keeps step 0 off the axis.
    return (-0.01 * scene.n_steps, float(scene.n_steps)) if shown == "All steps" else None


def _first_shown(scene: Scene, shown: str) -> int:
    newest = min(scene.cursor, scene.tail.reader.last_step()) if SHOWN[shown] else 0
    return newest - SHOWN[shown] if SHOWN[shown] else 0


def _series(table: pd.DataFrame, name: str, first: int, last: int) -> tuple[NDArray[Any], NDArray[Any]]:
    rows = table[(table["name"] == name) & table["step"].between(first, last)]
    return thin(rows["step"].to_numpy(), rows["value"].to_numpy(), MOST_POINTS)


def _kept_steps(bands: pd.DataFrame) -> Sequence[int]:
    kept: set[int] = set()
    for name in ("drift_median", "drift_q95"):
        kept.update(thin(bands["step"].to_numpy(), bands[name].to_numpy(), MOST_POINTS // 2)[0].tolist())
    return sorted(kept)


def _first(table: pd.DataFrame, name: str) -> float | None:
    values = table.loc[table["name"] == name, "value"]
    return None if values.empty or np.isnan(values.iloc[0]) else float(values.iloc[0])


def _spoken(who: str, steps: NDArray[Any], values: NDArray[Any]) -> str:
    if not len(steps):
        return f"{who} not measured yet"
    return f"{who} {values[0]:.3f} at step {int(steps[0])}, {values[-1]:.3f} at step {int(steps[-1])}"
