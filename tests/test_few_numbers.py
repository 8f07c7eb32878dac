"""Teachers that learn few numbers: the targets by their formulas, exact hypergradients, and what tames them.

The brute force shares no code with the exam step: it writes the soft targets by hand, takes the student's step with the real torch
optimizer, and looks at the exam loss.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ikd.config import RunConfig, Timeline, build_config
from ikd.errors import ConfigError
from ikd.events import Event, Notice, Reading, RunStarted, StepTaken
from ikd.models.stored import LEAST, StoredTeacher, stored_logits
from ikd.objectives import (
    CourseObjective,
    DecoupledDistillation,
    KnowledgeDistillation,
    LogitMatching,
    RelationalDistillation,
    Term,
)
from ikd.protocols import Batch, Objective, Outputs, Split
from ikd.teaching.corrections import CORRECTIONS, Size, Told, corrected, number_names, numbers_of
from ikd.teaching.forward import mode
from ikd.teaching.hypergradients import HYPERGRADIENTS
from ikd.teaching.lesson import Lesson
from ikd.teaching.policies import exam_step, fixed_step
from ikd.teaching.snapshot import Snapshot
from ikd.teaching.student_update import StudentUpdate
from ikd.teaching.taming import Taming
from ikd.teaching.teacher_update import update_teacher
from ikd.trainer import Training
from tests.tiny import CLASSES, padded_batch, tiny, tiny_bert, tiny_room

TEMPERATURE, N_SOURCES, N_COURSE = 2.0, 2, 9
SCOPES = tuple(CORRECTIONS)
KD = KnowledgeDistillation(temperature=TEMPERATURE)
OBJECTIVES: dict[str, Objective] = {
    "kd": KD, "logit_mse": LogitMatching(), "dkd": DecoupledDistillation(temperature=TEMPERATURE, target_weight=1.0, other_weight=2.0),
    "dist": RelationalDistillation(temperature=TEMPERATURE, inter_weight=1.0, intra_weight=1.0),
}  # fmt: skip
EXAM = padded_batch(6, seed=12)
RATE = 1e-4  # of the numbers: small, so that none leaves its range


def course(*, stored: bool) -> Batch:
    """Return five course texts, one of whom nobody named; of a stored teacher with what it said."""
    batch = padded_batch(5, seed=11, first=3)._replace(sources=torch.tensor([0, 1, 1, -1, 0]))
    said = 2 * torch.randn(5, CLASSES, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    return batch._replace(teacher_inputs={"stored": said}) if stored else batch


def started(scope: str) -> nn.Module:
    """Return a correction whose numbers are somewhere inside their range."""
    correction = CORRECTIONS[scope](Size(CLASSES, N_SOURCES, N_COURSE)).double()
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for weight in correction.parameters():
            drawn = torch.rand(weight.shape, generator=generator, dtype=torch.float64)
            weight.copy_(0.2 + 0.6 * drawn if scope == "trust" else drawn)
    return correction


def lesson_of(scope: str, objective: Objective, *, stored: bool, optimizer: str = "adamw", method: str = "jvp", pieces: int = 1) -> Lesson:
    """Return a lesson after some course steps, whose numbers are about to sit an exam."""
    student: nn.Module = tiny("bert", layers=1, seed=2)
    teacher: nn.Module = StoredTeacher(CLASSES) if stored else tiny("bert", layers=2, seed=1)
    theta = dict(student.named_parameters())
    built = torch.optim.AdamW(student.parameters(), lr=2e-3) if optimizer == "adamw" else torch.optim.SGD(student.parameters(), lr=2e-2)
    correction = started(scope)
    lesson = Lesson(
        student=student, teacher=teacher.requires_grad_(False), update=StudentUpdate(built, theta, max_gradient_norm=0.5),
        objective=CourseObjective(alpha=0.7, terms=(Term(weight=1.0, objective=objective),)), hypergradient=HYPERGRADIENTS[method],
        correction=correction, teacher_optimizer=torch.optim.SGD(correction.parameters(), lr=RATE), temperature=TEMPERATURE, pieces=pieces,
    )  # fmt: skip
    torch.manual_seed(3)
    for _ in range(3):
        fixed_step(lesson, course(stored=stored))
    return lesson


def flat(correction: nn.Module) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in correction.parameters()])


def gradient_of(lesson: Lesson, *, stored: bool) -> Tensor:
    """Take an exam step and return the gradient by which the numbers moved, in units of the exam loss."""
    assert lesson.correction is not None
    before = flat(lesson.correction)
    torch.manual_seed(7)
    exam_step(lesson, course(stored=stored), EXAM)
    return (before - flat(lesson.correction)) / RATE * lesson.update.learning_rate


def by_hand(scope: str, numbers: Tensor, said: Tensor, student: Tensor, batch: Batch) -> Tensor:
    """Return the logits of the soft targets, row by row from the formulas."""
    rows = []
    for row, (o, s) in enumerate(zip(said, student, strict=True)):
        assert batch.sources is not None
        source, example = int(batch.sources[row]), int(batch.examples[row])
        q, p = torch.softmax(o / TEMPERATURE, 0), torch.softmax(s / TEMPERATURE, 0)
        if scope == "temperature":
            rows.append(o * torch.exp(-numbers[0]))
        elif scope == "class_bias":
            rows.append(o + numbers)
        elif scope == "memory":
            rows.append(o + numbers.view(N_COURSE, CLASSES)[example])
        elif source < 0:
            rows.append(o)
        elif scope == "trust":
            w = numbers.view(N_SOURCES, CLASSES)[source, int(o.argmax())]
            rows.append(o + TEMPERATURE * torch.log((w * q + (1 - w) * p) / q))
        else:
            matrix = torch.softmax(numbers.view(N_SOURCES, CLASSES, CLASSES)[source], dim=1)
            rows.append(TEMPERATURE * torch.log(q @ matrix))
    return torch.stack(rows)


def pipeline(lesson: Lesson, scope: str, numbers: Tensor, batch: Batch) -> float:
    """Return the exam loss after a course step on targets written by hand, with the real optimizer."""
    student, optimizer = copy.deepcopy((lesson.student, lesson.update.optimizer))
    torch.manual_seed(7)
    with torch.no_grad():
        said = lesson.teacher(**batch.teacher_inputs).logits
    with mode(student, training=True):
        answered = student(**batch.student_inputs).logits
    target = by_hand(scope, numbers, said, answered.detach(), batch)
    term = lesson.objective.terms[0].objective  # type: ignore[attr-defined]
    hard = F.cross_entropy(answered, batch.labels, reduction="none")
    loss = (0.3 * hard + 0.7 * term(Outputs(answered), Outputs(target), batch.labels)).mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(student.parameters(), 0.5)
    optimizer.step()
    with torch.no_grad(), mode(student, training=False):
        return float(F.cross_entropy(student(**EXAM.student_inputs).logits, EXAM.labels))


@pytest.mark.parametrize("stored", [False, True], ids=["live", "stored"])
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_hypergradient_of_every_number_is_exact(objective: str, scope: str, stored: bool) -> None:
    got = gradient_of(lesson_of(scope, OBJECTIVES[objective], stored=stored), stored=stored)
    lesson, batch = lesson_of(scope, OBJECTIVES[objective], stored=stored, method="unrolled"), course(stored=stored)
    assert lesson.correction is not None
    numbers = flat(lesson.correction)
    unit = got / got.norm()
    other = F.normalize(torch.randn(len(numbers), generator=torch.Generator().manual_seed(5), dtype=torch.float64), dim=0)
    for direction in (unit, other):
        losses = [pipeline(lesson, scope, numbers + at * 1e-3 * direction, batch) for at in (-2, -1, 1, 2)]
        slope = (losses[0] - 8 * losses[1] + 8 * losses[2] - losses[3]) / 12e-3
        assert abs(slope - float(got @ direction)) < 1e-5 * float(got.norm())
    wanted = gradient_of(lesson, stored=stored)
    assert float((got - wanted).norm()) < 1e-8 * float(wanted.norm())


@pytest.mark.parametrize("scope", SCOPES)
def test_it_is_exact_under_sgd_in_pieces_and_after_a_redo(scope: str) -> None:
    for stored in (False, True):
        wanted = gradient_of(lesson_of(scope, KD, stored=stored, optimizer="sgd"), stored=stored)
        in_pieces = gradient_of(lesson_of(scope, KD, stored=stored, optimizer="sgd", pieces=2), stored=stored)
        # Dropout draws other masks where a batch goes through in pieces, so the pieces are held against the update unrolled.
        unrolled = gradient_of(lesson_of(scope, KD, stored=stored, optimizer="sgd", pieces=2, method="unrolled"), stored=stored)
        redone = gradient_of(replace(lesson_of(scope, KD, stored=stored, optimizer="sgd"), redo=True), stored=stored)
        assert float((in_pieces - unrolled).norm()) < 1e-8 * float(unrolled.norm())
        assert torch.equal(redone, wanted)


def test_trust_is_a_weight_on_the_example() -> None:
    """The gradient of CE(w q + (1 - w) p, p) at the student's logits is w times that of CE(q, p)."""
    trust = started("trust")
    said, answered = torch.randn(2, 4, CLASSES, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    sources = torch.tensor([0, 1, 0, 1])
    target = torch.softmax(corrected(trust, said, Told(answered, 1.0, None, sources)), dim=-1).detach()
    weights = dict(trust.named_parameters())["weight"][sources, said.argmax(-1)].detach()

    def slope(probabilities: Tensor) -> Tensor:
        logits = answered.clone().requires_grad_()
        return torch.autograd.grad(F.cross_entropy(logits, probabilities, reduction="sum"), logits)[0]

    torch.testing.assert_close(slope(target), weights[:, None] * slope(torch.softmax(said, dim=-1)), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_fresh_correction_says_what_the_teacher_says(scope: str) -> None:
    fresh = CORRECTIONS[scope](Size(CLASSES, N_SOURCES, N_COURSE))
    generator = torch.Generator().manual_seed(2)
    said, student = 8 * torch.randn(2, 50, CLASSES, generator=generator)
    told = Told(student, TEMPERATURE, torch.arange(50) % N_COURSE, torch.arange(50) % 3 - 1)
    got = corrected(fresh, said, told).detach()
    if scope == "label_matrix":
        before, after = torch.softmax(said / TEMPERATURE, -1), torch.softmax(got / TEMPERATURE, -1)
        assert float((after - before).abs().max()) < 0.05 + 1e-6
    else:
        assert torch.equal(got, said), "to the bit"
    names = number_names(scope, ["no", "maybe", "yes"], ["one", "other"])
    assert len(names) == len(set(names)) == len(numbers_of(fresh))


def test_no_trust_at_all_leaves_the_students_own_answer() -> None:
    trust = CORRECTIONS["trust"](Size(CLASSES))
    with torch.no_grad():
        trust.weight.zero_()  # type: ignore[union-attr, operator]
    said, student = torch.randn(2, 6, CLASSES, generator=torch.Generator().manual_seed(2))
    got = torch.softmax(corrected(trust, said, Told(student, TEMPERATURE)) / TEMPERATURE, -1)
    torch.testing.assert_close(got, torch.softmax(student / TEMPERATURE, -1), rtol=1e-5, atol=1e-7)
    far = corrected(trust, torch.tensor([[0.0, -200.0, 0.0]]), Told(torch.tensor([[0.0, 200.0, 0.0]])))
    assert bool(torch.isfinite(far).all())


def test_the_memory_of_texts_that_were_not_asked_stays() -> None:
    lesson = lesson_of("memory", KD, stored=True)
    assert lesson.correction is not None
    lesson = replace(lesson, teacher_optimizer=torch.optim.AdamW(lesson.correction.parameters(), lr=0.1, weight_decay=0.0))
    rows = dict(lesson.correction.named_parameters())["rows"]
    asked, others = course(stored=True), course(stored=True)._replace(examples=torch.tensor([0, 1, 2, 3, 4]))
    exam_step(lesson, others, EXAM)  # Adam now remembers where these were going
    before = rows.detach().clone()
    exam_step(lesson, asked, EXAM)
    moved = (rows != before).any(dim=1)
    assert moved.tolist() == [row in asked.examples.tolist() for row in range(N_COURSE)]


# Taming


def taught(optimizer: torch.optim.Optimizer, weight: Tensor, slope: Tensor, taming: Taming | None) -> None:
    update_teacher(optimizer, iter([[(weight, slope)]]), taming=taming)


def test_the_teacher_steps_on_the_mean_of_the_exams() -> None:
    weight = torch.zeros(3, requires_grad=True)
    optimizer, taming = torch.optim.SGD([weight], lr=1.0), Taming(exams=3)
    slopes = [torch.tensor([3.0, 0.0, 1.0]), torch.tensor([0.0, -3.0, 1.0]), torch.tensor([0.0, 0.0, 1.0])]
    for slope in slopes[:2]:
        taught(optimizer, weight, slope, taming)
        assert weight.tolist() == [0.0, 0.0, 0.0]
    taught(optimizer, weight, slopes[2], taming)
    torch.testing.assert_close(weight.detach(), -torch.stack(slopes).mean(0))
    taught(optimizer, weight, slopes[0], taming)  # what was used is forgotten
    torch.testing.assert_close(weight.detach(), -torch.stack(slopes).mean(0))


def test_a_shut_gate_holds_a_weight_even_against_what_adam_remembers() -> None:
    weight = torch.zeros(2, requires_grad=True)
    optimizer, taming = torch.optim.AdamW([weight], lr=0.1, weight_decay=0.0), Taming(exams=2, gate=1.0)
    for _ in range(2):  # both say the same: the gate is open
        taught(optimizer, weight, torch.tensor([1.0, 1.0]), taming)
    there = weight.detach().clone()
    assert bool((there != 0).all())
    taught(optimizer, weight, torch.tensor([1.0, 1.0]), taming)
    taught(optimizer, weight, torch.tensor([1.0, -0.5]), taming)  # mean 0.25, standard error 0.75
    assert weight[0] != there[0] and weight[1] == there[1]
    state, there = copy.deepcopy(optimizer.state_dict()), weight.detach().clone()
    taught(optimizer, weight, torch.tensor([1.0, 1.0]), taming)
    taught(optimizer, weight, torch.tensor([-1.0, -0.5]), taming)  # shut everywhere: no step at all
    assert torch.equal(weight.detach(), there) and str(optimizer.state_dict()) == str(state)


def test_exams_are_silent_once_their_loss_no_longer_falls() -> None:
    taming = Taming(silent_exams=4)
    for loss in (1.0, 0.95, 0.9, 0.85, 0.6, 0.55, 0.5):
        taming.heard(loss)
        assert not taming.silent, "too few, or falling"
    taming.heard(0.45)
    assert not taming.silent
    for loss in (0.5, 0.46, 0.54, 0.5, 0.48, 0.52, 0.5, 0.5):
        taming.heard(loss)
    assert taming.silent
    taming.heard(-9.0)
    assert taming.silent, "no exam follows"


def test_what_is_remembered_is_remembered_after_a_resume() -> None:
    taming, other = Taming(exams=3, gate=1.0, silent_exams=3), Taming(exams=3, gate=1.0, silent_exams=3)
    taming.add([torch.tensor([1.0, 2.0])])
    taming.add([torch.tensor([2.0, -2.0])])
    taming.heard(0.7)
    other.restore(taming.tensors(), torch.device("cpu"))
    for one in (taming, other):
        assert one.add([torch.tensor([3.0, 0.0])])
    assert [str(part) for part in taming.mean()] == [str(part) for part in other.mean()]
    assert str(taming.tensors()) == str(other.tensors())


# Whole runs


def config_of(**values: object) -> RunConfig:
    named = {"policy.exam_start": 1, "policy.exam_batch_size": 4, "teacher.name": "builtin/2x32", "student.name": "builtin/1x16",
             "training.steps": 8, "training.batch_size": 4, "training.warmup_steps": 1, "record.probe_every": 2}  # fmt: skip
    return build_config({**named, **{name.replace("__", "."): value for name, value in values.items()}})


def training_of(config: RunConfig, start: Snapshot | None = None, *, sources: bool = True) -> Training:
    room = tiny_room(tiny_bert(2, 32, seed=1), tiny_bert(1, 16, seed=2))
    if sources:
        for split in room.splits.values():
            split.given_by = torch.arange(len(split)) % 3 - 1  # type: ignore[attr-defined]
        room = replace(room, source_names=["one", "other"], source_worth={"one": [0.9] * 3, "other": [0.1] * 3})
    return Training(room, Timeline(config), start=start)


def weights(training: Training, role: str) -> dict[str, Tensor]:
    found = training.snapshot().tensors
    return {name: tensor for name, tensor in found.items() if name.startswith(f"{role}/")}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize("scope", ["temperature", "class_bias", "trust", "memory"])
def test_full_trust_is_the_plain_objective_to_the_bit(scope: str) -> None:
    plain = training_of(config_of(policy__name="fixed", policy__fixed_studies_exam=False))
    still = training_of(config_of(policy__teacher_scope=scope, policy__teacher_learning_rate=0.0))
    for training in (plain, still):
        list(training.events())
    assert same(weights(plain, "student"), weights(still, "student"))


def test_without_taming_an_exam_run_is_what_it_was() -> None:
    one, other = (training_of(config_of(policy__exam_mean=1)), training_of(config_of(policy__exam_mean=1)))
    assert one._lesson.taming is None
    other._lesson = replace(other._lesson, taming=Taming(exams=1))  # the mean of one exam is that exam
    for training in (one, other):
        list(training.events())
    assert same(weights(one, "student"), weights(other, "student")) and same(weights(one, "teacher"), weights(other, "teacher"))


def test_the_numbers_are_reported_at_each_reading_and_stay_in_their_range() -> None:
    training = training_of(config_of(policy__teacher_scope="trust", policy__teacher_learning_rate=0.5))
    readings, begun = [], None
    for event in training.events():
        if isinstance(event, RunStarted):
            begun = event
        if isinstance(event, StepTaken) and event.reading is not None:
            readings.append(event.reading)
    assert begun is not None and list(begun.numbers)[:2] == ["one: no", "one: maybe"] and begun.numbers_truth == [0.9] * 3 + [0.1] * 3
    numbers = torch.stack([torch.tensor(numbers_in(one)) for one in readings])
    assert numbers.shape == (5, 6) and bool((numbers[0] == 1).all()) and bool((numbers[-1] < 1).any())
    assert float(numbers.min()) >= 0 and float(numbers.max()) <= 1
    assert torch.equal(numbers[-1], numbers_of(training._lesson.correction).float())  # type: ignore[arg-type]


def numbers_in(reading: Reading) -> list[float]:
    assert reading.numbers is not None
    return [float(one) for one in reading.numbers]


def test_the_second_half_teaches_a_fresh_student_from_a_teacher_that_stands_still() -> None:
    training = training_of(config_of(
        policy__fresh_student=True, policy__teacher_learning_rate=1e-2, training__warmup_steps=0, student__dropout=False,
    ))  # fmt: skip
    first = weights(training, "student")
    teachers, rates, said = [], [], ""
    before = first
    for event in training.events():
        said += event.text if isinstance(event, Notice) else ""
        if isinstance(event, StepTaken) and event.course is not None:
            teachers.append(weights(training, "teacher"))
            rates.append(event.scalars["student_learning_rate"])
            assert ("exam_loss" in event.scalars) == (1 <= event.step < 4)
            if event.step == 4:
                again = training_of(config_of(policy__name="fixed", policy__fixed_studies_exam=False, training__steps=4))
                assert not same(before, first) and same(weights(again, "student"), first)
                torch.testing.assert_close(torch.tensor(event.course.student_logits), answers(again, event.course.examples))
            before = weights(training, "student")
    assert "From step 4 on a fresh student" in said
    assert same(teachers[3], teachers[7]) and not same(teachers[2], teachers[3])
    assert rates[:4] == rates[4:], "the schedule begins again"


def answers(training: Training, examples: object) -> Tensor:
    """Return what the untaught student answers to some course texts."""
    room = training._room
    batch = room.splits["course"].batch(list(examples))  # type: ignore[call-overload]
    with torch.no_grad(), mode(room.student, training=False):
        return room.student(**batch.student_inputs).logits.float()  # type: ignore[no-any-return]


@pytest.mark.parametrize("values", [
    {"policy__teacher_scope": "trust", "policy__exam_mean": 2, "policy__gate": 0.3, "policy__fresh_student": True},
    {"policy__teacher_scope": "memory", "policy__silent_exams": 2, "policy__anchor": "initial_teacher"},
    {"policy__exam_mean": 3, "policy__silent_exams": 2},
], ids=["trust", "memory", "all"])  # fmt: skip
def test_a_run_goes_on_from_any_step_bit_for_bit(values: dict[str, object]) -> None:
    config = config_of(**values, training__steps=10)
    whole = training_of(config)
    wanted, kept = [], {}
    for event in whole.events():
        wanted += facts(event)
        if isinstance(event, StepTaken) and event.course is not None:
            kept[whole.step] = whole.snapshot()
    for step, snapshot in kept.items():
        again = training_of(config, snapshot)
        got = [fact for event in again.events() for fact in facts(event)]
        assert got == [fact for fact in wanted if fact[0] >= step], f"from step {step}"
        assert same(dict(again.snapshot().tensors), dict(whole.snapshot().tensors))


def facts(event: Event) -> Iterator[tuple[int, str]]:
    if isinstance(event, StepTaken):
        yield event.step, str((dict(event.scalars), event.reading))


def test_no_exam_is_sat_once_exams_are_silent() -> None:
    training = training_of(config_of(
        policy__silent_exams=2, policy__teacher_learning_rate=0.0, training__learning_rate=1e-9, training__steps=12,
    ))  # fmt: skip
    events = list(training.events())
    exams = [event.step for event in events if isinstance(event, StepTaken) and "exam_loss" in event.scalars]
    notices = [event.text for event in events if isinstance(event, Notice)]
    assert exams == list(range(1, exams[-1] + 1)) and exams[-1] < 11
    assert notices == [f"At step {exams[-1]} the exams had nothing more to say (policy.silent_exams): the teacher is frozen."]


# What is stored


def test_stored_soft_targets_are_what_was_said() -> None:
    split = Split(texts=["a", "b", "c"], labels=[2, 1, -1], soft_targets=[[0.5, 0.5, 0.0], [0, 0, 0], [3, 1, 0]])
    said = torch.softmax(stored_logits(split, 3, course=True).double(), -1)
    torch.testing.assert_close(said, torch.tensor([[0.5, 0.5, 0], [0, 1, 0], [0.75, 0.25, 0]], dtype=torch.float64), rtol=0, atol=3 * LEAST)
    held_out = torch.softmax(stored_logits(split, 3, course=False), -1)
    assert held_out[1].tolist() == pytest.approx([1 / 3] * 3), "of a held-out text nothing is made up"


REFUSED = [
    ({"policy.name": "mutual", "policy.teacher_scope": "trust"}, "learns from exams, and policy mutual sits none"),
    ({"policy.teacher_scope": "trust", "objective.name": "minilm"}, "sends no feedback to soft targets"),
    ({"policy.gate": 1.0}, "one exam has no spread"),
    ({"teacher.name": "stored", "policy.name": "fixed"}, "needs soft targets that stand with the texts"),
    ({"teacher.name": "stored", "task.shift": "sources"}, "have no weights that could learn"),
    ({"teacher.name": "stored", "task.shift": "sources", "policy.name": "fixed", "student.name": "teacher"}, "no layers that a student"),
    ({"student.name": "stored"}, "names soft targets that stand with the texts, and no model"),
    ({"policy.fresh_student": True, "policy.exam_start": 300}, "the teacher is frozen from step 200 on"),
]


@pytest.mark.parametrize(("values", "sentence"), REFUSED)
def test_what_cannot_be_is_refused_in_a_sentence(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        build_config(values)
