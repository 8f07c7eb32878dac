"""JSON into a table: a list of rows, rows line by line, or columns of equal length; what is nested gets dotted names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ikd.config.limits import Limits
from ikd.errors import TaskError
from ikd.tasks.decoding import Source
from ikd.tasks.tables import Table, check_columns, check_size, framed, left_out

DEEPEST = 8
"""Names have at most so many parts; what lies deeper stays in its cell."""
LONGEST_PATH = 40
"""Characters of the names of lists that are said."""
SPACE = re.compile(r"[ \t\r\n\ufeff]*")
HALF_PAIR = re.compile(r"[\ud800-\udfff]")
HELD = "It should hold a list of rows, each with named fields such as 'text' and 'label'."
Row = Mapping[str, Any]


def read_json(text: Source, most: Limits) -> Table:
    """Return the rows of a JSON file.

    Raises:
        TaskError: no JSON, no rows in it, or too many rows, columns or cells.
    """
    content = text.text()
    _check_values(text.name, sum(map(content.count, ",[{")), most)
    start = _after_space(content, 0)
    if content[start : start + 1] == "[":
        return _as_table(text.name, enumerate(_elements(content, start + 1, text.name), start=1), "row", most)
    try:
        found = json.loads(content[start:])
    except (ValueError, RecursionError) as error:
        if content[start : start + 1] == "{" and "\n" in content.strip():
            return read_json_lines(text, most)
        raise _no_json(text.name, error) from error
    rows, notes = _rows_in(found, text.name)
    return _as_table(text.name, enumerate(rows, start=1), "row", most, notes)


def read_json_lines(text: Source, most: Limits) -> Table:
    """Return the rows of a file with a JSON object a line; lines that are none are left out, and named in a note.

    Raises:
        TaskError: no line is a row, or too many rows, columns or cells.
    """
    with text.lines() as lines:
        first = next((line for line in lines if line.strip()), "")
    if first.lstrip("\ufeff \t").startswith("["):
        return read_json(text, most)
    with text.lines() as lines:
        return _as_table(text.name, _parsed(lines, text.name, most), "line", most)


def is_json_line(line: str) -> bool:
    """Return whether a line is a row of JSON, whatever the name of the file says."""
    return line.lstrip().startswith("{") and isinstance(_value(line), dict)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _parsed(lines: Iterable[str], name: str, most: Limits) -> Iterator[tuple[int, Any]]:
    n_values = 0
    for number, line in enumerate(lines, start=1):
        if line.strip():
            n_values += sum(map(line.count, ",[{"))
            _check_values(name, n_values, most)
            yield number, _value(line)


def _elements(content: str, place: int, name: str) -> Iterator[Any]:
    """Yield the elements of a JSON list one by one, so that too long a list is left early."""
    decoder = json.JSONDecoder()
    place = _after_space(content, place)
    try:
        while content[place : place + 1] != "]":
            element, place = decoder.raw_decode(content, place)
            yield element
            place = _after_space(content, place)
            if content[place : place + 1] == ",":
                place = _after_space(content, place + 1)
            elif content[place : place + 1] != "]":
                raise json.JSONDecodeError("Expecting ',' or ']'", content, place)
        if _after_space(content, place + 1) < len(content):
            raise json.JSONDecodeError("Extra data", content, place + 1)
    except (ValueError, RecursionError) as error:
        raise _no_json(name, error) from error


def _after_space(content: str, place: int) -> int:
    found = SPACE.match(content, place)
    return found.end() if found else place


def _no_json(name: str, error: Exception) -> TaskError:
    return TaskError(f"{name} is not valid JSON: {error}. {HELD}")


def _check_values(name: str, n: int, most: Limits) -> None:
    """Refuse JSON of too many values before they fill the memory; commas in texts count too."""
    if n > most.cells:
        raise TaskError(f"{name} has more than {most.cells:,} values, the most that are read: cut it, or raise IKD_MAX_CELLS.")


def _rows_in(found: object, name: str) -> tuple[Iterable[Any], tuple[str, ...]]:
    """Return the rows that a JSON object holds: a list of them under some name, or columns.

    Raises:
        TaskError: it holds neither.
    """
    if not isinstance(found, dict) or not found:
        raise TaskError(f"{name} holds no list of rows. {HELD}")
    columns = list(found.values())
    lists = [key for key, value in found.items() if _is_rows(value)]
    alike = all(isinstance(column, list) for column in columns) and len(set(map(len, columns))) == 1
    if lists and not (alike and len(lists) < len(columns)):
        return found[lists[0]], _note_on_several(lists, name) if len(lists) > 1 else ()
    if isinstance(found.get("columns"), list) and _are_lists(found.get("data"), len(found["columns"])):
        return (dict(zip(map(str, found["columns"]), cells, strict=True)) for cells in found["data"]), ()
    if alike:
        return (dict(zip(found, cells, strict=True)) for cells in zip(*columns, strict=True)), ()
    objects = all(isinstance(column, dict) for column in columns)
    if objects and all(column.keys() == columns[0].keys() for column in columns) and all(map(str.isdecimal, columns[0])):
        return ({key: column[row] for key, column in found.items()} for row in columns[0]), ()
    below = {} if objects and _are_alike(columns) else dict(_lists_below(found, ""))
    if below:
        paths = list(below)
        one = (f"{name}: the rows were read from {paths[0][:LONGEST_PATH]!r}.",)
        return below[paths[0]], _note_on_several(paths, name) if len(paths) > 1 else one
    if objects and len(columns) == 1 and all(isinstance(cells, list) for cells in columns[0].values()):
        rows, notes = _rows_in(columns[0], name)
        return rows, notes or (f"{name}: the rows were read from {next(iter(found))[:LONGEST_PATH]!r}.",)
    if objects:
        return columns, ()
    raise TaskError(f"{name} holds neither a list of rows nor columns of one length. {HELD}")


def _note_on_several(paths: Sequence[str], name: str) -> tuple[str, ...]:
    others = ", ".join(repr(path[:LONGEST_PATH]) for path in paths[1:6])
    return (f"{name} holds several lists of rows; {paths[0][:LONGEST_PATH]!r} was read, and not {others}.",)


def _are_alike(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether several objects are rows themselves: one of their fields is a text or a number in all of them."""
    return len(rows) > 1 and any(all(isinstance(row.get(key), (str, int, float)) for row in rows) for key in rows[0])


