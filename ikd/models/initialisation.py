"""What a student starts from: the teacher's first layers, every n-th of its layers, or its own checkpoint."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel

from ikd.errors import ModelError


def first_layers(n_teacher: int, n_student: int) -> list[int]:
    """Return the teacher layers a student of n_student layers takes: 0, 1, ..."""
    return list(range(n_student))


def spread_layers(n_teacher: int, n_student: int) -> list[int]:
    """Return every n-th teacher layer, the last included: 12 to 3 gives 3, 7, 11."""
    return [(index + 1) * n_teacher // n_student - 1 for index in range(n_student)]


LAYER_CHOICES = {"first_layers": first_layers, "spread_layers": spread_layers}


def cut_config(teacher: PretrainedConfig, n_layers: int) -> PretrainedConfig:
    """Return the teacher's configuration with fewer layers.

    Raises:
        ModelError: more layers asked for than the teacher has.
    """
    if n_layers > teacher.num_hidden_layers:
        raise ModelError(
            f"The student cannot have {n_layers} layers: its teacher has {teacher.num_hidden_layers}. Lower student.layers."
        )
    config = copy.deepcopy(teacher)
    config.num_hidden_layers = n_layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:n_layers]
    return config


def fresh_classifier(config: PretrainedConfig) -> PreTrainedModel:
    """Return a classifier of that configuration, drawn from torch's present random state."""
    return AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)  # type: ignore[no-any-return]


def copy_layers(teacher: PreTrainedModel, student: PreTrainedModel, choice: str) -> None:
    """Copy the teacher's embeddings, chosen layers and classifier into the student.

    Raises:
        ModelError: widths, vocabularies or families differ, or the student has more layers than the teacher.
    """
    theirs, ours = layer_stack(teacher), layer_stack(student)
    if len(ours[1]) > len(theirs[1]):
        raise ModelError(
            f"The student has {len(ours[1])} layers but its teacher only {len(theirs[1])}: choose a student with fewer "
            "layers, or student.initialisation random."
        )
    taken = LAYER_CHOICES[choice](len(theirs[1]), len(ours[1]))
    source = _renamed(teacher.state_dict(), theirs[0], taken)
    target = student.state_dict()
    wrong = [name for name, value in target.items() if name not in source or source[name].shape != value.shape]
    if wrong:
        raise ModelError(_mismatch(teacher, student, choice))
    student.load_state_dict({name: source[name] for name in target})


def layer_stack(model: PreTrainedModel) -> tuple[str, nn.ModuleList]:
    """Return the name and the list of a model's transformer layers.

    Raises:
        ModelError: the family does not keep one list of layers (ALBERT shares one layer).
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == model.config.num_hidden_layers:
            return name, module
    raise ModelError(
        f"The layers of a {model.config.model_type} model cannot be told apart: choose student.initialisation random "
        "or checkpoint, and policy.teacher_scope all or head."
    )


def _renamed(state: dict[str, torch.Tensor], stack: str, taken: Sequence[int]) -> dict[str, torch.Tensor]:
    """Return the state with the taken layers numbered as in the student and the others left out."""
    kept = {name: value for name, value in state.items() if not name.startswith(stack + ".")}
    for new, old in enumerate(taken):
        prefix = f"{stack}.{old}."
        kept |= {f"{stack}.{new}.{name.removeprefix(prefix)}": v for name, v in state.items() if name.startswith(prefix)}
    return kept


def _mismatch(teacher: PreTrainedModel, student: PreTrainedModel, choice: str) -> str:
    wide, narrow = teacher.config, student.config
    if wide.model_type != narrow.model_type:
        what = f"the teacher is a {wide.model_type} and the student a {narrow.model_type}"
    elif wide.hidden_size != narrow.hidden_size:
        what = f"the teacher is {wide.hidden_size} wide and the student {narrow.hidden_size}"
    else:
        what = "their weights differ in shape (vocabulary or inner width)"
    return (
        f"The student cannot start from the teacher's layers ({choice}): {what}. Choose student.name teacher, a student "
        "of the same family and width, or student.initialisation random."
    )
