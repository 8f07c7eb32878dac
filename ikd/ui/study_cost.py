"""What a study will cost, said beside the button that starts it: a program of its own works it out, so that the page loads no torch."""

from __future__ import annotations

import threading

import streamlit as st

from ikd.errors import IKDError
from ikd.runs.permission import read_only
from ikd.study.background import told_cost
from ikd.study.plan import Study
from ikd.study.reading import study_text
from ikd.ui.shell import sentences
from ikd.ui.study_standing import Standing
from ikd.ui.wording import plain

LOOK_SECONDS = 2.0
_answers: dict[str, str] = {}
_waiting: list[str] = []
_one_at_a_time = threading.Lock()


def draw_cost(study: Study, standing: Standing, jobs: int | None) -> None:
    """Draw what is left to carry out and how long it takes; nothing where nothing may be started, or where the study is at work."""
    if read_only() or standing.active:
        return
    key = f"{study_text(study)}\n{jobs} {standing.done} {standing.failed}"
    there = cost_later(key, study, jobs) is not None
    st.fragment(_part, run_every=None if there else LOOK_SECONDS)(key, study, jobs, there)


def cost_later(key: str, study: Study, jobs: int | None) -> str | None:
    """Return what a study will cost in words, None while that is worked out."""
    if key not in _answers and key not in _waiting:
        _waiting.append(key)
        threading.Thread(target=_work, args=(key, study, jobs), name="ikd-study-cost", daemon=True).start()
    return _answers.get(key)


def _work(key: str, study: Study, jobs: int | None) -> None:
    with _one_at_a_time:  # a program each: many visitors, or many choices of one, do not crowd the machine
        try:
            if key == _waiting[-1]:  # something else was chosen meanwhile: only the newest is worth the work
                _answers[key] = told_cost(study, jobs=jobs)
        except IKDError as fault:
            _answers[key] = f"No estimate: {fault}"
        finally:
            _waiting.remove(key)


def _part(key: str, study: Study, jobs: int | None, was_there: bool) -> None:
    with sentences():
        said = cost_later(key, study, jobs)
        if said is not None and not was_there:
            st.rerun()
        st.caption("Estimating cost …" if said is None else plain(said, longest=1000))
