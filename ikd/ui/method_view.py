"""The Method page: words, formulas, cost, and what each switch does, the last drawn from the config itself."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from ikd.config import Setting, settings_of
from ikd.ui.drawing import draw_method
from ikd.ui.method_words import COST_WORDS, COSTS, FORMULAS, SOURCE, WORDS

TITLES = {"": "Run", "task": "Task", "teacher": "Teacher", "student": "Student", "objective": "Objective",
          "training": "Student's update (course step)", "policy": "Teacher policy (teacher's update)", "record": "Recording",
          "machine": "Machine"}  # fmt: skip


def show_method() -> None:
    """Draw the page."""
    st.header("Method", anchor=False)
    draw_method()
    st.markdown(SOURCE)
    formulas, words, cost, switches = st.tabs(["Formulas", "Words", "Cost", "Every setting"])
    with formulas:
        _draw_formulas()
    with words:
        st.table(pd.Series(WORDS, name="means").rename_axis("word"))
    with cost:
        st.markdown(COST_WORDS)
        st.table(pd.DataFrame(COSTS, columns=["step", "cost", "for r = 2, d = 3"]).set_index("step"))
    with switches:
        for group in ("policy", "objective", "training", "task", "teacher", "student", "record", "machine", ""):
            with st.expander(TITLES.get(group, group), expanded=group == "policy"):
                for one in settings_of(group):
                    _draw_setting(one)


def _draw_formulas() -> None:
    for place, (name, formula, sentence) in enumerate(FORMULAS):
        with st.container(border=True, key=f"formula-{place}"):
            st.markdown(f"**{name}**")
            st.latex(formula)
            st.caption(sentence)


def _draw_setting(one: Setting) -> None:
    st.markdown(f"**{one.label}** `{one.path}`: {one.meaning}")
    if one.choices:
        st.markdown("\n".join(f"- `{name}`: {_choice_words(one, name)}" for name in one.choices))
    default = "empty" if one.default in (None, "") else one.default
    st.caption(f"{one.allowed().capitalize()}. Default: {default}{' ' + one.unit if one.unit and default != 'empty' else ''}.")
    if one.formula:
        st.latex(one.formula)


def _choice_words(one: Setting, name: str) -> str:
    parts = [one.choices[name], *([f"{one.consequences[name]}"] if name in one.consequences else [])]
    formula = f" ${one.formulas[name]}$" if name in one.formulas else ""
    return ". ".join(part.rstrip(".") for part in parts) + ("." if len(parts) > 1 else "") + formula


