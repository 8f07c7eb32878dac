"""The Study part of the Compare page: choosing, starting, watching, reading and taking home."""

from __future__ import annotations

import io
import os
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from streamlit.testing.v1 import AppTest

from ikd.study import Study, StudyFolder, load_study, shipped_names
from ikd.study.cells import Cell, all_cells
from ikd.study.comparing import compared, comparison_table, sentences
from ikd.study.reading import study_text, with_seeds
from ikd.study.results import read_results
from ikd.study.telling import how_made
from ikd.trace.store import list_runs
from ikd.ui import state, study_found
from ikd.ui.shell import PAGES
from ikd.ui.study_choice import offered
from ikd.ui.study_export import report_html, zip_of
from ikd.ui.study_figures import gain_rows, gain_words
from ikd.ui.study_found import Findings, findings_of, score_intervals, table_of, whole_verdicts
from ikd.ui.study_own import own_study
from ikd.ui.study_plan import few_seeds_words
from ikd.ui.study_standing import OWN_FAULT, last_words, standing_of
from ikd.ui.study_start import command_of
from ikd.ui.study_tables import edge_words, tuning_words
from ikd.ui.wording import plain
from tests.conftest import REPOSITORY
from tests.synthetic import synthetic_run
from tests.test_pages_compare import Seen, words
from tests.written_studies import hand_row, hand_study, written_study

SECONDS = 180


def opened(study: str | None = None) -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=SECONDS)
    app.run()
    app.switch_page(PAGES["compare"].path)
    if study is not None:
        app.query_params[state.STUDY] = study
    return app.run()


def said(page: AppTest) -> str:
    return words(page) + "\n" + "\n".join(str(one.value) for one in page.success)


def heads(page: AppTest) -> list[str]:
    return [str(one.value) for one in page.subheader]


