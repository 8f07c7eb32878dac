"""The method's formulas with the example's own numbers at the shown step, as LaTeX, with a sentence each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import ArrayLike, NDArray

from ikd.config import RunConfig
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
from ikd.ui.example_story import Story
from ikd.ui.wording import plain, visible

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ]{0,14}[A-Za-z0-9])?")
NOT_TRAINED = (
    "Probe examples are never trained on: their feedback is what it would be if they stood in this step's course batch, and "
    "they have no influence."
)
NO_CONFIG = "The run's settings cannot be read, so alpha is not known and this formula cannot be filled."


@dataclass(frozen=True, kw_only=True)
class Filled:
    """What the cards show of one step.

    Attributes:
        step: of the run.
        temperature, alpha: of the training; alpha None where it is not known.
        target, loss, feedback, influence: with their numbers, None where they cannot be had.
        why_no_loss, why_no_feedback, why_no_influence: sentences for those.
    """

    step: int
    temperature: float
    alpha: float | None
    target: SoftTarget
    loss: Loss | None
    feedback: Feedback | None
    influence: Influence | None
    why_no_loss: str
    why_no_feedback: str
    why_no_influence: str


def fill(story: Story, row: int, *, temperature: float, config: RunConfig | None, batch_size: int | None) -> Filled:
    """Return the numbers of one step of an example.

    Args:
        story: the example.
        row: place of the step in it.
        temperature: of the training.
        config: the run's settings, None where they are damaged.
        batch_size: examples in that step's course batch, None where it is not known.
    """
    alpha = None if config is None else config.objective.alpha
    teacher, student, label = story.teacher[row], story.student[row], story.label
    why_not = no_loss(config, label, len(teacher))
    loss = None if why_not or alpha is None else fill_loss(teacher, student, label, temperature=temperature, alpha=alpha)
    asked = None if np.isnan(story.feedback[row]).any() else fill_feedback(teacher, story.feedback[row], temperature)
    target, influence = fill_soft_target(teacher, temperature), None
    why_no_feedback = "" if asked is not None else no_feedback(config, int(story.steps[row]))
    reason = NOT_TRAINED if story.split == "probe" else why_not or why_no_feedback
    if not reason and alpha is not None:
        reason = cannot_recover(target.probabilities, alpha)
    if not reason and batch_size and alpha is not None and asked is not None:
        influence = fill_influence(teacher, student, label, feedback=asked.feedback, recorded=float(story.influence[row]),
                                   temperature=temperature, alpha=alpha, batch_size=batch_size)  # fmt: skip
    return Filled(step=int(story.steps[row]), temperature=temperature, alpha=alpha, target=target, loss=loss, feedback=asked,
                  influence=influence, why_no_loss=why_not, why_no_feedback=why_no_feedback, why_no_influence=reason)  # fmt: skip


def no_loss(config: RunConfig | None, label: int, n_classes: int) -> str:
    """Return why the loss of an example cannot be worked out, or nothing where it can."""
    if config is None:
        return NO_CONFIG
    if str(config.objective.name) != "kd":
        return f"This run's objective is {config.objective.name}; the lab fills in the loss and the influence of kd only."
    if not 0 <= label < n_classes:
        return f"The hard label of this example is {label}, which is none of the {n_classes} classes: its loss cannot be worked out."
    return ""


def no_feedback(config: RunConfig | None, step: int) -> str:
    """Return why there is no feedback at a step."""
    if config is None:
        return "There was no exam at this step, so there is no feedback."
    policy = config.policy
    if policy.name != "exam":
        return f"The teacher policy of this run is {policy.name}: no exam is sat, so there is no feedback and no influence."
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


def draw_formulas(filled: Filled, shown: NDArray[np.int64], names: Sequence[str]) -> None:
    """Draw a card for the soft target, the loss, the feedback and the influence, two beside each other."""
    words = [tex_name(names[one], int(one)) for one in shown]
    many = len(shown) < len(names)
    for first, second in (((_target_card, "target"), (_loss_card, "loss")), ((_feedback_card, "feedback"), (_influence_card, "influence"))):
        for column, (card, key) in zip(st.columns(2, gap="small"), (first, second), strict=True):
            with column, st.container(border=True, height="stretch", key=f"formula-{key}"):
                card(filled, shown, words, many)


def _target_card(filled: Filled, shown: NDArray[np.int64], words: Sequence[str], many: bool) -> None:
    target = filled.target
    st.markdown("**Soft target**")
    shift = f" - {tex(target.shift)}" if target.shift else ""
    st.latex(rf"p_k = \frac{{e^{{o_k/t{' - m' if shift else ''}}}}}{{\sum_j e^{{o_j/t{' - m' if shift else ''}}}}}, "
             rf"\qquad t = {tex(filled.temperature)}" + (rf",\ m = {tex(target.shift)}" if shift else ""))  # fmt: skip
    powers = [rf"e^{{{tex(value)}{shift}}}" for value in target.scaled[shown].tolist()]
    sizes = [tex(one) for one in target.exponentials[shown].tolist()]
    if many:
        sizes = [rf"\textstyle\sum_{{j=1}}^{{{len(target.scaled)}}} e^{{o_j/t{' - m' if shift else ''}}}"]
    lines = [rf"Z &= {' + '.join(part)}" if at == 0 else rf"&\quad + {' + '.join(part)}" for at, part in enumerate(_threes(sizes))]
    lines[-1] += f" = {tex(target.total)}"
    lines += [rf"p_{{{word}}} &= {power} / Z = \mathbf{{{p:.4f}}}"
              for word, power, p in zip(words, powers, target.probabilities[shown].tolist(), strict=True)]  # fmt: skip
    st.latex(_aligned(lines))
    more = f" The other {len(target.scaled) - len(shown)} classes share {1 - target.probabilities[shown].sum():.4f}." if many else ""
    st.caption(f"What the teacher gave at step {filled.step}, at the training temperature.{more}")


def _loss_card(filled: Filled, shown: NDArray[np.int64], words: Sequence[str], many: bool) -> None:
    st.markdown("**Loss of this example**")
    st.latex(_aligned([r"\ell &= (1-\alpha)\,\mathrm{CE} + \alpha\,t^2\,\mathrm{KL}(p\,\|\,q)", r"q &= \mathrm{softmax}(s/t)"]))
    loss, alpha = filled.loss, filled.alpha
    if loss is None or alpha is None:
        st.info(plain(filled.why_no_loss, longest=400))
        return
    terms = gathered(loss.terms, shown).tolist()
    t = tex(filled.temperature)
    lines = [
        r"\mathrm{CE} &= -\log \mathrm{softmax}(s)_y",
        rf"&= -\log {tex(loss.at_label)} = {tex(loss.cross_entropy)}",
        r"\mathrm{KL} &= \textstyle\sum_k p_k \log (p_k / q_k)",
        *(rf"&{'=' if at == 0 else ''} {part}" for at, part in enumerate(_sum(terms))),
        rf"&= {tex(loss.kl)}",
        rf"\ell &= {tex(1 - alpha)} \cdot {tex(loss.cross_entropy)} + {tex(alpha)} \cdot {t}^2 \cdot {tex(loss.kl)}",
        rf"&= {tex(loss.hard)} + {tex(loss.soft)} = \mathbf{{{tex(loss.total)}}}",
    ]
    st.latex(_aligned(lines))
    st.caption("In nats; the sum over classes has the order of the table"
               + (", all others last" if many else "") + ". The mean over the batch is the course loss.")  # fmt: skip


def _feedback_card(filled: Filled, shown: NDArray[np.int64], words: Sequence[str], many: bool) -> None:
    st.markdown("**Feedback, and where it moves the soft target**")
    st.latex(r"f = -\frac{dL_e}{do}, \quad \dot p_k = \frac{p_k}{t}\big(f_k - \langle p, f\rangle\big)")
    asked = filled.feedback
    if asked is None:
        st.info(plain(filled.why_no_feedback, longest=400))
        return
    power = _power(asked.feedback)
    unit, mean = 10.0**power, asked.mean / 10.0**power
    lines = [rf"\langle p, f\rangle &= {mean:.3f}" + (rf"\qquad (\text{{all}} \times 10^{{{power}}})" if power else "")]
    lines += [rf"\dot p_{{{word}}} &= \tfrac{{{tex(p)}}}{{{tex(filled.temperature)}}}\,\big({f / unit:.3f} {'+' if mean < 0 else '-'} "
              rf"{abs(mean):.3f}\big) = \mathbf{{{direction / unit:+.3f}}}"
              for word, p, f, direction in zip(words, asked.probabilities[shown].tolist(), asked.feedback[shown].tolist(),
                                               asked.directions[shown].tolist(), strict=True)]  # fmt: skip
    st.latex(_aligned(lines))
    st.caption("As recorded, in exam loss for one unit of the teacher's logit; the directions of all classes sum to zero.")


def _influence_card(filled: Filled, shown: NDArray[np.int64], words: Sequence[str], many: bool) -> None:
    st.markdown("**Influence on the exam**")
    st.latex(r"I = \sum_j \frac{1}{B}\frac{\partial \ell}{\partial s_j} \cdot\frac{f_j B}{\alpha\,p_j}")
    found = filled.influence
    if found is None:
        st.info(plain(filled.why_no_influence, longest=400))
        return
    lines = [rf"{word}:&\ \ ({tex(slope)})({tex(response)}) = {_plus(term)}"
             for word, slope, response, term in zip(words, found.slopes[shown].tolist(), found.responses[shown].tolist(),
                                                    found.terms[shown].tolist(), strict=True)]  # fmt: skip
    lines += [rf"\text{{sum of {'all ' + str(len(found.terms)) if many else 'these'}}}:&\ \ \mathbf{{{tex(found.recomputed, 6)}}}",
              rf"\text{{recorded}}:&\ \ \mathbf{{{tex(found.recorded, 6)}}}",
              rf"\text{{difference}}:&\ \ {tex(found.difference, 2)}"]  # fmt: skip
    st.latex(_aligned(lines))
    effect = "lowered" if found.recorded < 0 else "raised"
    verdict = ("The two agree to the rounding of 32-bit numbers." if found.agrees else
               "The two differ by more than 32-bit rounding: the run may have been computed in lower precision.")  # fmt: skip
    st.caption(f"Recomputed from the feedback, beside what the run recorded. {verdict} This example's gradient {effect} the exam "
               "loss in this step: negative helps.")  # fmt: skip


def tex(value: float, digits: int = 4) -> str:
    """Return a number as LaTeX: 0.1234, or a mantissa and a power of ten where it is small or large."""
    if not np.isfinite(value):
        return r"\text{not a number}" if np.isnan(value) else (r"\infty" if value > 0 else r"-\infty")
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.{digits}g}" if abs(value) < 1e4 else f"{value:.0f}"
    mantissa, power = f"{value:.{max(digits - 2, 1)}e}".split("e")
    return rf"{mantissa} \cdot 10^{{{int(power)}}}"


def tex_name(name: str, index: int) -> str:
    """Return a class in LaTeX: its name where that is plain letters, digits and spaces, else its number in the table."""
    return rf"\text{{{name}}}" if NAME.fullmatch(name) else str(index)


def _aligned(lines: Sequence[str]) -> str:
    return r"\begin{aligned}" + r" \\ ".join(lines) + r"\end{aligned}"


def _sum(terms: Sequence[float]) -> list[str]:
    """Return a sum of signed numbers as lines of three."""
    words = [f"{'-' if one < 0 else '+'} {tex(abs(one), 3)}" for one in terms]
    words[0] = words[0].removeprefix("+ ")
    return [" ".join(part) for part in _threes(words)]


def _threes(words: Sequence[str]) -> list[Sequence[str]]:
    return [words[at : at + 3] for at in range(0, len(words), 3)]


def _power(values: ArrayLike) -> int:
    """Return the power of ten of the largest value, 0 where that is an everyday number."""
    largest = float(np.abs(values).max(initial=0.0))
    return 0 if largest == 0 or 1e-2 <= largest < 1e3 else int(np.floor(np.log10(largest)))


def _plus(value: float) -> str:
    return f"{'+' if value > 0 else ''}{tex(value)}"
