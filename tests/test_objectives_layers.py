"""The objectives on layers against their published formulas: by hand, in plain loops over texts, tokens and heads, by a library."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ikd.errors import ConfigError
from ikd.objectives import HiddenCosine, MiniLMRelations, PatientDistillation, TinyBertDistillation
from ikd.protocols import Outputs
from tests.test_objectives_logits import LABELS, Doubles, kl, losses_of, softmax

LENGTHS = [4, 1, 2, 4, 3]  # real tokens of each text, of 4
MASK = torch.tensor([[int(place < length) for place in range(4)] for length in LENGTHS])


def drawn(seed: int, *, layers: int = 2, heads: int = 2, head_width: int = 3, mask: Tensor = MASK) -> Outputs:
    """Return random outputs of 5 texts of 4 tokens, hidden states 6 wide."""
    generator = torch.Generator().manual_seed(seed)

    def several(*shape: int) -> tuple[Tensor, ...]:
        return tuple(torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(layers))

    queries, keys, values = (several(5, heads, 4, head_width) for _ in range(3))
    return Outputs(torch.zeros(5, 2), several(5, 4, 6), queries, keys, values, mask)


def squared_gap(left: Doubles, right: Doubles) -> float:
    return sum((float(a) - float(b)) ** 2 for a, b in zip(left, right, strict=True))


def cosine(left: Doubles, right: Doubles) -> float:
    return float(left @ right) / math.sqrt(float(left @ left) * float(right @ right))


def arrays(layers: Sequence[Tensor], example: int) -> list[Doubles]:
    return [layer[example].numpy() for layer in layers]


def test_pkd_by_hand() -> None:
    # Layer 1: (0.6, 0.8) and (0.8, 0.6) are 0.04 + 0.04 apart. Layer 2: opposite directions, 2 apart: 4. Other tokens do not count.
    own = [torch.tensor([[[3.0, 4.0], [9.0, 9.0]]]), torch.tensor([[[5.0, 0.0], [0.0, 1.0]]])]
    other = [torch.tensor([[[40.0, 30.0], [-1.0, 2.0]]]), torch.tensor([[[-0.1, 0.0], [1.0, 0.0]]])]
    student, teacher = (Outputs(torch.zeros(1, 2), tuple(hidden)) for hidden in (own, other))
    assert losses_of(PatientDistillation(), student, teacher, LABELS[:1]) == pytest.approx([4.08])


def test_pkd_in_loops() -> None:
    student, teacher = drawn(1, layers=3), drawn(2, layers=3)
    for example, loss in enumerate(losses_of(PatientDistillation(), student, teacher)):
        pairs = zip(arrays(student.hidden_states, example), arrays(teacher.hidden_states, example), strict=True)
        # Two unit vectors at an angle: |a - b|^2 = 2 - 2 cos.
        assert loss == pytest.approx(sum(2 - 2 * cosine(own[0], other[0]) for own, other in pairs), rel=1e-12)


def score(queries: Doubles, keys: Doubles, head: int, row: int, column: int) -> float:
    return float(queries[head, row] @ keys[head, column]) / math.sqrt(queries.shape[-1])


def tinybert_in_loops(student: Outputs, teacher: Outputs, example: int) -> float:
    """Return the loss of one text."""
    n, total = LENGTHS[example], 0.0
    for own, other in zip(arrays(student.hidden_states, example), arrays(teacher.hidden_states, example), strict=True):
        total += sum(squared_gap(own[place], other[place]) for place in range(n)) / (n * own.shape[-1])
    for layer in range(len(student.queries)):
        queries, keys = (arrays(group, example)[layer] for group in (student.queries, student.keys))
        other_queries, other_keys = (arrays(group, example)[layer] for group in (teacher.queries, teacher.keys))
        heads, k = len(queries), len(other_queries) // len(queries)
        for head in range(heads):
            for row in range(n):
                for column in range(n):
                    group = [score(other_queries, other_keys, head * k + one, row, column) for one in range(k)]
                    total += (score(queries, keys, head, row, column) - sum(group) / k) ** 2 / (heads * n * n)
    return total


@pytest.mark.parametrize(("heads", "teacher_heads"), [(2, 2), (2, 6), (1, 3)])
def test_tinybert_in_loops(heads: int, teacher_heads: int) -> None:
    student, teacher = drawn(1, heads=heads), drawn(2, heads=teacher_heads, head_width=5)
    for example, loss in enumerate(losses_of(TinyBertDistillation(), student, teacher)):
        assert loss == pytest.approx(tinybert_in_loops(student, teacher, example), rel=1e-12)


def test_tinybert_without_padding_is_the_librarys_mse() -> None:
    full = torch.ones_like(MASK)
    student, teacher = drawn(1, layers=1, mask=full), drawn(2, layers=1, mask=full)
    mse = nn.MSELoss()
    on_scores = [one.queries[0] @ one.keys[0].mT / math.sqrt(3) for one in (student, teacher)]
    wanted = mse(student.hidden_states[0], teacher.hidden_states[0]) + mse(*on_scores)
    torch.testing.assert_close(TinyBertDistillation()(student, teacher, LABELS).mean(), wanted, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("heads", "teacher_heads"), [(2, 3), (4, 2)])
def test_tinybert_refuses_heads_it_cannot_group(heads: int, teacher_heads: int) -> None:
    sentence = f"{heads} attention heads of the student with {teacher_heads} of the teacher"
    with pytest.raises(ConfigError, match=sentence):
        TinyBertDistillation()(drawn(1, heads=heads), drawn(2, heads=teacher_heads), LABELS)


def relation(rows: Doubles, head: int, n_heads: int, length: int) -> list[list[float]]:
    """Return the distributions over the real tokens of one text in one relation head; rows (A, T, D)."""
    joined = [np.concatenate([rows[one, place] for one in range(len(rows))]) for place in range(length)]
    width = len(joined[0]) // n_heads
    parts = [row[head * width : (head + 1) * width] for row in joined]
    return [softmax(np.array([float(row @ column) for column in parts]) / math.sqrt(width)) for row in parts]


@pytest.mark.parametrize("relation_heads", [1, 3, 6])
def test_minilm_in_loops(relation_heads: int) -> None:
    student, teacher = drawn(1), drawn(2, heads=4)  # 6 and 12 wide
    for example, loss in enumerate(losses_of(MiniLMRelations(relation_heads=relation_heads), student, teacher)):
        n, wanted = LENGTHS[example], 0.0
        for own, other in zip(student.leaves[3:], teacher.leaves[3:], strict=True):
            for head in range(relation_heads):
                ours = relation(own[example].numpy(), head, relation_heads, n)
                theirs = relation(other[example].numpy(), head, relation_heads, n)
                wanted += sum(kl(p, q) for p, q in zip(theirs, ours, strict=True)) / (relation_heads * n)
        assert loss == pytest.approx(wanted, rel=1e-11, abs=1e-14)


def test_minilm_relations_are_the_librarys_self_attention() -> None:
    """Attention from queries to themselves, with the identity as values, gives the weights themselves."""
    student, teacher = drawn(1, layers=1), drawn(2, layers=1)
    keys, wanted = MASK[:, None, None, :].bool(), torch.zeros(5, dtype=torch.float64)
    for own, other in zip(student.leaves[2:], teacher.leaves[2:], strict=True):
        # As many relation heads as heads of the same width: the heads stay as they are.
        q, p = (F.scaled_dot_product_attention(x, x, torch.eye(4).double(), attn_mask=keys) for x in (own, other))
        rows = F.kl_div(q.clamp_min(1e-300).log(), p, reduction="none").sum(-1).mean(1)
        wanted += (rows * MASK).sum(1) / MASK.sum(1)
    losses = MiniLMRelations(relation_heads=2)(student, teacher, LABELS)
    torch.testing.assert_close(losses, wanted, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(("width", "teacher_width", "refused"), [(3, 2, 6), (2, 5, 10)])
def test_minilm_refuses_relation_heads_that_do_not_divide_a_width(width: int, teacher_width: int, refused: int) -> None:
    sentence = f"the width {refused} of a model's queries, keys and values into 4 relation heads"
    with pytest.raises(ConfigError, match=sentence):
        MiniLMRelations(relation_heads=4)(drawn(1, head_width=width), drawn(2, head_width=teacher_width), LABELS)


def test_cosine_is_the_librarys_embedding_loss() -> None:
    student, teacher = drawn(1, layers=3), drawn(2, layers=3)
    library = nn.CosineEmbeddingLoss()
    for example, loss in enumerate(losses_of(HiddenCosine(), student, teacher)):
        n = LENGTHS[example]
        pairs = zip(student.hidden_states, teacher.hidden_states, strict=True)
        wanted = sum(float(library(own[example, :n], other[example, :n], torch.ones(n))) for own, other in pairs)
        assert loss == pytest.approx(wanted, rel=1e-10)


def test_cosine_by_hand() -> None:
    # cos((1, 0), (3, 4)) = 0.6; opposite directions: -1; a state of zeros has no direction: 0. (0.4 + 2 + 1) / 3
    own = torch.tensor([[[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]])
    other = torch.tensor([[[3.0, 4.0], [-2.0, -2.0], [1.0, 5.0]]])
    student, teacher = Outputs(torch.zeros(1, 2), (own,)), Outputs(torch.zeros(1, 2), (other,))
    assert losses_of(HiddenCosine(), student, teacher, LABELS[:1]) == pytest.approx([3.4 / 3])
