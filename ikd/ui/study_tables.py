"""The tables of a study: means with their intervals, texts won and lost, tuning, cost, failed runs, and every run with its page."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from ikd.metrics.scores import METRICS
from ikd.plots.compare import MOST_RUNS
from ikd.study.cells import Cell
from ikd.study.comparing import pairs_of
from ikd.study.folder import Row, StudyFolder
from ikd.study.plan import Study, Values
from ikd.study.results import Results, choice_words, cost_table, failures, reported_split, run_table, tuning_table
from ikd.study.teachers import TEACHER_SCORES, teacher_table
from ikd.study.telling import time_words
from ikd.study.verdicts import counted
from ikd.trace.store import RECORDED, RUN_ID, assets_root
from ikd.ui.compare_runs import compare_these
from ikd.ui.study_choice import Offered
from ikd.ui.study_figures import gain_words, told_in
from ikd.ui.study_found import Findings, examples_of, score_intervals
from ikd.ui.study_plan import label_of, setting_words
from ikd.ui.wording import plain, visible

MOST_FAILED, MOST_NAMED = 30, 3
NONE = "–"
NOT_HERE = ("The folders of these runs are not here, so that no text can be counted: the scores, which the study keeps itself, are all "
            "there.")  # fmt: skip
COST_COLUMNS = (("steps", "steps", 0), ("forwards", "student forwards, planned", 0), ("gflops", "GFLOPs spent", 1),
                ("seconds", "seconds of teaching", 1))  # fmt: skip
OF_COST = ("Means over seeds. Forwards count a fixed teacher as asked at each step; where its soft targets were computed once (objectives "
           "that look at logits alone, more than one epoch) it spent less, which the GFLOPs tell. Seconds are those of the machine and of "
           "what ran beside.")  # fmt: skip
OF_EXAMPLES = ("Won: texts on which the method is right in more seeds than the other, lost: in fewer. p by McNemar's exact test: it is of "
               "other texts for these very students, and says nothing of other seeds. Where each seed draws texts of its own, every answer "
               "counts as a text.")  # fmt: skip
OF_TEACHERS = ("Before the first step, means over seeds. Matthews correlation is 0 for guessing, whatever the classes: a teacher near it "
               "has little to teach.")  # fmt: skip
OF_MEANS = ("Students, means over seeds with 95 % intervals; none for fewer than three seeds, where it would hold almost every value. "
            "Intervals of two methods may overlap although their difference, which is paired by seed, is shown.")  # fmt: skip
GAINS = {"accuracy": ("accuracy_gain", "low", "high"), "nll": ("nll_gain", "nll_low", "nll_high")}
PAGE_OF_RUN = "run"
ROW_PIXELS, MOST_ROWS = 35, 24


def draw_teachers(findings: Findings) -> None:
    """Draw what the teachers knew before the first step."""
    st.dataframe(teacher_words(findings.results), hide_index=True, key="study-teachers", placeholder=NONE)
    st.caption(OF_TEACHERS)


def teacher_words(results: Results) -> pd.DataFrame:
    """Return a row of words for each task: the scores of its teachers."""
    table = teacher_table(results)
    words = {METRICS[score].label: [_number(value, 4) for value in table[score]] for score in TEACHER_SCORES}
    return table[["task", "split", "seeds"]].rename(columns={"split": "texts"}).assign(**words)


def draw_means(findings: Findings) -> None:
    """Draw the mean of every score with its interval, a row for each task and method."""
    table = mean_words(findings)
    st.dataframe(table, hide_index=True, key="study-means", height=height_of(table))
    better = "; ".join(f"{METRICS[score].label}: {'higher' if METRICS[score].larger_is_better else 'lower'} is better"
                       for score in findings.scores)  # fmt: skip
    st.caption(f"{OF_MEANS} {better}.")


def height_of(table: pd.DataFrame) -> int:
    """Return the height in pixels in which a table is shown whole, unless it is very long."""
    return ROW_PIXELS * (min(len(table), MOST_ROWS) + 1) + 3


def mean_words(findings: Findings) -> pd.DataFrame:
    """Return a row of words for each task and method."""
    table: pd.DataFrame | None = None
    for score in findings.scores:
        own = score_intervals(findings.results, score)
        if table is None:
            table = own[["task", "method", "split", "seeds"]].copy()
        words = [_mean_words(value, low, high) for value, low, high in zip(own["value"], own["low"], own["high"], strict=True)]
        table[METRICS[score].label] = words
    return pd.DataFrame() if table is None else table.rename(columns={"split": "texts"})


def draw_examples(one: Offered, findings: Findings) -> None:
    """Draw on how many texts each method alone is right, once a person asks for it."""
    table = counted_table(
        one, findings, examples_of, ask="Count them", key="study-examples-wanted",
        idle="On how many texts a method is right where the one it is held against is wrong, and the reverse.",
    )  # fmt: skip
    if table is None:
        return
    n_wanted = len(pairs_of(findings.study)) * len(findings.study.tasks)
    st.dataframe(example_words(table), hide_index=True, key="study-examples", height=height_of(table))
    missing = " Some comparisons are missing: their runs are not here, or not over." if len(table) < n_wanted else ""
    st.caption(f"{OF_EXAMPLES}{missing}")


def counted_table(
    one: Offered, findings: Findings, read: Callable[[StudyFolder], pd.DataFrame], *, ask: str, key: str, idle: str
) -> pd.DataFrame | None:
    """Return a table that is counted from what the students said on every text, once a person asks for it; every trace is read for it.

    Args:
        one, findings: of the study.
        read: counts it.
        ask, key: of the toggle by which a person asks.
        idle: what the table would tell, said until then.

    Returns:
        None where nobody asked, or where the runs are not here; then that is said.
    """
    if any_run_here(one, findings.results):
        if not st.toggle(ask, key=key, help="Reads what the students said on every text, from each run."):
            st.caption(idle)
            return None
        with st.spinner("Reading what the students said …"):
            table: pd.DataFrame = read(one.folder)
        if not table.empty:
            return table
    st.info(NOT_HERE, icon=":material/folder_off:")
    return None


def example_words(table: pd.DataFrame) -> pd.DataFrame:
    """Return the example table as a person reads it."""
    gains = {score: [gain_words(gain, low, high, score).replace(" (one seed)", "")
                     for gain, low, high in zip(*(table[name] for name in names), strict=True)]
             for score, names in GAINS.items()}  # fmt: skip
    return pd.DataFrame({
        "task": table["task"], "method": table["method"], "against": table["against"], "seeds": table["seeds"], "texts": table["examples"],
        "won": table["wins"], "lost": table["losses"], "p": [f"{p:.3g}" for p in table["mcnemar_p"]], "gain in accuracy": gains["accuracy"],
        "gain in negative log-likelihood": gains["nll"],
    })  # fmt: skip


def draw_tuning(findings: Findings) -> None:
    """Draw what was tried for each method, and what was chosen."""
    table = tuning_words(findings)
    st.dataframe(table, hide_index=True, key="study-tuning", height=height_of(table), placeholder=NONE)
    seeds = findings.study.tune_seeds
    st.caption(f"Means over the seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}, on validation texts. The best is chosen for "
               "each method and task once all of it has been tried. A value at the edge is the lowest or highest that was tried: what lies "
               "beyond it is not known.")  # fmt: skip


def tuning_words(findings: Findings) -> pd.DataFrame:
    """Return a row of words for each choice that was tried, with what is to be said of the chosen one."""
    study, table = findings.study, tuning_table(findings.results)
    options = {(method, choice_words(one)): one for method in study.methods for one in study.options(method)}
    tried = [(str(row["method"]), options.get((row["method"], row["choice"]), {}), bool(row["chosen"])) for row in table.to_dict("records")]
    return pd.DataFrame({
        "task": table["task"], "method": table["method"], "settings": [setting_words(values) for _, values, _ in tried],
        f"{METRICS[study.score].label}, validation texts": [_number(value, 4) for value in table[f"validation_{study.score}"]],
        "chosen": [edge_words(study, method, values) or "chosen" if chosen else "" for method, values, chosen in tried],
    })  # fmt: skip


def edge_words(study: Study, method: str, values: Values) -> str:
    """Return which chosen values are the lowest or highest of several numbers that were tried, "" where none is."""
    said = []
    for path, several in study.tune.get(method, {}).items():
        numbers = [one for one in several if isinstance(one, int | float) and not isinstance(one, bool)]
        value = values.get(path)
        if len(set(numbers)) < 2 or not isinstance(value, int | float) or value not in (min(numbers), max(numbers)):
            continue
        which = f"{label_of(path)} " if len(study.tune[method]) > 1 else ""
        said.append(f"{which}at the edge: {'more' if value == max(numbers) else 'less'} might be better")
    return f"chosen; {'; '.join(said)}" if said else ""


def draw_cost_table(findings: Findings) -> None:
    """Draw what the runs of each method took."""
    table = cost_words(findings.results)
    st.dataframe(table, hide_index=True, key="study-cost-table", height=height_of(table))
    st.caption(OF_COST)


def cost_words(results: Results) -> pd.DataFrame:
    """Return a row of words for each task and method."""
    table = cost_table(results)
    words = {title: [_number(value, decimals) for value in table[name]] for name, title, decimals in COST_COLUMNS}
    return table[["task", "method", "seeds"]].assign(**words)


def draw_failed(results: Results) -> None:
    """Draw the failed runs with their sentences."""
    several = failed_by_reason(results)
    for reason, which in several[:MOST_FAILED]:
        st.markdown(f":red-badge[:material/error: {counted(len(which), 'run')} failed] {plain(reason, longest=600)}")
        st.caption(plain(named_words(which), longest=600))
    if len(several) > MOST_FAILED:
        st.caption(f"And {len(several) - MOST_FAILED} more reasons: see the table of runs.")
    st.caption("A pair of which one run failed is left out of that comparison, which says so. *Retry failed* carries them out again.")


def failed_by_reason(results: Results) -> list[tuple[str, list[str]]]:
    """Return each sentence that runs have failed with and which runs these are, the most frequent one first."""
    several: dict[str, list[str]] = {}
    for row in failures(results):
        several.setdefault(str(row.error or "No reason was noted."), []).append(cell_words(results.study, row))
    return sorted(several.items(), key=lambda one: -len(one[1]))


def named_words(which: list[str]) -> str:
    """Return the first of several runs by name, and how many more there are."""
    more = len(which) - MOST_NAMED
    return "; ".join(which[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def cell_words(study: Study, row: Row) -> str:
    """Return which run of the study one is, for a run of the tuning with the settings that it tries."""
    cell = row.cell
    words = f"{cell.task}, {cell.method}, seed {cell.seed}"
    if cell.stage != "tune":
        return words
    options = study.options(cell.method) if cell.method in study.methods else []
    return f"tuning, {words}" + (f", {setting_words(options[cell.choice])}" if 0 <= cell.choice < len(options) else "")


def draw_runs(one: Offered, findings: Findings) -> None:
    """Draw every run that is compared with a way to its page, and a way to compare those of one task and seed."""
    table = run_table(findings.results)
    ids = {run: page for run in table["run"] if (page := run_here(one, str(run))) is not None}
    _draw_compare(findings, table, ids)
    pages = pd.Series([f"{PAGE_OF_RUN}?run={ids[run]}" if run in ids else None for run in table["run"]], dtype=object)
    shown = run_words(findings, table).assign(page=pages)
    columns = ["page", "task", "method", "seed", "state", "scores", "steps", "took", *(["error"] if table["error"].any() else [])]
    st.dataframe(shown[columns], hide_index=True, key="study-runs", height=320, placeholder=NONE,
                 column_config={"page": st.column_config.LinkColumn("run", display_text="open")})  # fmt: skip
    if len(ids) < int((table["run"] != "").sum()):
        st.caption("Runs without a link are not here any more, or did not come with the lab: their scores are kept in the study.")


def run_words(findings: Findings, table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of runs as a person reads it: how long each took, its scores, and no steps of a run that has made none."""
    cells = zip(table["task"], table["method"], table["seed"], strict=True)
    splits = {task: reported_split(findings.results, task) for task in findings.study.tasks}
    return table.assign(
        took=[NONE if pd.isna(wall) else time_words(wall) for wall in table["wall"]],
        scores=[_score_words(findings, splits[cell[0]], *cell) or NONE for cell in cells],
        steps=[f"{steps:,}" if steps and state != "waiting" else NONE for steps, state in zip(table["steps"], table["state"], strict=True)],
    )


