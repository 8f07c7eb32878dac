"""Every key of the session and every parameter of an address, named here and nowhere else.

The address is what two tabs share and what survives a reload; the session holds only what may be lost.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import streamlit as st

from ikd.config import PRESETS
from ikd.errors import unknown_name

# Parameters of an address.
RUN, EXAMPLES, STEP, PRESET = "run", "ex", "step", "preset"

# Keys of the session.
VALUES = "train_values"
PRESET_APPLIED = "train_preset_applied"
TAILS = "tails"
PLAYING = "replay_playing"
CURSOR = "replay_cursor"
SPEED = "replay_speed"
PLAYED_FROM = "replay_played_from"
SLIDERS = "replay_sliders"
MOVED = "replay_moved"
LOOK = "run_looked_at"
PACE = "run_pace"
TAKEN = "run_drawing_taken"
SHOWN_RUNS = "runs_shown"
SPOKEN = "figures_spoken"
BOARD_EARLY = "board_chosen_early"

MOST_EXAMPLES = 8


def setting_key(path: str) -> str:
    """Return the session key of the control of one setting."""
    return f"set-{path.replace('.', '-')}"


def run_in_address() -> str | None:
    """Return the run id of the address as it stands; `open_run` judges it."""
    return st.query_params.get(RUN) or None


def preset_in_address() -> tuple[str | None, str]:
    """Return the preset named by the address, and a notice where there is none of that name."""
    name = st.query_params.get(PRESET)
    if not name:
        return None, ""
    if name not in PRESETS:
        return None, unknown_name("preset", name[:60], PRESETS, hint="The defaults are shown instead.")
    return name, ""


def examples_in_address(n_probe: int) -> tuple[list[int], str]:
    """Return the probe examples named by the address, and a notice about those that cannot be shown."""
    text = st.query_params.get(EXAMPLES, "")
    if not text:
        return [], ""
    parts = [part.strip() for part in text[:400].split(",") if part.strip()]
    known = [int(part) for part in parts if re.fullmatch(r"\d{1,9}", part) and int(part) < n_probe]
    kept = list(dict.fromkeys(known))[:MOST_EXAMPLES]
    if len(known) == len(parts) == len(kept):
        return kept, ""
    return kept, (f"The address asks for examples that cannot all be shown: give at most {MOST_EXAMPLES} different "
                  f"numbers from 0 to {n_probe - 1}, with commas between.")  # fmt: skip


def keep_examples(ids: Sequence[int]) -> None:
    """Write the shown examples into the address."""
    st.query_params[EXAMPLES] = ",".join(str(one) for one in ids)


def step_in_address(n_steps: int) -> tuple[int | None, str]:
    """Return the step a replay stands at, and a notice where the address names none that exists."""
    text = st.query_params.get(STEP, "")
    if not text:
        return None, ""
    if re.fullmatch(r"\d{1,9}", text) and int(text) <= n_steps:
        return int(text), ""
    return None, f"The address asks for step {text[:20]!r}, but this run has the steps 0 to {n_steps}: the end is shown."


def keep_step(step: int | None) -> None:
    """Write the step of a standing replay into the address; None removes it."""
    if step is not None:
        st.query_params[STEP] = str(step)
    elif STEP in st.query_params:
        del st.query_params[STEP]
