"""Studies carried out: the same again, gone on with after every kind of end, failures apart, and settings chosen on validation alone."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ikd.cli import main
from ikd.config import RunConfig
from ikd.errors import BusyError, ConfigError, RunError
from ikd.study import Row, StudyFolder, carry_out, studies_here, study_text
from ikd.study.background import cancel_study, start_study
from ikd.study.bench import Bench, left_words
from ikd.study.cells import READINGS, Cell, all_cells, config_of, main_cells
from ikd.study.digests import digest_of
from ikd.study.outcome import CHANGED
from ikd.study.pool import Pool, default_jobs, environments
from ikd.study.results import Results, failures, mean_table, read_results, run_table, scores_of, tuning_table
from ikd.trace.folder import RunFolder
from ikd.trace.notes import read_notes
from ikd.trace.reader import TraceReader
from ikd.trace.scores import final_scores
from ikd.trace.store import list_runs, new_run, open_run
from tests.conftest import REPOSITORY
from tests.small_runs import again, at_step, carried_out
from tests.small_studies import Inline, assert_same_findings, carried, inline, stopping, tiny_study  # noqa: F401  # a fixture

HUGE = 10**400
FIRST = {"stage": "main", "task": "reviews", "method": "KD", "seed": 0, "choice": 0}
FIXED, EXAM = {"policy.name": "fixed"}, {"policy.name": "exam"}
FAILING = {"KD": FIXED, "exam": EXAM, "doomed": {**EXAM, "machine.teacher_accuracy_floor": 1.0}}


def runs_of(results: Results) -> dict[Cell, str]:
    return {cell: row.run for cell, row in results.rows.items()}


def test_a_study_gives_runs_anyone_can_open_and_the_same_tables_again(inline: type[Inline], tmp_path: Path) -> None:  # noqa: F811
    study = tiny_study(methods={"KD": FIXED, "exam": EXAM, "longer": {**FIXED, "equal_compute_to": "exam"}})
    steps = list(carry_out(study, jobs=1, command="a command"))
    assert [(one.done, one.failed, one.total) for one in steps] == [(n, 0, 6) for n in range(7)]
    assert steps[0].seconds_left is None and steps[-1].seconds_left == 0 and all(one.seconds_left for one in steps[2:-1])
    first = read_results(StudyFolder("tiny"))
    for cell, row in first.rows.items():
        folder = open_run(row.run)
        assert folder.state().state == "finished" and row.scores == folder.state().scores
        assert folder.config().label == f"tiny: {cell.method}, reviews, seed {cell.seed}" and read_notes(folder.path).label == ""
        readings = list(TraceReader(folder).reading_steps())
        assert readings == list(row.curve["step"]) and readings[0] == 0 and readings[-1] == row.steps and len(readings) <= READINGS
        assert list(row.curve["nll"]) == [round(float(one), 6) for one in TraceReader(folder).series("student_nll")[1]]
        assert not (folder.path / "checkpoints").exists() and not (folder.path / "student").exists()
        assert row.flops and row.seconds and row.steps == folder.config().training.steps
    table = mean_table(first)
    assert table["seeds"].tolist() == [2, 2, 2] and table["split"].tolist() == ["test"] * 3
    nll = [row.scores["student/test/nll"] for cell, row in first.rows.items() if cell.method == "exam"]
    assert table["nll"][1] == pytest.approx(sum(nll) / 2)
    began, ended = first.sessions
    assert began["command"] == "a command" and began["versions"]["torch"] and began["machine"] and ended["how"] == "finished"
    other = carried(study, root=tmp_path / "again")
    assert_same_findings(first, other)
    assert not set(runs_of(first).values()) & set(runs_of(other).values())


def test_readings_change_nothing_of_a_run_but_its_curve(inline: type[Inline], tmp_path: Path) -> None:  # noqa: F811
    seldom = tiny_study(base={**tiny_study().base, "record.probe_every": 6})
    often, few = carried(tiny_study(), root=tmp_path / "often"), carried(seldom, root=tmp_path / "few")
    for cell, row in often.rows.items():
        other = few.rows[cell]
        assert (row.scores, row.digest) == (other.scores, other.digest) and len(row.curve["step"]) > len(other.curve["step"]) == 2


def test_a_study_ended_in_the_middle_goes_on_with_what_is_missing(inline: type[Inline], tmp_path: Path) -> None:  # noqa: F811
    study, whole = tiny_study(), carried(tiny_study(), root=tmp_path / "whole")
    inline.given.clear()
    going = carry_out(study, jobs=1)
    while next(going).done < 2:
        pass
    going.close()
    folder = StudyFolder("tiny")
    assert len(inline.given) == 2 and folder.sessions()[-1]["how"] == "interrupted" and not folder.at_work()
    assert_same_findings(whole, carried(study))
    assert len(set(inline.given)) == len(inline.given) == 4
    carried(study)
    assert len(inline.given) == 4, "a study that is done carried runs out again"


def half_done(study_folder: StudyFolder, cell: Cell, config: RunConfig, step: int | None) -> str:
    """Leave a run as a study that was killed leaves it: begun, and interrupted at a step or finished, and nobody noted it."""
    run = new_run(config, study_folder.root)
    again(run, None if step is None else at_step(step, lambda folder: folder.ask("interrupt")))
    study_folder.append(Row(cell=cell, digest=digest_of(config), run=run.id, state="running"))
    return run.id


def test_a_half_done_run_goes_on_and_a_finished_one_that_nobody_noted_is_taken(inline: type[Inline], tmp_path: Path) -> None:  # noqa: F811
    study, whole = tiny_study(), carried(tiny_study(), root=tmp_path / "whole")
    folder = StudyFolder("tiny")
    folder.write_study(study)
    half, all_of_it = Cell("main", "reviews", "exam", 0), Cell("main", "reviews", "KD", 1)
    ids = [half_done(folder, half, config_of(study, half, {}), 3), half_done(folder, all_of_it, config_of(study, all_of_it, {}), None)]
    results = carried(study)
    assert [results.rows[half].run, results.rows[all_of_it].run] == ids
    assert [open_run(one).state().attempt for one in ids] == [2, 1]
    assert_same_findings(whole, results)
    assert len(list_runs()) == 4


def test_a_run_that_was_deleted_or_is_of_other_settings_is_started_again(inline: type[Inline]) -> None:  # noqa: F811
    study, folder = tiny_study(seeds=[0]), StudyFolder("tiny")
    folder.write_study(study)
    cell, other = main_cells(study)
    strange = new_run(config_of(study, other, {}))
    folder.append(Row(cell=cell, digest=digest_of(config_of(study, cell, {})), run=strange.id, state="running"))
    folder.append(Row(cell=other, digest=digest_of(config_of(study, other, {})), run="20200101-000000-gone-0000", state="interrupted"))
    results = carried(study)
    assert {row.state for row in results.rows.values()} == {"done"} and strange.id not in runs_of(results).values()


def test_one_failure_leaves_the_others_alone_and_is_tried_again_on_demand(inline: type[Inline]) -> None:  # noqa: F811
    study = tiny_study(methods=FAILING, seeds=[0])
    last = list(carry_out(study, jobs=1))[-1]
    assert (last.total, last.done, last.failed, last.seconds_left) == (3, 2, 1, 0)
    results = read_results(StudyFolder("tiny"))
    (failed,) = failures(results)
    assert failed.cell.method == "doomed" and "below the floor of 1.00" in str(failed.error)
    assert run_table(results)["state"].tolist() == ["done", "done", "failed"]
    assert mean_table(results)["seeds"].tolist() == [1, 1, 0]
    carried(study)
    assert len(inline.given) == 3
    again_failed = carried(study, retry=True)
    assert len(inline.given) == 4 and again_failed.rows[failed.cell].run not in ("", failed.run)


def tuned() -> dict[str, Any]:
    return {"tune": {"KD": {"training.learning_rate": [1e-5, 1e-2]}, "exam": {"policy.teacher_learning_rate": [1e-4, 1e-3]}},
            "tune_seeds": [7, 8], "methods": {"KD": FIXED, "exam": EXAM}}  # fmt: skip


def test_settings_are_chosen_by_validation_scores_and_no_test_score_is_even_kept(inline: type[Inline]) -> None:  # noqa: F811
    study = tiny_study(**tuned(), seeds=[0])
    results = carried(study)
    trials = {cell: row for cell, row in results.rows.items() if cell.stage == "tune"}
    assert len(trials) == 8 and {name.split("/")[1] for row in trials.values() for name in row.scores} == {"validation"}
    means = {choice: sum(trials[Cell("tune", "reviews", "KD", seed, choice)].scores["student/validation/nll"] for seed in (7, 8)) / 2
             for choice in (0, 1)}  # fmt: skip
    best = min(means, key=means.__getitem__)
    table = tuning_table(results)
    assert table.query("method == 'KD'")["validation_nll"].tolist() == pytest.approx([means[0], means[1]])
    assert table.query("method == 'KD'")["chosen"].tolist() == [best == 0, best == 1]
    run = open_run(results.rows[Cell("main", "reviews", "KD", 0)].run)
    assert run.config().training.learning_rate == [1e-5, 1e-2][best]
    assert [cell.stage for cell in results.rows] == ["tune"] * 8 + ["main"] * 2


def nothing_of_the_test_texts(folder: RunFolder) -> bool:
    """Return whether a finished run's folder knows scores, texts and answers of the validation split and none of the test split."""
    reader, scores = TraceReader(folder), folder.state().scores
    assert folder.state().state == "finished" and reader.final("validation") is not None and len(reader.examples("validation"))
    assert {"student/validation/nll", "teacher/validation/nll"} <= scores.keys()
    with closing(sqlite3.connect(folder.trace_path)) as trace:
        splits = {split for (split,) in trace.execute("SELECT split FROM final UNION SELECT split FROM examples")}
        kept = json.loads(trace.execute("SELECT value FROM meta WHERE key = 'scores'").fetchone()[0])
    assert kept == scores
    return not any("/test/" in name for name in scores) and "test" not in splits


