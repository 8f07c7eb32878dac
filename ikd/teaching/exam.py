"""The exam: the student is graded with hard labels on a batch of its own, with dropout off."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ikd.protocols import Inputs, Parameters, cut
from ikd.teaching.forward import autocast, mode, outputs_of


@dataclass(frozen=True, kw_only=True)
class Exam:
    """The exam loss L_e as a function of the student's weights: mean cross-entropy of the labels (README, *The method in formulas*).

    Attributes:
        student: the classifier; graded in eval mode whatever its present mode.
        inputs: the student's encoding of the exam batch, (E, T).
        labels: (E,) hard labels.
        precision: "fp32" or "bf16".
        pieces: in how many pieces the batch is worked through where a gradient is taken.
    """

    student: nn.Module
    inputs: Inputs
    labels: Tensor
    precision: str = "fp32"
    pieces: int = 1

    def __call__(self, parameters: Parameters) -> Tensor:
        """Return L_e, a scalar, with its graph."""
        return self._summed(self.inputs, self.labels, parameters) / len(self.labels)

    def gradient(self, parameters: Parameters) -> tuple[Tensor, Parameters]:
        """Return L_e and its gradient at the given weights, which need no graph; zero for weights it does not reach."""
        leaves = {name: weight.detach().requires_grad_() for name, weight in parameters.items()}
        n_pieces = min(self.pieces, len(self.labels))
        total, slopes = torch.zeros((), device=self.labels.device), dict[str, Tensor]()
        for inputs, labels in zip(cut(self.inputs, n_pieces), self.labels.tensor_split(n_pieces), strict=True):
            loss = self._summed(inputs, labels, leaves) / len(self.labels)
            own = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
            slopes = {name: slope if not slopes else slopes[name].add_(slope) for name, slope in zip(leaves, own, strict=True)}
            total = total + loss.detach()
        return total, slopes

    def _summed(self, inputs: Inputs, labels: Tensor, parameters: Parameters) -> Tensor:
        with mode(self.student, training=False), autocast(labels.device, self.precision):
            answered = outputs_of(self.student, inputs, parameters, logits_only=True)
        return F.cross_entropy(answered.logits, labels, reduction="sum")


def exam_on(student: nn.Module, inputs: Inputs, *, labels: Tensor, precision: str = "fp32", pieces: int = 1) -> Exam:
    """Return the exam of a student on one batch; the arguments are those of `Exam`."""
    return Exam(student=student, inputs=inputs, labels=labels, precision=precision, pieces=pieces)
