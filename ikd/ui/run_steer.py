"""At the head of a run's page: pause, step, resume, stop, and settings changed while the run goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import streamlit as st

from ikd.config import PlannedChange, RunConfig
from ikd.config.plan import FREEZE
from ikd.errors import IKDError
from ikd.runs import queued_runs, stop_run
from ikd.runs.control import change_run, pause_run, resume_run, step_run, stop_run_at
from ikd.runs.permission import read_only
from ikd.trace.commands import Value, waiting
from ikd.trace.folder import RunFolder
from ikd.trace.kept import checkpoints_of
from ikd.trace.state import RunState
from ikd.ui import pace
from ikd.ui.change_fields import draw_fields, require_possible
from ikd.ui.policies import teacher_moves
from ikd.ui.shell import sentences
from ikd.ui.tail import tail_of
from ikd.ui.timeline import RunTimeline, change_word, timeline_of
from ikd.ui.wording import plain

CHANGEABLE = (
    "objective.temperature", "objective.alpha", "training.learning_rate", "policy.teacher_learning_rate", "policy.exam_every",
    "policy.anchor_weight", "record.probe_every",
)  # fmt: skip
FAULT_SECONDS = 10.0
_FAULT = "steer-fault"


def draw_steer(folder: RunFolder, config: RunConfig | None) -> None:
    """Draw what can be done with a run now, in a fragment of its own that no slow figure delays; none where nothing may be."""
    run = folder.state()
    if read_only() or folder.recorded or not (run.live or run.resumable or run.state == "queued"):
        return
    # As often as the figures: a button that is pressed answers at once, and a change of state draws the whole page anew.
    st.fragment(_steer, run_every=pace.every(run, pace.pace_seconds()))(folder, config, run.state)


def _steer(folder: RunFolder, config: RunConfig | None, drawn: str) -> None:
    with sentences(), pace.timed("steer"), st.container(key="steer"):
        run = folder.state()
        if (run.state == "queued") != (drawn == "queued") or run.live != (drawn in ("preparing", "running", "paused")):
            st.rerun()
        _show_fault("")
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if run.live:
                _draw_live(folder, run, config)
            elif run.state == "queued":
                _button("Take it out of the queue", ":material/close:", "leave-queue", stop_run, folder.id)
            elif run.resumable:
                _button("Resume", ":material/resume:", "resume-ended", resume_run, folder.id)
        if words := _words(folder, run):
            st.caption(words)


def _draw_live(folder: RunFolder, run: RunState, config: RunConfig | None) -> None:
    asked = {one.kind for one in waiting(folder.path) if one.at is None}
    stopping = "stop" in asked
    if run.state == "paused":
        _button("Resume", ":material/play_arrow:", "resume-run", resume_run, folder.id, off=stopping or "resume" in asked)
    else:
        _button("Pause", ":material/pause:", "pause-run", pause_run, folder.id, off=stopping or "pause" in asked,
                words="Waits after its present step, with a checkpoint, and keeps its device.")  # fmt: skip
    _button("Step", ":material/skip_next:", "step-run", step_run, folder.id, off=stopping or run.state != "paused",
            words="One more step, then it is paused again. To step, pause first.")  # fmt: skip
    _button("Stop", ":material/stop_circle:", "stop-run", stop_run, folder.id, off=stopping,
            words="Ends the run after its present step. What it recorded is kept, and it can be resumed.")  # fmt: skip
    box = st.popover("Steer", icon=":material/tune:", key="steer-box", on_change="rerun")
    if not box.open:  # thirty who watch would otherwise have all of it drawn at every look
        return
    with box:
        _draw_stop_at(folder, run)
        timeline = None if config is None else timeline_of(tail_of(folder), config)
        if config is not None and timeline is not None:
            _draw_changes(folder, run, config, timeline)


def _draw_stop_at(folder: RunFolder, run: RunState) -> None:
    with st.form("stop-at-form", border=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            # The number is judged by the run: bounds here would silently change what was typed.
            step = st.number_input("Stop at step", value=run.total, step=1, key="stop-at-step", width=150)
            wanted = st.form_submit_button("Stop there", icon=":material/stop_circle:", key="stop-at")
        if wanted:
            _carry_out("stop-at", stop_run_at, folder.id, int(step or 0))
        _show_fault("stop-at")


def _draw_changes(folder: RunFolder, run: RunState, config: RunConfig, timeline: RunTimeline) -> None:
    now = timeline.at(run.step)
    if teacher_moves(now):
        exams = now.policy.name == "exam"
        frozen = now.policy.teacher_freeze_at is not None and now.policy.teacher_freeze_at <= run.step
        if frozen:
            _button("Thaw the teacher", ":material/local_fire_department:", "thaw", change_run, folder.id, FREEZE, None,
                    words="Exams go on: the teacher learns again." if exams else "The teacher learns again.")  # fmt: skip
        else:
            _button("Freeze the teacher", ":material/ac_unit:", "freeze", change_run, folder.id, FREEZE, run.step,
                    words="No more exams: what if the feedback stopped here?" if exams else
                    "From here on the teacher stays as it is, and the student goes on learning from it.")  # fmt: skip
    with st.form("change-form", border=False):
        st.caption("From the next step on")
        complaint = st.container()  # above the fields: below them it would be out of sight
        wanted = draw_fields(CHANGEABLE, now, key="steer")
        if st.form_submit_button("Change", icon=":material/check:", key="change-now"):
            if not wanted:
                st.caption("Nothing differs from what holds now.")
            made = [one for one in timeline.changes if one not in timeline.planned]
            _carry_out("change", _post, folder, config, made, wanted, run.step)
        with complaint:
            _show_fault("change")


def _post(folder: RunFolder, config: RunConfig, made: list[PlannedChange], wanted: dict[str, Value], step: int) -> None:
    # The run would refuse what cannot be in its log alone: here it is said at once, and nothing is asked.
    require_possible(config, made, wanted, step=step)
    for path, value in wanted.items():
        change_run(folder.id, path, value)


def _words(folder: RunFolder, run: RunState) -> str:
    """Return what waits to be carried out, or what a button would do."""
    if run.state == "queued":
        return queue_words(folder)
    if not run.live:
        kept = [one for one in checkpoints_of(folder) if one <= run.step]
        if not kept:
            return "Resume starts it from the beginning: there is no checkpoint yet. Recorded steps are computed again and compared."
        if kept[-1] == run.step:
            return f"Resume goes on from step {run.step}, where a checkpoint is: nothing is computed again."
        return f"Resume goes on from the checkpoint at step {kept[-1]}; steps after it are computed again and compared."
    asked = waiting(folder.path)
    kinds = {one.kind for one in asked if one.at is None}
    words = [f"Waiting to be carried out: {plain(change_word(PlannedChange(step=run.step, path=one.path[:60], value=one.value)))}."
             for one in asked if one.kind == "change"]  # fmt: skip
    if "stop" in kinds:
        words.append("Asked to stop: it ends after its present step.")
    elif "pause" in kinds:
        words.append("Asked to pause: it waits after its present step.")
    return " ".join(words)


def queue_words(folder: RunFolder) -> str:
    """Return where a run stands in the queue, in words."""
    ids = [one.id for one in queued_runs()]
    where = f"Position {ids.index(folder.id) + 1} of {len(ids)} in the queue" if folder.id in ids else "In the queue"
    return f"{where}: it starts by itself when its device is free."


def _button(label: str, icon: str, key: str, do: Callable[..., None], *args: Any, off: bool = False, words: str | None = None) -> None:
    # As a callback: what is drawn after it stands on what was done.
    st.button(label, icon=icon, key=key, on_click=_carry_out, args=("", do, *args), disabled=off, help=words)


def _carry_out(where: str, do: Callable[..., None], *args: Any) -> None:
    st.session_state.pop(_FAULT, None)
    try:
        do(*args)
    except IKDError as fault:
        st.session_state[_FAULT] = (where, str(fault), time.monotonic())


def _show_fault(where: str) -> None:
    # Kept for a while: the next look at the run, a second later, would wipe it away.
    place, words, since = st.session_state.get(_FAULT, ("", "", 0.0))
    if words and place == where and time.monotonic() - since < FAULT_SECONDS:
        st.error(plain(words, longest=1000), icon=":material/error:")
