"""Temperature scaling: the one temperature at which given answers are as sure as they are right."""

from __future__ import annotations

import torch
from torch import Tensor

SHARPEST, FLATTEST = 0.05, 20.0
"""Bounds of a fitted temperature: where all answers are right, none would be sharp enough."""

HALVINGS = 60


def fitted_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature T that minimises the mean cross-entropy of the labels under softmax(logits / T).

    Source: Guo, Pleiss, Sun, Weinberger, *On Calibration of Modern Neural Networks* (ICML 2017), section 4.2. The loss is convex in
    b = 1/T, and its slope there, the mean of E_p[s] - s_y with p = softmax(b s), rises with b: its zero is found by halving.

    Args:
        logits: (n, C) s.
        labels: (n,) y, none of them missing.
    """
    s, y = logits.double(), labels
    given = s.gather(1, y[:, None])[:, 0]

    def slope(b: float) -> float:
        return float((torch.softmax(b * s, dim=-1).mul(s).sum(dim=-1) - given).mean())

    low, high = 1 / FLATTEST, 1 / SHARPEST
    if slope(low) >= 0:
        return FLATTEST
    if slope(high) <= 0:
        return SHARPEST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 2 / (low + high)
