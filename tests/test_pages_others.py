"""Home, Train, Runs and Method, opened cold; starting a run and its refusals."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from ikd.cli import main
from ikd.config import PRESETS, RunConfig, all_settings, build_config, settings_of
from ikd.errors import BusyError, TaskError
from ikd.runs import Estimate
from ikd.runs.uploads import keep_upload
from ikd.ui import start
from ikd.ui.controls import applicable, chosen_first, draw_group
from ikd.ui.shell import OWN_FAULT, PAGES
from ikd.ui.start import labelled
from tests.conftest import REPOSITORY
from tests.synthetic import synthetic_run, without_config

SECONDS = 180
ESTIMATE = Estimate(kd_units=5.0, step_units=15.0, step_milliseconds=40.0, seconds=16.0, teacher_seconds=9.0, explanation="Guessed.")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let estimates be there at once, and no test start a real run by accident."""
    monkeypatch.setattr(start, "estimate_later", lambda config: ESTIMATE)
    monkeypatch.setattr(start, "active_run", lambda device: None)
    monkeypatch.setattr(start, "start_run", lambda config: pytest.fail("a run was started"))


def opened(page: str, **address: str) -> AppTest:
    """Return a page opened through the app, as a visitor's browser does."""
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=SECONDS)
    if page != "home":
        app.run()
        app.switch_page(PAGES[page].path)
    for name, value in address.items():
        app.query_params[name] = value
    return app.run()


def button(page: AppTest, label: str) -> Any:
    return next(one for one in page.button if one.label == label)


@pytest.mark.parametrize("page", [name for name in PAGES if name != "run"])
def test_every_page_opens_cold_with_no_run_at_all(page: str) -> None:
    shown = opened(page)
    assert not shown.exception and not shown.error


@pytest.mark.parametrize("page", PAGES)
def test_every_page_file_opens_alone(page: str) -> None:
    shown = AppTest.from_file(str(REPOSITORY / PAGES[page].path), default_timeout=SECONDS).run()
    assert not shown.exception and not shown.error


