"""The whole course objective, and which layers of student and teacher each objective compares."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ikd.errors import ConfigError
from ikd.objectives import (
    HIDDEN,
    OBJECTIVES,
    CourseObjective,
    HiddenCosine,
    KnowledgeDistillation,
    LayerPairs,
    Term,
    layer_pairs,
)
from ikd.protocols import Outputs

LABELS = torch.tensor([1, 0, 1])


def outputs(seed: int) -> Outputs:
    """Return random outputs with 3 hidden states and 2 layers of attention, no two tensors alike."""
    generator = torch.Generator().manual_seed(seed)
    hidden = tuple(torch.randn(3, 4, 2, generator=generator, dtype=torch.float64) for _ in range(3))
    queries, keys, values = (
        tuple(torch.randn(3, 1, 4, 2, generator=generator, dtype=torch.float64) for _ in range(2)) for _ in range(3)
    )
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]])
    return Outputs(torch.randn(3, 2, generator=generator, dtype=torch.float64), hidden, queries, keys, values, mask)


STUDENT, TEACHER = outputs(1), outputs(2)
HARD = F.cross_entropy(STUDENT.logits, LABELS, reduction="none")


class Watching:
    """An objective of losses 1, 2, 3 that keeps what it was shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[Outputs, Outputs, Tensor]] = []

    def __call__(self, student: Outputs, teacher: Outputs, labels: Tensor) -> Tensor:
        self.seen.append((student, teacher, labels))
        return torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)


def test_alpha_and_weights() -> None:
    terms = (Term(2.0, Watching()), Term(0.5, Watching()))
    course = CourseObjective(alpha=0.3, terms=terms)
    wanted = 0.7 * HARD + 0.3 * 2.5 * torch.tensor([1.0, 2.0, 3.0])
    torch.testing.assert_close(course(STUDENT, TEACHER, LABELS), wanted, rtol=1e-12, atol=0)


def test_hinton_kd_with_hard_labels() -> None:
    soft = F.kl_div((STUDENT.logits / 3).log_softmax(1), (TEACHER.logits / 3).softmax(1), reduction="none").sum(1)
    course = CourseObjective(alpha=0.6, terms=(Term(1.0, KnowledgeDistillation(temperature=3)),))
    torch.testing.assert_close(course(STUDENT, TEACHER, LABELS), 0.4 * HARD + 0.6 * 9 * soft, rtol=1e-12, atol=0)


def test_alpha_0_is_hard_labels_alone_and_asks_no_term() -> None:
    watching = Watching()
    losses = CourseObjective(alpha=0, terms=(Term(1.0, watching),))(STUDENT, TEACHER, LABELS)
    torch.testing.assert_close(losses, HARD, rtol=0, atol=0)
    assert not watching.seen


def test_alpha_1_is_the_terms_alone_and_looks_at_no_label() -> None:
    no_labels = torch.tensor([99, 99, 99])  # cross-entropy would refuse them
    course = CourseObjective(alpha=1, terms=(Term(3.0, Watching()),))
    assert course(STUDENT, TEACHER, no_labels).tolist() == [3.0, 6.0, 9.0]


NOTHING = slice(0, 0)


@pytest.mark.parametrize(
    ("hidden", "attention"),
    [(NOTHING, NOTHING), (slice(0, 2), NOTHING), (slice(2, 3), slice(1, 2)), (NOTHING, slice(0, 2))],
)
def test_a_term_sees_its_share_of_the_outputs(hidden: slice, attention: slice) -> None:
    watching = Watching()
    term = Term(1.0, watching, hidden=hidden, attention=attention)
    CourseObjective(alpha=0.5, terms=(term,))(STUDENT, TEACHER, LABELS)
    ((*both, labels),) = watching.seen
    assert labels is LABELS
    for seen, whole in zip(both, (STUDENT, TEACHER), strict=True):
        assert isinstance(seen, Outputs)
        assert seen.logits is whole.logits and seen.mask is whole.mask
        shares = {"hidden_states": hidden, "queries": attention, "keys": attention, "values": attention}
        for name, share in shares.items():
            wanted = [id(layer) for layer in list(getattr(whole, name))[share]]
            assert [id(layer) for layer in getattr(seen, name)] == wanted


def test_a_term_sees_logits_alone_unless_it_is_told_more() -> None:
    watching = Watching()
    CourseObjective(alpha=0.5, terms=(Term(1.0, watching),))(STUDENT, TEACHER, LABELS)
    assert watching.seen[0][0].leaves == (STUDENT.logits,) and watching.seen[0][1].leaves == (TEACHER.logits,)


