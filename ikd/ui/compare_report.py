"""A comparison as one file that opens anywhere, offline: tables as text, figures as SVG, nothing loaded from elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

import ikd
from ikd.metrics.scores import METRICS
from ikd.plots.compare import curve_chart, curve_table, frontier_chart, frontier_table
from ikd.study.writing import escaped, latex_escaped
from ikd.trace.comparing import OUTCOMES, gap_words, mcnemar, same_texts, settings_that_differ
from ikd.trace.thin import thin
from ikd.ui.compare_figures import (
    MOST_POINTS,
    OF_CUES,
    OF_GROUPS,
    SERIES,
    common_split,
    cost_table,
    final_table,
    series_of,
)
from ikd.ui.compare_runs import Compared
from ikd.ui.compare_texts import texts_table
from ikd.ui.html_file import html_figure, html_page, html_table, html_text

MOST_TEXTS = 60
DRAWN = ("student_accuracy", "student_nll", "teacher_accuracy", "student_worst_group_accuracy")


def draw_report(runs: list[Compared]) -> None:
    """Draw the buttons: an HTML report, and the table of scores as Markdown and LaTeX."""
    with st.container(horizontal=True):
        st.download_button("Report as HTML", lambda: report_of(runs).encode("utf-8"), "comparison.html", "text/html",
                           icon=":material/description:", key="compare-html", on_click="ignore")  # fmt: skip
        found = final_table(runs)
        if found is not None:
            words = words_table(found[0], [one.name for one in runs])
            st.download_button("Table as Markdown", lambda: markdown_of(words).encode("utf-8"), "comparison.md", "text/markdown",
                               icon=":material/download:", key="compare-md", on_click="ignore")  # fmt: skip
            st.download_button("Table as LaTeX", lambda: latex_of(words).encode("utf-8"), "comparison.tex", "application/x-tex",
                               icon=":material/download:", key="compare-tex", on_click="ignore")  # fmt: skip
    st.caption("The report is one file with everything in it: it opens offline, and holds texts of the data where students differ. Mind "
               "their licence before passing it on.")  # fmt: skip


def words_table(table: pd.DataFrame, runs: Sequence[str]) -> pd.DataFrame:
    """Return a row of words for each score: value, interval and difference of each run."""
    rows = []
    for name in dict.fromkeys(table["score"]):
        own = table[table["score"] == name].set_index("run")
        better = METRICS[name].larger_is_better
        cells = {}
        for run in runs:
            at = own.loc[run]
            gap = gap_words(at["difference"], at["difference_low"], at["difference_high"], larger_is_better=better)
            cells[run] = f"{at['value']:.3f} ({at['low']:.3f} to {at['high']:.3f})" + (f"; {gap}" if gap else "")
        rows.append({"score": METRICS[name].label, **cells})
    return pd.DataFrame(rows, columns=["score", *runs])


def markdown_of(table: pd.DataFrame) -> str:
    """Return a table as GitHub's Markdown."""
    head, *rows = ([escaped(str(cell)) for cell in row] for row in (list(table.columns), *table.itertuples(index=False)))
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, ["---"] * len(head), *rows))


def latex_of(table: pd.DataFrame) -> str:
    """Return a table as LaTeX (booktabs)."""
    def line(cells: Sequence[object]) -> str:
        return " & ".join(latex_escaped(str(cell)) for cell in cells) + r" \\"

    rows = "\n".join(line(row) for row in table.itertuples(index=False))
    head = f"\\begin{{tabular}}{{{'l' * table.shape[1]}}}\n\\toprule\n{line(list(table.columns))}\n\\midrule\n"
    return f"{head}{rows}\n\\bottomrule\n\\end{{tabular}}\n"


