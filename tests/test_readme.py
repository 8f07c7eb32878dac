"""The README says what is there: its tables are generated, its commands parse, and every name stands in it.

    python -m tests.test_readme        writes the generated tables into README.md
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import fields
from math import isfinite

import pytest

from ikd.cli import _config, _parser
from ikd.config import PRESETS, Setting, all_settings
from ikd.config.limits import Limits
from ikd.config.names import TASK_NAMES
from ikd.metrics.scores import METRICS
from ikd.study import Study
from ikd.study.cells import all_cells
from ikd.study.reading import study_from_text
from ikd.trace.schema import PARQUET_TABLES, SCALARS, SCHEMA_VERSION, TABLES
from tests.conftest import REPOSITORY

README = REPOSITORY / "README.md"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _meaning(one: Setting) -> str:
    words = [one.meaning]
    if one.choices:
        words.append("; ".join(f"`{value}`: {meaning}" for value, meaning in one.choices.items()) + ".")
    if one.formula:
        formula = one.formula.replace(r"\|", r"\Vert ")  # a bar would end the cell
        words.append(f"$`{formula}`$")
    return " ".join(words)


def settings_table() -> str:
    """Return every setting of a run."""
    rows = []
    for one in all_settings():
        default = "empty" if one.default in (None, "") else f"`{one.default}`"
        allowed = (f"one of {len(one.choices)}" if one.choices else one.allowed()) + (f" ({one.unit})" if one.unit else "")
        rows.append((f"`{one.path}`", default, allowed, _meaning(one), f"`{one.applies}`" if one.applies else ""))
    return table(("setting", "default", "allowed", "meaning", "if"), rows)


def limits_table() -> str:
    """Return the bounds of what is read of a file, each with its environment variable."""
    rows = [(f"`{one.metadata['variable']}`", f"{one.default:,}", one.metadata["meaning"]) for one in fields(Limits)]
    return table(("variable", "default", "at most"), rows)


def scores_table() -> str:
    """Return every score with its meaning, direction and range."""
    rows = [(f"`{name}`", one.label, one.meaning, "larger" if one.larger_is_better else "smaller",
             f"{one.low:g} to {one.high:.3g}" if isfinite(one.high) else f"from {one.low:g}") for name, one in METRICS.items()]  # fmt: skip
    return table(("score", "name", "meaning", "better", "range"), rows)


def trace_tables() -> str:
    """Return the tables of the trace, column by column."""
    rows = [(f"`{name}`", f"`{column}`", words) for name, columns in TABLES.items() for column, words in columns.items()]
    return f"Schema version {SCHEMA_VERSION} (in `meta` under `schema_version`).\n\n" + table(("table", "column", "holds"), rows)


def parquet_tables() -> str:
    """Return the Parquet files, column by column."""
    rows = [(f"`{name}`", f"`{c}`", words) for name, columns in PARQUET_TABLES.items() for c, words in columns.items()]
    return f"Schema version {SCHEMA_VERSION}.\n\n" + table(("file", "column", "holds"), rows)


GENERATED: dict[str, Callable[[], str]] = {
    "tasks": lambda: table(("task", "what it is"), [(f"`{name}`", words) for name, words in TASK_NAMES.items()]),
    "presets": lambda: table(
        ("preset", "title", "look for"), [(f"`{name}`", one.title, one.told) for name, one in PRESETS.items()]
    ),
    "settings": settings_table,
    "limits": limits_table,
    "trace": trace_tables,
    "scalars": lambda: table(("scalar", "is"), [(f"`{name}`", words) for name, words in SCALARS.items()]),
    "scores": scores_table,
    "parquet": parquet_tables,
}
"""Marker in the README to what stands between it and its end."""


def between(text: str, name: str) -> str:
    """Return what stands between the markers of a name."""
    found = re.findall(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, re.DOTALL)
    assert len(found) == 1, f"README.md has {len(found)} places marked {name}"
    return str(found[0])


def rewritten(text: str) -> str:
    """Return the README with every generated table made anew."""
    for name, make in GENERATED.items():
        start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        text = text.replace(start + between(text, name) + end, f"{start}{make()}\n{end}")
    return text


@pytest.fixture(scope="module")
def readme() -> str:
    return README.read_text("utf-8")


@pytest.mark.parametrize("name", GENERATED)
def test_generated_tables_are_up_to_date(readme: str, name: str) -> None:
    assert between(readme, name).strip() == GENERATED[name](), "run: python -m tests.test_readme"


def test_every_name_stands_in_it(readme: str) -> None:
    from ikd.objectives import OBJECTIVES
    from ikd.teaching.hypergradients import HYPERGRADIENTS
    from ikd.teaching.policies import POLICIES
    from ikd.ui.shell import PAGES

    names = [*TASK_NAMES, *OBJECTIVES, *HYPERGRADIENTS, *POLICIES, *PRESETS, *SCALARS, *METRICS, *TABLES, *PARQUET_TABLES]
    names += [one.path for one in all_settings()]
    names += [column for columns in (*TABLES.values(), *PARQUET_TABLES.values()) for column in columns]
    names += [page.path for page in PAGES.values()]
    assert not [name for name in names if f"`{name}`" not in readme]
    for page in PAGES.values():
        assert f"| {page.label} | `{page.path}` |" in readme
    files = {f"pages/{path.name}" for path in (REPOSITORY / "pages").glob("*.py")} | {"app.py"}
    assert files == {page.path for page in PAGES.values()}


def commands(text: str) -> list[list[str]]:
    """Return the words of every `python -m ikd` line in the README's shell blocks."""
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("python -m ikd ")]
    return [shlex.split(line, comments=True)[3:] for line in lines]


