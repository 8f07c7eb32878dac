"""What a study has found, in words and tables: for a terminal, as Markdown, and as files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from ikd.config import TaskSettings, shift_mark
from ikd.errors import ConfigError
from ikd.metrics.scores import METRICS
from ikd.study.comparing import Found, compared, comparison_table, example_table, sentences
from ikd.study.entries import SUFFIX
from ikd.study.folder import Row
from ikd.study.gaining import curve_table, gaining_words
from ikd.study.groups import group_table
from ikd.study.mapping import SHOWN, map_table, map_words
from ikd.study.plan import GENERATED_TASKS, Study
from ikd.study.results import (
    Results,
    choice_words,
    cost_table,
    failures,
    has_score,
    mean_table,
    reported_split,
    run_table,
    score_names,
    score_table,
    scores_of,
    tuning_table,
)
from ikd.study.strongest import control_table, control_words
from ikd.study.teachers import guessing_words, teacher_table, unlike_words
from ikd.study.verdicts import UNITS, counted, lower_label
from ikd.study.writing import escaped, markdown, plain, write_table

ENDS = (".csv", ".parquet", ".md", ".tex")
LONG = ("runs", "scores", "curves")
"""Tables with a row for each run or more: they are written as data alone."""
PAYS = "Where feedback pays"
MAP_WORDS = f"Gain over the strongest control of each cell with its 95 % interval; {SHOWN}: shown, Holm-corrected over cells and methods."


def report(results: Results) -> str:
    """Return what is there for a terminal."""
    return "\n".join(_report(results, head="", table=plain))


def report_markdown(results: Results) -> str:
    """Return what is there as Markdown: protocol, verdicts, every short table, failures, and how it was made."""
    return "\n".join(_report(results, head="## ", table=markdown))


def whole_markdown(results: Results) -> str:
    """Return `report_markdown` under the title of the study."""
    return f"# {escaped(results.study.title or results.study.name)}\n\n{report_markdown(results)}\n"


def tables(results: Results, found: Sequence[Found] | None = None) -> dict[str, pd.DataFrame]:
    """Return every table of a study by name, those that a person reads first; that of groups only where there are any.

    Args:
        results: of the study.
        found: all comparisons; None: they are made.
    """
    found = compared(results) if found is None else found
    every = {"map": map_table(results.study, found), "controls": control_table(results), "teachers": teacher_table(results),
             "means": mean_table(results), "comparisons": comparison_table(found), "examples": example_table(results),
             "groups": group_table(results), "tuning": tuning_table(results), "cost": cost_table(results), "runs": run_table(results),
             "scores": score_table(results), "curves": curve_table(results)}  # fmt: skip
    return {name: table for name, table in every.items() if name != "groups" or len(table)}


def write_all(results: Results, out: Path) -> list[Path]:
    """Write report.md and every table as CSV and Parquet, the short ones as Markdown and LaTeX too, and return their paths.

    Raises:
        ConfigError: a folder that cannot be written.
    """
    written = [out / "report.md"]
    try:
        out.mkdir(parents=True, exist_ok=True)
        written[0].write_text(whole_markdown(results), encoding="utf-8")
    except OSError as fault:
        raise ConfigError(f"The folder {out.name} cannot be written ({fault.strerror or type(fault).__name__}): choose another.") from None
    for name, table in tables(results).items():
        for end in ENDS[:2] if name in LONG else ENDS:
            write_table(table, out / f"{name}{end}")
            written.append(out / f"{name}{end}")
    return written


def so_far(results: Results, row: Row) -> str:
    """Return in a line what a run has come to, and how its method stands against the one it is held against."""
    study, cell = results.study, row.cell
    trial = f", {choice_words(study.options(cell.method)[cell.choice])}" if cell.stage == "tune" else ""
    what = f"{'tuning ' if trial else ''}{cell.task}, {cell.method}, seed {cell.seed}{trial}"
    if row.state != "done":
        return f"{what}: {row.state}. {row.error or ''}".rstrip()
    split = "validation" if trial else reported_split(results, cell.task)
    value = row.scores.get(f"student/{split}/{study.score}")
    found = "" if value is None else f" {split} {study.score} {value:.3f}"
    took = "" if row.wall is None else f" ({time_words(row.wall)})"
    other = study.against(cell.method)
    if trial or other is None:
        return f"{what}:{found}{took}"
    ours, theirs = (scores_of(results, cell.task, one, study.score) for one in (cell.method, other))
    both = sorted(ours.keys() & theirs.keys())
    if not both:
        return f"{what}:{found}{took}"
    gap = sum(ours[seed] - theirs[seed] for seed in both) / len(both)
    return f"{what}:{found}{took}; against {other} so far {gap:+.3f} ({counted(len(both), 'seed')})"


def time_words(seconds: float) -> str:
    """Return a duration as a person says it."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def protocol(results: Results) -> list[str]:
    """Return how the study compares, in sentences."""
    study = results.study
    better = "higher" if METRICS[study.score].larger_is_better else "lower"
    seeds = f"{counted(len(study.seeds), 'seed')} ({', '.join(map(str, study.seeds))})"
    lines = [f"{counted(len(study.methods), 'method')}, {counted(len(study.tasks), 'task')}, {seeds}. {unlike_words(study)}",
             f"{METRICS[study.score].label} decides; {better} is better. Where no exams are sat, the student studies the exam examples "
             "too, unless its method says otherwise.",
             *control_words(results)]  # fmt: skip
    ending = [method for method in study.methods if study.ends_with_exam(method)]
    if ending:
        words = SUFFIX.removeprefix(", ")
        lines.append(f"{'; '.join(ending)}: with “{words}” behind the name, the student is fine-tuned on the labels of the exam texts at "
                     "the end, for as many steps as are best on validation texts. Both students come from one run.")  # fmt: skip
    if any(study.is_tuned(method) for method in study.methods):
        budgets = {study.budget(method) for method in study.methods}
        tried = f"{budgets.pop()} settings each" if len(budgets) == 1 else "different numbers of settings"
        over = f"{counted(len(study.tune_seeds), 'seed')} ({', '.join(map(str, study.tune_seeds))})"
        lines.append(f"Settings were chosen for each method and task by the mean on validation texts over {over}, {tried}; no test score "
                     "was read for it.")  # fmt: skip
    splits = {task: reported_split(results, task) for task in study.tasks}
    if study.tune and "validation" in splits.values():
        without = ", ".join(task for task, split in splits.items() if split == "validation")
        lines.append(f"{without}: there is no test split, so that the report is on the validation texts by which settings were chosen too.")
    shared = [task for task in study.tasks if study.task_name(task) not in GENERATED_TASKS]
    if shared:
        lines.append(f"{', '.join(shared)}: all seeds have the same texts, so that an interval over seeds is of other first weights and "
                     "batches, not of other texts; the examples below have intervals over both.")  # fmt: skip
    lines += [f"{task} ({mark}): the course is changed on purpose; exam, validation and test labels are true." for task in study.tasks
              if (mark := _shift_mark(study, task))]  # fmt: skip
    lines += [f"{task}: {lower_label(study.score)} is not known there, so that nothing decides." for task in study.tasks
              if not has_score(results, task, study.score)]  # fmt: skip
    equal = [f"{method} has the compute of {study.equal_compute_to(method)}" for method in study.methods if study.equal_compute_to(method)]
    if equal:
        lines.append(f"{'; '.join(equal)}: student forwards as the Method page counts them, a fixed teacher asked at each step. Soft "
                     "targets that were computed once cost less, which the GFLOPs spent tell.")  # fmt: skip
    return lines


