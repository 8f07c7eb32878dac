"""The Example page: one text, what was believed of it at every step, and the method's formulas with its own numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import streamlit as st

from ikd.config import RunConfig, temperature_at
from ikd.errors import RunError
from ikd.events import UNLABELLED, Course
from ikd.trace.folder import RunFolder
from ikd.trace.notes import read_notes
from ikd.trace.state import RunState
from ikd.ui import example_step, pace, state
from ikd.ui.downloads import draw_downloads
from ikd.ui.example_cards import draw_formulas
from ikd.ui.example_choice import draw_choice
from ikd.ui.example_figures import Look, classes_of, draw_asked, draw_now, draw_timeline
from ikd.ui.example_formulas import fill, numbers_table
from ikd.ui.example_layers import draw_layers
from ikd.ui.example_panel import draw_panel
from ikd.ui.example_story import Story, read_story
from ikd.ui.example_words import NOT_TRAINED
from ikd.ui.run_head import badge
from ikd.ui.shell import notice, page_link, sentences
from ikd.ui.tail import Tail, tail_of
from ikd.ui.timeline import exam_span, marks_of, temperature_moves, timeline_of
from ikd.ui.wording import plain, whole

WAITING_SECONDS = 2.0
ERAS = 10
SCALES = ("training", "1")
SHAPES = {False: "Lines", True: "Stacked areas"}
MOST_TRUTHS = 6
LINKS_PIXELS = 320
_SCALE, _SHAPE, _LOOK = "example-scale", "example-shape", "example-looked-at"


def show_example(folder: RunFolder) -> None:
    """Draw the page about one example of a run."""
    state.take_up(folder.id)
    run, tail = folder.state(), tail_of(folder)
    config = _config(folder)
    started = tail.started()
    _title(folder, run, config)
    if st.session_state.get(_LOOK) != folder.id:
        st.session_state[_LOOK] = folder.id
        pace.reset()
    complaint = example_step.begin(int(tail.meta["n_steps"])) if started else ""
    split, example = draw_choice(tail, folder.id, config, started=started)
    notice(complaint)
    if example is None:
        _timed(_waiting_part, run, WAITING_SECONDS)(folder, run.state, split)
        return
    votes = tail.meta.get("facts", {}).get("truth_is") == "votes"
    _draw_text(example, [str(name) for name in tail.meta["label_names"]], split, votes=votes)
    scale, complaint = state.choice_in_address(state.SCALE, SCALES)
    notice(complaint)
    st.session_state[_SCALE] = scale
    _timed(_story_part, run, pace.pace_seconds())(folder, example, split, config, run.state)
    with st.container(key="example-foot"):
        st.subheader("Whole history", anchor=False)
        draw_downloads(lambda: whole_history(folder, example, split, config), name=f"{folder.path.name}-{split}-{int(example['id'])}",
                       key="example-download")  # fmt: skip


def _timed(part: Callable[..., None], run: RunState, live_seconds: float) -> Callable[..., None]:
    # The timer ends with the run: a part whose run has changed its state asks for one full rerun.
    return st.fragment(part, run_every=pace.every(run, live_seconds))


def _waiting_part(folder: RunFolder, drawn: str, split: str) -> None:
    with sentences():
        tail = tail_of(folder)
        run = folder.state()
        if run.state != drawn or (tail.started() and not tail.reader.examples(split).empty):
            st.rerun()
        if run.live or run.state == "queued":
            st.info("No example is there yet: this page shows the first one as soon as the teaching has begun.")
        else:
            st.info("This run has recorded no such example, so there is nothing to show. Choose another run, or the other kind of "
                    "example.")  # fmt: skip


def _story_part(folder: RunFolder, example: pd.Series, split: str, config: RunConfig | None, drawn: str) -> None:
    with sentences(), pace.timed("example"):
        run, tail = folder.state(), tail_of(folder)
        if run.state != drawn or (run.live and pace.slow_down()):
            st.rerun()
        if not tail.started():
            st.info("This run begins anew: its examples are shown as soon as the teaching has begun.")
            return
        # Asked for first: whatever was recorded up to then is in the story.
        newest = tail.reader.last_step()
        story = read_story(tail, split, example, config)
        if not len(story.steps):
            st.info("The first reading of this example is not there yet." if run.live or run.state == "queued" else
                    "The run ended before it read this example: there is nothing to show of it.")  # fmt: skip
            return
        _draw_story(folder, story, run, tail, config, newest)
        state.remember(folder.id)


def _draw_story(folder: RunFolder, story: Story, run: RunState, tail: Tail, config: RunConfig | None, newest: int) -> None:
    n_steps = int(tail.meta["n_steps"])
    steps = np.unique(story.steps)
    place = example_step.place_of(steps, newest=newest, growing=run.live or run.state == "lost")
    example_step.draw_steps(steps, place, newest=newest, n_steps=n_steps, live=run.live)
    row = int(np.searchsorted(story.steps, steps[place]))
    if int((story.steps == steps[place]).sum()) > 1:
        st.caption("It stands more than once in this step's batch; the numbers are those of its first place.")
    look = _look(story, run, tail, config)
    left, right = st.columns([5, 3], gap="medium")
    with left:
        figures = {"timeline": draw_timeline(story, row, look)}
    with right:
        figures["now"] = draw_now(story, row, look)
    figures |= draw_asked(story, row, look) | draw_layers(story, row, look)
    draw_panel(story, row, look, figures, run=folder.path.name)
    _draw_numbers(story, row, look, tail, config)
    if not run.live and len(story.exams) and row not in story.exams:
        last = int(story.steps[story.exams[np.abs(story.exams - row).argmin()]])
        st.button(f"Show step {last}, the nearest with feedback", key="example-exam", on_click=example_step.pin, args=(last,))


def _look(story: Story, run: RunState, tail: Tail, config: RunConfig | None) -> Look:
    n_steps, temperature = int(tail.meta["n_steps"]), float(tail.meta["temperature"])
    timeline = timeline_of(tail, config)
    scale, stacked = _draw_switches(temperature, moves=temperature_moves(timeline, n_steps))
    marks, exams = marks_of(timeline, n_steps)
    return Look(
        names=[str(name) for name in tail.meta["label_names"]], shown=classes_of(story, temperature), n_steps=n_steps, stacked=stacked,
        temperature=temperature if scale == "training" else 1.0, marks=marks, exams=exams, span=exam_span(timeline, n_steps),
        era=ERAS * int(story.steps[-1]) // max(n_steps, 1) if run.live else None,
    )  # fmt: skip


def _draw_numbers(story: Story, row: int, look: Look, tail: Tail, config: RunConfig | None) -> None:
    step = int(story.steps[row])
    course = tail.reader.course(step)
    rates = tail.scalars("student_learning_rate")
    rate = rates.loc[rates["step"] == step, "value"].to_numpy()
    timeline = timeline_of(tail, config)
    now = timeline.at(step) if timeline is not None else None
    temperature = temperature_at(step, now) if now is not None else float(tail.meta["temperature"])
    filled = fill(story, row, temperature=temperature, config=now, rate=float(rate[0]) if len(rate) else None,
                  batch_size=None if course is None else len(course.examples), largest=_largest(course, story, tail, step),
                  halved=story.split == "probe" and tail.meta.get("probe_dtype") == "float16")  # fmt: skip
    st.subheader(f"Step {filled.step} in numbers", anchor=False)
    draw_formulas(filled, look.shown, look.names)
    with st.expander("The same numbers as a table", key="example-numbers"):
        st.dataframe(numbers_table(filled, story, row, look.shown, look.names), hide_index=True, key="example-numbers-table",
                     alt=f"The numbers of step {filled.step}, by class.")  # fmt: skip
        st.caption("At the temperature of the training at this step. f is the recorded feedback; the direction is what it makes of the "
                   "soft target.")  # fmt: skip


def _largest(course: Course | None, story: Story, tail: Tail, step: int) -> float:
    """Return the largest influence (without its sign) among those recorded beside the example's at a step, 0 where none is."""
    beside = tail.reader.influence_at(step) if story.split == "probe" else None if course is None else course.influence
    return 0.0 if beside is None else float(np.abs(beside).max(initial=0.0))