def test_there_are_commands(readme: str) -> None:
    assert {words[0] for words in commands(readme)} == {
        "train", "data", "runs", "scores", "pause", "stop", "change", "fork", "rename", "pack", "unpack", "delete", "export",
        "study", "settings"}  # fmt: skip


@pytest.mark.parametrize("words", commands(README.read_text("utf-8")), ids=" ".join)
def test_commands_are_understood(words: list[str]) -> None:
    """Every command parses, and every config it asks for is one that can run."""
    chosen = _parser().parse_args(words)
    if words[0] == "train" and chosen.config is None:
        _config(chosen)


def test_it_starts_with_the_two_commands(readme: str) -> None:
    first = re.findall(r"```bash\n(.*?)\n```", readme, re.DOTALL)[:2]
    assert first == [
        "pip install -r requirements.txt && streamlit run app.py",
        "pip install -r requirements-dev.txt && pytest",
    ]


def test_links_and_files_are_there(readme: str) -> None:
    links = re.findall(r"\]\(([^)#]+?)\)", readme)
    assert not [one for one in links if not one.startswith("https://") and not (REPOSITORY / one).exists()]
    titles = [line.lstrip("# ").lower() for line in readme.splitlines() if line.startswith("#")]
    heads = {re.sub(r"[^a-z0-9 -]", "", title).replace(" ", "-") for title in titles}
    assert not [one for one in re.findall(r"\]\(#([^)]+)\)", readme) if one not in heads]
    named = re.findall(r"`((?:ikd|tests|pages|assets|docs|benchmarks|\.ci)/[\w./-]*)`", readme)
    assert named and not [one for one in named if not (REPOSITORY / one).exists()]


def written_words() -> list[str]:
    """Return the paths of everything a person reads: README, changelog and decisions."""
    paths = [README, REPOSITORY / "CHANGELOG.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
    return [str(path.relative_to(REPOSITORY)) for path in paths]


@pytest.mark.parametrize("name", written_words())
def test_nothing_names_a_place_on_one_machine(name: str) -> None:
    text = (REPOSITORY / name).read_text("utf-8")
    assert not re.findall(r"(?<![\w.:/])/(?:root|home|work|tmp|opt|Users|mnt|var)/\S*", text)


def test_decisions_are_numbered_without_a_gap() -> None:
    names = sorted(path.name for path in (REPOSITORY / "docs" / "decisions").glob("*.md"))
    assert [name[:4] for name in names] == [f"{number:04d}" for number in range(1, len(names) + 1)]
    for name in names:
        text = (REPOSITORY / "docs" / "decisions" / name).read_text("utf-8")
        assert all(f"\n## {head}\n" in text for head in ("Context", "Decision", "Reason", "Consequence")), name


if __name__ == "__main__":
    README.write_text(rewritten(README.read_text("utf-8")), "utf-8")


def test_the_study_of_ones_own_that_it_shows_can_be_carried_out_and_every_key_is_told() -> None:
    text = re.search(r"```yaml\n(# mine.yaml.*?)```(.*?)\n\n[^|\n]", README.read_text("utf-8"), re.DOTALL)
    assert text is not None
    study = study_from_text(text[1])
    assert len(all_cells(study)) > 50 and study.tune_seeds and not set(study.seeds) & set(range(10)), "no seeds of the defaults' sweep"
    assert set(re.findall(r"^\| `(\w+)` \|", text[2], re.MULTILINE)) == set(Study.model_fields)
