"""A figure without numbers keeps a view for each of its selections: the page asks for them by name."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from ikd.plots.curves import drift_chart, score_chart
from ikd.ui.figures import specification_of, with_rows

NOTHING = pd.DataFrame({"kind": pd.Series(dtype=str), "step": pd.Series(dtype=float), "value": pd.Series(dtype=float)})
RULES = pd.DataFrame({"kind": ["rule"], "step": [3.0], "name": ["alpha"], "lane": [0]})


def named(specification: dict[str, Any]) -> set[str]:
    layers = [one for several in ("layer", "vconcat", "hconcat") for one in specification.get(several, ())]
    return {one["name"] for one in layers if "name" in one}.union(*map(named, layers))


@pytest.mark.parametrize("table", [NOTHING, RULES], ids=["nothing", "rules alone"])
@pytest.mark.parametrize("make", [drift_chart, score_chart])
def test_a_selection_keeps_its_view_where_its_layer_has_no_numbers(make: Any, table: pd.DataFrame) -> None:
    options = {"title": "accuracy"} if make is score_chart else {}
    whole = json.loads(specification_of(make, window=(0, 100), zoom_name="zoom", **options))
    views = {view for one in whole["params"] for view in one["views"]}
    assert views and views <= named(whole)
    assert views <= named(with_rows(whole, table))
