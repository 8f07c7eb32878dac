"""Home of the lab: `streamlit run app.py`."""

from ikd.ui.home_view import show_home
from ikd.ui.shell import open_page

with open_page("Home"):
    show_home()
