"""Reading what the models say: a split in batches, with dropout off and no graph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol

import torch
from torch import Tensor, nn

from ikd.protocols import Batch, to_device
from ikd.teaching.corrections import Told, corrected
from ikd.teaching.forward import autocast, mode, outputs_of
from ikd.teaching.probe import ProbeReading

READING_BATCH_SIZE = 128


class BatchSource(Protocol):
    """A split that serves its examples as batches on the CPU."""

    def __len__(self) -> int: ...

    def batch(self, indices: Sequence[int]) -> Batch:
        """Return the batch of the given examples."""
        ...

    def by_length(self) -> list[int]:
        """Return all indices, shortest text first."""
        ...

    @property
    def lengths(self) -> Sequence[int]:
        """Return the number of tokens of each example."""
        ...

    @property
    def same_tokens(self) -> bool:
        """Return whether both models read the same tokens."""
        ...

    @property
    def sources(self) -> Tensor | None:
        """Return who gave each example's label or soft target, (n,), as `Batch.sources`; None: the task names no sources."""
        ...


def on_device(batch: Batch, device: torch.device) -> Batch:
    """Return the batch on a device; `examples` stay on the CPU, encodings shared by both models are moved once."""
    student = to_device(batch.student_inputs, device)
    shared = batch.teacher_inputs is batch.student_inputs
    teacher = student if shared else to_device(batch.teacher_inputs, device)
    truth = None if batch.truth is None else batch.truth.to(device)
    sources = None if batch.sources is None else batch.sources.to(device)
    return Batch(batch.examples, batch.labels.to(device), student, teacher, truth, sources)


def whole_split(source: BatchSource, device: torch.device, *, first: int | None = None) -> list[Batch]:
    """Return a split, or its first examples, as batches on the device, texts of like length together."""
    return list(_pieces(source, device, first=first))


def _pieces(source: BatchSource, device: torch.device, *, first: int | None = None) -> Iterator[Batch]:
    order = [index for index in source.by_length() if first is None or index < first]
    for start in range(0, len(order), READING_BATCH_SIZE):
        yield on_device(source.batch(order[start : start + READING_BATCH_SIZE]), device)


def read_probe(student: nn.Module, teacher: nn.Module, batches: Sequence[Batch], *, precision: str) -> ProbeReading:
    """Return both models' logits on the probe set, with dropout off."""
    return ProbeReading(
        batches=batches,
        teacher_logits=list(read_batches(teacher, "teacher", batches, precision=precision)),
        student_logits=list(read_batches(student, "student", batches, precision=precision)),
    )


def read_split(model: nn.Module, role: str, source: BatchSource, device: torch.device, *, precision: str) -> Tensor:
    """Return one model's logits (n, C) on a whole split, in its order, on the CPU.

    Args:
        model: a classifier.
        role: "student" or else the teacher's encoding is used.
        source: the split; its batches are made one by one.
        device: where the model is.
        precision: "fp32" or "bf16".
    """
    logits: Tensor | None = None
    for batch in _pieces(source, device):
        (piece,) = read_batches(model, role, [batch], precision=precision)
        logits = piece.new_empty((len(source), piece.shape[-1]), device="cpu") if logits is None else logits
        logits[batch.examples] = piece.cpu()
    assert logits is not None, "a split has at least one example"
    return logits


@torch.no_grad()
def read_batches(model: nn.Module, role: str, batches: Sequence[Batch], *, precision: str) -> Iterator[Tensor]:
    """Yield one model's logits (b, C) on each batch, with dropout off and no graph; batches and `role` as in `read_split`."""
    with mode(model, training=False):
        for batch in batches:
            with autocast(batch.labels.device, precision):
                inputs = batch.student_inputs if role == "student" else batch.teacher_inputs
                yield outputs_of(model, inputs, logits_only=True).logits


@torch.no_grad()
def corrected_reading(correction: nn.Module, reading: ProbeReading, *, temperature: float) -> ProbeReading:
    """Return the reading with the teacher's logits corrected as the student, with the answers read, would be taught by them."""
    pairs = zip(reading.batches, reading.teacher_logits, reading.student_logits, strict=True)
    said = [corrected(correction, teacher, Told(student, temperature, None, batch.sources)) for batch, teacher, student in pairs]
    return replace(reading, teacher_logits=said)


@torch.no_grad()
def read_corrected(
    correction: nn.Module, said: Tensor, student: Tensor, source: BatchSource, device: torch.device, *, temperature: float
) -> Tensor:
    """Return the teacher's logits (n, C) on a whole split, corrected; on the CPU.

    Args:
        correction: over what the teacher says.
        said, student: (n, C) logits of both models on the split, on the CPU.
        source: the split, whose texts may name who gave their soft targets.
        device: where the correction is.
        temperature: of the soft targets.
    """
    sources = source.sources
    told = Told(student.to(device), temperature, None, None if sources is None else sources.to(device))
    return corrected(correction, said.to(device), told).cpu()
