"""What each teacher policy does to the teacher, against the same written out with torch alone; adapters; snapshots."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ikd.classroom import Classroom, build_lesson
from ikd.config import RunConfig, Timeline, build_config
from ikd.errors import ConfigError, ModelError
from ikd.events import StepTaken
from ikd.models.adapters import add_adapters
from ikd.protocols import Batch
from ikd.teaching.lesson import Lesson, Taught
from ikd.teaching.policies import POLICIES, exam_step, fixed_step, peer_step
from ikd.teaching.snapshot import gather, restore
from ikd.trainer import Training
from tests.tiny import TinySplit, padded_batch, tiny, tiny_bert, tiny_room

CPU = torch.device("cpu")
COURSE, EXAM = padded_batch(6, seed=11), padded_batch(5, seed=12)


def config_of(**values: Any) -> RunConfig:
    """Return a config of tiny models whose teacher moves by its gradient, `policy__name` for `policy.name`."""
    fixed = {
        "policy.teacher_optimizer": "sgd", "policy.teacher_learning_rate": 1.0, "policy.teacher_max_gradient_norm": None,
        "teacher.name": "builtin/2x32", "student.name": "builtin/2x16", "training.steps": 9, "training.batch_size": 4,
        "training.warmup_steps": 1, "policy.exam_start": 0, "policy.exam_batch_size": 4, "policy.adapter_rank": 2,
    }  # fmt: skip
    return build_config({**fixed, **{name.replace("__", "."): value for name, value in values.items()}})


def room_of(**sizes: Any) -> Classroom:
    return tiny_room(tiny_bert(2, 32, seed=1), tiny_bert(2, 16, seed=2), **sizes)


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def moved_by(lesson: Lesson, policy: str) -> tuple[Taught, dict[str, Tensor]]:
    """Take one step with the same dropout each time; return how far down each of the teacher's weights went, too."""
    before = weights_of(lesson.teacher)
    torch.manual_seed(7)
    taught = POLICIES[policy](lesson, COURSE, EXAM, None)
    return taught, {name: before[name] - weight for name, weight in weights_of(lesson.teacher).items()}


