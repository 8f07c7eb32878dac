"""The method's formulas filled with one example's own numbers at one step: pure functions of recorded arrays.

Symbols as in the README (*The method in formulas*): teacher logits o, student logits s, hard label y, temperature t, soft targets
p = softmax(o / t), student q = softmax(s / t), weight alpha, and B examples in the course batch.

Shapes: C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ikd.errors import RunError
from ikd.trace.measures import feedback_on_simplex, log_softmax, softmax

Doubles = NDArray[np.float64]
LEAST_PROBABILITY = 1e-6
LARGEST_EXPONENT = 30.0
ROUNDING = 1e-3
CANCELLED = 2e-6


@dataclass(frozen=True, kw_only=True)
class SoftTarget:
    """p_k = exp(o_k / t) / sum_j exp(o_j / t), with every number on the way; all (C,) but the last two.

    Attributes:
        logits: o. scaled: o / t. exponentials: exp(o / t - shift). probabilities: p.
        total: the sum of the exponentials.
        shift: 0, or the largest o / t where exp(o / t) would be out of proportion; it leaves p as it is.
    """

    logits: Doubles
    scaled: Doubles
    exponentials: Doubles
    probabilities: Doubles
    total: float
    shift: float


@dataclass(frozen=True, kw_only=True)
class Loss:
    """l = (1 - alpha) CE + alpha t^2 KL of one example (Hinton, Vinyals, Dean 2015; `ikd.objectives`).

    Attributes:
        at_label: softmax(s)_y, the student's probability of the label at temperature 1.
        cross_entropy: CE = -log softmax(s)_y.
        teacher, student: (C,) p and q.
        terms: (C,) p_k log(p_k / q_k). kl: their sum.
        hard, soft: (1 - alpha) CE and alpha t^2 KL. total: l.
    """

    at_label: float
    cross_entropy: float
    teacher: Doubles
    student: Doubles
    terms: Doubles
    kl: float
    hard: float
    soft: float
    total: float


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """f as recorded, and the way it moves the soft target: dp_k = p_k (f_k - sum_j p_j f_j) / t.

    Attributes:
        feedback: (C,) f. probabilities: (C,) p. directions: (C,) dp, which sums to zero.
        mean: sum_j p_j f_j.
    """

    feedback: Doubles
    probabilities: Doubles
    directions: Doubles
    mean: float


@dataclass(frozen=True, kw_only=True)
class Influence:
    """I = sum_j slope_j response_j: the influence of one course example, recovered from its recorded feedback.

    Attributes:
        slopes: (C,) dl/ds_j / B = ((1 - alpha)(softmax(s)_j - y_j) + alpha t (q_j - p_j)) / B.
        responses: (C,) f_j B / (alpha p_j): minus what one step along w does to s_j, up to a constant.
        terms: (C,) slope_j response_j. recomputed: their sum.
        recorded: the influence in the trace. difference: recomputed - recorded.
        largest: the largest influence (without its sign) beside it, 0 where it is not known. Where a slope or a feedback is what
            is left of two nearly equal numbers, its rounding is that of those numbers, and these are of the others' size.
    """

    slopes: Doubles
    responses: Doubles
    terms: Doubles
    recomputed: float
    recorded: float
    difference: float
    largest: float = 0.0

    @property
    def agrees(self) -> bool:
        """Whether the two differ by no more than float32's rounding, of the terms or of the sums that they were made of."""
        return abs(self.difference) <= max(ROUNDING * float(np.abs(self.terms).max(initial=0.0)), CANCELLED * self.largest)


def fill_soft_target(logits: ArrayLike, temperature: float) -> SoftTarget:
    """Return the soft target of teacher logits (C,), with the numbers of its formula."""
    values = _row(logits)
    scaled = values / temperature
    shift = float(scaled.max()) if float(np.abs(scaled).max()) > LARGEST_EXPONENT else 0.0
    exponentials = np.exp(scaled - shift)
    return SoftTarget(logits=values, scaled=scaled, exponentials=exponentials, total=float(exponentials.sum()), shift=shift,
                      probabilities=softmax(values, temperature))  # fmt: skip


