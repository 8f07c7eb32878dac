"""Texts that one student has right and the other has not, and what the teachers of all runs say to one example."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from ikd.plots.compare import curve_chart, curve_table
from ikd.trace.comparing import OUTCOMES, mcnemar, same_texts, wins_and_losses
from ikd.trace.measures import softmax
from ikd.trace.thin import thin
from ikd.ui.compare_figures import MOST_POINTS, common_split
from ikd.ui.compare_runs import Compared
from ikd.ui.downloads import draw_downloads
from ikd.ui.figures import show_figure
from ikd.ui.wording import plain, snippet, visible, whole

MOST_ROWS = 200
MOST_CLASSES = 8


def draw_texts(runs: list[Compared]) -> None:
    """Draw how often each of two students alone is right, and on which texts."""
    split = common_split(runs)
    if split is None or not same_texts([one.fingerprint for one in runs]):
        st.caption("Shown once all runs have their final scores, on the same texts.")
        return
    first = runs[0]
    others = {one.name: one for one in runs[1:]}
    chosen = others[str(st.selectbox(f"{plain(first.name)} against", list(others), key="compare-against", width=480))]
    table = texts_table(first, chosen, split)
    ours, theirs, p = mcnemar(table)
    counts = table["outcome"].value_counts()
    right, wrong = counts.get("both right", 0), counts.get("both wrong", 0)
    st.markdown(f"Of {len(table):,} {split} texts both students have {right:,} right and {wrong:,} wrong; **{plain(first.name)}** alone "
                f"has **{ours:,}** right, **{plain(chosen.name)}** alone **{theirs:,}** (McNemar's exact test: p = {p:.3g}).")  # fmt: skip
    alone = {f"{place} alone": f"{plain(run.name)} alone" for place, run in (("first", first), ("second", chosen))}
    kinds = st.pills("Texts", OUTCOMES, default=list(OUTCOMES[1:3]), selection_mode="multi", key="compare-outcomes",
                     format_func=lambda one: alone.get(one, one))  # fmt: skip
    shown = table[table["outcome"].isin(kinds)].head(MOST_ROWS)
    st.dataframe(
        shown.assign(text=[visible(one, longest=300) for one in shown["text"]])[
            ["example", "text", "label", "first", "second", "p_first", "p_second", "outcome"]],
        hide_index=True, key="compare-texts-table",
        column_config={"text": st.column_config.TextColumn(width="large"), "first": snippet(first.name, longest=30),
                       "second": snippet(chosen.name, longest=30),
                       "p_first": st.column_config.NumberColumn("p(label), first", format="%.3f"),
                       "p_second": st.column_config.NumberColumn("p(label), second", format="%.3f")},
    )  # fmt: skip
    st.caption(f"Those on which the two differ most come first; {min(len(shown), MOST_ROWS):,} are shown.")
    draw_downloads(lambda: table, name="won-and-lost", key="compare-texts", rows="Every labelled text of the split.")


def texts_table(first: Compared, second: Compared, split: str) -> pd.DataFrame:
    """Return `wins_and_losses` of two runs with texts and names of the classes."""
    one, other = first.final(split), second.final(split)
    assert one is not None and other is not None
    table: pd.DataFrame = first.tail.once(f"won-{split}", second.folder.id, lambda: wins_and_losses(one, other))
    names = [str(name) for name in first.tail.meta["label_names"]]
    texts = first.tail.reader.examples(split).set_index("id")["text"]
    named = {column: [names[at] for at in table[column]] for column in ("label", "first", "second")}
    return table.assign(text=texts.reindex(table["example"]).fillna("").tolist(), **named)


def draw_teachers(runs: list[Compared]) -> None:
    """Draw the probability that each run's teacher and student give the label of one probe example, over the steps."""
    if not same_texts([one.fingerprint for one in runs]) or not all(len(one.tail.probe()) for one in runs):
        st.caption("Shown for runs with the same texts, once each has read its probe examples.")
        return
    n = min(len(one.tail.probe()) for one in runs)
    probe = runs[0].tail.probe().iloc[:n]
    texts = probe["text"].tolist()
    if st.session_state.get("compare-example", 0) >= n:
        st.session_state["compare-example"] = 0
    with st.container(horizontal=True):
        example = int(st.selectbox("Probe example", range(n), key="compare-example", width=480,
                                   format_func=lambda at: f"{at} · {snippet(str(texts[at]))}"))  # fmt: skip
        role = str(st.segmented_control("Who", ["teacher", "student"], key="compare-who", default="teacher", required=True))
    names = [str(name) for name in runs[0].tail.meta["label_names"]]
    label = int(probe["label"].iloc[example])
    with st.container(border=True, key="text-compared"):
        st.text(whole(str(texts[example])))
    _draw_example(runs, example, label, role, names)


def _draw_example(runs: list[Compared], example: int, label: int, role: str, names: list[str]) -> None:
    series, now = {}, {}
    for one in runs:
        steps, logits = one.tail.readings(role, [example])
        if not len(steps):
            continue
        p = softmax(logits[:, 0], float(one.tail.meta["temperature"]) if role == "teacher" else 1.0)
        kept = np.searchsorted(steps, thin(steps, p[:, label], MOST_POINTS)[0])
        series[one.name], now[one.name] = (steps[kept], p[kept, label]), p[-1]
    shown = [one for one in runs if one.name in series]
    title = f"p({snippet(names[label], longest=20)})"
    spoken = "; ".join(f"{name} {values[0]:.3f} to {values[-1]:.3f}" for name, (_, values) in series.items())
    if not shown:
        st.caption("None of these runs has read its probe examples yet.")
        return
    show_figure(
        curve_chart, curve_table(series), key=f"compare-teachers-{role}", zoom="zoom_teachers", spoken=f"{title}: {spoken}.",
        runs=[one.name for one in shown], slots=[one.slot for one in shown], x_title="steps", title=title, zoom_name="zoom_teachers",
    )  # fmt: skip
    order = np.argsort(-np.max(list(now.values()), axis=0), kind="stable")[:MOST_CLASSES]
    table = pd.DataFrame({"class": [visible(names[at], longest=60) for at in order],
                          **{visible(name, longest=60): p[order] for name, p in now.items()}})  # fmt: skip
    bars = st.column_config.ProgressColumn(format="%.3f", min_value=0.0, max_value=1.0)
    st.dataframe(table, hide_index=True, key="compare-teachers-table", column_config=dict.fromkeys(table.columns[1:], bars))
    what = "Soft targets at each run's temperature" if role == "teacher" else "The students' answers"
    st.caption(f"{what}: the label's probability over the steps, and below the last reading of every run. The hard label is "
               f"“{plain(names[label])}”.")  # fmt: skip
