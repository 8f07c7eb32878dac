"""The one look of every figure: Okabe and Ito's colours, dashes and shapes, readable on light and dark ground.

Colour never stands alone: a role has its dash and its shape, a class its label beside the mark.
"""

from __future__ import annotations

import re

TEACHER, STUDENT, FROZEN, TRUTH = "#0072B2", "#D55E00", "#6E7681", "#009E73"
MARK = FROZEN
STAR, INK, PAPER = "#E69F00", "#1B1F24", "#FFFFFF"

CLASS_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", FROZEN)
"""Colours of classes by slot; the last slot is the one for all other classes together."""

REST_SLOT = len(CLASS_COLOURS) - 1

Look = tuple[str, list[int]]
"""Colour and dash of a line."""

ROLES: dict[str, Look] = {"teacher": (TEACHER, [1, 0]), "student": (STUDENT, [6, 3]), "frozen teacher": (FROZEN, [2, 3])}
ROLE_SHAPES = {"teacher": "circle", "student": "diamond"}
LOSSES: dict[str, Look] = {"course loss": (STUDENT, [1, 0]), "exam loss": (TRUTH, [6, 3]), "teacher's loss": (TEACHER, [2, 3])}

ON_DARK = {"#0072B2": "#56B4E9", "#56B4E9": "#0072B2", FROZEN: "#BCC5CF", INK: PAPER, PAPER: INK}
"""Colours that change places on a dark ground: the deep blue and the ink would sink into it."""

DASHES = ([1, 0], [6, 3], [2, 2], [10, 3], [8, 3, 2, 3], [4, 1], [1, 3])
"""Dashes of lines by slot."""

PADDING = {"left": 2, "top": 4, "right": 6, "bottom": 2}
CHART_HEIGHT_PIXELS = 300
CARD_HEIGHT_PIXELS = 165


def look_of(slot: int) -> Look:
    """Return the look of a line that stands for no role, unlike that of all others up to slot 41."""
    return CLASS_COLOURS[slot % REST_SLOT], DASHES[slot % len(DASHES)]


def on_dark(specification: str) -> str:
    """Return a figure's specification (JSON) in the colours of a dark ground."""
    return re.sub("|".join(ON_DARK), lambda found: ON_DARK[found[0]], specification)
