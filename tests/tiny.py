"""Tiny classifiers of several families in float64, and batches for them: fast enough to be checked by brute force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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

from ikd.protocols import Batch

VOCABULARY, CLASSES, PADDING = 40, 3, 1
SIZES = dict(
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
