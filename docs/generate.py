"""Write the tables in docs/ that are made from the code: `python docs/generate.py`. tests/test_docs.py compares."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from ich_bench.cases import Card
from ich_bench.datasets import DATASETS, card
from ich_bench.folds import load_scheme, schemes_of
from ich_bench.metrics.profiles import PROFILES
from ich_bench.metrics.suite import COLUMNS, METRICS, Metric
from ich_bench.phantom import lesion_parameters, parameters, reader, weak_labels
from ich_bench.phantom.facts_table import parameter_lines, said
from ich_bench.runs import store

HERE = Path(__file__).parent
_MARKED = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_BETTER = {"higher": "higher", "lower": "lower", "zero": "nearer to 0", "none": "–"}


def metrics() -> str:
    """Return one row per metric of the native profile."""
    head = ("metric", "definition", "unit", "better", "range", "empty masks", "ranked", "source")
    return _table(head, [_metric(metric) for metric in METRICS.values()])


def profile_columns() -> str:
    """Return one row per column that only a published profile has."""
    rows = [
        (f"`{name}`", one.definition, one.empty, one.source) for name, one in COLUMNS.items() if name not in METRICS
    ]
    return _table(("column", "definition", "empty masks", "source"), rows)


def profiles() -> str:
    """Return one row per profile."""
    rows = [
        (f"`{one.name}`", one.about, f"{one.epsilon:g}", ", ".join(f"`{name}`" for name in one.columns), one.source)
        for one in PROFILES.values()
    ]
    return _table(("profile", "what it does", "ε", "columns", "source"), rows)


def schemes() -> str:
    """Return one row per fold scheme, with the hash of its file."""
    rows = []
    for dataset in DATASETS:
        for name in () if card(dataset).pool else schemes_of(dataset):
            scheme = load_scheme(dataset, name)
            official = " (official)" if name == card(dataset).official_scheme else ""
            count = str(len(scheme.folds)) if scheme.rows else "1"
            rows.append((f"`{dataset}`", f"`{name}`{official}", count, scheme.about, f"`{scheme.sha256[:12]}`"))
    return _table(("dataset", "scheme", "folds", "what it is", "sha256"), rows)


def score_columns() -> str:
    """Return one row per column of a native score file."""
    rows = [(f"`{one.name}`", str(one.type), "yes" if one.nullable else "no") for one in store.schema("native")]
    return _table(("column", "type", "may be null"), rows)


def cards() -> str:
    """Return the datasets' cards."""
    return "\n".join(_card(card(dataset)) for dataset in DATASETS)


def drawn_sites() -> str:
    """Return one row per number of a drawn site, one column per site."""
    sites = list(parameters.SITES.values())
    names = [name for name in vars(sites[0]) if name != "name"]
    rows = [(f"`{name}`", *(said(getattr(site, name)) for site in sites)) for name in names]
    return _table(("", *(f"site {site.name}" for site in sites)), rows)


def drawn_parameters() -> str:
    """Return the tables of what heads and bleeds are drawn from."""
    groups = {
        "Tissue": parameters.Tissue,
        "Skull": parameters.Skull,
        "Build": parameters.Build,
        "What looks like blood, or hides it": parameters.Mimics,
        "Noise": parameters.Noise,
        "Bleeds (those of site a; per subtype: median mL, spread of its logarithm, shares of ages)": (
            lesion_parameters.LesionParameters
        ),
    }
    return "\n\n".join(f"**{title}**\n\n{_drawn(kind)}" for title, kind in groups.items())


def drawn_reader() -> str:
    """Return one row per habit of the drawn reader."""
    return _drawn(reader.ReaderParameters)


def drawn_weak_labels() -> str:
    """Return one row per kind of mistake in the pool's labels."""
    return _drawn(weak_labels.WeakLabelParameters)


def _drawn(kind: type) -> str:
    rows = [(f"`{one.name}`", one.value, one.source) for one in parameter_lines(kind) if one.name != "plans"]
    return _table(("number", "value", "source, or what it is"), rows)


GENERATED: Mapping[str, Callable[[], str]] = {
    "metrics": metrics,
    "profile-columns": profile_columns,
    "profiles": profiles,
    "schemes": schemes,
    "score-columns": score_columns,
    "cards": cards,
    "drawn-sites": drawn_sites,
    "drawn-parameters": drawn_parameters,
    "drawn-reader": drawn_reader,
    "drawn-weak-labels": drawn_weak_labels,
}


def renewed(text: str) -> str:
    """Return a page with every generated part made anew; KeyError for a part that nothing makes."""
    return _MARKED.sub(lambda found: f"{found[1]}{GENERATED[found['name']]()}\n{found[3]}", text)


def _metric(one: Metric) -> tuple[str, ...]:
    low, high = ("∞" if math.isinf(end) else f"{end:g}" for end in one.range)
    ranked = "yes" if one.ranked else f"no: {one.reason}"
    return (
        f"`{one.name}`",
        one.definition,
        one.unit or "–",
        _BETTER[one.direction],
        f"{low} to {high}",
        one.empty,
        ranked,
        one.source,
    )


def _card(one: Card) -> str:
    counted = "" if one.with_ich is None else f", {one.with_ich} with ICH"
    publish = "everything" if one.publish == "full" else "case id, fold, status and metrics only"
    facts = [
        ("Cases", f"{one.cases or 'as many as asked for'}{counted}"),
        ("Folds", ", ".join(f"`{name}`" for name in one.schemes) or "none: a pool for pre-training"),
        ("How to get it", one.access),
        ("Licence", one.licence),
        ("A committed score file may hold", publish),
        ("Layout of the download", f"`{one.layout}`"),
        *([("Page", f"<{one.url}>")] if one.url else []),
        ("Cite", one.citation),
    ]
    lines = [f"- **{name}**: {' '.join(said.split())}" for name, said in facts]
    return "\n".join(
        [
            f"## `{one.id}`",
            "",
            one.title + ".",
            "",
            *lines,
            "",
            "Beware:",
            "",
            *(f"- {caveat}" for caveat in one.caveats),
            "",
        ]
    )


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows])


if __name__ == "__main__":
    for page in sorted(HERE.glob("*.md")):
        page.write_text(renewed(page.read_text("utf-8")), "utf-8")
