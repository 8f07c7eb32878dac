"""Scores by group on the pages and in studies, and a small run on a shifted task from its texts to the comparison of two runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from ikd.metrics.scores import point_values
from ikd.study import comparing, groups
from ikd.study.cells import all_cells
from ikd.study.comparing import compared
from ikd.study.groups import group_table
from ikd.study.results import Results, mean_table, read_results
from ikd.study.statistics import seeds_and_examples_interval
from ikd.study.telling import report, tables
from ikd.trace.final import Final
from ikd.trace.folder import RunFolder
from ikd.trace.group_readings import GroupReadings, grown_group_readings
from ikd.trace.reader import TraceReader
from ikd.trace.scores import final_scores, group_words
from ikd.ui import study_groups, study_tables
from ikd.ui.compare_report import report_of
from ikd.ui.group_lines import MOST_GROUPS, WORST, group_lines
from ikd.ui.study_groups import group_gain_words
from tests import test_pages_compare, test_pages_example, test_pages_run, test_pages_study, test_pages_targets
from tests.conftest import REPOSITORY
from tests.small_runs import carried_out, small
from tests.synthetic import synthetic_run
from tests.test_study_comparing import results_with
from tests.written_studies import hand_row, hand_study, written_study

GROUPS = ("kitchen <b>", "music", "")


def clean(page: AppTest) -> AppTest:
    assert not page.exception and not page.error
    return page


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, AppTest]:
    """Return a run with two groups, and its page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IKD_HOME", str(tmp_path_factory.mktemp("grouped")))
        folder = synthetic_run(3, groups=GROUPS)
        return folder, clean(test_pages_run.opened(folder))


