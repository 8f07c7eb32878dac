"""The cost model, and estimates that come from this machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from ikd.config import RunConfig, build_config, teacher_learns
from ikd.runs import Estimate, estimate_later
from ikd.runs.cost import Shape, exam_units, kd_units, n_exams, n_updates, step_units
from ikd.runs.estimate import Texts, cached_examples


def config(**values: Any) -> RunConfig:
    equal = {"policy.exam_batch_size": 32, "training.batch_size": 32, "policy.exam_start": 0}
    return build_config({**equal, **{name.replace("__", "."): value for name, value in values.items()}})


@pytest.mark.parametrize(
    ("switches", "units"),
    [
        ({"policy__name": "fixed"}, 5.0),
        ({}, 15.0),
        ({"policy__hypergradient": "finite_difference"}, 14.0),
        ({"policy__exam_every": 4}, 7.5),
        ({"policy__teacher_scope": "head"}, 11.0),
        ({"policy__teacher_scope": "top_layers", "policy__teacher_top_layers": 3}, 13.0),
        ({"policy__exam_batch_size": 64}, 18.0),
        ({"policy__teacher_freeze_at": 200}, 10.0),
        ({"policy__name": "annealed"}, 5.0),
        ({"policy__name": "mutual"}, 9.0),
        ({"policy__name": "online"}, 9.0),
        ({"policy__name": "online", "policy__teacher_scope": "head"}, 5.0),
        ({"policy__name": "online", "policy__teacher_scope": "top_layers", "policy__teacher_top_layers": 3}, 7.0),
        ({"policy__name": "mutual", "policy__teacher_scope": "adapter"}, 7.0),
        ({"policy__name": "mutual", "policy__teacher_freeze_at": 100}, 6.0),
        ({"policy__teacher_scope": "adapter"}, 13.0),
        ({"training__pieces": 4}, 17.0),
        ({"training__pieces": 2, "policy__exam_every": 4}, 8.0),
        ({"policy__name": "online", "training__pieces": 2}, 11.0),
        ({"policy__name": "fixed", "training__pieces": 4, "machine__recompute_teacher": True}, 5.0),
        ({"machine__recompute_teacher": True}, 17.0),
        ({"machine__recompute_teacher": True, "training__pieces": 2}, 19.0),
        ({"machine__recompute_teacher": True, "policy__teacher_scope": "head"}, 11.0),
        ({"policy__student_update": "redo"}, 20.0),
    ],
)
def test_the_figures_of_the_cost_model(switches: dict[str, Any], units: float) -> None:
    """r = 2, six teacher layers, 400 steps: the figures of the cost model, and those that follow from it."""
    assert step_units(config(**switches), 2.0, 6) == pytest.approx(units)
    assert kd_units(2.0) == 5.0


def test_soft_targets_said_once_are_spread_over_the_steps() -> None:
    """1,280 examples, 400 steps of 32, r = 2: 3 + 2 x 1280 / 12800."""
    assert step_units(config(policy__name="fixed"), 2.0, 6, cached_examples=1280) == pytest.approx(3.2)


@pytest.mark.parametrize(("switches", "n_cached"), [
    ({"policy__name": "fixed"}, 120), ({"policy__name": "annealed", "policy__fixed_studies_exam": False}, 100),
    ({"policy__name": "fixed", "policy__cached_targets": "never"}, None), ({"policy__name": "fixed", "training__steps": 3}, None),
    ({"policy__name": "fixed", "objective__name": "minilm"}, None), ({}, None), ({"policy__name": "mutual"}, None),
])  # fmt: skip
def test_soft_targets_are_said_once_as_the_trainer_says_them(switches: dict[str, Any], n_cached: int | None) -> None:
    """The course split has 100 examples and the exam split 20, which a run without exams studies too."""
    assert cached_examples(config(**switches), Texts(20.0, 100, 20)) == n_cached
    assert cached_examples(config(**switches), None) is None


@pytest.mark.parametrize("switches", [
    {}, {"policy__name": "fixed"}, {"policy__name": "annealed"}, {"policy__name": "mutual", "policy__teacher_freeze_at": 50},
    {"policy__name": "online"}, {"policy__exam_every": 3, "policy__teacher_freeze_at": 50},
])  # fmt: skip
def test_updates_of_the_teacher_are_counted_as_they_are_made(switches: dict[str, Any]) -> None:
    one = config(**switches)
    assert n_updates(one) == sum(teacher_learns(step, one) for step in range(one.training.steps))


def test_exams_are_counted_as_they_are_held() -> None:
    from ikd.config import exam_is_due

    for values in (
        {}, {"policy__exam_every": 7, "policy__exam_start": 10}, {"policy__exam_every": 3, "policy__teacher_freeze_at": 50},
        {"policy__name": "fixed"}, {"policy__teacher_freeze_at": 0}, {"policy__exam_start": 399},
    ):  # fmt: skip
        one = config(**values)
        assert n_exams(one) == sum(exam_is_due(step, one) for step in range(one.training.steps))


def test_flops_of_a_forward_by_hand() -> None:
    """One layer, width 2, inner width 3, one text of 5 tokens: 2 x 5 x (4 x 4 + 2 x 2 x 3 + 2 x 5 x 2)."""
    assert Shape(layers=1, width=2, inner=3).forward_flops(5, 5) == 2 * 5 * (16 + 12 + 20)


def wait(one: RunConfig, root: Path) -> Estimate:
    end = time.monotonic() + 300
    while (found := estimate_later(one, root)) is None and time.monotonic() < end:
        time.sleep(0.1)
    assert found is not None
    return found


def test_an_estimate_arrives_and_grows_with_the_work(tmp_path: Path) -> None:
    little, much = wait(config(training__steps=100), tmp_path), wait(config(training__steps=1000), tmp_path)
    assert little.seconds is not None and much.seconds is not None
    assert 5 < much.seconds / little.seconds < 15
    fixed = wait(config(policy__name="fixed", training__steps=100), tmp_path)
    assert fixed.seconds is not None and fixed.seconds < little.seconds
    assert fixed.cached and fixed.step_units is not None and fixed.kd_units is not None and 3 < fixed.step_units < fixed.kd_units
    assert "computed once" in fixed.explanation and not little.cached
    assert list((tmp_path / "_speed").iterdir())


def test_what_cannot_be_known_is_said(tmp_path: Path) -> None:
    hub = wait(config(teacher__name="somebody/some-model", student__name="teacher"), tmp_path)
    assert hub.seconds is None and hub.step_units is None and "download" in hub.explanation
    missing = wait(config(task__name="files", task__train_file="nowhere.csv"), tmp_path)
    assert missing.seconds is None and "nowhere.csv" in missing.explanation


def test_the_parts_add_up() -> None:
    one = config()
    assert step_units(one, 3.0, 3) == pytest.approx(kd_units(3.0) + exam_units(one, 3.0, 3))
