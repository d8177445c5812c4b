"""How does a chart or a table stand on a page: readable on both grounds, with the picture and the numbers to take away."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import altair as alt
import pandas as pd
import streamlit as st

from ich_bench.escape import cell
from ich_bench_app import look

Picture = Literal["svg", "png"]
_SCALE = 2.0  # pixels of a PNG for one on the screen


def chart(made: Any, *, name: str, alt_text: str, table: pd.DataFrame, key: str | None = None,
          selection: str | None = None, height: int | None = None) -> Any:  # fmt: skip
    """Show an Altair chart with what it shows in words, then buttons for SVG, PNG and the table behind it.

    Args:
        made: The chart; its data carries fixed field names, strangers' words only as values.
        name: The downloads' file name without ending, also the key of the widgets.
        alt_text: What a screen reader says: what is drawn, and what it shows.
        table: The numbers that are drawn, a line a mark, in words a reader understands.
        key: The key of the chart's selection, where `selection` names one; the event is then returned.
        selection: The name of a selection parameter of the chart that a click sets.
        height: Pixels; the chart's own by default.
    """
    drawn = made.configure(**_config())
    options: dict[str, Any] = {"theme": None, "alt": alt_text, "width": "stretch"}
    if height is not None:
        options["height"] = height
    if selection is not None:
        options |= {"on_select": "rerun", "selection_mode": selection, "key": key or f"{name}-chart"}
    event = st.altair_chart(drawn, **options)
    downloads(name, table=table, pictures={"svg": partial(picture, made, "svg"), "png": partial(picture, made, "png")})
    return event


def downloads(
    name: str, *, table: pd.DataFrame | None = None, pictures: dict[str, Callable[[], bytes]] | None = None
) -> None:
    """Show small buttons that give the pictures (made on click) and the table as CSV."""
    with st.container(horizontal=True, gap="small"):
        for ending, make in (pictures or {}).items():
            mime = {"svg": "image/svg+xml", "png": "image/png"}[ending]
            st.download_button(ending.upper(), make, file_name=f"{name}.{ending}", mime=mime, key=f"{name}-{ending}",
                               on_click="ignore", type="tertiary", icon=":material/download:",
                               help=f"This chart as {ending.upper()}")  # fmt: skip
        if table is not None:
            st.download_button("CSV", partial(as_csv, table), file_name=f"{name}.csv", mime="text/csv",
                               key=f"{name}-csv", on_click="ignore", type="tertiary", icon=":material/download:",
                               help="The numbers as CSV")  # fmt: skip


def picture(made: Any, kind: Picture) -> bytes:
    """Return a chart as SVG or PNG on white, whatever the visitor's ground."""
    out = io.BytesIO()
    drawn = made.configure(**_config(on_dark=False), background="white")
    text = drawn.to_json(validate=False)
    import vl_convert

    if kind == "svg":
        out.write(vl_convert.vegalite_to_svg(text).encode())
    else:
        out.write(vl_convert.vegalite_to_png(text, scale=_SCALE))
    return out.getvalue()


def as_csv(table: pd.DataFrame) -> bytes:
    """Return a table as CSV in which no text can become a spreadsheet's formula."""
    safe = table.copy()
    for column in safe.columns:
        safe[column] = [cell(one) if isinstance(one, str) else one for one in safe[column]]
    safe.columns = [cell(str(column)) for column in safe.columns]
    return safe.to_csv(index=False).encode()


def _config(*, on_dark: bool | None = None) -> dict[str, Any]:
    """Return what every chart looks like on a ground."""
    at = look.dark() if on_dark is None else on_dark
    ink, muted, rule = (look.ROLES[role][at] for role in ("ink", "muted", "rule"))
    label = {
        "labelColor": ink,
        "titleColor": ink,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    }
    return {
        "font": "Source Sans, Source Sans Pro, sans-serif",
        "background": "transparent",
        "axis": alt.AxisConfig(**label, gridColor=rule, domainColor=muted, tickColor=muted, labelLimit=220),
        "legend": alt.LegendConfig(**label, labelLimit=260),
        "header": alt.HeaderConfig(**label),
        "title": alt.TitleConfig(color=ink, fontSize=14, anchor="start"),
        "view": alt.ViewConfig(stroke=None),
        "text": alt.MarkConfig(color=ink),
        "rule": alt.RectConfig(color=muted),
    }


alt.data_transformers.disable_max_rows()
