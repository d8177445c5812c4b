"""Which sign vectors a permutation test goes through, and what share of them is as extreme."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ich_bench.statistics.samples import Values

DRAWS = 20_000
EXACT_UP_TO = 14  # cases: 2**14 sign vectors are fewer than DRAWS
BLOCK_BYTES = 64 * 2**20


@dataclass(frozen=True, kw_only=True)
class SignVectors:
    """One sign per case and draw, kept as bits so that what is drawn does not depend on how it is worked through.

    When `exact`, the last sign stays +: the other half of all vectors gives the same |T|.
    """

    bits: NDArray[np.uint8]
    n: int
    exact: bool

    @classmethod
    def draw(cls, n: int, *, rng: np.random.Generator, draws: int) -> SignVectors:
        """Return all sign vectors of up to 14 cases, else `draws` random ones (ValueError below 1)."""
        if draws < 1:
            raise ValueError(f"at least one draw is needed, not {draws}")
        if n <= EXACT_UP_TO:
            numbers = np.arange(2 ** max(0, n - 1), dtype=np.uint16)[:, None]
            return cls(bits=np.packbits((numbers >> np.arange(n)) & 1, axis=1, bitorder="little"), n=n, exact=True)
        bits = rng.integers(0, 256, size=(draws, (n + 7) // 8), dtype=np.uint8)
        return cls(bits=bits, n=n, exact=False)

    @property
    def count(self) -> int:
        """The number of sign vectors that p is a share of."""
        return len(self.bits) * (2 if self.exact and self.n else 1)

    def blocks(self, *, values: int, rows: int | None = None) -> Iterator[Values]:
        """Yield the vectors (draws × cases) as −1.0 and 1.0, `rows` at a time or as `values` floats a draw allow."""
        step = rows or max(1, BLOCK_BYTES // (8 * max(1, values)))
        for start in range(0, len(self.bits), step):
            unpacked = np.unpackbits(self.bits[start : start + step], axis=1, count=self.n, bitorder="little")
            yield 1.0 - 2.0 * unpacked.astype(np.float64)

    def p_values(self, hits: NDArray[np.int64]) -> Values:
        """Return the p-value of each count of vectors at least as extreme: its share, or (b + 1) / (m + 1)."""
        b, m = hits.astype(np.float64), len(self.bits)
        return b / m if self.exact else (b + 1) / (m + 1)


def fixed_point(scores: Values) -> Values:
    """Return finite scores (cases × methods) in whole units of 1e-12, so that signed sums of them are exact.

    Where such a sum could pass 2**52 (Dice over 4,500 volumes, mm over 10) the unit is a larger power of ten. Exact
    sums do not depend on the order of adding, so neither threads nor blocks can decide whether two statistics are
    equal; a decimal unit keeps the ties of scores that were stored to a few decimals.
    """
    largest = float(np.abs(scores).max(initial=0.0)) * max(1, len(scores))
    places = 12 if largest == 0 else min(12, math.floor(math.log10(2.0**52 / largest)))
    return np.asarray(np.rint(scores * 10.0**places))
