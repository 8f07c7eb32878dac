"""Managing runs from their list; what a read-only lab and a lab with a login show."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.errors import StreamlitAPIException
from streamlit.testing.v1 import AppTest

from ikd.errors import RunError
from ikd.trace import notes, removal
from ikd.trace.folder import RunFolder
from ikd.trace.notes import Notes, read_notes, write_notes
from ikd.trace.packing import pack_run
from ikd.trace.store import list_runs
from ikd.ui import run_manage, shell
from ikd.ui.run_manage import zipped_run
from ikd.ui.run_view import name_of
from ikd.ui.shell import OWN_FAULT, PAGES
from tests.conftest import REPOSITORY
from tests.synthetic import synthetic_run

SECONDS = 180


def opened(page: str = "runs", **address: str) -> AppTest:
    """Return a page opened through the app, as a visitor's browser does."""
    app = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=SECONDS)
    if page != "home":
        app.run()
        app.switch_page(PAGES[page].path)
    for name, value in address.items():
        app.query_params[name] = value
    return app.run()


def managed(folder: RunFolder) -> AppTest:
    """Return the list of runs with what is behind the button of one run open."""
    page = opened()
    page.session_state[f"manage-{folder.id}"] = True
    page.run()
    assert not page.exception and not page.error
    return page


def button(page: AppTest, label: str) -> Any:
    return next(one for one in page.button if one.label == label)


def labels(page: AppTest) -> set[str]:
    return {str(one.label) for one in [*page.button, *page.checkbox, *page.text_input, *page.text_area, *page.get("file_uploader")]}


def links(page: AppTest) -> list[str]:
    return [str(one.proto.label) for one in page.get("page_link")]


@pytest.fixture
def folder() -> RunFolder:
    return synthetic_run(3, n_steps=12, settings={"label": "From its settings"})


def test_a_name_and_a_note_are_kept_and_shown(folder: RunFolder) -> None:
    page = managed(folder)
    page.text_input(key=f"name-{folder.id}").set_value("  My <b>own</b>\nname ")
    page.text_area(key=f"note-{folder.id}").set_value("One line.\nAnother.")
    button(page, "Save").click().run()
    assert not page.exception and not page.error
    assert read_notes(folder.path) == Notes(label="My <b>own</b> name", text="One line.\nAnother.")
    shown = opened()
    assert any(one.startswith(r"My \<b\>own\</b\> name") for one in links(shown))
    assert name_of(folder) == "My <b>own</b> name"
    run = opened("run", run=folder.id)
    assert any("own" in one.value for one in [*run.header, *run.title, *run.subheader, *run.markdown])


def test_an_empty_name_gives_back_the_one_of_the_settings(folder: RunFolder) -> None:
    write_notes(folder.path, Notes(label="Other", parent="a-parent", parent_step=3))
    assert name_of(folder) == "Other"
    page = managed(folder)
    page.text_input(key=f"name-{folder.id}").set_value(" ")
    button(page, "Save").click().run()
    assert read_notes(folder.path) == Notes(parent="a-parent", parent_step=3)
    assert name_of(folder) == "From its settings"


def test_a_damaged_run_is_called_by_its_note(folder: RunFolder) -> None:
    (folder.path / "config.json").unlink()
    assert name_of(folder) == "From its settings"  # the trace keeps them too
    folder.trace_path.unlink()
    assert name_of(folder) == "damaged run"
    write_notes(folder.path, Notes(label="The broken one"))
    assert name_of(folder) == "The broken one"


def test_deleting_asks_twice(folder: RunFolder) -> None:
    other = synthetic_run(2, n_steps=12)
    page = managed(folder)
    assert button(page, "Delete").disabled
    page.checkbox(key=f"sure-{folder.id}").check().run()
    button(page, "Delete").click().run()
    assert not page.exception and not page.error
    assert [one.id for one in list_runs()] == [other.id]


def test_a_run_that_came_to_life_is_not_deleted_and_says_so(folder: RunFolder) -> None:
    page = managed(folder)
    page.checkbox(key=f"sure-{folder.id}").check().run()
    now = folder.state()
    now.state, now.heartbeat = "running", 4e9
    folder.write_state(now)
    button(page, "Delete").click().run()
    assert "stop it and wait" in page.error[0].value and folder.path.is_dir()


def test_room_on_the_disk_is_said_and_checkpoints_come_where_there_are_some(folder: RunFolder) -> None:
    page = managed(folder)
    assert page.checkbox(key=f"with-{folder.id}").disabled
    (folder.path / "checkpoints" / "4").mkdir(parents=True)
    (folder.path / "checkpoints" / "4" / "student.safetensors").write_bytes(bytes(3_000_000))
    page = managed(folder)
    assert not page.checkbox(key=f"with-{folder.id}").disabled
    assert any("checkpoints 3\\.0 MB" in one.value or "checkpoints 3.0 MB" in one.value for one in page.caption)
    for wanted in (True, False):
        names = zipfile.ZipFile(io.BytesIO(zipped_run(folder, checkpoints=wanted))).namelist()
        assert (f"{folder.id}/checkpoints/4/student.safetensors" in names) is wanted and f"{folder.id}/trace.sqlite" in names


def test_nothing_is_packed_or_measured_before_it_is_asked_for(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_manage, "disk_bytes", lambda _: pytest.fail("measured"))
    monkeypatch.setattr(run_manage, "pack_run", lambda *_, **__: pytest.fail("packed"))
    assert not opened().error


