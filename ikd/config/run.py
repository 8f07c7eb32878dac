"""RunConfig: everything that determines a run, and the rules between settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field, model_validator

from ikd.config.data import FEWEST_COURSE, TaskSettings
from ikd.config.exam_texts import broken_exam_text_rules
from ikd.config.fields import Setting, Settings, setting
from ikd.config.fitting import (
    broken_label_rules,
    broken_number_rules,
    broken_objective_rules,
    broken_shift_rules,
    student_size,
    teacher_size,
)
from ikd.config.models import STORED, StudentSettings, TeacherSettings, student_start
from ikd.config.names import BUILTIN_MODELS, TASK_NAMES
from ikd.config.objective import ObjectiveSettings
from ikd.config.plan import AT_A_FORK, PlannedChange
from ikd.config.policy import EXAM_POLICIES, MOVES, PolicySettings
from ikd.config.training import StudentUpdateSettings
from ikd.errors import unknown_name

BUILTIN_PATTERN = re.compile(r"builtin/(\d{1,2})x(\d{1,4})")
DEVICE_PATTERN = re.compile(r"auto|cpu|mps|cuda(:\d{1,2})?")


class RecordSettings(Settings):
    """What the trace keeps."""

    probe_size: int = setting(
        200, "Validation examples read at every reading; accuracy and drift curves are computed on them.",
        label="Probe examples", unit="examples", ge=1, le=100_000,
    )
    probe_every: int = setting(
        5, "Steps between two readings of the probe set.", label="Reading every", unit="steps", ge=1, le=100_000,
    )
    probe_dtype: Literal["float32", "float16"] = setting(
        "float32", "Precision of the recorded probe logits.", label="Probe precision",
        choices={"float32": "4 bytes a number", "float16": "2 bytes a number, for many classes"}, advanced=True,
    )
    checkpoint_every: int = setting(
        100, "Steps between two checkpoints, from which a run is resumed or forked.", label="Checkpoint every",
        unit="steps", ge=1, le=1_000_000, advanced=True,
    )
    checkpoints_kept: int = setting(
        3, "How many of the newest checkpoints are kept.", label="Newest checkpoints kept", unit="checkpoints", ge=1, le=40,
        advanced=True,
    )
    checkpoint_keep_every: int = setting(
        5, "Every so many-th checkpoint is kept too, so that forks are quick; 0: none. At most 40 are kept in all.",
        label="Checkpoints kept for forks", ge=0, le=1000, advanced=True,
    )
    checkpoint_megabytes: int = setting(
        4000, "Room for the checkpoints of a run; where it is too small, the newest one alone is kept.",
        label="Room for checkpoints", unit="MB", ge=1, le=10_000_000, advanced=True,
    )


class MachineSettings(Settings):
    """Where the run is computed."""

    device: str = setting(
        "auto", "`auto` takes a GPU when there is one; or `cpu`, `mps`, `cuda`, `cuda:1`, ...", label="Device",
        max_length=20,
    )
    precision: Literal["fp32", "bf16"] = setting(
        "fp32", "Precision of the forward passes; weights, tangents and updates are always fp32.", label="Precision",
        choices={"fp32": "32-bit floats", "bf16": "bfloat16 autocast, on CUDA only"}, advanced=True,
    )
    threads: int | None = setting(
        None, "CPU threads; empty: one less than the cores, so that pages stay quick.", label="CPU threads",
        unit="threads", ge=1, le=1024, advanced=True,
    )
    teacher_accuracy_floor: float | None = setting(
        None, "Stop when the teacher's accuracy on the probe set falls below this; empty: never.",
        label="Stop below teacher accuracy", ge=0, le=1, advanced=True,
    )
    recompute_student: bool = setting(
        False, "Whether the tangent pass computes the course step's matrix products again instead of keeping them: a little less memory, "
        "for one more student forward at each exam. With a batch in pieces they are never kept.", label="Recompute the student's products",
        applies="policy.hypergradient=jvp", advanced=True,
    )
    recompute_teacher: bool = setting(
        False, "Whether the teacher's layers keep only their inputs and are computed again for its update (gradient checkpointing): a "
        "large teacher then needs much less memory, for one more of its forwards.", label="Recompute the teacher's layers",
        applies=MOVES, advanced=True,
    )


class RunConfig(Settings):
    """Everything that determines a run. Two runs of equal configs on the same CPU give the same trace.

    `plan` holds the settings that change on the way: the record of a run whose settings were changed in flight, or of a fork.
    """

    label: str = setting("", "A name of your own for the run.", label="Run name", max_length=80)
    seed: int = setting(0, "Seed of initial weights, batches and dropout.", label="Seed", ge=0, le=2**31 - 1)
    task: TaskSettings = Field(default_factory=TaskSettings)
    teacher: TeacherSettings = Field(default_factory=TeacherSettings)
    student: StudentSettings = Field(default_factory=StudentSettings)
    objective: ObjectiveSettings = Field(default_factory=ObjectiveSettings)
    training: StudentUpdateSettings = Field(default_factory=StudentUpdateSettings)
    policy: PolicySettings = Field(default_factory=PolicySettings)
    record: RecordSettings = Field(default_factory=RecordSettings)
    machine: MachineSettings = Field(default_factory=MachineSettings)
    plan: tuple[PlannedChange, ...] = Field(default=(), max_length=1000)

    @model_validator(mode="after")
    def _rules(self) -> RunConfig:
        for broken in _broken_rules(self):
            raise ValueError(broken)
        return self


GROUPS: dict[str, type[Settings]] = {
    "task": TaskSettings,
    "teacher": TeacherSettings,
    "student": StudentSettings,
    "objective": ObjectiveSettings,
    "training": StudentUpdateSettings,
    "policy": PolicySettings,
    "record": RecordSettings,
    "machine": MachineSettings,
}


def settings_of(group: str = "") -> list[Setting]:
    """Return the declared settings of one group; the empty name gives those of the run itself."""
    owner = GROUPS[group] if group else RunConfig
    return [Setting(group, name, info) for name, info in owner.model_fields.items() if name not in (*GROUPS, "plan")]


def all_settings() -> list[Setting]:
    """Return every setting of a run, those of the run itself first."""
    return [one for group in ("", *GROUPS) for one in settings_of(group)]


def applies(one: Setting, values: dict[str, Any]) -> bool:
    """Return whether a setting matters, given the values of the others by dotted path (rules chain)."""
    if not one.applies:
        return True
    path, negated, wanted = re.fullmatch(r"([\w.]+?)(!?)=(.*)", one.applies).groups()  # type: ignore[union-attr]
    owner = next(other for other in all_settings() if other.path == path)
    holds = str(values.get(path, owner.default)) in wanted.split("|")
    return holds != bool(negated) and applies(owner, values)


def _broken_rules(run: RunConfig) -> Iterator[str]:
    policy, student, task = run.policy, run.student, run.task
    for one in run.plan:
        if one.path not in AT_A_FORK:
            yield unknown_name("change in the plan", one.path, AT_A_FORK, hint="Other settings hold for a whole run.")
    if not DEVICE_PATTERN.fullmatch(run.machine.device):
        yield f"Device {run.machine.device!r} is not known: choose auto, cpu, mps, cuda, or cuda and a number such as cuda:1."
    if run.machine.precision == "bf16" and run.machine.device in ("cpu", "mps"):
        yield "Precision bf16 needs a CUDA device: choose machine.precision fp32, or machine.device cuda."
    if task.name not in TASK_NAMES:
        hint = "Use `files` for your own files, or `hub` with task.hub_name for any other data set."
        yield unknown_name("task", task.name, TASK_NAMES, hint=hint)
    if student.name == STORED:
        yield "`stored` names soft targets that stand with the texts, and no model: choose a built-in student, a hub name or a folder."
    for name in (run.teacher.name, student.name):
        if name.startswith("builtin") and not _is_builtin(name):
            hint = "Write builtin/LAYERSxWIDTH, 1 to 24 layers, the width a multiple of 16 up to 1024."
            yield unknown_name("built-in model", name, BUILTIN_MODELS, hint=hint)
    if task.name == "files" and not task.train_file:
        yield "Task `files` needs a training file: give task.train_file, for example a .csv with the columns text and label."
    if task.name == "hub" and not task.hub_name:
        yield "Task `hub` needs the name of a data set: give task.hub_name, for example owner/name."
    if task.train_size is not None and task.exam_size is not None and task.train_size - task.exam_size < FEWEST_COURSE:
        left = max(task.train_size - task.exam_size, 0)
        yield (f"{task.exam_size} exam examples leave {left} of the {task.train_size} training examples for the course, and it needs "
               f"at least {FEWEST_COURSE}: raise task.train_size, or lower task.exam_size.")
    yield from _broken_start(student)
    yield from broken_objective_rules(
        run.objective, policy, run.training, teacher=teacher_size(run.teacher), student=student_size(student, run.teacher)
    )
    yield from broken_label_rules(run.objective, policy, task)
    yield from broken_number_rules(run.objective, policy, run.teacher, student, task)
    yield from broken_shift_rules(task)
    if policy.name == "annealed" and run.objective.temperature_end is not None:
        yield ("Policy annealed sets the temperature itself, from policy.annealed_from to objective.temperature: leave "
               "objective.temperature_end empty, or choose policy fixed.")
    if policy.name in EXAM_POLICIES:
        yield from _broken_exam_rules(run)
    yield from broken_exam_text_rules(run.teacher, policy, run.training)


def _broken_start(student: StudentSettings) -> Iterator[str]:
    if student.checkpoint and student_start(student) != "checkpoint":
        yield ("A checkpoint folder is given but student.initialisation is neither `checkpoint` nor `auto`: choose `checkpoint`, or leave "
               "the folder empty.")
    if student.name == "teacher" and student.initialisation == "checkpoint" and not student.checkpoint:
        yield "A student cut from the teacher has no weights of its own: choose another student.initialisation, or give student.checkpoint."
    if student.name.startswith("builtin/") and student.initialisation == "checkpoint" and not student.checkpoint:
        yield "A built-in student has no weights of its own: choose student.initialisation random, or give student.checkpoint."


def _is_builtin(name: str) -> bool:
    found = BUILTIN_PATTERN.fullmatch(name)
    return found is not None and 1 <= int(found[1]) <= 24 and int(found[2]) % 16 == 0 and 16 <= int(found[2]) <= 1024


def _broken_exam_rules(run: RunConfig) -> Iterator[str]:
    policy = run.policy
    if run.objective.alpha == 0 and not run.objective.alpha_end:
        yield ("With objective.alpha 0 the student never sees a soft target, so there is no feedback to learn from: raise "
               "alpha, or choose policy fixed." if policy.name == "exam" else
               "With objective.alpha 0 the student never sees a soft target, so it does not matter what the teacher learns: raise alpha, "
               "or choose policy fixed.")
    if policy.exam_start >= run.training.steps:
        yield (f"The first exam would be at step {policy.exam_start}, but the run ends after {run.training.steps} steps: "
               "lower policy.exam_start, or raise training.steps.")
    if policy.name != "exam":
        return
    if policy.fresh_student and run.training.steps < 2:
        yield "policy.fresh_student parts the steps in two halves, and training.steps is 1: raise training.steps, or set it to false."
    if policy.inner_update == "off" and policy.anchor == "none":
        yield "With policy.inner_update off nothing would move the teacher: choose an anchor, or another inner update."
    if policy.hypergradient == "unrolled" and policy.inner_update != "exact":
        yield "The unrolled hypergradient always goes through the real update: choose policy.inner_update exact, or another hypergradient."
    if policy.hypergradient != "jvp" and run.machine.precision == "bf16":
        yield "Under bf16 only the jvp hypergradient is exact enough: choose policy.hypergradient jvp, or machine.precision fp32."
    if policy.fresh_student and policy.exam_start >= run.training.steps // 2 > 0:
        yield (f"The first exam would be at step {policy.exam_start}, but under policy.fresh_student the teacher is frozen from step "
               f"{run.training.steps // 2} on: lower policy.exam_start, or raise training.steps.")
