"""The board: a card for each chosen probe example, with what is believed of it now and how that came about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from ikd.config import STORED
from ikd.events import Integers
from ikd.plots.belief import REST, belief_chart, belief_table, gathered, shown_classes, slots_of
from ikd.plots.path import path_chart, path_table
from ikd.plots.simplex import WIDTH_PIXELS, simplex_chart, simplex_table
from ikd.trace.measures import drift, feedback_on_simplex, softmax
from ikd.ui.figures import show_figure
from ikd.ui.policies import teacher_moves
from ikd.ui.run_cues import cue_words, misled_sentence
from ikd.ui.run_curves import Scene
from ikd.ui.timeline import marks_of, temperature_moves, temperature_words
from ikd.ui.wording import plain, visible, whole

MOST_PATH_POINTS = 120
Doubles = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Beliefs:
    """Everything read of the shown examples up to the cursor.

    Attributes:
        steps: (R,) of the readings; teacher, student: (R, P, C) probabilities at the training temperature.
        frozen: (P, C).
        pulls: (P, C) feedback on the simplex, 1 for the strongest on any probe example, or None with no exam yet.
        pulled_at: step of that feedback.
        drifts: (P,) KL from the frozen teacher now.
    """

    steps: Integers
    teacher: Doubles
    student: Doubles
    frozen: Doubles
    pulls: Doubles | None
    pulled_at: int
    drifts: Doubles


def draw_board(scene: Scene, ids: Sequence[int]) -> None:
    """Draw a card for each example, two beside each other."""
    beliefs = read_beliefs(scene, ids)
    if beliefs is None:
        st.info("The first reading of the probe set is not there yet.")
        return
    examples = scene.tail.probe().iloc[list(ids)]
    _misled(scene, beliefs, examples)
    _legend(scene, beliefs)
    for first in range(0, len(ids), 2):
        for column, place in zip(st.columns(2, gap="small"), range(first, min(first + 2, len(ids))), strict=False):
            with column, st.container(border=True, key=f"card-{ids[place]}"):
                _card(scene, beliefs, place, examples.iloc[place])


def read_beliefs(scene: Scene, ids: Sequence[int]) -> Beliefs | None:
    """Return what was read of some examples up to the cursor, None before the first reading."""
    t = float(scene.tail.meta["temperature"])
    (teacher_steps, teacher), (student_steps, student) = scene.readings("teacher", ids), scene.readings("student", ids)
    steps, of_teacher, of_student = np.intersect1d(teacher_steps, student_steps, assume_unique=True, return_indices=True)
    n_readings = int((steps <= scene.cursor).sum())
    if not n_readings:
        return None
    teacher, student = teacher[of_teacher[:n_readings]], student[of_student[:n_readings]]
    pulls, pulled_at = _pulls(scene, ids)
    return Beliefs(
        steps=steps[:n_readings], teacher=softmax(teacher, t), student=softmax(student, t), frozen=softmax(teacher[0], t),
        pulls=pulls, pulled_at=pulled_at, drifts=drift(teacher[-1], teacher[0], t),
    )  # fmt: skip


def _pulls(scene: Scene, ids: Sequence[int]) -> tuple[Doubles | None, int]:
    reader = scene.tail.reader
    steps, _ = scene.readings("feedback", ids)
    upto = steps[steps <= scene.cursor]
    if not len(upto):
        return None, -1
    at = int(upto[-1])
    feedback, teacher = reader.reading_at("feedback", at), reader.reading_at("teacher", at)
    if feedback is None or teacher is None:
        return None, -1
    directions = feedback_on_simplex(teacher, feedback, float(scene.tail.meta["temperature"]))
    strongest = float(np.abs(directions).max())
    return (directions / strongest if strongest > 0 else directions)[list(ids)], at


def _misled(scene: Scene, beliefs: Beliefs, examples: pd.DataFrame) -> None:
    """Say of the first text on the board that misled the frozen teacher by its cue word how that came about."""
    if scene.cues is None:
        return
    names, learns = [str(name) for name in scene.tail.meta["label_names"]], scene.config is None or teacher_moves(scene.config)
    for place, (example, text) in enumerate(zip(examples["id"], examples["text"], strict=True)):
        cue = scene.cues.class_of(text) or 0
        said = misled_sentence(
            scene.cues, example=int(example), text=text, names=names, frozen=float(beliefs.frozen[place, cue]),
            now=float(beliefs.teacher[-1, place, cue]), step=int(beliefs.steps[-1]), learns=learns,
        )  # fmt: skip
        if said:
            with st.container(key="board-misled"):
                st.markdown(said)
            return


def _without_exams(scene: Scene) -> bool:
    return scene.config is not None and scene.config.policy.name != "exam"


def _legend(scene: Scene, beliefs: Beliefs) -> None:
    words = temperature_words(float(scene.tail.meta["temperature"]), moves=temperature_moves(scene.timeline, scene.n_steps))
    none = "none: this run has no exams" if _without_exams(scene) else "none yet: there was no exam"
    when = f"at step {beliefs.pulled_at}" if beliefs.pulls is not None else none
    st.caption(
        f"Step {beliefs.steps[-1]}, at {words}. **Bar, solid line:** the teacher's soft target "
        "now · **dotted:** the frozen teacher · **◆, dashed:** the student · **★:** the truth (known posterior, or people's votes) · "
        f"**▲ ▼ feedback:** which way, and how strongly, the student asks the soft target to move ({when}; 1.00 is the strongest "
        "pull on any probe example)."
    )


def _card(scene: Scene, beliefs: Beliefs, place: int, example: pd.Series) -> None:
    names = [str(name) for name in scene.tail.meta["label_names"]]
    label, key = int(example["label"]), int(example["id"])
    _card_words(example, names, label, float(beliefs.drifts[place]), beside=_words_beside(scene, example, label, names))
    shown = shown_classes(beliefs.frozen[place], beliefs.teacher[-1, place], beliefs.student[-1, place], label=label)
    rows = [visible(names[one], longest=40) for one in shown] + ([REST] if len(shown) < len(names) else [])
    slots = slots_of(len(rows), len(names))
    truth = None if example["truth"] is None else np.asarray(example["truth"])
    pull = None if beliefs.pulls is None else beliefs.pulls[place]
    now = belief_table(
        rows, slots, teacher=gathered(beliefs.teacher[-1, place], shown), frozen=gathered(beliefs.frozen[place], shown),
        student=gathered(beliefs.student[-1, place], shown), truth=None if truth is None else gathered(truth, shown),
        pull=None if pull is None else gathered(pull, shown),
    )  # fmt: skip
    if len(names) != 3:
        show_figure(belief_chart, now, key=f"now-{key}", era=scene.era, spoken=_spoken_now(now))
        _draw_path(scene, beliefs, place, key, shown=shown, rows=rows, slots=slots, truth=truth)
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"pair-{key}"):
        with st.container(width=WIDTH_PIXELS + 5):
            _draw_triangle(scene, beliefs, place, key, names=rows, truth=truth, pull=pull)
        with st.container(key=f"bars-{key}"):
            show_figure(belief_chart, now, key=f"now-{key}", era=scene.era, spoken=_spoken_now(now))
    _draw_path(scene, beliefs, place, key, shown=shown, rows=rows, slots=slots, truth=truth)


def _words_beside(scene: Scene, example: pd.Series, label: int, names: Sequence[str]) -> str:
    """Return what else a card says of a text, as Markdown: who stored its soft target, or what its cue word goes with."""
    if scene.config is not None and scene.config.teacher.name == STORED and example["source_name"]:
        return f" · its soft target was stored by {plain(str(example['source_name']), longest=60)}"
    return "" if scene.cues is None else cue_words(scene.cues, str(example["text"]), label, names)


def _card_words(example: pd.Series, names: Sequence[str], label: int, moved: float, *, beside: str) -> None:
    pair = example["text_pair"]
    with st.container(key=f"text-{int(example['id'])}", border=False):
        # st.text interprets nothing; the style sheet isolates its direction.
        st.text(whole(example["text"]))
        if pair:
            st.text(whole(pair))
    name = names[label] if 0 <= label < len(names) else str(label)
    st.caption(f"Example {int(example['id'])} · label **{plain(name)}** · drift {moved:.4f} nats{beside}")


def _draw_path(
    scene: Scene, beliefs: Beliefs, place: int, key: int, *, shown: NDArray[np.int64], rows: Sequence[str],
    slots: Sequence[int], truth: Doubles | None,
) -> None:  # fmt: skip
    kept = thinned(beliefs.teacher[:, place], MOST_PATH_POINTS)
    binary = len(rows) == 2
    only = slice(1, 2) if binary else slice(None)
    paths = {who: (beliefs.steps[kept], gathered(values[kept, place], shown)[:, only])
             for who, values in (("teacher", beliefs.teacher), ("student", beliefs.student))}  # fmt: skip
    table = path_table(
        paths, gathered(beliefs.frozen[place], shown)[only], names=list(rows)[only], slots=list(slots)[only],
        n_steps=scene.n_steps, truth=None if truth is None else gathered(truth, shown)[only],
        marks=marks_of(scene.timeline, scene.n_steps)[0],
    )  # fmt: skip
    title = f"p({rows[1][:16]})" if binary else "probability"
    show_figure(path_chart, table, key=f"path-{key}", era=scene.era, spoken=_spoken_path(beliefs, place, shown, rows),
                n_steps=scene.n_steps, title=title)  # fmt: skip


def _draw_triangle(
    scene: Scene, beliefs: Beliefs, place: int, key: int, *, names: Sequence[str], truth: Doubles | None, pull: Doubles | None
) -> None:
    kept = thinned(beliefs.teacher[:, place], MOST_PATH_POINTS)
    paths = {"teacher": beliefs.teacher[kept, place], "student": beliefs.student[kept, place]}
    table = simplex_table(paths, names=names, frozen=beliefs.frozen[place], truth=truth, pull=pull)
    show_figure(simplex_chart, table, key=f"triangle-{key}", width="content", era=scene.era,
                spoken=f"Triangle of three classes: {_spoken_path(beliefs, place, np.arange(3), names)}")  # fmt: skip


def thinned(path: Doubles, most: int) -> NDArray[np.int64]:
    """Return the places (at most `most`) of a path (R, C) to draw, evenly spaced, the first and the last kept."""
    return np.unique(np.linspace(0, len(path) - 1, min(most, len(path))).round().astype(np.int64))


def _spoken_now(table: pd.DataFrame) -> str:
    said = [f"{row['label']}: teacher {row['teacher']:.2f}, frozen {row['frozen']:.2f}, student {row['student']:.2f}"
            + (f", feedback {row['pull']:+.2f}" if row["arrow"] else "") for row in table.to_dict("records")]  # fmt: skip
    return "; ".join(said) + "."


def _spoken_path(beliefs: Beliefs, place: int, shown: NDArray[np.int64], rows: Sequence[str]) -> str:
    said = [f"{rows[k]}: teacher {beliefs.teacher[0, place, one]:.2f} to {beliefs.teacher[-1, place, one]:.2f}, "
            f"student {beliefs.student[0, place, one]:.2f} to {beliefs.student[-1, place, one]:.2f}"
            for k, one in enumerate(shown.tolist())]  # fmt: skip
    return "; ".join(said) + f", from step {beliefs.steps[0]} to {beliefs.steps[-1]}."
