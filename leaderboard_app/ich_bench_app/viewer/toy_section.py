"""The live toy on the page of metrics: sliders, a picture, the scores, and what the last move did to them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from ich_bench.board import wording as say
from ich_bench.metrics.suite import METRICS
from ich_bench_app import controls, page
from ich_bench_app.toy import (
    OWN_EPSILON,
    OWN_TOLERANCE_MM,
    SPACINGS,
    Toy,
    changed,
    direction,
    masks,
    title,
    values_of,
    why,
)
from ich_bench_app.viewer import picture
from ich_bench_app.viewer.definitions import range_of
from ich_bench_app.viewer.panels import Look, show_legend

_BIG = ("dice", OWN_EPSILON, "nsd_2mm", OWN_TOLERANCE_MM, "hd95", "rvd")
_BRAIN_HU = 16
_LOOK = Look(window="brain", level=40.0, width=80.0, overlay="fill", zoom="whole")
_BETTER = {"higher": "higher", "lower": "lower", "zero": "nearer to 0", "none": "a description"}
_DELTA = {"higher": "normal", "lower": "inverse", "zero": "off", "none": "off"}


@st.fragment
def toy_section(foot: DeltaGenerator) -> None:
    """Show the toy, and its address in `foot`, an empty place; only this part runs again while a visitor plays."""
    st.subheader("Try them", anchor=False)
    st.caption(
        "Two balls in a field of 100 × 100 × 60 mm: the reference in the middle, the prediction where you put it."
    )
    left, right = st.columns([3, 2], gap="medium")  # on a telephone the picture comes first
    with right:
        toy = _sliders()
    reference, prediction = masks(toy)
    values = values_of(toy, reference, prediction)
    sentence, before = _step(toy, values)
    with left:
        _pictures(toy, reference, prediction, values)
        with st.container(horizontal=True):
            for name in _BIG:
                _big(name, toy, values, before)
        st.markdown(sentence or "Move a slider: here stands what it changes.")
        told = why(toy, values)
        if told:
            st.info(told, icon=":material/lightbulb:")
    table(toy, values, before)
    with foot.container():
        page.end()


def _sliders() -> Toy:
    spacing = controls.choose("Voxels, mm", list(SPACINGS), key="spacing")
    reference = _slider("Reference, diameter in mm", 2.0, 40.0, 30.0, "reference_mm")
    prediction = _slider("Prediction, diameter in mm", 2.0, 40.0, 30.0, "prediction_mm")
    right = _slider("Prediction to the left or right, mm", -30.0, 30.0, 4.0, "across_mm")
    back = _slider("Prediction to the front or back, mm", -30.0, 30.0, 0.0, "along_mm")
    up = _slider("Prediction down or up, mm", -20.0, 20.0, 0.0, "up_mm")
    with st.container(horizontal=True):
        healthy = _switch("Healthy head", "healthy_head", "The reference is empty.")
        empty = _switch("Empty prediction", "empty_mask", "Nothing is predicted.")
        second = _switch("A second bleed, missed", "second_bleed", "10 mm wide, in the reference alone.")
        false = _switch("A false blob", "false_blob", "8 mm wide, in the prediction alone.")
    epsilon = _slider("ε of Dice, voxels", 0.0, 1.0, 1.0, "epsilon", step=0.05, decimals=2)
    tolerance = _slider("Tolerance of surface Dice, mm", 0.0, 10.0, 2.0, "tolerance_mm", step=0.1, decimals=1)
    return Toy(
        spacing=spacing,
        reference_mm=reference,
        prediction_mm=prediction,
        right_mm=right,
        back_mm=back,
        up_mm=up,
        healthy=healthy,
        empty=empty,
        second=second,
        false=false,
        epsilon=epsilon,
        tolerance_mm=tolerance,
    )


def _slider(
    label: str, low: float, high: float, start: float, key: str, *, step: float = 1.0, decimals: int = 0
) -> float:
    held = st.session_state.get(key)
    if held is not None and not (isinstance(held, int | float) and low <= held <= high):
        del st.session_state[key]
    shown = f"%.{decimals}f"
    return float(st.slider(label, low, high, start, step, shown, key=controls.bound(key), bind="query-params"))


def _switch(label: str, key: str, said: str) -> bool:
    return bool(st.toggle(label, key=controls.bound(key), help=said, bind="query-params"))


def _step(toy: Toy, values: Mapping[str, float]) -> tuple[str, Mapping[str, float] | None]:
    """Return what the last move changed, and the scores before it (None before the first)."""
    last: tuple[Toy, Mapping[str, float]] | None = st.session_state.get("_toy")
    if last is None:
        st.session_state["_toy"] = (toy, dict(values))
        return "", None
    if last[0] != toy:
        st.session_state["_toy_told"] = (changed(last[0], toy, last[1], values), last[1])
        st.session_state["_toy"] = (toy, dict(values))
    told: tuple[str, Mapping[str, float] | None] = st.session_state.get("_toy_told", ("", None))
    return told


def _pictures(
    toy: Toy, reference: NDArray[np.bool_], prediction: NDArray[np.bool_], values: Mapping[str, float]
) -> None:
    """Show the masks from below and from the front, cut where most of them is."""
    either = reference | prediction
    z, y = (int(either.sum(axis=axes).argmax()) if either.any() else either.shape[at] // 2
            for axes, at in (((0, 1), 2), ((0, 2), 1)))  # fmt: skip
    x_mm, y_mm, z_mm = toy.spacing_mm
    axial = _drawn(reference[:, :, z].T, prediction[:, :, z].T, (y_mm, x_mm))
    frontal = _drawn(reference[:, y, ::-1].T, prediction[:, y, ::-1].T, (z_mm, x_mm))
    counted = f"TP {int(values['tp']):,}, FP {int(values['fp']):,}, FN {int(values['fn']):,} voxels in all"
    left, right = st.columns([5, 5], gap="small")
    left.image(axial, width="stretch", alt=f"One slice of the toy, hit, missed and added tinted; {counted}.")
    right.image(frontal, width="stretch", alt=f"The toy cut from left to right, slices lie on each other; {counted}.")
    st.caption(f"Left: a slice. Right: a cut through all slices. {counted}.")
    show_legend(_LOOK, errors=True)


def _drawn(reference: NDArray[np.bool_], prediction: NDArray[np.bool_], pixel_mm: tuple[float, float]) -> bytes:
    hu = np.full(reference.shape, _BRAIN_HU, dtype=np.int16)
    one = picture.Slice(hu=hu, reference=reference, prediction=prediction, pixel_mm=pixel_mm)
    return picture.png(one, level=_LOOK.level, width=_LOOK.width, overlay="fill", longest=480)


def _big(name: str, toy: Toy, values: Mapping[str, float], before: Mapping[str, float] | None) -> None:
    value = values[name]
    delta = None
    if before is not None and not math.isnan(value) and not math.isnan(before[name]) and value != before[name]:
        delta = say.number(value - before[name], name, sign=True)
    unit = METRICS[name].unit if name in METRICS else ""
    shown = say.number(value, name) + (f" {unit}" if unit and not math.isnan(value) else "")
    st.metric(title(name, toy), shown, delta, delta_color=_DELTA[direction(name)], width=150)  # type: ignore[arg-type]


def table(toy: Toy, values: Mapping[str, float], before: Mapping[str, float] | None) -> None:
    """Show every metric of the native profile on the toy."""
    rows = [
        {
            "metric": name,
            "now": say.number(values[name], name),
            "before": "" if before is None else say.number(before[name], name),
            "unit": about.unit,
            "better": _BETTER[about.direction],
            "range": range_of(about),
            "called": about.title,
        }
        for name, about in METRICS.items()
    ]
    st.dataframe(
        pd.DataFrame(rows), hide_index=True, height=420, alt="Every metric of the toy, now and before the last move"
    )
