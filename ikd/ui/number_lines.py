"""The curves of a run's page of the few numbers that a teacher learns: what is drawn of them, how, and the words under them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ikd.plots.theme import Look, look_of
from ikd.ui.wording import names_apart, visible

TITLES = {
    "temperature": "Temperature", "class_bias": "Class bias", "trust": "Trust", "label_matrix": "Label matrix", "memory": "Memory",
}  # fmt: skip
"""Scope of a teacher that learns few numbers to the name of their figure."""
AXES = {
    "temperature": "factor on the temperature", "class_bias": "added to the logit", "trust": "trust",
    "label_matrix": "left where it is", "memory": "size of the corrections",
}  # fmt: skip
MEANINGS = {
    "temperature": "The factor by which the teacher has made its soft targets flatter: above 1 it was too sure.",
    "class_bias": "What the teacher adds to the logit of each class: above 0 it has learned to name that class more readily.",
    "trust": "How much of a soft target is what its source said; the rest is the student's own answer. At 0 the source is not believed.",
    "label_matrix": "How much of what a source says about a class is left with that class; the rest goes to others.",
    "memory": "Root mean square of all corrections, in logits, and the share of course texts that have one.",
}
EVERY_CLASS = "All classes"
BY_SOURCE = frozenset({"trust", "label_matrix"})
MOST_SOURCES = 8
NAME_LETTERS = 24


@dataclass(frozen=True, kw_only=True)
class NumberLines:
    """The lines of one figure.

    Attributes:
        table: columns step, name, value.
        names: who, as the legend has it, to the name of its rows.
        looks: who to colour and dash.
        levels: of some of them, how often the source is right where it names the class, known exactly.
        words: under the figure.
    """

    table: pd.DataFrame
    names: dict[str, str]
    looks: Mapping[str, Look]
    levels: Mapping[str, float]
    words: str


def number_lines(found: pd.DataFrame, scope: str, labels: Sequence[str], chosen: int | None, cursor: int) -> NumberLines:
    """Return the lines of a scope's numbers.

    Args:
        found: of `TraceReader.numbers`.
        scope: of the teacher.
        labels: the class names.
        chosen: the class of which the numbers of sources are shown; None: their mean over all classes.
        cursor: the step at which the figure ends: the sources that are drawn, where there are too many, are the least believed there.
    """
    if scope not in BY_SOURCE:
        rows, worth = found.rename(columns={"name": "source"}), dict[str, float]()
    else:
        rows = _of_sources(found, scope, labels, chosen)
        worth = {str(source): float(value) for source, value in rows.groupby("source")["truth"].first().items() if value == value}
    sources = [str(one) for one in dict.fromkeys(rows["source"])]
    drawn = _drawn(rows, sources, cursor) if scope in BY_SOURCE else range(len(sources))
    shown = names_apart({place: visible(sources[place], longest=NAME_LETTERS) for place in drawn})
    who = {place: f"{name} (right {100 * worth[sources[place]]:.0f} %)" if sources[place] in worth else name
           for place, name in shown.items()}  # fmt: skip
    return NumberLines(
        table=rows.rename(columns={"source": "name"})[["step", "name", "value"]], names={who[place]: sources[place] for place in drawn},
        looks={who[place]: look_of(place) for place in drawn},
        levels={who[place]: worth[sources[place]] for place in drawn if sources[place] in worth},
        words=_words(scope, len(drawn), len(sources), bool(worth)),
    )  # fmt: skip


def _of_sources(found: pd.DataFrame, scope: str, labels: Sequence[str], chosen: int | None) -> pd.DataFrame:
    """Return columns step, source, value, truth: of a matrix its diagonal."""
    table = found
    if scope == "label_matrix":
        table = table[(table["number"] // len(labels)) % len(labels) == table["number"] % len(labels)]
    classes = table["number"] % len(labels)
    # A source or a class may have a colon in its name: what stands behind the source is known.
    behind = [f": {label} means {label}" if scope == "label_matrix" else f": {label}" for label in labels]
    table = table.assign(source=[name.removesuffix(behind[at]) for name, at in zip(table["name"], classes, strict=True)])
    if chosen is not None:
        return table[classes == chosen][["step", "source", "value", "truth"]]
    return table.groupby(["step", "source"], sort=False, as_index=False)[["value", "truth"]].mean()


def _drawn(rows: pd.DataFrame, sources: Sequence[str], cursor: int) -> list[int]:
    """Return the places of the sources that are drawn: all of them, or of many those that are believed least."""
    seen = rows[rows["step"] <= cursor]
    last = seen[seen["step"] == seen["step"].max()] if len(seen) else rows
    least = set(last.sort_values("value", kind="stable")["source"].head(MOST_SOURCES))
    return [place for place, source in enumerate(sources) if len(sources) <= MOST_SOURCES or source in least]


def _words(scope: str, n_drawn: int, n_sources: int, known: bool) -> str:
    words = MEANINGS[scope]
    if known:
        words += " Thin, and in the legend: how often the source is right where it names the class, known exactly of this task."
    if n_drawn < n_sources:
        words += f" Drawn are the {n_drawn} of {n_sources} sources that are believed least."
    return words
