"""What the lab's own canvases share: their scripts, what a person asks for on them, and how their data travel.

The data of a canvas are megabytes, while a click changes one number. So the data go into parcels, each an element of its
own that draws nothing and is named by the digest of its content; the canvas's own element carries the digests and what
changes often. A parcel that has not changed is, byte for byte, the message of the rerun before, and Streamlit then sends a
reference in its place: at each rerun the browser says which messages it still has (`cached_message_hashes`, from 10 kB
on). After a reload or a remount it has none, says so, and is sent everything. No bookkeeping of ours can be wrong.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

ASSETS = Path(__file__).parents[2] / "assets"
WHOLE, MISSING = 65534, 65535


@dataclass(frozen=True, kw_only=True)
class Picked:
    """What a person asked for on a canvas since the last run; nothing where all is None and False.

    Attributes:
        example: id of the example to select.
        step: step to pin.
        follow: whether to follow the newest reading again.
    """

    example: int | None = None
    step: int | None = None
    follow: bool = False


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """A piece of a canvas's data that travels alone.

    Attributes:
        digest: of the content.
        content: for JSON.
        size_bytes: of its message, nearly.
    """

    digest: str
    content: Mapping[str, Any]
    size_bytes: int


def parcel(**content: Any) -> Parcel:
    """Return a parcel of values for JSON, arrays already as text."""
    text = json.dumps(content, sort_keys=True).encode("utf-8")
    return Parcel(digest=hashlib.blake2b(text, digest_size=16).hexdigest(), content=content, size_bytes=len(text))


def as_text(array: NDArray[np.uint8] | NDArray[np.uint16]) -> str:
    """Return an array as base64 of its numbers, lowest byte first."""
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return base64.b64encode(np.ascontiguousarray(little).tobytes()).decode("ascii")


def quantised(values: ArrayLike) -> NDArray[np.uint16]:
    """Return numbers from 0 to 1 in 16 bits, with an error of at most 1/131068; NaN becomes `MISSING`."""
    found = np.asarray(values, dtype=np.float64)
    return np.where(np.isnan(found), MISSING, np.rint(np.nan_to_num(found).clip(0, 1) * WHOLE)).astype(np.uint16)


@cache
def component(name: str, markup: str = "", scripts: Sequence[str] = (), styles: str = "") -> ComponentRenderer:
    """Return the command that mounts a component made of files in `assets/`.

    Args:
        name: of the component, unique in the app.
        markup, styles: a file each.
        scripts: files, put one after the other; the last one has the default export.
    """
    read = {one: (ASSETS / one).read_text("utf-8") for one in (markup, *scripts, styles) if one}
    return st.components.v2.component(
        name, html=read.get(markup), css=read.get(styles), js="\n".join(read[one] for one in scripts)
    )


def carry(parcels: Iterable[Parcel], *, key: str) -> None:
    """Put parcels on the page, beside the canvas that asks for them by their digests."""
    mount = component("ikd-carrier", scripts=("canvas_carrier.js",))
    for number, one in enumerate(parcels):
        mount(key=f"{key}-parcel-{number}", data={"digest": one.digest, **one.content})


def asked_number(value: object, allowed: Iterable[int]) -> int | None:
    """Return a number a browser sent, None where it is not one of those that can be asked for."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value in set(allowed) else None
