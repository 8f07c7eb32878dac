"""Settings of the teaching itself: the student's update, the objective and the teacher policy (METHOD sections 2 to 5)."""

from __future__ import annotations

from typing import Literal

from ikd.config.fields import Settings, setting

EXAM = "policy.name=exam"


class ObjectiveSettings(Settings):
    """What the student minimises in a course step."""

    name: Literal["kd"] = setting(
        "kd", "The distillation objective.", label="Objective",
        choices={"kd": "soft targets and hard labels (Hinton et al. 2015)"},
        formula=r"L_c = (1-\alpha)\,\mathrm{CE}(y, s) + \alpha\, t^2\, \mathrm{KL}\big(\mathrm{softmax}(o/t)\,\|\,"
        r"\mathrm{softmax}(s/t)\big)",
    )
    temperature: float = setting(
        2.0, "Softens the soft targets: the higher, the flatter.", label="Temperature",
        formula=r"\text{soft target} = \mathrm{softmax}(o / t)", gt=0, le=100,
    )
    alpha: float = setting(
        0.7, "Weight of the soft targets against the hard labels: 1 listens to the teacher alone.", label="Alpha",
        formula=r"(1-\alpha)\,\mathrm{CE} + \alpha\, t^2\,\mathrm{KL}", ge=0, le=1,
    )


class StudentUpdateSettings(Settings):
    """The course step: how the student's weights move, U(g) in the formulas."""

    steps: int = setting(400, "Course steps of the run.", label="Steps", unit="steps", ge=1, le=1_000_000)
    batch_size: int = setting(32, "Examples in one course step.", label="Course batch", unit="examples", ge=1, le=4096)
    optimizer: Literal["adamw", "sgd"] = setting(
        "adamw", "The student's optimizer. The exam step differentiates through exactly this update.",
        label="Student optimizer",
        choices={"adamw": "AdamW, with bias correction", "sgd": "plain stochastic gradient descent"},
        formula=r"\theta' = \theta - U(g), \quad g = \nabla_\theta L_c",
    )
    learning_rate: float | None = setting(
        None, "Peak learning rate of the student; empty: 0.003 for a built-in student, 0.00005 for one that starts from "
        "pre-trained weights, 0.0003 for any other.", label="Student learning rate", gt=0, le=10,
    )
    weight_decay: float = setting(
        0.01, "Decoupled weight decay of the student's matrices; biases and norms have none.",
        label="Student weight decay", ge=0, le=1, advanced=True,
    )
    max_gradient_norm: float | None = setting(
        1.0, "The student's gradient is scaled down to this global norm; empty: never.",
        label="Student gradient clipping", formula=r"g \leftarrow g \min(1, c / \lVert g \rVert)", gt=0, le=1e6,
        advanced=True,
    )
    schedule: Literal["constant", "linear", "cosine"] = setting(
        "linear", "How the student's learning rate changes after the warm-up.", label="Student schedule",
        choices={"constant": "stays", "linear": "falls to zero in a line", "cosine": "falls to zero along a cosine"},
        advanced=True,
    )
    warmup_steps: int = setting(
        20, "Steps over which the student's learning rate rises to its peak.", label="Warm-up", unit="steps",
        ge=0, le=1_000_000, advanced=True,
    )


