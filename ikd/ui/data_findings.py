"""What is odd about the data, each with its count and a choice; splits and lengths in figures."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from ikd.config import all_settings
from ikd.plots.data import balance_chart, balance_table, length_chart, length_table
from ikd.runs.inspection import Finding, Inspection
from ikd.ui import state
from ikd.ui.controls import draw_setting, values_of_session
from ikd.ui.data_source import put
from ikd.ui.figures import show_figure
from ikd.ui.wording import plain, visible

CHOICES = ("task.missing_labels", "task.duplicates", "task.conflicts", "task.shared_texts", "task.rare_classes")
"""Settings whose control stands beside what was found, and nowhere else on the page."""


def draw_findings(found: Inspection) -> None:
    """Draw a card for each finding, with the control that says what becomes of those rows."""
    if not found.findings:
        st.markdown("Nothing odd was found: no repeated, contradicting or missing rows, no text on two sides, no text that is too long."
                    if not found.refusal else "Findings are shown once the rows can be read.")  # fmt: skip
    drawn: set[str] = set()
    settings, before = {one.path: one for one in all_settings()}, dict(values_of_session())
    for one in found.findings:
        with st.container(border=True, key=f"finding-{one.kind.replace(' ', '-')}"):
            st.markdown(plain(one.sentence, longest=800))
            if one.setting == "task.soft_label_column":
                name = one.sentence.split("'")[1] if "'" in one.sentence else ""
                st.button("Use it as the truth", key="use-votes", icon=":material/how_to_vote:", on_click=put, args=(one.setting, name))
            elif one.setting in drawn:
                st.caption(f"The choice above, “{settings[one.setting].label}”, is for these rows too.")
            elif one.setting in CHOICES:
                draw_setting(settings[one.setting], state.DATA)
                drawn.add(one.setting)
            _draw_rows(one)
    if values_of_session() != before:  # a choice was made: what stands above it is drawn anew
        st.rerun()


def _draw_rows(one: Finding) -> None:
    if one.rows:
        st.dataframe(
            pd.DataFrame([(row, visible(text, longest=300), visible(label, longest=80)) for row, text, label in one.rows],
                         columns=["row", "text", "label"]),
            hide_index=True, key=f"rows-of-{one.kind}", column_config={"text": st.column_config.TextColumn(width="large")},
        )  # fmt: skip
        if one.count > len(one.rows):
            st.caption(f"The first {len(one.rows)} of {one.count:,}.")


def draw_notes(found: Inspection) -> None:
    """Draw the sentences that go into the run's log, but for those that are shown as findings: what was done to the data."""
    if notes := found.other_notes():
        st.markdown("**What was done while reading**")
        st.markdown("\n".join(f"- {plain(note, longest=800)}" for note in notes))
    if found.fingerprint:
        st.caption(f"Content: `{found.fingerprint[:16]}`. Runs whose texts, labels and splits are the same carry the same mark.")


def draw_splits(found: Inspection) -> None:
    """Draw the size of each split and its class balance."""
    rows = [
        {"split": one.name, "texts": one.n_rows, "without a label": one.unlabelled, "with known truth": one.with_truth,
         **({"with a stored soft target": one.with_targets} if any(split.with_targets for split in found.splits) else {}),
         "classes present": sum(n > 0 for n in one.classes)}
        for one in found.splits
    ]  # fmt: skip
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="split-sizes")
    if any(one.groups for one in found.splits):
        st.markdown("**Groups**")
        st.dataframe(group_rows(found), hide_index=True, key="split-groups")
    if found.sources:
        st.markdown("**Sources of the course**")
        st.dataframe(source_rows(found), hide_index=True, key="split-sources")
    names = [visible(name, longest=40) for name in found.label_names]
    table = balance_table({one.name: one.classes for one in found.splits}, names)
    splits = [one.name for one in found.splits]
    spoken = "; ".join(f"{one.name}: {', '.join(f'{name} {n:,}' for name, n in list(zip(names, one.classes, strict=True))[:10])}"
                       for one in found.splits)  # fmt: skip
    show_figure(balance_chart, table, key="class-balance", spoken=f"Texts of each class. {spoken}.", n_classes=len(names), splits=splits)
    st.caption("Equal bars of a class: its share is the same in every split. The number is that of its texts. Of many classes the "
               "15 largest and the 15 smallest are drawn.")  # fmt: skip


def group_rows(found: Inspection) -> pd.DataFrame:
    """Return the texts of each group by split."""
    names = sorted({name for one in found.splits for name, _ in one.groups})
    rows = [{"group": visible(name, longest=80), **{one.name: dict(one.groups).get(name, 0) for one in found.splits}} for name in names]
    without = {one.name: one.n_rows - sum(n for _, n in one.groups) for one in found.splits}
    return pd.DataFrame([*rows, {"group": "(in none)", **without}] if any(without.values()) else rows)


def source_rows(found: Inspection) -> pd.DataFrame:
    """Return the course texts of each source and, where it is known, how often it is right: in all and by the class that it names.

    Of sources with stored soft targets also how many there are, and how often the most probable class is the label.
    """
    names = [visible(name, longest=40) for name in found.label_names]
    rows = []
    for one in found.sources:
        worth = {f"right when it says {name}": f"{100 * share:.0f} %" for name, share in zip(names, one.worth, strict=False)}
        right = {"right": f"{100 * one.right:.0f} %"} if one.right is not None else {}
        agrees = {"agrees with the label": "" if one.agrees is None else f"{100 * one.agrees:.0f} %"}
        stored = {"stored soft targets": one.with_targets, **agrees} if any(source.with_targets for source in found.sources) else {}
        rows.append({"source": visible(one.name, longest=80), "course texts": one.n_rows, **stored, **right, **worth})
    return pd.DataFrame(rows)


def draw_lengths(found: Inspection) -> None:
    """Draw how many tokens the texts have against what each model takes."""
    for role, tokens, most in found.lengths:
        long = sum(n > most for n in tokens)
        who = "Both models" if len(found.lengths) == 1 else f"The {role}"
        reads, share = "read" if len(found.lengths) == 1 else "reads", 100 * long / max(len(tokens), 1)
        looked = f"Of {len(tokens):,} course texts looked at {share:.1f} % are longer and are cut."
        st.markdown(f"**{who}** {reads} at most {most:,} tokens. {looked}")
        table = length_table({role: list(tokens)}, {role: most})
        show_figure(length_chart, table, key=f"lengths-{role}", spoken=f"Tokens of {len(tokens):,} texts for the {role}: "
                    f"{min(tokens)} to {max(tokens)}, limit {most}, {long} longer.")  # fmt: skip
    st.caption("The limit is the setting “Longest text” (task.max_length), or the model's own where that is lower; “Of long texts” "
               "(task.long_texts) says which part is kept.")  # fmt: skip
