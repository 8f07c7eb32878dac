"""Stored soft targets of several sources, corrected by what a trusted model says to the same texts."""

from __future__ import annotations

import torch
from torch import Tensor


def confusion_matrices(soft_targets: Tensor, sources: Tensor, probabilities: Tensor) -> dict[int, Tensor]:
    """Return by source M[i, j], the probability that the class is j where the source says i, (C, C), rows of sum 1.

    A source says the class that its soft target makes most probable. Counted are the probabilities of the trusted model, and one for every
    class before anything is counted (Laplace), so that M[i] is uniform where the source never says i:

        M[i, j] = (1 + sum of p_x[j] over its texts x with argmax q_x = i) / (C + number of these texts)

    Arguments as in `corrected_by_source`.
    """
    n_classes = soft_targets.shape[1]
    given = soft_targets.any(dim=1)
    found = {}
    for source in sorted(set(sources.tolist())):
        own = given & (sources == source)
        counts = torch.ones(n_classes, n_classes, dtype=torch.float64)
        counts.index_add_(0, soft_targets[own].argmax(dim=1), probabilities[own].double())
        found[source] = counts / counts.sum(dim=1, keepdim=True)
    return found


def corrected_by_source(soft_targets: Tensor, sources: Tensor, probabilities: Tensor) -> Tensor:
    """Return the soft targets q M of every text, (n, C), with the matrix M of its source.

    Args:
        soft_targets: (n, C) q, as stored; a row of zeros where there is none, which stays.
        sources: (n,) who gave each of them; those of one number share a matrix, -1 (nobody is named) too.
        probabilities: (n, C) p, what a model that is trusted says to the same texts.
    """
    matrices = confusion_matrices(soft_targets, sources, probabilities)
    corrected = soft_targets.double().clone()
    for source, matrix in matrices.items():
        own = sources == source
        corrected[own] = corrected[own] @ matrix
    return corrected
