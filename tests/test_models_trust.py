"""What a checkpoint holds is looked at: damaged, wrapped, incomplete or foreign weights, other class names, tokenizers that are none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForSequenceClassification,
    CanineConfig,
    CanineForSequenceClassification,
    CanineTokenizer,
    PreTrainedTokenizerFast,
)

from ikd.config import build_config, student_start
from ikd.errors import ModelError
from ikd.models import TeacherModel, build_student, build_teacher
from ikd.protocols import Split, TaskData
from tests.zoo import TEXTS, zoo_folder

LABELS = ("negative", "positive")
THREE = ("entailment", "neutral", "contradiction")


def task(labels: tuple[str, ...] = LABELS) -> TaskData:
    split = Split(texts=TEXTS, labels=[index % len(labels) for index in range(len(TEXTS))])
    return TaskData(name="t", label_names=labels, splits=dict.fromkeys(("course", "exam", "validation"), split))


def teacher_of(folder: Path, labels: tuple[str, ...] = LABELS, **settings: str | bool) -> TeacherModel:
    values = {"teacher.name": str(folder), **{f"teacher.{one}": value for one, value in settings.items()}}
    return build_teacher(build_config(values), task(labels))


def answers(teacher: TeacherModel) -> torch.Tensor:
    inputs = teacher.tokenizer(list(TEXTS), padding=True, return_tensors="pt")
    with torch.no_grad():
        return teacher.model(**inputs).logits


def with_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> Path:
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path, metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
@pytest.mark.parametrize("family", ["bert", "distilbert", "gpt2"])
def test_the_prefix_of_a_wrapper_is_taken_off(wrapper: str, family: str, tmp_path: Path) -> None:
    folder = zoo_folder(tmp_path / "m", family, LABELS)
    whole = teacher_of(folder)
    found = teacher_of(with_weights(folder, lambda state: {wrapper + name: weight for name, weight in state.items()}))
    assert found.fits and wrapper in " ".join(found.notes)
    for a, b in zip(whole.model.parameters(), found.model.parameters(), strict=True):
        assert torch.equal(a, b)


def without(*parts: str) -> Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]:
    return lambda state: {name: weight for name, weight in state.items() if not any(part in name for part in parts)}


def test_a_classifier_whose_head_is_missing_is_refused_or_trained(tmp_path: Path) -> None:
    folder = with_weights(zoo_folder(tmp_path / "m", "bert", LABELS), without("classifier."))
    for choice in ("auto", "never"):
        with pytest.raises(ModelError, match=r"classifier\.bias.*fine_tune to always"):
            teacher_of(folder, fine_tune=choice)
    assert not teacher_of(folder, fine_tune="always").as_it_comes


@pytest.mark.parametrize("lost", ["encoder.layer.1.", "embeddings.word", "layer.0.attention.self.query.weight"])
def test_a_body_with_missing_weights_is_refused_in_either_role(lost: str, tmp_path: Path) -> None:
    folder = with_weights(zoo_folder(tmp_path / "m", "bert", LABELS), without(lost))
    for choice in ("auto", "always"):
        with pytest.raises(ModelError, match="lacks weights"):
            teacher_of(folder, fine_tune=choice)
    settings = build_config({"student.name": str(folder)})
    with pytest.raises(ModelError, match="lacks weights"):
        build_student(settings, task(), build_teacher(settings, task()))


def test_layers_that_config_json_does_not_build_are_told_or_refused(tmp_path: Path) -> None:
    folder = zoo_folder(tmp_path / "m", "bert", LABELS)
    shape = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(shape | {"num_hidden_layers": 1}))
    with pytest.raises(ModelError, match=r"layers that config\.json does not build"):
        teacher_of(folder)
    (folder / "config.json").write_text(json.dumps(shape | {"num_hidden_layers": 1, "architectures": ["BertModel"]}))
    assert "are not used" in " ".join(teacher_of(folder).notes)


def test_weights_of_other_shapes_are_refused(tmp_path: Path) -> None:
    folder = zoo_folder(tmp_path / "m", "bert", LABELS)
    shape = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(shape | {"intermediate_size": 64}))
    with pytest.raises(ModelError, match="other shapes"):
        teacher_of(folder)


def test_damaged_weights_files_are_named_with_their_cure(tmp_path: Path) -> None:
    folder = zoo_folder(tmp_path / "m", "bert", LABELS)
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    for content, word in ((b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
                          (whole[: len(whole) // 2], "cut off"), (b"", "cut off"), (b"\xff" * 200, "damaged")):  # fmt: skip
        path.write_bytes(content)
        with pytest.raises(ModelError, match=word):
            teacher_of(folder)
    path.write_bytes(whole)
    with pytest.raises(ModelError, match=r"not numbers.*query\.weight"):
        teacher_of(with_weights(folder, lambda state: state | {
            (name := "bert.encoder.layer.0.attention.self.query.weight"): state[name] * float("nan")}))  # fmt: skip
    path.unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80")
    with pytest.raises(ModelError, match=r"no model\.safetensors.*pytorch_model\.bin"):
        teacher_of(folder)


NAMES = [
    (("negative", "positive"), [0, 1], ""), (("positive", "negative"), [1, 0], "matched"), (("Positive ", "NEGATIVE"), [1, 0], "matched"),
    (("POS", "NEG"), [1, 0], "matched"), (("LABEL_0", "LABEL_1"), [0, 1], "no names of their own"),
]  # fmt: skip


@pytest.mark.parametrize(("theirs", "order", "said"), NAMES)
@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2", "xlnet", "distilbert"])
def test_outputs_are_put_into_the_order_of_the_task(
    theirs: tuple[str, ...], order: list[int], said: str, family: str, tmp_path: Path
) -> None:
    teacher = teacher_of(zoo_folder(tmp_path / "m", family, theirs))
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "m")
    model.config.pad_token_id = teacher.tokenizer.pad_token_id
    teacher.tokenizer.padding_side = teacher.side
    inputs = teacher.tokenizer(list(TEXTS), padding=True, return_tensors="pt", return_token_type_ids=False)
    with torch.no_grad():
        torch.testing.assert_close(teacher.model(**inputs).logits, model(**inputs).logits[:, order])
    assert teacher.fits and list(teacher.order) == order and said in " ".join(teacher.notes) and bool(said) == bool(teacher.notes)


def test_names_that_do_not_tell_are_asked_for(tmp_path: Path) -> None:
    folder = zoo_folder(tmp_path / "m", "bert", ("spam", "ham"))
    with pytest.raises(ModelError, match=r"'spam', 'ham'.*teacher\.label_order"):
        teacher_of(folder)
    told = teacher_of(folder, label_order="positive, negative")
    assert told.order == (1, 0)
    torch.testing.assert_close(answers(told), answers(teacher_of(folder, label_order="negative,positive"))[:, [1, 0]])
    for wrong in ("positive", "positive,positive", "spam,ham", "negative,positive,neutral"):
        with pytest.raises(ModelError, match="name each of them once"):
            teacher_of(folder, label_order=wrong)
    assert "has no effect" in " ".join(teacher_of(folder, label_order="positive,negative", fine_tune="always").notes)


def test_three_classes_in_a_circle_and_numbers_as_classes(tmp_path: Path) -> None:
    folder = zoo_folder(tmp_path / "m", "bert", ("contradiction", "entailment", "Neutral"))
    assert teacher_of(folder, THREE).order == (1, 2, 0)
    numbered = teacher_of(folder, ("0", "1", "2"))
    assert numbered.order == (0, 1, 2) and "are numbers" in " ".join(numbered.notes)


def word_tokenizer(folder: Path, vocabulary: dict[str, int], **special: str) -> None:
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=special.get("unk_token", "[UNK]")))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)


@pytest.mark.parametrize("role", ["teacher.name", "student.name"])
def test_a_folder_without_a_tokenizer_or_with_one_that_loses_words_is_refused(role: str, tmp_path: Path) -> None:
    def refused(folder: Path) -> str:
        settings = build_config({role: str(folder)})
        with pytest.raises(ModelError) as told:
            build_student(settings, task(), build_teacher(settings, task()))
        return str(told.value)

    bare = zoo_folder(tmp_path / "bare", "bert", LABELS)
    for path in bare.glob("token*"):
        path.unlink()
    assert "no tokenizer" in refused(bare)
    lossy = zoo_folder(tmp_path / "lossy", "bert", LABELS)
    word_tokenizer(lossy, {"[PAD]": 0, "the": 1, "quick": 2, "brown": 3, "fox": 4}, pad_token="[PAD]")
    assert "unknown words" in refused(lossy)
    large = zoo_folder(tmp_path / "large", "bert", LABELS)
    words = {"[PAD]": 0, "[UNK]": 1, **{f"w{index}": index for index in range(2, 5000)}}
    word_tokenizer(large, words, pad_token="[PAD]", unk_token="[UNK]")
    assert "embeddings" in refused(large)


def test_code_of_its_own_is_refused_for_a_known_type_too(tmp_path: Path) -> None:
    folder = zoo_folder(tmp_path / "m", "bert", LABELS)
    shape = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(shape | {"auto_map": {"AutoModelForSequenceClassification": "code.Model"}}))
    with pytest.raises(ModelError, match="auto_map"):
        teacher_of(folder)


def test_what_auto_means_for_a_student(tmp_path: Path) -> None:
    def start(**values: object) -> str:
        return student_start(build_config({f"student.{name}": value for name, value in values.items()}).student)

    assert start() == "random" and start(name="teacher") == "first_layers"
    assert start(name=str(tmp_path)) == start(name="owner/name") == start(name="teacher", checkpoint=str(tmp_path)) == "checkpoint"
    assert start(name="owner/name", initialisation="random") == "random"


def test_a_named_student_keeps_its_weights_and_one_drawn_anew_says_so(tmp_path: Path) -> None:
    folder = zoo_folder(tmp_path / "m", "bert", ("spam", "ham"))
    shutil.copytree(folder, tmp_path / "same")
    settings = build_config({"student.name": str(folder)})
    student = build_student(settings, task(), build_teacher(settings, task()))
    whole = AutoModelForSequenceClassification.from_pretrained(folder)
    assert torch.equal(student.model.bert.embeddings.word_embeddings.weight, whole.bert.embeddings.word_embeddings.weight)
    assert not torch.equal(student.model.classifier.weight, whole.classifier.weight) and "drawn anew" in " ".join(student.notes)
    random = build_config({"student.name": str(folder), "student.initialisation": "random"})
    drawn = build_student(random, task(), build_teacher(settings, task()))
    assert not torch.equal(drawn.model.bert.embeddings.word_embeddings.weight, whole.bert.embeddings.word_embeddings.weight)
    assert "at random" in drawn.start and "not from its own" in " ".join(drawn.notes)


def edited(folder: Path, **entries: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))
    return folder


@pytest.mark.parametrize(("entries", "words"), [
    ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}}, "is quantised"),
    ({"pad_token_id": 99999}, "set pad_token_id to 0"), ({"num_attention_heads": 3}, r"config\.json.*not a multiple"),
    ({"hidden_act": "nosuch"}, r"config\.json|weights"),
    ({"num_hidden_layers": "2"}, r"config\.json: Validation error.*num_hidden_layers.*\."),
    ({"id2label": ["negative", "positive"]}, r"config\.json"),
])  # fmt: skip
def test_a_config_json_that_cannot_be_is_named_with_its_cure(entries: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=words) as told:
        teacher_of(edited(zoo_folder(tmp_path / "m", "bert", LABELS), **entries))
    assert "save_pretrained" not in str(told.value) and "\n" not in str(told.value)


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = zoo_folder(tmp_path / "m", "bert", LABELS)
    AutoModelForSequenceClassification.from_pretrained(folder).save_pretrained(folder, max_shard_size="8KB")
    (folder / "model.safetensors").unlink(missing_ok=True)
    assert teacher_of(folder).fits
    lost = sorted(folder.glob("model-*.safetensors"))[1]
    lost.unlink()
    with pytest.raises(ModelError, match=lost.name):
        teacher_of(folder)


def test_adapters_files_and_folders_of_folders_are_told_apart(tmp_path: Path) -> None:
    folder = zoo_folder(tmp_path / "run" / "checkpoint-500", "bert", LABELS)
    for name, words in ((folder / "model.safetensors", "is a file"), (tmp_path / "run", "checkpoint-500")):
        with pytest.raises(ModelError, match=words):
            teacher_of(name)
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora" / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match="merge_and_unload"):
        teacher_of(tmp_path / "lora")
    unmerged = with_weights(folder, lambda state: {
        (name.replace("query.", "query.base_layer.") if "query." in name else name): weight for name, weight in state.items()})  # fmt: skip
    with pytest.raises(ModelError, match="merge_and_unload"):
        teacher_of(unmerged)


def test_a_new_classifier_is_said_whatever_the_reason(tmp_path: Path) -> None:
    folder = zoo_folder(tmp_path / "m", "bert", ("a", "b", "c"))
    assert "knows 3 classes, and the task has 2" in " ".join(teacher_of(folder).notes)
    body = with_weights(zoo_folder(tmp_path / "body", "bert", LABELS), without("classifier."))
    assert "no classifier of its own" in " ".join(teacher_of(edited(body, architectures=["BertModel"])).notes)
    several = edited(zoo_folder(tmp_path / "several", "bert", LABELS), problem_type="multi_label_classification")
    assert "several labels" in " ".join(teacher_of(several).notes)


def test_a_model_without_a_table_of_embeddings_is_read(tmp_path: Path) -> None:
    shape = CanineConfig(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=256)
    CanineForSequenceClassification(shape).save_pretrained(tmp_path / "m")
    CanineTokenizer().save_pretrained(tmp_path / "m")
    assert teacher_of(tmp_path / "m").fits
