"""How often live figures are drawn where many watch: one budget for the whole process."""

from __future__ import annotations

import threading

import pytest

from ikd.trace.state import RunState
from ikd.ui import pace


@pytest.fixture(autouse=True)
def crowd(monkeypatch: pytest.MonkeyPatch) -> pace.Crowd:
    """Give each test a register of its own, and a session."""
    own = pace.Crowd()
    monkeypatch.setattr(pace, "crowd", own)
    sit(monkeypatch)
    return own


def sit(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    session: dict[str, object] = {}
    monkeypatch.setattr(pace.st, "session_state", session)
    return session


def drawn(crowd: pace.Crowd, pages: int, seconds: float, *, now: float, times: int = 2) -> None:
    for page in range(pages):
        for _ in range(times):
            crowd.add(f"page {page}", "board", seconds, pace=2.0, now=now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    at = [0.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: at[0])
    return at


@pytest.mark.parametrize(("pages", "expected"), [(1, 2.0), (2, 2.0), (5, 5.0), (10, 10.0), (15, 20.0), (30, 30.0), (45, 45.0), (500, 60.0)])
def test_the_sum_over_all_pages_decides(pages: int, expected: float, crowd: pace.Crowd, clock: list[float]) -> None:
    drawn(crowd, pages, 0.099, now=0.0)
    assert pace.pace_seconds() == expected


def test_who_is_there_already_takes_the_crowds_pace_at_once_and_the_quick_one_when_it_has_left(
    crowd: pace.Crowd, clock: list[float]
) -> None:
    assert pace.pace_seconds() == 2.0
    drawn(crowd, 30, 0.099, now=0.0)
    assert pace.pace_seconds() == 2.0, "until it looks"
    assert pace.slow_down() and pace.pace_seconds() == 30.0
    assert not pace.slow_down()
    clock[0] = pace.LEFT_AFTER_SECONDS + 1
    assert pace.slow_down() and pace.pace_seconds() == 2.0 and not crowd.pages()


def test_a_sum_near_a_bound_does_not_change_the_pace_to_and_fro(crowd: pace.Crowd, clock: list[float]) -> None:
    drawn(crowd, 10, 0.06, now=0.0)
    assert pace.pace_seconds() == 10.0
    drawn(crowd, 10, 0.049, now=0.0, times=3)
    assert not pace.slow_down() and pace.pace_seconds() == 10.0, "it would fit 5 s, but barely"
    drawn(crowd, 10, 0.02, now=0.0, times=3)
    assert pace.slow_down() and pace.pace_seconds() == 5.0


def test_the_first_drawing_of_a_page_counts_as_the_mean_of_the_others(crowd: pace.Crowd, clock: list[float]) -> None:
    drawn(crowd, 3, 9.0, now=0.0, times=1)
    assert crowd.seconds(now=0.0) == 0
    crowd.add("page 0", "board", 0.1, pace=2.0, now=0.0)
    assert crowd.seconds(now=0.0) == pytest.approx(0.3)


def test_looks_are_seldomer_in_a_crowd_and_as_ever_alone(crowd: pace.Crowd, clock: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    live = RunState(state="running")
    assert pace.every(live, 1.0) == 1.0 and pace.every(live, pace.pace_seconds()) == 2.0
    drawn(crowd, 30, 0.099, now=0.0)
    sit(monkeypatch)
    looks, drawings = pace.every(live, 1.0), pace.every(live, pace.pace_seconds())
    assert drawings is not None and 30.0 <= drawings <= 37.5 and looks == drawings, "what is due together is one rerun"
    sit(monkeypatch)
    assert pace.every(live, pace.pace_seconds()) != drawings, "pages are not drawn at one moment for ever"
    assert pace.every(RunState(state="finished"), 1.0) is None


def test_only_pages_of_a_live_run_are_counted(crowd: pace.Crowd) -> None:
    for state, pages in (("finished", 0), ("running", 1)):
        pace.every(RunState(state=state), 1.0)  # type: ignore[arg-type]
        with pace.timed("curves"):
            pass
        assert crowd.pages() == pages
    pace.reset()
    assert not crowd.pages()


def test_many_threads_may_draw_at_once(crowd: pace.Crowd) -> None:
    def draw(page: int) -> None:
        for at in range(200):
            crowd.add(f"page {page}", "board", 0.01, pace=2.0, now=float(at % 7))
            crowd.seconds(now=0.0)
            if at % 50 == 0:
                crowd.leave(f"page {page}")

    threads = [threading.Thread(target=draw, args=(page,)) for page in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert crowd.pages() == 8 and crowd.seconds(now=0.0) == pytest.approx(0.08)
