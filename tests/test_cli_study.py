"""`python -m ikd study`: what it prints, writes and returns."""

from __future__ import annotations

import json
import re
import statistics
from csv import reader as rows_of
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ikd.cli import main
from ikd.runs.estimate import estimate
from ikd.runs.speed import Speed
from ikd.study import StudyFolder, carry_out, study_text, with_seeds
from ikd.study.background import cancel_study
from ikd.study.cells import config_of
from ikd.study.foretold import cost_words, planned_cost
from ikd.study.results import mean_table, read_results
from ikd.study.telling import time_words
from ikd.study.writing import csv, escaped, latex, markdown, plain, write_table
from ikd.trace.store import runs_root
from tests.small_studies import Inline, inline, stopping, tiny_study  # noqa: F401  # a fixture
from tests.test_study_engine import FAILING

Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the speed of this machine as measured: it would take two seconds in each test."""
    monkeypatch.setattr("ikd.runs.estimate.measure_speed", lambda *_: Speed(seconds_per_layer=1e-4, flops_per_second=1e10))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(study_text(tiny_study()), encoding="utf-8")
    return path


def test_a_study_is_told_while_it_goes_on_and_at_its_end(
    file: Path, inline: type[Inline], capsys: Printed, tmp_path: Path  # noqa: F811
) -> None:
    assert main(["study", str(file), "--jobs", "1", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert lines[0] == "[0/4] Study tiny: 4 runs to carry out." and len(lines) == 6
    assert lines[1].startswith("4 runs to carry out, with 2 teachers to fine-tune") and "With 1 at a time that is about" in lines[1]
    assert lines[3].startswith("[2/4] reviews, exam, seed 0: test nll ") and "against KD so far" in lines[3] and lines[3].endswith(" left")
    results = read_results(StudyFolder("tiny"))
    assert plain(mean_table(results)) in printed.out + "\n" and "2 seeds" in printed.out
    assert "in negative log-likelihood" in printed.out and "in accuracy" in printed.out
    assert results.sessions[0]["command"] == "python -m ikd study tiny.yaml --jobs 1"
    report = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "# Two methods and a task" in report and "python -m ikd study tiny.yaml" in report and str(tmp_path) not in report
    for name in ("means", "comparisons", "examples", "cost", "runs", "scores"):
        data = pd.read_parquet(tmp_path / "out" / f"{name}.parquet")
        text, numbers = pd.read_csv(tmp_path / "out" / f"{name}.csv"), data.select_dtypes("number").astype(float)
        assert len(data) and list(data.columns) == list(text.columns)
        np.testing.assert_allclose(numbers, text[numbers.columns].astype(float), rtol=1e-12)
    assert len(Inline.given) == 0 and len(inline.given) == 4
    assert main(["study", "tiny", "--table", "--seeds", "1"]) == 0
    told = capsys.readouterr().out
    assert "1 seed (0)" in told and "2 seeds" not in told
    assert main(["study", "tiny", "--table"]) == 0 and "2 seeds (0, 1)" in capsys.readouterr().out
    assert main(["study", "tiny", "--jobs", "1", "--seeds", "1"]) == 0
    assert "1 seed" in capsys.readouterr().out and len(inline.given) == 4


def test_a_table_is_printed_of_what_is_there_and_only_that(file: Path, inline: type[Inline], capsys: Printed) -> None:  # noqa: F811
    assert main(["study", str(file), "--table"]) == 2
    assert capsys.readouterr().err.startswith("Unknown study 'tiny'.")
    going = carry_out(tiny_study(), jobs=1)
    while next(going).done < 1:
        pass
    going.close()
    assert main(["study", "tiny", "--table"]) == 0
    assert "3 of the runs that are compared are still to be carried out." in capsys.readouterr().out and len(inline.given) == 1


def test_failed_runs_are_listed_and_the_code_says_so(file: Path, inline: type[Inline], capsys: Printed) -> None:  # noqa: F811
    file.write_text(study_text(tiny_study(methods=FAILING, seeds=[0])), encoding="utf-8")
    assert main(["study", str(file), "--jobs", "1"]) == 1
    printed = capsys.readouterr()
    assert "Failed" in printed.out and "doomed, seed 0: failed. At step 0 the teacher's accuracy is" in printed.out
    assert "Traceback" not in printed.out + printed.err
    assert main(["study", "tiny", "--jobs", "1", "--retry"]) == 1 and len(inline.given) == 4


def test_an_interrupt_keeps_what_is_there(
    file: Path, inline: type[Inline], monkeypatch: pytest.MonkeyPatch, capsys: Printed  # noqa: F811
) -> None:
    def messages(self: Inline, seconds: float) -> list[object]:
        if len(self.given) == 2:
            raise KeyboardInterrupt
        return list(Inline.messages(self, seconds))

    monkeypatch.setattr("ikd.study.engine.SECONDS_TO_END", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(inline, "messages", messages)
        assert main(["study", str(file), "--jobs", "1"]) == 130
    assert f"python -m ikd study {file} goes on" in capsys.readouterr().err
    assert sorted(row.state for row in StudyFolder("tiny").rows().values()) == ["done", "done", "interrupted"]
    assert main(["study", "tiny", "--jobs", "1"]) == 0 and len(set(inline.given)) == 4


def test_a_run_stopped_on_its_page_is_named_and_the_next_start_finishes_it(
    file: Path, inline: type[Inline], monkeypatch: pytest.MonkeyPatch, capsys: Printed  # noqa: F811
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(inline, "give", stopping(1))
        assert main(["study", str(file), "--jobs", "1"]) == 1
    printed = capsys.readouterr()
    assert printed.err.endswith(f"1 run was stopped by hand. python -m ikd study {file} finishes what is left.\n")
    assert "as it was asked" not in printed.err and "1 of the runs that are compared are still to be carried out" in printed.out
    assert main(["study", "--list"]) == 0 and "4 runs, 3 done, 1 stopped)" in capsys.readouterr().out
    assert main(["study", str(file), "--jobs", "1", "--out", str(file.parent / "out")]) == 0 and len(set(inline.given)) == 4
    assert ": incomplete after" in (file.parent / "out" / "report.md").read_text(encoding="utf-8")


def test_a_cancelled_study_says_so_even_where_a_run_has_failed(
    file: Path, inline: type[Inline], monkeypatch: pytest.MonkeyPatch, capsys: Printed  # noqa: F811
) -> None:
    def cancelled(self: Inline, seconds: float) -> list[object]:
        if len(self.given) == 2:
            cancel_study("tiny")
        return list(Inline.messages(self, seconds))

    monkeypatch.setattr(inline, "messages", cancelled)
    file.write_text(study_text(tiny_study(methods=FAILING)), encoding="utf-8")
    assert main(["study", str(file), "--jobs", "1"]) == 130
    assert StudyFolder("tiny").sessions()[-1]["how"] == "cancelled" and len(inline.given) == 3
    assert "Ended before its end, as it was asked" in capsys.readouterr().err


def test_numbers_beyond_all_bounds_in_the_lines_break_no_report(
    file: Path, inline: type[Inline], capsys: Printed, tmp_path: Path  # noqa: F811
) -> None:
    assert main(["study", str(file), "--jobs", "1"]) == 0
    path = StudyFolder("tiny").path / "cells.jsonl"
    lines, last = path.read_text("utf-8"), json.loads(path.read_text("utf-8").splitlines()[-1])
    wrong = [{name: 10**400} for name in ("wall", "steps", "flops", "seconds", "forwards")]
    wrong += [{"scores": {**last["scores"], "student/test/nll": 10**400}}, {"cell": {**last["cell"], "seed": float("inf")}}]
    path.write_text(lines + "".join(json.dumps({**last, **one}) + "\n" for one in wrong), encoding="utf-8")
    capsys.readouterr()
    assert main(["study", "tiny", "--table", "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr()
    assert "2 seeds" in told.out and "still to be carried out" not in told.out and not told.err


@pytest.mark.parametrize("text, sentence", [
    ("name: [", "The study is not YAML at line 1"), ("nmae: x", "Unknown key of a study 'nmae'. Did you mean 'name'"),
    ("just words", "A study is YAML with the keys"),
])  # fmt: skip
def test_a_bad_file_gives_one_sentence(file: Path, capsys: Printed, text: str, sentence: str) -> None:
    file.write_text(text, encoding="utf-8")
    assert main(["study", str(file)]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(sentence) and printed.err.count("\n") == 1 and not printed.out


@pytest.mark.parametrize("words, sentence", [
    (["quik"], "Unknown study 'quik'. Did you mean 'quick'"), ([], "Name a study: glue-small, kin, objectives, quick;"),
    (["quick", "--jobs", "0"], "0 runs side by side cannot be"), (["quick", "--seeds", "0"], "A study needs one seed or more"),
    (["quick", "--seeds", "1000000000"], "So many seeds are more than the 10000 runs that a study may have: give a smaller number."),
    (["quick", "--sedes", "3"], "Unknown argument '--sedes'. Did you mean '--seeds'"), (["quick", "--jobs", "x"], "argument --jobs: "),
    (["no/such.yaml"], "There is no file 'no/such.yaml'"), (["kin", "--table"], "Unknown study 'kin'."),
])  # fmt: skip
def test_bad_words_give_one_sentence(capsys: Printed, words: list[str], sentence: str) -> None:
    assert main(["study", *words]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(sentence) and printed.err.count("\n") == 1


def test_the_studies_are_listed_with_what_is_done(file: Path, inline: type[Inline], capsys: Printed) -> None:  # noqa: F811
    assert main(["study", str(file), "--jobs", "1"]) == 0
    capsys.readouterr()
    assert main(["study", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} >= {"glue-small", "kin", "objectives", "quick", "tiny"}
    assert lines[-1].endswith("(2 methods, 1 task, 2 seeds: 4 runs, 4 done)")


def test_tables_in_every_format_hold_any_name() -> None:
    table = pd.DataFrame({"method": ["a|b & 50%_x", "c"], "nll": [0.123456789, float("nan")], "n": [3, 4], "chosen": [True, False]})
    assert markdown(table) == ("| method | nll | n | chosen |\n| --- | --- | --- | --- |\n| a\\|b & 50%\\_x | 0.1235 | 3 | yes |\n"
                               "| c |  | 4 |  |\n")  # fmt: skip
    assert latex(table).splitlines()[2:6:2] == [r"method & nll & n & chosen \\", r"a\textbar{}b \& 50\%\_x & 0.1235 & 3 & yes \\"]
    assert plain(table).splitlines()[2] == "c                    4"
    assert csv(table).splitlines()[1] == "a|b & 50%_x,0.123456789,3,True"


HOSTILE = ("=HYPERLINK(\"http://a.b\")", "+1", "-1", "@SUM(A1)", "=1+1")
NAMES = ("![x](http://a.b/c.png)", "[a]: http://a.b", "[a][b]", "<img src=x onerror=y>", "a|b\\|c\\\\", "*a* _b_ __c__ ~~d~~ `e` $f$",
         "&lt; &#60; Q&A", "# a #", "- a", "12. a", "[x] a", "> a", "===", "---", "*", "policy.exam_every", "exam, every 4th",
         "KD, equal compute", "exam better than KD by 0.05 [−0.1, 0.2] (p = 0.03).", "+0.1 [-0.2, 0.3]", "two\n\n# lines")  # fmt: skip


@pytest.mark.parametrize("end", [".csv", ".parquet"])
def test_a_spreadsheet_takes_no_name_of_a_written_table_for_a_formula(end: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"method": HOSTILE, "=gain": [-0.5, 0.25, float("nan"), -1e-7, -3.0], "n": [-1, 0, 1, 2, 3]})
    write_table(table, tmp_path / f"a{end}")
    if end == ".parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "a.parquet"), table, check_dtype=False)
        return
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for row in rows_of(file) for cell in row]
    assert [cell for cell in cells if cell[:1] in "=+-@" and cell and not is_number(cell)] == []
    read = pd.read_csv(tmp_path / "a.csv")
    assert read["method"].tolist() == [f"'{one}" for one in HOSTILE] and list(read.columns) == ["method", "'=gain", "n"]
    np.testing.assert_array_equal(read["'=gain"], table["=gain"])
    np.testing.assert_array_equal(read["n"], table["n"])


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("text", ["exam, every 4th", "KD, equal compute", "[−0.1, 0.2]", "+0.1 [-0.2, 0.3] (Holm-corrected p = 0.03)",
                                  "policy.exam_every 4", "Q&A: a/b, 50 %", "a > b", "2 - 1 = 1", "What's “this”?"])
def test_ordinary_names_and_sentences_are_not_spoiled(text: str) -> None:
    assert escaped(text) == text


@pytest.mark.parametrize("text", NAMES)
@pytest.mark.parametrize("before", ["", "- ", "# ", "## Accuracy: "])
def test_markdown_shows_free_text_as_it_was_written(text: str, before: str) -> None:
    """Held against a parser of CommonMark with GitHub's tables and struck out words."""
    tokens = pytest.importorskip("markdown_it").MarkdownIt("gfm-like", {"linkify": False}).parse(f"{before}{escaped(text)}\n")
    kinds = [token.type for token in tokens if token.nesting >= 0]
    wanted = {"": ["paragraph_open"], "- ": ["bullet_list_open", "list_item_open", "paragraph_open"]}.get(before, ["heading_open"])
    assert kinds == [*wanted, "inline"]
    said = [one for token in tokens for one in token.children or []]
    assert {one.type for one in said} <= {"text", "text_special"}
    assert "".join(one.content for one in said) == before.lstrip("-# ") + " ".join(text.split())


