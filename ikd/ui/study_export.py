"""A study taken home: one HTML file with everything, each table in four forms, all of them in one zip, and the study as YAML."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator

import pandas as pd
import streamlit as st

import ikd
from ikd.metrics.scores import METRICS
from ikd.plots.pays import map_chart, spent_chart
from ikd.plots.study import cost_chart, forest_chart, forest_table
from ikd.study.gaining import gaining_words
from ikd.study.results import run_table
from ikd.study.teachers import guessing_words
from ikd.study.telling import LONG, MAP_WORDS, PAYS, how_made, protocol, whole_markdown
from ikd.study.verdicts import counted
from ikd.study.writing import latex, markdown
from ikd.ui.downloads import csv_bytes, draw_downloads, parquet_bytes
from ikd.ui.html_file import html_figure, html_page, html_table, html_text
from ikd.ui.study_choice import Offered
from ikd.ui.study_figures import (
    BADGES,
    HOW_TO_READ,
    cost_options,
    cost_points,
    forest_options,
    gain_caption,
    gain_rows,
    spoken_costs,
    spoken_gains,
    told_in,
)
from ikd.ui.study_found import (
    OF_TRACES,
    TABLES,
    Findings,
    examples_of,
    findings_of,
    groups_of,
    table_of,
    whole_verdicts,
    yaml_of,
)
from ikd.ui.study_groups import OF_GROUPS, group_gain_words
from ikd.ui.study_pays import (
    OF_CONTROLS,
    OF_CURVES,
    control_rows,
    curve_options,
    curve_points,
    map_options,
    maps_of,
    spoken_curves,
    spoken_map,
)
from ikd.ui.study_plan import method_rows, seed_lines, task_rows
from ikd.ui.study_tables import (
    NONE,
    OF_COST,
    OF_EXAMPLES,
    OF_MEANS,
    OF_TEACHERS,
    any_run_here,
    cost_words,
    example_words,
    failed_by_reason,
    mean_words,
    named_words,
    run_words,
    teacher_words,
    tuning_words,
)

EMPTY_AT_TIMES = (*OF_TRACES, "map", "controls", "curves")
"""Tables that are left out where they have no row: the runs' folders are not here, or the study names no controls, or kept no readings."""


def draw_export(one: Offered, findings: Findings) -> None:
    """Draw the buttons; what they give is made when one is clicked."""
    name, folder = findings.study.name, one.folder
    with st.container(horizontal=True):
        st.download_button("Report as HTML", lambda: report_html(one).encode("utf-8"), f"study-{name}.html", "text/html",
                           icon=":material/description:", key="study-html", on_click="ignore")  # fmt: skip
        st.download_button("All tables (zip)", lambda: zip_of(one), f"study-{name}.zip", "application/zip", icon=":material/folder_zip:",
                           key="study-zip", on_click="ignore")  # fmt: skip
        st.download_button("study.yaml", yaml_of(findings.study), "study.yaml", "application/yaml", icon=":material/download:",
                           key="study-file", on_click="ignore")  # fmt: skip
    st.caption("The report is one file with everything in it, which opens offline. The zip has it too, beside every table as CSV, Parquet, "
               "Markdown and LaTeX.")  # fmt: skip
    names = [table for table in TABLES if _has_rows(one, findings, table)]
    table = str(st.segmented_control("One table", names, key="study-table", default="means", required=True))
    if table not in LONG:
        with st.container(horizontal=True):
            st.download_button("Markdown", lambda: markdown(table_of(folder, table)).encode("utf-8"), f"{name}-{table}.md", "text/markdown",
                               icon=":material/download:", key=f"study-{table}-md", on_click="ignore")  # fmt: skip
            st.download_button("LaTeX", lambda: latex(table_of(folder, table)).encode("utf-8"), f"{name}-{table}.tex", "application/x-tex",
                               icon=":material/download:", key=f"study-{table}-tex", on_click="ignore")  # fmt: skip
    draw_downloads(lambda: table_of(folder, table), name=f"{name}-{table}", key=f"study-{table}", rows="All rows, numbers in full.")


def _has_rows(one: Offered, findings: Findings, table: str) -> bool:
    if table in OF_TRACES:
        return any_run_here(one, findings.results) and (table != "groups" or "worst_group_accuracy" in findings.scores)
    return table not in EMPTY_AT_TIMES or len(table_of(one.folder, table)) > 0


def zip_of(one: Offered) -> bytes:
    """Return every table in each of its forms, the report as HTML and as Markdown, and study.yaml; it touches nothing of Streamlit."""
    findings, whole = findings_of(one.folder), io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("report.html", report_html(one))
        packed.writestr("report.md", whole_markdown(findings.results))
        packed.writestr("study.yaml", yaml_of(findings.study))
        for name in TABLES:
            table = table_of(one.folder, name)
            if name in EMPTY_AT_TIMES and table.empty:
                continue
            packed.writestr(f"{name}.csv", csv_bytes(table))
            packed.writestr(f"{name}.parquet", parquet_bytes(table))
            if name not in LONG:
                packed.writestr(f"{name}.md", markdown(table))
                packed.writestr(f"{name}.tex", latex(table))
    return whole.getvalue()