def _draw_switches(temperature: float, *, moves: bool) -> tuple[str, bool]:
    words = {"training": f"{temperature:g}, of the {'start' if moves else 'training'}", "1": "1"}
    with st.container(horizontal=True, vertical_alignment="bottom", key="example-switches"):
        scale = st.segmented_control("Temperature of the figures", list(SCALES), format_func=words.__getitem__, key=_SCALE,
                                     required=True, on_change=_scale_chosen)  # fmt: skip
        st.session_state.setdefault(_SHAPE, False)
        shape = st.segmented_control("Drawn as", list(SHAPES), format_func=SHAPES.__getitem__, key=_SHAPE, required=True)
    return str(scale), bool(shape)


def _scale_chosen() -> None:
    scale = st.session_state[_SCALE]
    state.keep(state.SCALE, None if scale == SCALES[0] else scale)


def _draw_text(example: pd.Series, names: Sequence[str], split: str, *, votes: bool) -> None:
    label, truth, pair = int(example["label"]), example["truth"], example["text_pair"]
    with st.container(border=True, key="example-text"):
        with st.container(key=f"text-{split}-{int(example['id'])}"):
            # st.text interprets nothing; the style sheet isolates its direction.
            st.text(whole(example["text"]))
            if isinstance(pair, str) and pair:
                st.text(whole(pair))
        name = names[label] if 0 <= label < len(names) else str(label)
        said = "without a label" if label == UNLABELLED else f"hard label **{plain(name)}**"
        words = [f"{SPLIT_TITLES[split]} {int(example['id'])}", said, _truth_words(truth, names, votes=votes)]
        words += [f"{what} **{plain(example[column])}**" for what, column in BELONGS.items() if example[column]]
        st.markdown(" · ".join(words))
        if split == "probe":
            st.caption(NOT_TRAINED)


