"""No text in two splits: which side loses one that stands on both, and what is left then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ikd.errors import TaskError
from ikd.tasks.rows import Rows, text_key

MINIMUM_ROWS = 10
"""Training rows that a task is made of."""


def apart(parts: Mapping[str, Rows], loser: str, notes: list[str]) -> dict[str, Rows]:
    """Return the rows such that no text is in two splits.

    Where validation and test share a text, validation loses it; where they share one with the exam, the exam loses it; and training loses
    what it shares with the exam.

    Args:
        parts: "train" and the official splits.
        loser: "train", or "held_out": which side loses a text of training that is in another split.
        notes: get a sentence for what was removed.
    """
    found = dict(parts)
    if "test" in parts and "validation" in parts:
        found["validation"] = _fresh(parts["validation"], {"test": parts["test"]}, "validation", notes)
    held_out: dict[str, Rows] = {split: found[split] for split in ("validation", "test") if split in found}
    if loser == "train":
        found["train"] = _fresh(found["train"], held_out, "training", notes)
        if len(found["train"]) < MINIMUM_ROWS:
            raise TaskError(
                f"Of {len(parts['train']):,} training rows {len(found['train']):,} are left, because the texts of the others are in "
                f"{' or '.join(held_out)} too, and at least {MINIMUM_ROWS} are needed: set task.shared_texts to held_out, so that "
                "training keeps them, or give training rows of their own."
            )
    else:
        found |= {split: _fresh(rows, {"training": found["train"]}, split, notes) for split, rows in held_out.items()}
    for split in held_out:
        if not len(found[split]):
            del found[split]
            instead = "a validation split is made of training rows" if split == "validation" else "there is no test split"
            notes.append(f"No {split} row is left, because all of its texts are in other splits: {instead} (task.shared_texts).")
    return _exam_apart(found, [split for split in held_out if split in found], notes) if "exam" in found else found


def _exam_apart(parts: dict[str, Rows], held_out: Sequence[str], notes: list[str]) -> dict[str, Rows]:
    """Return the rows such that the exam has no text of validation and test, and training none of the exam.

    Raises:
        TaskError: too few rows are left on one side.
    """
    exam = _fresh(parts["exam"], {split: parts[split] for split in held_out}, "exam", notes)
    if not len(exam):
        raise TaskError(f"No exam row is left, because all exam texts are in {' or '.join(held_out)} too: give exam texts of their own.")
    train = _fresh(parts["train"], {"exam": exam}, "training", notes)
    if len(train) < MINIMUM_ROWS:
        raise TaskError(f"Of {len(parts['train']):,} training rows {len(train):,} are left, because the texts of the others are in the "
                        f"exam too, and at least {MINIMUM_ROWS} are needed: give exam texts of their own.")  # fmt: skip
    return {**parts, "exam": exam, "train": train}


def _fresh(rows: Rows, others: Mapping[str, Rows], name: str, notes: list[str]) -> Rows:
    seen = {text_key(other, i) for other in others.values() for i in range(len(other))}
    fresh = [i for i in range(len(rows)) if text_key(rows, i) not in seen]
    if len(fresh) < len(rows):
        notes.append(f"{rows_were(len(rows) - len(fresh))} removed from {name}: the same texts are in {' or '.join(others)}.")
    return rows.keep(fresh)


def rows_were(n: int) -> str:
    """Return the begin of a sentence on rows: "1 row was", "20 rows were"."""
    return "1 row was" if n == 1 else f"{n:,} rows were"
