"""One run from its config to its end: build, teach, record, and a defined end state whatever happens."""

from __future__ import annotations

import errno
import sqlite3
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import torch
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from ikd.config import PlannedChange, RunConfig, Timeline
from ikd.errors import IKDError
from ikd.events import Event, Notice, Progress, RunFinished, RunStarted, Stage, StepTaken, TeacherProgress
from ikd.models import StudentModel
from ikd.protocols import TaskData
from ikd.runs.checkpoints import newest_checkpoint
from ikd.runs.desk import Desk
from ikd.runs.devices import device_lock, hold_run, resolve_device, use_threads
from ikd.runs.heart import Heart, beginning
from ikd.runs.preparation import prepare
from ikd.runs.waiting import StoppedWaiting, Waiting
from ikd.teaching.snapshot import Snapshot
from ikd.trace.commands import clear, clear_spent
from ikd.trace.folder import TEST_LEFT_ALONE, RunFolder
from ikd.trace.recorder import Recorder
from ikd.trainer import Training

CALIBRATED = """This model was calibrated by temperature scaling on the exam texts of its run: divide its logits by {0!r}
before the softmax (`ikd_temperature` in config.json). Which class is most probable stays the same; how sure it is does not.
"""

Watcher = Callable[[Event], None]


def run_job(
    folder: RunFolder, config: RunConfig, *, watch: Watcher | None = None, share_device: bool = False, score_test: bool = True,
    on_busy: Callable[[str], None] | None = None,
) -> None:
    """Carry out a run in this thread. Once begun, it never raises but for KeyboardInterrupt: the end is in the run's state.

    Args:
        folder: of a new run, or of one that is resumed.
        config: its config.
        watch: called with every event after it was recorded.
        share_device: run beside another run on the same device.
        on_busy: told in a sentence who has the device, once for each holder; the run then waits for it. None: a busy device ends it.
        score_test: False where the run is only to choose settings: its test texts are left alone, now and whenever it is resumed.

    Raises:
        BusyError: another thread or process carries this run out already; nothing was changed.
        RunError: its folder is gone.
    """
    with hold_run(folder.path):
        if folder.trace_path.exists():
            clear_spent(folder.path)
        with Heart(folder, beginning(folder, config)) as heart:
            carry_out(folder, config, heart=heart, watch=watch, share_device=share_device, score_test=score_test, on_busy=on_busy)


def carry_out(
    folder: RunFolder, config: RunConfig, *, heart: Heart, watch: Watcher | None = None, share_device: bool = False,
    score_test: bool = True, on_busy: Callable[[str], None] | None = None,
) -> None:  # fmt: skip
    """Carry out a run whose heart beats already; otherwise as `run_job`."""
    try:
        if not score_test:
            (folder.path / TEST_LEFT_ALONE).touch()
        device = resolve_device(config.machine.device)
        waiting = None if on_busy is None else Waiting(folder, heart, on_busy)
        with device_lock(folder.path.parent, str(device), run_id=folder.id, share=share_device, waiting=waiting):
            heart.now(device=str(device), stage="loading")
            _work(folder, config, device, heart=heart, watch=watch)
    except StoppedWaiting as stopped:
        folder.append_log(str(stopped))
        _end(heart, folder, stopped.state, None)
    except KeyboardInterrupt:
        _end(heart, folder, "interrupted", "Interrupted from the keyboard. What it recorded is kept: resume it to go on.")
        raise
    except BaseException as fault:
        sentence = plain_fault(fault)
        # A fault foreseen has its sentence, and in the log what it came from; a stack of calls helps only with the others.
        folder.append_log("\n".join(_causes(fault)) if isinstance(fault, IKDError) else traceback.format_exc())
        _end(heart, folder, "failed", sentence)


def _work(folder: RunFolder, config: RunConfig, device: torch.device, *, heart: Heart, watch: Watcher | None) -> None:
    n_threads = use_threads(config.machine.threads)
    disable_progress_bar()  # the run says itself how far it is, and what it starts from
    set_verbosity_error()
    with Recorder(folder, dtype=config.record.probe_dtype, resume=folder.trace_path.exists()) as recorder:
        changes = [PlannedChange(step=one.step, path=one.path, value=one.value) for one in recorder.interventions()]
        heart.note(step=min(recorder.kept.last_step + 1, heart.state.total))  # an attempt that was killed may not have said its last
        desk = Desk(folder, heart=heart, recorder=recorder, timeline=Timeline(config, changes))
        for event in _events(folder, config, device, n_threads, desk=desk, recorded=recorder.kept.last_step):
            recorder.record(event)
            _follow(heart, event, catching_up=desk.catching_up)
            if watch is not None:
                watch(event)
            ending = desk.attend(event)
            if ending is not None:
                folder.append_log(ending.sentence)
                _end(heart, folder, ending.state, None)
                return
    _end(heart, folder, "finished", None)


