"""Calling a classifier: with its own weights or with given ones, in a mode, with a dropout that can be replayed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from ikd.protocols import Inputs, Outputs, Parameters


def outputs_of(model: nn.Module, inputs: Inputs, parameters: Parameters | None = None) -> Outputs:
    """Return the outputs of a transformers sequence classifier, logits (B, C) in at least 32 bits.

    Args:
        model: the classifier, in the mode it should run in.
        inputs: its keyword arguments.
        parameters: weights to use instead of the model's own; names left out keep the model's own.
    """
    answer = model(**inputs) if parameters is None else functional_call(model, parameters, kwargs=dict(inputs))
    logits: Tensor = answer.logits
    return Outputs(logits.float() if logits.dtype in (torch.bfloat16, torch.float16) else logits)


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
