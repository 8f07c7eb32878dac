"""A last fine-tuning on a few labelled texts: how many of its steps are kept is chosen on other texts."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch import device as Device

from ikd.protocols import UNLABELLED, Batch, Objective, Outputs
from ikd.teaching.course import course_step
from ikd.teaching.forward import mode
from ikd.teaching.optimizers import build_optimizer, set_learning_rate, trained_parameters
from ikd.teaching.reading import BatchSource, on_device, read_batches, whole_split
from ikd.teaching.schedule import Sampler, learning_rate_factor
from ikd.teaching.student_update import StudentUpdate

N_POINTS = 10
"""So many numbers of steps are tried, evenly spaced, beside none."""


@dataclass(frozen=True, kw_only=True)
class Studies:
    """How a student studies labelled texts.

    Attributes:
        n_steps, batch_size, learning_rate: of the training; the rate stays, so that fewer steps are the beginning of more.
        optimizer: "adamw" or "sgd", fresh.
        max_gradient_norm: bound on the global gradient norm; None: no clipping.
        dropout: whether dropout is on in its steps.
        seed: decides the order of the texts and the dropout.
        pieces: in how many pieces a batch goes through the student.
    """

    n_steps: int
    batch_size: int
    learning_rate: float
    optimizer: str = "adamw"
    weight_decay: float = 0.0
    max_gradient_norm: float | None = 1.0
    dropout: bool = True
    seed: tuple[int, ...] = (0,)
    pieces: int = 1
    precision: str = "fp32"


@dataclass(frozen=True, kw_only=True)
class Studied:
    """What was tried and what was kept.

    Attributes:
        losses: mean negative log-likelihood on the texts that decide, by number of steps, 0 among them.
        kept: the number of steps whose loss is the lowest; the fewest of several.
    """

    losses: dict[int, float]
    kept: int


def study(
    student: nn.Module, texts: BatchSource, deciding: BatchSource, how: Studies, *, device: Device
) -> Generator[int, None, Studied]:
    """Fine-tune a student in place on the labels of a split; yields the number of steps taken after each.

    The student ends with the weights it had after the number of steps, of none and about ten evenly spaced ones, at which its negative
    log-likelihood on the texts that decide was lowest: likelihood orders near neighbours that answer the same examples rightly, and rises
    first where a few texts are learned by heart.

    Args:
        student: a classifier of the student's tokens.
        texts: what is studied; all of it is labelled.
        deciding: on which the number of steps is chosen.
        how: settings.
        device: where the student is.
    """
    parameters = trained_parameters(student)
    optimizer = build_optimizer(how.optimizer, parameters, learning_rate=how.learning_rate, weight_decay=how.weight_decay)
    update = StudentUpdate(optimizer, parameters, max_gradient_norm=how.max_gradient_norm)
    order, points = Sampler(len(texts), seed=how.seed), tried_steps(how.n_steps)
    torch.manual_seed(how.seed[0])
    losses = {0: split_loss(student, deciding, device, precision=how.precision)}
    kept, best = 0, weights_of(parameters)
    for step in range(1, how.n_steps + 1):
        batch = on_device(texts.batch(order.take(how.batch_size)), device)
        nothing = torch.zeros((len(batch.labels), 1), device=device)
        _take(student, batch, nothing, label_loss, update=update, how=how)
        if step in points:
            losses[step] = split_loss(student, deciding, device, precision=how.precision)
            if losses[step] < losses[kept]:
                kept, best = step, weights_of(parameters)
        yield step
        if not math.isfinite(losses.get(step, 0.0)):
            break
    put_weights(parameters, best)
    return Studied(losses=losses, kept=kept)


def learn_targets(student: nn.Module, texts: BatchSource, targets: Tensor, how: Studies, *, device: Device) -> Iterator[int]:
    """Train a student in place on soft targets that do not change, at temperature 1; yields the number of steps taken after each.

    Args:
        student: a classifier of the student's tokens.
        texts: what is learned.
        targets: (n, C) logits of their soft targets, on the CPU.
        how: settings; the rate rises over a tenth of the steps and falls to zero in a line.
        device: where the student is.
    """
    parameters = trained_parameters(student)
    optimizer = build_optimizer(how.optimizer, parameters, learning_rate=how.learning_rate, weight_decay=how.weight_decay)
    update = StudentUpdate(optimizer, parameters, max_gradient_norm=how.max_gradient_norm)
    order = Sampler(len(texts), seed=how.seed)
    torch.manual_seed(how.seed[0])
    for step in range(how.n_steps):
        factor = learning_rate_factor(step, n_steps=how.n_steps, warmup_steps=how.n_steps // 10, schedule="linear")
        set_learning_rate(optimizer, how.learning_rate * factor)
        batch = on_device(texts.batch(order.take(how.batch_size)), device)
        _take(student, batch, targets[batch.examples].to(device), target_loss, update=update, how=how)
        yield step + 1


def _take(student: nn.Module, batch: Batch, targets: Tensor, objective: Objective, *, update: StudentUpdate, how: Studies) -> None:
    """Take one step on a batch: a course step whose teacher says the given logits."""
    with mode(student, training=how.dropout):
        course = course_step(
            student, batch.student_inputs, labels=batch.labels, teacher_outputs=Outputs(targets), objective=objective, update=update,
            precision=how.precision, pieces=how.pieces,
        )  # fmt: skip
    update.take(course.gradients)


def label_loss(student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
    """Return (B,) cross-entropies of the labels; the teacher is not looked at."""
    return F.cross_entropy(student.logits, labels, reduction="none")


def target_loss(student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
    """Return (B,) cross-entropies of the soft targets, at temperature 1; the labels are not looked at."""
    return F.cross_entropy(student.logits, teacher.logits.softmax(dim=-1), reduction="none")


def tried_steps(n_steps: int) -> list[int]:
    """Return the numbers of steps that are tried beside none, the last one `n_steps`; all of them where they are few."""
    return sorted({math.ceil(n_steps * place / N_POINTS) for place in range(1, N_POINTS + 1)}) if n_steps else []


def split_loss(student: nn.Module, source: BatchSource, device: Device, *, precision: str) -> float:
    """Return a student's mean negative log-likelihood of the labels of a split, in nats; examples without a label are left out."""
    total, n_labelled = 0.0, 0
    for batch in whole_split(source, device):
        (logits,) = read_batches(student, "student", [batch], precision=precision)
        total += float(F.cross_entropy(logits.double(), batch.labels, reduction="sum", ignore_index=UNLABELLED))
        n_labelled += int((batch.labels != UNLABELLED).sum())
    return total / n_labelled if n_labelled else math.nan


def weights_of(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return copies of weights, where they are."""
    return {name: weight.detach().clone() for name, weight in parameters.items()}


@torch.no_grad()
def put_weights(parameters: dict[str, Tensor], kept: dict[str, Tensor]) -> None:
    """Give weights their values back."""
    for name, weight in parameters.items():
        weight.copy_(kept[name])
