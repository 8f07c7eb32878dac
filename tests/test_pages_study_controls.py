"""The Study page and its report where a study names feedback and controls: the map, the strongest controls, curves, and the cost."""

from __future__ import annotations

import time

import pytest

from ikd.errors import RunError
from ikd.study import StudyFolder, study_from
from ikd.study.comparing import STRONGEST
from ikd.study.telling import write_all
from ikd.ui import study_cost
from ikd.ui.study_choice import Offered
from ikd.ui.study_export import report_html, zip_of
from ikd.ui.study_found import TABLES, findings_of, table_of
from tests.small_studies import Inline, carried, inline, tiny_study  # noqa: F401  # a fixture
from tests.test_pages_others import opened
from tests.test_study_strongest import STRONG, TREE, results_of

SUFFIX = ", then exam texts"


@pytest.fixture
def paying() -> StudyFolder:
    """Return a study with a map, controls and curves, its lines written by hand."""
    study = study_from({**TREE, "seeds": 12})
    folder = StudyFolder(study.name)
    folder.write_study(study)
    for row in results_of(study).rows.values():
        folder.append(row)
    return folder


def offered(folder: StudyFolder) -> Offered:
    return Offered(key=folder.name, name=folder.name, place="here", study=folder.study(), fault="", folder=folder)


def test_the_page_shows_the_map_the_strongest_controls_and_curves(paying: StudyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_cost, "told_cost", lambda study, jobs: "3 runs to carry out: about 5 s of computing.")
    page = opened("compare", view="study", study=paying.name)
    assert not page.exception and not page.error
    heads = [one.value for one in page.subheader]
    assert heads[1:5] == ["Where feedback pays", "What is found", "Strongest controls", "Was it still gaining?"]
    assert any("better than the strongest control" in one.value for one in page.markdown)
    assert any("KD was still gaining at its end on " in one.value for one in page.markdown)
    assert sum("star" in one.value or "★" in one.value for one in page.caption) == 1


def test_the_report_has_the_map_with_every_gain_its_interval_and_mark(paying: StudyFolder) -> None:
    text = report_html(offered(paying))
    assert text.count("<h2>Where feedback pays: ") == 2 and "<h2>Strongest controls</h2>" in text and "Was it still gaining?" in text
    figure = text.partition("Where feedback pays: exam<")[2].partition("</figure>")[0]
    found = [one for one in findings_of(paying).found if one.pair == ("exam", STRONG[one.task], STRONGEST) and one.score == "nll"]
    assert len(found) == 4 and figure.count("★") >= 2
    for one in found:
        assert f"{one.comparison.gain:+.3f}" in figure and f"over {one.pair.other}" in figure


def test_every_table_can_be_taken_home_and_empty_ones_are_left_out(paying: StudyFolder) -> None:
    assert {"map", "controls", "curves"} <= {*TABLES} and len(table_of(paying, "map")) == 8
    assert len(table_of(paying, "controls")) == 4 * 5 and len(table_of(paying, "curves")) == 11 * 4 * 4 * 12
    assert len(zip_of(offered(paying))) > 10_000


def cost_said(key: str) -> str:
    """Return what a study costs once it is worked out: pages of other tests may still be waiting for theirs."""
    end = time.monotonic() + 300
    while (said := study_cost.cost_later(key, tiny_study(), 17)) is None:
        assert time.monotonic() < end
        time.sleep(0.02)
    return said


def test_the_cost_is_worked_out_beside_and_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(study_cost, "told_cost", lambda study, jobs: asked.append(jobs) or "about 5 s of computing")
    assert cost_said("of this test alone") == cost_said("of this test alone") == "about 5 s of computing" and asked.count(17) == 1


def test_a_cost_that_cannot_be_told_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(study: object, jobs: object) -> str:
        raise RunError("This lab is read-only.")

    monkeypatch.setattr(study_cost, "told_cost", refused)
    assert cost_said("of a lab that is read-only") == "No estimate: This lab is read-only."


def test_a_small_study_whose_runs_end_with_the_exam_texts_has_both_students(inline: type[Inline], tmp_path: object) -> None:  # noqa: F811
    base = {**tiny_study().base, "training.then_exam_steps": 4}
    study = tiny_study(base=base, methods={"KD": {"policy.name": "fixed"}, "direct": {"policy.name": "direct"},
                                           "exam": {"policy.name": "exam"}}, feedback=["exam"], controls=["KD", "direct"])  # fmt: skip
    results = carried(study)
    assert len(inline.given) == 6 and all(row.state == "done" for row in results.rows.values())
    for row in results.rows.values():
        assert {"student/test/nll", "student_before_exam_texts/test/nll"} <= {*row.scores}
    written = {path.name for path in write_all(results, StudyFolder("tiny").path / "out")}
    assert {"controls.csv", "controls.md", "curves.parquet", "map.csv"} <= written
    report = (StudyFolder("tiny").path / "out" / "report.md").read_text("utf-8")
    assert f"exam{SUFFIX}" in report and "(the strongest control)" in report
