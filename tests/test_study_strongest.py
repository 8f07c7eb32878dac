"""Feedback against the strongest control, entries with their exam texts, curves, and the map of where feedback pays.

The lines are written by hand and their scores made up: they stand for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ikd.plots.pays import cell_table, largest, map_chart, spent_chart
from ikd.study.cells import main_cells
from ikd.study.comparing import COMPUTE, STEPS, STRONGEST, Pair, compared, pairs_of, sentences, strongest_pairs
from ikd.study.entries import BEFORE_EXAM_TEXTS, STUDENT, SUFFIX, MapPlan
from ikd.study.folder import Row
from ikd.study.gaining import curve_methods, curve_table, gaining, gaining_words, last_changes, mean_curves
from ikd.study.mapping import SHOWN, map_table, map_words
from ikd.study.plan import Study
from ikd.study.results import Results, mean_table, scores_of
from ikd.study.strongest import control_table, control_words, strongest_control
from ikd.study.telling import report_markdown, tables
from tests.written_studies import hand_study

FIXED, EXAM = {"policy.name": "fixed"}, {"policy.name": "exam"}
THEN = {"training.then_exam_steps": 60}
TREE: dict[str, Any] = {
    "name": "paying", "base": {"training.steps": 90, "task.name": "reviews"},
    "tasks": {f"{strength} {size}": {"task.shift_strength": strength, "task.exam_size": size} for strength in (0.25, 0.75)
              for size in (30, 120)},
    "methods": {"KD": {**FIXED, **THEN}, "KD, equal compute": {**FIXED, **THEN, "equal_compute_to": "exam"},
                "online": {"policy.name": "online"}, "exam": {**EXAM, **THEN}},
    "baseline": "KD", "also_against": {"exam": ["online"]}, "feedback": ["exam"], "controls": ["KD", "KD, equal compute", "online"],
    "seeds": 8,
}  # fmt: skip
STRONG = {"0.25 30": "KD, equal compute" + SUFFIX, "0.25 120": "online", "0.75 30": "KD", "0.75 120": "KD, equal compute"}
"""The control that is best on the validation texts of each task."""


def study_of(**changes: Any) -> Study:
    """Return the study; its settings are not built, since some belong to other parts of the lab."""
    return Study.model_validate({**TREE, **changes})


def score_of(task: str, entry: str, seed: int, split: str) -> float:
    """Return a made-up negative log-likelihood: exam gains 0.1 where the shift is strong, and loses 0.1 where it is weak."""
    noise = 0.01 * np.sin(seed * 7 + len(entry)) + 0.05 * seed
    level = {"KD": 1.0, "online": 0.99}.get(entry, 0.98) - (0.1 if STRONG[task] == entry and split == "validation" else 0.0)
    if entry.startswith("exam"):
        level = 0.88 if task.startswith("0.75") else 1.08
    return float(level + noise)


def results_of(study: Study, *, curves: bool = True, without: str = "") -> Results:
    """Return the study's results with a line for each run."""
    rows = {}
    for cell in main_cells(study):
        if cell.method == without:
            continue
        own = {name: one.role for name, one in study.entries().items() if one.method == cell.method}
        scores = {f"{role}/{split}/nll": score_of(cell.task, name, cell.seed, split) for name, role in own.items()
                  for split in ("validation", "test")}  # fmt: skip
        scores |= {name.replace("nll", "accuracy"): 2 - value for name, value in scores.items()}
        steps = 300 if "equal" in cell.method else 90
        curve = {"step": list(range(0, 91, 9)), "nll": [2 - 0.01 * step + 0.001 * cell.seed for step in range(0, 91, 9)],
                 "accuracy": [0.5] * 11}  # fmt: skip
        rows[cell] = Row(cell=cell, digest="d", state="done", scores=scores, steps=steps, forwards=steps * 10.0, flops=1e9, seconds=1.0,
                         wall=2.0, curve=curve if curves else {})  # fmt: skip
    return Results(study=study, rows=rows, sessions=(), root=Path("nowhere"))


