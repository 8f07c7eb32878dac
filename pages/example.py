"""One example of one run, at every step. The address names them: ?run=ID&split=probe&ex=3&step=120."""

from ikd.errors import RunError
from ikd.trace.store import list_recorded, list_runs, open_run
from ikd.ui.example_view import show_example
from ikd.ui.run_view import choose_run
from ikd.ui.shell import open_page
from ikd.ui.state import run_in_address

with open_page("Example"):
    run_id = run_in_address()
    if run_id is None:
        choose_run([*list_runs()[:5], *list_recorded()], page="example")
    else:
        try:
            folder = open_run(run_id)
        except RunError as fault:
            choose_run([*list_runs()[:5], *list_recorded()], page="example", complaint=str(fault))
        else:
            show_example(folder)
