"""A teacher that is misread, damaged or mis-fed stops before the first step, and says what helps; a sound one of a hard task does not."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn
from transformers.utils.logging import disable_progress_bar

from ikd.cli import main
from ikd.config import RunConfig, build_config
from ikd.models import build_student, build_teacher, encode
from ikd.runs.job import run_job
from ikd.tasks import load_task
from ikd.teaching.fine_tuning import fine_tune
from ikd.trace.folder import RunFolder
from ikd.trace.reader import TraceReader
from ikd.trace.store import list_runs, new_run
from tests.test_pages_run import opened, words

GOOD, BAD = ("fine", "warm", "fresh", "kind"), ("cold", "slow", "dull", "rude")
THINGS = ("soup", "room", "film", "staff", "tea", "bus", "book", "bread")
LABELS = ("negative", "positive")
SHORT: dict[str, Any] = {
    "task.name": "files", "training.steps": 2, "training.batch_size": 8, "policy.name": "fixed", "record.probe_size": 10,
}  # fmt: skip


def write_rows(path: Path, *, agreeing: float = 1.0, seed: int = 0) -> Path:
    """Write 400 plain reviews; so many of their labels are those of their words, and the others are not."""
    random = Random(seed)
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("text", "label"))
        for number in range(400):
            label = number % 2
            words = (GOOD if label else BAD)
            text = f"the {random.choice(THINGS)} was {random.choice(words)} and the {random.choice(THINGS)} {random.choice(words)} {number}"
            rows.writerow((text, LABELS[label if random.random() < agreeing else 1 - label]))
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a teacher that answers nearly all of the reviews right, with its classes named."""
    place = tmp_path_factory.mktemp("teacher")
    config = build_config({**SHORT, "task.train_file": str(write_rows(place / "rows.csv")), "teacher.name": "builtin/1x32"})
    data = load_task(config.task)
    teacher = build_teacher(config, data)
    course = encode(data, "course", config, teacher=teacher, student=build_student(config, data, teacher))
    list(fine_tune(teacher.model, course, n_steps=80, batch_size=32, learning_rate=3e-3, seed=0, device=torch.device("cpu")))
    disable_progress_bar()
    teacher.model.config.id2label, teacher.model.config.label2id = dict(enumerate(LABELS)), {"negative": 0, "positive": 1}
    teacher.model.save_pretrained(place / "sound")
    teacher.tokenizer.save_pretrained(place / "sound")
    return place / "sound"


def copy_of(trained: Path, place: Path, **shape: Any) -> Path:
    """Return a copy of the teacher, with some of its config.json changed."""
    shutil.copytree(trained, place)
    config = json.loads((place / "config.json").read_text())
    (place / "config.json").write_text(json.dumps(config | shape))
    return place


def ended(tmp_path: Path, folder: Path, *, agreeing: float = 1.0, **more: Any) -> tuple[RunFolder, RunConfig]:
    rows = write_rows(tmp_path / "rows.csv", agreeing=agreeing)
    values = {name.replace("__", "."): value for name, value in more.items()}
    config = build_config({**SHORT, "task.train_file": str(rows), "teacher.name": str(folder), **values})
    run = new_run(config)
    run_job(run, config)
    return run, config


def stopped(tmp_path: Path, folder: Path, **more: Any) -> str:
    """Return the sentence with which a run ended before its first step."""
    run, _ = ended(tmp_path, folder, **more)
    state = run.state()
    assert state.state == "failed" and state.step == 0 and TraceReader(run).last_step() == -1
    assert "internal error" not in str(state.error)
    return str(state.error)


UNNAMED = {"id2label": {"0": "LABEL_0", "1": "LABEL_1"}, "label2id": {"LABEL_0": 0, "LABEL_1": 1}}


def exchanged(trained: Path, place: Path) -> Path:
    """Return a teacher without class names, whose outputs stand the other way round."""
    folder = copy_of(trained, place, **UNNAMED)
    path = folder / "model.safetensors"
    state = load_file(path)
    save_file({name: weight.flip(0).contiguous() if name.startswith("classifier.") else weight for name, weight in state.items()}, path,
              metadata={"format": "pt"})  # fmt: skip
    return folder


def test_a_sound_teacher_passes_and_its_record_says_so(trained: Path, tmp_path: Path) -> None:
    run, _ = ended(tmp_path, trained)
    facts = TraceReader(run).meta()["facts"]
    assert run.state().state == "finished" and facts["teacher_test"] == "passed" and facts["teacher_test_accuracy"] > 0.9
    assert facts["teacher_test_low"] < facts["teacher_test_accuracy"] <= facts["teacher_test_high"]
    assert facts["student_start"] == "weights drawn at random from the seed" and facts["teacher_saw"].startswith("unknown texts")
    assert not run.warnings()


def test_exchanged_classes_stop_with_the_order_that_fits_and_going_on_is_recorded(trained: Path, tmp_path: Path) -> None:
    folder = exchanged(trained, tmp_path / "m")
    sentence = stopped(tmp_path, folder)
    assert "teacher.label_order to 'positive,negative'" in sentence and "teacher.accept" in sentence
    run, _ = ended(tmp_path, folder, teacher__label_order="positive,negative")
    facts = TraceReader(run).meta()["facts"]
    assert run.state().state == "finished" and facts["teacher_test"] == "passed" and facts["teacher_test_accuracy"] > 0.9
    taken, _ = ended(tmp_path, folder, teacher__accept=True)
    assert taken.state().state == "finished" and "accepted" in TraceReader(taken).meta()["facts"]["teacher_test"]
    assert any("label_order" in one for one in taken.warnings())
    page = words(opened(taken))
    assert "failed, and accepted" in page and "The student started from weights drawn at random" in page


