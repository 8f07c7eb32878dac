"""What each view says of itself: one sentence, the formula, and what to look for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Words:
    """Words of one view; the formula is LaTeX, t the temperature shown."""

    title: str
    sentence: str
    formula: str
    look_for: str


TOP: dict[str, Words] = {
    "player": Words(
        title="Where the soft targets are",
        sentence="Each point is a probe example, at the place of its probabilities: filled circles are the teacher's soft "
        "targets, diamonds the student's answers, colour and inner mark are the hard label. Tails are the last frames, the dotted "
        "ring is where the frozen teacher stood, arrows are the feedback (all by one scale, so that the strong ones can be seen), "
        "the star is the truth (the known posterior, or people's votes) where there is one.",
        formula=r"p = \mathrm{softmax}(o / t), \qquad \text{arrow} = \frac{\partial p}{\partial o} f = "
        r"\frac{p \odot (f - p \cdot f)}{t}",
        look_for="Who moves, towards which corner, and whether the student follows. Arrows point to where the student asks a "
        "soft target to go: does it go there?",
    ),
    "heat": Words(
        title="Every example, at every step",
        sentence="Each row is a probe example, each column a bin of steps; the colour is the measure chosen above it. The "
        "column at the line is the step that all views show, the outlined row the selected example.",
        formula=r"p_y = \mathrm{softmax}(o/t)_y, \quad \text{drift} = \mathrm{KL}(p^{\text{now}} \,\|\, p^{\text{frozen}}), "
        r"\quad H = -\sum_k p_k \log p_k",
        look_for="Vertical edges are moments when many soft targets moved at once, single bright rows the few that "
        "moved most. Sort by first flip to see waves, by influence to see whether the helpful and the harmful differ.",
    ),
}

VIEWS: dict[str, Words] = {
    "ribbons": Words(
        title="Ribbons",
        sentence="Accuracy and agreement, and under them, on the same steps, the spread of each measure over the probe set at every "
        "reading: the line is the median, the dark band its middle half, the light band 5 % to 95 %.",
        formula=r"H = -\sum_k p_k \log p_k, \quad \mathrm{KL}(p \,\|\, q) = \sum_k p_k \log \frac{p_k}{q_k}, \quad "
        r"\text{agreement} = \frac{1}{P} \sum_i [\arg\max o_i = \arg\max s_i]",
        look_for="Rising entropy: the teacher softens. A gap to the student that closes: the student follows. A divergence "
        "from the truth that falls: the feedback teaches the teacher something true.",
    ),
    "confusion": Words(
        title="Soft confusion",
        sentence="Rows are hard labels, cells the mean soft target of the examples that have this label.",
        formula=r"M_{yk} = \frac{1}{|\{i : y_i = y\}|} \sum_{i : y_i = y} \mathrm{softmax}(o_i/t)_k",
        look_for="Off the diagonal: the pairs of classes that the teacher blurs for this student, and in the change whether "
        "it blurs them more or less than the frozen teacher did.",
    ),
    "map": Words(
        title="Data map",
        sentence="Each point is a probe example over the second half of the readings so far: up is confidence (mean probability of "
        "its label), right is variability (their standard deviation), colour and shape say how often the model was right. Arrows "
        "begin where the example stood over the first half.",
        formula=r"\mu_i = \frac{1}{R} \sum_r p^{(r)}_{i, y_i}, \qquad \sigma_i = \sqrt{\frac{1}{R} \sum_r (p^{(r)}_{i, y_i} - \mu_i)^2} "
        r"\qquad (R \text{ readings of one half})",
        look_for="Top left is easy to learn, bottom left hard (or wrongly labelled), right ambiguous. For a teacher that "
        "never changes every variability is zero.",
    ),
    "gain": Words(
        title="Drift and gain",
        sentence="Each point is a probe example: right is how far the teacher's soft target has drifted, up how much more "
        "probable the student finds the label than at the first exam, or at the start of a run without exams.",
        formula=r"x_i = \mathrm{KL}(p_i^{\text{now}} \,\|\, p_i^{\text{frozen}}), \qquad "
        r"y_i = q_{i, y_i}^{\text{now}} - q_{i, y_i}^{\text{first exam}}",
        look_for="Whether the examples whose soft targets moved most are those the student gained on. It is not proof: the "
        "student learns without drift too. Proof needs the same run with a fixed teacher.",
    ),
    "table": Words(
        title="Drift table",
        sentence="Every probe example with its numbers at the step named above the table, and the path of the teacher's "
        "probability of the label.",
        formula=r"\text{drift} = \mathrm{KL}(p^{\text{now}} \,\|\, p^{\text{frozen}}), \quad \text{gain} = q_y^{\text{now}} - "
        r"q_y^{\text{first exam}}, \quad |f| = \sqrt{\textstyle\sum_k f_k^2}",
        look_for="Sort, filter, and click a row to select its example in every view. Probe examples are never trained on: their "
        "feedback and influence are what they would be if the example stood in that step's batch. What was really issued "
        "stands in the course log.",
    ),
    "course": Words(
        title="Course log",
        sentence="Every training example that was issued a soft target up to this step: when and how often, what the student "
        "asked of it, and whether its gradient helped or harmed the exams. Rows of the picture and of the table are the same.",
        formula=r"\text{asked} = \overline{|f|}, \qquad \text{influence}_i = -\Big\langle \frac{\partial \ell_i}{\partial s_i}, "
        r"\dot s_i \Big\rangle \;\text{(summed over its steps; negative helped)}",
        look_for="Texts the student asked most about, and those that harmed the exam most: often they are ambiguous or "
        "wrongly labelled.",
    ),
}
