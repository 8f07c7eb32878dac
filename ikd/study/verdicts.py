"""What a comparison of two methods shows, in plain words, and no more than that.

- "better" and "worse": the exact sign-flip test, Holm-corrected where there are several tasks, finds a difference, and the interval leaves
  out zero. Both, since the test assumes nothing about the scores' distribution and the interval says how much.
- "equivalent": the interval lies within the smallest difference that matters, if one is given; said even of a difference that is shown.
- "open": neither. "No difference is shown" is not "there is no difference".
- "mixed": one thing at equal steps, another at equal compute; said of a method together with its control alone.

With fewer than six seeds the sign-flip test cannot reach 0.05, whatever the scores: such a verdict is open, and says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ikd.metrics.scores import METRICS
from ikd.study.statistics import MOST_MORE_SEEDS, Comparison, Interval, seeds_needed

Kind = Literal["better", "worse", "open", "equivalent", "mixed"]

_FEWEST_ALIKE = 6
_MOST_DECIMALS = 4


class Unit(NamedTuple):
    """How a score is said: its unit with the space before it, and what a raw value is multiplied with."""

    name: str
    factor: float


POINTS, NATS, PLAIN = Unit(" points", 100.0), Unit(" nats", 1.0), Unit("", 1.0)
UNITS: dict[str, Unit] = {
    "accuracy": POINTS, "worst_group_accuracy": POINTS, "macro_f1": POINTS, "second_f1": POINTS, "matthews": POINTS, "nll": NATS,
    "brier": PLAIN, "ece": POINTS, "truth_kl": NATS, "truth_js": NATS,
}  # fmt: skip


FORMS: dict[str, tuple[str, str]] = {
    "better": ("{method} better than {other} by {size} in {score}", "better by {size}"),
    "worse": ("{method} worse than {other} by {size} in {score}", "worse by {size}"),
    "ahead": ("{method} ahead of {other} by {size} in {score}, but no difference is shown",
              "ahead by {size}, but no difference is shown"),
    "behind": ("{method} behind {other} by {size} in {score}, but no difference is shown",
               "behind by {size}, but no difference is shown"),
    "open": ("No difference between {method} and {other} is shown in {score}: {gain}", "no difference is shown: {gain}"),
    "equivalent": ("No difference larger than {matters} between {method} and {other} in {score}: {gain}",
                   "no difference larger than {matters}: {gain}"),
    "nothing": ("{method} and {other} cannot be compared in {score}: no seed has both runs", "nothing to compare"),
}  # fmt: skip
"""How a finding is said: in a sentence, and as a clause."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a comparison shows.

    Attributes:
        kind: of the first method against the other.
        sentence: with names, score, interval and seeds; it ends with a full stop.
        clause: the finding alone, to follow "at equal compute".
        seeds_needed: how many more seeds would settle an open one, `MOST_MORE_SEEDS + 1` for more than that; else None.
    """

    kind: Kind
    sentence: str
    clause: str
    seeds_needed: int | None


def verdict(
    comparison: Comparison, *, method: str, other: str, metric: str = "accuracy", p: float | None = None, n_tests: int = 1,
    matters: float | None = None,
) -> Verdict:  # fmt: skip
    """Return what a comparison shows.

    Args:
        comparison: of `method` (the first) and `other`.
        method, other: their names, as they are to be read.
        metric: a name of `ikd.metrics.scores.METRICS`.
        p: its permutation p after Holm's correction; None: as it is.
        n_tests: comparisons that the correction was over.
        matters: smallest difference that matters, in the score's own size (0.005 is half a point of accuracy); None: not said.

    Raises:
        ValueError: a score that is not known, a comparison in its wrong direction, or a difference that is not above zero.
    """
    _check(comparison, metric, matters)
    value, unit = comparison.permutation_p if p is None else p, UNITS[metric]
    kind = _kind(comparison, value, matters)
    words = {"method": method, "other": other, "score": lower_label(metric), **_numbers(comparison, unit)}
    if matters is not None:
        words["matters"] = f"{matters * unit.factor:g}{unit.name}"
    long, short = (form.format(**words) for form in FORMS[_form(kind, comparison)])
    needed = seeds_needed(comparison, n_tests=n_tests) if kind == "open" else None
    # Enough for the power and yet not shown: one more at least.
    needed = None if needed is None else max(1, needed)
    lacking = kind == "open" and not (comparison.n_seeds == 0 and comparison.n_left_out)
    rest = _chance(kind, comparison, value, n_tests) + (_wish(comparison, needed, n_tests) if lacking else "")
    seeds = f", {_seeds(comparison.n_seeds)}" if comparison.n_seeds else ""
    sentence = f"{long}{seeds}{rest}{_left_out(comparison, method, other)}."
    return Verdict(kind=kind, sentence=sentence, clause=short + rest, seeds_needed=needed)


def said_gain(gain: float, ends: Interval, metric: str) -> str:
    """Return a gain in the unit of its score with its interval, as every sentence says it: "+0.8 points [0.2, 1.4]"."""
    return _said(gain, ends, UNITS[metric], "+")


def lower_label(score: str) -> str:
    """Return the name of a score as it stands inside a sentence: KL and F1 stay as they are."""
    label = METRICS[score].label
    return label if label[1:2].isupper() or label[1:2].isdigit() else label[:1].lower() + label[1:]


def counted(n: int, what: str) -> str:
    """Return a number of things as a person says it."""
    return f"{n} {what}{'s' * (n != 1)}"


def with_control(main: Verdict, control: Verdict, *, at: str = "equal compute") -> Verdict:
    """Return a verdict together with that of its control: of the kind of both where they agree, else mixed, since a claim needs both.

    Where one shows no difference and the other none that matters, nothing differs: that is open.
    """
    kinds = {main.kind, control.kind}
    kind: Kind = main.kind if len(kinds) == 1 else "open" if kinds == {"open", "equivalent"} else "mixed"
    needed = [one.seeds_needed for one in (main, control) if one.seeds_needed is not None]
    then = f"; at {at} {control.clause}"
    return Verdict(kind=kind, sentence=f"{main.sentence[:-1]}{then}.", clause=main.clause + then, seeds_needed=max(needed, default=None))


def _check(comparison: Comparison, metric: str, matters: float | None) -> None:
    if metric not in UNITS:
        raise ValueError(f"no score is named {metric!r}; there are {', '.join(UNITS)}")
    if (comparison.better == "higher") != METRICS[metric].larger_is_better:
        raise ValueError(f"{metric} was compared as if {comparison.better} were better")
    if matters is not None and not matters > 0:
        raise ValueError(f"the smallest difference that matters must be above 0, got {matters}")


def _kind(comparison: Comparison, p: float, matters: float | None) -> Kind:
    low, high = comparison.interval
    # Two or three seeds that happen to agree to the digit are no proof of anything, though their interval has no width.
    told = comparison.spread > 0 or comparison.n_seeds >= _FEWEST_ALIKE
    if matters is not None and told and -matters < low and high < matters:
        return "equivalent"
    if p <= 1 - comparison.level and _clear(comparison.interval):
        return "better" if comparison.gain > 0 else "worse"
    return "open"


def _clear(ends: Interval) -> bool:
    return ends.low > 0 or ends.high < 0


def _form(kind: Kind, comparison: Comparison) -> str:
    if comparison.n_seeds == 0:
        return "nothing"
    if kind != "open" or not _clear(comparison.interval):
        return kind
    return "ahead" if comparison.gain > 0 else "behind"


def _numbers(comparison: Comparison, unit: Unit) -> dict[str, str]:
    """Return the gain with its sign, and its size, each with unit and interval."""
    gain, (low, high) = comparison.gain, comparison.interval
    percent = "" if comparison.level == 0.95 else f"{comparison.level * 100:g} % interval "
    size, ends = (gain, Interval(low, high)) if gain >= 0 else (-gain, Interval(-high, -low))
    return {"gain": _said(gain, Interval(low, high), unit, "+", percent), "size": _said(size, ends, unit, "", percent)}


def _said(gain: float, ends: Interval, unit: Unit, sign: str, percent: str = "") -> str:
    value, (low, high) = gain * unit.factor, (end * unit.factor for end in ends)
    decimals = _decimals(value, low, high)
    interval = "" if math.isnan(low) else f" {percent}[{_rounded(low, decimals)}, {_rounded(high, decimals)}]"
    return f"{_rounded(value, decimals, sign)}{unit.name}{interval}"


def _decimals(gain: float, low: float, high: float) -> int:
    """Return so many that the interval's width has two digits, and that an end beside zero is not written as zero."""
    scale = high - low if high > low else abs(gain)
    decimals = min(max(1, 1 - math.floor(math.log10(scale))), _MOST_DECIMALS) if scale > 0 else 1
    while decimals < _MOST_DECIMALS and any(end != 0 and round(end, decimals) == 0 for end in (low, high) if not math.isnan(end)):
        decimals += 1
    return decimals


