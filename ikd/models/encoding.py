"""Texts as each model's own token ids, padded only as far as the longest text of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ikd.protocols import Batch, Inputs, Split


class Encoding:
    """One split in one model's tokens, encoded once.

    Attributes:
        lengths: number of tokens of each example, after cutting.
    """

    def __init__(self, split: Split, tokenizer: PreTrainedTokenizerBase, *, max_length: int) -> None:
        """Encode every text (or pair: with token types where the model has them) of a split."""
        self._tokenizer = tokenizer
        pairs = list(split.text_pairs) if split.text_pairs is not None else None
        encoded = tokenizer(list(split.texts), pairs, truncation=True, max_length=max_length, padding=False)
        self._columns: dict[str, list[list[int]]] = {
            name: encoded[name] for name in tokenizer.model_input_names if name in encoded
        }
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
    ) -> None:
        self.split = split
        self._labels = torch.tensor(list(split.labels), dtype=torch.int64)
        self._student = Encoding(split, student_tokenizer, max_length=student_max_length)
        shared = teacher_tokenizer is student_tokenizer and teacher_max_length == student_max_length
        self._teacher = self._student if shared else Encoding(split, teacher_tokenizer, max_length=teacher_max_length)

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

    def batch(self, indices: Sequence[int]) -> Batch:
        """Return the batch of the given examples, on the CPU."""
        student = self._student.rows(indices)
        teacher = student if self._teacher is self._student else self._teacher.rows(indices)
        examples = torch.tensor(list(indices), dtype=torch.int64)
        return Batch(examples=examples, labels=self._labels[examples], student_inputs=student, teacher_inputs=teacher)

    def by_length(self) -> list[int]:
        """Return all indices, shortest text first, so that batches in this order carry little padding."""
        return sorted(range(len(self)), key=self._student.lengths.__getitem__)


def _padded(column: Sequence[Sequence[int]], indices: Sequence[int], length: int, filling: int) -> Tensor:
    rows = torch.full((len(indices), length), filling, dtype=torch.int64)
    for row, index in enumerate(indices):
        ids = column[index]
        rows[row, : len(ids)] = torch.tensor(ids, dtype=torch.int64)
    return rows
