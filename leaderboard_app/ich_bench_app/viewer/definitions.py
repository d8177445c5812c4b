"""What does each metric mean, and under which published protocols can the same masks be scored?"""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd
import streamlit as st

from ich_bench.metrics.profiles import OVERLAP, PROFILES
from ich_bench.metrics.suite import COLUMNS, METRICS, SUITE, Metric
from ich_bench_app import frame
from ich_bench_app.text import markdown_of

_BETTER = {"higher": "higher is better", "lower": "lower is better", "zero": "nearer to 0 is better",
           "none": "a description, no merit"}  # fmt: skip
_EMPTY = (
    ("hemorrhage", "empty", "1/(FN + 1); precision 1", "0", "the grid's diagonal", "−1", "0, not detected"),
    ("healthy", "empty", "1", "1", "undefined", "undefined", "undefined"),
    ("healthy", "n voxels", "1/(n + 1); recall 1", "0", "undefined", "undefined", "undefined, false lesions counted"),
)


def groups() -> Mapping[str, tuple[Metric, ...]]:
    """Return the metrics of every profile by what they look at."""
    found: dict[str, list[Metric]] = {"Overlap": [], "Surfaces": [], "Volumes": [], "Lesions": [], "Slices": []}
    for name, metric in COLUMNS.items():
        if name not in METRICS:
            found["Slices"].append(metric)
        elif name in OVERLAP:
            found["Overlap"].append(metric)
        elif name.startswith("nsd_") or metric.unit == "mm":
            found["Surfaces"].append(metric)
        elif metric.unit == "mL" or "rvd" in name:
            found["Volumes"].append(metric)
        else:
            found["Lesions"].append(metric)
    return {name: tuple(held) for name, held in found.items()}


def show_definitions() -> None:
    """Show every metric: what it is, its unit, range and direction, what empty masks give, whether it is ranked."""
    st.subheader("Definitions", anchor=False)
    st.caption(f"Suite {SUITE}: raised whenever a score moves; scores of different suites are never ranked together.")
    for name, metrics in groups().items():
        st.markdown(f"#### {name}" + (" (in published protocols only)" if name == "Slices" else ""))
        for metric in metrics:
            with st.container(border=True):
                st.markdown(in_words(metric))
    frame.downloads("ich-bench-metrics", table=as_table())


def in_words(metric: Metric) -> str:
    """Return a metric as Markdown."""
    unit = f", in {metric.unit}" if metric.unit in ("mm", "mL") else ""
    ranked = "ranked" if metric.ranked else f"not ranked: {metric.reason}"
    return "  \n".join(
        [
            f"**{markdown_of(metric.title)}** `{metric.name}` · {_BETTER[metric.direction]} · {range_of(metric)}{unit}",
            markdown_of(metric.definition),
            f"Empty masks: {markdown_of(metric.empty)}.",
            f"{_capital(markdown_of(ranked))}. Summed up by its {metric.summary}. "
            f"Source: {markdown_of(metric.source)}.",
        ]
    )


def range_of(metric: Metric) -> str:
    """Return the range of a metric: "0 to 1"."""
    low, high = metric.range
    return f"{low:g} to {'∞' if math.isinf(high) else f'{high:g}'}"


def as_table() -> pd.DataFrame:
    """Return the definitions as a table, a line a metric."""
    return pd.DataFrame(
        [
            {
                "metric": one.name,
                "title": one.title,
                "unit": one.unit,
                "better": _BETTER[one.direction],
                "range": range_of(one),
                "definition": one.definition,
                "empty masks": one.empty,
                "ranked": "yes" if one.ranked else f"no: {one.reason}",
                "source": one.source,
            }
            for one in COLUMNS.values()
        ]
    )


def show_empty() -> None:
    """Show what an empty mask gets."""
    st.subheader("What an empty mask gets", anchor=False)
    st.caption("The reference alone decides which metrics a volume has: no method drops a hard case from its mean.")
    names = ("reference", "prediction", "dice, iou, precision, recall", "surface Dice", "distances", "rvd", "lesions")
    st.table(pd.DataFrame(_EMPTY, columns=list(names)).set_index("reference"))


def show_profiles() -> None:
    """Show the protocols that the same masks can be scored under."""
    st.subheader("Published protocols", anchor=False)
    st.caption(
        "`ich-bench evaluate --profile NAME` scores the same masks as a paper did. Ranks come from `native` alone."
    )
    for one in PROFILES.values():
        with st.container(border=True):
            left_out = [f"{dataset} without {', '.join(cases)}" for dataset, cases in one.leaves_out.items()]
            more = f" Left out: {'; '.join(left_out)}." * bool(left_out)
            st.markdown(
                f"**{markdown_of(one.title)}** `{one.name}` · ε = {one.epsilon:g} · {len(one.columns)} columns  \n"
                f"{markdown_of(one.about)}{markdown_of(more)}  \n"
                f"Columns: {', '.join(f'`{name}`' for name in one.columns)}.  \n"
                f"Source: {markdown_of(one.source)}."
            )


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
