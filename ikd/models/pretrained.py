"""Sequence classifiers by hub name or local folder: safetensors only, no remote code."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from transformers import (
    AutoConfig,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, MODEL_FOR_MASKED_LM_MAPPING_NAMES

from ikd.config.names import BUILTIN_MODELS
from ikd.errors import HubError, IKDError, ModelError
from ikd.models.initialisation import fresh_classifier
from ikd.models.positions import longest_input, outline
from ikd.models.vocabulary import check_tokenizer, check_vocabulary
from ikd.models.weights import Loaded, read_classifier

T = TypeVar("T")

CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer files", "weights"
CURES = {
    CONFIG: "Correct that entry, or copy config.json again from where the model came from.",
    TOKENIZER: "Copy tokenizer.json and tokenizer_config.json again from where the model came from.",
    WEIGHTS: "Copy the weights and config.json again from where the model came from: they must belong together.",
}


def load_config(name: str, *, revision: str | None = None) -> PretrainedConfig:
    """Return a model's configuration.

    Raises:
        ModelError: a folder without a model, or one that needs code of its own.
        HubError: the hub is out of reach or has no such name.
    """
    _refuse_empty_folder(name)
    config: PretrainedConfig = _guarded(
        name, CONFIG, lambda: AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False)
    )
    _refuse_code(name, getattr(config, "auto_map", None), CONFIG)
    if getattr(config, "quantization_config", None):
        raise ModelError(f"The model {name!r} is quantised (quantization_config in config.json), and the lab trains plain weights: give "
                         "the model it was made from, or take quantization_config out of config.json if its weights are "
                         "plain.")  # fmt: skip
    return config


def load_tokenizer(name: str, *, revision: str | None = None) -> PreTrainedTokenizerBase:
    """Return a model's own tokenizer, with a padding token; errors as in `load_config`."""
    load_config(name, revision=revision)  # a fault in config.json is none of the tokenizer's
    tokenizer: PreTrainedTokenizerBase = _guarded(
        name, TOKENIZER, lambda: AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
    )
    _refuse_code(name, tokenizer.init_kwargs.get("auto_map"), "tokenizer_config.json")
    check_tokenizer(tokenizer, name=name)
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise ModelError(f"The tokenizer of {name!r} has no padding token and no end of text: name one of its tokens as pad_token in "
                             "its tokenizer_config.json.")  # fmt: skip
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_classifier(
    name: str, tokenizer: PreTrainedTokenizerBase, *, n_classes: int, revision: str | None = None
) -> tuple[Loaded, bool]:
    """Return a sequence classifier with n_classes outputs, and whether its classifier was already trained.

    A body without a classifier of that size gets a freshly drawn one. The padding token is the tokenizer's where the model names none
    or is a decoder: decoders classify at the last token that is no padding.

    Raises:
        ModelError, HubError: as in `load_config`; or weights that are damaged, of other shapes, or not numbers.
    """
    config = load_config(name, revision=revision)
    declared = config.num_labels if is_classifier(config) else None
    if config.num_labels != n_classes:
        config.num_labels = n_classes
    pad_by(config, tokenizer)
    if isinstance(config.pad_token_id, int) and config.pad_token_id >= getattr(config, "vocab_size", math.inf):
        check_vocabulary(int(config.vocab_size), tokenizer, name=name)  # such a model cannot even be built
        raise ModelError(f"The config.json of {name!r} gives the padding token the number {config.pad_token_id}, and the model has "
                         f"{config.vocab_size} tokens: set pad_token_id to {tokenizer.pad_token_id}, as its tokenizer has it.")  # fmt: skip
    _guarded(name, CONFIG, lambda: outline(config))  # a config that builds no model is no fault of the weights
    loaded = _guarded(name, WEIGHTS, lambda: read_classifier(name, config, revision=revision))
    trained = declared == n_classes and not loaded.missing_head and not loaded.missing_body
    return replace(loaded, declared_classes=declared), trained


def fresh_named(name: str, tokenizer: PreTrainedTokenizerBase, *, n_classes: int, revision: str | None = None) -> PreTrainedModel:
    """Return a classifier of a folder's or hub name's architecture with weights drawn at random; errors as in `load_config`."""
    config = load_config(name, revision=revision)
    config.num_labels = n_classes
    pad_by(config, tokenizer)
    return _guarded(name, CONFIG, lambda: fresh_classifier(config))


