"""The teacher's update from one exam: an ordinary backward pass from the cotangent, plus the anchor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from ikd.protocols import Outputs

Anchor = Callable[[Outputs, Outputs, Tensor], Tensor]
"""(teacher outputs now, outputs of the teacher before its first exam, labels) to a scalar."""


def anchor_to_labels(now: Outputs, before: Outputs, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of the teacher on the course labels (LGTM, ACL 2023)."""
    return F.cross_entropy(now.logits, labels)


def anchor_to_initial_teacher(now: Outputs, before: Outputs, labels: Tensor) -> Tensor:
    """Return the mean KL(initial teacher || teacher now) on the course batch, at temperature 1 (after ProKT, 2021)."""
    return F.kl_div(
        F.log_softmax(now.logits, dim=-1), F.log_softmax(before.logits, dim=-1), log_target=True, reduction="batchmean"
    )


ANCHORS: dict[str, Anchor] = {"labels": anchor_to_labels, "initial_teacher": anchor_to_initial_teacher}


@dataclass(frozen=True, kw_only=True)
class TeacherMoved:
    """What one update did: gradient norm before clipping, and update norm over weight norm."""

    gradient_norm: float
    update_ratio: float


def update_teacher(
    optimizer: Optimizer,
    teacher_logits: Tensor,
    *,
    cotangent: Tensor | None = None,
    anchor_loss: Tensor | None = None,
    max_gradient_norm: float | None = None,
) -> TeacherMoved:
    """Pull the cotangent back through the teacher's graph and take one step of its optimizer.

    Args:
        optimizer: holds exactly the weights that learn.
        teacher_logits: (B, C) teacher logits with their graph.
        cotangent: (B, C) dL_e/do, or None where there is no feedback.
        anchor_loss: scalar already weighted, sharing the same graph, or None.
        max_gradient_norm: bound on the global gradient norm; None: no clipping.
    """
    roots, slopes = [], []
    if cotangent is not None:
        roots, slopes = [teacher_logits], [cotangent]
    if anchor_loss is not None:
        roots, slopes = [*roots, anchor_loss], [*slopes, torch.ones_like(anchor_loss)]
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    torch.autograd.backward(roots, slopes, inputs=weights)
    norm = nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
    if max_gradient_norm is not None:
        nn.utils.clip_grads_with_norm_(weights, max_gradient_norm, norm)
    with torch.no_grad():
        before = nn.utils.parameters_to_vector(weights)
        optimizer.step()
        moved = nn.utils.parameters_to_vector(weights).sub_(before).norm()
    optimizer.zero_grad(set_to_none=True)
    return TeacherMoved(gradient_norm=float(norm), update_ratio=float(moved / before.norm()))
