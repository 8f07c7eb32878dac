"""Models: built-in, from a local folder, cut from the teacher; and every refusal in a plain sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel

from ikd.config import RunConfig, build_config
from ikd.errors import ConfigError, HubError, IKDError, ModelError
from ikd.models import StudentModel, TeacherModel, build_student, build_teacher, encode
from ikd.models.builtin import builtin_classifier, train_tokenizer
from ikd.models.initialisation import first_layers, layer_stack, spread_layers
from ikd.protocols import Split, TaskData
from tests.tiny import FAMILIES

LABELS = ("no", "maybe", "yes")
TEXTS = ("a plain text", "another text, somewhat longer than the first", "ein dritter Text", "a b c")


def task(labels: tuple[str, ...] = LABELS, *, pairs: bool = False) -> TaskData:
    split = Split(
        texts=TEXTS, labels=[0, 1, len(labels) - 1, 0], text_pairs=TEXTS[::-1] if pairs else None,
    )  # fmt: skip
    return TaskData(name="little", label_names=labels, splits=dict.fromkeys(("course", "exam", "validation"), split))


def config(**values: Any) -> RunConfig:
    return build_config({name.replace("__", "."): value for name, value in values.items()})


def save_encoder(folder: Path, *, layers: int = 4, width: int = 32, labels: tuple[str, ...] | None = None) -> Path:
    """Save a small BERT with its tokenizer: a body, or a classifier where labels are given."""
    tokenizer = train_tokenizer(TEXTS * 3, max_length=64)
    settings = BertConfig(
        vocab_size=len(tokenizer), hidden_size=width, num_hidden_layers=layers, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64, pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    if labels is None:
        BertModel(settings).save_pretrained(folder)
    else:
        settings.num_labels, settings.id2label = len(labels), dict(enumerate(labels))
        settings.label2id = {label: index for index, label in enumerate(labels)}
        BertForSequenceClassification(settings).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def both(settings: RunConfig, data: TaskData) -> tuple[TeacherModel, StudentModel]:
    teacher = build_teacher(settings, data)
    return teacher, build_student(settings, data, teacher)


def test_a_body_without_a_classifier_gets_one_and_must_be_fine_tuned(tmp_path: Path) -> None:
    teacher = build_teacher(config(teacher__name=str(save_encoder(tmp_path / "m"))), task())
    assert teacher.model.config.num_labels == 3 and not teacher.fits


def test_a_classifier_of_the_task_is_used_as_it_is(tmp_path: Path) -> None:
    folder = save_encoder(tmp_path / "m", labels=LABELS)
    assert build_teacher(config(teacher__name=str(folder), teacher__fine_tune="never"), task()).fits


@pytest.mark.parametrize("choice", ["first_layers", "spread_layers"])
def test_a_student_takes_the_teachers_layers(choice: str, tmp_path: Path) -> None:
    folder = save_encoder(tmp_path / "m")
    teacher, student = both(
        config(teacher__name=str(folder), student__name="teacher", student__initialisation=choice, student__layers=2), task()
    )
    taken = {"first_layers": [0, 1], "spread_layers": [1, 3]}[choice]
    theirs, ours = layer_stack(teacher.model)[1], layer_stack(student.model)[1]
    for new, old in enumerate(taken):
        for a, b in zip(ours[new].parameters(), theirs[old].parameters(), strict=True):
            assert torch.equal(a, b)
    assert torch.equal(student.model.classifier.weight, teacher.model.classifier.weight)
    assert torch.equal(student.model.get_input_embeddings().weight, teacher.model.get_input_embeddings().weight)


def test_which_layers_are_taken() -> None:
    assert first_layers(12, 3) == [0, 1, 2]
    assert spread_layers(12, 3) == [3, 7, 11]
    assert spread_layers(6, 3) == [1, 3, 5]
    assert spread_layers(3, 2) == [0, 2]
    assert spread_layers(4, 4) == [0, 1, 2, 3]


def test_own_checkpoint(tmp_path: Path) -> None:
    folder = save_encoder(tmp_path / "own", layers=1, labels=LABELS)
    settings = config(student__name=str(folder), student__initialisation="checkpoint")
    _, student = both(settings, task())
    saved = BertForSequenceClassification.from_pretrained(folder)
    assert torch.equal(student.model.classifier.weight, saved.classifier.weight)


def test_teacher_and_student_of_different_families_read_their_own_tokens(tmp_path: Path) -> None:
    teacher, student = both(config(teacher__name=str(save_encoder(tmp_path / "m")), student__name="builtin/1x16"), task())
    batch = encode(task(), "course", config(), teacher=teacher, student=student).batch([0, 1])
    assert teacher.tokenizer is not student.tokenizer
    for model, inputs in ((teacher.model, batch.teacher_inputs), (student.model, batch.student_inputs)):
        assert int(inputs["input_ids"].max()) < model.get_input_embeddings().num_embeddings
        assert model(**inputs).logits.shape == (2, 3)


def test_pairs_have_token_types_and_padding_is_only_as_long_as_needed() -> None:
    teacher, student = both(config(), task(pairs=True))
    split = encode(task(pairs=True), "course", config(), teacher=teacher, student=student)
    one, all_ = split.batch([3]), split.batch([0, 1, 2, 3])
    ids, types, mask = (all_.student_inputs[name] for name in ("input_ids", "token_type_ids", "attention_mask"))
    assert one.student_inputs["input_ids"].shape[1] < ids.shape[1] == int(mask.sum(1).max())
    for row in range(4):
        used = ids[row][mask[row].bool()].tolist()
        first = used.index(student.tokenizer.sep_token_id) + 1
        assert types[row][: len(used)].tolist() == [0] * first + [1] * (len(used) - first)
        assert used[-1] == student.tokenizer.sep_token_id and used[0] == student.tokenizer.cls_token_id


def test_long_texts_are_cut_to_the_limit() -> None:
    data = TaskData(name="long", label_names=LABELS, splits={
        name: Split(texts=["word " * 500] * 3, labels=[0, 1, 2]) for name in ("course", "exam")
    })  # fmt: skip
    settings = config(task__max_length=16)
    teacher, student = both(settings, data)
    batch = encode(data, "course", settings, teacher=teacher, student=student).batch([0])
    assert batch.student_inputs["input_ids"].shape == (1, 16)


def test_the_same_seed_gives_the_same_built_in_models() -> None:
    ours, theirs, other = (both(config(seed=seed), task()) for seed in (0, 0, 1))
    for index in range(2):
        same = zip(ours[index].model.parameters(), theirs[index].model.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in same)
    assert not torch.equal(ours[0].model.classifier.weight, other[0].model.classifier.weight)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_layers_are_found_or_refused(family: str) -> None:
    model = FAMILIES[family](2)
    if family == "albert":
        with pytest.raises(ModelError, match="cannot be told apart"):
            layer_stack(model)
    else:
        assert len(layer_stack(model)[1]) == 2


def refused(kind: type[IKDError], settings: RunConfig, data: TaskData | None = None) -> str:
    with pytest.raises(kind) as caught:
        both(settings, data or task())
    sentence = str(caught.value)
    assert "\n" not in sentence and "Traceback" not in sentence and sentence[-1] in ".!?"
    return sentence


def test_refusals_of_folders(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("x")
    assert "holds no model" in refused(ModelError, config(teacher__name=str(tmp_path / "empty")))
    assert "readme.txt" in refused(ModelError, config(teacher__name=str(tmp_path / "notes")))
    assert "no folder" in refused(ModelError, config(teacher__name=str(tmp_path / "nowhere")))
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{")
    assert "cannot be read" in refused(ModelError, config(teacher__name=str(broken)))


def test_refusal_of_weights_that_are_not_safetensors(tmp_path: Path) -> None:
    folder = save_encoder(tmp_path / "m")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "safetensors" in refused(ModelError, config(teacher__name=str(folder)))


def test_refusal_of_remote_code(tmp_path: Path) -> None:
    folder = save_encoder(tmp_path / "m")
    declared = json.loads((folder / "config.json").read_text())
    declared |= {"model_type": "strange", "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}}
    (folder / "config.json").write_text(json.dumps(declared))
    (folder / "code.py").write_text("raise SystemExit('never run')")
    assert "code of its own" in refused(ModelError, config(teacher__name=str(folder)))


def test_a_hub_out_of_reach_is_one_sentence() -> None:
    sentence = refused(HubError, config(teacher__name="nobody/such-a-model"))
    assert "nobody/such-a-model" in sentence and "builtin/" in sentence


def test_a_student_wider_than_its_teacher_cannot_start_from_it() -> None:
    settings = config(teacher__name="builtin/2x32", student__name="builtin/1x64", student__initialisation="first_layers")
    assert "32 wide and the student 64" in refused(ModelError, settings)


def test_a_student_cannot_have_more_layers_than_its_teacher() -> None:
    cut = config(teacher__name="builtin/2x32", student__name="teacher", student__layers=3)
    assert "its teacher has 2" in refused(ModelError, cut)
    named = config(teacher__name="builtin/2x32", student__name="builtin/3x32", student__initialisation="first_layers")
    assert "only 2" in refused(ModelError, named)


def test_teacher_and_task_must_agree_in_their_classes(tmp_path: Path) -> None:
    two = save_encoder(tmp_path / "two", labels=("no", "yes"))
    sentence = refused(ModelError, config(teacher__name=str(two), teacher__fine_tune="never"))
    assert "2 classes" in sentence and "3" in sentence
    foreign = save_encoder(tmp_path / "foreign", labels=("red", "green", "blue"))
    for choice in ("never", "auto"):
        assert "cannot be told" in refused(ModelError, config(teacher__name=str(foreign), teacher__fine_tune=choice))
    assert build_teacher(config(teacher__name=str(foreign), teacher__fine_tune="always"), task()).model.config.num_labels == 3
    retrained = build_teacher(config(teacher__name=str(two)), task())
    assert not retrained.fits and retrained.model.config.num_labels == 3


def test_refusal_of_a_teacher_without_a_classifier_that_may_not_be_trained(tmp_path: Path) -> None:
    body = save_encoder(tmp_path / "m")
    assert "fine_tune is never" in refused(ModelError, config(teacher__name=str(body), teacher__fine_tune="never"))


def test_built_in_widths() -> None:
    for name in ("builtin/2x33", "builtin/25x64", "builtin/0x64", "builtin/2x2048"):
        with pytest.raises(ConfigError, match="multiple of 16"):
            config(teacher__name=name)
    with pytest.raises(ModelError, match="multiple of 16"):  # by whoever builds it otherwise
        builtin_classifier("builtin/2x33", tokenizer=train_tokenizer(TEXTS, max_length=16), n_classes=2, max_length=16)
