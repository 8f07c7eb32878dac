"""Running: the background thread, its heartbeat, the teacher cache and estimates. Importing it imports no torch."""

from ikd.runs.estimate import Estimate, estimate_later
from ikd.runs.launch import active_run, start_run, stop_run

__all__ = ["Estimate", "active_run", "estimate_later", "start_run", "stop_run"]
