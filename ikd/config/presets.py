"""Named starting points, each with a sentence of what to look for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Settings that differ from the defaults, by dotted path, and what they let a person see."""

    title: str
    look_for: str
    values: dict[str, Any]


PRESETS: dict[str, Preset] = {
    "demo": Preset(
        title="Demo",
        look_for="Watch the drift band rise from zero at the first exam while the student's accuracy climbs.",
        values={},
    ),
}