def report_of(runs: list[Compared]) -> str:
    """Return the whole comparison as one HTML page; it touches nothing of Streamlit."""
    names = [one.name for one in runs]
    parts = [f"<h1>{html_text(' against '.join(names))}</h1>",
             f"<p><small>IKD Lab {ikd.__version__}, {time.strftime('%Y-%m-%d %H:%M')}. Runs: "
             f"{html_text(', '.join(one.folder.id for one in runs))}.</small></p>"]  # fmt: skip
    known = {one.name: one.config for one in runs if one.config is not None}
    parts += ["<h2>What differs</h2>", html_table(settings_that_differ(known, {one.name: one.changes for one in runs}))]
    parts += ["<h2>Over the run</h2>", *(_curves(runs, what) for what in DRAWN),
              "<p><small>On the probe examples of each run.</small></p>"]
    found = final_table(runs)
    if found is not None:
        parts += [f"<h2>In the end, on the {html_text(found[1])} split</h2>", html_table(words_table(found[0], names)),
                  f"<p><small>Students: value, 95 % interval over the examples, difference to {html_text(names[0])} on the same "
                  "resamples. It says how sure the difference is for these students on other texts of this kind; how sure it is for other "
                  "seeds only several seeds can say, as a study does.</small></p>"]  # fmt: skip
    split = common_split(runs)
    if split is not None:
        parts += ["<h2>Scores against cost</h2>", *(_frontier(runs, split, what) for what in ("accuracy", "nll")),
                  "<p><small>Bars: 95 % interval over the examples. The dashed line joins the runs that no other one beats for as "
                  "little.</small></p>"]  # fmt: skip
        if same_texts([one.fingerprint for one in runs]):
            parts += ["<h2>Won and lost</h2>", *(_texts(runs[0], one, split) for one in runs[1:])]
    return html_page(" against ".join(names), parts)


def _curves(runs: list[Compared], what: str) -> str:
    series = {}
    for one in runs:
        steps, values = series_of(one, what)
        if len(steps):
            series[one.name] = thin(steps, values, MOST_POINTS)
    shown = [one for one in runs if one.name in series]
    if not shown:
        return ""
    title = {**SERIES, **OF_GROUPS, **OF_CUES}[what]
    chart = curve_chart(pd.DataFrame(), runs=[one.name for one in shown], slots=[one.slot for one in shown], x_title="steps",
                        title=title, zoom_name="zoom")  # fmt: skip
    return f"<h3>{html_text(title.capitalize())}</h3>{html_figure(chart, curve_table(series))}"


def _frontier(runs: list[Compared], split: str, what: str) -> str:
    table = cost_table(runs, split)
    own = table[table["score"] == what]
    cost = "flops" if own["flops"].notna().all() else "seconds"
    points = own.assign(cost=own[cost]).dropna(subset=["cost"])
    if points.empty:
        return ""
    rows = frontier_table(points[["run", "cost", "value", "low", "high"]], larger_is_better=METRICS[what].larger_is_better)
    title = "floating-point operations" if cost == "flops" else "seconds of teaching"
    chart = frontier_chart(pd.DataFrame(), runs=[one.name for one in runs], slots=[one.slot for one in runs], x_title=title,
                           title=METRICS[what].label)  # fmt: skip
    return html_figure(chart, rows)


def _texts(first: Compared, second: Compared, split: str) -> str:
    table = texts_table(first, second, split)
    ours, theirs, p = mcnemar(table)
    differing = table[table["outcome"].isin(OUTCOMES[1:3])]
    shown = differing.head(MOST_TEXTS)
    cut = f" Below stand the first {len(shown)} of these {len(differing)} texts." if len(shown) < len(differing) else ""
    said = (f"<h3>{html_text(first.name)} against {html_text(second.name)}</h3><p>{ours} texts only the first has right, {theirs} only the "
            f"second (McNemar's exact test: p = {p:.3g}, of other texts for these very students; it says nothing of other seeds).{cut}</p>")
    columns = {"text": "text", "label": "label", "first": "the first says", "second": "the second says",
               "p_first": "the first's probability of the label", "p_second": "the second's"}  # fmt: skip
    rounded = shown.assign(p_first=np.round(shown["p_first"], 3), p_second=np.round(shown["p_second"], 3))
    return said + html_table(rounded[list(columns)].rename(columns=columns))
