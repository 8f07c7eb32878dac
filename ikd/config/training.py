"""Settings of the course step: how the student's weights move (README, *The method in formulas*)."""

from __future__ import annotations

from typing import Literal

from ikd.config.fields import Settings, setting


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
    pieces: int = setting(
        1, "In how many pieces a batch goes through the models: less memory, the same gradients (gradient accumulation). With more than "
        "one, the teacher says its soft targets once more for its own update.", label="Pieces of a batch", unit="pieces", ge=1, le=1024,
        advanced=True,
    )
    length_buckets: bool = setting(
        False, "Whether texts of like length come together in a batch, so that less padding is computed. The order of the examples is "
        "another one then: compare runs with the same choice.", label="Texts of like length together", advanced=True,
    )
    balanced_batches: bool = setting(
        False, "Whether course batches draw every class equally often, so that the texts of a rare class come up again and again; texts "
        "without a label come as often as otherwise. The control for a course whose classes are unequal.",
        label="Every class equally often", advanced=True,
    )
    kept_student: Literal["last", "best_exam"] = setting(
        "last", "Which student the course ends with. The loss on all exam texts is measured about 50 times a run.",
        label="Student kept", advanced=True,
        choices={
            "last": "the one after the last course step",
            "best_exam": "the one whose loss on the exam texts was lowest (early stopping on the exam)",
        },
    )
    then_exam_steps: int = setting(
        0, "Steps in which the student studies the labels of the exam texts after the course, under any policy. How many of them are kept "
        "is chosen on the validation split, among none and ten evenly spaced numbers, by the negative log-likelihood; scores are taken "
        "before and after.", label="Then steps on the exam texts", unit="steps", ge=0, le=100_000, advanced=True,
    )
    then_exam_learning_rate: float | None = setting(
        None, "Learning rate of these steps, which stays; empty: a third of the student's.", label="Learning rate on the exam texts",
        applies="training.then_exam_steps!=0", gt=0, le=10, advanced=True,
    )
    calibrate_on_exam: bool = setting(
        False, "Whether the student's final logits are divided by one temperature, fitted on the exam texts (temperature scaling, Guo et "
        "al. 2017): the control for calibration. It changes no answer, only how sure it is.", label="Calibrate on the exam texts",
        formula=r"T = \arg\min_T \mathrm{CE}(y_e, s_e / T)", advanced=True,
    )
