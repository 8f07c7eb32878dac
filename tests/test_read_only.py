"""A lab that is read-only: no page, no function and no forged message of a browser changes the folder of its runs."""

from __future__ import annotations

import ast
import io
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState, WidgetStates
from streamlit.testing.v1 import AppTest
from torch import nn

from ikd.config import build_config
from ikd.errors import RunError
from ikd.events import Notice
from ikd.runs import background, control, devices, estimate, importing, launch, speed, teacher_cache, uploads
from ikd.runs.heart import beginning
from ikd.runs.job import run_job
from ikd.study import StudyFolder
from ikd.study import background as study_background
from ikd.study.deleting import delete_study
from ikd.study.engine import carry_out
from ikd.study.outcome import let_go
from ikd.trace import (
    branching,
    commands,
    connection,
    imported,
    notes,
    opening,
    removal,
    replacing,
    state,
    store,
    strangers,
    unpacking,
)
from ikd.trace.folder import RunFolder
from ikd.trace.packing import pack_run
from ikd.trace.recorder import Recorder
from ikd.trace.state import RunState
from ikd.ui.shell import OWN_FAULT, PAGES
from ikd.ui.state import COMPARED, VALUES
from tests.conftest import REPOSITORY
from tests.synthetic import synthetic_run
from tests.written_studies import hand_row, hand_study, written_study

