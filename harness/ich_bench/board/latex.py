"""Tables as LaTeX (booktabs), with every character that LaTeX would read as a command made harmless."""

from __future__ import annotations

from collections.abc import Iterable

from ich_bench.escape import printable
from ich_bench.tables.layout import NO_BREAK, Block

_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "[": "{[}", "]": "{]}",
    "±": r"$\pm$", "–": "--", "−": "$-$", "≥": r"$\geq$", "≤": r"$\leq$", "×": r"$\times$", "·": r"$\cdot$",
    "τ": r"$\tau$", "ε": r"$\varepsilon$", "…": r"\ldots{}", "²": "$^2$", "³": "$^3$", "°": r"$^\circ$",
    NO_BREAK: "~",
}  # fmt: skip


def escape(text: str) -> str:
    """Return the text as LaTeX that prints it letter by letter, on one line."""
    kept = "".join(one if one == NO_BREAK else printable(one) for one in text)
    return "".join(_SPECIAL.get(one, one) for one in kept)


def as_latex(heading: str, blocks: Iterable[Block]) -> str:
    r"""Return heading and blocks as LaTeX; what strangers wrote is escaped before it comes here.

    Needs `\usepackage{booktabs}`; lines of text become a description list.
    """
    lines = [rf"\paragraph{{{part}}}" for part in heading.split("\n")[:1] if part]
    lines += [rf"{part}\par" for part in heading.split("\n")[1:] if part]
    for block in blocks:
        if not block.rows:
            continue
        if block.header:
            lines += [rf"\begin{{tabular}}{{l{'r' * (len(block.header) - 1)}}}", r"\toprule"]
            lines += [" & ".join(block.header) + r" \\", r"\midrule"]
            lines += [" & ".join(row) + r" \\" for row in block.rows]
            lines += [r"\bottomrule", r"\end{tabular}", ""]
        else:
            lines += [r"\begin{description}"]
            lines += [rf"\item[{label}] {said}" for label, said in block.rows]
            lines += [r"\end{description}", ""]
    return "\n".join(lines) + "\n"
