"""Studies as YAML: from a file or from those that come with the lab, with every refusal said in one plain sentence."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ikd.errors import ConfigError, unknown_name
from ikd.study.cells import check_configs
from ikd.study.plan import MOST_CELLS, Study

SHIPPED = Path(__file__).parent / "shipped"
LARGEST_BYTES = 200_000
MERGE = "tag:yaml.org,2002:merge"
_KINDS = {"tasks": "names, each with its settings", "methods": "names, each with its settings", "base": "settings with their values",
          "seeds": "a number of seeds or a list of them, whole numbers from 0", "tune": "methods, each with settings and a list of values",
          "tune_seeds": "a number of seeds or a list of them, whole numbers from 0", "uneven_budgets": "true or false",
          "also_against": "methods, each with a list of others", "keep_students": "true or false",
          "feedback": "a list of methods", "controls": "a list of methods",
          "map": "rows and columns, each a setting of the tasks", "matters": "scores, each with a number above 0"}  # fmt: skip


_SHORT = reprlib.Repr()
"""Says no more of a value than its beginning: aliases make of a short text lists of lists that would fill the memory when written out."""
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 3, 80, 80


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, that refuses a name given twice instead of dropping the first, and merge keys, which can grow without end."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key, _ in node.value:
            if key.tag == MERGE:
                raise ConfigError(f"The study has a merge key (<<) at line {key.start_mark.line + 1}, which is not read: write the "
                                  "settings out there, or put what holds for all runs in base.")  # fmt: skip
            name = self.construct_object(key, deep=True)
            if isinstance(name, str) and name in seen:
                raise ConfigError(f"The study has {name!r} twice in one place, at line {key.start_mark.line + 1}: keep one of them.")
            seen.add(name if isinstance(name, str) else id(key))
        return super().construct_mapping(node, deep)


def load_study(name_or_file: str) -> Study:
    """Return a study by the name of a shipped one, or by the path of a YAML file.

    Raises:
        ConfigError: no such study, or one that cannot be carried out; in one sentence.
    """
    if name_or_file in shipped_names():
        return read_study(SHIPPED / f"{name_or_file}.yaml")
    path = Path(name_or_file).expanduser()
    if not path.is_file():
        if path.suffix in (".yaml", ".yml"):
            raise ConfigError(f"There is no file {name_or_file[:300]!r}: correct the path, or name a study that comes with the lab: "
                              f"{', '.join(shipped_names())}.")  # fmt: skip
        raise ConfigError(unknown_name("study", name_or_file[:300], shipped_names(), hint="Or give the path of a YAML file."))
    return read_study(path)


def shipped_names() -> list[str]:
    """Return the names of the studies that come with the lab."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def read_study(path: Path) -> Study:
    """Return the study in a YAML file; errors as in `load_study`."""
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise ConfigError(f"The study {path.name!r} has more than {LARGEST_BYTES} bytes: that is no study.")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        reason = getattr(fault, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(f"The study {path.name!r} cannot be read ({reason}): give the path of a YAML file.") from None
    return study_from_text(text)


def study_from_text(text: str) -> Study:
    """Return the study in a YAML text; errors as in `load_study`."""
    try:
        tree = yaml.load(text, Loader=_Loader)  # a safe one
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        what = getattr(fault, "problem", None) or "it cannot be read"
        raise ConfigError(f"The study is not YAML{where} ({what}): correct it there.") from None
    except (RecursionError, ValueError, TypeError) as fault:
        raise ConfigError(f"The study is not YAML that can be read ({type(fault).__name__}): correct it.") from None
    if not isinstance(tree, dict):
        raise ConfigError("A study is YAML with the keys name, tasks, methods, seeds and baseline: start from one of those in "
                          "ikd/study/shipped.")  # fmt: skip
    return study_from(tree)


def study_from(tree: Mapping[Any, Any]) -> Study:
    """Return the study of plain values; errors as in `load_study`."""
    try:
        study = Study.model_validate({str(key): value for key, value in tree.items()})
    except ValidationError as fault:
        raise ConfigError(_sentence(fault)) from None
    check_configs(study)
    return study


def study_text(study: Study) -> str:
    """Return a study as YAML from which the same study is read."""
    tree = study.model_dump(mode="json", exclude_defaults=True)
    return str(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=120))


def with_seeds(study: Study, n_seeds: int) -> Study:
    """Return the study with so many seeds: its own first ones, or all of them and the next numbers that are free.

    Raises:
        ConfigError: not a number that a study can have.
    """
    if n_seeds < 1:
        raise ConfigError(f"A study needs one seed or more, got {n_seeds}: give a number from 1; fewer than 6 can show no difference.")
    if n_seeds > MOST_CELLS:
        raise ConfigError(f"So many seeds are more than the {MOST_CELLS} runs that a study may have: give a smaller number.")
    seeds = list(study.seeds[:n_seeds])
    following = max(study.seeds) + 1
    while len(seeds) < n_seeds:
        if following not in study.tune_seeds:
            seeds.append(following)
        following += 1
    return study_from({**study.model_dump(), "seeds": seeds})


def _sentence(fault: ValidationError) -> str:
    several = fault.errors(include_url=False)
    first = next((one for one in several if one["type"] == "extra_forbidden"), several[0])
    place = [str(part) for part in first["loc"] if str(part) not in ("bool", "int", "float", "str", "[key]")]
    if first["type"] == "value_error":
        return str(first["msg"]).removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        return unknown_name("key of a study", place[0], Study.model_fields, hint="Remove it or correct its name.")
    if first["type"] == "missing":
        return f"The study has no {place[0]}: give it; it also needs {', '.join(_needed(place[0]))}."
    got = _SHORT.repr(first["input"])
    wanted = _KINDS.get(place[0], "a text")
    if len(place) > 1:
        wanted = "plain values: numbers, texts, true, false or null" if place[0] in ("base", "tasks", "methods") else wanted
    if first["type"] == "too_short":
        wanted = f"at least one, {wanted}"
    return f"The study cannot have {got[:80]} for {'.'.join(place)}: it takes {wanted}."


def _needed(without: str) -> list[str]:
    return [name for name, info in Study.model_fields.items() if info.is_required() and name != without]
