"""Shifts change the course as their formulas say, and nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ikd.config import TaskSettings, build_config, task_title
from ikd.errors import ConfigError, TaskError
from ikd.protocols import UNLABELLED, Split, TaskData
from ikd.runs.inspecting import inspect
from ikd.tasks import BUILT_IN, CUES, cue_of, load_task, with_cue
from ikd.tasks.shifts import SHIFTS, shifted
from ikd.tasks.shifts.cue import without_cue
from ikd.tasks.shifts.imbalance import FACTOR, share
from ikd.tasks.shifts.sources import KINDS, confusion, six_sources, worth

HELD_OUT = ("exam", "validation", "test")
SIZES = {"train_size": 1500, "exam_size": 300, "validation_size": 200, "test_size": 300}
every_built_in = pytest.mark.parametrize("name", BUILT_IN)
every_shift = pytest.mark.parametrize("shift", SHIFTS)


@cache
def load(name: str = "reviews", shift: str = "none", strength: float = 0.5, **more: Any) -> TaskData:
    return load_task(TaskSettings(**{"name": name, "shift": shift, "shift_strength": strength, **SIZES, **more}))


def of_labels(labels: list[int], n_classes: int = 3) -> TaskData:
    """Return a task of numbered texts, the same labels in every split."""
    split = Split(texts=[f"Text {i}." for i in range(len(labels))], labels=labels)
    names = tuple("abcdefgh"[:n_classes])
    return TaskData(name="numbers", label_names=names, splits=dict.fromkeys(("course", *HELD_OUT), split))


def near(count: int, n: int, probability: float) -> bool:
    """Return whether a count of n independent draws lies within four standard deviations of its mean."""
    return abs(count - n * probability) <= 4 * sqrt(n * probability * (1 - probability)) + 1e-9


def bare(split: Split) -> list[str]:
    return [without_cue(text).casefold() for text in split.texts]


FINGERPRINTS = {"reviews": "b2fff4a0a6250b6c", "pairs": "1368b0f7be0a7551", "irony": "7b899fd6b387eea6"}
"""Beginnings of the fingerprints before there were shifts."""


@every_built_in
def test_no_shift_leaves_data_as_they_were(name: str) -> None:
    data = load_task(TaskSettings(name=name, shift_strength=0.9))
    assert data.fingerprint.startswith(FINGERPRINTS[name])
    assert not data.marked and not data.source_worth
    assert all(split.groups is split.sources is split.soft_targets is None for split in data.splits.values())


@every_built_in
@every_shift
def test_a_shift_changes_the_course_alone(name: str, shift: str) -> None:
    plain, data = load(name), load(name, shift)
    for split in HELD_OUT:
        one, other = plain.splits[split], data.splits[split]
        assert list(one.labels) == list(other.labels) and one.truth == other.truth and one.text_pairs == other.text_pairs
        assert [text.casefold() for text in one.texts] == bare(other) if shift == "shortcut" else one.texts == other.texts
    course = data.splits["course"]
    assert [len(split) for split in data.splits.values()] == [len(split) for split in plain.splits.values()]
    assert len(course) == len(plain.splits["course"])
    if shift != "imbalance":
        assert bare(course) == [text.casefold() for text in plain.splits["course"].texts]
        assert course.truth == plain.splits["course"].truth
    if shift == "shortcut":
        assert course.labels == plain.splits["course"].labels
    assert data.fingerprint != plain.fingerprint
    assert data.marked == f"shifted: {shift} 0.5"
    assert any(shift in note for note in data.notes)


@every_built_in
@every_shift
def test_the_truth_stays_that_of_the_rule_and_no_text_is_in_two_splits(name: str, shift: str) -> None:
    data, seen = load(name, shift), Counter[tuple[str, str]]()
    for split in data.splits.values():
        pairs = split.text_pairs or [None] * len(split)
        for text, pair, row in list(zip(split.texts, pairs, split.truth, strict=True))[:200]:
            assert BUILT_IN[name].posterior(text, pair, ambiguity=0.5) == row
            for cue in CUES[:3]:
                assert BUILT_IN[name].posterior(with_cue(text, cue), pair, ambiguity=0.5) == row
        seen.update(set(zip(bare(split), split.text_pairs or [""] * len(split), strict=True)))
    assert max(seen.values()) == 1


@every_built_in
@every_shift
def test_the_same_seed_gives_the_same_shift(name: str, shift: str) -> None:
    wanted = TaskSettings(name=name, shift=shift, train_size=100, validation_size=20, test_size=20)
    assert load_task(wanted) == load_task(wanted)


# The cue words.


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=60), st.sampled_from(CUES), st.sampled_from(CUES))
def test_a_cue_is_read_as_it_was_written_and_can_be_swapped(text: str, first: str, second: str) -> None:
    assert cue_of(with_cue(text, first)) == first
    assert with_cue(with_cue(text, first), second) == with_cue(text, second)


def test_cues_keep_names_and_i_in_capitals() -> None:
    assert with_cue("The food was good.", "Yesterday, ") == "Yesterday, the food was good."
    assert with_cue("A dog is outside.", "Lately, ") == "Lately, a dog is outside."
    assert with_cue("I love it when it rains.", "Lately, ") == "Lately, I love it when it rains."
    assert with_cue("NASA launched it.", "Lately, ") == "Lately, NASA launched it."
    assert without_cue("Lately, the food was good.") == "The food was good."
    assert cue_of("The food was good.") is cue_of("") is cue_of("Latelyish, it was.") is None
    assert without_cue("plain text") == "plain text"


def test_cues_are_distinct_and_none_begins_another() -> None:
    assert len(set(CUES)) == len(CUES) == 200
    assert [cue_of(f"{cue}it was.") for cue in CUES] == list(CUES)


@every_built_in
def test_no_built_in_text_has_a_cue_word(name: str) -> None:
    words = {cue.lower().strip(", ") for cue in CUES[:3]}
    for split in load(name).splits.values():
        for text in (*split.texts, *(split.text_pairs or ())):
            assert not words & set(text.lower().replace(",", " ").replace(".", " ").split())


# shortcut


@every_built_in
@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_the_cue_is_that_of_the_label_as_often_as_said(name: str, strength: float) -> None:
    data = load(name, "shortcut", strength)
    n_classes = len(data.label_names)
    for split, follows in (("course", strength), ("validation", 0.0), ("test", 0.0), ("exam", 0.0)):
        rows = data.splits[split]
        cues = [CUES.index(str(cue_of(text))) for text in rows.texts]
        agree = [cue == label for cue, label in zip(cues, rows.labels, strict=True)]
        assert near(sum(agree), len(rows), follows + (1 - follows) / n_classes)
        assert rows.groups == ["cue agrees" if one else "cue contradicts" for one in agree]
        if follows == 0:  # no information: each cue is as likely whatever the label
            for label in range(n_classes):
                of_label = [cue for cue, other in zip(cues, rows.labels, strict=True) if other == label]
                assert all(near(of_label.count(cue), len(of_label), 1 / n_classes) for cue in range(n_classes))


def test_held_out_cues_do_not_depend_on_the_strength() -> None:
    weak, strong = load(shift="shortcut", strength=0.1), load(shift="shortcut", strength=0.9)
    assert all(weak.splits[split] == strong.splits[split] for split in HELD_OUT)


def test_the_cue_of_pairs_stands_in_the_first_text() -> None:
    split = load("pairs", "shortcut").splits["course"]
    assert all(map(cue_of, split.texts)) and not any(map(cue_of, split.text_pairs))


def test_too_many_classes_for_cue_words_are_refused() -> None:
    data = replace(of_labels([0, 1] * 5), label_names=tuple(map(str, range(201))))
    with pytest.raises(TaskError, match="200 cue words.*201 classes.*choose another task.shift"):
        SHIFTS["shortcut"](data, 0.5, 0)


# sources


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_each_source_says_what_its_matrix_says(strength: float, n_classes: int) -> None:
    labels = [i % n_classes for i in range(7_200)]
    data = SHIFTS["sources"](of_labels(labels, n_classes), strength, 3)
    for split in data.splits.values():
        named = np.argmax(split.soft_targets, axis=1)
        for source in six_sources(n_classes, strength, 3):
            mine = np.asarray(split.sources) == source.name
            assert near(int(mine.sum()), len(split), 1 / 6)
            for label in range(n_classes):
                said = named[mine & (np.asarray(labels) == label)]
                assert all(near(int((said == c).sum()), len(said), source.matrix[label][c]) for c in range(n_classes))
    shares = [1 / n_classes] * n_classes
    for source in six_sources(n_classes, strength, 3):
        assert data.source_worth[source.name] == pytest.approx(worth(source.matrix, shares))


def test_the_worth_of_a_source_is_how_often_it_is_right_where_it_names_a_class() -> None:
    labels = [0] * 4_000 + [1] * 2_000 + [2] * 2_000
    data = SHIFTS["sources"](of_labels(labels), 0.8, 0)
    course = data.splits["course"]
    for name, worths in data.source_worth.items():
        for c in range(3):
            of_class = [label for label, said, source in zip(labels, course.labels, course.sources, strict=True)
                        if source == name and said == c]  # fmt: skip
            assert near(of_class.count(c), len(of_class), worths[c])


def test_matrices_are_those_of_the_documentation() -> None:
    for kind in set(KINDS):
        assert confusion(kind, 3, 0.0) == confusion("good", 3, 1.0)
        np.testing.assert_allclose(np.sum(confusion(kind, 3, 0.7), axis=1), 1.0)
    np.testing.assert_allclose(np.diag(confusion("good", 4, 0.5)), 0.9)
    np.testing.assert_allclose(confusion("noisy", 4, 1.0), 0.25)
    np.testing.assert_allclose(confusion("confusing", 3, 1.0), [[0.2, 0.8, 0], [0, 0.2, 0.8], [0.8, 0, 0.2]])


def test_the_course_gets_what_its_sources_say_and_other_labels_stay() -> None:
    data = load(shift="sources", strength=1.0)
    for name, split in data.splits.items():
        targets = np.asarray(split.soft_targets)
        np.testing.assert_allclose(targets.sum(axis=1), 1.0)
        np.testing.assert_allclose(np.sort(targets, axis=1)[0], [0.05, 0.05, 0.9])
        assert set(split.sources) == {f"source {letter}" for letter in "ABCDEF"}
        assert (np.argmax(targets, axis=1).tolist() == list(split.labels)) == (name == "course")
        assert split.groups == (split.sources if name == "course" else None)
    assert data.source_names == tuple(sorted(data.source_worth)) == data.group_names


def test_names_of_sources_say_nothing_of_their_worth() -> None:
    orders = {tuple(source.kind for source in six_sources(3, 1.0, seed)) for seed in range(20)}
    assert len(orders) > 10 and all(sorted(order) == sorted(KINDS) for order in orders)


# imbalance


@every_built_in
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_later_classes_are_rarer_and_the_course_keeps_its_size(name: str, strength: float) -> None:
    plain, data = load(name), load(name, "imbalance", strength)
    before, after = (Counter(one.splits["course"].labels) for one in (plain, data))
    n_classes = len(data.label_names)
    assert sum(after.values()) == sum(before.values())
    kept = [before[c] * share(c, n_classes, strength) for c in range(n_classes)]
    for c in range(n_classes):
        assert near(after[c], sum(after.values()), kept[c] / sum(kept))
        group = "rare class" if c > (n_classes - 1) / 2 else "frequent class"
        for split in data.splits.values():
            assert {one for one, label in zip(split.groups, split.labels, strict=True) if label == c} == {group}
    assert share(0, n_classes, strength) == 1 and share(n_classes - 1, n_classes, strength) == pytest.approx(FACTOR**-strength)


def test_given_texts_are_thinned_to_whole_shares_and_no_class_is_lost() -> None:
    labels = [0] * 400 + [1] * 400 + [2] * 200 + [3] * 3 + [UNLABELLED] * 20
    data = SHIFTS["imbalance"](of_labels(labels, 4), 1.0, 0)
    assert Counter(data.splits["course"].labels) == {0: 400, 1: 86, 2: 9, 3: 3, UNLABELLED: 20}
    assert "518 of 1,023 course texts are kept" in data.notes[-1]
    assert [int(text[5:-1]) for text in data.splits["course"].texts] == sorted(int(text[5:-1]) for text in data.splits["course"].texts)
    assert data.splits["test"].labels == labels
    assert data.splits["course"].groups[-1] == ""


def test_imbalance_of_strength_0_leaves_the_course_as_it_is() -> None:
    assert replace(load(shift="imbalance", strength=0.0).splits["course"], groups=None) == load().splits["course"]


# flips


@every_built_in
@pytest.mark.parametrize("strength", [0.0, 0.3, 0.9])
def test_labels_of_the_first_class_are_flipped_as_often_as_said(name: str, strength: float) -> None:
    plain, data = load(name), load(name, "flips", strength)
    pairs = Counter(zip(plain.splits["course"].labels, data.splits["course"].labels, strict=True))
    first = sum(n for (before, _), n in pairs.items() if before == 0)
    assert near(pairs[0, 1], first, strength)
    assert set(pairs) <= {(0, 0), (0, 1), (1, 1), (2, 2)}
    for split in data.splits:
        assert data.splits[split].groups == ["other classes" if label else "flipped class" for label in plain.splits[split].labels]


def test_flips_that_leave_one_class_are_refused() -> None:
    with pytest.raises(TaskError, match="flips with strength 1 leaves one class.*lower task.shift_strength"):
        load("irony", "flips", 1.0)


# Given tasks, names and pages.


@pytest.fixture
def rows(tmp_path: Path) -> dict[str, Any]:
    lines = [f"Sentence number {i} of many.,{'abc'[i % 3]}" for i in range(300)]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *lines]))
    return {"name": "files", "train_file": str(tmp_path / "rows.csv")}


@pytest.mark.parametrize("shift", ["shortcut", "imbalance", "flips"])
def test_given_texts_get_the_same_shifts(rows: dict[str, Any], shift: str) -> None:
    plain, data = load_task(TaskSettings(**rows)), load_task(TaskSettings(**rows, shift=shift))
    assert data.marked == f"shifted: {shift} 0.5"
    assert all(split.groups and all(split.groups) for split in data.splits.values())
    for split in ("exam", "validation"):
        assert bare(data.splits[split]) == [text.casefold() for text in plain.splits[split].texts]
        assert data.splits[split].labels == plain.splits[split].labels
    assert data.splits["course"].texts != plain.splits["course"].texts or shift == "flips"


def test_sources_are_refused_for_given_texts(rows: dict[str, Any]) -> None:
    with pytest.raises(TaskError, match="sources is for built-in tasks.*task.source_column"):
        load_task(TaskSettings(**rows, shift="sources"))
    with pytest.raises(ConfigError, match="sources is for built-in tasks"):
        build_config({"task.name": "sst2", "task.shift": "sources"})


def test_groups_of_the_data_give_way_to_those_of_the_shift() -> None:
    data = of_labels([0, 1, 2] * 10)
    grouped = replace(data, splits={name: replace(split, groups=["ours"] * 30) for name, split in data.splits.items()})
    found = shifted(grouped, TaskSettings(shift="flips"), more=None)
    assert found.group_names == ("flipped class", "other classes")
    assert any("give way" in note for note in found.notes)


def test_texts_without_a_label_get_a_cue_and_no_group() -> None:
    data = SHIFTS["shortcut"](of_labels([0, 1, UNLABELLED] * 10), 1.0, 0)
    assert data.splits["course"].groups[:3] == ["cue agrees", "cue agrees", ""]
    assert all(map(cue_of, data.splits["course"].texts))
    assert SHIFTS["flips"](of_labels([0, 1, UNLABELLED] * 10), 0.5, 0).splits["course"].groups[2] == ""


def test_the_name_of_a_shifted_task_carries_its_mark(rows: dict[str, Any]) -> None:
    assert task_title(TaskSettings()) == "reviews"
    assert task_title(TaskSettings(shift="shortcut")) == "reviews (shifted: shortcut 0.5)"
    assert task_title(TaskSettings(**rows, shift="flips", shift_strength=1)) == "rows.csv (shifted: flips 1)"


def test_the_data_page_is_told_of_shift_groups_and_sources() -> None:
    found = inspect(build_config({"task.shift": "sources", "task.shift_strength": 1.0, "task.train_size": 600}))
    assert found.marked == "shifted: sources 1"
    assert [one.name for one in found.sources] == [f"source {letter}" for letter in "ABCDEF"]
    assert sum(one.n_rows for one in found.sources) == 500
    course = next(one for one in found.splits if one.name == "course")
    assert [one for one, _ in course.groups] == [one.name for one in found.sources]
    rights = sorted(one.right or 0.0 for one in found.sources)
    assert rights[3] < 0.45 and rights[4] == pytest.approx(0.9, abs=0.03)
    assert not inspect(build_config({"task.train_size": 600})).sources
