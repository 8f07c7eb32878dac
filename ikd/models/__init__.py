"""Teacher and student: two sequence classifiers with their tokenizers, built from a config and a task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ikd.config import HIDDEN_OBJECTIVES, STORED, RunConfig, objective_terms, student_start
from ikd.errors import ModelError
from ikd.models.builtin import builtin_classifier, is_builtin, train_tokenizer
from ikd.models.encoding import EncodedSplit, PaddingSide, accepted_inputs
from ikd.models.initialisation import copy_layers, cut_config, fresh_classifier
from ikd.models.padding import padding_side
from ikd.models.positions import longest_input
from ikd.models.pretrained import fresh_named, is_classifier, load_classifier, load_tokenizer, named_tokenizer
from ikd.models.stored import StoredTeacher, how_many, stored_logits
from ikd.models.trust import own_weights, trusted_teacher
from ikd.models.vocabulary import check_vocabulary, embedding_rows
from ikd.protocols import UNLABELLED, TaskData


@dataclass(frozen=True, kw_only=True)
class TeacherModel:
    """A teacher as loaded.

    Attributes:
        fits: its classifier was already trained with the task's number of classes.
        as_it_comes: it teaches without being fine-tuned first.
        order: for each class of the task, which output of the checkpoint stands for it.
        side: on which its batches are padded.
        notes: plain sentences on what was done to make it this task's.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    fits: bool
    as_it_comes: bool = False
    order: tuple[int, ...] = ()
    side: PaddingSide = "right"
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StudentModel:
    """A student with its initial weights.

    Attributes:
        start: what these weights are, in words.
        side: on which its batches are padded.
        notes: plain sentences on what was done to make it this task's.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    start: str
    side: PaddingSide = "right"
    notes: tuple[str, ...] = ()


def build_teacher(config: RunConfig, data: TaskData) -> TeacherModel:
    """Return the configured teacher before any fine-tuning; built-in weights are drawn from the run's seed.

    Raises:
        ModelError, HubError: in one plain sentence.
    """
    name, n_classes = config.teacher.name, len(data.label_names)
    torch.manual_seed(config.seed)
    if name == STORED:
        return _stored_teacher(config, data)
    if is_builtin(name):
        tokenizer: PreTrainedTokenizerBase = train_tokenizer(_texts(data), max_length=config.task.max_length)
        model: PreTrainedModel = builtin_classifier(name, tokenizer=tokenizer, n_classes=n_classes, max_length=config.task.max_length)
        fits, order, notes = False, tuple(range(n_classes)), tuple[str, ...]()
    else:
        tokenizer = load_tokenizer(name, revision=config.teacher.revision)
        loaded, trained = load_classifier(name, tokenizer, n_classes=n_classes, revision=config.teacher.revision)
        model, fits = loaded.model, trained
        order, notes = trusted_teacher(loaded, tokenizer, config.teacher, data.label_names, fits=fits)
    check_vocabulary(embedding_rows(model), tokenizer, name=name)
    as_it_comes = fits and config.teacher.fine_tune != "always"
    side: PaddingSide = "right" if is_builtin(name) else padding_side(model, tokenizer)
    return TeacherModel(model=model, tokenizer=tokenizer, fits=fits, as_it_comes=as_it_comes, order=order, side=side, notes=notes)


def _stored_teacher(config: RunConfig, data: TaskData) -> TeacherModel:
    course = data.splits["course"]
    stored, n_classes = how_many(course), len(data.label_names)
    bare = sum(not any(row) and label == UNLABELLED for row, label in zip(course.soft_targets or (), course.labels, strict=False))
    if not stored:
        raise ModelError("The course has no stored soft targets, and teacher.name stored has nothing else to say: name their column in "
                         "task.soft_target_column, or choose another teacher.")  # fmt: skip
    if bare:
        raise ModelError(f"{bare:,} course texts have neither a stored soft target nor a label, so that nothing can be taught with them: "
                         "set task.missing_labels to drop, or give them one.")  # fmt: skip
    notes = [f"The teacher cannot be asked again: {stored:,} of {len(course):,} course texts have a stored soft target, the others are "
             "taught by their label."]  # fmt: skip
    without = [name for name, split in data.splits.items() if name not in ("course", "exam") and not how_many(split)]
    if without:
        notes.append(f"No soft target is stored for the {' and '.join(without)} texts: there the teacher is shown as knowing nothing, the "
                     "same probability for every class, and its scores there say nothing of it.")  # fmt: skip
    tokenizer = train_tokenizer(_texts(data), max_length=config.task.max_length)
    return TeacherModel(
        model=cast(PreTrainedModel, StoredTeacher(n_classes)),  # answers as one does
        tokenizer=tokenizer, fits=True, as_it_comes=True, order=tuple(range(n_classes)), notes=tuple(notes),
    )  # fmt: skip


def build_student(config: RunConfig, data: TaskData, teacher: TeacherModel) -> StudentModel:
    """Return the configured student; layers copied from the teacher are those it has now (after fine-tuning).

    Raises:
        ModelError, HubError: in one plain sentence.
    """
    chosen, n_classes = config.student, len(data.label_names)
    torch.manual_seed(config.seed + 1)
    tokenizer, start = teacher.tokenizer, student_start(chosen)
    source, words, notes = chosen.checkpoint or chosen.name, "weights drawn at random from the seed", tuple[str, ...]()
    if start == "checkpoint":
        tokenizer = load_tokenizer(source, revision=chosen.revision)
        loaded, trained = load_classifier(source, tokenizer, n_classes=n_classes, revision=chosen.revision)
        model, words, notes = own_weights(loaded, tokenizer, data.label_names, name=source, trained=trained)
    elif chosen.name == "teacher":
        layers = chosen.layers or max(1, int(getattr(teacher.model.config, "num_hidden_layers", 0)) // 2)
        model = fresh_classifier(cut_config(teacher.model.config, layers))
    elif is_builtin(chosen.name):
        if not is_builtin(config.teacher.name):
            tokenizer = train_tokenizer(_texts(data), max_length=config.task.max_length)
        model = builtin_classifier(
            chosen.name, tokenizer=tokenizer, n_classes=n_classes, max_length=config.task.max_length
        )
    else:
        tokenizer = load_tokenizer(chosen.name, revision=chosen.revision)
        model = fresh_named(chosen.name, tokenizer, n_classes=n_classes, revision=chosen.revision)
        notes = (f"The student {chosen.name!r} starts from weights drawn at random, not from its own: student.initialisation is random.",)
    if start in ("first_layers", "spread_layers"):
        words = copy_layers(teacher.model, model, start)
    check_vocabulary(embedding_rows(model), tokenizer, name=source)
    side: PaddingSide = "right" if is_builtin(source) else padding_side(model, tokenizer)
    return StudentModel(model=model, tokenizer=tokenizer, start=words, side=side, notes=notes)


def encode(data: TaskData, split: str, config: RunConfig, *, teacher: TeacherModel, student: StudentModel) -> EncodedSplit:
    """Return one split of the task, encoded for both models.

    Raises:
        ModelError: an objective of layers and a model whose texts do not begin with their first token.
    """
    most = config.task.max_length
    if "left" in (teacher.side, student.side) and HIDDEN_OBJECTIVES & objective_terms(config.objective).keys():
        raise ModelError("One of the two models classifies at the last token, so its batches are padded in front, and its layers cannot be "
                         "compared from the first token on: choose an objective of logits such as kd, or another model.")  # fmt: skip
    stored = None
    if config.teacher.name == STORED:
        stored = stored_logits(data.splits[split], len(data.label_names), course=split == "course")
        teacher = replace(teacher, tokenizer=student.tokenizer, side=student.side)  # it reads no texts
    reader = student.model if stored is not None else teacher.model
    return EncodedSplit(
        data.splits[split],
        student_tokenizer=student.tokenizer,
        teacher_tokenizer=teacher.tokenizer,
        student_max_length=longest_input(student.model, student.model.config, student.tokenizer, most),
        teacher_max_length=longest_input(reader, reader.config, teacher.tokenizer, most),
        student_inputs=accepted_inputs(student.model),
        teacher_inputs=accepted_inputs(reader),
        student_side=student.side,
        teacher_side=teacher.side,
        long_texts=config.task.long_texts,
        truth_as_labels=config.objective.label_targets == "truth",
        source_names=data.source_names,
        stored=stored,
    )


def tokenizers_of(config: RunConfig, data: TaskData) -> dict[str, tuple[PreTrainedTokenizerBase, int]]:
    """Return the tokenizer of each role and the tokens its model can take, without its weights; one entry where they share both.

    Raises:
        ModelError, HubError: in one plain sentence.
    """
    most, student = config.task.max_length, config.student
    of_student = student.checkpoint or student.name
    if of_student == "teacher" or is_builtin(of_student) and is_builtin(config.teacher.name):
        of_student = config.teacher.name
    found: dict[str, tuple[PreTrainedTokenizerBase, int]] = {}
    for role, name, revision in (("teacher", config.teacher.name, config.teacher.revision), ("student", of_student, student.revision)):
        if name == STORED:
            continue  # it reads no texts
        if role == "student" and name == config.teacher.name:
            break
        if is_builtin(name):
            found[role] = train_tokenizer(_texts(data), max_length=most), most
        else:
            found[role] = named_tokenizer(name, most, revision=revision)
    return found


def _texts(data: TaskData) -> list[str]:
    """Return the texts a tokenizer is trained on: the course split alone."""
    course = data.splits["course"]
    return [*course.texts, *(course.text_pairs or ())]


__all__ = [
    "EncodedSplit",
    "StudentModel",
    "TeacherModel",
    "build_student",
    "build_teacher",
    "encode",
    "is_classifier",
    "tokenizers_of",
]
