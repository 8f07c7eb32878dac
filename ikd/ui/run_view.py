"""The page of one run, live or replayed; everything on it is read from the run's folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from ikd.config import STORED, RunConfig, task_title
from ikd.errors import RunError
from ikd.runs import tend_queue
from ikd.trace.folder import RunFolder
from ikd.trace.notes import read_notes
from ikd.trace.state import RunState
from ikd.ui import pace, policies, replay, state
from ikd.ui.board_choice import choose_examples
from ikd.ui.final_scores import draw_final_scores
from ikd.ui.parentage import draw_family
from ikd.ui.run_another import draw_another
from ikd.ui.run_board import draw_board
from ikd.ui.run_curves import Scene, draw_curves
from ikd.ui.run_extras import draw_download, draw_log, draw_settings
from ikd.ui.run_fork import draw_fork
from ikd.ui.run_head import badge, draw_newest, draw_progress
from ikd.ui.run_steer import draw_steer
from ikd.ui.run_step import draw_step
from ikd.ui.run_trust import draw_trust
from ikd.ui.shell import notice, page_link, sentences
from ikd.ui.tail import Tail, tail_of
from ikd.ui.timeline import draw_changes, timeline_of
from ikd.ui.wording import moment, plain, visible

LIVE_SECONDS = 1.0
ERAS = 10
MOST_WARNINGS = 5


def show_run(folder: RunFolder) -> None:
    """Draw the page of a run."""
    state.take_up(folder.id, board=True)
    run, tail = folder.state(), tail_of(folder)
    if run.state != "queued":
        tend_queue()
    config = _config(folder)
    started = tail.started()
    n_steps = int(tail.meta.get("n_steps", 0)) or run.total
    if not run.live:
        n_steps = max(_end(run, tail, n_steps), 1)
    _forget_other_run(folder.id, _end(run, tail, n_steps))
    _title(folder, run, config, started=started)
    if started and not run.live:
        replay.draw_player(_end(run, tail, n_steps))
    read = tail.reader.last_step() >= 0
    _timed(_progress_part, run, LIVE_SECONDS)(folder, (run.state, started, read), config)
    if not started:
        return
    _timed(_figures_part, run, pace.pace_seconds())(folder, n_steps, config)
    if read:
        st.subheader("The board")
        ids = choose_examples(tail, _cursor(run, tail, n_steps), live=run.live)
        _timed(_board_part, run, pace.pace_seconds())(folder, n_steps, config, tuple(ids))
    draw_final_scores(run, tail)
    state.remember(folder.id, board=True)


def _timed(part: Callable[..., None], run: RunState, live_seconds: float) -> Callable[..., None]:
    # The timer ends with the run: a part whose run has changed its state asks for one full rerun.
    return st.fragment(part, run_every=pace.every(run, live_seconds) or (replay.TICK_SECONDS if replay.playing() else None))


def _progress_part(folder: RunFolder, drawn: tuple[str, bool, bool], config: RunConfig | None) -> None:
    with sentences(), pace.timed("look"):
        run, tail = folder.state(), tail_of(folder)
        if run.state == "queued":
            tend_queue()
        started = tail.started()
        if (run.state, started, tail.reader.last_step() >= 0) != drawn or (run.live and pace.slow_down()):
            # Something new stands on the page, or its timers end: once, the whole page is drawn.
            st.rerun()
        if run.live or (run.state == "finished" and not folder.recorded):
            end = _end(run, tail, int(tail.meta.get("n_steps", 0)) or run.total)
            draw_progress(run, tail, replayed=(replay.cursor(end), end) if replay.under_way() and not run.live else None)
        if run.state == "paused" and started:
            draw_step(tail, timeline_of(tail, config))
        if started:
            draw_newest(tail, _cursor(run, tail, int(tail.meta["n_steps"])), live=run.live)
        with st.expander("Log", expanded=not started, key=f"log-{started}"):
            draw_log(folder)


def _figures_part(folder: RunFolder, n_steps: int, config: RunConfig | None) -> None:
    with sentences(), pace.timed("curves"):
        if not tail_of(folder).started():  # forked or resumed a moment ago: the whole page is drawn anew once it has begun
            return
        scene = _scene(folder, n_steps, config)
        draw_curves(scene)
        draw_another(scene)
        draw_changes(timeline_of(tail_of(folder), config))


def _board_part(folder: RunFolder, n_steps: int, config: RunConfig | None, ids: Sequence[int]) -> None:
    with sentences(), pace.timed("board"):
        if not tail_of(folder).started():
            return
        draw_board(_scene(folder, n_steps, config), ids)


def _scene(folder: RunFolder, n_steps: int, config: RunConfig | None) -> Scene:
    run, tail = folder.state(), tail_of(folder)
    cursor = _cursor(run, tail, n_steps)
    moving = run.live or replay.playing()
    era = ERAS * min(cursor, tail.reader.last_step()) // max(n_steps, 1) if moving else None
    return Scene(tail=tail, n_steps=n_steps, cursor=cursor, config=config, replayed=not run.live, era=era)


def _cursor(run: RunState, tail: Tail, n_steps: int) -> int:
    return n_steps if run.live else replay.cursor(_end(run, tail, n_steps))


def _end(run: RunState, tail: Tail, n_steps: int) -> int:
    # A run that was stopped ends before its time; its replay does too.
    return n_steps if run.live else min(n_steps, max(tail.reader.last_step(), 0))


def _title(folder: RunFolder, run: RunState, config: RunConfig | None, *, started: bool) -> None:
    name = name_of(folder)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="run-title"):
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            st.header(plain(name), width="content", anchor=False)
            badge(folder, run)
        with st.container(horizontal=True, width="content", vertical_alignment="center"):
            with st.container(width="content"):
                draw_fork(folder, config)
            if config is not None:
                with st.popover("Settings", icon=":material/tune:"):
                    meta = tail_of(folder).meta
                    draw_settings(folder, config, meta.get("facts", {}), meta.get("ending", {}))
            if started:
                draw_download(folder)
                shown = state.carried(state.EXAMPLES, state.STEP)
                first = {state.EXAMPLES: shown[state.EXAMPLES].split(",")[0]} if state.EXAMPLES in shown else {}
                page_link("targets", label="Soft targets", icon=":material/scatter_plot:", run=folder.id, more={**shown, **first})
    draw_steer(folder, config)
    draw_trust(folder, config)
    when = [f"`{folder.id}`"] + ([f"started {moment(run.started)}"] if run.started and not folder.recorded else [])
    if config is not None:
        when += [plain(task_title(config.task)), _who_teaches(config),
                 policies.IN_A_LINE[config.policy.name]]  # fmt: skip
    st.caption(" · ".join(when))
    if note := read_notes(folder.path).text:
        with st.container(key="run-note"):
            st.text(visible(note))
    draw_family(folder)
    if run.error and not run.live:
        st.error(plain(run.error, longest=1000), icon=":material/error:")
    if run.state in ("stopped", "interrupted") and run.step < run.total:
        st.caption(f"It ended after {run.step} of {run.total} steps: what it recorded is here, but there are no final scores and no saved "
                   "student.")  # fmt: skip
    warnings = list(dict.fromkeys(folder.warnings()))  # a resumed run says again what still holds
    for warning in warnings[-MOST_WARNINGS:]:
        notice(warning)
    if len(warnings) > MOST_WARNINGS:
        st.caption(f"{len(warnings) - MOST_WARNINGS} earlier warnings stand in the log.")


def _who_teaches(config: RunConfig) -> str:
    teacher = "stored soft targets teach" if config.teacher.name == STORED else f"{plain(config.teacher.name)} teaches"
    return f"{teacher} {plain(config.student.name)}"


def _config(folder: RunFolder) -> RunConfig | None:
    try:
        return folder.config()
    except RunError as fault:
        notice(str(fault))
        return None


def _forget_other_run(run: str, n_steps: int) -> None:
    if st.session_state.get(state.LOOK) != run:
        st.session_state[state.LOOK] = run
        pace.reset()
        notice(replay.reset(n_steps))


def choose_run(folders: Sequence[RunFolder], page: str = "run", *, complaint: str = "") -> None:
    """Draw links to some runs on a page, where the address names none, or with a complaint about the one it names."""
    st.header("Which run?", anchor=False)
    notice(complaint)
    st.write("Open one of these, or see all runs." if complaint else "The address names no run. Open one of these, or see all runs.")
    for folder in folders:
        page_link(page, label=f"{plain(name_of(folder))} · {plain(folder.id)}", icon=":material/monitoring:", run=folder.id)
    page_link("runs", label="All runs", icon=":material/list:")


def name_of(folder: RunFolder) -> str:
    """Return the name a person gave a run; where there is none, what it is about."""
    given = read_notes(folder.path).label
    try:
        config = folder.config()
    except RunError:
        return given or "damaged run"
    return given or config.label or f"{task_title(config.task)}, {policies.IN_A_LINE[config.policy.name]}"
