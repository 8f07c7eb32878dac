"""The curves of a run's page of the few numbers that a teacher learns: what is drawn of them, how, and the words under them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ikd.plots.theme import Look, look_of
from ikd.ui.wording import visible

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
        table = found[["step", "name", "value"]]
        names = {visible(str(name), longest=NAME_LETTERS): str(name) for name in dict.fromkeys(table["name"])}
        return NumberLines(table=table, names=names, looks={who: look_of(slot) for slot, who in enumerate(names)}, levels={},
                           words=MEANINGS[scope])  # fmt: skip
    rows = _of_sources(found, scope, len(labels), chosen)
    sources = list(dict.fromkeys(rows["source"]))
    drawn = _drawn(rows, sources, cursor)
    worth = {str(source): float(value) for source, value in rows.groupby("source")["truth"].first().items() if value == value}
    names = {_who(source, worth.get(source)): source for source in drawn}
    return NumberLines(
        table=rows.rename(columns={"source": "name"})[["step", "name", "value"]], names=names,
        looks={who: look_of(sources.index(source)) for who, source in names.items()},
        levels={who: worth[source] for who, source in names.items() if source in worth},
        words=_words(scope, len(drawn), len(sources), bool(worth)),
    )  # fmt: skip


def _who(source: str, worth: float | None) -> str:
    name = visible(source, longest=NAME_LETTERS)
    return name if worth is None else f"{name} (right {100 * worth:.0f} %)"


def _of_sources(found: pd.DataFrame, scope: str, n_classes: int, chosen: int | None) -> pd.DataFrame:
    """Return columns step, source, value, truth: of a matrix its diagonal."""
    table = found
    if scope == "label_matrix":
        said, meant = (table["number"] // n_classes) % n_classes, table["number"] % n_classes
        table = table[said == meant].assign(label=said[said == meant])
    else:
        table = table.assign(label=table["number"] % n_classes)
    table = table.assign(source=table["name"].str.rpartition(": ")[0].where(table["name"].str.contains(": "), table["name"]))
    if chosen is not None:
        return table[table["label"] == chosen][["step", "source", "value", "truth"]]
    return table.groupby(["step", "source"], sort=False, as_index=False)[["value", "truth"]].mean()


def _drawn(rows: pd.DataFrame, sources: Sequence[str], cursor: int) -> list[str]:
    if len(sources) <= MOST_SOURCES:
        return list(sources)
    seen = rows[rows["step"] <= cursor]
    last = seen[seen["step"] == seen["step"].max()] if len(seen) else rows
    least = list(last.sort_values("value", kind="stable")["source"].head(MOST_SOURCES))
    return [source for source in sources if source in least]


def _words(scope: str, n_drawn: int, n_sources: int, known: bool) -> str:
    words = MEANINGS[scope]
    if known:
        words += " Thin, and in the legend: how often the source is right where it names the class, known exactly of this task."
    if n_drawn < n_sources:
        words += f" Drawn are the {n_drawn} of {n_sources} sources that are believed least."
    return words
