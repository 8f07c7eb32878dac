"""The one place where an unexpected fault of reading becomes a sentence for the person whose data it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ikd.config import TaskSettings, given_files
from ikd.errors import IKDError, TaskError

LONGEST_REASON = 160


@contextmanager
def said_plainly(settings: TaskSettings) -> Iterator[None]:
    """Raise whatever reading raises as a TaskError that names the data and says what to do.

    Raises:
        TaskError: any fault that is no sentence of the lab yet.
    """
    try:
        yield
    except IKDError:
        raise
    except MemoryError as error:
        raise TaskError(f"{_data_of(settings)} does not fit into the memory of this machine: cut it, or keep fewer columns.") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:LONGEST_REASON].rstrip(".")
        raise TaskError(
            f"{_data_of(settings)} holds something that cannot be read{f' ({reason})' if reason else ''}. Save it as a CSV file in UTF-8 "
            "with the columns text and label, or halve it until the rows at fault are found."
        ) from error


def _data_of(settings: TaskSettings) -> str:
    if settings.name != "files":
        return f"The data set {settings.hub_name or settings.name!r}"
    return ", ".join(Path(file).name[:80] for file in given_files(settings).values()) or "The data"