def gradient_of(teacher: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    named = {name: weight for name, weight in teacher.named_parameters() if weight.requires_grad}
    slopes = torch.autograd.grad(loss, list(named.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(named, slopes, strict=True))


def assert_near(got: dict[str, Tensor], wanted: dict[str, Tensor], absolute: float = 1e-12) -> None:
    assert got.keys() == wanted.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(got[name], tensor, rtol=1e-10, atol=absolute, msg=partial("{}: {}".format, name))


def logits_of(model: nn.Module, batch: Batch = COURSE) -> Tensor:
    logits: Tensor = model(**batch.teacher_inputs).logits
    return logits


@pytest.mark.parametrize("objective", ["kd", "pkd"])
@pytest.mark.parametrize(
    ("policy", "weight"), [("mutual", 0.0), ("mutual", 1.7), ("online", 0.0), ("online", 0.3), ("online", 1.0)]
)
def test_a_peers_gradient_is_the_one_written_out(objective: str, policy: str, weight: float) -> None:
    """CE and KLDivLoss as torch has them; the student's word is that of the course step, dropout included."""
    room = room_of()
    lesson = build_lesson(room, config_of(policy__name=policy, objective__name=objective, **{f"policy__{policy}_weight": weight}))
    student = copy.deepcopy(room.student).train()
    torch.manual_seed(7)
    said = student(**COURSE.student_inputs).logits.detach()
    labels, share = (1 - weight, weight) if policy == "online" else (1.0, weight)
    own = logits_of(room.teacher)
    towards = nn.KLDivLoss(reduction="batchmean")(F.log_softmax(own, dim=-1), F.softmax(said, dim=-1))
    loss = labels * nn.CrossEntropyLoss()(own, COURSE.labels) + share * towards
    wanted = gradient_of(lesson.teacher, loss)
    taught, moved = moved_by(lesson, policy)
    assert_near(moved, wanted)
    assert taught.scalars["teacher_loss"] == pytest.approx(float(loss.detach()), rel=1e-12)


def test_online_with_no_share_for_the_student_is_fine_tuning() -> None:
    room = room_of()
    lesson = build_lesson(room, config_of(policy__name="online", policy__online_weight=0.0, policy__teacher_optimizer="adamw",
                                          policy__teacher_learning_rate=1e-3, policy__teacher_max_gradient_norm=1.0))  # fmt: skip
    alone = copy.deepcopy(room.teacher)
    optimizer = torch.optim.AdamW(alone.parameters(), lr=1e-3, weight_decay=0.0)
    for step in range(5):
        batch = padded_batch(6, seed=step)
        F.cross_entropy(logits_of(alone, batch), batch.labels).backward()
        nn.utils.clip_grad_norm_(alone.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        peer_step(lesson, batch)
    for (name, got), wanted in zip(room.teacher.named_parameters(), alone.parameters(), strict=True):
        # Only rounding moves a bias of keys, and Adam makes steps of it.
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-2 if name.endswith("key.bias") else 1e-9)


@pytest.mark.parametrize("policy", ["fixed", "annealed"])
def test_a_fixed_teacher_stays_bit_for_bit(policy: str) -> None:
    room = room_of()
    lesson = build_lesson(room, config_of(policy__name=policy))
    assert lesson.teacher_optimizer is None
    assert not any(change.any() for change in moved_by(lesson, policy)[1].values())


def test_an_annealed_temperature_goes_from_its_start_to_the_objectives() -> None:
    config = config_of(policy__name="annealed", policy__annealed_from=6.0, objective__temperature=2.0, training__steps=5)
    steps = [event for event in Training(room_of(), Timeline(config)).events() if isinstance(event, StepTaken) and event.course]
    assert [one.scalars["temperature"] for one in steps] == [6.0, 5.0, 4.0, 3.0, 2.0]
    hot, alone = room_of(), room_of()
    warm, cold = (build_lesson(room, config_of(objective__temperature=t, policy__name="fixed")) for room, t in ((hot, 6.0), (alone, 2.0)))
    losses = []
    for lesson in (warm, cold):
        torch.manual_seed(config.seed)
        losses.append(float(fixed_step(lesson, COURSE).course.loss))
    assert losses[0] != losses[1]
    first = build_lesson(room_of(), config)
    torch.manual_seed(config.seed)
    assert float(fixed_step(first, COURSE).course.loss) == losses[0]


@contextmanager
def counted(model: nn.Module) -> Iterator[list[int]]:
    """Note how many examples each call of a model is about."""
    calls: list[int] = []
    handle = model.register_forward_hook(
        lambda module, args, kwargs, output: calls.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    yield calls
    handle.remove()


def carried_out(**values: Any) -> tuple[dict[str, Tensor], list[int], list[Mapping[str, float]]]:
    """Carry out a run; return the student's weights, the sizes of the teacher's calls while it taught, and each step's scalars."""
    room, steps = room_of(course=14), []
    course = room.splits["course"]
    assert isinstance(course, TinySplit)
    with counted(room.teacher) as calls:
        taught = 0
        for event in Training(room, Timeline(config_of(record__probe_every=1000, training__optimizer="sgd", **values))).events():
            if isinstance(event, StepTaken):
                steps.append(event.scalars)
                taught = len(calls)
    n_read = 2 * len(room.splits["validation"])  # the probe set, before the first step and after the last
    assert sum(calls[:taught]) >= n_read
    return weights_of(room.student), calls[:taught], steps[:-1]


@pytest.mark.parametrize("objective", ["kd", "dkd", "dist", "logit_mse"])
@pytest.mark.parametrize("policy", ["fixed", "annealed"])
def test_soft_targets_said_once_teach_the_same(objective: str, policy: str) -> None:
    weights, calls, steps = carried_out(policy__name=policy, objective__name=objective, policy__cached_targets="always")
    wanted, asked, again = carried_out(policy__name=policy, objective__name=objective, policy__cached_targets="never")
    assert_near(weights, wanted)
    assert [one["course_loss"] for one in steps] == pytest.approx([one["course_loss"] for one in again], rel=1e-12)
    assert calls == [14, 5, 5], "each course example once, and two readings of the probe set"
    assert asked == [5, *[4] * 9, 5]


def test_soft_targets_are_said_once_of_themselves_where_that_saves_work() -> None:
    assert carried_out(policy__name="fixed")[1] == [14, 5, 5]
    assert carried_out(policy__name="fixed", training__steps=3)[1] == [5, 4, 4, 4, 5]
    assert carried_out(policy__name="fixed", objective__name="pkd")[1] == [5, *[4] * 9, 5]
    assert carried_out(policy__name="mutual")[1] == [5, 5, *[4] * 9, 5], "what the frozen teacher scores is asked of it too"


@pytest.mark.parametrize("anchor", ["labels", "initial_teacher"])
@pytest.mark.parametrize("pieces", [1, 3])
def test_an_anchor_adds_its_gradient(anchor: str, pieces: int) -> None:
    """At the second step, when the teacher is no longer the initial one; the cotangent's share is taken off."""
    room = room_of()
    config = config_of(policy__anchor=anchor, policy__anchor_weight=0.4, training__pieces=pieces, policy__teacher_learning_rate=0.01,
                       student__dropout=False, policy__inner_update="off")  # fmt: skip
    lesson = build_lesson(room, config)
    first = logits_of(room.teacher).detach()
    with torch.no_grad():
        for weight in room.teacher.parameters():
            weight.add_(0.01 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(3), dtype=weight.dtype))
    own = logits_of(room.teacher)
    kl = nn.KLDivLoss(reduction="batchmean")(F.log_softmax(own, dim=-1), F.softmax(first, dim=-1))
    loss = F.cross_entropy(own, COURSE.labels) if anchor == "labels" else kl
    wanted = gradient_of(room.teacher, 0.4 * loss)
    before = weights_of(room.teacher)
    taught = exam_step(lesson, COURSE, EXAM)
    moved = {name: (before[name] - weight) / 0.01 for name, weight in weights_of(room.teacher).items()}
    assert_near(moved, wanted, 1e-11)
    assert taught.scalars["anchor_loss"] == pytest.approx(float(loss.detach()), rel=1e-12)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "electra"])
