"""Which columns of a table are used: those a person names, else those whose names or contents say what they are."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from ikd.errors import TaskError, nearest_names
from ikd.tasks.labels import quoted, quoted_name

PAIRS = {"sentence1": "sentence2", "premise": "hypothesis", "question1": "question2", "question": "sentence", "text1": "text2",
         "text_a": "text_b", "#1 string": "#2 string", "example.premise": "example.hypothesis"}  # fmt: skip
TEXT_NAMES = ("text", *PAIRS, "sentence", "utterance", "review", "content", "tweet", "comment", "document", "body", "query")
LABEL_NAMES = ("label", "labels", "category", "class", "intent", "sentiment", "target", "quality", "majority_label", "gold_label",
               "coarse_label", "topic", "emotion")  # fmt: skip
SOFT_NAMES = ("soft_label", "soft_labels", "label_dist", "label_distribution", "label_counter", "votes")
SETTINGS = {"text": "task.text_column", "second text": "task.text_pair_column", "label": "task.label_column",
            "soft label": "task.soft_label_column", "soft target": "task.soft_target_column", "group": "task.group_column",
            "source": "task.source_column"}  # fmt: skip
NO_COLUMN = "-"
"""Named as second text column where there is none, though one looks like it."""

PERHAPS_SEVERAL = "If the file has several columns, check task.delimiter and the lines before the header."
UNNAMED = re.compile(r"column \d+")
LOOKED_AT = 2000
LONGEST_LABEL, MOST_SHARE_OF_LABELS = 40, 0.2


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The columns a person or a known data set names; None where they are to be guessed."""

    text: str | None = None
    text_pair: str | None = None
    label: str | None = None
    soft: str | None = None
    group: str | None = None
    source: str | None = None
    target: str | None = None

    def targets_in(self, present: Sequence[str]) -> list[str]:
        """Return the columns of stored soft targets of a table; none where it has none of them."""
        named = soft_columns(self.target, present)
        return named if set(named) & set(present) else []

    def beside(self, present: Sequence[str]) -> set[str]:
        """Return the columns of groups, sources and stored soft targets among those of a table."""
        return {name for name in (self.group, self.source, *self.targets_in(present)) if name is not None and name in present}


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of a table that are used.

    Attributes:
        text: of texts, or of the first texts of pairs.
        text_pair: of second texts; None for single texts.
        label: None where there is none: the texts are unlabelled, or their labels follow from their soft labels.
        soft: one column with all soft labels of a row, or one for each class; none where there are no soft labels.
        group, source: of the names of groups and of sources; None where the table has no such column.
        targets: one column with the stored soft target of a row, or one for each class; none where the table has none.
        guessed: whether any of them was not named and has not its plainest name (`text` or a pair, and `label`).
    """

    text: str
    text_pair: str | None = None
    label: str | None = None
    soft: tuple[str, ...] = ()
    group: str | None = None
    source: str | None = None
    targets: tuple[str, ...] = ()
    guessed: bool = False


def find_columns(table: pd.DataFrame, wanted: Wanted, *, where: str, labelled: bool = True) -> Columns:
    """Return which columns are used; the ones not named are guessed.

    Args:
        table: the rows.
        wanted: the columns that are named.
        where: the words that say what the table is.
        labelled: False: no label is looked for.

    Raises:
        TaskError: a named column that is not there, none that can be guessed, or two of the same name.
    """
    present = [str(column) for column in table.columns]
    guess = _guessed_but_for(wanted, table, present)
    _refuse_twins(guess.text if wanted.text is None else "", present, where=where, role="text")
    _refuse_twins((guess.label or "") if wanted.label is None and labelled else "", present, where=where, role="label")
    if wanted.text is None and present == [guess.label]:
        raise TaskError(f"{where} has no text column: its only column is {quoted_name(present[0])}, and training needs a column of texts "
                        f"beside it. {PERHAPS_SEVERAL}")  # fmt: skip
    text = _column(wanted.text or guess.text, present, where=where, role="text", usual="'text' or 'sentence1'")
    text_pair = wanted.text_pair or (guess.text_pair if text == guess.text else None)
    text_pair = None if text_pair == NO_COLUMN else text_pair
    soft = tuple(_column(name, present, where=where, role="soft label", usual="that")
                 for name in (soft_columns(wanted.soft, present) if labelled else ()))  # fmt: skip
    label: str | None = None
    if labelled:
        label = wanted.label or guess.label
        if label is None and present == [text]:
            raise TaskError(f"{where} is unlabelled: its only column is {quoted_name(text)}, and training needs a label column. Give it as "
                            f"task.unlabelled_file beside a training file with labels. {PERHAPS_SEVERAL}")  # fmt: skip
        if label is not None or not soft:
            label = _column(label, present, where=where, role="label", usual="'label'")
    pair = _column(text_pair, present, where=where, role="second text", usual="'sentence2'") if text_pair else None
    _refuse_same(("text", text), ("second text", pair), ("label", label), *(("soft label", one) for one in soft), where=where)
    group, source, targets = _beside(wanted, present, (text, pair), where=where)
    plain = {None, text if text.lower() in ("text", "sentence", *PAIRS) else "", label if (label or "").lower() == "label" else ""}
    return Columns(text=text, text_pair=pair, label=label, soft=soft, group=group, source=source, targets=targets, guessed=bool(
        (wanted.text is None and text not in plain) or (labelled and wanted.label is None and label not in plain)))  # fmt: skip


def _guessed_but_for(wanted: Wanted, table: pd.DataFrame, present: Sequence[str]) -> Columns:
    """Return guessed columns: those that are named for something else are no text or label, unless nothing else is."""
    guess = guessed_columns(table, other_than=wanted.beside(present))
    if not guess.text:
        guess = replace(guess, text=guessed_columns(table).text)
    if guess.label is None and wanted.group in present and str(wanted.group).lower() == "label":
        guess = replace(guess, label=wanted.group)  # groups may be the classes
    return guess


def _beside(
    wanted: Wanted, present: Sequence[str], texts: Sequence[str | None], *, where: str
) -> tuple[str | None, str | None, tuple[str, ...]]:
    """Return the columns of groups, of sources and of soft targets that a table has.

    Raises:
        TaskError: one of them holds the texts, or one of several columns of soft targets is not there.
    """
    targets = tuple(_column(name, present, where=where, role="soft target", usual="that") for name in wanted.targets_in(present))
    group, source = (name if name in present else None for name in (wanted.group, wanted.source))
    for role, name in (("group", group), ("source", source), *(("soft target", one) for one in targets)):
        if name is not None and name in texts:
            raise TaskError(f"{where}: the {role} column {quoted_name(name)} is a text column: name another one in {SETTINGS[role]}.")
    return group, source, targets


def _refuse_same(*roles: tuple[str, str | None], where: str) -> None:
    chosen = [column for _, column in roles if column]
    if len(set(chosen)) < len(chosen):
        got = ", ".join(f"{role} {quoted_name(column)}" for role, column in roles if column)
        raise TaskError(f"{where}: the text, second text, label and soft label columns must differ, got {got}.")


def unlike(names: Sequence[str]) -> list[str]:
    """Return names of columns that are all different: the second of a name is called so, with its number."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def _refuse_twins(name: str, present: Sequence[str], *, where: str, role: str) -> None:
    twins = [one for one in present if re.fullmatch(rf"{re.escape(name)}( \(\d+\))?", one)] if name else []
    if len(twins) > 1:
        raise TaskError(
            f"{where} has {len(twins)} columns called {quoted_name(name)}, here {', '.join(map(quoted_name, twins))}: say which one "
            f"is the {role} column (task.{role}_column)."
        )


