"""A page with both canvases on made-up data, for the tests in a browser.

The address changes them: `?classes=2`, `?points=500`, `?frames=400`, `?every=50` (words), `?scale=1000` (of the arrows).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import streamlit as st

# A script that Streamlit runs stands in its own folder.
if str(Path(__file__).parents[2]) not in sys.path:
    sys.path.insert(0, str(Path(__file__).parents[2]))

from ikd.plots.palettes import CIVIDIS
from ikd.plots.theme import REST_SLOT
from ikd.trace.measures import arrow_scale
from ikd.ui.heat_map import NOTHING, Picked, heat_map
from ikd.ui.simplex_player import STRONG_ARROW, Frames, simplex_player

EVIL = "<img src=x onerror=\"window.evil=1\">"
STEP = 10
RUN = "recorded:made-up"


def made_up(n_frames: int, n_points: int, n_classes: int) -> Frames:
    """Return points that wander from the middle to their corners, the same ones for the same sizes."""
    angles = np.pi / 2 + 2 * np.pi * np.arange(n_classes) / n_classes
    corners = np.stack([0.5 + 0.5 * np.cos(angles), 0.5 + 0.5 * np.sin(angles)], axis=-1)
    if n_classes == 2:
        corners = np.array([[0.0, 0.5], [1.0, 0.5]])
    if n_classes == 3:
        corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2]])
    random = np.random.default_rng(5)
    labels = random.integers(0, n_classes, n_points)
    start = random.dirichlet(np.full(n_classes, 2.0), n_points)
    goal = 0.75 * np.eye(n_classes)[labels] + 0.25 * random.dirichlet(np.full(n_classes, 1.0), n_points)
    noise = np.cumsum(random.normal(0, 0.012, (n_frames, n_points, 2)), axis=0)
    way = 1 - np.exp(-np.arange(n_frames) / 40)[:, None, None]
    teacher = ((1 - way) * start + way * goal) @ corners
    student = ((1 - way**2) * np.full(n_classes, 1 / n_classes) + way**2 * goal) @ corners + noise
    if n_classes == 2:
        teacher[..., 1] = student[..., 1] = 0.12 + 0.76 * ((np.arange(n_points) * 0.618) % 1)
    truth = goal @ corners
    if n_classes == 2:
        truth[:, 1] = teacher[0, :, 1]
    arrows = 1e-3 * (1 + np.arange(n_frames) / 30)[:, None, None] * (student - teacher)  # ever stronger, as live ones may be
    arrows[::7] = np.nan
    scale = float(st.query_params.get("scale", 0)) or arrow_scale(arrows, STRONG_ARROW)
    names = [EVIL, *(f"class {k}" for k in range(1, n_classes))]
    return Frames(
        steps=np.arange(n_frames) * STEP, corners=[(name, *place) for name, place in zip(names, corners.tolist(), strict=True)],
        teacher=teacher.clip(0, 1), student=student.clip(0, 1), ghosts=teacher[0].clip(0, 1), truth=truth.clip(0, 1),
        arrows=arrows, arrow_scale=scale, slots=np.minimum(labels, REST_SLOT), ids=np.arange(n_points) + 100,
        legend=names if n_classes <= REST_SLOT + 1 else [*names[:REST_SLOT], "other labels"],
    )  # fmt: skip


def take(picked: Picked) -> None:
    """Keep what was asked for, as a page of the lab would."""
    asked = st.session_state
    if picked.example is not None:
        asked.example = picked.example
    if picked.follow:
        asked.step = None
    if picked.step is not None:
        asked.step = picked.step
    if picked != Picked():
        st.rerun()


def main() -> None:
    """Draw the page."""
    asked = st.session_state
    for name, value in (("example", None), ("step", None), ("n_frames", int(st.query_params.get("frames", 60)))):
        asked.setdefault(name, value)
    n_points, n_classes = int(st.query_params.get("points", 40)), int(st.query_params.get("classes", 3))
    if st.button("50 new frames"):
        asked.n_frames += 50
    if st.button("Rows the other way"):
        asked.turned = not asked.get("turned", False)
    if st.button("Step 200 from elsewhere"):
        asked.step = 200
    frames = made_up(asked.n_frames, n_points, n_classes)
    st.text(f"python has example {asked.example}, step {asked.step}, frames {asked.n_frames}")
    latest = int(np.asarray(frames.steps)[-1])
    take(simplex_player(frames, key="simplex", selected=asked.example, step=asked.step, latest=latest,
                        shown="Soft targets at temperature 2", spoken=f"{n_points} points of {n_classes} classes.", run=RUN,
                        every=int(st.query_params.get("every", 0))))  # fmt: skip
    random = np.random.default_rng(3)
    values = np.cumsum(random.integers(-6, 12, (n_points, asked.n_frames)), axis=1).clip(0, 254).astype(np.uint8)
    values[: n_points // 8, :12] = NOTHING
    ids = np.arange(n_points) + 100
    if asked.get("turned", False):
        values, ids = values[::-1], ids[::-1]
    take(heat_map(values, key="heat", rows=ids, row_words=[f"{one} · {EVIL}" for one in ids], columns=frames.steps, palette=CIVIDIS,
                  low="0 nats", high="0.8 nats", span=(0.0, 0.8), what="drift", selected=asked.example, step=asked.step,
                  shown="Drift", run=RUN, spoken=f"Drift of {n_points} examples."))  # fmt: skip


st.set_page_config(layout="wide")
main()
