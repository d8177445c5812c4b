"""Tables laid out as text of 80 columns or as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ich_bench.escape import markdown, printable

WIDTH = 80
_LEAST_NAME = 16  # a name is not broken into shorter pieces
NO_BREAK = "\u00a0"  # a space at which no line of text is broken; shown as a space
Escape = Callable[[str], str]
Write = Callable[[str, "Iterable[Block]"], str]


@dataclass(frozen=True, kw_only=True)
class Block:
    """A table with a header line, or lines of text where `header` is empty (each a label and what it says)."""

    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...]


def as_text(heading: str, blocks: Iterable[Block]) -> str:
    """Return heading and blocks as aligned text; lines of text and long row names are wrapped at 80 columns."""
    lines = [part for line in heading.split("\n") for part in _wrapped(line, "  ")] + [""] if heading else []
    for block in blocks:
        if not block.rows:
            continue
        if block.header:
            lines += _aligned([block.header, *block.rows])
        else:
            margin = max(len(label) for label, _ in block.rows) + 2
            for label, said in block.rows:
                lines += _wrapped(label.ljust(margin) + said, " " * margin)
        lines.append("")
    return "\n".join(lines).replace(NO_BREAK, " ")


def width_of(block: Block) -> int:
    """Return how many columns a table takes when nothing is wrapped."""
    table = [block.header, *block.rows]
    return sum(max(len(row[column]) for row in table) + 2 for column in range(len(block.header))) - 2


def _wrapped(line: str, indent: str) -> list[str]:
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def _aligned(table: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield a table line by line: numbers on the right, names on the left, wrapped where they would not fit."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    room = max(_LEAST_NAME, WIDTH - sum(width + 2 for width in widths[1:]))
    widths[0] = min(widths[0], room)
    for name, *cells in table:
        *above, last = [part.strip() for part in textwrap.wrap(name, widths[0], drop_whitespace=False)] or [""]
        yield from (part.rstrip() for part in above)
        right = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        yield "  ".join([last.ljust(widths[0]), *right]).rstrip()


def as_markdown(heading: str, blocks: Iterable[Block]) -> str:
    """Return heading and blocks as Markdown; what strangers wrote is escaped before it comes here."""
    lines = ["### " + heading.replace("\n", "\n\n"), ""] if heading else []
    for block in blocks:
        if not block.rows:
            continue
        if block.header:
            lines.append("| " + " | ".join(block.header) + " |")
            lines.append("|---" + "|---:" * (len(block.header) - 1) + "|")
            lines += ["| " + " | ".join(row) + " |" for row in block.rows]
        else:
            lines += [f"- **{label}** {said}" for label, said in block.rows]
        lines.append("")
    return "\n".join(lines).replace(NO_BREAK, " ")


WRITERS: Mapping[str, tuple[Write, Escape]] = MappingProxyType(
    {"table": (as_text, printable), "md": (as_markdown, markdown)}
)