def test_terms_with_shares_of_their_own_add_up() -> None:
    first, last = Term(1.0, HiddenCosine(), hidden=slice(0, 1)), Term(1.0, HiddenCosine(), hidden=slice(2, 3))
    apart = [CourseObjective(alpha=1, terms=(term,))(STUDENT, TEACHER, LABELS) for term in (first, last)]
    both = CourseObjective(alpha=1, terms=(first, last))(STUDENT, TEACHER, LABELS)
    torch.testing.assert_close(both, apart[0] + apart[1], rtol=1e-12, atol=0)
    assert float((apart[0] - apart[1]).abs().max()) > 1e-2


def test_a_course_without_any_part_is_refused() -> None:
    """Rather than a loss of nothing."""
    with pytest.raises(RuntimeError):
        CourseObjective(alpha=1, terms=())(STUDENT, TEACHER, LABELS)


TABLES = [
    # The first two are those of Sun et al. 2019, section 3: PKD-Skip and PKD-Last of BERT-base with 6 layers.
    ("pkd", 6, 12, "skip", [(1, 2), (2, 4), (3, 6), (4, 8), (5, 10)], []),
    ("pkd", 6, 12, "last", [(1, 7), (2, 8), (3, 9), (4, 10), (5, 11)], []),
    ("pkd", 2, 3, "skip", [(1, 1)], []),
    ("pkd", 2, 3, "last", [(1, 2)], []),
    # Jiao et al. 2020: 4 layers from 12, g(m) = 3 m.
    ("tinybert", 4, 12, "skip", [(0, 0), (1, 3), (2, 6), (3, 9), (4, 12)], [(1, 3), (2, 6), (3, 9), (4, 12)]),
    ("tinybert", 4, 12, "last", [(0, 0), (1, 9), (2, 10), (3, 11), (4, 12)], [(1, 9), (2, 10), (3, 11), (4, 12)]),
    ("tinybert", 3, 5, "skip", [(0, 0), (1, 1), (2, 3), (3, 5)], [(1, 1), (2, 3), (3, 5)]),
    ("tinybert", 2, 2, "skip", [(0, 0), (1, 1), (2, 2)], [(1, 1), (2, 2)]),
    ("minilm", 4, 12, "skip", [], [(4, 12)]),
    ("minilm", 5, 12, "last", [], [(5, 12)]),
    ("cosine", 5, 12, "skip", [(5, 12)], []),
    ("cosine", 1, 4, "last", [(1, 4)], []),
    ("kd", 3, 6, "skip", [], []),
    ("logit_mse", 3, 6, "last", [], []),
    ("dkd", 3, 6, "skip", [], []),
    ("dist", 3, 6, "last", [], []),
    ("kd", 6, 3, "skip", [], []),  # logits have no layers to pair
]  # fmt: skip


@pytest.mark.parametrize(("name", "n_student", "n_teacher", "layer_map", "hidden", "attention"), TABLES)
def test_pairs_of_layers(name, n_student, n_teacher, layer_map, hidden, attention) -> None:  # type: ignore[no-untyped-def]
    pairs = layer_pairs(name, n_student=n_student, n_teacher=n_teacher, layer_map=layer_map)
    assert pairs == LayerPairs(hidden=tuple(hidden), attention=tuple(attention))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_has_pairs_where_it_looks_at_more_than_logits(name: str) -> None:
    assert any(layer_pairs(name, n_student=2, n_teacher=4, layer_map="skip")) == (name in HIDDEN)


@pytest.mark.parametrize("name", sorted(HIDDEN))
def test_a_student_deeper_than_its_teacher_is_refused(name: str) -> None:
    sentence = f"The objective {name} cannot pair the 4 layers of the student with the 3 of the teacher"
    with pytest.raises(ConfigError, match=sentence):
        layer_pairs(name, n_student=4, n_teacher=3, layer_map="skip")


def test_pkd_refuses_a_student_of_one_layer() -> None:
    with pytest.raises(ConfigError, match="student of one layer"):
        layer_pairs("pkd", n_student=1, n_teacher=4, layer_map="skip")


def test_unknown_names_are_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Unknown objective 'minilmm'. Did you mean 'minilm'"):
        layer_pairs("minilmm", n_student=1, n_teacher=4, layer_map="skip")
    with pytest.raises(ConfigError, match="Unknown layer map 'skipp'. Did you mean 'skip'"):
        layer_pairs("kd", n_student=1, n_teacher=4, layer_map="skipp")  # type: ignore[arg-type]
