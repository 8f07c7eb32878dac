"""What a person should see of a task before anything is trained on it: rows, columns, labels, splits, findings, the first batch.

Only plain values stand here; `ikd.runs.inspecting` makes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing a person should know of the data.

    Attributes:
        kind: its short name.
        sentence: what was found, with its count.
        count: rows it touches.
        setting: dotted path of the setting that says what becomes of them; empty where there is no choice.
        rows: some of the rows: number in the table, text, label.
    """

    kind: str
    sentence: str
    count: int
    setting: str = ""
    rows: Sequence[tuple[int, str, str]] = ()


@dataclass(frozen=True, kw_only=True)
class TableView:
    """One table of rows as it is read.

    Attributes:
        split: train, validation, test, exam or unlabelled.
        where: file name, or the words that say which split of the hub it is.
        n_rows: all its rows.
        columns: all its columns, in order.
        first: its first rows, cells cut to a bounded length.
        used: role to column: text, text_pair, label, soft, group, source, soft_target.
        guessed: whether a used column was guessed from its name or content.
    """

    split: str
    where: str
    n_rows: int
    columns: Sequence[str]
    first: pd.DataFrame
    used: Mapping[str, str]
    guessed: bool = False


@dataclass(frozen=True, kw_only=True)
class SplitView:
    """One split as it would be taught.

    Attributes:
        name: course, exam, validation or test.
        n_rows: its texts.
        unlabelled: those without a label.
        with_truth: those whose truth is known.
        with_targets: those with a stored soft target.
        classes: (C,) texts of each class.
        groups: name of each group and its texts.
    """

    name: str
    n_rows: int
    unlabelled: int
    with_truth: int
    classes: Sequence[int]
    with_targets: int = 0
    groups: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True, kw_only=True)
class SourceView:
    """A source of the course's labels and soft targets.

    Attributes:
        name: its name.
        n_rows: course texts that are from it.
        with_targets: those with a stored soft target.
        agrees: share of those with a label, too, whose most probable class is the label; None where there are none.
        worth: (C,) the probability that it is right where it names the class; empty where that is not known.
        right: the expected share of its course texts in which it is right; None where that is not known.
    """

    name: str
    n_rows: int
    with_targets: int = 0
    agrees: float | None = None
    worth: Sequence[float] = ()
    right: float | None = None


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """All that is known of a task. Where it cannot be used, `refusal` says why and the rest is as far as it was read.

    Attributes:
        labels: label as it stands in the training table, its rows, and the class it becomes ("" for none).
        lengths: (role, tokens of each text of a sample of the course split, longest input of the model).
        truth_is: "posterior", "votes" or "".
        marked: the shift that was made on purpose, such as "shifted: shortcut 0.5"; empty where there is none.
        sources: of the course, where the task names any.
    """

    refusal: str = ""
    tables: Sequence[TableView] = ()
    labels: Sequence[tuple[str, int, str]] = ()
    label_names: Sequence[str] = ()
    splits: Sequence[SplitView] = ()
    findings: Sequence[Finding] = ()
    notes: Sequence[str] = ()
    lengths: Sequence[tuple[str, Sequence[int], int]] = ()
    truth_is: str = ""
    fingerprint: str = ""
    marked: str = ""
    sources: Sequence[SourceView] = ()

    def other_notes(self) -> list[str]:
        """Return the notes that are not among the findings too."""
        findings = {one.sentence for one in self.findings}
        return [note for note in self.notes if note not in findings]


@dataclass(frozen=True, kw_only=True)
class SeenText:
    """One example of the first course batch, exactly as the models get it; tokens, types and the mask are of one length each.

    Attributes:
        label: name of its label, empty where it has none.
        tokens, types, mask: by role, "student" and "teacher"; types are empty where the model has none.
        soft_target: (C,) of the teacher as it stands, at the training temperature.
        truth: (C,) where it is known.
    """

    example: int
    text: str
    text_pair: str | None
    label: str
    tokens: Mapping[str, Sequence[str]]
    types: Mapping[str, Sequence[int]]
    mask: Mapping[str, Sequence[int]]
    soft_target: Sequence[float]
    truth: Sequence[float] | None = None


@dataclass(frozen=True, kw_only=True)
class FirstBatch:
    """The first course batch of a run.

    Attributes:
        teacher: which weights said the soft targets, in a sentence.
    """

    refusal: str = ""
    label_names: Sequence[str] = ()
    texts: Sequence[SeenText] = field(default_factory=tuple)
    teacher: str = ""
