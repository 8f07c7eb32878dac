"""Carrying out a run in the foreground: a progress bar, its scores, and the exit code."""

from __future__ import annotations

import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from tqdm import tqdm

    from ikd.events import Event
    from ikd.trace.folder import RunFolder

FAILED, INTERRUPTED = 1, 130


def add_carrying(parser: Any) -> None:
    """Add the flags of every command that carries out a run."""
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--share-device", action="store_true", help="run beside another run on the same device")
    parser.add_argument("--no-wait", action="store_true", help="fail at once where another run has the device, instead of waiting for it")


def carry_out(run_id: str, chosen: Namespace) -> int:
    """Carry out a run, new or resumed, and return the exit code: 0 where it finished or was stopped.

    Args:
        run_id: of the run.
        chosen: with the flags of `add_carrying`.
    """
    from tqdm import tqdm

    from ikd.runs.job import run_job
    from ikd.trace.store import open_run

    folder = open_run(run_id)
    bar: tqdm[NoReturn] = tqdm(disable=chosen.quiet, unit="step", dynamic_ncols=True)

    def say_busy(sentence: str) -> None:
        bar.clear()
        print(f"{sentence} Ctrl-C gives up; --no-wait does not wait.", file=sys.stderr)

    end_as_by_keyboard()
    try:
        run_job(
            folder, folder.config(), watch=lambda event: _show(bar, event), share_device=chosen.share_device,
            on_busy=None if chosen.no_wait else say_busy,
        )  # fmt: skip
    except KeyboardInterrupt:
        print(f"Interrupted. What was recorded is kept: python -m ikd resume {folder.id} goes on.", file=sys.stderr)
        return INTERRUPTED
    finally:
        bar.close()
    return print_end(folder)


def _show(bar: tqdm[NoReturn], event: Event) -> None:
    from ikd.events import Notice, Progress, RunFinished, Stage, StepTaken, TeacherProgress

    if isinstance(event, Stage):
        bar.reset(event.total)
        bar.set_description(event.name)
    elif isinstance(event, Notice):
        bar.write(f"{'Warning' if event.warning else 'Note'}: {event.text}")
    elif isinstance(event, Progress):
        bar.update(event.step - bar.n)
    elif isinstance(event, (TeacherProgress, StepTaken)):
        bar.update(event.step + 1 - bar.n if isinstance(event, TeacherProgress) or event.course is not None else 0)
        if isinstance(event, StepTaken) and event.course is not None and event.step % 10 == 0:
            bar.set_postfix(course_loss=f"{event.scalars['course_loss']:.3f}")
    elif isinstance(event, RunFinished):
        bar.close()
        print_scores(event.scores)


def print_end(folder: RunFolder) -> int:
    """Print how a run has ended, and return the exit code."""
    state = folder.state()
    if state.error:
        print(state.error, file=sys.stderr)
    elif state.state == "stopped":
        print(f"Stopped. What was recorded is kept: python -m ikd resume {folder.id} goes on.")
    print(f"Run folder: {folder.path}")
    return 0 if state.state in ("finished", "stopped") else FAILED


def print_scores(scores: Mapping[str, float]) -> None:
    """Print final scores named role/split/score, one line a role and split."""
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for name, value in scores.items():
        role, split, score = name.split("/")
        rows.setdefault((split, role.replace("_", " ")), {})[score] = value
    width = max([16, *(len(role) + 1 for _, role in rows)])
    for (split, role), row in sorted(rows.items()):
        print(f"{split:>12}  {role:<{width}}" + "  ".join(f"{score} {value:.4f}" for score, value in row.items()))


def end_as_by_keyboard() -> None:
    """Let a machine that stops end the run as Ctrl-C does, so that it is marked."""
    def interrupt(number: int, frame: Any) -> NoReturn:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)
