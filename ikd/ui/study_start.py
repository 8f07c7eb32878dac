"""Carrying a study out from the page, or how to in a terminal: seeds, jobs, start, go on, retry, cancel; and deleting it."""

from __future__ import annotations

import shlex
from collections.abc import Callable

import streamlit as st

from ikd.errors import IKDError
from ikd.runs.permission import read_only
from ikd.study.background import cancel_study, start_study
from ikd.study.deleting import delete_study, runs_to_delete
from ikd.study.folder import MOST_JOBS, StudyFolder, studies_here
from ikd.study.plan import Study
from ikd.study.reading import load_study, shipped_names, with_seeds
from ikd.study.verdicts import counted
from ikd.ui.shell import notice, sentences
from ikd.ui.study_choice import OWN, RECORDED, Offered, look_at, offered
from ikd.ui.study_cost import draw_cost
from ikd.ui.study_found import yaml_of
from ikd.ui.study_plan import few_seeds_words
from ikd.ui.study_standing import Standing
from ikd.ui.wording import plain

MOST_SEEDS = 200
JOBS = "study-jobs"
_COMPLAINT = "study-complaint"
LOCKED = ("This lab is read-only: studies can be looked at, and none can be started or changed here. The command below carries it out in a "
          "lab of your own.")  # fmt: skip


def draw_start(one: Offered, plan: Study, standing: Standing, progress: Callable[[], None], *, cost: bool = False) -> None:
    """Draw the controls that carry a study out, and the command that does the same.

    Args:
        one: the study that was chosen.
        plan: of it.
        standing: of the study of this name that was begun here, if any.
        progress: draws how far it is, beside the buttons.
        cost: whether to work out what it will cost.
    """
    locked = read_only()
    if locked:
        st.info(LOCKED, icon=":material/visibility:")
    notice(st.session_state.pop(_COMPLAINT, ""))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        own = len(plan.seeds)
        n_seeds = int(st.number_input("Seeds", 1, max(MOST_SEEDS, own), own, key=f"study-seeds-{one.key}-{own}", width=150,
                                      disabled=locked or standing.active,
                                      help="More seeds show smaller differences; what is there is kept."))  # fmt: skip
        jobs = st.number_input("Runs side by side", 1, MOST_JOBS, standing.jobs, key=f"{JOBS}-{one.key}-{standing.jobs}", width=190,
                               placeholder="one a core or GPU", disabled=locked or standing.active)  # fmt: skip
    study = plan if n_seeds == len(plan.seeds) else with_seeds(plan, n_seeds)
    if too_few := few_seeds_words(study):
        st.caption(plain(too_few, longest=400))
    if one.place == "own" and not locked and one.name in studies_here():
        st.warning(f"There is a study {plain(one.name)} here already. Started under the same name, this one takes up every run of it that "
                   "is truly the same, and the others no longer count. To keep both, give this one another name.")  # fmt: skip
    _draw_buttons(one, study, standing, int(jobs) if jobs else None, locked=locked)
    if standing.active:
        progress()
    elif cost:
        draw_cost(study, standing, int(jobs) if jobs else None)
    command = command_of(study, int(jobs) if jobs else None, elsewhere=locked)
    file = f"{study.name}.yaml"
    st.caption(("In a terminal, in the folder of a lab of your own" if locked else "The same in a terminal, in the lab's folder; this page "
                "shows it too") + (f"; {plain(file)} is the file below:" if file in command else ":"))  # fmt: skip
    st.code(command, language="bash", wrap_lines=True)
    st.download_button("The study as YAML", yaml_of(study), f"{study.name}.yaml", "application/yaml", icon=":material/download:",
                       key="study-yaml-file", on_click="ignore")  # fmt: skip


