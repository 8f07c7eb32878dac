"""Reliance on a cue word: how far a model's soft target moves when the cue of a text is replaced by another."""

from __future__ import annotations

from torch import Tensor


def reliance(own: Tensor, swapped: Tensor, temperature: float) -> float:
    """Return the mean total variation between the soft targets of texts and of the same texts with other cue words.

    R = 1 / (n K) sum_i sum_k 1/2 |softmax(own_i / t) - softmax(swapped_ik / t)|_1: 0 where the cue changes nothing, at most 1.

    Args:
        own: (n, C) logits of n texts.
        swapped: (n, K, C) logits of the same texts, each with K other cue words in place of its own.
        temperature: t, above 0.
    """
    before = (own.double() / temperature).softmax(-1).unsqueeze(1)
    after = (swapped.double() / temperature).softmax(-1)
    return float((before - after).abs().sum(-1).mean() / 2)
