"""Named starting points, each with a sentence of what to look for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Settings that differ from the defaults, by dotted path, and what they let a person see.

    Attributes:
        look_for: what to watch, in a sentence or two.
        verdict: what the study `shifts` says of it, word for word as its report does; empty where it is not about a shift.
    """

    title: str
    look_for: str
    values: dict[str, Any]
    verdict: str = ""

    @property
    def told(self) -> str:
        """Return what to look for and what the study says."""
        return f"{self.look_for} {self.verdict}".strip()


NOT_SHOWN = "Not yet shown by a study: nothing is claimed here."
"""Verdict of a preset whose study has not been carried out."""

_SHIFTED: dict[str, Any] = {
    "task.ambiguity": 0.2, "task.train_size": 5500, "task.exam_size": 500, "teacher.fine_tune_steps": 1200, "objective.alpha": 1.0,
    "training.steps": 2000, "policy.exam_every": 4, "policy.teacher_learning_rate": 1e-4, "record.probe_every": 20,
}  # fmt: skip
"""Enough course texts and steps that more steps alone no longer help the student much: it is limited by its targets."""

_FEW_EXAM_TEXTS: dict[str, Any] = {
    "task.train_size": 5060, "task.exam_size": 60, "policy.exam_batch_size": 60, "policy.teacher_learning_rate": 0.01,
}  # fmt: skip
"""Few trusted texts, and a teacher that learns few numbers from them."""

PRESETS: dict[str, Preset] = {
    "demo": Preset(
        title="Demo: a teacher that fell for a shortcut",
        look_for="In the course the opening word of a text gives its label away, in the exam it means nothing. Watch the teacher's "
        "reliance on that word fall, the student's with it, and accuracy rise on the texts whose opening word contradicts them.",
        verdict=NOT_SHOWN,
        values={**_SHIFTED, "task.shift": "shortcut"},
    ),
    "sources": Preset(
        title="Demo: whom to trust",
        look_for="Six sources labelled the course texts: two are good, two guess, two name the wrong class, and no text says which. Watch "
        "how far each source is trusted once a few exam texts with true labels speak.",
        verdict=NOT_SHOWN,
        values={**_SHIFTED, "task.shift": "sources", "task.shift_strength": 1.0, "task.train_size": 5030, "task.exam_size": 30,
                "teacher.name": "stored", "policy.teacher_scope": "trust", "policy.teacher_learning_rate": 0.01, "training.steps": 4000,
                "policy.exam_start": 100, "policy.exam_batch_size": 30, "objective.temperature": 1.0, "record.probe_every": 40},
    ),
    "imbalance": Preset(
        title="Rare classes",
        look_for="The last class is rare in the course and as frequent as the others in the exam. Watch the accuracy of the rare classes, "
        "and the worst group.",
        verdict=NOT_SHOWN,
        values={**_SHIFTED, **_FEW_EXAM_TEXTS, "task.shift": "imbalance", "policy.teacher_scope": "class_bias"},
    ),
    "flips": Preset(
        title="Flipped labels",
        look_for="Half of the course labels of the first class are those of its neighbour; the exam's are right. Watch the accuracy of the "
        "flipped class.",
        verdict=NOT_SHOWN,
        values={**_SHIFTED, **_FEW_EXAM_TEXTS, "task.shift": "flips", "policy.teacher_scope": "label_matrix"},
    ),
    "shortcut": Preset(
        title="A shortcut in pairs of sentences",
        look_for="The same fault as in the demo, in another task: the opening word gives the class of a pair away. Watch whether feedback "
        "lowers the reliance here too.",
        verdict=NOT_SHOWN,
        values={**_SHIFTED, "task.name": "pairs", "task.shift": "shortcut"},
    ),
    "good_teacher": Preset(
        title="A good teacher: feedback changes little",
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
        look_for="The demo with a fixed teacher: its reliance on the opening word stays, and the student learns it. This is the baseline "
        "that feedback has to beat; its student studies the exam examples too, so that both see the same labelled texts.",
        values={**_SHIFTED, "task.shift": "shortcut", "policy.name": "fixed"},
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
        "Compare cost and curves with a good teacher's.",
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