def soft_columns(named: str | None, present: Sequence[str]) -> list[str]:
    """Return the soft label columns that a setting names: one of that very name, or several separated by commas."""
    if not named:
        return []
    return [named] if named in present else [name.strip() for name in named.split(",") if name.strip()]


def guessed_columns(table: pd.DataFrame, *, other_than: Collection[str] = ()) -> Columns:
    """Return what the columns seem to be, but for those that are something else; the text is empty where nothing looks like one.

    A label is guessed by its name alone, but in a file without a header, where the names say nothing: a column of names of people must
    never be taken for classes.
    """
    present = [str(column) for column in table.columns if str(column) not in other_than]
    by_name = {name.lower(): name for name in reversed(present)}
    text = next((by_name[name] for name in TEXT_NAMES if name in by_name and PAIRS.get(name, name) in by_name), None)
    text = text or next((by_name[name] for name in TEXT_NAMES if name in by_name), None)
    pair = by_name.get(PAIRS.get((text or "").lower(), ""))
    label = next((by_name[name] for name in LABEL_NAMES if name in by_name), None)
    unique = [name for name in dict.fromkeys(present) if present.count(name) == 1 and name not in (pair, label)]
    samples = {name: [value for value in table[name].head(LOOKED_AT).tolist() if isinstance(value, str) and value.strip()]
               for name in unique}  # fmt: skip
    text = text or max((name for name in unique if _looks_like_text(samples[name])), default="",
                       key=lambda name: sum(map(len, samples[name])) / len(samples[name]))  # fmt: skip
    if label is None and all(UNNAMED.fullmatch(name) for name in present):
        label = next((name for name in unique if name != text and looks_like_labels(table[name].head(LOOKED_AT).tolist())), None)
    return Columns(text=text, text_pair=pair, label=label)


def _looks_like_text(values: Sequence[str]) -> bool:
    spaced = sum(" " in value.strip() or not value.isascii() for value in values)
    return bool(values) and spaced > len(values) / 2 and len(set(values)) > len(values) / 2


def looks_like_labels(values: Sequence[object]) -> bool:
    """Return whether values are few different short words."""
    words = [str(value) for value in values if value is not None and str(value).strip()]
    distinct = set(words)
    return len(distinct) >= 2 and max(map(len, words)) <= LONGEST_LABEL and len(distinct) <= max(2, MOST_SHARE_OF_LABELS * len(words))


def _column(name: str | None, present: Sequence[str], *, where: str, role: str, usual: str) -> str:
    columns = ", ".join(quoted(column, 40) for column in present[:30]) or "none"
    if not name:
        raise TaskError(
            f"{where} has no {role} column called {usual}. Its columns are: {columns}. Name the one to use in "
            f"{SETTINGS[role]}."
        )
    if present.count(name) > 1:
        raise TaskError(
            f"{where} has {present.count(name)} columns called {quoted_name(name)}; rename them in the file so that the {role} "
            "column is the only one of its name."
        )
    if name in present:
        return name
    near = nearest_names(name, present)
    nearest = f" Did you mean {quoted_name(near[0])}?" if near else ""
    raise TaskError(f"{where} has no {role} column {quoted_name(name)}.{nearest} Its columns are: {columns}.")
