"""Every model that a lesson copies or keeps only answers, and the anchor to the initial teacher starts from exactly nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from ikd.classroom import Classroom, build_lesson, changed_lesson, layers_shown
from ikd.config import RunConfig, Timeline, build_config
from ikd.events import StepTaken
from ikd.models import build_teacher
from ikd.models.adapters import add_adapters
from ikd.protocols import Outputs
from ikd.tasks import load_task
from ikd.teaching.lesson import Lesson
from ikd.teaching.taps import Tapped
from ikd.teaching.teacher_update import anchor_to_initial_teacher
from ikd.trace.branching import make_fork
from ikd.trace.folder import RunFolder
from ikd.trace.reader import TraceReader
from ikd.trace.store import runs_root
from ikd.trainer import Training
from tests.small_runs import again, assert_same, at_step, carried_out, small
from tests.tiny import tiny_bert, tiny_room

ANCHORED = {"policy__anchor": "initial_teacher", "policy__anchor_weight": 1.0}
KINDS: list[dict[str, Any]] = [
    {}, {"objective.name": "pkd"}, {"policy.teacher_scope": "adapter"}, {"policy.teacher_scope": "head"}, {"training.pieces": 2},
    {"policy.anchor": "labels"}, {"policy.name": "mutual"}, {"policy.name": "fixed", "policy.cached_targets": "always"},
    {"machine.recompute_teacher": True}, {"policy.student_update": "redo"},
]  # fmt: skip


def room_of(scope: str = "all") -> Classroom:
    """Return a classroom in 32 bits of two models as fine-tuning leaves them: in train mode, dropout 0.1."""
    teacher, student = tiny_bert(2, 32, seed=1).float().train(), tiny_bert(2, 16, seed=2).float().train()
    if scope == "adapter":
        add_adapters(teacher, rank=2, seed=5)  # type: ignore[arg-type]
    return tiny_room(teacher, student)


def config_of(**values: Any) -> RunConfig:
    fixed = {
        "policy.anchor": "initial_teacher", "policy.anchor_weight": 1.0, "policy.teacher_learning_rate": 1e-3, "policy.exam_start": 0,
        "teacher.name": "builtin/2x32", "student.name": "builtin/2x16", "training.steps": 6, "training.batch_size": 4,
        "training.warmup_steps": 1, "policy.exam_batch_size": 4, "policy.adapter_rank": 2, "record.probe_every": 2,
    }  # fmt: skip
    return build_config({**fixed, **values})


def models_of(lesson: Lesson) -> dict[str, nn.Module]:
    """Return every model that a lesson holds, by field, those of its anchor too."""
    holders = [lesson] if lesson.anchoring is None else [lesson, lesson.anchoring]
    held = {f"{type(one).__name__}.{field.name}": getattr(one, field.name) for one in holders for field in fields(one)}
    return {name: model for name, model in held.items() if isinstance(model, nn.Module)}


@contextmanager
def heard() -> Iterator[list[tuple[nn.Module, bool]]]:
    """Note every classifier that answers, and whether it was in train mode."""
    seen: list[tuple[nn.Module, bool]] = []

    def note(module: nn.Module, args: object) -> None:
        if hasattr(module, "classifier") and not isinstance(module, Tapped):
            seen.append((module, any(part.training for part in module.modules() if isinstance(part, nn.Dropout))))

    handle = register_module_forward_pre_hook(note)
    try:
        yield seen
    finally:
        handle.remove()


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_model_of_a_lesson_but_the_student_answers_without_dropout_and_copies_learn_nothing(kind: dict[str, Any]) -> None:
    config = config_of(**kind)
    room = room_of(config.policy.teacher_scope)
    training = Training(room, Timeline(config))
    lesson = build_lesson(room_of(config.policy.teacher_scope), config)
    optimizers = [lesson.update.optimizer, *([lesson.teacher_optimizer] if lesson.teacher_optimizer else [])]
    learning = {id(weight) for one in optimizers for group in one.param_groups for weight in group["params"]}
    places = {weight.data_ptr() for model in (lesson.student, lesson.teacher) for weight in model.parameters()}
    for name, model in models_of(lesson).items():
        if model is lesson.student:
            continue
        assert not any(part.training for part in model.modules()), name
        if model is not lesson.teacher:
            assert not any(weight.requires_grad for weight in model.parameters()), name
            assert not {id(weight) for weight in model.parameters()} & learning, name
            assert not {weight.data_ptr() for weight in model.parameters()} & places, f"{name} shares weights with a model that learns"
    with heard() as seen:
        list(training.events())
    others = [trains for model, trains in seen if model is not room.student]
    assert others and not any(others), "a teacher, or a copy of one, answered with dropout on"
    assert any(trains for model, trains in seen if model is room.student), "the student's course steps have dropout"


def anchor_losses(training: Training) -> list[float]:
    return [event.scalars["anchor_loss"] for event in training.events() if isinstance(event, StepTaken) and event.course]


@pytest.mark.parametrize("kind", [one for one in KINDS if not {"policy.anchor", "policy.name"} & one.keys()], ids=str)
@pytest.mark.parametrize("student_dropout", [False, True])
def test_under_the_anchor_alone_the_teacher_stands_still(kind: dict[str, Any], student_dropout: bool) -> None:
    """To the bit, under AdamW: rounding noise in the slope of KL at equality would move every weight by up to the learning rate."""
    config = config_of(**{"policy.inner_update": "off", "student.dropout": student_dropout, **kind})
    room = room_of(config.policy.teacher_scope)
    before = {name: weight.detach().clone() for name, weight in room.teacher.named_parameters()}
    assert anchor_losses(Training(room, Timeline(config))) == [0.0] * 6
    assert all(torch.equal(weight, before[name]) for name, weight in room.teacher.named_parameters())


def test_the_slope_of_the_anchor_is_that_of_torch_and_exactly_nothing_between_equals() -> None:
    generator = torch.Generator().manual_seed(1)
    now, before = (torch.randn(5, 3, generator=generator, dtype=torch.float64) for _ in range(2))

    def slope(loss: Tensor, at: Tensor) -> Tensor:
        return torch.autograd.grad(loss, at)[0]

    at = now.clone().requires_grad_()
    wanted = F.kl_div(F.log_softmax(at, dim=-1), F.softmax(before, dim=-1), reduction="batchmean")
    got = anchor_to_initial_teacher(Outputs(at), Outputs(before), torch.zeros(5))
    assert float(got.detach()) == pytest.approx(float(wanted.detach()), rel=1e-12)
    torch.testing.assert_close(slope(got, at), slope(wanted, at), rtol=1e-12, atol=1e-15)
    single = now.float().requires_grad_()
    same = anchor_to_initial_teacher(Outputs(single), Outputs(now.float()), torch.zeros(5))
    assert float(same.detach()) == 0.0 and not slope(same, single).any()


def first_losses(folder: RunFolder) -> list[float]:
    assert folder.state().state == "finished", folder.state().error
    values: list[float] = TraceReader(folder).series("anchor_loss")[1].tolist()
    return values


def saved_teacher(folder: Path, dropout: float) -> str:
    """Save a built-in teacher of the small task as a folder of transformers, with this dropout; return its path."""
    config = small()
    teacher = build_teacher(config, data := load_task(config.task))
    teacher.model.config.update({"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout,
                                 "id2label": dict(enumerate(data.label_names)),
                                 "label2id": {name: index for index, name in enumerate(data.label_names)}})  # fmt: skip
    teacher.model.save_pretrained(folder)
    teacher.tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("loaded", [False, True])
def test_a_run_has_drifted_by_nothing_at_its_first_exam(loaded: bool, dropout: float, tmp_path: Path) -> None:
    own = {"teacher__name": saved_teacher(tmp_path / "teacher", dropout)} if loaded else {"student__dropout": dropout > 0}
    losses = first_losses(carried_out(small(**ANCHORED, **own)))
    assert losses[0] == 0.0 < losses[-1]
    assert first_losses(carried_out(small(**ANCHORED, **own, policy__inner_update="off"))) == [0.0] * len(losses)


@pytest.mark.slow
@pytest.mark.parametrize("scope", ["all", "adapter"])
def test_a_resumed_run_compares_with_the_same_initial_teacher(scope: str) -> None:
    config = small(**ANCHORED, policy__teacher_scope=scope)
    whole, broken = carried_out(config), carried_out(config, at_step(11, lambda folder: folder.request_stop()))
    again(broken)
    assert first_losses(broken) == first_losses(whole)
    assert_same(whole, broken)


@pytest.mark.slow
@pytest.mark.parametrize("anchor", ["labels", "initial_teacher"])
def test_an_anchor_that_a_fork_asks_for_is_there(anchor: str) -> None:
    child = make_fork(carried_out(small()), 10, {"policy.anchor": anchor, "policy.anchor_weight": 1.0}, root=runs_root())
    again(child)
    steps, values = TraceReader(child).series("anchor_loss")
    assert steps.tolist() == list(range(10, 20)) and min(values) > 0


def test_an_anchor_can_be_let_go_and_taken_up_again() -> None:
    room, anchored = room_of(), config_of()
    lesson, shown = build_lesson(room, anchored), layers_shown(room, anchored)
    free = changed_lesson(lesson, config_of(**{"policy.anchor": "none"}), shown, room=room)
    assert free.anchoring is None and free.initial_teacher is lesson.initial_teacher
    back = changed_lesson(free, anchored, shown, room=room).anchoring
    assert back is not None and back.initial_teacher is lesson.initial_teacher


@pytest.mark.parametrize("anchor", ["labels", "initial_teacher"])
def test_an_anchor_may_begin_on_the_way(anchor: str) -> None:
    room, plain = room_of(), config_of(**{"policy.anchor": "none"})
    lesson = build_lesson(room, plain, anchored=anchor == "initial_teacher")
    later = changed_lesson(lesson, config_of(**{"policy.anchor": anchor}), layers_shown(room, plain), room=room, step=3)
    assert lesson.anchoring is None and later.anchoring is not None
    assert (later.anchoring.initial_teacher is not None) == (anchor == "initial_teacher")
