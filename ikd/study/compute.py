"""What a run of a study will cost by the cost model of the README (*Cost*), before it starts, and steps of equal compute.

A fixed teacher is counted as asked at each step, r + 3 student forwards; what a run has really spent, soft targets
computed once among it, is counted afterwards (`ikd.runs.spent`).
"""

from __future__ import annotations

from functools import cache

from ikd.config import RunConfig
from ikd.errors import ModelError
from ikd.runs.cost import Shape, ending_units, step_units
from ikd.runs.estimate import shape_of, student_shape

TEXT_LENGTH = 16.0
"""Tokens of a text, for the ratio of two models of other widths: it hardly depends on it."""
ROUNDS = 3


def shapes_of(config: RunConfig) -> tuple[Shape, Shape]:
    """Return the sizes of teacher and student; where they stand on the hub, their configuration is fetched.

    Raises:
        HubError, ModelError: it cannot be had.
    """
    teacher = _shape(config.teacher.name, config.teacher.revision)
    student = student_shape(config, teacher)
    return teacher, student or _shape(config.student.name, config.student.revision)


def student_forwards(config: RunConfig) -> float:
    """Return what the teaching of a whole run costs, in forwards of its student on one text; errors as in `shapes_of`.

    What a student does with exam texts after the last course step is counted too.
    """
    teacher, student = shapes_of(config)
    ratio = teacher.forward_flops(1, TEXT_LENGTH) / student.forward_flops(1, TEXT_LENGTH)
    return step_units(config, ratio, teacher.layers) * config.training.steps * config.training.batch_size + ending_units(config)


def equal_steps(config: RunConfig, target: RunConfig) -> int:
    """Return how many steps give a run the compute of another one; errors as in `shapes_of`."""
    wanted = student_forwards(target) * shapes_of(target)[1].forward_flops(1, TEXT_LENGTH)
    one_forward = shapes_of(config)[1].forward_flops(1, TEXT_LENGTH)
    steps = config.training.steps
    for _ in range(ROUNDS):  # where the run has exams too, their share of the steps depends on the steps
        training = config.training.model_copy(update={"steps": steps})
        each = student_forwards(config.model_copy(update={"training": training})) / steps
        steps = max(1, round(wanted / (each * one_forward)))
    return steps


@cache
def _shape(name: str, revision: str | None) -> Shape:
    known = shape_of(name)
    if known is not None:
        return known
    from ikd.models.pretrained import load_config

    config = load_config(name, revision=revision)
    layers, width = getattr(config, "num_hidden_layers", 0), getattr(config, "hidden_size", 0)
    if not layers or not width:
        raise ModelError(f"The configuration of {name!r} does not say how large it is, so that compute cannot be made equal: leave "
                         "equal_compute_to out, or give training.steps.")  # fmt: skip
    return Shape(layers=layers, width=width, inner=getattr(config, "intermediate_size", None) or 4 * width)
