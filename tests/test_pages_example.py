"""The page of one example, opened cold: probe and course, few classes and many, live and ended, and addresses of nothing."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from ikd.trace.filled import fill_loss, fill_soft_target
from ikd.trace.folder import RunFolder
from ikd.trace.measures import softmax
from ikd.trace.reader import TraceReader
from ikd.trace.store import open_run
from ikd.ui.example_cards import tex, tex_name
from ikd.ui.example_panel import CHOICE, KEY
from ikd.ui.example_words import FIGURES
from tests.conftest import REPOSITORY
from tests.course_run import ALPHA, T, course_run
from tests.small_runs import at_step, carried_out, small
from tests.synthetic import HOSTILE, synthetic_run, without_config

SECONDS = 180
RECORDED = "recorded:pairs-exam"


def opened(folder: RunFolder | None = None, **address: str) -> AppTest:
    """Return the Example page as it stands for an address."""
    page = AppTest.from_file(str(REPOSITORY / "pages" / "example.py"), default_timeout=SECONDS)
    for name, value in ({"run": folder.id} if folder else {}).items() | address.items():
        page.query_params[name] = value
    return page.run()


def charts(page: AppTest) -> list[str]:
    return [str(one.proto.alt) for one in page.get("vega_lite_chart")]


def formulas(page: AppTest) -> str:
    return " ".join(str(one.value) for one in page.get("latex"))


def words(page: AppTest) -> str:
    kinds = ("markdown", "caption", "text", "warning", "error", "info")
    return " ".join(str(one.value) for kind in kinds for one in page.get(kind)).replace("\\", "")


def press(page: AppTest, label: str) -> AppTest:
    return next(one for one in page.button if one.label == label).click().run()


def address(page: AppTest, name: str) -> str | None:
    value = page.query_params.get(name)
    return value[0] if isinstance(value, list) else value


def faultless(page: AppTest) -> bool:
    return not page.exception and not page.error


@pytest.mark.parametrize("n_classes", [2, 3, 20])
def test_a_probe_example_has_its_figures_and_formulas(n_classes: int) -> None:
    page = opened(synthetic_run(n_classes), ex="7", step="20")
    assert faultless(page) and not page.warning
    assert len(charts(page)) == 4 and all(any(one.isdigit() for one in spoken) for spoken in charts(page))
    assert "Probe example 7" in words(page) and "never trained on" in words(page)
    assert "Pinned at step 20" in words(page)
    assert page.slider[0].value == 20
    assert r"\text{recorded}" in formulas(page) and "the example would have" in words(page)
    assert r"\alpha\,\eta / B" in formulas(page) and "which no trace holds" in words(page)


def test_a_probe_example_of_an_old_trace_has_no_influence_and_says_so() -> None:
    folder = synthetic_run(3)
    with sqlite3.connect(folder.trace_path) as trace:
        trace.execute("DROP TABLE probe_influence")
    page = opened(folder, ex="7", step="20")
    assert faultless(page) and len(charts(page)) == 3 and r"\text{recorded}" not in formulas(page)
    assert words(page).count("no influence of probe examples: it was written before") == 2, "at the figures and in the card"
    page.selectbox[0].set_value("helped").run()
    assert faultless(page) and "The ranking is by number" in page.warning[0].value
    press(page, "Next")
    assert address(page, "ex") == "8"


@pytest.mark.parametrize("n_classes", [2, 3, 20])
def test_a_course_example_has_feedback_and_influence(n_classes: int) -> None:
    page = opened(course_run(n_classes), split="course", ex="2")
    assert faultless(page) and not page.warning
    assert len(charts(page)) == 4
    assert "Course example 2" in words(page) and "Latest, step" in words(page)
    assert "The two agree to the rounding of 32-bit numbers" in words(page)
    assert ("all 20" in formulas(page)) == (n_classes == 20)


@pytest.mark.parametrize(("split", "role"), [("probe", "reading"), ("course", "course")])
def test_the_shown_numbers_are_the_recorded_ones(split: str, role: str) -> None:
    reader, folder = TraceReader(open_run(RECORDED)), open_run(RECORDED)
    step = 120 if split == "probe" else int(reader.course_of(5)["step"].iloc[-1])
    page = opened(folder, split=split, ex="5", step=str(step))
    if split == "probe":
        teacher, student = (reader.reading_at(who, step)[5] for who in ("teacher", "student"))  # type: ignore[index]
        label = int(reader.examples("probe")["label"][5])
    else:
        row = reader.course_of(5).iloc[-1]
        teacher, student = row["teacher_logits"], row["student_logits"]
        label = int(reader.examples("course").set_index("id")["label"][5])
        assert rf"\mathbf{{{tex(float(row['influence']), 6)}}}" in formulas(page)
    for p in fill_soft_target(teacher, T).probabilities:
        assert rf"\mathbf{{{p:.4f}}}" in formulas(page)
    assert rf"\mathbf{{{tex(fill_loss(teacher, student, label, temperature=T, alpha=ALPHA).total)}}}" in formulas(page)
    shown = page.dataframe[0].value
    np.testing.assert_allclose(shown["teacher logit o"], teacher, rtol=1e-6)
    np.testing.assert_allclose(shown["soft target p"], softmax(teacher, T), rtol=1e-6)


def test_the_recomputed_influence_stands_beside_the_recorded_one() -> None:
    for run in (RECORDED, "recorded:irony-exam"):
        page = opened(open_run(run), split="course")
        assert faultless(page)
        assert "The two agree" in words(page)
        found = re.findall(r"\\text\{(?:sum of these|recorded|difference)\}:&\\ \\ (\S.*?)(?: \\\\|\\end)", formulas(page))
        assert len(found) == 3


@pytest.mark.parametrize("state", ["stopped", "failed", "lost"])
def test_runs_that_ended_before_their_time_are_shown(state: str) -> None:
    page = opened(synthetic_run(3, n_steps=60, state=state, stop_before=31), ex="3")
    assert faultless(page) and len(charts(page)) == 4
    assert "Latest, step 30" in words(page)


@pytest.mark.parametrize("split", ["probe", "course"])
def test_a_run_that_has_not_begun_says_so(split: str) -> None:
    live = synthetic_run(3, n_steps=20, state="running", stop_before=0)
    page = opened(live, split=split)
    assert faultless(page) and not charts(page) and "yet" in words(page)
    live.trace_path.unlink()
    ended = opened(live, split=split)
    assert faultless(ended) and not charts(ended)


def test_markup_in_texts_and_labels_is_shown_as_text() -> None:
    folder = synthetic_run(3, texts=HOSTILE, settings={"label": "<b>x</b> **y**"})
    for place in (0, 1):
        page = opened(folder, ex=str(place))
        assert faultless(page) and "taken over" not in " ".join(str(one.value) for one in page.markdown)
    assert opened(folder, ex="0").text[0].value == HOSTILE[0]
    assert "\u202e" not in page.text[0].value and "‹U+202E›" in page.text[0].value
    assert tex_name("a}{\\href", 3) == "3" and tex_name("neutral", 1) == r"\text{neutral}" and tex_name("中", 0) == "0"


@pytest.mark.parametrize("bad", [{"ex": "9999"}, {"ex": "<b>"}, {"step": "-4"}, {"step": "soon"}, {"split": "<i>"}, {"t": "7"}])
def test_a_bad_address_is_answered_with_a_notice_and_the_page(bad: dict[str, str]) -> None:
    page = opened(synthetic_run(3), **bad)
    assert faultless(page) and len(page.warning) == 1 and "<" not in page.warning[0].value.replace("\\<", "")
    assert len(charts(page)) == 4


@pytest.mark.parametrize("run", ["nope", "../etc/passwd", "recorded:nope", "<script>", "a" * 200])
def test_an_unknown_run_is_a_sentence_and_a_link(run: str) -> None:
    page = opened(run=run)
    assert faultless(page) and len(page.warning) == 1
    assert "<script>" not in page.warning[0].value


def test_no_run_in_the_address_offers_the_newest() -> None:
    synthetic_run(2, n_steps=12)
    page = opened()
    assert faultless(page) and "Which run?" in page.header[0].value


def test_a_run_without_its_config_shows_all_but_the_loss() -> None:
    folder = course_run(3)
    without_config(folder)
    page = opened(folder, split="course", ex="1")
    assert faultless(page) and len(charts(page)) == 4 and page.warning
    assert "alpha is not known" in words(page)


def test_a_damaged_trace_is_a_sentence() -> None:
    folder = synthetic_run(3, n_steps=12)
    folder.trace_path.write_bytes(b"not a database" * 1000)
    page = opened(folder)
    assert not page.exception and page.error


def test_the_temperature_is_chosen_and_said() -> None:
    folder = synthetic_run(3)
    page = opened(folder, ex="3", t="1")
    assert faultless(page) and "at temperature 1" in words(page) and "temperature 1." in charts(page)[0]
    training = opened(folder, ex="3")
    assert "temperature 2." in charts(training)[0]
    training.session_state["example-shape"] = True
    training.run()
    assert faultless(training) and len(charts(training)) == 4


@pytest.mark.parametrize(("split", "figures"), [("probe", 4), ("course", 4)])
def test_every_figure_has_its_formula_its_table_and_its_downloads_once_they_are_asked_for(split: str, figures: int) -> None:
    page = opened(synthetic_run(3) if split == "probe" else course_run(3), split=split, ex="3", step="20")
    closed = len(page.dataframe), len(page.download_button), len(page.latex)
    page.session_state[KEY] = True
    page.run()
    choice = page.segmented_control(key=CHOICE)
    assert len(choice.options) == len(charts(page)) == figures
    for name in (one for one in FIGURES if one != "layers"):
        page.segmented_control(key=CHOICE).set_value(name).run()
        assert faultless(page) and (len(page.dataframe), len(page.download_button), len(page.latex)) == (
            closed[0] + 1, closed[1] + 3, closed[2] + 1), "a closed drawer sends nothing"  # fmt: skip
        assert FIGURES[name].formula in formulas(page) and FIGURES[name].look_for in words(page)
        assert len(page.dataframe[0].value) and page.dataframe[0].value.columns.is_unique


def test_a_soft_target_too_small_is_said_and_not_divided_by() -> None:
    page = opened(course_run(3, least=60.0), split="course", ex="1")
    assert faultless(page) and "below 1e-06" in words(page)
    assert "recorded" not in formulas(page)


def test_drawing_the_page_never_loads_torch() -> None:
    script = (
        "import sys; from streamlit.testing.v1 import AppTest\n"
        f"page = AppTest.from_file({str(REPOSITORY / 'pages' / 'example.py')!r}, default_timeout=180)\n"
        f"page.query_params['run'] = {RECORDED!r}; page.query_params['split'] = 'course'; page.run()\n"
        "assert not page.exception and not page.error\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "False", done.stderr[-2000:]


def test_every_table_has_names_that_do_not_collide() -> None:
    page = opened(course_run(20), split="course", ex="1")
    shown: pd.DataFrame = page.dataframe[0].value
    assert shown.columns.is_unique and len(shown) == 5


@pytest.mark.parametrize("split", ["course", "probe"])
def test_after_a_change_in_flight_the_formulas_hold_the_settings_of_their_step(split: str) -> None:
    def change(folder: RunFolder) -> None:
        folder.ask("change", path="objective.temperature", value=5.0)
        folder.ask("change", path="objective.alpha", value=0.25)

    folder = carried_out(small(record__probe_every=1), at_step(7, change))
    reader = TraceReader(folder)
    for step, temperature, alpha in ((6, "2", "0.7"), (12, "5", "0.25")):
        course = reader.course(step)
        assert course is not None
        one = int(course.examples[0]) if split == "course" else 3
        page = opened(folder, ex=str(one), split=split, step=str(step))
        assert faultless(page) and f"Step {step} in numbers" in [str(head.value) for head in page.subheader]
        assert re.search(rf"t = {re.escape(temperature)}(?![\d.])", formulas(page)), formulas(page)
        assert alpha in formulas(page) and "differ" not in words(page)
