"""How far are surface distances on a tilted grid from distances in the room? Prints a table by tilt.

Run it with `python benchmarks/tilt.py`. The pairs are the eight bleeds of phantom-mini, each against a copy that is
MOVED against the tilt and grown by one voxel; the same voxels are then given a gantry tilt, as drawn (5 mm slices) and
cut into thin slices. Surfaces are the centres of boundary voxels, without area weights, measured with the grid's
spacings (as every published evaluator does) and with the affine.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion
from scipy.spatial import cKDTree

from ich_bench.datasets import load_dataset
from ich_bench.volume import open_mask

TILTS_DEG = (5.0, 10.0, 18.5, 24.0)
MOVED = (0, 3, -1)


def tilted(spacing_mm: tuple[float, float, float], tilt_deg: float) -> NDArray[np.float64]:
    """Return the matrix of a gantry tilt: columns of these norms, the third leaning from the second by the angle."""
    slices = spacing_mm[2]
    matrix = np.diag(spacing_mm)
    matrix[:, 2] = (0, slices * math.sin(math.radians(tilt_deg)), slices * math.cos(math.radians(tilt_deg)))
    return matrix


def distances(
    reference: NDArray[np.bool_], prediction: NDArray[np.bool_], matrix: NDArray[np.float64]
) -> dict[str, float]:
    """Return hd95, assd and nsd_2mm between the boundary voxels' centres, brought to the room by the matrix."""
    points = [np.argwhere(mask & ~binary_erosion(mask)) @ matrix.T for mask in (reference, prediction)]
    there, back = cKDTree(points[1]).query(points[0])[0], cKDTree(points[0]).query(points[1])[0]
    both = np.concatenate([there, back])
    return {
        "hd95": max(float(np.quantile(there, 0.95)), float(np.quantile(back, 0.95))),
        "assd": float(both.mean()),
        "nsd_2mm": float((both <= 2 + 1e-6).mean()),
    }


def row(bleeds: list[tuple[NDArray[np.bool_], tuple[float, float, float]]], *, tilt_deg: float, cuts: int) -> str:
    """Return one line of the table: mean and largest difference over the bleeds, every slice cut into so many."""
    off: dict[str, list[float]] = {"hd95": [], "assd": [], "nsd_2mm": []}
    for reference, (across_mm, along_mm, slices_mm) in bleeds:
        prediction = binary_dilation(np.roll(reference, MOVED, axis=(0, 1, 2)))
        pair = [np.repeat(mask, cuts, axis=2) for mask in (reference, prediction)]
        spacing_mm = (across_mm, along_mm, slices_mm / cuts)
        grid = distances(*pair, np.diag(spacing_mm))
        room = distances(*pair, tilted(spacing_mm, tilt_deg))
        off["nsd_2mm"].append(abs(grid["nsd_2mm"] - room["nsd_2mm"]))
        for name in ("hd95", "assd"):
            off[name].append(100 * abs(grid[name] / room[name] - 1))
    cells = [f"{np.mean(off[name]):.1f} %, at most {max(off[name]):.1f} %" for name in ("hd95", "assd")]
    cells.append(f"{np.mean(off['nsd_2mm']):.3f}, at most {max(off['nsd_2mm']):.3f}")
    volume = f"{100 * (1 / math.cos(math.radians(tilt_deg)) - 1):.1f} %"
    return "| " + " | ".join([f"{tilt_deg:g}°", "5 mm" if cuts == 1 else f"{5 / cuts:g} mm", *cells, volume]) + " |"


def main() -> None:
    masks = [open_mask(case.reference) for case in load_dataset("phantom-mini").cases if case.reference]
    bleeds = [(mask.voxels(), mask.geometry.spacing_mm) for mask in masks]
    bleeds = [(voxels, spacing_mm) for voxels, spacing_mm in bleeds if voxels.any()]
    print("| tilt | slices | hd95 off by | assd off by | nsd_2mm off by | product of spacings too large by |")
    print("|---:|---:|---:|---:|---:|---:|")
    for cuts in (1, 8):
        for tilt_deg in TILTS_DEG:
            print(row(bleeds, tilt_deg=tilt_deg, cuts=cuts))


if __name__ == "__main__":
    main()
