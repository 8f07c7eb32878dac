"""Fork: a run that is as this one up to a step and goes on with changed settings."""

from __future__ import annotations

from bisect import bisect_right

import streamlit as st

from ikd.config import RunConfig
from ikd.config.plan import FREEZE
from ikd.runs.control import fork_run
from ikd.runs.permission import read_only
from ikd.trace.branching import completed_steps
from ikd.trace.commands import Value
from ikd.trace.folder import RunFolder
from ikd.trace.kept import checkpoints_of
from ikd.trace.notes import LONGEST_LABEL
from ikd.ui import replay
from ikd.ui.change_fields import draw_fields
from ikd.ui.policies import teacher_moves
from ikd.ui.run_steer import CHANGEABLE
from ikd.ui.shell import go_to_run, sentences
from ikd.ui.tail import tail_of
from ikd.ui.timeline import timeline_of

FORKABLE = (*(one for one in CHANGEABLE if one != "record.probe_every"), "policy.mutual_weight", "policy.online_weight", "training.steps")
STOPS = {
    "exam": ("The feedback stops here", "From that step on there are no exams: the teacher is frozen."),
    "other": ("The teacher stops learning here", "From that step on the teacher stays as it is."),
}


def draw_fork(folder: RunFolder, config: RunConfig | None) -> None:
    """Draw the button behind which a run is forked; none where nothing may be started, or nothing was recorded."""
    if read_only() or config is None or tail_of(folder).reader.last_step() < 0:
        return
    st.fragment(_fork)(folder, config)


def _fork(folder: RunFolder, config: RunConfig) -> None:
    box = st.popover("Fork", icon=":material/fork_right:", key=f"fork-{folder.id}", on_change="rerun",
                     help="A new run that is as this one up to a step and goes on another way.")  # fmt: skip
    kept = f"fork-last-{folder.id}"
    if not box.open:
        st.session_state.pop(kept, None)
        return
    with box, sentences():
        # Of a run at work the last step moves; while the form is open its bounds stand.
        last = int(st.session_state.setdefault(kept, completed_steps(folder)))
        shown = last if folder.state().live else min(replay.cursor(last), last)
        # No bounds here: a field with bounds keeps its old number behind the one that was typed, and the fork would start there.
        step = int(st.number_input("From step", value=shown, step=1, key=f"fork-step-{folder.id}-{shown}") or 0)
        if not 0 <= step <= last:
            st.error(f"A fork at step {step} is not possible: {last} steps are completed. Give a step from 0 to {last}.",
                     icon=":material/error:")  # fmt: skip
            return
        st.caption(f"{last} steps are completed. {way_there(checkpoints_of(folder), step)}")
        _draw_form(folder, config, step)


def way_there(checkpoints: list[int], step: int) -> str:
    """Return from which checkpoint a fork at a step goes on, and how much has to be computed again, in words."""
    place = bisect_right(checkpoints, step)
    start = checkpoints[place - 1] if place else 0
    if start == step:
        return "It goes on from the checkpoint there: nothing is computed again." if step else "It begins anew."
    again = "1 step up to there is computed again" if step - start == 1 else f"{step - start} steps up to there are computed again"
    if place:
        return f"It goes on from the checkpoint at step {start}; {again}."
    return f"There is no checkpoint up to there: {again}, from the beginning."


def _draw_form(folder: RunFolder, config: RunConfig, step: int) -> None:
    timeline = timeline_of(tail_of(folder), config)
    assert timeline is not None
    now = timeline.at(step)
    with st.form(f"fork-form-{folder.id}", border=False):
        label = st.text_input("Name of the fork", max_chars=LONGEST_LABEL, key=f"fork-name-{folder.id}", placeholder="As in its settings")
        frozen = now.policy.teacher_freeze_at is not None and now.policy.teacher_freeze_at <= step
        stop, words = STOPS["exam" if now.policy.name == "exam" else "other"]
        freeze = teacher_moves(now) and not frozen and st.checkbox(stop, key=f"fork-freeze-{folder.id}", help=words)
        complaint = st.container()  # above the fields: below them it would be out of sight
        changes: dict[str, Value] = draw_fields(FORKABLE, now, key=f"fork-{folder.id}")
        if freeze:
            changes[FREEZE] = step
        if st.form_submit_button("Start the fork", icon=":material/fork_right:", key=f"fork-start-{folder.id}", type="primary"):
            with complaint, sentences():
                go_to_run(fork_run(folder.id, step, changes, label=" ".join(label.split())))
