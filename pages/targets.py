"""All soft targets of one run, by example and step. The address names them: ?run=ID&ex=7&step=120&view=gain."""

from ikd.errors import RunError
from ikd.trace.store import list_recorded, list_runs, open_run
from ikd.ui.run_view import choose_run
from ikd.ui.shell import open_page
from ikd.ui.state import run_in_address
from ikd.ui.targets.view import show_targets

with open_page("Soft targets"):
    run_id = run_in_address()
    if run_id is None:
        choose_run([*list_runs()[:5], *list_recorded()], page="targets")
    else:
        try:
            folder = open_run(run_id)
        except RunError as fault:
            choose_run([*list_runs()[:5], *list_recorded()], page="targets", complaint=str(fault))
        else:
            show_targets(folder)
