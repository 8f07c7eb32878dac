"""Run folders that nobody made with this lab: half-copied, of other versions, or no runs at all. They are said, never changed."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ikd.errors import RunError
from ikd.trace.folder import RunFolder
from ikd.trace.reader import TraceReader
from ikd.trace.store import list_runs, open_run
from ikd.ui.shell import OWN_FAULT, PAGES
from tests.conftest import REPOSITORY
from tests.synthetic import synthetic_run

SECONDS = 180
NEWEST_TABLES = {1: ("bands", "digest"), 2: ("probe_influence",), 3: ("interventions",), 4: ("hidden_feedback",), 5: ("final",),
                 6: ("sums",), 7: ("numbers",)}  # fmt: skip
LATER_TABLES = {version: [name for then, names in NEWEST_TABLES.items() if then >= version for name in names] for version in NEWEST_TABLES}


def truncated(seed: int) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        content = (run / "trace.sqlite").read_bytes()
        (run / "trace.sqlite").write_bytes(content[: random.Random(seed).randrange(len(content))])

    return change


def overwritten(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda run: (run / name).write_bytes(content) and None  # type: ignore[return-value]


def halved(name: str) -> Callable[[Path], None]:
    return lambda run: (run / name).write_bytes((run / name).read_bytes()[: (run / name).stat().st_size // 2]) and None  # type: ignore[return-value]


def gone(name: str) -> Callable[[Path], None]:
    return lambda run: (run / name).unlink()


def folder_in_place_of(name: str) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        (run / name).unlink(missing_ok=True)
        (run / name).mkdir()

    return change


def loop_in_place_of(name: str) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(run / name)

    return change


def of_version(version: int) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        trace = sqlite3.connect(run / "trace.sqlite")
        for name in LATER_TABLES.get(version, ()):
            trace.execute(f"DROP TABLE {name}")
        for name in ("group_name", "source_name") if version in LATER_TABLES else ():
            trace.execute(f"ALTER TABLE examples DROP COLUMN {name}")
        trace.execute("UPDATE meta SET value = ? WHERE key = 'schema_version'", (str(version),))
        trace.commit()
        trace.close()

    return change


READABLE: dict[str, Callable[[Path], None]] = {f"version {version}": of_version(version) for version in LATER_TABLES}
UNREADABLE: dict[str, Callable[[Path], None]] = {
    **{f"trace cut off, {seed}": truncated(seed) for seed in range(4)},
    "trace of version 99": of_version(99), "trace empty": overwritten("trace.sqlite", b""),
    "trace no trace": overwritten("trace.sqlite", b"x" * 9000),
    "trace a folder": folder_in_place_of("trace.sqlite"), "trace a loop": loop_in_place_of("trace.sqlite"),
    "config gone": gone("config.json"), "config half": halved("config.json"), "config a folder": folder_in_place_of("config.json"),
    "config a loop": loop_in_place_of("config.json"), "state gone": gone("state.json"), "state half": halved("state.json"),
    "state a folder": folder_in_place_of("state.json"), "state a loop": loop_in_place_of("state.json"),
    "log a folder": folder_in_place_of("log.txt"), "notes a folder": folder_in_place_of("notes.json"),
    "notes a loop": loop_in_place_of("notes.json"), "notes no notes": overwritten("notes.json", b"\xff{"),
    "state endless": overwritten("state.json", b'{"state": "finished", "started": Infinity, "step": NaN, "ended": 1e300}'),
    "scores no numbers": overwritten("state.json", b'{"state": "finished", "scores": {"student/test/accuracy": "x"}}'),
}  # fmt: skip
CHANGES = READABLE | UNREADABLE


def bytes_below(path: Path) -> dict[str, bytes | str]:
    found: dict[str, bytes | str] = {}
    for place, folders, names in os.walk(path):
        for name in [*folders, *names]:
            one = Path(place, name)
            found[str(one.relative_to(path))] = f"to {os.readlink(one)}" if one.is_symlink() else one.read_bytes() if one.is_file() else ""
    return found


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, made once and copied for every test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IKD_HOME", str(tmp_path_factory.mktemp("sound")))
        return synthetic_run(3, n_steps=20, n_probe=12).path


def stranger(sound: Path, home: Path, change: Callable[[Path], None]) -> RunFolder:
    """Return a copy of the sound run that was changed."""
    shutil.copytree(sound, home / sound.name)
    change(home / sound.name)
    return RunFolder(home / sound.name)


@pytest.mark.parametrize("name", CHANGES)
def test_a_strangers_run_is_listed_and_opened_and_left_as_it_is(sound: Path, home: Path, name: str) -> None:
    folder = stranger(sound, home, CHANGES[name])
    before = bytes_below(home)
    assert [one.id for one in list_runs()] == [folder.id]
    assert open_run(folder.id).state().state in ("finished", "failed", "interrupted")
    folder.log_tail()
    folder.warnings()
    try:
        folder.config()
        TraceReader(folder).examples("probe")
        TraceReader(folder).scalars(["course_loss", "drift_median"])
    except RunError as fault:
        assert name not in READABLE and str(fault).endswith((".", "!"))
    assert bytes_below(home) == before


@pytest.mark.parametrize("page", ["run", "targets", "example", "runs"])
@pytest.mark.parametrize("name", list(CHANGES))
def test_pages_say_what_is_wrong_with_a_strangers_run(sound: Path, home: Path, name: str, page: str) -> None:
    folder = stranger(sound, home, CHANGES[name])
    before = bytes_below(home)
    shown = AppTest.from_file(str(REPOSITORY / PAGES[page].path), default_timeout=SECONDS)
    if page != "runs":
        shown.query_params["run"] = folder.id
    shown.run()
    assert not shown.exception
    assert OWN_FAULT not in [one.value for one in shown.error]
    if name in READABLE:
        assert not shown.error
    assert bytes_below(home) == before


def test_things_that_are_no_folders_are_no_runs_and_hide_none(sound: Path, home: Path) -> None:
    folder = stranger(sound, home, lambda run: None)
    (home / "a-file").write_bytes(b"x")
    (home / "a-dead-link").symlink_to(home / "nowhere")
    (home / "Capital").mkdir()
    before = bytes_below(home)
    assert [one.id for one in list_runs()] == [folder.id]
    for name in ("a-file", "a-dead-link", "Capital"):
        with pytest.raises(RunError):
            open_run(name)
    shown = AppTest.from_file(str(REPOSITORY / PAGES["runs"].path), default_timeout=SECONDS).run()
    assert not shown.exception and not shown.error
    assert bytes_below(home) == before


def test_a_link_to_itself_hides_no_run(sound: Path, home: Path) -> None:
    folder = stranger(sound, home, lambda run: None)
    (home / "a-loop").symlink_to(home / "a-loop")
    with pytest.raises(RunError):
        open_run("a-loop")
    assert [one.id for one in list_runs()] == [folder.id]
