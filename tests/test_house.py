"""The house and its rooms: who may import whom, how long a file may be, and that the read side loads no torch."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

from ikd.config import PRESETS, build_config
from ikd.config.names import TASK_NAMES
from tests.conftest import REPOSITORY


class Allowed(NamedTuple):
    """What a part may import beside the standard library and itself.

    Attributes:
        ikd: parts imported when the module is loaded, or for types alone.
        packages: other people's packages, imported when the module is loaded, or for types alone.
        lazy_ikd, lazy_packages: what functions may import besides: loaded only when they are called.
    """

    ikd: str = ""
    packages: str = ""
    lazy_ikd: str = ""
    lazy_packages: str = ""


# torch stands in no line of the read side: config, metrics, trace, plots, ui, pages.
PARTS: dict[str, Allowed] = {
    "errors": Allowed(),
    "events": Allowed(packages="numpy"),
    "config": Allowed(ikd="errors", packages="pydantic"),
    "metrics": Allowed(packages="numpy", lazy_packages="sklearn scipy"),
    "protocols": Allowed(ikd="events", packages="torch"),
    "objectives": Allowed(ikd="errors protocols", packages="torch"),
    "teaching": Allowed(ikd="errors events protocols objectives", packages="numpy torch"),
    "tasks": Allowed(
        ikd="errors config protocols", packages="numpy pandas pyarrow scipy charset_normalizer",
        lazy_packages="datasets huggingface_hub",
    ),
    "models": Allowed(
        ikd="errors config protocols", packages="torch transformers tokenizers safetensors", lazy_packages="peft"
    ),
    "classroom": Allowed(ikd="errors events config protocols objectives teaching", packages="numpy torch"),
    "trainer": Allowed(ikd="events config metrics protocols teaching classroom", packages="torch"),
    "trace": Allowed(ikd="errors events config metrics", packages="numpy pandas pyarrow", lazy_packages="scipy"),
    "plots": Allowed(packages="numpy pandas altair plotly"),
    "runs": Allowed(
        ikd="errors events config metrics protocols teaching tasks models classroom trainer trace",
        packages="numpy pandas torch transformers safetensors filelock psutil", lazy_packages="huggingface_hub",
    ),
    "ui": Allowed(
        ikd="errors events config metrics trace plots runs study", packages="streamlit numpy pandas altair plotly",
        lazy_packages="vl_convert",
    ),
    "study": Allowed(
        ikd="errors events config metrics trace runs", packages="numpy pandas scipy pydantic yaml filelock",
        lazy_ikd="models", lazy_packages="torch",
    ),
    "cli": Allowed(ikd="errors config runs", lazy_ikd="events trace study", lazy_packages="tqdm"),
    "__main__": Allowed(ikd="cli"),
    "pages": Allowed(ikd="errors config trace plots ui", packages="streamlit"),
}  # fmt: skip

# The package itself holds the version and nothing else, so any part may ask for it.
ROOT_PACKAGE = "ikd"

LONGEST_FILE, LONGEST_PAGE, LONGEST_FUNCTION = 300, 80, 40
LIGHT_RUNS = ("ikd.runs", "ikd.runs.background", "ikd.runs.cost", "ikd.runs.estimate", "ikd.runs.hub_names", "ikd.runs.inspection",
              "ikd.runs.launch", "ikd.runs.memory", "ikd.runs.permission", "ikd.runs.speed", "ikd.runs.devices")
NO_NAME_FOR_A_FILE = {"utils", "util", "helpers", "helper", "common", "misc", "lib", "tools"}


class Import(NamedTuple):
    """One import: the module it names, and whether it waits inside a function."""

    name: str
    lazy: bool
    line: int


def sources(folder: str = "ikd") -> list[Path]:
    """Return the Python files of the product, or of one folder."""
    return sorted((REPOSITORY / folder).rglob("*.py"))


def pages() -> list[Path]:
    """Return the files that Streamlit runs."""
    return [REPOSITORY / "app.py", *sources("pages")]


def module_of(path: Path) -> str:
    """Return the dotted name of a file: ikd.trace.reader; pages.run and app for the pages."""
    parts = path.relative_to(REPOSITORY).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    """Return the part a module belongs to, or "ikd" for the package itself."""
    first, _, rest = module.partition(".")
    if first in ("app", "pages"):
        return "pages"
    return rest.partition(".")[0] or ROOT_PACKAGE


@cache
def imports_of(path: Path) -> tuple[Import, ...]:
    """Return every import of a file: at its top, inside functions, and for types alone."""
    return tuple(_imports(ast.parse(path.read_text("utf-8")), lazy=False))


def _imports(node: ast.AST, *, lazy: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        inside = lazy or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) or _for_types_alone(child)
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, inside, child.lineno) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0 and child.module, f"line {child.lineno}: imports are written in full"
            # `from ikd.teaching import reading` may name a module or a thing in one: both count.
            yield Import(child.module, inside, child.lineno)
            inner = [alias.name for alias in child.names if _is_module(child.module, alias.name)]
            yield from (Import(f"{child.module}.{name}", inside, child.lineno) for name in inner)
        else:
            yield from _imports(child, lazy=inside)


def _for_types_alone(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _is_module(parent: str, name: str) -> bool:
    place = REPOSITORY.joinpath(*parent.split(".")) / name
    return parent.partition(".")[0] == "ikd" and (place.with_suffix(".py").is_file() or (place / "__init__.py").is_file())


def forbidden(path: Path) -> Iterator[str]:
    """Yield a line for each import that the table does not allow."""
    own = part_of(module_of(path))
    if own == ROOT_PACKAGE:
        allowed = Allowed()
    else:
        assert own in PARTS, f"{own} is a new part: give it a line in PARTS"
        allowed = PARTS[own]
    for one in imports_of(path):
        package = one.name.partition(".")[0]
        inner = package == "ikd"
        wanted = part_of(one.name) if inner else package
        if wanted in (own, ROOT_PACKAGE) and inner or package in sys.stdlib_module_names:
            continue
        names = (allowed.ikd if inner else allowed.packages).split()
        if one.lazy:
            names += (allowed.lazy_ikd if inner else allowed.lazy_packages).split()
        if wanted not in names:
            yield f"{path.relative_to(REPOSITORY)}:{one.line} imports {one.name}"


@pytest.mark.parametrize("part", [*PARTS, ROOT_PACKAGE])
def test_parts_import_what_the_table_allows(part: str) -> None:
    files = [path for path in [*sources(), *pages()] if part_of(module_of(path)) == part]
    assert files, f"{part} is in the table but has no file"
    assert not [line for path in files for line in forbidden(path)]


def test_every_part_stands_in_the_table() -> None:
    parts = {part_of(module_of(path)) for path in sources()}
    assert parts - {ROOT_PACKAGE} <= set(PARTS)


def test_what_the_table_allows_is_used() -> None:
    """A line that allows more than is needed would hide the next wrong import."""
    used: dict[str, set[str]] = {part: set() for part in PARTS}
    for path in [*sources(), *pages()]:
        for one in imports_of(path):
            inner = one.name.partition(".")[0] == "ikd"
            wanted = part_of(one.name) if inner else one.name.partition(".")[0]
            used.setdefault(part_of(module_of(path)), set()).add(wanted)
    spare = {
        part: sorted(set(" ".join(allowed).split()) - used[part] - STANDING_LEAVE.get(part, set()))
        for part, allowed in PARTS.items()
    }
    assert not {part: names for part, names in spare.items() if names}


# Allowed by design and not needed at present.
STANDING_LEAVE: dict[str, set[str]] = {
    "tasks": {"numpy"}, "plots": {"plotly"}, "teaching": {"objectives"}, "classroom": {"errors"},
    "ui": {"plotly"}, "models": {"safetensors"}, "pages": {"config", "plots", "streamlit"},
}  # fmt: skip


def first_cycle(graph: dict[str, set[str]]) -> list[str]:
    """Return the names of a cycle, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as fault:
        return list(fault.args[1])
    return []


