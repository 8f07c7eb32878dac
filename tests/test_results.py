"""What docs/results.md says is what the recorded studies found, and the README claims no more."""

from __future__ import annotations

import re
import runpy

import pytest

from ikd.study import StudyFolder, load_study, shipped_names, studies_here
from ikd.study.cells import config_of
from ikd.study.comparing import compared, sentences
from ikd.study.digests import added_settings, digest_of
from ikd.study.entries import fewest_seeds
from ikd.study.gaining import gaining_words
from ikd.study.results import Results, mean_table, read_results
from ikd.study.strongest import n_comparisons
from ikd.study.summary import summary
from ikd.study.telling import how_made, protocol
from ikd.study.writing import markdown
from ikd.trace.store import assets_root
from tests.conftest import REPOSITORY

NAMES = studies_here(assets_root())
RESULTS = REPOSITORY / "docs" / "results"
PAGE = (REPOSITORY / "docs" / "results.md").read_text("utf-8")
PLANNED = ("shifts", "shift-map", "real-shifts")
README = (REPOSITORY / "README.md").read_text("utf-8")


def section(name: str) -> str:
    """Return what the file of a study says."""
    return (RESULTS / f"{name}.md").read_text("utf-8")


def recorded(name: str) -> Results:
    return read_results(StudyFolder(name, assets_root()))


def test_studies_are_recorded_with_the_lab() -> None:
    assert {"quick", "built-in", "real"} <= set(NAMES) <= {"quick", "built-in", "real", *PLANNED}


@pytest.mark.parametrize("name", NAMES)
def test_every_verdict_table_and_circumstance_is_that_of_the_recorded_runs(name: str) -> None:
    results, said = recorded(name), section(name)
    for score in dict.fromkeys((results.study.score, "accuracy")):
        for verdicts in sentences(compared(results, [score]), score).values():
            for one in verdicts:
                assert f"- {one}\n" in said
    assert markdown(mean_table(results)) in said
    for line in (*protocol(results), *gaining_words(results), *how_made(results)):
        assert f"- {line}\n" in said
    assert said.count("- No difference") + said.count(" better than ") + said.count(" worse than ") > 5


@pytest.mark.parametrize("name", NAMES)
def test_the_page_says_of_a_study_what_its_lines_come_to(name: str) -> None:
    said = summary(recorded(name))
    assert len(said) > 1
    for line in said:
        assert f"- {line}\n" in PAGE
    assert f"(results/{name}.md)" in PAGE


def test_the_page_is_written_from_the_recorded_lines_and_claims_nothing_of_planned_studies() -> None:
    made = runpy.run_path(str(RESULTS / "make_page.py"))
    assert made["page"]() == PAGE and set(made["PLANS"]) == {*PLANNED}
    for name in PLANNED:
        line = next(line for line in PAGE.splitlines() if line.startswith(f"- `{name}` ([plan](studies/{name}.yaml)): "))
        assert line.endswith(made["PLANNED"]) == (name not in NAMES) and f"(results/{name}.md)" not in PAGE or name in NAMES
    known = {line for name in NAMES for line in summary(recorded(name))}
    assert {line for line in re.findall(r"^- (.*)$", PAGE, re.MULTILINE) if not line.startswith("`")} == known


@pytest.mark.parametrize("name", PLANNED)
def test_a_plan_can_be_carried_out_with_seeds_that_chose_nothing(name: str) -> None:
    study = load_study(str(REPOSITORY / "docs" / "studies" / f"{name}.yaml"))
    assert min(study.seeds) >= 200 and len(study.seeds) >= 5 and study.feedback and study.controls
    assert len(study.seeds) >= fewest_seeds(n_comparisons(study)), "with fewer nothing could be shown"
    assert (study.mapped() is not None) == (name == "shift-map")
    later = {path for path in added_settings() if path.startswith("task.")}
    assert name == "real-shifts" or all(later & {*own} for own in study.tasks.values()), "each has a shift"


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_study_is_the_one_that_is_shipped_or_written_down(name: str) -> None:
    source = name if name in shipped_names() else str(REPOSITORY / "docs" / "studies" / f"{name}.yaml")
    asked, made = load_study(source), recorded(name).study
    assert made.model_dump(exclude={"seeds"}) == asked.model_dump(exclude={"seeds"}) and {*made.seeds} <= {*asked.seeds}
    rows = recorded(name).rows
    assert all(row.state in ("done", "failed") for row in rows.values()) and len(rows) > 50


@pytest.mark.parametrize("name", ["built-in", "real"])
def test_a_recorded_run_keeps_its_hash_when_settings_are_added(name: str) -> None:
    """Guards that a new setting is listed in `ADDED`, so that a recorded study is still known as carried out."""
    results = recorded(name)
    study, rows = results.study, list(results.rows.values())
    plain = [row for row in rows if row.digest and not study.is_tuned(row.cell.method) and study.equal_compute_to(row.cell.method) is None]
    first = {(row.cell.task, row.cell.method): row for row in reversed(plain)}
    assert len(first) > 10
    assert [digest_of(config_of(study, row.cell, {})) for row in first.values()] == [row.digest for row in first.values()]


def test_the_readme_claims_no_more_than_the_verdicts() -> None:
    block = re.search(r"<!-- findings -->\n(.*?)<!-- /findings -->", README, re.DOTALL)
    assert block is not None
    claims = re.findall(r"^- (.*?)(?=^- |\Z)", block[1], re.MULTILINE | re.DOTALL)
    assert len(claims) > 3
    verdicts = {one for name in NAMES for score in (recorded(name).study.score, "accuracy")
                for several in sentences(compared(recorded(name), [score]), score).values() for one in several}  # fmt: skip
    for claim in claims:
        said = " ".join(claim.split()).partition("*: ")[2]
        assert said in verdicts, claim
