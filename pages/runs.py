"""Every run of this lab, newest first, and the recorded ones that come with it."""

from ikd.ui.runs_view import show_runs
from ikd.ui.shell import open_page

with open_page("Runs"):
    show_runs()
