"""Choose what is taught, by whom and how, and start a run. `?preset=NAME` fills in a preset."""

from ikd.ui.shell import open_page
from ikd.ui.train_view import show_train

with open_page("Train"):
    show_train()