def named_tokenizer(name: str, most: int, *, revision: str | None = None) -> tuple[PreTrainedTokenizerBase, int]:
    """Return the tokenizer of a folder or hub name, and the tokens its model can take, at most so many; errors as in `load_config`."""
    tokenizer, config = load_tokenizer(name, revision=revision), load_config(name, revision=revision)
    return tokenizer, longest_input(_guarded(name, CONFIG, lambda: outline(config)), config, tokenizer, most)


def pad_by(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    """Let a model know the tokenizer's padding token, unless it has one of its own from which it counts its positions."""
    if getattr(config, "pad_token_id", None) is None or not is_encoder(config):
        config.pad_token_id = tokenizer.pad_token_id


def is_encoder(config: PretrainedConfig) -> bool:
    """Return whether a model attends to both sides: it is neither a decoder nor an encoder with a decoder."""
    name = config.model_type
    decoder = name in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and name not in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    return not (decoder or config.is_encoder_decoder)


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
        names = sorted(path.name for path in folder.iterdir())
        if "adapter_config.json" in names:
            raise ModelError(f"The folder {name!r} holds a LoRA adapter and not a whole model: load it with peft, call merge_and_unload(), "
                             "and save the merged model with its tokenizer.")  # fmt: skip
        inner = next((path.name for path in sorted(folder.iterdir()) if (path / "config.json").is_file()), "")
        if inner:
            raise ModelError(f"The folder {name!r} holds no model itself, and its folder {inner!r} does: give {f'{name}/{inner}'!r}.")
        found = ", ".join(names[:5]) or "no files"
        raise ModelError(
            f"The folder {name!r} holds no model: it has {found}, but no config.json. Give a folder with config.json, "
            "model.safetensors and a tokenizer."
        )
    if folder.is_file():
        raise ModelError(f"{name!r} is a file: give the folder in which it lies with config.json and its tokenizer.")
    if not folder.exists() and (name.startswith((".", "/", "~")) or name.count("/") > 1):
        raise ModelError(f"There is no folder {name!r}: correct the path, or give a hub name such as owner/name.")


def _refuse_code(name: str, auto_map: object, file: str) -> None:
    if auto_map:
        raise ModelError(f"The model {name!r} brings code of its own (auto_map in {file}), which the lab never runs: choose another model. "
                         "If it is an ordinary model of its type, take auto_map out of that file.")  # fmt: skip


def _guarded(name: str, part: str, load: Callable[[], T]) -> T:
    """Load a part of a model and turn every fault of the libraries into one plain sentence."""
    try:
        return load()
    except (IKDError, MemoryError):
        raise
    except ImportError as fault:
        raise ModelError(f"The model {name!r} needs a package that is not installed: {_first_line(fault)}") from fault
    except Exception as fault:  # the libraries raise dozens of kinds; each becomes one plain sentence
        raise _explained(name, part, fault) from fault


def _explained(name: str, part: str, fault: Exception) -> ModelError | HubError:
    said = str(fault)
    if "trust_remote_code" in said or "custom code" in said:
        return ModelError(f"The model {name!r} needs code of its own, which the lab never runs: choose another model.")
    if Path(name).is_dir():
        return ModelError(f"The model in the folder {name!r} cannot be read; the fault lies in its {part}: {_first_line(fault)} "
                          f"{CURES[part]}")
    if "gated" in said or "401" in said or "403" in said:
        return HubError(
            f"The hub does not give {name!r} without permission: ask for access there, log in with `hf auth login`, or "
            "choose another."
        )
    if not isinstance(fault, OSError):
        return ModelError(f"The model {name!r} cannot be read; the fault lies in its {part}: {_first_line(fault)} Choose another one, or "
                          "another revision of it.")  # fmt: skip
    near = get_close_matches(name, BUILTIN_MODELS, n=2, cutoff=0.6)
    return HubError(
        f"The model {name!r} is neither a folder here, nor in the local cache, nor to be had from the hub: the name may "
        "be wrong or the hub out of reach. Check the name and the network, give a local folder, or choose a built-in "
        f"model such as {' or '.join(near) or 'builtin/3x96'}."
    )


def _first_line(fault: Exception) -> str:
    lines = str(fault).strip().splitlines() or [type(fault).__name__]
    line = " ".join(one.strip() for one in lines[:2]) if lines[0].rstrip().endswith(":") else lines[0].strip()
    return (line[:197] + "...") if len(line) > 200 else line if line.endswith(".") else line + "."