def report_html(one: Offered) -> str:
    """Return all that a study has found as one HTML page; it touches nothing of Streamlit."""
    findings = findings_of(one.folder)
    title = findings.study.title or findings.study.name
    parts = [f"<h1>{html_text(title)}</h1>",
             f"<p><small>Study {html_text(findings.study.name)}, IKD Lab {ikd.__version__}, {time.strftime('%Y-%m-%d %H:%M')}.</small></p>",
             *_plan(findings), *_maps(findings), *_verdicts(findings), *_gains(findings), *_curves(findings), *_controls(findings),
             "<h2>Teachers</h2>", html_table(teacher_words(findings.results)), _small(OF_TEACHERS),
             "<h2>Means</h2>", html_table(mean_words(findings)), _small(OF_MEANS),
             *_costs(findings), *_examples(one), *_groups(one), *_rest(findings), *_made(findings)]  # fmt: skip
    return html_page(title, parts)


def _plan(findings: Findings) -> Iterator[str]:
    yield "<h2>How it compares</h2>"
    yield _list(protocol(findings.results))
    yield html_table(method_rows(findings.study))
    yield html_table(task_rows(findings.study))
    yield _list([line.replace("**", "") for line in seed_lines(findings.study)])


def _maps(findings: Findings) -> Iterator[str]:
    for name, cells, own in maps_of(findings):
        yield f"<h2>{PAYS}: {html_text(name)}</h2>"
        chart = map_chart(pd.DataFrame(), **map_options(findings))
        yield html_figure(chart, cells, spoken=spoken_map(own, findings)) + _small(MAP_WORDS)


def _curves(findings: Findings) -> Iterator[str]:
    said = gaining_words(findings.results, findings.found)
    if not said:
        return
    yield "<h2>Was it still gaining?</h2>"
    yield _list(said)
    for task in findings.study.tasks:
        points = curve_points(findings.results, task)
        if len(points):
            chart = spent_chart(pd.DataFrame(), **curve_options(findings.results, points))
            yield f"<h3>{html_text(task)}</h3>{html_figure(chart, points, spoken=spoken_curves(points, task))}{_small(OF_CURVES)}"


def _controls(findings: Findings) -> Iterator[str]:
    if findings.study.controls:
        yield "<h2>Strongest controls</h2>"
        yield html_table(control_rows(findings.results)) + _small(OF_CONTROLS)


def _verdicts(findings: Findings) -> Iterator[str]:
    yield _list(guessing_words(findings.results))
    for score in told_in(findings):
        yield f"<h2>What is found: {html_text(METRICS[score].label)}</h2>"
        for task, said in whole_verdicts(findings.found, score).items():
            yield f"<h3>{html_text(task)}</h3>"
            yield _list([f"[{BADGES[one.badge][0]}] {one.verdict.sentence}" for one in said])
    yield _small(HOW_TO_READ)


def _gains(findings: Findings) -> Iterator[str]:
    for score in findings.scores:
        rows = gain_rows(findings, score)
        if rows.empty:
            return
        table = forest_table(rows)
        chart = forest_chart(pd.DataFrame(), **forest_options(findings, score, table))
        yield f"<h2>Gains: {html_text(METRICS[score].label)}</h2>"
        yield html_figure(chart, table, spoken=spoken_gains(rows, score))
        yield _small(gain_caption(rows, score))


def _costs(findings: Findings) -> Iterator[str]:
    yield f"<h2>{html_text(METRICS[findings.scores[0]].label)} against cost</h2>" if findings.scores else ""
    for score in findings.scores[:1]:
        for task in findings.study.tasks:
            points = cost_points(findings.results, task, score, "gflops")
            if len(points):
                chart = cost_chart(pd.DataFrame(), **cost_options(findings.study, points, score, "gflops"))
                yield f"<h3>{html_text(task)}</h3>{html_figure(chart, points, spoken=spoken_costs(points, score, task, 'gflops'))}"
    yield "<h2>What it cost</h2>"
    yield html_table(cost_words(findings.results))
    yield _small(OF_COST)


def _examples(one: Offered) -> Iterator[str]:
    table = examples_of(one.folder)
    yield "<h2>Texts won and lost</h2>"
    yield html_table(example_words(table)) + _small(OF_EXAMPLES) if len(table) else "<p>Not counted: the runs' folders were not there.</p>"


def _groups(one: Offered) -> Iterator[str]:
    table = groups_of(one.folder)
    if len(table):
        yield "<h2>Group by group</h2>"
        yield html_table(group_gain_words(table)) + _small(OF_GROUPS)


def _rest(findings: Findings) -> Iterator[str]:
    tuning, failed = tuning_words(findings), failed_by_reason(findings.results)
    if len(tuning):
        yield "<h2>Tuning</h2>"
        yield html_table(tuning)
    if failed:
        yield "<h2>Failed runs</h2>"
        yield _list([f"{counted(len(which), 'run')}: {reason} ({named_words(which)})" for reason, which in failed])
    yield "<h2>Runs</h2>"
    runs = run_words(findings, run_table(findings.results))
    yield html_table(runs[["run", "task", "method", "seed", "state", "scores", "steps", "took"]].replace({"run": {"": NONE}}))


def _made(findings: Findings) -> Iterator[str]:
    yield "<h2>How it was made</h2>"
    yield _list([line.replace("`", "") for line in how_made(findings.results)])
    yield f"<pre>{html_text(yaml_of(findings.study).decode('utf-8'), longest=200_000)}</pre>"


def _small(text: str) -> str:
    return f"<p><small>{html_text(text)}</small></p>"


def _list(lines: list[str]) -> str:
    return f"<ul>{''.join(f'<li>{html_text(line)}</li>' for line in lines)}</ul>" if lines else ""
