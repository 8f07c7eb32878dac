"""Steering a run from its page: buttons follow its state, changes are posted, forks begin, and what changed is marked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from ikd.config import MOVING_POLICIES, PlannedChange, build_config, exam_is_due, settings_of
from ikd.config.plan import FREEZE
from ikd.events import Intervened, RunStarted, StepTaken
from ikd.trace.commands import waiting
from ikd.trace.folder import RunFolder
from ikd.trace.notes import Notes, write_notes
from ikd.trace.reader import TraceReader
from ikd.trace.recorder import Recorder
from ikd.ui import run_fork, run_steer, run_table, run_view
from ikd.ui.policies import IN_A_LINE, IN_A_WORD, WITHOUT_EXAMS
from ikd.ui.run_fork import way_there
from ikd.ui.run_step import why_no_exam
from ikd.ui.timeline import RunTimeline, change_word, exams_of, marks_of, temperature_moves, temperature_words
from tests.synthetic import synthetic_run
from tests.test_pages_run import opened, words

STEERING = {"Pause", "Resume", "Step", "Stop", "Take it out of the queue"}
LIVE = ("preparing", "running", "paused")


@pytest.fixture(autouse=True)
def no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no page start a run that waits."""
    monkeypatch.setattr(run_view, "tend_queue", lambda: None)


def run_in(state: str, **more: Any) -> RunFolder:
    folder = synthetic_run(3, n_steps=60, stop_before=30, state="running" if state in LIVE else state, **more)
    folder.write_state(replace(folder.state(), state=state))
    return folder


def buttons(page: AppTest) -> dict[str, bool]:
    """Return the buttons that steer, and whether each can be pressed; the replay's own Pause is another one."""
    return {one.label: not one.disabled for one in page.button if one.label in STEERING and not str(one.key).startswith("replay")}


def press(page: AppTest, label: str) -> AppTest:
    return next(one for one in page.button if one.label == label and not str(one.key).startswith("replay")).click().run()


def posted(folder: RunFolder) -> list[tuple[str, str, object]]:
    return [(one.kind, one.path, one.value) for one in waiting(folder.path)]


@pytest.mark.parametrize(("state", "there"), [
    ("queued", {"Take it out of the queue": True}), ("preparing", {"Pause": True, "Step": False, "Stop": True}),
    ("running", {"Pause": True, "Step": False, "Stop": True}), ("paused", {"Resume": True, "Step": True, "Stop": True}),
    ("stopped", {"Resume": True}), ("interrupted", {"Resume": True}), ("failed", {"Resume": True}), ("lost", {"Resume": True}),
    ("finished", {}),
])  # fmt: skip
def test_the_buttons_follow_the_state(state: str, there: dict[str, bool]) -> None:
    page = opened(run_in(state))
    assert not page.exception and buttons(page) == there
    assert state in words(page)


def test_a_recorded_run_can_be_forked_and_not_steered() -> None:
    page = opened(run="recorded:reviews-exam")
    assert not page.exception and not page.error and not buttons(page)
    page.session_state["fork-recorded:reviews-exam"] = True
    assert any(one.label == "Start the fork" for one in page.run().button)


