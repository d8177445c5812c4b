"""The simulated reader: errs in the documented ways, and as much as readers do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ich_bench.phantom.draw import draw
from ich_bench.phantom.reader import ReaderParameters, read

SPACING_MM = (0.9, 0.9, 5.0)
EXACT = ReaderParameters(
    jitter_mm=(0.0, 0.0),
    bias_mm=0.0,
    thin_bias_mm=0.0,
    bias_share=0.0,
    missed_end=0.0,
    dropped=0.0,
    bone=0.0,
    least_mm2=0.0,
    least_ml=0.0,
    least_share=0.0,
)


def rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def discs(radii_px: tuple[float, ...], size: int = 64) -> np.ndarray:
    """Return a lesion whose slices are discs of these radii."""
    i, j = np.ogrid[:size, :size]
    away = np.hypot(i - size / 2, j - size / 2)
    return np.stack([away < radius for radius in radii_px], axis=2)


def outlined(
    truth: np.ndarray, seed: int = 1, *, subtype: str = "iph", hu: np.ndarray | None = None, **changed: float
) -> np.ndarray:
    brain = np.full(truth.shape, 30, np.int16) if hu is None else hu
    cavity = brain < 300
    return read({subtype: truth}, brain, cavity, SPACING_MM, rng(seed), replace(EXACT, **changed))[subtype]


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2.0 * float((a & b).sum()) / float(a.sum() + b.sum())


def test_a_reader_without_errors_outlines_the_truth() -> None:
    truth = discs((0, 4, 9, 12, 8, 3, 0))
    assert np.array_equal(outlined(truth), truth)
    assert np.array_equal(outlined(truth, subtype="sdh"), truth)


def test_the_same_generator_outlines_the_same_and_another_otherwise() -> None:
    truth = discs((0, 4, 9, 12, 8, 3, 0))
    usual = ReaderParameters()
    first, again, other = (
        read({"iph": truth}, np.full(truth.shape, 30, np.int16), np.ones(truth.shape, bool), SPACING_MM, rng(s), usual)
        for s in (1, 1, 2)
    )
    assert np.array_equal(first["iph"], again["iph"])
    assert not np.array_equal(first["iph"], other["iph"])


def test_jitter_costs_what_its_size_says() -> None:
    truth = discs((20.0,) * 40, size=80)
    # A disc of radius 18 mm whose outline moves by N(0, 0.8 mm): wrongly in or out is E|N| = 0.64 mm of outline, so
    # Dice is about 1 - 0.64 * 2 pi r / (2 pi r^2) = 1 - 0.64 / 18 = 0.965; a pixel of 0.9 mm adds little.
    moved = outlined(truth, jitter_mm=(0.8, 0.8))  # type: ignore[arg-type]
    assert dice(moved, truth) == pytest.approx(0.965, abs=0.01)


def test_small_end_slices_are_missed_and_large_ones_never() -> None:
    truth = discs((4, 9, 12, 8, 11))
    drawn = [outlined(truth, seed, missed_end=0.3).any(axis=(0, 1)) for seed in range(120)]
    seen = np.mean(drawn, axis=0)
    assert seen[0] == pytest.approx(0.7, abs=0.13)  # a ninth of the largest slice
    assert seen[1:].tolist() == [1.0] * 4  # the other end is (11/12)^2 = 0.84 of it


def test_strands_thinner_than_two_pixels_are_dropped_and_wider_ones_kept() -> None:
    truth = np.zeros((60, 60, 1), bool)
    truth[10:50, 20, 0] = True
    truth[10:50, 30:34, 0] = True
    kept = outlined(truth, subtype="sah", dropped=1.0)
    assert not kept[:, :27].any()
    assert kept[10:50, 30:34].all()
    shares = [outlined(truth, seed, subtype="sah", dropped=0.5)[10:50, 20].mean() for seed in range(60)]
    assert np.mean(shares) == pytest.approx(0.5, abs=0.12)
    assert outlined(truth, subtype="iph", dropped=1.0)[10:50, 20].all()  # only SAH is so thin by nature


def test_bone_is_taken_in_at_the_skull_only_where_asked() -> None:
    truth = discs((10,) * 4)
    hu = np.full(truth.shape, 30, np.int16)
    hu[42:] = 900  # the disc ends at column 41
    usual = outlined(truth, subtype="edh", hu=hu, jitter_mm=(0.8, 0.8))  # type: ignore[arg-type]
    assert hu[usual].max() < 140
    with_bone = outlined(truth, subtype="edh", hu=hu, bone=1.0)
    assert hu[with_bone].max() == 900
    assert 2 < (hu[with_bone] == 900).sum() / 4 < 40


def test_what_would_vanish_is_kept_as_it_is() -> None:
    truth = np.zeros((20, 20, 3), bool)
    truth[10, 10, 1] = True
    assert np.array_equal(outlined(truth, least_mm2=50.0), truth)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("subtype", "low", "high"), [("iph", 0.85, 0.92), ("edh", 0.75, 0.88), ("sdh", 0.75, 0.88), ("sah", 0.55, 0.75)]
)
def test_truth_and_reference_agree_as_two_readers_do(subtype: str, low: float, high: float) -> None:
    agreed = []
    for number in range(16):
        head = draw("one", rng(900 + number), site="bc"[number % 2], bleeds=(subtype,))
        agreed.append(dice(head.truth, head.reference))
    assert low <= np.mean(agreed) <= high