def _rounded(value: float, decimals: int, sign: str = "") -> str:
    # Adding zero makes of -0.0 a plain 0.0.
    return f"{round(value, decimals) + 0.0:{sign}.{decimals}f}"


def _chance(kind: Kind, comparison: Comparison, p: float, n_tests: int) -> str:
    """Return the p value in brackets, with what limits it."""
    if comparison.n_seeds < 2:
        return " (one seed has no interval)" if comparison.n_seeds else ""
    n_apart, alpha = comparison.in_favour + comparison.against, 1 - comparison.level
    if n_apart == 0:
        return " (every seed gave the same)"
    note = ""
    if kind == "equivalent" and p <= alpha and _clear(comparison.interval):
        note = ": there is one, but smaller"
    elif kind == "open" and comparison.smallest_p > alpha:
        them = f"{_seeds(n_apart)}{(' that differ' + 's' * (n_apart == 1)) if comparison.ties else ''}"
        note = f"; {them} cannot give less than {_chance_number(comparison.smallest_p, alpha)}"
    elif kind == "open" and p <= alpha:
        note = "; but the interval holds zero"
    return f" ({'Holm-corrected ' if n_tests > 1 else ''}p {_chance_number(p, alpha)}{note})"


def _chance_number(p: float, alpha: float) -> str:
    if p < 0.001:
        return "below 0.001"
    # 0.0504 is not written as 0.05, which would be on the other side.
    fitting = (text for digits in range(2, 17) if ((text := f"{p:.{digits}g}") and (float(text) <= alpha) == (p <= alpha)))
    return next(fitting, f"{p:g}")


def _wish(comparison: Comparison, needed: int | None, n_tests: int) -> str:
    """Return how many seeds an open verdict lacks; nothing where there is no difference for them to show."""
    if comparison.n_seeds > 1 and comparison.ties == comparison.n_seeds:
        return ""
    if needed is None:
        fewest = 1 + math.ceil(math.log2(n_tests / (1 - comparison.level)))
        return f"; at least {fewest - comparison.n_seeds} {'more ' * (comparison.n_seeds > 0)}seeds would be needed"
    if needed > MOST_MORE_SEEDS:
        return f"; more than {MOST_MORE_SEEDS} more seeds would be needed"
    about = needed if needed <= 20 else math.ceil(needed / 10) * 10
    return f"; about {about} more seed{'s' * (about != 1)} would be needed"


def _left_out(comparison: Comparison, method: str, other: str) -> str:
    if not comparison.n_left_out:
        return ""
    failed = f"{method} {comparison.failed_a}, {other} {comparison.failed_b}"
    return f"; {_seeds(comparison.n_left_out)} left out for want of a score ({failed})"


def _seeds(n: int) -> str:
    return counted(n, "seed")
