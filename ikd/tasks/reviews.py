"""`reviews`: one sentence about a film, a restaurant, a hotel or a phone; negative, neutral or positive.

The rule, after the sentiment calculus of Taboada et al. 2011 (SO-CAL): words have a graded polarity, intensifiers
multiply it, negation shifts it towards the other side, and the way two clauses are joined says which of them counts.
A class scores by how near the sentence's sentiment lies to the class's centre.
"""

from __future__ import annotations

from random import Random

from ikd.errors import TaskError
from ikd.tasks.generated import Grammar, Text

LABELS = ("negative", "neutral", "positive")
CENTRES = (-0.9, 0.0, 0.9)

GENERAL = {
    "excellent": 1.4, "wonderful": 1.3, "good": 0.9, "decent": 0.6, "average": 0.0,
    "weak": -0.6, "poor": -0.9, "terrible": -1.3, "awful": -1.4,
}
SPECIAL = {
    "gripping": 1.2, "clever": 0.9, "dull": -0.9, "delicious": 1.3, "fresh": 0.8, "bland": -0.8,
    "comfortable": 0.9, "quiet": 0.7, "dirty": -1.2, "friendly": 0.9, "fast": 0.8, "slow": -0.7, "rude": -1.2,
    "sharp": 0.9, "faulty": -1.1,
}
ADJECTIVES = GENERAL | SPECIAL

STORY = ("gripping", "clever", "dull")
TASTE = ("delicious", "fresh", "bland")
SLEEP = ("comfortable", "quiet", "dirty")
MANNERS = ("friendly", "rude", "fast", "slow")
DEVICE = ("faulty", "fast", "slow")
PICTURE = ("sharp", "faulty")
DOMAINS: tuple[dict[str, tuple[str, ...]], ...] = (
    {"plot": STORY, "acting": STORY, "ending": STORY, "dialogue": STORY, "trailer": STORY},
    {"food": TASTE, "soup": TASTE, "bread": TASTE, "service": MANNERS, "menu": ()},
    {"room": SLEEP, "bed": SLEEP, "breakfast": TASTE, "staff": MANNERS, "lobby": SLEEP},
    {"screen": PICTURE, "camera": PICTURE, "battery": DEVICE, "sound": (), "charger": DEVICE},
)

DEGREES = {"slightly": 0.5, "fairly": 0.8, "very": 1.3, "extremely": 1.5}
VERBS = {"loved": 1.4, "enjoyed": 1.0, "liked": 0.8, "disliked": -0.8, "hated": -1.4}
STEMS = {"love": 1.4, "enjoy": 1.0, "like": 0.8, "dislike": -0.8, "hate": -1.4}
NEGATION_SHIFT = 1.5
UNTRUE = -0.8
OPENERS = {"honestly, ": 1.0, "overall, ": 1.0, "to be fair, ": 1.0, "all in all, ": 1.0, "perhaps ": 0.6, "i suppose ": 0.6}
TAILS = (" on Friday", " last week", " this year", " this time", " when we tried it", " in our opinion")
SHORTEST_WORDS = 6


FORMS = {
    "{0}": 7,
    "{0}, and {1}": 1,
    "{0}, but {1}": 3,
    "{0}, although {1}": 3,
    "we expected that {0}, but in fact {1}": 2,
    "we had heard that {0}, and it is true": 1,
    "we had heard that {0}, but it is not true": 2,
}
"""How one or two clauses make a sentence, and how often."""


def write(random: Random) -> Text:
    """Draw one review."""
    domain = random.choice(DOMAINS)
    aspects = random.sample(sorted(domain), 2)
    form = random.choices(tuple(FORMS), tuple(FORMS.values()))[0]
    heard, plain = form.startswith("we had heard"), not form.startswith("we ")
    sentence = form.format(*(_write_clause(aspect, domain[aspect], random, negations=not heard) for aspect in aspects))
    if plain and random.random() < 0.4:
        sentence = random.choice(tuple(OPENERS)) + sentence
    if plain and (random.random() < 0.3 or len(sentence.split()) < SHORTEST_WORDS):
        sentence += random.choice(TAILS)
    return _as_sentence(sentence), None


