"""Named starting points, each with a sentence of what to look for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Settings that differ from the defaults, by dotted path, and what they let a person see."""

    title: str
    look_for: str
    values: dict[str, Any]


PRESETS: dict[str, Preset] = {
    "demo": Preset(
        title="Demo: a teacher that listens",
        look_for="The drift band leaves zero at the first exam: from there on the teacher no longer says what it said. "
        "Compare its soft targets on the board with the frozen teacher's. The student ends no better than with a fixed teacher: over "
        "ten seeds no difference is shown (docs/defaults.md).",
        values={"training.steps": 400},
    ),
    "overconfident": Preset(
        title="Overconfident teacher",
        look_for="The teacher has learned few texts almost by heart and is far too sure. Feedback softens it: watch "
        "the student's likelihood (nll) and its divergence from the truth. Over ten seeds both end better than under the same teacher "
        "fixed, in 9 of 10; accuracy ends 2 points worse. The cheap policy online does better still.",
        values={
            "task.train_size": 1500, "task.exam_size": 500, "teacher.fine_tune_steps": 700, "training.steps": 500,
            "policy.teacher_learning_rate": 5e-5,
        },
    ),
    "ordinary": Preset(
        title="Ordinary distillation",
        look_for="A fixed teacher: the drift band stays at zero. This is the baseline that feedback has to beat; its "
        "student studies the exam examples too, so that both see the same labelled texts.",
        values={"policy.name": "fixed", "training.steps": 400},
    ),
    "too_fast": Preset(
        title="A teacher that learns too fast",
        look_for="Ten times the teacher learning rate: the teacher chases each exam, forgets the task and pulls the "
        "student along: worse than under a fixed teacher in all of ten seeds. The run stops by itself below 35 % teacher accuracy.",
        values={
            "training.steps": 400, "policy.teacher_learning_rate": 5e-4, "machine.teacher_accuracy_floor": 0.35,
        },
    ),
    "pilot": Preset(
        title="Pilot update (redo)",
        look_for="After each exam the student repeats its course step with the improved teacher, as in MetaDistil. "
        "Compare cost and curves with the demo.",
        values={"training.steps": 500, "policy.student_update": "redo"},
    ),
    "anchored": Preset(
        title="Anchored teacher",
        look_for="A KL term ties the teacher to what it said at first: after 500 steps the drift band is half as wide as "
        "without (95 % quantile 0.06 against 0.12 nats, seed 0).",
        values={"training.steps": 500, "policy.anchor": "initial_teacher", "policy.anchor_weight": 10.0},
    ),
    "pairs": Preset(
        title="Pairs of sentences",
        look_for="Three classes of inference between two sentences; hedged words make the truth itself unsure.",
        values={"task.name": "pairs", "task.train_size": 6000, "training.steps": 500},
    ),
    "irony": Preset(
        title="Irony: two classes",
        look_for="With two classes a soft target is one number: follow it as a line on the board.",
        values={"task.name": "irony", "task.train_size": 6000, "training.steps": 500},
    ),
    "pretrained": Preset(
        title="A real encoder",
        look_for="Put a hub name or a local folder under Teacher and your data under Task: the student is its first "
        "layers. Rates suit pre-trained weights; an exam after every second step halves the cost of feedback.",
        values={
            "teacher.name": "google-bert/bert-base-uncased", "student.name": "teacher",
            "student.initialisation": "first_layers", "student.layers": 3, "teacher.fine_tune_steps": 1000,
            "training.steps": 1000, "policy.exam_every": 2, "policy.exam_batch_size": 32, "record.probe_every": 20,
        },
    ),
}  # fmt: skip
