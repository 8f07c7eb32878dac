"""Words at marks over the steps: on which side of its mark a word stands, and on which line, so that near words do not meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt

LETTER_PIXELS = 6.2
NARROW_PIXELS = 420
"""The words of two marks are put on two lines where they would meet in a chart as narrow as this."""


def beside(gap: int) -> dict[str, Any]:
    """Return the side of its place on which a word has room: the right one, but near the right end the left one."""
    late = f"scale('x', datum.step) + {LETTER_PIXELS} * length(datum.name) + {gap} > width"
    return {"align": alt.ExprRef(expr=f"{late} ? 'right' : 'left'"), "dx": alt.ExprRef(expr=f"{late} ? -{gap} : {gap}")}


def lanes(marks: Mapping[str, int], reach: float) -> list[tuple[str, int, int]]:
    """Return each mark with its step and the line its words stand on, so that near words do not meet."""
    reach = max([reach, *marks.values()])
    ends: list[float] = []
    placed = []
    for name, step in sorted(marks.items(), key=lambda one: one[1]):
        wide = reach * LETTER_PIXELS * (len(name) + 2) / NARROW_PIXELS
        start = step if step + wide <= reach else step - wide  # near the right end it stands at the left of its mark
        lane = next((k for k, end in enumerate(ends) if start >= end), len(ends))
        ends[lane : lane + 1] = [start + wide]
        placed.append((name, step, lane))
    return placed
