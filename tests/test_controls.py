"""The controls that could explain the gain of feedback, each against the same written out independently."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from ikd.classroom import Classroom, build_lesson
from ikd.classroom.ending import BEFORE
from ikd.config import RunConfig, Timeline, build_config, exam_is_due
from ikd.errors import ConfigError
from ikd.events import Notice, Predicted, Progress, RunFinished, StepTaken
from ikd.metrics.scores import point_values
from ikd.runs.cost import ending_units, exam_units, n_exams, step_units
from ikd.runs.spent import exam_scalar, flops_after, flops_spent
from ikd.study.cells import check_configs
from ikd.study.digests import digest_of
from ikd.study.reading import study_from_text
from ikd.teaching.calibration import FLATTEST, SHARPEST, fitted_temperature
from ikd.teaching.optimizers import build_optimizer, trained_parameters
from ikd.teaching.policies import direct_step
from ikd.teaching.schedule import Sampler
from ikd.teaching.sources import confusion_matrices, corrected_by_source
from ikd.teaching.studying import Studies, learn_targets, split_loss, study, tried_steps
from ikd.trainer import Training
from tests.test_policies import assert_near, config_of, gradient_of, logits_of, room_of, weights_of
from tests.tiny import CLASSES, TinySplit, padded_batch, tiny_bert, tiny_split

CPU = torch.device("cpu")


def events_of(config: RunConfig, room: Classroom) -> list[Any]:
    return list(Training(room, Timeline(config)).events())


def learnable(split: TinySplit) -> TinySplit:
    """Return a split whose labels follow from the first tokens of its texts, so that one split teaches something of another."""
    split.split = replace(split.split, labels=[row[0] % CLASSES for row in split.rows])
    return split


def learnable_room(**sizes: int) -> Classroom:
    room = room_of(**sizes)
    for split in room.splits.values():
        assert isinstance(split, TinySplit)
        learnable(split)
    return room


def whole_loss(model: nn.Module, split: TinySplit) -> float:
    """Return the mean cross-entropy on a split, one text at a time."""
    with torch.no_grad():
        losses = [F.cross_entropy(model(**split.batch([one]).student_inputs).logits.double(), split.batch([one]).labels)
                  for one in range(len(split))]  # fmt: skip
    return float(torch.stack(losses).mean())


# Policy direct


@pytest.mark.parametrize("scope", ["all", "top_layers", "head"])
@pytest.mark.parametrize("pieces", [1, 3])
def test_a_direct_teachers_gradient_is_that_of_the_exam_labels(scope: str, pieces: int) -> None:
    room, course, exam = room_of(), padded_batch(6, seed=11), padded_batch(5, seed=12)
    lesson = build_lesson(room, config_of(policy__name="direct", policy__teacher_scope=scope, training__pieces=pieces))
    loss = nn.CrossEntropyLoss()(logits_of(room.teacher, exam), exam.labels)
    wanted = {name: torch.zeros_like(weight) for name, weight in room.teacher.named_parameters()} | gradient_of(room.teacher, loss)
    before = weights_of(room.teacher)
    taught = direct_step(lesson, course, exam)
    assert_near({name: before[name] - weight for name, weight in weights_of(room.teacher).items()}, wanted)
    assert taught.scalars["teacher_loss"] == pytest.approx(float(loss.detach()), rel=1e-12) and taught.feedback is None


@pytest.mark.parametrize(("anchor", "pieces"), [("labels", 1), ("labels", 2), ("initial_teacher", 1)])
def test_a_direct_teacher_may_be_anchored_on_the_course(anchor: str, pieces: int) -> None:
    room, course, exam = room_of(), padded_batch(6, seed=11), padded_batch(5, seed=12)
    lesson = build_lesson(room, config_of(policy__name="direct", policy__anchor=anchor, policy__anchor_weight=0.7, training__pieces=pieces))
    own = logits_of(room.teacher, course)
    extra = F.cross_entropy(own, course.labels) if anchor == "labels" else 0.0 * own.sum()  # nothing has drifted yet
    wanted = gradient_of(room.teacher, F.cross_entropy(logits_of(room.teacher, exam), exam.labels) + 0.7 * extra)
    before = weights_of(room.teacher)
    taught = direct_step(lesson, course, exam)
    assert_near({name: before[name] - weight for name, weight in weights_of(room.teacher).items()}, wanted)
    assert taught.scalars["anchor_loss"] == pytest.approx(float(extra.detach()), abs=1e-12)


def test_the_student_of_a_direct_teacher_takes_an_ordinary_course_step() -> None:
    rooms = {policy: room_of() for policy in ("direct", "fixed")}
    for policy, room in rooms.items():
        lesson = build_lesson(room, config_of(policy__name=policy))
        torch.manual_seed(3)
        direct_step(lesson, padded_batch(6, seed=11), padded_batch(5, seed=12) if policy == "direct" else None)
    assert_near(weights_of(rooms["direct"].student), weights_of(rooms["fixed"].student), absolute=0)
    assert not torch.equal(*(logits_of(room.teacher) for room in rooms.values()))


def test_a_direct_teacher_learns_at_the_exams_and_at_no_other_step() -> None:
    config = config_of(policy__name="direct", policy__exam_every=2, policy__exam_start=3, policy__teacher_freeze_at=7)
    steps = [one for one in events_of(config, room_of()) if isinstance(one, StepTaken) and one.course]
    learned = [one.step for one in steps if exam_scalar(config) in one.scalars]
    assert learned == [4, 6] == [step for step in range(9) if exam_is_due(step, config)] and n_exams(config) == 2
    assert not any("exam_loss" in one.scalars for one in steps)


def test_a_direct_step_costs_the_teacher_on_the_exam_batch() -> None:
    """r + 3 for the course; forward and backward of the teacher, 3r, on a batch b times as large."""
    direct = build_config({"policy.name": "direct", "policy.exam_start": 0, "training.batch_size": 32, "policy.exam_batch_size": 128})
    assert step_units(direct, 7.0, 2) == pytest.approx(7 + 3 + 3 * 7 * 4)
    assert exam_units(build_config({"policy.name": "direct", "policy.teacher_scope": "head"}), 7.0, 2) == pytest.approx(7 * 4)
    assert exam_units(build_config({"policy.name": "direct", "policy.teacher_scope": "adapter"}), 7.0, 2) == pytest.approx(2 * 7 * 4)
    anchored = build_config({"policy.name": "direct", "policy.anchor": "labels"})
    assert exam_units(anchored, 7.0, 2) == pytest.approx(3 * 7 * 4 + 2 * 7)
    facts = {"student_flops": 1.0, "teacher_flops": 7.0, "teacher_layers": 2, "cached_examples": 0}
    spent = flops_spent(direct, facts, exams=[1], n_steps=3, steps=range(4))
    assert spent is not None and np.diff(spent).tolist() == pytest.approx([32 * 10, 32 * (10 + 84), 32 * 10])


# A last fine-tuning on the exam texts


@pytest.mark.parametrize(("n_steps", "wanted"), [(0, []), (4, [1, 2, 3, 4]), (10, list(range(1, 11))), (60, list(range(6, 61, 6)))])
def test_about_ten_evenly_spaced_numbers_of_steps_are_tried(n_steps: int, wanted: list[int]) -> None:
    assert tried_steps(n_steps) == wanted
    assert len(tried_steps(1003)) == 10 and tried_steps(1003)[-1] == 1003


def finished_study(student: nn.Module, texts: TinySplit, deciding: TinySplit, how: Studies) -> Any:
    taken = study(student, texts, deciding, how, device=CPU)
    while True:
        try:
            next(taken)
        except StopIteration as end:
            return end.value


RATES = {"adamw": 0.02, "sgd": 0.5}


@pytest.mark.parametrize("optimizer", RATES)
@pytest.mark.parametrize("pieces", [1, 2])
def test_studying_is_fine_tuning_up_to_the_step_that_is_best_on_other_texts(optimizer: str, pieces: int) -> None:
    """The same written out with torch's own loss, clipping and optimizer; every weight as it was at the step that is kept."""
    texts, deciding = learnable(tiny_split(9, seed=3)), learnable(tiny_split(11, seed=4))
    student = tiny_bert(1, 16, seed=5)
    alone = copy.deepcopy(student)
    rate = RATES[optimizer]
    how = Studies(n_steps=25, batch_size=4, learning_rate=rate, optimizer=optimizer, weight_decay=0.01, dropout=False, seed=(7, 4),
                  pieces=pieces)  # fmt: skip
    found = finished_study(student, texts, deciding, how)
    own, order = build_optimizer(optimizer, trained_parameters(alone), learning_rate=rate, weight_decay=0.01), Sampler(9, seed=(7, 4))
    states, losses = {0: weights_of(alone)}, {0: whole_loss(alone, deciding)}
    for step in range(1, 26):
        batch = texts.batch(order.take(4))
        F.cross_entropy(alone(**batch.student_inputs).logits, batch.labels).backward()
        nn.utils.clip_grad_norm_(alone.parameters(), 1.0)
        own.step()
        own.zero_grad()
        states[step], losses[step] = weights_of(alone), whole_loss(alone, deciding)
    wanted = min(found.losses, key=lambda step: losses[step])
    assert sorted(found.losses) == [0, *tried_steps(25)] and 0 < wanted < 25, "a case in which there is something to choose"
    assert found.kept == wanted and found.losses[wanted] == pytest.approx(losses[wanted], rel=1e-6)
    assert_near(weights_of(student), states[wanted], absolute=1e-6)


