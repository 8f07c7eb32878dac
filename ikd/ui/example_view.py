"""The Example page: one text, what was believed of it at every step, and the method's formulas with its own numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import streamlit as st

from ikd.config import RunConfig
from ikd.errors import RunError
from ikd.trace.folder import RunFolder
from ikd.trace.state import RunState
from ikd.ui import example_step, pace, state
from ikd.ui.downloads import draw_downloads
from ikd.ui.example_choice import choose_example, choose_split
from ikd.ui.example_figures import Look, classes_of, draw_asked, draw_now, draw_timeline, history_table
from ikd.ui.example_formulas import NOT_TRAINED, draw_formulas, fill, numbers_table
from ikd.ui.example_story import Story, read_story
from ikd.ui.run_head import badge
from ikd.ui.shell import notice, page_link, sentences
from ikd.ui.tail import Tail, tail_of
from ikd.ui.wording import plain, visible

WAITING_SECONDS = 2.0
LOST_SECONDS = 5.0
MAY_RETURN_SECONDS = 600.0
ERAS = 10
SCALES = ("training", "1")
SHAPES = {False: "Lines", True: "Stacked areas"}
MOST_TRUTHS = 6
_SCALE, _SHAPE, _LOOK = "example-scale", "example-shape", "example-looked-at"


def show_example(folder: RunFolder) -> None:
    """Draw the page about one example of a run."""
    run, tail = folder.state(), tail_of(folder)
    config = _config(folder)
    started = tail.started()
    _title(folder, run, config)
    if st.session_state.get(_LOOK) != folder.id:
        st.session_state[_LOOK] = folder.id
        pace.reset()
    with st.container(horizontal=True, vertical_alignment="bottom", key="example-choice"):
        split = choose_split()
        example = choose_example(tail, folder.id, split) if started else None
    if example is None:
        _timed(_waiting_part, run, WAITING_SECONDS)(folder, run.state, split)
        return
    _draw_text(example, [str(name) for name in tail.meta["label_names"]], split)
    notice(example_step.begin(int(tail.meta["n_steps"])))
    scale, complaint = state.choice_in_address(state.SCALE, SCALES)
    notice(complaint)
    st.session_state[_SCALE] = scale
    _timed(_story_part, run, pace.pace_seconds())(folder, example, split, config, run.state)
    with st.container(key="example-foot"):
        st.subheader("Whole history", anchor=False)
        draw_downloads(lambda: whole_history(folder, example, split, config), name=f"{folder.path.name}-{split}-{int(example['id'])}",
                       key="example-download")  # fmt: skip


def choose_run(folders: Sequence[RunFolder]) -> None:
    """Draw links to some runs, where the address names none."""
    st.header("Which run?", anchor=False)
    st.write("The address names no run. Open an example of one of the newest, or see all runs.")
    for folder in folders:
        page_link("example", label=plain(folder.id), icon=":material/search:", run=folder.id)
    page_link("runs", label="All runs", icon=":material/list:")


def _timed(part: Callable[..., None], run: RunState, live_seconds: float) -> Callable[..., None]:
    # The timer ends with the run: a part whose run has changed its state asks for one full rerun.
    every = live_seconds if run.live else None
    if every is None and run.state == "lost" and time.time() - run.heartbeat < MAY_RETURN_SECONDS:
        every = LOST_SECONDS
    return st.fragment(part, run_every=every)


def _waiting_part(folder: RunFolder, drawn: str, split: str) -> None:
    with sentences():
        tail = tail_of(folder)
        run = folder.state()
        if run.state != drawn or (tail.started() and not tail.reader.examples(split).empty):
            st.rerun()
        if run.live:
            st.info("No example is there yet: this page shows the first one as soon as the teaching has begun.")
        else:
            st.info("This run has recorded no such example, so there is nothing to show. Choose another run, or the other kind of "
                    "example.")  # fmt: skip


def _story_part(folder: RunFolder, example: pd.Series, split: str, config: RunConfig | None, drawn: str) -> None:
    with sentences(), pace.timed("example"):
        run, tail = folder.state(), tail_of(folder)
        if run.state != drawn or (run.live and pace.slow_down()):
            st.rerun()
        story = read_story(tail, split, example, config)
        if not len(story.steps):
            st.info("The first reading of this example is not there yet." if run.live else
                    "The run ended before it read this example: there is nothing to show of it.")  # fmt: skip
            return
        _draw_story(story, run, tail, config)


def _draw_story(story: Story, run: RunState, tail: Tail, config: RunConfig | None) -> None:
    n_steps, temperature = int(tail.meta["n_steps"]), float(tail.meta["temperature"])
    marks = np.unique(story.steps)
    place = example_step.place_of(marks)
    example_step.draw_steps(marks, place, n_steps=n_steps, live=run.live)
    row = int(np.searchsorted(story.steps, marks[place]))
    if int((story.steps == marks[place]).sum()) > 1:
        st.caption("It stands more than once in this step's batch; the numbers are those of its first place.")
    names = [str(name) for name in tail.meta["label_names"]]
    era = ERAS * int(story.steps[-1]) // max(n_steps, 1) if run.live else None
    scale, stacked = _draw_switches(temperature)
    look = Look(names=names, shown=classes_of(story, temperature), n_steps=n_steps, era=era, stacked=stacked,
                temperature=temperature if scale == "training" else 1.0)  # fmt: skip
    left, right = st.columns([5, 3], gap="medium")
    with left:
        draw_timeline(story, row, look)
    with right:
        draw_now(story, row, look)
    draw_asked(story, row, look)
    course = tail.reader.course(int(story.steps[row])) if story.split == "course" else None
    filled = fill(story, row, temperature=temperature, config=config, batch_size=None if course is None else len(course.examples))
    st.subheader(f"Step {filled.step} in numbers", anchor=False)
    draw_formulas(filled, look.shown, names)
    with st.expander("The same numbers as a table", key="example-numbers"):
        st.dataframe(numbers_table(filled, story, row, look.shown, names), hide_index=True, key="example-numbers-table",
                     alt=f"The numbers of step {filled.step}, by class.")  # fmt: skip
        st.caption("At the training temperature. f is the recorded feedback; the direction is what it makes of the soft target.")
    _draw_history(story, row, look)
    if not run.live and len(story.exams) and row not in story.exams:
        last = int(story.steps[story.exams[np.abs(story.exams - row).argmin()]])
        st.button(f"Show step {last}, the nearest with feedback", key="example-exam", on_click=example_step.pin, args=(last,))


def _draw_switches(temperature: float) -> tuple[str, bool]:
    words = {"training": f"{temperature:g}, of the training", "1": "1"}
    with st.container(horizontal=True, vertical_alignment="bottom", key="example-switches"):
        scale = st.segmented_control("Temperature of the figures", list(SCALES), format_func=words.__getitem__, key=_SCALE,
                                     required=True, on_change=_scale_chosen)  # fmt: skip
        st.session_state.setdefault(_SHAPE, False)
        shape = st.segmented_control("Drawn as", list(SHAPES), format_func=SHAPES.__getitem__, key=_SHAPE, required=True)
    return str(scale), bool(shape)


def _scale_chosen() -> None:
    scale = st.session_state[_SCALE]
    state.keep(state.SCALE, None if scale == SCALES[0] else scale)


def _draw_history(story: Story, row: int, look: Look) -> None:
    table = st.expander("All drawn steps as a table", key="example-history", on_change="rerun")
    # A closed table is not sent: it would be the largest part of every tick.
    if table.open:
        with table:
            st.dataframe(history_table(story, row, look), hide_index=True, key="example-history-table", height=320,
                         alt="Soft targets, student and feedback at every drawn step.")  # fmt: skip


def _draw_text(example: pd.Series, names: Sequence[str], split: str) -> None:
    label, truth, pair = int(example["label"]), example["truth"], example["text_pair"]
    with st.container(border=True, key="example-text"):
        with st.container(key=f"text-{split}-{int(example['id'])}"):
            # st.text interprets nothing; the style sheet isolates its direction.
            st.text(visible(example["text"]))
            if isinstance(pair, str) and pair:
                st.text(visible(pair))
        name = names[label] if 0 <= label < len(names) else str(label)
        words = [f"{SPLIT_TITLES[split]} {int(example['id'])}", f"hard label **{plain(name)}**", _truth_words(truth, names)]
        st.markdown(" · ".join(words))
        if split == "probe":
            st.caption(NOT_TRAINED)


SPLIT_TITLES = {"probe": "Probe example", "course": "Course example"}


def _truth_words(truth: Sequence[float] | None, names: Sequence[str]) -> str:
    if truth is None:
        return "the task does not know the true posterior"
    first = np.argsort(-np.asarray(truth), kind="stable")[:MOST_TRUTHS]
    rest = ", …" if len(truth) > MOST_TRUTHS else ""
    return "true posterior: " + ", ".join(f"{plain(names[one])} {truth[one]:.3f}" for one in first.tolist()) + rest


def whole_history(folder: RunFolder, example: pd.Series, split: str, config: RunConfig | None) -> pd.DataFrame:
    """Return every recorded step of an example, of `Story.history`, whatever the figures leave out."""
    # Called outside of any page: a tail of its own, nothing of the session.
    tail = Tail(folder)
    tail.started()
    story = read_story(tail, split, example, config)
    return story.history([str(name) for name in tail.meta["label_names"]], float(tail.meta["temperature"]))


def _title(folder: RunFolder, run: RunState, config: RunConfig | None) -> None:
    name = config.label if config and config.label else folder.id
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="example-title"):
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            st.header("Example", width="content", anchor=False)
            badge(folder, run)
        with st.container(horizontal=True, width="content"):
            page_link("run", label=f"Run {plain(name)}", icon=":material/monitoring:", run=folder.id, key="example-to-run")
            # The soft targets page is about probe examples: another split's number would be another text there.
            probe = state.carried(state.SPLIT).get(state.SPLIT, "probe") == "probe"
            page_link("targets", label="Soft targets", icon=":material/scatter_plot:", run=folder.id, key="example-to-targets",
                      more=state.carried(state.EXAMPLES, state.STEP) if probe else None)  # fmt: skip


def _config(folder: RunFolder) -> RunConfig | None:
    try:
        return folder.config()
    except RunError as fault:
        notice(str(fault))
        return None
