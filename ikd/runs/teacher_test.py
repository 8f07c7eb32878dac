"""The teacher's self-test: before the first step, does it answer held-out texts as a teacher of this task would?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ikd.config import TeacherSettings
from ikd.errors import ModelError
from ikd.metrics.class_order import ClassOrder, class_order
from ikd.models import EncodedSplit, TeacherModel
from ikd.models.encoding import token_rows
from ikd.models.vocabulary import embedding_rows, unknown_share
from ikd.runs.trial import blamed_on
from ikd.teaching.reading import READING_BATCH_SIZE, on_device, read_batches

MOST_TEXTS = 3 * READING_BATCH_SIZE
ENOUGH_TEXTS = 100
MANY_UNKNOWN, HALF_UNKNOWN, SOME_UNKNOWN = 0.2, 0.5, 0.05
SMALL_VOCABULARY = 0.9
ACCEPT = "To go on all the same, set teacher.accept to true."


class SelfTest(NamedTuple):
    """What the self-test found.

    Attributes:
        facts: for the run's record.
        sentence: what was found, for the log.
        fault: why the teacher should not teach; empty where it may.
        remark: what should be known of a teacher that may teach; empty where nothing should.
    """

    facts: dict[str, float | int | str]
    sentence: str
    fault: str = ""
    remark: str = ""


def self_test(
    teacher: TeacherModel, splits: Mapping[str, EncodedSplit], settings: TeacherSettings, label_names: Sequence[str],
    device: torch.device, *, precision: str,
) -> SelfTest:  # fmt: skip
    """Return how the teacher answers labelled texts that it was not fine-tuned on here, compared with guessing and with other orders.

    The exam and validation texts are read; never the test texts. Course texts are added where there are few and the teacher is used as it
    comes. Nothing is computed with a graph, and nothing is drawn at random.

    Raises:
        ModelError: an answer that is no number.
    """
    with blamed_on("teacher", settings.name, doing="read the task's texts"):
        logits, labels, rows = _answers(teacher, splits, device, precision=precision)
    if not bool(np.isfinite(logits).all()):
        raise ModelError(f"The teacher {settings.name!r} answers some texts with numbers that are not finite (NaN or infinite): its "
                         "weights are damaged, or it was fine-tuned at too high a rate (teacher.fine_tune_learning_rate).")  # fmt: skip
    found, unknown = class_order(logits, labels), unknown_share(teacher.tokenizer, rows)
    suspect = found.other_order or found.below_chance
    learned = teacher.as_it_comes or not suspect or _has_learned(teacher, splits["course"], device, precision)
    facts: dict[str, float | int | str] = {
        "teacher_test_texts": found.n, "teacher_test_accuracy": found.accuracy, "teacher_test_low": found.low,
        "teacher_test_high": found.high, "teacher_test_chance": found.chance, "teacher_test_unknown_tokens": unknown,
    }  # fmt: skip
    share = f", {100 * unknown:.0f} % of the tokens unknown to it" if unknown >= 0.005 else ""
    sentence = (f"Self-test of the teacher: {100 * found.accuracy:.1f} % of {found.n:,} labelled texts right ({100 * found.low:.1f} to "
                f"{100 * found.high:.1f} %; guessing: {100 * found.chance:.1f} %){share}.")  # fmt: skip
    fault = _fault(found, unknown, teacher, settings, label_names) if learned else ""
    return SelfTest(facts, sentence, fault, "" if fault else _remark(found, unknown, teacher, learned=learned))


def _answers(
    teacher: TeacherModel, splits: Mapping[str, EncodedSplit], device: torch.device, *, precision: str
) -> tuple[NDArray[np.float32], list[int], list[list[int]]]:
    """Return logits (n, C), labels and token ids of the texts that are looked at."""
    room, logits, labels, rows = MOST_TEXTS, list[Tensor](), list[int](), list[list[int]]()
    for name in ("exam", "validation", "course"):
        if name == "course" and (not teacher.as_it_comes or len(labels) >= ENOUGH_TEXTS):
            break
        texts = splits[name]
        wanted = (MOST_TEXTS // 3 if name == "exam" else room) if name != "course" else ENOUGH_TEXTS - len(labels)
        spread = _spread(texts.labelled, min(wanted, room))
        for start in range(0, len(spread), READING_BATCH_SIZE):
            batch = texts.batch(spread[start : start + READING_BATCH_SIZE])
            rows += token_rows(batch.teacher_inputs)
            logits += [piece.cpu() for piece in read_batches(teacher.model, "teacher", [on_device(batch, device)], precision=precision)]
            labels += batch.labels.tolist()
        room -= len(spread)
    return torch.cat(logits).numpy(), labels, rows


def _has_learned(teacher: TeacherModel, course: EncodedSplit, device: torch.device, precision: str) -> bool:
    """Return whether a fine-tuned teacher answers the texts it was fine-tuned on better than by guessing, its classes as they are."""
    batch = on_device(course.batch(_spread(course.labelled, READING_BATCH_SIZE)), device)
    logits = torch.cat(list(read_batches(teacher.model, "teacher", [batch], precision=precision)))
    found = class_order(logits.cpu().numpy(), batch.labels.cpu().numpy())
    return not (found.at_chance or found.other_order)


def _spread(indices: Sequence[int], most: int) -> list[int]:
    """Return at most so many of some indices, evenly spread: files are often sorted by class."""
    if len(indices) <= most:
        return list(indices)
    return [indices[int(place)] for place in np.linspace(0, len(indices) - 1, most).round()]


def _fault(
    found: ClassOrder, unknown: float, teacher: TeacherModel, settings: TeacherSettings, label_names: Sequence[str]
) -> str:
    name, n = settings.name, f"{found.n:,} labelled texts"
    if found.other_order:
        return _other_order(found, teacher, settings, label_names)
    if found.below_chance:
        return (f"The teacher {name!r} answers {100 * found.accuracy:.0f} % of {n} right, far fewer than by guessing "
                f"({100 * found.chance:.0f} %): its classes or those of the task are in another order, or its texts are others. Give the "
                f"order of its outputs in teacher.label_order, or choose another teacher. {ACCEPT}")  # fmt: skip
    if not teacher.as_it_comes:
        return ""
    if unknown > HALF_UNKNOWN:
        return (f"The teacher {name!r} does not know {100 * unknown:.0f} % of the tokens of these texts ([UNK]): its tokenizer belongs to "
                f"another model or language. Put its own tokenizer into its folder, or choose another teacher. {ACCEPT}")  # fmt: skip
    signs = _signs(unknown, teacher) if found.at_chance else []
    if signs:
        return (f"The teacher {name!r} answers {100 * found.accuracy:.0f} % of {n} right, no better than guessing "
                f"({100 * found.chance:.0f} %), and "
                f"{' and '.join(signs)}: its tokenizer may belong to another model, or it was trained for something else. Put its own "
                f"tokenizer into its folder, or set teacher.fine_tune to always. {ACCEPT}")  # fmt: skip
    return ""


def _signs(unknown: float, teacher: TeacherModel) -> list[str]:
    """Return what speaks for texts that reach the teacher wrongly, where it is no better than guessing."""
    rows, tokens = embedding_rows(teacher.model), len(teacher.tokenizer)
    signs = []
    if unknown > MANY_UNKNOWN:
        signs.append(f"{100 * unknown:.0f} % of the tokens are unknown to it")
    if rows is not None and tokens < SMALL_VOCABULARY * rows:
        signs.append(f"its tokenizer has {tokens:,} tokens where its embeddings have {rows:,}")
    config, names = teacher.model.config, ("pad", "bos", "eos", "cls", "sep")
    ids = [(getattr(config, f"{one}_token_id", None), getattr(teacher.tokenizer, f"{one}_token_id", None)) for one in names]
    if any(None not in pair and pair[0] != pair[1] for pair in ids):
        signs.append("its special tokens have other numbers in its tokenizer than in its config.json")
    return signs


def _other_order(found: ClassOrder, teacher: TeacherModel, settings: TeacherSettings, label_names: Sequence[str]) -> str:
    raw = teacher.order or tuple(range(len(label_names)))
    at_output = {raw[found.order[index]]: label for index, label in enumerate(label_names)}
    fitting = ",".join(at_output[output] for output in sorted(at_output))
    better = (f"The teacher {settings.name!r} answers {100 * found.accuracy:.0f} % of {found.n:,} labelled texts right as its classes are "
              f"read now, and {100 * found.best_accuracy:.0f} % in another order")  # fmt: skip
    if not teacher.as_it_comes:
        return (f"{better}, though it was fine-tuned on the course texts: the labels of the exam or validation texts seem to be exchanged. "
                f"Check the label columns of the files. {ACCEPT}")  # fmt: skip
    return f"{better}: set teacher.label_order to {fitting!r}, the task's classes in the order of its outputs. {ACCEPT}"


def _remark(found: ClassOrder, unknown: float, teacher: TeacherModel, *, learned: bool) -> str:
    if found.at_chance or not learned:
        was, next_ = ("is used as it comes", "choose another teacher") if teacher.as_it_comes else (
            "was fine-tuned", "raise teacher.fine_tune_steps or teacher.fine_tune_learning_rate")  # fmt: skip
        return (f"The teacher {was}, and on these texts it is not shown to be better than guessing: its soft targets may teach nothing. "
                f"Look at its texts and labels on the Data page, or {next_}.")  # fmt: skip
    if unknown > SOME_UNKNOWN:
        return (f"{100 * unknown:.0f} % of the tokens of these texts are unknown to the teacher ([UNK]): it may not know their language "
                "or topic.")  # fmt: skip
    return ""