def test_no_cycle_between_parts() -> None:
    graph: dict[str, set[str]] = {}
    for path in sources():
        own = part_of(module_of(path))
        wanted = {part_of(one.name) for one in imports_of(path) if one.name.partition(".")[0] == "ikd"}
        graph.setdefault(own, set()).update(wanted - {own, ROOT_PACKAGE})
    assert first_cycle(graph) == []


def test_no_cycle_between_modules() -> None:
    """Lazy and type-only imports count too."""
    known = {module_of(path) for path in sources()}
    graph = {module_of(path): {one.name for one in imports_of(path)} & known - {module_of(path)} for path in sources()}
    assert first_cycle(graph) == []


@pytest.mark.parametrize("path", [*sources(), *pages()], ids=module_of)
def test_files_are_short_and_named_for_what_they_hold(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= (LONGEST_PAGE if path in pages() else LONGEST_FILE)
    assert path.stem not in NO_NAME_FOR_A_FILE
    long = [
        f"{node.name} at line {node.lineno}"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (node.end_lineno or 0) - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert not long, f"longer than {LONGEST_FUNCTION} lines: {long}"


def test_the_read_side_loads_no_torch() -> None:
    """A page is drawn, and a trace read, without torch: it takes seconds and hundreds of megabytes to load."""
    free = {part for part, allowed in PARTS.items() if "torch" not in allowed.packages.split()}
    read = {path for path in sources() if part_of(module_of(path)) in free - {"tasks", "__main__"}}
    # ikd.tasks names tensors in its types; of ikd.runs, what the pages ask, before any run has started.
    names = {"ikd", *LIGHT_RUNS, *(module_of(path) for path in read)}
    program = (
        "import importlib, sys\n"
        f"for name in {sorted(names)!r}:\n"
        "    importlib.import_module(name)\n"
        "    if 'torch' in sys.modules: sys.exit(f'{name} loads torch')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr


PUBLIC = [path for path in sources() if "__all__" in path.read_text("utf-8")]


@pytest.mark.parametrize("path", PUBLIC, ids=module_of)
def test_public_names_are_sorted_and_there(path: Path) -> None:
    module = importlib.import_module(module_of(path))
    names = list(module.__all__)
    # Constants, then classes, then functions, as ruff sorts them.
    assert names == sorted(set(names), key=lambda name: (not name.isupper(), name.islower() or name[0].islower(), name))
    assert not [name for name in names if not hasattr(module, name)]


def test_every_package_with_public_names_lists_them() -> None:
    """A package that brings names up to its own level says which."""
    for path in sources():
        if path.name == "__init__.py" and any(one.name.startswith("ikd") for one in imports_of(path)):
            assert "__all__" in path.read_text("utf-8"), f"{module_of(path)} has no __all__"


def test_task_names_are_the_tasks() -> None:
    from ikd.tasks import TASKS

    assert sorted(TASK_NAMES) == sorted(TASKS)


def test_names_offered_by_the_config_are_the_names_there_are() -> None:
    from ikd.config import HIDDEN_OBJECTIVES, OBJECTIVE_NAMES, all_settings
    from ikd.objectives import HIDDEN, OBJECTIVES
    from ikd.teaching.hypergradients import HYPERGRADIENTS
    from ikd.teaching.policies import POLICIES
    from ikd.teaching.schedule import SCHEDULES
    from ikd.teaching.teacher_update import ANCHORS

    choices = {one.path: set(one.choices) for one in all_settings()}
    assert choices["objective.name"] == {*OBJECTIVES, "sum"}
    assert set(OBJECTIVE_NAMES) == set(OBJECTIVES) and HIDDEN_OBJECTIVES == HIDDEN
    assert choices["policy.name"] == set(POLICIES)
    assert choices["policy.hypergradient"] == set(HYPERGRADIENTS)
    assert choices["policy.anchor"] == {"none", *ANCHORS}
    assert choices["training.schedule"] == choices["policy.teacher_schedule"] == set(SCHEDULES)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_valid_config(name: str) -> None:
    preset = PRESETS[name]
    config = build_config(preset.values)
    assert preset.title and preset.look_for
    tree = config.model_dump()
    for path, value in preset.values.items():
        group, _, field = path.rpartition(".")
        assert (tree[group] if group else tree)[field] == value