def test_a_method_whose_runs_end_with_the_exam_texts_has_two_entries_from_one_run() -> None:
    study = study_of()
    ending = [name for method in ("KD", "KD, equal compute", "exam") for name in (method, method + SUFFIX)]
    assert list(study.entries()) == [*ending[:4], "online", *ending[4:]]
    assert study.entries()["KD"] == ("KD", BEFORE_EXAM_TEXTS) and study.entries()["KD" + SUFFIX] == ("KD", STUDENT)
    assert study.entries()["online"] == ("online", STUDENT)
    results = results_of(study)
    ours, theirs = (scores_of(results, "0.25 30", one, "nll") for one in ("KD", "KD" + SUFFIX))
    assert len(ours) == len(theirs) == 8 and ours != theirs
    assert list(mean_table(results)["method"][:7]) == list(study.entries())
    assert len(main_cells(study)) == 4 * 4 * 8, "two entries are one run"


def test_an_entry_with_its_exam_texts_is_compared_with_the_others_that_have_theirs() -> None:
    pairs = pairs_of(study_of())
    assert Pair("exam", "KD", STEPS) in pairs and Pair("exam" + SUFFIX, "KD" + SUFFIX, STEPS) in pairs
    assert Pair("exam" + SUFFIX, "KD, equal compute" + SUFFIX, COMPUTE) in pairs and Pair("exam" + SUFFIX, "online", STEPS) in pairs
    assert Pair("KD" + SUFFIX, "KD", "") in pairs


def test_the_strongest_control_is_chosen_on_validation_texts_and_not_on_the_test() -> None:
    results = results_of(study_of())
    assert {task: strongest_control(results, task) for task in results.study.tasks} == STRONG
    table = control_table(results)
    assert table[table["strongest"]].set_index("task")["control"].to_dict() == STRONG
    best = table.loc[table.groupby("task")["nll"].idxmin()]
    assert best.set_index("task")["control"].to_dict() != STRONG, "test texts would choose others"
    chosen, then, few = control_words(results)
    assert few.startswith("With fewer than 9 seeds no difference to a strongest control can be shown: the smallest p that the test can")
    assert len(control_words(results_of(study_of(seeds=12)))) == 2
    assert "No test score is read for the choice" in chosen and "8 comparisons in each score" in then
    nothing = results_of(study_of(controls=["online"]), without="online")
    assert strongest_control(nothing, "0.25 30") is None


def test_feedback_is_compared_with_the_strongest_control_first_and_corrected_over_tasks_and_methods() -> None:
    results = results_of(study_of())
    found = [one for one in compared(results, ["nll"]) if one.pair.at == STRONGEST]
    assert [(one.task, one.pair) for one in found] == strongest_pairs(results) and len(found) == 4 * 2
    raw = [one.comparison.permutation_p for one in found]
    assert raw == [2 / 2**8] * 8 and [one.p for one in found] == pytest.approx([8 * 2 / 2**8] * 8), "Holm over all eight"
    assert all(one.verdict.kind == "open" for one in found), "eight seeds are too few for eight comparisons"
    more = compared(results_of(study_of(seeds=12)), ["nll"])
    kinds = {(one.task, one.pair.method): one.verdict.kind for one in more if one.pair.at == STRONGEST}
    assert {kind for (task, _), kind in kinds.items() if task.startswith("0.75")} == {"better"}
    assert {kind for (task, _), kind in kinds.items() if task.startswith("0.25")} == {"worse"}
    said = sentences(more, "nll")["0.75 30"]
    assert said[0].startswith("exam better than KD (the strongest control) by 0.") and said[1].startswith(f"exam{SUFFIX} better than KD (")
    gain = next(one.comparison.gain for one in more if one.pair == Pair("exam", "KD", STRONGEST) and one.task == "0.75 30")
    ours, theirs = (scores_of(results_of(study_of(seeds=12)), "0.75 30", one, "nll") for one in ("exam", "KD"))
    assert gain == pytest.approx(np.mean([theirs[seed] - ours[seed] for seed in range(12)]))


