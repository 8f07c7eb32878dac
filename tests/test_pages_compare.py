"""The Compare page: runs of one task beside each other, and everything that can be taken home."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from ikd.trace.folder import RunFolder
from ikd.ui import compare_view, state
from ikd.ui.compare_report import latex_of, markdown_of, report_of, words_table
from ikd.ui.compare_runs import Compared
from ikd.ui.compare_texts import texts_table
from ikd.ui.shell import PAGES
from ikd.ui.wording import plain
from tests.conftest import REPOSITORY
from tests.synthetic import synthetic_run
from tests.test_runs import finished

SECONDS = 180


def opened(*runs: str) -> AppTest:
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=SECONDS)
    app.run()
    app.switch_page(PAGES["compare"].path)
    if runs:
        app.query_params[state.RUNS] = ",".join(runs)
    return app.run()


def words(page: AppTest) -> str:
    return "\n".join(str(one.value) for kind in ("markdown", "caption", "info", "error", "warning") for one in page.get(kind))


@pytest.fixture
def pair() -> list[RunFolder]:
    """Return a run with exams and one without, on the same texts."""
    return [finished(policy__name="exam", label="With **exams** <b>"), finished(policy__name="fixed", label="Without")]


@pytest.fixture
def compared(pair: list[RunFolder], monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Compared]]:
    """Return what the page holds of the pair."""
    seen: list[list[Compared]] = []
    monkeypatch.setattr(compare_view, "draw_report", seen.append)
    opened(*(one.id for one in pair))
    yield seen[-1]


def test_without_runs_it_says_what_to_do() -> None:
    assert "Choose two runs or more" in words(opened())
    page = opened("nothing-here", "../etc/passwd")
    assert not page.exception and "not here" in words(page) and "root:" not in words(page)


def test_two_runs_of_one_task_are_compared_in_every_way(pair: list[RunFolder]) -> None:
    page = opened(*(one.id for one in pair))
    assert not page.exception and not page.error
    heads = [one.value for one in page.subheader]
    assert heads == ["What differs", "Over the run", "In the end", "Scores against cost", "Won and lost", "What the teachers say",
                     "Take it home"]  # fmt: skip
    tables = [one.value for one in page.dataframe]
    assert set(tables[0]["setting"]) == {"policy.name"}
    scores = next(one for one in tables if "better is" in one.columns)
    assert len(scores) >= 6 and all("no difference" in cell or "better" in cell or "worse" in cell for cell in scores.iloc[:, 3])
    assert "McNemar" in words(page)
    texts = next(one for one in tables if "outcome" in one.columns)
    assert set(texts["outcome"]) <= {"first alone", "second alone"}
    for axis in ("epoch", "seconds", "flops"):
        page = page.segmented_control(key="compare-axis").set_value(axis).run()
        assert not page.exception and not page.error
    for who in ("student", "teacher"):
        page = page.segmented_control(key="compare-who").set_value(who).run()
        assert not page.exception and not page.error


def test_names_of_runs_are_no_markdown_and_stay_whole_where_words_stand_beside_them() -> None:
    names = ["![x](http://a.b/c.png) second", "my second try at first"]
    page = opened(*(finished(policy__name=policy, label=name).id for policy, name in zip(("exam", "fixed"), names, strict=True)))
    assert not page.exception and not page.error
    assert page.selectbox(key="compare-against").label == f"{plain(names[0])} against"
    pills = next(one for one in page.get("button_group") if one.proto.id.endswith("compare-outcomes"))
    alone = [f"{plain(name)} alone" for name in names]
    assert [one.content for one in pills.proto.options] == ["both right", *alone, "both wrong"]


def test_runs_of_other_texts_are_set_beside_each_other_and_no_more(pair: list[RunFolder]) -> None:
    other = finished(task__seed=5)
    page = opened(pair[0].id, other.id)
    assert not page.exception and not page.error
    assert "not have the same texts" in words(page) and "McNemar" not in words(page)


def test_runs_that_never_began_damaged_and_old_ones_are_borne(pair: list[RunFolder]) -> None:
    damaged = synthetic_run(2, n_steps=12, state="failed")
    (damaged.path / "config.json").write_text("{", "utf-8")
    old = synthetic_run(3, n_steps=12)
    page = opened(pair[0].id, damaged.id, old.id)
    assert not page.exception and not page.error


def test_the_address_holds_the_choice_and_six_are_the_most(pair: list[RunFolder]) -> None:
    page = opened(*(one.id for one in pair))
    named = page.query_params[state.RUNS]
    assert ",".join(one.id for one in pair) in (named if isinstance(named, list) else [named])
    more = [synthetic_run(2, n_steps=12).id for _ in range(6)]
    page = opened(pair[0].id, *more)
    assert not page.exception and len(page.multiselect[0].value) == 6


class Seen(HTMLParser):
    """What a page loads and runs."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "srcset", "data")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_report_is_whole_alone_and_harmless(compared: list[Compared], tmp_path: Path) -> None:
    text = report_of(compared)
    seen = Seen()
    seen.feed(text)
    assert [one for one in seen.loads if not one.startswith("#")] == [] and not {"script", "link", "iframe", "img", "b"} & set(seen.tags)
    assert seen.tags.count("svg") >= 4 and "url(http" not in text
    assert len(text.encode()) < 5_000_000
    said = " ".join(seen.words)
    assert "With **exams** <b>" in said and "policy.name" in said and "McNemar" in said
    for one in ("What differs", "Over the run", "In the end", "Scores against cost", "Won and lost"):
        assert one in said


def test_a_report_that_holds_some_of_the_texts_alone_says_how_many(compared: list[Compared], monkeypatch: pytest.MonkeyPatch) -> None:
    table = texts_table(compared[0], compared[1], "test")
    n_differing = int(table["outcome"].isin(["first alone", "second alone"]).sum())
    assert n_differing > 1 and "Below stand the first" not in report_of(compared)
    monkeypatch.setattr("ikd.ui.compare_report.MOST_TEXTS", 1)
    assert f"Below stand the first 1 of these {n_differing} texts." in report_of(compared)


def test_tables_are_written_so_that_markdown_and_latex_read_them_back() -> None:
    table = pd.DataFrame({"score": ["a|b", "50 % & more_"], "x\\y": ["line\nbreak", "$1 {2}"]})
    lines = markdown_of(table).splitlines()
    assert lines[1] == "| --- | --- |"
    assert len(lines) == 4 and all(len(re.split(r"(?<!\\)\|", line)) == 4 for line in lines)
    tex = latex_of(table)
    assert r"50 \% \& more\_" in tex and r"\$1 \{2\}" in tex and tex.count(r"\\" + "\n") == 3
    assert words_table(pd.DataFrame(columns=["score", "run"]), ["a"]).empty
