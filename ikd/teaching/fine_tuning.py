"""The teacher's own fine-tuning on the task, before it teaches: plain cross-entropy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch.nn.functional as F
from torch import device as Device
from torch import nn

from ikd.events import TeacherProgress
from ikd.teaching.forward import autocast, mode, outputs_of
from ikd.teaching.optimizers import build_optimizer, set_learning_rate, trained_parameters
from ikd.teaching.reading import BatchSource, on_device
from ikd.teaching.schedule import learning_rate_factor, shuffled_batches


def fine_tune(
    teacher: nn.Module,
    course: BatchSource,
    *,
    n_steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    device: Device,
    precision: str = "fp32",
    rows: Sequence[int] | None = None,
) -> Iterator[TeacherProgress]:
    """Train the teacher in place on the course split, yielding after every step (AdamW, linear decay, clip 1.0).

    Args:
        teacher: the model.
        course: what it is trained on.
        n_steps, batch_size, learning_rate, seed: of the training.
        device: where the model is.
        precision: of the forward passes.
        rows: the examples used, where not all of them have a label.
    """
    used = range(len(course)) if rows is None else rows
    optimizer = build_optimizer("adamw", trained_parameters(teacher), learning_rate=learning_rate, weight_decay=0.01)
    batches = shuffled_batches(len(used), batch_size=batch_size, seed=(seed, 1))
    for step in range(n_steps):
        factor = learning_rate_factor(step, n_steps=n_steps, warmup_steps=n_steps // 10, schedule="linear")
        set_learning_rate(optimizer, learning_rate * factor)
        batch = on_device(course.batch([used[index] for index in next(batches)]), device)
        with mode(teacher, training=True), autocast(device, precision):
            answered = outputs_of(teacher, batch.teacher_inputs)
        loss = F.cross_entropy(answered.logits, batch.labels)
        loss.backward()
        nn.utils.clip_grad_norm_(teacher.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        yield TeacherProgress(step=step, total=n_steps, loss=float(loss.detach()))
