"""What is computed: words, formulas, cost, and every setting."""

from ikd.ui.method_view import show_method
from ikd.ui.shell import open_page

with open_page("Method"):
    show_method()
