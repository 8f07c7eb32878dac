"""Checks that a model and a task belong together; a teacher silently mis-fed is the commonest fault of distillation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from ikd.errors import ModelError
from ikd.models.pretrained import is_classifier


def check_labels(config: PretrainedConfig, label_names: Sequence[str], *, name: str, fine_tune: str) -> None:
    """Refuse a trained classifier whose classes are not the task's.

    Args:
        config: the model's configuration as stored.
        label_names: the task's classes in order.
        name: the model's name, for the sentence.
        fine_tune: "always" trains the classifier anew, so nothing is checked; "never" uses it as it is; "auto" does so
            where the number of classes fits.

    Raises:
        ModelError: another number of classes under "never", or the same names in another order.
    """
    if not is_classifier(config) or fine_tune == "always":
        return
    if fine_tune == "never" and config.num_labels != len(label_names):
        raise ModelError(
            f"The teacher {name!r} knows {config.num_labels} classes but the task has {len(label_names)} "
            f"({', '.join(label_names[:6])}{', ...' if len(label_names) > 6 else ''}): choose a teacher of this task, or "
            "teacher.fine_tune auto to give it a new classifier."
        )
    names = {int(index): str(label) for index, label in (config.id2label or {}).items()}
    theirs = [names.get(index, "").casefold() for index in range(config.num_labels or 0)]
    ours = [label.casefold() for label in label_names]
    generic = all(re.fullmatch(r"label_\d+", label) for label in theirs)
    if not generic and theirs != ours and sorted(theirs) == sorted(ours):
        raise ModelError(
            f"The teacher {name!r} has the task's classes in another order ({', '.join(theirs)} against "
            f"{', '.join(ours)}): its soft targets would be misread. Choose teacher.fine_tune always, or another teacher."
        )


def check_vocabulary(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, name: str) -> None:
    """Refuse a tokenizer with more tokens than the model has embeddings.

    Raises:
        ModelError: the vocabularies do not fit.
    """
    embeddings = len(next(model.get_input_embeddings().parameters()))
    if len(tokenizer) > embeddings:
        raise ModelError(
            f"The tokenizer of {name!r} has {len(tokenizer)} tokens but the model only {embeddings} embeddings: they do "
            "not belong together. Give the folder both were saved in."
        )


def longest_input(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase, max_length: int) -> int:
    """Return how many tokens a model of this configuration can take, at most max_length."""
    positions = getattr(config, "max_position_embeddings", None) or max_length
    # RoBERTa counts positions from padding_idx + 1 on.
    offset = 2 if config.model_type in ("roberta", "xlm-roberta", "camembert", "mpnet") else 0
    return min(max_length, positions - offset, tokenizer.model_max_length)
