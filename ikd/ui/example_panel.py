"""Below the figures of the Example page: the formula of each, what to look for, the same as a table, and its downloads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from ikd.plots.belief import gathered
from ikd.ui.downloads import draw_downloads
from ikd.ui.example_figures import Look
from ikd.ui.example_story import Story
from ikd.ui.example_words import FIGURES
from ikd.ui.figures import Shown

MOST_ROWS = 2_000
KEY, CHOICE = "example-more", "example-more-figure"
ROWS = {
    "timeline": "Both files have every recorded step of this example, not only those drawn.",
    "now": "Both files have the bars of this step.",
    "feedback": "Both files have every recorded step with an exam, not only those drawn.",
    "influence": "Both files have every recorded step with an exam, not only those drawn.",
    "layers": "Both files have every recorded step with an exam, not only those drawn.",
}


def draw_panel(story: Story, row: int, look: Look, figures: Mapping[str, Shown], *, run: str) -> None:
    """Draw one closed drawer for all figures; what is in it is made only while it is open.

    Args:
        story: the example.
        row: place of the shown step in it.
        look: at the example.
        figures: as they stand on the page, by the names of `FIGURES`.
        run: name of the run's folder, for the names of files.
    """
    drawer = st.expander("About these figures: formulas · what to look for · as tables · download", key=KEY, on_change="rerun")
    if not drawer.open:
        return
    with drawer:
        names = list(figures)
        if st.session_state.get(CHOICE) not in names:
            st.session_state[CHOICE] = names[0]
        name = str(st.segmented_control("Figure", names, format_func=lambda one: FIGURES[one].title, key=CHOICE, required=True,
                                        label_visibility="collapsed"))  # fmt: skip
        st.latex(FIGURES[name].formula)
        st.markdown(f"**Look for:** {FIGURES[name].look_for}")
        table = TABLES[name](story, row, look)
        st.dataframe(table.head(MOST_ROWS), hide_index=True, height=240 if len(table) > 6 else "auto", key=f"{KEY}-table-{name}",
                     alt=f"The content of the figure {FIGURES[name].title} as a table.")  # fmt: skip
        if len(table) > MOST_ROWS:
            st.caption(f"The first {MOST_ROWS:,} of {len(table):,} rows; the files below have all of them.")
        file = file_name(run, story, name, row)
        title = _title(run, story, name, row, look)
        st.download_button("Figure as SVG", lambda: figures[name].svg(title), f"{file}.svg", "image/svg+xml", icon=":material/image:",
                           key=f"{KEY}-svg-{name}", on_click="ignore")  # fmt: skip
        draw_downloads(lambda: table, name=file, key=f"{KEY}-{name}", rows=ROWS[name])


def file_name(run: str, story: Story, figure: str, row: int) -> str:
    """Return the name of a saved figure or table without its ending: run, split, example, figure; with its step where it is of one."""
    step = f"-step-{story.steps[row]}" if figure == "now" else ""
    return f"{run}-{story.split}-{story.example}-{figure}{step}"


def _title(run: str, story: Story, figure: str, row: int, look: Look) -> str:
    """Return what a saved figure is of, which no longer stands on its page."""
    at = f" · temperature {look.temperature:g}" if figure in ("timeline", "now") else ""
    what = f"step {story.steps[row]}" if figure == "now" else f"{FIGURES[figure].title.lower()}, step {story.steps[row]} marked"
    return f"{run} · {story.split} example {story.example} · {what}{at}"


def timeline_frame(story: Story, row: int, look: Look) -> pd.DataFrame:
    """Return what the timeline draws, one row a recorded step: columns step, and a probability by role and class."""
    n_steps, truth = len(story.steps), look.truth(story)
    roles = {"teacher": look.p(story.teacher), "student": look.p(story.student)}
    if story.frozen is not None:
        roles["frozen teacher"] = np.tile(look.frozen(story), (n_steps, 1))
    if truth is not None:
        roles["truth"] = np.tile(truth, (n_steps, 1))
    columns: dict[str, NDArray[Any]] = {"step": story.steps}
    for who, values in roles.items():
        columns |= {f"{who}: {name}": values[:, at] for at, name in enumerate(told_apart(look.rows))}
    return pd.DataFrame(columns)


def now_frame(story: Story, row: int, look: Look) -> pd.DataFrame:
    """Return what the bars of the shown step draw, one row a class; feedback is 1 for the strongest ever on this example."""
    blank = np.full(len(look.rows), np.nan)
    truth, pull = look.truth(story), look.pull(story, row)
    return pd.DataFrame({
        "step": int(story.steps[row]), "class": look.rows, "teacher": look.p(story.teacher[row]), "student": look.p(story.student[row]),
        "frozen teacher": look.frozen(story), "truth": blank if truth is None else truth, "feedback": blank if pull is None else pull,
    })  # fmt: skip


def feedback_frame(story: Story, row: int, look: Look) -> pd.DataFrame:
    """Return the recorded feedback, one row a step with an exam: columns step, and one for each class."""
    feedback = gathered(story.feedback[story.exams], look.shown)
    names = told_apart(look.rows)
    return pd.DataFrame({"step": story.steps[story.exams], **{f"feedback: {name}": feedback[:, at] for at, name in enumerate(names)}})


def influence_frame(story: Story, row: int, look: Look) -> pd.DataFrame:
    """Return the recorded influence, one row a step with an exam: columns step, influence."""
    return pd.DataFrame({"step": story.steps[story.exams], "influence": story.influence[story.exams]})


def layers_frame(story: Story, row: int, look: Look) -> pd.DataFrame:
    """Return the norms at hidden states, one row a step with them: columns step, and one for each hidden state and attention."""
    places = story.asked_layers
    norms = np.zeros((0, len(story.shown))) if story.hidden is None else story.hidden[places]
    return pd.DataFrame({"step": story.steps[places], **{name: norms[:, at] for at, name in enumerate(told_apart(story.shown))}})


TABLES: dict[str, Callable[[Story, int, Look], pd.DataFrame]] = {
    "timeline": timeline_frame, "now": now_frame, "feedback": feedback_frame, "influence": influence_frame,
    "layers": layers_frame,
}  # fmt: skip


def told_apart(names: Sequence[str]) -> list[str]:
    """Return names of which no two are the same: two that are, once shortened, get their numbers in front."""
    return list(names) if len(set(names)) == len(names) else [f"{at + 1} {name}" for at, name in enumerate(names)]
