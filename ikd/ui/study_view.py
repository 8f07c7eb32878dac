"""The Study part of the Compare page: a study chosen, carried out, watched, and what it has found so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import streamlit as st

from ikd.runs.permission import read_only
from ikd.study.cells import all_cells, main_cells
from ikd.study.folder import Row
from ikd.study.gaining import curve_methods
from ikd.study.plan import Study
from ikd.study.results import Results, failures
from ikd.study.telling import how_made, time_words
from ikd.ui.pace import pace_seconds
from ikd.ui.shell import notice, page_link, sentences
from ikd.ui.study_choice import Offered, choose_study
from ikd.ui.study_export import draw_export
from ikd.ui.study_figures import draw_costs, draw_gains, draw_verdicts
from ikd.ui.study_found import Findings, findings_of, results_of
from ikd.ui.study_groups import draw_groups
from ikd.ui.study_pays import draw_controls, draw_curves, draw_map
from ikd.ui.study_plan import draw_plan
from ikd.ui.study_standing import Standing, standing_of
from ikd.ui.study_start import draw_delete, draw_start
from ikd.ui.study_tables import (
    cell_words,
    draw_cost_table,
    draw_examples,
    draw_failed,
    draw_means,
    draw_runs,
    draw_teachers,
    draw_tuning,
)
from ikd.ui.wording import plain

LOOK_SECONDS = 3.0
REDRAW_SECONDS = 10.0
"""While runs end quickly, what is found is drawn anew so often at most."""
MOST_NAMED = 6
ENDED = {"finished": ("It has come to its end.", ":material/check_circle:"),
         "cancelled": ("It was cancelled: what is there is kept, and it can go on.", ":material/stop_circle:"),
         "interrupted": ("It was interrupted: what is there is kept, and it can go on.", ":material/power_off:"),
         "failed": ("The program that carried it out has ended before its time.", ":material/error:"),
         "lost": ("The program that carried it out is gone without a word: what is there is kept, and it can go on.",
                  ":material/link_off:")}  # fmt: skip


def show_study() -> None:
    """Draw the Study part of the page."""
    one = choose_study()
    if one is None:
        return
    notice(one.fault)
    if one.study is None:
        if one.place == "here":
            draw_delete(one.name, locked=read_only())
        return
    results = results_of(one.folder) if one.has_results() else None
    standing = _standing(one, one.study, results)
    with st.container(key="study-head"), sentences():
        st.subheader(plain(one.study.title or one.name, longest=200), anchor=False)
        _draw_standing(one, one.study, standing)
    found = None if results is None else findings_of(one.folder)
    fresh = found is None or not found.any_done
    with st.expander("What is compared", expanded=fresh, key="study-plan"), sentences():
        draw_plan(one.study)
    carry = st.expander("Carry it out", expanded=fresh or standing.active, key="study-carry", on_change="rerun")
    with carry, sentences():
        now = standing if one.place == "here" else Standing(total=standing.total, done=0, failed=0)
        draw_start(one, one.study, now, partial(_draw_beside, one, one.study), cost=bool(carry.open))
    if found is not None:
        _draw_findings(one, found)


def _standing(one: Offered, study: Study, results: Results | None) -> Standing:
    return standing_of(study, results, one.folder if one.place == "here" else None)


def _draw_standing(one: Offered, study: Study, standing: Standing) -> None:
    if one.place == "here":
        every = max(LOOK_SECONDS, pace_seconds()) if standing.active else None
        st.fragment(_progress, run_every=every)(one, study, standing, time.monotonic())
    elif one.place == "recorded":
        _draw_counts(standing)
        st.caption("Recorded with the lab: its results are shown without any training. Carried out here, it is a study of its own.")


def _progress(one: Offered, study: Study, drawn: Standing, when: float) -> None:
    """Draw how far a study is; where its state has changed, or runs have ended, the whole page is drawn anew."""
    with sentences():
        results = results_of(one.folder) if one.has_results() else None
        now = _standing(one, study if results is None else results.study, results)
        ended = (now.done, now.failed) != (drawn.done, drawn.failed)
        if _state(now) != _state(drawn) or (ended and time.monotonic() - when > REDRAW_SECONDS):
            st.rerun()
        _draw_counts(now)
        if now.active:
            _draw_at_work(study, now)
        elif now.ended:
            _draw_end(study, now)


def _draw_beside(one: Offered, study: Study) -> None:
    st.fragment(_counts_alone, run_every=max(LOOK_SECONDS, pace_seconds()))(one, study)


def _counts_alone(one: Offered, study: Study) -> None:
    """Draw how far a study is once more, beside the button that began it."""
    with sentences():
        now = _standing(one, study, results_of(one.folder) if one.has_results() else None)
        _draw_counts(now)
        if now.active:
            _draw_word(now)


def _state(now: Standing) -> tuple[bool, bool, bool, str]:
    """Return what decides which buttons there are."""
    return now.at_work, now.beginning, now.ending, now.ended


def _draw_counts(now: Standing) -> None:
    if now.failed == now.total and now.total:
        st.error(f"All {now.total:,} runs have failed. {plain(now.why, longest=600)}", icon=":material/error:")
        return
    over = now.done + now.failed
    share = over / max(now.total, 1)
    failed = f", {now.failed} failed" if now.failed else ""
    left = f" · about {time_words(now.seconds_left)} left" if now.seconds_left is not None and now.missing else ""
    st.progress(min(share, 1.0 if not now.active else 0.99), text=f"{now.done:,} of {now.total:,} runs are done{failed}{left}")


def _draw_at_work(study: Study, now: Standing) -> None:
    _draw_word(now)
    _draw_links(study, now.running)


def _draw_links(study: Study, rows: Sequence[Row]) -> None:
    with st.container(horizontal=True, gap="small"):
        for row in rows[:MOST_NAMED]:
            page_link("run", label=plain(cell_words(study, row), longest=200), icon=":material/monitoring:", run=row.run)


def _draw_word(now: Standing) -> None:
    if now.beginning:
        st.markdown(":blue-badge[:material/hourglass_top: beginning] The program is being started; the first run begins in some seconds.")
        return
    word = "ending, the runs at work stop after their step" if now.ending else f"at work, {len(now.running)} at a time"
    st.markdown(f":blue-badge[:material/play_circle: {word}]")


def _draw_end(study: Study, now: Standing) -> None:
    words, icon = ENDED.get(now.ended, ("", ""))
    if now.ended in ("finished", "incomplete"):
        if now.left:
            st.warning(f"{now.left} Started again, the study finishes what is left.", icon=":material/stop_circle:")
            _draw_links(study, now.stopped)
        elif now.missing:
            st.caption("What was asked then has come to its end; since then more was asked." if now.more_asked else
                       "It had come to its end, but lines of its files are missing or damaged: the runs without one count as not carried "
                       "out, and the study can go on.")  # fmt: skip
        return
    if now.last_words:
        st.error(f"{words} It said: {plain(now.last_words, longest=1500)}", icon=icon)
    elif words:
        st.warning(words, icon=icon)


def _draw_findings(one: Offered, found: Findings) -> None:
    failed = failures(found.results)
    if not found.any_done:
        if len(failed) < len(all_cells(found.study)):
            st.caption("No run that is compared has come to its end yet: what is found will stand here.")
        if failed:
            _section("Failed runs", lambda: draw_failed(found.results))
        return
    missing = sum(1 for cell in main_cells(found.study) if cell not in found.results.rows
                  or found.results.rows[cell].state not in ("done", "failed"))  # fmt: skip
    if missing:
        st.info(f"{missing} of the {len(main_cells(found.study))} runs that are compared are still to come: what stands below is of those "
                "that are there.", icon=":material/hourglass_top:")  # fmt: skip
    if found.study.mapped() is not None and found.study.score in found.scores:
        _section("Where feedback pays", lambda: draw_map(found))
    _section("What is found", lambda: draw_verdicts(found))
    if found.study.controls:
        _section("Strongest controls", lambda: draw_controls(found))
    if len(curve_methods(found.study)) > 1:
        _section("Was it still gaining?", lambda: draw_curves(found))
    _section("Gains", lambda: draw_gains(found))
    _section("Teachers", lambda: draw_teachers(found))
    _section("Means", lambda: draw_means(found))
    _section("Scores against cost", lambda: draw_costs(found))
    _section("Won and lost", lambda: draw_examples(one, found))
    if "worst_group_accuracy" in found.scores:
        _section("Group by group", lambda: draw_groups(one, found))
    if any(found.study.is_tuned(method) for method in found.study.methods):
        _section("Tuning", lambda: draw_tuning(found))
    _section("What it cost", lambda: draw_cost_table(found))
    if failed:
        _section("Failed runs", lambda: draw_failed(found.results))
    _section("Runs", lambda: draw_runs(one, found))
    _section("How it was made", lambda: _draw_made(found))
    _section("Take it home", lambda: draw_export(one, found))


def _section(title: str, draw: Callable[[], None]) -> None:
    with st.container(key=f"study-{title.replace(' ', '-').lower()}"), sentences():
        st.subheader(title, anchor=False)
        draw()


def _draw_made(found: Findings) -> None:
    for line in how_made(found.results):
        st.markdown(f"- {plain(line.replace('`', ''), longest=600)}")
