"""`pairs`: a premise and a hypothesis; entailment, neutral or contradiction.

The rule reads both sentences into facts (how many, who, with what, doing what, where, when) and compares them one by
one: the same, more general, added, or disjoint. Negation turns the comparison round, as logic does, and a hedge in
front of the premise ("perhaps") weakens it towards neutral. Both sentences are taken to be about the same scene.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from random import Random
from typing import NamedTuple

from ikd.errors import TaskError
from ikd.tasks.generated import Grammar, Text

LABELS = ("entailment", "neutral", "contradiction")

Relation = tuple[float, float, float]
"""How far a fact of the premise entails, leaves open and contradicts one of the hypothesis; sums to one."""

SAME: Relation = (1.0, 0.0, 0.0)
MORE_GENERAL: Relation = (0.95, 0.05, 0.0)
ADDED: Relation = (0.1, 0.9, 0.0)

NUMBERS = ("a", "two", "three", "some")
WHO = {"dog": "animal", "cat": "animal", "boy": "child", "girl": "child", "animal": "", "child": ""}
PLURALS = {"dogs": "dog", "cats": "cat", "boys": "boy", "girls": "girl", "animals": "animal", "children": "child"}
THINGS = {"with a red ball": "with a ball", "with a blue ball": "with a ball", "with a ball": ""}
ACTIONS = {"running": "moving", "walking": "moving", "sleeping": "resting", "sitting": "resting", "moving": "",
           "resting": ""}
PLACES = {"in the park": "outside", "in the garden": "outside", "in the kitchen": "inside", "in the hall": "inside",
          "outside": "", "inside": ""}
TIMES = {"in the morning": "", "in the evening": "", "at night": ""}
TREES = {"who": WHO, "thing": THINGS, "action": ACTIONS, "place": PLACES, "time": TIMES}
CLASHES = {"who": 1.0, "thing": 0.7, "action": 0.9, "place": 0.9, "time": 0.8}
"""How sure a contradiction is when two facts of this kind are disjoint."""

HEDGES = {"": 1.0, "perhaps ": 0.3, "probably ": 0.7}
CHANGES = (1, 3, 2, 3, 3, 2)
"""How often the number and each kind of fact is the one that differs."""

SHORTEST_WORDS = 6
NOT_TRUE = "it is not true that "


class Fact(NamedTuple):
    """What a sentence says; empty parts are left unsaid."""

    number: str
    who: str
    thing: str
    action: str
    place: str
    time: str


class Claim(NamedTuple):
    """A fact, whether it is denied, and how sure the speaker is of it."""

    fact: Fact
    denied: bool
    sureness: float


def write(random: Random) -> Text:
    """Draw one premise and one hypothesis."""
    premise = Fact(
        random.choice(NUMBERS[:3]),
        random.choice(tuple(WHO)[:4]),
        _sometimes(tuple(THINGS)[:2], 0.2, random),
        random.choice(tuple(ACTIONS)[:4]),
        random.choice(tuple(PLACES)[:4]),
        _sometimes(tuple(TIMES), 0.2, random),
    )
    hypothesis = _vary(premise, random)
    first = _wrap(premise, random.choices(("", "no", NOT_TRUE), (0.92, 0.04, 0.04))[0])
    second = _wrap(hypothesis, random.choices(("", "no", NOT_TRUE), (0.8, 0.1, 0.1))[0])
    hedge = random.choices(tuple(HEDGES), (0.8, 0.1, 0.1))[0]
    if first == second or len(first.split()) < SHORTEST_WORDS:
        return write(random)
    return _as_sentence(hedge + first), _as_sentence(second)


def _sometimes(phrases: tuple[str, ...], chance: float, random: Random) -> str:
    return random.choice(phrases) if random.random() < chance else ""


def _vary(fact: Fact, random: Random) -> Fact:
    """Return less of the fact, in more general words here and there and, two times out of three, one part changed."""
    parts = fact._asdict()
    changed = random.choices(("number", *TREES), CHANGES)[0] if random.random() < 0.67 else ""
    for part, tree in TREES.items():
        if parts[part] and random.random() < 0.3:
            parts[part] = tree[parts[part]] or parts[part]
        if part != "who" and random.random() < 0.6:
            parts[part] = ""
    if random.random() < 0.3:
        parts["number"] = "some"
    if changed:
        parts[changed] = _another(changed, fact, random)
    if not parts["action"] and not parts["place"]:
        parts["action"] = fact.action
    return Fact(**parts)


def _another(part: str, fact: Fact, random: Random) -> str:
    """Draw another value of one part, three times out of four from another branch than the premise's."""
    if part == "number":
        return random.choice(NUMBERS)
    tree, said = TREES[part], getattr(fact, part)
    far = [phrase for phrase in tree if _branch(phrase, tree) != _branch(said, tree)]
    return random.choice(far if far and random.random() < 0.75 else tuple(tree))


