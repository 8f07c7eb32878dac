"""What a run says of itself while it works: one small file, replaced as a whole, read without ever failing."""

from __future__ import annotations

import errno
import json
import os
import platform
import time
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from ikd.config.permission import require_writable
from ikd.errors import RunError
from ikd.trace.liveness import HEARTBEAT_LIMIT_SECONDS, Mark, mark_of, seconds_silent
from ikd.trace.replacing import replace_text

StateName = Literal["queued", "preparing", "running", "paused", "finished", "stopped", "interrupted", "failed", "lost"]
STATE_NAMES: tuple[StateName, ...] = get_args(StateName)
WAITING = "waiting for the device"
RESUMABLE = ("stopped", "interrupted", "failed", "lost")
LARGEST_NUMBER = 1e30
MOST_ATTEMPTS = 1_000_000
LAST_SECOND = 253_402_300_799.0
"""The last second of the year 9999: no page can write a later date."""


@dataclass(kw_only=True)
class RunState:
    """Where a run stands.

    Attributes:
        state: "queued" waits for the device, "interrupted" was ended by nobody's wish (the server or the machine stopped), "lost"
            has crashed: its heart beats no more.
        stage: "queued", "waiting for the device", "loading", "fine-tuning the teacher", "catching up" (computing again, after a
            resume, what was recorded already), "teaching", "final scores" or "done".
        stage_step, stage_total: progress within the stage; the total is 0 where it is not known.
        step: completed student updates, of `total`.
        pid, host: the process that computes the run.
        started, heartbeat, ended: seconds since the epoch, by the clock of the machine that computes the run.
        begun: the same, when its present attempt began.
        error: plain sentence, where the run failed or was lost.
        scores: final scores, e.g. `student/test/accuracy`.
        attempt: 1, and one more for each time it was resumed.
        stop_at: step at which it was asked to stop.
    """

    state: StateName
    stage: str = "queued"
    stage_step: int = 0
    stage_total: int = 0
    step: int = 0
    total: int = 0
    pid: int = field(default_factory=os.getpid)
    host: str = field(default_factory=platform.node)
    started: float = field(default_factory=time.time)
    heartbeat: float = field(default_factory=time.time)
    begun: float = field(default_factory=time.time)
    ended: float | None = None
    error: str | None = None
    device: str = ""
    peak_memory_bytes: int = 0
    scores: dict[str, float] = field(default_factory=dict)
    attempt: int = 1
    stop_at: int | None = None

    @property
    def live(self) -> bool:
        """Whether a process computes the run, or holds it paused."""
        return self.state in ("preparing", "running", "paused")

    @property
    def resumable(self) -> bool:
        """Whether the run has ended before its time and can go on."""
        return self.state in RESUMABLE and bool(self.stage)  # none where state.json is damaged

    def carried_out_by(self) -> str:
        """Return in words which process computes the run, where and since when."""
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.begun))
        return f"process {self.pid} on {self.host or 'an unknown machine'} since {since}"

    def fraction(self) -> float:
        """Return the completed share of the student's steps, at most 0.99 until the run is finished."""
        if self.state == "finished":
            return 1.0
        return min(max(self.step / self.total, 0.0), 0.99) if self.total > 0 else 0.0


def read_state(path: Path) -> RunState:
    """Return the state in the file; an unreadable one is a failed run whose `error` says what is wrong."""
    fault: Exception | None = None
    for attempt in range(3):
        # A file copied or written by other means can be caught half-written: look again before believing it.
        time.sleep(0.02 * attempt)
        try:
            with path.open(encoding="utf-8") as file:
                state, mark = _parsed(file.read()), mark_of(os.fstat(file.fileno()))
            return _or_lost(state, path, mark)
        except FileNotFoundError:
            return _unreadable("has no state.json")
        except (OSError, ValueError, TypeError, RecursionError) as one:
            fault = one
    return _unreadable(f"has a state.json that cannot be read ({type(fault).__name__})")


