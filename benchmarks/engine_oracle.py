"""Does the fast engine give what the surface-distance package gives, on N drawn pairs of masks of every awkward kind?

    python benchmarks/engine_oracle.py 100000 [FIRST_SEED]

Draws pairs (sizes, spacings, border-touching, single voxels, identical, disjoint, checkerboard, empty; see
`tests/engine_pairs.py`), scores each with both engines, and prints every difference: counts at all, values by more than
1e-9. Exit status 1 where there is one.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from engine_pairs import differences, drawn_pair


def main(pairs: int, first: int) -> int:
    warnings.filterwarnings("ignore", category=DeprecationWarning)  # surface-distance 0.1 calls SciPy by old names
    wrong = 0
    for seed in range(first, first + pairs):
        for told in differences(*drawn_pair(np.random.default_rng(seed))):
            wrong += 1
            print(f"seed {seed}: {told}")
        if (seed - first + 1) % 10_000 == 0:
            print(f"{seed - first + 1} pairs, {wrong} differences", flush=True)
    print(f"{pairs} pairs, {wrong} differences")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
