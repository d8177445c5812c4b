"""What is a table of a report, and how is it written as HTML, Markdown and LaTeX?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape as html_escape

from ich_bench.board.latex import escape
from ich_bench.board.wording import BLANK
from ich_bench.escape import markdown, printable
from ich_bench.tables.layout import NO_BREAK

__all__ = ["BLANK", "FORMATS", "Row", "Table", "as_latex", "as_markdown", "html", "plain"]
FORMATS = {"md": ".md", "latex": ".tex"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line: its name, its cells, short words beside the name, and which cells are the best of their column."""

    name: str
    cells: tuple[str, ...]
    badges: tuple[str, ...] = ()
    best: frozenset[int] = frozenset()
    quiet: bool = False  # a row that is no measured method: set in grey


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with what it says: `name` for files and ids; `header` begins with the name of the first column.

    Texts are plain, whoever wrote them; each format escapes them itself. `words` are columns (of cells) set on the
    left.
    """

    name: str
    title: str
    caption: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    words: frozenset[int] = frozenset()


def html(table: Table, number: int | None = None) -> str:
    """Return the table as an HTML figure that scrolls by itself where it is too wide."""
    label = f"Table {number}. " if number else ""
    heads = [f'<th scope="col"{_side(table, at - 1)}>{_text(one)}</th>' for at, one in enumerate(table.header)]
    lines = []
    for row in table.rows:
        badges = "".join(f' <span class="badge">{_text(badge)}</span>' for badge in row.badges)
        cells = [
            f"<td{_side(table, at)}>{f'<strong>{_text(cell)}</strong>' if at in row.best else _text(cell)}</td>"
            for at, cell in enumerate(row.cells)
        ]
        quiet = ' class="quiet"' if row.quiet else ""
        lines.append(f'<tr{quiet}><th scope="row">{_text(row.name)}{badges}</th>{"".join(cells)}</tr>')
    return (
        f'<figure class="table" id="{table.name}"><div class="scroll" tabindex="0" role="region" '
        f'aria-labelledby="{table.name}-caption"><table aria-labelledby="{table.name}-caption">'
        f"<thead><tr>{''.join(heads)}</tr></thead><tbody>\n" + "\n".join(lines) + "\n</tbody></table></div>"
        f'<figcaption id="{table.name}-caption"><span class="label">{label}{_text(table.title)}.</span> '
        f"{_text(table.caption)}</figcaption></figure>"
    )


def as_markdown(table: Table, number: int | None = None) -> str:
    """Return the table as Markdown, its caption below it."""
    label = f"Table {number}. " if number else ""
    sides = [":---" if at == 0 or at - 1 in table.words else "---:" for at in range(len(table.header))]
    lines = [f"**{label}{_md(table.title)}**", "", _bars([_md(one) for one in table.header]), _bars(sides)]
    for row in table.rows:
        name = " ".join([_md(row.name), *(f"({_md(badge)})" for badge in row.badges)])
        cells = [f"**{_md(cell)}**" if at in row.best else _md(cell) for at, cell in enumerate(row.cells)]
        lines.append(_bars([name, *cells]))
    return "\n".join([*lines, "", _md(table.caption), ""])


def as_latex(table: Table) -> str:
    """Return the table as LaTeX; it needs the packages booktabs, graphicx and amssymb, and is numbered by LaTeX."""
    columns = "l" + "".join("l" if at in table.words else "r" for at in range(len(table.header) - 1))
    lines = [
        r"% needs \usepackage{booktabs,graphicx,amssymb}",
        r"\begin{table}",
        rf"\caption{{\textbf{{{latex(table.title)}.}} {latex(table.caption)}}}",
        rf"\label{{tab:{table.name}}}",
        r"\centering\small",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(latex(one) for one in table.header) + r" \\",
        r"\midrule",
    ]
    for row in table.rows:
        name = latex(" ".join([row.name, *(f"({badge})" for badge in row.badges)]))
        cells = [rf"\textbf{{{latex(cell)}}}" if at in row.best else latex(cell) for at, cell in enumerate(row.cells)]
        lines.append(" & ".join([name, *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}}", r"\end{table}", ""])


def latex(text: str) -> str:
    """Return the text as LaTeX that prints it letter by letter."""
    return escape(text).replace("✓", r"\checkmark{}")


def plain(text: str) -> str:
    """Return the text with all that does not print written out, spaces that hold together kept."""
    return NO_BREAK.join(printable(part) for part in text.split(NO_BREAK))


def _text(text: str) -> str:
    return html_escape(plain(text))


def _md(text: str) -> str:
    return markdown(text.replace(NO_BREAK, " "))


def _side(table: Table, column: int) -> str:
    return ' class="words"' if column in table.words else ""


def _bars(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