BELONGS = {"group": "group_name", "label or soft target from": "source_name"}
SPLIT_TITLES = {"probe": "Probe example", "course": "Course example"}


def _truth_words(truth: Sequence[float] | None, names: Sequence[str], *, votes: bool) -> str:
    if truth is None:
        return "no votes on this text" if votes else "the task does not know the true posterior"
    first = np.argsort(-np.asarray(truth), kind="stable")[:MOST_TRUTHS]
    rest = ", …" if len(truth) > MOST_TRUTHS else ""
    said = ", ".join(f"{plain(names[one])} {truth[one]:.3f}" for one in first.tolist())
    return f"{'people’s votes' if votes else 'true posterior'}: {said}{rest}"


def whole_history(folder: RunFolder, example: pd.Series, split: str, config: RunConfig | None) -> pd.DataFrame:
    """Return every recorded step of an example, of `Story.history`, whatever the figures leave out."""
    # Called outside of any page: a tail of its own, nothing of the session.
    tail = Tail(folder)
    tail.started()
    story = read_story(tail, split, example, config)
    timeline, start = timeline_of(tail, config), float(tail.meta["temperature"])
    at = [start if timeline is None else temperature_at(step, timeline.at(step)) for step in story.steps.tolist()]
    return story.history([str(name) for name in tail.meta["label_names"]], np.asarray(at, dtype=np.float64))


def _title(folder: RunFolder, run: RunState, config: RunConfig | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="example-title"):
        st.header("Example", width="content", anchor=False)
        badge(folder, run)
        # The soft targets page is about probe examples: another split's number would be another text there.
        probe = state.carried(state.SPLIT).get(state.SPLIT, "probe") == "probe"
        with st.container(horizontal=True, width=LINKS_PIXELS, key="example-links"):
            page_link("run", label="Its run", icon=":material/monitoring:", run=folder.id)
            page_link("targets", label="Soft targets", icon=":material/scatter_plot:", run=folder.id,
                      more=state.carried(state.EXAMPLES, state.STEP) if probe else None)  # fmt: skip
    # A link is cut where it is too long; a caption goes on in the next line.
    label = read_notes(folder.path).label or (config.label if config else "")
    name = f"**{plain(label, longest=200)}** · " if label else ""
    st.caption(f"Of the run {name}{plain(folder.id, longest=200)}")


def _config(folder: RunFolder) -> RunConfig | None:
    try:
        return folder.config()
    except RunError as fault:
        notice(str(fault))
        return None
