"""Curves of dice against annotation: their area, and the labels that are saved."""

from __future__ import annotations

import math

import pytest

from ich_bench.board.label_curves import Curve, area, curves, needed, savings
from ich_bench.board.model import Efficiency, Standing
from ich_bench.tables.describe import Stat


def point(slug: str, patients: float, dice: float, *, share: float = 100.0, draw: int | None = None) -> Efficiency:
    stat = Stat(n=9, mean=dice, sd=0.1, median=dice, q1=dice, q3=dice)
    return Efficiency(slug=slug, method=slug.upper(), budget=None, share=share, draw=draw, patients=patients,
                      slices=10 * patients, annotated_ml=math.nan, dice=Standing(stat=stat))  # fmt: skip


def curve(slug: str, *points: tuple[float, float]) -> Curve:
    amounts, dice = zip(*points, strict=True)
    return Curve(
        slug=slug, method=slug, amounts=amounts, dice=dice, shares=(0.0,) * len(points), draws=(1,) * len(points)
    )


def test_the_draws_of_a_share_are_one_point() -> None:
    points = [point("a", 4, 0.2, share=10, draw=0), point("a", 6, 0.4, share=10, draw=1), point("a", 40, 0.8)]
    (found,) = curves(points)
    assert found.amounts == (5.0, 40.0)
    assert found.dice == pytest.approx((0.3, 0.8))
    assert (found.shares, found.draws, found.method) == ((10.0, 100.0), (2, 1), "A")
    assert curves(points, "slices")[0].amounts == (50.0, 400.0)


def test_what_is_not_known_makes_no_point() -> None:
    assert curves([point("a", 4, 0.2)], "annotated_ml") == ()
    assert curves([point("a", 4, math.nan)]) == ()
    with pytest.raises(ValueError, match="voxels"):
        curves([], "voxels")


def test_the_area_is_the_mean_height() -> None:
    line = curve("a", (0, 0.0), (10, 1.0))
    assert area(line, 0, 10) == pytest.approx(0.5)
    assert area(line, 5, 10) == pytest.approx(0.75)
    bent = curve("b", (0, 0.0), (5, 0.8), (10, 0.8))
    assert area(bent, 0, 10) == pytest.approx(0.6)  # (0.4 · 5 + 0.8 · 5)/10
    assert math.isnan(area(bent, 0, 11))
    assert math.isnan(area(bent, 5, 5))


def test_the_amount_needed_lies_between_the_points() -> None:
    line = curve("a", (10, 0.4), (20, 0.6), (40, 0.7))
    assert needed(line, 0.5) == pytest.approx(15)
    assert needed(line, 0.65) == pytest.approx(30)
    assert needed(line, 0.3) == 10
    assert math.isnan(needed(line, 0.71))
    assert math.isnan(needed(line, math.nan))


def test_a_curve_that_falls_is_read_where_it_first_arrives() -> None:
    assert needed(curve("a", (0, 0.2), (10, 0.6), (20, 0.5), (30, 0.7)), 0.55) == pytest.approx(8.75)


def test_labels_saved_are_those_that_the_reference_needs_more() -> None:
    reference = curve("unet-mixed", (10, 0.4), (20, 0.6), (40, 0.7))
    better = curve("better", (10, 0.6), (30, 0.8))  # 0.7 at 20: half of 40
    worse = curve("worse", (10, 0.1), (40, 0.6))  # never 0.7; the reference has 0.6 at 20
    single = curve("single", (0, 0.5))  # no voxel labels; the reference has 0.5 at 15
    own, first, second, third = savings([reference, better, worse, single], "unet-mixed")
    assert (own.for_reference, own.saved) == (40, 0.0)
    assert (first.for_reference, first.saved) == (pytest.approx(20), pytest.approx(0.5))
    assert math.isnan(first.reference_needs)  # 0.8 is out of its reach
    assert (math.isnan(second.saved), second.reference_needs) == (True, pytest.approx(20))
    assert (math.isnan(third.area), third.reference_needs, third.at_most) == (True, pytest.approx(15), False)
    assert (own.low, own.high) == (10, 30)  # what all curves of several points cover
    # 10 to 20 at 0.5, 20 to 30 from 0.6 to 0.65: (0.5 · 10 + 0.625 · 10)/20
    assert own.area == pytest.approx(0.5625)
    assert first.area == pytest.approx(0.7)


def test_a_method_that_is_good_enough_from_its_first_point_may_need_less() -> None:
    reference, quick = curve("r", (10, 0.4), (40, 0.7)), curve("q", (5, 0.75), (40, 0.9))
    found = savings([reference, quick], "r")[1]
    assert (found.at_most, found.saved) == (True, pytest.approx(0.875))


def test_without_a_reference_there_are_areas_only() -> None:
    (found,) = savings([curve("a", (0, 0.0), (10, 1.0))], None)
    assert (found.area, math.isnan(found.saved), math.isnan(found.reference_needs)) == (0.5, True, True)