@pytest.mark.parametrize("path", [*(REPOSITORY / "pages").glob("*.py"), REPOSITORY / "app.py"], ids=lambda path: path.name)
def test_page_files_are_thin_and_named_in_the_menu(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 80 and ast.get_docstring(ast.parse(text))
    assert any((REPOSITORY / one.path) == path for one in PAGES.values())


def test_home_and_runs_list_runs_whatever_their_state() -> None:
    synthetic_run(3, n_steps=12, settings={"label": "My <b>run</b>"})
    damaged = synthetic_run(2, n_steps=12, state="failed")
    without_config(damaged)
    (damaged.path / "config.json").write_text("{", "utf-8")
    for name in ("home", "runs"):
        page = opened(name)
        assert not page.exception and not page.error
        labels = [str(one.proto.label) for one in page.get("page_link")]
        assert any("My \\<b\\>run" in one for one in labels)
        assert any(damaged.id in one.replace("\\", "") for one in labels)


def test_home_says_so_where_no_recorded_run_is_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ikd.ui.home_view.list_recorded", list)
    page = opened("home")
    assert button(page, "Watch a recorded run").disabled
    assert any("No recorded run" in one.value for one in page.caption)


def test_train_shows_every_setting_that_applies_and_says_what_a_step_costs() -> None:
    page = opened("train")
    assert any("One step costs 15.0 student forwards (ordinary distillation: 5.0)." in one.value for one in page.markdown)
    keys = {one.key for kind in ("number_input", "selectbox", "text_input", "toggle") for one in page.get(kind)}
    assert {"set-policy-exam_every", "set-training-steps", "set-task-name", "set-seed"} <= keys
    assert "set-task-train_file" not in keys and "set-policy-fixed_studies_exam" not in keys


@pytest.mark.parametrize(("settings", "found", "said"), [
    ({}, {}, "One step costs 15.0 student forwards (ordinary distillation: 5.0)."),
    ({"policy.name": "online"}, {"step_units": 9.0}, "One step costs 9.0 student forwards (ordinary distillation: 5.0)."),
    ({"policy.name": "fixed"}, {"step_units": 5.0}, "5.0 student forwards, as in ordinary distillation: the teacher never changes."),
    ({"policy.name": "annealed"}, {"step_units": 3.2, "cached": True}, "3.2 student forwards, as the teacher is asked only once"),
    ({}, {"step_units": None}, ""),
])  # fmt: skip
def test_the_sentence_on_cost_is_that_of_the_policy(settings: dict[str, Any], found: dict[str, Any], said: str) -> None:
    sentence = start.cost_sentence(replace(ESTIMATE, **found), build_config(settings))
    assert said in sentence and bool(said) == bool(sentence)


def test_a_choice_says_what_follows_from_it_and_its_formula_stands_first() -> None:
    page = opened("train")
    page.selectbox(key="set-objective-name").set_value("dkd").run()
    page.selectbox(key="set-policy-name").set_value("online").run()
    assert not page.exception and not page.error
    captions = " ".join(one.value for one in page.caption)
    assert "always zero" in captions and r"\mathrm{TCKD}" in captions and "cheap control" in captions
    setting = next(one for one in settings_of("objective") if one.path == "objective.name")
    assert chosen_first(setting, "dkd")[0] == "dkd" and sorted(chosen_first(setting, "dkd")) == sorted(setting.choices)


def test_what_a_person_should_know_of_a_choice_stands_beside_it() -> None:
    page = opened("train")
    assert not page.info
    page.selectbox(key="set-objective-name").set_value("dkd").run()
    page.selectbox(key="set-task-name").set_value("irony").run()
    assert any("With two classes the part of dkd" in one.value for one in page.info) and len(page.info) == 2
    page.selectbox(key="set-objective-name").set_value("minilm").run()
    assert len(page.info) == 1 and "looks at layers and never at soft targets" in page.info[0].value


def test_the_command_line_says_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    small = ["--quiet", "--training.steps", "2", "--policy.exam-start", "0", "--teacher.fine-tune-steps", "1", "--teacher", "builtin/1x16",
             "--student", "builtin/1x16", "--task.train-size", "64"]  # fmt: skip
    assert main(["train", "--task", "irony", "--objective", "dkd", *small]) == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if "With two classes" in line]
    assert len(notes) == 2 and notes[0].startswith("Note: With two classes the part of dkd")
    assert main(["train", "--task", "reviews", *small]) == 0 and "With two classes" not in capsys.readouterr().out


def test_a_refused_combination_is_a_sentence_and_nothing_typed_is_lost() -> None:
    page = opened("train")
    page.number_input(key="set-training-steps").set_value(5)
    page.text_input(key="set-label").set_value("mine").run()
    assert len(page.error) == 1 and "first exam would be at step" in page.error[0].value
    assert button(page, "Start the run").disabled
    assert page.text_input(key="set-label").value == "mine" and page.number_input(key="set-training-steps").value == 5


@pytest.mark.parametrize(("key", "value"), [("set-objective-temperature", 0.0), ("set-training-steps", -3), ("set-seed", None)])
def test_values_out_of_bounds_are_refused_by_the_config_and_not_by_the_widget(key: str, value: float | None) -> None:
    page = opened("train")
    page.number_input(key=key).set_value(value).run()
    assert not page.exception and len(page.error) == 1 and "give" in page.error[0].value


def test_hidden_settings_do_not_break_a_rule_unseen() -> None:
    values = {"student.initialisation": "random", "student.checkpoint": "/somewhere"}
    assert applicable(values) == {"student.initialisation": "random"}


