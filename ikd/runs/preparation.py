"""From a config to two models and their texts, tried and tested: all that can be wrong with them is said before the first step."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn
from transformers import PreTrainedModel

from ikd.classroom import Classroom, LabelledSource
from ikd.config import MOVING_POLICIES, STORED, RunConfig, exam_joins_course, remarks_on, student_start
from ikd.errors import ModelError
from ikd.events import Event, Notice, Stage
from ikd.models import EncodedSplit, StudentModel, TeacherModel, build_student, build_teacher, encode
from ikd.models.adapters import add_adapters
from ikd.models.encoding import token_rows
from ikd.models.initialisation import layer_stack
from ikd.models.vocabulary import unknown_share
from ikd.protocols import Split, TaskData
from ikd.runs.cues import cue_swaps, misled_facts
from ikd.runs.facts import facts_of
from ikd.runs.sameness import require_same_models, require_same_texts
from ikd.runs.sources import asks_for_sources_by_exam, with_sources_by_exam
from ikd.runs.teacher_test import HALF_UNKNOWN, SOME_UNKNOWN, self_test
from ikd.runs.teachers import prepare_teacher
from ikd.runs.trial import blamed_on, try_model
from ikd.tasks import load_task
from ikd.trace.folder import TEST_LEFT_ALONE, RunFolder

KNOWN_BY = 256
"""Course texts in which the tokens are counted that the student does not know."""


class Prepared(NamedTuple):
    """Models and texts of one run; the student with its tokenizer, to be saved at the end."""

    room: Classroom
    student: StudentModel
    data: TaskData


def prepare(folder: RunFolder, config: RunConfig, device: torch.device, n_threads: int) -> Generator[Event, None, Prepared]:
    """Load texts and models, fine-tune the teacher where it needs it, and check both; yields what it does.

    Raises:
        TaskError, ModelError, HubError: whatever is wrong with them.
    """
    yield Stage(name="loading")
    data = yield from _texts(folder, config)
    teacher = build_teacher(config, data)
    nn.Module.to(teacher.model, device)
    student = build_student(config, data, teacher)  # refuses early what cannot be matched
    require_same_models(folder, config, teacher, student)
    for note in (*teacher.notes, *student.notes):
        yield Notice(text=note)
    with blamed_on("model", config.teacher.name, doing="be given the task's texts"):
        lessons = {name: encode(data, name, config, teacher=teacher, student=student) for name in data.splits}
    yield from _cut_texts(lessons["course"])
    with blamed_on("teacher", config.teacher.name, doing="be fine-tuned"):
        studied = yield from _studied_by_teacher(data, lessons["course"], config, teacher=teacher, student=student)
        yield from prepare_teacher(
            teacher, studied, config, device=device, root=folder.path.parent, fingerprint=data.fingerprint
        )
    if student_start(config.student) in ("first_layers", "spread_layers"):
        student = build_student(config, data, teacher)
    nn.Module.to(student.model, device)
    yield Notice(text=f"The student starts from {student.start}.")
    checked = yield from _checked(config, data, teacher, student, lessons, device=device)
    if asks_for_sources_by_exam(config):
        data = yield from with_sources_by_exam(data, lessons, config, teacher=teacher, device=device)
        lessons["course"] = encode(data, "course", config, teacher=teacher, student=student)
    if exam_joins_course(config.policy):
        data = with_exam_in_course(data)
        lessons["course"] = encode(data, "course", config, teacher=teacher, student=student)
    room = _room(config, data, teacher, student, device=device, splits=lessons, n_threads=n_threads, facts=checked)
    if (swaps := cue_swaps(data, config, teacher=teacher, student=student)) is not None:
        misled = misled_facts(swaps, teacher, lessons, device=device, precision=config.machine.precision)
        room = replace(room, cues=swaps, facts={**room.facts, **misled})
    return Prepared(room=room, student=student, data=data)


def _studied_by_teacher(
    data: TaskData, course: EncodedSplit, config: RunConfig, *, teacher: TeacherModel, student: StudentModel
) -> Generator[Event, None, EncodedSplit]:
    """Return what the teacher is fine-tuned on: the course, and the exam texts where `teacher.studies_exam` asks for them."""
    if not config.teacher.studies_exam or teacher.as_it_comes:
        return course
    yield Notice(text="The teacher is fine-tuned on the exam texts too, beside those of the course (teacher.studies_exam).")
    return encode(with_exam_in_course(data), "course", config, teacher=teacher, student=student)


def _texts(folder: RunFolder, config: RunConfig) -> Generator[Event, None, TaskData]:
    for name in _asked_of_the_hub(config):
        yield Notice(text=f"Asking the hub for {name}, where it is not in the local cache: out of reach, that takes up to a minute.")
    data = load_task(config.task)
    require_same_texts(folder, config, data)
    for note in (*data.notes, *remarks_on(config, n_classes=len(data.label_names))):
        yield Notice(text=note)
    if (folder.path / TEST_LEFT_ALONE).exists():
        data = replace(data, splits={name: split for name, split in data.splits.items() if name != "test"})
        yield Notice(text="This run is to choose settings: its test texts are left alone.")
    return data


def _checked(
    config: RunConfig, data: TaskData, teacher: TeacherModel, student: StudentModel, splits: Mapping[str, EncodedSplit], *,
    device: torch.device,
) -> Generator[Event, None, dict[str, float | int | str]]:  # fmt: skip
    """Try both models on a few texts and test the teacher; yield what was found, and return it as facts.

    Raises:
        ModelError: a model that cannot be used, or a teacher that fails its self-test and is not accepted.
    """
    yield Stage(name="checking the models")
    precision, policy = config.machine.precision, config.policy
    tangent = policy.name == "exam" and policy.inner_update != "off" and policy.hypergradient == "jvp"
    stored = config.teacher.name == STORED
    if not stored:
        try_model(teacher.model, "teacher", config.teacher.name, splits["course"], device, precision=precision)
    try_model(student.model, "student", config.student.name, splits["course"], device, precision=precision, tangent=tangent)
    yield from _student_reads(student, splits["course"], config)
    if stored:
        return {"student_start": student.start}  # what cannot be asked again cannot be tested
    found = self_test(teacher, splits, config.teacher, data.label_names, device, precision=precision)
    yield Notice(text=found.sentence)
    if found.fault and not config.teacher.accept:
        raise ModelError(found.fault)
    for words in filter(None, (found.fault, found.remark)):
        yield Notice(text=words, warning=True)
    passed = "passed with a warning" if found.remark else "passed"
    verdict = f"failed, and accepted (teacher.accept): {found.fault}" if found.fault else passed
    return {**found.facts, "teacher_test": verdict, "student_start": student.start}


def _cut_texts(course: EncodedSplit) -> Iterator[Event]:
    for role in ("teacher", "student"):
        n_cut, limit = course.cut_off(role)
        if n_cut:
            yield Notice(text=f"{n_cut:,} of {len(course):,} course texts are longer than the {role} reads and were cut to {limit} tokens "
                         "(task.max_length, or what the model can take).")  # fmt: skip


def _student_reads(student: StudentModel, course: EncodedSplit, config: RunConfig) -> Iterator[Event]:
    """Yield a warning where a student does not know many tokens of the course texts.

    Raises:
        ModelError: it knows less than half of them.
    """
    share = unknown_share(student.tokenizer, token_rows(course.batch(range(min(KNOWN_BY, len(course)))).student_inputs))
    if share > HALF_UNKNOWN:
        raise ModelError(f"The student {config.student.name!r} does not know {100 * share:.0f} % of the tokens of the course texts "
                         "([UNK]): its tokenizer belongs to another model or language. Put its own tokenizer into its folder, or choose "
                         "another student.")  # fmt: skip
    if share > SOME_UNKNOWN:
        yield Notice(text=f"{100 * share:.0f} % of the tokens of the course texts are unknown to the student ([UNK]).", warning=True)


def _room(
    config: RunConfig, data: TaskData, teacher: TeacherModel, student: StudentModel, *, device: torch.device,
    splits: Mapping[str, LabelledSource], n_threads: int, facts: Mapping[str, float | int | str],
) -> Classroom:  # fmt: skip
    """Return the classroom; a teacher that learns by adapters alone has got them. The facts are added to those of its making."""
    if config.policy.name in MOVING_POLICIES and config.policy.teacher_scope == "adapter":
        add_adapters(teacher.model, rank=config.policy.adapter_rank, seed=config.seed + 3)
    return Classroom(
        student=student.model, teacher=teacher.model, teacher_layers=_layers(teacher.model), student_layers=_layers(student.model),
        splits=splits, label_names=data.label_names, device=device, source_names=data.source_names,
        source_worth=data.source_worth,
        facts={**facts_of(config, data, teacher, student, course=splits["course"], device=device, n_threads=n_threads), **facts},
    )  # fmt: skip


def _asked_of_the_hub(config: RunConfig) -> list[str]:
    names = [config.task.hub_name] if config.task.name == "hub" else []
    names += [name for name in (config.teacher.name, config.student.name)
              if name not in ("teacher", STORED) and not name.startswith(("builtin/", "/", ".", "~"))
              and not Path(name).exists()]  # fmt: skip
    return [str(name) for name in dict.fromkeys(names)]


def with_exam_in_course(data: TaskData) -> TaskData:
    """Return the task with its exam examples added to the course split, as the fixed-teacher baseline studies them."""
    course, exam = data.splits["course"], data.splits["exam"]
    nobody, nothing = [""] * len(exam), [[0.0] * len(data.label_names)] * len(exam)
    both = Split(
        texts=[*course.texts, *exam.texts],
        labels=[*course.labels, *exam.labels],
        text_pairs=[*course.text_pairs, *(exam.text_pairs or ())] if course.text_pairs is not None else None,
        truth=[*course.truth, *(exam.truth or ())] if course.truth is not None else None,
        groups=[*course.groups, *(exam.groups or nobody)] if course.groups is not None else None,
        # The exam's labels are trusted: they stand in for whatever was stored of its texts.
        sources=[*course.sources, *nobody] if course.sources is not None else None,
        soft_targets=[*course.soft_targets, *nothing] if course.soft_targets is not None else None,
    )
    return replace(data, splits={**data.splits, "course": both})


def _layers(model: PreTrainedModel) -> nn.ModuleList | None:
    try:
        return layer_stack(model)[1]
    except ModelError:
        return None
