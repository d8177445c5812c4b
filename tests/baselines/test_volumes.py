"""A CT becomes a small stack by linear interpolation, and a stack of masks lies on the CT's own voxels again."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import small_heads  # noqa: E402
from ich_bench.datasets import load_dataset  # noqa: E402
from ich_bench.geometry import Geometry  # noqa: E402
from ich_bench.volume import CT, open_mask, read_ct  # noqa: E402
from ich_bench_baselines.data import volumes  # noqa: E402
from ich_bench_baselines.data.guard import Guard  # noqa: E402
from ich_bench_baselines.data.loader import Pool  # noqa: E402
from ich_bench_baselines.data.pixels import BRAIN, Window  # noqa: E402
from ich_bench_baselines.data.slice_build import build, size_of  # noqa: E402
from ich_bench_baselines.data.streams import Stream  # noqa: E402

FLIPS = [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (-1, -1, -1)]
SHAPE = (32, 32, 4)


def slow(line: list[float], count: int) -> list[float]:
    """Interpolate a line point by point."""
    found = []
    for i in range(count):
        at = min(max((i + 0.5) * len(line) / count - 0.5, 0), len(line) - 1)
        low = math.floor(at)
        high = min(low + 1, len(line) - 1)
        found.append(line[low] + (at - low) * (line[high] - line[low]))
    return found


def on_grid(array: Any, flips: tuple[int, int, int] = (1, 1, 1)) -> Geometry:
    return Geometry.of(array.shape, np.diag([*(0.5 * flip for flip in flips[:2]), 5.0 * flips[2], 1.0]))


def test_interpolation_as_worked_out_by_hand() -> None:
    line = np.array([0.0, 4, 8, 12]).reshape(4, 1, 1)
    # two of four lie between the pairs; of two, four lie a quarter in from both ends, the outer ones at the border
    assert volumes.linear(line, (2, 1, 1)).ravel().tolist() == [2, 10]
    assert volumes.linear(np.array([0.0, 4]).reshape(2, 1, 1), (4, 1, 1)).ravel().tolist() == [0, 1, 3, 4]


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(("before", "after"), [(24, 16), (40, 16), (16, 31), (5, 5), (1, 3), (7, 1)])
def test_interpolation_is_that_of_the_slow_loop_along_each_axis(axis: int, before: int, after: int) -> None:
    line = np.random.default_rng(before).normal(size=before)
    shape = [1, 1, 1]
    shape[axis] = before
    wanted = [*shape[:axis], after, *shape[axis + 1 :]]
    found = volumes.linear(line.reshape(shape), (wanted[0], wanted[1], wanted[2]))
    assert found.ravel() == pytest.approx(slow(line.tolist(), after), abs=1e-6)


def test_interpolation_of_a_volume_is_that_of_torch() -> None:
    volume = np.random.default_rng(1).normal(size=(11, 9, 30)).astype(np.float32)
    theirs = torch.nn.functional.interpolate(torch.from_numpy(volume)[None, None], (6, 14, 16), mode="trilinear")
    assert np.allclose(volumes.linear(volume, (6, 14, 16)), theirs[0, 0].numpy(), atol=1e-5)


def test_min_max_and_window_as_worked_out_by_hand() -> None:
    hu = np.array([-2048, -50, 0, 50, 150, 1952], np.int16)
    # from -2048 to 1952 are 4000: 50 HU lie at 2098 / 4000
    minmax = volumes.normalised(hu, "minmax", BRAIN)
    assert minmax.tolist() == pytest.approx([0, 0.4995, 0.512, 0.5245, 0.5495, 1])
    window = volumes.normalised(hu, "window", Window(low_hu=-50, high_hu=150))
    assert window.tolist() == pytest.approx([0, 0, 0.25, 0.5, 1, 1])
    assert minmax.dtype == window.dtype == np.float32


def test_a_constant_volume_is_zero_and_what_is_no_number_the_least_value() -> None:
    assert not volumes.normalised(np.full((2, 2), 40, np.int16), "minmax", BRAIN).any()
    hu = np.array([np.nan, 0, 10, np.inf], np.float32)
    assert volumes.normalised(hu, "minmax", BRAIN).tolist() == [0, 0, 1, 0]
    assert not volumes.normalised(np.full(3, np.nan, np.float32), "minmax", BRAIN).any()


@pytest.mark.parametrize("flips", FLIPS)
def test_a_stack_lies_as_every_slice_lies_and_its_mask_comes_back_to_its_own_voxels(flips: Any) -> None:
    """At the size of the CT itself nothing is interpolated: what is above the middle comes back voxel by voxel."""
    hu = np.random.default_rng(2).integers(0, 100, (16, 16, 6)).astype(np.int16)
    ct = CT(hu=hu, geometry=on_grid(hu, flips))
    stack = volumes.stack_of(ct, (16, 16, 6), "window", Window(low_hu=0, high_hu=100))
    assert stack.shape == (6, 16, 16)
    assert np.array_equal(volumes.native_stack(stack > 0.5, ct.geometry), hu > 50)
    assert np.array_equal(
        volumes.native_stack(volumes.mask_stack(hu > 50, ct.geometry, (16, 16, 6)), ct.geometry), hu > 50
    )


@pytest.mark.parametrize("flips", FLIPS)
def test_a_bleed_of_another_size_than_the_stack_comes_back_where_it_was(flips: Any) -> None:
    x, y, z = np.mgrid[:40, :48, :30]
    bleed = (x - 12) ** 2 / 36 + (y - 30) ** 2 / 64 + (z - 18) ** 2 / 25 <= 1
    grid = on_grid(bleed, flips)
    back = volumes.native_stack(volumes.mask_stack(bleed, grid, (32, 32, 16)), grid)
    assert back.shape == bleed.shape
    assert 2 * (back & bleed).sum() / (back.sum() + bleed.sum()) > 0.9
    moved = np.roll(back, 3, axis=2)  # and three slices off is another place
    assert 2 * (moved & bleed).sum() / (moved.sum() + bleed.sum()) < 0.75


def test_the_cache_holds_real_numbers_of_every_case_and_the_masks_that_go_with_them(tmp_path: Path) -> None:
    dataset = load_dataset(small_heads.DATASET, small_heads.mini())
    plan = volumes.plan_volumes(dataset, shape=SHAPE, intensity="minmax", window=BRAIN)
    made = build(plan)
    assert (made.images.dtype, made.masks.dtype) == (np.float32, np.uint8)
    assert made.images.shape == made.masks.shape == (12 * 4, 32, 32)
    assert size_of(plan).at_rest == 48 * 32 * 32 * 5
    case = dataset.cases[3]
    ct = read_ct(case.ct)
    rows = np.flatnonzero(made.index["case_id"] == case.case_id)
    assert np.array_equal(made.images[rows], volumes.stack_of(ct, SHAPE, "minmax", BRAIN))
    assert made.images[rows].max() > 0.5
    mask = open_mask(case.reference).voxels()
    assert np.array_equal(made.masks[rows], volumes.mask_stack(mask, ct.geometry, SHAPE))
    assert made.index["has_ich"][rows].tolist() == made.masks[rows].any(axis=(1, 2)).tolist()
    assert volumes.drawn_slices(case) == sum(bool(mask[:, :, k].any()) for k in range(mask.shape[2])) > 0
    assert build(plan).folder == made.folder


def test_another_intensity_or_shape_is_another_cache() -> None:
    dataset = load_dataset(small_heads.DATASET, small_heads.mini())

    def key(**more: Any) -> str:
        return volumes.plan_volumes(dataset, **{"shape": SHAPE, "intensity": "minmax", "window": BRAIN, **more}).key

    wide = Window(low_hu=0, high_hu=100)
    assert key() == key(window=wide)  # which min-max does not look at
    assert len({key(), key(intensity="window"), key(intensity="window", window=wide), key(shape=(32, 32, 8))}) == 4


@pytest.mark.parametrize("resident", [True, False])
def test_a_pool_hands_out_the_same_real_numbers_whole_or_gathered(resident: bool) -> None:
    dataset = load_dataset(small_heads.DATASET, small_heads.mini())
    made = build(volumes.plan_volumes(dataset, shape=SHAPE, intensity="minmax", window=BRAIN))
    rows = np.arange(0, 48, 5)
    stream = Stream(rows=rows, positive=np.zeros(len(rows), bool), guard=Guard(), about="")
    pool = Pool.on("cpu", made, stream, resident=resident)
    batch = pool.batch(np.array([2, 0]))
    assert batch.images.dtype == torch.float32
    assert np.array_equal(batch.images[:, 0].numpy(), made.images[[10, 0]])
    assert batch.masks is not None
    assert np.array_equal(batch.masks[:, 0].numpy(), made.masks[[10, 0]])
