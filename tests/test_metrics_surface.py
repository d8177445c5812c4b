"""Surface distances in millimetres, by hand.

A voxel has eight corners, and surface elements sit on corners. On a grid of 1 x 1 x 1 mm a corner of a single voxel
cuts off a triangle of √3/8 mm²; along the edge of a bar the element is a strip of √2/2 mm².
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from ich_bench import score
from ich_bench.metrics.masks import Mask, as_spacing
from ich_bench.metrics.surface import Surfaces, assd, hausdorff, nsd, surfaces

MM = (1.0, 1.0, 1.0)


def voxels(*places: tuple[int, int, int], shape: tuple[int, int, int] = (12, 9, 7)) -> Mask:
    mask = np.zeros(shape, dtype=bool)
    for place in places:
        mask[place] = True
    return mask


def record(reference: tuple[list[float], list[float]], prediction: tuple[list[float], list[float]]) -> Surfaces:
    return Surfaces(
        reference_mm=np.array(reference[0]),
        reference_mm2=np.array(reference[1]),
        prediction_mm=np.array(prediction[0]),
        prediction_mm2=np.array(prediction[1]),
    )


def test_two_voxels_four_apart() -> None:
    # Corners at x = 2, 3 and at 6, 7: half of each surface is 4 mm away, half 3 mm.
    pair = surfaces(voxels((2, 3, 3)), voxels((6, 3, 3)), MM)
    assert pair.reference_mm.tolist() == [3.0] * 4 + [4.0] * 4
    assert pair.reference_mm2 == pytest.approx([math.sqrt(3) / 8] * 8)
    assert nsd(pair, 2.0) == 0.0
    assert nsd(pair, 3.0) == pytest.approx(0.5)
    assert nsd(pair, 4.0) == pytest.approx(1.0)
    assert hausdorff(pair, 100) == hausdorff(pair, 95) == 4.0
    assert hausdorff(pair, 50) == 3.0  # half of the area lies within 3 mm, and half is enough
    assert assd(pair) == pytest.approx(3.5)


def test_distances_follow_the_spacing_of_each_axis() -> None:
    spacing = (0.5, 2.0, 5.0)
    one = voxels((4, 4, 3))
    assert hausdorff(surfaces(one, voxels((7, 4, 3)), spacing), 100) == 1.5  # 3 x 0.5
    assert hausdorff(surfaces(one, voxels((4, 6, 3)), spacing), 100) == 4.0  # 2 x 2
    assert hausdorff(surfaces(one, voxels((4, 4, 4)), spacing), 100) == 5.0  # 1 x 5
    assert hausdorff(surfaces(one, voxels((7, 6, 3)), spacing), 100) == pytest.approx(math.hypot(1.5, 4.0))


def test_surface_elements_weigh_by_their_area() -> None:
    # A bar of 2 against one of 3, shifted by one: see HAND in test_metrics_suite for the same sums at 1 x 1 x 10 mm.
    pair = surfaces(voxels((2, 5, 2), (3, 5, 2)), voxels((3, 5, 2), (4, 5, 2), (5, 5, 2)), MM)
    end, middle = 4 * math.sqrt(3) / 8, 4 * math.sqrt(2) / 2
    whole = (2 * end + middle) + (2 * end + 2 * middle)
    assert pair.reference_mm2.sum() + pair.prediction_mm2.sum() == pytest.approx(whole)
    assert nsd(pair, 1.0) == pytest.approx((whole - end) / whole)  # one end of the prediction is 2 mm away
    assert assd(pair) == pytest.approx((end + middle + 2 * end) / whole)


def test_hausdorff_is_the_larger_of_the_two_directions() -> None:
    # The reference lies wholly on the prediction; a far voxel of the prediction is seen from the other side only.
    reference = voxels((2, 3, 3))
    prediction = voxels((2, 3, 3), (10, 3, 3))
    pair = surfaces(reference, prediction, MM)
    assert hausdorff(pair, 100) == 8.0  # x = 11 to x = 3
    assert hausdorff(surfaces(prediction, reference, MM), 100) == 8.0
    # Half of the predicted area is at 0, a quarter at 7 and a quarter at 8 mm.
    assert [hausdorff(pair, p) for p in (50, 75, 76, 95)] == [0.0, 7.0, 8.0, 8.0]
    assert assd(pair) == pytest.approx((0.25 * 7 + 0.25 * 8) * 2 / 3)  # two thirds of all area are the prediction's


def test_a_share_of_exactly_95_percent_is_reached() -> None:
    # 38 of 40 equal elements at 1 mm: 95 % of the area, however the additions round.
    for area in (0.1, 1 / 3, math.sqrt(3) / 8):
        side = ([1.0] * 38 + [9.0] * 2, [area] * 40)
        assert hausdorff(record(side, ([0.0], [1.0])), 95) == 1.0
    side = ([1.0] * 37 + [9.0] * 3, [0.1] * 40)
    assert hausdorff(record(side, ([0.0], [1.0])), 95) == 9.0


def test_a_tolerance_on_the_lattice_is_within() -> None:
    # Five voxels of 0.6 mm are 3.0 mm, also where a float32 header says 0.60000002 (trap 31).
    blob = np.zeros((40, 20, 20), dtype=bool)
    blob[5:12, 6:14, 6:14] = True
    pair = surfaces(blob, np.roll(blob, 5, axis=0), as_spacing(np.float32([0.6, 0.6, 0.6])))
    assert nsd(pair, 3.0) == 1.0
    assert nsd(pair, 2.99) < 1.0
    # The same through the front door: five voxels of 0.4 mm are 2 mm.
    assert score(blob, np.roll(blob, 5, axis=0), np.float32([0.4, 0.4, 0.4]))["nsd_2mm"] == 1.0


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("at_the_end", [False, True])
def test_a_mask_that_touches_the_border_is_closed_there(axis: int, at_the_end: bool) -> None:
    # Trap 30: the same pair with ten voxels of air around it gives the same surfaces.
    rng = np.random.default_rng(axis)
    pair = [rng.random((6, 5, 4)) < 0.3 for _ in range(2)]
    for mask in pair:
        np.moveaxis(mask, axis, 0)[-1 if at_the_end else 0] = True
    padded = [np.pad(mask, 10) for mask in pair]
    inside, outside = surfaces(pair[0], pair[1], (0.5, 0.7, 5.0)), surfaces(padded[0], padded[1], (0.5, 0.7, 5.0))
    for name in ("reference_mm", "reference_mm2", "prediction_mm", "prediction_mm2"):
        assert getattr(inside, name).tolist() == getattr(outside, name).tolist()


def test_a_full_volume_has_the_surface_of_its_box() -> None:
    full = np.ones((4, 4, 4), dtype=bool)
    pair = surfaces(full, full, MM)
    # Corners of the box: 8 triangles; 12 edges of 3 strips; 6 faces of 3 x 3 whole squares.
    assert pair.reference_mm2.sum() == pytest.approx(8 * math.sqrt(3) / 8 + 36 * math.sqrt(2) / 2 + 54)
    assert (nsd(pair, 0.42), hausdorff(pair, 100), assd(pair)) == (1.0, 0.0, 0.0)


def test_an_empty_mask_never_reaches_what_measures_surfaces(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("called with an empty mask")

    monkeypatch.setattr("surface_distance.compute_surface_distances", refuse)
    monkeypatch.setattr("ich_bench.metrics.pair.Lookup", refuse)
    one, none = voxels((2, 3, 3)), voxels()
    for pair in ((one, none), (none, one), (none, none)):
        score(*pair, MM)
        score(*pair, MM, engine="reference")
        with pytest.raises(ValueError, match="empty mask"):
            surfaces(*pair, MM)
