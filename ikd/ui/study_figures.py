"""What a study has found, as sentences and figures: verdicts, gains with their intervals, scores against what they cost."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import streamlit as st

from ikd.metrics.scores import METRICS
from ikd.plots.compare import frontier_table
from ikd.plots.study import beside_each_other, cost_chart, cost_ticks, forest_chart, forest_table
from ikd.study.comparing import COMPUTE, STRONGEST, Pair, pairs_of, with_controls
from ikd.study.plan import Study
from ikd.study.results import Results, cost_table, reported_split
from ikd.study.statistics import Interval
from ikd.study.teachers import guessing_words
from ikd.study.verdicts import UNITS, Kind, lower_label, said_gain
from ikd.ui.figures import show_figure
from ikd.ui.study_found import Findings, at_words, score_intervals, slots_of, whole_verdicts
from ikd.ui.wording import plain, visible

BADGES: dict[str, tuple[str, str, str]] = {
    "better": ("better", "green", ":material/trending_up:"), "worse": ("worse", "red", ":material/trending_down:"),
    "better at equal steps": ("better at equal steps", "blue", ":material/trending_up:"),
    "worse at equal steps": ("worse at equal steps", "orange", ":material/trending_down:"),
    "better than the strongest control": ("better than the strongest control", "green", ":material/trending_up:"),
    "worse than the strongest control": ("worse than the strongest control", "red", ":material/trending_down:"),
    "better with other steps": ("better with other steps", "blue", ":material/trending_up:"),
    "worse with other steps": ("worse with other steps", "orange", ":material/trending_down:"),
    "open": ("no difference shown", "gray", ":material/help:"), "equivalent": ("no difference that matters", "blue", ":material/equal:"),
    "mixed": ("differs at equal compute", "orange", ":material/call_split:"),
    "nothing": ("nothing yet", "gray", ":material/hourglass_empty:"),
}  # fmt: skip
"""Word, colour and icon of what is said of a method, by kind."""

IN_A_WORD: dict[Kind, str] = {"better": "better", "worse": "worse", "open": "undecided", "equivalent": "none that matters",
                              "mixed": "mixed"}
HOW_TO_READ = (
    "Differences are paired by seed and positive where the first one is better. In brackets the 95 % interval over seeds; p by the exact "
    "sign-flip test (up to 16 seeds; drawn beyond), Holm-corrected over the tasks. A difference is shown where p is at most 0.05 and the "
    "interval leaves zero out. Where a method has a control of equal compute, as the cost model counts it, a claim needs both. “At equal "
    "steps” and “with other steps” mean that these two have no such control: the difference may be that of the compute. "
    "“No difference is shown” does not mean that there is none."
)
COSTS = {"gflops": "GFLOPs spent on teaching", "seconds": "seconds of teaching"}
LONGEST_SENTENCE = 1000


def told_in(findings: Findings) -> list[str]:
    """Return the scores in which verdicts are told: the one that decides, then accuracy."""
    return [score for score in dict.fromkeys((findings.study.score, "accuracy")) if score in findings.scores]


def draw_verdicts(findings: Findings) -> None:
    """Draw what is to be said of each method, task by task, after a warning where teachers or students have learned next to nothing."""
    for warning in guessing_words(findings.results):
        st.warning(plain(warning, longest=LONGEST_SENTENCE), icon=":material/warning:")
    for score in told_in(findings):
        decides = " decides" if score == findings.study.score else ""
        st.markdown(f"**{METRICS[score].label}{decides}**" if decides else f"**Also in {lower_label(score)}**")
        for task, said in whole_verdicts(findings.found, score).items():
            split = reported_split(findings.results, task)
            with st.expander(f"{plain(task)} · {split} texts · {count_words([one.badge for one in said])}", expanded=bool(decides),
                             key=f"study-verdicts-{score}-{task}"):  # fmt: skip
                for one in said:
                    word, colour, icon = BADGES[one.badge]
                    st.markdown(f":{colour}-badge[{icon} {word}] {plain(one.verdict.sentence, longest=LONGEST_SENTENCE)}")
    st.caption(HOW_TO_READ)


def count_words(badges: list[str]) -> str:
    """Return how many badges there are of each kind."""
    return ", ".join(f"{badges.count(badge)} {word}" for badge, (word, _, _) in BADGES.items() if badge in badges)


def choose_score(findings: Findings) -> str:
    """Draw the choice of a score for the figures and return it."""
    return str(st.segmented_control("Score", list(findings.scores), key="study-score", default=findings.scores[0], required=True,
                                    format_func=lambda score: METRICS[score].label))  # fmt: skip


def draw_gains(findings: Findings) -> None:
    """Draw every gain with its interval, task by task."""
    score = choose_score(findings)
    rows = gain_rows(findings, score)
    if rows.empty:
        st.caption("There is one method alone: nothing to hold it against.")
        return
    table = forest_table(rows)
    show_figure(forest_chart, table, key=f"study-gains-{score}", spoken=spoken_gains(rows, score), **forest_options(findings, score, table))
    st.caption(f"{gain_caption(rows, score)} Numbers in full: the table *comparisons* below.")


def gain_caption(rows: pd.DataFrame, score: str) -> str:
    """Return how the figure of gains is read."""
    dashed = " Dashed: against the control that has the compute of the method." if (rows["at"] == COMPUTE).any() else ""
    return (f"Mean gain over seeds with its 95 % interval, in {lower_label(score)}; right of zero the method named first is better. "
            f"Undecided: no difference is shown.{dashed}")  # fmt: skip


def gain_rows(findings: Findings, score: str) -> pd.DataFrame:
    """Return a row for each comparison by a score, in the unit it is said in: task, method, label, at, gain, low, high."""
    factor, own = UNITS[score].factor, findings.comparisons
    own = own[own["score"] == score]
    controlled = {(one.task, one.pair) for one, _, controls in with_controls(findings.found, score) if controls}
    several = len({pair.other for pair in pairs_of(findings.study) if pair.at != COMPUTE}) > 1
    rows = []
    for row in own.to_dict("records"):
        gain, low, high = (float(row[name]) * factor for name in ("gain", "low", "high"))
        other = f" against {row['against']}" if several or row["at"] in (COMPUTE, STRONGEST) else ""
        label = f"{row['method']}{other}: {gain_words(row['gain'], row['low'], row['high'], score)}"
        if math.isfinite(gain) and int(row["seeds"]) > 1:
            pair = Pair(row["method"], row["against"], row["at"])
            alone = row["verdict"] in ("better", "worse") and row["at"] != COMPUTE and (row["task"], pair) not in controlled
            label += f" · {IN_A_WORD[row['verdict']]}" + (f" {at_words(row['at'])}" if alone else "")
        rows.append((row["task"], row["method"], visible(label), row["at"], gain, low, high))
    return pd.DataFrame(rows, columns=["task", "method", "label", "at", "gain", "low", "high"])


def gain_words(gain: float, low: float, high: float, score: str) -> str:
    """Return a gain with its interval as the sentences say it; what is not known is said."""
    if not math.isfinite(gain):
        return "no seed has both runs yet"
    return said_gain(gain, Interval(low, high), score) + ("" if math.isfinite(low) else " (one seed)")


def forest_options(findings: Findings, score: str, table: pd.DataFrame) -> dict[str, Any]:
    """Return the options of the forest chart for a study."""
    study = findings.study
    unit = UNITS[score].name
    others = {pair.other for pair in pairs_of(study) if pair.at != COMPUTE}
    return {"methods": list(study.entries()), "slots": slots_of(study), "n_lines": len(table),
            "x_title": f"gain in {lower_label(score)}{',' if unit else ''}{unit}",
            "than": others.pop() if len(others) == 1 else ""}  # fmt: skip


def spoken_gains(rows: pd.DataFrame, score: str) -> str:
    """Return the gains in words, task by task."""
    tasks = [f"{task}: {'; '.join(own['label'])}" for task, own in rows.groupby("task", sort=False)]
    return f"Gains in {lower_label(score)}. {'. '.join(tasks)}."


def draw_costs(findings: Findings) -> None:
    """Draw mean scores against what was spent on teaching, for one task."""
    study = findings.study
    with st.container(horizontal=True):
        score = str(st.selectbox("Score ", list(findings.scores), key="study-cost-score", width=260,
                                 format_func=lambda one: METRICS[one].label))  # fmt: skip
        task = str(st.selectbox("Task", list(study.tasks), key=f"study-cost-task-{study.name}", width=260, format_func=visible))
        cost = str(st.segmented_control("Against", list(COSTS), format_func=COSTS.__getitem__, key="study-cost", default="gflops",
                                        required=True))  # fmt: skip
    points = cost_points(findings.results, task, score, cost)
    if points.empty:
        st.caption("The runs of this task do not know what they cost, or none is over.")
        return
    show_figure(cost_chart, points, key=f"study-costs-{score}-{cost}", spoken=spoken_costs(points, score, task, cost),
                **cost_options(study, points, score, cost))  # fmt: skip
    st.caption(f"{plain(task)}, {reported_split(findings.results, task)} texts: means over seeds with 95 % intervals, cost on a "
               "logarithmic axis; marks at the same cost stand beside each other. The dashed line joins the methods that no other one "
               "beats for as little.")  # fmt: skip


def cost_points(results: Results, task: str, score: str, cost: str) -> pd.DataFrame:
    """Return a row for each method of a task with a known cost: method, cost, value, low, high, frontier, moved."""
    means = score_intervals(results, score)
    costs = cost_table(results)[["task", "method", *COSTS]].rename(columns={"method": "of"})
    entries = results.study.entries()
    means = means.assign(of=[entries[name].method for name in means["method"]]).merge(costs, on=["task", "of"])
    own = means[(means["task"] == task) & means["value"].notna() & (means[cost] > 0)].rename(columns={cost: "cost"})
    points = frontier_table(own[["method", "cost", "value", "low", "high"]], larger_is_better=METRICS[score].larger_is_better)
    return points.assign(moved=beside_each_other(points["cost"].tolist()))


def cost_options(study: Study, points: pd.DataFrame, score: str, cost: str) -> dict[str, Any]:
    """Return the options of the cost chart for a study."""
    there = [(method, slot) for method, slot in zip(study.entries(), slots_of(study), strict=True) if method in set(points["method"])]
    return {"methods": [method for method, _ in there], "slots": [slot for _, slot in there], "x_title": COSTS[cost],
            "title": METRICS[score].label, "ticks": cost_ticks(points["cost"].tolist())}  # fmt: skip


def spoken_costs(points: pd.DataFrame, score: str, task: str, cost: str) -> str:
    """Return the points in words."""
    each = "; ".join(f"{row.method} {row.value:.3f} at {row.cost:.3g}" for row in points.itertuples())
    return f"{METRICS[score].label} on {task} against {COSTS[cost]}: {each}."