def test_a_table_of_any_names_is_read_back_from_markdown() -> None:
    table = pd.DataFrame({"method": NAMES, "a|b": ["x"] * len(NAMES)})
    tokens = pytest.importorskip("markdown_it").MarkdownIt("gfm-like", {"linkify": False}).parse(markdown(table))
    cells = ["".join(one.content for one in token.children or []) for token in tokens if token.type == "inline"]
    assert cells == ["method", "a|b", *(cell for name in NAMES for cell in (" ".join(name.split()), "x"))]


@pytest.mark.parametrize("name, written", [
    ("a\\b", r"a\textbackslash{}b"), ("50 % & $x_1^2$ #3 {y} ~z", r"50 \% \& \$x\_1\textasciicircum{}2\$ \#3 \{y\} \textasciitilde{}z"),
    ("a<b>c|d", r"a\textless{}b\textgreater{}c\textbar{}d"), ("[0.1] x", "{[}0.1] x"), ("*x", "{*}x"), ("a\n\nb\rc", "a b c"),
])  # fmt: skip
def test_a_table_of_any_names_is_latex(name: str, written: str) -> None:
    """A bracket or a star at the beginning of a row would belong to the end of the one before; an empty line ends a paragraph."""
    lines = latex(pd.DataFrame({"n": ["first", name]})).splitlines()
    assert lines[5] == rf"{written} \\" and len(lines) == 8


