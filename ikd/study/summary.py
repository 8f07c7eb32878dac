"""A study in a few sentences: on which tasks feedback is better than its control, and where students are limited by their steps."""

from __future__ import annotations

from collections.abc import Sequence

from ikd.metrics.scores import METRICS
from ikd.study.comparing import COMPUTE, STRONGEST, Found, compared
from ikd.study.gaining import gaining
from ikd.study.results import Results
from ikd.study.verdicts import Kind, counted, lower_label

SAID: tuple[tuple[Kind, str], ...] = (("better", "better on"), ("worse", "worse on"), ("equivalent", "no difference that matters on"),
                                      ("open", "no difference shown on"))  # fmt: skip


def summary(results: Results, found: Sequence[Found] | None = None) -> list[str]:
    """Return for each method with feedback, in the deciding score and in accuracy, on which tasks it is better, worse, or not told apart.

    Against the strongest control of each task where the study names controls, else against the control that has its compute. A sentence on
    the tasks whose baseline was still gaining follows: at equal compute nothing can be concluded there beyond the compute that was given.
    """
    scores = list(dict.fromkeys((results.study.score, "accuracy")))
    found = compared(results, scores) if found is None else found
    at = STRONGEST if results.study.controls else COMPUTE
    own = [one for one in found if one.pair.at == at and one.comparison.n_seeds]
    said = [_line([one for one in own if one.score == score and one.pair.method == method], score)
            for score in scores for method in dict.fromkeys(one.pair.method for one in own)
            if any(one.score == score and one.pair.method == method for one in own)]  # fmt: skip
    limited = [one.task for one in gaining(results, found) if one.state == "gaining"] if own else []
    if limited:
        said.append(f"{results.study.baseline} was still gaining at its end on {_named(limited)}: the students are limited by their steps "
                    "there.")  # fmt: skip
    return said


def _line(own: Sequence[Found], score: str) -> str:
    pair, n = own[0].pair, counted(len(own), "task")
    other = "the strongest control of each task" if pair.at == STRONGEST else pair.other
    parts = [(words, [one.task for one in own if one.verdict.kind == kind]) for kind, words in SAID]
    each = "; ".join(f"{words} {len(tasks)} ({_named(tasks)})" for words, tasks in parts if tasks)
    decides = " (higher is better)" if METRICS[score].larger_is_better else " (lower is better)"
    return f"{pair.method} against {other} in {lower_label(score)}{decides}, {n}: {each}."


def _named(tasks: Sequence[str]) -> str:
    return ", ".join(tasks)
