"""What changes from step to step: temperature, alpha, learning rates and the order of the examples, by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from ikd.config import PlannedChange, RunConfig, alpha_at, build_config, is_scheduled, temperature_at
from ikd.events import StepTaken
from ikd.teaching.schedule import Sampler, learning_rate_factor
from ikd.trainer import train
from tests.tiny import TinySplit, tiny_bert, tiny_room

LENGTHS = np.random.default_rng(3).integers(3, 60, size=330).tolist()
BATCH = 8


def config_of(**values: Any) -> RunConfig:
    fixed = {"training.steps": 5, "policy.exam_start": 0, "teacher.name": "builtin/2x32", "student.name": "builtin/2x16"}
    return build_config({**fixed, **{name.replace("__", "."): value for name, value in values.items()}})


def at_every_step(config: RunConfig, which: Any) -> list[float]:
    return [which(step, config) for step in range(config.training.steps)]


def test_temperature_and_alpha_stay_where_no_end_is_given() -> None:
    config = config_of(objective__temperature=3.0, objective__alpha=0.4)
    assert at_every_step(config, temperature_at) == [3.0] * 5 and at_every_step(config, alpha_at) == [0.4] * 5
    assert not is_scheduled(config)


def test_temperature_and_alpha_go_in_a_line_or_along_a_cosine() -> None:
    ends: dict[str, Any] = dict(objective__temperature=8.0, objective__temperature_end=2.0, objective__alpha=0.0, objective__alpha_end=1.0)
    line, cosine = config_of(**ends), config_of(objective__schedule="cosine", **ends)
    assert at_every_step(line, temperature_at) == [8.0, 6.5, 5.0, 3.5, 2.0]
    assert at_every_step(line, alpha_at) == [0.0, 0.25, 0.5, 0.75, 1.0]
    # (1 - cos(pi / 4)) / 2 = 0.1464466 of the way after a quarter of the steps
    assert at_every_step(cosine, temperature_at) == pytest.approx([8.0, 7.1213203, 5.0, 2.8786797, 2.0])
    assert at_every_step(cosine, alpha_at) == pytest.approx([0.0, 0.1464466, 0.5, 0.8535534, 1.0])
    assert is_scheduled(line)


def test_a_schedule_of_one_alone_leaves_the_other() -> None:
    config = config_of(objective__alpha_end=0.1, objective__alpha=0.5)
    assert at_every_step(config, alpha_at) == pytest.approx([0.5, 0.4, 0.3, 0.2, 0.1])
    assert at_every_step(config, temperature_at) == [2.0] * 5 and is_scheduled(config)


def test_annealing_goes_down_to_the_objectives_temperature() -> None:
    config = config_of(policy__name="annealed", policy__annealed_from=10.0, objective__temperature=2.0)
    assert at_every_step(config, temperature_at) == [10.0, 8.0, 6.0, 4.0, 2.0]
    assert is_scheduled(config) and at_every_step(config, alpha_at) == [0.7] * 5


def test_past_the_last_step_and_in_a_run_of_one_step_nothing_runs_over() -> None:
    config = config_of(objective__temperature=8.0, objective__temperature_end=2.0)
    assert [temperature_at(step, config) for step in (4, 5, 100)] == [2.0] * 3
    alone = config_of(training__steps=1, objective__temperature=8.0, objective__temperature_end=2.0)
    assert [temperature_at(step, alone) for step in (0, 1)] == [8.0, 2.0]


def scalars_of(config: RunConfig) -> list[dict[str, float]]:
    """Carry out a run of tiny models and return what it recorded of each step."""
    room = tiny_room(tiny_bert(2, 32, seed=1), tiny_bert(2, 16, seed=2))
    return [dict(event.scalars) for event in train(room, config) if isinstance(event, StepTaken) and event.course is not None]


def test_the_scheduled_temperature_is_the_one_that_teaches() -> None:
    """The first step's loss is that of its temperature alone, and the last one's of its own."""
    ends: dict[str, Any] = dict(objective__temperature=8.0, objective__temperature_end=2.0, policy__name="fixed",
                                training__learning_rate=1e-9)  # fmt: skip
    steps = scalars_of(config_of(**ends))
    assert [one["temperature"] for one in steps] == [8.0, 6.5, 5.0, 3.5, 2.0]
    assert [one["alpha"] for one in steps] == [0.7] * 5
    for at, temperature in ((0, 8.0), (4, 2.0)):  # hardly anything is learned, so only the temperature tells
        alone = scalars_of(config_of(**ends | {"objective__temperature": temperature, "objective__temperature_end": None}))
        assert "temperature" not in alone[at]
        assert steps[at]["course_loss"] == pytest.approx(alone[at]["course_loss"], rel=1e-7)
        assert steps[4 - at]["course_loss"] != pytest.approx(alone[4 - at]["course_loss"], rel=1e-4)


def test_a_change_in_flight_holds_beside_a_schedule() -> None:
    config = config_of(objective__temperature=8.0, objective__temperature_end=2.0, objective__alpha=0.7)
    changed = config.model_copy(update={"plan": (PlannedChange(step=2, path="objective.alpha", value=0.2),
                                                 PlannedChange(step=3, path="objective.temperature", value=4.0))})  # fmt: skip
    steps = scalars_of(changed)
    assert [one["alpha"] for one in steps] == [0.7, 0.7, 0.2, 0.2, 0.2]
    assert [one["temperature"] for one in steps] == [8.0, 6.5, 5.0, 2.5, 2.0]


@pytest.mark.parametrize(("schedule", "factors"), [
    ("constant", [1 / 3, 2 / 3, 1, 1, 1, 1]),
    ("linear", [1 / 3, 2 / 3, 1, 3 / 4, 1 / 2, 1 / 4]),
    ("cosine", [1 / 3, 2 / 3, 1, 0.8535534, 0.5, 0.1464466]),
])  # fmt: skip
def test_the_teachers_learning_rate_follows_its_own_schedule(schedule: str, factors: list[float]) -> None:
    """Two steps of warm-up; the student's rate goes its own way."""
    steps = scalars_of(config_of(
        policy__teacher_schedule=schedule, policy__teacher_warmup_steps=2, policy__teacher_learning_rate=1e-3, training__steps=6,
        training__warmup_steps=0, training__schedule="constant", training__learning_rate=0.02,
    ))  # fmt: skip
    assert [one["teacher_learning_rate"] for one in steps] == pytest.approx([1e-3 * factor for factor in factors])
    assert [one["student_learning_rate"] for one in steps] == pytest.approx([0.02] * 6)


