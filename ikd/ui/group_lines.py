"""The curves of a run's page by group: which groups are drawn, how, and the words under them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import pandas as pd

from ikd.plots.theme import Look, look_of
from ikd.trace.group_readings import GroupReadings
from ikd.ui.wording import names_apart, plain, visible

MOST_GROUPS = 8
WHOSE = ("student", "teacher")
WORST = "worst group"
FIRST_SLOT = 2
"""The colours before it are those of teacher and student."""
NAME_LETTERS = 28


@dataclass(frozen=True, kw_only=True)
class GroupLines:
    """The lines of one figure.

    Attributes:
        table: columns step, name, value; of each group drawn, and of `WORST`.
        names: who, as the legend has it, to the name of its rows.
        looks: who to colour and dash.
        words: under the figure.
    """

    table: pd.DataFrame
    names: dict[str, str]
    looks: Mapping[str, Look]
    words: str


def group_lines(found: GroupReadings, role: str, cursor: int, *, chosen_at: int) -> GroupLines:
    """Return the lines of a role.

    Args:
        found: accuracies of all groups.
        role: "student" or "teacher".
        cursor: step at which the words say which group is worst.
        chosen_at: step by which the groups are chosen, of many.
    """
    places = found.chosen(role, chosen_at, MOST_GROUPS)
    values = found.accuracy[role]
    columns = {f"group {place}": values[:, place] for place in places} | {WORST: found.worst(role)}
    table = pd.concat([pd.DataFrame({"step": found.steps, "name": name, "value": column}) for name, column in columns.items()],
                      ignore_index=True)  # fmt: skip
    shown = names_apart({place: visible(found.names[place], longest=NAME_LETTERS) for place in places})
    return GroupLines(
        table=table, names={shown[place]: f"group {place}" for place in places},
        # The colour follows the group, so that it keeps it when other groups come and go.
        looks={shown[place]: look for place, look in zip(places, _unlike(places), strict=True)},
        words=_words(found, role, cursor, chosen_at, len(places)),
    )  # fmt: skip


def _unlike(places: Sequence[int]) -> list[Look]:
    looks: list[Look] = []
    for place in places:
        looks.append(next(look for slot in count(FIRST_SLOT + place) if (look := look_of(slot)) not in looks))
    return looks


def _words(found: GroupReadings, role: str, cursor: int, chosen_at: int, n_drawn: int) -> str:
    worst, at = found.worst_place(role, cursor), found.steps[found.steps <= cursor]
    n_groups = int((found.counts > 0).sum())
    words = f"Accuracy of the {role} in each group of the probe examples; the broad pale line marks the worst group at each step."
    if worst is not None:
        value = found.accuracy[role][len(at) - 1, worst]
        words += f" Worst at step {int(at[-1])}: {plain(found.names[worst])}, {value:.3f} of {int(found.counts[worst]):,} examples."
    if n_drawn < n_groups:
        first = "" if found.worst_place(role, chosen_at) is None else f"the worst one at step {chosen_at} and "
        words += f" Drawn are {n_drawn} of {n_groups} groups: {first}the largest."
    empty = int((found.counts == 0).sum())
    return words + (f" {empty} without a labelled example are left out." if empty else "")
