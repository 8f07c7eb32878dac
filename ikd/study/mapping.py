"""Where feedback pays: the gain over the strongest control in each cell of a map, such as strength of a shift x exam size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ikd.study.comparing import STRONGEST, Found
from ikd.study.plan import Study
from ikd.study.statistics import Interval
from ikd.study.verdicts import UNITS, said_gain

SHOWN = "★"
"""Marks a gain that is shown: the verdict is *better*, Holm-corrected."""
MAP_COLUMNS = ("panel", "method", "row", "column", "task", "control", "seeds", "gain", "low", "high", "p_holm", "verdict")


def map_table(study: Study, found: Sequence[Found]) -> pd.DataFrame:
    """Return a row for each cell of a study's map and each feedback entry, by the deciding score: `MAP_COLUMNS`; none without a map.

    `row`, `column` and `panel` are values of the settings that the map names (`panel` "" where it names none).
    """
    plan = study.mapped()
    if plan is None:
        return pd.DataFrame(columns=MAP_COLUMNS)
    values, rows = study.task_values(), []
    for one in found:
        if one.pair.at == STRONGEST and one.score == study.score:
            own, c = values[one.task], one.comparison
            panel = "" if plan.panels is None else str(own[plan.panels])
            rows.append((panel, one.pair.method, own[plan.rows], own[plan.columns], one.task, one.pair.other, c.n_seeds, c.gain,
                         *c.interval, one.p, one.verdict.kind))  # fmt: skip
    table = pd.DataFrame(rows, columns=MAP_COLUMNS)
    return table.sort_values(["method", "panel", "row", "column"], kind="stable", ignore_index=True)


def cell_words(gain: float, low: float, high: float, verdict: str, score: str) -> str:
    """Return the content of one cell: the gain with its interval, marked where it is shown."""
    if not np.isfinite(gain):
        return "no seed yet"
    return said_gain(gain, Interval(low, high), score).replace(UNITS[score].name, "", 1) + (f" {SHOWN}" if verdict == "better" else "")


def map_words(table: pd.DataFrame, study: Study) -> dict[str, pd.DataFrame]:
    """Return each panel and method of a map as a table of words, rows and columns as in the figure; the names say which it is."""
    plan = study.mapped()
    said: dict[str, pd.DataFrame] = {}
    for (method, panel), own in table.groupby(["method", "panel"], sort=False):
        words = [cell_words(gain, low, high, verdict, study.score)
                 for gain, low, high, verdict in zip(own["gain"], own["low"], own["high"], own["verdict"], strict=True)]  # fmt: skip
        wide = own.assign(words=words).pivot(index="row", columns="column", values="words").fillna("")
        name = "" if plan is None else f"{plan.rows} \\ {plan.columns}"
        wide = wide.rename(columns=str).rename_axis(None, axis="columns").rename_axis(name, axis="index").reset_index()
        said[f"{method}, {panel}" if panel else str(method)] = wide
    return said
