"""The sentence for a name that is in no list."""

from __future__ import annotations

import pytest

from ikd.config import all_settings
from ikd.config.names import TASK_NAMES
from ikd.errors import nearest_names, unknown_name

POLICIES = ("annealed", "exam", "fixed", "mutual", "online")
PRESETS = ("anchored", "demo", "feedback", "quick")
SETTINGS = [one.path for one in all_settings()]


@pytest.mark.parametrize(("got", "names", "meant"), [
    ("nope", PRESETS, []), ("nope", POLICIES, []), ("x", POLICIES, []), ("", POLICIES, []), ("12", PRESETS, []),
    ("anchor", PRESETS, ["anchored"]), ("anchord", PRESETS, ["anchored"]), ("ANCHORED", PRESETS, ["anchored"]),
    ("exma", POLICIES, ["exam"]), ("exams", POLICIES, ["exam"]), ("fixd", POLICIES, ["fixed"]), ("onlin", POLICIES, ["online"]),
    ("reviws", TASK_NAMES, ["reviews"]), ("Reviews", TASK_NAMES, ["reviews"]), ("sst-2", TASK_NAMES, ["sst2"]), ("house", TASK_NAMES, []),
    ("objective.temprature", SETTINGS, ["objective.temperature"]), ("policy.exam_evry", SETTINGS, ["policy.exam_every"]),
    ("DK", ("KD", "exam"), ["KD"]), ("kd", ("KD", "exam"), ["KD"]), ("colour", ("cola", "color"), ["color"]),
    ("deb", ("train", "dev"), ["dev"]),
])  # fmt: skip
def test_only_names_that_are_really_alike_are_offered(got: str, names: list[str], meant: list[str]) -> None:
    found = nearest_names(got, names)
    assert found[:1] == meant
    assert all(name in names for name in found) and len(found) <= 3


def test_the_sentence_names_what_is_allowed() -> None:
    assert unknown_name("preset", "nope", PRESETS) == "Unknown preset 'nope'. Known: anchored, demo, feedback, quick."
    assert unknown_name("policy", "exma", POLICIES).startswith("Unknown policy 'exma'. Did you mean 'exam'? Known: ")