def _lists_below(found: Mapping[str, Any], path: str, depth: int = 1) -> Iterator[tuple[str, list[Any]]]:
    """Yield the lists of rows within the objects of an object, each with its dotted name."""
    for key, value in found.items():
        name = f"{path}{key}"
        if _is_rows(value):
            yield name, value
        elif isinstance(value, dict) and depth < DEEPEST:
            yield from _lists_below(value, f"{name}.", depth + 1)


def _is_rows(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _are_lists(value: object, length: int) -> bool:
    return isinstance(value, list) and all(isinstance(row, list) and len(row) == length for row in value)


def _as_table(name: str, rows: Iterable[tuple[int, Any]], one: str, most: Limits, notes: tuple[str, ...] = ()) -> Table:
    """Return numbered rows as a table; what is no row, or has a cell that cannot be used, is left out with a note."""
    kept: list[Row] = []
    wrong: dict[str, list[int]] = {}
    for number, row in rows:
        fault = _fault(row, one, most)
        if fault:
            wrong.setdefault(fault, []).append(number)
        else:
            kept.append(row)
            check_size(name, len(kept), 0, most)
    if not any(kept):
        raise TaskError(f"{name} has no {one} that is a JSON row with named fields such as 'text' and 'label'.")
    notes += tuple(left_out(name, numbers, fault, one=one, many=f"{one}s") for fault, numbers in wrong.items())
    names = list(dict.fromkeys(key for row in kept for key in row))
    check_columns(name, len(names), most)
    check_size(name, len(kept), len(kept) * len(names), most)
    columns = with_parts({key: [row.get(key) for row in kept] for key in names}, most)
    return Table(framed(list(columns), list(columns.values())), notes, layout="json")


def _fault(row: object, one: str, most: Limits) -> str:
    if not isinstance(row, dict):
        return "being no JSON row" if one == "line" else "having no named fields"
    texts = [cell for cell in _texts(row) if not cell.isascii() or len(cell) > most.cell_characters]
    if any(len(text) > most.cell_characters for text in texts):
        return f"a cell longer than {most.cell_characters:,} characters"
    return "half a letter (a surrogate without its other half)" if any(map(HALF_PAIR.search, texts)) else ""


def _texts(value: object) -> Iterator[str]:
    """Yield every text in a row, names included."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting += one.keys()
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def with_parts(columns: Mapping[str, Sequence[Any]], most: Limits) -> dict[str, Sequence[Any]]:
    """Return columns, and after each that holds objects one for each of their fields: `example`, `example.premise`, ...

    Of lists of objects, and of lists of lists, it is the first element: `annotations.0`, `annotations.0.value`.
    Objects that have more fields than a table may have columns, as counts by name may, stay whole.
    """
    parted: dict[str, Sequence[Any]] = {}
    for name, cells in columns.items():
        parted[name] = cells
        for part, values in _parts(name, cells, most.columns - len(columns), 1).items():
            if part not in columns and len(parted) < most.columns:
                parted[part] = values
    return parted


def _parts(name: str, cells: Sequence[Any], room: int, depth: int) -> dict[str, Sequence[Any]]:
    keys = dict.fromkeys(key for cell in cells if isinstance(cell, dict) for key in cell)
    if any(isinstance(cell, list) and cell and isinstance(cell[0], (dict, list)) for cell in cells):
        keys.setdefault("0")
    if depth >= DEEPEST or len(keys) > room:
        return {}
    parts: dict[str, Sequence[Any]] = {}
    for key in keys:
        values = [cell.get(key) if isinstance(cell, dict) else cell[0] if isinstance(cell, list) and cell and key == "0" else None
                  for cell in cells]  # fmt: skip
        parts[f"{name}.{key}"] = values
        parts |= _parts(f"{name}.{key}", values, room - len(keys), depth + 1)
    return parts
