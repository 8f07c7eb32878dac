"""Run folders: ids, opening, listing, the log and the stop file."""

import errno
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ikd.config import build_config
from ikd.errors import RunError
from ikd.trace import folder as folder_module
from ikd.trace import store
from ikd.trace.store import RUN_ID, RunFolder, list_recorded, list_runs, new_run, open_run, runs_root


def test_a_new_run_is_preparing_and_keeps_its_config(tmp_path):
    config = build_config({"training.steps": 123, "label": "Müllers Lauf"})
    made = new_run(config, tmp_path)
    assert RUN_ID.fullmatch(made.id) and "-reviews-exam-" in made.id
    opened = open_run(made.id, tmp_path)
    assert opened.config() == config
    assert opened.state().state == "preparing" and opened.state().total == 123 and opened.state().live


def test_ids_are_unique_within_a_second_and_listed_newest_first(tmp_path):
    # Different tasks and policies, so that the words in the middle of an id cannot decide the order.
    kinds = [{"task.name": task, "policy.name": policy} for task in ("reviews", "irony", "pairs") for policy in ("exam", "fixed")]
    made = []
    for turn in range(30):
        made.append(new_run(build_config(kinds[turn % len(kinds)]), tmp_path).id)
        time.sleep(0.001)
    assert len(set(made)) == 30
    assert [one.id for one in list_runs(tmp_path)] == made[::-1]


def test_an_id_that_is_taken_is_made_again_from_a_later_time(tmp_path, monkeypatch):
    moments = iter([1_000_000_000] * 2 + [1_500_000_000])
    monkeypatch.setattr(store.time, "time_ns", lambda: next(moments))
    ids = [store._fresh_folder(build_config({}), tmp_path).id for _ in range(2)]
    assert ids == ["19700101-000001-reviews-exam-0000", "19700101-000001-reviews-exam-8000"]


@pytest.mark.parametrize("name", ["owner/Some Name_with.dots", "äöü", "x" * 200, "---"])
def test_any_data_set_name_gives_an_id_that_can_be_opened(tmp_path, name):
    made = new_run(build_config({"task.name": "hub", "task.hub_name": name}), tmp_path)
    assert open_run(made.id, tmp_path).path == made.path


@pytest.mark.parametrize("run_id", ["", ".", "..", "../x", "a/b", "/etc", "recorded:", "recorded:../x", "recorded:/etc",
                                    "A", "a_b", "a\n", "a" * 81, "-a", "a\x00", "recorded:recorded:a", "a\\b", "٣"])
def test_an_id_no_run_can_have_is_refused_before_the_file_system_is_asked(tmp_path, run_id, monkeypatch):
    monkeypatch.setattr(store.Path, "is_dir", lambda self: pytest.fail("the file system was asked"))
    with pytest.raises(RunError, match="not the id of a run"):
        open_run(run_id, tmp_path)


@given(st.text(max_size=40))
def test_no_text_opens_anything_outside_the_root(text):
    try:
        opened = open_run(text, store.Path("nowhere"))
    except RunError:
        return
    assert opened.path.parent in (store.Path("nowhere"), store.assets_root())


def test_a_missing_run_names_the_nearest_one(tmp_path):
    made = new_run(build_config({}), tmp_path)
    with pytest.raises(RunError, match=made.id):
        open_run(made.id[:-1] + "z", tmp_path)
    with pytest.raises(RunError, match="choose another run"):
        open_run("never", tmp_path / "missing")


def test_listing_never_raises_and_includes_damaged_runs(tmp_path):
    good = new_run(build_config({}), tmp_path)
    (tmp_path / "empty-folder").mkdir()
    (tmp_path / "Not A Run").mkdir()
    (tmp_path / "file").write_text("x")
    broken = new_run(build_config({}), tmp_path)
    (broken.path / "state.json").write_bytes(b"\xff\x00{")
    (broken.path / "config.json").write_text("{")
    listed = {one.id: one for one in list_runs(tmp_path)}
    assert set(listed) == {good.id, broken.id, "empty-folder"}
    for name in (broken.id, "empty-folder"):
        state = listed[name].state()
        assert state.state == "failed" and "state.json" in (state.error or "")
        with pytest.raises(RunError, match="config.json"):
            listed[name].config()
    assert list_runs(tmp_path / "missing") == [] and list_runs(tmp_path / "file") == []


def test_the_root_is_ikd_home_and_made_on_demand(tmp_path, monkeypatch):
    monkeypatch.setenv("IKD_HOME", str(tmp_path / "a" / "b"))
    assert runs_root() == tmp_path / "a" / "b" and runs_root().is_dir()
    assert open_run(new_run(build_config({})).id).path.parent == runs_root()
    monkeypatch.delenv("IKD_HOME")
    monkeypatch.chdir(tmp_path)
    assert runs_root() == tmp_path / "runs"


def test_a_root_that_cannot_be_made_is_a_plain_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("IKD_HOME", str(tmp_path / "file"))
    assert list_runs() == []
    with pytest.raises(RunError, match="IKD_HOME"):
        new_run(build_config({}))


@pytest.mark.parametrize("refusing", ["ikd.trace.store.Path.write_text", "ikd.trace.replacing.os.replace"])
def test_a_run_that_could_not_be_made_leaves_no_folder(tmp_path, monkeypatch, refusing):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(refusing, refuse)
    with pytest.raises(RunError, match="disk is full"):
        new_run(build_config({}), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_recorded_runs_are_opened_by_name_and_never_written(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "assets_root", lambda: tmp_path)
    made = new_run(build_config({}), tmp_path)
    opened = open_run(f"recorded:{made.id}")
    assert opened.recorded and opened.id == f"recorded:{made.id}"
    assert [one.id for one in list_recorded()] == [opened.id]
    for write in (lambda: opened.write_state(opened.state()), opened.request_stop, lambda: opened.append_log("x")):
        with pytest.raises(RunError, match="cannot be changed"):
            write()


def test_a_stop_is_asked_for_by_any_process_and_seen(tmp_path):
    made = new_run(build_config({}), tmp_path)
    assert not made.stop_requested()
    open_run(made.id, tmp_path).request_stop()
    assert made.stop_requested()
    made.request_stop()


def test_the_log_keeps_its_order_its_times_and_its_warnings(tmp_path):
    run = RunFolder(tmp_path)
    assert run.log_tail() == [] and run.warnings() == []
    for number in range(60):
        run.append_log(f"line {number}", warning=number == 7)
    run.append_log("two\nlines, and half a surrogate \ud83d")
    tail = run.log_tail(3)
    assert tail[0].endswith("line 59") and tail[1].endswith(" two") and tail[2].startswith("lines")
    assert len(run.log_tail()) == 50 and run.log_tail(0) == []
    assert run.warnings() == ["line 7"]


def test_the_log_stops_growing_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_module, "LOG_LIMIT_BYTES", 1000)
    run = RunFolder(tmp_path)
    for number in range(100):
        run.append_log(f"a line of some length, number {number}")
    run.append_log("x")
    assert run.log_tail()[-1].startswith("The log is full")
    assert sum("log is full" in line for line in run.log_tail(1000)) == 1
    assert run.log_path.stat().st_size < 1200


def test_a_log_that_cannot_be_written_hides_nothing(tmp_path):
    RunFolder(tmp_path / "missing").append_log("the real fault goes on")
