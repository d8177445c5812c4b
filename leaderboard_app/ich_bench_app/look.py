"""Which colours and marks stand for what: the same on every page, and told apart without colour too."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from ich_bench.board.model import Row
from ich_bench.report.style import MARKERS, ROLES

# Okabe and Ito's palette: told apart by the colour-blind, on white and on near-black.
ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILION, PURPLE, GREY = (
    "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#8B929B",
)  # fmt: skip
OVERLAY: Mapping[str, str] = {"hit": SKY, "missed": ORANGE, "added": VERMILION}  # TP, FN, FP on a CT
KIND: Mapping[str, str] = {
    "measured": "● measured",
    "calibration": "◇ calibration",
    "ceiling": "△ noise ceiling",
    "reported": "❝ reported",
}
KIND_HELP = (
    "● measured: masks scored by this benchmark. ◇ calibration and △ noise ceiling: rows that show where bottom and "
    "top are; never ranked. ❝ reported: a number as a paper prints it, under its own protocol; never ranked or tested."
)
_SHAPES = {"s": "square", "P": "cross", "^": "triangle-up", "o": "circle", "D": "diamond", "v": "triangle-down",
           "h": "triangle-right"}  # fmt: skip
SHAPE: Mapping[str, str] = {name: _SHAPES[mark] for name, mark in MARKERS.items()}  # level of supervision → Vega shape


def dark() -> bool:
    """Return whether this visitor sees the page on a dark ground."""
    return st.context.theme.type == "dark"


def colour(role: str) -> str:
    """Return the colour of a role of the reports (a level of supervision, ink, muted, rule …) on this ground."""
    return ROLES[role if role in ROLES else "muted"][dark()]


def kind(row: Row) -> str:
    """Return in a word with a mark what kind of row this is."""
    return KIND[row.kind]