def _write_clause(aspect: str, special: tuple[str, ...], random: Random, *, negations: bool) -> str:
    if random.random() < 0.2:
        if negations and random.random() < 0.4:
            return f"we did not {random.choice(tuple(STEMS))} the {aspect}"
        return f"we {random.choice(tuple(VERBS))} the {aspect}"
    adjective = random.choice(special if special and random.random() < 0.4 else tuple(GENERAL))
    return f"the {aspect} was {_write_manner(ADJECTIVES[adjective], random, negations=negations)}{adjective}"


def _write_manner(value: float, random: Random, *, negations: bool) -> str:
    """Draw the words before an adjective; people do not write "slightly awful" or "anything but average"."""
    if abs(value) < 0.1 or random.random() < 0.4:
        return ""
    manners = ["not ", "not ", "not ", "anything but "] if negations else [""]
    if abs(value) < 1.3:
        manners += [f"{degree} " for degree in DEGREES] + (["not very "] if negations else [])
    return random.choice(manners)


def _as_sentence(words: str) -> str:
    return words[0].upper() + words[1:] + "."


def sentiment(text: str) -> float:
    """Return the sentiment of a review, about -2 to 2, read from its text.

    Raises:
        TaskError: a text that `write` does not write.
    """
    words = text.removesuffix(".")
    words = words[:1].lower() + words[1:]
    tail = next((tail for tail in TAILS if words.endswith(tail)), "")
    words = words.removesuffix(tail)
    opener = next((opener for opener in OPENERS if words.startswith(opener)), "")
    return OPENERS.get(opener, 1.0) * _sentence(words.removeprefix(opener))


def _sentence(words: str) -> float:
    """Return the sentiment of the joined clauses: which of them counts depends on the words that join them."""
    if words.startswith("we expected that "):  # what was expected says nothing of what was found
        return _clause(words.split(", but in fact ")[1])
    if words.startswith("we had heard that "):
        claim = _clause(words.removeprefix("we had heard that ").split(", ")[0])
        return UNTRUE * claim if words.endswith("it is not true") else claim
    for join, first_weight in ((", although ", 0.75), (", but ", 0.25), (", and ", 0.5)):
        if join in words:
            return _weighted(words, join, first_weight)
    return _clause(words)


def _weighted(words: str, join: str, first_weight: float) -> float:
    first, second = words.split(join)
    return first_weight * _clause(first) + (1 - first_weight) * _clause(second)


def _clause(words: str) -> float:
    match words.split():
        case ["we", "did", "not", verb, "the", _] if verb in STEMS:
            value = negated(STEMS[verb])
        case ["we", verb, "the", _] if verb in VERBS:
            value = VERBS[verb]
        case ["the", _, "was", *manner, adjective] if adjective in ADJECTIVES:
            value = _adjective(manner, ADJECTIVES[adjective])
        case _:
            raise TaskError(f"The rule of the task 'reviews' cannot read {words!r}: the task does not write such a clause.")
    return value


def _adjective(manner: list[str], value: float) -> float:
    if manner == ["anything", "but"]:
        return -value
    if manner[:1] == ["not"]:
        return negated(_adjective(manner[1:], value))
    return value * DEGREES[manner[0]] if manner else value


def negated(value: float) -> float:
    """Return the shifted value: "not good" is rather bad, "not wonderful" says little, "not terrible" too."""
    return value - NEGATION_SHIFT if value > 0 else value + NEGATION_SHIFT


def scores(text: str, text_pair: str | None = None) -> tuple[float, ...]:
    """Return (3,) scores: minus the squared distance between the sentiment and each class's centre."""
    value = sentiment(text)
    return tuple(-((value - centre) ** 2) for centre in CENTRES)


REVIEWS = Grammar(name="reviews", label_names=LABELS, write=write, scores=scores, spread=0.6)
