"""A run that waits for its device: it says who has it, its heart beats, and it can be stopped."""

from __future__ import annotations

from collections.abc import Callable

from ikd.errors import RunError
from ikd.runs.heart import Heart
from ikd.trace.commands import done, waiting
from ikd.trace.folder import RunFolder
from ikd.trace.state import WAITING, StateName


class StoppedWaiting(Exception):
    """A run was stopped before it began, with a sentence for its log and the state it ends in."""

    def __init__(self, state: StateName, sentence: str) -> None:
        super().__init__(sentence)
        self.state = state


class Waiting:
    """Called again and again while another run has the device."""

    def __init__(self, folder: RunFolder, heart: Heart, tell: Callable[[str], None]) -> None:
        """Prepare to wait; `tell` gets a sentence for each run that is waited for."""
        self._folder, self._heart, self._tell = folder, heart, tell
        self._told = ""

    def __call__(self, holder: str) -> None:
        """Say once who has the device.

        Raises:
            StoppedWaiting: a stop was asked for, or the program is ended.
            RunError: the run's folder was deleted.
        """
        if not self._folder.path.is_dir():
            raise RunError(f"The folder of run {self._folder.id} was deleted while it waited for its device: start the run again.")
        if holder != self._told:
            self._told = holder
            self._heart.now(stage=WAITING)
            sentence = f"The device is in use by run {holder}: this run waits for it."
            self._folder.append_log(sentence)
            self._tell(sentence)
        for one in waiting(self._folder.path):
            if one.kind in ("stop", "interrupt") and one.at is None:
                done(self._folder.path, one.id)
                state: StateName = "stopped" if one.kind == "stop" else "interrupted"
                raise StoppedWaiting(state, "Ended while it waited for its device: nothing was computed. Resume it to start it.")
