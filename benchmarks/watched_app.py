"""The page of one run, started by this server's own thread: what `watched_cost.py` watches in a real browser."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import streamlit as st

sys.path.insert(0, str(Path(__file__).parents[1]))

from ikd.config import config_from_json
from ikd.runs import active_run, start_run
from ikd.trace.store import open_run, runs_root
from ikd.ui.run_view import show_run

st.set_page_config(layout="wide")
marker = runs_root() / "run_id"
if not marker.exists() and active_run() is None:
    run_id = start_run(config_from_json(Path(os.environ["IKD_BENCHMARK_CONFIG"]).read_text("utf-8")))
    marker.write_text(run_id, "utf-8")
show_run(open_run(marker.read_text("utf-8")))
