"""Any orientation comes to lie the same way and goes back exactly; images and masks at 256 × 256 as stated."""

from __future__ import annotations

import math
from itertools import permutations, product

import numpy as np
import pytest
from scipy import ndimage

from ich_bench.geometry import Geometry
from ich_bench.metrics.masks import on_square
from ich_bench.volume import CT
from ich_bench_baselines.data import orient, pixels
from ich_bench_baselines.data.pixels import BONE, BRAIN, TISSUE, Window

# Every voxel axis along any world axis, either way: 3! orders × 2³ directions = 48.
ALL = [(order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)]


def affine_of(order: tuple[int, ...], signs: tuple[int, ...], spacing: tuple[float, ...] = (1, 1, 1)) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = 0
    for voxel, (world, sign, mm) in enumerate(zip(order, signs, spacing, strict=True)):
        affine[world, voxel] = sign * mm
    affine[:3, 3] = (7, -3, 11)
    return affine


def world_of(geometry: Geometry) -> np.ndarray:
    """The RAS+ millimetres of every voxel: (x, y, z, 3)."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in geometry.shape), indexing="ij"), axis=-1)
    return index @ geometry.matrix[:3, :3].T + geometry.matrix[:3, 3]


@pytest.mark.parametrize(("order", "signs"), ALL)
def test_all_48_orientations_lie_alike_and_go_back_exactly(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    grid = Geometry.of((4, 5, 3), affine_of(order, signs))
    volume = np.random.default_rng(0).integers(0, 2, grid.shape).astype(bool)
    way = orient.orientation_of(grid)
    right, front, top = (orient.to_slices(world_of(grid)[..., world], way) for world in range(3))
    assert (np.diff(front, axis=0) == -1).all()  # rows go from front to back: RAS+ y falls
    assert (np.diff(right, axis=1) == -1).all()  # columns from right to left: RAS+ x falls
    assert (np.diff(top, axis=2) == 1).all()  # slices from foot to head
    assert np.array_equal(orient.from_slices(orient.to_slices(volume, way), way), volume)
    # and through the network's squares: 5 pixels and less a side come back from 20 × 20 as they were
    small = np.stack(list(pixels.masks_of(volume, grid, side=20)))
    assert np.array_equal(pixels.native_mask(small, grid), volume)


def test_a_slice_is_counted_as_in_the_file_also_where_the_file_runs_from_head_to_foot() -> None:
    down = orient.orientation_of(Geometry.of((4, 5, 3), affine_of((0, 1, 2), (1, 1, -1))))
    up = orient.orientation_of(Geometry.of((4, 5, 3), np.eye(4)))
    assert [down.native_slice(place, 3) for place in range(3)] == [2, 1, 0]
    assert [up.native_slice(place, 3) for place in range(3)] == [0, 1, 2]
    assert (down.axes[2], up.axes[2]) == (2, 2)


def test_a_tilted_and_a_turned_scan_stay_as_they_are_and_go_back_exactly() -> None:
    tilted = affine_of((0, 1, 2), (-1, -1, 1), (0.5, 0.5, 5.0))
    tilted[1, 2] = 5 * math.tan(math.radians(24))  # CQ500-CT-108's tilt
    turn = math.radians(20)
    turned = np.eye(4)
    turned[:2, :2] = [[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]
    volume = np.random.default_rng(1).integers(0, 2, (6, 6, 4)).astype(bool)
    for affine, expected in ((tilted, volume.transpose(1, 0, 2)), (turned, volume.transpose(1, 0, 2)[::-1, ::-1])):
        grid = Geometry.of(volume.shape, affine)
        assert np.array_equal(orient.in_slices(volume, grid), expected)
        assert np.array_equal(orient.from_slices(orient.in_slices(volume, grid), orient.orientation_of(grid)), volume)


def test_spacings_follow_their_axes() -> None:
    grid = Geometry.of((4, 5, 3), affine_of((2, 0, 1), (1, 1, 1), (5.0, 0.4, 0.6)))  # x runs up, y right, z front
    assert orient.spacing_in_slices(grid) == (0.6, 0.4, 5.0)


def test_a_volume_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="3x3x3 does not lie on"):
        orient.in_slices(np.zeros((3, 3, 3)), Geometry.of((4, 5, 3), np.eye(4)))


@pytest.mark.parametrize("count", [512, 650, 300, 256, 200])
def test_images_are_resized_as_scipy_does_it_with_a_gaussian_and_linear_interpolation(count: int) -> None:
    image = np.random.default_rng(count).random((count, count), np.float32) * 255
    sigma = max(0.0, (count / 256 - 1) / 2)
    smooth = ndimage.gaussian_filter(image.astype(float), sigma, mode="nearest", truncate=4.0) if sigma else image
    at = (np.arange(256) + 0.5) * count / 256 - 0.5
    plain = ndimage.map_coordinates(smooth, np.meshgrid(at, at, indexing="ij"), order=1, mode="nearest")
    assert np.abs(pixels.resized(image, 256) - plain).max() < 1e-3


def test_an_image_is_resized_as_two_plain_loops_do_it() -> None:
    image = np.random.default_rng(5).random((7, 7), np.float32) * 255
    expected = np.zeros((3, 3))
    sigma = (7 / 3 - 1) / 2  # 0.667; four of them round to 3 pixels
    bell = {step: math.exp(-0.5 * (step / sigma) ** 2) for step in range(-3, 4)}
    total = sum(bell.values())

    def pixel(row: int, column: int) -> float:
        return float(image[min(max(row, 0), 6), min(max(column, 0), 6)])

    def smooth(row: int, column: int) -> float:
        # beyond the border the smoothed image goes on as the border pixels do
        return sum(
            bell[a] * bell[b] / total**2 * pixel(row + a, column + b) for a in range(-3, 4) for b in range(-3, 4)
        )

    for i, j in product(range(3), range(3)):
        y, x = (i + 0.5) * 7 / 3 - 0.5, (j + 0.5) * 7 / 3 - 0.5
        r, c = math.floor(y), math.floor(x)
        expected[i, j] = sum(
            (1 - abs(y - row)) * (1 - abs(x - column)) * smooth(row, column)
            for row in (r, r + 1)
            for column in (c, c + 1)
        )
    assert np.abs(pixels.resized(image, 3) - expected).max() < 1e-3


def test_an_image_of_the_right_size_and_a_flat_one_stay_what_they_are() -> None:
    image = np.random.default_rng(2).integers(-200, 300, (256, 256)).astype(np.int16)
    assert np.array_equal(pixels.image_of(image), pixels.rounded(pixels.windowed(image, BRAIN)))
    assert (pixels.image_of(np.full((512, 512), 1000, np.int16)) == 255).all()
    assert (pixels.image_of(np.full((512, 512), 40, np.int16)) == 115).all()  # 90 / 200 · 255 = 114.75


@pytest.mark.parametrize(
    ("window", "hu", "expected"),
    [
        (BRAIN, -50, 0),
        (BRAIN, 150, 255),
        (BRAIN, -3024, 0),
        (BRAIN, 3000, 255),
        (BRAIN, 50, 128),  # 127.5: halves upwards
        (BRAIN, 0, 64),  # 50 / 200 · 255 = 63.75
        (TISSUE, 300, 128),
        (TISSUE, -5, 0),
        (BONE, 150, 0),
        (BONE, 400, 128),
        (BONE, 652, 255),
        (BRAIN, math.nan, 0),
        (BRAIN, math.inf, 255),
    ],
)
def test_windows_are_linear_clipped_and_rounded_to_the_nearest(window: Window, hu: float, expected: int) -> None:
    assert pixels.rounded(pixels.windowed(np.array([[hu]]), window)).item() == expected


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(ValueError, match="holds nothing"):
        Window(low_hu=10, high_hu=10)


@pytest.mark.parametrize("count", [512, 300, 100])
def test_masks_take_the_rows_that_the_profile_spahr2023_takes(count: int) -> None:
    mask = np.random.default_rng(3).integers(0, 2, (count, count, 2)).astype(bool)
    grid = Geometry.of(mask.shape, affine_of((1, 0, 2), (-1, -1, 1)))  # lies as slices do already
    small = np.stack(list(pixels.masks_of(mask, grid)), axis=-1)
    rows = [math.floor((i + 0.5) * count / 256) for i in range(256)]
    assert np.array_equal(small[:, :, 0], mask[:, :, 0][rows][:, rows])
    assert np.array_equal(small, on_square(mask, 256))  # what is scored under the profile is what was trained on


def test_masks_come_back_by_nearest_neighbour() -> None:
    grid = Geometry.of((8, 8, 1), affine_of((1, 0, 2), (-1, -1, 1)))
    small = np.zeros((1, 4, 4), np.uint8)
    small[0, 1, 2] = 1
    expected = np.zeros((8, 8, 1), bool)
    expected[2:4, 4:6] = True  # native row r takes row floor((r + 0.5) · 4 / 8): 2 and 3 take 1, 4 and 5 take 2
    assert np.array_equal(pixels.native_mask(small, grid), expected)


def test_what_is_not_square_is_padded_with_air_and_cut_back() -> None:
    # 3 rows, 6 columns: 1 row of air before, 2 after
    grid = Geometry.of((3, 6, 2), affine_of((1, 0, 2), (-1, -1, 1)))
    hu = np.full(grid.shape, 150, np.int16)
    image = next(pixels.images_of(CT(hu=hu, geometry=grid), side=6))
    assert image[1:4].tolist() == [[255] * 6] * 3
    assert not image[[0, 4, 5]].any()
    back = pixels.native_mask(np.ones((2, 6, 6), bool), grid)
    assert back.shape == (3, 6, 2)
    assert back.all()


def test_a_wrong_number_of_predicted_slices_is_refused() -> None:
    grid = Geometry.of((8, 8, 3), np.eye(4))
    with pytest.raises(ValueError, match=r"expected \(3, side, side\)"):
        pixels.native_mask(np.zeros((2, 4, 4), bool), grid)


def test_several_threads_make_the_same_slices_in_the_same_order() -> None:
    hu = np.random.default_rng(0).integers(-100, 200, (30, 20, 17)).astype(np.int16)
    ct = CT(hu=hu, geometry=Geometry.of(hu.shape, np.diag([-1.0, -1.0, 5.0, 1.0])))
    alone, together = (np.stack(list(pixels.images_of(ct, side=16, threads=threads))) for threads in (1, 4))
    assert np.array_equal(alone, together)
    assert len({one.tobytes() for one in alone}) == 17
