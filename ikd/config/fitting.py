"""Whether an objective, a policy and two models fit together, as far as their settings alone can tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ikd.config.data import GENERATED, TaskSettings
from ikd.config.models import STORED, StudentSettings, TeacherSettings
from ikd.config.objective import HIDDEN_OBJECTIVES, ObjectiveSettings, objective_terms
from ikd.config.policy import EXAM_POLICIES, FEW_NUMBERS, MOVING_POLICIES, PolicySettings
from ikd.config.training import StudentUpdateSettings

HEAD_WIDTH = 16
"""Width of one attention head of a built-in model."""


class Size(NamedTuple):
    """Layers and width of an encoder; None where a setting does not say."""

    layers: int | None
    width: int | None


def teacher_size(teacher: TeacherSettings) -> Size:
    """Return the teacher's size where its name says it."""
    return _size(teacher.name)


def student_size(student: StudentSettings, teacher: TeacherSettings) -> Size:
    """Return the student's size where settings say it."""
    if student.name != "teacher" or student.checkpoint:
        return Size(None, None) if student.checkpoint else _size(student.name)
    whole = teacher_size(teacher)
    layers = student.layers or (None if whole.layers is None else max(1, whole.layers // 2))
    return Size(layers, whole.width)


def _size(name: str) -> Size:
    match = re.fullmatch(r"builtin/(\d+)x(\d+)", name)
    return Size(int(match[1]), int(match[2])) if match else Size(None, None)


def broken_objective_rules(
    objective: ObjectiveSettings, policy: PolicySettings, training: StudentUpdateSettings, *, teacher: Size, student: Size
) -> Iterator[str]:
    """Yield a sentence for each thing that cannot be."""
    terms = objective_terms(objective)
    if not terms:
        yield "Every weight of the sum is 0, so there is nothing to learn from the teacher: raise one, such as objective.kd_weight."
    hidden = HIDDEN_OBJECTIVES & terms.keys()
    if terms and hidden == terms.keys():
        yield from _broken_hidden_alone(objective, policy)
        if hidden == {"pkd"} and teacher.layers is not None and student.layers is not None and 1 < student.layers <= teacher.layers:
            yield from _broken_top(objective, policy, teacher.layers, student.layers)
    if hidden and policy.name in ("fixed", "annealed") and policy.cached_targets == "always":
        yield ("Soft targets computed once are logits, but this objective looks at layers too: set policy.cached_targets to auto, or "
               "choose an objective of logits such as kd.")
    if "dist" in terms and training.pieces > 1:
        yield ("The objective dist compares the examples of a whole batch, so a batch cannot go through in pieces: set training.pieces to "
               "1, or choose another objective.")
    if "pkd" in terms and student.layers == 1:
        yield ("The objective pkd compares inner layers, and a student of one layer has none: choose a student of two layers or more, "
               "or another objective.")
    if hidden and None not in (student.layers, teacher.layers) and (student.layers or 0) > (teacher.layers or 0):
        yield (f"The student has {student.layers} layers and the teacher only {teacher.layers}, so its layers cannot be paired with the "
               f"teacher's: choose a smaller student, or an objective without layers such as kd.")
    if student.width is not None and teacher.width is not None:
        yield from _broken_widths(objective, terms, student.width, teacher.width)


def broken_label_rules(objective: ObjectiveSettings, policy: PolicySettings, task: TaskSettings) -> Iterator[str]:
    """Yield a sentence for each thing that cannot be with texts that have no label, or with votes in the labels' place."""
    generated = task.name in GENERATED
    votes = objective.label_targets == "truth"
    if votes and not generated and not task.soft_label_column:
        yield ("To study human votes (objective.label_targets truth) the task needs them: name their column in task.soft_label_column, or "
               "set objective.label_targets to labels.")
    unlabelled = not generated and (task.missing_labels == "study" or (task.name == "files" and bool(task.unlabelled_file)))
    if (unlabelled or votes) and "dkd" in objective_terms(objective):
        what = "texts without a label" if unlabelled else "votes in the labels' place"
        yield (f"The objective dkd parts the label's class from the others, so it cannot be used with {what}: choose another objective "
               "such as kd, or leave those out.")
    if unlabelled and policy.exam_source == "train" and policy.name in EXAM_POLICIES:
        yield ("Texts without a label are in the course split, and an exam needs labels: set policy.exam_source to held_out, or leave out "
               "task.unlabelled_file and set task.missing_labels to drop.")
    if unlabelled and objective.alpha == 0 and not objective.alpha_end:
        yield ("With objective.alpha 0 the student learns from labels alone, and texts without a label teach it nothing: raise alpha, or "
               "leave out task.unlabelled_file and set task.missing_labels to drop.")


def broken_number_rules(
    objective: ObjectiveSettings, policy: PolicySettings, teacher: TeacherSettings, student: StudentSettings, task: TaskSettings
) -> Iterator[str]:
    """Yield a sentence for each thing that cannot be with a teacher that learns few numbers, or whose soft targets are stored."""
    moves, few = policy.name in MOVING_POLICIES, policy.teacher_scope in FEW_NUMBERS
    hidden = HIDDEN_OBJECTIVES & objective_terms(objective).keys()
    if moves and few and policy.name != "exam":
        yield (f"policy.teacher_scope {policy.teacher_scope} learns from exams, and policy {policy.name} sits none: choose policy exam, or "
               "another scope.")
    if moves and few and hidden and hidden == objective_terms(objective).keys():
        yield (f"An objective that looks at layers alone sends no feedback to soft targets, so policy.teacher_scope {policy.teacher_scope} "
               "would never move: choose another scope, or objective.name sum with a weight for kd.")
    if policy.gate is not None and policy.exam_mean < 2 and policy.name == "exam":
        yield ("policy.gate compares the exams that make one step of the teacher, and one exam has no spread: set policy.exam_mean to 2 or "
               "more, or leave the gate empty.")
    if teacher.name != STORED:
        return
    if task.shift != "sources" and not task.soft_target_column:
        yield ("teacher.name stored needs soft targets that stand with the texts: name their column in task.soft_target_column, or choose "
               "task.shift sources for a built-in task.")
    if moves and not few:
        yield (f"Stored soft targets have no weights that could learn, and policy {policy.name} would move them: choose a "
               f"policy.teacher_scope of few numbers ({', '.join(sorted(FEW_NUMBERS))}) with policy exam, or policy fixed.")
    if hidden:
        yield "Stored soft targets have no layers, which this objective looks at: choose an objective of logits such as kd."
    if student.name == "teacher" or student.initialisation in ("first_layers", "spread_layers"):
        yield "Stored soft targets have no layers that a student could be cut from: choose a built-in student, a hub name or a folder."


def broken_shift_rules(task: TaskSettings) -> Iterator[str]:
    """Yield a sentence where a shift does not fit the task."""
    if task.shift == "sources" and task.name not in GENERATED:
        yield ("The shift sources is for built-in tasks, where the truth is known: set task.shift to shortcut, imbalance or flips, or name "
               "a column of real sources in task.source_column.")


def _broken_hidden_alone(objective: ObjectiveSettings, policy: PolicySettings) -> Iterator[str]:
    if objective.alpha == 1 and objective.alpha_end in (None, 1):
        yield ("With objective.alpha 1 and an objective that looks at layers alone, nothing would teach the student's classifier: lower "
               "alpha, or choose objective.name sum with a weight for kd.")
    if policy.name == "exam" and policy.teacher_scope == "head":
        yield ("An objective that looks at layers alone sends no feedback to the teacher's classifier, so policy.teacher_scope head would "
               "never move: choose another scope, or objective.name sum with a weight for kd.")


def _broken_top(objective: ObjectiveSettings, policy: PolicySettings, n_teacher: int, n_student: int) -> Iterator[str]:
    highest = n_teacher - 1 if objective.layer_map == "last" else (n_student - 1) * n_teacher // n_student
    if policy.name == "exam" and policy.teacher_scope == "top_layers" and policy.teacher_top_layers <= n_teacher - highest:
        yield (f"The objective pkd looks at the teacher's layers up to number {highest} of {n_teacher}, so its top "
               f"{policy.teacher_top_layers} would get no feedback: set policy.teacher_top_layers to {n_teacher - highest + 1} or more, "
               "choose another scope, or objective.name sum with a weight for kd.")


def _broken_widths(objective: ObjectiveSettings, terms: dict[str, float], student: int, teacher: int) -> Iterator[str]:
    if student != teacher and objective.projection == "none" and {"pkd", "tinybert", "cosine"} & terms.keys():
        yield (f"The student is {student} wide and the teacher {teacher}, so their hidden states cannot be compared as they are: set "
               "objective.projection to learned, or choose models of one width.")
    if "minilm" in terms and (student % objective.relation_heads or teacher % objective.relation_heads):
        yield (f"objective.relation_heads cannot be {objective.relation_heads}: the widths {student} and {teacher} must both be multiples "
               "of it. Give 8 or another common divisor.")
    # A width that is no multiple of a head is refused by its name.
    if "tinybert" in terms and min(student, teacher) >= HEAD_WIDTH and (teacher // HEAD_WIDTH) % (student // HEAD_WIDTH):
        yield (f"The objective tinybert compares attention head by head, and the teacher's {teacher // HEAD_WIDTH} heads are no multiple "
               f"of the student's {student // HEAD_WIDTH}: choose widths of which one divides the other, or the objective minilm.")
