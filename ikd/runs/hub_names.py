"""Names of hub data sets to choose from: found by a search, lying in the local cache, or used by runs before."""

from __future__ import annotations

import os
from pathlib import Path

from ikd.errors import HubError, RunError
from ikd.runs.loading import load_job
from ikd.trace.imported import is_imported
from ikd.trace.store import list_runs

MOST_FOUND = 12
OUT_OF_REACH = ("The hub cannot be reached, so it cannot be searched: check the network, give the name if you know it, or choose a "
                "data set of the local cache.")  # fmt: skip
MOST_RUNS_LOOKED_AT = 100


def search_hub(words: str) -> list[str]:
    """Return names of hub data sets for text classification that a few words find, the most loaded first.

    Raises:
        HubError: the hub cannot be reached, or refuses.
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.utils.tqdm import disable_progress_bars

    if constants.HF_HUB_OFFLINE:
        raise HubError("The hub is switched off here (HF_HUB_OFFLINE): choose a data set of the local cache, or use your own files.")
    disable_progress_bars()
    load_job()
    from ikd.tasks.hub import hub_reachable

    if not hub_reachable():
        raise HubError(OUT_OF_REACH)
    try:
        found = HfApi().list_datasets(search=words[:100], sort="downloads", limit=MOST_FOUND)
        return [one.id for one in found]
    except Exception as fault:
        raise HubError(OUT_OF_REACH) from fault


def cached_data_sets() -> list[str]:
    """Return the hub data sets that lie in this machine's caches and can be used without a network."""
    from huggingface_hub import constants

    found: set[str] = set()
    hub = Path(constants.HF_HUB_CACHE)
    if hub.is_dir():
        found |= {folder.name.removeprefix("datasets--").replace("--", "/", 1) for folder in hub.glob("datasets--*") if folder.is_dir()}
    prepared = Path(os.environ.get("HF_DATASETS_CACHE") or Path(constants.HF_HOME) / "datasets")
    if prepared.is_dir():
        found |= {folder.name.replace("___", "/", 1) for folder in prepared.glob("*___*") if folder.is_dir()}
    return sorted(found)


def used_data_sets() -> list[str]:
    """Return the hub data sets and local folders that runs were started with, the newest first."""
    found: dict[str, None] = {}
    for folder in list_runs()[:MOST_RUNS_LOOKED_AT]:
        if is_imported(folder):  # a stranger's choice is not offered
            continue
        try:
            task = folder.config().task
        except RunError:
            continue
        if task.name == "hub" and task.hub_name:
            found.setdefault(task.hub_name)
    return list(found)
