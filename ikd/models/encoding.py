"""Texts as each model's own token ids, padded only as far as the longest text of a batch."""

from __future__ import annotations

import inspect
from collections.abc import Sequence, Set
from typing import Any, Literal

import tokenizers
import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from ikd.models.stored import INPUT
from ikd.protocols import UNLABELLED, Batch, Inputs, Split

PaddingSide = Literal["right", "left"]
USUAL_INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids"})
TRUNCATION_SIDE = {"start": "right", "end": "left", "ends": "right"}
"""What a tokenizer cuts off, by what is kept of a long text."""


def accepted_inputs(model: nn.Module) -> frozenset[str]:
    """Return which inputs of an encoding a model can be called with: DistilBERT, say, takes no token types."""
    return USUAL_INPUTS & inspect.signature(model.forward).parameters.keys()


class Encoding:
    """One split in one model's tokens, encoded once.

    Attributes:
        lengths: number of tokens of each example, after cutting.
        limit: tokens of an encoding at most.
        n_cut: texts of which something was cut off.
    """

    def __init__(
        self, split: Split, tokenizer: PreTrainedTokenizerBase, *, max_length: int, inputs: Set[str], long_texts: str = "start",
        side: PaddingSide = "right",
    ) -> None:  # fmt: skip
        """Encode every text (or pair: with token types where the model has them) of a split.

        Args:
            split: the texts.
            tokenizer: of the model.
            max_length: tokens of an encoding at most, special ones included.
            inputs: what the model can be called with; the rest of an encoding is left out.
            long_texts: what is kept of a longer text, "start", "end" or "ends".
            side: on which shorter texts of a batch are padded.
        """
        self._tokenizer, self._side, self.limit = tokenizer, side, max_length
        pairs = list(split.text_pairs) if split.text_pairs is not None else None
        # The tokenizer is saved with the student: whoever opens it cuts and pads texts on the same sides.
        tokenizer.truncation_side, tokenizer.padding_side = TRUNCATION_SIDE[long_texts], side
        both = long_texts == "ends" and pairs is None
        encoded = tokenizer(list(split.texts), pairs, truncation=not both, max_length=max_length, padding=False, verbose=False,
                            return_attention_mask="attention_mask" in inputs, return_special_tokens_mask=both)  # fmt: skip
        names = dict.fromkeys((*tokenizer.model_input_names, "attention_mask"))
        self._columns: dict[str, list[list[int]]] = {name: encoded[name] for name in names if name in encoded and name in inputs}
        self.n_cut = sum(map(_is_cut, encoded.encodings)) if encoded.encodings and not both else 0
        if both:
            self.n_cut = sum(len(special) > max_length for special in encoded["special_tokens_mask"])
            kept = [both_ends(special, max_length) for special in encoded["special_tokens_mask"]]
            self._columns = {name: [[row[at] for at in places] for row, places in zip(column, kept, strict=True)]
                             for name, column in self._columns.items()}  # fmt: skip
        self.lengths = [len(ids) for ids in self._columns["input_ids"]]

    def rows(self, indices: Sequence[int]) -> Inputs:
        """Return the inputs of some examples, each tensor (B, T) with T the longest of them."""
        longest = max(self.lengths[index] for index in indices)
        return {name: _padded(column, indices, longest, self._filling(name), self._side) for name, column in self._columns.items()}

    def _filling(self, name: str) -> int:
        known = {"input_ids": self._tokenizer.pad_token_id, "token_type_ids": self._tokenizer.pad_token_type_id}
        return int(known.get(name) or 0)


