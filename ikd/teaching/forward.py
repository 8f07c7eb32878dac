"""Calling a classifier: with its own weights or with given ones, in a mode, with a dropout that can be replayed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

from ikd.protocols import Inputs, Outputs, Parameters
from ikd.teaching.taps import Tapped


def outputs_of(model: nn.Module, inputs: Inputs, parameters: Parameters | None = None, *, logits_only: bool = False) -> Outputs:
    """Return the outputs of a transformers sequence classifier, logits (B, C) and all that a `Tapped` one shows, in at least 32 bits.

    Args:
        model: the classifier, in the mode it should run in.
        inputs: its keyword arguments.
        parameters: weights to use instead of the model's own; names left out keep the model's own.
        logits_only: show nothing but logits.
    """
    keywords: dict[str, Any] = dict(inputs)
    if isinstance(model, Tapped):
        keywords["logits_only"] = logits_only
    answer = model(**keywords) if parameters is None else functional_call(model, parameters, kwargs=keywords)
    shown = answer if isinstance(answer, Outputs) else Outputs(answer.logits)
    return shown.replaced([leaf.float() if leaf.dtype in (torch.bfloat16, torch.float16) else leaf for leaf in shown.leaves])


@contextmanager
def mode(model: nn.Module, *, training: bool) -> Iterator[None]:
    """Put a model into train (dropout on) or eval mode for a while."""
    before = model.training
    model.train(training)
    try:
        yield
    finally:
        model.train(before)


@contextmanager
def autocast(device: torch.device, precision: str) -> Iterator[None]:
    """Run forwards in bfloat16 where the precision is bf16; weights and their tangents stay in 32 bits."""
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        yield


@contextmanager
def recomputed(layers: Sequence[nn.Module]) -> Iterator[None]:
    """Let layers keep nothing but their inputs: what is inside them is computed again in the backward pass (Chen et al. 2016).

    Works whatever the mode; transformers' own switch wants train mode, and a teacher says its soft targets in eval mode.
    """
    own = [layer.forward for layer in layers]
    for layer, forward in zip(layers, own, strict=True):
        layer.forward = partial(checkpoint, forward, use_reentrant=False)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward  # the class's own shows again


def forward_mode_attention() -> AbstractContextManager[None]:
    """Use the plain attention kernel: the fused ones have neither forward-mode nor double-backward derivatives."""
    plain: AbstractContextManager[None] = sdpa_kernel(SDPBackend.MATH)
    return plain


@contextmanager
def course_attention(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Keep fused attention unless a fused kernel would draw attention dropout differently from the tangent pass.

    On the CPU torch itself falls back to the plain kernel when attention dropout is on.
    """
    if model.training and device.type != "cpu":
        with forward_mode_attention():
            yield
    else:
        yield


@dataclass(frozen=True)
class Randomness:
    """A snapshot of the random state that dropout draws from, so that the same masks can be drawn again."""

    device: torch.device
    cpu: Tensor
    accelerator: Tensor | None

    @staticmethod
    def now(device: torch.device) -> Randomness:
        """Return the present state of the CPU's generator and the device's."""
        return Randomness(device, torch.get_rng_state(), _accelerator_state(device))

    def restore(self) -> None:
        """Make this the present state."""
        torch.set_rng_state(self.cpu)
        if self.accelerator is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(self.accelerator, self.device)
        elif self.accelerator is not None:
            torch.mps.set_rng_state(self.accelerator)

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """Draw again what was drawn after the snapshot; afterwards the stream goes on where it was."""
        present = Randomness.now(self.device)
        self.restore()
        try:
            yield
        finally:
            present.restore()


def _accelerator_state(device: torch.device) -> Tensor | None:
    if device.type == "cuda":
        return torch.cuda.get_rng_state(device)
    if device.type == "mps":
        return torch.mps.get_rng_state()
    return None
