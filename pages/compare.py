"""Several runs side by side, or a study of methods over tasks and seeds. `?runs=ID,ID` names the runs, `?study=NAME` the study."""

from ikd.ui.compare_view import show_compare
from ikd.ui.shell import open_page

with open_page("Compare"):
    show_compare()
