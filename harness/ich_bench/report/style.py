"""In which colours, sizes and letters are the figures drawn, and how do they follow a light or a dark page?"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from ich_bench.errors import IchBenchError

WIDTH_IN = 7.2  # the text width of an A4 page with 14 mm margins
POINT = 7.5  # the smallest letters that are read at print size are 6 pt
SMALL_POINT = 6.5
DPI = 300

# A role has one colour on a light page and one on a dark page. The figures are drawn in the light colours; in the SVG
# of an HTML page each of them becomes a CSS variable, so that one picture serves both. No two roles share a colour.
ROLES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "ink": ("#16191d", "#e8eaed"),
        "muted": ("#5f6670", "#a3abb5"),
        "rule": ("#d5d9de", "#3a4149"),
        "band": ("#eef1f4", "#242a31"),
        "mean": ("#8b929b", "#7b838d"),
        "none": ("#7c8490", "#9aa3ad"),
        "unsupervised": ("#8a6d4f", "#c4a482"),
        "weakly-supervised": ("#5ba9dd", "#8fcdf5"),
        "supervised": ("#0a8f6a", "#3fc79f"),
        "semi-supervised": ("#b3588a", "#e19cc3"),
        "self-supervised-transfer": ("#2b6cb5", "#6aa6ea"),
        "weakly-supervised-transfer": ("#d08c00", "#f2bd45"),
        "warn": ("#c2500a", "#f58b4c"),
    }
)


# What says the level of supervision where colour does not.
MARKERS: Mapping[str, str] = MappingProxyType(
    {
        "none": "s",
        "unsupervised": "P",
        "weakly-supervised": "^",
        "supervised": "o",
        "semi-supervised": "D",
        "self-supervised-transfer": "v",
        "weakly-supervised-transfer": "h",
    }
)

_RC: Mapping[str, Any] = MappingProxyType(
    {
        "font.family": ["DejaVu Sans"],  # comes with matplotlib: the same letters on every machine
        "font.size": POINT,
        "axes.titlesize": POINT + 1,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.labelsize": POINT,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.6,
        "axes.edgecolor": ROLES["muted"][0],
        "axes.labelcolor": ROLES["ink"][0],
        "axes.facecolor": "none",
        "figure.facecolor": "none",
        "text.color": ROLES["ink"][0],
        "text.parse_math": False,  # a method may be called $x$
        "xtick.labelsize": SMALL_POINT,
        "ytick.labelsize": POINT,
        "xtick.color": ROLES["muted"][0],
        "ytick.color": ROLES["muted"][0],
        "xtick.labelcolor": ROLES["ink"][0],
        "ytick.labelcolor": ROLES["ink"][0],
        "xtick.major.size": 2.5,
        "ytick.major.size": 0,
        "xtick.major.width": 0.6,
        "lines.linewidth": 1.0,
        "hatch.linewidth": 0.5,
        "hatch.color": ROLES["muted"][0],
        "svg.hashsalt": "ich-bench",  # the same ids for the same picture
        "svg.fonttype": "path",
        "pdf.fonttype": 42,
        "image.interpolation": "none",
    }
)


def colour(role: str) -> str:
    """Return a role's colour as it is drawn: the one of a light page."""
    return ROLES[role][0]


def role_of(supervision: str) -> str:
    """Return the role that a level of supervision is coloured by; that of quiet text where it is not declared."""
    return supervision if supervision in MARKERS else "muted"


def supervision_order(supervision: str) -> int:
    """Return the place of a level of supervision, fewest labels first (Spahr 2023, Figure 3), not declared last."""
    names = list(MARKERS)
    return names.index(supervision) if supervision in names else len(names)


def matplotlib() -> Any:
    """Return the drawing library; IchBenchError that names the extra where it is not installed."""
    try:
        import matplotlib as library
    except ImportError as fault:
        raise IchBenchError(
            "figures need matplotlib, which is not installed. Install it: pip install 'ich-bench[report]' "
            "(from a checkout: pip install '.[report]')."
        ) from fault
    return library


def drawing() -> Any:
    """Return a context in which figures are drawn and saved; nobody's own matplotlib settings get in."""
    library = matplotlib()
    return library.rc_context({**library.rcParamsDefault, "backend": "agg", **_RC})


def new_figure(width_in: float, height_in: float, layout: Literal["constrained"] | None = "constrained") -> Any:
    """Return an empty figure in inches that no window and no global list knows of."""
    matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), layout=layout)