class PolicySettings(Settings):
    """What happens to the teacher at each step."""

    name: Literal["exam", "fixed"] = setting(
        "exam", "What happens to the teacher at each step.", label="Teacher policy",
        choices={
            "exam": "the teacher learns from the student's exam (IKD)",
            "fixed": "the teacher never changes (ordinary distillation)",
        },
        formula=r"\phi \leftarrow \phi - \eta\,\frac{d L_e(\theta'(\phi))}{d\phi}",
    )
    teacher_learning_rate: float | None = setting(
        None, "Learning rate of the teacher's update; empty: 0.00002 for a built-in teacher, 0.000005 for a pre-trained "
        "one. Ten times too high can make the teacher collapse.", label="Teacher learning rate", applies=EXAM, ge=0, le=1,
    )
    teacher_optimizer: Literal["adamw", "sgd"] = setting(
        "adamw", "The teacher's optimizer. AdamW does not care for the hypergradient's size, SGD does.",
        label="Teacher optimizer", applies=EXAM,
        choices={"adamw": "AdamW", "sgd": "plain stochastic gradient descent"}, advanced=True,
    )
    teacher_max_gradient_norm: float | None = setting(
        1.0, "The teacher's gradient (the student's learning rate left out) is scaled down to this norm; empty: never.",
        label="Teacher gradient clipping", applies=EXAM, gt=0, le=1e6, advanced=True,
    )
    student_update: Literal["keep", "redo"] = setting(
        "keep", "What happens to the student's update after the exam.", label="After the exam", applies=EXAM,
        choices={
            "keep": "the student keeps its update",
            "redo": "the student repeats the course step with the improved teacher (pilot update, MetaDistil)",
        },
        formula=r"\text{keep: } \theta \leftarrow \theta'(\phi) \qquad \text{redo: } \theta \leftarrow \theta'(\phi_{new})",
    )
    exam_source: Literal["held_out", "train"] = setting(
        "held_out", "Where exam batches come from; never the validation split.", label="Exam examples from",
        applies=EXAM,
        choices={"held_out": "a split kept out of every course batch", "train": "another batch of the course split"},
    )
    fixed_studies_exam: bool = setting(
        True, "Whether the exam examples join the course split of a fixed teacher: an honest comparison gives both "
        "policies the same labelled texts.", label="Fixed teacher's student also studies the exam examples",
        applies="policy.name=fixed",
    )
    exam_every: int = setting(
        1, "An exam after every k-th course step; the main lever on cost.", label="Exam every", unit="steps",
        applies=EXAM, formula=r"\text{cost} = r + 3 + (2r + 3 + d)/k", ge=1, le=100_000,
    )
    exam_start: int = setting(
        10, "The first step with an exam: Adam's first steps are nearly sign functions and give poor feedback.",
        label="First exam at step", unit="steps", applies=EXAM, ge=0, le=1_000_000,
    )
    exam_batch_size: int = setting(
        128, "Examples in one exam; more make the feedback less noisy.", label="Exam batch", unit="examples",
        applies=EXAM, ge=1, le=4096,
    )
    inner_update: Literal["exact", "sgd", "off"] = setting(
        "exact", "How the exam is differentiated through the student's update.", label="Inner update", applies=EXAM,
        choices={
            "exact": "through the real optimizer step, clipping included",
            "sgd": "as if the update had been plain SGD (MetaDistil)",
            "off": "not at all: the anchor alone moves the teacher (control)",
        },
        formula=r"w = \left(\frac{dU}{dg}\right)^{\!\top} \nabla_{\theta'} L_e", advanced=True,
    )
    hypergradient: Literal["jvp", "finite_difference", "unrolled"] = setting(
        "jvp", "How the hypergradient is computed.", label="Hypergradient", applies=EXAM,
        choices={
            "jvp": "exact, by one forward-mode pass of the student",
            "finite_difference": "by two more student forwards, nearly exact",
            "unrolled": "exact, by differentiating through the update (reference; more memory)",
        },
        formula=r"h(o) = -\Big\langle \frac{dL_c}{ds}(s, o, y),\ \dot s \Big\rangle, \quad \dot s = \frac{ds}{d\theta} w,"
        r" \quad \frac{dL_e}{do} = \frac{dh}{do}", advanced=True,
    )
    teacher_scope: Literal["all", "top_layers", "head"] = setting(
        "all", "Which of the teacher's weights learn.", label="Teacher scope", applies=EXAM,
        choices={"all": "all", "top_layers": "the classifier and the last layers", "head": "the classifier"},
        advanced=True,
    )
    teacher_top_layers: int = setting(
        1, "How many of the teacher's last layers learn, beside its classifier.", label="Top layers", unit="layers",
        applies="policy.teacher_scope=top_layers", ge=1, le=200, advanced=True,
    )
    anchor: Literal["none", "labels", "initial_teacher"] = setting(
        "none", "An extra term that keeps the teacher from drifting away.", label="Anchor", applies=EXAM,
        choices={
            "none": "feedback alone",
            "labels": "cross-entropy of the teacher on the course labels (LGTM)",
            "initial_teacher": "KL to what it said before the first exam (ProKT)",
        },
        formula=r"L = L_e / \eta_{student} + \lambda\,L_{anchor}",
    )
    anchor_weight: float = setting(
        0.1, "Weight of the anchor against the hypergradient with the student's learning rate left out.",
        label="Anchor weight", applies="policy.anchor!=none", ge=0, le=1000,
    )
    teacher_freeze_at: int | None = setting(
        None, "From this step on there are no exams: what if the feedback stopped here? Empty: never.",
        label="Freeze the teacher at step", unit="steps", applies=EXAM, ge=0, le=1_000_000, advanced=True,
    )
