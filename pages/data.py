"""Bring texts in, see what they are before anything is trained on them, and go on to the training."""

from ikd.ui.data_view import show_data
from ikd.ui.shell import open_page

with open_page("Data"):
    show_data()
