"""Colour scales of rasters, readable with every kind of colour sight and in grey.

`CIVIDIS` is sampled from the scale of Nuñez, Anderton and Renslow 2018 (https://doi.org/10.1371/journal.pone.0199239);
its lightness grows evenly. `BLUE_ORANGE` rises to a light middle and falls again; it is made of the colours of teacher and
student.
"""

from __future__ import annotations

CIVIDIS = ("#00224E", "#1D3664", "#424B6B", "#5E5F6E", "#7C7B78", "#958F78", "#B4A76F", "#D5C164", "#FEE838")
"""Sequential: low is dark blue, high is yellow."""

BLUE_ORANGE = ("#004C7F", "#0072B2", "#56A3D0", "#A9D0E8", "#F5F3EE", "#F7C9A3", "#EC9560", "#D55E00", "#8F3B00")
"""Diverging: below is blue, the middle is nearly white, above is orange."""

BLUE_ORANGE_DARK = ("#8CC8EE", "#56B4E9", "#2F7FB0", "#1C4F70", "#22262C", "#70401A", "#B05A12", "#E07B20", "#FFB067")
"""The same for a dark ground: its middle is dark."""