def replace_state(path: Path, state: RunState) -> None:
    """Write the state beside its place and move it there, so that a reader sees the old one or the new one.

    Raises:
        RunError: the disk is full or the folder cannot be written.
    """
    require_writable()
    text = json.dumps(asdict(state), indent=1, default=_plain_number)
    try:
        replace_text(path, text)
    except OSError as fault:
        if fault.errno in (errno.ENOSPC, errno.EDQUOT) and state.ended is not None and _written_in_place(path, text):
            return
        raise RunError(cannot_write(f"The state of run {path.parent.name}", fault)) from fault


def _written_in_place(path: Path, text: str) -> bool:
    """Write over the old state where a full disk has no room for a new file beside it: a run must be able to say why it ended."""
    data = text.encode("utf-8")
    try:
        with path.open("r+b", buffering=0) as file:
            there = os.fstat(file.fileno())
            if len(data) > max(there.st_size, 512 * getattr(there, "st_blocks", 0)):
                return False  # it would be cut off in the middle
            file.write(data.ljust(there.st_size, b"\n"))
            file.truncate(len(data))
    except OSError:
        return False
    return True


def cannot_write(what: str, fault: OSError) -> str:
    """Return the sentence for a file that could not be written."""
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return (f"{what} could not be written because the disk is full. What was recorded before is kept: "
                "free some space or delete old runs, then resume the run.")
    reason = fault.strerror or type(fault).__name__
    return (f"{what} could not be written ({reason}). What was recorded before is kept: "
            "make the folder writable, or choose another one with IKD_HOME.")


def _parsed(text: str) -> RunState:
    tree = json.loads(text)
    if not isinstance(tree, dict) or tree.get("state") not in STATE_NAMES:
        raise ValueError("no known state")
    known = {one.name for one in fields(RunState)}
    # A newer version may say more than this one knows: its extra facts are left out.
    values = {name: value for name, value in tree.items() if name in known}
    state = RunState(**{"pid": 0, "host": "", "started": 0.0, "heartbeat": 0.0, "begun": 0.0, **values})
    _check_types(state)
    return state


def _check_types(state: RunState) -> None:
    numbers = (state.stage_step, state.stage_total, state.step, state.total, state.pid, state.peak_memory_bytes, state.attempt,
               *([] if state.stop_at is None else [state.stop_at]))
    times = (state.started, state.heartbeat, state.begun, *([] if state.ended is None else [state.ended]))
    texts = (state.stage, state.host, state.device, *([] if state.error is None else [state.error]))
    if not (all(_within(one, LARGEST_NUMBER) for one in numbers) and all(_within(one, LAST_SECOND) for one in times)
            and all(isinstance(one, str) for one in texts)):
        raise TypeError("a fact of the wrong type or beyond all bounds")
    if not isinstance(state.attempt, int) or not 0 <= state.attempt <= MOST_ATTEMPTS:
        raise TypeError("no number of an attempt")
    if not isinstance(state.scores, dict) or not all(isinstance(one, int | float) for one in state.scores.values()):
        raise TypeError("scores must be numbers by name")


def _within(number: object, most: float) -> bool:
    # A comparison with not-a-number fails too.
    return isinstance(number, int | float) and abs(number) <= most


def _or_lost(state: RunState, path: Path, mark: Mark) -> RunState:
    if not state.live:
        return state
    heard = state.heartbeat
    if state.host == platform.node() and _process_gone(state.pid):
        why = "ended without a word: its process is gone"
    elif (silence := seconds_silent(str(path), mark)) > HEARTBEAT_LIMIT_SECONDS:
        why, heard = f"has not been heard from for {_duration(silence)}", time.time() - silence  # by the clock of this machine
    else:
        return state
    return replace(state, state="lost", heartbeat=heard, ended=state.heartbeat,
                   error=f"The run {why}. What it recorded is kept: resume it to have the rest.")


def _process_gone(pid: int) -> bool:
    # Signal 0 only asks; on Windows the same call would interrupt the process, so there the heartbeat must do.
    if os.name != "posix" or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    except OverflowError:
        return True
    return False


def _unreadable(what: str) -> RunState:
    sentence = (f"The run folder {what}, and no trace that tells where the run stands: it is damaged or incomplete. Put the file back, "
                "or delete the run and start it again.")  # fmt: skip
    return RunState(state="failed", stage="", pid=0, host="", started=0.0, heartbeat=0.0, begun=0.0, error=sentence)


def _duration(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _plain_number(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"state.json cannot hold a {type(value).__name__}")
