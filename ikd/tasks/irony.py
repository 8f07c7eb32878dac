"""`irony`: one sentence of small talk; meant literally, or ironic.

The rule: a remark is ironic when what is said and what happened point in different directions ("Wonderful, the train
is late again"). How strongly depends on both, on negation, on the occasion and on markers such as a hashtag.
"""

from __future__ import annotations

from random import Random

from ikd.errors import TaskError
from ikd.tasks.generated import Grammar, Text

LABELS = ("literal", "ironic")

REMARKS = {
    "wonderful": 1.2, "great": 1.0, "lovely": 1.0, "how nice": 0.9, "what a joy": 1.2, "just perfect": 1.3,
    "lucky me": 0.8, "what a shame": -0.8, "how sad": -0.8, "terrible": -1.1, "what a disaster": -1.3, "bad news": -0.7,
}
"""What is said, before or after what happened; negative remarks on good things are rarer as irony and weigh less."""

FEELINGS = {
    "I love it when": 1.2, "I am so happy that": 1.1, "it is nice that": 0.8,
    "I hate it when": -1.2, "I am sad that": -0.9, "it is a pity that": -0.8,
}
EVENTS = {
    "the train": {"is late": -1.0, "is full": -0.7, "is on time": 0.9},
    "the bus": {"is late": -1.0, "is empty": 0.6, "is on time": 0.9},
    "the coffee": {"is cold": -0.8, "is free": 1.0, "tastes of soap": -1.1},
    "the soup": {"is cold": -0.8, "is delicious": 1.0, "tastes of soap": -1.1},
    "my boss": {"shouts at me": -1.2, "thanks me": 1.0, "forgets my name": -0.9},
    "my sister": {"shouts at me": -1.1, "helps me": 1.0, "forgets my name": -0.9},
    "the printer": {"is broken": -1.0, "eats my paper": -1.1, "works": 0.8},
    "my phone": {"is broken": -1.1, "is charged": 0.7, "works": 0.8},
    "the weather": {"is awful": -1.0, "is fine": 0.8, "is mild": 0.6},
    "my neighbour": {"plays the drums": -0.9, "helps me": 1.0, "brings us cake": 1.1},
    "my team": {"loses": -0.8, "wins": 1.1, "thanks me": 1.0},
}
POSITIVE_FORMS = {
    "is not": "is", "does not taste": "tastes", "does not shout": "shouts", "does not thank": "thanks",
    "does not forget": "forgets", "does not help": "helps", "does not eat": "eats", "does not work": "works",
    "does not play": "plays", "does not bring": "brings", "does not lose": "loses", "does not win": "wins",
}
NEGATIVE_FORMS = {positive: negative for negative, positive in POSITIVE_FORMS.items()}
NEGATION = -0.8

OCCASIONS = {
    " today": 1.0, " again": 1.2, " on my birthday": 1.4, " on Monday": 1.1, " at midnight": 1.1, " for once": 0.9,
    " this week": 1.0, "": 1.0,
}
MARKERS = {
    "": 0.0, ", exactly what I needed": 0.35, ", as always": 0.25, ", thank you so much": 0.2, " #sarcasm": 0.7,
    " #fun": 0.3, ", and I mean it": -0.6, ", no joke": -0.4, " #grateful": -0.2, " #honest": -0.5,
}


def write(random: Random) -> Text:
    """Draw one remark."""
    event = _write_event(random)
    marker = random.choice(tuple(MARKERS))
    form = random.randrange(3)
    if form == 0:
        sentence = f"{random.choice(tuple(REMARKS))}, {event}{marker}"
    elif form == 1:
        sentence = f"{event}, {random.choice(tuple(REMARKS))}{marker}"
    else:
        sentence = f"{random.choice(tuple(FEELINGS))} {event}{marker}"
    stop = "" if " #" in sentence else "."
    return sentence[0].upper() + sentence[1:] + stop, None


def _write_event(random: Random) -> str:
    who = random.choice(tuple(EVENTS))
    what = random.choice(tuple(EVENTS[who]))
    if random.random() < 0.3:
        verb, *rest = what.split()
        what = " ".join((NEGATIVE_FORMS[verb], *rest))
    return f"{who} {what}{random.choice(tuple(OCCASIONS))}"


def contrast(text: str) -> float:
    """Return how ironic a remark is, read from its text: above zero ironic, below zero literal; about -2 to 2.

    Raises:
        TaskError: a text that `write` does not write.
    """
    words = text.removesuffix(".")
    marker = next((marker for marker in MARKERS if marker and words.endswith(marker)), "")
    said, happened = _said_and_happened(words.removesuffix(marker))
    clash = -said * happened
    if said < 0:
        clash *= 0.7
    return clash + MARKERS[marker]


def _said_and_happened(words: str) -> tuple[float, float]:
    lower = words[:1].lower() + words[1:]
    for feeling, said in FEELINGS.items():
        if lower.startswith(feeling[0].lower() + feeling[1:] + " "):
            return said, _event(lower[len(feeling) + 1 :])
    for remark, said in REMARKS.items():
        if lower.startswith(remark + ", "):
            return said, _event(lower.removeprefix(remark + ", "))
        if lower.endswith(", " + remark):
            return said, _event(lower.removesuffix(", " + remark))
    raise TaskError(f"The rule of the task 'irony' cannot read {words!r}: the task does not write such a remark.")


def _event(words: str) -> float:
    occasion = next((occasion for occasion in OCCASIONS if occasion and words.endswith(occasion)), "")
    words = words.removesuffix(occasion)
    who = next((who for who in EVENTS if words.startswith(who + " ")), "")
    what = words.removeprefix(who + " ")
    factor = OCCASIONS[occasion]
    for negative, positive in POSITIVE_FORMS.items():
        if what == negative or what.startswith(negative + " "):
            what, factor = positive + what.removeprefix(negative), factor * NEGATION
    if what not in EVENTS.get(who, {}):
        raise TaskError(f"The rule of the task 'irony' cannot read {words!r}: the task does not write of such an event.")
    return factor * EVENTS[who][what]


def scores(text: str, text_pair: str | None = None) -> tuple[float, ...]:
    """Return (2,) scores: minus and plus the contrast."""
    value = contrast(text)
    return -value, value


IRONY = Grammar(name="irony", label_names=LABELS, write=write, scores=scores, spread=1.9)