def _events(
    folder: RunFolder, config: RunConfig, device: torch.device, n_threads: int, *, desk: Desk, recorded: int
) -> Iterator[Event]:
    """Yield the whole run's events: loading, fine-tuning the teacher, teaching (from a checkpoint, if any), final scores."""
    prepared = yield from prepare(folder, config, device, n_threads)
    start = yield from _start_of(folder, recorded)
    desk.training = Training(prepared.room, desk.timeline, start=start)
    temperature = 1.0
    for event in desk.training.events():
        if isinstance(event, RunFinished):
            temperature = float(event.facts.get("student_temperature", 1.0))
        yield event
    save_student(folder.path / "student", prepared.student, prepared.data, temperature=temperature)


def _start_of(folder: RunFolder, recorded: int) -> Generator[Notice, None, Snapshot | None]:
    """Return the newest sound checkpoint, if any, and yield a notice for it and for each that is damaged."""
    for found in newest_checkpoint(folder, at_most=recorded + 1):
        if not isinstance(found, str):
            yield Notice(text=f"Going on from the checkpoint at step {found.step}.")
            return found
        yield Notice(text=found, warning=True)
    return None


def save_student(folder: Path, student: StudentModel, data: TaskData, *, temperature: float = 1.0) -> None:
    """Save the trained student as a model folder that transformers opens, with the task's label names.

    A temperature that its logits are to be divided by stands in its config.json, as `ikd_temperature`, and in words in a README.md.
    """
    names = dict(enumerate(data.label_names))
    student.model.config.id2label = names
    student.model.config.label2id = {name: index for index, name in names.items()}
    if temperature != 1.0:
        student.model.config.ikd_temperature = temperature
    student.model.save_pretrained(folder)
    if temperature != 1.0:
        (folder / "README.md").write_text(CALIBRATED.format(temperature), encoding="utf-8")
    student.tokenizer.save_pretrained(folder)


def plain_fault(fault: BaseException) -> str:
    """Return one sentence for any fault that ended a run: what happened and what to do next."""
    if isinstance(fault, IKDError):
        return str(fault)
    said = str(fault).lower()
    if isinstance(fault, (MemoryError, torch.OutOfMemoryError)) or "not enough memory" in said or "out of memory" in said:
        return (
            "The machine ran out of memory. What was recorded is kept: fork the run with a lower training.batch_size or "
            "policy.exam_batch_size, or start it again with a lower task.max_length or smaller models."
        )
    full = isinstance(fault, OSError) and fault.errno in (errno.ENOSPC, errno.EDQUOT)
    if full or (isinstance(fault, sqlite3.OperationalError) and "full" in said) or "no space left" in said:
        return "The disk is full. What was recorded is kept: delete runs that are no longer needed, then resume this one."
    first = (str(fault).strip().splitlines() or [""])[0][:200]
    return (f"The run crashed with an internal error ({type(fault).__name__}: {first}). What was recorded is kept, and the log has the "
            "details: resume the run, or start it again with other settings.")  # fmt: skip


def _follow(heart: Heart, event: Event, *, catching_up: bool) -> None:
    match event:
        case Stage():
            heart.now(stage=event.name, stage_step=0, stage_total=event.total or 0)
        case TeacherProgress():
            heart.note(stage_step=event.step + 1, stage_total=event.total)
        case Progress():
            heart.note(stage_step=event.step, stage_total=event.total)
        case RunStarted():
            heart.now(state="running")
        case StepTaken():
            done = event.step if event.course is None else event.step + 1  # the last reading follows the last step
            heart.note(step=max(done, heart.state.step), stage_step=done, stage="catching up" if catching_up else "teaching")
        case RunFinished():
            heart.now(scores=dict(event.scores))


def _end(heart: Heart, folder: RunFolder, state: str, error: str | None) -> None:
    try:
        heart.now(state=state, stage="done", ended=time.time(), error=error)
    except IKDError as fault:
        folder.append_log(f"The end of the run could not be written: {fault}")
    clear(folder.path)


def _causes(fault: BaseException) -> Iterator[str]:
    told: BaseException | None = fault
    while told is not None:
        first = str(told).strip().partition("\n")[0]
        yield f"{type(told).__name__}: {first}"
        told = told.__cause__
