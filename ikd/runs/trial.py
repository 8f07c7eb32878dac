"""Both models are tried on a few texts before anything is taught: what fails there is the model's, and is said in one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from ikd.errors import IKDError, ModelError
from ikd.models import EncodedSplit
from ikd.protocols import Inputs, to_device
from ikd.teaching.forward import mode
from ikd.teaching.hypergradients import forward_tangent
from ikd.teaching.optimizers import trained_parameters
from ikd.teaching.reading import on_device, read_batches

SAME = {"cpu": 1e-4}
SAME_ELSEWHERE = 1e-3
"""How far an answer alone may be from that in a batch, over one and the largest logit: rounding on the CPU, and on accelerators."""


@contextmanager
def blamed_on(role: str, name: str, *, doing: str) -> Iterator[None]:
    """Turn whatever a model or its tokenizer raises into a sentence that names it.

    Args:
        role: "teacher" or "student".
        name: the model's name.
        doing: what it could not do, after "cannot".

    Raises:
        ModelError: anything was raised but the lab's own errors, an interruption, or want of memory.
    """
    try:
        yield
    except (IKDError, KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError, torch.OutOfMemoryError):
        raise
    except BaseException as fault:  # the tokenizers library panics with a BaseException
        if "memory" in str(fault).lower():
            raise
        first = (str(fault).strip().splitlines() or [""])[0][:200].rstrip(".")
        raise ModelError(
            f"The {role} {name!r} cannot {doing} ({type(fault).__name__}{f': {first}' if first else ''}). Its weights, its tokenizer and "
            "its config.json may not belong together, or a text be too long for it: lower task.max_length, save the model again, or "
            "choose another one."
        ) from fault


def try_model(
    model: nn.Module, role: str, name: str, texts: EncodedSplit, device: torch.device, *, precision: str, tangent: bool = False
) -> None:
    """Let a model answer a few texts, the shortest and the longest among them, together and alone.

    Args:
        model: on the device.
        role: "teacher" or "student", whose encoding of the texts is used.
        name: the model's name, for the sentence.
        texts: the course split.
        device: where the model is.
        precision: "fp32" or "bf16".
        tangent: whether forward-mode derivatives through it, the student, are tried too.

    Raises:
        ModelError: it fails, answers with something that is no number, or answers a text differently when others stand beside it.
    """
    order = texts.by_length(role)
    chosen = sorted({order[0], order[len(order) // 2], order[len(order) // 4], order[-1]})
    together = _answers(model, role, name, texts, chosen, device, precision)
    if not bool(torch.isfinite(together).all()):
        raise ModelError(f"The {role} {name!r} answers a text with numbers that are not finite (NaN or infinite): its weights are damaged "
                         "or its precision is too low. Choose another checkpoint, or machine.precision fp32.")  # fmt: skip
    alone = torch.cat([_answers(model, role, name, texts, [one], device, precision) for one in chosen])
    gap = float((together - alone).abs().max())
    allowed = (0.05 if precision == "bf16" else SAME.get(device.type, SAME_ELSEWHERE)) * (1 + float(together.abs().max()))
    if gap > allowed:
        raise ModelError(f"The {role} {name!r} answers a text differently when longer ones stand beside it (logits differ by {gap:.2g}): "
                         "its padding token is not the one it was trained with. Set pad_token_id in config.json to that of its tokenizer, "
                         "or choose another model.")  # fmt: skip
    if tangent:
        _try_tangent(model, name, to_device(texts.batch(chosen[:1]).student_inputs, device), precision)


def _answers(
    model: nn.Module, role: str, name: str, texts: EncodedSplit, chosen: Sequence[int], device: torch.device, precision: str
) -> Tensor:
    with blamed_on(role, name, doing="read the task's texts"):
        (logits,) = read_batches(model, role, [on_device(texts.batch(chosen), device)], precision=precision)
        return logits.cpu()


def _try_tangent(model: nn.Module, name: str, inputs: Inputs, precision: str) -> None:
    theta = trained_parameters(model)
    try:
        with mode(model, training=False):
            forward_tangent(model, inputs, theta, {key: torch.zeros_like(weight) for key, weight in theta.items()}, precision)
    except (NotImplementedError, RuntimeError) as fault:
        if "memory" in str(fault).lower():
            raise
        raise ModelError(f"The student {name!r} has a part without forward-mode derivatives, which the hypergradient jvp needs: set "
                         "policy.hypergradient to finite_difference.") from fault  # fmt: skip