def test_a_control_that_lacks_most_seeds_is_not_taken_for_the_strongest() -> None:
    results = results_of(study_of())
    few = {cell: row for cell, row in results.rows.items() if cell.method != "KD, equal compute" or cell.seed == 0}
    left = Results(study=results.study, rows=few, sessions=(), root=Path())
    assert strongest_control(left, "0.75 120") in ("KD", "KD" + SUFFIX, "online")


def test_the_map_has_a_cell_for_each_task_and_method_with_its_control() -> None:
    study = study_of(seeds=12)
    assert study.mapped() == MapPlan(rows="task.shift_strength", columns="task.exam_size"), "inferred from what the tasks differ in"
    results = results_of(study)
    table = map_table(study, compared(results, ["nll"]))
    assert len(table) == 8 and set(table["panel"]) == {""}
    own = table[table["method"] == "exam"].set_index(["row", "column"])
    assert own.loc[(0.25, 120), "control"] == "online" and own.loc[(0.75, 30), "verdict"] == "better"
    words = map_words(table, study)["exam"]
    assert list(words.columns) == ["task.shift_strength \\ task.exam_size", "30", "120"]
    assert words.iloc[1]["30"].endswith(SHOWN) and re.match(r"\+0\.\d+ \[0\.", words.iloc[1]["30"]) and SHOWN not in words.iloc[0]["30"]
    said = report_markdown(results)
    assert "## Where feedback pays: exam\n" in said and "- KD was still gaining at its end on 0.25 30" in said


def test_panels_of_a_map_part_the_tasks_and_a_study_without_feedback_has_none() -> None:
    tasks = {f"{shift} {size} {strength}": {"task.shift": shift, "task.exam_size": size, "task.shift_strength": strength}
             for shift in ("shortcut", "sources") for size in (30, 500) for strength in (0.2, 0.5)}  # fmt: skip
    plan = study_of(tasks=tasks).mapped()
    assert plan is not None and plan.panels == "task.shift"
    assert study_of(tasks=tasks, feedback=[], controls=[]).mapped() is None
    assert study_of(tasks={"reviews": {}, "irony": {"task.name": "irony"}}, base={}).mapped() is None
    assert len(map_table(study_of(feedback=[], controls=[]), [])) == 0


def test_kd_was_still_gaining_where_it_is_better_with_more_steps() -> None:
    study = study_of(seeds=12)
    results = results_of(study)
    several = gaining(results)
    one = several[0]
    began = "KD was still gaining at its end on 0.25 30: with 3.3 times its steps, better by 0.0"
    assert one.state == "gaining" and one.sentence.startswith(began)
    assert one.sentence.endswith("so that nothing can be concluded for equal compute.")
    strong = next(one for one in several if one.task == "0.75 30")
    assert "at this compute exam and exam, then exam texts are better all the same" in strong.sentence
    assert strong.sentence.endswith("and nothing can be concluded for more of it.")


def test_without_a_longer_control_the_curve_of_the_last_third_answers() -> None:
    methods = {name: own for name, own in TREE["methods"].items() if "equal" not in name}
    study = study_of(methods=methods, controls=["KD", "online"])
    one = gaining(results_of(study))[0]
    said = "over the last third of its steps the fitted change in negative log-likelihood on the probe set is +0.3"
    assert one.state == "gaining" and said in one.sentence
    assert gaining(results_of(study, curves=False))[0].state == "unknown"
    alone = study_of(methods={"KD": FIXED, "online": {"policy.name": "online"}}, feedback=[], controls=[], also_against={})
    assert gaining_words(results_of(alone)) == [], "nothing is compared at equal compute there"


def test_the_change_over_the_last_third_is_that_of_a_line() -> None:
    rng = np.random.default_rng(0)
    steps = np.arange(0, 100, 9.0)
    nll = rng.normal(size=len(steps))
    late = steps >= 2 / 3 * steps[-1]
    slope = stats.linregress(steps[late], nll[late]).slope
    curve: Mapping[str, list[float]] = {"step": steps.tolist(), "nll": nll.tolist(), "accuracy": nll.tolist()}
    np.testing.assert_allclose(last_changes([curve], "nll"), [-slope * steps[-1] / 3])
    np.testing.assert_allclose(last_changes([curve], "accuracy"), [slope * steps[-1] / 3])
    assert last_changes([{"step": [0, 50, 100], "nll": [3, 2, 1]}, {}], "nll") == [], "two readings are no line"


