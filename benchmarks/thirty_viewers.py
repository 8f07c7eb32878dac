"""Whether a class of thirty may watch one live run: what it costs the run, how late the pages are, and whether memory stays flat.

    python benchmarks/thirty_viewers.py                    the whole: four phases of a minute, then ten minutes with all viewers
    python benchmarks/thirty_viewers.py --phase 30 --rounds 1 --minutes 0 --viewers 10

A viewer is a websocket client that speaks Streamlit's protocol as a browser does: it opens the page, keeps the timers the page
asks for, sends a rerun at each of their beats whether or not the last one was answered, carries the address on and says which
messages it still has. It draws nothing: thirty Chromium tabs on the machine of the server would measure Chromium. All viewers
share one process. Phases without and with viewers take turns within one run, so that the machine's drift cancels; each
begins with `SETTLE_SECONDS` that are not counted. A tick's latency is from sending a fragment's rerun to the end of its script.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
MOST_SLOWER, MOST_SECONDS, MOST_MB_A_MINUTE = 0.25, 2.0, 1.0
SETTLE_SECONDS, OPENING_SECONDS, SAMPLE_SECONDS = 30.0, 10.0, 10.0
MOST_CACHED = 200


class Viewer:
    """One visitor of the page, without a screen."""

    def __init__(self, address: str) -> None:
        """Keep the address of the websocket."""
        self._address, self._query, self._page = address, "", ""
        self._timers: dict[str, tuple[float, asyncio.Task[None]]] = {}
        self._asked: dict[str, float] = {}
        self._served: dict[str, float] = {}
        self._cached: dict[str, None] = {}
        self.ticks: list[tuple[float, float]] = []
        self.received_bytes, self.errors = 0, 0

    async def watch(self, after: float) -> None:
        """Open the page and live with it until cancelled."""
        from websockets.asyncio.client import connect

        await asyncio.sleep(after)
        async with connect(self._address, subprotocols=["streamlit"], max_size=None, compression=None) as self._socket:  # type: ignore[list-item]
            try:
                await self._rerun()
                async for data in self._socket:
                    self._take(data)
            finally:
                self._forget_timers()

    async def _rerun(self, fragment: str = "") -> None:
        from streamlit.proto.BackMsg_pb2 import BackMsg

        asked = BackMsg()
        state = asked.rerun_script
        state.query_string, state.page_script_hash, state.fragment_id = self._query, self._page, fragment
        state.is_auto_rerun = bool(fragment)
        state.cached_message_hashes.extend(self._cached)
        state.context_info.timezone, state.context_info.locale, state.context_info.color_scheme = "UTC", "en-US", "light"
        if fragment:
            self._asked.setdefault(fragment, time.monotonic())
        await self._socket.send(asked.SerializeToString())

    def _take(self, data: bytes) -> None:
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        self.received_bytes += len(data)
        message = ForwardMsg.FromString(data)
        kind = message.WhichOneof("type")
        if message.metadata.cacheable:
            self._cached.pop(message.hash, None)
            self._cached[message.hash] = None
            while len(self._cached) > MOST_CACHED:
                del self._cached[next(iter(self._cached))]
        if kind == "new_session":
            self._begin(list(message.metadata.run.fragment_ids), message.new_session.page_script_hash)
        elif kind == "auto_rerun":
            self._keep_time(message.auto_rerun.fragment_id, message.auto_rerun.interval)
        elif kind == "stop_auto_rerun":
            for fragment in message.stop_auto_rerun.fragment_ids:
                self._forget_timer(fragment)
        elif kind == "page_info_changed":
            self._query = message.page_info_changed.query_string
        elif kind == "script_finished" and message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            now = time.monotonic()
            self.ticks += [(now, now - sent) for sent in self._served.values()]
            self._served = {}
        elif kind == "delta" and message.delta.new_element.WhichOneof("type") in ("exception",):
            self.errors += 1

    def _begin(self, fragments: list[str], page: str) -> None:
        self._page = page
        if not fragments:
            # A whole run of the page serves every fragment and sets its timers anew.
            fragments = list(self._asked)
            self._forget_timers()
        self._served |= {one: self._asked.pop(one) for one in fragments if one in self._asked}

    def _keep_time(self, fragment: str, seconds: float) -> None:
        if fragment in self._timers and self._timers[fragment][0] == seconds:
            return
        self._forget_timer(fragment)
        self._timers[fragment] = (seconds, asyncio.create_task(self._beat(fragment, seconds)))

    async def _beat(self, fragment: str, seconds: float) -> None:
        due = time.monotonic()
        with suppress(Exception):  # the socket may be closed under it
            while True:
                due += seconds
                await asyncio.sleep(due - time.monotonic())
                await self._rerun(fragment)

    def _forget_timer(self, fragment: str) -> None:
        if fragment in self._timers:
            self._timers.pop(fragment)[1].cancel()

    def _forget_timers(self) -> None:
        for fragment in list(self._timers):
            self._forget_timer(fragment)

    def waiting_seconds(self) -> float:
        """Return how long the oldest unanswered tick has waited."""
        sent = [*self._asked.values(), *self._served.values()]
        return time.monotonic() - min(sent) if sent else 0.0


class Class:
    """The run, its server, and whoever watches."""

    def __init__(self, server: Any, folder: Any) -> None:
        """Keep the server and the run's folder."""
        from ikd.trace.reader import TraceReader

        self._address = server.url.replace("http", "ws") + "/_stcore/stream"
        self._folder, self._reader = folder, TraceReader(folder)
        self.process, self._began = psutil.Process(server.process.pid), time.monotonic()
        self.memory: list[tuple[float, float]] = []

    async def phase(self, viewers: int, seconds: float) -> dict[str, float]:
        """Return speed, latencies and shares of the machine over a phase with so many viewers."""
        seen = [Viewer(self._address) for _ in range(viewers)]
        tasks = [asyncio.create_task(one.watch(OPENING_SECONDS * at / max(viewers, 1))) for at, one in enumerate(seen)]
        await self._sample(SETTLE_SECONDS)
        began, first, used = time.monotonic(), self._reader.last_step(), sum(self.process.cpu_times()[:2])
        psutil.cpu_percent()
        await self._sample(seconds)
        took = time.monotonic() - began
        late = [latency for one in seen for at, latency in one.ticks if at >= began]
        late += [waiting for one in seen if (waiting := one.waiting_seconds()) > MOST_SECONDS]
        gone = sum(one.done() for one in tasks) + sum(one.errors for one in seen)
        found = {"viewers": viewers, "steps": (self._reader.last_step() - first) / took, "ticks": len(late) / took, "gone": gone,
                 "p50": float(np.percentile(late, 50)) if late else 0.0, "p95": float(np.percentile(late, 95)) if late else 0.0,
                 "server": (sum(self.process.cpu_times()[:2]) - used) / took, "machine": psutil.cpu_percent() / 100,
                 "MB": sum(one.received_bytes for one in seen) / 1e6}  # fmt: skip
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        slices = [[latency for one in seen for at, latency in one.ticks if start <= at - began < start + SAMPLE_SECONDS]
                  for start in np.arange(0, seconds, SAMPLE_SECONDS)]  # fmt: skip
        print(f"{viewers:>3} viewers {took:>5.0f} s: {found['steps']:>6.2f} steps/s   ticks {found['ticks']:>5.1f}/s, p50 "
              f"{found['p50']:.2f} s, p95 {found['p95']:.2f} s   server {found['server']:.2f} cores, machine {found['machine']:.0%} busy, "
              f"load {os.getloadavg()[0]:.1f}   {found['MB']:.0f} MB sent, {gone:.0f} lost or in error", flush=True)  # fmt: skip
        if viewers:
            print("    p95 by 10 s:", ", ".join(f"{np.percentile(one, 95):.2f}" if one else "-" for one in slices), flush=True)
        return found

    async def _sample(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, SAMPLE_SECONDS))
            self.memory.append((time.monotonic() - self._began, self.process.memory_info().rss / 1e6))
            if not self._folder.state().live:
                raise SystemExit(f"The run ended: {self._folder.state().error}")


