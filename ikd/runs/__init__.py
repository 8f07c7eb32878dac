"""Running: the background thread, its heartbeat, the teacher cache and estimates. Importing it imports no torch."""

from ikd.runs.estimate import Estimate, estimate_later
from ikd.runs.launch import active_run, queued_runs, start_run, stop_run, tend_queue

__all__ = ["Estimate", "active_run", "estimate_later", "queued_runs", "start_run", "stop_run", "tend_queue"]
