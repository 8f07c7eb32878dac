"""The student's update theta' = theta - U(g) as a pure function, and the transpose of its derivative.

U is the step of the real torch optimizer (SGD or AdamW: bias correction, decoupled weight decay, parameter groups)
after clipping by global norm. METHOD section 2, "dU/dg"; AdamW: Loshchilov, Hutter 2019, algorithm 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer

from ikd.errors import ConfigError
from ikd.protocols import Parameters

CLIP_EPSILON = 1e-6
"""What torch.nn.utils.clip_grad_norm_ adds to the norm it divides by."""


class StudentUpdate:
    """One optimizer's next step, to be looked at, differentiated and then taken.

    Nothing is changed before `take` is called, so theta and the optimizer's state stay those of the course step.
    """

    def __init__(self, optimizer: Optimizer, parameters: Mapping[str, Tensor], *, max_gradient_norm: float | None = None):
        """Wrap an SGD or AdamW optimizer.

        Args:
            optimizer: its groups must hold exactly the tensors of `parameters`.
            parameters: theta, by name.
            max_gradient_norm: bound on the global norm of g; None: no clipping.

        Raises:
            ConfigError: an optimizer, or a variant of one, whose derivative is not known here.
        """
        self.optimizer, self.parameters, self.max_gradient_norm = optimizer, dict(parameters), max_gradient_norm
        _refuse_variants(optimizer)
        owners = {id(tensor): group for group in optimizer.param_groups for tensor in group["params"]}
        self._groups: dict[str, dict[str, Any]] = {name: owners[id(p)] for name, p in self.parameters.items()}

    @property
    def learning_rate(self) -> float:
        """Learning rate of the first group: the factor left out of `transposed`."""
        return float(self.optimizer.param_groups[0]["lr"])

    def clipped(self, gradients: Parameters) -> Parameters:
        """Return g scaled down to the bound on its global norm; differentiable."""
        if self.max_gradient_norm is None:
            return gradients
        factor = torch.clamp(self.max_gradient_norm / (global_norm(gradients) + CLIP_EPSILON), max=1.0)
        return {name: gradient * factor for name, gradient in gradients.items()}

    def __call__(self, gradients: Parameters) -> Parameters:
        """Return theta' (new tensors), differentiable in the gradients; weights without a gradient are left out."""
        steps = self.clipped(gradients)
        return {name: self._updated(name, gradient) for name, gradient in steps.items()}

    def transposed(self, gradients: Parameters, cotangents: Parameters) -> Parameters:
        """Return w = (dU/dg)^T v, divided by `learning_rate`.

        Args:
            gradients: g, before clipping.
            cotangents: v, gradient of the exam loss with respect to theta'.
        """
        factor, norm = self._clip_factor(gradients)
        inner = {name: self._transposed(name, g * factor, cotangents[name]) for name, g in gradients.items()}
        if factor == 1.0:
            return inner
        # d(c g)/dg with c = bound / (|g| + eps): c (v - g <g, v> / (|g| (|g| + eps)))
        along = sum(float(torch.sum(gradients[name] * w)) for name, w in inner.items())
        share = along / (norm * (norm + CLIP_EPSILON))
        return {name: factor * (w - share * gradients[name]) for name, w in inner.items()}

    def take(self, gradients: Parameters) -> None:
        """Take the real optimizer step: theta becomes theta'."""
        for name, gradient in self.clipped(gradients).items():
            self.parameters[name].grad = gradient.detach()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def _clip_factor(self, gradients: Parameters) -> tuple[float, float]:
        if self.max_gradient_norm is None:
            return 1.0, 0.0
        norm = float(global_norm(gradients))
        return min(1.0, self.max_gradient_norm / (norm + CLIP_EPSILON)), norm

    def _updated(self, name: str, gradient: Tensor) -> Tensor:
        theta, group = self.parameters[name].detach(), self._groups[name]
        rate, decay = float(group["lr"]), float(group["weight_decay"])
        if isinstance(self.optimizer, SGD):
            plain: Tensor = theta - rate * (gradient + decay * theta)
            return plain
        first, second, c1, c2 = self._moments(name, gradient)
        positive = second > 0  # the derivative of a square root at zero would be infinite
        root = torch.where(positive, torch.where(positive, second, 1.0).sqrt(), 0.0) / c2**0.5
        moved: Tensor = theta * (1 - rate * decay) - (rate / c1) * first / (root + group["eps"])
        return moved

    def _transposed(self, name: str, gradient: Tensor, cotangent: Tensor) -> Tensor:
        group = self._groups[name]
        share = float(group["lr"]) / self.learning_rate
        if isinstance(self.optimizer, SGD):
            return share * cotangent
        (beta1, beta2), epsilon = group["betas"], group["eps"]
        first, second, c1, c2 = self._moments(name, gradient)
        root = (second / c2).sqrt_()
        denominator = root + epsilon
        curvature = (1 - beta2) * gradient * first / (c1 * c2 * root * denominator**2)
        slope = (1 - beta1) / c1 / denominator - curvature
        # A weight with no gradient now or ever (a token not in the batch) does not reach the course loss at all.
        return torch.where(root > 0, share * slope * cotangent, 0.0)

    def _moments(self, name: str, gradient: Tensor) -> tuple[Tensor, Tensor, float, float]:
        """Return AdamW's two moments after this gradient, and the bias corrections c1 and c2."""
        beta1, beta2 = self._groups[name]["betas"]
        state = self.optimizer.state.get(self.parameters[name], {})
        count = float(state["step"]) + 1 if state else 1.0
        first = (1 - beta1) * gradient + (beta1 * state["exp_avg"] if state else 0.0)
        second = (1 - beta2) * gradient * gradient + (beta2 * state["exp_avg_sq"] if state else 0.0)
        return first, second, 1 - beta1**count, 1 - beta2**count


def global_norm(tensors: Mapping[str, Tensor]) -> Tensor:
    """Return the Euclidean norm over all tensors together, a scalar."""
    norm: Tensor = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(one) for one in tensors.values()]))
    return norm


def _refuse_variants(optimizer: Optimizer) -> None:
    if not isinstance(optimizer, (SGD, AdamW)):
        raise ConfigError(f"The student's optimizer cannot be {type(optimizer).__name__}: choose SGD or AdamW.")
    for group in optimizer.param_groups:
        for variant in ("momentum", "nesterov", "amsgrad", "maximize"):
            if group.get(variant):
                raise ConfigError(f"The student's optimizer cannot use {variant}: its derivative is not known here. Switch it off.")
