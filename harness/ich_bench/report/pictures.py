"""How does a figure leave: as SVG for a page of either colour, as PNG and PDF for paper; the same bytes every time."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

from ich_bench.errors import IchBenchError, UsageError
from ich_bench.report.style import DPI, ROLES, drawing

_RASTER_DPI = 200  # of what is drawn as dots inside an SVG: a heat map of thousands of cells
SUFFIXES = (".png", ".pdf", ".svg")
_ID = re.compile(r'(\bid="|xlink:href="#|url\(#)([^")]+)')
_SIZE = re.compile(r'<svg [^>]*?viewBox="0 0 ([\d.]+) ([\d.]+)"[^>]*>')


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure with what it says: `name` for files and ids, `alt` for who cannot see it, `caption` below it."""

    name: str
    draw: Callable[[], Any]
    caption: str
    alt: str

    @cached_property
    def figure(self) -> Any:
        """Return the figure, drawn when it is first asked for, and laid out once: each file shows it the same."""
        figure = self.draw()
        with drawing():
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
        return figure


def svg(picture: Picture) -> str:
    """Return the figure as an `<svg>` element whose colours are the page's CSS variables; ids carry its name."""
    with drawing():
        text = io.StringIO()
        picture.figure.savefig(
            text, format="svg", dpi=_RASTER_DPI, metadata={"Date": None, "Creator": None, "Format": None}
        )
    body = text.getvalue()
    body = body[body.index("<svg") :]
    for role, (light, _) in ROLES.items():
        body = body.replace(light, f"var(--{role})")
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = _ID.sub(lambda found: f"{found[1]}{picture.name}-{found[2]}", body)
    size = _SIZE.search(body)
    if size is None:  # pragma: no cover - matplotlib has always written it
        raise IchBenchError("matplotlib wrote an SVG without a viewBox.")
    width = f"{float(size[1]) / 72:.2f}in"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" '
        f'aria-label="{escape(picture.alt)}" viewBox="0 0 {size[1]} {size[2]}" style="--natural:{width}">'
    )
    return (head + body[size.end() :]).strip()


def save(picture: Picture, folder: Path) -> tuple[Path, ...]:
    """Write `<name>.png` at 300 dpi and `<name>.pdf`, on white paper; return their paths."""
    return tuple(save_as(picture.figure, folder / f"{picture.name}{suffix}") for suffix in (".png", ".pdf"))


def save_as(figure: Any, path: Path) -> Path:
    """Write a figure by the path's ending; UsageError for another than .png, .pdf, .svg."""
    nothing = {".png": {}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}[checked_path(path)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with drawing():
            paper = figure.get_facecolor() if figure.get_facecolor()[3] else "white"
            figure.savefig(path, dpi=DPI, facecolor=paper, metadata=nothing)
    except OSError as fault:
        raise IchBenchError(f"cannot write {path}: {fault.strerror or fault}.") from fault
    return path


def checked_path(path: Path) -> str:
    """Return the file's ending; UsageError where no figure is written so."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path.name}: a figure is written as {', '.join(SUFFIXES)}; name the file so.")
    return suffix


def save_all(pictures: Iterable[Picture], folder: Path) -> tuple[Path, ...]:
    """Write each figure twice, PNG and PDF; return the paths in that order."""
    return tuple(path for picture in pictures for path in save(picture, folder))
