"""Settings of the task: which texts, how many, read from where."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Literal

from pydantic import field_validator

from ikd.config.encodings import text_codec, unknown_encoding
from ikd.config.fields import Settings, setting

GENERATED = ("reviews", "pairs", "irony")
"""The built-in tasks, whose texts are generated."""

GIVEN = f"task.name!={'|'.join(GENERATED)}"
"""Holds for tasks whose texts come from files or from the hub."""

FEWEST_COURSE = 8
"""Training examples that must be left for the course when the exam's are taken out."""


class TaskSettings(Settings):
    """Which texts and labels are used, and how they are split."""

    name: str = setting(
        "reviews",
        "A built-in task, a known hub data set, `files` for your own files, or `hub` for any other hub data set.",
        label="Task", min_length=1, max_length=200,
    )
    ambiguity: float = setting(
        0.5, "How unsure the labels of a built-in task are: 0 makes every text clear, 1 makes many of them doubtful.",
        label="Ambiguity", ge=0.0, le=1.0, applies="task.name=reviews|pairs|irony",
        formula=r"p(y \mid x) = \mathrm{softmax}\big(\mathrm{score}_y(x) / \tau(\mathrm{ambiguity})\big)",
    )
    shift: Literal["none", "shortcut", "sources", "imbalance", "flips"] = setting(
        "none", "What is wrong with the course on purpose, for exams to reveal; exam, validation and test labels stay true.", label="Shift",
        choices={
            "none": "nothing",
            "shortcut": "every text begins with a cue word, which goes with the label in the course alone",
            "sources": "labels and soft targets come from six stored teachers, good, noisy and confusing; built-in tasks only",
            "imbalance": "the later a class, the rarer it is in the course",
            "flips": "labels of the first class are drawn as the second class",
        },
        formulas={
            "shortcut": r"p(\mathrm{cue}_c \mid y) = s\,[c = y] + (1 - s) / C",
            "sources": r"p(\mathrm{said} = c \mid y, z) = (1 - s)\,G_{yc} + s\,W^z_{yc}",
            "imbalance": r"\mathrm{share}_c = 100^{-s\,c / (C - 1)}",
            "flips": r"p(\mathrm{label} = 1 \mid y = 0) = s",
        },
        consequences={
            "sources": "At strength 0 all six are right 9 times in 10; at strength 1 two still are, two name a class at random, and two "
                       "name the next class 8 times in 10. Each stored soft target gives 0.9 to the class that was named.",
            "imbalance": "At strength 0.5 the last class is ten times rarer than it was, at strength 1 a hundred times.",
        },
    )  # fmt: skip
    shift_strength: float = setting(
        0.5, "How strong the shift is, `s` in its formula: 0 changes nothing but adds cue words or good sources, 1 is the strongest.",
        label="Strength of the shift", ge=0.0, le=1.0, applies="task.shift!=none",
    )
    train_size: int | None = setting(
        None, "At most this many training examples, before the exam split is taken; empty: the built-in task's own "
        "size, or every row.", label="Training examples", unit="examples", ge=8, le=10_000_000,
    )
    exam_size: int | None = setting(
        None, "Examples held out of the training split for exams; empty: the built-in task's own size, or one tenth "
        "of the training split. Where exam texts are given apart, at most this many of them; empty: all.",
        label="Exam examples", unit="examples", ge=4, le=1_000_000,
    )
    validation_size: int | None = setting(
        None, "At most this many validation examples, never trained or examined on; empty: all.",
        label="Validation examples", unit="examples", ge=4, le=1_000_000, advanced=True,
    )
    test_size: int | None = setting(
        None, "At most this many test examples; empty: all.", label="Test examples", unit="examples",
        ge=4, le=1_000_000, advanced=True,
    )
    seed: int = setting(
        0, "Seed of the generated texts and of every split; the same seed gives the same texts in the same splits.",
        label="Data seed", ge=0, le=2**31 - 1, advanced=True,
    )
    max_length: int = setting(
        128, "Longer texts are cut to this many tokens, special tokens included.", label="Longest text",
        unit="tokens", ge=8, le=4096, advanced=True,
    )
    long_texts: Literal["start", "end", "ends"] = setting(
        "start", "What is kept of a text that is longer than that.", label="Of long texts", advanced=True,
        choices={"start": "its first tokens", "end": "its last tokens", "ends": "its first and its last half; of pairs the first tokens"},
    )
    train_file: str | None = setting(
        None, "A file of training rows: CSV, TSV, text, JSON, JSON Lines or Parquet, also packed with gzip.", label="Training file",
        applies="task.name=files", max_length=1000,
    )
    validation_file: str | None = setting(
        None, "A file of validation rows; empty: a part of the training rows is kept back.", label="Validation file",
        applies="task.name=files", max_length=1000,
    )
    test_file: str | None = setting(
        None, "A file of test rows; empty: there is no test split and the final scores are validation scores.",
        label="Test file", applies="task.name=files", max_length=1000,
    )
    exam_file: str | None = setting(
        None, "A file of labelled rows for exams that you trust, apart from the training rows: cleaned by hand, of the target domain, from "
        "the careful annotator; empty: a part of the training rows.", label="Exam file", applies="task.name=files", max_length=1000,
    )
    delimiter: Literal["auto", "comma", "semicolon", "tab", "pipe"] = setting(
        "auto", "What stands between the columns of a text file.", label="Delimiter", applies="task.name=files", advanced=True,
        choices={"auto": "found out from the file", "comma": "a comma", "semicolon": "a semicolon", "tab": "a tab", "pipe": "a bar"},
    )
    header: Literal["auto", "yes", "no"] = setting(
        "auto", "Whether the first line of a text file names its columns.", label="Header line", applies="task.name=files", advanced=True,
        choices={"auto": "found out from the file", "yes": "it does", "no": "it is a row; columns are called `column 1` and so on"},
    )
    encoding: str | None = setting(
        None, "Encoding of text files, such as `utf-8`, `windows-1252`, `shift_jis` or `gb18030`; empty: found out from the file.",
        label="Encoding", applies="task.name=files", max_length=40, advanced=True,
    )
    text_column: str | None = setting(
        None, "Column with the text, or with the first text of a pair; empty: known for known data sets, else the one that is "
        "named like a text, such as `text` or `sentence1`.", label="Text column", max_length=200, applies=GIVEN,
    )
    text_pair_column: str | None = setting(
        None, "Column with the second text of a pair; empty: known for known data sets, else `sentence2` where "
        "there is one; `-`: none.", label="Second text column", max_length=200, applies=GIVEN,
    )
    label_column: str | None = setting(
        None, "Column with the label; empty: known for known data sets, else one named like a label, such as `label` or `category`.",
        label="Label column", max_length=200, applies=GIVEN,
    )
    soft_label_column: str | None = setting(
        None, "Column with human votes or probabilities for each class, as a list or by name; or one such column per class, separated by "
        "commas. They become the truth that both models are held against.", label="Soft label column", max_length=2000, applies=GIVEN,
    )
    soft_label_order: str | None = setting(
        None, "Labels in the order of the soft labels' numbers, separated by commas; empty: where they have no names, the order that "
        "agrees best with the labels.", label="Order of the soft labels", max_length=5000, applies=GIVEN, advanced=True,
    )
    group_column: str | None = setting(
        None, "Column with the group that a row belongs to, such as its domain or annotator; scores are then shown by group as well. At "
        "most 50 groups.", label="Group column", max_length=200, applies=GIVEN,
    )
    source_column: str | None = setting(
        None, "Column with the source of a training row's label or soft target: the teacher, annotator or domain that it comes from. At "
        "most 200 sources.", label="Source column", max_length=200, applies=GIVEN,
    )
    soft_target_column: str | None = setting(
        None, "Column with stored soft targets of a teacher that cannot be asked again, such as a served model, people or rules: a list or "
        "numbers by class name; or one such column per class, separated by commas. Counts are divided by their sum.",
        label="Soft target column", max_length=2000, applies=GIVEN,
    )
    soft_target_order: str | None = setting(
        None, "Labels in the order of the stored soft targets' numbers, separated by commas; empty: where they have no names, the order "
        "that agrees best with the labels.", label="Order of the soft targets", max_length=5000, applies=GIVEN, advanced=True,
    )
    label_map: str | None = setting(
        None, 'Other names for labels, as `0=no; 1=yes` or as JSON, {"0": "no"}; an empty name leaves the rows of a label out, and labels '
        "with the same name become one class.", label="Label names", max_length=100_000, applies=GIVEN, advanced=True,
    )
    missing_labels: Literal["drop", "study"] = setting(
        "drop", "What becomes of training rows without a label.", label="Rows without a label", applies=GIVEN, advanced=True,
        choices={"drop": "they are left out", "study": "the student studies them with the teacher's soft targets alone; never in an exam"},
    )
    unlabelled_file: str | None = setting(
        None, "A file of texts without labels, which the student studies with the teacher's soft targets alone; its labels, if any, are "
        "not looked at.", label="File without labels", applies="task.name=files", max_length=1000, advanced=True,
    )
    duplicates: Literal["keep", "drop"] = setting(
        "keep", "What becomes of training rows that repeat a text with the same label, source and soft target.", label="Repeated rows",
        applies=GIVEN,
        choices={"keep": "all of them stay, on the same side of every split", "drop": "the first one stays"}, advanced=True,
    )
    conflicts: Literal["keep", "drop"] = setting(
        "keep", "What becomes of training rows that have the same text and different labels; rows of different sources do not conflict.",
        label="Conflicting labels", applies=GIVEN,
        choices={"keep": "all of them stay", "drop": "none of them stays"}, advanced=True,
    )
    shared_texts: Literal["train", "held_out"] = setting(
        "train", "Which side loses a text that stands both in training and in validation or test.", label="Texts on both sides",
        choices={"train": "training loses it, official splits stay whole", "held_out": "validation and test lose it"}, applies=GIVEN,
        advanced=True,
    )
    rare_classes: Literal["keep", "drop"] = setting(
        "keep", "What becomes of classes with fewer than 3 training rows, too few for every split.", label="Rare classes", applies=GIVEN,
        choices={"keep": "they stay in training, and in no exam", "drop": "their rows are left out of every split"}, advanced=True,
    )
    hub_name: str | None = setting(
        None, "Name of a data set on the hub, `owner/name`, or a local folder laid out like one.",
        label="Hub data set", applies="task.name=hub", max_length=500,
    )
    hub_config: str | None = setting(
        None, "Configuration of the hub data set, where it has several.", label="Hub configuration",
        applies="task.name=hub", max_length=200,
    )
    hub_revision: str | None = setting(
        None, "Branch, tag or commit of the hub data set; empty: the newest.", label="Hub revision",
        applies="task.name!=reviews|pairs|irony|files", max_length=200, advanced=True,
    )
    hub_validation_split: str | None = setting(
        None, "Name of the validation split; empty: `validation`, or a part of the training split where there is none.",
        label="Hub validation split", applies="task.name=hub", max_length=100, advanced=True,
    )
    hub_test_split: str | None = setting(
        None, "Name of the test split; empty: `test`, where it exists and has labels.", label="Hub test split",
        applies="task.name=hub", max_length=100, advanced=True,
    )
    hub_exam_split: str | None = setting(
        None, "Name of a split of labelled rows for exams that you trust, apart from the training split; empty: a part of the training "
        "split.", label="Hub exam split", applies="task.name!=reviews|pairs|irony|files", max_length=100, advanced=True,
    )

    @field_validator("encoding")
    @classmethod
    def _known(cls, encoding: str | None) -> str | None:
        if encoding and text_codec(encoding) is None:
            raise ValueError(unknown_encoding(encoding))
        return encoding


