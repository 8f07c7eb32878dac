"""Lines of text with quotes behind backslashes, zero bytes, or their header once more."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ikd.config import TaskSettings
from ikd.errors import TaskError
from ikd.protocols import TaskData
from ikd.tasks import load_task
from ikd.tasks.reading import Table, read_table


def written(folder: Path, content: str | bytes, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def load(path: Path, **more: object) -> TaskData:
    return load_task(TaskSettings(**{"name": "files", "train_file": str(path), **more}))


def texts(table: Table) -> list[str]:
    return list(table.frame["text"])


ESCAPED = {
    "a comma behind": (r'"She called \"good morning {i}\", twice"', 'She called "good morning {i}", twice'),
    "a line break within": ('"She \\"called\\",\nand {i} came"', 'She "called",\nand {i} came'),
    "a backslash at the end": (r'"\"Folder\" number {i}, C:\\"', '"Folder" number {i}, C:\\'),
    "at both ends": (r'"\"{i}\""', '"{i}"'),
}


@pytest.mark.parametrize("form", ESCAPED)
@pytest.mark.parametrize(("delimiter", "name"), [(",", "rows.csv"), (";", "rows.txt"), ("\t", "rows.tsv")])
def test_quotes_behind_backslashes_are_quotes_within_cells(form: str, delimiter: str, name: str, tmp_path: Path) -> None:
    cell, text = ESCAPED[form]
    lines = [f"text{delimiter}label", *(f"{cell.format(i=i)}{delimiter}{'ab'[i % 2]}" for i in range(30))]
    table = read_table(written(tmp_path, "\n".join(lines) + "\n", name))
    assert texts(table) == [text.format(i=i) for i in range(30)] and set(table.frame["label"]) == {"a", "b"}
    assert any("behind backslashes" in note for note in table.notes) or form == "at both ends"


def test_backslashes_that_are_letters_stay(tmp_path: Path) -> None:
    lines = ["text,label", *(f'"C:\\folder {i}, new\\","{"ab"[i % 2]}"' for i in range(30))]
    table = read_table(written(tmp_path, "\n".join(lines)))
    assert texts(table) == [f"C:\\folder {i}, new\\" for i in range(30)] and not table.notes


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_zero_byte_is_taken_out_and_its_line_is_named(encoding: str, tmp_path: Path) -> None:
    lines = ["text,label", *(f"The café number {i} is open,{'ab'[i % 2]}" for i in range(40))]
    lines[7] = lines[7].replace("is", "i\0s")
    data = load(written(tmp_path, "\n".join(lines).encode(encoding)))
    assert any("1 zero byte (NUL) was taken out of line 8" in note for note in data.notes)
    assert all("\0" not in text and text.endswith("is open") for split in data.splits.values() for text in split.texts)
    named = load(written(tmp_path, "\n".join(lines).encode(encoding)), encoding=encoding)
    assert named.fingerprint == data.fingerprint


def test_zero_bytes_in_json_lines_are_taken_out_too(tmp_path: Path) -> None:
    lines = [f'{{"text": "Note {i} of this day", "label": "{"ab"[i % 2]}"}}' for i in range(40)]
    lines[3] = lines[3].replace("of", "o\0f")
    data = load(written(tmp_path, "\n".join(lines), "rows.jsonl"))
    assert any("line 4" in note for note in data.notes) and sum(map(len, data.splits.values())) == 40


def test_many_zero_bytes_are_refused_with_the_first_line(tmp_path: Path) -> None:
    content = "text,label\n" + "".join(f"One\0two\0three {i},{'ab'[i % 2]}\n" for i in range(40))
    with pytest.raises(TaskError, match="80 zero bytes, the first in line 2"):
        load(written(tmp_path, content))


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv"])
def test_a_header_that_comes_again_is_left_out_and_named(name: str, tmp_path: Path) -> None:
    mark = "," if name.endswith("csv") else "\t"
    rows = [f"Note {i}{mark}{'ab'[i % 2]}" for i in range(40)]
    header = f"text{mark}label"
    data = load(written(tmp_path, "\n".join([header, *rows[:20], header, *rows[20:], header]), name))
    assert any("2 lines were left out for repeating the header (lines 22, 43)" in note for note in data.notes)
    assert tuple(data.label_names) == ("a", "b") and sum(map(len, data.splits.values())) == 40


GZIPS = {
    "one member": gzip.compress,
    "two members": lambda content: gzip.compress(content[:99]) + gzip.compress(content[99:]),
    "padded": lambda content: gzip.compress(content) + bytes(512),
    "with a tail": lambda content: gzip.compress(content) + b"tail",
}


@pytest.mark.parametrize("form", GZIPS)
def test_gzip_files_are_read_whole_however_they_were_packed(form: str, tmp_path: Path) -> None:
    content = "text,label\n" + "".join(f"Note {i} of the day,{'ab'[i % 2]}\n" for i in range(200))
    data = load(written(tmp_path, GZIPS[form](content.encode()), "rows.csv.gz"))
    assert sum(map(len, data.splits.values())) == 200
    assert any("what follows the end" in note for note in data.notes) == (form == "with a tail")
