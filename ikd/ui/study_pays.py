"""Where feedback pays in a study: its map, the strongest controls, and whether ordinary distillation was still gaining at its end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import streamlit as st

from ikd.metrics.scores import METRICS
from ikd.plots.pays import cell_table, largest, map_chart, spent_chart
from ikd.study.gaining import curve_methods, curve_score, gaining_words, mean_curves
from ikd.study.mapping import SHOWN, cell_words, map_table
from ikd.study.results import Results
from ikd.study.strongest import control_table, control_words
from ikd.study.telling import MAP_WORDS
from ikd.study.verdicts import UNITS, lower_label
from ikd.ui.figures import show_figure
from ikd.ui.study_found import Findings
from ikd.ui.study_plan import label_of
from ikd.ui.wording import plain, visible

X_TITLE = "student forwards on one text, planned"
OF_CURVES = ("Means over seeds with 95 % intervals, read on the probe set on the way; a mark ends each curve. Forwards as the cost model "
             "counts them, a fixed teacher asked at each step.")  # fmt: skip
OF_CONTROLS = "The strongest control of each task first. It is chosen on validation texts; the score on the reported texts chooses nothing."


def draw_map(findings: Findings) -> None:
    """Draw the map of one feedback method and panel."""
    table = map_table(findings.study, findings.found)
    with st.container(horizontal=True):
        method = _chosen("Method", list(dict.fromkeys(table["method"])), f"study-map-method-{findings.study.name}")
        panel = _chosen("Shown", list(dict.fromkeys(table["panel"])), f"study-map-panel-{findings.study.name}")
    own = table[(table["method"] == method) & (table["panel"] == panel)]
    cells = map_cells(own, findings.study.score)
    show_figure(map_chart, cells, key="study-map", spoken=spoken_map(own, findings), **map_options(findings))
    st.caption(f"{MAP_WORDS} The last line of a cell names that control.")


def maps_of(findings: Findings) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Yield each map of a study: its name, its cells to be drawn, and its rows of `map_table`."""
    for (method, panel), own in map_table(findings.study, findings.found).groupby(["method", "panel"], sort=False):
        yield f"{method}, {panel}" if panel else str(method), map_cells(own, findings.study.score), own


def map_cells(own: pd.DataFrame, score: str) -> pd.DataFrame:
    """Return the cells of one map in the unit of the score, with their words."""
    factor, rows = UNITS[score].factor, []
    for one in own.to_dict("records"):
        words = cell_words(one["gain"], one["low"], one["high"], one["verdict"], score)
        said, _, interval = words.removesuffix(f" {SHOWN}").partition(" [")
        rows.append((one["row"], one["column"], one["gain"] * factor, one["low"] * factor, one["high"] * factor,
                     said + (f" {SHOWN}" if words.endswith(SHOWN) else ""), f"[{interval}" if interval else "",
                     visible(f"over {one['control']}")))  # fmt: skip
    return cell_table(pd.DataFrame(rows, columns=["row", "column", "gain", "low", "high", "gain_words", "interval_words", "control"]))


def map_options(findings: Findings) -> dict[str, Any]:
    """Return the options of the map's chart."""
    score = findings.study.score
    rows, columns = axis_names(findings)
    gains = map_table(findings.study, findings.found)["gain"] * UNITS[score].factor
    return {"rows": rows, "columns": columns, "limit": largest(gains.tolist()),
            "title": f"gain in {lower_label(score)}{UNITS[score].name and ','}{UNITS[score].name}"}  # fmt: skip


def axis_names(findings: Findings) -> tuple[str, str]:
    """Return the names of the map's rows and columns, as the controls have them."""
    plan = findings.study.mapped()
    return ("", "") if plan is None else (label_of(plan.rows), label_of(plan.columns))


def spoken_map(own: pd.DataFrame, findings: Findings) -> str:
    """Return a map in words."""
    rows, columns = axis_names(findings)
    said = [f"{rows} {one['row']}, {columns} {one['column']}: "
            f"{cell_words(one['gain'], one['low'], one['high'], one['verdict'], findings.study.score)} over {one['control']}"
            for one in own.to_dict("records")]  # fmt: skip
    return f"Gain over the strongest control. {'; '.join(said)}."


def draw_controls(findings: Findings) -> None:
    """Draw which control was the strongest on each task."""
    for line in control_words(findings.results):
        st.markdown(plain(line, longest=2000))
    st.dataframe(control_rows(findings.results), hide_index=True, key="study-controls")
    st.caption(OF_CONTROLS)


def control_rows(results: Results) -> pd.DataFrame:
    """Return a row of words for each task and control."""
    table, score = control_table(results), results.study.score
    label = METRICS[score].label
    return pd.DataFrame({
        "task": table["task"], "control": table["control"], "seeds": table["seeds"],
        f"{label}, validation texts": [_number(one) for one in table[f"validation_{score}"]],
        f"{label}, reported texts": [_number(one) for one in table[score]],
        "strongest": ["strongest" if one else "" for one in table["strongest"]],
    })  # fmt: skip


def draw_curves(findings: Findings) -> None:
    """Draw the curves of the baseline, its controls and feedback over compute, and say whether the baseline was still gaining."""
    for line in gaining_words(findings.results, findings.found):
        st.markdown(f"- {plain(line, longest=1000)}")
    task = str(st.selectbox("Task  ", list(findings.study.tasks), key=f"study-curve-task-{findings.study.name}", width=260,
                            format_func=visible))  # fmt: skip
    points = curve_points(findings.results, task)
    if points.empty:
        st.caption("No readings of these runs are kept: studies carried out before the lab recorded them have none.")
        return
    show_figure(spent_chart, points, key="study-curves", spoken=spoken_curves(points, task), **curve_options(findings.results, points))
    st.caption(OF_CURVES)


def curve_points(results: Results, task: str) -> pd.DataFrame:
    """Return the curves of a task to be drawn: method, spent, value, low, high, last."""
    table = mean_curves(results, task, curve_methods(results.study)).rename(columns={"forwards": "spent"})
    table = table[table["spent"].notna()]
    return table.assign(last=table.groupby("method")["step"].transform("max") == table["step"]).drop(columns=["step", "seeds"])


def curve_options(results: Results, points: pd.DataFrame) -> dict[str, Any]:
    """Return the options of the curves' chart."""
    there = [method for method in curve_methods(results.study) if method in set(points["method"])]
    return {"methods": there, "x_title": X_TITLE, "title": f"{METRICS[curve_score(results.study)].label}, probe set"}


def spoken_curves(points: pd.DataFrame, task: str) -> str:
    """Return where the curves end, in words."""
    ends = points[points["last"]]
    each = "; ".join(f"{row.method} {row.value:.3f} at {row.spent:,.0f} forwards" for row in ends.itertuples())
    return f"Curves on {task} over compute end at: {each}."


def _chosen(label: str, names: list[str], key: str) -> str:
    if len(names) < 2:
        return names[0] if names else ""
    return str(st.selectbox(label, names, key=key, width=260, format_func=visible))


def _number(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.4f}"
