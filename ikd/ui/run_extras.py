"""Beside a run's figures: its settings, final scores, download and log."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from ikd.config import RunConfig, all_settings, applies
from ikd.config.timeline import values_of
from ikd.errors import IKDError
from ikd.trace.branching import recorded_config
from ikd.trace.export import export_parquet
from ikd.trace.folder import RunFolder
from ikd.ui.wording import visible

SPLITS = ("validation", "test")
ROLES = {"frozen_teacher": "frozen teacher", "teacher": "teacher", "student_before_exam_texts": "student before exam texts",
         "student": "student"}  # fmt: skip
LOG_LINES = 40


def draw_settings(folder: RunFolder, config: RunConfig, facts: Mapping[str, Any], ending: Mapping[str, Any]) -> None:
    """Draw the settings that differ from the defaults, what the models started from, and the one config that gives the same run again."""
    rows = changed_settings(config)
    if rows:
        st.dataframe(pd.DataFrame(rows, columns=["setting", "value", "default"]), hide_index=True, key="settings-table")
    else:
        st.caption("Every setting has its default.")
    for words in (*made_of(facts), *ended_by(ending)):
        st.text(visible(words, longest=1000))
    try:
        record = recorded_config(folder)
    except IKDError:
        record = config
    if record.plan:
        st.caption("These are the settings at the start. The config has the changes made on the way as its plan: with it, "
                   "`python -m ikd train --config` gives the same run.")  # fmt: skip
    st.download_button("Config as JSON", record.model_dump_json(indent=1), "config.json", "application/json",
                       icon=":material/download:", key="download-config", on_click="ignore")  # fmt: skip


def made_of(facts: Mapping[str, Any]) -> list[str]:
    """Return what the student started from and what the teacher's self-test found, as far as the run recorded it."""
    words = [f"The student started from {facts['student_start']}."] if "student_start" in facts else []
    if "exam" in str(facts.get("teacher_saw", "")):
        words.append("The teacher was fine-tuned on the course and the exam texts.")
    if "stored" in str(facts.get("teacher_saw", "")):
        words.append("The teacher was not asked: its soft targets were stored with the texts.")
    if "teacher_test" in facts:
        share, low, high, chance = (100 * float(facts[f"teacher_test_{name}"]) for name in ("accuracy", "low", "high", "chance"))
        words.append(f"The teacher's self-test: {share:.1f} % of {int(facts['teacher_test_texts']):,} labelled texts right ({low:.1f} to "
                     f"{high:.1f} %; guessing: {chance:.1f} %); {facts['teacher_test']}.")  # fmt: skip
    return words


def ended_by(ending: Mapping[str, Any]) -> list[str]:
    """Return how the student came to its end, beside its course steps, as far as the run recorded it."""
    words = []
    if "kept_step" in ending:
        words.append(f"The student of step {int(ending['kept_step'])} was kept: its loss on the exam texts was the lowest, "
                     f"{float(ending['kept_exam_loss']):.4f}.")  # fmt: skip
    if "then_exam_steps_kept" in ending:
        before, after = (float(ending[name]) for name in ("then_exam_validation_nll_before", "then_exam_validation_nll"))
        words.append(f"The student then studied the exam texts for {int(ending['then_exam_steps_kept'])} steps, chosen on the validation "
                     f"split: {before:.4f} nats before and {after:.4f} after.")  # fmt: skip
    if "student_temperature" in ending:
        words.append(f"The student's final logits are divided by the temperature {float(ending['student_temperature']):.3f}, fitted on the "
                     "exam texts.")  # fmt: skip
    return words


def changed_settings(config: RunConfig) -> list[tuple[str, str, str]]:
    """Return path, value and default of every setting that matters here and differs from its default."""
    values = values_of(config)
    return [(one.path, _word(values[one.path]), _word(one.default)) for one in all_settings()
            if values[one.path] != one.default and applies(one, values)]  # fmt: skip


def draw_plain_scores(scores: dict[str, float]) -> None:
    """Draw final scores with no intervals: roles by rows, measures of validation and test by columns."""
    table = score_frame(scores)
    if table.empty:
        return
    st.dataframe(table.style.format("{:.4f}", na_rep="–"), key="final-scores", width="content",
                 alt="Final scores of the frozen teacher, the teacher and the student.")  # fmt: skip
    st.caption("On the whole validation and test splits, at temperature 1; the numbers above are of the probe examples alone. "
               "NLL: mean negative log-likelihood of the labels. "
               "Truth KL: mean divergence from the true posterior, where the task knows it. Lower is better for both.")  # fmt: skip


def score_frame(scores: dict[str, float]) -> pd.DataFrame:
    """Return scores named role/split/measure as a table, roles by rows."""
    rows: dict[str, dict[str, float]] = {}
    for name, value in scores.items():
        role, _, rest = name.partition("/")
        split, _, measure = rest.partition("/")
        word = measure.replace("_", " ").replace("nll", "NLL").replace("kl", "KL")
        rows.setdefault(ROLES.get(role, role.replace("_", " ")), {})[f"{split} {word}"] = value
    table = pd.DataFrame.from_dict(rows, orient="index")
    order = [role for role in ROLES.values() if role in table.index] + [one for one in table.index if one not in ROLES.values()]
    columns = sorted(table.columns, key=lambda name: SPLITS.index(name.split()[0]) if name.split()[0] in SPLITS else len(SPLITS))
    return table.reindex(index=order, columns=columns)


def draw_download(folder: RunFolder) -> None:
    """Draw the download of the trace as Parquet files, made when it is clicked."""
    st.download_button(
        "Trace as Parquet", lambda: zipped_export(folder), f"{folder.path.name}-parquet.zip", "application/zip",
        icon=":material/download:", key="download-trace", on_click="ignore",
        help="Scalars, every soft target issued, probe readings, final predictions and examples: for DuckDB, pandas and datasets.",
    )  # fmt: skip


def zipped_export(folder: RunFolder) -> bytes:
    """Return the Parquet export of a run as one zip file."""
    whole = io.BytesIO()
    with tempfile.TemporaryDirectory() as place, zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        for path in export_parquet(folder, Path(place)):
            archive.write(path, path.name)
    return whole.getvalue()


def draw_log(folder: RunFolder) -> None:
    """Draw the last lines of the run's log."""
    lines = folder.log_tail(LOG_LINES)
    st.code(visible("\n".join(lines), longest=20_000) if lines else "The log is empty.", language=None, height=220, wrap_lines=True)


def _word(value: object) -> str:
    return "empty" if value in (None, "") else visible(str(value), longest=80)
