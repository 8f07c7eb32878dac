"""What the Example page says of its figures: a sentence, the formula, and what to look for; and what probe examples are."""

from __future__ import annotations

from ikd.ui.targets.words import Words

NOT_TRAINED = (
    "Probe examples are never trained on; their feedback and influence are what they would be if they stood in this step's course "
    "batch."
)
NOT_WEIGHED = "This trace has no influence of probe examples: it was written before the lab recorded it."

FIGURES: dict[str, Words] = {
    "timeline": Words(
        title="Over the steps",
        sentence="What is believed of this example at every step: solid the teacher, dashed the student, dotted the frozen teacher; "
        "★ is the truth, the known posterior or people's votes, where there is one.",
        formula=r"p = \mathrm{softmax}(o/t), \quad q = \mathrm{softmax}(s/t), \quad p^{\text{frozen}} = "
        r"\mathrm{softmax}(o^{\text{frozen}}/t)",
        look_for="When the teacher leaves its dotted line, towards which class, and whether the student follows. Towards ★: the "
        "feedback teaches the teacher something true. Away from it: the teacher makes itself easier to follow.",
    ),
    "now": Words(
        title="At this step",
        sentence="Bar: the teacher's soft target. Dotted outline: the frozen teacher. ◆ the student. ★ the truth. ▲ ▼ the way that "
        "the student asks the soft target to move, 1.00 the strongest ever on this example.",
        formula=r"\text{drift} = \sum_k p_k \log \frac{p_k}{p^{\text{frozen}}_k}, \qquad \text{arrow}_k = "
        r"\frac{\dot p_k}{\max |\dot p|}, \quad \dot p_k = \frac{p_k}{t}\big(f_k - \langle p, f\rangle\big)",
        look_for="Whether the arrows lead from the bar towards the student (a target that it can reach), towards the truth, or away "
        "from both.",
    ),
    "feedback": Words(
        title="Feedback",
        sentence="At each step with an exam: above its line the student asks for more of a class, below it for less; all rows have "
        "one scale.",
        formula=r"f_k = -\frac{dL_e}{do_k}",
        look_for="Rows that keep to one side: a steady wish, which the teacher then follows. Rows that change sides at every exam: "
        "the noise of small exam batches.",
    ),
    "layers": Words(
        title="Feedback at hidden states",
        sentence="How strongly the exam asked each hidden state and attention that the objective compares to change: bars at this "
        "step, the strips over all steps, each against its own strongest. Names: the student's layer · the teacher's.",
        formula=r"\Big\lVert \frac{dL_e}{dh_{ij}} \Big\rVert \quad \text{for example } i \text{ and layer } j",
        look_for="Which layers the student asks most of, and whether that moves from the lower to the upper ones as it learns. Norms of "
        "hidden states and of attention are in units of their own: compare a row with itself first.",
    ),
    "influence": Words(
        title="Influence",
        sentence="What this example's own gradient does to the exam loss of each step (a probe example's would do): below zero it "
        "helps, above zero it harms.",
        formula=r"I = -\Big\langle \frac{\partial \ell}{\partial s}, \dot s \Big\rangle",
        look_for="An example that harms again and again is often ambiguous or wrongly labelled; one that helps early and then has "
        "no influence has been learned.",
    ),
}
