"""What a run will cost, said before it starts: student forwards a step, and a duration from this machine's speed."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ikd.config import RunConfig
from ikd.runs.cost import Shape, exam_units, kd_units, n_exams, step_units
from ikd.runs.launch import active_run
from ikd.runs.loading import load_job
from ikd.runs.speed import Speed, kept_speed, measure_speed
from ikd.trace.store import runs_root

if TYPE_CHECKING:
    from ikd.protocols import Split

GUESSED_LENGTH = 32.0
_answers: dict[str, Estimate] = {}
_lengths: dict[str, float] = {}
_waiting: list[str] = []
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What is foretold of a run. None where it cannot be known before the start.

    Attributes:
        kd_units: student forwards of one step of ordinary distillation with the same models.
        step_units: student forwards of one step of this run, exams spread over all steps.
        step_milliseconds, seconds: of one step, and of the whole run with its readings but without the teacher.
        teacher_seconds: of the teacher's own fine-tuning, if it is not cached.
        explanation: how the numbers came about, in plain sentences.
    """

    kd_units: float | None
    step_units: float | None
    step_milliseconds: float | None
    seconds: float | None
    teacher_seconds: float | None
    explanation: str


def estimate_later(config: RunConfig, root: Path | None = None) -> Estimate | None:
    """Return the estimate for a config, or None while a background thread still works on it.

    The first call on a machine measures its speed, which loads torch in that thread.
    """
    root = runs_root() if root is None else root
    key = f"{root} {config.model_dump_json(exclude={'label', 'seed'})}"
    if key in _answers:
        return _answers[key]
    if key not in _waiting:
        _waiting.append(key)
        threading.Thread(target=_work, args=(key, config, root), name="ikd-estimate", daemon=True).start()
    return None


def _work(key: str, config: RunConfig, root: Path) -> None:
    with _one_at_a_time:
        try:
            load_job()  # everything below is loaded by one thread at a time
            if key == _waiting[-1]:  # settings changed again meanwhile: only the newest are worth the work
                _answers[key] = estimate(config, root)
        except Exception as fault:
            # An estimate is a courtesy: whatever is wrong with the task or the models, the start itself says it better.
            _answers[key] = _unknown(f"No estimate: {fault}")
        finally:
            _waiting.remove(key)


def estimate(config: RunConfig, root: Path) -> Estimate:
    """Return the estimate for a config; loads torch and, where needed, measures this machine for two seconds."""
    teacher = shape_of(config.teacher.name)
    student = student_shape(config, teacher)
    if teacher is None or student is None:
        return _unknown("The cost is known once the models are here: a hub model says its size after its download.")
    length, how = _text_length(config)
    batch = config.training.batch_size
    tokens = batch * length
    ratio = teacher.forward_flops(tokens, length) / student.forward_flops(tokens, length)
    speed, why = _speed(config, root)
    known = Estimate(
        kd_units=kd_units(ratio), step_units=step_units(config, ratio, teacher.layers), step_milliseconds=None,
        seconds=None, teacher_seconds=None, explanation=f"One teacher forward costs {ratio:.1f} student forwards. {why}",
    )  # fmt: skip
    if speed is None:
        return known
    return _timed(config, teacher, student, length=length, speed=speed, known=known, how=how)


def _timed(
    config: RunConfig, teacher: Shape, student: Shape, *, length: float, speed: Speed, known: Estimate, how: str
) -> Estimate:
    batch, steps = config.training.batch_size, config.training.steps
    one = speed.forward_seconds(student, batch_size=batch, length=length, training=True)
    ratio = speed.forward_seconds(teacher, batch_size=batch, length=length, training=True) / one
    exams = n_exams(config)
    teaching = one * (steps * kd_units(ratio) + exams * exam_units(config, ratio, teacher.layers))
    readings = 1 + (steps - 1) // config.record.probe_every
    probe = config.record.probe_size / batch
    with_feedback = exams / steps * (3 + 6 * config.policy.exam_batch_size / config.record.probe_size)
    still = speed.forward_seconds(student, batch_size=batch, length=length)
    reading = readings * still * probe * (ratio + 1 + with_feedback)
    fitting = 3 * config.teacher.fine_tune_steps * speed.forward_seconds(
        teacher, batch_size=config.teacher.fine_tune_batch_size, length=length, training=True
    )
    return Estimate(
        kd_units=known.kd_units, step_units=known.step_units, step_milliseconds=1000 * teaching / steps,
        seconds=teaching + reading, teacher_seconds=0.0 if config.teacher.fine_tune == "never" else fitting,
        explanation=f"{known.explanation} Texts have {length:.0f} tokens {how}. Loading and the final scores come on top.",
    )  # fmt: skip


def shape_of(name: str) -> Shape | None:
    """Return the size of a built-in model or of one in a local folder; None for a hub name."""
    match = re.fullmatch(r"builtin/(\d+)x(\d+)", name)
    if match:
        return Shape(layers=int(match[1]), width=int(match[2]), inner=4 * int(match[2]))
    from ikd.models.pretrained import folder_shape

    config = folder_shape(name) or {}
    layers = _first(config, "num_hidden_layers", "n_layers")
    width = _first(config, "hidden_size", "dim")
    inner = _first(config, "intermediate_size", "hidden_dim")
    return Shape(layers=layers, width=width, inner=inner or 4 * width) if layers and width else None


def student_shape(config: RunConfig, teacher: Shape | None) -> Shape | None:
    """Return the student's size, or None where it is not known before the start."""
    if config.student.checkpoint:
        return shape_of(config.student.checkpoint)
    if config.student.name != "teacher":
        return shape_of(config.student.name)
    if teacher is None:
        return None
    layers = config.student.layers or max(1, teacher.layers // 2)
    return Shape(layers=layers, width=teacher.width, inner=teacher.inner)


def _first(config: dict[str, Any], *names: str) -> int:
    return next((int(config[name]) for name in names if isinstance(config.get(name), int)), 0)


def _text_length(config: RunConfig) -> tuple[float, str]:
    """Return mean tokens a text, and where the number is from. Hub data are not fetched for an estimate."""
    from ikd.tasks import BUILT_IN, load_task

    if config.task.name not in (*BUILT_IN, "files"):
        return GUESSED_LENGTH, "(assumed: the data are not here yet)"
    key = config.task.model_dump_json()
    if key not in _lengths:
        _lengths[key] = _mean_tokens(load_task(config.task).splits["course"])
    return min(_lengths[key], float(config.task.max_length)), "on average (estimated from a sample)"


def _mean_tokens(course: Split) -> float:
    """Return about how many tokens a text has: a little more than its words, special tokens included."""
    sample = range(0, len(course), max(1, len(course) // 200))
    texts = [course.texts[i] + (" " + course.text_pairs[i] if course.text_pairs is not None else "") for i in sample]
    words, characters = sum(len(text.split()) for text in texts), sum(len(text) for text in texts)
    return max(1.2 * words, characters / 5) / len(sample) + 2


def _speed(config: RunConfig, root: Path) -> tuple[Speed | None, str]:
    from ikd.runs.devices import resolve_device, use_threads

    device = resolve_device(config.machine.device)
    n_threads = use_threads(config.machine.threads)
    kept = kept_speed(root, str(device), n_threads)
    if kept is not None:
        return kept, ""
    if active_run(config.machine.device, root) is not None:
        return None, "How long it takes is measured when no run is at work."
    return measure_speed(root, str(device), n_threads), ""


def _unknown(explanation: str) -> Estimate:
    return Estimate(
        kd_units=None, step_units=None, step_milliseconds=None, seconds=None, teacher_seconds=None, explanation=explanation
    )
