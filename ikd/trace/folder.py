"""One run's folder: config.json, state.json, trace.sqlite, log.txt, its checkpoints, and what it is asked to do."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from ikd.config import RunConfig, config_from_json
from ikd.config.permission import require_writable
from ikd.errors import ConfigError, RunError
from ikd.trace.commands import Value, post, waiting
from ikd.trace.rebuilding import rebuilt_state
from ikd.trace.state import RunState, read_state, replace_state
from ikd.trace.written_config import CONFIG, recorded_config_text

LOG_LIMIT_BYTES = 2_000_000
TEST_LEFT_ALONE = "test-left-alone"
"""Name of a file in the folder of a run that never looks at its test texts, whoever carries it out or resumes it."""
WARNING_MARK = "WARNING "
_LOG_FULL = "The log is full: nothing more is written here. The run goes on, and the trace is complete."


class RunFolder:
    """Where one run keeps everything. Building it touches no file.

    Attributes:
        id: what `open_run` accepts, e.g. "20261123-204501-reviews-exam-3f2a" or "recorded:overconfident".
        path: the folder.
        recorded: whether it is a shipped recorded run, which is never written.
    """

    def __init__(self, path: Path, *, recorded: bool = False) -> None:
        self.path = path
        self.recorded = recorded
        self.id = f"recorded:{path.name}" if recorded else path.name

    def __repr__(self) -> str:
        return f"RunFolder({self.id!r})"

    @property
    def trace_path(self) -> Path:
        """The SQLite file of `ikd.trace.schema`."""
        return self.path / "trace.sqlite"

    @property
    def log_path(self) -> Path:
        """The log: one line a notice, each with its time."""
        return self.path / "log.txt"

    def config(self) -> RunConfig:
        """Return the configuration the run was started with; where config.json is gone or damaged, as the trace keeps it.

        Raises:
            RunError: config.json is missing or damaged, and the trace does not keep it either.
        """
        try:
            return config_from_json((self.path / CONFIG).read_text(encoding="utf-8"))
        except FileNotFoundError:
            why = "is missing: delete the run, or put the file back."
        except (OSError, UnicodeDecodeError) as fault:
            why = f"cannot be read ({type(fault).__name__}): delete the run, or put the file back."
        except ConfigError as fault:
            why = f"is damaged or of another version. {fault}"
        recorded = recorded_config_text(self.trace_path, immutable=self.recorded)
        if recorded is not None:
            with suppress(ConfigError):
                return config_from_json(recorded)
        raise RunError(f"The config.json of run {self.id} {why}")

    def state(self) -> RunState:
        """Return where the run stands; never raises. A live run that fell silent is given as "lost".

        A state.json that is missing or cannot be read is made up for by what the trace says.
        """
        state = read_state(self.path / "state.json")
        return state if state.stage else rebuilt_state(self.path, state)

    def write_state(self, state: RunState) -> None:
        """Replace the state as a whole.

        Raises:
            RunError: the disk is full, the folder cannot be written, the run is a recorded one, or the lab is read-only.
        """
        self._require_changeable()
        replace_state(self.path / "state.json", state)

    def request_stop(self) -> None:
        """Ask the run to stop after its current step, from any process.

        Raises:
            RunError: the folder cannot be written, the run is a recorded one, or the lab is read-only.
        """
        self.ask("stop")

    def ask(self, kind: str, *, at: int | None = None, path: str = "", value: Value = None) -> str:
        """Ask the run to do something between two steps, as `ikd.trace.commands.post`, and return the command's id.

        Raises:
            RunError: the folder cannot be written, the run is a recorded one, or the lab is read-only.
        """
        self._require_changeable()
        return post(self.path, kind, at=at, path=path, value=value)

    def stop_requested(self) -> bool:
        """Return whether a stop at once was asked for and not yet carried out."""
        return any(one.kind == "stop" and one.at is None for one in waiting(self.path))

    def append_log(self, text: str, *, warning: bool = False) -> None:
        """Append a text to the log with the time. Beyond `LOG_LIMIT_BYTES` a last line says that the log is full.

        A log that cannot be written is left: it must never hide the fault it was asked to note.
        """
        self._require_changeable()
        line = f"{time.strftime('%Y-%m-%d %H:%M:%S')} {WARNING_MARK if warning else ''}{text.rstrip()}\n"
        try:
            with self.log_path.open("ab") as log:
                size = log.tell()
                if size < LOG_LIMIT_BYTES:
                    log.write(_fitting(line, room=LOG_LIMIT_BYTES - size))
        except OSError:
            return

    def log_tail(self, lines: int = 50) -> list[str]:
        """Return the last lines of the log, oldest first; none where there is no log."""
        return self._log_lines()[-lines:] if lines > 0 else []

    def warnings(self) -> list[str]:
        """Return the notices marked as warnings, oldest first, without their times."""
        return [line.partition(WARNING_MARK)[2] for line in self._log_lines() if line[20:].startswith(WARNING_MARK)]

    def _log_lines(self) -> list[str]:
        try:
            return self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []

    def _require_changeable(self) -> None:
        require_writable()
        if self.recorded:
            raise RunError(f"{self.id} is a recorded run and cannot be changed: start a new run with its settings instead.")


def _fitting(line: str, *, room: int) -> bytes:
    data = line.encode("utf-8", "replace")
    if len(data) < room:
        return data
    # The closing line is padded past the limit, so that no later and shorter notice follows it.
    return (_LOG_FULL.ljust(room) + "\n").encode("utf-8")
