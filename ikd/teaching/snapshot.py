"""Everything that teaching needs to go on from a step: weights, optimizer states and random state, as named tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ikd.errors import ModelError
from ikd.teaching.forward import Randomness
from ikd.teaching.lesson import Lesson
from ikd.teaching.optimizers import trained_parameters

TAMING = "taming/"
"""What the names of all that is remembered from exam to exam begin with."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """One run between two steps.

    Attributes:
        step: completed student updates.
        tensors: by name, on the CPU; of the teacher only the weights that learn.
        course_drawn, exam_drawn: examples drawn so far from each order of examples.
        scores: final scores known already: those of the frozen teacher.
    """

    step: int
    tensors: Mapping[str, Tensor]
    course_drawn: int
    exam_drawn: int
    scores: Mapping[str, float] = field(default_factory=dict)


def gather(lesson: Lesson, device: torch.device) -> dict[str, Tensor]:
    """Return copies of all that changes while a lesson goes on, on the CPU."""
    found = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in _changing(lesson)}
    now = Randomness.now(device)
    found["random/cpu"] = now.cpu
    if now.accelerator is not None:
        found["random/accelerator"] = now.accelerator
    return found


def restore(lesson: Lesson, tensors: Mapping[str, Tensor], device: torch.device) -> None:
    """Put a lesson, freshly built from the same config, where `gather` found it.

    Raises:
        ModelError: the tensors are those of other models.
    """
    for role, model, optimizer in _taught(lesson):
        for name, weight in trained_parameters(model).items():
            with torch.no_grad():
                weight.copy_(_of_shape(tensors, f"{role}/{name}", weight))
            prefix = f"{role}_optimizer/{name}//"
            state = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
            if state:
                # A step count stays on the CPU, where the optimizer reads it.
                optimizer.state[weight] = {key: one.clone() if key == "step" else one.to(device, copy=True) for key, one in state.items()}
    kept = {name.removeprefix(TAMING): tensor for name, tensor in tensors.items() if name.startswith(TAMING)}
    if lesson.taming is not None and kept:
        lesson.taming.restore(kept, device)
    Randomness(device, tensors["random/cpu"], tensors.get("random/accelerator")).restore()


def _changing(lesson: Lesson) -> Iterator[tuple[str, Tensor]]:
    for role, model, optimizer in _taught(lesson):
        for name, weight in trained_parameters(model).items():
            yield f"{role}/{name}", weight
            for key, value in optimizer.state.get(weight, {}).items():
                if isinstance(value, Tensor):
                    yield f"{role}_optimizer/{name}//{key}", value
    if lesson.taming is not None:
        yield from ((f"{TAMING}{name}", tensor) for name, tensor in lesson.taming.tensors().items())


def _taught(lesson: Lesson) -> Iterator[tuple[str, nn.Module, Optimizer]]:
    yield "student", lesson.student, lesson.update.optimizer
    if lesson.teacher_optimizer is not None and lesson.correction is not None:
        yield "correction", lesson.correction, lesson.teacher_optimizer
    elif lesson.teacher_optimizer is not None:
        yield "teacher", lesson.teacher, lesson.teacher_optimizer


def _of_shape(tensors: Mapping[str, Tensor], name: str, weight: Tensor) -> Tensor:
    found = tensors.get(name)
    if found is None or found.shape != weight.shape:
        raise ModelError(f"The checkpoint has no weights {name} of shape {tuple(weight.shape)}: it belongs to other models. "
                         "Resume from another checkpoint, or start the run again.")  # fmt: skip
    return found
