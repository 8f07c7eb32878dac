"""What a person should know of the rows of a task as they stand in its tables, each with its count and its setting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ikd.config import TaskSettings
from ikd.runs.inspection import Finding
from ikd.tasks.columns import SOFT_NAMES
from ikd.tasks.files import official_rows
from ikd.tasks.labelling import read_labels
from ikd.tasks.labels import label_map, quoted
from ikd.tasks.rows import Rows, text_key
from ikd.tasks.settling import contradicting, of_several_sources, rare_classes, repeated
from ikd.tasks.sources import Source
from ikd.tasks.spellings import spelled

LONGEST_CELL, MOST_ROWS_SHOWN = 300, 5


def spelling_findings(labels: Sequence[tuple[str, int, str]], task: TaskSettings) -> Iterator[Finding]:
    """Yield what is merged because it differs in capitals or spaces only."""
    renamed = label_map(task.label_map)
    merged = [(word, n, name) for word, n, name in labels if name and name != renamed.get(word, word)]
    if merged:
        words = "; ".join(f"{spelled(word)} to {quoted(name)}" for word, _, name in merged[:10]) + ("; ..." if len(merged) > 10 else "")
        sentence = f"Labels that differ only in capitals or spaces, or in how accents are composed, are merged: {words}."
        yield Finding(kind="spellings", count=sum(n for _, n, _ in merged), setting="task.label_map",
                      sentence=f"{sentence} To keep them apart, give them different names in task.label_map.")  # fmt: skip


def row_findings(source: Source, task: TaskSettings) -> Iterator[Finding]:
    """Yield what is odd about the rows of the tables.

    Raises:
        TaskError: columns that are not there, or rows that cannot be used.
    """
    settings = task.model_copy(update={"missing_labels": "study"})  # so that rows without a label are counted too
    parts, _ = official_rows(settings, source.tables, wanted=source.wanted)
    read = read_labels(source.tables, source.wanted, label_map(task.label_map))
    by_map = {split: one.left_out for split, one in read.by_split.items()}
    train = parts["train"]
    yield from _gone(source, parts, by_map, task)
    bare = [i for i, label in enumerate(train.labels)
            if not label and train.soft is None and train.numbers[i] - 1 not in by_map["train"]]  # fmt: skip
    if bare:
        yield Finding(kind="unlabelled", count=len(bare), setting="task.missing_labels", rows=_shown(train, bare),
                      sentence=f"{_rows(len(bare))} without a label.")  # fmt: skip
    labelled = train.keep([i for i, label in enumerate(train.labels) if label])
    if found := repeated(labelled):
        yield Finding(kind="repeated", count=len(found), setting="task.duplicates", rows=_shown(labelled, found),
                      sentence=f"{_rows(len(found))} the same as another one, label included.")  # fmt: skip
    if found := contradicting(labelled):
        yield Finding(kind="conflicts", count=len(found), setting="task.conflicts", rows=_shown(labelled, found),
                      sentence=f"{_rows(len(found))} at odds with another one: the same text, another label.")  # fmt: skip
    if found := [i for members in of_several_sources(train) for i in members]:
        texts = len(of_several_sources(train))
        yield Finding(kind="several sources", count=len(found), rows=_shown(train, found),
                      sentence=f"{_rows(len(found))} of {texts:,} text{'' if texts == 1 else 's'} that several sources speak of; rows of "
                      "different sources do not conflict.")  # fmt: skip
    if rare := rare_classes(labelled):
        named = ", ".join(f"{quoted(label)} ({n})" for label, n in list(rare.items())[:10])
        what = "classes have" if len(rare) > 1 else "class has"
        yield Finding(kind="rare", count=sum(rare.values()), setting="task.rare_classes",
                      sentence=f"{len(rare)} {what} too few rows to be in every split: {named}.")  # fmt: skip
    yield from _shared(parts)
    soft = [name for name in source.tables["train"][1].frame.columns if str(name).lower() in SOFT_NAMES]
    if soft and not task.soft_label_column and str(soft[0]) not in source.wanted.targets_in([str(soft[0])]):
        yield Finding(kind="votes", count=len(train), setting="task.soft_label_column", sentence=f"The column {str(soft[0])!r} looks like "
                      "votes or probabilities: named as soft labels, it becomes the truth.")  # fmt: skip


def _gone(source: Source, parts: Mapping[str, Rows], by_map: Mapping[str, frozenset[int]], task: TaskSettings) -> Iterator[Finding]:
    """Yield the rows of each table that are not used: for what is missing, and for an empty name in task.label_map."""
    for split, (where, table) in source.tables.items():
        if split not in parts:
            continue
        kept = {number - 1 for number in parts[split].numbers}
        lost = set(range(len(table.frame))) - kept - (by_map[split] if split != "train" else set())
        named = by_map[split] & kept if split == "train" else by_map[split]
        if lost:
            what = _rows(len(lost)).replace("training ", "")
            yield Finding(kind="empty", count=len(lost), sentence=f"{where}: {what} left out, for a text or a label is missing there.")
        if named:
            studied = split == "train" and task.missing_labels == "study"
            yield Finding(kind=f"left out of {split}", count=len(named), setting="task.label_map",
                          sentence=f"{where}: {_rows(len(named)).replace('training ', '')} {'without a label' if studied else 'left out'} "
                          "by task.label_map, which gives their label an empty name.")  # fmt: skip


def _shared(parts: Mapping[str, Rows]) -> Iterator[Finding]:
    keys = {split: {text_key(rows, i) for i in range(len(rows))} for split, rows in parts.items() if split != "unlabelled"}
    train = parts["train"]
    for split in ("validation", "test"):
        if split in keys:
            both = [i for i in range(len(train)) if text_key(train, i) in keys[split]]
            if both:
                yield Finding(kind=f"shared with {split}", count=len(both), setting="task.shared_texts", rows=_shown(train, both),
                              sentence=f"{_rows(len(both))} in the {split} split too, capitals and spaces aside.")  # fmt: skip


    if "exam" in keys:
        yield from _shared_with_exam(train, parts["exam"], keys)


def _shared_with_exam(train: Rows, exam: Rows, keys: Mapping[str, set[tuple[str, str]]]) -> Iterator[Finding]:
    if both := [i for i in range(len(train)) if text_key(train, i) in keys["exam"]]:
        sentence = f"{_rows(len(both))} in the exam split too, capitals and spaces aside: training loses them."
        yield Finding(kind="shared with exam", count=len(both), rows=_shown(train, both), sentence=sentence)
    held_out = set[tuple[str, str]]().union(*(keys[split] for split in ("validation", "test") if split in keys))
    if both := [i for i in range(len(exam)) if text_key(exam, i) in held_out]:
        words = _rows(len(both)).replace("training", "exam")
        yield Finding(kind="exam texts held out", count=len(both), rows=_shown(exam, both),
                      sentence=f"{words} in validation or test too, capitals and spaces aside: the exam loses them.")  # fmt: skip


def _rows(n: int) -> str:
    return "1 training row is" if n == 1 else f"{n:,} training rows are"


def _shown(rows: Rows, found: Sequence[int]) -> list[tuple[int, str, str]]:
    return [(rows.numbers[i] if rows.numbers else i + 1, cut(rows.texts[i]), rows.labels[i]) for i in found[:MOST_ROWS_SHOWN]]


def cut(value: object) -> str:
    """Return a cell as text of a bounded length."""
    text = "" if value is None else str(value)
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]} … ({len(text):,} characters)"
