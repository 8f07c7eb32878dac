"""Between two events of a run: what it is asked to do is read and done, checkpoints are written, and a pause is sat out."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ikd.config import PlannedChange, Timeline
from ikd.config.plan import FREEZE
from ikd.config.timeline import values_of
from ikd.errors import ConfigError, RunError
from ikd.events import Event, Intervened, StepTaken
from ikd.runs.checkpoints import save_checkpoint
from ikd.runs.heart import Heart
from ikd.trace.commands import Command, done, waiting
from ikd.trace.folder import RunFolder
from ikd.trace.recorder import Recorder
from ikd.trace.state import StateName
from ikd.trainer import Training

LOOK_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Ending:
    """A run ends before its time, and the sentence for its log."""

    state: StateName
    sentence: str


class Desk:
    """Where commands to one run arrive. Nothing here touches the teaching but through the run's timeline.

    Attributes:
        timeline: the settings at each step, those changed in flight included.
        training: the teaching, once both models are ready.
    """

    def __init__(self, folder: RunFolder, *, heart: Heart, recorder: Recorder, timeline: Timeline) -> None:
        """Take up what was recorded already; nothing is written."""
        self._folder, self._heart, self._recorder = folder, heart, recorder
        self.timeline = timeline
        self.training: Training | None = None
        self._carried_out = {one.command for one in recorder.interventions() if one.command}
        self._paused = self._between = False
        self._single_steps = 0
        self._stop: Command | None = None

    @property
    def catching_up(self) -> bool:
        """Whether the teaching computes again what an earlier attempt has recorded."""
        return self.training is not None and self.training.step <= self._recorder.kept.last_step

    @property
    def _behind(self) -> bool:
        """Whether the next step to be taken was recorded by an earlier attempt, or is not known yet in a run that has steps."""
        return self._recorder.kept.last_step >= 0 if self.training is None else self.catching_up

    def attend(self, event: Event) -> Ending | None:
        """Do what is due after an event; return the ending where the run is to end now. A pause is waited for in here.

        Raises:
            RunError: the folder was deleted, or a checkpoint cannot be written.
        """
        self._require_folder()
        # Only after a course step are the models whole: between two steps.
        self._between = isinstance(event, StepTaken) and event.course is not None
        if self._between:
            self._checkpoint_where_due()
            if self._single_steps:
                self._single_steps -= 1
                self._paused = self._paused or not self._single_steps
        while True:
            ending = self._carry_out_all() or self._stopped_at_its_step()
            if ending is not None:
                self._save()
                return ending
            if not self._paused or self._single_steps:
                self._show_running()
                return None
            self._show_paused()
            time.sleep(LOOK_SECONDS)
            self._require_folder()

    def _carry_out_all(self) -> Ending | None:
        for one in waiting(self._folder.path):
            if self._stop is not None and one.id == self._stop.id:
                continue
            if one.kind in ("stop", "interrupt") and one.at is None:
                done(self._folder.path, one.id)
                return _ending_of(one)
            if one.kind == "change" and self._behind:
                continue  # changes wait, in their order, until the run is where they were given; a pause and its end do not
            self._carry_out(one)
        return None

    def _carry_out(self, one: Command) -> None:
        if one.kind == "stop":
            if self._stop is not None:
                done(self._folder.path, self._stop.id)
            self._stop = one  # its file stays until the step is reached, so that a crash does not lose it
            self._heart.now(stop_at=one.at)
            return
        if one.kind == "change":
            self._change(one, step=0 if self.training is None else self.training.step)
        elif one.kind == "pause":
            self._paused, self._single_steps = True, 0
        elif one.kind == "resume":
            self._paused, self._single_steps = False, 0
        elif one.kind == "step":
            self._paused, self._single_steps = True, self._single_steps + 1
        done(self._folder.path, one.id)

    def _change(self, one: Command, *, step: int) -> None:
        if one.id in self._carried_out:
            return
        before = values_of(self.timeline.at(step)).get(one.path)
        if step >= self.timeline.at(step).training.steps:
            self._folder.append_log(f"A change of {one.path[:60]} came after the last step: it was not made.", warning=True)
            return
        # Frozen "now" was said a moment ago: it holds from here on.
        late = one.path == FREEZE and isinstance(one.value, int) and one.value < step
        try:
            kept = self.timeline.add(PlannedChange(step=step, path=one.path[:60], value=step if late else one.value))
        except (ConfigError, ValueError) as fault:
            why = str(fault).splitlines()[0] if isinstance(fault, ConfigError) else f"{one.path[:60]} cannot be {str(one.value)[:60]}."
            self._folder.append_log(f"A change at step {step} was refused. {why}", warning=True)
            return
        assert before is None or isinstance(before, bool | int | float | str)
        self._recorder.record(Intervened(step=step, path=kept.path, value=kept.value, previous=before, command=one.id))
        self._carried_out.add(one.id)
        self._folder.append_log(f"From step {step} on {kept.path} is {_word(kept.value)} (before: {_word(before)}).")

    def _stopped_at_its_step(self) -> Ending | None:
        if self._stop is None or self.training is None or not self._between or self.training.step < (self._stop.at or 0):
            return None
        done(self._folder.path, self._stop.id)
        return _ending_of(self._stop)

    def _checkpoint_where_due(self) -> None:
        assert self.training is not None
        if self.training.step % self.timeline.at(0).record.checkpoint_every == 0:
            self._save()

    def _save(self) -> None:
        if self._between and self.training is not None and self.training.step > 0:
            save_checkpoint(self._folder, self.training.snapshot(), self.timeline.at(0).record)

    def _show_paused(self) -> None:
        if self._heart.state.state != "paused":
            self._save()
            self._heart.now(state="paused")

    def _show_running(self) -> None:
        if self._heart.state.state == "paused":
            self._heart.now(state="running" if self.training is not None else "preparing")

    def _require_folder(self) -> None:
        if not self._folder.path.is_dir():
            raise RunError(f"The folder of run {self._folder.id} was deleted while the run went on: nothing more can be recorded. "
                           "Start the run again.")  # fmt: skip
        if not self._folder.trace_path.exists():  # SQLite would go on writing to a file that has no name any more
            raise RunError(f"The trace of run {self._folder.id} was deleted while the run went on, and what it held is gone. Resume "
                           "the run to have it computed again from its start.")  # fmt: skip


def _ending_of(one: Command) -> Ending:
    if one.kind == "interrupt":
        return Ending(state="interrupted", sentence="Interrupted, as its program was ended: resume it to go on.")
    return Ending(state="stopped", sentence="Stopped as asked: there are no final scores and no saved student. Resume it to go on.")


def _word(value: object) -> str:
    return "empty" if value is None else str(value)
