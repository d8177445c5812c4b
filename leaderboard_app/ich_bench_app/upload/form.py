"""How does a visitor hand in a zip, see how far it is, and make the server forget it?"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.uploaded_file_manager import UploadedFile

from ich_bench.errors import IchBenchError
from ich_bench.folds import load_scheme
from ich_bench_app import controls
from ich_bench_app.text import markdown_of
from ich_bench_app.upload import example, line, process, shown
from ich_bench_app.upload.limits import GB, MB, MOST_PER_VISIT, UPLOAD_BYTES, Limits
from ich_bench_app.upload.offers import Offer, offers
from ich_bench_app.upload.outcome import Failed, Outcome, Step
from ich_bench_app.upload.worker import EXAMPLE, SCORE, Order

_RESULT, _COUNT, _NUMBER = "_try_result", "_try_count", "_try_number"
LIMITS = Limits()


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of this visitor's last upload; it lives in the visitor's session alone."""

    came: Outcome
    dataset: str
    name: str


def page_body() -> None:
    """Show the form, what came of the last upload, and how to do the same at home; score what was just handed in."""
    here = offers()
    ready = {one.dataset: one for one in here if one.ready}
    if not ready:
        _nothing_offered(here)
        return
    dataset = controls.choose("Dataset", list(ready), key="dataset", default=next(iter(ready)),
                              help="Drawn heads, and what the host of this server allows.")  # fmt: skip
    number = st.session_state.setdefault(_NUMBER, 0)
    uploaded = st.file_uploader(
        "A .zip of masks",
        key=f"upload-{number}",  # a new number: an uploader that holds nothing
        max_upload_size=UPLOAD_BYTES // MB,
        help="One <case_id>.nii.gz a head: at the top, in one folder, or as predictions/<dataset>/ of a submission.",
    )
    asked = st.button("Check and score", type="primary", icon=":material/play_arrow:", disabled=uploaded is None)
    st.caption(
        "**Nothing is kept.** The zip lies in a private folder while it is scored; then folder and upload are deleted. "
        "What comes of it lives in this tab and goes with it. It never reaches the board: `ich-bench submit` does that."
    )
    work = st.container()
    _help(ready[dataset], [one for one in here if not one.ready])
    with work:
        if asked and uploaded is not None:
            _score(uploaded, ready[dataset])
        elif _RESULT in st.session_state:
            _last(st.session_state[_RESULT])


def _last(result: Result) -> None:
    shown.show(result.came, dataset=result.dataset, name=result.name)
    if st.button("Forget this result", icon=":material/delete:", type="tertiary"):
        del st.session_state[_RESULT]
        st.rerun()


def _score(uploaded: UploadedFile, offer: Offer) -> None:
    """Score an upload, with its progress on the page; whatever happens, the uploader is empty afterwards."""
    st.session_state.pop(_RESULT, None)
    st.session_state[_NUMBER] += 1  # before the work, in which a visitor may end this run of the page
    try:
        came = _came(uploaded, offer)
    finally:  # also when the visitor stops it or leaves
        _forget(uploaded)
    st.session_state[_RESULT] = Result(came=came, dataset=offer.dataset, name=uploaded.name)
    st.rerun()


def _came(uploaded: UploadedFile, offer: Offer) -> Outcome:
    count = st.session_state.setdefault(_COUNT, 0)
    if count >= MOST_PER_VISIT:
        mend = "Score on your own machine: the command is below."
        return Failed(why=f"{MOST_PER_VISIT} uploads were scored in this tab, the most for one visit.", mend=mend)
    if uploaded.size > UPLOAD_BYTES:
        why = f"it has {uploaded.size / MB:.0f} MB; {UPLOAD_BYTES // MB} MB are allowed."
        return Failed(why=why, mend="Save the masks as uint8 .nii.gz: a mask needs some kilobytes.")
    st.session_state[_COUNT] = count + 1
    bar = st.progress(0.0, text="waiting for this server …")
    st.button("Stop", icon=":material/stop:", help="Ends the evaluation at once and deletes the upload.")
    began = time.monotonic()
    last = [Step(stage="starting")]

    def tell(step: Step | None) -> None:
        last[0] = step or last[0]
        bar.progress(*progress(last[0], seconds=time.monotonic() - began))

    def waiting(ahead: int) -> None:
        bar.progress(0.0, text=f"waiting: {ahead} upload{'s' * (ahead != 1)} before yours; one is scored at a time")

    def order(file: Path) -> Order:
        return Order(do=SCORE, dataset=offer.dataset, file=str(file), home=str(file.parent), draw=offer.draw,
                     data=None if offer.data is None else str(offer.data), limits=LIMITS)  # fmt: skip

    try:
        with line.SERVER.turn(waiting):
            began = time.monotonic()
            return process.run(order, tell=tell, content=uploaded.getbuffer(), name=uploaded.name)
    except IchBenchError as fault:
        return Failed(why=str(fault))


