"""One common change under an honest header is named; a method that is merely poor is accused of nothing."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scipy import ndimage

from ich_bench.predictions.suspects import Mask, Pair, suspicions

SHAPE = (96, 96, 16)
SPACING_MM = (0.5, 0.5, 5.0)


def bleeds(count: int, seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> list[Mask]:
    """Return ellipsoids of many sizes all over the head."""
    rng = np.random.default_rng(seed)
    x, y, z = np.ogrid[: shape[0], : shape[1], : shape[2]]
    masks = []
    for _ in range(count):
        across, along, up = (rng.uniform(0.25, 0.75) * n for n in shape)
        radii = rng.uniform((4, 4, 1.2), (10, 10, 3))
        inside = ((x - across) / radii[0]) ** 2 + ((y - along) / radii[1]) ** 2 + ((z - up) / radii[2]) ** 2
        masks.append(inside <= 1)
    return masks


def said(references: list[Mask], predictions: list[Mask]) -> tuple[str, ...]:
    def dice(one: Mask, other: Mask) -> float:
        return float((2 * (one & other).sum() + 1) / (one.sum() + other.sum() + 1))

    def pairs() -> Iterator[Pair]:
        return ((one, other, SPACING_MM) for one, other in zip(references, predictions, strict=True))

    return suspicions(pairs, float(np.mean([dice(*pair) for pair in zip(references, predictions, strict=True)])))


def resized(mask: Mask, factor: tuple[float, float, float], *, about_centre: bool = False) -> Mask:
    """Return the mask on another grid, laid into the corner or the centre of an array of the old shape."""
    small = ndimage.zoom(mask.astype(np.uint8), factor, order=0).astype(bool)
    out = np.zeros(mask.shape, dtype=bool)
    start = [(n - m) // 2 if about_centre else 0 for n, m in zip(mask.shape, small.shape, strict=True)]
    ends = [(max(0, s), min(n, s + m)) for s, n, m in zip(start, mask.shape, small.shape, strict=True)]
    into = tuple(slice(low, high) for low, high in ends)
    out[into] = small[tuple(slice(low - s, high - s) for (low, high), s in zip(ends, start, strict=True))]
    return out


@pytest.mark.parametrize(
    ("words", "harm"),
    [
        ("mirrored left-right (axis 0)", lambda m: m[::-1]),
        ("mirrored front-back (axis 1)", lambda m: m[:, ::-1]),
        ("mirrored top-bottom (axis 2)", lambda m: m[:, :, ::-1]),
        ("turned by 180 degrees in-plane", lambda m: m[::-1, ::-1]),
        ("transposed in-plane", lambda m: m.transpose(1, 0, 2)),
        ("rotated by 90 degrees in-plane", np.rot90),
        ("shifted by (9, -7, 0) voxels", lambda m: np.roll(m, (9, -7), (0, 1))),
        ("shifted by (0, 0, 4) voxels", lambda m: np.roll(m, 4, 2)),
        ("inverted", np.logical_not),
        ("resampled to 1 mm in-plane", lambda m: resized(m, (0.5, 0.5, 1))),
        ("resampled to 1 mm in-plane about the centre", lambda m: resized(m, (0.5, 0.5, 1), about_centre=True)),
        ("resized", lambda m: resized(m, (0.8, 0.8, 1))),
        ("resized", lambda m: resized(m, (0.7, 0.9, 0.5))),
        ("resized", lambda m: resized(m, (1.3, 1.3, 1), about_centre=True)),
    ],
)
def test_a_change_common_to_all_cases_is_named(words: str, harm: Callable[[Mask], Mask]) -> None:
    references = bleeds(12)
    warnings = said(references, [harm(mask) for mask in references])
    assert len(warnings) == 1
    assert words in warnings[0]


def test_a_shift_by_one_slice_is_named_where_bleeds_are_thin() -> None:
    # bleeds of a single slice: as they are Dice is 1/(2·n+1), with the shift undone 1
    references = [np.zeros(SHAPE, dtype=bool) for _ in range(3)]
    for number, mask in enumerate(references):
        mask[30 + number : 50, 40:60, 4 + number] = True
    for by in (1, -1):
        warnings = said(references, [np.roll(mask, by, 2) for mask in references])
        assert f"shifted by one slice ({by:+d} along axis 2)" in warnings[0]
        assert "would be 1.00, not 0.00" in warnings[0]


def test_a_common_spacing_is_found_over_heads_of_different_spacing() -> None:
    # 0.4 mm and 0.5 mm heads, all brought to 0.7 mm: the factors 0.4/0.7 and 0.5/0.7 differ, the target does not
    references = bleeds(12)
    spacings = [0.4, 0.5] * 6
    harmed = [resized(mask, (mm / 0.7, mm / 0.7, 1)) for mask, mm in zip(references, spacings, strict=True)]

    def pairs() -> Iterator[Pair]:
        return ((one, other, (mm, mm, 5.0)) for one, other, mm in zip(references, harmed, spacings, strict=True))

    warnings = suspicions(pairs, 0.0)
    assert warnings[0].startswith("the masks look re-spaced, resampled to about 0.7x0.7x5 mm")


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 6, 12])
@pytest.mark.parametrize("seed", range(5))
def test_a_method_that_is_merely_bad_is_accused_of_nothing(count: int, seed: int) -> None:
    references, elsewhere = bleeds(count, seed), bleeds(count, seed + 100)
    rng = np.random.default_rng(seed)
    noisy = [(one & (rng.random(SHAPE) < 0.5)) | other for one, other in zip(references, elsewhere, strict=True)]
    far = [one | np.roll(one[::-1, ::-1], 3, 2) | other for one, other in zip(references, elsewhere, strict=True)]
    fat = [ndimage.binary_dilation(one, iterations=3) for one in references]
    thin = [ndimage.binary_erosion(one, iterations=2) for one in references]
    for poor in (elsewhere, noisy, far, fat, thin, [np.zeros(SHAPE, dtype=bool)] * count):
        assert said(references, poor) == ()


def test_shifts_that_differ_from_case_to_case_are_no_common_shift() -> None:
    references = bleeds(8)
    rng = np.random.default_rng(3)
    moved = [np.roll(mask, tuple(rng.integers(-20, 21, 2)), (0, 1)) for mask in references]
    assert said(references, moved) == ()


def test_a_gain_below_a_fifth_is_not_told() -> None:
    references = bleeds(12)
    mirrored = [one if number < 10 else one[::-1] for number, one in enumerate(references)]
    assert said(references, mirrored) == ()  # 2 of 12 could gain at most 1 each: 0.17


def test_heads_whose_axes_differ_in_length_and_empty_cohorts_are_gone_through() -> None:
    references = bleeds(4, shape=(60, 80, 12))
    assert "mirrored left-right" in said(references, [mask[::-1] for mask in references])[0]
    assert suspicions(lambda: iter(()), 0.0) == ()
    nothing = np.zeros((4, 4, 4), dtype=bool)
    assert suspicions(lambda: iter([(nothing, nothing, SPACING_MM)]), 0.0) == ()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_cases() -> None:
    # One pair of 64 × 64 × 8 masks is 65,536 bytes; 60 of them kept would be 3.9 MB.
    def pairs(count: int) -> Callable[[], Iterator[Pair]]:
        def drawn() -> Iterator[Pair]:
            for number in range(count):
                mask = bleeds(1, number, (64, 64, 8))[0]
                yield mask, mask[::-1].copy(), SPACING_MM

        return drawn

    peaks = []
    for count in (6, 60):
        tracemalloc.start()
        suspicions(pairs(count), 0.0)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1_000_000


def test_masks_that_are_nearly_empty_are_not_inverted() -> None:
    # The reference fills 3 of 8 slices: the opposite of an empty mask has Dice 2·(3/8)/(3/8 + 1) = 0.55.
    shape = (20, 20, 8)
    references = [np.zeros(shape, dtype=bool) for _ in range(4)]
    for mask in references:
        mask[:, :, 2:5] = True
    speck = np.zeros(shape, dtype=bool)
    speck[0, 0, 0] = True
    for poor in (np.zeros(shape, dtype=bool), speck):
        assert said(references, [poor] * 4) == ()
    assert "inverted" in said(references, [~mask for mask in references])[0]


@pytest.mark.parametrize("count", [5, 12, 20])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("by", [2, -2, 3])
def test_a_fair_method_whose_masks_are_shifted_is_not_called_resized(count: int, seed: int, by: int) -> None:
    references = bleeds(count, seed)
    rng = np.random.default_rng(seed)
    fair = []
    for mask in references:
        one = np.roll(mask, tuple(rng.integers(-2, 3, 2)), (0, 1))
        fair.append((ndimage.binary_dilation(one) if rng.random() < 0.5 else one) & (rng.random(SHAPE) < 0.85))
    warnings = said(references, [np.roll(mask, by, 2) for mask in fair])
    assert re.fullmatch(rf"the masks look shifted by \(-?[01], -?[01], {by}\) voxels: .*", warnings[0])