def any_run_here(one: Offered, results: Results) -> bool:
    """Return whether the folder of any run is here."""
    return any(row.run and run_here(one, row.run) for row in results.rows.values())


def run_here(one: Offered, run: str) -> str | None:
    """Return the id under which a run of a study can be opened, None where its folder is not here."""
    if not RUN_ID.fullmatch(run):
        return None
    if one.place == "recorded":
        return f"{RECORDED}{run}" if (assets_root() / run).is_dir() else None
    return run if (one.folder.root / run).is_dir() else None


def _draw_compare(findings: Findings, table: pd.DataFrame, ids: dict[str, str]) -> None:
    own = table[table["run"].isin(list(ids))]
    if own.empty:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        task = str(st.selectbox("Runs of task", list(dict.fromkeys(own["task"])), key=f"study-runs-task-{findings.study.name}", width=260,
                                format_func=visible))  # fmt: skip
        own = own[own["task"] == task]
        seed = st.selectbox("and seed", list(dict.fromkeys(own["seed"])), key=f"study-runs-seed-{findings.study.name}-{task}", width=140)
        chosen = own[own["seed"] == seed]
        runs = [ids[str(run)] for run in _baseline_first(findings.study, chosen)["run"]][:MOST_RUNS]
        st.button(f"Compare these {len(runs)} runs", icon=":material/compare_arrows:", key="study-compare", on_click=compare_these,
                  args=(runs,), disabled=len(runs) < 2)  # fmt: skip
    if len(chosen) > MOST_RUNS:
        st.caption(f"The first {MOST_RUNS} of {len(chosen)} methods, the baseline among them: more are not compared run by run.")


def _baseline_first(study: Study, rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values("method", key=lambda names: names != study.baseline, kind="stable")


def _score_words(findings: Findings, split: str, task: str, method: str, seed: int) -> str:
    row = findings.results.rows.get(Cell("main", task, method, seed))
    if row is None or row.state != "done":
        return ""
    known = [(score, row.scores.get(f"student/{split}/{score}")) for score in told_in(findings)]
    return ", ".join(f"{score} {value:.3f}" for score, value in known if value is not None)


def _number(value: float, decimals: int) -> str:
    return NONE if pd.isna(value) else f"{value:,.{decimals}f}"


def _mean_words(value: float, low: float, high: float) -> str:
    if pd.isna(value):
        return NONE
    return f"{value:.4f}" if pd.isna(low) else f"{value:.4f} ({low:.4f} to {high:.4f})"
