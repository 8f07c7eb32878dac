"""One HTML file that opens anywhere, offline: tables as text, figures as SVG, nothing loaded from elsewhere."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from ikd.plots.theme import INK, PAPER
from ikd.ui.wording import visible

WIDTH_PIXELS, LEGEND_PADDING = 820, 40
STYLE = f"""
body {{ font: 16px/1.5 system-ui, sans-serif; color: {INK}; background: {PAPER}; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
body, small {{ overflow-wrap: break-word; }} li, p, h1, h2, h3 {{ overflow-wrap: anywhere; }}
.wide {{ overflow-x: auto; max-width: 100%; margin: 0.6rem 0 1.4rem; }}
table {{ border-collapse: collapse; font-size: 0.86rem; }}
th, td {{ border: 1px solid #d0d7de; padding: 0.25rem 0.55rem; text-align: left; vertical-align: top; unicode-bidi: plaintext; }}
th, td {{ min-width: 3.5rem; max-width: 26rem; }} th {{ background: #f3f5f7; }}
figure {{ overflow-x: auto; }} svg {{ max-width: 100%; min-width: 34rem; height: auto; }} small {{ color: #57606a; }}
pre {{ background: #f3f5f7; padding: 0.7rem; overflow-x: auto; font-size: 0.82rem; }} figure {{ margin: 0.6rem 0 1.4rem; }}
"""


def html_text(text: object, *, longest: int = 2000) -> str:
    """Return a text from data, safe inside HTML."""
    return html.escape(visible(str(text), longest=longest))


def html_table(table: pd.DataFrame) -> str:
    """Return a table of words."""
    if table.empty:
        return "<p>None.</p>"
    head = "".join(f"<th>{html_text(name)}</th>" for name in table.columns)
    rows = "".join(f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in row)}</tr>" for row in table.itertuples(index=False))
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cell(value: object) -> str:
    return "" if isinstance(value, float) and math.isnan(value) else html_text(value)


def html_figure(chart: alt.LayerChart, table: pd.DataFrame, *, spoken: str = "") -> str:
    """Return a chart over a table as a picture, described in words where they are given."""
    import vl_convert

    tree: dict[str, Any] = {**chart.to_dict(), "width": WIDTH_PIXELS, "data": {"values": json.loads(table.to_json(orient="records"))}}
    tree.pop("datasets", None)
    # The letters of a viewer may be wider than those that the legend was measured with.
    tree["config"] = {**tree.get("config", {}), "legend": {"columnPadding": LEGEND_PADDING}}
    words = f' role="img" aria-label="{html_text(spoken, longest=4000)}"' if spoken else ""
    return f"<figure{words}>{vl_convert.vegalite_to_svg(json.dumps(tree))}</figure>"


def html_page(title: str, parts: Sequence[str]) -> str:
    """Return the whole file."""
    return ('<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            f"<title>{html_text(title)}</title><style>{STYLE}</style></head>"
            f"<body>{''.join(parts)}</body></html>\n")  # fmt: skip
