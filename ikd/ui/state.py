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
RUN, EXAMPLES, STEP, PRESET, VIEW, SPLIT, SCALE, RUNS = "run", "ex", "step", "preset", "view", "split", "t", "runs"
STUDY = "study"

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
CORNERS = "targets_corners"
TABLE_STEP = "targets_table_step"
SORTED_AT = "targets_sorted_at"
NEWS = "picked_last"
PICKS = "picked_in_figures"
EARLY_PIN = "pinned_before_its_step"
LOOKED = "looked_at_last"
BOARD_EARLY = "board_chosen_early"

SOURCE = "data_source_of"
DATA_PART = "data_part_kept"
COMPARED = "compare_what"
STUDY_CHOICE = "study_choice"
STUDY_KEPT = "study_looked_at"
STUDY_NOTICE = "study_notice"
STUDY_TEXT = "study_text_kept"

DATA = "data"
"""The place of controls on the Data page."""

MOST_EXAMPLES = 8
_BOARD = "board"


def setting_key(path: str, place: str = "") -> str:
    """Return the session key of the control of one setting.

    Args:
        path: of the setting.
        place: name of the page where it is another than Train. A widget of the same key on another page would begin with nothing in it.
    """
    return f"set-{place}{'-' if place else ''}{path.replace('.', '-')}"


def forget_controls(path: str) -> None:
    """Let the controls of a setting, on every page, take its value anew."""
    for place in ("", DATA):
        st.session_state.pop(setting_key(path, place), None)


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


def example_in_address(n_examples: int) -> tuple[int | None, str]:
    """Return the one example a page is about, None where the address names none; and a notice about a wrong one."""
    text = st.query_params.get(EXAMPLES, "").strip()
    first = text.split(",")[0].strip()
    if not text:
        return None, ""
    if re.fullmatch(r"\d{1,9}", first) and int(first) < n_examples:
        return int(first), ""
    return None, (f"The address asks for example {text[:20]!r}, but there are the examples 0 to {n_examples - 1}: "
                  "another one is shown.")  # fmt: skip


def choice_in_address(parameter: str, choices: Sequence[str]) -> tuple[str, str]:
    """Return the choice named by a parameter of the address, the first where it names none; and a notice about a wrong one."""
    name = st.query_params.get(parameter, "")
    if not name:
        return choices[0], ""
    if name in choices:
        return name, ""
    return choices[0], unknown_name(parameter, name[:60], choices, hint=f"{choices[0]} is shown instead.")


def keep(parameter: str, value: str | int | None) -> None:
    """Write a parameter into the address; None removes it."""
    if value is not None:
        st.query_params[parameter] = str(value)
    elif parameter in st.query_params:
        del st.query_params[parameter]


def remember(run: str, *, board: bool = False) -> None:
    """Keep what the address says of a run, so that the way by the menu to its other pages leads to the same place.

    Args:
        run: id of the run of the page.
        board: whether the examples of the address are those of the board; otherwise the one example of the page.
    """
    kept: dict[str, str | None] = st.session_state.setdefault(LOOKED, {})
    if kept.get(RUN) != run:
        kept.clear()
    kept |= {RUN: run, STEP: st.query_params.get(STEP), SCALE: kept.get(SCALE) if board else st.query_params.get(SCALE)}
    if board:
        kept[_BOARD] = st.query_params.get(EXAMPLES)
    elif st.query_params.get(SPLIT, "probe") == "probe":
        kept[EXAMPLES] = st.query_params.get(EXAMPLES)


def take_up(run: str, *, board: bool = False) -> None:
    """Write into an address that names the run alone what was looked at last of this run, as `remember` kept it."""
    kept: dict[str, str | None] = st.session_state.get(LOOKED, {})
    if kept.get(RUN) != run or set(st.query_params) - {RUN}:
        return
    one, ids = kept.get(EXAMPLES), kept.get(_BOARD) or ""
    if board and one is not None:
        # The example of the other pages stands on the board, before those that were there.
        ids = ",".join(list(dict.fromkeys([one, *(part for part in ids.split(",") if part)]))[:MOST_EXAMPLES])
    found = {STEP: kept.get(STEP), EXAMPLES: (ids or None) if board else one, SCALE: None if board else kept.get(SCALE)}
    for parameter, value in found.items():
        if value is not None:
            keep(parameter, value)


def run_looked_at() -> str | None:
    """Return the run of the address, else the one looked at last in this session."""
    return run_in_address() or st.session_state.get(LOOKED, {}).get(RUN)


def carried(*parameters: str) -> dict[str, str]:
    """Return those parameters of the address that are there, to be taken along to another page."""
    return {name: st.query_params[name] for name in parameters if name in st.query_params}


def is_news(key: str, value: object) -> bool:
    """Return whether a figure's selection differs from the one seen last: figures report theirs at every run."""
    seen: dict[str, object] = st.session_state.setdefault(NEWS, {})
    fresh = value is not None and seen.get(key) != value
    seen[key] = value
    return fresh


def pick_key(figure: str, selected: int) -> str:
    """Return the key of a figure in which an example can be picked: a new one when another example is selected elsewhere.

    A figure that still held the old pick would not report the same click again.
    """
    kept: dict[str, tuple[int, int | None]] = st.session_state.setdefault(PICKS, {})
    number, picked = kept.get(figure, (0, None))
    if picked is not None and picked != selected:
        number, picked = number + 1, None
    kept[figure] = (number, picked)
    return f"{figure}-{number}"


def fresh_pick(figure: str, picked: int | None) -> int | None:
    """Return what was picked in a figure since its last run: figures report their pick at every run."""
    kept: dict[str, tuple[int, int | None]] = st.session_state.setdefault(PICKS, {})
    number, before = kept.get(figure, (0, None))
    kept[figure] = (number, picked)
    return picked if picked != before else None


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
    keep(STEP, step)
