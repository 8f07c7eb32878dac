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