def test_the_run_page_draws_each_group_over_the_steps_and_marks_the_worst(
    grouped: tuple[RunFolder, AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, page = grouped
    monkeypatch.setenv("IKD_HOME", str(folder.path.parent))
    clean(page.segmented_control(key="curves-left-groups").set_value("By group").run())
    reader = TraceReader(folder)
    found = grown_group_readings(reader, reader.examples("probe"), None)
    drawn = next(one for one in test_pages_run.charts(page) if one.startswith("accuracy of the student over steps"))
    for place, name in enumerate(found.names):
        first, last = (found.accuracy["student"][row, place] for row in (0, -1))
        assert f"{name} {first:.3f} at step 0, {last:.3f} at step 60" in drawn
    worst = found.names[found.worst_place("student", 60) or 0]
    assert f"Worst at step 60: {worst}, {found.worst('student')[-1]:.3f}" in test_pages_run.words(page).replace("\\", "")
    clean(page.segmented_control(key="curves-whose").set_value("teacher").run())
    assert any(one.startswith("accuracy of the teacher over steps") for one in test_pages_run.charts(page))
    assert "Worst-group accuracy" in page.selectbox(key="curves-another").options
    clean(page.selectbox(key="curves-another").set_value("worst_group_accuracy").run())
    assert any(f"student {found.worst('student')[0]:.3f} at step 0" in one for one in test_pages_run.charts(page))


def test_a_run_without_groups_offers_nothing_of_them() -> None:
    page = clean(test_pages_run.opened(synthetic_run(3)))
    assert "By group" not in page.segmented_control(key="curves-left").options
    assert "Group by group" not in test_pages_run.words(page)
    assert "Worst-group accuracy" not in page.selectbox(key="curves-another").options


def test_a_live_run_with_fifty_groups_draws_eight_and_says_so() -> None:
    names = [f"annotator {one}" for one in range(50)]
    page = test_pages_run.opened(synthetic_run(3, state="running", stop_before=31, n_probe=120, groups=names))
    clean(page.segmented_control(key="curves-left-groups").set_value("By group").run())
    drawn = next(one for one in test_pages_run.charts(page) if one.startswith("accuracy of the student over steps"))
    assert drawn.count(" at step 0") == MOST_GROUPS
    assert "Drawn are 8 of 50 groups: the worst one at step 16 and the largest." in test_pages_run.words(page)


def readings(n_groups: int, *, empty: int = 0) -> GroupReadings:
    draw = np.random.default_rng(1)
    values = {role: draw.random((5, n_groups)) for role in ("teacher", "student")}
    for one in values.values():
        one[:, :empty] = np.nan
    counts = np.where(np.arange(n_groups) < empty, 0, 1 + np.arange(n_groups))
    names = tuple(f"{'x' * 40}{one}" for one in range(n_groups))
    return GroupReadings(names=names, counts=counts, steps=np.arange(5) * 10, accuracy=values)


@pytest.mark.parametrize(("n_groups", "empty"), [(1, 0), (2, 1), (8, 0), (50, 3)])
def test_lines_of_groups_are_told_apart_and_leave_out_those_without_a_label(n_groups: int, empty: int) -> None:
    found = readings(n_groups, empty=empty)
    lines = group_lines(found, "student", 25, chosen_at=25)
    assert len(lines.names) == min(n_groups - empty, MOST_GROUPS) == len({str(look) for look in lines.looks.values()})
    assert list(lines.names) == list(lines.looks), "names alike in their first letters stay apart"
    at_worst = lines.table[lines.table["name"] == WORST]["value"].to_numpy()
    np.testing.assert_array_equal(at_worst, np.nanmin(found.accuracy["student"], axis=1))
    assert ("without a labelled example" in lines.words) == bool(empty)
    assert group_lines(found, "student", -1, chosen_at=-1).words.count("Worst at") == 0


def test_final_scores_stand_group_by_group(grouped: tuple[RunFolder, AppTest], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, page = grouped
    monkeypatch.setenv("IKD_HOME", str(folder.path.parent))
    scores = final_scores(TraceReader(folder))[-1]
    for score in ("accuracy", "nll"):
        clean(page.segmented_control(key="final-groups").set_value(score).run())
        tables = [one.value for one in page.dataframe if "worst of" in one.value]
        assert len(tables) == 1
        wanted = group_words(scores, score)
        pd.testing.assert_frame_equal(tables[0].drop(columns="group"), wanted.drop(columns="group"), check_dtype=False)
    assert "Group by group" in test_pages_run.words(page) and "leans downwards" in test_pages_run.words(page)
    assert page.get("download_button"), "the numbers can be taken home"


def test_an_example_says_which_group_it_is_of_and_who_labelled_it() -> None:
    folder = synthetic_run(3, groups=GROUPS, sources=("ann", "*bob*"))
    said = test_pages_example.words(clean(test_pages_example.opened(folder, ex="1")))
    assert "group **music**" in said and "label or soft target from ***bob***" in said
    assert "group **" not in test_pages_example.words(clean(test_pages_example.opened(folder, ex="2"))), "it belongs to none"


def test_the_drift_table_can_be_filtered_by_group() -> None:
    page = clean(test_pages_targets.opened(synthetic_run(3, groups=GROUPS), view="table"))
    table = page.dataframe[0].value
    assert set(table["group"]) == set(GROUPS)
    clean(page.multiselect(key="table-groups").set_value(["music"]).run())
    kept = page.dataframe[0].value
    assert set(kept["group"]) == {"music"} and sorted(kept["example"]) == list(range(1, 40, 3))
    assert "group" not in clean(test_pages_targets.opened(synthetic_run(3), view="table")).dataframe[0].value


# A run on a built-in task with a shift, from its texts to the comparison.

@pytest.fixture(scope="module")
def shifted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RunFolder]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IKD_HOME", str(tmp_path_factory.mktemp("shifted")))
        configs = [small(task__shift="shortcut", training__steps=8, label=name, policy__name=name) for name in ("exam", "fixed")]
        yield [carried_out(config) for config in configs]


def test_a_run_on_a_shifted_task_scores_its_groups(shifted: list[RunFolder]) -> None:
    folder = shifted[0]
    reader, scores = TraceReader(folder), folder.state().scores
    for split in ("validation", "test"):
        final = reader.final(split)
        assert final is not None and final.groups is not None
        for role, logits in final.logits.items():
            values = point_values(logits, final.labels, final.truth, final.groups)
            assert scores[f"{role}/{split}/worst_group_accuracy"] == values["worst_group_accuracy"] <= values["accuracy"]
    assert reader.examples("probe")["group_name"].any() and reader.examples("course")["group_name"].any()


def test_the_list_of_runs_tells_the_worst_group(shifted: list[RunFolder], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_HOME", str(shifted[0].path.parent))
    page = clean(AppTest.from_file(str(REPOSITORY / "pages" / "runs.py"), default_timeout=180).run())
    scores = shifted[0].state().scores
    said = f"{scores['student/test/accuracy']:.3f} test, worst group {scores['student/test/worst_group_accuracy']:.3f}"
    assert said in [one.value for one in page.markdown]


def test_two_such_runs_are_compared_by_their_worst_groups(shifted: list[RunFolder], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_HOME", str(shifted[0].path.parent))
    seen: list[Any] = []
    monkeypatch.setattr(test_pages_compare.compare_view, "draw_report", seen.append)
    page = clean(test_pages_compare.opened(*(one.id for one in shifted)))
    assert any("Worst-group accuracy" in set(one.value.get("score", ())) for one in page.dataframe)
    clean(page.selectbox(key="compare-series").set_value("student_worst_group_accuracy").run())
    assert any(str(one.proto.alt).startswith("student's worst-group accuracy") for one in page.get("vega_lite_chart"))
    whole = report_of(seen[-1])
    assert "<h3>Student&#x27;s worst-group accuracy</h3>" in whole and "Worst-group accuracy</td>" in whole
    alone = clean(test_pages_compare.opened(synthetic_run(3).id, synthetic_run(3).id))
    assert "student's worst-group accuracy" not in alone.selectbox(key="compare-series").options


# Studies.

def with_worst(**changes: Any) -> Results:
    """Return a study of which the one task, reviews, has groups."""
    own = {f"student/{split}/worst_group_accuracy": 0.5 for split in ("validation", "test")}
    results = results_with({"reviews": own}, **changes)
    rows = {cell: replace(row, scores={**row.scores, **({name: 1.0 - row.scores["student/validation/nll"] for name in own
                                                         if name in row.scores})}) for cell, row in results.rows.items()}  # fmt: skip
    return replace(results, rows=rows)


def test_a_study_can_be_decided_by_the_worst_group() -> None:
    results = with_worst(score="worst_group_accuracy")
    found = [one for one in compared(results) if one.score == "worst_group_accuracy"]
    assert {one.task for one in found} == {"reviews"}, "a task without groups is no failure"
    exam = next(one for one in found if one.pair == ("exam", "KD", "equal steps"))
    assert exam.verdict.kind == "better" and " points [" in exam.verdict.sentence and "in worst-group accuracy" in exam.verdict.sentence
    table = mean_table(results).set_index(["task", "method"])
    assert table.loc[("reviews", "exam"), "worst_group_accuracy"] > table.loc[("reviews", "KD"), "worst_group_accuracy"]
    assert np.isnan(table.loc[("irony", "exam"), "worst_group_accuracy"])
    assert "irony: worst-group accuracy is not known there, so that nothing decides." in report(results)
    assert "left out" not in report(results)


def test_settings_are_tuned_by_the_worst_group_on_validation_texts() -> None:
    study = hand_study(score="worst_group_accuracy", tasks={"reviews": {}})
    folder = written_study(study, last=0)
    for cell in all_cells(study):
        row = hand_row(cell)
        worst = {f"student/{split}/worst_group_accuracy": 0.4 + 0.1 * cell.choice for split in ("validation", "test")}
        folder.append(replace(row, scores={**row.scores, **worst}))
    tuning = tables(read_results(folder))["tuning"]
    assert tuning["validation_worst_group_accuracy"].tolist() == [0.4, 0.5] * 3 and tuning["chosen"].tolist() == [False, True] * 3


def test_where_no_task_has_groups_no_table_has_them() -> None:
    results = read_results(written_study())
    assert "groups" not in tables(results) and "worst_group_accuracy" not in mean_table(results)
    assert list(group_table(results).columns) == list(groups.GROUP_COLUMNS)


def test_the_page_of_a_study_tells_the_gains_of_each_group_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with_worst(score="worst_group_accuracy")
    page = clean(test_pages_study.opened("hand"))
    assert "Group by group" in test_pages_study.heads(page), "the runs are not here, so nothing is offered"
    assert "study-groups-wanted" not in [one.key for one in page.toggle]
    rows = [("reviews", "music <b>", "exam", "KD", 7, 20, 0.7, 0.6, 0.1, 0.05, 0.15)]
    monkeypatch.setattr(study_groups, "groups_of", lambda folder: pd.DataFrame(rows, columns=groups.GROUP_COLUMNS))
    monkeypatch.setattr(study_tables, "any_run_here", lambda one, results: True)
    page = clean(clean(test_pages_study.opened("hand")).toggle(key="study-groups-wanted").set_value(True).run())
    table = next(one.value for one in page.dataframe if "the other's" in one.value)
    assert table["group"].tolist() == ["music <b>"] and table["gain in accuracy"].tolist() == ["+10.0 points [5.0, 15.0]"]


def said_by(skills: dict[str, tuple[float, float]]) -> Callable[[Any, str, str], dict[int, Final]]:
    """Return predictions of 7 seeds on the same 40 texts, of which each method knows so much in either group."""
    labels = np.random.default_rng(0).integers(0, 2, 40)
    labels[3] = -1
    names = ["a", "b", "b", ""] * 10

    def said(results: Any, task: str, method: str) -> dict[int, Final]:
        if task != "reviews" or method not in skills:
            return {}
        found = {}
        for seed in range(7):
            logits = np.random.default_rng(10 * seed + list(skills).index(method)).normal(size=(40, 2))
            for row, (label, name) in enumerate(zip(labels, names, strict=True)):
                logits[row, label] += 0 if label < 0 else skills[method][name == "b"]
            found[seed] = Final(labels=labels, truth=None, logits={"student": logits.astype(np.float32)}, groups=names)
        return found

    return said


@pytest.mark.parametrize("same", [True, False])
def test_gains_of_each_group_are_over_seeds_and_its_texts(same: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    said = said_by({"KD": (1.0, 0.0), "exam": (1.0, 2.0)})
    for module in (groups, comparing):
        monkeypatch.setattr(module, "predictions_of", said)
        monkeypatch.setattr(module, "prints_of", lambda results, task, method: {seed: "x" if same else str(seed) for seed in range(7)})
    results = read_results(written_study())
    table = group_table(results)
    assert set(table["task"]) == {"reviews"} and table["group"].unique().tolist() == ["a", "b"]
    row = table.query("group == 'b' and method == 'exam' and against == 'KD'").iloc[0]
    rights = {method: np.stack([one.logits["student"].argmax(axis=1) == one.labels for one in said(None, "reviews", method).values()])
              for method in ("KD", "exam")}  # fmt: skip
    inside = np.asarray(["a", "b", "b", ""] * 10) == "b"
    ours, theirs = (rights[method][:, inside].astype(float) for method in ("exam", "KD"))
    assert (row["accuracy"], row["other_accuracy"], row["seeds"]) == (pytest.approx(ours.mean()), pytest.approx(theirs.mean()), 7)
    if same:
        wanted = seeds_and_examples_interval(ours, theirs)
        assert (row["gain"], row["low"], row["high"], row["examples"]) == pytest.approx((wanted.gain, *wanted.interval, 20))
        assert "groups" in tables(results) and "Groups" in report(results)
    else:
        assert row["gain"] == pytest.approx(ours.mean() - theirs.mean()) and np.isnan(row["low"])
    words = group_gain_words(table)
    assert len(words) == len(table) and words["gain in accuracy"].str.contains("points").all()
