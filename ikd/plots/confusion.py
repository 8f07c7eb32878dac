"""Which classes the teacher blurs: its mean soft target by hard label, now, or as a change between two steps."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ikd.plots.theme import FROZEN, PADDING

COLUMNS = ["kind", "row", "column", "value", "text", "row_order", "column_order", "count"]
ROW_PIXELS = 40
ROWS_OF_NO_EXAMPLE = "–"

MOST_LEVEL_NAMES = 5
"""More columns than these have slanted names."""

# Where white letters become easier to read than black ones, on the colours of the two schemes.
WHITE_BELOW = 0.47
WHITE_BELOW_LOSS, WHITE_ABOVE_GAIN = -0.78, 0.86


def soft_confusion_table(
    matrix: ArrayLike, names: Sequence[str], *, change: bool, counts: ArrayLike | None = None, rows: Sequence[str] | None = None,
    digits: int = 2,
) -> pd.DataFrame:  # fmt: skip
    """Return the one table of a soft confusion, one row a cell.

    Args:
        matrix: (C, C), row the hard label, column the class: mean teacher probability, or its change; a row of NaN is
            a label without examples.
        names: of the C labels.
        change: whether the values are changes, -1 to 1, and written with their sign.
        counts: (C,) examples of each hard label.
        rows: names of the rows where they differ from those of the columns.
        digits: decimals of the written values.
    """
    values = np.asarray(matrix, dtype=np.float64)
    n_classes = len(names)
    numbers = np.full(n_classes, np.nan) if counts is None else np.asarray(counts, dtype=np.float64)
    labels = np.asarray([_row_label(name, number) for name, number in zip(rows or names, numbers, strict=True)], dtype=object)
    flat = values.reshape(-1)
    columns = {
        "kind": np.where(np.isnan(flat), "void", "cell"), "row": labels.repeat(n_classes),
        "column": np.tile(np.asarray(names, dtype=object), n_classes), "value": flat,
        "text": [_written(one, digits, change=change) for one in flat.tolist()],
        "row_order": np.arange(n_classes).repeat(n_classes), "column_order": np.tile(np.arange(n_classes), n_classes),
        "count": numbers.repeat(n_classes),
    }  # fmt: skip
    return pd.DataFrame(columns, columns=COLUMNS)


def confusion_chart(table: pd.DataFrame, *, change: bool, names_limit: int = 16, limit: float = 1.0) -> alt.LayerChart:
    """Return the cells with their values written in them: rows are hard labels, columns the teacher's classes.

    Args:
        table: of `soft_confusion_table`.
        change: whether the values are changes; the scale then goes from -limit to limit, and else from 0 to 1.
        names_limit: letters of a name; longer ones end with an ellipsis.
        limit: of the scale of changes, the same for all steps, so that two of them can be compared.
    """
    extent = [-limit, limit] if change else [0.0, 1.0]
    scale = alt.Scale(domain=extent, scheme="blueorange" if change else "cividis", clamp=True)
    legend = alt.Legend(title=None, orient="top", gradientLength=160, gradientThickness=8, format="+.2f" if change else ".1f",
                        values=[extent[0], sum(extent) / 2, extent[1]])  # fmt: skip
    said = "Change of the mean" if change else "Mean soft target"
    hover = [alt.Tooltip("row:N", title="Hard label"), alt.Tooltip("column:N", title="Class of the teacher"),
             alt.Tooltip("text:N", title=said), alt.Tooltip("count:Q", title="Examples")]  # fmt: skip
    base = alt.Chart(table).encode(x=_columns(names_limit), y=_rows(names_limit), tooltip=hover)
    cell = base.mark_rect(stroke=FROZEN, strokeWidth=0.5).encode(color=alt.Color("value:Q", scale=scale, legend=legend))
    # Plain words for the colours: the cells keep theirs on a dark ground, and so must the letters on them.
    letters = alt.condition(_is_dark(change, limit), alt.value("white"), alt.value("black"))
    word = base.mark_text(fontSize=12).encode(text="text:N", color=letters)
    void = base.mark_text(fontSize=12, color=FROZEN).encode(text="text:N")
    layers = [one.transform_filter(alt.datum.kind == kind) for one, kind in ((cell, "cell"), (word, "cell"), (void, "void"))]
    return alt.LayerChart(layer=layers).properties(height=alt.Step(ROW_PIXELS), padding=PADDING)


def _columns(names_limit: int) -> alt.X:
    many = f"length(domain('x')) > {MOST_LEVEL_NAMES}"
    axis = alt.Axis(labelExpr=f"truncate(datum.label, {names_limit})", labelAngle=alt.ExprRef(expr=f"{many} ? -35 : 0"),
                    labelAlign=alt.ExprRef(expr=f"{many} ? 'right' : 'center'"), labelBaseline="top", labelOverlap=False,
                    labelLimit=300, ticks=False, domain=False, title="class of the teacher")  # fmt: skip
    return alt.X("column:N", sort=_order("column_order"), axis=axis, scale=alt.Scale(padding=0))


def _rows(names_limit: int) -> alt.Y:
    lines = f"[truncate(split(datum.label, '\\n')[0], {names_limit}), split(datum.label, '\\n')[1]]"
    axis = alt.Axis(labelExpr=lines, labelLimit=300, ticks=False, domain=False, labelPadding=6, title="hard label")
    return alt.Y("row:N", sort=_order("row_order"), axis=axis, scale=alt.Scale(padding=0))


def _order(field: str) -> alt.EncodingSortField:
    return alt.EncodingSortField(field=field, op="min", order="ascending")


def _is_dark(change: bool, limit: float) -> str:
    if not change:
        return f"datum.value < {WHITE_BELOW}"
    return f"datum.value < {WHITE_BELOW_LOSS * limit} || datum.value > {WHITE_ABOVE_GAIN * limit}"


def _row_label(name: str, count: float) -> str:
    """Return the two lines of a row's label; the chart parts them."""
    return f"{name}\n" if np.isnan(count) else f"{name}\n{count:,.0f} {'example' if count == 1 else 'examples'}"


def _written(value: float, digits: int, *, change: bool) -> str:
    if np.isnan(value):
        return ROWS_OF_NO_EXAMPLE
    size = f"{abs(value):.{digits}f}"
    # A change that is written as zero has no sign.
    return size if not change or float(size) == 0 else f"{'+' if value > 0 else '−'}{size}"
