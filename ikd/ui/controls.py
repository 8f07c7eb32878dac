"""Controls drawn from the config's own fields: no page repeats a label, a bound or a meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from ikd.config import GROUPS, Setting, applies, settings_of
from ikd.config.names import BUILTIN_MODELS, TASK_NAMES
from ikd.ui import state
from ikd.ui.wording import number

LISTED: dict[str, Mapping[str, str]] = {
    "task.name": TASK_NAMES,
    "teacher.name": BUILTIN_MODELS,
    "student.name": {"teacher": "the teacher's architecture with fewer layers", **BUILTIN_MODELS},
    "machine.device": {"auto": "a GPU where there is one", "cpu": "the processor", "cuda": "the first GPU", "mps": "Apple GPU"},
}
"""Texts with known values; those in `OPEN` also take any other text."""

OPEN = ("teacher.name", "student.name", "machine.device")


def values_of_session() -> dict[str, Any]:
    """Return the chosen values by dotted path; they outlive the page's own widgets."""
    chosen: dict[str, Any] = st.session_state.setdefault(state.VALUES, {})
    return chosen


def put_values(values: Mapping[str, Any]) -> None:
    """Replace all chosen values, as a preset does; settings not named take their defaults."""
    st.session_state[state.VALUES] = dict(values)
    for group_key in [key for key in st.session_state if str(key).startswith("set-")]:
        del st.session_state[group_key]


def draw_group(group: str) -> None:
    """Draw the controls of one group: the plain ones openly, the advanced ones in a closed drawer."""
    chosen = values_of_session()
    for one in settings_of(group):
        # Asked one by one: a control just drawn may decide whether the next one matters.
        if not one.advanced and applies(one, chosen):
            draw_setting(one)
    advanced = [one for one in settings_of(group) if one.advanced and applies(one, chosen)]
    if advanced:
        changed = sum(chosen.get(one.path, one.default) != one.default for one in advanced)
        with st.expander(f"More{f' ({changed} changed)' if changed else ''}", key=f"more-{group or 'run'}"):
            for one in advanced:
                draw_setting(one)
    _draw_formulas([one for one in settings_of(group) if applies(one, chosen)])


def draw_setting(one: Setting, place: str = "") -> None:
    """Draw the control of one setting and keep its value; `place` as in `state.setting_key`."""
    chosen, key = values_of_session(), state.setting_key(one.path, place)
    if key not in st.session_state:
        st.session_state[key] = _for_widget(one, chosen.get(one.path, one.default))
    value = {"bool": _draw_bool, "int": _draw_number, "float": _draw_number, "choice": _draw_choice, "text": _draw_text}[one.kind](
        one, key
    )
    value = None if value == "" and one.optional else value
    _draw_consequence(one, str(value))
    if value != one.default:
        chosen[one.path] = value
    else:
        chosen.pop(one.path, None)


def applicable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of settings that matter under the others; hidden ones must not break a rule unseen."""
    everything = {one.path: one for group in ("", *GROUPS) for one in settings_of(group)}
    return {path: value for path, value in values.items() if path not in everything or applies(everything[path], dict(values))}


def applies_now(one: Setting) -> bool:
    """Return whether a setting matters under the values chosen so far."""
    return applies(one, values_of_session())


def help_of(one: Setting) -> str:
    """Return the tooltip of a setting: meaning, formula, choices, allowed values."""
    parts = [one.meaning]
    if one.formula:
        parts.append(f"${one.formula}$")
    parts += [f"- **{name}**: {meaning}" for name, meaning in one.choices.items()]
    lines = "\n\n".join(parts[: 2 if one.formula else 1]) + "\n\n" + "\n".join(parts[2 if one.formula else 1 :])
    return f"{lines.strip()}\n\nAllowed: {one.allowed()}. On the command line: `{one.path}`."


def _draw_bool(one: Setting, key: str) -> bool:
    return st.toggle(_label(one), key=key, help=help_of(one))


def number_field(one: Setting, *, key: str, value: float | None = None, placeholder: str = "empty") -> int | float | None:
    """Draw the field of a setting that is a number, and return what stands in it, None where it is empty.

    Args:
        one: the setting.
        key: of the field.
        value: that stands in it at first.
        placeholder: of an empty field, where the setting may be empty.
    """
    # Bounds are judged by the config alone: a widget would silently change what was typed.
    whole = one.kind == "int"
    return st.number_input(
        _label(one), key=key, value=value, step=1 if whole else _step(one), format="%d" if whole else "%g", help=help_of(one),
        placeholder=placeholder if one.optional else None,
    )  # fmt: skip


def _draw_number(one: Setting, key: str) -> int | float | None:
    return number_field(one, key=key)


def _draw_choice(one: Setting, key: str) -> str:
    return str(st.selectbox(_label(one), list(one.choices), key=key, help=help_of(one),
                            format_func=lambda name: f"{name}: {one.choices[name]}"))  # fmt: skip


def _draw_text(one: Setting, key: str) -> str:
    if one.path not in LISTED:
        return st.text_input(_label(one), key=key, help=help_of(one), placeholder="empty" if one.optional else None)
    meanings = LISTED[one.path]
    options: Sequence[str] = list(dict.fromkeys([*meanings, str(st.session_state[key])]))
    chosen = st.selectbox(
        _label(one), options, key=key, help=help_of(one), accept_new_options=one.path in OPEN,
        format_func=lambda name: f"{name}: {meanings[name]}" if name in meanings else str(name),
    )  # fmt: skip
    return str(chosen or "")


def _draw_formulas(shown: Sequence[Setting]) -> None:
    formulas = [one for one in shown if one.formula or one.formulas]
    if not formulas:
        return
    chosen = values_of_session()
    with st.popover("Formulas", icon=":material/function:", type="tertiary"):
        for one in formulas:
            st.markdown(f"**{one.label}** (`{one.path}`)")
            if one.formula:
                draw_formula(one.formula)
            for name in chosen_first(one, str(chosen.get(one.path, one.default))):
                st.markdown(f"`{name}`: {one.choices[name]}")
                draw_formula(one.formulas[name])


def chosen_first(one: Setting, value: str) -> list[str]:
    """Return the choices of a setting that have a formula, the chosen one before the others."""
    return sorted(one.formulas, key=lambda name: name != value)


def draw_formula(formula: str) -> None:
    """Draw LaTeX as a line of text: a long formula breaks at its signs, where `st.latex` would cut it off on a narrow screen."""
    st.markdown(rf"$\displaystyle {formula}$")


def _draw_consequence(one: Setting, value: str) -> None:
    words, formula = one.consequences.get(value, ""), one.formulas.get(value, "")
    if words or formula:
        # Inside a line a formula may break at its signs, where one of its own would leave a narrow column.
        st.caption("\n\n".join(part for part in (words, f"${formula}$" if formula else "") if part))


def _label(one: Setting) -> str:
    return f"{one.label} ({one.unit})" if one.unit and one.unit not in one.label.lower() else one.label


def _step(one: Setting) -> float:
    default = one.default if isinstance(one.default, float) and one.default > 0 else 0.1
    return float(number(default / 2)) if default < 0.01 else (0.05 if (one.maximum or 10) <= 1 else 0.5)


def _for_widget(one: Setting, value: Any) -> Any:
    if one.kind == "float" and value is not None:
        return float(value)
    return "" if one.kind == "text" and value is None else value