def test_learning_soft_targets_is_their_cross_entropy_with_a_rate_that_falls() -> None:
    texts, student = tiny_split(9, seed=3), tiny_bert(1, 16, seed=5)
    targets = torch.randn(9, CLASSES, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    alone = copy.deepcopy(student)
    how = Studies(n_steps=20, batch_size=4, learning_rate=0.3, optimizer="sgd", dropout=False, seed=(7, 5), max_gradient_norm=None)
    assert list(learn_targets(student, texts, targets, how, device=CPU)) == list(range(1, 21))
    own, order = torch.optim.SGD(alone.parameters(), lr=0.3), Sampler(9, seed=(7, 5))
    for step in range(20):
        own.param_groups[0]["lr"] = 0.3 * ((step + 1) / 3 if step < 2 else 1 - (step - 2) / 18)
        batch = texts.batch(order.take(4))
        own.zero_grad()
        nn.CrossEntropyLoss()(alone(**batch.student_inputs).logits, targets[batch.examples].softmax(-1)).backward()
        own.step()
    assert_near(weights_of(student), weights_of(alone), absolute=1e-9)


def test_steps_that_make_the_student_worse_are_not_kept() -> None:
    texts, deciding = tiny_split(6, seed=3), tiny_split(11, seed=4)
    student = tiny_bert(1, 16, seed=5)
    deciding.split = type(deciding.split)(texts=deciding.split.texts, labels=[0] * 11)
    texts.split = type(texts.split)(texts=texts.split.texts, labels=[1] * 6)  # what is studied is wrong elsewhere
    before = weights_of(student)
    found = finished_study(student, texts, deciding, Studies(n_steps=6, batch_size=4, learning_rate=0.01, seed=(1,)))
    assert found.kept == 0 and min(found.losses.values()) == found.losses[0]
    assert_near(weights_of(student), before, absolute=0)


def test_a_student_is_scored_before_and_after_the_exam_texts_and_the_course_is_as_without() -> None:
    plain, then = learnable_room(exam=9, validation=11), learnable_room(exam=9, validation=11)
    without = events_of(config_of(policy__name="fixed"), plain)
    config = config_of(policy__name="fixed", training__then_exam_steps=20, training__then_exam_learning_rate=0.02)
    found = events_of(config, then)
    said = {(one.role, one.split): one.logits for one in found if isinstance(one, Predicted)}
    alone = {(one.role, one.split): one.logits for one in without if isinstance(one, Predicted)}
    assert set(said) == {*alone, (BEFORE, "validation")} and "student" in {role for role, _ in alone}
    assert np.array_equal(said[BEFORE, "validation"], alone["student", "validation"])
    assert not np.array_equal(said["student", "validation"], alone["student", "validation"])
    assert [one.step for one in found if isinstance(one, Progress)] == list(range(1, 21))
    end = next(one for one in found if isinstance(one, RunFinished))
    labels = then.splits["validation"].split.labels
    assert end.scores[f"{BEFORE}/validation/nll"] == point_values(alone["student", "validation"], labels, None)["nll"]
    assert end.scores["student/validation/nll"] == pytest.approx(end.facts["then_exam_validation_nll"], rel=1e-5)
    kept = int(end.facts["then_exam_steps_kept"])
    assert any(f"{kept} of 20 steps on the exam texts are kept" in one.text for one in found if isinstance(one, Notice))
    assert kept > 0 and float(end.facts["then_exam_validation_nll"]) < float(end.facts["then_exam_validation_nll_before"])


def test_the_rate_on_the_exam_texts_is_a_third_of_the_students() -> None:
    from ikd.config import student_rate, then_exam_rate

    config = build_config({"training.learning_rate": 0.003})
    assert then_exam_rate(config) == pytest.approx(0.001) and student_rate(config) == 0.003
    given = build_config({"training.then_exam_steps": 5, "training.then_exam_learning_rate": 0.5})
    assert then_exam_rate(given) == 0.5


# Early stopping on the exam


def test_the_student_that_is_kept_is_the_best_of_those_measured_on_the_exam() -> None:
    """Measured at every step of so short a run; the same weights as those of a run that ends there."""
    values = dict(policy__name="fixed", policy__fixed_studies_exam=False, training__steps=12, training__learning_rate=0.03,
                  training__schedule="constant")  # fmt: skip
    room = learnable_room(exam=12)
    found = events_of(config_of(**values, training__kept_student="best_exam"), room)
    losses = {one.step: one.scalars["exam_split_loss"] for one in found if isinstance(one, StepTaken)}
    best = min(losses, key=lambda step: losses[step])
    assert sorted(losses) == list(range(13)) and 0 < best < 12, "a case in which there is something to choose"
    assert next(one for one in found if isinstance(one, RunFinished)).facts == {"kept_step": best, "kept_exam_loss": losses[best]}
    shorter = learnable_room(exam=12)
    list(Training(shorter, Timeline(config_of(**{**values, "training__steps": best}))).events())
    assert_near(weights_of(room.student), weights_of(shorter.student), absolute=0)
    exam = room.splits["exam"]
    assert isinstance(exam, TinySplit) and losses[best] == pytest.approx(whole_loss(room.student, exam), rel=1e-9)


def test_a_long_run_is_measured_about_fifty_times() -> None:
    from ikd.config.exam_texts import measured_every

    for n_steps in (1, 30, 50, 99, 100, 3000, 11_340):
        measured = [step for step in range(n_steps + 1) if step % measured_every(n_steps) == 0 or step == n_steps]
        assert min(n_steps, 50) <= len(measured) <= 101
    config = build_config({"training.kept_student": "best_exam", "training.steps": 3000, "task.exam_size": 500})
    assert ending_units(config) == 51 * 500


# Balanced batches


def test_balanced_batches_draw_every_class_equally_often_and_unlabelled_rows_as_they_come() -> None:
    labels = [0] * 80 + [1] * 10 + [2] * 5 + [-1] * 25
    sampler = Sampler(120, seed=(3, 2), labels=labels)
    epoch = [one for _ in range(10) for one in sampler.take(12)]
    counts = Counter(labels[one] for one in epoch)
    assert counts[-1] == 25 and sorted(one for one in epoch if labels[one] < 0) == list(range(95, 120))
    assert [counts[label] for label in (0, 1, 2)] in ([32, 32, 31], [32, 31, 32], [31, 32, 32])
    rare = Counter(one for one in epoch if labels[one] == 2)
    assert set(rare) == set(range(90, 95)) and max(rare.values()) - min(rare.values()) <= 1
    assert len({one for one in epoch if labels[one] == 0}) == counts[0], "no text twice before every one of its class"


def test_balanced_batches_go_on_where_they_stopped_whatever_the_batches() -> None:
    labels = [0] * 30 + [1] * 4 + [-1] * 6
    whole = Sampler(40, seed=(1, 2), labels=labels)
    drawn = [one for _ in range(30) for one in whole.take(5)]
    for stop in (1, 39, 40, 77):
        again = Sampler(40, seed=(1, 2), labels=labels)
        assert again.skip(stop) == set(drawn[:stop]) and again.take(9) == drawn[stop : stop + 9]


def test_balanced_batches_keep_texts_of_like_length_together() -> None:
    labels, lengths = [0] * 90 + [1] * 10, [one % 10 for one in range(100)]
    sampler = Sampler(100, seed=(1, 2), labels=labels, lengths=lengths, bucket=10)
    batches = [sampler.take(10) for _ in range(10)]
    assert max(max(lengths[one] for one in batch) - min(lengths[one] for one in batch) for batch in batches) <= 4
    assert Counter(labels[one] for batch in batches for one in batch) == {0: 50, 1: 50}


def test_without_labels_the_order_is_what_it_was() -> None:
    generator = np.random.default_rng((5, 2))
    sampler = Sampler(7, seed=(5, 2))
    assert [one for _ in range(2) for one in sampler.take(7)] == [*generator.permutation(7).tolist(), *generator.permutation(7).tolist()]


def test_a_run_draws_its_course_batches_balanced() -> None:
    room = room_of(course=24)
    course = room.splits["course"]
    assert isinstance(course, TinySplit)
    course.split = type(course.split)(texts=course.split.texts, labels=[0] * 20 + [1] * 2 + [2] * 2)
    events_of(config_of(policy__name="fixed", policy__cached_targets="never", training__balanced_batches=True, training__steps=18), room)
    counts = Counter(course.split.labels[one] for batch in course.served for one in batch)
    assert counts == {0: 24, 1: 24, 2: 24}


# Temperature scaling


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 6.0])
def test_the_fitted_temperature_is_the_minimum_of_the_cross_entropy(sharpness: float) -> None:
    generator = torch.Generator().manual_seed(2)
    logits = sharpness * torch.randn(200, 4, generator=generator, dtype=torch.float64)
    labels = torch.distributions.Categorical(logits=logits / sharpness).sample()
    found = fitted_temperature(logits, labels)
    wanted = minimize_scalar(lambda log: float(F.cross_entropy(logits / np.exp(log), labels)), bounds=(-3, 3), method="bounded",
                             options={"xatol": 1e-10})  # fmt: skip
    assert found == pytest.approx(float(np.exp(wanted.x)), rel=1e-5)


