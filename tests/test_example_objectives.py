"""The page of one example under other objectives than kd, other policies than exam, and schedules: nothing on it is made up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ikd.trace.measures import softmax
from ikd.trace.reader import TraceReader
from ikd.ui.example_panel import CHOICE, KEY
from ikd.ui.example_view import whole_history
from ikd.ui.example_words import FIGURES
from ikd.ui.policies import IN_A_LINE
from tests.synthetic import synthetic_run
from tests.test_pages_example import faultless, formulas, opened, words

LAYERS = ("hidden state 1 of the student, 2 of the teacher", "hidden state 1 of the student, 2 of the teacher",
          "attention 1 of the student, 2 of the teacher")  # fmt: skip


@pytest.mark.parametrize("split", ["probe", "course"])
def test_feedback_at_hidden_states_is_drawn_and_given_as_a_table(split: str) -> None:
    folder = synthetic_run(3, shown=LAYERS, settings={"objective.name": "sum", "objective.tinybert_weight": 0.5})
    page = opened(folder, split=split, ex="3", step="20")
    assert faultless(page) and "Feedback at hidden states" in words(page) and "Bars: step 20." in words(page)
    page.session_state[KEY] = True
    page.run()
    page.segmented_control(key=CHOICE).set_value("layers").run()
    table: pd.DataFrame = page.dataframe[0].value
    assert faultless(page) and FIGURES["layers"].formula in formulas(page) and len(table.columns) == 4 and table.columns.is_unique
    row = table[table["step"] == 20].iloc[0]
    assert row.tolist()[1:] == pytest.approx([0.021, 0.042, 0.063])
    early = opened(folder, split=split, ex="3", step="0")
    assert faultless(early) and "the first with an exam" in words(early)


def test_a_run_whose_layers_were_never_asked_says_so() -> None:
    page = opened(synthetic_run(3, shown=LAYERS[:1], settings={"policy.name": "mutual"}), ex="3")
    assert faultless(page) and "no exam so far has said anything of them" in words(page)


@pytest.mark.parametrize(("settings", "named", "formula"), [
    ({"objective.name": "dkd"}, "Zhao et al. 2022", r"\mathrm{TCKD}"),
    ({"objective.name": "minilm"}, "no trace holds the layers", "d_r"),
    ({"objective.name": "sum", "objective.pkd_weight": 0.5}, "0.5 times pkd", r"T = 1\,T_{\text{kd}} + 0.5\,T_{\text{pkd}}"),
])  # fmt: skip
def test_another_objective_has_its_name_and_formula_and_no_made_up_number(settings: dict[str, object], named: str, formula: str) -> None:
    page = opened(synthetic_run(3, settings={"student.name": "builtin/2x64", **settings}), ex="3", step="40")
    assert faultless(page) and formula in " ".join(one.value for one in page.markdown)
    assert r"\mathrm{KL}(p\,\|\,q)" not in formulas(page)
    assert any(named in one.value.replace("\\", "") for one in page.info) and "recorded" not in formulas(page)


@pytest.mark.parametrize("policy", IN_A_LINE)
def test_the_page_is_faultless_under_every_policy_and_says_why_there_is_no_feedback(policy: str) -> None:
    page = opened(synthetic_run(3, settings={"policy.name": policy}), ex="3", step="40")
    assert faultless(page)
    assert policy == "exam" or any("So there is no feedback and no influence" in one.value.replace("\\", "") for one in page.info)


def test_temperature_and_alpha_of_a_schedule_are_those_of_the_step() -> None:
    settings: dict[str, object] = {"objective.temperature": 2.0, "objective.temperature_end": 6.0, "objective.alpha_end": 0.3}
    folder = synthetic_run(3, n_steps=61, settings=settings)
    page = opened(folder, ex="3", step="30")
    assert faultless(page) and "t = 4" in formulas(page) and r"0.5 \cdot" in formulas(page)
    assert any("of the start" in str(one) for one in page.segmented_control(key="example-scale").options)
    row = TraceReader(folder).examples("probe").iloc[3]
    table = whole_history(folder, row, "probe", folder.config()).set_index("step")
    np.testing.assert_allclose(table["soft_target"][30], softmax(table["teacher_logits"][30], 4.0), rtol=1e-6)