def button(page: AppTest, key: str) -> Any:
    return next(one for one in page.button if one.key == key)


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the recorded things be in a folder of this test."""
    root = tmp_path / "recorded"
    for module in ("ikd.trace.store", "ikd.ui.study_choice", "ikd.ui.study_tables"):
        monkeypatch.setattr(f"{module}.assets_root", lambda: root)
    return root


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Study, dict[str, Any]]]:
    """Start no program, and return what would have been started."""
    seen: list[tuple[Study, dict[str, Any]]] = []
    monkeypatch.setattr("ikd.ui.study_start.start_study", lambda study, **how: seen.append((study, how)))
    return seen


def test_runs_come_first_and_the_study_is_one_click_away(recorded: Path) -> None:
    page = opened()
    assert page.segmented_control(key=state.COMPARED).value == "Runs" and state.STUDY not in page.query_params
    page = page.segmented_control(key=state.COMPARED).set_value("Study").run()
    assert not page.exception and not page.error and state.STUDY in page.query_params
    page = page.selectbox(key=state.STUDY_CHOICE).set_value("quick").run()
    page = page.segmented_control(key=state.COMPARED).set_value("Runs").run()
    assert state.STUDY not in page.query_params
    page = page.segmented_control(key=state.COMPARED).set_value("Study").run()
    assert page.selectbox(key=state.STUDY_CHOICE).value == "quick", "the study looked at last"


@pytest.mark.parametrize("name", shipped_names())
def test_a_study_that_comes_with_the_lab_says_what_it_compares_and_how_to_start_it(name: str, recorded: Path) -> None:
    page, study = opened(name), load_study(name)
    assert not page.exception and not page.error and not page.warning
    assert heads(page)[0] == plain(study.title, longest=200)
    assert f"{len(study.methods)} methods × {len(study.tasks)} tasks × {len(study.seeds)} seeds, {len(all_cells(study))} runs" in said(page)
    methods = page.dataframe[0].value
    assert methods["method"].tolist() == list(study.methods)
    assert page.code[0].value == f"python -m ikd study {name}"
    assert not button(page, "study-start").disabled


def test_more_seeds_and_jobs_are_asked_for_in_the_command_and_at_the_start(started: list[Any], recorded: Path) -> None:
    page = opened("quick")
    page = next(one for one in page.number_input if str(one.key).startswith("study-seeds")).set_value(3).run()
    page = next(one for one in page.number_input if str(one.key).startswith("study-jobs")).set_value(2).run()
    assert page.code[0].value == "python -m ikd study quick --seeds 3 --jobs 2"
    assert "fewer than 7 seeds no difference" in said(page)
    button(page, "study-start").click().run()
    (study, how), = started
    assert study == with_seeds(load_study("quick"), 3) and how == {"jobs": 2, "retry": False}


def test_what_a_finished_study_has_found_is_said_task_by_task() -> None:
    folder = written_study()
    page = opened("hand")
    assert not page.exception and not page.error and not page.warning
    assert heads(page) == [r"Made up for a \*test\*", "What is found", "Was it still gaining?", "Gains", "Teachers", "Means",
                           "Scores against cost", "Won and lost", "Tuning", "What it cost", "Runs", "How it was made",
                           "Take it home"]  # fmt: skip
    found = compared(read_results(folder))
    for score in ("nll", "accuracy"):
        for several in sentences(found, score).values():
            for sentence in several:
                assert plain(sentence, longest=1000) in said(page)
    badges = [one.value for one in page.markdown if "-badge[" in one.value]
    assert any("green-badge" in one and " better]" in one for one in badges), "better on reviews"
    assert any("no difference shown]" in one for one in badges)
    assert "54 of 54 runs" in str(page.get("progress")[0].proto.text).replace(",", "")


def test_the_figures_hold_the_numbers_of_the_comparisons() -> None:
    found = findings_of(written_study())
    rows, table = gain_rows(found, "accuracy"), comparison_table(compared(found.results, ["accuracy"]))
    np.testing.assert_allclose(rows[["gain", "low", "high"]], 100 * table[["gain", "low", "high"]].astype(float))
    assert rows["method"].tolist() == table["method"].tolist() and "against KD, equal compute" in "".join(rows["label"])


def test_a_gain_is_said_in_the_figure_as_in_the_sentences_and_never_as_minus_zero() -> None:
    found = findings_of(written_study())
    for score in found.scores:
        told = {(one.task, *one.pair): one.verdict.sentence for one in found.found if one.score == score}
        own = found.comparisons[found.comparisons["score"] == score]
        for row in own.to_dict("records"):
            words = gain_words(row["gain"], row["low"], row["high"], score)
            ends = words[words.index("[") :]
            assert row["gain"] < 0 or ends in told[row["task"], row["method"], row["against"], row["at"]]
    assert gain_words(-0.0004, -0.008, 0.007, "accuracy") == "+0.0 points [-0.8, 0.7]"
    assert "no seed" in gain_words(np.nan, np.nan, np.nan, "nll") and gain_words(0.5, np.nan, np.nan, "nll").endswith("(one seed)")


def test_what_holds_at_equal_steps_alone_and_what_is_not_there_yet_have_badges_of_their_own() -> None:
    methods = {name: value for name, value in hand_study().methods.items() if name != "KD, equal compute"}
    tune = {name: value for name, value in hand_study().tune.items() if name in methods}
    folder = written_study(hand_study(methods=methods, tune=tune, name="alone"))
    badges = {task: [one.badge for one in said] for task, said in whole_verdicts(findings_of(folder).found, "nll").items()}
    assert badges == {"reviews": ["better at equal steps"], "irony": ["open"]}
    other = {**methods, "exam": {**methods["exam"], "training.steps": 30}}
    found = findings_of(written_study(hand_study(methods=other, tune=tune, name="other"))).found
    badges = {task: [one.badge for one in said] for task, said in whole_verdicts(found, "nll").items()}
    assert badges == {"reviews": ["better with other steps"], "irony": ["open"]}
    assert [label for label in gain_rows(findings_of(folder), "nll")["label"] if label.endswith("· better at equal steps")]
    page = opened("alone")
    assert not page.exception and any("better at equal steps]" in one.value for one in page.markdown)
    assert not any("green-badge" in one.value for one in page.markdown)
    whole = whole_verdicts(findings_of(written_study()).found, "nll")
    assert [one.badge for one in whole["reviews"]] == ["open", "better"], "a control at equal compute settles it"
    folder = written_study(hand_study(name="half"), last=0)
    for cell in all_cells(hand_study()):
        if cell.task == "reviews":
            folder.append(hand_row(cell))
    half = whole_verdicts(findings_of(folder).found, "nll")
    assert {one.badge for one in half["irony"]} == {"nothing"}, "no run of it is there"


def test_two_seeds_have_no_interval_and_no_interval_leaves_the_score() -> None:
    folder = written_study(hand_study(seeds=2))
    rows = score_intervals(findings_of(folder).results, "accuracy")
    assert rows["value"].notna().all() and rows[["low", "high"]].isna().all(axis=None)
    study = hand_study(seeds=3, name="three")
    folder = written_study(study)
    for cell in all_cells(study):
        row = hand_row(cell)
        folder.append(replace(row, scores={**row.scores, "student/test/accuracy": (0.5, 0.9, 1.0)[cell.seed % 3]}))
    ends = score_intervals(findings_of(folder).results, "accuracy")
    low = stats.t.interval(0.95, 2, loc=0.8, scale=stats.sem([0.5, 0.9, 1.0]))[0]
    np.testing.assert_allclose(ends["low"], low)
    assert (ends["high"] == 1.0).all()


def test_a_chosen_value_at_the_edge_of_what_was_tried_is_marked() -> None:
    study = hand_study(tune={"KD": {"objective.temperature": [2, 4, 8]}}, uneven_budgets=True)
    path = "objective.temperature"
    assert [edge_words(study, "KD", {path: value}) for value in (2, 4)] == ["chosen; at the edge: less might be better", ""]
    assert "more might be better" in edge_words(study, "KD", {path: 8}) and edge_words(study, "exam", {}) == ""
    found = findings_of(written_study())
    assert tuning_words(found).query("method == 'KD' and settings == 'Temperature: 2'")["chosen"].str.contains("less might").all()


def test_means_have_the_t_interval_over_seeds() -> None:
    found = findings_of(written_study())
    row = score_intervals(found.results, "nll").set_index(["task", "method"]).loc[("irony", "exam")]
    values = [hand_row(Cell("main", "irony", "exam", seed)).scores["student/test/nll"] for seed in range(7)]
    low, high = stats.t.interval(0.95, 6, loc=np.mean(values), scale=stats.sem(values))
    np.testing.assert_allclose([row["value"], row["low"], row["high"]], [np.mean(values), low, high])


def test_statistics_are_not_done_again_at_each_rerun_but_when_a_line_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    folder, done = written_study(last=30), []
    monkeypatch.setattr(study_found, "compared", lambda results: done.append(1) or compared(results))
    page = opened("hand").run()
    assert len(done) == 1
    folder.append(hand_row(all_cells(hand_study())[30]))
    page.run()
    assert len(done) == 2


def test_a_study_half_done_shows_what_is_there_and_says_what_is_missing() -> None:
    written_study(last=12 + 15, ended="cancelled")
    page = opened("hand")
    assert not page.exception and not page.error
    assert "27 of the 42 runs that are compared are still to come" in said(page) and "was cancelled" in said(page)
    assert button(page, "study-start").label == "Go on" and "What is found" in heads(page)


def test_before_the_first_run_that_is_compared_there_is_nothing_to_be_found() -> None:
    written_study(last=5, ended="")
    page = opened("hand")
    assert not page.exception and not page.error and "What is found" not in heads(page)
    assert "gone without a word" in said(page)


def test_failed_runs_have_their_sentence_and_can_be_tried_again(started: list[Any]) -> None:
    written_study(failing=Cell("main", "irony", "exam", 3))
    page = opened("hand")
    assert not page.exception and "Failed runs" in heads(page)
    assert plain("It <b>ran</b> out of memory.") in said(page)
    assert button(page, "study-start").disabled, "every run is over"
    button(page, "study-retry").click().run()
    assert started[0][1]["retry"] is True


def test_a_damaged_study_has_a_sentence_and_hides_no_other() -> None:
    folder = written_study()
    (folder.path / "study.yaml").write_text("methods: [", "utf-8")
    page = opened("hand")
    assert not page.exception and "damaged" in said(page)
    page = page.selectbox(key=state.STUDY_CHOICE).set_value("kin").run()
    assert not page.exception and not page.error and "kin" in page.code[0].value


def test_lines_that_are_broken_are_left_out() -> None:
    folder = written_study()
    with (folder.path / "cells.jsonl").open("ab") as file:
        file.write(b'{"cell": {"stage"\n\xff\xfe\n[]\n{"cell": 3}\n')
    page = opened("hand")
    assert not page.exception and not page.error and "What is found" in heads(page)


@pytest.mark.parametrize("line", ['{"began": "yesterday", "jobs": "many", "versions": 3}', '{"ended": null}', "null", '{"began": 1e300}',
                                  '{"began": true}', '{"began": 1800000000.0, "jobs": 0, "versions": 3, "seeds": 7, "how": []}', "[]"])
def test_a_session_whose_line_is_damaged_breaks_nothing(line: str) -> None:
    folder = written_study(last=30, ended="")
    with (folder.path / "sessions.jsonl").open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    with folder.hold():
        page = opened("hand")
        assert not page.exception and not page.error and "at work" in said(page)
    page = opened("hand")
    assert not page.exception and not page.error and heads(page)[-1] == "Take it home" and "gone without a word" in said(page)
    assert report_html(found_here(folder)[0])


def test_a_study_that_ended_and_lacks_runs_says_whether_more_was_asked_or_lines_are_gone() -> None:
    folder = written_study(last=50)
    page = opened("hand")
    assert "missing or damaged" in said(page) and "more was asked" not in said(page) and button(page, "study-start").label == "Go on"
    folder.append_session({"began": 1_800_000_700.0, "jobs": 1, "seeds": [0, 1]})
    folder.append_session({"ended": 1_800_000_800.0, "how": "finished"})
    page = opened("hand")
    assert "more was asked" in said(page) and "missing or damaged" not in said(page)


@pytest.mark.parametrize("how", ["incomplete", "finished"])
def test_runs_that_were_stopped_on_their_own_pages_are_named_and_can_be_gone_on_with(how: str) -> None:
    folder, runs = written_study(last=0, ended=""), {2: synthetic_run(2, n_steps=12).id, 30: synthetic_run(2, n_steps=12).id}
    cells = all_cells(hand_study())
    tuned = [cell for cell in cells if (cell.stage, cell.task, cell.method) == ("main", cells[2].task, cells[2].method)]
    for number, cell in enumerate(cells):
        if cell not in tuned:
            folder.append(hand_row(cell, run=runs.get(number, ""), state="stopped" if number in runs else "done"))
    folder.append_session({"ended": 1_800_000_600.0, "how": how})
    page = opened("hand")
    assert not page.exception and not page.error
    waits = f"2 runs were stopped by hand, and {len(tuned)} runs wait for settings to be chosen by them. Started again, the study finishes"
    assert waits in said(page) and "missing or damaged" not in said(page) and button(page, "study-start").label == "Go on"
    links = [one.proto for one in page.get("page_link")]
    assert all(any(run in str(one) for one in links) for run in runs.values())
    assert any(f"{how} after 10 min" in line for line in how_made(read_results(folder)))


def test_a_study_of_which_every_run_failed_says_so_and_why_and_no_reason_twice() -> None:
    folder = written_study(last=0)
    for cell in all_cells(hand_study()):
        folder.append(hand_row(cell, state="failed", error="It ran out of memory."))
    page = opened("hand")
    assert not page.exception and "All 54 runs have failed" in said(page) and not page.get("progress")
    assert "to its end yet" not in said(page)
    failed = [one.value for one in page.markdown if "failed]" in one.value]
    assert len(failed) == 1 and "54 runs failed" in failed[0]
    assert "tuning, reviews, KD, seed 1000, Temperature: 2" in said(page).replace("\\", ""), "which of those with the same name"


@pytest.mark.parametrize("name", ["nothing", "../../etc", "recorded:nothing", "<b>x</b>"])
def test_a_wrong_name_in_the_address_is_said_and_another_study_is_shown(name: str) -> None:
    page = opened(name)
    assert not page.exception and not page.error
    assert "Unknown study" in said(page) and "Another one is shown instead" in said(page) and "<b>" not in said(page)


def test_a_read_only_lab_shows_and_starts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    written_study(failing=Cell("main", "irony", "exam", 3))
    monkeypatch.setenv("IKD_READ_ONLY", "1")
    page = opened("hand")
    assert not page.exception and "read-only" in said(page) and "What is found" in heads(page)
    assert button(page, "study-start").disabled and button(page, "study-retry").disabled


def test_a_read_only_lab_gives_a_command_that_another_lab_understands(monkeypatch: pytest.MonkeyPatch) -> None:
    written_study()
    assert command_of(hand_study(), None, elsewhere=True) == "python -m ikd study hand.yaml"
    assert command_of(load_study("quick"), None, elsewhere=True) == "python -m ikd study quick"
    monkeypatch.setenv("IKD_READ_ONLY", "1")
    page = opened("hand")
    assert page.code[0].value.startswith("python -m ikd study hand.yaml") and "the file below" in said(page)
    page = opened("own:")
    page = page.text_area(key="study-yaml").set_value(study_text(hand_study())).run()
    assert "This is a study" in said(page) and "It can be started" not in said(page)


def test_the_smallest_p_of_too_few_seeds_is_said() -> None:
    assert "smallest p that the test can give with 2 is 0.5, and" in few_seeds_words(hand_study(tasks={"irony": {}}, seeds=2))
    smallest = stats.permutation_test((np.array([0.1, 0.2, 0.3, 0.7]),), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    words = few_seeds_words(hand_study(seeds=4))
    assert f"with 4 is {smallest:.2g}, times 2 tasks" in words and few_seeds_words(hand_study(seeds=7)) == ""


def test_a_refusal_of_the_start_is_a_sentence(monkeypatch: pytest.MonkeyPatch, recorded: Path) -> None:
    page = opened("quick")
    monkeypatch.setenv("IKD_READ_ONLY", "1")  # the lab was closed since the page was drawn
    page = button(page, "study-start").click().run()
    assert not page.exception and plain("This lab is read-only: runs can be looked at") in said(page)


@pytest.mark.parametrize(("text", "sentence"), [
    ("methods: [", "not YAML"), ("hello", "A study is YAML with the keys"), ("name: x", "The study has no"),
    (study_text(hand_study()).replace("baseline: KD", "baseline: nobody"), "Unknown method in baseline"),
    ("# " + "x" * 200_001, "more than 200,000 bytes"),
])  # fmt: skip
def test_a_study_of_ones_own_that_is_wrong_is_refused_in_a_sentence_and_stays(text: str, sentence: str) -> None:
    page = opened("own:")
    page = page.text_area(key="study-yaml").set_value(text).run()
    assert not page.exception and sentence in said(page).replace("\\", "")
    page = page.selectbox(key=state.STUDY_CHOICE).set_value("kin").run()
    page = page.selectbox(key=state.STUDY_CHOICE).set_value("own:").run()
    assert page.text_area(key="study-yaml").value == text, "what was typed is kept"


def test_a_short_text_that_stands_for_a_huge_one_is_refused_at_once() -> None:
    lines = ["  s0: &s0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"  s{level}: &s{level} [{', '.join([f'*s{level - 1}'] * 10)}]" for level in range(1, 12)]
    text = study_text(hand_study()).replace("base:\n", "base:\n" + "\n".join(lines) + "\n", 1)
    refusal = own_study(text)
    assert isinstance(refusal, str) and len(refusal) < 400 and "plain values" in refusal


def test_a_study_of_ones_own_is_begun_from_another_and_started(started: list[Any], recorded: Path) -> None:
    page = opened("own:")
    page = page.selectbox(key="study-begin-with").set_value("quick").run()
    page = button(page, "study-copy").click().run()
    text = page.text_area(key="study-yaml").value
    assert not page.exception and "This is a study" in said(page)
    page = page.text_area(key="study-yaml").set_value(text.replace("name: quick", "name: mine", 1)).run()
    assert page.code[0].value == "python -m ikd study mine.yaml"
    button(page, "study-start").click().run()
    assert started[0][0].name == "mine" and started[0][0].methods == load_study("quick").methods


def test_a_file_takes_the_place_of_the_text_which_can_be_had_back() -> None:
    page = opened("own:")
    page = page.text_area(key="study-yaml").set_value("typed by hand").run()
    page = page.file_uploader(key="study-upload").set_value(("mine.yaml", study_text(hand_study()).encode(), "text/yaml")).run()
    assert not page.exception and "This is a study" in said(page)
    page = button(page, "study-back").click().run()
    assert page.text_area(key="study-yaml").value == "typed by hand"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"x" * 200_001])
def test_a_file_that_is_no_study_leaves_the_text_alone(content: bytes) -> None:
    page = opened("own:")
    page = page.text_area(key="study-yaml").set_value("typed by hand").run()
    page = page.file_uploader(key="study-upload").set_value(("mine.yaml", content, "text/yaml")).run()
    assert not page.exception and page.text_area(key="study-yaml").value == "typed by hand" and page.warning


def test_a_recorded_study_shows_its_scores_without_its_runs(recorded: Path) -> None:
    written_study(root=recorded, runs={Cell("main", "irony", "exam", 3): "20990101-000000-gone"})
    assert list(offered())[0] == "recorded:hand"
    page = opened("hand")
    assert not page.exception and not page.error and "What is found" in heads(page) and "recorded:hand" in page.query_params[state.STUDY]
    assert "folders of these runs are not here" in said(page) and not page.toggle, "nothing is offered that cannot be had"
    assert "examples" not in page.segmented_control(key="study-table").options
    assert button(page, "study-start").label == "Start it here"
    written_study(last=20)
    assert list(offered())[:2] == ["hand", "recorded:hand"], "the one begun here goes first, and both can be chosen"
    assert opened("recorded:hand").selectbox(key=state.STUDY_CHOICE).value == "recorded:hand"


def test_a_study_at_work_can_be_cancelled_and_not_started_twice() -> None:
    study = hand_study()
    folder = written_study(last=20, ended="")
    run = synthetic_run(2, n_steps=12).id
    folder.append(hand_row(all_cells(study)[20], run=run, state="running"))
    with folder.hold():
        page = opened("hand")
        assert not page.exception and "at work, 1 at a time" in said(page) and "left" in str(page.get("progress")[0].proto.text)
        assert button(page, "study-start").disabled and len(page.get("progress")) == 2, "beside the button too"
        assert next(one for one in page.number_input if str(one.key).startswith("study-jobs")).value == 2, "as in the last session"
        page = button(page, "study-cancel").click().run()
        assert folder.asked_to_end() and button(page, "study-cancel").disabled and "ending" in said(page)


def test_a_program_that_died_with_a_sentence_has_said_why(recorded: Path) -> None:
    folder = StudyFolder("quick")
    (folder.path / "asked").mkdir(parents=True)
    (folder.path / "asked" / "quick.yaml").write_text(study_text(load_study("quick")), "utf-8")
    page = opened("quick")
    assert not page.exception and "beginning" in said(page) and button(page, "study-start").disabled
    (folder.path / "log.txt").write_text("The study quick needs 162 more runs: delete some.\n", "utf-8")
    os.utime(folder.path / "log.txt", (time.time() + 2, time.time() + 2))
    page = opened("quick")
    assert not page.exception and "needs 162 more runs" in said(page) and not button(page, "study-start").disabled


def test_a_stack_trace_in_the_log_is_not_for_the_page(home: Path) -> None:
    folder = written_study()
    trace = "[1/9] a line\nTraceback (most recent call last):\n  File \"x.py\"\nKeyError: 'x'\n"
    (folder.path / "log.txt").write_text(trace, "utf-8")
    assert last_words(folder) == OWN_FAULT
    (folder.path / "log.txt").write_text(trace + "A later sentence.\n", "utf-8")
    assert last_words(folder) == "A later sentence."


def test_the_time_left_is_that_of_the_missing_runs_at_the_pace_so_far() -> None:
    folder = written_study(last=50, ended="")
    with folder.hold():
        now = standing_of(hand_study(), read_results(folder), folder)
    assert now.at_work and (now.total, now.done, now.missing) == (54, 50, 4)
    assert now.seconds_left == pytest.approx(4 * 4.0 / 2), "four runs of 4 s, two at a time"


def test_the_runs_of_a_seed_are_opened_beside_each_other(recorded: Path) -> None:
    runs = {Cell("main", "reviews", method, 0): synthetic_run(2, n_steps=12).id for method in hand_study().methods}
    written_study(runs=runs)
    page = opened("hand")
    table = next(one.value for one in page.dataframe if "page" in one.value.columns)
    linked = table.dropna(subset=["page"])
    assert sorted(linked["page"]) == sorted(f"run?run={run}" for run in runs.values()) and set(linked["seed"]) == {0}
    page = button(page, "study-compare").click().run()
    assert not page.exception and page.segmented_control(key=state.COMPARED).value == "Runs"
    assert sorted(page.multiselect[0].value) == sorted(runs.values())
    assert page.multiselect[0].value[0] == runs[Cell("main", "reviews", "KD", 0)], "the baseline is the one the others are held against"


@pytest.mark.parametrize("score", ["accuracy", "nll"])
def test_another_score_can_be_looked_at(score: str) -> None:
    written_study()
    page = opened("hand")
    page = page.segmented_control(key="study-score").set_value(score).run()
    page = page.selectbox(key="study-cost-score").set_value(score).run()
    page = page.segmented_control(key="study-cost").set_value("seconds").run()
    assert not page.exception and not page.error


def found_here(folder: StudyFolder) -> tuple[Any, Findings]:
    return offered()[folder.name], findings_of(folder)


def test_the_report_is_whole_alone_and_harmless() -> None:
    one, _ = found_here(written_study(failing=Cell("main", "irony", "exam", 3)))
    text, seen = report_html(one), Seen()
    seen.feed(text)
    assert [link for link in seen.loads if not link.startswith("#")] == [] and not {"script", "link", "iframe", "img", "b"} & set(seen.tags)
    assert seen.tags.count("svg") >= 4 and "url(http" not in text and len(text.encode()) < 5_000_000
    told = " ".join(seen.words)
    for part in ("What is found", "Gains", "Means", "against cost", "Tuning", "Failed runs", "How it was made", "It <b>ran</b> out",
                 "paired by seed", "Holm", "does not mean that there is none", "Dashed", "Forwards count",
                 "student forwards, planned", "validation texts"):
        assert part in told
    assert "validation_nll" not in told and seen.tags.count("tr") > 42 and "<h2>Runs</h2>" in text
    for several in sentences(compared(read_results(one.folder)), "nll").values():
        assert all(sentence in told for sentence in several)


def test_the_zip_holds_every_table_in_each_form_and_the_study_itself(tmp_path: Path) -> None:
    one, found = found_here(written_study())
    with zipfile.ZipFile(io.BytesIO(zip_of(one))) as packed:
        names = set(packed.namelist())
        assert not [name for name in ("comparisons.md", "comparisons.tex", "report.md") if b"NA" in packed.read(name)], "missing is empty"
        assert {"report.html", "report.md", "study.yaml", "means.tex", "comparisons.md", "scores.csv", "runs.parquet"} <= names
        pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(packed.read("comparisons.parquet"))), found.comparisons, check_dtype=False)
        (tmp_path / "again.yaml").write_bytes(packed.read("study.yaml"))
    assert load_study(str(tmp_path / "again.yaml")) == found.study


def test_one_table_can_be_taken_alone() -> None:
    one, _ = found_here(written_study())
    page = opened("hand")
    for name in (name for name in study_found.TABLES if name != "examples"):
        page = page.segmented_control(key="study-table").set_value(name).run()
        assert not page.exception and not page.error
    assert len(table_of(one.folder, "runs")) == 42


def test_a_study_changed_since_is_given_to_the_terminal_as_a_file() -> None:
    quick = load_study("quick")
    assert command_of(quick, None) == "python -m ikd study quick"
    assert command_of(with_seeds(quick, 10), 1) == "python -m ikd study quick --seeds 10 --jobs 1"
    assert command_of(quick.model_copy(update={"score": "accuracy"}), None) == "python -m ikd study quick.yaml"
    written_study()
    assert command_of(hand_study(), None) == "python -m ikd study hand", "known here by its name"


def deletable(n_runs: int = 2, name: str = "hand") -> StudyFolder:
    """Return a study whose lines name runs of its own."""
    study = hand_study(name=name)
    runs = [synthetic_run(2, n_steps=12, settings={"label": f"{name}: KD, reviews, seed {seed}"}).id for seed in range(n_runs)]
    return written_study(study, runs=dict(zip(all_cells(study), runs, strict=False)))


def about_to_delete(name: str) -> AppTest:
    """Return the page with what is behind the button open, and ticked."""
    page = opened(name)
    page.session_state[f"study-delete-{name}"] = True
    page.run()
    assert not page.exception and not page.error and button(page, "study-delete-now").disabled, "it asks first"
    return page.checkbox(key=f"study-sure-{name}").check().run()


def deleting(page: AppTest) -> list[Any]:
    return [one for one in page.get("popover") if one.proto.popover.label == "Delete"]


def test_a_study_is_deleted_with_its_runs_and_the_first_of_the_list_is_shown(recorded: Path) -> None:
    deletable()
    other = synthetic_run(2, n_steps=12).id
    watching, page = opened("hand"), about_to_delete("hand")
    assert "2 runs and all that this study has found go for good" in said(page)
    page = button(page, "study-delete-now").click().run()
    assert not page.exception and not page.error and not page.warning
    assert [one.value for one in page.toast] == ["Study hand is deleted, and 2 runs of it."] and [one.id for one in list_runs()] == [other]
    first = next(iter(offered()))
    assert page.selectbox(key=state.STUDY_CHOICE).value == first and first in page.query_params[state.STUDY]
    watching.run()
    assert not watching.exception and not watching.error and "Unknown study 'hand'" in said(watching).replace("\\", "")


@pytest.mark.parametrize("place", ["shipped", "recorded"])
def test_a_deleted_study_is_shown_as_it_comes_with_the_lab(place: str, recorded: Path) -> None:
    name, key = ("quick", "quick") if place == "shipped" else ("hand", "recorded:hand")
    deletable(1, name)
    if place == "recorded":
        written_study(root=recorded)
    watching, page = opened(name), about_to_delete(name)
    page = button(page, "study-delete-now").click().run()
    assert not page.exception and not page.error and not page.warning and not deleting(page)
    assert page.selectbox(key=state.STUDY_CHOICE).value == key and offered()[key].place == place and not list_runs()
    watching.run()
    assert not watching.exception and not watching.error and watching.selectbox(key=state.STUDY_CHOICE).value == key


def test_a_study_at_work_or_looked_at_alone_cannot_be_deleted(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = deletable(1)
    page = about_to_delete("hand")
    with folder.hold():
        assert not deleting(opened("hand"))
        page = button(page, "study-delete-now").click().run()
        assert not page.exception and "Study hand is at work already" in said(page).replace("\\", "") and len(list_runs()) == 1
    assert not deleting(opened("kin")), "it was not begun here"
    page = about_to_delete("hand")
    monkeypatch.setenv("IKD_READ_ONLY", "1")  # the lab was closed since the page was drawn
    page = button(page, "study-delete-now").click().run()
    assert not page.exception and "read-only" in said(page) and len(list_runs()) == 1
    (shut,) = deleting(opened("hand"))
    assert shut.proto.popover.disabled


def test_a_study_that_another_session_has_deleted_is_not_deleted_twice(recorded: Path) -> None:
    deletable(1)
    pages = [about_to_delete("hand") for _ in range(2)]
    for page in pages:
        page = button(page, "study-delete-now").click().run()
        assert not page.exception and not page.error
    assert "Unknown study 'hand'" in said(pages[1]).replace("\\", "") and not offered().get("hand")
