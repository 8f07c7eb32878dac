"""Tiny classifiers of several families in float64, and batches for them: fast enough to be checked by brute force."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AlbertConfig,
    AlbertForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    ElectraConfig,
    ElectraForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from ikd.classroom import Classroom
from ikd.errors import ModelError
from ikd.models.initialisation import layer_stack
from ikd.protocols import Batch, Split

VOCABULARY, CLASSES, PADDING = 40, 3, 1
SIZES: dict[str, Any] = dict(
    vocab_size=VOCABULARY, hidden_size=8, num_attention_heads=2, intermediate_size=16, max_position_embeddings=24,
    num_labels=CLASSES, pad_token_id=PADDING,
)  # fmt: skip


def _bert(layers: int) -> nn.Module:
    return BertForSequenceClassification(BertConfig(num_hidden_layers=layers, **SIZES))


def _roberta(layers: int) -> nn.Module:
    return RobertaForSequenceClassification(RobertaConfig(num_hidden_layers=layers, type_vocab_size=1, **SIZES))


def _distilbert(layers: int) -> nn.Module:
    return DistilBertForSequenceClassification(
        DistilBertConfig(
            vocab_size=VOCABULARY, dim=8, n_heads=2, n_layers=layers, hidden_dim=16, max_position_embeddings=24,
            num_labels=CLASSES, pad_token_id=PADDING,
        )
    )  # fmt: skip


def _electra(layers: int) -> nn.Module:
    return ElectraForSequenceClassification(ElectraConfig(num_hidden_layers=layers, embedding_size=8, **SIZES))


def _albert(layers: int) -> nn.Module:
    return AlbertForSequenceClassification(AlbertConfig(num_hidden_layers=layers, embedding_size=8, **SIZES))


FAMILIES: dict[str, Callable[[int], nn.Module]] = {
    "bert": _bert, "roberta": _roberta, "distilbert": _distilbert, "electra": _electra, "albert": _albert,
}  # fmt: skip


def tiny(family: str, *, layers: int, seed: int) -> nn.Module:
    """Return a tiny classifier in float64 with weights large enough that nothing is linear."""
    torch.manual_seed(seed)
    model = FAMILIES[family](layers).double()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
        embedding = model.get_input_embeddings()  # type: ignore[operator]
        if embedding.padding_idx is not None:
            embedding.weight[embedding.padding_idx].zero_()
    return model.eval()


def tiny_bert(layers: int, width: int, *, seed: int) -> nn.Module:
    """Return a tiny BERT in float64 with heads as wide as those of a built-in model, 16."""
    torch.manual_seed(seed)
    sizes = SIZES | {"hidden_size": width, "num_attention_heads": width // 16, "initializer_range": width**-0.5}
    model: nn.Module = BertForSequenceClassification(BertConfig(num_hidden_layers=layers, **sizes)).double()
    return model.eval()


def padded_batch(size: int, *, seed: int, length: int = 7, first: int = 0) -> Batch:
    """Return a batch whose later texts are shorter, so that padding is there to be got wrong."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(4, VOCABULARY, (size, length), generator=generator)
    mask = torch.ones_like(ids)
    for row in range(size):
        ids[row, length - row % 4 :] = PADDING
        mask[row, length - row % 4 :] = 0
    labels = torch.randint(0, CLASSES, (size,), generator=generator)
    inputs = {"input_ids": ids, "attention_mask": mask}
    return Batch(examples=torch.arange(first, first + size), labels=labels, student_inputs=inputs, teacher_inputs=inputs)


@dataclass(frozen=True, kw_only=True)
class Flat:
    """A model's weights as one long vector."""

    model: nn.Module

    def get(self) -> Tensor:
        """Return all weights, concatenated."""
        return torch.cat([weight.detach().flatten() for weight in self.model.parameters()])

    def set(self, vector: Tensor) -> None:
        """Replace all weights."""
        with torch.no_grad():
            start = 0
            for weight in self.model.parameters():
                weight.copy_(vector[start : start + weight.numel()].view_as(weight))
                start += weight.numel()


@dataclass(kw_only=True)
class TinySplit:
    """A split of drawn token ids, which both models read: what a Classroom wants of a split, without a tokenizer.

    Attributes:
        split: labels, and texts that say nothing.
        rows: token ids of each example, 3 to 7 of them.
        served: examples asked for so far, batch by batch.
        given_by: who gave each label or soft target, where the task names sources.
    """

    split: Split
    rows: list[list[int]]
    same_tokens: bool = True
    served: list[list[int]] = field(default_factory=list)
    given_by: Tensor | None = None

    @property
    def sources(self) -> Tensor | None:
        """Return who gave each label or soft target."""
        return self.given_by

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> list[int]:
        """Return the number of tokens of each example."""
        return [len(row) for row in self.rows]

    def by_length(self) -> list[int]:
        """Return all indices, shortest text first."""
        return sorted(range(len(self)), key=self.lengths.__getitem__)

    def batch(self, indices: Sequence[int]) -> Batch:
        """Return the batch of the given examples, padded to the longest of them."""
        self.served.append(list(indices))
        longest = max(self.lengths[index] for index in indices)
        rows = [self.rows[index] + [PADDING] * (longest - self.lengths[index]) for index in indices]
        ids = torch.tensor(rows)
        inputs = {"input_ids": ids, "attention_mask": (ids != PADDING).long()}
        labels = torch.tensor([self.split.labels[index] for index in indices])
        sources = None if self.given_by is None else self.given_by[torch.tensor(list(indices))]
        return Batch(examples=torch.tensor(list(indices)), labels=labels, student_inputs=inputs, teacher_inputs=inputs, sources=sources)


def tiny_split(size: int, *, seed: int, same_tokens: bool = True) -> TinySplit:
    """Return a split of so many drawn examples."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, CLASSES, (size,), generator=generator).tolist()
    rows = [torch.randint(4, VOCABULARY, (3 + index % 5,), generator=generator).tolist() for index in range(size)]
    return TinySplit(split=Split(texts=[f"text {one}" for one in range(size)], labels=labels), rows=rows, same_tokens=same_tokens)


def tiny_room(
    teacher: nn.Module, student: nn.Module, *, course: int = 12, exam: int = 8, validation: int = 5, same_tokens: bool = True
) -> Classroom:
    """Return a classroom of two models, which become its own, with drawn splits of these sizes."""
    sizes = {"course": course, "exam": exam, "validation": validation}
    return Classroom(
        student=student, teacher=teacher, teacher_layers=_layers(teacher), student_layers=_layers(student),
        splits={name: tiny_split(size, seed=seed, same_tokens=same_tokens) for seed, (name, size) in enumerate(sizes.items())},
        label_names=["no", "maybe", "yes"], device=torch.device("cpu"), facts={},
    )  # fmt: skip


def _layers(model: nn.Module) -> nn.ModuleList | None:
    try:
        return layer_stack(model)[1]  # type: ignore[arg-type]
    except ModelError:
        return None
