"""The generated tasks: their posterior is a function of the text alone, and it is as unsure as was asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from ikd.config import TaskSettings
from ikd.errors import TaskError
from ikd.protocols import Split
from ikd.tasks import BUILT_IN, best_accuracy, load_task
from ikd.tasks.irony import contrast
from ikd.tasks.pairs import compare, read, relation
from ikd.tasks.reviews import sentiment

every_built_in = pytest.mark.parametrize("name", BUILT_IN)


def sizes(name: str, **more: object) -> TaskSettings:
    return TaskSettings(**{"name": name, "train_size": 600, "validation_size": 100, "test_size": 300, **more})


def words_of(split: Split) -> list[list[str]]:
    texts = [*split.texts, *(split.text_pairs or ())]
    return [text.lower().replace(",", " ").replace(".", " ").split() for text in texts]


@every_built_in
def test_the_default_sizes_are_those_of_the_documentation(name: str) -> None:
    splits = load_task(TaskSettings(name=name)).splits
    assert {split: len(rows) for split, rows in splits.items()} == {
        "course": 2500, "exam": 500, "validation": 500, "test": 1000
    }


@every_built_in
def test_truth_can_be_computed_from_the_text_alone(name: str) -> None:
    for split in load_task(sizes(name, ambiguity=0.7)).splits.values():
        for i, text in enumerate(split.texts):
            second = split.text_pairs[i] if split.text_pairs else None
            assert BUILT_IN[name].posterior(text, second, ambiguity=0.7) == split.truth[i]


@every_built_in
def test_labels_follow_the_posterior(name: str) -> None:
    """Each class is as frequent as its probabilities say, within four standard deviations of the exact sampling."""
    split = load_task(TaskSettings(name=name)).splits["course"]
    truth = np.asarray(split.truth)
    counts = np.bincount(split.labels, minlength=truth.shape[1])
    deviation = np.sqrt((truth * (1 - truth)).sum(axis=0))
    assert (np.abs(counts - truth.sum(axis=0)) < 4 * deviation).all()


@every_built_in
@pytest.mark.parametrize(("ambiguity", "lowest", "highest"), [(0.0, 0.975, 1.0), (0.5, 0.79, 0.86), (1.0, 0.6, 0.72)])
def test_ambiguity_sets_the_best_possible_accuracy(name: str, ambiguity: float, lowest: float, highest: float) -> None:
    data = load_task(TaskSettings(name=name, ambiguity=ambiguity))
    assert lowest <= best_accuracy(data.splits["test"]) <= highest


@every_built_in
def test_ambiguity_changes_labels_but_no_text(name: str) -> None:
    clear, doubtful = load_task(sizes(name, ambiguity=0.0)), load_task(sizes(name, ambiguity=1.0))
    for split in clear.splits:
        assert clear.splits[split].texts == doubtful.splits[split].texts
    assert clear.splits["course"].labels != doubtful.splits["course"].labels


@every_built_in
def test_another_training_size_leaves_the_other_splits_alone(name: str) -> None:
    small, large = load_task(sizes(name, exam_size=50)), load_task(sizes(name, exam_size=50, train_size=900))
    for split in ("exam", "validation", "test"):
        assert small.splits[split] == large.splits[split]


@every_built_in
def test_texts_are_short_readable_sentences_of_few_words(name: str) -> None:
    splits = load_task(TaskSettings(name=name)).splits.values()
    sentences = [words for split in splits for words in words_of(split)]
    assert len({word for words in sentences for word in words}) < 300
    assert max(map(len, sentences)) <= 22
    for split in splits:
        assert all(text[0].isupper() and "  " not in text for text in split.texts)


@every_built_in
def test_no_class_is_rare(name: str) -> None:
    data = load_task(TaskSettings(name=name))
    counts = Counter(data.splits["course"].labels)
    assert min(counts.values()) > 0.6 * len(data.splits["course"]) / len(data.label_names)


@every_built_in
def test_single_words_say_much_less_than_the_rule(name: str) -> None:
    """A softmax regression on word counts, fitted to the exact posteriors, stays well below the rule."""
    splits = load_task(TaskSettings(name=name, ambiguity=0.0)).splits
    course, test = splits["course"], splits["test"]
    vocabulary = sorted({word for words in words_of(course) for word in words})
    inputs, unseen = _word_counts(course, vocabulary), _word_counts(test, vocabulary)
    weights, truth = np.zeros((inputs.shape[1], len(course.truth[0]))), np.asarray(course.truth)
    for _ in range(300):
        logits = inputs @ weights
        share = np.exp(logits - logits.max(axis=1, keepdims=True))
        share /= share.sum(axis=1, keepdims=True)
        weights -= 1.0 * (inputs.T @ (share - truth) / len(inputs) + 1e-3 * weights)
    right = np.argmax(unseen @ weights, axis=1) == np.asarray(test.labels)
    assert right.mean() < best_accuracy(test) - 0.2


def _word_counts(split: Split, vocabulary: list[str]) -> np.ndarray:
    """Return (n, V) or, for pairs, (n, 2 V) word counts, first and second text apart."""
    place = {word: i for i, word in enumerate(vocabulary)}
    rows = words_of(split)
    counts = np.zeros((len(rows), len(vocabulary)))
    for i, words in enumerate(rows):
        for word in words:
            if word in place:
                counts[i, place[word]] += 1
    return counts if split.text_pairs is None else np.hstack([counts[: len(split)], counts[len(split) :]])


def test_the_rule_of_reviews_composes() -> None:
    assert sentiment("The food was good on Friday.") == pytest.approx(0.9)
    assert sentiment("Perhaps the food was good.") == pytest.approx(0.6 * 0.9)
    assert sentiment("The food was very good this time.") == pytest.approx(1.3 * 0.9)
    assert sentiment("The food was not good last week.") == pytest.approx(0.9 - 1.5)
    assert sentiment("The food was good, but the soup was awful.") == pytest.approx(0.25 * 0.9 - 0.75 * 1.4)
    assert sentiment("The food was good, although the soup was awful.") == pytest.approx(0.75 * 0.9 - 0.25 * 1.4)
    assert sentiment("We expected that the food was good, but in fact the soup was awful.") == pytest.approx(-1.4)
    assert sentiment("We had heard that the food was good, but it is not true.") == pytest.approx(-0.8 * 0.9)
    assert sentiment("We had heard that we hated the food, and it is true.") == pytest.approx(-1.4)


def test_the_rule_of_irony_sets_what_is_said_against_what_happened() -> None:
    assert contrast("Great, the train is late again, exactly what I needed.") == pytest.approx(1.2 + 0.35)
    assert contrast("The train is on time today, great.") == pytest.approx(-0.9)
    assert contrast("Great, the train is not late today.") == pytest.approx(-0.8)
    assert contrast("I hate it when the coffee is free #sarcasm") == pytest.approx(0.7 * 1.2 + 0.7)


def test_the_rule_of_pairs_compares_facts_and_obeys_logic() -> None:
    two_dogs = read("Two dogs are running in the park at night.")
    assert compare(two_dogs.fact, two_dogs.fact) == (1.0, 0.0, 0.0)
    general, denied = read("Some animals are moving outside."), read("No animals are moving outside.")
    entails, leaves_open, contradicts = relation(two_dogs, general)
    assert entails > 0.7 and contradicts == 0.0
    assert relation(two_dogs, denied) == pytest.approx((contradicts, leaves_open, entails))
    assert relation(general, two_dogs)[1] > 0.8
    assert relation(denied, two_dogs)[2] == pytest.approx(entails)
    assert relation(two_dogs, read("Two dogs are running in the kitchen at night."))[2] == pytest.approx(0.9)
    assert relation(read("Perhaps two dogs are running in the park."), read("Some dogs are running."))[1] > 0.6


@every_built_in
def test_a_text_the_grammar_does_not_write_is_refused_in_a_sentence(name: str) -> None:
    for text in ("", "Hello there.", "The food.", "Great, the moon is late."):
        with pytest.raises(TaskError, match="cannot read"):
            BUILT_IN[name].posterior(text, "Hello.", ambiguity=0.5)


def test_texts_do_not_depend_on_the_hash_seed() -> None:
    code = (
        "from ikd.config import TaskSettings; from ikd.tasks import load_task\n"
        "for name in ('reviews', 'pairs', 'irony'):\n"
        "    print(load_task(TaskSettings(name=name, train_size=60, validation_size=10, test_size=10)).fingerprint)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    printed = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    here = [load_task(sizes(name, train_size=60, validation_size=10, test_size=10)).fingerprint for name in BUILT_IN]
    assert printed.stdout.split() == here


def test_too_many_texts_are_refused_with_the_most_that_can_be_had() -> None:
    with pytest.raises(TaskError, match="at most 50000.*at most 48500 training"):
        load_task(TaskSettings(name="reviews", train_size=60_000))


def test_an_exam_that_leaves_no_course_is_refused() -> None:
    with pytest.raises(TaskError, match="exam examples leave"):
        load_task(TaskSettings(name="reviews", train_size=100, exam_size=96))


@pytest.mark.parametrize("train_size", [10, 50])
def test_small_training_sizes_get_a_small_exam(train_size: int) -> None:
    splits = load_task(TaskSettings(name="irony", train_size=train_size)).splits
    assert len(splits["course"]) + len(splits["exam"]) == train_size


def test_best_accuracy_needs_a_known_posterior() -> None:
    with pytest.raises(TaskError, match="built-in"):
        best_accuracy(Split(texts=["a"], labels=[0]))
