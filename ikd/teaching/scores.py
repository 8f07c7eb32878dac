"""Scores of one model on one labelled split."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def scores_of(logits: Tensor, labels: Tensor, truth: Tensor | None = None) -> dict[str, float]:
    """Return accuracy, mean negative log-likelihood and, where the posterior is known, mean KL(truth || model).

    Args:
        logits: (n, C), temperature 1.
        labels: (n,).
        truth: (n, C) p(label | text), or None.
    """
    log_probabilities = F.log_softmax(logits.double(), dim=-1)
    scores = {
        "accuracy": float((logits.argmax(dim=-1) == labels).double().mean()),
        "nll": float(F.nll_loss(log_probabilities, labels)),
    }
    if truth is not None:
        scores["truth_kl"] = float(F.kl_div(log_probabilities, truth, reduction="batchmean"))
    return scores
