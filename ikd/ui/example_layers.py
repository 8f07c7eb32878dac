"""Feedback at hidden states of one example: how strongly each layer was asked to change, at the shown step and over all steps."""

from __future__ import annotations

import numpy as np
import streamlit as st

from ikd.plots.hidden_feedback import layers_chart, layers_table, strip_chart, strip_table
from ikd.ui.example_figures import Look
from ikd.ui.example_story import Story
from ikd.ui.example_words import FIGURES
from ikd.ui.figures import Shown, show_figure

MOST_COLUMNS = 120
NONE_YET = "The objective of this run compares hidden states, but no exam so far has said anything of them for this example."


def draw_layers(story: Story, row: int, look: Look) -> dict[str, Shown]:
    """Draw the feedback at hidden states, where the objective looks at any; return the figure over the steps by its name."""
    if story.hidden is None:
        return {}
    st.markdown(f"**{FIGURES['layers'].title}**")
    places = story.asked_layers
    if not len(places):
        st.caption(NONE_YET)
        return {}
    at = int(places[max(int(np.searchsorted(places, row, side="right")) - 1, 0)])
    kept = _kept(story, at)
    norms, step = story.hidden[at], int(story.steps[at])
    names, strongest = list(story.shown), int(norms.argmax())
    left, right = st.columns([5, 3], gap="medium")
    with left:
        shown = show_figure(
            strip_chart, strip_table(story.steps[kept], story.hidden[kept], names=names, frame=look.frame(int(story.steps[row]))),
            key=f"example-layers-{len(names)}", zoom="zoom_layers", era=look.era, n_rows=len(names), window=(0, look.n_steps),
            zoom_name="zoom_layers", spoken=f"Norm of the feedback at {len(names)} hidden states and attentions, at {len(kept)} steps.",
        )  # fmt: skip
    with right:
        show_figure(layers_chart, layers_table(norms, names=names), key="example-layers-now", era=look.era, n_rows=len(names),
                    spoken=f"At step {step} the strongest is {norms[strongest]:.2e}, at {names[strongest]}.")  # fmt: skip
    thinned = f" Drawn: {len(kept)} of {len(places)} steps." if len(kept) < len(places) else ""
    st.caption(f"{FIGURES['layers'].sentence} Bars: step {step}{_why(at, row)}.{thinned}")
    return {"layers": shown}


def _kept(story: Story, at: int) -> np.typing.NDArray[np.int64]:
    """Return at most about `MOST_COLUMNS` places to draw, evenly among those with feedback, the shown one with them."""
    places = story.asked_layers
    even = np.linspace(0, len(places) - 1, min(MOST_COLUMNS, len(places))).round().astype(np.int64)
    return np.union1d(places[even], [at]).astype(np.int64)


def _why(at: int, row: int) -> str:
    return "" if at == row else ", the last with an exam" if at < row else ", the first with an exam"
