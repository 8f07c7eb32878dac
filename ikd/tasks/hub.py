"""`hub` and the known hub data sets: rows from the data-set hub, its cache, or a local folder laid out like one.

Data sets that need their own code are refused. Without a network the cache still answers, and nothing waits for long.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ikd.errors import HubError, TaskError, unknown_name
from ikd.protocols import TaskData, TaskRequest
from ikd.tasks.columns import Wanted
from ikd.tasks.files import task_from_tables, wanted_columns
from ikd.tasks.idle import unused_note
from ikd.tasks.known import Known
from ikd.tasks.paths import with_named_parts
from ikd.tasks.reading import Table
from ikd.tasks.tables import with_train_notes

PROBE_SECONDS = 4.0


def hub_task(settings: TaskRequest) -> TaskData:
    """Return a task from the hub data set, or local folder, that the settings name.

    Raises:
        TaskError: rows, columns or splits that cannot be used.
        HubError: the hub is out of reach, has no such name, or the data set needs its own code.
    """
    tables = hub_tables(settings)
    return task_from_tables(settings, Path(settings.hub_name or "").name, tables, wanted=wanted_columns(settings))


def hub_tables(settings: TaskRequest) -> dict[str, tuple[str, Table]]:
    """Return a table for each split that is used of the hub data set, or local folder, that the settings name; errors as `hub_task`."""
    if not settings.hub_name:
        raise TaskError("The task 'hub' needs a data set's name on the hub, `owner/name`, or a local folder.")
    splits = load_splits(settings.hub_name, settings.hub_config, revision=settings.hub_revision)
    parts = {
        "train": _find_split(splits, "train", settings.hub_name),
        "validation": _wanted_split(splits, settings.hub_validation_split, "validation", settings.hub_name),
        "test": _wanted_split(splits, settings.hub_test_split, "test", settings.hub_name),
        "exam": _exam_split(splits, settings, settings.hub_name),
    }
    tables = _tables(splits, parts, settings.hub_name, wanted_columns(settings))
    return with_train_notes(tables, _idle_names(settings))


def _idle_names(settings: TaskRequest) -> tuple[str, ...]:
    """Return a note on each setting of a hub data set that a local folder has no use for."""
    folder = _local_folder(settings.hub_name or "")
    notes = []
    if folder and settings.hub_revision:
        notes.append(unused_note("hub_revision", "a local folder has no revisions"))
    if folder and is_saved_to_disk(folder) and settings.hub_config:
        notes.append(unused_note("hub_config", "a data set saved to disk has no configurations"))
    return tuple(notes)


def known_task(name: str, known: Known, settings: TaskRequest) -> TaskData:
    """Return a task from a known hub data set; columns named in the settings go before the known ones.

    Raises:
        TaskError: rows that cannot be used.
        HubError: the hub is out of reach.
    """
    return task_from_tables(settings, name, known_tables(name, known, settings), wanted=known_wanted(known, settings))


def known_tables(name: str, known: Known, settings: TaskRequest) -> dict[str, tuple[str, Table]]:
    """Return a table for each split that is used of a known hub data set; errors as `known_task`."""
    splits = load_splits(known.hub_name, known.config, revision=settings.hub_revision)
    parts = {
        split: None if found is None else _find_split(splits, found, known.hub_name)
        for split, found in (("train", "train"), ("validation", known.validation), ("test", known.test))
    }
    parts["exam"] = _exam_split(splits, settings, known.hub_name)
    return _tables(splits, parts, name, known_wanted(known, settings))


def known_wanted(known: Known, settings: TaskRequest) -> Wanted:
    """Return the columns of a known data set; columns named in the settings go before them."""
    return Wanted(
        text=settings.text_column or known.text,
        text_pair=settings.text_pair_column or known.text_pair,
        label=settings.label_column or known.label,
        soft=settings.soft_label_column, group=settings.group_column, source=settings.source_column, target=settings.soft_target_column,
    )  # fmt: skip


def _wanted_split(splits: Mapping[str, Any], name: str | None, usual: str, where: str) -> str | None:
    if name:
        return _find_split(splits, name, where)
    return usual if usual in splits else None


def _exam_split(splits: Mapping[str, Any], settings: TaskRequest, where: str) -> str | None:
    return _find_split(splits, settings.hub_exam_split, where) if settings.hub_exam_split else None


def _find_split(splits: Mapping[str, Any], name: str, where: str) -> str:
    if name not in splits:
        raise TaskError(unknown_name(f"split of {where!r}", name, splits, hint="Check the names of its splits."))
    return name


def _tables(
    splits: Mapping[str, Any], parts: Mapping[str, str | None], name: str, wanted: Wanted
) -> dict[str, tuple[str, Table]]:
    tables = {part: (f"The {split} split of {name}", _as_table(splits[split])) for part, split in parts.items() if split is not None}
    return with_named_parts(tables, wanted)


def _as_table(rows: Any) -> Table:
    names = {
        column: dict(enumerate(feature.names))
        for column, feature in ((column, getattr(feature, "feature", feature)) for column, feature in rows.features.items())
        if type(feature).__name__ == "ClassLabel" and feature.names
    }
    return Table(rows.to_pandas(), class_names=names)


def load_splits(name: str, config: str | None = None, *, revision: str | None = None) -> Mapping[str, Any]:
    """Return the splits of a data set on the hub, in its cache, or in a local folder, by name.

    Raises:
        HubError: out of reach, no such name, configuration or revision, gated, or in need of its own code.
        TaskError: a local folder without readable files of rows.
    """
    import datasets

    datasets.disable_progress_bars()
    folder = _local_folder(name)
    try:
        if folder and is_saved_to_disk(folder):
            saved = datasets.load_from_disk(folder)
            return dict(saved) if isinstance(saved, datasets.DatasetDict) else {"train": saved}
        if folder or not hub_reachable():
            with _offline():
                splits = dict(datasets.load_dataset(folder or name, config, revision=None if folder else revision))
            if revision and splits and not folder:
                _check_revision(splits, name, revision)
            return splits
        return dict(datasets.load_dataset(name, config, revision=revision))
    except HubError:
        raise
    except Exception as error:  # the hub's libraries raise dozens of kinds; each becomes one plain sentence
        raise _explained(error, name, config, local=folder is not None) from error


def is_saved_to_disk(folder: str) -> bool:
    """Return whether a folder was written by `save_to_disk` of the library `datasets`."""
    names = {path.name for path in Path(folder).iterdir()}
    return "dataset_dict.json" in names or {"state.json", "dataset_info.json"} <= names


def _check_revision(splits: Mapping[str, Any], name: str, revision: str) -> None:
    """Do nothing where the rows of the cache are those of the commit that is asked for: offline the library takes what it finds.

    Raises:
        HubError: they are of another commit, or the revision is a name whose commit only the hub knows.
    """
    rows = next(iter(splits.values()))
    commits = [part for file in rows.cache_files for part in Path(file["filename"]).parts if re.fullmatch(r"[0-9a-f]{40}", part)]
    if revision not in commits:
        known = f"its copy there is of the commit {commits[-1]}" if commits else "of its copy there the commit is not known"
        raise HubError(f"The hub cannot be reached, and the local cache does not hold revision {revision!r} of {name!r}: {known}. Give "
                       "that commit as the hub revision, leave it empty, or check the network.")  # fmt: skip


def _local_folder(name: str) -> str | None:
    """Return the path of a local folder, or None for what looks like a hub name.

    Raises:
        TaskError: a path to something that is no folder.
    """
    try:
        path = Path(name).expanduser()
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        raise TaskError(f"{name[:80]!r} is neither a hub name, `owner/name`, nor a local folder.") from error
    if is_file:
        raise TaskError(f"{name!r} is a file; use the task 'files' for it, or name its folder.")
    if not is_folder and (name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name):
        raise TaskError(f"There is no local folder {name!r}; check the path, or give a hub name such as `owner/name`.")
    return str(path) if is_folder else None


def hub_reachable() -> bool:
    """Return, within a few seconds, whether the hub answers; behind a proxy it is taken to."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return True
    address = urlsplit(constants.ENDPOINT)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        with socket.create_connection((address.hostname or "", port), timeout=PROBE_SECONDS):
            return True
    except OSError:
        return False