def test_the_fitted_temperature_stays_within_its_bounds() -> None:
    right = torch.eye(3).repeat(4, 1)
    assert fitted_temperature(right, right.argmax(1)) == SHARPEST
    assert fitted_temperature(right, right.argmin(1)) == FLATTEST


def test_a_calibrated_student_says_the_same_less_or_more_surely() -> None:
    values = dict(policy__name="fixed", policy__fixed_studies_exam=False)
    plain, calibrated = room_of(), room_of()
    without = events_of(config_of(**values), plain)
    found = events_of(config_of(**values, training__calibrate_on_exam=True), calibrated)
    before, after = ({(one.role, one.split): one.logits for one in some if isinstance(one, Predicted)} for some in (without, found))
    temperature = next(one for one in found if isinstance(one, RunFinished)).facts["student_temperature"]
    np.testing.assert_allclose(after["student", "validation"] * temperature, before["student", "validation"], rtol=1e-5, atol=1e-6)
    assert np.array_equal(after["teacher", "validation"], before["teacher", "validation"])
    exam = calibrated.splits["exam"]
    batch = exam.batch(range(len(exam)))
    with torch.no_grad():
        said = calibrated.student(**batch.student_inputs).logits
    assert temperature == pytest.approx(fitted_temperature(said, batch.labels), rel=1e-4)


