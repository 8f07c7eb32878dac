"""What every distillation objective keeps to, whatever it computes (what that is: test_objectives_logits.py, test_objectives_layers.py)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from ikd.errors import ConfigError
from ikd.objectives import COUPLED, HIDDEN, OBJECTIVES, TOKEN_LEVEL, build_objective, layer_pairs
from ikd.protocols import Outputs

PARAMETERS: dict[str, dict[str, float]] = {
    "kd": {"temperature": 2.0},
    "logit_mse": {},
    "pkd": {},
    "tinybert": {},
    "minilm": {"relation_heads": 2},
    "dkd": {"temperature": 2.0, "target_weight": 1.0, "other_weight": 3.0},
    "dist": {"temperature": 2.0, "inter_weight": 1.0, "intra_weight": 3.0},
    "cosine": {},
}
EVERY = pytest.mark.parametrize("name", OBJECTIVES)
LABELS = torch.tensor([2, 0, 1])
MASK = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 1, 0]])


def made(name: str, seed: int, *, teacher: bool = False, dtype: torch.dtype = torch.float64) -> Outputs:
    """Return random outputs of 3 texts, with what the named objective looks at in a student of 2 layers and a teacher of 4.

    The teacher has more heads (4 of width 2) than the student (2 of width 2); hidden states are 2 wide in both.
    """
    generator = torch.Generator().manual_seed(seed)
    pairs = layer_pairs(name, n_student=2, n_teacher=4, layer_map="skip")

    def drawn(times: int, *shape: int) -> tuple[Tensor, ...]:
        return tuple(torch.randn(shape, generator=generator, dtype=dtype) for _ in range(times))

    hidden = drawn(len(pairs.hidden), 3, 3, 2)
    queries, keys, values = (drawn(len(pairs.attention), 3, 4 if teacher else 2, 3, 2) for _ in range(3))
    return Outputs(drawn(1, 3, 3)[0], hidden, queries, keys, values, MASK)


def looked_at(outputs: Outputs) -> list[Tensor]:
    """Return copies of the leaves that want gradients."""
    return [leaf.detach().clone().requires_grad_() for leaf in outputs.leaves]


def rows(outputs: Outputs, which: Tensor) -> Outputs:
    """Return some examples of the outputs, in an order of their own."""
    return outputs.replaced([leaf[which] for leaf in outputs.leaves])._replace(mask=MASK[which])


def on_leaves(name: str) -> tuple[Callable[..., Tensor], list[Tensor]]:
    """Return the named objective as a function of the student's leaves and then the teacher's, and such leaves."""
    objective, student, teacher = build_objective(name, **PARAMETERS[name]), made(name, 1), made(name, 2, teacher=True)
    n_own = len(student.leaves)

    def losses(*leaves: Tensor) -> Tensor:
        return objective(student.replaced(leaves[:n_own]), teacher.replaced(leaves[n_own:]), LABELS)

    return losses, [*looked_at(student), *looked_at(teacher)]


def both_gradients(name: str, student: Outputs, teacher: Outputs) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Return the losses, the gradient of their sum, and that of <dL/ds, 1>: all the exam step asks of an objective."""
    own, others = looked_at(student), looked_at(teacher)
    losses = build_objective(name, **PARAMETERS[name])(student.replaced(own), teacher.replaced(others), LABELS)
    first = torch.autograd.grad(losses.sum(), [*own, *others], create_graph=True, materialize_grads=True)
    along = torch.stack([slope.sum() for slope in first[: len(own)]]).sum()
    second = torch.autograd.grad(along, [*own, *others], materialize_grads=True)
    return losses.detach(), [slope.detach() for slope in first], list(second)


def test_every_objective_is_under_the_contract() -> None:
    names = ["kd", "logit_mse", "pkd", "tinybert", "minilm", "dkd", "dist", "cosine"]
    assert list(PARAMETERS) == list(OBJECTIVES) == names
    assert set(names) > HIDDEN > TOKEN_LEVEL
    assert set(names) > COUPLED


