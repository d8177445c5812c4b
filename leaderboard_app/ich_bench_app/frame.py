"""How does a chart or a table stand on a page: on both grounds, with the picture and the numbers to take away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from html import escape
from typing import Any, Literal

import altair as alt
import pandas as pd
import streamlit as st

from ich_bench.escape import cell, printable
from ich_bench.report.style import ROLES
from ich_bench_app import look

Picture = Literal["svg", "png"]
Table = pd.DataFrame | Callable[[], pd.DataFrame]
_SCALE = 2.0  # pixels of a PNG for one on the screen
_WIDTH = 640  # of a picture's plot, where the chart has none of its own


def chart(made: Any, *, name: str, alt_text: str, table: Table, key: str | None = None,
          selection: str | None = None, height: int | None = None) -> Any:  # fmt: skip
    """Show an Altair chart with what it shows in words, then buttons for SVG, PNG and the table behind it.

    Args:
        made: The chart, or a function of "is the ground dark" that makes it, so that the pictures to take away are
            drawn for white paper; its data carries fixed field names, strangers' words only as values.
        name: The downloads' file name without ending, also the key of the widgets.
        alt_text: What a screen reader says: what is drawn, and what it shows. It stands in the pictures too.
        table: The numbers that are drawn, a line a mark, in words a reader understands; or what makes them on demand.
        key: The key of the chart's selection, where `selection` names one; the event is then returned.
        selection: The name of a selection parameter of the chart that a click sets.
        height: Pixels; the chart's own by default.
    """
    drawn = on_ground(made, dark=look.dark()).configure(**_config())
    drawn = drawn.properties(autosize=alt.AutoSizeParams(type="fit-x", contains="padding"))  # lines keep their height
    # Altair holds each chart against the whole schema of Vega-Lite, half of a page's work; the tests do that once.
    object.__setattr__(drawn, "to_dict", partial(drawn.to_dict, validate=False))
    options: dict[str, Any] = {"theme": None, "alt": alt_text, "width": "stretch"}
    if height is not None:
        options["height"] = height
    if selection is not None:
        options |= {"on_select": "rerun", "selection_mode": selection, "key": key or f"{name}-chart"}
    event = st.altair_chart(drawn, **options)
    kinds: tuple[Picture, ...] = ("svg", "png")
    downloads(name, table=table, pictures={kind: partial(picture, made, kind, alt_text) for kind in kinds})
    return event


def on_ground(made: Any, *, dark: bool) -> Any:
    """Return a chart as it is drawn on a dark or a light ground."""
    return made(dark) if callable(made) and not hasattr(made, "to_dict") else made


def clicked(event: Any, selection: str, field: str) -> str | None:
    """Return the value of a field of the mark that was clicked last, None where none was."""
    points = (getattr(event, "selection", None) or {}).get(selection) or []
    found = points[0].get(field) if points and isinstance(points[0], Mapping) else None
    return None if found is None else str(found)


def downloads(name: str, *, table: Table | None = None, pictures: dict[str, Callable[[], bytes]] | None = None) -> None:
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


def picture(made: Any, kind: Picture, alt_text: str = "") -> bytes:
    """Return a chart as SVG or PNG on white, whatever the visitor's ground; an SVG says `alt_text` aloud."""
    drawn = on_ground(made, dark=False)
    if isinstance(drawn, alt.Chart | alt.LayerChart) and drawn.width is alt.Undefined:
        drawn = drawn.properties(width=_WIDTH)
    text = drawn.configure(**_config(on_dark=False) | {"font": "sans-serif", "background": "white"}).to_json(
        validate=False
    )
    import vl_convert

    if kind == "png":
        return bytes(vl_convert.vegalite_to_png(text, scale=_SCALE))
    svg = str(vl_convert.vegalite_to_svg(text))
    opening, rest = svg.split(">", 1)
    return f'{opening} role="img"><title>{escape(printable(alt_text))}</title>{rest}'.encode()


def as_csv(table: Table) -> bytes:
    """Return a table as CSV in which no text can become a spreadsheet's formula."""
    safe = (table() if callable(table) else table).copy()
    for column in safe.columns:
        safe[column] = [cell(one) if isinstance(one, str) else one for one in safe[column]]
    safe.columns = [cell(str(column)) for column in safe.columns]
    return safe.to_csv(index=False).encode()


def _config(*, on_dark: bool | None = None) -> dict[str, Any]:
    """Return what every chart looks like on a ground."""
    at = look.dark() if on_dark is None else on_dark
    ink, muted, rule = (ROLES[role][at] for role in ("ink", "muted", "rule"))
    label: dict[str, Any] = {
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
