"""The teacher's update from one exam: an ordinary backward pass from the cotangent, plus the anchor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from ikd.protocols import UNLABELLED, Outputs
from ikd.teaching.corrections import Memory, bound
from ikd.teaching.taming import Taming

Anchor = Callable[[Outputs, Outputs | None, Tensor], Tensor]
"""(teacher outputs now, outputs of the teacher before its first exam where they are needed, labels) to a scalar."""


def anchor_to_labels(now: Outputs, before: Outputs | None, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of the teacher on the course labels (LGTM, ACL 2023); a text without one adds nothing."""
    return F.cross_entropy(now.logits, labels, reduction="sum", ignore_index=UNLABELLED) / len(labels)


def anchor_to_initial_teacher(now: Outputs, before: Outputs | None, labels: Tensor) -> Tensor:
    """Return the mean KL(initial teacher || teacher now) on the course batch, at temperature 1 (after ProKT, 2021).

    Its slope at the logits (B, C) is softmax(now) - softmax(before), over B. It is put in as that difference, so that equal logits
    pull at nothing: derived step by step it would leave rounding noise there, and Adam turns noise into motion.
    """
    assert before is not None
    with torch.no_grad():
        present, first = F.log_softmax(now.logits, dim=-1), F.log_softmax(before.logits, dim=-1)
        divergence = F.kl_div(present, first, log_target=True, reduction="batchmean")
        slope = (present.exp() - first.exp()) / len(first)
    return divergence + (slope * (now.logits - now.logits.detach())).sum()


LOOKS_BACK = frozenset({"initial_teacher"})
"""Anchors that look at the teacher as it was."""

ANCHORS: dict[str, Anchor] = {"labels": anchor_to_labels, "initial_teacher": anchor_to_initial_teacher}


@dataclass(frozen=True, kw_only=True)
class TeacherMoved:
    """What one update did: gradient norm before clipping, and update norm over weight norm (None: all weights were zero)."""

    gradient_norm: float
    update_ratio: float | None


Pull = Sequence[tuple[Tensor, Tensor]]
"""Tensors with the teacher's graph, and the slope of what is minimised at each."""


def update_teacher(
    optimizer: Optimizer, pulls: Iterable[Pull], *, max_gradient_norm: float | None = None, taming: Taming | None = None,
    correction: nn.Module | None = None,
) -> TeacherMoved:  # fmt: skip
    """Pull slopes back through the teacher's graph and take one step of its optimizer.

    Args:
        optimizer: holds exactly the weights that learn.
        pulls: one for each piece of the batch; a piece's graph is let go before the next is asked for. Tensors that hang on no
            weight that learns are left out.
        max_gradient_norm: bound on the global gradient norm; None: no clipping.
        taming: keeps the gradients of several exams and lets their mean through; None: a step after each.
        correction: whose numbers the weights are, if they are; put back into their range after the step.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    _pull(weights, pulls)
    moving = [weight for weight in weights if weight.grad is not None]
    if not moving:
        return TeacherMoved(gradient_norm=0.0, update_ratio=0.0)
    norm = nn.utils.get_total_norm([weight.grad for weight in moving if weight.grad is not None])
    opened, stays = _tamed(weights, taming)
    if stays:
        optimizer.zero_grad(set_to_none=True)
        return TeacherMoved(gradient_norm=float(norm), update_ratio=0.0)
    if taming is not None:
        moving, norm = weights, nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
    if isinstance(correction, Memory) and opened is None:
        opened = [correction.asked()]
    if max_gradient_norm is not None:
        nn.utils.clip_grads_with_norm_(moving, max_gradient_norm, norm)
    ratio = _stepped(optimizer, weights, moving, opened, correction)
    return TeacherMoved(gradient_norm=float(norm), update_ratio=ratio)


def _pull(weights: Sequence[Tensor], pulls: Iterable[Pull]) -> None:
    for pull in pulls:
        felt = [(tensor, slope) for tensor, slope in pull if tensor.requires_grad]
        if felt:
            torch.autograd.backward([one for one, _ in felt], [slope for _, slope in felt], inputs=weights)


@torch.no_grad()
def _stepped(
    optimizer: Optimizer, weights: list[Tensor], moving: list[Tensor], opened: Sequence[Tensor] | None, correction: nn.Module | None
) -> float | None:
    """Take the step, undo it where the gate is shut, and return update norm over weight norm; None: all weights were zero."""
    size = _norm(weights)
    before = [weight.clone() for weight in moving]
    optimizer.step()
    if opened is not None:
        for weight, was, moves in zip(moving, before, opened, strict=True):
            weight.copy_(torch.where(moves, weight, was))
    if correction is not None:
        bound(correction)
    torch._foreach_sub_(before, moving)
    moved = _norm(before)
    optimizer.zero_grad(set_to_none=True)
    return float(moved / size) if size > 0 else None


def _tamed(weights: Sequence[Tensor], taming: Taming | None) -> tuple[list[Tensor] | None, bool]:
    """Put the mean of several exams into the gradients; return where the gate is open, and whether nothing is to move now."""
    if taming is None:
        return None, False
    if not taming.add([torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in weights]):
        return None, True
    means, opened = taming.mean()
    for weight, mean in zip(weights, means, strict=True):
        weight.grad = mean
    return opened, opened is not None and not any(bool(one.any()) for one in opened)


def _norm(tensors: list[Tensor]) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(tensors)))
    return norm
