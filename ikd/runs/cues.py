"""The cue words of a shortcut task: probe texts with other cues, and which of them mislead the frozen teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ikd.classroom import CueSwaps, LabelledSource
from ikd.config import RunConfig
from ikd.models import StudentModel, TeacherModel, encode
from ikd.protocols import Split, TaskData
from ikd.runs.cost import CUE_SWAPS, CUE_TEXTS
from ikd.tasks import CUES, cue_of, with_cue
from ikd.teaching.probe import in_order
from ikd.teaching.reading import read_batches, whole_split
from ikd.trace.cues import Cues, facts_of_cues


def cue_swaps(data: TaskData, config: RunConfig, *, teacher: TeacherModel, student: StudentModel) -> CueSwaps | None:
    """Return the first probe texts with other cue words, encoded; None where the task has no shortcut.

    Text i with the cue of class c gets those of classes c + 1, c + 2, ... (modulo C), at most four.
    """
    if config.task.shift != "shortcut":
        return None
    words = tuple(CUES[: len(data.label_names)])
    probe = data.splits["validation"]
    texts = probe.texts[: min(config.record.probe_size, CUE_TEXTS)]
    own = [words.index(cue) for cue in map(cue_of, texts) if cue in words]
    assert len(own) == len(texts), "every text of a shortcut task begins with a cue word"
    others = [(i, words[(k + n) % len(words)]) for i, k in enumerate(own) for n in range(1, min(len(words), CUE_SWAPS + 1))]
    swapped = Split(
        texts=[with_cue(texts[i], word) for i, word in others], labels=[probe.labels[i] for i, _ in others],
        text_pairs=[probe.text_pairs[i] for i, _ in others] if probe.text_pairs is not None else None,
    )  # fmt: skip
    both = replace(data, splits={**data.splits, "swapped": swapped})
    return CueSwaps(words=words, own=own, swapped=encode(both, "swapped", config, teacher=teacher, student=student))


def misled_facts(
    swaps: CueSwaps, teacher: TeacherModel, splits: Mapping[str, LabelledSource], *, device: torch.device, precision: str
) -> dict[str, int | str]:
    """Return the cues as facts of the run, with the probe texts by whose cue the teacher is misled before the first exam."""
    probe, n = splits["validation"], len(swaps.own)
    read = [whole_split(probe, device, first=n), whole_split(swaps.swapped, device)]
    own, other = (in_order(batches, list(read_batches(teacher.model, "teacher", batches, precision=precision))) for batches in read)
    found = misled(own, swaps.by_text(other), swaps.own, [_right_classes(probe.split, i) for i in range(n)])
    return facts_of_cues(Cues(words=tuple(swaps.words), misled=tuple(found), n_texts=n))


def misled(own_logits: Tensor, swapped_logits: Tensor, own: Sequence[int], right: Sequence[set[int]]) -> list[int]:
    """Return the texts whose cue alone makes the teacher wrong: of those it reads rightly with another cue, those moved most come first.

    That is: the teacher answers with the class of the cue, which is not right, and with no other cue it would. How far the cue moves the
    answer is the probability of that class with the cue, less its mean with the others.

    Args:
        own_logits: (n, C) of the texts.
        swapped_logits: (n, K, C) of the same texts with other cues.
        own: (n,) class of each text's cue.
        right: (n,) classes that count as right for each text.
    """
    said, otherwise = own_logits.argmax(-1).tolist(), swapped_logits.argmax(-1).tolist()
    moved = own_logits.double().softmax(-1) - swapped_logits.double().softmax(-1).mean(1)
    found = [i for i, cue in enumerate(own) if cue == said[i] and cue not in right[i] and cue not in otherwise[i]]
    return sorted(found, key=lambda i: (not set(otherwise[i]) & right[i], -float(moved[i, own[i]])))


def _right_classes(split: Split, i: int) -> set[int]:
    """Return the label of an example, and its most probable class where that is known."""
    truth = split.truth[i] if split.truth is not None else ()
    return {split.labels[i], *([max(range(len(truth)), key=truth.__getitem__)] if any(truth) else [])}
