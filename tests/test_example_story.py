"""What the page of one example says of it: its history, its frozen teacher, and numbers in formulas."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from ikd.config import PlannedChange, build_config, teacher_learns
from ikd.config.plan import FREEZE
from ikd.runs.job import run_job
from ikd.trace.filled import fill_loss
from ikd.trace.folder import RunFolder
from ikd.trace.measures import feedback_on_simplex, gain, softmax
from ikd.trace.reader import TraceReader
from ikd.trace.store import new_run, open_run
from ikd.ui.example_cards import tex, verdict
from ikd.ui.example_figures import Look, classes_of
from ikd.ui.example_formulas import fill, no_feedback, no_loss
from ikd.ui.example_panel import TABLES, file_name, told_apart
from ikd.ui.example_ranking import PROBE_WAYS, ranked_probe
from ikd.ui.example_story import Story, kept_places, read_story
from ikd.ui.example_view import whole_history
from ikd.ui.tail import Tail
from ikd.ui.timeline import RunTimeline, first_learning
from tests.course_run import course_run
from tests.synthetic import synthetic_run

RECORDED = "recorded:reviews-exam"
REDONE = {
    "task.train_size": 200, "task.exam_size": 60, "task.validation_size": 60, "task.test_size": 60,
    "teacher.name": "builtin/2x32", "student.name": "builtin/1x16", "teacher.fine_tune_steps": 8,
    "training.steps": 9, "training.batch_size": 8, "training.warmup_steps": 2, "objective.temperature": 3.0, "objective.alpha": 0.6,
    "policy.exam_start": 2, "policy.exam_batch_size": 16, "policy.teacher_learning_rate": 1e-3, "policy.student_update": "redo",
    "policy.anchor": "initial_teacher", "record.probe_size": 10, "record.probe_every": 2, "machine.threads": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def redone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunFolder]:
    """A real run that redoes its course steps and holds its teacher to an anchor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IKD_HOME", str(tmp_path_factory.mktemp("redone")))
        config = build_config(REDONE)
        folder = new_run(config)
        run_job(folder, config)
        assert folder.state().state == "finished", folder.state().error
        yield folder


def test_the_mean_of_the_filled_losses_is_the_recorded_course_loss(redone: RunFolder) -> None:
    reader, config = TraceReader(redone), redone.config()
    labels = reader.examples("course").set_index("id")["label"]
    recorded = dict(zip(*reader.series("course_loss"), strict=True))
    assert len(recorded) == 9
    for step, loss in recorded.items():
        course = reader.course(int(step))
        assert course is not None
        filled = [fill_loss(teacher, student, int(labels[one]), temperature=config.objective.temperature, alpha=config.objective.alpha)
                  for one, teacher, student in zip(course.examples, course.teacher_logits, course.student_logits, strict=True)]  # fmt: skip
        assert np.mean([one.total for one in filled]) == pytest.approx(loss, rel=1e-5)


def test_the_numbers_of_a_probe_example_are_the_recorded_ones(redone: RunFolder) -> None:
    """Feedback, its direction, how it arose, and the influence: what would be, in this step's batch."""
    config, tail, reader = redone.config(), started_tail(redone), TraceReader(redone)
    rates, n_filled = dict(zip(*reader.series("student_learning_rate"), strict=True)), 0
    for _, example in reader.examples("probe").iterrows():
        story = read_story(tail, "probe", example, config)
        for row in story.exams.tolist():
            step = int(story.steps[row])
            filled = fill(story, row, temperature=3.0, config=config, batch_size=8, rate=rates[step])
            feedback, influence = reader.readings_at("feedback", [step])[1][0, story.example], reader.influence_at(step)
            assert filled.feedback and filled.influence and filled.origin and influence is not None
            np.testing.assert_array_equal(filled.feedback.feedback, feedback)
            np.testing.assert_array_equal(filled.feedback.directions, feedback_on_simplex(story.teacher[row], feedback, 3.0))
            assert filled.influence.recorded == influence[story.example] and filled.influence.agrees
            assert abs(filled.influence.difference) <= 2e-4 * np.abs(influence).max()
            p, origin = filled.target.probabilities, filled.origin
            np.testing.assert_allclose(-origin.factor * p * origin.responses, feedback, rtol=1e-9)
            assert origin.factor == pytest.approx(0.6 * rates[step] / 8)
            # The mean under p of s_dot - <p, s_dot> is zero, and the same responses give the influence.
            assert abs((p * origin.responses).sum()) < 1e-4 * np.abs(origin.responses).max()
            again = -origin.rate * (filled.influence.slopes * origin.responses).sum()
            assert again == pytest.approx(filled.influence.recomputed, rel=1e-9)
            n_filled += 1
    assert n_filled == 4 * 10, "readings at steps 2, 4, 6 and 8 have an exam"


