"""Which methods of a study are held against which, on which texts and by which scores, and what their teachers knew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, matthews_corrcoef

from ikd.errors import ConfigError
from ikd.study import StudyFolder, comparing, study_from, study_text
from ikd.study.cells import all_cells
from ikd.study.comparing import COMPUTE, OTHER, STEPS, compared, example_table, pairs_of, sentences
from ikd.study.reading import study_from_text
from ikd.study.results import Results, read_results, reported_split
from ikd.study.teachers import GUESSING, guessing_words, teacher_table, unlike_words
from ikd.study.telling import protocol, report, tables
from ikd.trace.final import Final
from ikd.ui.study_figures import gain_rows
from ikd.ui.study_found import findings_of
from ikd.ui.study_plan import method_rows
from tests.small_studies import tiny_study
from tests.written_studies import TREE, hand_row, hand_study, written_study

ALSO = study_from({**TREE, "methods": {**TREE["methods"], "alone": {"policy.name": "fixed", "objective.alpha": 0}},
                   "also_against": {"exam": ["alone"]}, "uneven_budgets": True})  # fmt: skip
METHODS = {"KD": {"policy.name": "fixed"}, "online": {"policy.name": "online"}, "exam": {"policy.name": "exam"},
           "longer": {"policy.name": "fixed", "equal_compute_to": "exam"}}  # fmt: skip
N = 40


def results_with(scores: dict[str, dict[str, float]], **changes: Any) -> Results:
    """Return a study carried out with some scores of each task in place of its own, None to take one away."""
    study = hand_study(**changes)
    folder = written_study(study, last=0)
    for cell in all_cells(study):
        row = hand_row(cell)
        folder.append(replace(row, scores={**row.scores, **scores.get(cell.task, {})}))
    return read_results(folder)


def final(seed: int, skill: float, *, texts: int = 0) -> Final:
    """Return what a student says that knows so much of these texts."""
    labels = np.random.default_rng(texts).integers(0, 2, N)
    logits = np.random.default_rng(seed).normal(size=(N, 2))
    logits[np.arange(N), labels] += skill
    return Final(labels=labels, truth=None, logits={"student": logits.astype(np.float32)})


def test_a_method_is_held_against_its_baseline_its_control_and_what_else_is_asked() -> None:
    study = tiny_study(methods=METHODS, also_against={"exam": ["online"]})
    assert pairs_of(study) == [("online", "KD", STEPS), ("exam", "KD", STEPS), ("exam", "longer", COMPUTE), ("exam", "online", STEPS),
                               ("longer", "KD", OTHER)]  # fmt: skip
    assert study_from_text(study_text(study)) == study


@pytest.mark.parametrize("also, sentence", [
    ({"exam": ["onlin"]}, "Unknown method in also_against 'onlin'. Did you mean 'online'"), ({"xam": ["KD"]}, "also_against 'xam'"),
    ({"exam": ["exam"]}, "held against itself"), ({"exam": ["KD"]}, "against another one twice"),
    ({"exam": "online"}, "it takes methods, each with a list of others"),
])  # fmt: skip
def test_what_cannot_be_held_against_anything_is_refused(also: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        tiny_study(methods=METHODS, also_against=also)
    assert sentence in str(refused.value)


def test_a_control_of_equal_compute_that_is_asked_for_besides_is_told_once() -> None:
    study = tiny_study(methods=METHODS, also_against={"exam": ["longer", "online"]})
    assert [pair for pair in pairs_of(study) if pair.method == "exam"] == [
        ("exam", "KD", STEPS), ("exam", "longer", COMPUTE), ("exam", "online", STEPS)]  # fmt: skip


def test_each_comparison_has_a_sentence_and_the_control_is_named_with_the_baseline_alone() -> None:
    found = read_results(written_study(ALSO))
    said = sentences(compared(found, ["nll"]), "nll")["reviews"]
    first, second = [one for one in said if "exam" in one.split(" better than ")[0]]
    assert first.startswith("exam better than KD by") and "; at equal compute (against KD, equal compute) better by" in first
    assert second.startswith("exam better than alone by") and "at equal compute (" not in second


def test_gains_in_likelihood_over_seeds_and_texts_are_those_of_log_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {(method, seed): final(10 * seed + number, skill) for number, (method, skill) in enumerate((("KD", 0.5), ("exam", 1.5)))
            for seed in range(7)}  # fmt: skip
    monkeypatch.setattr(comparing, "predictions_of", lambda results, task, method: {
        seed: one for (of, seed), one in said.items() if of == method})  # fmt: skip
    monkeypatch.setattr(comparing, "prints_of", lambda results, task, method: dict.fromkeys(range(7), "same"))
    row = example_table(read_results(written_study())).query("task == 'reviews' and method == 'exam' and against == 'KD'").iloc[0]
    losses, rights = ([[score(said[method, seed]) for seed in range(7)] for method in ("KD", "exam")] for score in (
        lambda one: log_loss(one.labels, np.exp(one.logits["student"]) / np.exp(one.logits["student"]).sum(1, keepdims=True)),
        lambda one: accuracy_score(one.labels, one.logits["student"].argmax(1))))  # fmt: skip
    np.testing.assert_allclose(row["nll_gain"], np.mean(losses[0]) - np.mean(losses[1]), rtol=1e-5)
    np.testing.assert_allclose(row["accuracy_gain"], np.mean(rights[1]) - np.mean(rights[0]))
    assert row["nll_low"] < row["nll_gain"] < row["nll_high"] and (row["examples"], row["seeds"]) == (N, 7)


def test_runs_that_were_scored_on_unlike_texts_are_not_paired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "predictions_of", lambda results, task, method: {seed: final(seed, 1.0) for seed in range(7)})
    unlike = {"KD": {0: "a", 1: "a", 2: "b"}, "exam": {0: "a", 1: "c", 2: "c"}}
    monkeypatch.setattr(comparing, "prints_of", lambda results, task, method: unlike.get(method, {}))
    table = example_table(read_results(written_study()))
    assert set(zip(table["method"], table["against"], table["seeds"], strict=True)) == {("exam", "KD", 1)}


def test_a_score_that_a_task_does_not_have_is_not_taken_for_a_failure() -> None:
    results = results_with({"reviews": {"student/test/truth_kl": 0.1, "student/validation/truth_kl": 0.1}}, score="truth_kl", tune={},
                           tune_seeds=[])  # fmt: skip
    found = compared(results)
    assert {one.task for one in found if one.score == "truth_kl"} == {"reviews"}
    assert {one.task for one in found if one.score == "nll"} == {"reviews", "irony"}
    assert reported_split(results, "irony") == "test", "its other test scores are there"
    assert "irony: KL to the truth is not known there, so that nothing decides." in protocol(results)
    assert "left out" not in report(results)


def test_a_teacher_that_only_guesses_is_named_before_any_verdict() -> None:
    rng = np.random.default_rng(3)
    labels, guesses = rng.integers(0, 3, 3000), rng.integers(0, 3, 3000)
    assert abs(matthews_corrcoef(labels, guesses)) < GUESSING, "what guessing comes to"
    knowing = np.where(rng.random(3000) < 0.5, labels, guesses)
    assert matthews_corrcoef(labels, knowing) > GUESSING
    scores = {task: {f"{role}/test/{name}": value for role in ("teacher", "frozen_teacher", "student")
                     for name, value in (("accuracy", accuracy_score(labels, said)), ("matthews", matthews_corrcoef(labels, said)))}
              for task, said in (("reviews", knowing), ("irony", guesses))}  # fmt: skip
    results = results_with(scores)
    said = guessing_words(results)
    assert [one.split(" say ")[0] for one in said] == ["On irony the teachers", "On irony the students of KD"]
    assert report(results).index(said[0]) < report(results).index("Negative log-likelihood: reviews")
    table = teacher_table(results).set_index("task")
    np.testing.assert_allclose(table.loc["irony", "matthews"], matthews_corrcoef(labels, guesses))
    assert table["seeds"].tolist() == [7, 7] and "teachers" in tables(results)
    assert guessing_words(results_with({})) == [], "nothing is said where nothing is known"


def test_the_teacher_is_told_of_as_it_was_before_the_first_step() -> None:
    results = results_with({"reviews": {"frozen_teacher/test/accuracy": 0.7, "teacher/test/accuracy": 0.2}})
    assert teacher_table(results).set_index("task").loc["reviews", "accuracy"] == pytest.approx(0.7)


def test_methods_with_teachers_or_students_of_their_own_are_named() -> None:
    assert unlike_words(hand_study()) == ("All methods of a seed have the same texts, fine-tuned teacher, first weights of the student "
                                          "and seed of the batches.")  # fmt: skip
    own = {**METHODS, "online": {"policy.name": "online", "teacher.fine_tune_steps": 5}, "exam": {"student.name": "builtin/2x32"}}
    said = unlike_words(tiny_study(methods=own))
    assert said == ("All methods of a seed have the same texts and seed of the batches. online has a teacher of its own; exam has a "
                    "student of its own: what differs there is not the method alone. The table of teachers is of the baseline's, or else "
                    "of the first method that tells.")  # fmt: skip


def test_texts_that_all_seeds_share_are_said_to_be_shared() -> None:
    study = hand_study(tasks={"reviews": {}, "mine": {"task.name": "files", "task.train_file": "a.csv"}}, name="mixed")
    said = "\n".join(protocol(read_results(written_study(study, last=0))))
    assert "mine: all seeds have the same texts" in said and "reviews: all seeds" not in said
    assert StudyFolder("mixed").study() == study


def test_the_figure_names_what_is_equal_where_a_further_pair_has_no_control() -> None:
    labels = list(gain_rows(findings_of(written_study(ALSO)), "nll")["label"])
    assert any(one.startswith("exam against KD: ") and one.endswith("· better") for one in labels), "its control settles it"
    assert any(one.startswith("exam against alone: ") and one.endswith("· better at equal steps") for one in labels)


def test_what_is_compared_names_every_other_one() -> None:
    rows = method_rows(ALSO).set_index("method")
    assert rows.loc["exam", "held against"] == "KD, alone" and rows.loc["KD", "held against"] == "– (the baseline)"


def test_a_title_over_several_lines_is_one_line() -> None:
    assert study_from({**TREE, "title": " Of\u00a0two\n lines\n"}).title == "Of two lines"
