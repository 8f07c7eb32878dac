"""Fields in which settings of a run that is there already are given other values: while it goes on, and in a fork."""

from __future__ import annotations

from collections.abc import Sequence

from ikd.config import PlannedChange, RunConfig, Timeline, all_settings, applies, student_rate, teacher_rate
from ikd.config.timeline import value_of, values_of
from ikd.trace.commands import Value
from ikd.ui.controls import number_field
from ikd.ui.wording import number

RATES = {"training.learning_rate": student_rate, "policy.teacher_learning_rate": teacher_rate}


def draw_fields(paths: Sequence[str], now: RunConfig, *, key: str) -> dict[str, Value]:
    """Draw a field for each setting that has an effect, with its present value, and return the values that differ.

    Args:
        paths: of settings that are numbers.
        now: the settings that hold.
        key: prefix of the fields' keys.
    """
    changed: dict[str, Value] = {}
    for one in all_settings():
        if one.path not in paths or not applies(one, values_of(now)):
            continue
        before = value_of(now, one)
        assert before is None or isinstance(before, int | float)
        usual = f"{number(RATES[one.path](now))}, as usual" if one.path in RATES and before is None else "empty: as usual"
        # Named by its value: a field of the same name would keep what was typed before the setting changed.
        after = number_field(one, key=f"{key}-{one.path}-{before}", value=before, placeholder=usual)
        if after != before:
            changed[one.path] = after
    return changed


def require_possible(config: RunConfig, changes: Sequence[PlannedChange], wanted: dict[str, Value], *, step: int) -> None:
    """Do nothing where a run can go on with other values from a step on.

    Raises:
        ConfigError: it cannot; it says why.
    """
    timeline = Timeline(config, changes)
    for path, value in wanted.items():
        timeline.add(PlannedChange(step=step, path=path, value=value))
