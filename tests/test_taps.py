"""Layers shown by a tapped classifier are the model's own, and the exam step is exact through them and through learned projections.

The truths: transformers' own hidden states and attention probabilities, and slopes of the whole two-step pipeline.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import ElectraConfig, ElectraForSequenceClassification, GPT2Config, GPT2ForSequenceClassification

from ikd.classroom import build_lesson
from ikd.config import RunConfig, build_config
from ikd.errors import ConfigError, ModelError
from ikd.models.initialisation import layer_stack
from ikd.protocols import Outputs
from ikd.teaching.forward import outputs_of
from ikd.teaching.hypergradients import HYPERGRADIENTS
from ikd.teaching.lesson import Lesson
from ikd.teaching.policies import exam_step, fixed_step
from ikd.teaching.taps import Tapped
from tests.test_hypergradients import close, pipeline, taken, twin
from tests.tiny import SIZES, Flat, padded_batch, tiny, tiny_bert, tiny_room

FAMILIES = ["bert", "roberta", "distilbert", "electra"]
LAYERS = 3
BATCH = padded_batch(5, seed=11)
INPUTS = BATCH.student_inputs
MASK = INPUTS["attention_mask"]


def tapped(model: nn.Module, *, widths: Any = (), hidden: Any = range(LAYERS + 1), attention: Any = range(1, LAYERS + 1)) -> Tapped:
    """Return a model that shows its layers, all of them if nothing else is said."""
    return Tapped(model, list(layer_stack(model)[1]), hidden=hidden, attention=attention, widths=widths)  # type: ignore[arg-type]


def narrow_electra(layers: int) -> nn.Module:
    """Return an ELECTRA whose embeddings are narrower than its layers, as the small ones have them."""
    torch.manual_seed(1)
    model: nn.Module = ElectraForSequenceClassification(ElectraConfig(num_hidden_layers=layers, embedding_size=4, **SIZES)).double()
    return model.eval()


def own_outputs(model: nn.Module) -> tuple[Any, list[Tensor]]:
    """Return what transformers itself says of a copy with plain attention, and what each layer's attention gives on."""
    plain: Any = copy.deepcopy(model)
    plain.set_attn_implementation("eager")
    contexts: list[Tensor] = []
    for name, module in plain.named_modules():
        if name.endswith(("attention.output.dense", "attention.out_lin")):
            module.register_forward_pre_hook(lambda module, args: contexts.append(args[0]))
    return plain(**INPUTS, output_hidden_states=True, output_attentions=True), contexts


@pytest.mark.parametrize("family", [*FAMILIES, "narrow electra"])
@torch.no_grad()
def test_what_is_shown_is_the_models_own(family: str) -> None:
    model = narrow_electra(LAYERS) if family == "narrow electra" else tiny(family, layers=LAYERS, seed=1)
    own, contexts = own_outputs(model)
    shown = tapped(model)(**INPUTS)
    torch.testing.assert_close(shown.logits, own.logits, rtol=0, atol=1e-12)
    assert len(shown.hidden_states) == len(own.hidden_states) == LAYERS + 1
    for got, wanted in zip(shown.hidden_states, own.hidden_states, strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-12)
    nowhere = torch.zeros(MASK.shape, dtype=torch.float64).masked_fill(MASK == 0, -torch.inf)[:, None, None, :]
    rows = zip(shown.queries, shown.keys, shown.values, own.attentions, contexts, strict=True)
    for query, key, value, attention, context in rows:
        assert query.shape == key.shape == value.shape == (5, 2, 7, 4)
        probabilities = (query @ key.transpose(-1, -2) / 2.0 + nowhere).softmax(dim=-1)
        torch.testing.assert_close(probabilities, attention, rtol=0, atol=1e-12)
        torch.testing.assert_close((attention @ value).transpose(1, 2).flatten(2), context, rtol=0, atol=1e-12)
    assert shown.mask is MASK


@torch.no_grad()
def test_layers_are_shown_in_the_order_asked_for() -> None:
    model = tiny("bert", layers=LAYERS, seed=1)
    every, some = tapped(model)(**INPUTS), tapped(model, hidden=[3, 0, 1], attention=[3, 1])(**INPUTS)
    wanted = [*(every.hidden_states[at] for at in (3, 0, 1)), *(group[at] for group in every[2:5] for at in (2, 0))]
    assert all(torch.equal(got, one) for got, one in zip(some.leaves[1:], wanted, strict=True))


