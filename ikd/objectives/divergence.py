"""The Kullback-Leibler divergence, from log-probabilities, so that no probability is too small for it."""

from __future__ import annotations

from torch import Tensor


def divergence(teacher_log: Tensor, student_log: Tensor) -> Tensor:
    """Return KL(teacher || student) = sum_c p_c (log p_c - log q_c), (...), from log p and log q (..., C), all finite."""
    return (teacher_log.exp() * (teacher_log - student_log)).sum(dim=-1)