# Sources


def counted(soft_targets: Tensor, sources: list[int], probabilities: Tensor) -> Tensor:
    """Return q M by counting text by text and class by class."""
    n, n_classes = soft_targets.shape
    corrected = torch.zeros(n, n_classes, dtype=torch.float64)
    for text in range(n):
        for said in range(n_classes):
            row = [1.0] * n_classes
            for other in range(n):
                if sources[other] == sources[text] and soft_targets[other].any() and int(soft_targets[other].argmax()) == said:
                    row = [have + float(more) for have, more in zip(row, probabilities[other], strict=True)]
            for true in range(n_classes):
                corrected[text, true] += soft_targets[text, said] * row[true] / sum(row)
    return corrected


def test_sources_are_corrected_by_exact_counting() -> None:
    generator = torch.Generator().manual_seed(1)
    soft_targets = torch.rand(40, CLASSES, generator=generator, dtype=torch.float64)
    soft_targets /= soft_targets.sum(1, keepdim=True)
    soft_targets[7] = 0  # no soft target is stored: nothing is counted, and nothing is put there
    probabilities = torch.softmax(2 * torch.randn(40, CLASSES, generator=generator, dtype=torch.float64), dim=1)
    sources = [index % 3 - 1 for index in range(40)]
    found = corrected_by_source(soft_targets, torch.tensor(sources), probabilities)
    torch.testing.assert_close(found, counted(soft_targets, sources, probabilities), rtol=1e-12, atol=1e-12)
    assert torch.equal(found[7], torch.zeros(CLASSES, dtype=torch.float64))
    assert torch.allclose(found.sum(1)[torch.arange(40) != 7], torch.ones(39, dtype=torch.float64))


