"""The pool's slice labels: right where asked to be, else wrong as often as a hurried reader is."""

from __future__ import annotations

import numpy as np

from ich_bench.cases import SUBTYPES
from ich_bench.phantom.weak_labels import WeakLabelParameters, weak_labels

AREAS = {"iph": np.array([0.0, 30.0, 400.0, 400.0, 60.0, 0.0])}


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def many(areas: dict[str, np.ndarray], heads: int = 2000, **given: object) -> dict[str, np.ndarray]:
    """Return how often each slice is labelled, over many heads."""
    drawn = [weak_labels(areas, rng(seed), **given) for seed in range(heads)]  # type: ignore[arg-type]
    return {name: np.mean([labels[name] for labels in drawn], axis=0) for name in SUBTYPES}


def test_clean_labels_say_what_bled_and_draw_nothing() -> None:
    source = rng()
    labels = weak_labels(AREAS, source, clean=True)
    assert labels["iph"].tolist() == [False, True, True, True, True, False]
    assert not any(labels[name].any() for name in SUBTYPES if name != "iph")
    assert source.bit_generator.state == rng().bit_generator.state


def test_ends_are_missed_in_fifteen_percent_and_small_bleeds_in_twenty_more() -> None:
    share = many(AREAS, parameters=WeakLabelParameters(false_positive=0.0))["iph"]
    # slice 1 is an end and small: 0.85 * 0.80 = 0.68; slices 2, 3 neither; slice 4 an end of 60 mm2: 0.85
    assert np.allclose(share, [0, 0.68, 1, 1, 0.85, 0], atol=0.03)  # 3 sd of 2000 draws: 0.031


def test_false_positives_are_one_in_a_hundred_free_slices_and_lie_on_mimics_first() -> None:
    mimics = np.array([False, False, True, False, False])
    share = sum(many({"iph": np.zeros(5)}, mimic_slices=mimics).values())
    # five free slices: 0.05 a head; all but the heads with two (0.1 %) on the one with a mimic
    assert abs(share[2] - 0.05) < 0.015
    assert share[[0, 1, 3, 4]].sum() < 0.01


def test_a_bled_slice_is_never_called_bled_by_a_mimic() -> None:
    labels = many(AREAS, 300, mimic_slices=np.ones(6, bool), parameters=WeakLabelParameters(false_positive=1.0))
    assert sum(labels[name][1:5].sum() for name in SUBTYPES if name != "iph") == 0
    assert np.allclose(sum(labels.values())[[0, 5]], 1.0)  # with certainty one label on each free slice


def test_the_same_seed_gives_the_same_labels() -> None:
    first, again = (weak_labels(AREAS, rng(5)) for _ in range(2))
    assert all(np.array_equal(first[name], again[name]) for name in SUBTYPES)


def test_a_head_without_slices_or_bleeds_has_labels_too() -> None:
    assert all(len(flags) == 0 for flags in weak_labels({}, rng()).values())
    assert all(not flags.any() for flags in weak_labels({}, rng(), mimic_slices=np.zeros(4, bool), clean=True).values())
