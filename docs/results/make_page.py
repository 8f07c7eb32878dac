"""Write docs/results.md anew from the recorded lines: python docs/results/make_page.py.

A study that was carried out is recorded in assets/recorded/_studies, and its report.md is kept as docs/results/NAME.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from ikd.study import StudyFolder, studies_here
from ikd.study.results import read_results
from ikd.study.summary import summary
from ikd.trace.store import assets_root

PLANS = {
    "shifts": "three built-in tasks whose courses mislead the teacher in four ways, with every control",
    "shift-map": "strength of the shift x number of exam texts: where feedback pays",
    "real-shifts": "the same question on real text",
}
PLANNED = "Planned, not carried out yet."
HEAD = """# Where feedback pays

What the lab's own studies found, in sentences that `tests/test_results.py` computes anew from the recorded lines
(`assets/recorded/_studies`; the Compare page shows them, *Study*). Every table and every verdict of a study stands in a file of its own.

Feedback can pay where the course misleads the teacher systematically and a few trusted texts reveal it, and only where more steps of
ordinary distillation have stopped helping. Three studies ask that question:

"""
BETWEEN = "\nThe studies that were carried out before have no such shift:\n"
FOOT = """
What did not work, and what these studies do not say: [caveats](results/caveats.md).

## How to read this

A verdict *better* or *worse* needs both the exact sign-flip test over seeds (corrected by Holm) and the 95 % interval of the paired
difference; everything else is *no difference is shown*, which is not *there is none*. Scores are of test texts, read once. At equal compute
means: against distillation with as many more steps as the exams cost. The strongest control of a task is chosen by the deciding score on
validation texts. KD was still gaining at its end where KD with more steps is better; where a study has no such control, where its curve
still rises over the last third of its steps. There nothing can be concluded for equal compute beyond the compute that was given.

Each file of a study is `report.md` as `python -m ikd study NAME --out FOLDER` wrote it, with the name of the study in its title; its last
lines name command, commit, versions, machine and time.
"""


def page() -> str:
    """Return the whole page: planned studies first, then what was found before."""
    recorded = studies_here(assets_root())
    asked = "".join(f"- `{name}` ([plan](studies/{name}.yaml)): {words}.{'' if name in recorded else f' {PLANNED}'}\n"
                    for name, words in PLANS.items())  # fmt: skip
    first = "".join(_told(name) for name in PLANS if name in recorded)
    before = "".join(_told(name) for name in ("quick", "built-in", "real") if name in recorded)
    return f"{HEAD}{asked}{first}{BETWEEN}{before}{FOOT}"


def _told(name: str) -> str:
    results = read_results(StudyFolder(name, assets_root()))
    said = "".join(f"- {line}\n" for line in summary(results))
    return f"\n**{results.study.title}** ([`{name}`](results/{name}.md))\n\n{said}"


if __name__ == "__main__":
    (Path(__file__).parents[1] / "results.md").write_text(page(), encoding="utf-8")
