"""Every family in every role: alone and in a batch alike, long texts cut to its limit, cut and copied or refused in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ikd.config import RunConfig, build_config
from ikd.errors import ModelError
from ikd.models import StudentModel, TeacherModel, build_student, build_teacher, encode, tokenizers_of
from ikd.protocols import Split, TaskData
from ikd.runs.job import run_job
from ikd.runs.trial import try_model
from ikd.trace.store import new_run
from tests.zoo import FAMILIES, TEXTS, zoo_folder

LABELS = ("no", "maybe", "yes")
LONG = (*TEXTS, "word " * 700)
CUT_IN_LAYERS = [family for family in FAMILIES if family not in ("albert", "funnel")]
CPU = torch.device("cpu")


def task() -> TaskData:
    split = Split(texts=LONG, labels=[index % 3 for index in range(len(LONG))])
    return TaskData(name="zoo", label_names=LABELS, splits=dict.fromkeys(("course", "exam", "validation"), split))


def built(**values: Any) -> tuple[RunConfig, TeacherModel, StudentModel]:
    config = build_config({"task.max_length": 512, **{name.replace("__", "."): value for name, value in values.items()}})
    teacher = build_teacher(config, task())
    return config, teacher, build_student(config, task(), teacher)


def gap(model: torch.nn.Module, texts: Any, role: str) -> float:
    """Return by how much the answer to a text depends on what stands beside it."""
    def answer(rows: list[int]) -> torch.Tensor:
        batch = texts.batch(rows)
        with torch.no_grad():
            return model.eval()(**(batch.student_inputs if role == "student" else batch.teacher_inputs)).logits

    rows = [0, 1, 2, len(LONG) - 1]
    return float((answer(rows) - torch.cat([answer([row]) for row in rows])).abs().max())


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_answers_alike_alone_and_in_a_batch_as_teacher_and_as_student(family: str, tmp_path: Path) -> None:
    folder = str(zoo_folder(tmp_path / "m", family, LABELS))
    config, teacher, student = built(teacher__name=folder, student__name=folder)
    texts = encode(task(), "course", config, teacher=teacher, student=student)
    assert teacher.fits and "own weights" in student.start and "classifier included" in student.start
    for role, model in (("teacher", teacher.model), ("student", student.model)):
        assert gap(model, texts, role) < 1e-5
        try_model(model, role, folder, texts, CPU, precision="fp32", tangent=role == "student")
        assert model.config.pad_token_id == teacher.tokenizer.pad_token_id
    for ours, theirs in zip(student.model.parameters(), teacher.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_length_limit_said_before_loading_is_that_of_the_encoding(family: str, tmp_path: Path) -> None:
    folder = str(zoo_folder(tmp_path / "m", family, LABELS))
    config, teacher, student = built(teacher__name=folder)
    texts = encode(task(), "course", config, teacher=teacher, student=student)
    longest = texts.batch([len(LONG) - 1]).teacher_inputs["input_ids"].shape[1]
    assert longest == tokenizers_of(config, task())["teacher"][1] <= 512
    if family in ("roberta", "xlm-roberta", "camembert", "mpnet", "roberta-prelayernorm", "data2vec-text", "longformer"):
        padding = 1 if family == "mpnet" else teacher.model.config.pad_token_id  # MPNet counts from 2 on, whatever its padding
        assert longest == 66 - padding - 1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_student_is_cut_from_a_family_or_refused(family: str, tmp_path: Path) -> None:
    folder = str(zoo_folder(tmp_path / "m", family, LABELS))
    values = {"teacher__name": folder, "student__name": "teacher", "student__layers": 1}
    if family not in CUT_IN_LAYERS:
        with pytest.raises(ModelError, match="cannot be (told apart|chosen freely)"):
            built(**values)
        return
    config, teacher, student = built(**values)
    assert "layers 1 of 2" in student.start
    texts = encode(task(), "course", config, teacher=teacher, student=student)
    try_model(student.model, "student", "teacher", texts, CPU, precision="fp32", tangent=True)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_under_and_of_a_family(family: str, tmp_path: Path) -> None:
    folder = str(zoo_folder(tmp_path / "m", family, ("negative", "neutral", "positive")))
    small = {"task.train_size": 60, "task.exam_size": 12, "task.validation_size": 12, "task.test_size": 4, "training.steps": 3,
             "training.batch_size": 8, "policy.exam_start": 1, "policy.exam_batch_size": 8, "teacher.fine_tune": "always",
             "teacher.fine_tune_steps": 3, "record.probe_every": 2}  # fmt: skip
    for role in ("teacher.name", "student.name"):
        config = build_config({**small, role: folder})
        run = new_run(config)
        run_job(run, config)
        state = run.state()
        assert state.state == "finished", state.error
