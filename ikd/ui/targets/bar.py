"""The bar above all views: which step, which example, which temperature. Whatever is chosen here stands in the address."""

from __future__ import annotations

import numpy as np
import streamlit as st

from ikd.trace.binning import SCALES
from ikd.ui import state
from ikd.ui.board_choice import WAYS, ranked
from ikd.ui.shell import page_link
from ikd.ui.targets.look import Look
from ikd.ui.timeline import temperature_moves
from ikd.ui.wording import number, plain, whole

BY_ID = "number"
ORDERS = {**WAYS, BY_ID: "number"}


def draw_bar(look: Look) -> None:
    """Draw the controls of step, example and temperature."""
    with st.container(key="targets-bar", horizontal=True, vertical_alignment="bottom", gap="small"):
        with st.container(horizontal=True, vertical_alignment="bottom", key="targets-step", width="content", gap="small"):
            _draw_step(look)
            _draw_scale(look)
            _draw_place(look)
        with st.container(horizontal=True, vertical_alignment="bottom", key="targets-example", width="content", gap="small"):
            _draw_example(look)
    _draw_example_words(look)


def pin(step: int) -> None:
    """Make all views show a step, and stay there."""
    state.keep(state.STEP, step)


def follow() -> None:
    """Make all views show the newest reading, now and later."""
    state.keep(state.STEP, None)


def select(example: int) -> None:
    """Make all views show an example."""
    state.keep(state.EXAMPLES, example)


def order_of_examples(look: Look, order: str | None = None) -> list[int]:
    """Return all probe examples in the order chosen in the bar, or in another of `ORDERS`, as at the cursor."""
    chosen = order or str(st.session_state.get("example-order", "drift"))
    return list(range(len(look.probe))) if chosen == BY_ID else ranked(look.tail, chosen, look.cursor)


def _draw_step(look: Look) -> None:
    steps = look.digest.steps
    at = int(np.searchsorted(steps, look.cursor))
    st.button("Back", icon=":material/chevron_left:", help="Previous reading", key="reading-before", disabled=at == 0, shortcut="Alt+Left",
              on_click=pin, args=(int(steps[max(at - 1, 0)]),))  # fmt: skip
    if look.live and not look.pinned:
        # A field that changes by itself while somebody types in it would be a nuisance.
        st.button(f"Pin at step {look.cursor}", icon=":material/keep:", key="pin-here", on_click=pin, args=(look.cursor,))
    else:
        # A new name for each step: a browser would report what the field of the same name held before as a person's wish.
        key = f"step-{look.cursor}-{look.newest if not look.pinned else 'pinned'}"
        st.number_input("Step", 0, look.newest, value=look.cursor, key=key, on_change=_typed_step, args=(key,), width=130,
                        help="The nearest reading at or before this step is shown.")  # fmt: skip
    st.button("Forward", icon=":material/chevron_right:", help="Next reading", key="reading-after", disabled=at >= len(steps) - 1,
              shortcut="Alt+Right", on_click=pin, args=(int(steps[min(at + 1, len(steps) - 1)]),))  # fmt: skip
    st.button("Jump to latest", icon=":material/last_page:", key="jump-latest", on_click=follow, disabled=not look.pinned,
              help="Follow the newest reading again, now and later.")  # fmt: skip


def _draw_place(look: Look) -> None:
    if look.pinned:
        st.badge(f"pinned at step {look.cursor}", icon=":material/keep:", color="orange")
    else:
        st.badge(f"following, step {look.cursor}", icon=":material/trending_flat:", color="blue")


def _draw_example(look: Look) -> None:
    order = str(st.session_state.get("example-order", "drift"))
    st.button("Previous", icon=":material/arrow_upward:", help="Previous example in the order at the right", key="example-before",
              shortcut="Alt+Up", on_click=_walk, args=(look, order, -1))  # fmt: skip
    key = f"example-{look.example}"
    st.number_input("Example", 0, len(look.probe) - 1, value=look.example, key=key, on_change=_typed_example, args=(key,), width=120)
    st.button("Next", icon=":material/arrow_downward:", help="Next example in the order at the right", key="example-after",
              shortcut="Alt+Down", on_click=_walk, args=(look, order, 1))  # fmt: skip
    st.selectbox("in the order of", list(ORDERS), format_func=ORDERS.__getitem__, key="example-order", width=210,
                 help="As things stand at the step shown.")  # fmt: skip


def _draw_scale(look: Look) -> None:
    trained = float(look.tail.meta["temperature"])
    moves = temperature_moves(look.timeline, look.n_steps)
    words = {"training": f"t = {number(trained)} ({'start' if moves else 'training'})", "1": "t = 1"}
    st.session_state.setdefault("targets-scale", look.scale)
    st.segmented_control("Temperature shown", list(SCALES), format_func=words.__getitem__, key="targets-scale", required=True,
                         on_change=_chosen_scale)  # fmt: skip


def _draw_example_words(look: Look) -> None:
    example = look.probe.iloc[look.example]
    label = int(example["label"])
    name = look.names[label] if 0 <= label < len(look.names) else str(label)
    with st.container(horizontal=True, vertical_alignment="center", key="selected-foot"):
        with st.container(key="text-selected", border=False, width="content"):
            st.text(whole(example["text"]))
            if example["text_pair"]:
                st.text(whole(example["text_pair"]))
        st.caption(f"Example {look.example} · label **{plain(name)}** · everything below is shown {look.scale_words()}", width="content")
        page_link("example", label="Open this example", icon=":material/search:", run=look.folder.id,
                  more={state.EXAMPLES: str(look.example), **({state.STEP: str(look.cursor)} if look.pinned else {})})  # fmt: skip


def _typed_step(key: str) -> None:
    pin(int(st.session_state[key]))


def _typed_example(key: str) -> None:
    select(int(st.session_state[key]))


def _walk(look: Look, order: str, by: int) -> None:
    ids = order_of_examples(look, order)
    at = ids.index(look.example)
    select(ids[min(max(at + by, 0), len(ids) - 1)])


def _chosen_scale() -> None:
    chosen = st.session_state["targets-scale"]
    state.keep(state.SCALE, None if chosen == SCALES[0] else chosen)