def test_curves_are_means_over_seeds_at_what_was_spent_so_far() -> None:
    results = results_of(study_of())
    assert curve_methods(results.study) == ["KD", "KD, equal compute", "exam"]
    table = mean_curves(results, "0.25 30", ["KD"])
    assert len(table) == 11 and table["forwards"].tolist()[-1] == pytest.approx(900.0)
    values = [2 - 0.9 + 0.001 * seed for seed in range(8)]
    low, high = stats.t.interval(0.95, 7, np.mean(values), stats.sem(values))
    np.testing.assert_allclose(table.iloc[-1][["value", "low", "high"]].astype(float), [np.mean(values), low, high])
    assert len(curve_table(results)) == 11 * 4 * 4 * 8 and "curves" in tables(results)
    assert len(curve_table(results_of(study_of(), curves=False))) == 0


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"controls": []}, "The lists feedback and controls go together"),
    ({"controls": ["DK"]}, "The list controls names 'DK', which is no method"),
    ({"feedback": ["online" + SUFFIX]}, "where training.then_exam_steps is above 0"),
    ({"controls": ["KD", "exam" + SUFFIX]}, "The method 'exam' is both in feedback and in controls"),
    ({"methods": {**TREE["methods"], "KD" + SUFFIX: FIXED}}, "has the name of another one with its exam texts"),
    ({"tasks": {"reviews": THEN}, "base": {}}, "The setting training.then_exam_steps in task 'reviews' would leave open"),
    ({"tune": {"KD": {"training.then_exam_steps": [0, 60]}}, "tune_seeds": [99], "uneven_budgets": True}, "in tune of 'KD' would leave"),
    ({"map": {"rows": "task.exam_size", "columns": "task.exam_size"}}, "The map has 'task.exam_size' twice"),
    ({"map": {"rows": "policy.name", "columns": "task.exam_size"}}, "The map cannot have 'policy.name'"),
    ({"map": {"rows": "task.shift_strength", "columns": "task.train_size"}}, "The map needs task.train_size of every task"),
    ({"map": {"rows": "task.exam_size", "columns": "task.name"}}, "has the place of another one in the map"),
    ({"map": {"rows": "task.shift_strength", "columns": "task.exam_size"}, "feedback": [], "controls": []}, "The map is of the gain of"),
]  # fmt: skip


@pytest.mark.parametrize("changes, sentence", REFUSED, ids=[sentence[:40] for _, sentence in REFUSED])
def test_entries_controls_and_maps_that_cannot_be_are_refused_in_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        study_of(**changes)


def test_a_control_can_be_named_with_its_exam_texts_alone() -> None:
    assert study_of(controls=["KD" + SUFFIX]).control_entries() == ["KD" + SUFFIX]
    assert study_of(controls=["KD"]).control_entries() == ["KD", "KD" + SUFFIX]
    assert hand_study().control_entries() == []


def test_the_charts_are_drawn_of_their_tables() -> None:
    cells = pd.DataFrame({"row": [0.5, 0.25], "column": [500, 30], "gain": [0.1, -0.2], "low": [0.0, -0.3], "high": [0.2, -0.1],
                          "gain_words": ["+0.1", "-0.2"], "interval_words": ["", ""], "control": ["KD", "KD"]})  # fmt: skip
    table = cell_table(cells)
    assert table["row_order"].tolist() == [1, 0] and table["column_order"].tolist() == [1, 0] and table["row"].tolist() == ["0.5", "0.25"]
    limit = largest([0.1, float("nan"), -0.2])
    assert limit == 0.2 and largest([]) == 1.0
    tree = map_chart(pd.DataFrame(), rows="strength", columns="exam", title="gain", limit=limit).to_dict()
    assert tree["layer"][0]["encoding"]["color"]["scale"]["domain"] == [-0.2, 0.2] and len(tree["layer"]) == 4
    assert len(spent_chart(pd.DataFrame(), methods=["KD", "exam"], x_title="spent", title="nll").to_dict()["layer"]) == 3
