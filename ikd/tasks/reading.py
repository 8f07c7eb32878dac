"""One file of rows into a table, whatever text or table it is, and what to say when it is none."""

from __future__ import annotations

from pathlib import Path

from ikd.config.limits import MB, Limits, limits
from ikd.config.names import FILE_KINDS
from ikd.errors import TaskError
from ikd.tasks.columnar import read_parquet
from ikd.tasks.decoding import GZIP, PARQUET, Source, source, unpacked
from ikd.tasks.delimited import read_delimited
from ikd.tasks.structured import is_json_line, read_json, read_json_lines
from ikd.tasks.tables import AUTO, Reading, Table

__all__ = ["AUTO", "Reading", "Table", "read_table"]

PACKED = ".gz"
SPREADSHEETS = (".xlsx", ".xlsm", ".xls", ".ods", ".numbers")
JSON_LINES = (".jsonl", ".ndjson")


def read_table(path: str | Path, how: Reading = AUTO) -> Table:
    """Return the rows of a file.

    Args:
        path: where it lies.
        how: what a person says about it; what they leave open is found out from the file.

    Raises:
        TaskError: a file that is missing, too large, empty, or not what its name says.
        ConfigError: a bound in the environment that is none.
    """
    most = limits()
    try:
        file = Path(path).expanduser()
        kind = _kind(file)
        _check_file(file, kind, most)
        with file.open("rb") as opened:
            begin = opened.read(4)
            if begin == PARQUET or (kind == ".parquet" and not begin.startswith(GZIP)):
                return read_parquet(file, file.name, most)
            opened.seek(0)
            data = opened.read()
        return _read(data, file.name, kind, how, most)
    except OSError as error:
        raise TaskError(f"The file {str(path)!r} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RuntimeError) as error:
        raise TaskError(f"{str(path)!r} is not the name of a file.") from error
    except MemoryError as error:
        raise TaskError(f"{Path(path).name} does not fit into the memory of this machine: cut it, or keep fewer columns.") from error


def _kind(file: Path) -> str:
    """Return the end of a file's name, in small letters; that before .gz where there is one."""
    name = file.name.lower()
    return Path(name.removesuffix(PACKED)).suffix or (PACKED if name.endswith(PACKED) else "")


def _check_file(file: Path, kind: str, most: Limits) -> None:
    if file.is_dir():
        raise TaskError(f"{str(file)!r} is a folder, not a file: name one of the files in it, or give the folder as task.hub_name with the "
                        f"task 'hub'.")
    if not file.exists():
        raise TaskError(f"There is no file {str(file)!r}; check the path.")
    if not file.is_file():
        raise TaskError(f"{str(file)!r} is not an ordinary file.")
    known = f"files of rows end in {', '.join(FILE_KINDS)}"
    if kind in SPREADSHEETS:
        raise TaskError(f"{file.name} is a spreadsheet, which is not read: save its sheet as CSV and give that; {known}.")
    if kind == ".arrow":
        raise TaskError(f"{file.name}: {known}; a folder written by save_to_disk is named as the data set of the task 'hub'.")
    if kind not in FILE_KINDS:
        raise TaskError(f"{file.name}: {known}, and this one {f'in {kind}' if kind else 'has no ending'}.")
    size = file.stat().st_size
    if size > most.file_mb * MB:
        raise TaskError(
            f"{file.name} has {size / MB:,.0f} MB, and files up to {most.file_mb:,} MB are read; "
            "cut it, put it into a hub data set, or raise IKD_MAX_FILE_MB."
        )
    if size == 0:
        raise TaskError(f"{file.name} is empty: it has zero bytes.")


def _read(data: bytes, name: str, kind: str, how: Reading, most: Limits) -> Table:
    """Return the rows of the bytes of a file that is not Parquet, unless it is so within a gzip file."""
    data, notes = unpacked(data, name, most)
    if not data:
        raise TaskError(f"{name} is empty: it is a gzip file of zero bytes.")
    if data.startswith(PARQUET) or (kind == ".parquet" and notes):
        table = read_parquet(data, name, most)
    else:
        text = source(data, name, how.encoding)
        notes += text.notes
        table = _read_text(text, kind, how, most)
    return table._replace(notes=notes + table.notes)


def _read_text(text: Source, kind: str, how: Reading, most: Limits) -> Table:
    """Return the rows of a text, by the end of its name, or by its first line where that says something else."""
    with text.lines() as lines:
        first = next((line for line in lines if line.strip()), "")
    if not first:
        raise TaskError(f"{text.name} has no data rows: it holds nothing but line breaks or spaces.")
    if kind == ".json" or (kind == PACKED and first.lstrip().startswith("[")):
        return read_json(text, most)
    if kind in JSON_LINES or is_json_line(first):
        return read_json_lines(text, most)
    return read_delimited(text, ".txt" if kind == PACKED else kind, how, most)
