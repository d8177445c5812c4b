"""How is a report one HTML file that needs nothing else: light and dark, on paper, at any width, read aloud?"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from ich_bench.report import tables
from ich_bench.report.parts import Part
from ich_bench.report.pictures import Picture, svg
from ich_bench.report.style import ROLES

_STYLE = """
*{box-sizing:border-box}
html{color-scheme:light dark;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif}
main,header,footer,nav{max-width:62rem;margin:0 auto;padding:0 1.25rem}
header{padding-top:2.5rem}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 .5rem;letter-spacing:-.01em}
h2{font-size:1.4rem;margin:3rem 0 .75rem;padding-top:1rem;border-top:2px solid var(--rule)}
h3{font-size:1.1rem;margin:2.25rem 0 .5rem}
p{max-width:46rem;margin:.5rem 0;overflow-wrap:anywhere}
a{color:var(--link)}
a:focus-visible,[tabindex]:focus-visible{outline:2px solid var(--link);outline-offset:2px}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:.5rem;background:var(--paper);padding:.25rem .75rem}
.lede{color:var(--muted)}
p.small{font-size:.86rem;line-height:1.45;color:var(--muted);max-width:52rem}
.note{border-left:3px solid var(--warn);padding-left:.75rem}
nav ul{list-style:none;padding:0;margin:1rem 0;display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;font-size:.9rem}
nav ul ul{margin:.1rem 0 .5rem;flex-basis:100%}
nav li.board{flex-basis:100%}
figure{margin:1.25rem 0 1.75rem}
figcaption{font-size:.86rem;line-height:1.45;color:var(--muted);text-align:left}
figcaption{margin-top:.5rem;max-width:52rem}
.label{color:var(--ink);font-weight:600}
.picture{overflow-x:auto;padding-inline:.5rem;margin-inline:-.5rem}
.picture svg{display:block;overflow:visible;width:100%;max-width:calc(var(--natural)*1.35);
min-width:min(calc(var(--natural)*.78),36rem);height:auto}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.86rem;font-variant-numeric:tabular-nums}
th,td{padding:.32rem .7rem;text-align:right;vertical-align:baseline;border-bottom:1px solid var(--rule)}
thead th{border-bottom:1.5px solid var(--ink);font-weight:600;vertical-align:bottom}
td{white-space:nowrap}
th[scope=row],thead th:first-child,.words{text-align:left}
th[scope=row]{font-weight:500;overflow-wrap:anywhere;min-width:9rem;max-width:22rem;position:sticky;left:0;
background:var(--paper)}
td.words{white-space:normal;min-width:8rem;max-width:30rem;overflow-wrap:anywhere}
tr.quiet th,tr.quiet td{color:var(--muted)}
.badge{display:inline-block;font-size:.72rem;font-weight:500;color:var(--muted);border:1px solid var(--muted);
border-radius:.6rem;padding:0 .4rem;white-space:nowrap}
footer{color:var(--muted);font-size:.86rem;padding-top:2rem;padding-bottom:3rem}
@media (max-width:40rem){body{font-size:15px}h1{font-size:1.5rem}th,td{padding:.3rem .5rem}
th[scope=row]{min-width:7rem;max-width:9.5rem}}
@media print{html{color-scheme:light}body{font-size:9.5pt}main,header,footer,nav{max-width:none;padding:0}
h2{break-before:page;border:0}h2.first{break-before:auto}h2,h3{break-after:avoid}
.picture,.scroll{overflow:visible}.picture svg{min-width:0;max-width:100%;max-height:235mm}
figure:not(.table),tr{break-inside:avoid}figure.table figcaption{break-before:avoid}
table{font-size:7.2pt;width:auto}th,td{padding:.2rem .35rem}
td.words{white-space:normal;min-width:0}th[scope=row]{position:static;min-width:0}thead{display:table-header-group}.skip,nav{display:none}
a{color:inherit;text-decoration:none}}
@page{size:A4;margin:14mm}
"""


def page(parts: Sequence[Part], *, title: str, lede: Sequence[str], foot: str) -> str:
    """Return the report as one HTML document; every text in it, whoever wrote it, is escaped here."""
    counts = {"Figure": 0, "Table": 0}
    first = next((part.name for part in parts if part.level == 2), "")
    body = []
    for part in parts:
        mark = ' class="first"' if part.name == first else ""
        body.append(f'<h{part.level} id="{escape(part.name)}"{mark}>{_text(part.title)}</h{part.level}>')
        for block in part.blocks:
            if isinstance(block, str):
                body.append(f"<p{_kind(block)}>{_text(block)}</p>")
            elif isinstance(block, Picture):
                counts["Figure"] += 1
                body.append(_figure(block, counts["Figure"]))
            else:
                counts["Table"] += 1
                body.append(tables.html(block, counts["Table"]))
    ledes = "".join(f'<p class="lede">{_text(one)}</p>' for one in lede)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        'img-src data:">\n'
        f"<title>{_text(title)}</title>\n<style>{_colours()}{_STYLE}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#content">Skip to the report</a>\n'
        f"<header><h1>{_text(title)}</h1>{ledes}</header>\n"
        f'<nav aria-label="Contents">{_contents(parts)}</nav>\n'
        f'<main id="content">\n{chr(10).join(body)}\n</main>\n<footer><p>{_text(foot)}</p></footer>\n</body>\n</html>\n'
    )


def _colours() -> str:
    light = {role: pair[0] for role, pair in ROLES.items()} | {"paper": "#ffffff", "link": "#1d5fa8"}
    dark = {role: pair[1] for role, pair in ROLES.items()} | {"paper": "#14171b", "link": "#7db7f0"}
    night = f":root{{{_variables(dark)}}}"
    return f":root{{{_variables(light)}}}@media screen and (prefers-color-scheme:dark){{{night}}}"


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{role}:{shade};" for role, shade in colours.items())


def _figure(picture: Picture, number: int) -> str:
    label = f'<span class="label">Figure {number}.</span>'
    return (
        f'<figure id="{escape(picture.name)}"><div class="picture" tabindex="0" role="group" '
        f'aria-label="Figure {number}, scrolls sideways where it is wide">{svg(picture)}</div>'
        f"<figcaption>{label} {_text(picture.caption)}</figcaption></figure>"
    )


def _contents(parts: Sequence[Part]) -> str:
    """Return links to the parts, those of a board below it."""
    lines: list[str] = []
    for at, part in enumerate(parts):
        link = f'<a href="#{escape(part.name)}">{_text(part.title)}</a>'
        if part.level == 3:
            lines.append(f"<li>{link}</li>")
            continue
        opens = at + 1 < len(parts) and parts[at + 1].level == 3
        closes = at > 0 and parts[at - 1].level == 3
        lines.append(
            ("</ul></li>" if closes else "") + (f'<li class="board">{link}<ul>' if opens else f"<li>{link}</li>")
        )
    end = "</ul></li>" if parts and parts[-1].level == 3 else ""
    return f"<ul>{''.join(lines)}{end}</ul>"


def _kind(text: str) -> str:
    """Return the class of a sentence: a note where it warns, small where it explains a table."""
    if text.startswith(("Warning about", "This set is too small")) or " is drawn: no patient" in text:
        return ' class="note"'
    return ' class="small"' if text.startswith("Protocol ") else ""


def _text(text: str) -> str:
    return escape(tables.plain(text))
