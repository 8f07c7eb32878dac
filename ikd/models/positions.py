"""How many tokens a model can read: by its own positions, not by a list of families."""

from __future__ import annotations

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase


def longest_input(model: nn.Module, config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase, max_length: int) -> int:
    """Return how many tokens a model can take, at most max_length.

    The limit is the number of its positions, less those that its padding takes up: the RoBERTa kin count positions from
    padding_idx + 1 on, and an embedding of positions that has a padding_idx says so. A number below 1 (XLNet's -1) means no limit.

    Args:
        model: built, if only on torch's meta device.
        config: of the model.
        tokenizer: its own.
        max_length: tokens at most, whatever the model can take.
    """
    positions = getattr(config, "max_position_embeddings", None)
    limits = [positions] if isinstance(positions, int) and positions > 0 else []
    for name, module in model.named_modules():
        padding, rows = getattr(module, "padding_idx", None), getattr(module, "weight", None)
        if "position" in name.rpartition(".")[2] and isinstance(padding, int) and isinstance(rows, torch.Tensor):
            limits.append(len(rows) - padding - 1)
    return min(max_length, int(tokenizer.model_max_length), *limits)


def outline(config: PretrainedConfig) -> PreTrainedModel:
    """Return a classifier of a configuration without any weights in memory, for its structure."""
    with torch.device("meta"):
        model: PreTrainedModel = AutoModelForSequenceClassification.from_config(config)
    return model
