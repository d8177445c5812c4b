"""What every peer's driver shares: the pairs of a folder, as the peer's own users load them, and a CSV of results.

Every driver is called `with_PEER.py FOLDER OUT.csv`, reads FOLDER/reference and FOLDER/prediction, and computes of
Dice, precision, recall, Jaccard, relative volume difference, NSD at 2 mm, HD95 and ASSD what its library offers.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

TOLERANCE_MM = 2.0
Row = dict[str, float | str]


def paths(folder: Path) -> Iterator[tuple[str, Path, Path]]:
    """Yield (name, reference, prediction) of each pair, in order of name."""
    for reference in sorted((folder / "reference").glob("*.nii.gz")):
        yield reference.name, reference, folder / "prediction" / reference.name


def main(score: Callable[[Path, Path], Row]) -> None:
    """Score each pair of the folder on the command line and write a row for it, an error as a row too."""
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    rows: list[Row] = []
    for name, reference, prediction in paths(folder):
        try:
            rows.append({"case": name, **score(reference, prediction)})
        except Exception as fault:  # a peer that cannot score an empty mask still scores the others
            rows.append({"case": name, "error": f"{type(fault).__name__}: {fault}"})
            print(f"{name}: {type(fault).__name__}: {fault}", file=sys.stderr)
    fields = list(dict.fromkeys(key for row in rows for key in row))
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, fields)
        writer.writeheader()
        writer.writerows(rows)


def loaded(path: Path):
    """Return (mask, spacing in mm) by nibabel."""
    import nibabel as nib
    import numpy as np

    image = nib.load(path)
    return np.asanyarray(image.dataobj) > 0, tuple(float(mm) for mm in image.header.get_zooms()[:3])


def overlap(reference, prediction) -> Row:
    """Return what users compute beside a library that has distances only."""
    import numpy as np

    tp = int(np.count_nonzero(reference & prediction))
    r, p = int(np.count_nonzero(reference)), int(np.count_nonzero(prediction))
    return {
        "dice": 2 * tp / (r + p) if r + p else float("nan"),
        "precision": tp / p if p else float("nan"),
        "recall": tp / r if r else float("nan"),
        "jaccard": tp / (r + p - tp) if r + p else float("nan"),
        "rvd": (p - r) / r if r else float("nan"),
    }
