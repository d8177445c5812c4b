"""Do alike slices lie together, counted in all dimensions and held against chance?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SHOWN = ("ICH", "EDH", "IPH", "IVH", "SAH", "SDH")  # columns 1 to 6 of the seven labels
NEIGHBOURS = 15
Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Purity:
    """Of the 15 nearest neighbours in 512 dimensions, how many are alike, on average; 0 to 1.

    ICH: over all slices, the share with the same label. A subtype: over its slices, the share that shows it too.
    `chance`: the same share among all other slices. NaN where no slice counts.
    """

    label: str
    slices: int
    purity: float
    chance: float


def purities(features: Floats, flags: Flags, neighbours: int = NEIGHBOURS) -> tuple[Purity, ...]:
    """Return what is alike among each slice's nearest neighbours, itself left out, for ICH and each subtype."""
    near = nearest(features, neighbours)
    ich, total = flags[:, 0], len(flags)
    others = np.where(ich, ich.sum() - 1, (~ich).sum() - 1) / (total - 1)
    found = [
        Purity(
            label=SHOWN[0], slices=total, purity=float((ich[near] == ich[:, None]).mean()), chance=float(others.mean())
        )
    ]
    for number, name in enumerate(SHOWN[1:], start=1):
        has = flags[:, number]
        some = int(has.sum())
        share = float(has[near][has].mean()) if some else float("nan")
        found.append(
            Purity(label=name, slices=some, purity=share, chance=(some - 1) / (total - 1) if some else float("nan"))
        )
    return tuple(found)


def nearest(features: Floats, neighbours: int) -> npt.NDArray[np.intp]:
    """Return the places of each row's nearest other rows by Euclidean distance, (n, neighbours), the nearest first."""
    values = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    squares = (values**2).sum(axis=1)
    found = np.empty((len(values), min(neighbours, len(values) - 1)), np.intp)
    for start in range(0, len(values), 512):
        part = slice(start, start + 512)
        far = squares[part, None] + squares[None, :] - 2.0 * values[part] @ values.T
        far[np.arange(len(far)), np.arange(start, start + len(far))] = np.inf
        found[part] = np.argsort(far, axis=1, kind="stable")[:, : found.shape[1]]
    return found
