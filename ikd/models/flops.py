"""Floating-point operations of a model, counted by torch as it computes."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ikd.protocols import Inputs


def forward_flops(model: nn.Module, inputs: Inputs) -> float:
    """Return the floating-point operations of one forward pass per text of a batch: matrix products, attention's among them.

    Nothing is drawn at random and no weight is touched. Padding counts, as it is computed too.
    """
    texts = len(next(iter(inputs.values())))
    training, learning = model.training, [weight for weight in model.parameters() if weight.requires_grad]
    model.eval()
    for weight in learning:  # the counter looks for the graph of whatever requires one, and DeBERTa hands a weight on as it is
        weight.requires_grad_(False)
    try:
        # Fused attention hides its products from the counter.
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            model(**inputs)
    finally:
        model.train(training)
        for weight in learning:
            weight.requires_grad_(True)
    return float(counter.get_total_flops()) / texts
