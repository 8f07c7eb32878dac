"""Which example the Example page is about: its split, its place in a ranking, and the way to the next one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from ikd.trace.issued import course_log
from ikd.ui import board_choice, state
from ikd.ui.example_story import SPLITS
from ikd.ui.shell import notice
from ikd.ui.tail import Tail

SPLIT_WORDS = {"probe": "Probe set", "course": "Course (training)"}
PROBE_WAYS = {**board_choice.WAYS, "unsure": "teacher's entropy", "id": "id"}
COURSE_WAYS = {
    "helped": "influence: helped most",
    "harmed": "influence: harmed most",
    "asked": "strongest feedback",
    "issued": "times issued",
    "id": "id",
}
_SPLIT, _BOX, _RANKING = "example-split", "example-id", "example-ranking"
RANK_HELP = (
    "Previous and next go along this ranking (keys P and N). It stands as it was when it was made, so that new data never "
    "move you. Influence: the sum over all times the example was issued a soft target. Feedback of the course: its mean length."
)


def choose_split() -> str:
    """Draw the choice between probe and course examples, and return it."""
    split, complaint = state.choice_in_address(state.SPLIT, SPLITS)
    notice(complaint)
    st.session_state[_SPLIT] = split
    st.segmented_control("Examples of the", list(SPLITS), format_func=SPLIT_WORDS.__getitem__, key=_SPLIT, required=True,
                         on_change=_split_chosen)  # fmt: skip
    return split


def choose_example(tail: Tail, run: str, split: str) -> pd.Series | None:
    """Draw the ranking, previous, next and the number box, and return the example's row; None while there is none."""
    examples = tail.probe() if split == "probe" else tail.reader.examples("course")
    if examples.empty:
        return None
    ways = PROBE_WAYS if split == "probe" else COURSE_WAYS
    way = st.selectbox("Ranked by", list(ways), format_func=ways.__getitem__, key=f"example-way-{split}", width=240,
                       help=RANK_HELP)  # fmt: skip
    ids = examples["id"].to_numpy()
    asked, complaint = state.example_in_address(int(ids[-1]) + 1)
    order = _ranking(tail, run, split, way, ids, asked)
    shown = order[0] if asked is None else int(ids[np.abs(ids - asked).argmin()])
    _draw_moves(order, shown, last=int(ids[-1]))
    notice(complaint)
    if asked is not None and asked != shown:
        notice(f"The course example {asked} has not been issued a soft target: the nearest, {shown}, is shown.")
    if state.example_in_address(int(ids[-1]) + 1)[0] != shown:
        state.keep(state.EXAMPLES, shown)
    return examples.iloc[int(np.searchsorted(ids, shown))]


def ranked_course(tail: Tail, way: str) -> list[int]:
    """Return all course examples issued so far, the foremost by one of `COURSE_WAYS` first; those never in an exam last."""
    log = course_log(tail.reader.course_sizes(), upto=tail.reader.last_step())
    if way == "id":
        return [int(one) for one in log.index]
    score = {"helped": -log["influence"], "harmed": log["influence"], "asked": log["asked"], "issued": log["issued"]}[way]
    return [int(one) for one in score.sort_values(ascending=False, kind="stable", na_position="last").index]


def _ranking(tail: Tail, run: str, split: str, way: str, ids: np.ndarray, asked: int | None) -> list[int]:
    """Return the ranking as it was made; it is made anew for another choice, or an example that it does not know yet."""
    name = (run, split, way)
    known, order = st.session_state.get(_RANKING, (None, []))
    if known != name or (asked is not None and asked not in order and asked in ids):
        if split == "course":
            order = ranked_course(tail, way)
        else:
            order = ids.tolist() if way == "id" else board_choice.ranked(tail, way, int(tail.meta["n_steps"]))
        # A soft target can be issued between two questions: the ranking holds what both answers know.
        both = set(ids.tolist())
        order = [one for one in order if one in both] or ids.tolist()
        st.session_state[_RANKING] = (name, order)
    return list(order)


def _draw_moves(order: list[int], shown: int, *, last: int) -> None:
    at = order.index(shown) if shown in order else 0
    words = f"Place {at + 1:,} of {len(order):,} in the ranking. Keys: P and N."
    st.button("Previous", icon=":material/arrow_upward:", key="example-previous", shortcut="P", disabled=at == 0, help=words,
              on_click=_open, args=(order[max(at - 1, 0)],))  # fmt: skip
    st.button("Next", icon=":material/arrow_downward:", key="example-next", shortcut="N", disabled=at == len(order) - 1,
              help=words, on_click=_open, args=(order[min(at + 1, len(order) - 1)],))  # fmt: skip
    st.session_state[_BOX] = shown
    st.number_input("Example", 0, last, key=_BOX, width=130, on_change=_typed, help=f"The id of an example, 0 to {last}.")


def _split_chosen() -> None:
    state.keep(state.SPLIT, st.session_state[_SPLIT])
    state.keep(state.EXAMPLES, None)


def _typed() -> None:
    _open(int(st.session_state[_BOX]))


def _open(example: int) -> None:
    state.keep(state.EXAMPLES, example)
