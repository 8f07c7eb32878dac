"""A run goes on, by resume and by fork, with the texts, labels, models and settings it was recorded with, or not at all."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ikd.cli import main
from ikd.config import config_from_json
from ikd.errors import RunError
from ikd.runs.sameness import folder_hash
from ikd.trace.branching import make_fork
from ikd.trace.folder import RunFolder
from ikd.trace.opening import UNSUMMED
from ikd.trace.reader import TraceReader
from ikd.trace.store import runs_root
from ikd.trace.written_config import DAMAGED
from tests.small_runs import again, assert_same, at_step, carried_out, facts, small, told
from tests.test_models import save_encoder

NOTHING = "Nothing of the run was changed"


def write_table(path: Path, rows: list[tuple[str, str]]) -> None:
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows), encoding="utf-8")


def rows(*, classes: tuple[str, ...] = ("no", "yes"), n: int = 320) -> list[tuple[str, str]]:
    draw = random.Random(1)
    words = {"no": "bad grey cold", "yes": "good warm green", "perhaps": "odd still far"}
    return [(f"a {draw.choice(words[name].split())} day number {one} in town", name)
            for one in range(n) for name in [classes[one % len(classes)]]]  # fmt: skip


SWAPPED = {"no": "yes", "yes": "no"}
OTHERS: dict[str, Callable[[list[tuple[str, str]]], list[tuple[str, str]]]] = {
    "labels swapped": lambda old: [(text, SWAPPED[label]) for text, label in old],
    "one label": lambda old: [(old[0][0], SWAPPED[old[0][1]]), *old[1:]],
    "a new class": lambda old: [(text, "perhaps" if one % 7 == 0 else label) for one, (text, label) in enumerate(old)],
    "fewer rows": lambda old: old[:-40],
    "other texts": lambda old: [(text.replace("town", "the town"), label) for text, label in old],
}


def on_files(path: Path, **values: Any) -> Any:
    return small(task__name="files", task__train_file=str(path), task__text_column="text", task__label_column="label",
                 task__exam_size=40, **values)  # fmt: skip


def stop(folder: RunFolder) -> None:
    folder.request_stop()


@pytest.mark.parametrize("name", OTHERS)
def test_data_that_changed_under_their_name_are_refused_and_the_old_ones_go_on(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, old = tmp_path / "days.csv", rows()
    write_table(path, old)
    folder = carried_out(on_files(path), at_step(9, stop))
    assert folder.state().state == "stopped", folder.state().error
    before = facts(folder)
    write_table(path, OTHERS[name](old))
    assert main(["resume", folder.id, "--quiet"]) == 1
    said = capsys.readouterr().err
    assert "days.csv" in said and "not those it was recorded with" in said and NOTHING in said and "Traceback" not in said
    assert facts(folder) == before
    assert main(["fork", folder.id, "5", "--quiet"]) == 1
    assert "not those it was recorded with" in capsys.readouterr().err
    write_table(path, old)
    assert main(["resume", folder.id, "--quiet"]) == 0
    if name == "labels swapped":
        assert_same(carried_out(on_files(path)), folder)


def test_another_label_map_in_the_config_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "days.csv"
    write_table(path, rows(classes=("no", "yes", "perhaps")))
    folder = carried_out(on_files(path, task__label_map="perhaps=no"), at_step(9, stop))
    assert folder.state().state == "stopped", folder.state().error
    text = (folder.path / "config.json").read_text()
    assert "perhaps=no" in text
    (folder.path / "config.json").write_text(text.replace("perhaps=no", "perhaps=yes"))
    again(folder)
    assert "task.label_map" in str(folder.state().error) and NOTHING in str(folder.state().error)
    (folder.path / "config.json").write_text(text)
    again(folder)
    assert folder.state().state == "finished", folder.state().error


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_a_model_folder_that_changed_under_its_name_is_refused(role: str, tmp_path: Path) -> None:
    first, second = save_encoder(tmp_path / "first", labels=("negative", "positive")), tmp_path / "second"
    shutil.copytree(first, second)
    kept = folder_hash(first)
    assert folder_hash(second) == kept
    values = {f"{role}__name": str(first), "teacher__fine_tune": "always"}
    if role == "student":
        values["student__initialisation"] = "checkpoint"
    folder = carried_out(small(**values), at_step(9, stop))
    assert folder.state().state == "stopped", folder.state().error
    assert TraceReader(folder).meta()["facts"][f"{role}_hash"] == kept
    weights = first / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-3] ^= 1
    weights.write_bytes(content)
    before = facts(folder)
    again(folder)
    said = str(folder.state().error)
    assert f"The {role} of run" in said and str(first) in said and NOTHING in said and facts(folder) == before
    again(child := make_fork(folder, 5, {}, root=runs_root()))
    assert f"The {role} of run" in str(child.state().error)
    shutil.copy2(second / "model.safetensors", weights)
    again(folder)
    assert folder.state().state == "finished", folder.state().error


@pytest.fixture
def stopped() -> RunFolder:
    return carried_out(small(), at_step(9, stop))


def test_a_setting_changed_in_config_json_is_refused_by_name_and_a_fork_takes_it(stopped: RunFolder) -> None:
    path = stopped.path / "config.json"
    text = path.read_text()
    tree = json.loads(text)
    tree["objective"]["alpha"], tree["seed"] = 0.25, 9
    path.write_text(json.dumps(tree))
    again(stopped)
    said = str(stopped.state().error)
    assert "objective.alpha is 0.25 and was 0.7" in said and "seed is 9 and was" in said and NOTHING in said and "--set" in said
    with pytest.raises(RunError, match="objective.alpha is 0.25 and was 0.7"):
        make_fork(stopped, 5, {}, root=runs_root())
    path.write_text(json.dumps(json.loads(text)))  # written otherwise, the same settings
    again(child := make_fork(stopped, 5, {"objective.alpha": 0.25}, root=runs_root()))
    assert child.state().state == "finished", child.state().error
    again(stopped)
    assert stopped.state().state == "finished" and not told(stopped)


@pytest.mark.parametrize("content", [None, b"{", b"\xff\xfe", b'{"sede": 3}', b"[]"], ids=["gone", "cut", "bytes", "no setting", "list"])
def test_a_config_json_that_cannot_be_read_is_written_again_from_the_trace(content: bytes | None, stopped: RunFolder) -> None:
    path = stopped.path / "config.json"
    was = config_from_json(path.read_text())
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert stopped.config() == was
    again(stopped)
    assert stopped.state().state == "finished" and config_from_json(path.read_text()) == was
    assert "written again from the trace" in told(stopped)[0]
    assert content is None or (stopped.path / DAMAGED).read_bytes() == content
    assert_same(carried_out(small()), stopped)


def as_older_lab(folder: RunFolder) -> None:
    """Leave a run as a lab before checksums would have left it."""
    with closing(sqlite3.connect(folder.trace_path)) as trace:
        trace.execute("DROP TABLE sums")
        trace.execute("DELETE FROM meta WHERE key = 'config'")
        trace.execute("UPDATE meta SET value = '6' WHERE key = 'schema_version'")
        trace.commit()
    for place in (folder.path / "checkpoints").iterdir():
        tree = json.loads((place / "checkpoint.json").read_text())
        kept = {name: value for name, value in tree.items() if not name.endswith("_sum")}
        (place / "checkpoint.json").write_text(json.dumps({**kept, "format": 1}))


def test_a_run_of_an_older_lab_goes_on_with_a_notice_and_is_checked_from_then_on(stopped: RunFolder) -> None:
    as_older_lab(stopped)
    again(stopped, at_step(12, stop))
    assert told(stopped)[0] == UNSUMMED and "before checkpoints had checksums" in told(stopped)[1]
    (stopped.path / "config.json").unlink()
    with closing(sqlite3.connect(stopped.trace_path)) as trace:
        assert trace.execute("SELECT count(*) FROM sums WHERE part = 'step'").fetchone()[0] == 13
    again(stopped)
    assert_same(carried_out(small()), stopped)


def test_a_run_of_an_older_lab_can_be_forked() -> None:
    whole = carried_out(small())
    as_older_lab(whole)
    again(child := make_fork(whole, 10, {}, root=runs_root()))
    assert child.state().state == "finished", child.state().error
    assert_same(child, whole)
