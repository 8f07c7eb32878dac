"""Settings of the two models and of the teacher's own fine-tuning before distillation."""

from __future__ import annotations

from typing import Literal

from ikd.config.fields import Settings, setting

STORED = "stored"
"""The teacher that cannot be asked again: its soft targets stand with the texts."""


class TeacherSettings(Settings):
    """The big model, and how it is fine-tuned on the task before it teaches."""

    name: str = setting(
        "builtin/2x64", "A built-in size `builtin/LAYERSxWIDTH`, a hub name, a local folder with a model, or `stored`: the soft targets "
        "that stand with the texts, of a teacher that cannot be asked again.",
        label="Teacher", min_length=1, max_length=1000,
    )
    revision: str | None = setting(
        None, "Branch, tag or commit on the hub; empty: the newest.", label="Teacher revision", max_length=200,
        advanced=True,
    )
    fine_tune: Literal["auto", "always", "never"] = setting(
        "auto", "Whether the teacher is first fine-tuned on the course split.", label="Fine-tune the teacher first",
        choices={
            "auto": "only where its classifier does not already fit the task",
            "always": "even if it already has a classifier of the right size",
            "never": "refused where it has no classifier for this task",
        },
    )
    fine_tune_steps: int = setting(
        400, "Steps of fine-tuning; the result is cached and reused by every run with the same data and settings.",
        label="Fine-tuning steps", unit="steps", ge=1, le=1_000_000,
    )
    fine_tune_batch_size: int = setting(
        32, "Examples in one fine-tuning step.", label="Fine-tuning batch", unit="examples", ge=1, le=4096,
        advanced=True,
    )
    fine_tune_learning_rate: float | None = setting(
        None, "Peak learning rate of the fine-tuning (AdamW, linear decay, a tenth of the steps as warm-up); empty: "
        "0.003 for a built-in teacher, 0.00003 for a pre-trained one.", label="Fine-tuning learning rate", gt=0, le=1,
    )
    studies_exam: bool = setting(
        False, "Whether the teacher is fine-tuned on the exam texts too, beside those of the course: what a practitioner would do, and a "
        "control. An exam that it knows by heart gives poor feedback.", label="The teacher also studies the exam texts", advanced=True,
        applies="teacher.name!=stored",
    )
    sources_by_exam: bool = setting(
        False, "Whether stored soft targets are corrected source by source before the first step. A model of the student's kind learns the "
        "exam texts, alone or after the course (`teacher.fine_tune_steps`), whichever is better on the validation split, and labels the "
        "course; that gives each source a confusion matrix, and its soft targets q become q M.",
        label="Correct each source by the exam texts", applies="teacher.name=stored", advanced=True,
        formula=r"q \leftarrow q\,M_z,\quad M_z[i, j] = \frac{1 + \sum_{x:\,\arg\max q_x = i} p_x[j]}"
        r"{C + \#\{x:\,\arg\max q_x = i\}}",
    )
    label_order: str | None = setting(
        None, "The task's labels in the order of the teacher's outputs, separated by commas; empty: by the names in its config.json.",
        label="Order of the teacher's outputs", max_length=5000, advanced=True,
    )
    accept: bool = setting(
        False, "Whether a teacher that fails its self-test teaches all the same; the run's record then says so.",
        label="Accept a teacher that fails its self-test", advanced=True,
    )


class StudentSettings(Settings):
    """The small model, and what it starts from."""

    name: str = setting(
        "builtin/1x32", "A built-in size, a hub name, a local folder, or `teacher`: the teacher's own architecture "
        "with fewer layers.", label="Student", min_length=1, max_length=1000,
    )
    revision: str | None = setting(
        None, "Branch, tag or commit on the hub; empty: the newest.", label="Student revision", max_length=200,
        advanced=True,
    )
    initialisation: Literal["auto", "random", "first_layers", "spread_layers", "checkpoint"] = setting(
        "auto", "What the student's weights are before the first step.", label="Student initialisation",
        choices={
            "auto": "a named model or folder keeps its own weights, a built-in one is drawn from the seed, `teacher` takes the teacher's "
            "first layers",
            "random": "freshly drawn from the seed",
            "first_layers": "the teacher's embeddings and its first k layers",
            "spread_layers": "the teacher's embeddings and every n-th of its layers",
            "checkpoint": "the weights that come with the named student, or those of the folder below",
        },
    )
    layers: int | None = setting(
        None, "Layers of a student cut from the teacher; empty: half of the teacher's.", label="Student layers",
        unit="layers", applies="student.name=teacher", ge=1, le=200,
    )
    checkpoint: str | None = setting(
        None, "Local folder with the student's own weights.", label="Checkpoint folder",
        applies="student.initialisation=auto|checkpoint", max_length=1000,
    )
    dropout: bool = setting(
        True, "Whether the student's dropout is on in course steps. Exams and readings are always taken without.",
        label="Dropout in course steps", advanced=True,
    )


def student_start(student: StudentSettings) -> str:
    """Return what the student starts from: its initialisation, and what `auto` means for this student."""
    if student.initialisation != "auto":
        return student.initialisation
    if student.checkpoint:
        return "checkpoint"
    if student.name == "teacher":
        return "first_layers"
    return "random" if student.name.startswith("builtin/") else "checkpoint"
