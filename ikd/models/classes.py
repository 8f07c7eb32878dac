"""Which of a trained classifier's outputs stands for which class of the task: by name where that is certain, else asked."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from ikd.errors import ModelError
from ikd.protocols import Inputs

SHORTEST_PREFIX = 3
MOST_NAMED = 8


def own_names(config: PretrainedConfig) -> list[str]:
    """Return the names that a classifier gives its outputs, in their order; `LABEL_0` and so on where nobody named them."""
    known = {int(index): str(label) for index, label in dict(config.id2label or {}).items()}
    return [known.get(index, f"LABEL_{index}") for index in range(config.num_labels or 0)]


def output_order(
    config: PretrainedConfig, label_names: Sequence[str], *, name: str, given: str | None = None
) -> tuple[list[int], str]:
    """Return for each class of the task the output that stands for it, and a sentence on how that is known ("" where all is plain).

    Args:
        config: of a classifier with as many outputs as the task has classes.
        label_names: the task's classes in order.
        name: the model's name, for the sentence.
        given: the task's classes in the order of the outputs, separated by commas, where a person says it (`teacher.label_order`).

    Raises:
        ModelError: names that do not tell; it asks for the order.
    """
    if given:
        return _given_order(given, label_names)
    theirs = own_names(config)
    if all(re.fullmatch(r"label[_ ]?\d+", one.casefold()) for one in theirs):
        return list(range(len(label_names))), (
            f"The classes of {name!r} have no names of their own ({', '.join(theirs[:3])}, ...): its outputs are taken in the task's "
            f"order, {_listed(label_names)}."
        )
    for words in (_folded, _letters):
        order = _matched([words(one) for one in theirs], [words(one) for one in label_names])
        if order:
            return order, _order_words(name, theirs, label_names, order)
    if [_letters(one) for one in label_names] == [str(index) for index in range(len(theirs))]:
        return list(range(len(theirs))), (
            f"The task's classes are numbers: they are taken as the numbers of the outputs of {name!r}, {_listed(theirs)}."
        )
    order = _by_prefix([_letters(one) for one in theirs], [_letters(one) for one in label_names])
    if order:
        return order, _order_words(name, theirs, label_names, order)
    raise ModelError(
        f"The classes of {name!r} are called {_listed(theirs)}, and those of the task {_listed(label_names)}: which stands for which "
        "cannot be told. Name the task's classes in the order of its outputs in teacher.label_order, for example "
        f"{','.join(label_names[:6])!r}; or set teacher.fine_tune to always if it was trained for something else."
    )  # fmt: skip


def reorder_outputs(model: PreTrainedModel, order: Sequence[int], inputs: Inputs, *, name: str) -> None:
    """Let output i of a classifier be what its output order[i] was, by the rows of its last linear map.

    Args:
        model: the classifier, changed in place.
        order: for each class of the task, the output that stands for it.
        inputs: any text, on which the change is checked.
        name: the model's name, for the sentence.

    Raises:
        ModelError: the classifier has no such map, so its outputs cannot be put in another order.
    """
    if list(order) == list(range(len(order))):
        return
    rows = torch.tensor(list(order))
    with torch.no_grad():
        before = model.eval()(**inputs).logits
        for last in reversed([one for one in model.modules() if isinstance(one, nn.Linear) and one.out_features == len(order)]):
            own = [weight for weight in (last.weight, last.bias) if weight is not None]
            kept = [weight.detach().clone() for weight in own]
            for weight in own:
                weight.copy_(weight[rows])
            if torch.allclose(model(**inputs).logits, before[..., rows], rtol=1e-4, atol=1e-5):
                return
            for weight, old in zip(own, kept, strict=True):
                weight.copy_(old)
    raise ModelError(f"The outputs of {name!r} stand in another order than the task's classes, and its classifier has no last linear map "
                     "whose rows could be put in order: save the model with the task's order, or set teacher.fine_tune to always.")


def _given_order(given: str, label_names: Sequence[str]) -> tuple[list[int], str]:
    words = [word.strip() for word in given.split(",") if word.strip()]
    ours = {_folded(one): index for index, one in enumerate(label_names)}
    places = [ours.get(_folded(word)) for word in words]
    if sorted(place for place in places if place is not None) != list(range(len(label_names))) or None in places:
        raise ModelError(f"teacher.label_order names {_listed(words)}, and the task's classes are {_listed(label_names)}: name each of "
                         "them once, in the order of the teacher's outputs, separated by commas.")  # fmt: skip
    return [places.index(index) for index in range(len(label_names))], (
        f"The teacher's outputs stand for {_listed(words)}, in this order, as teacher.label_order says."
    )


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().strip()


def _letters(name: str) -> str:
    """Return a name without anything but letters and digits: `not_entailment` and "Not entailment" are one."""
    return re.sub(r"[\W_]+", "", _folded(name))


def _matched(theirs: Sequence[str], ours: Sequence[str]) -> list[int]:
    if len(set(theirs)) < len(theirs) or sorted(theirs) != sorted(ours):
        return []
    return [theirs.index(one) for one in ours]


def _by_prefix(theirs: Sequence[str], ours: Sequence[str]) -> list[int]:
    """Return the order in which each name begins exactly one of the others, as `POS` does `positive`; nothing where that is not so."""
    def alike(a: str, b: str) -> bool:
        return min(len(a), len(b)) >= SHORTEST_PREFIX and (a.startswith(b) or b.startswith(a))

    found = [[index for index, one in enumerate(theirs) if alike(one, name)] for name in ours]
    order = [places[0] for places in found if len(places) == 1]
    return order if sorted(order) == list(range(len(theirs))) and len(theirs) == len(ours) else []


def _order_words(name: str, theirs: Sequence[str], ours: Sequence[str], order: Sequence[int]) -> str:
    pairs = [(theirs[place], ours[index]) for index, place in enumerate(order)]
    if list(order) == list(range(len(order))) and all(_folded(a) == _folded(b) for a, b in pairs):
        return ""
    words = ", ".join(f"{a!r} as {b!r}" for a, b in pairs[:MOST_NAMED]) + (", ..." if len(pairs) > MOST_NAMED else "")
    return f"The classes of {name!r} were matched to the task's by their names: {words}."


def _listed(names: Sequence[str]) -> str:
    cut = [one if len(one) <= 40 else one[:39] + "…" for one in names[:MOST_NAMED]]
    return ", ".join(map(repr, cut)) + (", ..." if len(names) > MOST_NAMED else "")
