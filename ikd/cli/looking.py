"""`python -m ikd data`: what the Data page shows of a task, in the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ikd.config import RunConfig

if TYPE_CHECKING:
    from ikd.runs.inspection import Inspection

MOST_LABELS, LONGEST_LABEL = 20, 60
BAD_INPUT = 2


def look_at_data(config: RunConfig) -> int:
    """Print columns, labels, findings and splits of a task; return 2 with the sentence on the error stream where it cannot be used."""
    from ikd.runs.inspecting import inspect

    found = inspect(config)
    for line in _lines(found):
        print(line)
    if found.refusal:
        print(found.refusal, file=sys.stderr)
        return BAD_INPUT
    return 0


def _lines(found: Inspection) -> list[str]:
    lines = []
    for table in found.tables:
        used = ", ".join(f"{role.replace('_', ' ')} {column!r}" for role, column in table.used.items())
        guessed = " (guessed)" if table.guessed else ""
        rows = "1 row" if table.n_rows == 1 else f"{table.n_rows:,} rows"
        lines.append(f"{table.split}: {table.where}, {rows}; columns {', '.join(map(repr, table.columns[:30]))}")
        lines.append(f"  used: {used or 'none'}{guessed}")
    if found.labels:
        more = f", and {len(found.labels) - MOST_LABELS} more" if len(found.labels) > MOST_LABELS else ""
        named = [f"{_cut(word)!r} {n:,}" + ("" if name == word else f" as {_cut(name)!r}" if name else " left out")
                 for word, n, name in found.labels[:MOST_LABELS]]  # fmt: skip
        lines.append(f"labels: {', '.join(named)}{more}")
    lines += [f"found: {one.sentence}" + (f" ({one.setting})" if one.setting else "") for one in found.findings]
    lines += [f"note: {note}" for note in found.other_notes()]
    for split in found.splits:
        bare = f", {split.unlabelled:,} without a label" if split.unlabelled else ""
        truth = f", {split.with_truth:,} with {found.truth_is}" if split.with_truth else ""
        stored = f", {split.with_targets:,} with a stored soft target" if split.with_targets else ""
        lines.append(f"{split.name}: {split.n_rows:,} texts{bare}{truth}{stored}")
        lines += [f"  group {name!r}: {n:,}" for name, n in split.groups]
    for source in found.sources:
        by_class = zip(found.label_names, source.worth, strict=False)
        worth = ", ".join(f"{100 * share:.0f} % when it says {name!r}" for name, share in by_class)
        right = f", right in {100 * source.right:.0f} %" if source.right is not None else ""
        stored = f", {source.with_targets:,} with a stored soft target" if source.with_targets else ""
        agrees = f", {100 * source.agrees:.0f} % of them as the label" if source.agrees is not None else ""
        lines.append(f"source {source.name!r}: {source.n_rows:,} course texts{stored}{agrees}{right}" + (f" ({worth})" if worth else ""))
    lines += [found.marked] if found.marked else []
    if found.fingerprint:
        lines.append(f"content {found.fingerprint}")
    return [" ".join(line.split()) if "\n" in line else line for line in lines]


def _cut(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else f"{label[: LONGEST_LABEL - 1]}…"
