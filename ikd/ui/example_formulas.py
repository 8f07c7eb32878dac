"""The numbers of the method's formulas for one example at the shown step, and why some of them cannot be had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ikd.config import HIDDEN_OBJECTIVES, OBJECTIVE_NAMES, ObjectiveSettings, RunConfig, alpha_at, objective_terms
from ikd.events import UNLABELLED
from ikd.plots.belief import REST, gathered
from ikd.trace.filled import (
    Feedback,
    Influence,
    Loss,
    SoftTarget,
    cannot_recover,
    fill_feedback,
    fill_influence,
    fill_loss,
    fill_soft_target,
)
from ikd.trace.measures import softmax
from ikd.ui.example_story import Story
from ikd.ui.example_words import NOT_WEIGHED
from ikd.ui.policies import why_no_exams
from ikd.ui.wording import visible

HALF_PRECISION = 2.0**-11
NO_BATCH = "This step's course batch is not recorded, so its size B is not known and this formula cannot be filled."
NO_CONFIG = "The run's settings cannot be read, so alpha is not known and this formula cannot be filled."


@dataclass(frozen=True, kw_only=True)
class Origin:
    """How the recorded feedback arose in KD: f_k = -(alpha rate / B) p_k (s_dot_k - <p, s_dot>), of `ikd.trace.filled`.

    Attributes:
        rate: the student's learning rate. factor: alpha rate / B.
        responses: (C,) s_dot_k - <p, s_dot>, recomputed from f: what one step along w does to the student's logits, which no
            trace holds.
    """

    rate: float
    factor: float
    responses: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Filled:
    """What the cards show of one step.

    Attributes:
        step: of the run. probe: whether the example is one that is never trained on.
        temperature, alpha: of the training; alpha None where it is not known.
        batch_size: B of that step, None where it is not known.
        target, loss, feedback, origin, influence: with their numbers, None where they cannot be had.
        objective: its settings at that step, None where they are damaged.
        halves: the most by which the recomputed influence can be wrong where the logits are recorded in 16 bits; 0 where in 32.
        why_no_loss, why_no_feedback, why_no_influence: sentences for those.
    """

    step: int
    probe: bool
    temperature: float
    alpha: float | None
    batch_size: int | None
    target: SoftTarget
    loss: Loss | None
    feedback: Feedback | None
    origin: Origin | None
    influence: Influence | None
    halves: float
    objective: ObjectiveSettings | None
    why_no_loss: str
    why_no_feedback: str
    why_no_influence: str


def fill(
    story: Story, row: int, *, temperature: float, config: RunConfig | None, batch_size: int | None, rate: float | None = None,
    halved: bool = False, largest: float = 0.0,
) -> Filled:  # fmt: skip
    """Return the numbers of one step of an example; a probe example's are those of a place in that step's course batch.

    Args:
        story: the example.
        row: place of the step in it.
        temperature: of the training.
        config: the run's settings, None where they are damaged.
        batch_size: examples in that step's course batch, None where it is not known.
        rate: the student's learning rate at that step, None where it is not known.
        halved: whether the logits are recorded in 16 bits.
        largest: the largest influence recorded beside this one.
    """
    alpha = None if config is None else alpha_at(int(story.steps[row]), config)
    teacher, student, label = story.teacher[row], story.student[row], story.label
    why_not = no_loss(config, label, len(teacher))
    loss = None if why_not or alpha is None else fill_loss(teacher, student, label, temperature=temperature, alpha=alpha)
    asked = None if np.isnan(story.feedback[row]).any() else fill_feedback(teacher, story.feedback[row], temperature)
    why_no_feedback = "" if asked is not None else no_feedback(config, int(story.steps[row]))
    target, influence, halves = fill_soft_target(teacher, temperature), None, 0.0
    unknown = why_no_feedback or ("" if alpha is None else cannot_recover(target.probabilities, alpha))
    unweighed = "" if np.isfinite(story.influence[row]) else NOT_WEIGHED
    recorded = "" if config is None or config.objective.name == "kd" else only_recorded(story.influence[row])
    reason = why_no_feedback or unweighed or recorded or why_not or unknown or ("" if batch_size else NO_BATCH)
    if not reason and batch_size and alpha is not None and asked is not None:
        influence = fill_influence(teacher, student, label, feedback=asked.feedback, recorded=float(story.influence[row]),
                                   temperature=temperature, alpha=alpha, batch_size=batch_size, largest=largest)  # fmt: skip
        if halved:
            halves = error_of_halves(influence, teacher, student, temperature=temperature, alpha=alpha, batch_size=batch_size)
    return Filled(
        step=int(story.steps[row]), probe=story.split == "probe", temperature=temperature, alpha=alpha, batch_size=batch_size,
        target=target, loss=loss, feedback=asked, influence=influence, halves=halves, why_no_loss=why_not, why_no_feedback=why_no_feedback,
        why_no_influence=reason, origin=None if unknown or asked is None else origin_of(asked, config, batch_size, rate, alpha),
        objective=None if config is None else config.objective,
    )  # fmt: skip


def origin_of(
    asked: Feedback, config: RunConfig | None, batch_size: int | None, rate: float | None, alpha: float | None
) -> Origin | None:
    """Return how a feedback arose, None where the objective is another than KD or a factor is not known."""
    if config is None or config.objective.name != "kd" or not batch_size or not rate or not alpha:
        return None
    factor = alpha * rate / batch_size
    return Origin(rate=rate, factor=factor, responses=-asked.feedback / (factor * asked.probabilities))


def error_of_halves(
    found: Influence, teacher: ArrayLike, student: ArrayLike, *, temperature: float, alpha: float, batch_size: int
) -> float:
    """Return the most by which the rounding of logits (C,) to 16 bits can move an influence recomputed from them.

    Each logit is off by at most its largest one times 2^-11. So log p is off by twice that over t at most, the response with
    it, and the slope by the changes of its softmaxes.
    """
    off_teacher, off_student = (HALF_PRECISION * float(np.abs(one).max()) for one in (teacher, student))
    p, q = softmax(teacher, temperature), softmax(student, temperature)
    slopes = 2 * ((1 - alpha) * softmax(student) * off_student + alpha * (q * off_student + p * off_teacher)) / batch_size
    responses = 2 * np.abs(found.responses) * off_teacher / temperature
    return float((slopes * np.abs(found.responses) + np.abs(found.slopes) * responses).sum())


def no_loss(config: RunConfig | None, label: int, n_classes: int) -> str:
    """Return why the loss of an example cannot be worked out, or nothing where it can."""
    if config is None:
        return NO_CONFIG
    if config.objective.name != "kd":
        return other_objective(config.objective)
    if config.objective.label_targets == "truth":
        return ("In this run the student studies people's votes or the known posterior in the labels' place (objective.label_targets): the "
                "lab fills in the numbers of hard labels only.")  # fmt: skip
    if label == UNLABELLED:
        return "This text has no label: the student learns from its soft target alone, and the label's part of the loss is left out."
    if not 0 <= label < n_classes:
        return f"The hard label of this example is {label}, which is none of the {n_classes} classes: its loss cannot be worked out."
    return ""


def other_objective(objective: ObjectiveSettings) -> str:
    """Return what an objective other than kd is, and why its numbers are not filled in."""
    terms = objective_terms(objective)
    what = " and ".join(f"{f'{weight:g} times ' if weight != 1 else ''}{name}, {OBJECTIVE_NAMES[name]}" for name, weight in terms.items())
    if objective.name == "sum":
        what = f"a sum: {what}"
    why = ", as no trace holds the layers that this one compares" if HIDDEN_OBJECTIVES & terms.keys() else ""
    return (f"This run's objective is {what}. The lab fills in the numbers of kd only{why}. What was measured of this one, its course "
            "loss, feedback and influence, is recorded and drawn above.")  # fmt: skip


def only_recorded(influence: float) -> str:
    """Return what stands in the place of an influence that is not worked out anew."""
    return f"The influence is worked out anew for kd only. The run recorded {influence:+.4g} at this step: negative helps the exam."


def no_feedback(config: RunConfig | None, step: int) -> str:
    """Return why there is no feedback at a step."""
    if config is None:
        return "There was no exam at this step, so there is no feedback."
    policy = config.policy
    if policy.name != "exam":
        return f"{why_no_exams(config, step)} So there is no feedback and no influence."
    if policy.inner_update == "off":
        return "The inner update of this run is off: the exam does not reach the teacher, so there is no feedback."
    if step >= config.training.steps:
        return "This reading follows the last update of the run: no course batch and no exam come after it, so there is no feedback."
    if step < policy.exam_start:
        return f"The first exam of this run is at step {policy.exam_start}: before it there is no feedback."
    if policy.teacher_freeze_at is not None and step >= policy.teacher_freeze_at:
        return f"From step {policy.teacher_freeze_at} on the teacher is frozen: there are no exams and no feedback."
    return "There was no exam at this step, so there is no feedback."


def numbers_table(filled: Filled, story: Story, row: int, shown: NDArray[np.int64], names: Sequence[str]) -> pd.DataFrame:
    """Return the numbers of one step, one row a shown class; sums where a row stands for all others."""
    rows = list(shown) if len(shown) == len(names) else [*shown, -1]

    def alone(values: ArrayLike) -> list[float]:
        kept = np.asarray(values, dtype=np.float64)
        return [np.nan if one < 0 else float(kept[one]) for one in rows]

    blank = np.full(len(names), np.nan)
    columns = {
        "class": [REST if one < 0 else visible(names[one], longest=60) for one in rows],
        "teacher logit o": alone(story.teacher[row]), "student logit s": alone(story.student[row]),
        "soft target p": gathered(filled.target.probabilities, shown),
        "student q": gathered(blank if filled.loss is None else filled.loss.student, shown),
        "p log(p/q)": gathered(blank if filled.loss is None else filled.loss.terms, shown),
        "feedback f": gathered(blank if filled.feedback is None else filled.feedback.feedback, shown),
        "direction of p": gathered(blank if filled.feedback is None else filled.feedback.directions, shown),
    }
    if filled.influence is not None:
        columns["part of influence"] = gathered(filled.influence.terms, shown)
    return pd.DataFrame(columns)
