"""Teacher and student: two sequence classifiers with their tokenizers, built from a config and a task."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ikd.config import RunConfig
from ikd.errors import ModelError
from ikd.models.builtin import builtin_classifier, is_builtin, train_tokenizer
from ikd.models.encoding import EncodedSplit
from ikd.models.initialisation import copy_layers, cut_config, fresh_classifier
from ikd.models.matching import check_labels, check_vocabulary, longest_input
from ikd.models.pretrained import is_classifier, load_classifier, load_config, load_tokenizer
from ikd.protocols import TaskData


@dataclass(frozen=True, kw_only=True)
class TeacherModel:
    """A teacher as loaded.

    Attributes:
        fits: its classifier was already trained with the task's number of classes.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    fits: bool


@dataclass(frozen=True, kw_only=True)
class StudentModel:
    """A student with its initial weights."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def build_teacher(config: RunConfig, data: TaskData) -> TeacherModel:
    """Return the configured teacher before any fine-tuning; built-in weights are drawn from the run's seed.

    Raises:
        ModelError, HubError: in one plain sentence.
    """
    name, n_classes = config.teacher.name, len(data.label_names)
    torch.manual_seed(config.seed)
    tokenizer: PreTrainedTokenizerBase
    model: PreTrainedModel
    if is_builtin(name):
        tokenizer = train_tokenizer(_texts(data), max_length=config.task.max_length)
        model = builtin_classifier(name, tokenizer=tokenizer, n_classes=n_classes, max_length=config.task.max_length)
        fits = False
    else:
        tokenizer = load_tokenizer(name, revision=config.teacher.revision)
        declared = load_config(name, revision=config.teacher.revision)
        check_labels(declared, data.label_names, name=name, fine_tune=config.teacher.fine_tune)
        model, fits = load_classifier(name, n_classes=n_classes, revision=config.teacher.revision)
    if config.teacher.fine_tune == "never" and not fits:
        raise ModelError(
            f"The teacher {name!r} has no classifier trained for {n_classes} classes, and teacher.fine_tune is never: "
            "choose auto, or a teacher fine-tuned on this task."
        )
    check_vocabulary(model, tokenizer, name=name)
    return TeacherModel(model=model, tokenizer=tokenizer, fits=fits)


def build_student(config: RunConfig, data: TaskData, teacher: TeacherModel) -> StudentModel:
    """Return the configured student; layers copied from the teacher are those it has now (after fine-tuning).

    Raises:
        ModelError, HubError: in one plain sentence.
    """
    chosen, n_classes = config.student, len(data.label_names)
    torch.manual_seed(config.seed + 1)
    tokenizer = teacher.tokenizer
    source = chosen.checkpoint or chosen.name
    if chosen.initialisation == "checkpoint":
        model, _ = load_classifier(source, n_classes=n_classes, revision=chosen.revision)
        tokenizer = load_tokenizer(source, revision=chosen.revision)
    elif chosen.name == "teacher":
        layers = chosen.layers or max(1, teacher.model.config.num_hidden_layers // 2)
        model = fresh_classifier(cut_config(teacher.model.config, layers))
    elif is_builtin(chosen.name):
        if not is_builtin(config.teacher.name):
            tokenizer = train_tokenizer(_texts(data), max_length=config.task.max_length)
        model = builtin_classifier(
            chosen.name, tokenizer=tokenizer, n_classes=n_classes, max_length=config.task.max_length
        )
    else:
        declared = load_config(chosen.name, revision=chosen.revision)
        declared.num_labels = n_classes
        model, tokenizer = fresh_classifier(declared), load_tokenizer(chosen.name, revision=chosen.revision)
    if chosen.initialisation in ("first_layers", "spread_layers"):
        copy_layers(teacher.model, model, chosen.initialisation)
    check_vocabulary(model, tokenizer, name=source)
    return StudentModel(model=model, tokenizer=tokenizer)


def encode(data: TaskData, split: str, config: RunConfig, *, teacher: TeacherModel, student: StudentModel) -> EncodedSplit:
    """Return one split of the task, encoded for both models."""
    return EncodedSplit(
        data.splits[split],
        student_tokenizer=student.tokenizer,
        teacher_tokenizer=teacher.tokenizer,
        student_max_length=longest_input(student.model.config, student.tokenizer, config.task.max_length),
        teacher_max_length=longest_input(teacher.model.config, teacher.tokenizer, config.task.max_length),
        long_texts=config.task.long_texts,
        truth_as_labels=config.objective.label_targets == "truth",
    )


def tokenizers_of(config: RunConfig, data: TaskData) -> dict[str, tuple[PreTrainedTokenizerBase, int]]:
    """Return the tokenizer of each role and the tokens its model can take, without building a model; one entry where they share both.

    Raises:
        ModelError, HubError: in one plain sentence.
    """
    most, student = config.task.max_length, config.student
    of_student = student.checkpoint or student.name
    if of_student == "teacher" or is_builtin(of_student) and is_builtin(config.teacher.name):
        of_student = config.teacher.name
    found: dict[str, tuple[PreTrainedTokenizerBase, int]] = {}
    for role, name, revision in (("teacher", config.teacher.name, config.teacher.revision), ("student", of_student, student.revision)):
        if role == "student" and name == config.teacher.name:
            break
        if is_builtin(name):
            found[role] = train_tokenizer(_texts(data), max_length=most), most
        else:
            tokenizer = load_tokenizer(name, revision=revision)
            found[role] = tokenizer, longest_input(load_config(name, revision=revision), tokenizer, most)
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
