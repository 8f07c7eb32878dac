"""Curves of several runs over one axis, their final scores with differences, and scores against what they cost."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from ikd.metrics.scores import METRICS
from ikd.plots.compare import curve_chart, curve_table, frontier_chart, frontier_table
from ikd.runs.spent import exam_scalar, flops_spent
from ikd.trace.comparing import AXES, along, gap_words, paired_scores, same_texts
from ikd.trace.cues import cues_of
from ikd.trace.thin import thin
from ikd.ui.compare_runs import Compared
from ikd.ui.downloads import draw_downloads
from ikd.ui.figures import show_figure
from ikd.ui.wording import plain

MOST_POINTS = 500
SERIES = {"student_accuracy": "student's accuracy", "student_nll": "student's negative log-likelihood",
          "teacher_accuracy": "teacher's accuracy", "teacher_nll": "teacher's negative log-likelihood", "agreement": "agreement",
          "drift_median": "drift of the soft targets", "course_loss": "course loss", "exam_loss": "exam loss"}  # fmt: skip
OF_GROUPS = {f"{role}_worst_group_accuracy": f"{role}'s worst-group accuracy" for role in ("student", "teacher")}
"""What can be drawn where examples belong to groups; no scalar holds it."""
OF_CUES = {f"reliance_{role}": f"{role}'s reliance on the cue word" for role in ("student", "teacher")}
"""What can be drawn where the task has a shortcut."""
SPLITS = ("test", "validation")
OF_AXIS = {
    "flops": " Operations are counted on the run's own models and added up by the cost model of the Method page; readings, fine-tuning and "
             "final scores are left out.",
    "seconds": " Seconds are of teaching alone, pauses left out, on its machine and beside whatever ran there.",
}  # fmt: skip


def spent_at(one: Compared, steps: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return the floating-point operations a run had spent before each of some steps, None where its trace does not know."""
    if one.config is None:
        return None
    exams = one.tail.scalars(exam_scalar(one.config))["step"].tolist()
    last = int(one.tail.reader.last_step())
    return flops_spent(one.config, one.tail.meta.get("facts", {}), exams=exams, n_steps=max(last, 0), steps=steps)


def offered_series(runs: list[Compared]) -> dict[str, str]:
    """Return the words of each score that can be drawn over the run, by its name."""
    grouped = any(one.tail.started() and one.tail.has_groups() for one in runs)
    cued = any(cues_of(one.tail.meta.get("facts", {})) is not None for one in runs)
    return {**SERIES, **(OF_GROUPS if grouped else {}), **(OF_CUES if cued else {})}


def series_of(one: Compared, what: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return steps (N,) and values (N,) of a score of a run; none where its trace does not hold it."""
    if what not in OF_GROUPS:
        table = one.tail.scalars(what)
        return table["step"].to_numpy(), table["value"].to_numpy()
    if not (one.tail.started() and one.tail.has_groups()):
        return np.zeros(0, np.int64), np.zeros(0)
    found = one.tail.group_readings()
    return found.steps, found.worst(what.split("_")[0])


def draw_curves(runs: list[Compared]) -> None:
    """Draw one score of all runs over steps, epochs, seconds or operations."""
    with st.container(horizontal=True):
        offered = offered_series(runs)
        what = str(st.selectbox("Score", list(offered), format_func=offered.__getitem__, key="compare-series", width=320))
        axis = str(st.segmented_control("Over", list(AXES), format_func=AXES.__getitem__, key="compare-axis", default="step",
                                        required=True))  # fmt: skip
    series, unknown = {}, []
    for one in runs:
        steps, values = series_of(one, what)
        places = spent_at(one, steps) if axis == "flops" else along(one.tail.reader, one.config, steps, axis)
        if places is None or not len(steps):
            unknown.append(one.name)
            continue
        kept = np.searchsorted(steps, thin(steps, values, MOST_POINTS)[0])
        series[one.name] = (places[kept], values[kept])
    if unknown:
        names = ", ".join(plain(name) for name in unknown)
        st.caption(f"Not drawn: {names}: the trace does not hold this score, or not what this axis needs.")
    if not series:
        return
    shown = [one for one in runs if one.name in series]
    said = "; ".join(f"{name} from {values[0]:.3f} to {values[-1]:.3f}" for name, (_, values) in series.items() if len(values))
    show_figure(
        curve_chart, curve_table(series), key=f"compare-curves-{what}-{axis}", zoom="zoom_compare", spoken=f"{offered[what]}: {said}.",
        runs=[one.name for one in shown], slots=[one.slot for one in shown], x_title=AXES[axis], title=offered[what],
        zoom_name="zoom_compare",
    )  # fmt: skip
    st.caption(f"On the probe examples of each run.{OF_AXIS.get(axis, '')}")



def common_split(runs: list[Compared]) -> str | None:
    """Return the split on which all runs were scored in the end, test before validation."""
    return next((split for split in SPLITS if all(one.final(split) is not None for one in runs)), None)


def final_table(runs: list[Compared]) -> tuple[pd.DataFrame, str] | None:
    """Return the final scores with their differences to the first run, and their split; None where they cannot be held together."""
    split = common_split(runs)
    if split is None or not same_texts([one.fingerprint for one in runs]):
        return None
    finals = {one.name: final for one in runs if (final := one.final(split)) is not None}
    key = tuple(one.folder.id for one in runs)
    table: pd.DataFrame = runs[0].tail.once(f"compared-{split}", key, lambda: paired_scores(finals))
    return table, split


def draw_scores(runs: list[Compared]) -> None:
    """Draw the final scores of the students, each with its interval and its difference to the first run's."""
    found = final_table(runs)
    if found is None:
        _draw_plain_scores(runs)
        return
    table, split = found
    rows = []
    for name in dict.fromkeys(table["score"]):
        own = table[table["score"] == name].set_index("run")
        row = {"score": METRICS[name].label, "better is": "larger" if METRICS[name].larger_is_better else "smaller"}
        for one in runs:
            at = own.loc[one.name]
            gap = gap_words(at["difference"], at["difference_low"], at["difference_high"], larger_is_better=METRICS[name].larger_is_better)
            row[one.name] = f"{at['value']:.3f} ({at['low']:.3f} to {at['high']:.3f})" + (f"\n{gap}" if gap else "")
        rows.append(row)
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="compare-scores-table", row_height=56)
    first = plain(runs[0].name)
    st.caption(f"Students on the {split} split: value, 95 % interval over its examples, and the difference to “{first}” on the same "
               "resamples. It says how sure the difference is for these two students on other texts of this kind; how sure it is for other "
               "seeds only several seeds can say.")  # fmt: skip
    draw_downloads(lambda: table, name="compared-scores", key="compare-scores", rows="Every score of every run, with its difference.")


