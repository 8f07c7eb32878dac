"""A checkpoint's weights, looked at before they are trusted: damaged files, known prefixes, missing and left-over weights."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel
from transformers.utils.hub import cached_file

from ikd.errors import ModelError

WRAPPERS = ("_orig_mod.", "module.")
"""What torch.compile and DistributedDataParallel put before the name of every weight."""

LFS_POINTER = b"version https://git-lfs"
POOLER = "pooler."
LAYER = re.compile(r"(?:^|\.)\d+\.")
BUFFERS = (".inv_freq", ".masked_bias", ".attn.bias", "position_ids")
"""Left-overs of older versions of transformers that hold nothing learned."""
MOST_NAMED = 4


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A classifier and what its checkpoint was found to hold.

    Attributes:
        missing_body, missing_head: weights that the checkpoint lacks, drawn at random instead.
        left_over: weights of layers that the checkpoint has and the model does not.
        adapter: the checkpoint holds adapters (LoRA) that were not merged into it.
        wrapper: the prefix that was taken off every name; empty where there was none.
        declared_classes: how many classes the classifier was trained for, by config.json; None where that names no classifier.
    """

    model: PreTrainedModel
    missing_body: tuple[str, ...] = ()
    missing_head: tuple[str, ...] = ()
    left_over: tuple[str, ...] = ()
    adapter: bool = False
    wrapper: str = ""
    declared_classes: int | None = None


def read_classifier(name: str, config: PretrainedConfig, *, revision: str | None = None) -> Loaded:
    """Return the classifier of a folder or hub name, in float32, with what its checkpoint lacks.

    Raises:
        ModelError: a damaged weights file, weights of other shapes, or weights that are not finite.
        Exception: whatever transformers raises; `ikd.models.pretrained` turns it into a sentence.
    """
    if Path(name).is_dir():
        _require_weights(name)
        _require_shards(name)
    for path in weight_files(name):
        _check_file(path, name)
    loaded = _judged(*_load(name, config, revision=revision))
    if loaded.missing_body:
        state, wrapper = unwrapped(weight_files(name) or _cached_files(name, revision))
        if wrapper:
            with TemporaryDirectory() as place:  # so that transformers maps the names as it does for any checkpoint
                config.save_pretrained(place)
                save_file(state, Path(place) / "model.safetensors", metadata={"format": "pt"})
                loaded = _judged(*_load(place, config), wrapper=wrapper)
    _check_finite(loaded.model, name)
    return loaded


def weight_files(name: str) -> list[Path]:
    """Return the weights files of a local folder, in order; none for a hub name."""
    whole = Path(name) / "model.safetensors"
    return [whole] if whole.is_file() else sorted(Path(name).glob("model-*.safetensors")) if Path(name).is_dir() else []


def _cached_files(name: str, revision: str | None) -> list[Path]:
    found = cached_file(name, "model.safetensors", revision=revision, _raise_exceptions_for_missing_entries=False)
    return [Path(found)] if found else []


def unwrapped(files: Sequence[Path]) -> tuple[dict[str, Tensor], str]:
    """Return all weights without the prefixes that known wrappers put before every name, and those prefixes."""
    state = {name: weight for path in files for name, weight in load_file(path).items()}
    taken = ""
    while found := next((one for one in WRAPPERS if state and all(name.startswith(one) for name in state)), ""):
        state = {name.removeprefix(found): weight for name, weight in state.items()}
        taken += found
    return state, taken


def named(weights: Sequence[str]) -> str:
    """Return the first few names of weights, and how many there are."""
    shown = ", ".join(weights[:MOST_NAMED])
    return shown if len(weights) <= MOST_NAMED else f"{shown} and {len(weights) - MOST_NAMED} more"


def _load(name: str, config: PretrainedConfig, **more: Any) -> tuple[PreTrainedModel, dict[str, Any]]:
    model, facts = AutoModelForSequenceClassification.from_pretrained(
        name, config=config, trust_remote_code=False, use_safetensors=True, ignore_mismatched_sizes=True, dtype="float32",
        output_loading_info=True, **more,
    )  # fmt: skip
    return model, dict(facts)


