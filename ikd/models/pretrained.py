"""Sequence classifiers by hub name or local folder: safetensors only, no remote code."""

from __future__ import annotations

import json
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from ikd.config.names import BUILTIN_MODELS
from ikd.errors import HubError, ModelError

T = TypeVar("T")


def load_config(name: str, *, revision: str | None = None) -> PretrainedConfig:
    """Return a model's configuration.

    Raises:
        ModelError: a folder without a model, or one that needs code of its own.
        HubError: the hub is out of reach or has no such name.
    """
    _refuse_empty_folder(name)
    config: PretrainedConfig = _guarded(
        name, lambda: AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False)
    )
    return config


def load_tokenizer(name: str, *, revision: str | None = None) -> PreTrainedTokenizerBase:
    """Return a model's own tokenizer; errors as in `load_config`."""
    _refuse_empty_folder(name)
    tokenizer = _guarded(name, lambda: AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False))
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise ModelError(f"The tokenizer of {name!r} has no padding token: choose a model made for classification.")
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_classifier(name: str, *, n_classes: int, revision: str | None = None) -> tuple[PreTrainedModel, bool]:
    """Return a sequence classifier with n_classes outputs, and whether its classifier was already trained.

    A body without a classifier of that size gets a freshly drawn one.

    Raises:
        ModelError, HubError: as in `load_config`.
    """
    config = load_config(name, revision=revision)
    fits = is_classifier(config) and config.num_labels == n_classes
    config.num_labels = n_classes
    model = _guarded(
        name,
        lambda: AutoModelForSequenceClassification.from_pretrained(
            name, config=config, revision=revision, trust_remote_code=False, use_safetensors=True,
            ignore_mismatched_sizes=True, dtype="float32",
        ),
    )  # fmt: skip
    if model.config.pad_token_id is None:
        model.config.pad_token_id = 0
    return model, fits


def is_classifier(config: PretrainedConfig) -> bool:
    """Return whether a configuration says that its weights hold a sequence classifier."""
    return any("ForSequenceClassification" in name for name in config.architectures or [])


def folder_shape(name: str) -> dict[str, Any] | None:
    """Return config.json of a local model folder as plain values, or None; needs no torch."""
    path = Path(name) / "config.json"
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _refuse_empty_folder(name: str) -> None:
    folder = Path(name)
    if folder.is_dir() and not (folder / "config.json").is_file():
        found = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
        raise ModelError(
            f"The folder {name!r} holds no model: it has {found}, but no config.json. Give a folder with config.json, "
            "model.safetensors and a tokenizer."
        )
    if not folder.exists() and (name.startswith((".", "/", "~")) or name.count("/") > 1):
        raise ModelError(f"There is no folder {name!r}: correct the path, or give a hub name such as owner/name.")


def _guarded(name: str, load: Callable[[], T]) -> T:
    """Run a load and turn every fault of the libraries into one plain sentence."""
    try:
        return load()
    except ImportError as fault:
        raise ModelError(f"The model {name!r} needs a package that is not installed: {_first_line(fault)}") from fault
    except (OSError, ValueError, KeyError, RuntimeError) as fault:
        raise _explained(name, fault) from fault


def _explained(name: str, fault: Exception) -> ModelError | HubError:
    said = str(fault)
    if "trust_remote_code" in said or "custom code" in said:
        return ModelError(f"The model {name!r} needs code of its own, which the lab never runs: choose another model.")
    if Path(name).is_dir():
        if "safetensors" in said:
            return ModelError(
                f"The folder {name!r} has no model.safetensors: the lab reads safetensors only. Save the model again "
                "with save_pretrained(folder), which writes them."
            )
        return ModelError(f"The model in {name!r} cannot be read: {_first_line(fault)} Save it again with save_pretrained.")
    if "gated" in said or "401" in said or "403" in said:
        return HubError(
            f"The hub does not give {name!r} without permission: ask for access there, log in with `hf auth login`, or "
            "choose another."
        )
    near = get_close_matches(name, BUILTIN_MODELS, n=2, cutoff=0.6)
    return HubError(
        f"The model {name!r} is neither a folder here, nor in the local cache, nor to be had from the hub: the name may "
        "be wrong or the hub out of reach. Check the name and the network, give a local folder, or choose a built-in "
        f"model such as {' or '.join(near) or 'builtin/3x96'}."
    )


def _first_line(fault: Exception) -> str:
    line = (str(fault).strip().splitlines() or [type(fault).__name__])[0].strip()
    return (line[:197] + "...") if len(line) > 200 else line if line.endswith(".") else line + "."