def fill_loss(
    teacher_logits: ArrayLike, student_logits: ArrayLike, label: int, *, temperature: float, alpha: float
) -> Loss:
    """Return the KD loss of one example from its logits (C,) twice, with the numbers of its formula."""
    log_p, log_q = log_softmax(_row(teacher_logits), temperature), log_softmax(_row(student_logits), temperature)
    log_label = float(log_softmax(_row(student_logits))[label])
    terms = np.exp(log_p) * (log_p - log_q)
    # Rounding can leave -1e-17 where the two are equal.
    divergence = max(float(terms.sum()), 0.0)
    hard, soft = (1 - alpha) * -log_label, alpha * temperature**2 * divergence
    return Loss(at_label=float(np.exp(log_label)), cross_entropy=-log_label, teacher=np.exp(log_p), student=np.exp(log_q),
                terms=terms, kl=divergence, hard=hard, soft=soft, total=hard + soft)  # fmt: skip


def fill_feedback(teacher_logits: ArrayLike, feedback: ArrayLike, temperature: float) -> Feedback:
    """Return the feedback (C,) at a soft target, and its direction among probabilities."""
    p, f = softmax(_row(teacher_logits), temperature), _row(feedback)
    return Feedback(feedback=f, probabilities=p, mean=float((p * f).sum()),
                    directions=feedback_on_simplex(teacher_logits, f, temperature))  # fmt: skip


def fill_influence(
    teacher_logits: ArrayLike, student_logits: ArrayLike, label: int, *, feedback: ArrayLike, recorded: float,
    temperature: float, alpha: float, batch_size: int, largest: float = 0.0,
) -> Influence:  # fmt: skip
    """Return the influence of a course example from its recorded feedback, beside the recorded one (`largest`: see there).

    For KD the hypergradient at o_k is cotangent_k = (alpha / B) p_k (s_dot_k - sum_j p_j s_dot_j), with s_dot the
    derivative of the student's logits along w (`ikd.teaching.hypergradients`); the recorded feedback is f = -rate
    cotangent, with the student's learning rate. So

        rate s_dot_k = -f_k B / (alpha p_k) + a constant,    I = -rate sum_j slope_j s_dot_j = sum_j slope_j f_j B / (alpha p_j)

    The constant goes, because the slopes sum to zero.

    Raises:
        RunError: there is nothing to divide by; `cannot_recover` says so beforehand.
    """
    p = softmax(_row(teacher_logits), temperature)
    fault = cannot_recover(p, alpha)
    if fault:
        raise RunError(fault)
    labels = np.eye(len(p))[label]
    hard = softmax(_row(student_logits)) - labels
    soft = softmax(_row(student_logits), temperature) - p
    slopes = ((1 - alpha) * hard + alpha * temperature * soft) / batch_size
    responses = _row(feedback) * batch_size / (alpha * p)
    terms = slopes * responses
    recomputed = float(terms.sum())
    return Influence(slopes=slopes, responses=responses, terms=terms, recomputed=recomputed, recorded=float(recorded),
                     difference=recomputed - float(recorded), largest=float(largest))  # fmt: skip


def cannot_recover(probabilities: ArrayLike, alpha: float) -> str:
    """Return why the influence cannot be worked out from soft targets (C,) and a weight, or nothing where it can."""
    if alpha <= 0:
        return "With alpha 0 the soft targets have no part in the loss, so the feedback is zero and says nothing of the influence."
    smallest = float(_row(probabilities).min())
    if not smallest >= LEAST_PROBABILITY:
        return (f"The smallest soft target is {smallest:.1e}, below {LEAST_PROBABILITY:g}: dividing the recorded feedback by it "
                "would show the rounding of its 32-bit numbers and no influence.")  # fmt: skip
    return ""


def _row(values: ArrayLike) -> Doubles:
    return np.asarray(values, dtype=np.float64)
