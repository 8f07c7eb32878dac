"""Which example the Example page is about: its split, its place in a ranking, and the way to the next one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from ikd.config import RunConfig
from ikd.ui import example_step, state
from ikd.ui.example_ranking import COURSE_WAYS, PROBE_WAYS, ranked_course, ranked_probe
from ikd.ui.example_story import SPLITS
from ikd.ui.shell import notice
from ikd.ui.tail import Tail

SPLIT_WORDS = {"probe": "Probe set", "course": "Course (training)"}
_SPLIT, _BOX, _RANKING = "example-split", "example-id", "example-ranking"
RANK_HELP = (
    "Previous and next go along this ranking (keys P and N). It stands as it was when it was made, so that new data never "
    "move you. Probe examples are ranked by what they were at the step shown then: the gain counts from the first exam, the "
    "influence is that of the last reading with an exam. Course examples: over all times that one was issued a soft target, "
    "influence is the sum and feedback the mean length."
)


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """A ranking as it was made.

    Attributes:
        name: run, split and way: it is made anew for another one.
        order: ids, the foremost first.
        step: nothing later than this step counted.
        fault: why the ids stand by their number, or nothing.
    """

    name: tuple[str, str, str]
    order: list[int]
    step: int
    fault: str


def draw_choice(tail: Tail, run: str, config: RunConfig | None, *, started: bool) -> tuple[str, pd.Series | None]:
    """Draw the choice of the example, and return its split and its row; None while there is none.

    Args:
        tail: what was read of the run.
        run: its id.
        config: its settings, None where they are damaged.
        started: whether its names and its probe set are known.
    """
    notices: list[str] = []
    with st.container(horizontal=True, vertical_alignment="bottom", key="example-choice"):
        split = _choose_split(notices)
        example = _choose_example(tail, run, split, config, notices) if started else None
    for one in notices:
        notice(one)
    return split, example


def _choose_split(notices: list[str]) -> str:
    split, complaint = state.choice_in_address(state.SPLIT, SPLITS)
    notices.append(complaint)
    st.session_state[_SPLIT] = split
    st.segmented_control("Examples of the", list(SPLITS), format_func=SPLIT_WORDS.__getitem__, key=_SPLIT, required=True,
                         on_change=_split_chosen)  # fmt: skip
    return split


def _choose_example(tail: Tail, run: str, split: str, config: RunConfig | None, notices: list[str]) -> pd.Series | None:
    examples = tail.probe() if split == "probe" else tail.reader.examples("course")
    if examples.empty:
        return None
    ways = PROBE_WAYS if split == "probe" else COURSE_WAYS
    way = st.selectbox("Ranked by", list(ways), format_func=ways.__getitem__, key=f"example-way-{split}", width=240,
                       help=RANK_HELP)  # fmt: skip
    ids = examples["id"].to_numpy()
    asked, complaint = state.example_in_address(int(ids[-1]) + 1)
    ranking = _ranking(tail, (run, split, way), ids, asked, config)
    shown = ranking.order[0] if asked is None else int(ids[np.abs(ids - asked).argmin()])
    _draw_moves(ranking, shown, last=int(ids[-1]))
    notices += [complaint, ranking.fault]
    if asked is not None and asked != shown:
        notices.append(f"The course example {asked} has not been issued a soft target: the nearest, {shown}, is shown.")
    if state.example_in_address(int(ids[-1]) + 1)[0] != shown:
        state.keep(state.EXAMPLES, shown)
    return examples.iloc[int(np.searchsorted(ids, shown))]


def _ranking(tail: Tail, name: tuple[str, str, str], ids: np.ndarray, asked: int | None, config: RunConfig | None) -> Ranking:
    """Return the ranking as it was made.

    It is made anew for another choice, for an example that it does not know yet, and while it says nothing.
    """
    known: Ranking | None = st.session_state.get(_RANKING)
    if known is None or known.name != name or known.fault or (asked is not None and asked not in known.order and asked in ids):
        _, split, way = name
        newest, step = tail.reader.last_step(), example_step.pinned()
        step = newest if split == "course" or step is None else min(step, newest)
        order, fault = (ranked_course(tail, way), "") if split == "course" else ranked_probe(tail, way, step, config)
        # A soft target can be issued between two questions: the ranking holds what both answers know.
        both = set(ids.tolist())
        known = Ranking(name=name, order=[one for one in order if one in both] or ids.tolist(), step=step, fault=fault)
        st.session_state[_RANKING] = known
    return known


def _draw_moves(ranking: Ranking, shown: int, *, last: int) -> None:
    order, at = ranking.order, ranking.order.index(shown) if shown in ranking.order else 0
    words = f"Place {at + 1:,} of {len(order):,} in the ranking, as of step {max(ranking.step, 0)}. Keys: P and N."
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
