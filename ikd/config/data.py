"""Settings of the task: which texts, how many, read from where."""

from __future__ import annotations

from ikd.config.fields import Settings, setting


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
    train_size: int | None = setting(
        None, "At most this many training examples, before the exam split is taken; empty: the built-in task's own "
        "size, or every row.", label="Training examples", unit="examples", ge=8, le=10_000_000,
    )
    exam_size: int | None = setting(
        None, "Examples held out of the training split for exams; empty: the built-in task's own size, or one tenth "
        "of the training split.", label="Exam examples", unit="examples", ge=4, le=1_000_000,
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
    train_file: str | None = setting(
        None, "A .parquet, .csv, .tsv, .jsonl or .json file of training rows.", label="Training file",
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
    text_column: str | None = setting(
        None, "Column with the text, or with the first text of a pair; empty: known for known data sets, else "
        "`text` or `sentence1`.", label="Text column", max_length=200, applies="task.name=files|hub",
    )
    text_pair_column: str | None = setting(
        None, "Column with the second text of a pair; empty: known for known data sets, else `sentence2` where "
        "there is one.", label="Second text column", max_length=200,
        applies="task.name=files|hub",
    )
    label_column: str | None = setting(
        None, "Column with the label; empty: known for known data sets, else `label`.", label="Label column",
        max_length=200, applies="task.name=files|hub",
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
        max_length=200, advanced=True,
    )
    hub_validation_split: str | None = setting(
        None, "Name of the validation split; empty: `validation`, or a part of the training split where there is none.",
        label="Hub validation split", applies="task.name=hub", max_length=100, advanced=True,
    )
    hub_test_split: str | None = setting(
        None, "Name of the test split; empty: `test`, where it exists and has labels.", label="Hub test split",
        applies="task.name=hub", max_length=100, advanced=True,
    )
