"""One run: live while it goes on, replayed afterwards. The address names it: ?run=ID."""

from ikd.errors import RunError
from ikd.trace.store import list_recorded, list_runs, open_run
from ikd.ui.run_view import choose_run, show_run
from ikd.ui.shell import open_page
from ikd.ui.state import run_in_address

with open_page("Run"):
    run_id = run_in_address()
    if run_id is None:
        choose_run([*list_runs()[:5], *list_recorded()])
    else:
        try:
            folder = open_run(run_id)
        except RunError as fault:
            choose_run([*list_runs()[:5], *list_recorded()], complaint=str(fault))
        else:
            show_run(folder)
