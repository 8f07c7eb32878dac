"""Low-rank adapters in every layer of a teacher (LoRA, Hu et al. 2021), by the peft library."""

from __future__ import annotations

import torch
from torch import nn
from transformers import PreTrainedModel

from ikd.errors import ModelError
from ikd.models.initialisation import layer_stack

QUERY_AND_VALUE = ("query", "q_lin", "q_proj", "query_proj", "value", "v_lin", "v_proj", "value_proj")
"""Where the paper puts adapters, by the families' names."""

SCALE = 2
"""An adapter's output is multiplied by this: lora_alpha is twice the rank."""


def add_adapters(model: PreTrainedModel, *, rank: int, seed: int) -> None:
    """Put an adapter of a rank beside the query and value matrices of every layer; until they learn, the model says the same.

    Where a family does not name these, beside every matrix of its layers. W x becomes W x + 2 B A x, with A (rank, in) drawn from the
    seed and B (out, rank) zero.

    Raises:
        ModelError: a model whose layers cannot be told apart, or that has no plain matrices in them.
    """
    from peft import LoraConfig, inject_adapter_in_model

    name, layers = layer_stack(model)
    linear = [f"{name}.{inner}" for inner, module in layers.named_modules() if isinstance(module, nn.Linear)]
    matrices = [one for one in linear if one.rpartition(".")[2] in QUERY_AND_VALUE] or linear
    if not matrices:
        raise ModelError("This model's layers have no plain matrices for adapters: choose policy.teacher_scope all, top_layers or head.")
    torch.manual_seed(seed)
    device = next(model.parameters()).device
    inject_adapter_in_model(LoraConfig(r=rank, lora_alpha=SCALE * rank, target_modules=matrices), model)
    nn.Module.to(model, device)