def _given_by(split: Split, source_names: Sequence[str]) -> Tensor:
    """Return the index of each example's source, (n,); -1 where nobody is named."""
    known = {name: index for index, name in enumerate(source_names)}
    return torch.tensor([known.get(name, -1) for name in split.sources or [""] * len(split)], dtype=torch.int64)


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
        student_inputs: Set[str] = USUAL_INPUTS,
        teacher_inputs: Set[str] = USUAL_INPUTS,
        student_side: PaddingSide = "right",
        teacher_side: PaddingSide = "right",
        long_texts: str = "start",
        truth_as_labels: bool = False,
        source_names: Sequence[str] = (),
        stored: Tensor | None = None,
    ) -> None:
        """Encode a split.

        Args:
            split: texts, labels and truth.
            student_tokenizer, teacher_tokenizer: of the two models.
            student_max_length, teacher_max_length: tokens at most.
            student_inputs, teacher_inputs: what the two models can be called with.
            student_side, teacher_side: on which their batches are padded.
            long_texts: what is kept of longer texts, as in `Encoding`.
            truth_as_labels: batches carry the split's truth, to be studied in place of the labels.
            source_names: those of the task, in the order of their indices; empty: batches carry no sources.
            stored: (n, C) logits that a stored teacher says to each example; they are its inputs in place of tokens. None: it reads texts.
        """
        self.split, self._stored = split, stored
        self._given_by = _given_by(split, source_names) if source_names else None
        self._labels = torch.tensor(list(split.labels), dtype=torch.int64)
        self._truth = torch.tensor(split.truth, dtype=torch.float32) if truth_as_labels and split.truth is not None else None
        ours: dict[str, Any] = dict(max_length=student_max_length, inputs=student_inputs, side=student_side, long_texts=long_texts)
        theirs: dict[str, Any] = dict(max_length=teacher_max_length, inputs=teacher_inputs, side=teacher_side, long_texts=long_texts)
        self._student = Encoding(split, student_tokenizer, **ours)
        shared = teacher_tokenizer is student_tokenizer and ours == theirs
        self._teacher = self._student if shared else Encoding(split, teacher_tokenizer, **theirs)

    def __len__(self) -> int:
        return len(self.split)

    @property
    def lengths(self) -> Sequence[int]:
        """Return the number of the student's tokens of each example."""
        return self._student.lengths

    @property
    def same_tokens(self) -> bool:
        """Return whether both models read the same tokens."""
        return self._teacher is self._student and self._stored is None

    @property
    def sources(self) -> Tensor | None:
        """Return who gave each example's label or soft target, (n,); None: the task names no sources."""
        return self._given_by

    @property
    def labelled(self) -> Sequence[int]:
        """Return the indices of the examples that have a label."""
        return [index for index, label in enumerate(self.split.labels) if label != UNLABELLED]

    def batch(self, indices: Sequence[int]) -> Batch:
        """Return the batch of the given examples, on the CPU."""
        student = self._student.rows(indices)
        teacher = student if self._teacher is self._student else self._teacher.rows(indices)
        examples = torch.tensor(list(indices), dtype=torch.int64)
        if self._stored is not None:
            teacher = {INPUT: self._stored[examples]}
        truth = None if self._truth is None else self._truth[examples]
        sources = None if self._given_by is None else self._given_by[examples]
        return Batch(examples=examples, labels=self._labels[examples], student_inputs=student, teacher_inputs=teacher, truth=truth,
                     sources=sources)  # fmt: skip

    def cut_off(self, role: str) -> tuple[int, int]:
        """Return how many texts are cut for a model, "student" or "teacher", and to how many tokens."""
        encoding = self._student if role == "student" else self._teacher
        return encoding.n_cut, encoding.limit

    def by_length(self, role: str = "student") -> list[int]:
        """Return all indices, the text of fewest tokens first, so that batches in this order carry little padding."""
        return sorted(range(len(self)), key=(self._student if role == "student" else self._teacher).lengths.__getitem__)


def _is_cut(encoding: tokenizers.Encoding) -> bool:
    return bool(encoding.overflowing)


def token_rows(inputs: Inputs) -> list[list[int]]:
    """Return the token ids of each text of a batch, without its padding where the model has a mask."""
    ids, mask = inputs["input_ids"], inputs.get("attention_mask")
    kept = torch.ones_like(ids) if mask is None else mask
    return [row[own.bool()].tolist() for row, own in zip(ids, kept, strict=True)]


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


def _padded(column: Sequence[Sequence[int]], indices: Sequence[int], length: int, filling: int, side: PaddingSide) -> Tensor:
    rows = torch.full((len(indices), length), filling, dtype=torch.int64)
    for row, index in enumerate(indices):
        ids = column[index]
        start = length - len(ids) if side == "left" else 0
        rows[row, start : start + len(ids)] = torch.tensor(ids, dtype=torch.int64)
    return rows
