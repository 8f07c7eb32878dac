"""Teachers that learn few numbers: a correction of what a fixed teacher says, or of stored soft targets (README, *Few numbers*).

Over the teacher's logits o (B, C), at the temperature t of the soft targets, with q = softmax(o / t) and p the student's own answer at t,
held constant:

    temperature     softmax(o e^(-tau) / t)                  1 number
    class_bias      softmax((o + b) / t)                     C
    trust           w q + (1 - w) p,  w = w[source, class the teacher names]     sources x C
    label_matrix    q M[source], each row of M a softmax     sources x C x C
    memory          softmax((o + m_x) / t)                   C for each course text

Trust is a weight on an example: the gradient of CE(w q + (1 - w) p, p) at the student's logits is w times that of CE(q, p), as in learning
to reweight (Ren et al. 2018), and can be drawn as a soft target. Every correction starts as the teacher says, `label_matrix` nearly so.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ikd.protocols import Outputs

KEPT = 0.95
"""What a row of a fresh label matrix leaves where it was."""

MOST_APART = 80.0
"""Log of the largest ratio of two probabilities that is told apart: its exponential is a finite number in 32 bits."""


class Told(NamedTuple):
    """What a correction may look at beside the teacher's logits.

    Attributes:
        student: (B, C) the student's own logits on the same texts, without graph.
        temperature: of the soft targets.
        examples: (B,) ids in the course split; None: texts of another split, which no memory has a place for.
        sources: (B,) who gave each soft target, -1 where nobody is named, which is left as it is; None: one source gave all.
    """

    student: Tensor
    temperature: float = 1.0
    examples: Tensor | None = None
    sources: Tensor | None = None


class Size(NamedTuple):
    """How many numbers a correction may need: classes C, sources (1 where nobody is named), texts of the course split."""

    classes: int
    sources: int = 1
    examples: int = 0


class Temperature(nn.Module):
    """One number tau: softmax(o e^(-tau) / t)."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.tau = nn.Parameter(torch.zeros(()))

    def forward(self, said: Tensor, told: Told) -> Tensor:
        """Return o e^(-tau)."""
        return said * torch.exp(-self.tau)

    def numbers(self) -> Tensor:
        """Return the factor e^tau by which the temperature is higher, (1,)."""
        return torch.exp(self.tau.detach()).view(1)


class ClassBias(nn.Module):
    """A number for each class: softmax((o + b) / t)."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(size.classes))

    def forward(self, said: Tensor, told: Told) -> Tensor:
        """Return o + b."""
        return said + self.bias

    def numbers(self) -> Tensor:
        """Return b, (C,)."""
        return self.bias.detach()


class Trust(nn.Module):
    """A number from 0 to 1 for each source and class that it names: w q + (1 - w) p."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size.sources, size.classes))

    def forward(self, said: Tensor, told: Told) -> Tensor:
        """Return o + t log(w + (1 - w) p / q): its softmax over t is w q + (1 - w) p, and w = 1 leaves o as it is, to the bit."""
        log_q = F.log_softmax(said / told.temperature, dim=-1)
        log_p = F.log_softmax(told.student / told.temperature, dim=-1)
        apart = torch.exp((log_p - log_q).clamp(max=MOST_APART))
        w = _of_source(self.weight, told, named=said.argmax(-1), alone=1.0)[:, None]
        return said + told.temperature * torch.log((w + (1 - w) * apart).clamp(min=torch.finfo(said.dtype).tiny))

    def numbers(self) -> Tensor:
        """Return w, (sources x C,), source by source."""
        return self.weight.detach().flatten()

    @torch.no_grad()
    def bound(self) -> None:
        """Put every number back between 0 and 1."""
        self.weight.clamp_(0.0, 1.0)