@pytest.mark.parametrize("state", ["queued", "running", "paused", "stopped", "finished"])
def test_a_read_only_lab_draws_none(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run_in(state)
    monkeypatch.setenv("IKD_READ_ONLY", "1")
    page = opened(folder)
    assert not page.exception and not buttons(page)
    assert not any(one.label in ("Change", "Stop there", "Start the fork", "Freeze the teacher") for one in page.button)


@pytest.mark.parametrize(("state", "label", "kind"), [("running", "Pause", "pause"), ("running", "Stop", "stop"),
                                                      ("paused", "Resume", "resume"), ("paused", "Step", "step"),
                                                      ("paused", "Stop", "stop")])  # fmt: skip
def test_a_button_asks_the_run(state: str, label: str, kind: str) -> None:
    folder = run_in(state)
    page = press(opened(folder), label)
    assert not page.exception and not page.error and posted(folder) == [(kind, "", None)]


def test_a_change_is_posted_with_its_path_and_value_and_said_to_wait() -> None:
    folder = run_in("paused")
    page = steered(folder)
    page.number_input(key="steer-objective.alpha-0.7").set_value(0.4)
    page = press_key(page, "change-now")
    assert posted(folder) == [("change", "objective.alpha", 0.4)] and not page.error
    assert "Waiting to be carried out: alpha 0\\.4" in words(page.run())
    press(page, "Freeze the teacher")
    assert posted(folder)[-1] == ("change", FREEZE, 30)


def steered(folder: RunFolder) -> AppTest:
    """Return the page of a run with its box "Steer" open."""
    page = opened(folder)
    page.session_state["steer-box"] = True
    return page.run()


def press_key(page: AppTest, key: str) -> AppTest:
    return page.button(key=key).click().run()


@pytest.mark.parametrize(("field", "value"), [("objective.alpha-0.7", 0.0), ("objective.alpha-0.7", 2.0),
                                              ("objective.temperature-2.0", -1.0), ("policy.exam_every-1", 0)])  # fmt: skip
def test_a_value_that_cannot_be_is_a_sentence_and_nothing_is_asked(field: str, value: float | None) -> None:
    folder = run_in("running")
    page = steered(folder)
    page.number_input(key=f"steer-{field}").set_value(value)
    press_key(page, "change-now")
    assert not page.exception and len(page.error) == 1 and not posted(folder)
    assert "Something went wrong" not in page.error[0].value


def test_a_stop_at_a_step_is_asked_or_refused() -> None:
    folder = run_in("running")
    page = steered(folder)
    page.number_input(key="stop-at-step").set_value(45)
    press_key(page, "stop-at")
    assert [(one.kind, one.at) for one in waiting(folder.path)] == [("stop", 45)]
    page.number_input(key="stop-at-step").set_value(9999)
    press_key(page, "stop-at")
    assert "cannot stop at step 9999" in page.error[0].value.replace("\\", "")


def test_the_progress_says_paused_stops_at_and_computing_again() -> None:
    folder = run_in("paused")
    folder.write_state(replace(folder.state(), stop_at=45))
    assert any("Paused after step 30 of 60 · stops at step 45" in str(one.proto.text) for one in opened(folder).get("progress"))
    folder.write_state(replace(folder.state(), state="running", stage="catching up", stage_step=22, stop_at=None))
    assert any("recorded up to step 30: step 22" in str(one.proto.text) for one in opened(folder).get("progress"))


def test_a_paused_run_shows_its_newest_step_as_the_trace_has_it() -> None:
    folder = run_in("paused")
    rows = TraceReader(folder).scalars(after=28)
    values = dict(zip(rows["name"], rows["value"], strict=True))
    shown = {one.label: one.value for one in opened(folder).metric}
    assert shown["Course loss"] == f"{values['course_loss']:.4g}" and shown["Soft targets issued"] == "4"
    assert shown["Exam loss after"] == f"{values['exam_loss']:.4g}" and shown["Update ratio"] == f"{values['teacher_update_ratio']:.4g}"
    assert "Course loss" not in {one.label for one in opened(run_in("running")).metric}


@pytest.mark.parametrize(("settings", "step", "said"), [
    ({"policy.name": "fixed"}, 5, "fixed"), ({"policy.exam_start": 9}, 5, "at step 9"), ({"policy.exam_every": 4}, 13, "at step 16"),
    ({FREEZE: 12}, 13, "frozen from step 12"), ({"policy.name": "mutual", FREEZE: 12}, 13, "frozen from step 12"),
    ({"policy.name": "online"}, 5, "No exams are sat under the policy online"),
    ({"policy.name": "annealed", "policy.annealed_from": 8.0, "objective.temperature": 2.0, "training.steps": 61}, 30, "it is 5."),
])  # fmt: skip
def test_why_there_is_no_exam(settings: dict[str, object], step: int, said: str) -> None:
    assert said in why_no_exam(step, build_config(settings))


@pytest.mark.parametrize("changes", [[], [(20, FREEZE, 20), (35, FREEZE, None)],
                                     [(15, "policy.exam_every", 4), (30, "policy.exam_every", 3)],
                                     [(5, "objective.alpha", 0.5)], [(10, FREEZE, 50)]])  # fmt: skip
def test_exams_are_those_that_are_due_step_by_step(changes: list[tuple[int, str, Any]]) -> None:
    config = build_config({"training.steps": 60, "policy.exam_every": 2})
    timeline = RunTimeline(config, [PlannedChange(step=step, path=path, value=value) for step, path, value in changes])
    found = [step for part in exams_of(timeline, 60).parts for step in part]
    assert found == [step for step in range(60) if exam_is_due(step, timeline.at(step))]


@pytest.mark.parametrize("policy", IN_A_LINE)
def test_every_policy_has_its_words_on_the_pages_of_a_run(policy: str) -> None:
    folder = run_in("paused", settings={"policy.name": policy})
    page = opened(folder)
    assert not page.exception and not page.error and IN_A_LINE[policy] in words(page)
    assert policy == "exam" or WITHOUT_EXAMS[policy] in words(page)
    steered(folder)
    labels = {one.label for one in steered(folder).button}
    assert ("Freeze the teacher" in labels) == (policy in MOVING_POLICIES)


def test_the_words_are_those_of_the_policies_there_are() -> None:
    choices = next(one.choices for one in settings_of("policy") if one.path == "policy.name")
    assert set(IN_A_LINE) == set(IN_A_WORD) == {"exam", *WITHOUT_EXAMS} == set(choices)


def test_a_step_of_a_teacher_that_learns_without_exams_has_its_own_card() -> None:
    folder = run_in("paused", settings={"policy.name": "online", "objective.temperature_end": 4.0})
    with Recorder(folder, resume=True) as recorder:
        started = RunStarted(label_names=["a", "b", "c"], n_steps=60, temperature=2.0, probe=[], facts={})
        recorder.record(started)
        recorder.record(StepTaken(step=30, scalars={"course_loss": 1.0, "teacher_loss": 0.25, "teacher_update_ratio": 1e-3,
                                                    "temperature": 3.0, "alpha": 0.7}))  # fmt: skip
    page = opened(folder)
    shown = {one.label: one.value for one in page.metric}
    assert shown["Teacher's loss"] == "0.25" and shown["Temperature"] == "3" and "The teacher's step 30" in words(page)


def test_a_teacher_frozen_from_afar_is_marked_where_there_are_no_exams() -> None:
    timeline = RunTimeline(build_config({"training.steps": 60, "policy.name": "mutual", FREEZE: 40}))
    assert marks_of(timeline, 60)[0] == {"teacher frozen": 40}


def test_the_training_temperature_is_said_to_be_that_of_the_start_where_it_moves() -> None:
    def moves(settings: dict[str, object], *changes: PlannedChange) -> bool:
        return temperature_moves(RunTimeline(build_config({"training.steps": 60, **settings}), changes), 60)

    assert not moves({}) and not moves({"objective.alpha_end": 0.1}) and not temperature_moves(None, 60)
    assert moves({"policy.name": "annealed"}) and moves({"objective.temperature_end": 4.0})
    assert moves({}, PlannedChange(step=20, path="objective.temperature", value=3.0))
    assert temperature_words(8.0, moves=True) == "temperature 8, that of the training's start"


def test_marks_have_a_word_for_each_change_and_none_is_lost() -> None:
    config = build_config({"training.steps": 60})
    made = [(20, FREEZE, 20), (30, FREEZE, None), (40, FREEZE, 40), (50, "objective.alpha", 0.5), (50, "objective.temperature", 3.0),
            (55, "objective.alpha", 0.4), (55, "objective.temperature", 4.0), (55, "policy.exam_every", 4)]  # fmt: skip
    timeline = RunTimeline(config, [PlannedChange(step=step, path=path, value=value) for step, path, value in made])
    timeline.fork = 40
    assert marks_of(timeline, 60)[0] == {"first exam": 10, "teacher frozen": 20, "teacher thawed": 30, "fork, teacher frozen": 40,
                                         "alpha 0.5, temperature 3": 50, "3 changes": 55}  # fmt: skip
    assert change_word(PlannedChange(step=5, path=FREEZE, value=9)) == "teacher frozen from 9"


def test_changes_made_on_the_way_stand_in_a_table_and_in_the_charts() -> None:
    folder = run_in("finished")
    with Recorder(folder, resume=True) as recorder:
        recorder.record(Intervened(step=20, path="objective.alpha", value=0.5, previous=0.7, command="one"))
    page = opened(folder)
    table = next(one.value for one in page.dataframe if "setting" in one.value and "before" in one.value)
    assert table[["step", "before", "after"]].values.tolist() == [[20, "0.7", "0.5"]]
    assert "Changes made on the way" not in words(opened(run_in("finished")))


def forked(state: str = "stopped") -> tuple[RunFolder, RunFolder]:
    parent, fork = synthetic_run(3, n_steps=60), run_in(state)
    write_notes(fork.path, Notes(label="my <b>fork</b>", parent=parent.id, parent_step=20))
    return parent, fork


def test_a_fork_names_its_parent_and_a_parent_its_forks() -> None:
    parent, fork = forked()
    page = opened(fork)
    assert not page.exception and not page.error and parent.id in words(page).replace("\\", "") and "at step 20" in words(page)
    assert any("parent's student" in one for one in [str(chart.proto.spec) for chart in page.get("vega_lite_chart")])
    assert "my <b>fork</b> (step 20)" in words(opened(parent)).replace("\\", "")


def test_a_parent_that_is_gone_or_damaged_is_no_fault() -> None:
    parent, fork = forked()
    parent.trace_path.write_bytes(b"not a database" * 1000)
    assert not opened(fork).exception and not opened(fork).error
    write_notes(fork.path, Notes(parent="20200101-000000-gone-exam-0000", parent_step=20))
    page = opened(fork)
    assert not page.exception and any("not there any more" in one.value for one in page.warning)


def test_a_fork_is_started_with_its_step_name_and_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    folder, other = run_in("finished"), synthetic_run(3, n_steps=12)
    monkeypatch.setattr(run_fork, "fork_run", lambda run, step, changes, label: given.append((run, step, changes, label)) or other.id)
    page = opened(folder, step="20")
    page.session_state[f"fork-{folder.id}"] = True
    page.run()
    assert page.number_input(key=f"fork-step-{folder.id}-20").value == 20
    assert "There is no checkpoint up to there: 20 steps" in words(page)
    page.checkbox(key=f"fork-freeze-{folder.id}").check()
    page.number_input(key=f"fork-{folder.id}-objective.temperature-2.0").set_value(3.0)
    page.text_input(key=f"fork-name-{folder.id}").set_value(" two  words ")
    press_key(page, f"fork-start-{folder.id}")
    assert given == [(folder.id, 20, {"objective.temperature": 3.0, FREEZE: 20}, "two words")]


@pytest.mark.parametrize("step", [31, 99_999, -1])
def test_a_fork_from_a_step_that_is_not_there_is_refused_and_has_no_button(step: int) -> None:
    folder = run_in("finished")
    page = opened(folder, step="20")
    page.session_state[f"fork-{folder.id}"] = True
    page.run()
    page.number_input(key=f"fork-step-{folder.id}-20").set_value(step).run()
    assert f"A fork at step {step} is not possible" in page.error[0].value and "from 0 to 30" in page.error[0].value
    assert not [one for one in page.button if one.key == f"fork-start-{folder.id}"]


def test_the_way_to_a_fork_in_words() -> None:
    assert "checkpoint at step 20; 5 steps" in way_there([10, 20, 30], 25) and "nothing is computed again" in way_there([10, 20], 20)
    assert "1 step up to there is" in way_there([], 1) and way_there([], 0) == "It begins anew."


def test_a_queued_run_says_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = run_in("queued"), run_in("queued")
    for module in (run_steer, run_table):
        monkeypatch.setattr(module, "queued_runs", lambda: [first, second])
    assert "Position 2 of 2 in the queue" in words(opened(second))
    press(opened(second), "Take it out of the queue")
    assert second.state().state == "stopped"