def test_where_logits_alone_are_asked_for_nothing_else_is_shown() -> None:
    model = tapped(tiny("bert", layers=LAYERS, seed=1))
    every, alone = outputs_of(model, INPUTS), outputs_of(model, INPUTS, logits_only=True)
    assert len(every.leaves) == 1 + LAYERS + 1 + 3 * LAYERS
    assert len(alone.leaves) == 1 and alone.mask is None and torch.equal(alone.logits, every.logits)


def test_no_hook_stays_behind_even_where_a_call_fails() -> None:
    model = tapped(tiny("bert", layers=LAYERS, seed=1))
    assert model(**INPUTS).logits.shape == (5, 3)
    with pytest.raises(IndexError):
        model(input_ids=INPUTS["input_ids"] + 1000)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_projections_are_learned_where_widths_differ_and_nothing_elsewhere() -> None:
    model = tiny("bert", layers=LAYERS, seed=1)
    torch.manual_seed(3)
    shown = tapped(model, hidden=[1, 2], attention=(), widths=[(8, 6), (8, 8)])
    assert [name for name, _ in shown.named_parameters() if "projections" in name] == ["projections.0.weight"]
    own, got = tapped(model)(**INPUTS), shown(**INPUTS)
    weight = shown.get_parameter("projections.0.weight")
    assert weight.shape == (6, 8) and weight.dtype == torch.float64
    torch.testing.assert_close(got.hidden_states[0], own.hidden_states[1] @ weight.T, rtol=0, atol=1e-12)
    assert torch.equal(got.hidden_states[1], own.hidden_states[2])


