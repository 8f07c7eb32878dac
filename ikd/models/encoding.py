"""Texts as each model's own token ids, padded only as far as the longest text of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ikd.protocols import UNLABELLED, Batch, Inputs, Split

TRUNCATION_SIDE = {"start": "right", "end": "left", "ends": "right"}
"""What a tokenizer cuts off, by what is kept of a long text."""


class Encoding:
    """One split in one model's tokens, encoded once.

    Attributes:
        lengths: number of tokens of each example, after cutting.
    """

    def __init__(self, split: Split, tokenizer: PreTrainedTokenizerBase, *, max_length: int, long_texts: str = "start") -> None:
        """Encode every text (or pair: with token types where the model has them) of a split.

        Args:
            split: the texts.
            tokenizer: of the model.
            max_length: tokens of an encoding at most, special ones included.
            long_texts: what is kept of a longer text, "start", "end" or "ends".
        """
        self._tokenizer = tokenizer
        pairs = list(split.text_pairs) if split.text_pairs is not None else None
        # The tokenizer is saved with the student: whoever opens it cuts texts on the same side.
        tokenizer.truncation_side = TRUNCATION_SIDE[long_texts]
        both = long_texts == "ends" and pairs is None
        encoded = tokenizer(list(split.texts), pairs, truncation=not both, max_length=max_length, padding=False, verbose=False,
                            return_special_tokens_mask=both)  # fmt: skip
        self._columns: dict[str, list[list[int]]] = {
            name: encoded[name] for name in tokenizer.model_input_names if name in encoded
        }
        if both:
            kept = [both_ends(special, max_length) for special in encoded["special_tokens_mask"]]
            self._columns = {name: [[row[at] for at in places] for row, places in zip(column, kept, strict=True)]
                             for name, column in self._columns.items()}  # fmt: skip
        self.lengths = [len(ids) for ids in self._columns["input_ids"]]

    def rows(self, indices: Sequence[int]) -> Inputs:
        """Return the inputs of some examples, each tensor (B, T) with T the longest of them."""
        longest = max(self.lengths[index] for index in indices)
        return {name: _padded(column, indices, longest, self._filling(name)) for name, column in self._columns.items()}

    def _filling(self, name: str) -> int:
        return int(self._tokenizer.pad_token_id or 0) if name == "input_ids" else 0


class EncodedSplit:
    """One split encoded for both models, served as batches.

    Teacher and student share one encoding where they share a tokenizer.
    """

    def __init__(
        self,
        split: Split,
        *,
        student_tokenizer: PreTrainedTokenizerBase,
        teacher_tokenizer: PreTrainedTokenizerBase,
        student_max_length: int,
        teacher_max_length: int,
        long_texts: str = "start",
        truth_as_labels: bool = False,
    ) -> None:
        """Encode a split.

        Args:
            split: texts, labels and truth.
            student_tokenizer, teacher_tokenizer: of the two models.
            student_max_length, teacher_max_length: tokens at most.
            long_texts: what is kept of longer texts, as in `Encoding`.
            truth_as_labels: batches carry the split's truth, to be studied in place of the labels.
        """
        self.split = split
        self._labels = torch.tensor(list(split.labels), dtype=torch.int64)
        self._truth = torch.tensor(split.truth, dtype=torch.float32) if truth_as_labels and split.truth is not None else None
        self._student = Encoding(split, student_tokenizer, max_length=student_max_length, long_texts=long_texts)
        shared = teacher_tokenizer is student_tokenizer and teacher_max_length == student_max_length
        self._teacher = self._student
        if not shared:
            self._teacher = Encoding(split, teacher_tokenizer, max_length=teacher_max_length, long_texts=long_texts)

    def __len__(self) -> int:
        return len(self.split)

    @property
    def lengths(self) -> Sequence[int]:
        """Return the number of the student's tokens of each example."""
        return self._student.lengths

    @property
    def same_tokens(self) -> bool:
        """Return whether both models read the same tokens."""
        return self._teacher is self._student

    @property
    def labelled(self) -> Sequence[int]:
        """Return the indices of the examples that have a label."""
        return [index for index, label in enumerate(self.split.labels) if label != UNLABELLED]

    def batch(self, indices: Sequence[int]) -> Batch:
        """Return the batch of the given examples, on the CPU."""
        student = self._student.rows(indices)
        teacher = student if self._teacher is self._student else self._teacher.rows(indices)
        examples = torch.tensor(list(indices), dtype=torch.int64)
        truth = None if self._truth is None else self._truth[examples]
        return Batch(examples=examples, labels=self._labels[examples], student_inputs=student, teacher_inputs=teacher, truth=truth)

    def by_length(self) -> list[int]:
        """Return all indices, shortest text first, so that batches in this order carry little padding."""
        return sorted(range(len(self)), key=self._student.lengths.__getitem__)


def both_ends(special: Sequence[int], max_length: int) -> Sequence[int]:
    """Return the places that are kept of a text's tokens where its first and its last half are: all of them where they are not too many.

    Source: Sun, Qiu, Xu, Huang, *How to Fine-Tune BERT for Text Classification?* (2019), section 5.3.1 (head and tail).

    Args:
        special: (T,) 1 for special tokens, which stand at both ends and are kept.
        max_length: tokens at most, special ones included.
    """
    if len(special) <= max_length:
        return range(len(special))
    ordinary = [at for at, one in enumerate(special) if not one]
    room = max_length - (len(special) - len(ordinary))
    head, tail = room - room // 2, room // 2
    return [*range(ordinary[head - 1] + 1), *range(ordinary[len(ordinary) - tail] if tail else ordinary[-1] + 1, len(special))]


def _padded(column: Sequence[Sequence[int]], indices: Sequence[int], length: int, filling: int) -> Tensor:
    rows = torch.full((len(indices), length), filling, dtype=torch.int64)
    for row, index in enumerate(indices):
        ids = column[index]
        rows[row, : len(ids)] = torch.tensor(ids, dtype=torch.int64)
    return rows
