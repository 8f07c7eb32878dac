"""Showing a figure: its specification is made once, and each tick sends only its table.

Building and checking an Altair chart takes some 50 ms, and a live page draws a dozen of them each second.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from ikd.plots.theme import on_dark
from ikd.ui import state

MOST_KEPT = 300
ROWS = "rows"
_KIND = re.compile(r"datum\.kind ===? '(\w+)'")
MOST_UPDATES = 30
"""After so many new tables a moving figure is built anew: the browser keeps some of each table until then."""

SVG_WIDTH_PIXELS = 900
SVG_PADDING = {"left": 24, "right": 24, "top": 10, "bottom": 10}
_specifications: dict[str, str] = {}


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A figure as it stands on the page.

    Attributes:
        specification: JSON, without data, in the colours of a light ground.
        table: its data.
        picked: the example picked in it, or None.
    """

    specification: str
    table: pd.DataFrame
    picked: int | None

    def svg(self, title: str = "") -> bytes:
        """Return the figure as SVG, with its texts as texts, under a title; it touches nothing of Streamlit."""
        import vl_convert

        tree = json.loads(self.specification)
        # Only a figure that has no width of its own is as wide as its page.
        if "vconcat" in tree:
            tree["vconcat"] = [{"width": SVG_WIDTH_PIXELS, **view} for view in tree["vconcat"]]
        else:
            tree = {"width": SVG_WIDTH_PIXELS, **tree}
        if title:
            tree = {**tree, "title": {"text": title, "anchor": "start", "fontSize": 12, "fontWeight": "normal", "offset": 10}}
        # A viewer's letters may be wider than those the figure was measured with.
        tree["padding"] = SVG_PADDING
        tree = {**tree, "data": {"values": json.loads(self.table.to_json(orient="records"))}}
        return str(vl_convert.vegalite_to_svg(json.dumps(tree))).encode("utf-8")


def show_figure(
    make: Callable[..., alt.LayerChart | alt.VConcatChart],
    table: pd.DataFrame,
    *,
    key: str,
    spoken: str,
    era: int | None = None,
    zoom: str | None = None,
    picked: str | None = None,
    width: Literal["stretch", "content"] = "stretch",
    **options: Any,
) -> Shown:
    """Show a figure of `ikd.plots`, and return it with what a person has picked in it.

    Args:
        make: the chart function, from a table and options to a chart.
        table: what it draws.
        key: stable name of the chart on the page.
        spoken: description with numbers, for screen readers.
        era: while data arrive, the description is renewed only when this number changes, and every `MOST_UPDATES`
            times: with each new description the browser builds the figure anew. None renews it at once.
        zoom: name of its zoom, which then survives new data.
        picked: name of its selection of points, whose field `example` is given back.
        width: of the page's column, or the figure's own.
        options: of the chart function.
    """
    spoken = _settled(key, spoken, era)
    text = specification_of(make, **options)
    specification = json.loads(on_dark(text) if st.context.theme.type == "dark" else text)
    # As a named table it is there when the browser builds the figure; otherwise Vega would first draw, and warn of, an empty one.
    specification = in_pixels(with_rows(specification, table), table) | {"data": {"name": ROWS}, "datasets": {ROWS: table}}
    modes = [one for one in (zoom, picked) if one is not None]
    if not modes:
        st.vega_lite_chart(None, specification, key=key, alt=spoken, width=width)
        return Shown(specification=text, table=table, picked=None)
    # Only a selection that is listed and asks for a rerun is given back to the chart with its new data.
    found = st.vega_lite_chart(None, specification, key=key, alt=spoken, width=width, on_select="rerun", selection_mode=modes)
    return Shown(specification=text, table=table, picked=_example_of(found, picked))


def _example_of(found: Any, picked: str | None) -> int | None:
    points = found.selection.get(picked) if picked is not None else None
    numbers = [one.get("example") for one in points if isinstance(one, dict)] if isinstance(points, list) else []
    return int(numbers[0]) if numbers and numbers[0] is not None else None


def _settled(key: str, spoken: str, era: int | None) -> str:
    said: dict[str, tuple[int, int, str]] = st.session_state.setdefault(state.SPOKEN, {})
    if era is None:
        said.pop(key, None)
        return spoken
    # Not all figures of a page at the same tick.
    known, updates, words = said.get(key, (era, MOST_UPDATES - zlib.crc32(key.encode()) % MOST_UPDATES, ""))
    if not words or known != era or updates >= MOST_UPDATES:
        words, updates = spoken, updates % MOST_UPDATES
    said[key] = (era, updates + 1, words)
    return words


def specification_of(make: Callable[..., alt.LayerChart | alt.VConcatChart], **options: Any) -> str:
    """Return a chart's specification as JSON, without its data."""
    name = f"{make.__module__}.{make.__qualname__} {options!r}"
    if name not in _specifications:
        if len(_specifications) >= MOST_KEPT:
            _specifications.clear()
        tree = make(pd.DataFrame(), **options).to_dict()
        tree.pop("data", None)
        tree.pop("datasets", None)
        _specifications[name] = json.dumps(tree)
    return _specifications[name]


def with_rows(specification: dict[str, Any], table: pd.DataFrame, views: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return a specification without the layers that a table has no finite number for: Vega warns of their empty axes.

    A layer that holds a selection stays: the page asks for it by name. Where a selection names a layer that goes, the first one that stays
    takes its name, so that there is a view for it.
    """
    views = views | {view for one in specification.get("params", ()) for view in one.get("views", ())}
    for several in ("layer", "vconcat", "hconcat"):
        if several not in specification:
            continue
        kept = [one for one in specification[several] if "params" in one or _has_rows(one, table)]
        if not kept:
            return specification
        gone = [one["name"] for one in specification[several] if one not in kept and one.get("name") in views]
        if gone and not any(one.get("name") in views for one in kept):
            kept[0] = {**kept[0], "name": gone[0]}
        return {**specification, several: [with_rows(one, table, views) for one in kept]}
    return specification


def in_pixels(specification: dict[str, Any], table: pd.DataFrame) -> dict[str, Any]:
    """Return a specification whose height, where it is given for a row, is that of all rows: Vega cannot fit the former to its place."""
    step = specification["height"].get("step") if isinstance(specification.get("height"), dict) else None
    named = {one["encoding"]["y"].get("field") for one in specification.get("layer", ()) if "y" in one.get("encoding", {})}
    rows = [table[name].nunique() for name in named if name in table]
    if step is None or not rows:
        return specification
    return {**specification, "height": step * max(1, *rows), "autosize": {"type": "fit-x", "contains": "padding"}}


def _has_rows(layer: dict[str, Any], table: pd.DataFrame) -> bool:
    if "encoding" not in layer or "data" in layer:
        return True
    tests = [str(one.get("filter", "")) for one in layer.get("transform", ())]
    kinds = [kind for test in tests for kind in _KIND.findall(test)]
    rows = table[table["kind"].isin(kinds)] if kinds and "kind" in table else table
    encoding = layer["encoding"]
    named = [encoding[channel].get("field") for channel in ("x", "y", "x2", "y2") if channel in encoding]
    numbers = [rows[name] for name in named if name in rows and pd.api.types.is_numeric_dtype(rows[name])]
    return bool(len(rows)) and all(bool(np.isfinite(one.to_numpy(dtype=np.float64)).any()) for one in numbers)