def test_projections_come_from_the_runs_seed() -> None:
    drawn = [lesson_of("pkd", seed=seed).student.get_parameter("projections.0.weight") for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


def test_a_copy_shows_its_own_layers() -> None:
    torch.manual_seed(3)
    model = tapped(tiny("bert", layers=LAYERS, seed=1), widths=[(8, 6)] * 4)
    before, other = model(**INPUTS), copy.deepcopy(model)
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(0.1)
    moved, after = other(**INPUTS), model(**INPUTS)
    assert all(torch.equal(one, two) for one, two in zip(before.leaves, after.leaves, strict=True))
    assert not any(torch.equal(one, two) for one, two in zip(before.leaves, moved.leaves, strict=True))
    with torch.no_grad():
        for weight, own in zip(other.parameters(), model.parameters(), strict=True):
            weight.copy_(own)
    assert all(torch.equal(one, two) for one, two in zip(before.leaves, other(**INPUTS).leaves, strict=True))


def test_weights_that_are_given_are_those_that_are_used() -> None:
    torch.manual_seed(3)
    model = tapped(tiny("bert", layers=LAYERS, seed=1), widths=[(8, 6)] * 4)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    given = outputs_of(model, INPUTS, {name: weight.detach() for name, weight in other.named_parameters()})
    assert all(torch.equal(one, two) for one, two in zip(given.leaves, other(**INPUTS).leaves, strict=True))
    one: dict[str, Tensor] = {"projections.2.weight": other.get_parameter("projections.2.weight")}
    changed = [not torch.equal(a, b) for a, b in zip(outputs_of(model, INPUTS, one).leaves, model(**INPUTS).leaves, strict=True)]
    assert changed == [at == 3 for at in range(len(changed))]


def config_of(objective: str, **more: Any) -> RunConfig:
    return build_config({
        "objective.name": objective, "objective.pkd_weight": 0.5, "objective.cosine_weight": 2.0, "training.learning_rate": 2e-3,
        "policy.teacher_optimizer": "sgd", "policy.teacher_learning_rate": 1.0, "policy.teacher_max_gradient_norm": None,
        "teacher.name": "builtin/2x32", "student.name": "builtin/2x16", **more,
    })  # fmt: skip


def lesson_of(objective: str, **more: Any) -> Lesson:
    return build_lesson(tiny_room(tiny_bert(2, 32, seed=1), tiny_bert(2, 16, seed=2)), config_of(objective, **more))


@pytest.mark.parametrize("objective", ["pkd", "tinybert", "cosine", "minilm", "sum"])
def test_the_hypergradient_is_the_slope_of_the_whole_pipeline(objective: str) -> None:
    """Clipping, dropout and a warm AdamW included; along the gradient itself and along a random direction."""
    start = lesson_of(objective)
    for step in range(20):
        fixed_step(start, padded_batch(5, seed=100 + step))
    start.update.max_gradient_norm = 0.05
    gradient, _ = taken(twin(start))
    close(gradient, taken(twin(start, hypergradient=HYPERGRADIENTS["unrolled"]))[0], 1e-8)
    phi, rate = Flat(model=start.teacher).get(), start.update.learning_rate
    other = torch.randn(len(phi), generator=torch.Generator().manual_seed(5), dtype=phi.dtype)
    for direction in (gradient, other):
        unit, step_size = direction / direction.norm(), 2e-4
        ends = {at: pipeline(start, phi + at * step_size * unit) for at in (-2, -1, 1, 2)}
        slope = (8 * (ends[1] - ends[-1]) - (ends[2] - ends[-2])) / (12 * step_size)
        assert abs(slope - rate * float(gradient @ unit)) < 1e-5 * rate * float(gradient.norm())


@pytest.mark.parametrize("clip", [None, 0.05])
def test_projections_learn_with_the_student(clip: float | None) -> None:
    """The exam does not hang on them; what their gradient adds to the clipped norm does."""
    lesson = lesson_of("tinybert", **{"training.max_gradient_norm": clip})
    names = [f"projections.{at}.weight" for at in range(3)]
    before = {name: lesson.student.get_parameter(name).detach().clone() for name in names}
    taught = exam_step(lesson, padded_batch(5, seed=1), padded_batch(5, seed=2))
    assert taught.feedback is not None and taught.feedback.direction is not None
    for name, weight in before.items():
        assert float(taught.course.gradients[name].norm()) > 0
        assert not torch.equal(weight, lesson.student.get_parameter(name))
        assert bool(taught.feedback.direction[name].any()) == (clip is not None)


def test_layers_that_cannot_be_told_apart_are_refused_in_a_sentence() -> None:
    room = tiny_room(tiny("albert", layers=2, seed=1), tiny("bert", layers=2, seed=2))
    with pytest.raises(ConfigError, match="those of one of the two models cannot be told apart: choose an objective of logits"):
        build_lesson(room, config_of("cosine"))
    assert build_lesson(room, config_of("kd")).teacher is room.teacher
    shared = GPT2Config(vocab_size=40, n_embd=8, n_head=2, n_layer=2)
    with pytest.raises(ModelError, match="cannot be told apart: choose an objective that does not look at attention, such as kd or pkd"):
        tapped(GPT2ForSequenceClassification(shared), hidden=(), attention=[1])


def test_models_that_read_other_tokens_or_are_of_other_widths_are_refused_in_a_sentence() -> None:
    other = tiny_room(tiny_bert(2, 32, seed=1), tiny_bert(2, 16, seed=2), same_tokens=False)
    with pytest.raises(ConfigError, match="compares token by token, but the two models cut texts into other tokens"):
        build_lesson(other, config_of("cosine"))
    assert isinstance(build_lesson(other, config_of("pkd")).student, Tapped)
    unknown = {"teacher.name": "some/encoder", "student.name": "other/encoder"}
    room = tiny_room(tiny_bert(2, 32, seed=1), tiny_bert(2, 16, seed=2))
    with pytest.raises(ConfigError, match="is 16 wide and the teacher 32, so their hidden states cannot be compared"):
        build_lesson(room, config_of("pkd", **unknown, **{"objective.projection": "none"}))
    assert isinstance(build_lesson(room, config_of("minilm", **unknown, **{"objective.projection": "none"})).student, Tapped)


def test_top_layers_that_no_feedback_reaches_are_refused_in_a_sentence() -> None:
    unknown = {"teacher.name": "some/encoder", "student.name": "other/encoder", "policy.teacher_scope": "top_layers"}
    room = tiny_room(tiny_bert(2, 32, seed=1), tiny_bert(2, 16, seed=2))
    with pytest.raises(ConfigError, match="up to number 1 of 2, so its top 1 would get no feedback: set policy.teacher_top_layers to 2"):
        build_lesson(room, config_of("pkd", **unknown))
    for fine in ({"policy.teacher_top_layers": 2}, {"policy.name": "mutual"}, {"objective.name": "cosine"}, {"objective.name": "sum"}):
        assert isinstance(build_lesson(room, config_of("pkd", **{**unknown, **fine})).student, Tapped)


def test_outputs_can_be_cut_and_joined() -> None:
    shown: Outputs = tapped(tiny("bert", layers=LAYERS, seed=1))(**INPUTS)
    pieces = shown.cut(2)
    assert [len(piece.logits) for piece in pieces] == [3, 2]
    assert all(torch.equal(torch.cat(both), whole) for *both, whole in zip(*(p.leaves for p in pieces), shown.leaves, strict=True))
    assert [piece.mask is not None and piece.mask.shape[0] for piece in pieces] == [3, 2]
