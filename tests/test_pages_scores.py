"""The scores on a run's page: final ones with intervals and figures, and any score over the steps; and on the command line."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from ikd.cli import main
from ikd.metrics.resampling import difference_interval, intervals
from ikd.metrics.scores import METRICS, point_values
from ikd.trace import reading_scores as module
from ikd.trace.folder import RunFolder
from ikd.trace.reader import TraceReader
from ikd.trace.reading_scores import grown_scores, reading_intervals
from ikd.trace.scores import OLD, final_scores, in_words, recall_rows, score_rows, score_words, split_scores
from ikd.ui.final_scores import MOST_CLASSES, worst_classes
from ikd.ui.tail import Tail
from tests.conftest import REPOSITORY
from tests.synthetic import synthetic_run
from tests.test_pages_run import charts, opened, words

ROLES = ("frozen_teacher", "teacher", "student")


def tables(page: AppTest) -> dict[str, pd.DataFrame]:
    """Return the tables of final scores by their split."""
    found = [one for one in page.dataframe if "better is" in one.value.columns]
    return dict(zip(("validation", "test"), (one.value for one in found), strict=True))


def old(folder: RunFolder) -> RunFolder:
    """Return the run as a lab of trace version 5 would have left it."""
    trace = sqlite3.connect(folder.trace_path)
    trace.execute("DROP TABLE final")
    trace.execute("DELETE FROM examples WHERE split IN ('validation', 'test')")
    trace.execute("UPDATE meta SET value = '5' WHERE key = 'schema_version'")
    trace.commit()
    trace.close()
    return folder


@pytest.mark.parametrize("n_classes", [2, 3, 150])
def test_a_finished_run_shows_every_score_of_each_model_with_its_interval(n_classes: int) -> None:
    folder = synthetic_run(n_classes)
    page = opened(folder)
    assert not page.exception and not page.error
    for split, table in tables(page).items():
        final = TraceReader(folder).final(split)
        assert final is not None and (final.truth is None) == (n_classes == 150)
        estimates = {role: intervals(final.logits[role], final.labels, final.truth) for role in ROLES}
        assert table["score"].tolist() == [METRICS[name].label for name in METRICS if name in estimates["student"]]
        assert ("F1 of the second class" in set(table["score"])) == (n_classes == 2)
        for name in estimates["student"]:
            row = table[table["score"] == METRICS[name].label].iloc[0]
            assert [row["teacher before"], row["teacher after"], row["student"]] == [in_words(estimates[role][name]) for role in ROLES]
            assert row["better is"] == ("larger" if METRICS[name].larger_is_better else "smaller")
    assert "1,000 resamples" in words(page) and "What the scores mean" in [one.label for one in page.expander]
    assert any("calibration error: teacher 0." in one for one in charts(page)) and any("Recall of" in one for one in charts(page))


def test_the_best_is_named_and_beside_it_those_that_may_be_as_good() -> None:
    reader = TraceReader(synthetic_run(3, n_probe=100))
    for scores in final_scores(reader):
        final = reader.final(scores.split)
        assert final is not None
        for name, best in scores.best.items():
            values = {role: one.value for role, one in scores.estimates[name].items()}
            first = (max if METRICS[name].larger_is_better else min)(values, key=lambda role: values[role])
            assert best[0] == first
            for role in set(ROLES) - {first}:
                gap = difference_interval(final.logits[first], final.logits[role], final.labels, final.truth)[name]
                assert (role in best) == (gap.low <= 0 <= gap.high), f"{name} of {role}"
    told_apart = [len(best) for scores in final_scores(reader) for best in scores.best.values()]
    assert 1 in told_apart and max(told_apart) > 1, "neither all alike nor all apart: the test would see nothing"
    lines = score_words(final_scores(reader)[0])
    for row, best in zip(lines["best"], final_scores(reader)[0].best.values(), strict=True):
        assert (row == "not told apart") == (len(best) == 3)
        assert row == "not told apart" or set(row.split(" or ")) <= {"teacher before", "teacher after", "student"}


def test_the_numbers_can_be_had_as_a_table_and_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    folder = synthetic_run(3)
    several = final_scores(TraceReader(folder))
    rows = score_rows(several)
    assert list(rows.columns) == ["split", "role", "score", "value", "low", "high", "larger_is_better", "best"]
    assert len(rows) == 2 * 3 * 8
    final = TraceReader(folder).final("test")
    assert final is not None
    for role in ROLES:
        mine = rows[(rows["split"] == "test") & (rows["role"] == role)]
        assert dict(zip(mine["score"], mine["value"], strict=True)) == point_values(final.logits[role], final.labels, final.truth)
    assert main(["scores", folder.id]) == 0
    said = capsys.readouterr().out
    for one in several:
        for row in score_words(one).itertuples(index=False):
            assert any(all(str(cell) in line for cell in row) for line in said.splitlines())
    assert "validation (80 examples)" in said and "1,000 resamples" in said


def test_a_run_recorded_before_predictions_were_kept_shows_what_it_has(capsys: pytest.CaptureFixture[str]) -> None:
    folder = old(synthetic_run(3))
    page = opened(folder)
    assert not page.exception and not page.error and tables_of_old(page) == ["frozen teacher", "teacher", "student"]
    assert OLD in words(page) and final_scores(TraceReader(folder)) == []
    assert main(["scores", folder.id]) == 0
    assert OLD in (said := capsys.readouterr().out) and "accuracy 0.6400" in said


def tables_of_old(page: AppTest) -> list[str]:
    (table,) = [one.value for one in page.dataframe if "test accuracy" in one.value.columns]
    return list(table.index)


def test_a_run_without_scores_shows_none_and_says_why_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    folder = synthetic_run(3, n_steps=60, state="running", stop_before=30)
    page = opened(folder)
    assert "Final scores" not in [one.value for one in page.subheader]
    assert final_scores(TraceReader(folder)) == [], "the frozen teacher alone was asked"
    assert main(["scores", folder.id]) == 2
    assert "has no final scores" in capsys.readouterr().err


def test_final_scores_are_made_once_for_all_visitors(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = TraceReader.final
    monkeypatch.setattr(TraceReader, "final", lambda self, split: (asked.append(split), real(self, split))[1])
    folder = synthetic_run(3)
    first, second = opened(folder), opened(folder)
    first.run(), second.run()
    assert asked == ["validation", "test"] and len(tables(second)) == 2


def test_damaged_predictions_are_a_sentence_and_the_page_stays() -> None:
    folder = synthetic_run(3)
    trace = sqlite3.connect(folder.trace_path)
    trace.execute("UPDATE final SET logits = substr(logits, 5) WHERE role = 'student'")
    trace.commit()
    trace.close()
    page = opened(folder)
    assert not page.exception and any("trace is damaged" in one.value for one in page.error) and len(charts(page)) > 2


def test_the_figures_are_those_of_the_chosen_split() -> None:
    page = opened(synthetic_run(3))
    assert any("confidence on test" in one for one in charts(page))
    page.session_state["final-split"] = "validation"
    page.run()
    assert not page.exception and any("confidence on validation" in one for one in charts(page))


def test_of_many_classes_the_worst_are_drawn_and_all_are_listed() -> None:
    reader = TraceReader(synthetic_run(150, n_probe=300))
    scores = final_scores(reader)[1]
    kept = worst_classes(scores)
    recall = scores.recall["student"][:, 0]
    assert len(kept) == MOST_CLASSES and np.nanmax(recall[kept]) <= np.nanmin(np.delete(recall, kept))
    assert (np.diff(recall[kept]) >= 0).all() and (scores.class_counts[kept] > 0).all()
    rows = recall_rows(scores, [f"intent {one}" for one in range(150)])
    assert len(rows) == 150 and rows["examples"].sum() == 600
    known = rows[rows["examples"] > 0]
    assert ((known["student_low"] <= known["student_high"]) & known["student_recall"].notna()).all()
    assert rows.loc[rows["examples"] == 0, "student_recall"].isna().all()


def test_classes_that_are_unequal_or_have_no_example_are_said() -> None:
    folder = synthetic_run(3)
    trace = sqlite3.connect(folder.trace_path)
    trace.execute("UPDATE examples SET label = CASE WHEN id % 10 = 0 THEN 1 ELSE 0 END WHERE split = 'test'")
    trace.execute("UPDATE examples SET label = -1 WHERE split = 'test' AND id = 1")
    trace.commit()
    trace.close()
    page = opened(folder)
    assert "The classes are unequal: from 8 to 71 examples." in words(page)
    assert "1 of the classes have no example here" in words(page) and "80 examples, 79 of them labelled" in words(page)


def choose(page: AppTest, name: str) -> AppTest:
    page.selectbox(key="curves-another").set_value(name)
    return page.run()


@pytest.mark.parametrize("state", ["finished", "running"])
def test_any_score_can_be_drawn_over_the_steps(state: str) -> None:
    folder = synthetic_run(3, state=state, stop_before=None if state == "finished" else 31)
    page = opened(folder)
    before = len(charts(page))
    assert page.selectbox(key="curves-another").value is None
    reader = TraceReader(folder)
    steps, logits = reader.readings("student")
    probe = reader.examples("probe")
    for name in [name for name, one in METRICS.items() if not one.two_classes and not one.needs_groups]:
        choose(page, name)
        assert not page.exception and not page.error and len(charts(page)) == before + 1
        value = point_values(logits[-1], probe["label"], np.stack(probe["truth"].tolist()))[name]
        spoken = [one for one in charts(page) if one.startswith(f"{METRICS[name].label} over steps")][-1]
        assert f"student {point_values(logits[0], probe['label'], np.stack(probe['truth'].tolist()))[name]:.3f} at step 0" in spoken
        assert f"{value:.3f} at step {steps[-1]}" in spoken
        newest = intervals(logits[-1], probe["label"], np.stack(probe["truth"].tolist()))[name]
        assert f"student {in_words(newest)}" in words(page).replace("\\", "")


def test_scores_that_a_task_cannot_have_are_not_offered() -> None:
    assert METRICS["truth_kl"].label in opened(synthetic_run(3)).selectbox(key="curves-another").options
    many = opened(synthetic_run(150)).selectbox(key="curves-another").options
    assert METRICS["truth_kl"].label not in many and METRICS["second_f1"].label not in many
    assert METRICS["second_f1"].label in opened(synthetic_run(2)).selectbox(key="curves-another").options


def test_each_reading_is_scored_once_for_all_who_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = synthetic_run(3, n_steps=60, state="running", stop_before=31)
    scored: list[int] = []
    real = module.reading_scores
    monkeypatch.setattr(module, "reading_scores", lambda logits, *more: (scored.append(len(logits)), real(logits, *more))[1])
    tails = [Tail(folder) for _ in range(5)]
    found = [one.probe_scores() for one in tails]
    assert all(one.equals(found[0]) for one in found)
    assert sum(scored) == 2 * len(TraceReader(folder).reading_steps())
    assert tails[0].probe_scores().equals(found[0]) and sum(scored) == 2 * len(TraceReader(folder).reading_steps())


def test_scores_grow_with_the_trace_and_are_those_of_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = TraceReader(synthetic_run(3, n_steps=60))
    probe = reader.examples("probe")
    whole = grown_scores(reader, probe, None)
    early = whole[whole["step"] <= 20].reset_index(drop=True)
    assert grown_scores(reader, probe, early).equals(whole) and grown_scores(reader, probe, whole) is not None
    monkeypatch.setattr(module, "_NUMBERS_AT_ONCE", 500)
    assert grown_scores(reader, probe, None).equals(whole)
    scalar = reader.scalars(["student_accuracy", "teacher_nll"])
    for name in ("student_accuracy", "teacher_nll"):
        np.testing.assert_allclose(whole[whole["name"] == name]["value"], scalar[scalar["name"] == name]["value"])
    steps = reader.reading_steps()
    monkeypatch.setattr(module, "MOST_READINGS", 4)
    few = sorted(set(grown_scores(reader, probe, None)["step"]))
    assert len(few) == 4 and few[0] == steps[0] and few[-1] == steps[-1]


def test_newest_values_have_the_interval_of_the_reading_at_the_cursor() -> None:
    reader = TraceReader(synthetic_run(3, n_steps=60))
    probe = reader.examples("probe")
    logits = reader.reading_at("student", 20)
    found: Any = reading_intervals(reader, probe, 20)["student"]
    assert logits is not None and found == intervals(logits, probe["label"], np.stack(probe["truth"].tolist()))


def test_a_live_page_that_is_not_asked_scores_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tail, "probe_scores", lambda self: pytest.fail("scored"))
    assert not opened(synthetic_run(3, n_steps=60, state="running", stop_before=31)).exception


def test_a_page_without_final_scores_loads_no_scikit_learn() -> None:
    """It takes a second to load, which is for those who look at scores."""
    run = synthetic_run(3, n_steps=12, state="running", stop_before=5).id
    script = (
        "import sys; from streamlit.testing.v1 import AppTest\n"
        f"page = AppTest.from_file({str(REPOSITORY / 'pages' / 'run.py')!r}, default_timeout=180)\n"
        f"page.query_params['run'] = {run!r}; page.run()\n"
        "assert not page.exception and not page.error\n"
        "print('sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "False", done.stderr[-2000:]


def test_scores_of_one_model_alone_have_that_one_as_the_best() -> None:
    folder = synthetic_run(3)
    final = TraceReader(folder).final("test")
    assert final is not None
    alone = split_scores(replace(final, logits={"student": final.logits["student"]}), "test")
    assert {tuple(best) for best in alone.best.values()} == {("student",)} and alone.roles == {"student": "student"}
    fixed = split_scores(replace(final, logits={role: final.logits[role] for role in ("teacher", "student")}), "test")
    assert list(fixed.roles.values()) == ["teacher", "student"], "one that never changes is neither before nor after"
