"""What is known of a dataset before anyone has it: size, access, licence, layout, geometry, what to beware of."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import streamlit as st

from ich_bench.cases import Card
from ich_bench.datasets import DATASETS, card, expected
from ich_bench.datasets.found import Expected
from ich_bench.metrics.suite import COLUMNS
from ich_bench.statistics import equivalence_margin
from ich_bench.tables.cohorts import THIN_BELOW_MM
from ich_bench_app.text import markdown_of, plain, prose, safe_url

_PUBLISH = {
    "full": "a committed score file may hold everything",
    "metrics": "a committed score file may hold case id, fold, status and metrics only",
}
_DRAWN = "phantom"


def listing() -> pd.DataFrame:
    """Return a line a dataset: the table of `ich-bench datasets`, without what lies on this server."""
    return pd.DataFrame(
        [
            {
                "dataset": name,
                "what": plain(about.title),
                "heads": str(about.cases or "any"),
                "with ICH": "–" if about.with_ich is None else str(about.with_ich),
                "folds": about.official_scheme or "–",
                "made of": "drawn heads" if name.startswith(_DRAWN) else "patients' heads",
                "licence": plain(about.licence),
            }
            for name, about in ((name, card(name)) for name in sorted(DATASETS, key=_drawn_last))
        ]
    )


def _drawn_last(name: str) -> tuple[bool, str]:
    return name.startswith(_DRAWN), name


def show(about: Card) -> None:
    """Show the card: numbers, how to get it, what may be published, geometry, what to beware of."""
    st.header(markdown_of(about.id), anchor=False)
    st.markdown(markdown_of(about.title))
    with st.container(horizontal=True):
        st.metric("Heads", about.cases or "any", border=True)
        st.metric("With hemorrhage", "–" if about.with_ich is None else about.with_ich, border=True)
        healthy = "–" if about.with_ich is None or not about.cases else about.cases - about.with_ich
        st.metric("Healthy", healthy, border=True)
        st.metric("Fold schemes", len(about.schemes), border=True, help=", ".join(about.schemes) or "none: a pool")
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader("How to get it", anchor=False)
        st.markdown(prose(about.access))
        url = safe_url(about.url)
        if url:
            st.link_button("Its page", url, icon=":material/open_in_new:", type="tertiary", help=markdown_of(url))
        st.markdown(f"**Licence** {markdown_of(about.licence)}")
        st.markdown(f"**Publish** {markdown_of(_PUBLISH.get(about.publish, about.publish))}")
        st.markdown(f"**Cite** {markdown_of(about.citation)}")
    with right:
        st.subheader("What lies in it", anchor=False)
        st.markdown(f"**Layout** {prose(about.layout)}")
        for line in geometry(about):
            st.markdown(f"- {prose(line)}")
        st.code(commands(about), language="bash", wrap_lines=True)
    if about.caveats:
        st.subheader("What to beware of", anchor=False)
        st.markdown("\n".join(f"- {prose(caveat)}" for caveat in about.caveats))


def geometry(about: Card) -> Iterator[str]:
    """Yield what a whole download should hold, as far as it is known without the data."""
    total = expected(about.id)[0]
    if total == Expected():
        yield "Grid and spacing are not known without the data; `ich-bench prepare` finds them out."
        return
    if total.shape_xy:
        yield f"{total.shape_xy[0]} × {total.shape_xy[1]} pixels a slice"
    if total.slices:
        yield f"{_span(*total.slices)} slices a head"
    if total.slices_total:
        positive = f", {total.slices_positive:,} of them with hemorrhage" if total.slices_positive else ""
        yield f"{total.slices_total:,} slices in all{positive}"
    if total.in_plane_mm:
        yield f"{_span(*total.in_plane_mm)} mm between pixels"
    if total.spacing_z_mm:
        yield f"{_span(*total.spacing_z_mm)} mm between slices (thin: below {THIN_BELOW_MM:g} mm)"
    if total.masks_off_grid:
        yield f"{total.masks_off_grid} masks lie on another affine than their CT; voxels are compared by index"
    if not about.pool:
        yield f"declared margin of equivalence: {equivalence_margin(about.id):g} {COLUMNS['dice'].title}"


def _span(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def commands(about: Card) -> str:
    """Return what to type: to get, check and train on it, and to fill its board."""
    if about.pool:
        return f"ich-bench datasets {about.id}"
    lines = [f"ich-bench datasets {about.id}", f"ich-bench prepare {about.id} --source DOWNLOAD"]
    if about.id.startswith(_DRAWN):
        lines = [f"ich-bench datasets {about.id}"]
    lines += [f"ich-bench export {about.id} --format nnunet --out DIR"] if about.trainable else []
    return "\n".join([*lines, f"ich-bench evaluate {about.id} my-predictions"])
