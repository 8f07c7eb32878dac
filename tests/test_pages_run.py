"""The page of a run, opened cold, for finished, live, damaged and unknown runs."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ikd.trace.folder import RunFolder
from ikd.ui import pace
from tests.conftest import REPOSITORY
from tests.synthetic import HOSTILE, synthetic_run, without_config

SECONDS = 180


def opened(folder: RunFolder | None = None, **address: str) -> AppTest:
    """Return the Run page as it stands for an address."""
    page = AppTest.from_file(str(REPOSITORY / "pages" / "run.py"), default_timeout=SECONDS)
    for name, value in ({"run": folder.id} if folder else {}).items() | address.items():
        page.query_params[name] = value
    return page.run()


def charts(page: AppTest) -> list[str]:
    return [str(one.proto.alt) for one in page.get("vega_lite_chart")]


def words(page: AppTest) -> str:
    return " ".join(str(one.value) for kind in ("markdown", "caption", "text", "warning", "error", "info") for one in page.get(kind))


@pytest.mark.parametrize(("n_classes", "n_charts"), [(2, 2 + 4 * 2 + 3), (3, 2 + 4 * 3 + 3), (150, 2 + 4 * 2 + 3)])
def test_a_finished_run_shows_curves_four_cards_and_its_final_scores(n_classes: int, n_charts: int) -> None:
    page = opened(synthetic_run(n_classes))
    assert not page.exception and not page.error
    assert len(charts(page)) == n_charts
    assert "finished" in words(page)
    assert len("".join(page.query_params["ex"]).split(",")) == 4


def test_every_chart_is_described_with_numbers() -> None:
    for spoken in charts(opened(synthetic_run(3))):
        assert any(one.isdigit() for one in spoken), spoken


def test_the_address_chooses_examples_and_step() -> None:
    page = opened(synthetic_run(3, n_steps=60), ex="7,3", step="20")
    assert page.slider[0].value == 20
    assert page.multiselect[0].value == [7, 3]
    assert "Example 7 " in words(page) and "Step 20," in words(page)


@pytest.mark.parametrize("address", [{"ex": "9999"}, {"ex": "<b>"}, {"step": "-4"}, {"step": "soon"}, {"ex": "1,1,1"}])
def test_a_bad_address_is_answered_with_a_notice_and_the_page(address: dict[str, str]) -> None:
    page = opened(synthetic_run(3), **address)
    assert not page.exception and not page.error
    assert any("The address asks for" in one.value for one in page.warning)
    assert len(charts(page)) > 2


@pytest.mark.parametrize("run", ["nope", "../etc/passwd", "recorded:nope", "<script>", "a" * 200])
def test_an_unknown_run_is_a_sentence_and_a_link(run: str) -> None:
    page = opened(run=run)
    assert not page.exception and not page.error and len(page.warning) == 1
    assert "<script>" not in page.warning[0].value


def test_no_run_in_the_address_offers_the_newest() -> None:
    synthetic_run(2, n_steps=12)
    page = opened()
    assert not page.exception and "Which run?" in page.header[0].value


def test_markup_in_texts_and_labels_is_shown_as_text() -> None:
    page = opened(synthetic_run(3, texts=HOSTILE, settings={"label": "<b>x</b> **y**"}), ex="0,1")
    shown = [one.value for one in page.text]
    assert shown[0] == HOSTILE[0]
    assert "\u202e" not in shown[1] and "‹U+202E›" in shown[1]
    assert "\\<b\\>x" in page.header[0].value
    assert "taken over" not in " ".join(str(one.value) for one in page.markdown)


def test_a_run_that_prepares_shows_its_stage_and_log() -> None:
    folder = synthetic_run(3, n_steps=12)
    folder.trace_path.unlink()
    folder.write_state(replace(folder.state(), state="preparing", stage="fine-tuning the teacher", stage_step=3, stage_total=10))
    page = opened(folder)
    assert not page.exception and not charts(page)
    assert any("Fine-tuning the teacher, step 3 of 10" in str(one.proto.text) for one in page.get("progress"))
    assert any(one.label == "Stop" for one in page.button)


def test_a_live_run_shows_progress_and_can_be_stopped() -> None:
    folder = synthetic_run(3, n_steps=60, state="running", stop_before=30)
    page = opened(folder)
    assert not page.exception and len(charts(page)) > 2
    assert any("Step 30 of 60 · 50%" in str(one.proto.text) for one in page.get("progress"))
    next(one for one in page.button if one.label == "Stop").click().run()
    assert folder.stop_requested()


def test_a_live_run_with_all_steps_done_is_not_yet_at_100_percent() -> None:
    page = opened(synthetic_run(3, n_steps=20, state="running"))
    assert any("99%" in str(one.proto.text) for one in page.get("progress"))


def test_a_damaged_trace_is_a_sentence() -> None:
    folder = synthetic_run(3, n_steps=12)
    folder.trace_path.write_bytes(b"not a database" * 1000)
    page = opened(folder)
    assert not page.exception and page.error


def test_a_run_without_its_config_still_shows_its_trace() -> None:
    folder = synthetic_run(3, n_steps=12)
    without_config(folder)
    page = opened(folder)
    assert not page.exception and not page.error and page.warning and len(charts(page)) > 2


def test_replay_plays_pauses_and_returns_to_the_end() -> None:
    page = opened(synthetic_run(3))
    next(one for one in page.button if one.label == "Replay").click().run()
    assert not page.exception and page.slider[0].value < 60
    next(one for one in page.button if one.label == "Pause").click().run()
    assert "step" in page.query_params
    next(one for one in page.button if one.label == "To the end").click().run()
    assert page.slider[0].value == 60 and "step" not in page.query_params


def test_other_curves_can_be_chosen() -> None:
    page = opened(synthetic_run(3))
    for key, names in (("curves-left", ("Likelihood", "Agreement")), ("curves-right", ("Losses", "Teacher's update"))):
        for name in names:
            page.session_state[key] = name
            page.run()
            assert not page.exception and not page.error


def test_drawing_pages_never_loads_torch(home: Path) -> None:
    run = synthetic_run(3, n_steps=12).id
    script = (
        "import sys; from streamlit.testing.v1 import AppTest\n"
        f"home = AppTest.from_file({str(REPOSITORY / 'app.py')!r}, default_timeout=180).run()\n"
        f"page = AppTest.from_file({str(REPOSITORY / 'pages' / 'run.py')!r}, default_timeout=180)\n"
        f"page.query_params['run'] = {run!r}; page.run()\n"
        "assert not home.exception and not page.exception and not page.error\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "False", done.stderr[-2000:]


def test_the_board_appears_once_the_first_reading_is_there() -> None:
    folder = synthetic_run(3, n_steps=20, state="running", stop_before=0)
    empty = opened(folder)
    assert not empty.exception and "The board" not in [one.value for one in empty.subheader]
    assert "The board" in [one.value for one in opened(synthetic_run(3, n_steps=20, state="running", stop_before=1)).subheader]


def test_a_class_that_comes_in_sees_the_same_board() -> None:
    """The readings of what is on a board are then held once for all."""
    boards = {opened(synthetic_run(3, n_steps=60, state="running", stop_before=step)).query_params["ex"][0] for step in (33, 41, 58)}
    assert len(boards) == 1
    moved = opened(synthetic_run(3, n_steps=60, state="running", stop_before=12)).query_params["ex"][0]
    assert moved not in boards, "a choice that never changes would not show what has drifted"


def test_drawing_that_takes_too_long_slows_its_own_pace_but_not_for_a_slow_first_time(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, object] = {}
    monkeypatch.setattr(pace.st, "session_state", kept)
    monkeypatch.setattr(pace, "crowd", pace.Crowd())  # pages of other tests are still in the one of this process
    kept["run_drawing_taken"] = {"curves": [9.0, 0.1, 0.1], "board": [9.0, 0.1, 0.1]}
    assert not pace.slow_down() and pace.pace_seconds() == 2.0
    kept["run_drawing_taken"] = {"curves": [0.6, 0.6, 0.6], "board": [0.7, 0.7, 0.7]}
    assert pace.slow_down() and pace.pace_seconds() == 5.0
    assert pace.slow_down() and pace.pace_seconds() == 10.0
    assert not pace.slow_down()