def command_of(study: Study, jobs: int | None, *, elsewhere: bool = False) -> str:
    """Return the command that carries a study out; one that nobody there knows by name is given as a file.

    Args:
        study: to be carried out.
        jobs: runs side by side, None: as many as the program chooses.
        elsewhere: in another lab, which knows no study but those that come with it.
    """
    words = ["python", "-m", "ikd", "study", *_named(study, elsewhere=elsewhere), *([] if jobs is None else ["--jobs", str(jobs)])]
    return shlex.join(words)


def _named(study: Study, *, elsewhere: bool) -> list[str]:
    shipped = study.name in shipped_names()
    if elsewhere and not shipped:
        return [f"{study.name}.yaml"]
    try:
        known = load_study(study.name) if shipped else StudyFolder(study.name).study()
        if study == known:
            return [study.name]
        if study == with_seeds(known, len(study.seeds)):
            return [study.name, "--seeds", str(len(study.seeds))]
    except IKDError:  # not known here, or damaged
        pass
    return [f"{study.name}.yaml"]


def _draw_buttons(one: Offered, study: Study, standing: Standing, jobs: int | None, *, locked: bool) -> None:
    more = study.seeds != one.study.seeds if one.study is not None else True
    begun = one.place == "here" and standing.done + standing.failed > 0
    label = "Go on" if begun else "Start it here" if one.place == "recorded" else "Start"
    nothing = one.place == "here" and not standing.missing and not more
    with st.container(horizontal=True):
        st.button(label, icon=":material/play_arrow:", type="primary", key="study-start", on_click=_start, args=(study, jobs, False),
                  disabled=locked or standing.active or nothing, help="Every run is over." if nothing else None)  # fmt: skip
        if one.place == "here" and standing.failed and not standing.active:
            st.button(f"Retry failed ({standing.failed})", icon=":material/replay:", key="study-retry", on_click=_start,
                      args=(study, jobs, True), disabled=locked)  # fmt: skip
        if standing.at_work:
            st.button("Cancel", icon=":material/stop:", key="study-cancel", on_click=_cancel, args=(study.name,),
                      disabled=locked or standing.ending, help="Runs at work stop after their step; all that is there is kept, and it "
                      "can go on later.")  # fmt: skip
        if one.place == "here" and not standing.active:
            draw_delete(one.name, locked=locked)


def draw_delete(name: str, *, locked: bool) -> None:
    """Draw the button behind which a study is deleted; its runs are counted once it is open."""
    box = st.popover("Delete", icon=":material/delete:", on_change="rerun", key=f"study-delete-{name}", disabled=locked)
    if box.open:
        with box, sentences():
            st.caption(f"{counted(len(runs_to_delete(name)), 'run')} and all that this study has found go for good. Other runs stay, "
                       "and so does what came with the lab.")  # fmt: skip
            sure = st.checkbox("Yes, delete this study and its runs for good", key=f"study-sure-{name}", disabled=locked)
            st.button("Delete the study", icon=":material/delete:", key="study-delete-now", on_click=_delete, args=(name,),
                      disabled=locked or not sure)  # fmt: skip


def _start(study: Study, jobs: int | None, retry: bool) -> None:
    try:
        start_study(study, jobs=jobs, retry=retry)
    except IKDError as fault:
        st.session_state[_COMPLAINT] = str(fault)
    else:
        look_at(study.name)
        st.toast(f"Study {plain(study.name)} is being started: how far it is stands beside the button and at the head of "
                 "the page.",
                 icon=":material/play_circle:")  # fmt: skip


def _cancel(name: str) -> None:
    try:
        cancel_study(name)
    except IKDError as fault:
        st.session_state[_COMPLAINT] = str(fault)


def _delete(name: str) -> None:
    try:
        n_runs = delete_study(name)
    except IKDError as fault:
        st.session_state[_COMPLAINT] = str(fault)
    else:
        listed = offered()
        look_at(next((key for key in (name, f"{RECORDED}{name}", *listed) if key in listed), OWN))  # as it comes, if it does
        st.toast(f"Study {plain(name)} is deleted, and {counted(n_runs, 'run')} of it.", icon=":material/delete:")
