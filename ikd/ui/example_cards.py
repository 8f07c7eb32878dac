"""The method's formulas with the example's own numbers at the shown step, as LaTeX, with a sentence each."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import ArrayLike, NDArray

from ikd.config import HIDDEN_OBJECTIVES, objective_terms
from ikd.plots.belief import gathered
from ikd.trace.filled import Feedback, Influence
from ikd.ui.controls import draw_formula
from ikd.ui.example_formulas import Filled, Origin
from ikd.ui.objectives import objective_formulas
from ikd.ui.wording import plain

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ]{0,14}[A-Za-z0-9])?")


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
    st.caption(f"What the teacher gave at step {filled.step}, at the temperature of that step.{more}")


def _loss_card(filled: Filled, shown: NDArray[np.int64], words: Sequence[str], many: bool) -> None:
    st.markdown("**Loss of this example**")
    loss, alpha = filled.loss, filled.alpha
    st.latex(r"\ell = (1-\alpha)\,\mathrm{CE} + \alpha\,T")
    if filled.objective is None or filled.objective.name == "kd":
        st.latex(r"T = t^2\,\mathrm{KL}(p\,\|\,q), \quad q = \mathrm{softmax}(s/t)")
    else:
        for formula in objective_formulas(filled.objective):
            draw_formula(formula)
    if loss is None or alpha is None:
        st.info(plain(filled.why_no_loss, longest=900))
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
    what = ("A probe example is in no batch: this is what its loss would be." if filled.probe else
            "The mean over the batch is the course loss.")  # fmt: skip
    st.caption(f"In nats; the sum over classes has the order of the table{', all others last' if many else ''}. {what}")


def _feedback_card(filled: Filled, shown: NDArray[np.int64], words: Sequence[str], many: bool) -> None:
    st.markdown("**Feedback, and where it moves the soft target**")
    asked, origin = filled.feedback, filled.origin
    if asked is None:
        st.latex(r"f = -\frac{dL_e}{do}, \quad \dot p_k = \frac{p_k}{t}\big(f_k - \langle p, f\rangle\big)")
        st.info(plain(filled.why_no_feedback, longest=900))
        return
    if origin is None:
        st.latex(r"f = -\frac{dL_e}{do}")
    else:
        st.latex(_aligned(_origin_lines(filled, origin, asked, shown, words)))
        st.caption(r"Recorded: $f$, $\eta$ and the logits that give $p$. Recomputed from them: the last factor, what a step along $w$ does "
                   r"to the student's logits ($\dot s$), which no trace holds.")  # fmt: skip
    st.latex(r"\dot p_k = \frac{p_k}{t}\big(f_k - \langle p, f\rangle\big)")
    power = _power(asked.feedback)
    unit, mean = 10.0**power, asked.mean / 10.0**power
    lines = [rf"\langle p, f\rangle &= {mean:.3f}" + (rf"\qquad (\text{{all}} \times 10^{{{power}}})" if power else "")]
    lines += [rf"\dot p_{{{word}}} &= \tfrac{{{tex(p)}}}{{{tex(filled.temperature)}}}\,\big({f / unit:.3f} {'+' if mean < 0 else '-'} "
              rf"{abs(mean):.3f}\big) = \mathbf{{{direction / unit:+.3f}}}"
              for word, p, f, direction in zip(words, asked.probabilities[shown].tolist(), asked.feedback[shown].tolist(),
                                               asked.directions[shown].tolist(), strict=True)]  # fmt: skip
    st.latex(_aligned(lines))
    st.caption("In exam loss for one unit of the teacher's logit; the directions of all classes sum to zero." + _layers_alone(filled))


def _layers_alone(filled: Filled) -> str:
    if filled.objective is None or not objective_terms(filled.objective).keys() <= HIDDEN_OBJECTIVES:
        return ""
    return " This objective looks at layers alone, so all of it is zero at the logits: see the feedback at hidden states."


def _origin_lines(filled: Filled, origin: Origin, asked: Feedback, shown: NDArray[np.int64], words: Sequence[str]) -> list[str]:
    """Return the feedback as a product: c = alpha eta / B, p_k, and the student's response."""
    lines = [
        r"f_k = -\frac{dL_e}{do_k} &= -\frac{\alpha\,\eta}{B}\,p_k\big(\dot s_k - \langle p, \dot s\rangle\big)",
        rf"c = \alpha\,\eta / B &= {tex(filled.alpha or 0.0)} \cdot {tex(origin.rate)} / {filled.batch_size} = {tex(origin.factor)}",
    ]
    parts = (part[shown].tolist() for part in (asked.probabilities, origin.responses, asked.feedback))
    lines += [rf"f_{{{word}}} &= -c \cdot {tex(p)} \cdot ({tex(response)}) = \mathbf{{{tex(f)}}}"
              for word, p, response, f in zip(words, *parts, strict=True)]  # fmt: skip
    return lines


def _influence_card(filled: Filled, shown: NDArray[np.int64], words: Sequence[str], many: bool) -> None:
    st.markdown("**Influence on the exam**")
    found = filled.influence
    size = "" if found is None else rf", \qquad B = {filled.batch_size}"
    if filled.objective is None or filled.objective.name == "kd":
        st.latex(r"I = \sum_j \frac{1}{B}\frac{\partial \ell}{\partial s_j} \cdot\frac{f_j B}{\alpha\,p_j}" + size)
    else:
        st.latex(r"I = -\frac{1}{B}\Big\langle \frac{\partial \ell}{\partial s},\, \dot s \Big\rangle")
    if found is None:
        st.info(plain(filled.why_no_influence, longest=900))
        return
    lines = [rf"{word}:&\ \ ({tex(slope)})({tex(response)}) = {_plus(term)}"
             for word, slope, response, term in zip(words, found.slopes[shown].tolist(), found.responses[shown].tolist(),
                                                    found.terms[shown].tolist(), strict=True)]  # fmt: skip
    lines += [rf"\text{{sum of {'all ' + str(len(found.terms)) if many else 'these'}}}:&\ \ \mathbf{{{tex(found.recomputed, 6)}}}",
              rf"\text{{recorded}}:&\ \ \mathbf{{{tex(found.recorded, 6)}}}",
              rf"\text{{difference}}:&\ \ {tex(found.difference, 2)}"]  # fmt: skip
    st.latex(_aligned(lines))
    st.caption(f"Recomputed from the feedback, beside what the run recorded. {verdict(found, filled.halves)} "
               + _effect(found.recorded, probe=filled.probe))  # fmt: skip


def verdict(found: Influence, halves: float) -> str:
    """Return whether the recomputed influence is the recorded one, where 16-bit logits can move it by so much."""
    if not halves:
        return ("The two agree to the rounding of 32-bit numbers." if found.agrees else
                "The two differ by more than 32-bit rounding: the run may have been computed in lower precision.")  # fmt: skip
    return (f"The logits of this run's probe set are recorded in 16 bits, whose rounding can make a difference of {halves:.1e}: the two "
            f"{'agree to that' if found.agrees or abs(found.difference) <= halves else 'differ by more'}.")  # fmt: skip


def _effect(influence: float, *, probe: bool) -> str:
    if probe:
        return f"In this step's batch the example would have {'lowered' if influence < 0 else 'raised'} the exam loss: negative helps."
    return f"This example's gradient {'lowered' if influence < 0 else 'raised'} the exam loss in this step: negative helps."


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
