"""The page of metrics: its toy says what `ich_bench.score` says, and every metric is defined on it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("streamlit")

import ich_bench
from app.states import BoardState, open_page
from ich_bench.metrics.profiles import PROFILES
from ich_bench.metrics.suite import COLUMNS, METRICS
from ich_bench_app.toy import OWN_EPSILON, OWN_TOLERANCE_MM, SPACINGS, Toy, changed, masks, values_of, why
from ich_bench_app.viewer.definitions import groups

SMALL = Toy(spacing="2 x 2 x 2")


def values(toy: Toy) -> dict[str, float]:
    return values_of(toy, *masks(toy))


@pytest.mark.parametrize("spacing", ["2 x 2 x 2", "0.5 x 0.5 x 5"])
@pytest.mark.parametrize("switches", [{}, {"healthy": True}, {"empty": True}, {"healthy": True, "empty": True},
                                      {"second": True, "false": True}])  # fmt: skip
def test_the_toy_says_what_score_says(spacing: str, switches: dict[str, bool]) -> None:
    toy = Toy(spacing=spacing, reference_mm=12, prediction_mm=16, **switches)
    reference, prediction = masks(toy)
    said = ich_bench.score(reference, prediction, SPACINGS[spacing])
    found = values_of(toy, reference, prediction)
    assert set(said) == set(found) - {OWN_EPSILON, OWN_TOLERANCE_MM}
    for name, value in said.items():
        assert found[name] == value or (math.isnan(found[name]) and value is not None and math.isnan(value)), name


def test_epsilon_decides_what_a_healthy_head_gets_and_nothing_else() -> None:
    # A healthy head with n voxels predicted has ε/(n + ε): with ε = 1, 1/(n + 1), with ε = 0, 0.
    healthy = Toy(spacing="2 x 2 x 2", healthy=True, prediction_mm=10)
    n = int(masks(healthy)[1].sum())
    assert values(healthy)[OWN_EPSILON] == 1 / (n + 1)
    assert values(Toy(spacing="2 x 2 x 2", healthy=True, prediction_mm=10, epsilon=0.5))[OWN_EPSILON] == 0.5 / (n + 0.5)
    assert values(Toy(spacing="2 x 2 x 2", healthy=True, prediction_mm=10, epsilon=0))[OWN_EPSILON] == 0
    both_empty = Toy(spacing="2 x 2 x 2", healthy=True, empty=True, epsilon=0)
    assert math.isnan(values(both_empty)[OWN_EPSILON])  # 0/0


def test_the_tolerance_of_the_toy_is_that_of_surface_dice() -> None:
    # Two equal balls 4 mm apart lie within 4 mm of each other everywhere.
    assert values(Toy(spacing="2 x 2 x 2", right_mm=4, tolerance_mm=4.0))[OWN_TOLERANCE_MM] == 1.0
    for name, mm in PROFILES["native"].tolerances_mm.items():
        found = values(Toy(spacing="2 x 2 x 2", right_mm=4, tolerance_mm=mm))
        assert found[OWN_TOLERANCE_MM] == found[name]
    between = values(Toy(spacing="2 x 2 x 2", right_mm=4, tolerance_mm=1.5))
    assert between["nsd_1mm"] <= between[OWN_TOLERANCE_MM] <= between["nsd_2mm"]


def test_balls_are_as_large_as_asked_and_lie_where_asked() -> None:
    # A ball of 30 mm holds 4/3·π·15³ mm³ = 14.14 mL.
    toy = Toy(spacing="1 x 1 x 1", reference_mm=30, prediction_mm=30, right_mm=10, back_mm=-6, up_mm=4)
    found = values(toy)
    assert found["volume_ref_ml"] == pytest.approx(14.14, rel=0.02)  # of voxels of 1 mm
    reference, prediction = masks(toy)
    moved = [np.mean(np.argwhere(prediction), axis=0) - np.mean(np.argwhere(reference), axis=0)]
    assert np.allclose(moved, [[10, -6, 4]])


def test_a_move_is_told_in_a_sentence_with_what_it_did() -> None:
    before, after = SMALL, Toy(spacing="2 x 2 x 2", right_mm=10)
    sentence = changed(before, after, values(before), values(after))
    assert sentence.startswith("Prediction across 4 → 10 mm: dice 0.")
    assert "→" in sentence.split(":")[1]
    assert "rvd" not in sentence  # it moved, and did not grow
    assert changed(before, before, values(before), values(before)) == ""
    gone = Toy(spacing="2 x 2 x 2", empty=True)
    assert changed(before, gone, values(before), values(gone)).startswith("The prediction is empty now: dice ")


def test_conventions_are_explained_where_they_decide() -> None:
    assert why(SMALL, values(SMALL)) == ""
    for switches, words in (
        ({"healthy": True}, "A healthy head"),
        ({"empty": True}, "nothing predicted"),
        ({"healthy": True, "empty": True}, "No hemorrhage, and none predicted"),
        ({"right_mm": 30.0, "reference_mm": 6.0, "prediction_mm": 6.0}, "do not meet"),
    ):
        toy = Toy(**({"spacing": "2 x 2 x 2"} | switches))  # type: ignore[arg-type]
        assert words in why(toy, values(toy))


def test_the_page_stands_in_each_state_and_defines_every_metric_and_protocol(board_state: BoardState) -> None:
    at = open_page("metrics", spacing="2 x 2 x 2")
    words = "\n".join(one.value for one in at.markdown)
    assert all(f"`{name}`" in words for name in (*COLUMNS, *PROFILES))
    assert sum(len(held) for held in groups().values()) == len(COLUMNS)
    table = at.dataframe[0].value
    assert table["metric"].tolist() == list(METRICS)


def test_a_move_on_the_page_changes_the_numbers_and_says_so(stand_on: Callable[[str], BoardState]) -> None:
    stand_on("empty")
    at = open_page("metrics", spacing="2 x 2 x 2", across_mm="6", epsilon="7")
    assert at.slider(key="across_mm").value == 6
    assert at.slider(key="epsilon").value == 1  # 7 is no ε: the default
    at.slider(key="across_mm").set_value(12.0).run()
    assert not at.exception
    assert any(one.value.startswith("Prediction across 6 → 12 mm: dice ") for one in at.markdown)
    shown = at.dataframe[0].value.set_index("metric")["now"]
    assert shown["dice"] == f"{values(Toy(spacing='2 x 2 x 2', right_mm=12))['dice']:.3f}"
    at.toggle(key="healthy_head").set_value(True).run()
    assert at.dataframe[0].value.set_index("metric")["now"]["hd95"] == "–"
