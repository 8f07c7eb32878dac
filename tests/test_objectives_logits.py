"""The objectives on logits against their published formulas: by hand, in plain loops over examples and classes, and by a library."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import stats  # type: ignore[import-untyped]
from torch import Tensor, nn

from ikd.objectives import DecoupledDistillation, KnowledgeDistillation, LogitMatching, RelationalDistillation
from ikd.protocols import Objective, Outputs

Doubles = NDArray[np.float64]
LABELS = torch.tensor([2, 0, 3, 3, 1])
TEMPERATURES = [1.0, 2.5]


def on_logits(student: Sequence[Sequence[float]], teacher: Sequence[Sequence[float]]) -> tuple[Outputs, Outputs]:
    return Outputs(torch.tensor(student, dtype=torch.float64)), Outputs(torch.tensor(teacher, dtype=torch.float64))


def drawn(seed: int) -> Outputs:
    """Return random logits of 5 texts and 4 classes."""
    generator = torch.Generator().manual_seed(seed)
    return Outputs(2 * torch.randn(5, 4, generator=generator, dtype=torch.float64))


def losses_of(objective: Objective, student: Outputs, teacher: Outputs, labels: Tensor = LABELS) -> list[float]:
    values: list[float] = objective(student, teacher, labels).tolist()
    return values


def softmax(row: Doubles) -> list[float]:
    weights = [math.exp(value) for value in row]
    return [weight / sum(weights) for weight in weights]


def kl(p: Sequence[float], q: Sequence[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def test_kd_by_hand() -> None:
    # p = (3/4, 1/4) and q = (1/2, 1/2), at any temperature: 3/4 ln 3/2 + 1/4 ln 1/2 = 0.130812...
    for t in TEMPERATURES:
        student, teacher = on_logits([[7.0, 7.0]], [[t * math.log(3), 0.0]])
        losses = losses_of(KnowledgeDistillation(temperature=t), student, teacher)
        assert losses == pytest.approx([t**2 * 0.13081203594113694])


@pytest.mark.parametrize("t", TEMPERATURES)
def test_kd_is_the_librarys_divergence(t: float) -> None:
    student, teacher = drawn(1), drawn(2)
    library = nn.KLDivLoss(reduction="batchmean", log_target=True)
    wanted = t**2 * library((student.logits / t).log_softmax(1), (teacher.logits / t).log_softmax(1))
    mean = KnowledgeDistillation(temperature=t)(student, teacher, LABELS).mean()
    torch.testing.assert_close(mean, wanted, rtol=1e-12, atol=0)


def test_logit_matching_by_hand_and_by_the_library() -> None:
    student, teacher = on_logits([[1.0, 2.0], [0.0, 0.0]], [[0.0, 4.0], [0.0, 3.0]])
    assert losses_of(LogitMatching(), student, teacher) == [2.5, 4.5]  # (1 + 4)/2, (0 + 9)/2
    student, teacher = drawn(1), drawn(2)
    mean = LogitMatching()(student, teacher, LABELS).mean()
    torch.testing.assert_close(mean, nn.MSELoss()(student.logits, teacher.logits), rtol=1e-12, atol=0)


@pytest.mark.parametrize("t", TEMPERATURES)
def test_dkd_in_loops(t: float) -> None:
    student, teacher = drawn(1), drawn(2)
    objective = DecoupledDistillation(temperature=t, target_weight=0.7, other_weight=4.0)
    for example, loss in enumerate(losses_of(objective, student, teacher)):
        q, p = (softmax(one.logits[example].numpy() / t) for one in (student, teacher))
        y = int(LABELS[example])
        tckd = kl([p[y], 1 - p[y]], [q[y], 1 - q[y]])
        others = [c for c in range(4) if c != y]
        nckd = kl([p[c] / (1 - p[y]) for c in others], [q[c] / (1 - q[y]) for c in others])
        assert loss == pytest.approx(t**2 * (0.7 * tckd + 4 * nckd), rel=1e-11)


@pytest.mark.parametrize("t", TEMPERATURES)
def test_dkd_takes_kd_apart(t: float) -> None:
    """KD = TCKD + (1 - p_y) NCKD (Zhao et al. 2022), with KD from the library."""
    student, teacher = drawn(1), drawn(2)
    tckd = DecoupledDistillation(temperature=t, target_weight=1, other_weight=0)(student, teacher, LABELS)
    nckd = DecoupledDistillation(temperature=t, target_weight=0, other_weight=1)(student, teacher, LABELS)
    p = (teacher.logits / t).softmax(1)
    kd = t**2 * F.kl_div((student.logits / t).log_softmax(1), p, reduction="none").sum(1)
    torch.testing.assert_close(tckd + (1 - p[range(5), LABELS]) * nckd, kd, rtol=1e-12, atol=1e-15)


def test_dkd_keeps_probabilities_too_small_for_a_float() -> None:
    # p = (1/3, 1/3, 1/3), log q = (-1000 - ln 2, -ln 2, -ln 2).
    # Label 0: TCKD = 1/3 (ln 1/3 + 1000 + ln 2) + 2/3 ln 2/3, NCKD = 0.
    # Label 1: TCKD = 1/3 ln 2/3 + 2/3 ln 4/3, and NCKD = KL of (1/2, 1/2) from (e^-1000, 1) = 500 - ln 2.
    student, teacher = on_logits([[-1000.0, 0.0, 0.0]] * 2, [[0.0, 0.0, 0.0]] * 2)
    objective, ln = DecoupledDistillation(temperature=1, target_weight=1, other_weight=1), math.log
    losses = losses_of(objective, student, teacher, torch.tensor([0, 1]))
    label_0 = (ln(1 / 3) + 1000 + ln(2)) / 3 + 2 / 3 * ln(2 / 3)
    label_1 = ln(2 / 3) / 3 + 2 / 3 * ln(4 / 3) + 500 - ln(2)
    assert losses == pytest.approx([label_0, label_1], rel=1e-12)


def test_dkd_with_two_classes_is_its_target_part() -> None:
    student, teacher = (Outputs(drawn(seed).logits[:, :2].clone().requires_grad_()) for seed in (1, 2))
    nckd = DecoupledDistillation(temperature=2, target_weight=0, other_weight=1)(student, teacher, LABELS % 2)
    assert nckd.tolist() == [0.0] * 5
    slopes = torch.autograd.grad(nckd.sum(), [student.logits, teacher.logits])
    assert not any(bool(slope.any()) for slope in slopes)
    both = DecoupledDistillation(temperature=2, target_weight=1, other_weight=8)(student, teacher, LABELS % 2)
    kd = KnowledgeDistillation(temperature=2)(student, teacher, LABELS)
    torch.testing.assert_close(both, kd, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("t", TEMPERATURES)
@pytest.mark.parametrize(("inter_weight", "intra_weight"), [(1.0, 0.0), (0.0, 1.0), (0.5, 3.0)])
def test_dist_is_scipys_correlation(t: float, inter_weight: float, intra_weight: float) -> None:
    student, teacher = drawn(1), drawn(2)
    q, p = (np.array([softmax(row) for row in one.logits.numpy() / t]) for one in (student, teacher))
    inter = [1 - stats.pearsonr(q[i], p[i]).statistic for i in range(5)]
    intra = sum(1 - stats.pearsonr(q[:, c], p[:, c]).statistic for c in range(4)) / 4
    wanted = [t**2 * (inter_weight * own + intra_weight * intra) for own in inter]
    objective = RelationalDistillation(temperature=t, inter_weight=inter_weight, intra_weight=intra_weight)
    assert losses_of(objective, student, teacher) == pytest.approx(wanted, rel=1e-11)


def test_dist_with_two_classes_learns_nothing_from_a_row() -> None:
    # Rows lean the same way, the opposite way, the same way: correlations 1, -1, 1.
    student, teacher = on_logits([[1.0, 0.0], [0.0, 3.0], [-1.0, 1.0]], [[5.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    leaves = [one.logits.requires_grad_() for one in (student, teacher)]
    inter = RelationalDistillation(temperature=1, inter_weight=1, intra_weight=0)(student, teacher, LABELS[:3])
    assert inter.tolist() == pytest.approx([0.0, 2.0, 0.0], abs=1e-12)
    assert max(float(slope.abs().max()) for slope in torch.autograd.grad(inter.sum(), leaves)) < 1e-12
    intra = RelationalDistillation(temperature=1, inter_weight=0, intra_weight=1)(student, teacher, LABELS[:3])
    assert min(float(slope.abs().max()) for slope in torch.autograd.grad(intra.sum(), leaves)) > 1e-3


def test_dist_of_one_example_has_its_row_alone() -> None:
    student, teacher = (Outputs(drawn(seed).logits[:1].clone().requires_grad_()) for seed in (1, 2))
    inter = RelationalDistillation(temperature=1, inter_weight=1, intra_weight=0)(student, teacher, LABELS[:1])
    both = RelationalDistillation(temperature=1, inter_weight=1, intra_weight=5)(student, teacher, LABELS[:1])
    # A column of one number does not vary: its correlation is 0.
    assert float(both.detach() - inter.detach()) == pytest.approx(5)
    leaves = [student.logits, teacher.logits]
    slopes = [torch.autograd.grad(loss.sum(), leaves) for loss in (inter, both)]
    torch.testing.assert_close(slopes[1], slopes[0])
    assert min(float(slope.abs().max()) for slope in slopes[0]) > 1e-3
