"""The words and formulas of the method, for the Method page."""

from __future__ import annotations

WORDS: dict[str, str] = {
    "teacher, student": "two roles of one kind of model: a classifier of texts or pairs of texts",
    "soft targets": "the teacher's probabilities, softened by the temperature: what the student is given to learn from",
    "hard labels": "the labels that come with the data",
    "objective": "what the student minimises: a function of its outputs, the teacher's outputs and the labels",
    "teacher policy": "what happens to the teacher at each step: it learns from exams, from the labels and the student, or stays fixed",
    "course step": "one update of the student on a course batch",
    "exam step": "an exam of the student on labelled examples after its course step, and the update of the teacher from it",
    "hypergradient": "the gradient of the exam loss with respect to the teacher, through the student's update",
    "feedback": "minus the hypergradient at one soft target: the way in which the student asks it to move",
    "influence": "how much one course example's gradient changes the exam loss in this step; negative helps",
    "drift": "divergence of the teacher's soft targets from those it gave before the first exam",
    "probe set": "fixed validation examples, read at fixed steps and never trained on",
    "run, trace": "one execution of one config, and everything it recorded",
}

FORMULAS: tuple[tuple[str, str, str], ...] = (
    ("Soft targets", r"p = \mathrm{softmax}(o / t)",
     "Teacher logits $o$, temperature $t$: the higher, the flatter."),
    ("Course step", r"g = \nabla_\theta L_c\big(s(\theta),\, o(\phi),\, y\big), \qquad \theta' = \theta - U(g)",
     "Student weights $\\theta$, teacher weights $\\phi$. $U$ is the real optimizer's step, clipping included."),
    ("Exam step", r"L_e = \mathrm{CE}\big(y_e,\, s_e(\theta')\big), \qquad \phi \leftarrow \phi - \eta\, \frac{dL_e}{d\phi}",
     "The exam is sat by the student after its course step, on examples kept out of it. It depends on the teacher through $\\theta'$."),
    ("Hypergradient", (r"w = \Big(\frac{dU}{dg}\Big)^{\!\top} \nabla_{\theta'} L_e, \qquad \dot s = \frac{ds}{d\theta}\, w, \qquad "
     r"h(o) = -\Big\langle \frac{dL_c}{ds}(s, o, y),\, \dot s \Big\rangle, \qquad \frac{dL_e}{do} = \frac{dh}{do}"),
     ("Exact, and with no second-order graph: one forward-mode pass of the student gives $\\dot s$, and one ordinary backward "
     "pass carries $dL_e/do$ into the teacher.")),
    ("Feedback", r"f = -\frac{dL_e}{do}, \qquad \dot p = \frac{p \odot (f - \langle p, f \rangle)}{t}",
     "One vector for every soft target. The arrows on the board show $\\dot p$: the same wish, as a movement of probabilities."),
    ("Influence", r"I_i = -\Big\langle \frac{d\ell_i}{ds_i},\, \dot s_i \Big\rangle, \qquad \sum_i I_i = -\, w \cdot g",
     "Of course example $i$, whose share of the course loss is $\\ell_i$; from the same pass."),
    ("Drift", (r"\mathrm{KL}\big(p_{\text{now}} \,\|\, p_{\text{frozen}}\big) = \sum_y p_{\text{now}}(y) \log "
     r"\frac{p_{\text{now}}(y)}{p_{\text{frozen}}(y)}"),
     "In nats, at the training temperature, that of the start where it changes. Zero until the teacher first learns."),
)  # fmt: skip
"""Name, LaTeX, and a sentence."""

COSTS: tuple[tuple[str, str, str], ...] = (
    ("Fixed or annealed teacher (ordinary distillation)", "r + 3", "5"),
    ("The same, soft targets of N course examples computed once, in S steps of B", "3 + r N / (B S)", "3.2 for N = B S / 10"),
    ("Mutual or online: the teacher learns without exams", "3r + 3", "9"),
    ("Direct: the teacher learns exam texts at every step", "4r + 3", "11"),
    ("Exam at every step", "3r + 6 + d", "15"),
    ("Exam at every k-th step", "r + 3 + (2r + 3 + d) / k", "7.5 for k = 4"),
    ("Exam, only the teacher's classifier learns", "r + 6 + d", "11"),
    ("Exam, only adapters in every layer learn", "2r + 6 + d", "13"),
    ("A batch in pieces, or the teacher recomputed: each step in which the teacher learns", "r more", "2 more"),
)
"""What, student forwards a step, and that number for r = 2 and d = 3."""

COST_WORDS = (
    "In student forwards; a backward pass counts two. r is the teacher's cost over the student's. d is what the hypergradient "
    "adds: 3 for one forward-mode pass, 2 for central differences. The exam batch is taken to be as large as the course batch: where "
    "it is b times as large (4 times by default), each exam costs 3 (b - 1) more, and a direct step 3r (b - 1)."
)

SOURCE = (
    "The method follows *Learning to Teach with Student Feedback* (Liu, Sun, Qiu and Huang, "
    "[arXiv:2109.04641](https://arxiv.org/abs/2109.04641)). Where the paper's public text leaves a choice open, the lab has a "
    "switch with a stated default. It does not claim to reproduce a number of that paper."
)
