"""Settings of the teacher policy: what happens to the teacher at each step (README, *What can be chosen*)."""

from __future__ import annotations

from typing import Literal

from ikd.config.fields import Settings, setting

EXAM = "policy.name=exam"
EXAMS = "policy.name=exam|direct"
MOVES = "policy.name=exam|direct|mutual|online"
EXAM_POLICIES = frozenset({"exam", "direct"})
"""Policies under which batches of the exam texts teach the teacher: these texts are kept out of the course."""

MOVING_POLICIES = EXAM_POLICIES | {"mutual", "online"}
"""Policies under which the teacher's weights change."""

FEW_NUMBERS = frozenset({"temperature", "class_bias", "trust", "label_matrix", "memory"})
"""Scopes of a teacher that learns a few numbers over what it says, and none of its own weights."""


class PolicySettings(Settings):
    """What happens to the teacher at each step."""

    name: Literal["exam", "fixed", "direct", "mutual", "online", "annealed"] = setting(
        "exam", "What happens to the teacher at each step.", label="Teacher policy",
        choices={
            "exam": "the teacher learns from the student's exam (IKD)",
            "fixed": "the teacher never changes (ordinary distillation)",
            "direct": "the teacher learns the labels of the exam texts itself (control)",
            "mutual": "teacher and student learn from each other (deep mutual learning, 2018)",
            "online": "the teacher learns the labels and stays near the student (ProKT, 2021)",
            "annealed": "the teacher never changes, its temperature falls (easy to hard)",
        },
        formulas={
            "exam": r"\phi \leftarrow \phi - \eta\,\frac{d L_e(\theta'(\phi))}{d\phi}",
            "fixed": r"\phi \leftarrow \phi",
            "direct": r"\phi \leftarrow \phi - \eta\,\nabla_\phi\,\mathrm{CE}(y_e, o_e)",
            "mutual": r"\phi \leftarrow \phi - \eta\,\nabla_\phi \big[\mathrm{CE}(y, o) + \mu\,\mathrm{KL}(p_s\,\|\,p_o)\big]",
            "online": r"\phi \leftarrow \phi - \eta\,\nabla_\phi \big[(1-\lambda)\,\mathrm{CE}(y, o) + "
            r"\lambda\,\mathrm{KL}(p_s\,\|\,p_o)\big]",
            "annealed": r"\phi \leftarrow \phi, \qquad t:\ t_{from} \to t",
        },
        consequences={
            "exam": "The only policy in which the student's feedback decides what the teacher says. About 3r + 9 student forwards a step "
            "with an exam as large as the course batch, 3r + 6 + 3b with one b times as large, against r + 3 for ordinary "
            "distillation (r: teacher forward over student forward).",
            "fixed": "The baseline. Its soft targets are computed once where that saves work: 3 student forwards a step then.",
            "direct": "The control that asks whether feedback is needed at all: the exam texts teach the teacher as a text book would, and "
            "the student is not asked. r + 3 student forwards a step, and 3rb more with an exam b times as large as the course batch.",
            "mutual": "No exam: the teacher goes on learning the labels and is drawn to what the student says. 3r + 3 student forwards a "
            "step.",
            "online": "The cheap control that feedback must beat: no exam set, first order. 3r + 3 student forwards a step.",
            "annealed": "The control without feedback in which soft targets change too: flat first, sharp at the end. As cheap as fixed.",
        },
    )
    mutual_weight: float = setting(
        1.0, "Weight of the student's word in the teacher's loss.", label="Weight of the student", applies="policy.name=mutual",
        formula=r"\mu", ge=0, le=100,
    )
    online_weight: float = setting(
        0.5, "Share of the student's word in the teacher's loss, the rest is the labels'.", label="Share of the student",
        applies="policy.name=online", formula=r"\lambda", ge=0, le=1,
    )
    annealed_from: float = setting(
        8.0, "Temperature at the first step; it falls to the objective's temperature at the last.", label="Annealed from temperature",
        applies="policy.name=annealed", gt=0, le=100,
    )
    teacher_learning_rate: float | None = setting(
        None, "Learning rate of the teacher's update; empty: 0.00005 for a built-in teacher, 0.000005 for a pre-trained "
        "one, 0.01 where it learns few numbers. Ten times too high can make the teacher collapse.",
        label="Teacher learning rate", applies=MOVES, ge=0, le=1,
    )
    teacher_optimizer: Literal["adamw", "sgd"] = setting(
        "adamw", "The teacher's optimizer. AdamW does not care for the hypergradient's size, SGD does.",
        label="Teacher optimizer", applies=MOVES,
        choices={"adamw": "AdamW", "sgd": "plain stochastic gradient descent"}, advanced=True,
    )
    teacher_max_gradient_norm: float | None = setting(
        1.0, "The teacher's gradient (the student's learning rate left out) is scaled down to this norm; empty: never.",
        label="Teacher gradient clipping", applies=MOVES, gt=0, le=1e6, advanced=True,
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
        applies=EXAMS,
        choices={"held_out": "a split kept out of every course batch", "train": "another batch of the course split"},
    )
    fixed_studies_exam: bool = setting(
        True, "Whether the exam examples join the course split where no exams are sat: an honest comparison gives all "
        "policies the same labelled texts.", label="The student also studies the exam examples",
        applies="policy.name=fixed|mutual|online|annealed",
    )
    cached_targets: Literal["auto", "always", "never"] = setting(
        "auto", "Whether a fixed teacher says its soft targets once for every course example, before the first step.",
        label="Soft targets computed once", applies="policy.name=fixed|annealed",
        choices={
            "auto": "where the run goes through the course split more than once and the objective looks at logits alone",
            "always": "always",
            "never": "never: the teacher is asked at each step",
        },
        formula=r"\text{cost: } 3 \text{ instead of } r + 3 \text{ student forwards a step}", advanced=True,
    )
    exam_every: int = setting(
        1, "An exam after every k-th course step; the main lever on cost.", label="Exam every", unit="steps",
        applies=EXAMS, formula=r"\text{cost} = r + 3 + (2r + 3b + d)/k, \quad b = \text{exam batch} / \text{course batch}", ge=1,
        le=100_000,
    )
    exam_start: int = setting(
        10, "The first step with an exam: Adam's first steps are nearly sign functions and give poor feedback.",
        label="First exam at step", unit="steps", applies=EXAMS, ge=0, le=1_000_000,
    )
    exam_batch_size: int = setting(
        128, "Examples in one exam; more make the feedback less noisy.", label="Exam batch", unit="examples",
        applies=EXAMS, ge=1, le=4096,
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
    teacher_scope: Literal[
        "all", "top_layers", "head", "adapter", "temperature", "class_bias", "trust", "label_matrix", "memory"
    ] = setting(
        "all", "Which of the teacher's weights learn, or which few numbers over what it says.", label="Teacher scope", applies=MOVES,
        choices={
            "all": "all",
            "top_layers": "the classifier and the last layers",
            "head": "the classifier",
            "adapter": "low-rank adapters of every layer's queries and values (LoRA) and nothing else",
            "temperature": "one number: how sure it is",
            "class_bias": "one number a class: how readily it names the class",
            "trust": "one number from 0 to 1 for each source and class it names: how much the student should believe it",
            "label_matrix": "a matrix for each source: which class is meant where it names another",
            "memory": "a correction of each course text's soft target",
        },
        formulas={
            "all": r"\text{cost of an exam: } 2r + 3b + d",
            "top_layers": r"\text{cost of an exam: } 2 r m / L + 3b + d",
            "head": r"\text{cost of an exam: } 3b + d",
            "adapter": r"W + \tfrac{2k}{k} B A,\quad \text{cost of an exam: } r + 3b + d",
            "temperature": r"\mathrm{softmax}(o\, e^{-\tau} / t), \quad \text{cost of an exam: } 3b + d",
            "class_bias": r"\mathrm{softmax}((o + \beta) / t), \quad \text{cost of an exam: } 3b + d",
            "trust": r"w\, q + (1 - w)\, p_s,\ w = w[\text{source}, \arg\max q], \quad \text{cost of an exam: } 3b + d",
            "label_matrix": r"q\, M[\text{source}], \quad \text{cost of an exam: } 3b + d",
            "memory": r"\mathrm{softmax}((o + m_x) / t), \quad \text{cost of an exam: } 3b + d",
        },
        consequences={
            "all": "Feedback can change anything the teacher says; the dearest, and the first to collapse at a high rate.",
            "top_layers": "The lower layers stay as they were fine-tuned; cheaper by their backward pass.",
            "head": "The teacher can only read its features anew: hardly any cost, hardly any drift in what it knows.",
            "adapter": "The teacher's own weights stay; a few new ones beside them learn. No weight gradients of the large matrices.",
            "temperature": "The order of the classes stays; only how sure the teacher is can change.",
            "class_bias": "Suits a course in which some classes are rarer than in the exam.",
            "trust": "Suits a course whose soft targets come from several sources of unknown worth: a weight on an example is a soft "
            "target that is partly the student's own answer.",
            "label_matrix": "Suits sources that mean another class than they name. More numbers than trust, so it needs more exam texts.",
            "memory": "As many numbers as course texts times classes: with few exam texts it learns their noise.",
        },
        advanced=True,
    )
    adapter_rank: int = setting(
        8, "Rank k of the adapters; they start as zero and are scaled by 2.", label="Adapter rank",
        applies="policy.teacher_scope=adapter", formula=r"A \in \mathbb{R}^{k \times d},\ B \in \mathbb{R}^{d \times k}", ge=1, le=512,
        advanced=True,
    )
    teacher_top_layers: int = setting(
        1, "How many of the teacher's last layers learn, beside its classifier.", label="Top layers", unit="layers",
        applies="policy.teacher_scope=top_layers", ge=1, le=200, advanced=True,
    )
    exam_mean: int = setting(
        1, "The teacher steps on the mean feedback of so many exams.", label="Exams to a teacher step", unit="exams", applies=EXAM,
        formula=r"\bar g = \tfrac{1}{k} \textstyle\sum_{j=1}^{k} g_j", ge=1, le=1000, advanced=True,
    )
    gate: float | None = setting(
        None, "A weight or number of the teacher moves only where the mean of those exams exceeds so many of its own standard errors; "
        "empty: always. Needs two exams to a step or more.", label="Gate", applies=EXAM,
        formula=r"|\bar g| > c\, s / \sqrt{k}", gt=0, le=100, advanced=True,
    )
    silent_exams: int | None = setting(
        None, "The teacher is frozen, and no more exams are sat, once the mean loss of the last so many exams is not below that of as "
        "many before by one standard error; empty: never.", label="Freeze after silent exams", unit="exams", applies=EXAM,
        formula=r"\bar L_{before} - \bar L_{last} \le \sqrt{(s_{before}^2 + s_{last}^2) / n}", ge=2, le=100_000, advanced=True,
    )
    fresh_student: bool = setting(
        False, "Whether the second half of the steps teaches a new student, with the weights that the first one began with, from the "
        "improved teacher, which is frozen then.", label="A fresh student for the second half", applies=MOVES, advanced=True,
    )
    anchor: Literal["none", "labels", "initial_teacher"] = setting(
        "none", "An extra term that keeps the teacher from drifting away.", label="Anchor", applies=EXAMS,
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
    teacher_schedule: Literal["constant", "linear", "cosine"] = setting(
        "constant", "How the teacher's learning rate changes after its warm-up.", label="Teacher schedule", applies=MOVES,
        choices={"constant": "stays", "linear": "falls to zero in a line", "cosine": "falls to zero along a cosine"},
        advanced=True,
    )
    teacher_warmup_steps: int = setting(
        0, "Steps over which the teacher's learning rate rises to its peak.", label="Teacher warm-up", unit="steps", applies=MOVES, ge=0,
        le=1_000_000, advanced=True,
    )
    teacher_freeze_at: int | None = setting(
        None, "From this step on the teacher learns no more: what if the feedback stopped here? Empty: never.",
        label="Freeze the teacher at step", unit="steps", applies=MOVES, ge=0, le=1_000_000, advanced=True,
    )


def few_numbers(policy: PolicySettings) -> str:
    """Return the scope of a teacher that learns a few numbers over what it says; empty where its weights learn, or nothing does."""
    return policy.teacher_scope if policy.name == "exam" and policy.teacher_scope in FEW_NUMBERS else ""


def exam_joins_course(policy: PolicySettings) -> bool:
    """Return whether the student studies the exam texts among those of the course."""
    return policy.name not in EXAM_POLICIES and policy.fixed_studies_exam
