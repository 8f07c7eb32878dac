"""Several runs side by side: settings, curves, scores, costs, texts won and lost. `?runs=ID,ID` names them."""

from ikd.ui.compare_view import show_compare
from ikd.ui.shell import open_page

with open_page("Compare"):
    show_compare()