def test_values_survive_a_visit_to_another_page() -> None:
    page = opened("train")
    page.number_input(key="set-training-steps").set_value(77).run()
    page.switch_page("pages/method.py").run()
    page.switch_page("pages/train.py").run()
    assert page.number_input(key="set-training-steps").value == 77


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_can_be_opened_by_its_address(preset: str) -> None:
    page = opened("train", preset=preset)
    assert not page.exception and not page.error
    assert any("Look for:" in one.value for one in page.markdown)
    assert not button(page, "Start the run").disabled


def test_an_unknown_preset_is_a_notice() -> None:
    page = opened("train", preset="nope")
    assert any("Unknown preset" in one.value for one in page.warning) and not page.error


def test_start_hands_over_the_config(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[RunConfig] = []
    folder = synthetic_run(3, n_steps=12)
    monkeypatch.setattr(start, "start_run", lambda config: given.append(config) or folder.id)
    page = opened("train")
    page.number_input(key="set-policy-exam_every").set_value(4).run()
    button(page, "Start the run").click().run()
    assert given[0].policy.exam_every == 4 and not page.exception


def test_another_tab_that_was_quicker_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(config: RunConfig) -> str:
        raise BusyError("Run 20260101-000000-x is still at work: open it, stop it, or wait for its end.")

    monkeypatch.setattr(start, "start_run", busy)
    page = opened("home")
    button(page, "Start the demo").click().run()
    assert not page.exception and "is still at work" in page.error[0].value


def test_while_a_run_is_at_work_start_queues_and_links_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    folder, asked = synthetic_run(3, n_steps=12), []
    monkeypatch.setattr(start, "active_run", lambda device: folder.id)
    monkeypatch.setattr(start, "start_run", lambda config, queue: asked.append(queue) or folder.id)
    for name, label in (("home", "Queue the demo"), ("train", "Queue the run")):
        page = opened(name)
        assert any("at work" in str(one.proto.label) for one in page.get("page_link"))
        button(page, label).click().run()
        assert not page.exception
    assert asked == [True, True]


def test_the_command_line_names_what_differs() -> None:
    line = start.command_line({"policy.exam_every": 4, "training.max_gradient_norm": None, "label": "a 'b'"})
    assert line == """python -m ikd train --policy.exam-every 4 --training.max-gradient-norm none --label 'a '"'"'b'"'"''"""


def test_a_fault_of_the_lab_is_an_apology_with_no_trace(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def broken(root: Path | None = None) -> list[Any]:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("ikd.ui.runs_view.list_runs", broken)
    page = opened("runs")
    assert not page.exception and page.error[0].value == OWN_FAULT
    assert "secret detail" in caplog.text


def test_uploads_lie_under_the_name_of_their_content(home: Path) -> None:
    first, second = keep_upload("a/../evil.csv", b"text,label\n"), keep_upload("../evil.CSV", b"text,label\n")
    assert first == second and first.parent == home / "_uploads" and first.suffix == ".csv"
    assert first.stem.startswith("evil-") and keep_upload("evil.csv", b"other") != first
    assert re.fullmatch(r"rows-[0-9a-f]{12}\.csv", keep_upload("../../é<>.csv", b"x").name)


def test_a_refused_setting_is_named_by_its_label() -> None:
    said = labelled("training.steps cannot be empty: give a whole number. See training.steps_other and (policy.exam_start).")
    assert said.startswith("“Steps” (training.steps) cannot be empty") and "training.steps_other and" in said
    assert "” (policy.exam_start)" in said


@pytest.mark.parametrize("name", ["run.pkl", "noending", "x.csv.exe"])
def test_other_kinds_of_uploads_are_refused(name: str) -> None:
    with pytest.raises(TaskError, match="cannot be read"):
        keep_upload(name, b"x")


def test_method_names_every_setting() -> None:
    page = opened("method")
    shown = " ".join(one.value for one in page.markdown)
    assert [one.path for one in all_settings() if f"`{one.path}`" not in shown] == []
    assert draw_group.__doc__