def test_a_table_of_no_known_format_is_refused(tmp_path: Path) -> None:
    from ikd.errors import ConfigError

    with pytest.raises(ConfigError, match="A table cannot be written as '.xls'"):
        write_table(pd.DataFrame({"a": [1]}), tmp_path / "a.xls")
    with pytest.raises(ConfigError, match="a.md cannot be written"):
        write_table(pd.DataFrame({"a": [1]}), tmp_path / "no" / "a.md")


@pytest.mark.parametrize("seconds, words", [(3, "3 s"), (99, "99 s"), (600, "10 min"), (7200, "2.0 h")])
def test_durations_are_said_as_people_do(seconds: float, words: str) -> None:
    assert time_words(seconds) == words


def test_one_damaged_study_hides_no_other(capsys: Printed, home: Path) -> None:
    damaged = StudyFolder("damaged")
    damaged.write_study(tiny_study(name="damaged"))
    (damaged.path / "study.yaml").write_text("", encoding="utf-8")
    assert main(["study", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("damaged  damaged: The study.yaml of study damaged is damaged") for line in lines)
    assert any(line.startswith("quick  ") and "180 runs" in line and line.endswith("recorded with the lab)") for line in lines)


def test_lines_of_sessions_that_are_none_are_left_out(file: Path, inline: type[Inline], capsys: Printed, tmp_path: Path) -> None:  # noqa: F811
    assert main(["study", str(file), "--jobs", "1"]) == 0
    path = StudyFolder("tiny").path / "sessions.jsonl"
    wrong = ['{"began": "yesterday", "jobs": "many", "versions": 3}', '{"ended": null}', "null", "[]", "{", '{"began": 1, "versions": 3}']
    path.write_text("\n".join([*wrong, *path.read_text("utf-8").splitlines()]) + "\n", encoding="utf-8")
    assert len(StudyFolder("tiny").sessions()) == 2
    assert main(["study", "tiny", "--table", "--out", str(tmp_path / "out")]) == 0
    assert main(["study", str(file), "--jobs", "1"]) == 0
    assert "[4/4] Study tiny: 0 runs to carry out.\n" in capsys.readouterr().err


def test_what_was_recorded_with_the_lab_is_told(capsys: Printed) -> None:
    assert main(["study", "quick", "--table"]) == 0
    printed = capsys.readouterr()
    assert "this is what was recorded with the lab" in printed.err and "exam better than KD by" in printed.out
    assert main(["study", "qick", "--table"]) == 2
    assert "Did you mean 'quick'?" in capsys.readouterr().err


def test_what_a_study_costs_is_told_alone_and_by_its_own_runs_once_some_are_over(
    file: Path, inline: type[Inline], capsys: Printed  # noqa: F811
) -> None:
    assert main(["study", str(file), "--cost", "--jobs", "2"]) == 0 and not inline.given
    told = capsys.readouterr().out
    assert re.fullmatch(r"4 runs to carry out, with 2 teachers to fine-tune where none is kept: about \d+ s of computing. "
                        r"With 2 at a time that is about \d+ s, until about \w+ \d\d:\d\d if it starts now.\n", told), told  # fmt: skip
    assert main(["study", str(file), "--jobs", "1"]) == 0
    capsys.readouterr()
    assert main(["study", "tiny", "--cost"]) == 0 and capsys.readouterr().out == "Nothing is left to carry out.\n"
    rows = StudyFolder("tiny").lines()
    more = planned_cost(with_seeds(tiny_study(), 4), jobs=2)
    done = [row for row in rows if row.state == "done"]
    beside = statistics.median([row.wall - row.seconds for row in done])
    pace = sum(statistics.fmean([row.seconds for row in done if row.cell.method == method]) for method in ("KD", "exam")) + 2 * beside
    teacher = estimate(config_of(tiny_study(), done[0].cell, {}), runs_root()).teacher_seconds
    assert (more.n_runs, more.n_teachers, more.n_before) == (4, 2, 4)
    assert more.seconds == pytest.approx(2 * pace + 2 * teacher) and more.wall_seconds == pytest.approx(more.seconds / 2)


def test_a_study_whose_models_are_not_here_says_why_its_cost_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ikd.study.compute.shapes_of", lambda config: pytest.fail("the hub was asked"))
    far = tiny_study(base={**tiny_study().base, "teacher.name": "someone/no-such-model"})
    said = cost_words(planned_cost(far, tmp_path, jobs=1))
    assert said.startswith("4 runs to carry out, ") and "a hub model says its size after its download." in said


def test_while_nothing_is_over_no_split_is_said_to_be_missing(file: Path, capsys: Printed) -> None:
    StudyFolder("tiny").write_study(tiny_study(tune={"KD": {"objective.temperature": [2, 4]}}, tune_seeds=[7], uneven_budgets=True))
    assert main(["study", "tiny", "--table"]) == 0
    assert "there is no test split" not in (told := capsys.readouterr().out) and "reviews, test texts" in told
