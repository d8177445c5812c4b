"""How Wang 2020 is read as a split of slices: the leaky `wang-slices`, never ranked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

SEED = 42


def deal_slices(positive: Mapping[str, Iterable[int]], *, folds: int, seed: int = SEED) -> dict[tuple[str, int], int]:
    """Return the fold (from 0) of each (case id, slice index) with hemorrhage, patients disregarded.

    Wang 2020 speaks of "254 training samples" of 318 slices, which is 80 % of the slices: so slices of one patient
    stand on both sides. All positive slices, by case id and index, are shuffled by the order of PCG64's raw output and
    dealt in turn. Folds: 5 for 80 % (train on four) and 20 % (train on one), 2 for 50 %.

    Args:
        positive: The indices, from 0 along axis 2, of the slices with hemorrhage of each case.
        folds: How many.
        seed: Of PCG64.
    """
    slices = sorted((case_id, int(index)) for case_id, indices in positive.items() for index in indices)
    if not slices:
        return {}
    order = np.argsort(np.random.PCG64(seed).random_raw(len(slices)), kind="stable")
    return {slices[int(at)]: turn % folds for turn, at in enumerate(order)}