@contextmanager
def _offline() -> Iterator[None]:
    """Keep the hub's libraries to their cache; they would retry for half a minute otherwise."""
    import datasets.config
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = before


def _explained(error: Exception, name: str, config: str | None, *, local: bool) -> HubError | TaskError:
    """Return the plain sentence for whatever the hub's libraries raised."""
    what = f"{name!r}" + (f" (configuration {config!r})" if config else "")
    kinds = {kind.__name__ for cause in _causes(error) for kind in type(cause).__mro__}
    said = " ".join(" ".join(str(cause) for cause in _causes(error)).split())
    if "scripts are no longer supported" in said or "trust_remote_code" in said or "custom code" in said:
        return HubError(f"The data set {what} needs its own code to be run, and the lab runs none; choose another one, "
                        "or save its rows as Parquet and use the task 'files'.")
    if local:
        return TaskError(f"The folder {what} holds no rows that can be read as a data set: {said[:200].rstrip('.')}. "
                         "It should hold files such as train.parquet and validation.parquet.")
    if "GatedRepoError" in kinds or "gated" in said.lower():
        return HubError(f"The data set {what} is gated: ask for access on its hub page, log in with the hub's own "
                        "command, and try again.")
    if kinds & {"OfflineModeIsEnabled", "ConnectionError", "TimeoutError", "ConnectError", "LocalEntryNotFoundError"}:
        return HubError(f"The data set {what} could not be loaded: the hub cannot be reached, and the data set is not "
                        "in the local cache. Check the network, or use a local folder or the task 'files'.")
    if "RevisionNotFoundError" in kinds:
        return HubError(f"The data set {what} has no such revision; check the branch, tag or commit.")
    if kinds & {"RepositoryNotFoundError", "DatasetNotFoundError", "HFValidationError"}:
        return HubError(f"The hub has no data set {what}, or it is private; check the name, which is `owner/name`.")
    if "BuilderConfig" in said or "Config name is missing" in said:
        return HubError(f"The data set {what} has other configurations: {said[:300].rstrip('.')}. "
                        "Name one of them as the hub configuration.")
    return HubError(f"The data set {what} could not be loaded: {said[:300].rstrip('.') or type(error).__name__}. "
                    "Check the name and the free disk space, or use a local folder or the task 'files'.")


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
