"""Moving about on the page of one example: to the next one, to another split, along the steps; and what data that arrive move."""

from __future__ import annotations

import numpy as np
import pytest

from ikd.trace.folder import RunFolder
from ikd.trace.measures import feedback_size
from ikd.trace.reader import TraceReader
from ikd.ui import example_step
from tests.course_run import course_run
from tests.synthetic import synthetic_run
from tests.test_pages_example import address, charts, faultless, opened, press, words


def test_previous_and_next_follow_the_ranking() -> None:
    page = opened(synthetic_run(3))
    first = address(page, "ex")
    assert page.selectbox[0].value == "drift" and next(one for one in page.button if one.label == "Previous").disabled
    press(page, "Next")
    second = address(page, "ex")
    assert second != first and f"Probe example {second}" in words(page)
    press(page, "Previous")
    assert address(page, "ex") == first
    page.selectbox[0].set_value("id").run()
    press(page, "Next")
    assert address(page, "ex") == str(int(first or 0) + 1)


@pytest.mark.parametrize("way", ["helped", "harmed", "asked", "issued", "id"])
def test_course_examples_are_ranked(way: str) -> None:
    folder = course_run(3, n_steps=29, batch=4, stride=5)
    issued = {one: TraceReader(folder).course_of(one) for one in range(6)}
    score = {
        "helped": lambda rows: rows["influence"].sum(), "harmed": lambda rows: -rows["influence"].sum(),
        "asked": lambda rows: -np.mean([feedback_size(one) for one in rows["feedback"] if one is not None]),
        "issued": lambda rows: -len(rows), "id": lambda rows: 0,
    }[way]  # fmt: skip
    wanted = sorted(issued, key=lambda one: score(issued[one]))
    assert (wanted == list(range(6))) == (way == "id"), "the run would not tell this ranking from the ids"
    page = opened(folder, split="course", ex=str(wanted[0]))
    page.selectbox[0].set_value(way).run()
    assert faultless(page) and next(one for one in page.button if one.label == "Previous").disabled
    walked = [address(page, "ex"), *(address(press(page, "Next"), "ex") for _ in wanted[1:])]
    assert walked == [str(one) for one in wanted]
    assert next(one for one in page.button if one.label == "Next").disabled


def test_the_number_box_and_the_split_change_the_address() -> None:
    page = opened(course_run(3), split="course")
    page.number_input[0].set_value(4).run()
    assert address(page, "ex") == "4" and "Course example 4" in words(page)
    page.segmented_control(key="example-split").set_value("probe").run()
    assert address(page, "split") == "probe" and faultless(page)
    assert "Course example" not in words(page) and page.segmented_control(key="example-split").value == "probe"


def test_the_page_follows_until_a_step_is_chosen_and_jumps_back() -> None:
    page = opened(synthetic_run(3, n_steps=60, state="running", stop_before=31), ex="3")
    assert faultless(page) and "Following, step 30" in words(page)
    press(page, "Earlier")
    assert address(page, "step") == "25" and "Pinned at step 25" in words(page)
    press(page, "Earlier")
    press(page, "Later")
    assert address(page, "step") == "25" and page.slider[0].value == 25
    press(page, "Jump to latest")
    assert address(page, "step") is None and "Following, step 30" in words(page)


def test_new_data_move_a_following_page_and_leave_a_pinned_one() -> None:
    folder = synthetic_run(3, n_steps=60, state="running", stop_before=31)
    following, pinned = opened(folder, ex="3"), opened(folder, ex="3", step="20")
    run_on(folder, synthetic_run(3, n_steps=60))
    following.run()
    pinned.run()
    assert "Following, step 60" in words(following)
    assert "Pinned at step 20" in words(pinned) and "the newest 60" in words(pinned)


def run_on(folder: RunFolder, again: RunFolder) -> None:
    """Let a run at work have recorded what another one has."""
    folder.trace_path.write_bytes(again.trace_path.read_bytes())


@pytest.mark.parametrize("split", ["probe", "course"])
def test_a_step_of_the_future_is_pinned_at_the_newest_and_never_moves(split: str) -> None:
    folder = synthetic_run(3, n_steps=60, state="running", stop_before=31)
    page = opened(folder, split=split, ex="3", step="55")
    assert faultless(page) and address(page, "step") == "30" and "Pinned at step 30" in words(page)
    assert "Step 55 is not there yet: this page is pinned at step 30" in words(page)
    page.run()
    assert "Step 55 is not there yet" in words(page), "the words stay as long as they are true"
    run_on(folder, synthetic_run(3, n_steps=60))
    page.run()
    assert address(page, "step") == "30" and "Pinned at step 30" in words(page) and "not there yet" not in words(page)
    press(page, "Later")
    assert address(page, "step") == ("35" if split == "probe" else "31")


def test_a_pin_between_two_steps_with_data_does_not_jump_to_the_later_one() -> None:
    folder = synthetic_run(3, n_steps=60, state="running", stop_before=24)
    page = opened(folder, ex="3", step="23")
    assert "Pinned at step 20" in words(page) and page.slider[0].value == 20
    run_on(folder, synthetic_run(3, n_steps=60))
    page.run()
    assert faultless(page) and "Pinned at step 20" in words(page) and address(page, "step") == "23"
    steps = np.asarray([5, 10, 20])
    assert [example_step.last_before(steps, wanted) for wanted in (0, 5, 9, 10, 19, 25)] == [0, 0, 0, 1, 1, 2]


def test_a_slider_snaps_to_the_steps_with_data() -> None:
    page = opened(synthetic_run(3), ex="3", step="20")
    page.slider[0].set_value(21).run()
    assert address(page, "step") == "25"
    page.slider[0].set_value(42).run()
    assert address(page, "step") == "40"
    steps = np.asarray([0, 5, 10, 60])
    assert [example_step.snapped(steps, 1, wanted) for wanted in (4, 6, 5, 59, 0)] == [0, 2, 1, 3, 0]


def test_a_step_without_data_shows_the_last_before_it_or_the_first() -> None:
    page = opened(synthetic_run(3), ex="3", step="24")
    assert faultless(page) and len(charts(page)) == 4
    assert "no data of this example at step 24: those of step 20, the last before it" in words(page)
    early = opened(course_run(3), split="course", ex="4", step="0")
    assert faultless(early) and "no data of this example at step 0: those of step 1, the first" in words(early)


def test_a_course_example_never_issued_shows_the_nearest() -> None:
    folder = course_run(3, n_examples=6, stride=2)
    assert not opened(folder, split="course", ex="2").warning
    page = opened(folder, split="course", ex="3")
    assert faultless(page) and "course example 3 has not been issued" in words(page)
    assert "Course example 2 ·" in words(page) and address(page, "ex") == "2"