def progress(step: Step, *, seconds: float) -> tuple[float, str]:
    """Return how much of a step is done, 0 to 1, and the words beside the bar."""
    counted = f" {step.done}/{step.total}" if step.total else " …"
    return (min(1.0, step.done / step.total) if step.total else 0.0), f"{step.stage}{counted} · {seconds:.0f} s"


def _forget(uploaded: UploadedFile) -> None:
    """Take the upload out of the server's memory now, not when the visitor leaves."""
    context = get_script_run_ctx(suppress_warning=True)
    with contextlib.suppress(AttributeError):  # an inner part of Streamlit: without it the upload goes with the session
        if context is not None:
            files: Any = context.uploaded_file_mgr
            files.remove_file(context.session_id, uploaded.file_id)


def _help(offer: Offer, lacking: list[Offer]) -> None:
    """Show what to hand in, an example of it, and how to do the same on one's own machine."""
    ids = [row.case_id for row in load_scheme(offer.dataset).rows][:3]
    with st.expander("What to hand in, and the same on your own machine", icon=":material/help:", expanded=True):
        names = " ".join(f"`{one}.nii.gz`" for one in ids) or "`<case_id>.nii.gz`"
        st.markdown(
            f"One mask a head, on the grid of its CT, 0 and 1: {names} … Everything that is wrong is told at once, as "
            "`ich-bench validate` does; only a sound zip is scored. This is what the server runs:"
        )
        st.code(
            f"ich-bench validate {offer.dataset} my-masks.zip\nich-bench evaluate {offer.dataset} my-masks.zip",
            language="bash",
        )
        st.caption(
            f"Limits: {UPLOAD_BYTES // MB} MB a zip, {LIMITS.disk_bytes / GB:g} GB unpacked, {LIMITS.wall_s / 60:.0f} "
            f"minutes, {LIMITS.address_bytes // GB} GB of memory, one evaluation at a time on this server, "
            f"{MOST_PER_VISIT} in a visit. A zip only: no tar, no password, no links."
        )
        if offer.dataset == example.DATASET and offer.data is not None:
            data = str(offer.data)
            st.download_button(
                "An example to try", lambda: example_zip(data), file_name="ich-bench-example.zip",
                mime="application/zip", icon=":material/download:", on_click="ignore", key="example",
                help="A threshold's masks of the 12 heads of phantom-mini, made on this server.",
            )  # fmt: skip
        if lacking:
            st.caption("Not yet on this server: " + "; ".join(f"{one.dataset} ({one.lacking})" for one in lacking))


@st.cache_resource(show_spinner=False, max_entries=1)
def example_zip(data: str) -> bytes:
    """Return the example's bytes, made once by a worker and kept for all visitors; IchBenchError where it fails."""
    held: list[bytes] = []

    def order(file: Path) -> Order:
        return Order(do=EXAMPLE, dataset=example.DATASET, file=str(file), home=str(file.parent), data=data, draw=True)

    came = process.run(order, tell=lambda _: None, keep=lambda file: held.append(file.read_bytes()))
    if isinstance(came, Failed) or not held:
        raise IchBenchError(came.why if isinstance(came, Failed) else "the example could not be made.")
    return held[0]


def _nothing_offered(here: tuple[Offer, ...]) -> None:
    why = "; ".join(f"{one.dataset}: {one.lacking}" for one in here) or "its host has switched uploads off"
    st.info(f"**This server takes no uploads.** {markdown_of(why)}.", icon=":material/upload_file:")
    st.markdown("The same check and the same scores, on your own machine:")
    st.code(
        "ich-bench validate phantom-mini my-masks.zip\nich-bench evaluate phantom-mini my-masks.zip", language="bash"
    )
