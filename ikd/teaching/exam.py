"""The exam: the student is graded with hard labels on a batch of its own, with dropout off."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from ikd.protocols import ExamLoss, Inputs, Parameters
from ikd.teaching.forward import autocast, mode, outputs_of


def exam_on(student: nn.Module, inputs: Inputs, *, labels: Tensor, precision: str = "fp32") -> ExamLoss:
    """Return L_e as a function of the student's weights: mean cross-entropy of the labels (METHOD section 2).

    Args:
        student: the classifier; graded in eval mode whatever its present mode.
        inputs: the student's encoding of the exam batch, (E, T).
        labels: (E,) hard labels.
        precision: "fp32" or "bf16".
    """

    def loss(parameters: Parameters) -> Tensor:
        with mode(student, training=False), autocast(labels.device, precision):
            answered = outputs_of(student, inputs, parameters)
        return F.cross_entropy(answered.logits, labels)

    return loss