def test_why_there_is_no_feedback_or_loss_is_said() -> None:
    def config(**values: object) -> object:
        return build_config({name.replace("__", "."): value for name, value in values.items()})

    assert "first exam of this run is at step 10" in no_feedback(config(), 3)  # type: ignore[arg-type]
    for name in ("fixed", "mutual", "online", "annealed"):
        said = no_feedback(config(policy__name=name), 30)  # type: ignore[arg-type]
        assert name in said and "no feedback and no influence" in said
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


@pytest.mark.parametrize(("policy", "changes", "first"), [
    ({"policy.name": "exam", "policy.exam_start": 12, "policy.exam_every": 5}, [], 15),
    ({"policy.name": "exam", "policy.exam_start": 0, FREEZE: 0}, [], 60),
    ({"policy.name": "fixed"}, [], 60), ({"policy.name": "annealed"}, [], 60), ({"policy.name": "mutual"}, [], 0),
    ({"policy.name": "online", FREEZE: 0}, [(30, FREEZE, None)], 30), ({"policy.name": "online", FREEZE: 0}, [], 60),
])  # fmt: skip
def test_the_frozen_teacher_is_what_it_was_before_its_first_update(
    policy: dict[str, object], changes: list[tuple[int, str, None]], first: int
) -> None:
    config = build_config({"training.steps": 60, **policy})
    timeline = RunTimeline(config, [PlannedChange(step=step, path=path, value=value) for step, path, value in changes])
    learned = [step for step in range(60) if teacher_learns(step, timeline.at(step))]
    assert first_learning(timeline, 60) == first == (learned[0] if learned else 60)


def test_numbers_and_names_in_formulas() -> None:
    assert [tex(one) for one in (0.0, 0.5, 1234.5, -0.00012345, 1e7)] == [
        "0", "0.5", "1234", r"-1.23 \cdot 10^{-4}", r"1.00 \cdot 10^{7}"]  # fmt: skip
    assert tex(float("nan")) == r"\text{not a number}" and tex(float("-inf")) == r"-\infty"


def test_rounding_of_logits_in_16_bits_is_told_from_a_wrong_influence() -> None:
    folder = open_run(RECORDED)
    reader, tail, config = TraceReader(folder), started_tail(folder), folder.config()
    assert reader.meta()["probe_dtype"] == "float16"
    shares = []
    for one in range(0, 100, 10):
        story = read_story(tail, "probe", reader.examples("probe").iloc[one], config)
        for row in story.exams.tolist() if story.weighed else []:
            course = reader.course(int(story.steps[row]))
            assert course is not None
            filled = fill(story, row, temperature=2.0, config=config, batch_size=len(course.examples), halved=True)
            assert filled.influence is not None and "agree to that" in verdict(filled.influence, filled.halves)
            shares.append(filled.halves / np.abs(filled.influence.terms).max())
            wrong = replace(filled.influence, difference=2 * filled.halves + 1e-3)
            assert "differ by more" in verdict(wrong, filled.halves) and "lower precision" in verdict(wrong, 0.0)
    assert np.median(shares) < 0.05, "a bound that forgives everything would say nothing"


