"""The student's update theta' = theta - U(g) as a pure function, and the transpose of its derivative.

U is the step of the real torch optimizer (SGD or AdamW: bias correction, decoupled weight decay, parameter groups)
after clipping by global norm. AdamW: Loshchilov, Hutter 2019, algorithm 2; with the moments m and v after the step, over
their bias corrections c1 and c2, its derivative is, element by element,

    dU/dg = lr [ (1 - beta1) / c1 / (sqrt(v / c2) + eps)  -  (1 - beta2) g (m / c1) / (c2 sqrt(v / c2) (sqrt(v / c2) + eps)^2) ]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer

from ikd.errors import ConfigError
from ikd.protocols import Parameters

PACK_SIZE = 2**16
"""Most weights worked on at once (256 KiB in 32 bits): what is computed between two of its operations stays in the cache."""

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

    def __call__(self, gradients: Parameters) -> Parameters:
        """Return theta' (new tensors), differentiable in the gradients; weights without a gradient are left out."""
        factor = self._factor(gradients)
        return _whole(gradients, ((pack, self._updated(pack, pack.flat(gradients) * factor)) for pack in self._packs(gradients)))

    def transposed(self, gradients: Parameters, cotangents: Parameters) -> PulledBack:
        """Return w = (dU/dg)^T v, and w . g with the clip factor held constant.

        Args:
            gradients: g, before clipping.
            cotangents: v, gradient of the exam loss with respect to theta'.
        """
        factor = float(self._factor(gradients))
        inner = _whole(gradients, (
            (pack, self._transposed(pack, pack.flat(gradients) * factor, pack.flat(cotangents))) for pack in self._packs(gradients)
        ))  # fmt: skip
        if factor == 1.0:
            return PulledBack(inner, None)
        # d(c g)/dg with c = bound / (|g| + eps): c (v - g <g, v> / (|g| (|g| + eps)))
        along = sum(float(torch.sum(gradients[name] * w)) for name, w in inner.items())
        norm = float(global_norm(gradients))
        share = along / (norm * (norm + CLIP_EPSILON))
        return PulledBack({name: factor * (w - share * gradients[name]) for name, w in inner.items()}, factor * along)

    def take(self, gradients: Parameters) -> None:
        """Take the real optimizer step: theta becomes theta'."""
        factor = self._factor(gradients)
        for name, gradient in gradients.items():
            self.parameters[name].grad = gradient.detach() * factor
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def _factor(self, gradients: Parameters) -> Tensor | float:
        """Return what g is scaled by so that its global norm keeps its bound; differentiable."""
        if self.max_gradient_norm is None:
            return 1.0
        return torch.clamp(self.max_gradient_norm / (global_norm(gradients) + CLIP_EPSILON), max=1.0)

    def _packs(self, gradients: Parameters) -> Iterator[Pack]:
        """Yield these weights in packs: small tensors of one parameter group and step count together, large ones in pieces."""
        waiting: dict[tuple[int, float], Pack] = {}
        for name in gradients:
            weight, group = self.parameters[name], self._groups[name]
            state = self.optimizer.state.get(weight) or {}
            count = float(state["step"]) + 1 if "step" in state else 1.0
            for start in range(0, weight.numel(), PACK_SIZE):
                piece = Piece(name, start, min(start + PACK_SIZE, weight.numel()))
                fresh = Pack(group=group, count=count, pieces=[])
                pack = waiting.setdefault((id(group), count), fresh)
                if pack.size + piece.stop - start > PACK_SIZE:
                    yield pack
                    waiting[id(group), count] = pack = fresh
                pack.pieces.append(piece)
        yield from waiting.values()

    def _updated(self, pack: Pack, gradient: Tensor) -> Tensor:
        theta = pack.flat(self.parameters).detach()
        rate, decay = float(pack.group["lr"]), float(pack.group["weight_decay"])
        if isinstance(self.optimizer, SGD):
            plain: Tensor = theta - rate * (gradient + decay * theta)
            return plain
        first, second, c1, c2 = self._moments(pack, gradient)
        root = (second / c2).sqrt() if not second.requires_grad else _root(second / c2)
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
            states = {name: self.optimizer.state[self.parameters[name]] for name, _, _ in pack.pieces}
            first = first + beta1 * pack.flat({name: state["exp_avg"] for name, state in states.items()})
            second = second + beta2 * pack.flat({name: state["exp_avg_sq"] for name, state in states.items()})
        return first, second, 1 - beta1**pack.count, 1 - beta2**pack.count


class PulledBack(NamedTuple):
    """The transpose of an update's derivative applied to a cotangent; both divided by the update's learning rate.

    Attributes:
        direction: w = (dU/dg)^T v, by parameter name.
        along_gradient: w . g with the clip factor held constant; None where clipping is not active, as it is w . g itself.
    """

    direction: Parameters
    along_gradient: float | None


class Piece(NamedTuple):
    """Some consecutive weights of one tensor, seen as a vector."""

    name: str
    start: int
    stop: int


@dataclass(frozen=True, kw_only=True)
class Pack:
    """Weights handled as one vector: a small model's update would otherwise be all calls, a large one's all memory traffic.

    Attributes:
        group: their optimizer's parameter group.
        count: the number that the coming step has in their optimizer's state, from 1.
        pieces: where they are, in the vector's order.
    """

    group: dict[str, Any]
    count: float
    pieces: list[Piece]

    @property
    def size(self) -> int:
        """Return the number of weights."""
        return sum(piece.stop - piece.start for piece in self.pieces)

    def flat(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return the pack's weights of these tensors as one vector; without a copy where there is only one piece."""
        rows = [tensors[name].reshape(-1)[start:stop] for name, start, stop in self.pieces]
        return rows[0] if len(rows) == 1 else torch.cat(rows)


def _whole(like: Parameters, packs: Iterable[tuple[Pack, Tensor]]) -> Parameters:
    """Return tensors in the shapes of others from the vectors of packs; differentiable in them where gradients are on."""
    parts: dict[str, list[Tensor]] = {name: [] for name in like}
    kept = {} if torch.is_grad_enabled() else {name: tensor.new_empty(tensor.shape) for name, tensor in like.items()}
    for pack, vector in packs:
        for (name, start, stop), piece in zip(pack.pieces, vector.split([stop - start for _, start, stop in pack.pieces]), strict=True):
            if kept:
                kept[name].view(-1)[start:stop] = piece
            else:
                parts[name].append(piece)
    return kept or {name: torch.cat(pieces).view_as(like[name]) for name, pieces in parts.items()}


def _root(positive: Tensor) -> Tensor:
    """Return a square root whose derivative at zero is zero and not infinite."""
    reached = positive > 0
    return torch.where(reached, torch.where(reached, positive, 1.0).sqrt(), 0.0)


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
