"""Settings of the objective: what the student minimises in a course step (README, *What can be chosen*)."""

from __future__ import annotations

from typing import Literal

from ikd.config.fields import Settings, setting

OBJECTIVE_NAMES: dict[str, str] = {
    "kd": "soft targets (Hinton et al. 2015)",
    "logit_mse": "squared distance of the logits (Ba, Caruana 2014)",
    "pkd": "[CLS] states of inner layers (PKD, Sun et al. 2019)",
    "tinybert": "hidden states and attention, layer by layer (TinyBERT, Jiao et al. 2020)",
    "minilm": "relations within queries, keys and values (MiniLM v2, Wang et al. 2021)",
    "dkd": "soft targets, label and other classes weighed apart (DKD, Zhao et al. 2022)",
    "dist": "correlations of probabilities (DIST, Huang et al. 2022)",
    "cosine": "direction of the last hidden states (DistilBERT, Sanh et al. 2019)",
}
HIDDEN_OBJECTIVES = frozenset({"pkd", "tinybert", "minilm", "cosine"})
"""Those that look at layers and not at logits."""

_FORMULAS = {
    "kd": r"T = t^2\,\mathrm{KL}\big(\mathrm{softmax}(o/t)\,\|\,\mathrm{softmax}(s/t)\big)",
    "logit_mse": r"T = \tfrac1C \lVert s - o \rVert^2",
    "pkd": r"T = \sum_j \Big\lVert \tfrac{h^s_j}{\lVert h^s_j\rVert} - \tfrac{h^t_{m(j)}}{\lVert h^t_{m(j)}\rVert} \Big\rVert^2",
    "tinybert": r"T = \sum_j \mathrm{MSE}(H^s_j W_j, H^t_{m(j)}) + \sum_j \mathrm{MSE}(A^s_j, A^t_{m(j)}),\quad A = QK^\top/\sqrt d",
    "minilm": r"T = \sum_R \mathrm{KL}(a^t_R\,\|\,a^s_R), \quad a_R = \mathrm{softmax}(R R^\top/\sqrt{d_r}), \quad R \in \{Q, K, V\}",
    "dkd": r"T = t^2 (a\,\mathrm{TCKD} + b\,\mathrm{NCKD}), \quad \mathrm{KD} = \mathrm{TCKD} + (1 - p^t_y)\,\mathrm{NCKD}",
    "dist": r"T = t^2 \big( a\,(1 - \rho(p^s_i, p^t_i)) + b\,\tfrac1C \sum_c (1 - \rho(P^s_{\cdot c}, P^t_{\cdot c})) \big)",
    "cosine": r"T = \tfrac1n \sum_i \big(1 - \cos(H^s_i W, H^t_i)\big)",
    "sum": r"T = \sum_k w_k\,T_k",
}
_CONSEQUENCES = {
    "kd": "The student learns the teacher's probabilities at temperature t. Costs nothing beside the two forwards.",
    "logit_mse": "The limit of kd for a high temperature: logits are copied, sure ones weigh most; the temperature has no effect on it.",
    "pkd": "The student's inner layers follow the teacher's, at the first token. It needs a student of two layers or more. The teacher's "
    "word at the end reaches the student through the labels' part and the inner layers alone: add kd in a sum for both.",
    "tinybert": "Every layer is copied, token by token, so both models must read the same tokens. The most memory of all.",
    "minilm": "The last layer's attention is copied as relations, so widths and numbers of heads may differ without a projection.",
    "dkd": "What the teacher says of the wrong classes weighs as much as you like. With two classes that part is always zero.",
    "dist": "Only the order and the proportions of probabilities count, not their size. The batch is compared as a whole.",
    "cosine": "The last layer's states point where the teacher's do. Both models must read the same tokens.",
    "sum": "Any of them together, each with a weight of its own.",
}


def _weight(name: str, default: float = 0.0) -> float:
    weight: float = setting(
        default, f"Weight of {name} in the sum: {OBJECTIVE_NAMES[name]}. 0 leaves it out.", label=f"Weight of {name}",
        applies="objective.name=sum", ge=0, le=10_000,
    )  # fmt: skip
    return weight


