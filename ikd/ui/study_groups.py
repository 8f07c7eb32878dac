"""What the methods of a study come to group by group, on its page and in its report."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from ikd.ui.study_choice import Offered
from ikd.ui.study_figures import gain_words
from ikd.ui.study_found import Findings, groups_of
from ikd.ui.study_tables import counted_table, height_of
from ikd.ui.wording import visible

OF_GROUPS = (
    "Students' accuracy in each group of texts, means over seeds; a gain is positive where the method is better. Its interval is over "
    "seeds and texts, and is given where all seeds have the same texts. Of many intervals one in twenty leaves out zero by chance."
)


def draw_groups(one: Offered, findings: Findings) -> None:
    """Draw the accuracy of each method in each group, once a person asks for it."""
    table = counted_table(
        one, findings, groups_of, ask="Count each group", key="study-groups-wanted",
        idle="How often each method is right in each group of texts, compared with its baseline and controls.",
    )  # fmt: skip
    if table is None:
        return
    st.dataframe(group_gain_words(table), hide_index=True, key="study-groups", height=height_of(table))
    st.caption(OF_GROUPS)


def group_gain_words(table: pd.DataFrame) -> pd.DataFrame:
    """Return the group table as a person reads it."""
    gains = [gain_words(gain, low, high, "accuracy").replace(" (one seed)", "")
             for gain, low, high in zip(table["gain"], table["low"], table["high"], strict=True)]  # fmt: skip
    return pd.DataFrame({
        "task": table["task"], "group": [visible(name, longest=60) for name in table["group"]], "method": table["method"],
        "against": table["against"], "seeds": table["seeds"], "texts": table["examples"],
        "accuracy": [f"{value:.4f}" for value in table["accuracy"]],
        "the other's": [f"{value:.4f}" for value in table["other_accuracy"]], "gain in accuracy": gains,
    })  # fmt: skip