@pytest.mark.parametrize("rank", [1, 3])
def test_fresh_adapters_say_nothing_and_have_their_rank(family: str, rank: int) -> None:
    model = tiny(family, layers=2, seed=1)
    before, own = logits_of(model), weights_of(model)
    add_adapters(model, rank=rank, seed=5)  # type: ignore[arg-type]
    assert torch.equal(logits_of(model), before)
    fresh = {name: weight for name, weight in model.named_parameters() if "lora_" in name}
    assert len(fresh) == 2 * 2 * 2, "two factors beside the query and value matrices of two layers"
    for name, weight in fresh.items():
        assert weight.dtype == torch.float64 and weight.shape["lora_A" not in name] == rank
        assert bool(weight.any()) == ("lora_A" in name)
    kept = {name.replace(".base_layer", ""): weight for name, weight in model.named_parameters() if "lora_" not in name}
    assert kept.keys() == own.keys() and all(torch.equal(kept[name], one) for name, one in own.items())


def test_an_adapter_is_twice_the_product_of_its_factors() -> None:
    model = tiny("bert", layers=2, seed=1)
    plain: Any = copy.deepcopy(model)
    add_adapters(model, rank=2, seed=5)  # type: ignore[arg-type]
    inside: Any = model
    place = inside.bert.encoder.layer[1].attention.self.value
    with torch.no_grad():
        place.lora_B["default"].weight.normal_(generator=torch.Generator().manual_seed(1))
        plain.bert.encoder.layer[1].attention.self.value.weight += 2 * place.lora_B["default"].weight @ place.lora_A["default"].weight
    torch.testing.assert_close(logits_of(model), logits_of(plain), rtol=0, atol=1e-12)


def test_a_scope_of_adapters_without_adapters_is_refused_and_so_are_layers_that_are_shared() -> None:
    with pytest.raises(ConfigError, match="The teacher has no adapters: choose policy.teacher_scope all"):
        build_lesson(room_of(), config_of(policy__teacher_scope="adapter"))
    with pytest.raises(ModelError, match="cannot be told apart"):
        add_adapters(tiny("albert", layers=2, seed=1), rank=2, seed=1)  # type: ignore[arg-type]


@pytest.mark.parametrize(("objective", "scope", "policy"), [
    ("kd", "adapter", "exam"), ("tinybert", "adapter", "exam"), ("pkd", "all", "exam"), ("sum", "top_layers", "mutual"),
    ("kd", "all", "fixed"),
])  # fmt: skip
def test_a_lesson_goes_on_from_a_snapshot_as_if_nothing_had_happened(objective: str, scope: str, policy: str) -> None:
    """Through a lesson built anew, projections, adapters and Adam's moments included, bit by bit."""
    config = config_of(objective__name=objective, objective__pkd_weight=1.0, policy__teacher_scope=scope, policy__name=policy,
                       policy__teacher_optimizer="adamw", policy__teacher_learning_rate=1e-3)  # fmt: skip

    def fresh() -> Lesson:
        room = room_of()
        if scope == "adapter":
            add_adapters(room.teacher, rank=2, seed=5)  # type: ignore[arg-type]
        return build_lesson(room, config)

    def go_on(lesson: Lesson, steps: range) -> None:
        for step in steps:
            POLICIES[policy](lesson, padded_batch(4, seed=step), padded_batch(4, seed=50 + step), None)

    whole, second = fresh(), fresh()
    torch.manual_seed(0)
    go_on(whole, range(3))
    kept = gather(whole, CPU)
    assert any("projections" in name for name in kept) == (objective != "kd")
    assert {name.startswith("teacher/") and "lora_" not in name for name in kept} == ({False} if scope == "adapter" or policy == "fixed"
                                                                                     else {False, True})  # fmt: skip
    go_on(whole, range(3, 6))
    torch.manual_seed(99)
    restore(second, kept, CPU)
    go_on(second, range(3, 6))
    ends = gather(whole, CPU), gather(second, CPU)
    assert ends[0].keys() == ends[1].keys() and all(torch.equal(one, ends[1][name]) for name, one in ends[0].items())
    moved = "student/projections.0.weight" if objective != "kd" else "student/classifier.weight"
    assert not torch.equal(ends[0][moved], kept[moved])