class ObjectiveSettings(Settings):
    """What the student minimises in a course step."""

    name: Literal["kd", "logit_mse", "pkd", "tinybert", "minilm", "dkd", "dist", "cosine", "sum"] = setting(
        "kd", "What of the teacher the student learns, beside the hard labels.", label="Objective",
        choices={**OBJECTIVE_NAMES, "sum": "a weighted sum of these"}, formulas=_FORMULAS, consequences=_CONSEQUENCES,
        formula=r"L_c = (1-\alpha)\,\mathrm{CE}(y, s) + \alpha\,T",
    )
    kd_weight: float = _weight("kd", 1.0)
    logit_mse_weight: float = _weight("logit_mse")
    pkd_weight: float = _weight("pkd")
    tinybert_weight: float = _weight("tinybert")
    minilm_weight: float = _weight("minilm")
    dkd_weight: float = _weight("dkd")
    dist_weight: float = _weight("dist")
    cosine_weight: float = _weight("cosine")
    temperature: float = setting(
        2.0, "Softens the soft targets: the higher, the flatter.", label="Temperature",
        formula=r"\text{soft target} = \mathrm{softmax}(o / t)", gt=0, le=100,
    )
    temperature_end: float | None = setting(
        None, "Temperature at the last step, reached along the schedule; empty: it stays.", label="Temperature at the end", gt=0,
        le=100, advanced=True,
    )
    alpha: float = setting(
        0.7, "Weight of the teacher against the hard labels: 1 listens to the teacher alone.", label="Alpha",
        formula=r"(1-\alpha)\,\mathrm{CE} + \alpha\,T", ge=0, le=1,
    )
    label_targets: Literal["labels", "truth"] = setting(
        "labels", "What the hard labels' part is held against.", label="Labels studied",
        choices={"labels": "the data's own hard labels", "truth": "human votes, or the known posterior of a built-in task"},
        formulas={"labels": r"\mathrm{CE}(y, s) = -\log s_y", "truth": r"\mathrm{CE}(q, s) = -\textstyle\sum_c q_c \log s_c"},
        consequences={"truth": "With alpha 0 this is the baseline of human soft labels: the student learns from people's votes and from no "
                      "teacher. Exams are still graded with hard labels."}, advanced=True,
    )
    alpha_end: float | None = setting(
        None, "Alpha at the last step, reached along the schedule; empty: it stays.", label="Alpha at the end", ge=0, le=1,
        advanced=True,
    )
    schedule: Literal["linear", "cosine"] = setting(
        "linear", "How temperature and alpha go to their values at the end.", label="Schedule of temperature and alpha",
        choices={"linear": "in a line", "cosine": "along a cosine: slowly at both ends"},
        formula=r"t(p) = t_0 + (t_1 - t_0)\,p \quad \text{or} \quad t_0 + (t_1 - t_0)\,\tfrac{1 - \cos \pi p}{2},\quad p = "
        r"\tfrac{\text{step}}{\text{steps} - 1}", advanced=True,
    )
    layer_map: Literal["skip", "last"] = setting(
        "skip", "Which teacher layer each student layer is compared with.", label="Layer map",
        applies="objective.name=pkd|tinybert|sum",
        choices={"skip": "every n-th one, from the bottom to the top", "last": "the teacher's last ones"},
        formula=r"\text{skip: } m(j) = \lfloor j n_t / n_s \rfloor \qquad \text{last: } m(j) = n_t - n_s + j", advanced=True,
    )
    projection: Literal["learned", "none"] = setting(
        "learned", "What is done where the student's hidden states are narrower or wider than the teacher's.", label="Projection",
        applies="objective.name=pkd|tinybert|cosine|sum",
        choices={
            "learned": "a matrix for each pair, learned with the student; feedback is differentiated through it",
            "none": "none: other widths are refused",
        },
        formula=r"H^s W, \quad W \in \mathbb{R}^{d_s \times d_t}", advanced=True,
    )
    relation_heads: int = setting(
        8, "Into how many heads queries, keys and values are cut anew; both widths must be multiples of it.", label="Relation heads",
        unit="heads", applies="objective.name=minilm|sum", ge=1, le=256, advanced=True,
    )
    dkd_target: float = setting(
        1.0, "Weight of the label's class against all others together (TCKD).", label="DKD: label's class",
        applies="objective.name=dkd|sum", ge=0, le=1000, advanced=True,
    )
    dkd_others: float = setting(
        2.0, "Weight of what the teacher says among the other classes (NCKD).", label="DKD: other classes",
        applies="objective.name=dkd|sum", ge=0, le=1000, advanced=True,
    )
    dist_inter: float = setting(
        1.0, "Weight of the correlation over the classes of one example.", label="DIST: over classes",
        applies="objective.name=dist|sum", ge=0, le=1000, advanced=True,
    )
    dist_intra: float = setting(
        1.0, "Weight of the correlation over the examples of the batch, class by class.", label="DIST: over the batch",
        applies="objective.name=dist|sum", ge=0, le=1000, advanced=True,
    )


def objective_terms(objective: ObjectiveSettings) -> dict[str, float]:
    """Return the objectives that make up T, by name with their weights; none has the weight zero."""
    if objective.name != "sum":
        return {objective.name: 1.0}
    weights = {name: float(getattr(objective, f"{name}_weight")) for name in OBJECTIVE_NAMES}
    return {name: weight for name, weight in weights.items() if weight > 0}
