"""Whether a checkpoint is what it says: a trained classifier of this task, of another one, or a body alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ikd.config import TeacherSettings
from ikd.errors import ModelError
from ikd.models.classes import output_order, own_names, reorder_outputs
from ikd.models.encoding import accepted_inputs
from ikd.models.initialisation import fresh_classifier
from ikd.models.weights import Loaded, named

SAVED_AGAIN = "Save the whole model again with save_pretrained(folder)"


def trusted_teacher(
    loaded: Loaded, tokenizer: PreTrainedTokenizerBase, settings: TeacherSettings, label_names: Sequence[str], *, fits: bool
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Put a teacher's outputs into the order of the task's classes; return which output each had been, and sentences on what was done.

    Args:
        loaded: the teacher and what its checkpoint lacks.
        tokenizer: its own.
        settings: of the teacher.
        label_names: the task's classes in order.
        fits: its classifier was trained with so many classes.

    Raises:
        ModelError: weights are missing, its classifier cannot be used though it must be, or its classes cannot be told.
    """
    name, always = settings.name, settings.fine_tune == "always"
    notes = [*_body_notes(loaded, name, strict=fits and not always)]
    if loaded.declared_classes == len(label_names) and loaded.missing_head and not always:
        raise ModelError(f"The teacher {name!r} says in config.json that it is a classifier of {len(label_names)} classes, but the weights "
                         f"of its classifier are missing or of another shape ({named(loaded.missing_head)}): it would be drawn at random. "
                         f"{SAVED_AGAIN}, or set teacher.fine_tune to always to train it on this task first.")  # fmt: skip
    if settings.fine_tune == "never" and not fits:
        raise ModelError(_no_classifier(loaded, name, label_names))
    if not fits and not always:
        notes.append(_new_head(loaded, name, len(label_names)))
    if always or not fits:
        if settings.label_order:
            notes.append("teacher.label_order has no effect: the teacher's classifier is trained anew, in the task's order.")
        return tuple(range(len(label_names))), tuple(notes)
    if loaded.model.config.problem_type == "multi_label_classification":
        notes.append(f"The teacher {name!r} was trained to give a text several labels: its outputs are read as a choice of one class.")
    order, words = output_order(loaded.model.config, label_names, name=name, given=settings.label_order)
    _reorder(loaded.model, tokenizer, order, name=name)
    return tuple(order), (*notes, f"{words} The self-test checks that.") if words else tuple(notes)


def own_weights(
    loaded: Loaded, tokenizer: PreTrainedTokenizerBase, label_names: Sequence[str], *, name: str, trained: bool
) -> tuple[PreTrainedModel, str, tuple[str, ...]]:
    """Return a student that keeps its own weights, what they are in words, and sentences on what was done.

    A classifier that was trained for classes which cannot be told is drawn anew: the student learns it in any case.

    Raises:
        ModelError: weights of its body are missing.
    """
    notes, model = _body_notes(loaded, name, strict=False), loaded.model
    if not trained:
        if loaded.missing_head and loaded.declared_classes == len(label_names):
            notes = (*notes, f"The student {name!r} says in config.json that it is a classifier, but the weights of its classifier are "
                             "missing "
                     f"or of another shape ({named(loaded.missing_head)}): it was drawn anew.")  # fmt: skip
        return model, f"its own weights ({name}), with a classifier drawn from the seed", notes
    try:
        order, words = output_order(model.config, label_names, name=name)
        _reorder(model, tokenizer, order, name=name)
    except ModelError:
        classes = ", ".join(own_names(model.config)[:6])
        model = _with_fresh_head(model)
        return model, f"its own weights ({name}), with a classifier drawn from the seed", (
            *notes, f"The student's own classifier knows other classes ({classes}): it was drawn anew."
        )  # fmt: skip
    return model, f"its own weights ({name}), classifier included", (*notes, words) if words else notes


def _body_notes(loaded: Loaded, name: str, *, strict: bool) -> tuple[str, ...]:
    if loaded.missing_body and loaded.adapter:
        raise ModelError(f"The checkpoint of {name!r} holds adapters (LoRA) that were not merged: load it with peft, call "
                         "merge_and_unload(), and save the merged model with save_pretrained(folder).")  # fmt: skip
    if loaded.missing_body:
        raise ModelError(f"The checkpoint of {name!r} lacks weights of its model ({named(loaded.missing_body)}): they would be drawn at "
                         f"random. {SAVED_AGAIN}, without a wrapper around the model.")  # fmt: skip
    notes = []
    if (Path(name) / "adapter_config.json").is_file():
        notes.append(f"The folder {name!r} holds a LoRA adapter beside the model (adapter_config.json): it was applied to the weights.")
    if loaded.wrapper:
        notes.append(f"The weights of {name!r} were saved from a wrapped model: {loaded.wrapper!r} was taken off their names.")
    if loaded.left_over:
        what = f"The checkpoint of {name!r} has weights of layers that config.json does not build ({named(loaded.left_over)})"
        if strict:
            raise ModelError(f"{what}: the trained classifier stood on other layers. Put the config.json back that belongs to it.")
        notes.append(f"{what}: they are not used.")
    return tuple(notes)


def _new_head(loaded: Loaded, name: str, n_classes: int) -> str:
    declared = loaded.declared_classes
    if declared is not None and declared != n_classes:
        return (f"The classifier of {name!r} knows {declared} class{'' if declared == 1 else 'es'}, and the task has {n_classes}: it gets "
                "a new one, and is fine-tuned on the course texts.")  # fmt: skip
    if loaded.missing_head:
        return f"The model {name!r} has no classifier of its own: it gets a new one, and is fine-tuned on the course texts."
    return f"The config.json of {name!r} does not say that it is a classifier: it is fine-tuned on the course texts."


def _no_classifier(loaded: Loaded, name: str, label_names: Sequence[str]) -> str:
    n_own, cut = loaded.declared_classes, ", ".join(one[:40] for one in label_names[:6])
    if n_own is not None and n_own != len(label_names):
        return (f"The teacher {name!r} knows {n_own} classes but the task has {len(label_names)} ({cut}"
                f"{', ...' if len(label_names) > 6 else ''}): choose a teacher of this task, or teacher.fine_tune auto to give it a new "
                "classifier.")  # fmt: skip
    return (f"The teacher {name!r} has no classifier trained for {len(label_names)} classes, and teacher.fine_tune is never: choose auto, "
            "or a teacher fine-tuned on this task.")  # fmt: skip


def _reorder(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, order: Sequence[int], *, name: str) -> None:
    text = tokenizer("a text", return_tensors="pt", verbose=False)
    reorder_outputs(model, order, {key: text[key] for key in text if key in accepted_inputs(model)}, name=name)


def _with_fresh_head(model: PreTrainedModel) -> PreTrainedModel:
    fresh = fresh_classifier(model.config)
    getattr(fresh, fresh.base_model_prefix).load_state_dict(getattr(model, model.base_model_prefix).state_dict())
    return fresh