async def measure(room: Class, chosen: argparse.Namespace) -> bool:
    """Print the phases and the verdicts; return whether every bound holds."""
    phases = [await room.phase(viewers, chosen.phase) for _ in range(chosen.rounds) for viewers in (0, chosen.viewers)]
    pairs = list(itertools.batched(phases, 2)) if sys.version_info >= (3, 12) else list(zip(phases[::2], phases[1::2], strict=True))
    slower = statistics.median(1 - watched["steps"] / alone["steps"] for alone, watched in pairs)
    watched = [one for one in phases if one["viewers"]]
    verdicts = [("slower with viewers", slower, MOST_SLOWER, "")]
    if chosen.minutes:
        since = len(room.memory)
        watched.append(await room.phase(chosen.viewers, 60 * chosen.minutes))
        memory = np.asarray(room.memory[since:])
        half = memory[len(memory) // 2 :]
        slope = 60 * float(np.polyfit(half[:, 0], half[:, 1], 1)[0])
        print("memory of the server, MB every 10 s:", ", ".join(f"{one:.0f}" for one in memory[:, 1]))
        verdicts.append(("memory, second half", slope, MOST_MB_A_MINUTE, "MB/min"))
    verdicts.append(("p95 of a tick", max(one["p95"] for one in watched), MOST_SECONDS, "s"))
    verdicts.append(("lost or in error", max(one["gone"] for one in watched), 0.5, ""))
    for what, value, bound, unit in verdicts:
        print(f"{what:<22}{value:>8.3f} {unit:<7}allowed {bound:g}: {'holds' if value <= bound else 'BROKEN'}", flush=True)
    return all(value <= bound for _, value, bound, _ in verdicts)


async def watched_run(server: Any, chosen: argparse.Namespace) -> bool:
    """Open the page once, which starts the run, wait until it teaches, and measure."""
    from ikd.trace.store import open_run, runs_root

    first = asyncio.create_task(Viewer(server.url.replace("http", "ws") + "/_stcore/stream").watch(0.0))
    marker = runs_root() / "run_id"
    while not marker.exists() or (folder := open_run(marker.read_text("utf-8"))).state().step < 20:
        await asyncio.sleep(0.5)
        if first.done():
            await first
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    try:
        return await measure(Class(server, folder), chosen)
    finally:
        folder.request_stop()


def main() -> None:
    """Print every figure; exit 1 where a bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--viewers", type=int, default=30)
    parser.add_argument("--phase", type=float, default=60.0, metavar="SECONDS", help="of each phase without and with viewers")
    parser.add_argument("--rounds", type=int, default=2, help="pairs of phases")
    parser.add_argument("--minutes", type=float, default=10.0, help="with all viewers at the end, for the memory; 0 leaves it out")
    chosen = parser.parse_args()
    from ikd.config import build_config
    from tests.browser.server import Server  # the project's own test server

    with tempfile.TemporaryDirectory() as home:
        os.environ["IKD_HOME"] = home
        path = Path(home) / "config.json"
        path.write_text(build_config({"training.steps": 100_000, "teacher.fine_tune_steps": 20}).model_dump_json(), "utf-8")
        with Server(ROOT / "benchmarks" / "watched_app.py", environment={"IKD_BENCHMARK_CONFIG": str(path)}) as server:
            good = asyncio.run(watched_run(server, chosen))
        raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()
