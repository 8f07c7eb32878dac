"""One run: live while it goes on, replayed afterwards. The address names it: ?run=ID."""

from ikd.errors import RunError
from ikd.trace.store import list_recorded, list_runs, open_run
from ikd.ui.run_view import choose_run, show_run
from ikd.ui.shell import notice, open_page, page_link
from ikd.ui.state import run_in_address

with open_page("Run"):
    run_id = run_in_address()
    if run_id is None:
        choose_run([*list_runs()[:5], *list_recorded()[:5]])
    else:
        try:
            folder = open_run(run_id)
        except RunError as fault:
            notice(str(fault))
            page_link("runs", label="All runs", icon=":material/list:")
        else:
            show_run(folder)
