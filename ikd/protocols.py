"""The seams of the lab, as small protocols and the plain values that cross them.

Shapes: B examples in a batch, T tokens, C classes, H hidden width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ikd.events import UNLABELLED as UNLABELLED
from ikd.events import Event

Inputs = Mapping[str, Tensor]
"""What a model is called with: input_ids (B, T), attention_mask (B, T), token_type_ids (B, T) where it has them."""


class Outputs(NamedTuple):
    """What an objective may look at. Fields an objective does not ask for stay empty.

    The student's and the teacher's layers stand in pairs: hidden_states[i] of the one is compared with hidden_states[i] of the
    other, and so for queries, keys and values (`ikd.objectives.layers` says which layers those are).

    Attributes:
        logits: (B, C), before temperature.
        hidden_states: (B, T, H) each, the student's already projected to the teacher's width where the widths differ.
        queries, keys, values: (B, A, T, D) each, A heads D wide, of self-attention, before any scaling.
        mask: (B, T) 1 for tokens, 0 for padding; None: no padding. Has no gradient.
    """

    logits: Tensor
    hidden_states: tuple[Tensor, ...] = ()
    queries: tuple[Tensor, ...] = ()
    keys: tuple[Tensor, ...] = ()
    values: tuple[Tensor, ...] = ()
    mask: Tensor | None = None

    @property
    def leaves(self) -> tuple[Tensor, ...]:
        """Return all tensors that have a gradient, logits first; each has the batch as its first dimension."""
        return (self.logits, *self.hidden_states, *self.queries, *self.keys, *self.values)

    def replaced(self, leaves: Sequence[Tensor]) -> Outputs:
        """Return outputs of the same structure and mask with other tensors, in the order of `leaves`."""
        rest = iter(leaves[1:])
        hidden, queries, keys, values = (
            tuple(islice(rest, len(group))) for group in (self.hidden_states, self.queries, self.keys, self.values)
        )
        return Outputs(leaves[0], hidden, queries, keys, values, self.mask)

    def cut(self, n_pieces: int) -> list[Outputs]:
        """Return the same outputs in pieces of the batch, as `cut` cuts inputs."""
        masks = [None] * n_pieces if self.mask is None else self.mask.tensor_split(n_pieces)
        columns = zip(*(leaf.tensor_split(n_pieces) for leaf in self.leaves), strict=True)
        return [self._replace(mask=mask).replaced(leaves) for mask, leaves in zip(masks, columns, strict=True)]


class Batch(NamedTuple):
    """The same examples, encoded once for each model.

    Attributes:
        examples: (B,) indices in their split, on the CPU.
        labels: (B,) int64 hard labels, `UNLABELLED` where there is none.
        student_inputs: encoding by the student's tokenizer.
        teacher_inputs: encoding by the teacher's tokenizer.
        truth: (B, C) what the course objective's label term is held against in place of the labels; a row of zeros where there is no
            such distribution. None: the labels.
        sources: (B,) int64, who gave each example's label or soft target: index into `TaskData.source_names`, -1 where nobody is named.
            None: the task names no sources.
    """

    examples: Tensor
    labels: Tensor
    student_inputs: Inputs
    teacher_inputs: Inputs
    truth: Tensor | None = None
    sources: Tensor | None = None

    @property
    def studied(self) -> Tensor:
        """Return what the student studies beside soft targets: (B,) labels or (B, C) probabilities."""
        return self.labels if self.truth is None else self.truth


@dataclass(frozen=True, kw_only=True)
class Split:
    """Texts, labels and, where known, posteriors, of one split; all sequences are of one length.

    Attributes:
        labels: hard labels; `UNLABELLED` in the course split where there is none.
        text_pairs: second texts, or None for single texts.
        truth: (n, C) float64 p(label | text), or None where it is not known; a row of zeros where it is not known of that text.
        groups: name of the group each text belongs to, such as a domain; empty where it has none. None: the task names no groups.
        sources: name of who gave the text its label or soft target; empty where nobody is named. None: the task names no sources.
        soft_targets: (n, C) stored soft targets, probabilities; a row of zeros where there is none. None: none are stored.
    """

    texts: Sequence[str]
    labels: Sequence[int]
    text_pairs: Sequence[str] | None = None
    truth: Sequence[Sequence[float]] | None = None
    groups: Sequence[str] | None = None
    sources: Sequence[str] | None = None
    soft_targets: Sequence[Sequence[float]] | None = None

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, kw_only=True)
class TaskData:
    """A task ready to be taught.

    Attributes:
        name: name for pages and logs.
        label_names: C names, index = label.
        splits: "course", "exam", "validation" and, where there is one, "test".
        notes: plain sentences on what was done to the data (rows dropped, splits made).
        truth_is: what the splits' truth is: "posterior", exactly known, or "votes" of people; empty where there is none.
        fingerprint: content hash over every text, label and split.
        source_worth: by source, for each class the probability that it is right where it names that class; known of built-in sources.
        marked: what was done to the course on purpose, a shift, in words that follow the task's name; empty where nothing was.
    """

    name: str
    label_names: Sequence[str]
    splits: Mapping[str, Split]
    notes: Sequence[str] = field(default_factory=tuple)
    truth_is: str = ""
    fingerprint: str = ""
    source_worth: Mapping[str, Sequence[float]] = field(default_factory=dict)
    marked: str = ""

    @property
    def source_names(self) -> tuple[str, ...]:
        """Return the names of the sources of the course, sorted."""
        return tuple(sorted(set(self.splits["course"].sources or ()) - {""}))

    @property
    def group_names(self) -> tuple[str, ...]:
        """Return the names of the groups of all splits, sorted."""
        return tuple(sorted({name for split in self.splits.values() for name in split.groups or () if name}))


class Task(Protocol):
    """Anything that yields a `TaskData` from the task settings; members of `ikd.tasks.TASKS` obey it."""

    def __call__(self, settings: TaskRequest) -> TaskData:
        """Return the task's data.

        Raises:
            TaskError: data that cannot be used, in one plain sentence.
            HubError: the hub is out of reach or has no such name.
        """
        ...


class TaskRequest(Protocol):
    """The task settings a Task reads (see `ikd.config.TaskSettings` for each one's meaning)."""

    name: str
    seed: int
    ambiguity: float
    train_size: int | None
    exam_size: int | None
    validation_size: int | None
    test_size: int | None
    train_file: str | None
    validation_file: str | None
    test_file: str | None
    exam_file: str | None
    text_column: str | None
    text_pair_column: str | None
    label_column: str | None
    hub_name: str | None
    hub_config: str | None
    hub_revision: str | None
    hub_validation_split: str | None
    hub_test_split: str | None
    hub_exam_split: str | None
    soft_label_column: str | None
    soft_label_order: str | None
    group_column: str | None
    source_column: str | None
    soft_target_column: str | None
    soft_target_order: str | None
    label_map: str | None
    unlabelled_file: str | None
    encoding: str | None

    @property
    def delimiter(self) -> str: ...  # noqa: D102

    @property
    def header(self) -> str: ...  # noqa: D102

    @property
    def missing_labels(self) -> str: ...  # noqa: D102

    @property
    def duplicates(self) -> str: ...  # noqa: D102

    @property
    def conflicts(self) -> str: ...  # noqa: D102

    @property
    def shared_texts(self) -> str: ...  # noqa: D102

    @property
    def rare_classes(self) -> str: ...  # noqa: D102


class Objective(Protocol):
    """A distillation objective: per-example losses. The course loss is their mean.

    An example's influence is what the course loss's gradient takes through the outputs of that example, so an objective may
    compare the examples of a batch with each other too. Members of `ikd.objectives.OBJECTIVES` are built with their own parameters.
    """

    def __call__(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        """Return (B,) losses, differentiable in student and teacher. Labels are (B,), or (B, C) probabilities (`Batch.studied`)."""
        ...


Parameters = dict[str, Tensor]
"""Name to tensor, as `named_parameters()` lists them (tied weights once)."""


class ExamLoss(Protocol):
    """The exam: from the student's parameters to a scalar loss on the exam batch."""

    def __call__(self, parameters: Parameters) -> Tensor:
        """Return the loss with its graph."""
        ...

    def gradient(self, parameters: Parameters) -> tuple[Tensor, Parameters]:
        """Return the loss and its gradient at the given weights, without any graph."""
        ...


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """What one exam says about one course step.

    Attributes:
        cotangent: dL_e / d(teacher outputs) divided by `scale`; the structure and shapes of the teacher's outputs.
        influence: (B,) marginal effect of each course example's gradient on the exam loss (negative helps).
        unclipped_sum: sum of the influences with the clip factor held constant; their own sum where clipping is not active.
        exam_loss: scalar, after the course step.
        direction: w = (dU/dg)^T v by parameter name, divided by `scale`; None where the method does not form it.
        scale: the student's learning rate, left out of `cotangent` and `direction` so that neither sinks under
            the teacher optimizer's epsilon.
    """

    cotangent: Outputs
    influence: Tensor
    unclipped_sum: float
    exam_loss: Tensor
    direction: Parameters | None
    scale: float


class Recorder(Protocol):
    """Anything that keeps events; `ikd.trace.recorder.Recorder` is the one that writes the trace."""

    def record(self, event: Event) -> None:
        """Keep one event; a StepTaken is kept whole or not at all."""
        ...


def detached(outputs: Outputs) -> Outputs:
    """Return the same outputs without their graph."""
    return outputs.replaced([leaf.detach() for leaf in outputs.leaves])


def joined(pieces: Sequence[Outputs]) -> Outputs:
    """Return the outputs of a whole batch from those of its pieces."""
    first = pieces[0]
    if len(pieces) == 1:
        return first
    mask = None if first.mask is None else torch.cat([piece.mask for piece in pieces if piece.mask is not None])
    return first._replace(mask=mask).replaced([torch.cat(column) for column in zip(*(piece.leaves for piece in pieces), strict=True)])


def cut(inputs: Inputs, n_pieces: int) -> list[dict[str, Tensor]]:
    """Return the inputs of a batch in pieces, the first ones larger by one example where they cannot be equal."""
    rows = {name: tensor.tensor_split(n_pieces) for name, tensor in inputs.items()}
    return [{name: parts[index] for name, parts in rows.items()} for index in range(n_pieces)]


def to_device(inputs: Inputs, device: torch.device) -> dict[str, Tensor]:
    """Return the inputs on a device."""
    return {name: tensor.to(device, non_blocking=True) for name, tensor in inputs.items()}