def test_the_command_line_stops_with_the_same_sentence(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, rows = exchanged(trained, tmp_path / "m"), write_rows(tmp_path / "rows.csv")
    words = ["train", "--quiet", "--steps", "2", "--policy", "fixed", "--task", "files", "--task.train-file", str(rows)]
    assert main([*words, "--teacher", str(folder)]) == 1
    assert "teacher.label_order to 'positive,negative'" in capsys.readouterr().err
    assert main([*words, "--teacher", str(folder), "--teacher.accept"]) == 0
    assert [run.state().state for run in list_runs()] == ["finished", "failed"]


def test_a_missing_head_and_weights_that_are_not_numbers_stop(trained: Path, tmp_path: Path) -> None:
    headless, broken = copy_of(trained, tmp_path / "headless"), copy_of(trained, tmp_path / "broken")
    for folder, change in (
        (headless, lambda name, weight: None if name.startswith("classifier.") else weight),
        (broken, lambda name, weight: weight * float("nan") if "layer.0.output.dense.weight" in name else weight),
    ):
        path = folder / "model.safetensors"
        state = {name: change(name, weight) for name, weight in load_file(path).items()}
        save_file({name: weight for name, weight in state.items() if weight is not None}, path, metadata={"format": "pt"})
    assert "classifier" in stopped(tmp_path, headless) and "NaN" in stopped(tmp_path, broken)


def test_answers_that_are_not_numbers_stop_though_every_weight_is_one(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_of(trained, tmp_path / "m")
    path = folder / "model.safetensors"
    save_file({name: weight * (1e30 if name.startswith("classifier.w") or "pooler.dense.w" in name else 1)
               for name, weight in load_file(path).items()}, path, metadata={"format": "pt"})  # fmt: skip
    monkeypatch.setattr(nn.Tanh, "forward", lambda self, values: values)
    assert "not finite" in stopped(tmp_path, folder)


def tokenizer_with(folder: Path, change: Any) -> Path:
    """Return the folder with the vocabulary of its tokenizer changed."""
    path = folder / "tokenizer.json"
    tree = json.loads(path.read_text())
    tree["model"]["vocab"], tree["model"]["merges"] = change(tree["model"]["vocab"]), []
    path.write_text(json.dumps(tree))
    Tokenizer.from_file(str(path))
    return folder


def test_a_tokenizer_that_knows_hardly_a_word_stops(trained: Path, tmp_path: Path) -> None:
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
    folder = tokenizer_with(copy_of(trained, tmp_path / "m"), lambda vocab: {
        **{word: vocab[word] for word in special}, "a": 4, "q": 5, "u": 6, "x": 7, "z": 8, "é": 9})  # fmt: skip
    assert "[UNK]" in stopped(tmp_path, folder)


def test_a_smaller_vocabulary_of_another_model_stops(trained: Path, tmp_path: Path) -> None:
    def other(vocab: dict[str, int]) -> dict[str, int]:
        letters = [word for word in vocab if len(word) == 1]
        return {**{word: vocab[word] for word in ("[PAD]", "[UNK]", "[CLS]", "[SEP]")},
                **{word: 4 + place for place, word in enumerate(sorted(letters, reverse=True))}}  # fmt: skip

    assert "tokenizer" in stopped(tmp_path, tokenizer_with(copy_of(trained, tmp_path / "m"), other))


def test_a_teacher_of_accuracy_near_a_half_on_a_hard_task_teaches(trained: Path, tmp_path: Path) -> None:
    run, _ = ended(tmp_path, trained, agreeing=0.52)
    facts = TraceReader(run).meta()["facts"]
    assert run.state().state == "finished", run.state().error
    assert 0.4 < facts["teacher_test_accuracy"] < 0.65


def test_a_fine_tuned_teacher_that_has_learned_nothing_is_told(trained: Path, tmp_path: Path) -> None:
    run, _ = ended(tmp_path, trained.parent / "sound", teacher__name="builtin/1x16", teacher__fine_tune_steps=1)
    assert run.state().state == "finished" and any("better than guessing" in one for one in run.warnings())


def test_a_new_head_that_has_not_turned_round_is_no_fault_of_the_labels(trained: Path, tmp_path: Path) -> None:
    for seed in range(4):  # in some of them the random head stands the wrong way round
        place = tmp_path / str(seed)
        place.mkdir()
        barely = {"teacher__fine_tune_steps": 1, "teacher__fine_tune_learning_rate": 1e-6}
        run, _ = ended(place, trained, teacher__fine_tune="always", seed=seed, **barely)
        assert run.state().state == "finished", run.state().error


def test_exchanged_labels_of_held_out_files_stop_a_teacher_that_has_learned(tmp_path: Path) -> None:
    held_out = write_rows(tmp_path / "held_out.csv", agreeing=0.0, seed=1)
    sentence = stopped(tmp_path, "builtin/1x32", task__validation_file=str(held_out), teacher__fine_tune_steps=80)  # type: ignore[arg-type]
    assert "exchanged" in sentence


def test_texts_that_are_cut_are_counted(trained: Path, tmp_path: Path) -> None:
    run, _ = ended(tmp_path, trained, task__max_length=8)
    assert any("course texts are longer than the teacher reads and were cut to 8 tokens" in line for line in run.log_tail(100))


def test_a_student_that_knows_hardly_a_word_is_refused(trained: Path, tmp_path: Path) -> None:
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
    folder = tokenizer_with(copy_of(trained, tmp_path / "m"), lambda vocab: {
        **{word: vocab[word] for word in special}, "a": 4, "q": 5, "u": 6, "x": 7, "z": 8, "é": 9})  # fmt: skip
    assert "The student" in stopped(tmp_path, trained, student__name=str(folder))