@pytest.mark.parametrize("end", ["whole", "gone on with by the study", "gone on with on its page"])
def test_a_run_of_the_tuning_leaves_the_test_texts_alone(end: str, inline: type[Inline], monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    study = tiny_study(**{**tuned(), "tune_seeds": [7]}, seeds=[0])
    first: list[str] = []

    def stopped(self: Inline, number: int, run_id: str, **how: bool) -> None:
        if "-exam-" in run_id and not first:
            first.append(run_id)
            open_run(run_id).ask("stop", at=3)
        Inline.give(self, number, run_id, **how)

    if end != "whole":
        monkeypatch.setattr(inline, "give", stopped)
        carried(study)
        assert open_run(first[0]).state().state == "stopped"
    if end == "gone on with on its page":
        again(open_run(first[0]))
    results = carried(study)
    assert {row.state for row in results.rows.values()} == {"done"} and len(results.rows) == 6
    for cell, row in results.rows.items():
        assert nothing_of_the_test_texts(open_run(row.run)) == (cell.stage == "tune"), cell
    (trial,) = (open_run(row.run) for cell, row in results.rows.items() if cell == Cell("tune", "reviews", "exam", 7, 0))
    assert [one.split for one in final_scores(TraceReader(trial))] == ["validation"] and main(["scores", trial.id]) == 0
    alone = carried_out(trial.config()).state().scores
    assert trial.state().scores == {name: value for name, value in alone.items() if "/validation/" in name}


def test_a_method_none_of_whose_settings_can_run_is_a_failure_of_its_own(inline: type[Inline]) -> None:  # noqa: F811
    floor = {"machine.teacher_accuracy_floor": 1.0}
    study = tiny_study(**{**tuned(), "methods": {"KD": FIXED, "exam": {**EXAM, **floor}}}, seeds=[0])
    results = carried(study)
    assert results.rows[Cell("main", "reviews", "KD", 0)].state == "done"
    failed = results.rows[Cell("main", "reviews", "exam", 0)]
    assert failed.state == "failed" and "None of the settings" in str(failed.error) and not failed.run
    assert len(failures(results)) == 5 and len(inline.given) == 9


def test_another_study_of_the_same_name_takes_nothing_that_is_not_its_own(inline: type[Inline]) -> None:  # noqa: F811
    study = tiny_study(seeds=[0])
    before = runs_of(carried(study))
    longer = tiny_study(seeds=[0], methods={"KD": {**FIXED, "training.steps": 7}, "exam": EXAM})
    after = carried(longer)
    assert len(inline.given) == 3 and after.rows[Cell("main", "reviews", "exam", 0)].run in before.values()
    assert after.rows[Cell("main", "reviews", "KD", 0)].steps == 7
    assert runs_of(carried(study)) == before and len(inline.given) == 3
    more = carried(tiny_study(seeds=[0, 1]))
    assert len(inline.given) == 5 and {cell: run for cell, run in runs_of(more).items() if cell.seed == 0} == before
    fewer = carried(study)
    assert len(run_table(fewer)) == 2 and len(fewer.rows) == 4


def test_a_run_changed_in_flight_does_not_count(inline: type[Inline], monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    def meddled(self: Inline, number: int, run_id: str, *, keep_student: bool, score_test: bool) -> None:
        if "-exam-" in run_id:
            open_run(run_id).ask("change", path="objective.alpha", value=0.1)
        Inline.give(self, number, run_id, keep_student=keep_student, score_test=score_test)

    monkeypatch.setattr(inline, "give", meddled)
    results = carried(tiny_study(seeds=[0]))
    assert [row.error for row in failures(results)] == [CHANGED]
    monkeypatch.setattr(inline, "give", Inline.give)
    assert not failures(carried(tiny_study(seeds=[0]), retry=True))


def test_a_line_broken_off_is_left_out_and_the_next_begins_on_its_own(inline: type[Inline]) -> None:  # noqa: F811
    study = tiny_study(seeds=[0])
    first = carried(study)
    lines = StudyFolder("tiny").path / "cells.jsonl"
    whole = lines.read_bytes()
    lines.write_bytes(whole[: whole.rindex(b'"scores"')])  # as a machine that loses its power leaves it
    results = carried(study)
    assert len(inline.given) == 3 and runs_of(results) == runs_of(first)
    lines.write_bytes(b'[1]\n{"cell": 3}\nnonsense\n' + lines.read_bytes())
    assert runs_of(read_results(StudyFolder("tiny"))) == runs_of(first)


def test_a_study_is_asked_to_end_and_keeps_what_it_has(inline: type[Inline]) -> None:  # noqa: F811
    study, folder = tiny_study(), StudyFolder("tiny")
    with pytest.raises(RunError, match="is not at work: there is nothing to cancel"):
        cancel_study("tiny")
    for one in carry_out(study, jobs=1):
        if one.done == 1 and not folder.asked_to_end():
            assert folder.at_work()
            cancel_study("tiny")
    assert one.done == 1 and not folder.asked_to_end() and folder.sessions()[-1]["how"] == "cancelled"
    assert len(carried(study).rows) == 4


def test_only_one_program_carries_a_study_out(inline: type[Inline]) -> None:  # noqa: F811
    going = carry_out(tiny_study(), jobs=1)
    next(going)
    with pytest.raises(BusyError, match="Study tiny is at work already"):
        next(carry_out(tiny_study(), jobs=1))
    with pytest.raises(BusyError, match="Study tiny is at work already"):
        start_study(tiny_study())
    going.close()
    assert studies_here() == ["tiny"]


def test_a_lab_that_is_read_only_or_full_carries_nothing_out(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("IKD_MOST_RUNS", "3")
    with pytest.raises(RunError, match="needs 4 more runs beside the 0 that are there, and this lab keeps at most 3"):
        next(carry_out(tiny_study(), jobs=1))
    with pytest.raises(ConfigError, match="0 runs side by side cannot be"):
        next(carry_out(tiny_study(), jobs=0))
    monkeypatch.setenv("IKD_READ_ONLY", "1")
    with pytest.raises(RunError, match="read-only"):
        next(carry_out(tiny_study(), jobs=1))
    assert not list_runs()


def test_room_is_needed_for_new_folders_alone(inline: type[Inline], monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    study, folder = tiny_study(methods=FAILING, seeds=[0]), StudyFolder("tiny")
    monkeypatch.setenv("IKD_MOST_RUNS", "3")
    carried(study)
    assert len(list_runs()) == 3 and len(inline.given) == 3
    carried(study)
    assert len(inline.given) == 3, "one has failed, and is not tried again"
    with pytest.raises(RunError, match="needs 1 more runs beside the 3 that are there"):
        next(carry_out(study, jobs=1, retry=True))
    rows = {cell.method: row for cell, row in folder.rows().items()}
    folder.append(replace(rows["KD"], state="interrupted", scores={}))
    carried(study)
    assert inline.given[3:] == [rows["KD"].run], "its folder is there"
    monkeypatch.setenv("IKD_MOST_RUNS", "2")
    carried(study)
    assert len(list_runs()) == 3


def test_a_study_that_is_refused_for_want_of_room_leaves_its_lines_alone(
    inline: type[Inline], monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:
    carried(tiny_study(seeds=[0]))
    before = {path.name: path.read_bytes() for path in StudyFolder("tiny").path.iterdir()}
    monkeypatch.setenv("IKD_MOST_RUNS", "2")
    other = tiny_study(seeds=[0], methods={"KD": {**FIXED, "training.steps": 7}, "exam": EXAM})
    with pytest.raises(RunError, match="needs 1 more runs beside the 2 that are there"):
        next(carry_out(other, jobs=1))
    assert {path.name: path.read_bytes() for path in StudyFolder("tiny").path.iterdir()} == before


def test_settings_known_from_the_tuning_need_no_room_again(inline: type[Inline], monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    study = tiny_study(**{**tuned(), "tune_seeds": [7]}, seeds=[0])
    monkeypatch.setenv("IKD_MOST_RUNS", "6")
    first = carried(study)
    assert runs_of(carried(study)) == runs_of(first) and len(inline.given) == 6
    with pytest.raises(RunError, match="needs 2 more runs beside the 6"):
        next(carry_out(study.model_copy(update={"seeds": (0, 1)}), jobs=1))


def test_a_cancel_pressed_while_the_study_begins_is_not_lost(inline: type[Inline], monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    def pressed(root: Path | None = None) -> list[RunFolder]:
        if StudyFolder("tiny").at_work():
            cancel_study("tiny")
        return list_runs(root)

    with monkeypatch.context() as patch:
        patch.setattr("ikd.study.engine.list_runs", pressed)
        carried(tiny_study())
    assert not inline.given and StudyFolder("tiny").sessions()[-1]["how"] == "cancelled"
    StudyFolder("tiny").ask_to_end()  # of a program that is long gone: it does not count
    carried(tiny_study())
    assert len(inline.given) == 4


def test_no_run_of_a_study_has_more_steps_than_the_lab_takes(inline: type[Inline], monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("IKD_MOST_STEPS", "6")
    later = tiny_study(seeds=[0], tune={"KD": {"training.steps": [6, 7]}}, tune_seeds=[7], uneven_budgets=True)
    with pytest.raises(RunError, match="A run of 7 steps is more than this lab takes"):
        next(carry_out(later, jobs=1))
    assert not StudyFolder("tiny").path.exists()
    study = tiny_study(seeds=[0], methods={"KD": FIXED, "exam": EXAM, "longer": {**FIXED, "equal_compute_to": "exam"}})
    (failed,) = failures(carried(study))
    assert failed.cell.method == "longer" and len(inline.given) == 2 and not failed.run
    assert "is more than this lab takes" in str(failed.error) and "counted, for the compute of 'exam'" in str(failed.error)
    monkeypatch.delenv("IKD_MOST_STEPS")
    assert not failures(carried(study)) and len(inline.given) == 3
    monkeypatch.setenv("IKD_MOST_STEPS", "6")
    assert not failures(carried(study)), "what is done is done"


def test_runs_under_one_teacher_begin_one_after_the_other() -> None:
    study, folder = tiny_study(), StudyFolder("tiny")
    bench = Bench(study, folder, retry=False)
    first, second = bench.next_due(), bench.next_due()
    assert first is not None and second is not None
    assert [(one.cell.method, one.cell.seed) for one in (first, second)] == [("KD", 0), ("KD", 1)]
    assert bench.next_due() is None
    bench.teacher_ready(first)
    third = bench.next_due()
    assert third is not None and (third.cell.method, third.cell.seed) == ("exam", 0) and third.teacher == first.teacher
    bench.teacher_ready(second, failed=True)
    fourth = bench.next_due()
    assert fourth is not None and fourth.cell.seed == 1 and bench.next_due() is None


def test_each_gpu_has_a_worker_of_its_own_and_cpus_one_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of(tiny_study(), main_cells(tiny_study())[0], {})
    on_cpu = config.model_copy(update={"machine": config.machine.model_copy(update={"device": "cpu"})})
    monkeypatch.setattr("ikd.study.pool._cores", lambda: 5)
    monkeypatch.setattr("ikd.study.pool._gpus", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert (default_jobs([config]), default_jobs([on_cpu])) == (2, 5)
    assert environments(3, [config]) == [{"CUDA_VISIBLE_DEVICES": name} for name in "010"]
    assert environments(3, [on_cpu]) == environments(3, [on_cpu]) == [{}, {}, {}] and environments(1, [config]) == [{}]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4, 6")
    assert environments(2, [config]) == [{"CUDA_VISIBLE_DEVICES": "4"}, {"CUDA_VISIBLE_DEVICES": "6"}]
    monkeypatch.setattr("ikd.study.pool._gpus", lambda: 0)
    assert default_jobs([config]) == 5 and environments(2, [config]) == [{}, {}]


def test_runs_on_texts_without_a_test_split_are_reported_on_validation() -> None:
    study, folder = tiny_study(seeds=[0]), StudyFolder("tiny")
    folder.write_study(study)
    for cell, nll in zip(main_cells(study), (0.5, 0.4), strict=True):
        folder.append(Row(cell=cell, digest="x", state="done", scores={"student/validation/nll": nll, "student/validation/accuracy": 0.5}))
    results = read_results(folder)
    assert mean_table(results)["split"].tolist() == ["validation"] * 2 and scores_of(results, "reviews", "exam", "nll") == {0: 0.4}


def command(file: Path, *more: str, **how: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "ikd", "study", str(file), *more], cwd=REPOSITORY, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, **how)  # fmt: skip


def wait_for(folder: StudyFolder, done: int) -> None:
    end = time.monotonic() + 300
    while sum(row.state == "done" for row in folder.rows().values()) < done:
        assert time.monotonic() < end, "the study does not go on"
        time.sleep(0.02)


def wait_until_alone(folder: StudyFolder) -> None:
    end = time.monotonic() + 300
    while folder.at_work():
        assert time.monotonic() < end, "the study does not end"
        time.sleep(0.05)


@pytest.mark.slow
def test_two_workers_find_what_one_finds(inline: type[Inline], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    alone = carried(tiny_study(), root=tmp_path / "one")
    monkeypatch.setattr("ikd.study.engine.Pool", Pool)
    study = tiny_study()
    seen = list(carry_out(study, tmp_path / "two", jobs=2))
    assert max(one.running for one in seen) == 1 and seen[-1].done == 4, "whenever one ends, the other is at work"
    assert_same_findings(alone, read_results(StudyFolder("tiny", tmp_path / "two")))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda one: one.name)
def test_a_study_that_is_killed_goes_on_and_finds_the_same(
    number: signal.Signals, inline: type[Inline], tmp_path: Path, home: Path  # noqa: F811
) -> None:
    study = tiny_study(seeds=[0, 1, 2], base={**tiny_study().base, "training.steps": 40})
    whole = carried(study, root=tmp_path / "whole")
    file, folder = tmp_path / "tiny.yaml", StudyFolder("tiny")
    file.write_text(study_text(study), encoding="utf-8")
    process = command(file, "--jobs", "2", start_new_session=True)
    wait_for(folder, 2)
    os.kill(process.pid, number)
    code = process.wait(timeout=300)
    assert code == (-9 if number == signal.SIGKILL else 130)
    if number != signal.SIGKILL:
        assert {row.state for row in folder.rows().values()} <= {"done", "interrupted"} and folder.sessions()[-1]["how"] == "interrupted"
    kept = {cell: row.run for cell, row in folder.rows().items() if row.state == "done"}
    assert len(kept) < 6
    assert command(file, "--jobs", "2").wait(timeout=200) == 0
    results = read_results(folder)
    assert {cell: runs_of(results)[cell] for cell in kept} == kept
    assert_same_findings(whole, results)
    assert len(list_runs()) == 6, "a run was begun twice"


@pytest.mark.slow
def test_a_worker_that_dies_fails_its_run_alone_and_a_retry_has_it(tmp_path: Path) -> None:
    import psutil

    study = tiny_study(seeds=[0], base={**tiny_study().base, "training.steps": 60})
    going, killed = carry_out(study, jobs=1), False
    folder = StudyFolder("tiny")
    for one in going:
        if not killed and one.done == 1:
            killed = True
            next(child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())).kill()
    assert (one.done, one.failed) == (1, 1)
    (failed,) = failures(read_results(folder))
    assert "ended without a word (exit code -9)" in str(failed.error)
    assert [*carry_out(study, jobs=1, retry=True)][-1].done == 2


@pytest.mark.slow
def test_a_study_started_from_a_page_is_a_program_of_its_own_and_can_be_cancelled(home: Path) -> None:
    study = tiny_study(base={**tiny_study().base, "training.steps": 300})
    folder = start_study(study, jobs=1)
    wait_for(folder, 1)
    cancel_study("tiny")
    wait_until_alone(folder)
    assert folder.sessions()[-1]["how"] == "cancelled" and folder.sessions()[0]["command"] == "python -m ikd study tiny.yaml --jobs 1"
    n_done, end = sum(row.state == "done" for row in folder.rows().values()), time.monotonic() + 300
    assert 1 <= n_done < 4
    while "Ended before its end" not in (folder.path / "log.txt").read_text(encoding="utf-8"):  # said once nobody is at work any more
        assert time.monotonic() < end, "nothing is said of the end"
        time.sleep(0.05)
    start_study(study, jobs=2)
    wait_for(folder, 4)
    wait_until_alone(folder)
    assert len(list_runs()) == 4


def test_a_run_stopped_on_its_own_page_leaves_the_study_incomplete_and_is_gone_on_with(
    inline: type[Inline], monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:
    study = tiny_study(**{**tuned(), "tune_seeds": [7]}, seeds=[0])

    with monkeypatch.context() as patch:
        patch.setattr(inline, "give", stopping(2))
        results = carried(study)
    (cell,) = (cell for cell, row in results.rows.items() if row.state == "stopped")
    assert (cell.stage, cell.method) == ("tune", "exam") and len(results.rows) == 5, "what is compared of it has not begun"
    assert results.sessions[-1]["how"] == "incomplete"
    assert left_words(study, results.rows) == "1 run was stopped by hand, and 1 run waits for settings to be chosen by it."
    whole = carried(study)
    assert {row.state for row in whole.rows.values()} == {"done"} and whole.rows[cell].run == results.rows[cell].run
    assert len(whole.rows) == 6 and whole.sessions[-1]["how"] == "finished" and left_words(study, whole.rows) == ""


@pytest.mark.parametrize("wrong", [{"steps": "many"}, {"wall": "long"}, {"run": 3}, {"scores": {"nll": 0.5}}, {"scores": {"a/b/c": "x"}},
                                   {"state": "well"}, {"error": 3}, {"cell": {"stage": "main"}}, {"flops": []},
                                   {"cell": {**FIRST, "seed": float("inf")}}, {"cell": {**FIRST, "choice": float("inf")}},
                                   {"cell": {**FIRST, "seed": HUGE}}, {"cell": {**FIRST, "seed": -1}}, {"steps": HUGE}, {"steps": -1},
                                   {"steps": True}, {"wall": HUGE}, {"flops": HUGE}, {"seconds": float("nan")}, {"forwards": float("inf")},
                                   {"curve": {"step": [0, 0], "nll": [1, 1]}}, {"curve": {"nll": [1]}}, {"curve": {"step": [HUGE]}},
                                   {"curve": [1]},
                                   {"scores": {"a/b/c": HUGE}}, {"scores": {"a/b/c": float("nan")}}, {"scores": {"a/b/c": True}}],
                         ids=lambda wrong: str(wrong)[:60])  # fmt: skip
def test_a_line_that_is_none_is_left_out(wrong: dict[str, object], tmp_path: Path) -> None:
    folder = StudyFolder("tiny", tmp_path)
    folder.write_study(tiny_study())
    folder.append(Row(cell=main_cells(tiny_study())[0], digest="x", state="done", scores={"student/test/nll": 0.5}))
    right = json.loads((folder.path / "cells.jsonl").read_text("utf-8"))
    (folder.path / "cells.jsonl").write_text(json.dumps({**right, **wrong}) + "\n" + json.dumps(right) + "\n", encoding="utf-8")
    assert len(folder.lines()) == 1


@pytest.mark.parametrize("session", [{"began": HUGE}, {"ended": HUGE, "how": "finished"}, {"began": float("inf")}], ids=str)
def test_a_session_beyond_all_bounds_is_left_out(session: dict[str, object], tmp_path: Path) -> None:
    folder = StudyFolder("tiny", tmp_path)
    folder.write_study(tiny_study())
    folder.append_session(session)
    assert folder.sessions() == []


def test_half_a_character_in_a_line_breaks_no_report(tmp_path: Path) -> None:
    folder = StudyFolder("tiny", tmp_path)
    folder.write_study(tiny_study())
    folder.append(Row(cell=main_cells(tiny_study())[0], digest="x", state="failed", error="a\ud800b, \U0001f600 and caf\u00e9"))
    (row,) = folder.lines()
    assert row.error == "a?b, \U0001f600 and caf\u00e9"


def test_a_run_that_was_made_and_not_noted_is_taken_up(inline: type[Inline], monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    def interrupted(self: Bench, row: Row) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Bench, "note", interrupted)
        carried(tiny_study())
    (stray,) = list_runs()
    assert StudyFolder("tiny").rows() == {}
    carried(tiny_study())
    assert len(list_runs()) == 4 and stray.id in {row.run for row in StudyFolder("tiny").rows().values()}


def test_a_line_that_was_written_right_before_the_end_is_settled(inline: type[Inline], monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    append = StudyFolder.append

    def cut(self: StudyFolder, row: Row) -> None:
        append(self, row)
        if row.state == "running":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(StudyFolder, "append", cut)
        carried(tiny_study())
    assert [row.state for row in StudyFolder("tiny").rows().values()] == ["interrupted"]
    carried(tiny_study())
    assert len(list_runs()) == 4


def test_a_failed_trial_that_is_tried_again_needs_room_for_itself_alone() -> None:
    study = tiny_study(tune={"KD": {"objective.temperature": [2, 4]}, "exam": {"policy.teacher_learning_rate": [1e-5, 1e-4]}},
                       tune_seeds=[7])  # fmt: skip
    folder, failing = StudyFolder("tiny"), Cell("tune", "reviews", "exam", 7, 1)
    folder.write_study(study)
    for cell in all_cells(study):
        chosen = {} if cell.stage == "tune" else {method: study.options(method)[0] for method in study.methods}
        scores = {"student/validation/nll": 0.5 + cell.choice}
        row = Row(cell=cell, digest=digest_of(config_of(study, cell, chosen)), state="done", scores=scores)
        folder.append(replace(row, state="failed", scores={}) if cell == failing else row)
    assert [due.cell for due in Bench(study, folder, retry=True).to_come() if due is not None] == [failing]
    assert len([*Bench(study, folder, retry=True).to_come()]) == 1 and not [*Bench(study, folder, retry=False).to_come()]
