"""The student's update theta' = theta - U(g) as a pure function, and the transpose of its derivative.

U is the step of the real torch optimizer (SGD or AdamW: bias correction, decoupled weight decay, parameter groups)
after clipping by global norm. METHOD section 2, "dU/dg"; AdamW: Loshchilov, Hutter 2019, algorithm 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer

from ikd.errors import ConfigError
from ikd.protocols import Parameters

PACK_SIZE = 2**18
"""Most weights packed into one vector (1 MiB in 32 bits); a larger tensor stays alone and is not copied."""

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
        moved: Parameters = dict.fromkeys(gradients, torch.empty(0))  # in the order given
        for pack in self._packs(steps):
            moved |= pack.apart(self._updated(pack, pack.flat(steps)))
        return moved

    def transposed(self, gradients: Parameters, cotangents: Parameters) -> Parameters:
        """Return w = (dU/dg)^T v, divided by `learning_rate`.

        Args:
            gradients: g, before clipping.
            cotangents: v, gradient of the exam loss with respect to theta'.
        """
        factor, norm = self._clip_factor(gradients)
        inner: Parameters = dict.fromkeys(gradients, torch.empty(0))  # in the order given
        for pack in self._packs(gradients):
            inner |= pack.apart(self._transposed(pack, pack.flat(gradients) * factor, pack.flat(cotangents)))
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

    def _packs(self, gradients: Parameters) -> list[Pack]:
        """Return these weights in packs: of one parameter group, at one step count, and small enough to copy freely."""
        packs: dict[tuple[int, float], list[Pack]] = {}
        for name in gradients:
            weight, group = self.parameters[name], self._groups[name]
            state = self.optimizer.state.get(weight) or {}
            count = float(state["step"]) + 1 if "step" in state else 1.0
            alike = packs.setdefault((id(group), count), [])
            if not alike or alike[-1].size + weight.numel() > PACK_SIZE:
                alike.append(Pack(group=group, count=count, shapes={}))
            alike[-1].shapes[name] = weight.shape
        return [pack for alike in packs.values() for pack in alike]

    def _updated(self, pack: Pack, gradient: Tensor) -> Tensor:
        theta = pack.flat(self.parameters).detach()
        rate, decay = float(pack.group["lr"]), float(pack.group["weight_decay"])
        if isinstance(self.optimizer, SGD):
            plain: Tensor = theta - rate * (gradient + decay * theta)
            return plain
        first, second, c1, c2 = self._moments(pack, gradient)
        positive = second > 0  # the derivative of a square root at zero would be infinite
        root = torch.where(positive, torch.where(positive, second, 1.0).sqrt(), 0.0) / c2**0.5
        moved: Tensor = theta * (1 - rate * decay) - (rate / c1) * first / (root + pack.group["eps"])
        return moved

    def _transposed(self, pack: Pack, gradient: Tensor, cotangent: Tensor) -> Tensor:
        share = float(pack.group["lr"]) / self.learning_rate
        if isinstance(self.optimizer, SGD):
            return share * cotangent
        (beta1, beta2), epsilon = pack.group["betas"], pack.group["eps"]
        first, second, c1, c2 = self._moments(pack, gradient)
        root = (second / c2).sqrt_()
        denominator = root + epsilon
        curvature = (1 - beta2) * gradient * first / (c1 * c2 * root * denominator**2)
        slope = (1 - beta1) / c1 / denominator - curvature
        # A weight with no gradient now or ever (a token not in the batch) does not reach the course loss at all.
        return torch.where(root > 0, share * slope * cotangent, 0.0)

    def _moments(self, pack: Pack, gradient: Tensor) -> tuple[Tensor, Tensor, float, float]:
        """Return AdamW's two moments after this gradient, and the bias corrections c1 and c2."""
        beta1, beta2 = pack.group["betas"]
        first, second = (1 - beta1) * gradient, (1 - beta2) * gradient * gradient
        if pack.count > 1:
            states = {name: self.optimizer.state[self.parameters[name]] for name in pack.shapes}
            first = first + beta1 * pack.flat({name: state["exp_avg"] for name, state in states.items()})
            second = second + beta2 * pack.flat({name: state["exp_avg_sq"] for name, state in states.items()})
        return first, second, 1 - beta1**pack.count, 1 - beta2**pack.count


@dataclass(frozen=True, kw_only=True)
class Pack:
    """Weights handled as one long vector: a small model's update would otherwise be all calls and no arithmetic.

    Attributes:
        group: their optimizer's parameter group.
        count: the number that the coming step has in their optimizer's state, from 1.
        shapes: their shapes by name, in the vector's order.
    """

    group: dict[str, Any]
    count: float
    shapes: dict[str, torch.Size]

    @property
    def size(self) -> int:
        """Return the number of weights."""
        return sum(shape.numel() for shape in self.shapes.values())

    def flat(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return the pack's tensors as one vector; without a copy where there is only one."""
        rows = [tensors[name].reshape(-1) for name in self.shapes]
        return rows[0] if len(rows) == 1 else torch.cat(rows)

    def apart(self, flat: Tensor) -> dict[str, Tensor]:
        """Return views of a vector, by name, each in its own shape."""
        pieces = flat.split([shape.numel() for shape in self.shapes.values()])
        return {name: piece.view(shape) for (name, shape), piece in zip(self.shapes.items(), pieces, strict=True)}


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
