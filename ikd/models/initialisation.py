"""What a student starts from: the teacher's first layers, every n-th of its layers, or its own checkpoint."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, PretrainedConfig, PreTrainedModel

from ikd.errors import ModelError
from ikd.models.positions import outline


def first_layers(n_teacher: int, n_student: int) -> list[int]:
    """Return the teacher layers a student of n_student layers takes: 0, 1, ..."""
    return list(range(n_student))


def spread_layers(n_teacher: int, n_student: int) -> list[int]:
    """Return every n-th teacher layer, the last included: 12 to 3 gives 3, 7, 11."""
    return [(index + 1) * n_teacher // n_student - 1 for index in range(n_student)]


LAYER_CHOICES = {"first_layers": first_layers, "spread_layers": spread_layers}


def cut_config(teacher: PretrainedConfig, n_layers: int) -> PretrainedConfig:
    """Return the teacher's configuration with fewer layers; lists with an entry a layer are cut too.

    Raises:
        ModelError: more layers asked for than the teacher has, or a family whose number of layers cannot be chosen.
    """
    n_teacher = getattr(teacher, "num_hidden_layers", None)
    if not isinstance(n_teacher, int):
        raise _not_cut(teacher)
    if n_layers > n_teacher:
        raise ModelError(f"The student cannot have {n_layers} layers: its teacher has {n_teacher}. Lower student.layers.")
    if n_layers == n_teacher:
        return copy.deepcopy(teacher)
    config = copy.deepcopy(teacher)
    try:
        config.num_hidden_layers = n_layers
        for name, value in list(vars(teacher).items()):
            if isinstance(value, (list, tuple)) and len(value) == n_teacher and name != "architectures":
                setattr(config, name, value[:n_layers])
        whole, cut = n_stacked(outline(teacher)), n_stacked(outline(config))
    except Exception as fault:  # whatever the family's own code says of such a configuration
        raise _not_cut(teacher) from fault
    if whole and cut != n_layers:
        raise _not_cut(teacher)
    return config


def n_stacked(model: PreTrainedModel) -> int:
    """Return the number of layers that can be told apart, 0 where they cannot."""
    try:
        return len(layer_stack(model)[1])
    except ModelError:
        return 0


def _not_cut(teacher: PretrainedConfig) -> ModelError:
    return ModelError(f"A student cannot be cut from a {teacher.model_type} teacher: its number of layers cannot be chosen freely. Name "
                      "another student, such as builtin/2x64 or a model of its own, in student.name.")  # fmt: skip


def fresh_classifier(config: PretrainedConfig) -> PreTrainedModel:
    """Return a classifier of that configuration, drawn from torch's present random state."""
    return AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)  # type: ignore[no-any-return]


def copy_layers(teacher: PreTrainedModel, student: PreTrainedModel, choice: str) -> str:
    """Copy the teacher's embeddings, chosen layers and classifier into the student, and return in words what was copied.

    Raises:
        ModelError: widths, vocabularies or families differ, or the student has more layers than the teacher.
    """
    theirs, ours = layer_stack(teacher), layer_stack(student)
    if len(ours[1]) > len(theirs[1]):
        raise ModelError(
            f"The student has {len(ours[1])} layers but its teacher only {len(theirs[1])}: choose a student with fewer "
            "layers, or set student.initialisation to random."
        )
    taken = LAYER_CHOICES[choice](len(theirs[1]), len(ours[1]))
    source = _renamed(teacher.state_dict(), theirs[0], taken)
    target = student.state_dict()
    wrong = [name for name, value in target.items() if name not in source or source[name].shape != value.shape]
    if wrong:
        raise ModelError(_mismatch(teacher, student, choice))
    student.load_state_dict({name: source[name] for name in target})
    return f"the teacher's embeddings, classifier and layers {', '.join(str(layer + 1) for layer in taken)} of {len(theirs[1])}"


def layer_stack(model: PreTrainedModel) -> tuple[str, nn.ModuleList]:
    """Return the name and the list of a model's transformer layers.

    Raises:
        ModelError: the family does not keep one list of layers (ALBERT shares one layer).
    """
    n_layers = getattr(model.config, "num_hidden_layers", None)
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == n_layers:
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
