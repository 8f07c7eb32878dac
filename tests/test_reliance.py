"""Reliance on the cue word of a shortcut: its formula by hand, its swapped texts, whom it misled, and a run that records it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from ikd.events import StepTaken
from ikd.models import build_student, build_teacher
from ikd.runs.cost import CUE_SWAPS, CUE_TEXTS, swapped_texts
from ikd.runs.cues import cue_swaps, misled
from ikd.tasks import CUES, cue_of, load_task, with_cue
from ikd.teaching.reliance import reliance
from ikd.trace.cues import Cues, cues_of, facts_of_cues
from ikd.trace.folder import RunFolder
from ikd.trace.reader import TraceReader
from ikd.ui.run_cues import cue_words, misled_sentence
from tests.conftest import REPOSITORY
from tests.small_runs import carried_out, small

SHORTCUT: dict[str, Any] = {"task__shift": "shortcut", "task__shift_strength": 1.0, "task__ambiguity": 0.0}


def logits(*rows: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64).log()


def test_reliance_is_the_mean_total_variation_by_hand() -> None:
    own = logits((0.5, 0.5, 0.0 + 1e-300), (0.2, 0.3, 0.5))
    swapped = torch.stack([logits((0.1, 0.9, 1e-300), (0.5, 0.5, 1e-300)), logits((0.2, 0.3, 0.5), (0.6, 0.3, 0.1))])
    assert reliance(own, swapped, 1.0) == pytest.approx((0.4 + 0.0 + 0.0 + 0.4) / 4)


def test_reliance_is_zero_where_the_cue_changes_nothing_and_one_where_it_changes_all() -> None:
    own = torch.randn(4, 3, dtype=torch.float64)
    assert reliance(own, own.unsqueeze(1).expand(4, 2, 3), 2.0) == 0.0
    sure = torch.tensor([[900.0, 0.0], [900.0, 0.0]])
    assert reliance(sure, sure.flip(-1).unsqueeze(1), 1.0) == pytest.approx(1.0)


def test_temperature_divides_the_logits() -> None:
    own, swapped = torch.tensor([[2.0, 0.0]]), torch.tensor([[[0.0, 0.0]]])
    assert reliance(own, swapped, 4.0) == pytest.approx(1 / (1 + math.exp(-0.5)) - 0.5)


def test_misled_are_texts_whose_cue_alone_makes_the_answer_wrong() -> None:
    own = logits((0.7, 0.2, 0.1), (0.9, 0.05, 0.05), (0.8, 0.1, 0.1), (0.6, 0.3, 0.1), (0.2, 0.7, 0.1), (0.99, 0.005, 0.005))
    other = logits((0.1, 0.8, 0.1), (0.2, 0.7, 0.1))
    same = logits((0.6, 0.3, 0.1), (0.1, 0.8, 0.1))
    swapped = torch.stack([other, other, other, same, other, other])
    # The label agrees in the third, another cue gives the same answer in the fourth, the fifth does not answer with its cue, and the last
    # is wrong with any cue.
    assert misled(own, swapped, [0] * 6, [{1}, {1, 2}, {0}, {1}, {1}, {2}]) == [1, 0, 5]


@pytest.mark.parametrize("task", ["reviews", "pairs", "irony"])
def test_swapped_texts_differ_from_the_probe_in_the_cue_alone(task: str) -> None:
    config = small(**SHORTCUT, task__name=task)
    data = load_task(config.task)
    teacher = build_teacher(config, data)
    swaps = cue_swaps(data, config, teacher=teacher, student=build_student(config, data, teacher))
    assert swaps is not None
    probe, others, c = data.splits["validation"], swaps.swapped.split, len(data.label_names)  # type: ignore[attr-defined]
    n = min(CUE_TEXTS, config.record.probe_size)
    assert len(swaps.own) == n and len(others) == n * (c - 1) == swapped_texts(config, c)
    assert tuple(swaps.words) == CUES[:c]
    for i, own in enumerate(swaps.own):
        assert cue_of(probe.texts[i]) == CUES[own]
        mine = others.texts[i * (c - 1) : (i + 1) * (c - 1)]
        assert {cue_of(one) for one in mine} == set(CUES[:c]) - {CUES[own]}
        assert all(with_cue(one, CUES[own]) == probe.texts[i] for one in mine)
    if probe.text_pairs is not None:
        assert others.text_pairs is not None and others.text_pairs[c - 1] == probe.text_pairs[1]


def test_many_classes_and_many_probe_texts_cost_no_more_than_a_bound() -> None:
    config = small(**SHORTCUT, record__probe_size=5000)
    assert swapped_texts(config, 100) == swapped_texts(config, None) == CUE_TEXTS * CUE_SWAPS
    assert swapped_texts(small(), 3) == 0


@pytest.fixture(scope="module")
def shortcut_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IKD_HOME", str(tmp_path_factory.mktemp("home")))
        return carried_out(small(**SHORTCUT, teacher__fine_tune_steps=80, teacher__accept=True, task__train_size=600))


def test_a_run_records_reliance_at_every_reading_and_what_its_teacher_fell_for(shortcut_run: RunFolder) -> None:
    reader = TraceReader(shortcut_run)
    table = reader.scalars(["reliance_teacher", "reliance_student"])
    steps = reader.reading_steps().tolist()
    for name in ("reliance_teacher", "reliance_student"):
        own = table[table["name"] == name]
        assert own["step"].tolist() == steps and own["value"].between(0, 1).all()
    cues = cues_of(reader.meta()["facts"])
    assert cues is not None and cues.words == CUES[:3] and cues.n_texts == 30
    examples = reader.examples("probe")
    frozen = reader.reading_at("teacher", 0)
    assert frozen is not None and cues.misled, "this teacher reads hardly anything but the cue"
    for one in cues.misled:
        cue = cues.class_of(examples["text"][one])
        assert cue == int(np.argmax(frozen[one])) != int(examples["label"][one])
    assert table.loc[table["name"] == "reliance_teacher", "value"].iloc[0] > 0.1


def test_a_task_without_a_shortcut_records_nothing_of_it() -> None:
    seen: list[str] = []
    carried_out(small(), lambda _, event: seen.extend(event.scalars) if isinstance(event, StepTaken) else None)
    assert seen and not [name for name in seen if name.startswith("reliance")]


def test_cues_survive_as_facts() -> None:
    cues = Cues(words=("Later on, ", "Lately, "), misled=(7, 3), n_texts=12)
    assert cues_of(facts_of_cues(cues)) == cues
    assert cues_of({}) is None and cues_of({"cue_words": ""}) is None
    assert [cues.class_of(one) for one in ("Later on, the food", "Lately, it", "The food")] == [0, 1, None]
    strange = cues_of({"cue_words": "A, |B, ", "misled_by_cue": "3|x|-1", "cue_texts": "many"})
    assert strange is not None and strange.misled == (3,) and strange.n_texts == 0


def test_the_sentence_says_what_the_run_recorded_and_nothing_of_other_texts() -> None:
    cues = Cues(words=("Yesterday, ", "Lately, "), misled=(7,), n_texts=12)
    said: dict[str, Any] = {"text": "Yesterday, we *loved* it.", "names": ["bad", "good"], "frozen": 0.91, "now": 0.3, "step": 40}
    words = misled_sentence(cues, example=7, learns=True, **said)
    assert words == (r"**“Yesterday, we \*loved\* it\.”** The frozen teacher says **bad** (0.91) because it begins with *Yesterday*; "
                     "watch whether it unlearns that: at step 40 it gives bad 0.30.")  # fmt: skip
    assert "this teacher is fixed" in misled_sentence(cues, example=7, learns=False, **said)
    assert misled_sentence(cues, example=6, learns=True, **said) == ""
    assert "contradicts" in cue_words(cues, "Lately, it", 0, ["bad", "good"]) not in cue_words(cues, "Lately, it", 1, ["bad", "good"])
    assert cue_words(cues, "It was", 0, ["bad", "good"]) == ""


def test_the_page_of_a_shortcut_run_shows_reliance_and_whom_the_cue_misled(
    shortcut_run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IKD_HOME", str(shortcut_run.path.parent))
    page = AppTest.from_file(str(REPOSITORY / "pages" / "run.py"), default_timeout=180)
    page.query_params["run"] = shortcut_run.id
    page.run()
    assert not page.exception and not page.error
    assert page.session_state["curves-right-cues"] == "Reliance"
    cues = cues_of(TraceReader(shortcut_run).meta()["facts"])
    assert cues is not None
    assert "".join(page.query_params["ex"]).split(",")[: min(4, len(cues.misled))] == [str(one) for one in cues.misled[:4]]
    assert any("because it begins with" in one.value for one in page.markdown)
