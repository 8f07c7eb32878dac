"""A comparison as one file that opens anywhere, offline: tables as text, figures as SVG, nothing loaded from elsewhere."""

from __future__ import annotations

import html
import json
import time
from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

import ikd
from ikd.metrics.scores import METRICS
from ikd.plots.compare import curve_chart, curve_table, frontier_chart, frontier_table
from ikd.plots.theme import INK, PAPER
from ikd.trace.comparing import OUTCOMES, gap_words, mcnemar, same_texts, settings_that_differ
from ikd.trace.thin import thin
from ikd.ui.compare_figures import MOST_POINTS, SERIES, common_split, cost_table, final_table
from ikd.ui.compare_runs import Compared
from ikd.ui.compare_texts import texts_table
from ikd.ui.wording import visible

WIDTH_PIXELS = 820
MOST_TEXTS = 60
DRAWN = ("student_accuracy", "student_nll", "teacher_accuracy")
STYLE = f"""
body {{ font: 16px/1.5 system-ui, sans-serif; color: {INK}; background: {PAPER}; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
table {{ border-collapse: collapse; margin: 0.6rem 0 1.4rem; font-size: 0.86rem; display: block; overflow-x: auto; }}
th, td {{ border: 1px solid #d0d7de; padding: 0.25rem 0.55rem; text-align: left; vertical-align: top; unicode-bidi: plaintext; }}
th {{ background: #f3f5f7; }} svg {{ max-width: 100%; height: auto; }} small {{ color: #57606a; }}
"""


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
    def line(cells: Sequence[object]) -> str:
        return "| " + " | ".join(str(cell).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    rows = [line(row) for row in table.itertuples(index=False)]
    return "\n".join([line(list(table.columns)), line(["---"] * table.shape[1]), *rows]) + "\n"


def latex_of(table: pd.DataFrame) -> str:
    """Return a table as LaTeX (booktabs)."""
    special = str.maketrans({"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
                             "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\n": " "})  # fmt: skip

    def line(cells: Sequence[object]) -> str:
        return " & ".join(str(cell).translate(special) for cell in cells) + r" \\"

    rows = "\n".join(line(row) for row in table.itertuples(index=False))
    head = f"\\begin{{tabular}}{{{'l' * table.shape[1]}}}\n\\toprule\n{line(list(table.columns))}\n\\midrule\n"
    return f"{head}{rows}\n\\bottomrule\n\\end{{tabular}}\n"


def report_of(runs: list[Compared]) -> str:
    """Return the whole comparison as one HTML page; it touches nothing of Streamlit."""
    names = [one.name for one in runs]
    parts = [f"<h1>{_text(' against '.join(names))}</h1>",
             f"<p><small>IKD Lab {ikd.__version__}, {time.strftime('%Y-%m-%d %H:%M')}. Runs: "
             f"{_text(', '.join(one.folder.id for one in runs))}.</small></p>"]  # fmt: skip
    known = {one.name: one.config for one in runs if one.config is not None}
    parts += ["<h2>What differs</h2>", _table(settings_that_differ(known))]
    parts += ["<h2>Over the run</h2>", *(_curves(runs, what) for what in DRAWN)]
    found = final_table(runs)
    if found is not None:
        parts += [f"<h2>In the end, on the {_text(found[1])} split</h2>", _table(words_table(found[0], names)),
                  f"<p><small>Students: value, 95 % interval over the examples, difference to {_text(names[0])} on the same "
                  "resamples.</small></p>"]  # fmt: skip
    split = common_split(runs)
    if split is not None:
        parts += ["<h2>Scores against cost</h2>", *(_frontier(runs, split, what) for what in ("accuracy", "nll"))]
        if same_texts([one.fingerprint for one in runs]):
            parts += ["<h2>Won and lost</h2>", *(_texts(runs[0], one, split) for one in runs[1:])]
    return ('<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            f"<title>{_text(' against '.join(names))}</title><style>{STYLE}</style></head>"
            f"<body>{''.join(parts)}</body></html>\n")  # fmt: skip


def _text(text: object) -> str:
    return html.escape(visible(str(text), longest=2000))


def _table(table: pd.DataFrame) -> str:
    if table.empty:
        return "<p>None.</p>"
    head = "".join(f"<th>{_text(name)}</th>" for name in table.columns)
    rows = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in table.itertuples(index=False))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _svg(chart: alt.LayerChart, table: pd.DataFrame) -> str:
    import vl_convert

    tree: dict[str, Any] = {**chart.to_dict(), "width": WIDTH_PIXELS, "data": {"values": json.loads(table.to_json(orient="records"))}}
    tree.pop("datasets", None)
    return f"<figure>{vl_convert.vegalite_to_svg(json.dumps(tree))}</figure>"


def _curves(runs: list[Compared], what: str) -> str:
    series = {}
    for one in runs:
        table = one.tail.scalars(what)
        steps, values = table["step"].to_numpy(), table["value"].to_numpy()
        if len(steps):
            series[one.name] = thin(steps, values, MOST_POINTS)
    shown = [one for one in runs if one.name in series]
    if not shown:
        return ""
    chart = curve_chart(pd.DataFrame(), runs=[one.name for one in shown], slots=[one.slot for one in shown], x_title="steps",
                        title=SERIES[what], zoom_name="zoom")  # fmt: skip
    return f"<h3>{_text(SERIES[what].capitalize())}</h3>{_svg(chart, curve_table(series))}"


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
    return _svg(chart, rows)


def _texts(first: Compared, second: Compared, split: str) -> str:
    table = texts_table(first, second, split)
    ours, theirs, p = mcnemar(table)
    shown = table[table["outcome"].isin(OUTCOMES[1:3])].head(MOST_TEXTS)
    said = (f"<h3>{_text(first.name)} against {_text(second.name)}</h3><p>{ours} texts only the first has right, {theirs} only the second "
            f"(McNemar's exact test: p = {p:.3g}).</p>")  # fmt: skip
    columns = ["text", "label", "first", "second", "p_first", "p_second"]
    return said + _table(shown.assign(p_first=np.round(shown["p_first"], 3), p_second=np.round(shown["p_second"], 3))[columns])

