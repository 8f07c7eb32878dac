"""What the page of one example says of it: its history, its frozen teacher, and numbers in formulas."""

from __future__ import annotations

import numpy as np

from ikd.config import build_config
from ikd.trace.folder import RunFolder
from ikd.trace.reader import TraceReader
from ikd.trace.store import open_run
from ikd.ui.example_formulas import no_feedback, no_loss, tex
from ikd.ui.example_story import kept_places, read_story
from ikd.ui.example_view import whole_history
from ikd.ui.tail import Tail
from tests.course_run import course_run

RECORDED = "recorded:reviews-exam"


def test_why_there_is_no_feedback_or_loss_is_said() -> None:
    def config(**values: object) -> object:
        return build_config({name.replace("__", "."): value for name, value in values.items()})

    assert "first exam of this run is at step 10" in no_feedback(config(), 3)  # type: ignore[arg-type]
    assert "policy of this run is fixed" in no_feedback(config(policy__name="fixed"), 30)  # type: ignore[arg-type]
    assert "frozen" in no_feedback(config(policy__teacher_freeze_at=20), 30)  # type: ignore[arg-type]
    assert "last update" in no_feedback(config(training__steps=30), 30)  # type: ignore[arg-type]
    assert "hard label" in no_loss(config(), 7, 3)  # type: ignore[arg-type]
    assert "alpha is not known" in no_loss(None, 0, 3)


def test_a_history_is_whole_in_the_download_and_thin_in_the_figures() -> None:
    folder = open_run(RECORDED)
    reader = TraceReader(folder)
    for split, steps in (("probe", reader.reading_steps()), ("course", reader.course_of(5)["step"])):
        row = reader.examples(split).set_index("id", drop=False).loc[5]
        table = whole_history(folder, row, split, folder.config())
        assert table["step"].tolist() == list(steps)
        assert isinstance(table["text"][0], str) and len(table["soft_target"][0]) == 3
    story = read_story(started_tail(folder), "probe", reader.examples("probe").iloc[5], folder.config())
    kept = kept_places(story, 33, 20)
    assert len(kept) <= 24 and {0, 33, len(story.steps) - 1} <= set(kept.tolist())
    assert int(np.nanargmax(np.abs(story.feedback).max(axis=-1))) in kept


def started_tail(folder: RunFolder) -> Tail:
    tail = Tail(folder)
    assert tail.started()
    return tail


def test_the_frozen_teacher_of_a_course_example_is_what_it_said_before_the_first_exam() -> None:
    folder = course_run(3)
    examples = TraceReader(folder).examples("course")
    story = read_story(started_tail(folder), "course", examples.iloc[0], folder.config())
    assert story.frozen is not None and (story.frozen == story.teacher[0]).all()
    late = read_story(started_tail(open_run(RECORDED)), "course", TraceReader(open_run(RECORDED)).examples("course").iloc[5],
                      open_run(RECORDED).config())  # fmt: skip
    first_exam = open_run(RECORDED).config().policy.exam_start
    assert (late.frozen is None) == (late.steps[0] > first_exam)


def test_numbers_and_names_in_formulas() -> None:
    assert [tex(one) for one in (0.0, 0.5, 1234.5, -0.00012345, 1e7)] == [
        "0", "0.5", "1234", r"-1.23 \cdot 10^{-4}", r"1.00 \cdot 10^{7}"]  # fmt: skip
    assert tex(float("nan")) == r"\text{not a number}" and tex(float("-inf")) == r"-\infty"