def test_a_teacher_in_warm_up_moves_as_little_as_its_rate_says() -> None:
    """With SGD without clipping the first update goes with the rate, so the optimizer has really got it."""
    common: dict[str, Any] = dict(policy__teacher_optimizer="sgd", policy__teacher_max_gradient_norm=None, policy__name="mutual",
                                  policy__teacher_learning_rate=1e-3)  # fmt: skip
    alone, warmed = (scalars_of(config_of(policy__teacher_warmup_steps=n, **common))[0] for n in (0, 9))
    assert warmed["teacher_gradient_norm"] == pytest.approx(alone["teacher_gradient_norm"])
    assert warmed["teacher_update_ratio"] == pytest.approx(alone["teacher_update_ratio"] / 10, rel=1e-6)


def test_a_rate_is_never_zero() -> None:
    for schedule in ("constant", "linear", "cosine"):
        factors = [learning_rate_factor(step, n_steps=9, warmup_steps=3, schedule=schedule) for step in range(9)]
        assert min(factors) > 0 and max(factors) == 1.0 == factors[3]


def bucketed(seed: int = 1) -> Sampler:
    return Sampler(len(LENGTHS), seed=(seed, 2), lengths=LENGTHS, bucket=BATCH)


def padding(batches: list[list[int]]) -> int:
    """Return how many tokens of padding some batches carry."""
    return sum(max(LENGTHS[one] for one in batch) * len(batch) - sum(LENGTHS[one] for one in batch) for batch in batches)


def test_every_epoch_has_every_example_once_with_texts_of_like_length_together() -> None:
    sampler, orders = bucketed(), []
    for _ in range(3):
        epoch = sampler.take(len(LENGTHS))
        assert Counter(epoch) == Counter(range(len(LENGTHS)))
        orders.append(tuple(epoch))
    assert len(set(orders)) == 3


def test_texts_of_like_length_carry_less_padding() -> None:
    """In every epoch, although the split is no multiple of the batch: a short bucket must not shift the others."""
    plain, alike = Sampler(len(LENGTHS), seed=(1, 2)), bucketed()
    n_batches = len(LENGTHS) // BATCH
    for _ in range(5):
        assert padding([alike.take(BATCH) for _ in range(n_batches)]) < 0.12 * padding([plain.take(BATCH) for _ in range(n_batches)])


def test_batches_of_like_length_come_in_no_order_of_length() -> None:
    sampler = bucketed()
    longest = [max(LENGTHS[one] for one in sampler.take(BATCH)) for _ in range(len(LENGTHS) // BATCH)]
    assert longest != sorted(longest) and abs(np.corrcoef(longest, range(len(longest)))[0, 1]) < 0.5


@pytest.mark.parametrize("alike", [False, True])
def test_the_order_hangs_on_the_seed_and_not_on_how_much_is_taken_at_a_time(alike: bool) -> None:
    def fresh(seed: int = 1) -> Sampler:
        return bucketed(seed) if alike else Sampler(len(LENGTHS), seed=(seed, 2))

    whole, other, pieces = fresh().take(300), fresh(2).take(300), fresh()
    assert sum((pieces.take(n) for n in (1, 99, 7, 193)), []) == whole != other


@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize("drawn", [0, 5, 330, 333, 700])
def test_what_is_skipped_is_what_would_have_been_taken(alike: bool, drawn: int) -> None:
    one, two = (bucketed() if alike else Sampler(len(LENGTHS), seed=(1, 2)) for _ in range(2))
    taken = set()
    for size in [100] * (drawn // 100) + [drawn % 100]:
        taken.update(one.take(size) if size else [])
    assert two.skip(drawn) == taken and two.drawn == drawn == one.drawn
    assert two.take(BATCH) == one.take(BATCH)


def test_a_split_smaller_than_a_batch_is_given_whole() -> None:
    sampler = Sampler(3, seed=(1,), lengths=[5, 9, 7], bucket=8)
    assert [sorted(sampler.take(8)) for _ in range(3)] == [[0, 1, 2]] * 3 and sampler.drawn == 9


@pytest.mark.parametrize("alike", [False, True])
def test_a_run_takes_texts_of_like_length_together_where_asked(alike: bool) -> None:
    room = tiny_room(tiny_bert(2, 32, seed=1), tiny_bert(2, 16, seed=2), course=40)
    config = config_of(training__length_buckets=alike, training__batch_size=8, policy__name="fixed", policy__cached_targets="never")
    assert sum(isinstance(event, StepTaken) for event in train(room, config)) == 6
    course = room.splits["course"]
    assert isinstance(course, TinySplit)
    batches = course.served
    assert sorted(sum(batches, [])) == list(range(40))
    lengths = [{course.lengths[one] for one in batch} for batch in batches]
    assert (max(len(some) for some in lengths) == 1) == alike
