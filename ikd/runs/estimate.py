"""What a run will cost, said before it starts: student forwards a step, and a duration from this machine's speed."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ikd.config import STORED, RunConfig, exam_joins_course
from ikd.config.names import N_CLASSES
from ikd.config.permission import read_only
from ikd.runs.cost import Shape, ending_units, kd_units, n_exams, step_units, swapped_texts
from ikd.runs.launch import active_run
from ikd.runs.loading import load_job
from ikd.runs.speed import Speed, kept_speed, measure_speed
from ikd.trace.store import runs_root

if TYPE_CHECKING:
    from ikd.protocols import Split

GUESSED_LENGTH = 32.0
READ_ONLY = "This lab is read-only: it reads no data and no model that its visitors name."
_answers: dict[str, Estimate] = {}
_known: dict[str, Texts] = {}
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
        cached: whether a fixed teacher says its soft targets once, before the first step.
    """

    kd_units: float | None
    step_units: float | None
    step_milliseconds: float | None
    seconds: float | None
    teacher_seconds: float | None
    explanation: str
    cached: bool = False


class Texts(NamedTuple):
    """What is known of a task's texts: mean tokens, and the examples of its course and exam splits."""

    length: float
    course: int
    exam: int


def estimate_later(config: RunConfig, root: Path | None = None) -> Estimate | None:
    """Return the estimate for a config, or None while a background thread still works on it.

    The first call on a machine measures its speed, which loads torch in that thread. A lab that is read-only measures nothing, and reads
    no file, folder or hub name that a visitor gives.
    """
    if read_only() and not _of_this_lab(config):
        return _unknown(READ_ONLY)
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
    texts = _texts(config)
    length, how = _text_length(config, texts)
    cached = cached_examples(config, texts)
    batch = config.training.batch_size
    tokens = batch * length
    ratio = teacher.forward_flops(tokens, length) / student.forward_flops(tokens, length)
    speed, why = _speed(config, root)
    known = Estimate(
        kd_units=kd_units(ratio), step_units=step_units(config, ratio, teacher.layers, cached_examples=cached), step_milliseconds=None,
        seconds=None, teacher_seconds=None, cached=cached is not None,
        explanation=f"One teacher forward costs {ratio:.1f} student forwards. {_cache_words(config, texts, cached)}{why}",
    )  # fmt: skip
    if speed is None:
        return known
    return _timed(config, teacher, student, length=length, speed=speed, known=known, how=how, cached=cached)


def _timed(
    config: RunConfig, teacher: Shape, student: Shape, *, length: float, speed: Speed, known: Estimate, how: str, cached: int | None
) -> Estimate:
    batch, steps = config.training.batch_size, config.training.steps
    one = speed.forward_seconds(student, batch_size=batch, length=length, training=True)
    ratio = speed.forward_seconds(teacher, batch_size=batch, length=length, training=True) / one
    teaching = one * steps * step_units(config, ratio, teacher.layers, cached_examples=cached)
    readings = 1 + (steps - 1) // config.record.probe_every
    probe = config.record.probe_size / batch
    feedback = n_exams(config) if config.policy.name == "exam" else 0
    with_feedback = feedback / steps * (3 + 6 * config.policy.exam_batch_size / config.record.probe_size)
    still = speed.forward_seconds(student, batch_size=batch, length=length)
    swapped = swapped_texts(config, N_CLASSES.get(config.task.name)) / batch
    reading = readings * still * (probe * (ratio + 1 + with_feedback) + swapped * (ratio + 1))
    fitting = 3 * config.teacher.fine_tune_steps * speed.forward_seconds(
        teacher, batch_size=config.teacher.fine_tune_batch_size, length=length, training=True
    )
    return Estimate(
        kd_units=known.kd_units, step_units=known.step_units, cached=known.cached, step_milliseconds=1000 * teaching / steps,
        seconds=teaching + reading + one * ending_units(config) / batch,
        teacher_seconds=0.0 if config.teacher.fine_tune == "never" or config.teacher.name == STORED else fitting,
        explanation=f"{known.explanation} Texts have {length:.0f} tokens {how}. Loading and the final scores come on top.",
    )  # fmt: skip


def shape_of(name: str) -> Shape | None:
    """Return the size of a built-in model or of one in a local folder; None for a hub name."""
    if name == STORED:
        return Shape(layers=0, width=0, inner=0)
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


def cached_examples(config: RunConfig, texts: Texts | None) -> int | None:
    """Return how many soft targets a fixed teacher says once, before the first step; None where it is asked at each step, or unknown."""
    from ikd.trainer import caches_soft_targets

    if texts is None:
        return None
    n_course = texts.course + (texts.exam if exam_joins_course(config.policy) else 0)
    return n_course if caches_soft_targets(config, n_course) else None


def _cache_words(config: RunConfig, texts: Texts | None, cached: int | None) -> str:
    if cached is not None:
        return f"The soft targets of {cached:,} examples are computed once, before the first step; that is spread over all steps. "
    fixed = config.policy.name in ("fixed", "annealed") and config.policy.cached_targets != "never"
    if texts is None and fixed:
        return "Where the run goes through the data more than once, the soft targets are computed once and a step costs less. "
    return ""


def _text_length(config: RunConfig, texts: Texts | None) -> tuple[float, str]:
    """Return mean tokens a text, and where the number is from."""
    if texts is None:
        return GUESSED_LENGTH, "(assumed: the data are not here yet)"
    return min(texts.length, float(config.task.max_length)), "on average (estimated from a sample)"


def _texts(config: RunConfig) -> Texts | None:
    """Return what is known of the task's texts. Hub data are not fetched for an estimate."""
    from ikd.tasks import BUILT_IN, load_task

    if config.task.name not in (*BUILT_IN, "files"):
        return None
    key = config.task.model_dump_json()
    if key not in _known:
        splits = load_task(config.task).splits
        _known[key] = Texts(_mean_tokens(splits["course"]), len(splits["course"]), len(splits["exam"]))
    return _known[key]


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
    if read_only():
        return None, "How long it takes is not measured in a lab that is read-only."
    if active_run(config.machine.device, root) is not None:
        return None, "How long it takes is measured when no run is at work."
    return measure_speed(root, str(device), n_threads), ""


def _of_this_lab(config: RunConfig) -> bool:
    """Return whether a config names nothing but tasks and models that come with the lab."""
    models = (config.teacher.name, config.student.name)
    own = all(name in ("teacher", STORED) or name.startswith("builtin/") for name in models) and not config.student.checkpoint
    return own and config.task.name in N_CLASSES


def _unknown(explanation: str) -> Estimate:
    return Estimate(
        kd_units=None, step_units=None, step_milliseconds=None, seconds=None, teacher_seconds=None, explanation=explanation
    )
