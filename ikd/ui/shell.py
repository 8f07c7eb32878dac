"""The frame of every page: title, menu, style, and what a visitor sees when something goes wrong."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from streamlit import config
from streamlit.errors import StreamlitAPIException

from ikd.errors import IKDError
from ikd.runs.permission import read_only
from ikd.ui import state
from ikd.ui.wording import plain

ROOT = Path(__file__).parents[2]
STYLE = ROOT / "assets" / "style.css"
ICON = ROOT / "assets" / "icon.svg"
LOG = logging.getLogger("ikd.pages")
SIDEBAR_PIXELS = 210
UPLOADS = "server.maxUploadSize"
OWN_FAULT = "Something went wrong in the lab itself, not in what you did. The details are in the server's log."


@dataclass(frozen=True, kw_only=True)
class PageLink:
    """One line of the menu."""

    path: str
    label: str
    icon: str


PAGES: dict[str, PageLink] = {
    "home": PageLink(path="app.py", label="Home", icon=":material/home:"),
    "data": PageLink(path="pages/data.py", label="Data", icon=":material/table_view:"),
    "train": PageLink(path="pages/train.py", label="Train", icon=":material/tune:"),
    "run": PageLink(path="pages/run.py", label="Run", icon=":material/monitoring:"),
    "targets": PageLink(path="pages/targets.py", label="Soft targets", icon=":material/scatter_plot:"),
    "example": PageLink(path="pages/example.py", label="Example", icon=":material/search:"),
    "compare": PageLink(path="pages/compare.py", label="Compare", icon=":material/compare_arrows:"),
    "runs": PageLink(path="pages/runs.py", label="Runs", icon=":material/list:"),
    "method": PageLink(path="pages/method.py", label="Method", icon=":material/function:"),
}
OF_A_RUN = ("run", "targets", "example")


@contextmanager
def open_page(title: str) -> Iterator[None]:
    """Set up a page and show every error as a sentence; call it once, around the whole page.

    Where IKD_LOGIN is 1, a visitor who is not logged in sees the way in and nothing else: the page's script ends.

    Args:
        title: of the browser's tab, before the lab's name.
    """
    st.set_page_config(page_title=f"{title} · IKD Lab", page_icon=str(ICON), layout="wide", initial_sidebar_state=SIDEBAR_PIXELS)
    st.html(STYLE)
    if read_only():
        _close_uploads()
    if login_wanted() and not logged_in():
        with sentences():
            _draw_way_in()
        st.stop()
    _menu()
    with sentences():
        yield


def _close_uploads() -> None:
    """Let the server refuse every upload: it would keep files in memory that no page has asked for."""
    if config.get_option(UPLOADS) != 0:
        config.set_option(UPLOADS, 0)


def login_wanted() -> bool:
    """Return whether only visitors who have logged in are let in: IKD_LOGIN is 1, true or yes."""
    return os.environ.get("IKD_LOGIN", "").strip().lower() in ("1", "true", "yes")


def logged_in() -> bool:
    """Return whether this visitor has logged in; never where no login is set up."""
    return getattr(st.user, "is_logged_in", False) is True


@contextmanager
def sentences() -> Iterator[None]:
    """Show an IKDError as its sentence and any other error as an apology; a fragment needs it of its own."""
    try:
        yield
    except IKDError as fault:
        st.error(plain(str(fault), longest=1000), icon=":material/error:")
    except Exception:
        LOG.exception("A page failed.")
        st.error(OWN_FAULT, icon=":material/error:")


def notice(text: str) -> None:
    """Show a warning that may contain words from data or from an address."""
    if text:
        st.warning(plain(text, longest=1000), icon=":material/info:")


def page_link(
    page: str, *, label: str, icon: str | None = None, run: str | None = None, key: str | None = None,
    more: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Draw a link to a page of the lab, to a run on it where one is given; text where a page was opened alone.

    Args:
        page: a name in `PAGES`.
        label: words of the link, Markdown already escaped.
        icon: of the link.
        run: run id for the address.
        key: unique name of the container, for the style sheet.
        more: other parameters of the address.
    """
    query = {**({} if run is None else {state.RUN: run}), **(more or {})} or None
    try:
        with st.container(key=key, width="content"):
            st.page_link(PAGES[page].path, label=label, icon=icon, query_params=query)
    except StreamlitAPIException:
        st.markdown(label)


def go_to_run(run: str) -> None:
    """Open the page of a run."""
    st.switch_page(PAGES["run"].path, query_params={state.RUN: run})


def _draw_way_in() -> None:
    try:
        ready = "auth" in st.secrets
    except (FileNotFoundError, StreamlitAPIException):  # there is no file of secrets at all
        ready = False
    if not ready:
        st.error("This lab asks its visitors to log in (IKD_LOGIN), but no login is set up: whoever runs it writes a part [auth] "
                 "with redirect_uri, cookie_secret, client_id, client_secret and server_metadata_url into "
                 "`.streamlit/secrets.toml`, installs `streamlit[auth]`, and starts it again.", icon=":material/lock:")  # fmt: skip
        return
    st.markdown("**IKD Lab**  \nLog in to see this lab.")
    if st.button("Log in", icon=":material/login:", key="log-in"):
        try:
            st.login()
        except StreamlitAPIException:
            LOG.exception("The login failed.")
            st.error("The login is not set up in full: its part [auth] of the secrets lacks something, or `streamlit[auth]` is not "
                     "installed. The details are in the server's log.", icon=":material/error:")  # fmt: skip


def _menu() -> None:
    with st.sidebar:
        st.markdown("**IKD Lab**  \n:gray[a teacher that learns to teach]")
        run = state.run_looked_at()
        for name, page in PAGES.items():
            query = {state.RUN: run} if run is not None and name in OF_A_RUN else None
            try:
                st.page_link(page.path, label=page.label, icon=page.icon, width="stretch", query_params=query)
            except StreamlitAPIException:
                # A page file opened alone is an app of its own and knows no other page.
                st.caption(page.label)
        if read_only():
            st.caption("Read-only: watch, but start nothing.")