class LabelMatrix(nn.Module):
    """C x C numbers a source: q M, each row of M a softmax; row i says which classes are meant where i is named."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        start = math.log(KEPT * (size.classes - 1) / (1 - KEPT)) * torch.eye(size.classes)
        self.rows = nn.Parameter(start.repeat(size.sources, 1, 1))

    def forward(self, said: Tensor, told: Told) -> Tensor:
        """Return t log(q M); texts of which nobody is named stay as they are."""
        q = F.softmax(said / told.temperature, dim=-1)
        sources = torch.zeros(len(said), dtype=torch.int64, device=said.device) if told.sources is None else told.sources
        mixed = torch.einsum("bi,bij->bj", q, F.softmax(self.rows, dim=-1)[sources.clamp(min=0)])
        return torch.where(sources[:, None] < 0, said, told.temperature * torch.log(mixed.clamp(min=torch.finfo(mixed.dtype).tiny)))

    def numbers(self) -> Tensor:
        """Return M, (sources x C x C,), row by row."""
        return F.softmax(self.rows.detach(), dim=-1).flatten()


class Memory(nn.Module):
    """C numbers for each course text: softmax((o + m_x) / t)."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.zeros(size.examples, size.classes))

    def forward(self, said: Tensor, told: Told) -> Tensor:
        """Return o + m_x; a text of another split is left as it is."""
        return said if told.examples is None else said + self.rows[told.examples.to(said.device)]

    def asked(self) -> Tensor:
        """Return where a gradient stands, (n, C): Adam would move the numbers of all other texts too, by what it remembers."""
        assert self.rows.grad is not None
        return (self.rows.grad != 0).any(dim=1, keepdim=True).expand_as(self.rows)

    def numbers(self) -> Tensor:
        """Return the root mean square of all numbers, and the share of texts that have any, (2,)."""
        rows = self.rows.detach()
        return torch.stack([rows.square().mean().sqrt(), (rows != 0).any(dim=1).float().mean().to(rows.dtype)])


CORRECTIONS: dict[str, Callable[[Size], nn.Module]] = {
    "temperature": Temperature, "class_bias": ClassBias, "trust": Trust, "label_matrix": LabelMatrix, "memory": Memory,
}  # fmt: skip


def number_names(scope: str, label_names: list[str], source_names: list[str]) -> list[str]:
    """Return a name for each number that `numbers` of a scope gives, in its order."""
    sources = source_names or ["the teacher"]
    return {
        "temperature": lambda: ["temperature factor"],
        "class_bias": lambda: [f"bias of {label}" for label in label_names],
        "trust": lambda: [f"{source}: {label}" for source in sources for label in label_names],
        "label_matrix": lambda: [f"{source}: {said} means {meant}" for source in sources for said in label_names for meant in label_names],
        "memory": lambda: ["root mean square", "share of texts"],
    }[scope]()


@dataclass(frozen=True, kw_only=True)
class Corrected:
    """A correction with all it is told of one batch but the student's answer, which is known within the course step."""

    correction: nn.Module
    temperature: float
    examples: Tensor | None
    sources: Tensor | None

    def told(self, student: Tensor) -> Told:
        """Return what is told, with the student's logits (B, C)."""
        return Told(student.detach(), self.temperature, self.examples, self.sources)

    def cut(self, n_pieces: int) -> list[Corrected]:
        """Return the same for the pieces of a batch."""
        nothing = [None] * n_pieces
        examples = nothing if self.examples is None else self.examples.tensor_split(n_pieces)
        sources = nothing if self.sources is None else self.sources.tensor_split(n_pieces)
        return [Corrected(correction=self.correction, temperature=self.temperature, examples=one, sources=other)
                for one, other in zip(examples, sources, strict=True)]  # fmt: skip

    def __call__(self, said: Outputs, student: Tensor) -> Outputs:
        """Return what the teacher says, its logits corrected; with the graph of the numbers where gradients are on."""
        return said._replace(logits=corrected(self.correction, said.logits, self.told(student)))


def corrected(correction: nn.Module, said: Tensor, told: Told) -> Tensor:
    """Return corrected logits (B, C)."""
    return cast(Tensor, correction(said, told))


def numbers_of(correction: nn.Module) -> Tensor:
    """Return the numbers as they are drawn, (M,), without graph, in the order of `number_names`."""
    return cast(Tensor, correction.numbers()).clone()  # type: ignore[operator]


def bound(correction: nn.Module) -> None:
    """Put numbers that left their range back into it."""
    if isinstance(correction, Trust):
        correction.bound()


def _of_source(weight: Tensor, told: Told, *, named: Tensor, alone: float) -> Tensor:
    """Return the number of each text, (B,): by its source and the class named; `alone` where nobody is named."""
    if told.sources is None:
        return weight[0, named]
    own = weight[told.sources.clamp(min=0), named]
    return torch.where(told.sources < 0, torch.full_like(own, alone), own)
