"""The page of one example, opened cold: probe and course, few classes and many, live and ended, and addresses of nothing."""

from __future__ import annotations

import re
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
from ikd.ui import example_step
from ikd.ui.example_formulas import tex, tex_name
from tests.conftest import REPOSITORY
from tests.course_run import ALPHA, T, course_run
from tests.synthetic import HOSTILE, synthetic_run

SECONDS = 30
RECORDED = "recorded:reviews-exam"


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
    assert len(charts(page)) == 3 and all(any(one.isdigit() for one in spoken) for spoken in charts(page))
    assert "Probe example 7" in words(page) and "never trained on" in words(page)
    assert "Pinned at step 20" in words(page)
    assert page.slider[0].value == 20
    assert "recorded" not in formulas(page), "a probe example has no influence"


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
    step = 120 if split == "probe" else int(reader.course_of(5)["step"].iloc[4])
    page = opened(folder, split=split, ex="5", step=str(step))
    if split == "probe":
        teacher, student = (reader.reading_at(who, step)[5] for who in ("teacher", "student"))  # type: ignore[index]
        label = int(reader.examples("probe")["label"][5])
    else:
        row = reader.course_of(5).iloc[4]
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


def test_previous_and_next_follow_the_ranking() -> None:
    page = opened(synthetic_run(3))
    first = address(page, "ex")
    assert page.selectbox[0].value == "drift" and next(one for one in page.button if one.label == "Previous").disabled
    press(page, "Next")
    second = address(page, "ex")
    assert second != first and f"Probe example {second}" in words(page)
    press(page, "Previous")
    assert address(page, "ex") == first
    page.selectbox[0].set_value("id").run()
    press(page, "Next")
    assert address(page, "ex") == str(int(first or 0) + 1)


@pytest.mark.parametrize("way", ["helped", "harmed", "asked", "issued", "id"])
def test_course_examples_are_ranked(way: str) -> None:
    folder = course_run(3)
    page = opened(folder, split="course")
    page.selectbox[0].set_value(way).run()
    assert faultless(page)
    totals = {one: TraceReader(folder).course_of(one)["influence"].sum() for one in range(6)}
    page.number_input[0].set_value(0).run()
    order = sorted(totals, key=lambda one: totals[one])
    best = {"helped": order[0], "harmed": order[-1]}.get(way)
    if best is not None:
        fresh = opened(folder, split="course")
        fresh.selectbox[0].set_value(way).run()
        fresh.number_input[0].set_value(best).run()
        assert next(one for one in fresh.button if one.label == "Previous").disabled


def test_the_number_box_and_the_split_change_the_address() -> None:
    page = opened(course_run(3), split="course")
    page.number_input[0].set_value(4).run()
    assert address(page, "ex") == "4" and "Course example 4" in words(page)
    page.session_state["example-split"] = "probe"
    assert faultless(page)


def test_the_page_follows_until_a_step_is_chosen_and_jumps_back() -> None:
    page = opened(synthetic_run(3, n_steps=60, state="running", stop_before=31), ex="3")
    assert faultless(page) and "Following, step 30" in words(page)
    press(page, "Earlier")
    assert address(page, "step") == "25" and "Pinned at step 25" in words(page)
    press(page, "Earlier")
    press(page, "Later")
    assert address(page, "step") == "25" and page.slider[0].value == 25
    press(page, "Jump to latest")
    assert address(page, "step") is None and "Following, step 30" in words(page)


def test_new_data_move_a_following_page_and_leave_a_pinned_one() -> None:
    folder = synthetic_run(3, n_steps=60, state="running", stop_before=31)
    following, pinned = opened(folder, ex="3"), opened(folder, ex="3", step="20")
    again = synthetic_run(3, n_steps=60)
    folder.trace_path.write_bytes(again.trace_path.read_bytes())
    following.run()
    pinned.run()
    assert "Following, step 60" in words(following)
    assert "Pinned at step 20" in words(pinned) and "the newest 60" in words(pinned)


def test_a_slider_snaps_to_the_steps_with_data() -> None:
    page = opened(synthetic_run(3), ex="3", step="20")
    page.slider[0].set_value(21).run()
    assert address(page, "step") == "25"
    page.slider[0].set_value(42).run()
    assert address(page, "step") == "40"
    steps = np.asarray([0, 5, 10, 60])
    assert [example_step.snapped(steps, 1, wanted) for wanted in (4, 6, 5, 59, 0)] == [0, 2, 1, 3, 0]


@pytest.mark.parametrize("state", ["stopped", "failed", "lost"])
def test_runs_that_ended_before_their_time_are_shown(state: str) -> None:
    page = opened(synthetic_run(3, n_steps=60, state=state, stop_before=31), ex="3")
    assert faultless(page) and len(charts(page)) == 3
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
    assert len(charts(page)) == 3


def test_a_step_without_data_shows_the_nearest() -> None:
    page = opened(synthetic_run(3), ex="3", step="22")
    assert faultless(page) and len(charts(page)) == 3
    assert "no data of this example at step 22: the nearest, of step 20" in words(page)


def test_a_course_example_never_issued_shows_the_nearest() -> None:
    folder = course_run(3, n_examples=6, stride=2)
    assert not opened(folder, split="course", ex="2").warning
    page = opened(folder, split="course", ex="3")
    assert faultless(page) and "course example 3 has not been issued" in words(page)
    assert "Course example 2 ·" in words(page) and address(page, "ex") == "2"


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
    (folder.path / "config.json").unlink()
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
    assert faultless(training) and len(charts(training)) == 3


def test_a_soft_target_too_small_is_said_and_not_divided_by() -> None:
    page = opened(course_run(3, least=60.0), split="course", ex="1")
    assert faultless(page) and "below 1e-06" in words(page)
    assert "recorded" not in formulas(page)


def test_drawing_the_page_never_loads_torch() -> None:
    script = (
        "import sys; from streamlit.testing.v1 import AppTest\n"
        f"page = AppTest.from_file({str(REPOSITORY / 'pages' / 'example.py')!r}, default_timeout=60)\n"
        f"page.query_params['run'] = {RECORDED!r}; page.query_params['split'] = 'course'; page.run()\n"
        "assert not page.exception and not page.error\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "False", done.stderr[-2000:]


def test_every_table_has_names_that_do_not_collide() -> None:
    page = opened(course_run(20), split="course", ex="1")
    shown: pd.DataFrame = page.dataframe[0].value
    assert shown.columns.is_unique and len(shown) == 5