def imported(page: AppTest, name: str, content: bytes) -> AppTest:
    uploader = next(one for one in page.get("file_uploader") if one.label == "Import a run")
    uploader.set_value((name, content, "application/zip")).run()
    button(page, "Import").click().run()
    assert not page.exception
    return page


def test_a_zip_becomes_a_run_and_another_file_a_sentence(folder: RunFolder, tmp_path: Path) -> None:
    pack_run(folder, tmp_path / "x.zip")
    page = imported(opened(), "x.zip", (tmp_path / "x.zip").read_bytes())
    assert {one.id for one in list_runs()} == {folder.id, f"{folder.id}-2"}
    assert any("Imported as run" in one.value for one in page.success) and not page.error
    page = imported(opened(), "y.zip", b"no zip")
    assert "not a zip of a run" in page.error[0].value and len(list_runs()) == 2


@pytest.mark.parametrize("server, most", [(50, 50), (1000, 200)])
def test_no_more_is_asked_for_than_the_server_takes(server: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_manage.st, "get_option", lambda name: {"server.maxUploadSize": server}[name])
    page = opened()
    uploader = next(one for one in page.get("file_uploader") if one.label == "Import a run")
    assert uploader.proto.max_upload_size_mb == most


def test_a_full_lab_takes_in_no_more(folder: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack_run(folder, tmp_path / "x.zip")
    monkeypatch.setenv("IKD_MOST_RUNS", "1")
    page = imported(opened(), "x.zip", (tmp_path / "x.zip").read_bytes())
    assert "at most 1" in page.error[0].value and len(list_runs()) == 1


def test_a_read_only_lab_offers_nothing_and_says_so(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_READ_ONLY", "1")
    page = opened()
    page.session_state[f"manage-{folder.id}"] = True
    page.run()
    assert not page.exception and not page.error
    assert not labels(page) & {"Save", "Delete", "Import", "Import a run", "Name", "Note"}
    assert "Read-only: watch, but start nothing." in [one.value for one in page.sidebar.caption]
    assert any("From its settings" in one for one in links(page))


@pytest.mark.parametrize("label", ["Save", "Delete"])
def test_a_lab_made_read_only_under_an_open_page_refuses(folder: RunFolder, monkeypatch: pytest.MonkeyPatch, label: str) -> None:
    page = managed(folder)
    page.checkbox(key=f"sure-{folder.id}").check().run()

    def refuse() -> None:
        raise RunError("This lab is read-only: x")

    for door in (notes, removal):
        monkeypatch.setattr(door, "require_writable", refuse)
    button(page, label).click().run()
    assert r"read\-only" in page.error[0].value and folder.path.is_dir() and not (folder.path / "notes.json").exists()


def test_recorded_runs_and_the_home_page_have_no_such_buttons(folder: RunFolder) -> None:
    assert not [one for one in links(opened("home")) if "Manage" in one] and "Import" not in labels(opened("home"))


class Visitor:
    """Stands in for st.user."""

    def __init__(self, **facts: object) -> None:
        vars(self).update(facts)


@pytest.mark.parametrize("page", PAGES)
def test_a_visitor_who_is_not_logged_in_sees_the_way_in_alone(page: str, folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_LOGIN", "1")
    shown = AppTest.from_file(str(REPOSITORY / PAGES[page].path), default_timeout=SECONDS)
    shown.query_params["run"] = folder.id
    shown.secrets["auth"] = {"redirect_uri": "x"}
    shown.run()
    assert not shown.exception and not shown.error
    assert [one.label for one in shown.button] == ["Log in"] and len(shown.markdown) == 1
    assert not shown.sidebar.markdown and not links(shown) and not shown.header


def test_a_login_that_is_not_set_up_says_what_to_put_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IKD_LOGIN", "yes")
    shown = opened("home")
    assert not shown.exception and not shown.button and not links(shown)
    assert "[auth]" in shown.error[0].value and "secrets.toml" in shown.error[0].value


def test_a_login_that_fails_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise StreamlitAPIException("secret detail")

    monkeypatch.setenv("IKD_LOGIN", "1")
    monkeypatch.setattr(shell.st, "login", broken)
    shown = AppTest.from_file(str(REPOSITORY / "app.py"), default_timeout=SECONDS)
    shown.secrets["auth"] = {"redirect_uri": "x"}
    button(shown.run(), "Log in").click().run()
    assert not shown.exception and "not set up in full" in shown.error[0].value and "secret" not in shown.error[0].value.split("secrets")[0]


@pytest.mark.parametrize("user, inside", [(Visitor(is_logged_in=True), True), (Visitor(is_logged_in=False), False), (Visitor(), False),
                                          (Visitor(is_logged_in="yes"), False)])  # fmt: skip
def test_only_who_has_logged_in_is_let_in(user: Visitor, inside: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(st, "user", user)
    assert shell.logged_in() is inside
    monkeypatch.setenv("IKD_LOGIN", "1")
    shown = opened("home")
    assert bool(links(shown)) is inside and OWN_FAULT not in [one.value for one in shown.error]


def test_without_the_switch_nobody_has_to_log_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IKD_LOGIN", raising=False)
    assert not shell.login_wanted() and links(opened("home"))
