"""How one setting is declared: its meaning, formula, unit and bounds stand beside its type and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo


class Settings(BaseModel):
    """A frozen group of settings; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


def setting(
    default: Any,
    meaning: str,
    *,
    label: str,
    formula: str = "",
    unit: str = "",
    choices: Mapping[str, str] | None = None,
    formulas: Mapping[str, str] | None = None,
    consequences: Mapping[str, str] | None = None,
    applies: str = "",
    advanced: bool = False,
    **bounds: Any,
) -> Any:
    """Declare one setting.

    Args:
        default: value when nothing is given.
        meaning: one sentence a newcomer understands.
        label: name shown beside the control.
        formula: LaTeX of what the setting does, without dollar signs.
        unit: unit of the value, e.g. "steps".
        choices: for settings with named values: value to what it means.
        formulas: LaTeX for single choices, where each has its own.
        consequences: what follows from single choices, and what they cost, in a sentence or two.
        applies: `group.field=value`, `=one|other` or `!=value` that must hold for the setting to matter; pages hide it
            otherwise.
        advanced: pages show it in a closed drawer.
        bounds: pydantic bounds (`ge`, `gt`, `le`, `lt`, `max_length`, ...).
    """
    extra: dict[str, Any] = {
        "label": label, "formula": formula, "unit": unit, "choices": dict(choices or {}), "formulas": dict(formulas or {}),
        "consequences": dict(consequences or {}), "applies": applies, "advanced": advanced,
    }  # fmt: skip
    return Field(default, description=meaning, json_schema_extra=extra, **bounds)


class Setting:
    """What a page or the command line needs to know of one declared setting, read from its pydantic field.

    Attributes:
        path: dotted name, e.g. "policy.exam_every".
        kind: "bool", "int", "float", "choice" or "text".
        optional: whether it may be left empty (None).
        minimum, maximum: closed or open bounds, None where there are none.
        minimum_open, maximum_open: whether the bound itself is excluded.
    """

    def __init__(self, group: str, name: str, info: FieldInfo) -> None:
        extra: dict[str, Any] = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        self.group, self.name = group, name
        self.path = f"{group}.{name}" if group else name
        self.default = info.default
        self.meaning = info.description or ""
        self.label: str = extra.get("label", name)
        self.formula: str = extra.get("formula", "")
        self.unit: str = extra.get("unit", "")
        self.choices: dict[str, str] = extra.get("choices", {})
        self.formulas: dict[str, str] = extra.get("formulas", {})
        self.consequences: dict[str, str] = extra.get("consequences", {})
        self.applies: str = extra.get("applies", "")
        self.advanced: bool = extra.get("advanced", False)
        types: tuple[Any, ...] = get_args(info.annotation) or (info.annotation,)
        self.optional = type(None) in types
        self.kind = _kind(self.choices, types)
        self.minimum, self.minimum_open = _bound(info, "ge", "gt")
        self.maximum, self.maximum_open = _bound(info, "le", "lt")

    def allowed(self) -> str:
        """Return the allowed values in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        words = {"bool": "true or false", "int": "a whole number", "float": "a number", "text": "a text"}[self.kind]
        if self.minimum is not None:
            words += f" {'above' if self.minimum_open else 'from'} {_plain(self.minimum)}"
        if self.maximum is not None:
            words += f" {'below' if self.maximum_open else 'up to'} {_plain(self.maximum)}"
        return words + (", or empty" if self.optional else "")


    def condition(self) -> str:
        """Return in words what must hold for the setting to matter; empty where it always does."""
        path, equals, wanted = self.applies.partition("=")
        return f"{path.removesuffix('!')} is {'not ' if path.endswith('!') else ''}{' or '.join(wanted.split('|'))}" if equals else ""


def _plain(bound: float) -> str:
    return f"{bound:.0f}" if bound == int(bound) else f"{bound:g}"


def _kind(choices: Mapping[str, str], types: tuple[Any, ...]) -> str:
    if choices:
        return "choice"
    for type_, kind in ((bool, "bool"), (int, "int"), (float, "float")):
        if type_ in types:
            return kind
    return "text"


def _bound(info: FieldInfo, closed: str, open_: str) -> tuple[float | None, bool]:
    for item in info.metadata:
        if getattr(item, closed, None) is not None:
            return float(getattr(item, closed)), False
        if getattr(item, open_, None) is not None:
            return float(getattr(item, open_)), True
    return None, False