def _shift_mark(study: Study, task: str) -> str:
    settings = {**study.base, **study.tasks[task]}
    given = {name: settings[f"task.{name}"] for name in ("shift", "shift_strength") if f"task.{name}" in settings}
    return shift_mark(TaskSettings.model_validate(given))


def how_made(results: Results) -> list[str]:
    """Return with what and when the study was carried out, a sentence a session."""
    lines = []
    began: dict[str, object] = {}
    for session in results.sessions:
        if "began" in session:
            began = dict(session)
            versions = ", ".join(f"{name} {one}" for name, one in dict(session.get("versions", {})).items())
            lines.append(f"{_moment(session['began'])}: `{session.get('command') or 'no command'}`, {session.get('jobs')} at a time, on "
                         f"{session.get('machine')}; {versions}; commit {session.get('commit') or 'unknown'}.")  # fmt: skip
        elif "ended" in session and began:
            took = time_words(float(session["ended"]) - float(str(began["began"])))
            lines.append(f"{_moment(session['ended'])}: {session.get('how')} after {took}.")
    return lines


def _report(results: Results, *, head: str, table: Callable[[pd.DataFrame], str]) -> Iterator[str]:
    bullet, said = ("- ", escaped) if head else ("  ", str)
    known = score_names(results)
    found = compared(results, list(dict.fromkeys((*known, results.study.score, "accuracy"))))
    yield from (f"{bullet}{said(line)}" for line in (*protocol(results), *guessing_words(results), *gaining_words(results, found)))
    yield from _map(results, found, head=head, table=table)
    yield from _verdicts(results, found, head=head, bullet=bullet, said=said)
    for title, one in tables(results, [one for one in found if one.score in known]).items():
        if len(one) and title not in (*LONG, "map"):
            yield from ("", f"{head}{title.capitalize()}", "", table(one).rstrip("\n"))
    failed = failures(results)
    if failed:
        yield from ("", f"{head}Failed", "", *(f"{bullet}{said(so_far(results, row))}" for row in failed))
    missing = int((~run_table(results)["state"].isin(["done", "failed"])).sum())
    if missing:
        yield from ("", f"{missing} of the runs that are compared are still to be carried out.")
    if head:
        yield from ("", f"{head}How it was made", "", *(f"{bullet}{line}" for line in how_made(results)))


def _map(results: Results, found: Sequence[Found], *, head: str, table: Callable[[pd.DataFrame], str]) -> Iterator[str]:
    """Yield where feedback pays, a table for each method and panel; nothing where a study has no map."""
    score = results.study.score
    for name, one in map_words(map_table(results.study, found), results.study).items():
        unit = UNITS[score].name.strip()
        yield from ("", f"{head}{PAYS}: {name}", "", f"{MAP_WORDS} In {lower_label(score)}{f', {unit}' if unit else ''}.", "",
                    table(one).rstrip("\n"))  # fmt: skip


def _verdicts(
    results: Results, found: Sequence[Found], *, head: str, bullet: str, said: Callable[[str], str]
) -> Iterator[str]:
    for score in dict.fromkeys((results.study.score, "accuracy")):
        for task, several in sentences(found, score).items():
            yield from ("", head + said(f"{METRICS[score].label}: {task}, {reported_split(results, task)} texts"), "")
            yield from (f"{bullet}{said(sentence)}" for sentence in several)


def _moment(seconds: object) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(float(str(seconds))))
