"""Loops as one would write them by hand for one model pair, with nothing of the lab in them: what the trainer is measured against."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

BETAS, EPSILON, DECAY, CLIP = (0.9, 0.999), 1e-8, 0.01, 1.0


def adamw(model: nn.Module, *, rate: float, decay: float) -> torch.optim.AdamW:
    """Return AdamW with weight decay on matrices alone."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [{"params": [one for one in weights if one.ndim > 1], "weight_decay": decay},
              {"params": [one for one in weights if one.ndim <= 1], "weight_decay": 0.0}]  # fmt: skip
    return torch.optim.AdamW(groups, lr=rate, betas=BETAS, eps=EPSILON, fused=weights[0].device.type == "cpu" or None)


def fine_tuning_step(student: nn.Module, optimizer: torch.optim.AdamW, batch: Any) -> None:
    """Take one step of plain cross-entropy."""
    student.train()
    F.cross_entropy(student(**batch.student_inputs).logits, batch.labels).backward()
    nn.utils.clip_grad_norm_(student.parameters(), CLIP)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def kd_step(student: nn.Module, teacher: nn.Module, optimizer: torch.optim.AdamW, batch: Any) -> None:
    """Take one step of ordinary distillation, alpha 0.7 and temperature 2."""
    student.train()
    with torch.no_grad():
        said = teacher(**batch.teacher_inputs).logits
    _loss(student(**batch.student_inputs).logits, said, batch.labels).mean().backward()
    nn.utils.clip_grad_norm_(student.parameters(), CLIP)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def ikd_step(
    student: nn.Module, teacher: nn.Module, optimizers: tuple[torch.optim.AdamW, torch.optim.AdamW], batch: Any, exam: Any
) -> None:
    """Take one course step and one exam step through AdamW and clipping, the hypergradient by one forward-mode pass."""
    own, theirs = optimizers
    names, theta = zip(*student.named_parameters(), strict=True)
    said = teacher(**batch.teacher_inputs).logits
    student.train()
    state = torch.get_rng_state()
    answered = student(**batch.student_inputs).logits
    g = torch.autograd.grad(_loss(answered, said.detach(), batch.labels).mean(), theta)
    norm = torch.stack([one.norm() for one in g]).norm()
    factor = torch.clamp(CLIP / (norm + 1e-6), max=1.0)
    pieces = [_adamw_by_hand(own, weight, factor * slope) for weight, slope in zip(theta, g, strict=True)]
    moved = [one.requires_grad_() for one, _ in pieces]
    student.eval()
    graded = functional_call(student, dict(zip(names, moved, strict=True)), kwargs=exam.student_inputs).logits
    v = torch.autograd.grad(F.cross_entropy(graded, exam.labels), moved)
    w = [factor * slope * one for (_, slope), one in zip(pieces, v, strict=True)]
    if factor < 1:
        along = sum(float((a * b).sum()) for a, b in zip(w, g, strict=True)) / float(norm) ** 2
        w = [one - along * slope for one, slope in zip(w, g, strict=True)]
    after = torch.get_rng_state()
    student.train()
    torch.set_rng_state(state)
    with sdpa_kernel(SDPBackend.MATH), torch.no_grad(), forward_ad.dual_level():
        dual = {name: forward_ad.make_dual(weight.detach(), one) for name, weight, one in zip(names, theta, w, strict=True)}
        tangent = forward_ad.unpack_dual(functional_call(student, dual, kwargs=batch.student_inputs).logits).tangent
    torch.set_rng_state(after)
    s, o = answered.detach().requires_grad_(), said.detach().requires_grad_()
    (slope,) = torch.autograd.grad(_loss(s, o, batch.labels).mean(), s, create_graph=True)
    (cotangent,) = torch.autograd.grad(-(slope * tangent).sum(), o)
    _take(own, theta, [factor * one for one in g])
    said.backward(cotangent)
    nn.utils.clip_grad_norm_(teacher.parameters(), CLIP)
    theirs.step()
    theirs.zero_grad(set_to_none=True)


def _take(optimizer: torch.optim.AdamW, weights: tuple[Tensor, ...], slopes: list[Tensor]) -> None:
    for weight, slope in zip(weights, slopes, strict=True):
        weight.grad = slope
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def _loss(student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    soft = F.kl_div(F.log_softmax(student / 2, -1), F.log_softmax(teacher / 2, -1), log_target=True, reduction="none").sum(-1)
    return 0.3 * F.cross_entropy(student, labels, reduction="none") + 0.7 * 4 * soft


def _adamw_by_hand(optimizer: torch.optim.AdamW, weight: Tensor, slope: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weight after AdamW's next step, and the derivative of minus its change by the slope, without the learning rate."""
    group = next(one for one in optimizer.param_groups if any(weight is each for each in one["params"]))
    state = optimizer.state.get(weight, {})
    count, (beta1, beta2) = float(state["step"]) + 1 if state else 1.0, BETAS
    first, second = (1 - beta1) * slope, (1 - beta2) * slope * slope
    if state:
        first, second = first + beta1 * state["exp_avg"], second + beta2 * state["exp_avg_sq"]
    c1, c2 = 1 - beta1**count, 1 - beta2**count
    root = (second / c2).sqrt()
    moved = weight.detach() * (1 - group["lr"] * group["weight_decay"]) - group["lr"] / c1 * first / (root + EPSILON)
    bend = (1 - beta2) * slope * first / (c1 * c2 * root * (root + EPSILON) ** 2)
    return moved, torch.where(root > 0, (1 - beta1) / c1 / (root + EPSILON) - bend, 0.0)
