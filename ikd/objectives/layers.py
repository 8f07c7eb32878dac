"""Which layers of student and teacher an objective compares; no tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from ikd.errors import ConfigError, unknown_name


class LayerPairs(NamedTuple):
    """Pairs of (student layer, teacher layer).

    Attributes:
        hidden: pairs of hidden states; 0 is the embeddings' output, j the output of the j-th layer.
        attention: pairs of layers whose queries, keys and values are compared, from 1.
    """

    hidden: tuple[tuple[int, int], ...]
    attention: tuple[tuple[int, int], ...]


LAYER_MAPS: dict[str, Callable[[int, int, int], int]] = {
    "skip": lambda j, m, n: j * n // m,
    "last": lambda j, m, n: n - m + j,
}
"""The teacher's layer for the student's layer j >= 1, of m student and n teacher layers: spread out, or the last ones in a row (PKD)."""

LOOKED_AT: dict[str, Callable[[int], tuple[range, range]]] = {
    "kd": lambda m: (range(0), range(0)),
    "logit_mse": lambda m: (range(0), range(0)),
    "pkd": lambda m: (range(1, m), range(0)),  # the last layer feeds the classifier, so the logits speak for it
    "tinybert": lambda m: (range(m + 1), range(1, m + 1)),
    "minilm": lambda m: (range(0), range(m, m + 1)),
    "dkd": lambda m: (range(0), range(0)),
    "dist": lambda m: (range(0), range(0)),
    "cosine": lambda m: (range(m, m + 1), range(0)),
}
"""The hidden states and the attention layers of a student of m layers that an objective looks at."""


def layer_pairs(name: str, *, n_student: int, n_teacher: int, layer_map: Literal["skip", "last"]) -> LayerPairs:
    """Return the pairs of layers that the named objective compares; none where it looks at logits alone.

    Args:
        name: one of OBJECTIVES.
        n_student: how many layers the student has.
        n_teacher: how many layers the teacher has.
        layer_map: "skip" gives student layer j the teacher's layer j * n_teacher // n_student, "last" the layer
            n_teacher - n_student + j. The embeddings always stand against the embeddings, and the last layer against the last.

    Raises:
        ConfigError: an unknown name, or models whose layers this objective cannot pair.
    """
    if name not in LOOKED_AT:
        raise ConfigError(unknown_name("objective", name, LOOKED_AT))
    if layer_map not in LAYER_MAPS:
        raise ConfigError(unknown_name("layer map", layer_map, LAYER_MAPS))
    hidden, attention = LOOKED_AT[name](n_student)
    if name == "pkd" and not hidden:
        raise ConfigError(
            "The objective pkd has nothing to compare with a student of one layer, as it leaves the last layer out: give the student "
            "2 layers or more, or choose another objective, such as kd or cosine."
        )
    if (hidden or attention) and n_student > n_teacher:
        raise ConfigError(
            f"The objective {name} cannot pair the {n_student} layers of the student with the {n_teacher} of the teacher: the student "
            f"may have at most as many. Give the student {n_teacher} layers or fewer, or choose an objective on logits, such as kd."
        )

    def paired(own: range) -> tuple[tuple[int, int], ...]:
        return tuple((j, LAYER_MAPS[layer_map](j, n_student, n_teacher) if j else 0) for j in own)

    return LayerPairs(hidden=paired(hidden), attention=paired(attention))
