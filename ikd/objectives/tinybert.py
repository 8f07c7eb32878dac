"""TinyBERT: the hidden states and the attention scores, layer by layer and token by token.

Jiao et al., *TinyBERT: Distilling BERT for Natural Language Understanding* (2020), the losses L_hidn and L_attn:

    l_i = sum_j MSE(h_ij, g_ij) + sum_j 1/A sum_a MSE(S_ija, R_ija),    S = Q K^T / sqrt(D)

over the pairs j of layers, with the student's hidden states h (already projected to the teacher's width), the teacher's g, and the
scores S of the student and R of the teacher in each of A heads D wide, as they are before the softmax. Means go over the real
tokens of an example, and over pairs of real tokens.

The paper needs as many heads in the student as in the teacher. Here the teacher may have k times as many: each head of the student
is then compared with the mean of its group of k consecutive heads of the teacher (an extension of this lab).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ikd.errors import ConfigError
from ikd.objectives.tokens import mean_over, real_tokens
from ikd.protocols import Outputs


@dataclass(frozen=True, kw_only=True)
class TinyBertDistillation:
    """The TinyBERT objective; it has no parameters."""

    def __call__(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        """Return (B,) losses from hidden states (B, T, H), queries and keys (B, A, T, D); labels (B,) are not looked at.

        The student's mask (B, T) says which tokens are real, for both.

        Raises:
            ConfigError: heads that cannot be compared.
        """
        hidden = zip(student.hidden_states, teacher.hidden_states, strict=True)
        attention = zip(_scores(student), _scores(teacher), strict=True)
        parts = [_hidden_loss(own, other, student.mask) for own, other in hidden]
        parts += [_attention_loss(own, other, student.mask) for own, other in attention]
        return torch.stack(parts).sum(dim=0)


def _hidden_loss(own: Tensor, other: Tensor, mask: Tensor | None) -> Tensor:
    """Return (B,) from hidden states (B, T, H)."""
    return mean_over((own - other).square().mean(dim=-1), real_tokens(mask, own))


def _attention_loss(own: Tensor, other: Tensor, mask: Tensor | None) -> Tensor:
    """Return (B,) from scores (B, A, T, T) of the student and (B, k A, T, T) of the teacher."""
    n_own, n_other = own.shape[1], other.shape[1]
    if n_other % n_own:
        raise ConfigError(
            f"The objective tinybert cannot compare {n_own} attention heads of the student with {n_other} of the teacher: the "
            f"teacher must have as many or a multiple. Give the student a number of heads that divides {n_other}, or choose "
            "another objective, such as minilm."
        )
    gap = own - other.unflatten(1, (n_own, -1)).mean(dim=2)
    real = real_tokens(mask, own[:, 0])
    return mean_over(gap.square().mean(dim=1), real[:, :, None] & real[:, None, :])


def _scores(outputs: Outputs) -> list[Tensor]:
    """Return the attention scores before the softmax, (B, A, T, T) for each layer."""
    return [q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 for q, k in zip(outputs.queries, outputs.keys, strict=True)]