def test_an_unknown_objective_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Unknown objective 'tinybird'. Did you mean 'tinybert'"):
        build_objective("tinybird")


@EVERY
def test_one_loss_an_example_that_is_never_negative(name: str) -> None:
    objective = build_objective(name, **PARAMETERS[name])
    for seed in range(20):
        losses = objective(made(name, seed), made(name, 50 + seed, teacher=True), LABELS)
        assert losses.shape == (3,) and losses.dtype == torch.float64
        assert bool((losses > 0).all())


@EVERY
def test_a_student_like_its_teacher_has_no_loss_and_nothing_to_learn(name: str) -> None:
    same = made(name, 1)
    losses, slopes, _ = both_gradients(name, same, same)
    assert float(losses.abs().max()) < 1e-10
    assert max(float(slope.abs().max()) for slope in slopes) < 1e-10


@EVERY
def test_derivatives_are_right_in_student_and_teacher_once_and_twice(name: str) -> None:
    losses, leaves = on_leaves(name)
    assert gradcheck(losses, leaves)
    assert gradgradcheck(losses, leaves)
    # Differences of a constant agree with no gradient at all: both roles must have one, and the mixed one that makes the feedback.
    n_own = len(leaves) // 2
    own, others = leaves[0 if name not in HIDDEN else 1 : n_own], leaves[n_own:]
    slopes = torch.autograd.grad(losses(*leaves)[0], own, create_graph=True, materialize_grads=True)
    assert max(float(slope.detach().abs().max()) for slope in slopes) > 1e-3
    length = torch.stack([slope.square().sum() for slope in slopes]).sum()
    mixed = torch.autograd.grad(length, others, materialize_grads=True)
    assert max(float(slope.abs().max()) for slope in mixed) > 1e-3


@pytest.mark.parametrize("name", sorted(HIDDEN))
def test_padding_has_no_weight(name: str) -> None:
    """Values on padding change neither the losses nor any gradient, and have none themselves; real tokens do."""
    student, teacher = made(name, 1), made(name, 2, teacher=True)
    losses, slopes, curvatures = both_gradients(name, student, teacher)

    def littered(outputs: Outputs, where: Tensor, value: float) -> Outputs:
        leaves = [outputs.logits]
        for leaf in outputs.leaves[1:]:
            places = where[:, :, None] if leaf.ndim == 3 else where[:, None, :, None]
            leaves.append(torch.where(places, value, leaf))
        return outputs.replaced(leaves)

    padding = MASK == 0
    again = both_gradients(name, littered(student, padding, 37.0), littered(teacher, padding, -1e3))
    torch.testing.assert_close(again[0], losses, rtol=1e-14, atol=0)
    for got, wanted in zip([*again[1], *again[2]], [*slopes, *curvatures], strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-11, atol=1e-13)
    for slope in [*again[1], *again[2]]:
        by_token = slope if slope.ndim < 4 else slope.transpose(1, 2)
        assert slope.ndim == 2 or not by_token[padding].any()

    only_last = torch.zeros_like(padding)
    only_last[0, 2] = True
    changed = both_gradients(name, littered(student, only_last, 37.0), teacher)[0]
    assert (abs(float((changed - losses)[0])) > 1e-3) == (name in TOKEN_LEVEL)
    torch.testing.assert_close(changed[1:], losses[1:])


@pytest.mark.parametrize("name", sorted(HIDDEN))
def test_no_mask_means_no_padding(name: str) -> None:
    student, teacher = made(name, 1), made(name, 2, teacher=True)
    objective = build_objective(name, **PARAMETERS[name])
    without, full = (
        objective(student._replace(mask=mask), teacher._replace(mask=mask), LABELS)
        for mask in (None, torch.ones_like(MASK))
    )
    torch.testing.assert_close(without, full, rtol=0, atol=0)