def _wrap(fact: Fact, denial: str) -> str:
    count = "no" if denial == "no" else fact.number
    plural = count != "a"
    who = next(many for many, one in PLURALS.items() if one == fact.who) if plural else fact.who
    article = "an" if count == "a" and fact.who[0] in "aeiou" else count
    words = (article, who, fact.thing, "are" if plural else "is", fact.action, fact.place, fact.time)
    return (NOT_TRUE if denial == NOT_TRUE else "") + " ".join(word for word in words if word)


def _as_sentence(words: str) -> str:
    return words[0].upper() + words[1:] + "."


def _either(phrases: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, phrases), key=len, reverse=True))


SENTENCE = re.compile(
    rf"(?P<hedge>perhaps |probably )?(?P<denial>{NOT_TRUE})?(?P<number>an?|no|{_either(NUMBERS)}) "
    rf"(?P<who>{_either(WHO | PLURALS)})( (?P<thing>{_either(THINGS)}))? (is|are)( (?P<action>{_either(ACTIONS)}))?"
    rf"( (?P<place>{_either(PLACES)}))?( (?P<time>{_either(TIMES)}))?"
)


def read(sentence: str) -> Claim:
    """Return what a sentence claims.

    Raises:
        TaskError: a sentence that `write` does not write.
    """
    match = SENTENCE.fullmatch(sentence.removesuffix(".").lower())
    if match is None:
        raise TaskError(f"The rule of the task 'pairs' cannot read {sentence!r}: the task does not write such a sentence.")
    said = {name: part or "" for name, part in match.groupdict().items()}
    count = {"an": "a", "no": "some"}.get(said["number"], said["number"])
    who = PLURALS.get(said["who"], said["who"])
    fact = Fact(count, who, said["thing"], said["action"], said["place"], said["time"])
    return Claim(fact, bool(said["denial"]) != (said["number"] == "no"), HEDGES[said["hedge"]])


def compare(premise: Fact, hypothesis: Fact) -> Relation:
    """Return how the premise's facts bear on the hypothesis's, taken together as independent."""
    relations = [_compare_numbers(premise.number, hypothesis.number)]
    for part, tree in TREES.items():
        relations.append(_compare_parts(getattr(premise, part), getattr(hypothesis, part), tree, CLASHES[part]))
    entails, compatible = 1.0, 1.0
    for relation in relations:
        entails *= relation[0]
        compatible *= 1.0 - relation[2]
    return entails, compatible - entails, 1.0 - compatible


def _compare_parts(premise: str, hypothesis: str, tree: dict[str, str], clash: float) -> Relation:
    if not hypothesis or premise == hypothesis:
        return SAME
    if hypothesis in _above(premise, tree):
        return MORE_GENERAL
    if not premise or premise in _above(hypothesis, tree):
        return ADDED
    return 0.0, 1.0 - clash, clash


def _above(phrase: str, tree: dict[str, str]) -> list[str]:
    found = []
    while phrase := tree.get(phrase, ""):
        found.append(phrase)
    return found


def _branch(phrase: str, tree: dict[str, str]) -> str:
    return _above(phrase, tree)[-1] if _above(phrase, tree) else phrase


def _compare_numbers(premise: str, hypothesis: str) -> Relation:
    if premise == hypothesis:
        return SAME
    if hypothesis in ("a", "some"):
        return MORE_GENERAL
    if premise == "some":
        return ADDED
    return 0.0, 0.2, 0.8


def relation(premise: Claim, hypothesis: Claim) -> Relation:
    """Return how a claim bears on another: denials by logic, hedges by weakening towards neutral."""
    if premise.denied:  # "not P" speaks against H only as far as H would entail P
        entails = compare(hypothesis.fact, premise.fact)[0]
        logical = (entails, 1.0 - entails, 0.0) if hypothesis.denied else (0.0, 1.0 - entails, entails)
    else:
        entails, leaves_open, contradicts = compare(premise.fact, hypothesis.fact)
        logical = (contradicts, leaves_open, entails) if hypothesis.denied else (entails, leaves_open, contradicts)
    sureness = premise.sureness
    return sureness * logical[0], 1.0 - sureness * (1.0 - logical[1]), sureness * logical[2]


def scores(text: str, text_pair: str | None) -> tuple[float, ...]:
    """Return (3,) scores: how far the premise entails, leaves open and contradicts the hypothesis."""
    return relation(read(text), read(text_pair or ""))


PAIRS = Grammar(name="pairs", label_names=LABELS, write=write, scores=scores, spread=0.68)
