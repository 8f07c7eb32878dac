"""state.json: replaced as a whole, read whatever is in it, and honest about runs that fell silent."""

import errno
import json
import os
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ikd.errors import RunError
from ikd.trace import liveness
from ikd.trace.state import RunState, read_state, replace_state


def running(**values):
    return RunState(**{"state": "running", "stage": "teaching", "step": 5, "total": 10, **values})


def silent(path, seconds):
    """Make a file look as if it had not been written for so long, to a process that has not seen it before."""
    os.utime(path, (time.time() - seconds,) * 2)
    liveness._seen.clear()


def test_a_state_comes_back_as_it_was_written(tmp_path):
    state = RunState(state="finished", stage="done", step=3, total=3, ended=1.5, device="cpu", peak_memory_bytes=2**40,
                     scores={"student/test/accuracy": 0.5})
    replace_state(tmp_path / "state.json", state)
    assert read_state(tmp_path / "state.json") == state
    assert [one.name for one in tmp_path.iterdir()] == ["state.json"]


def test_the_fraction_stays_below_one_until_the_run_is_finished():
    assert running().fraction() == 0.5
    assert running(step=10).fraction() == 0.99
    assert running(total=0).fraction() == 0.0
    assert running(step=-1).fraction() == 0.0
    assert running(state="stopped").fraction() == 0.5
    assert running(state="finished", total=0).fraction() == 1.0


def test_a_run_that_fell_silent_is_lost(tmp_path):
    path = tmp_path / "state.json"
    replace_state(path, running(host="elsewhere"))
    silent(path, 15)
    assert read_state(path).state == "running"
    replace_state(path, running(host="elsewhere"))
    silent(path, 200)
    lost = read_state(path)
    assert lost.state == "lost" and not lost.live and "3 minutes" in lost.error and lost.step == 5
    assert json.loads(path.read_text())["state"] == "running"


def test_a_run_whose_process_is_gone_is_lost_at_once(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    replace_state(tmp_path / "state.json", running(pid=gone.pid))
    assert "process is gone" in read_state(tmp_path / "state.json").error
    replace_state(tmp_path / "state.json", running(pid=gone.pid, host="elsewhere"))
    assert read_state(tmp_path / "state.json").state == "running"
    replace_state(tmp_path / "state.json", running(pid=10**30))
    assert read_state(tmp_path / "state.json").state == "lost"


@pytest.mark.parametrize("state", ["finished", "stopped", "failed"])
def test_a_run_that_ended_is_never_lost(tmp_path, state):
    replace_state(tmp_path / "state.json", running(state=state, heartbeat=0.0, pid=1))
    assert read_state(tmp_path / "state.json").state == state


def test_facts_of_a_newer_version_are_left_out(tmp_path):
    (tmp_path / "state.json").write_text('{"state": "stopped", "step": 4, "mood": "good"}')
    assert read_state(tmp_path / "state.json").step == 4


JSON = st.recursive(st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3))


@settings(max_examples=40, deadline=None)
@given(tree=st.dictionaries(st.sampled_from(["state", "step", "pid", "host", "heartbeat", "scores", "error", "x"]), JSON),
       state=st.sampled_from(["running", "preparing", "finished", "gone"]))
def test_no_content_makes_reading_fail(tmp_path_factory, tree, state):
    path = tmp_path_factory.mktemp("state") / "state.json"
    path.write_text(json.dumps({**tree, "state": state}))
    read = read_state(path)
    assert read.state in ("running", "preparing", "finished", "failed", "lost") and 0 <= read.fraction() <= 1


def test_a_half_written_file_is_looked_at_again(tmp_path):
    path = tmp_path / "state.json"
    replace_state(path, running())
    whole = path.read_text()
    path.write_text(whole[:20])
    threading.Timer(0.01, lambda: path.write_text(whole)).start()
    assert read_state(path).state == "running"


def test_readers_see_only_whole_states_while_it_is_replaced(tmp_path):
    path, seen = tmp_path / "state.json", set()
    replace_state(path, running(step=0))
    done = threading.Event()

    def read():
        while not done.is_set():
            seen.add(read_state(path).state)

    reader = threading.Thread(target=read)
    reader.start()
    for step in range(300):
        replace_state(path, running(step=step))
    done.set()
    reader.join()
    assert seen == {"running"}


@pytest.mark.parametrize("number, words", [(errno.ENOSPC, "disk is full"), (errno.EACCES, "IKD_HOME")])
def test_a_state_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch, number, words):
    path = tmp_path / "state.json"
    replace_state(path, running(step=1))

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("ikd.trace.replacing.os.replace", refuse)
    with pytest.raises(RunError, match=words):
        replace_state(path, running(step=2))
    monkeypatch.undo()
    assert read_state(path).step == 1 and len(list(tmp_path.iterdir())) == 1
