"""What a person should know of a choice that is allowed: degenerate pairs of objective, task and models."""

from __future__ import annotations

from collections.abc import Iterator

from ikd.config.models import student_start
from ikd.config.objective import HIDDEN_OBJECTIVES, objective_terms
from ikd.config.policy import EXAM_POLICIES
from ikd.config.run import RunConfig
from ikd.config.unused import without_effect


def remarks_on(config: RunConfig, *, n_classes: int | None) -> Iterator[str]:
    """Yield what a person should know of choices that are allowed but whose effect may surprise.

    Args:
        config: the choices.
        n_classes: of the task; None: not known yet.
    """
    yield from without_effect(config)
    policy, student, teacher = config.policy, config.student, config.teacher
    terms = objective_terms(config.objective)
    if n_classes == 2:
        if "dkd" in terms:
            yield ("With two classes the part of dkd on the other classes is always zero: what is left weighs the label's class alone.")
        if "dist" in terms:
            yield ("With two classes the correlation over one example is always 1 or -1 and has no gradient: of dist, only the part over "
                   "the batch teaches.")
        if not terms.keys() <= HIDDEN_OBJECTIVES:
            yield "With two classes a soft target is one number: there is nothing between the wrong classes to learn."
    if terms.keys() <= HIDDEN_OBJECTIVES:
        yield ("This objective looks at layers and never at soft targets: they are recorded and shown, but the student does not learn from "
               "them, and the feedback at the logits is zero; it is shown at the hidden states.")
    if HIDDEN_OBJECTIVES & terms.keys() and student_start(student) == "random" and not teacher.name.startswith("builtin/"):
        yield ("A freshly drawn student is far from a pre-trained teacher's hidden states and may follow them for thousands of steps "
               "without learning the task: student.initialisation first_layers is the usual start.")
    if policy.name == "exam" and policy.exam_source == "train" and config.task.shift != "none":
        yield ("Exams on course texts have the shift of the course in them and cannot reveal it: policy.exam_source held_out takes texts "
               "without it.")
    if teacher.studies_exam and policy.name in EXAM_POLICIES:
        yield "The teacher is fine-tuned on the exam texts before the first exam: texts it knows by heart give poor feedback."
    if policy.name == "exam" and policy.teacher_scope == "head" and HIDDEN_OBJECTIVES & terms.keys():
        yield "The teacher's layers do not move under scope head, so only the feedback at its logits has an effect."