def shift_mark(task: TaskSettings) -> str:
    """Return words that follow a task's name where its course is shifted on purpose, such as "shifted: shortcut 0.5"; else nothing."""
    return "" if task.shift == "none" else f"shifted: {task.shift} {task.shift_strength:g}"


def task_title(task: TaskSettings) -> str:
    """Return what a task is called where runs are listed: a file by its name, a hub data set by its own; a shift is told."""
    mark = shift_mark(task)
    return _plain_title(task) + (f" ({mark})" if mark else "")


def _plain_title(task: TaskSettings) -> str:
    if task.name == "files" and task.train_file:
        # An upload carries a mark of its content.
        return re.sub(r"-[0-9a-f]{12}(?=\.)", "", PurePath(task.train_file).name)[:80] or task.name
    if task.name == "hub" and task.hub_name:
        return PurePath(task.hub_name).name[:80] or task.name
    return task.name


def given_files(task: TaskSettings) -> dict[str, str]:
    """Return the files that a task's settings name, by the name of the setting; they are read where the task is `files`."""
    named = {"train_file": task.train_file, "validation_file": task.validation_file, "test_file": task.test_file,
             "exam_file": task.exam_file, "unlabelled_file": task.unlabelled_file}  # fmt: skip
    return {name: path for name, path in named.items() if path}