def _draw_plain_scores(runs: list[Compared]) -> None:
    rows = []
    for one in runs:
        scores = {name: value for name, value in one.folder.state().scores.items() if name.startswith("student/")}
        rows.append({"run": one.name, **{name.removeprefix("student/"): value for name, value in scores.items()}})
    table = pd.DataFrame(rows)
    if table.shape[1] < 2:
        st.caption("None of these runs has final scores yet.")
        return
    st.dataframe(table, hide_index=True, key="compare-plain-table")
    st.caption("Without differences: the runs do not share their texts, or one has no predictions on a whole split.")


def draw_frontier(runs: list[Compared]) -> None:
    """Draw final scores against operations or seconds, with the line that no run beats."""
    split = common_split(runs)
    if split is None:
        st.caption("Shown once all runs have their final scores.")
        return
    table = cost_table(runs, split)
    with st.container(horizontal=True):
        names = [name for name in METRICS if name in set(table["score"])]
        what = str(st.selectbox("Score ", names, format_func=lambda name: METRICS[name].label, key="compare-frontier", width=320))
        costs = {"flops": AXES["flops"], "seconds": AXES["seconds"]}
        cost = str(st.segmented_control("Against", list(costs), format_func=costs.__getitem__, key="compare-cost", default="flops",
                                        required=True))  # fmt: skip
    points = table[table["score"] == what].assign(cost=lambda rows: rows[cost]).dropna(subset=["cost"])
    if points.empty:
        st.caption("The traces of these runs do not know what they cost.")
        return
    rows = frontier_table(points[["run", "cost", "value", "low", "high"]], larger_is_better=METRICS[what].larger_is_better)
    shown = [one for one in runs if one.name in set(rows["run"])]
    spoken = "; ".join(f"{row.run}: {row.value:.3f} at {row.cost:.3g}" for row in rows.itertuples())
    title = METRICS[what].label
    show_figure(
        frontier_chart, rows, key=f"compare-frontier-{what}-{cost}", spoken=f"{title} against {costs[cost]}: {spoken}.",
        runs=[one.name for one in shown], slots=[one.slot for one in shown], x_title=costs[cost], title=f"{title} ({split})",
    )  # fmt: skip
    st.caption("Bars: 95 % interval over the examples. The dashed line joins the runs that no other one beats for as little.")


def cost_table(runs: list[Compared], split: str) -> pd.DataFrame:
    """Return score, run, value, low, high, flops, seconds of each run's student on a split."""
    parts = []
    for one in runs:
        final = one.final(split)
        assert final is not None
        own: pd.DataFrame = one.tail.once(f"alone-{split}", one.folder.state().state, partial(paired_scores, {"": final}))
        last = np.asarray([max(int(one.tail.reader.last_step()), 0)])
        flops, seconds = spent_at(one, last), along(one.tail.reader, one.config, last, "seconds")
        parts.append(own.assign(run=one.name, flops=float(flops[0]) if flops is not None else np.nan,
                                seconds=float(seconds[0]) if seconds is not None else np.nan))  # fmt: skip
    return pd.concat(parts, ignore_index=True)[["score", "run", "value", "low", "high", "flops", "seconds"]]