def _judged(model: PreTrainedModel, facts: dict[str, Any], *, wrapper: str = "") -> Loaded:
    inside = f"{model.base_model_prefix}."
    body, head = _parted(facts.get("missing_keys") or (), inside)
    wrong_body, wrong_head = _parted((one[0] for one in facts.get("mismatched_keys") or ()), inside)
    if wrong_body:
        raise ModelError(f"The weights {named(wrong_body)} have other shapes than config.json says: the two files belong to different "
                         "models. Save the model again with save_pretrained(folder).")  # fmt: skip
    left = (one for one in facts.get("unexpected_keys") or () if LAYER.search(one) and not one.endswith(BUFFERS))
    adapter = any("lora_" in one or ".base_layer." in one for one in facts.get("unexpected_keys") or ())
    return Loaded(
        model=model, missing_body=body, missing_head=tuple(sorted({*head, *wrong_head})), left_over=tuple(sorted(left)), wrapper=wrapper,
        adapter=adapter,
    )  # fmt: skip


def _parted(names: Iterable[str], inside: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return names of the body, and of the head; BERT's pooler belongs to the classifier."""
    found = sorted(names)
    body = [one for one in found if one.startswith(inside) and not one.removeprefix(inside).startswith(POOLER)]
    return tuple(body), tuple(one for one in found if one not in set(body))


def _require_weights(name: str) -> None:
    if not weight_files(name):
        others = sorted(path.name for path in Path(name).iterdir() if path.suffix in (".bin", ".pt", ".pth", ".ckpt", ".h5", ".onnx"))
        raise ModelError(f"The folder {name!r} has no model.safetensors{f' (it has {named(others)})' if others else ''}: the lab reads "
                         "safetensors only. Save the model again with save_pretrained(folder), which writes them.")  # fmt: skip


def _require_shards(name: str) -> None:
    """Refuse a folder in which a file is missing that the list of its shards names."""
    index = Path(name) / "model.safetensors.index.json"
    if not index.is_file() or (Path(name) / "model.safetensors").is_file():
        return
    try:
        wanted = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as fault:
        raise ModelError(f"{index.name} in {name!r} is damaged: copy it again from where the model came from.") from fault
    missing = [one for one in wanted if not (Path(name) / str(one)).is_file()]
    if missing:
        raise ModelError(f"The folder {name!r} lacks {named(missing)} of its {len(wanted)} weights files: copy them from where the model "
                         "came from.")  # fmt: skip


def _check_file(path: Path, name: str) -> None:
    with path.open("rb") as file:
        start = file.read(len(LFS_POINTER))
    if start == LFS_POINTER:
        raise ModelError(f"{path.name} in {name!r} is a Git LFS pointer, not the weights themselves: run `git lfs pull` in the folder it "
                         "came from, or download the file again.")  # fmt: skip
    try:
        with safe_open(path, framework="pt") as weights:
            weights.keys()
    except (SafetensorError, OSError) as fault:
        size = path.stat().st_size
        raise ModelError(f"{path.name} in {name!r} ({size:,} bytes) is damaged or cut off: it is not a whole safetensors file. Copy or "
                         "download it again, or save the model again with save_pretrained(folder).") from fault  # fmt: skip


def _check_finite(model: PreTrainedModel, name: str) -> None:
    wrong = [own for own, weight in model.named_parameters() if not bool(torch.isfinite(weight.detach().sum()))]
    wrong = [own for own in wrong if not bool(torch.isfinite(model.get_parameter(own)).all())]
    if wrong:
        raise ModelError(f"The model {name!r} has weights that are not numbers (NaN or infinite): {named(wrong)}. Its training broke down "
                         "before it was saved; use an earlier checkpoint or another model.")  # fmt: skip