def test_a_liar_is_found_out_and_a_class_never_said_is_uniform() -> None:
    truth = torch.arange(300) % 3
    honest, liar = F.one_hot(truth, 3).double(), F.one_hot((truth + 1) % 3, 3).double()
    soft_targets, sources = torch.cat([honest, liar[truth != 1]]), torch.tensor([0] * 300 + [1] * int((truth != 1).sum()))
    known = torch.cat([honest, honest[truth != 1]])
    matrices = confusion_matrices(soft_targets, sources, known)
    assert matrices[0].diagonal().min() > 0.95 and matrices[1][1].argmax() == 0 and matrices[1][0].argmax() == 2
    assert matrices[1][2].tolist() == pytest.approx([1 / 3] * 3), "it never says the third class"
    assert torch.equal(corrected_by_source(soft_targets, sources, known).argmax(1), known.argmax(1))


# Rules


JOINED = {"policy.name": "fixed"}
APART = {"policy.name": "fixed", "policy.fixed_studies_exam": False}


@pytest.mark.parametrize(("values", "sentence"), [
    ({**JOINED, "training.kept_student": "best_exam"}, "The exam texts cannot tell which student is best"),
    ({**JOINED, "training.calibrate_on_exam": True}, "The exam texts cannot calibrate the student, as they are studied in the course"),
    ({**APART, "training.calibrate_on_exam": True, "training.then_exam_steps": 5}, "as it studies them after the course"),
    ({"teacher.studies_exam": True, "teacher.fine_tune": "never"}, "The teacher is never fine-tuned"),
    ({"policy.name": "direct", "objective.alpha": 0}, "it does not matter what the teacher learns"),
    ({"policy.name": "direct", "policy.exam_start": 400}, "The first exam would be at step 400"),
    ({"policy.name": "direct", "policy.teacher_scope": "trust"}, "learns from exams"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused_in_a_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        build_config(values)


@pytest.mark.parametrize("values", [
    {**APART, "training.kept_student": "best_exam"}, {**APART, "training.calibrate_on_exam": True}, {"training.calibrate_on_exam": True},
    {"training.kept_student": "best_exam"}, {**JOINED, "training.then_exam_steps": 5}, {"policy.name": "direct"},
    {"policy.name": "direct", "policy.inner_update": "off"}, {"teacher.studies_exam": True},
])  # fmt: skip
def test_what_makes_sense_is_not(values: dict[str, Any]) -> None:
    build_config(values)


def test_settings_at_their_defaults_leave_the_hash_of_older_runs() -> None:
    """The hash of a config written before there were these settings, and another one where they are used."""
    assert digest_of(build_config({})) == digest_of(build_config({"training.then_exam_steps": 0, "teacher.studies_exam": False}))
    for path, value in (("training.then_exam_steps", 5), ("training.balanced_batches", True), ("teacher.studies_exam", True)):
        assert digest_of(build_config({path: value})) != digest_of(build_config({}))


STUDY = """
name: small
tasks: {reviews: {}}
methods: {fixed: {policy.name: fixed, policy.fixed_studies_exam: false%s}, exam: {policy.name: exam}}
seeds: 1
baseline: fixed
"""


def test_a_baseline_may_use_the_exam_texts_in_other_ways_than_the_course() -> None:
    with pytest.raises(ConfigError, match="would not study the exam examples"):
        check_configs(study_from_text(STUDY % ""))
    for other in ("training.then_exam_steps: 20", "training.kept_student: best_exam", "training.calibrate_on_exam: true"):
        check_configs(study_from_text(STUDY % f", {other}"))


def test_what_follows_the_course_is_counted() -> None:
    config = build_config({"training.then_exam_steps": 60, "training.batch_size": 32, "task.exam_size": 20, "policy.name": "fixed"})
    assert ending_units(config) == 60 * 3 * 20 and ending_units(config, n_exam=500) == 60 * 3 * 32
    assert flops_after(config, {"student_flops": 10, "exam_examples": 500}) == 60 * 3 * 32 * 10
    assert ending_units(build_config({})) == 0 == flops_after(config, {})
    assert split_loss(tiny_bert(1, 16, seed=5), tiny_split(9, seed=3), CPU, precision="fp32") == pytest.approx(
        whole_loss(tiny_bert(1, 16, seed=5), tiny_split(9, seed=3)), rel=1e-12)