@pytest.mark.parametrize("name", sorted(TOKEN_LEVEL))
def test_a_text_of_padding_alone_has_no_loss(name: str) -> None:
    student, teacher = made(name, 1), made(name, 2, teacher=True)
    mask = MASK * torch.tensor([[1], [0], [1]])
    losses = build_objective(name, **PARAMETERS[name])(student._replace(mask=mask), teacher._replace(mask=mask), LABELS)
    assert (losses > 0).tolist() == [True, False, True] and float(losses[1]) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", ["signs", "opposite", "same", "nothing", "teacher alone", "tiny"])
@EVERY
def test_extreme_outputs_stay_finite_in_value_and_derivatives(name: str, case: str, dtype: torch.dtype) -> None:
    """Outputs of 10,000 of either sign, all zeros (states without a direction, rows that do not vary), and nearly zeros."""

    def scaled(outputs: Outputs, factor: float) -> Outputs:
        return outputs.replaced([factor * leaf.sign() for leaf in outputs.leaves])

    student, teacher = made(name, 1, dtype=dtype), made(name, 2, teacher=True, dtype=dtype)
    factors = {"signs": (1e4, 1e4), "opposite": (1e4, -1e4), "same": (1e4, 1e4), "nothing": (0.0, 0.0), "teacher alone": (0.0, 1e4),
               "tiny": (1e-20, 1e-9)}  # fmt: skip
    if case in ("opposite", "same"):
        teacher = student
    for seen in both_gradients(name, scaled(student, factors[case][0]), scaled(teacher, factors[case][1])):
        for tensor in [seen] if isinstance(seen, Tensor) else seen:
            assert tensor.dtype == dtype
            assert bool(tensor.isfinite().all())


@EVERY
def test_single_precision_is_near_double(name: str) -> None:
    student, teacher = made(name, 1), made(name, 2, teacher=True)
    wanted = both_gradients(name, student, teacher)
    got = both_gradients(name, *(one.replaced([leaf.float() for leaf in one.leaves]) for one in (student, teacher)))
    for near, exact in zip([got[0], *got[1], *got[2]], [wanted[0], *wanted[1], *wanted[2]], strict=True):
        assert near.dtype == torch.float32
        torch.testing.assert_close(near.double(), exact, rtol=1e-3, atol=1e-4)


@EVERY
def test_the_order_of_the_examples_does_not_matter(name: str) -> None:
    student, teacher = made(name, 1), made(name, 2, teacher=True)
    objective, order = build_objective(name, **PARAMETERS[name]), torch.tensor([2, 0, 1])
    losses = objective(student, teacher, LABELS)
    again = objective(rows(student, order), rows(teacher, order), LABELS[order])
    torch.testing.assert_close(again, losses[order], rtol=1e-12, atol=1e-14)


@EVERY
def test_an_example_hangs_on_its_batch_only_where_it_is_said_to(name: str) -> None:
    student, teacher = made(name, 1), made(name, 2, teacher=True)
    objective = build_objective(name, **PARAMETERS[name])
    first = torch.tensor([0, 1])
    alone = objective(rows(student, first), rows(teacher, first), LABELS[first])
    gap = (objective(student, teacher, LABELS)[first] - alone).abs().max()
    assert (float(gap) > 1e-3) == (name in COUPLED)


@EVERY
def test_what_an_objective_looks_at_is_what_has_a_gradient(name: str) -> None:
    """Hidden states or attention, and then not the logits, where it is said to; tinybert has no use for values."""
    _, slopes, _ = both_gradients(name, made(name, 1), made(name, 2, teacher=True))
    student = made(name, 1)
    reached = [bool(slope.any()) for slope in slopes[: len(student.leaves)]]
    n_values = len(student.values) if name == "tinybert" else 0
    wanted = [name not in HIDDEN] + [True] * (len(student.leaves) - 1 - n_values) + [False] * n_values
    assert reached == wanted
    assert (len(student.leaves) > 1) == (name in HIDDEN)