def look_of(story: Story) -> Look:
    return Look(names=["negative", "neutral", "positive"], shown=classes_of(story, 2.0), n_steps=60, temperature=2.0, stacked=False,
                era=None, marks={}, exams=[], span=None)  # fmt: skip


def test_every_figure_is_a_table_of_what_was_recorded() -> None:
    folder = synthetic_run(3)
    reader = TraceReader(folder)
    story = read_story(started_tail(folder), "probe", reader.examples("probe").iloc[7], folder.config())
    row = int(np.searchsorted(story.steps, 20))
    tables = {name: make(story, row, look_of(story)) for name, make in TABLES.items()}
    steps, teacher = reader.readings("teacher", examples=[7])
    assert tables["timeline"]["step"].tolist() == steps.tolist()
    np.testing.assert_allclose(tables["timeline"]["teacher: neutral"], softmax(teacher[:, 0], 2.0)[:, 1])
    np.testing.assert_allclose(tables["timeline"]["frozen teacher: neutral"], softmax(teacher[0, 0], 2.0)[1])
    np.testing.assert_allclose(tables["now"]["teacher"], softmax(teacher[4, 0], 2.0))
    assert tables["now"]["feedback"].abs().max() <= 1 and tables["now"]["class"].tolist() == ["negative", "neutral", "positive"]
    steps, feedback = reader.readings("feedback", examples=[7])
    assert tables["feedback"]["step"].tolist() == tables["influence"]["step"].tolist() == steps.tolist()
    np.testing.assert_array_equal(tables["feedback"]["feedback: positive"], feedback[:, 0, 2])
    np.testing.assert_array_equal(tables["influence"]["influence"], reader.influences([7])[1][:, 0])
    assert told_apart(["a", "b"]) == ["a", "b"] and told_apart(["a", "a"]) == ["1 a", "2 a"]


def test_saved_files_are_named_for_run_split_example_and_figure() -> None:
    folder = course_run(3)
    story = read_story(started_tail(folder), "course", TraceReader(folder).examples("course").iloc[5], folder.config())
    assert file_name("a-run", story, "timeline", 3) == "a-run-course-5-timeline"
    assert file_name("a-run", story, "now", 3) == f"a-run-course-5-now-step-{story.steps[3]}"


@pytest.mark.parametrize("way", PROBE_WAYS)
@pytest.mark.parametrize("cursor", [22, 60])
def test_probe_examples_are_ranked_as_they_stood_at_a_step(way: str, cursor: int) -> None:
    folder = synthetic_run(3, n_steps=60, settings={"policy.teacher_learning_rate": 1e-3})
    reader, tail = TraceReader(folder), started_tail(folder)
    order, fault = ranked_probe(tail, way, cursor, folder.config())
    labels = reader.examples("probe")["label"].to_numpy()
    assert sorted(order) == list(range(40)) and (not fault or "flip" in way)
    student, before = reader.reading_at("student", cursor), reader.reading_at("student", folder.config().policy.exam_start)
    steps, teacher = reader.readings("teacher", until=cursor)
    classes = teacher.argmax(axis=-1)
    first = [next((int(steps[at]) for at in range(len(steps)) if classes[at, one] != classes[0, one]), 999) for one in range(40)]
    scores = {
        "gain": -gain(student, before, labels, 2.0), "label": labels, "first_flip": np.asarray(first),
        "flips": -(classes[1:] != classes[:-1]).sum(axis=0), "helped": reader.influence_at(20 if cursor == 22 else 55),
        "harmed": -np.asarray(reader.influence_at(20 if cursor == 22 else 55)), "id": np.arange(40),
    }  # fmt: skip
    if way in scores:
        assert order == np.argsort(scores[way], kind="stable").tolist()
