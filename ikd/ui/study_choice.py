"""Which study is looked at: one begun here, one recorded with the lab, one that comes with it, or one in YAML of one's own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import streamlit as st

from ikd.errors import IKDError, unknown_name
from ikd.study.cells import all_cells
from ikd.study.folder import STUDIES, StudyFolder, studies_here
from ikd.study.plan import NAME, Study
from ikd.study.reading import SHIPPED, shipped_names
from ikd.study.verdicts import counted
from ikd.trace.store import assets_root, runs_root
from ikd.ui import state
from ikd.ui.shell import notice
from ikd.ui.study_found import study_in
from ikd.ui.study_own import draw_own

Place = Literal["here", "recorded", "shipped", "own"]
RECORDED, OWN = "recorded:", "own:"
WORDS: dict[Place, str] = {"here": "begun here", "recorded": "recorded with the lab", "shipped": "comes with the lab, not begun"}
OWN_WORDS = "A study of your own, as YAML …"


@dataclass(frozen=True, kw_only=True)
class Offered:
    """One of the studies that can be chosen.

    Attributes:
        key: of it in the address.
        study: None where it is damaged, or where one's own has not been given.
        fault: a sentence, where it is damaged.
        folder: where its results are, if there are any.
    """

    key: str
    name: str
    place: Place
    study: Study | None
    fault: str
    folder: StudyFolder

    @property
    def words(self) -> str:
        """Return it in a line of a list."""
        return self.name + ("" if self.study is None else f" · {size_words(self.study)}") + f" · {WORDS[self.place]}"

    def has_results(self) -> bool:
        """Return whether there is a file of results, of whatever runs."""
        return self.place in ("here", "recorded") and (self.folder.path / "study.yaml").is_file()


def size_words(study: Study) -> str:
    """Return methods x tasks x seeds and the number of runs."""
    parts = [(len(study.methods), "method"), (len(study.tasks), "task"), (len(study.seeds), "seed")]
    return " × ".join(counted(*part) for part in parts) + f", {len(all_cells(study)):,} runs"


def choose_study() -> Offered | None:
    """Draw the choice and return it, None while there is nothing to look at."""
    listed = offered()
    if state.STUDY_CHOICE not in st.session_state or st.session_state[state.STUDY_CHOICE] not in [*listed, OWN]:
        st.session_state[state.STUDY_CHOICE], st.session_state[state.STUDY_NOTICE] = _in_address(listed)
    key = str(st.selectbox("Study", [*listed, OWN], key=state.STUDY_CHOICE, on_change=_forget_notice,
                           format_func=lambda one: listed[one].words if one in listed else OWN_WORDS))  # fmt: skip
    state.keep(state.STUDY, key)
    st.session_state[state.STUDY_KEPT] = key
    notice(st.session_state.get(state.STUDY_NOTICE, ""))
    if key == OWN:
        study = draw_own({one.name: one.study for one in listed.values() if one.study is not None})
        if study is None:
            return None
        return Offered(key=OWN, name=study.name, place="own", study=study, fault="", folder=StudyFolder(study.name))
    return listed[key]


def look_at(name: str) -> None:
    """Choose the study of this name that was begun here; for a button's callback."""
    st.session_state[state.STUDY_CHOICE] = name
    _forget_notice()


def offered() -> dict[str, Offered]:
    """Return every study there is by its key: those begun here, then those recorded, then the others that come with the lab."""
    here = [_offered(name, "here", StudyFolder(name)) for name in begun_here()]
    names = {one.name for one in here}
    recorded = [_offered(name, "recorded", StudyFolder(name, assets_root())) for name in studies_here(assets_root())]
    names |= {one.name for one in recorded}
    shipped = [_offered(name, "shipped", StudyFolder(name)) for name in shipped_names() if name not in names]
    return {one.key: one for one in [*here, *recorded, *shipped]}


def begun_here() -> list[str]:
    """Return the names of the studies begun here, those that are about to begin among them."""
    root = runs_root() / STUDIES
    try:
        names = sorted(os.listdir(root))
    except OSError:
        return []
    return [name for name in names if NAME.fullmatch(name) and _plan_of(StudyFolder(name)).is_file()]


def _plan_of(folder: StudyFolder) -> Path:
    """Return the file with what was asked; before the program has begun it is the one it was started with."""
    whole = folder.path / "study.yaml"
    return whole if whole.is_file() else folder.path / "asked" / f"{folder.name}.yaml"


def _offered(name: str, place: Place, folder: StudyFolder) -> Offered:
    key = f"{RECORDED}{name}" if place == "recorded" else name
    make = partial(Offered, key=key, name=name, place=place, folder=folder)
    try:
        return make(study=study_in(SHIPPED / f"{name}.yaml" if place == "shipped" else _plan_of(folder)), fault="")
    except IKDError as fault:
        return make(study=None, fault=str(fault))


def _in_address(listed: dict[str, Offered]) -> tuple[str, str]:
    """Return the key of the study that the address names, else of the one looked at last, or the first; and a notice about a wrong name."""
    named = st.query_params.get(state.STUDY, "")
    first, kept = next(iter(listed), OWN), st.session_state.get(state.STUDY_KEPT)
    if not named:
        return kept if kept in [*listed, OWN] else first, ""
    for key in (named, f"{RECORDED}{named}"):
        if key in [*listed, OWN]:
            return key, ""
    return first, unknown_name("study", named[:80], sorted({one.name for one in listed.values()}), hint="Another one is shown instead.")


def _forget_notice() -> None:
    st.session_state.pop(state.STUDY_NOTICE, None)
