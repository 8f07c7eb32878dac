"""Presets claim no more than the studies found, and each demo of Home is one of them."""

from __future__ import annotations

import pytest

from ikd.config import PRESETS, build_config
from ikd.config.presets import NOT_SHOWN
from ikd.study import StudyFolder, studies_here
from ikd.study.comparing import compared, sentences
from ikd.study.results import read_results
from ikd.trace.store import assets_root
from ikd.ui.home_view import DEMOS

STUDY = "shifts"
ABOUT_A_SHIFT = {name: one for name, one in PRESETS.items() if one.verdict}


def verdicts() -> set[str]:
    """Return every sentence of the recorded study; before it was carried out, that nothing is claimed."""
    if STUDY not in studies_here(assets_root()):
        return {NOT_SHOWN}
    results = read_results(StudyFolder(STUDY, assets_root()))
    return {said for score in (results.study.score, "accuracy")
            for several in sentences(compared(results, [score]), score).values() for said in several}  # fmt: skip


@pytest.mark.parametrize("name", ABOUT_A_SHIFT)
def test_a_preset_says_of_its_study_what_the_study_says(name: str) -> None:
    assert ABOUT_A_SHIFT[name].verdict in verdicts()


def test_there_is_a_preset_for_each_shift_and_its_study_is_told() -> None:
    shifts = {build_config(one.values).task.shift for one in ABOUT_A_SHIFT.values()}
    assert shifts == {"shortcut", "sources", "imbalance", "flips"}
    assert all(one.verdict or build_config(one.values).policy.name == "fixed" or build_config(one.values).task.shift == "none"
               for one in PRESETS.values())  # fmt: skip


def test_each_demo_says_what_went_wrong_who_notices_and_what_changes() -> None:
    assert [one.preset for one in DEMOS] == ["demo", "sources"]
    for one in DEMOS:
        assert one.preset in ABOUT_A_SHIFT
        assert [words in one.story for words in ("What went wrong", "Who notices", "What to watch")] == [True] * 3


def test_ordinary_distillation_is_the_first_demo_with_a_fixed_teacher() -> None:
    demo, ordinary = (build_config(PRESETS[name].values).model_dump() for name in ("demo", "ordinary"))
    assert ordinary["policy"].pop("name") == "fixed" and demo["policy"].pop("name") == "exam"
    assert ordinary == demo
