"""Tables laid out as text of 80 columns or as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ich_bench.escape import markdown, printable

WIDTH = 80
NO_BREAK = "\u00a0"  # a space at which no line of text is broken; shown as a space
Escape = Callable[[str], str]
Write = Callable[[str, "Iterable[Block]"], str]


@dataclass(frozen=True, kw_only=True)
class Block:
    """A table with a header line, or lines of text where `header` is empty (each a label and what it says)."""

    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...]


def as_text(heading: str, blocks: Iterable[Block]) -> str:
    """Return heading and blocks as aligned text; lines of text are wrapped, tables are not."""
    lines = [heading, ""] if heading else []
    for block in blocks:
        if not block.rows:
            continue
        if block.header:
            table = [block.header, *block.rows]
            widths = [max(len(row[column]) for row in table) for column in range(len(block.header))]
            lines += [
                "  ".join(
                    cell.ljust(width) if column == 0 else cell.rjust(width)
                    for column, (cell, width) in enumerate(zip(row, widths, strict=True))
                ).rstrip()
                for row in table
            ]
        else:
            margin = max(len(label) for label, _ in block.rows) + 2
            for label, said in block.rows:
                lines += textwrap.wrap(
                    label.ljust(margin) + said, WIDTH, subsequent_indent=" " * margin, break_on_hyphens=False
                )
        lines.append("")
    return "\n".join(lines).replace(NO_BREAK, " ")


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
