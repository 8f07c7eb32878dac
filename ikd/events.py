"""The facts a run reports, as plain values: numbers, strings and numpy arrays, never tensors.

A step index `step` counts completed student updates. Everything reported at step s was measured with the
teacher and the student as they stand after s updates; the update reported with it leads to step s + 1.

Shapes: B course examples in the batch, P probe examples, C classes, K hidden states and attentions beside the logits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

UNLABELLED = -1
"""The label of a text without one. Such texts are in the course split alone."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """One text (or pair of texts) with its hard label and, where the task knows it, the true posterior.

    Attributes:
        id: index in its split, never changed by shuffling.
        split: "course" or "probe"; examples of other splits come as a `ScoredSplit`.
        label: hard label, or `UNLABELLED`.
        truth: p(label | text) for each class, exactly known or people's votes, or None where it is not known.
        group: name of the group it belongs to; empty where there is none.
        source: name of who gave its label or soft target; empty where nobody is named.
    """

    id: int
    split: str
    text: str
    text_pair: str | None
    label: int
    truth: tuple[float, ...] | None = None
    group: str = ""
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The run entered a named stage; `total` is its number of steps where that is known."""

    name: str
    total: int | None = None


@dataclass(frozen=True, kw_only=True)
class Notice:
    """A sentence for the log. `warning` asks the pages to show it too."""

    text: str
    warning: bool = False


@dataclass(frozen=True, kw_only=True)
class TeacherProgress:
    """One step of fine-tuning the teacher before distillation starts."""

    step: int
    total: int
    loss: float


@dataclass(frozen=True, kw_only=True)
class Progress:
    """So many steps of the present stage are done; nothing of it is recorded."""

    step: int
    total: int


@dataclass(frozen=True, kw_only=True)
class RunStarted:
    """What is fixed for the whole run: names, sizes and the probe set.

    Attributes:
        shown: a name for each hidden state, then each attention, that the objective looks at beside the logits; K in all.
        numbers: a name for each of the few numbers that the teacher learns; M in all, none where it learns weights.
        numbers_truth: what each of them would be worth: of trust, the exact probability that the source is right where it names the
            class; empty where it is not known.
    """

    label_names: Sequence[str]
    n_steps: int
    temperature: float
    probe: Sequence[Example]
    facts: Mapping[str, float | int | str]
    shown: Sequence[str] = field(default_factory=tuple)
    numbers: Sequence[str] = field(default_factory=tuple)
    numbers_truth: Sequence[float] = field(default_factory=tuple)


@dataclass(frozen=True, kw_only=True)
class Course:
    """Every soft target issued at one course step, before that step's updates.

    Attributes:
        examples: (B,) ids in the course split.
        teacher_logits: (B, C) what the teacher issued, before temperature.
        student_logits: (B, C) what the student answered.
        feedback: (B, C) minus the hypergradient at each teacher logit (README, *Words*), in exam loss per unit
            of logit, or None at a step with no exam.
        influence: (B,) marginal effect of each example's gradient on the exam loss (negative helps), or None.
        hidden_feedback: (B, K) norm of each example's hypergradient at each hidden state and attention of `RunStarted.shown`, in exam
            loss per unit of it, or None where there is none.
    """

    examples: Integers
    teacher_logits: Floats
    student_logits: Floats
    feedback: Floats | None = None
    influence: Floats | None = None
    hidden_feedback: Floats | None = None


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The probe set read at one step, before that step's updates.

    Attributes:
        teacher_logits: (P, C). At step 0 this is the frozen teacher.
        student_logits: (P, C).
        feedback: (P, C) what the feedback at each teacher logit would be if the example had a place in this step's
            course batch (weight 1/B), or None at a step with no exam.
        influence: (P,) what the influence of each example would be with that place (negative helps), or None.
        hidden_feedback: (P, K) what the norms of `Course.hidden_feedback` would be with that place, or None.
        numbers: (M,) the few numbers that the teacher learns, as they are, or None.
    """

    teacher_logits: Floats
    student_logits: Floats
    feedback: Floats | None = None
    influence: Floats | None = None
    hidden_feedback: Floats | None = None
    numbers: Floats | None = None


@dataclass(frozen=True, kw_only=True)
class StepTaken:
    """All that is known of one step; the recorder commits it in one transaction.

    Attributes:
        scalars: name to value; the names are listed in `ikd.trace.schema.SCALARS`.
        seconds: spent on computing this step and its reading; a pause, a wait and the recording are not part of it.
        new_examples: course examples issued a soft target for the first time at this step.
    """

    step: int
    scalars: Mapping[str, float]
    course: Course | None = None
    reading: Reading | None = None
    seconds: float = 0.0
    new_examples: Sequence[Example] = field(default_factory=tuple)


@dataclass(frozen=True, kw_only=True)
class ScoredSplit:
    """A split on which models are scored as a whole; reported by every attempt of a run, before the first prediction on it.

    Attributes:
        split: "validation" or "test".
        labels: (n,) hard labels.
        truth: (n, C) p(label | text), a row of zeros where it is not known; None: nowhere.
        texts, text_pairs: of the first examples; where a split is long, not of all.
        groups: name of the group of each example, empty where it has none; None: the task names no groups.
    """

    split: str
    labels: Integers
    truth: NDArray[np.float64] | None
    texts: Sequence[str]
    text_pairs: Sequence[str] | None = None
    groups: Sequence[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """What one model says on a whole split.

    Attributes:
        role: "frozen_teacher", asked before the first step; "teacher" and "student", asked after the last;
            "student_before_exam_texts", where the student then studied the exam texts.
        split: of a `ScoredSplit`.
        logits: (n, C), in the order of the split.
    """

    role: str
    split: str
    logits: Floats


@dataclass(frozen=True, kw_only=True)
class RunFinished:
    """Final scores on the whole validation and test splits, e.g. `student/test/accuracy`; what they were made of was `Predicted`.

    Attributes:
        facts: by name, how the student came to its end: what was kept of the last fine-tuning, for one.
    """

    scores: Mapping[str, float]
    facts: Mapping[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Intervened:
    """A person has changed a setting while the run went on; the update from `step` to the next is the first one with it.

    Attributes:
        path: dotted path of the setting.
        value, previous: its values from then on and before, None for empty.
        command: id of the command that asked for it: each is carried out once.
    """

    step: int
    path: str
    value: bool | int | float | str | None
    previous: bool | int | float | str | None
    command: str = ""


Event = Stage | Notice | Progress | Intervened | TeacherProgress | RunStarted | ScoredSplit | Predicted | StepTaken | RunFinished
