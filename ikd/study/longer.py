"""Is a run limited by its steps? Told once a longer run of the same settings is in the folder of runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ikd.config import RunConfig
from ikd.config.run import RecordSettings
from ikd.errors import RunError
from ikd.study.digests import digest_of
from ikd.study.statistics_intervals import t_interval
from ikd.study.verdicts import said_gain
from ikd.trace.final import Final
from ikd.trace.folder import RunFolder
from ikd.trace.measures import nll
from ikd.trace.reader import TraceReader
from ikd.trace.store import list_runs

LEVEL = 0.95
_known: dict[Path, tuple[str, int]] = {}


def longer_words(config: RunConfig, root: Path | None = None) -> str:
    """Return in a sentence whether more steps helped a config's student; "" unless its run and a longer one are there.

    The longest run whose settings differ in `training.steps` alone is compared with this config's run on the validation texts: the mean
    difference in negative log-likelihood with its 95 % interval over texts (Student's t). One seed alone; a study says it over seeds.
    """
    steps = config.training.steps
    alike = sorted(_finished(config, root), key=lambda one: one[1])
    own = [folder for folder, length in alike if length == steps]
    longer = [one for one in alike if one[1] > steps]
    if not own or not longer:
        return ""
    (folder, length) = longer[-1]
    gains = _gains(own[-1], folder)
    if gains is None:
        return ""
    ends, gain = t_interval(gains, LEVEL), float(gains.mean())
    size = said_gain(gain, ends, "nll")
    began = f"A run of the same settings with {length:,} steps came to {size} in likelihood on validation texts"
    if ends.low > 0:
        return (f"{began}: more steps still helped. This student is limited by its steps, so that a comparison at equal compute says "
                "nothing of its targets.")  # fmt: skip
    return f"{began}: no gain by more steps is shown, so that this student is not shown to be limited by its steps."


def _finished(config: RunConfig, root: Path | None) -> Iterator[tuple[RunFolder, int]]:
    """Yield each finished run with the settings of a config, whatever its steps, and how many it has."""
    wanted = _settings(config)
    for folder in list_runs(root):
        try:
            if folder.path not in _known:
                own = folder.config()
                _known[folder.path] = (_settings(own), own.training.steps)
            settings, steps = _known[folder.path]
            if settings == wanted and folder.state().state == "finished":
                yield folder, steps
        except RunError:  # damaged, or deleted meanwhile
            continue


def _settings(config: RunConfig) -> str:
    """Return a hash of all settings of a run but its steps and what it records."""
    training = config.training.model_copy(update={"steps": 1})
    return digest_of(config.model_copy(update={"training": training, "record": RecordSettings()}))


def _gains(shorter: RunFolder, longer: RunFolder) -> NDArray[np.float64] | None:
    """Return (n,) by how much the longer run's student is better on each validation text, in nats; None where they cannot be compared."""
    try:
        finals = [TraceReader(one).final("validation") for one in (shorter, longer)]
    except RunError:
        return None
    losses = [_losses(one) for one in finals if one is not None and "student" in one.logits]
    if len(losses) < 2 or losses[0].shape != losses[1].shape or finals[0] is None or finals[1] is None:
        return None
    both = np.isfinite(losses[0]) & np.isfinite(losses[1])
    same = np.array_equal(finals[0].labels, finals[1].labels) and both.sum() > 1
    return losses[0][both] - losses[1][both] if same else None


def _losses(final: Final) -> NDArray[np.float64]:
    alone = nll(final.logits["student"][:, np.newaxis], np.maximum(final.labels, 0)[:, np.newaxis])
    return np.where(final.labels >= 0, alone, np.nan)
