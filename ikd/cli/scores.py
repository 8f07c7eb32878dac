"""`python -m ikd scores`: the final scores of a run as text, each with its interval."""

from __future__ import annotations

import argparse
from typing import Any

from ikd.cli.carrying import print_scores
from ikd.errors import RunError


def add_scores(commands: Any) -> None:
    """Add the command to the parser."""
    scores = commands.add_parser("scores", help="print the final scores of a run, each with its interval")
    scores.add_argument("run", help="id of a run, see `runs`")
    scores.set_defaults(command=_scores, parser=scores)


def _scores(chosen: argparse.Namespace) -> int:
    from ikd.study.verdicts import lower_label
    from ikd.trace.reader import TraceReader
    from ikd.trace.scores import GROUP_SCORES, HOW, OLD, final_scores, group_words, score_words
    from ikd.trace.store import open_run

    folder = open_run(chosen.run)
    known, several = folder.state().scores, final_scores(TraceReader(folder))
    if not known and not several:
        raise RunError(f"Run {folder.id} has no final scores: they are taken after its last step. See `python -m ikd runs` for where it "
                       "stands.")  # fmt: skip
    if not several:
        print(OLD)
        print_scores(known)
        return 0
    for one in several:
        unlabelled = f", {one.n_labelled} of them labelled" if one.n_labelled < one.n_examples else ""
        print(f"{one.split} ({one.n_examples} examples{unlabelled})")
        _print_table(score_words(one).to_dict("split"))
        for score in GROUP_SCORES if one.group_counts.any() else ():
            print(f"{one.split}, {lower_label(score)} group by group")
            _print_table(group_words(one, score).to_dict("split"))
    print(HOW)
    return 0


def _print_table(table: dict[str, list[Any]]) -> None:
    rows = [table["columns"], *table["data"]]
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    print()
