"""Fine-tuned teachers in the cache: their curve comes along, a damaged one is never used, and the cache never ends a run."""

from __future__ import annotations

import copy
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ikd.errors import ModelError
from ikd.events import Event, Notice, Stage, TeacherProgress
from ikd.models import EncodedSplit, TeacherModel, build_student, build_teacher, encode
from ikd.runs.teacher_cache import RECORD, WEIGHTS, kept_teacher
from ikd.runs.teachers import prepare_teacher, teacher_as_it_stands
from ikd.tasks import load_task
from ikd.trace.store import runs_root
from tests.small_runs import carried_out, facts, small

CPU = torch.device("cpu")
CONFIG = small(teacher__fine_tune_steps=3)
Curve = list[tuple[int, int, float]]


class Bench:
    """A fresh teacher of one task, and the same again for every preparation."""

    def __init__(self, root: Path) -> None:
        self.root, self.data = root, load_task(CONFIG.task)
        self.fresh: TeacherModel = build_teacher(CONFIG, self.data)
        student = build_student(CONFIG, self.data, self.fresh)
        self.course: EncodedSplit = encode(self.data, "course", CONFIG, teacher=self.fresh, student=student)

    def prepared(self) -> tuple[dict[str, Tensor], list[Event]]:
        """Return the weights of a teacher prepared from the start, and the events of that."""
        teacher = copy.deepcopy(self.fresh)
        where = {"device": CPU, "root": self.root, "fingerprint": self.data.fingerprint}
        events = list(prepare_teacher(teacher, self.course, CONFIG, **where))  # type: ignore[arg-type]
        return teacher.model.state_dict(), events

    @property
    def folder(self) -> Path:
        """Return the only place in the cache."""
        (one,) = (self.root / "_teachers").iterdir()
        return one


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Return a bench whose teacher has been fine-tuned once."""
    return Bench(tmp_path)


def curve(events: list[Event]) -> Curve:
    return [(one.step, one.total, one.loss) for one in events if isinstance(one, TeacherProgress)]


def notices(events: list[Event]) -> str:
    return "\n".join(one.text for one in events if isinstance(one, Notice))


def trained(events: list[Event]) -> bool:
    return any(isinstance(one, Stage) and one.name == "fine-tuning the teacher" for one in events)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(weight, other[name]) for name, weight in one.items())


def test_a_teacher_from_the_cache_is_the_same_with_the_same_curve(bench: Bench) -> None:
    first, events = bench.prepared()
    second, again = bench.prepared()
    assert trained(events) and not trained(again) and "read from the cache" in notices(again)
    assert same(first, second) and curve(events) == curve(again) and len(curve(events)) == 3
    assert not list(bench.root.glob("_teachers/.*")), "nothing is left half-written"


def flip(path: Path, draw: random.Random) -> None:
    raw = bytearray(path.read_bytes())
    raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
    path.write_bytes(bytes(raw))


@pytest.mark.parametrize("name", [WEIGHTS, RECORD])
def test_a_flipped_bit_anywhere_is_seen(bench: Bench, name: str) -> None:
    wanted, events = bench.prepared()
    losses = [loss for _, _, loss in curve(events)]
    path, sound = bench.folder / name, (bench.folder / name).read_bytes()
    model: nn.Module = copy.deepcopy(bench.fresh.model)
    before = {key: weight.clone() for key, weight in model.state_dict().items()}
    for seed in range(100):
        flip(path, random.Random(seed))
        try:
            found = kept_teacher(bench.folder, model)
            assert found is not None and same(dict(found.weights), wanted) and found.losses == losses, "a space became another space"
        except ModelError as fault:
            assert "is damaged" in str(fault)
        assert same(model.state_dict(), before)
        path.write_bytes(sound)


def cut_short(folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-7])


def of_another_model(folder: Path) -> None:
    """Leave weights of another model, and no record, as an earlier version kept none."""
    from safetensors.torch import save_file

    (folder / RECORD).unlink()
    save_file({"some.weight": torch.zeros(3)}, folder / WEIGHTS)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "weights cut short": cut_short,
    "weights empty": lambda folder: (folder / WEIGHTS).write_bytes(b""),
    "weights of another model": of_another_model,
    "record empty": lambda folder: (folder / RECORD).write_text(""),
    "record a list": lambda folder: (folder / RECORD).write_text("[]"),
    "record without losses": lambda folder: (folder / RECORD).write_text('{"checksum": "x"}'),
    "record with words for losses": lambda folder: (folder / RECORD).write_text('{"checksum": "x", "losses": ["a"]}'),
    "record nested without end": lambda folder: (folder / RECORD).write_text("[" * 100_000),
    "weights a folder": lambda folder: ((folder / WEIGHTS).unlink(), (folder / WEIGHTS).mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_teacher_is_fine_tuned_again_and_said(bench: Bench, damage: str) -> None:
    first, events = bench.prepared()
    DAMAGES[damage](bench.folder)
    second, again = bench.prepared()
    assert same(first, second) and trained(again) and curve(events) == curve(again)
    warning = next(one for one in again if isinstance(one, Notice) and one.warning)
    assert "in the cache" in warning.text and "fine-tuned again" in warning.text
    third, once_more = bench.prepared()
    assert same(first, third) and not trained(once_more), "the place in the cache is sound again"


def test_a_place_that_lost_its_weights_is_filled_again(bench: Bench) -> None:
    first, _ = bench.prepared()
    (bench.folder / WEIGHTS).unlink()
    second, again = bench.prepared()
    assert same(first, second) and trained(again)
    assert not trained(bench.prepared()[1])


def test_a_teacher_kept_by_an_earlier_version_is_used_and_that_it_was_not_checked_is_said(bench: Bench) -> None:
    first, _ = bench.prepared()
    (bench.folder / RECORD).unlink()
    second, again = bench.prepared()
    assert same(first, second) and not trained(again) and not curve(again)
    assert "without a checksum and without the curve" in notices(again)


def test_a_cache_that_cannot_be_written_is_said_and_ends_nothing(bench: Bench) -> None:
    (bench.root / "_teachers").write_text("a file where a folder should be")
    weights, events = bench.prepared()
    assert trained(events) and "could not be kept in the cache" in notices(events)
    assert not same(weights, bench.fresh.model.state_dict())


@pytest.mark.slow
def test_a_run_with_a_damaged_teacher_in_the_cache_is_the_run_without() -> None:
    sound = carried_out(small())
    (place,) = (runs_root() / "_teachers").iterdir()
    flip(place / WEIGHTS, random.Random(1))
    mended = carried_out(small())
    assert facts(sound) == facts(mended)
    assert any("is damaged. It is fine-tuned again." in one for one in mended.warnings())


def test_soft_targets_shown_before_a_run_are_not_those_of_a_damaged_teacher(bench: Bench) -> None:
    teacher = copy.deepcopy(bench.fresh)
    where = {"device": CPU, "root": bench.root, "fingerprint": bench.data.fingerprint}
    assert "has not been fine-tuned" in teacher_as_it_stands(teacher, CONFIG, **where)  # type: ignore[arg-type]
    first, _ = bench.prepared()
    assert "is fine-tuned" in teacher_as_it_stands(teacher, CONFIG, **where) and same(teacher.model.state_dict(), first)  # type: ignore[arg-type]
    flip(bench.folder / WEIGHTS, random.Random(2))
    teacher = copy.deepcopy(bench.fresh)
    assert "is damaged" in teacher_as_it_stands(teacher, CONFIG, **where)  # type: ignore[arg-type]
    assert same(teacher.model.state_dict(), bench.fresh.model.state_dict())


def test_the_record_is_plain_json(bench: Bench) -> None:
    _, events = bench.prepared()
    record = json.loads((bench.folder / RECORD).read_text())
    assert record["losses"] == [loss for _, _, loss in curve(events)] and len(record["checksum"]) == 32
    shutil.rmtree(bench.folder)
    assert kept_teacher(bench.root / "_teachers" / "none", bench.fresh.model) is None
