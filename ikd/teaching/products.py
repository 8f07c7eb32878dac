"""Matrix products of one forward that a tangent pass of the same weights and inputs need not do again.

Of the three products that forward mode takes for a linear map y = x W, the first is y itself; the course step has computed it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Products = dict[nn.Module, list[Tensor]]
"""By linear map, what it gave out, call after call."""


@contextmanager
def products_kept(model: nn.Module) -> Iterator[Products]:
    """Collect what the linear maps of a model give out."""
    kept: Products = {}

    def keep(module: nn.Module, args: Any, output: Tensor) -> None:
        kept.setdefault(module, []).append(output.detach())

    handles = [module.register_forward_hook(keep) for module in _linear_maps(model)]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def products_known(model: nn.Module, kept: Products | None) -> Iterator[None]:
    """Let linear maps give out what was kept, in the same order of calls, and compute tangents alone; nothing changes without it."""
    maps = _linear_maps(model) if kept else []
    for module in maps:
        module.forward = partial(_given, module, iter(kept.get(module, ()) if kept else ()))  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module in maps:
            del module.forward  # the class's own shows again


def _linear_maps(model: nn.Module) -> list[nn.Linear]:
    return [module for module in model.modules() if type(module) is nn.Linear]


def _given(module: nn.Linear, outputs: Iterator[Tensor], inputs: Tensor) -> Tensor:
    # The module's weights, not those it has of its own: a functional call may have put others in their place.
    given: Tensor = _Given.apply(inputs, module.weight, module.bias, partial(next, outputs))  # type: ignore[no-untyped-call]
    return given


class _Given(torch.autograd.Function):
    """A linear map whose output is known; it has a forward-mode derivative and no other."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor | None, output: Any) -> Tensor:
        ctx.save_for_forward(inputs, weight)
        ctx.set_materialize_grads(False)
        known: Tensor = output()
        return known

    @staticmethod
    def jvp(ctx: Any, inputs_dot: Tensor | None, weight_dot: Tensor | None, bias_dot: Tensor | None, _: None) -> Tensor:
        """Return x_dot W + x W_dot + b_dot."""
        inputs, weight = ctx.saved_tensors
        if inputs_dot is None:
            moved = F.linear(inputs, torch.zeros_like(weight) if weight_dot is None else weight_dot, bias_dot)
            return moved
        through = F.linear(inputs_dot, weight, bias_dot)
        if weight_dot is None:
            return through
        both = torch.addmm(through.flatten(0, -2), inputs.flatten(0, -2), weight_dot.t())
        return both.view_as(through)