SECONDS = 180
BAD_COMMAND = f"{0:020d}-{'0' * 8}.json"
FILE = b"text,label\nfine,good\npoor,bad\n"
Facts = dict[str, tuple[int, int, bytes]]


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A lab with a run of each state, an upload and a study, as it was before it was made read-only."""

    home: Path
    runs: dict[str, RunFolder]
    upload: Path
    zip: bytes
    study: StudyFolder
    before: Facts

    def assert_unchanged(self) -> None:
        assert facts_below(self.home) == self.before


def facts_below(path: Path) -> Facts:
    """Return size, time of the last change and content of everything below a folder."""
    found: Facts = {}
    for place, folders, names in os.walk(path):
        for one in (Path(place, name) for name in [*folders, *names]):
            if one.name.endswith(("-shm", "-wal")):  # SQLite's own, which a reader of a trace at work may make
                continue
            stat = one.lstat()
            found[str(one.relative_to(path))] = (stat.st_size, stat.st_mtime_ns, one.read_bytes() if one.is_file() else b"")
    return found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("lab")
        patch.setenv("IKD_HOME", str(home))
        patch.delenv("IKD_READ_ONLY", raising=False)
        runs = {name: synthetic_run(n_steps=12, n_probe=12, state=name, stop_before=None if name == "finished" else 9)
                for name in ("finished", "running", "stopped")}  # fmt: skip
        pack_run(runs["stopped"], home.parent / "run.zip")
        content = (home.parent / "run.zip").read_bytes()
        config = build_config({"task.name": "files", "task.train_file": "/etc/hostname", "training.steps": 12})
        (runs["stopped"].path / "config.json").write_text(config.model_dump_json())
        pack_run(runs["stopped"], home.parent / "other.zip")
        runs["imported"] = importing.import_run(home.parent / "other.zip")
        at_work = runs["running"]
        at_work.write_state(replace(at_work.state(), heartbeat=time.time() + 3600, pid=os.getpid()))
        (at_work.path / "commands").mkdir()
        (at_work.path / "commands" / BAD_COMMAND).write_text("no command")
        upload = uploads.keep_upload("mine.csv", FILE)
        notes.write_notes(runs["finished"].path, notes.Notes(label="a name", text="a note"))
        study = written_study()
        with study.hold():
            pass
        yield Lab(home=home, runs=runs, upload=upload, zip=content, study=study, before=facts_below(home))


@pytest.fixture
def lab(made: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("IKD_HOME", str(made.home))
    monkeypatch.setenv("IKD_READ_ONLY", "1")
    yield made


STOP = RunState(state="stopped")
CONFIG = build_config({"training.steps": 12})
REFUSED: dict[str, Callable[[Lab], Any]] = {
    "ikd.runs.checkpoints:save_checkpoint": lambda lab: __import__("ikd.runs.checkpoints").runs.checkpoints.save_checkpoint(
        lab.runs["stopped"], None, CONFIG.record),
    "ikd.runs.control:change_run": lambda lab: control.change_run(lab.runs["running"].id, "objective.alpha", 0.5),
    "ikd.runs.control:fork_run": lambda lab: control.fork_run(lab.runs["finished"].id, 4, {}),
    "ikd.runs.control:pause_run": lambda lab: control.pause_run(lab.runs["running"].id),
    "ikd.runs.control:resume_run": lambda lab: control.resume_run(lab.runs["stopped"].id),
    "ikd.runs.control:step_run": lambda lab: control.step_run(lab.runs["running"].id),
    "ikd.runs.control:stop_run_at": lambda lab: control.stop_run_at(lab.runs["running"].id, 11),
    "ikd.runs.devices:device_lock": lambda lab: devices.device_lock(lab.home, "cpu", run_id="x").__enter__(),
    "ikd.runs.devices:hold_run": lambda lab: devices.hold_run(lab.runs["stopped"].path),
    "ikd.runs.importing:import_run": lambda lab: importing.import_run(io.BytesIO(lab.zip)),
    "ikd.runs.job:run_job": lambda lab: run_job(lab.runs["stopped"], CONFIG),
    "ikd.runs.launch:start_folder": lambda lab: launch.start_folder(lab.runs["stopped"]),
    "ikd.runs.launch:start_run": lambda lab: launch.start_run(CONFIG),
    "ikd.runs.launch:stop_run": lambda lab: launch.stop_run(lab.runs["running"].id),
    "ikd.runs.speed:measure_speed": lambda lab: speed.measure_speed(lab.home, "cpu", 1),
    "ikd.runs.teacher_cache:forget_teacher": lambda lab: teacher_cache.forget_teacher(lab.home / "_teachers" / "x"),
    "ikd.runs.teacher_cache:keep_teacher": lambda lab: teacher_cache.keep_teacher(lab.home / "_teachers" / "x", nn.Linear(1, 1), [1.0]),
    "ikd.runs.uploads:delete_upload": lambda lab: uploads.delete_upload(lab.upload),
    "ikd.runs.uploads:keep_upload": lambda lab: uploads.keep_upload("other.csv", FILE + b"more,good\n"),
    "ikd.trace.replacing:move_over": lambda lab: replacing.move_over(lab.upload, lab.home / "other.csv"),
    "ikd.trace.replacing:replace_text": lambda lab: replacing.replace_text(lab.home / "other.txt", "text"),
    "ikd.study.background:cancel_study": lambda lab: study_background.cancel_study(lab.study.name),
    "ikd.study.background:start_study": lambda lab: study_background.start_study(hand_study(name="another")),
    "ikd.study.background:told_cost": lambda lab: study_background.told_cost(hand_study(name="another")),
    "ikd.study.deleting:delete_study": lambda lab: delete_study(lab.study.name),
    "ikd.study.engine:carry_out": lambda lab: list(carry_out(hand_study(name="another"))),
    "ikd.study.folder:StudyFolder.append": lambda lab: lab.study.append(hand_row(next(iter(lab.study.rows())))),
    "ikd.study.folder:StudyFolder.append_session": lambda lab: lab.study.append_session({"ended": 1.0}),
    "ikd.study.folder:StudyFolder.ask_to_end": lambda lab: lab.study.ask_to_end(),
    "ikd.study.folder:StudyFolder.forget_the_asking": lambda lab: lab.study.forget_the_asking(),
    "ikd.study.folder:StudyFolder.hold": lambda lab: lab.study.hold().__enter__(),
    "ikd.study.folder:StudyFolder.write_study": lambda lab: lab.study.write_study(hand_study()),
    "ikd.study.outcome:let_go": lambda lab: let_go(lab.runs["stopped"], keep_student=False),
    "ikd.trace.branching:make_fork": lambda lab: branching.make_fork(lab.runs["finished"], 4, {}, root=lab.home),
    "ikd.trace.commands:clear": lambda lab: commands.done(lab.runs["running"].path, "x"),
    "ikd.trace.commands:done": lambda lab: commands.done(lab.runs["running"].path, "x"),
    "ikd.trace.commands:post": lambda lab: commands.post(lab.runs["running"].path, "stop"),
    "ikd.trace.connection:connect_writer": lambda lab: connection.connect_writer(lab.runs["stopped"].trace_path),
    "ikd.trace.folder:RunFolder.append_log": lambda lab: lab.runs["stopped"].append_log("x"),
    "ikd.trace.folder:RunFolder.ask": lambda lab: lab.runs["running"].ask("pause"),
    "ikd.trace.folder:RunFolder.request_stop": lambda lab: lab.runs["running"].request_stop(),
    "ikd.trace.folder:RunFolder.write_state": lambda lab: lab.runs["stopped"].write_state(STOP),
    "ikd.trace.imported:mark_imported": lambda lab: imported.mark_imported(lab.runs["stopped"].path),
    "ikd.trace.imported:trust_places": lambda lab: imported.trust_places(lab.runs["imported"]),
    "ikd.trace.notes:write_notes": lambda lab: notes.write_notes(lab.runs["stopped"].path, notes.Notes(text="x")),
    "ikd.trace.opening:new_trace": lambda lab: opening.new_trace(lab.runs["stopped"]),
    "ikd.trace.opening:old_trace": lambda lab: opening.old_trace(lab.runs["stopped"]),
    "ikd.trace.recorder:Recorder": lambda lab: Recorder(lab.runs["stopped"]).record(Notice(text="x")),
    "ikd.trace.removal:delete_run": lambda lab: removal.delete_run(lab.runs["stopped"]),
    "ikd.trace.removal:hide": lambda lab: removal.hide(lab.runs["stopped"].path),
    "ikd.trace.state:replace_state": lambda lab: state.replace_state(lab.runs["stopped"].path / "state.json", STOP),
    "ikd.trace.store:new_run": lambda lab: store.new_run(CONFIG),
    "ikd.trace.strangers:make_own": lambda lab: strangers.make_own(lab.runs["stopped"]),
    "ikd.trace.unpacking:unpack_run": lambda lab: unpacking.unpack_run(io.BytesIO(lab.zip), lab.home),
}  # fmt: skip
"""Every function that writes into the folder of runs; called here with what it would do in another lab."""

STILL: dict[str, Callable[[Lab], Any]] = {
    "ikd.runs.background:first_batch_later": lambda lab: background.first_batch_later(CONFIG, lab.home),
    "ikd.runs.background:inspect_later": lambda lab: background.inspect_later(build_config({"task.name": "files",
                                                                                        "task.train_file": str(lab.upload)})),
    "ikd.runs.estimate:estimate": lambda lab: estimate.estimate(CONFIG, lab.home),
    "ikd.runs.heart:beginning": lambda lab: beginning(lab.runs["stopped"], CONFIG),
    "ikd.runs.launch:tend_queue": lambda lab: launch.tend_queue(),
    "ikd.study.folder:StudyFolder.at_work": lambda lab: lab.study.at_work(),
    "ikd.trace.commands:waiting": lambda lab: commands.waiting(lab.runs["running"].path),
    "ikd.trace.removal:sweep": lambda lab: removal.sweep(lab.home),
    "ikd.trace.store:runs_root": lambda lab: store.runs_root(),
}  # fmt: skip
"""Functions that write in another lab, and look without writing in this one."""

ELSEWHERE = {
    "ikd.runs.checkpoints:_let_go": "part of save_checkpoint", "ikd.runs.checkpoints:_written": "part of save_checkpoint",
    "ikd.runs.job:carry_out": "within hold_run", "ikd.runs.job:save_student": "within hold_run",
    "ikd.models.weights:read_classifier": "into a temporary folder of its own",
    "ikd.study.telling:write_all": "where the command line says",
    "ikd.study.writing:write_table": "where the command line says", "ikd.trace.connection:_open_reader": "opens to read",
    "ikd.trace.export:_written": "where the command line says", "ikd.trace.export:export_parquet": "where the command line says",
    "ikd.trace.packing:_add": "where the command line says", "ikd.trace.packing:_add_trace": "where the command line says",
    "ikd.trace.packing:pack_run": "where the command line says", "ikd.trace.strangers:_sound": "opens to read",
    "ikd.ui.downloads:parquet_bytes": "into memory",
}  # fmt: skip
"""Writers without a guard of their own, and why they need none."""

WRITES = {"mkdir", "makedirs", "write_text", "write_bytes", "touch", "unlink", "rmtree", "copy2", "copytree", "symlink_to", "link",
          "save_file", "save_pretrained", "to_parquet", "ParquetWriter", "FileLock", "Popen", "utime", "rmdir"}  # fmt: skip
OF_OS = {"replace", "rename", "remove"}
GUARDS = {"require_writable", "read_only", "_require_changeable", "_require_folder"}


@pytest.mark.parametrize("name", REFUSED)
def test_every_function_that_writes_refuses(lab: Lab, name: str) -> None:
    with pytest.raises(RunError, match="This lab is read-only"):
        REFUSED[name](lab)
    lab.assert_unchanged()


@pytest.mark.parametrize("name", STILL)
def test_what_looks_only_changes_nothing(lab: Lab, name: str) -> None:
    STILL[name](lab)
    lab.assert_unchanged()


def test_a_root_that_is_not_there_is_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_HOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("IKD_READ_ONLY", "1")
    assert not store.runs_root().exists() and store.list_runs() == []


def test_no_function_that_writes_is_left_out() -> None:
    """Guards that a new writer has a guard, a place in a table above, and with it a test."""
    known = {*REFUSED, *STILL, *ELSEWHERE}
    writers = {name: guarded for path in sorted((REPOSITORY / "ikd").rglob("*.py")) for name, guarded in _writers(path).items()}
    assert len(writers) > 40
    open_ = sorted(name for name, guarded in writers.items() if not guarded and name not in {*STILL, *ELSEWHERE})
    assert not open_, f"these write without asking whether they may: {open_}"
    public = {name for name in writers if not name.rpartition(":")[2].rpartition(".")[2].startswith("_")}
    assert public <= known, f"these are not called in this file: {sorted(public - known)}"


def _writers(path: Path) -> dict[str, bool]:
    """Return the functions of a file that write by themselves, and whether each asks, or is only called by functions that ask."""
    tree = ast.parse(path.read_text("utf-8"))
    functions = {one.name: one for one in tree.body if isinstance(one, ast.FunctionDef)}
    functions |= {f"{owner.name}.{one.name}": one for owner in tree.body if isinstance(owner, ast.ClassDef)
                  for one in owner.body if isinstance(one, ast.FunctionDef)}  # fmt: skip
    called = {name: {_name(call) for call in _calls(one)} for name, one in functions.items()}
    guarded = {name for name, names in called.items() if names & GUARDS}
    while True:
        users = {name: [other for other in functions if other != name and name.rpartition(".")[2] in called[other]] for name in functions}
        more = {name for name in functions if name not in guarded and name.rpartition(".")[2].startswith("_")
                and users[name] and guarded.issuperset(users[name])}  # fmt: skip
        if not more:
            break
        guarded |= more
    module = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
    return {f"{module}:{name}": name in guarded for name, one in functions.items() if any(map(_writes, _calls(one)))}


def _calls(function: ast.FunctionDef) -> list[ast.Call]:
    return [one for one in ast.walk(function) if isinstance(one, ast.Call)]


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id if isinstance(call.func, ast.Name) else ""


def _writes(call: ast.Call) -> bool:
    name, owner = _name(call), call.func.value if isinstance(call.func, ast.Attribute) else None
    of = owner.id if isinstance(owner, ast.Name) else ""
    if name == "open":
        modes = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        return any(len(mode) < 4 and set(mode) & set("wax+") for mode in modes)
    return name in WRITES or (name in OF_OS and of == "os") or (name == "connect" and of == "sqlite3")


def opened(page: str, run: str | None, lab: Lab) -> AppTest:
    """Return a page of a visitor who has opened every box and chosen to bring files."""
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=SECONDS)
    app.switch_page(PAGES[page].path)
    if run is not None:
        app.query_params["run"] = run
    app.session_state[VALUES] = {"task.name": "files", "task.train_file": str(lab.upload)} if page in ("data", "train") else {}
    app.session_state[COMPARED] = "Study" if page == "compare" else "Runs"
    app.session_state["steer-box"] = True
    for one in lab.runs.values():
        app.session_state[f"manage-{one.id}"] = app.session_state[f"fork-{one.id}"] = True
    return app.run()


def addresses(lab: Lab) -> list[tuple[str, str | None]]:
    """Return every page, and those of a run for runs of each state."""
    runs = [one.id for one in lab.runs.values()] + ["recorded:irony-exam"]
    return [(page, None) for page in PAGES] + [(page, run) for page in ("run", "targets", "example") for run in runs]


def everything_in(page: AppTest) -> list[WidgetState]:
    """Return a message for each widget of a page: every button pressed, every box ticked, every text and number changed."""
    found = []
    for one in page._tree:
        widget = getattr(one, "proto", None)
        if not hasattr(one, "id") or not getattr(one, "id", ""):
            continue
        made = WidgetState(id=one.id)
        if one.type in ("button", "download_button", "form_submit_button"):
            made.trigger_value = True
        elif one.type in ("checkbox", "toggle"):
            made.bool_value = True
        elif one.type in ("text_input", "text_area"):
            made.string_value = "/etc/passwd"
        elif one.type == "number_input":
            made.double_value = 3.0
        elif hasattr(one, "_widget_state"):
            made = one._widget_state
        else:
            continue
        assert widget is not None
        found.append(made)
    return found


@pytest.mark.slow
def test_no_page_and_no_forged_message_changes_anything(made: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page is drawn, and then told that each widget was used that it has in a lab for all: also those not drawn here."""
    monkeypatch.setenv("IKD_HOME", str(made.home))
    with monkeypatch.context() as patch:
        patch.delenv("IKD_READ_ONLY", raising=False)
        patch.setattr("ikd.ui.start.estimate_later", lambda _: None)  # it would measure this machine, and keep that
        forged = {where: everything_in(opened(*where, made)) for where in addresses(made)}
    pressed = {_key(one.id) for messages in forged.values() for one in messages if one.WhichOneof("value") == "trigger_value"}
    finished, at_work, stopped = (made.runs[name].id for name in ("finished", "running", "stopped"))
    assert {f"save-{finished}", f"delete-{finished}", f"fork-start-{finished}", "start", "stop-run", "pause-run", "resume-ended",
            "study-start", f"delete-{made.upload.name}", f"trust-{made.runs['imported'].id}"} <= pressed  # fmt: skip
    (made.runs["running"].path / "commands" / BAD_COMMAND).write_text("no command")  # a lab for all has taken it away
    before = facts_below(made.home)
    monkeypatch.setenv("IKD_READ_ONLY", "1")
    for (page, run), messages in forged.items():
        shown = opened(page, run, made)
        assert not shown.exception and OWN_FAULT not in [one.value for one in shown.error], (page, run)
        assert not list(shown.file_uploader), (page, run)
        for own in (messages, everything_in(shown)):
            shown._run(WidgetStates(widgets=own))
            for one in own:
                if one.WhichOneof("value") == "trigger_value":
                    shown._run(WidgetStates(widgets=[one]))
            assert not shown.exception, (page, run)
            assert facts_below(made.home) == before, (page, run)


def _key(widget: str) -> str:
    return widget.split("-", 2)[-1]
