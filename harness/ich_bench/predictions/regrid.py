"""Masks brought onto their CT's grid: nearest neighbour by world coordinates, gantry tilt included."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ich_bench.cases import Dataset, Scheme
from ich_bench.errors import VolumeError
from ich_bench.geometry import Geometry, differences
from ich_bench.predictions.asked import wanted_values
from ich_bench.predictions.rewritten import Changed, Grids, Progress, Rewritten, rewrite
from ich_bench.volume import open_mask

SMALL_OVERLAP = 0.5  # of the smaller grid
_SLACK = 1e-4  # voxels: halfway between two voxels the one of higher index is taken, whatever float32 headers say
_SAMPLES = 24  # points along each axis on which the overlap of two grids is estimated


def regrid(
    dataset: Dataset,
    folder: Path,
    out: Path,
    *,
    labels: Collection[float] | float | None = None,
    scheme: Scheme | str | None = None,
    rename: str | None = None,
    map_file: Path | None = None,
    progress: Progress | None = None,
) -> Rewritten:
    """Write a prediction folder anew with every mask on its CT's grid, and return where it lies.

    Each CT voxel takes the value of the mask voxel whose centre is nearest in the mask's own axes, as both headers
    place them in the world; 0 outside the mask's grid. A mask that lies on the CT's or the reference's grid already is
    kept voxel by voxel, as `evaluate` would take it. What happens to the folder is told in `rewrite`.

    Args:
        dataset: Its CTs give the grids.
        folder: A submission or a bare folder of masks, in any orientation, spacing and shape.
        out: A new or empty folder.
        labels: The voxel values that count as hemorrhage, where they are not 0/1 or 0/255.
        scheme: The fold scheme of the folder; None: the official one.
        rename: Pattern with `{case_id}` for masks named otherwise.
        map_file: CSV with the columns file and case_id for masks named otherwise.
        progress: Called with (done, total) after each mask.

    Raises:
        InputError: with every problem of every file, such as a header that says nowhere how the mask lies.
    """
    wanted = wanted_values(labels)

    def change(path: Path, grids: Grids) -> Changed:
        file, grid = open_mask(path), grids[0]
        if not differences(file.geometry, *grids):
            return Changed(mask=file.voxels(wanted))
        contradiction = differences(file.geometry)
        if contradiction:
            mend = "`ich-bench fix-headers` can mend it where one of the two is the CT's."
            raise VolumeError(contradiction[0].split(". ")[0] + ".", mend)
        mask = file.voxels(wanted)
        brought = resample(mask, file.geometry, grid)
        return Changed(mask=brought, warnings=tuple(_warnings(mask, brought, file.geometry, grid)))

    return rewrite(
        dataset, folder, out, step="regrid", change=change, scheme=scheme, rename=rename, map_file=map_file,
        progress=progress,
    )  # fmt: skip


def resample(mask: NDArray[np.bool_], source: Geometry, target: Geometry) -> NDArray[np.bool_]:
    """Return the mask on the target's grid, by nearest neighbour in the source's index space; 0 outside the source.

    A source voxel reaches half a voxel around its centre, so the outermost ones cover the edge of their grid.
    """
    to_source = np.linalg.solve(source.matrix, target.matrix)
    brought: NDArray[np.uint8] = ndimage.affine_transform(
        mask.astype(np.uint8),
        to_source[:3, :3],
        to_source[:3, 3] + _SLACK,
        output_shape=target.shape,
        order=0,
        mode="grid-constant",
    )
    return brought.astype(np.bool_)


def _warnings(mask: NDArray[np.bool_], brought: NDArray[np.bool_], source: Geometry, target: Geometry) -> list[str]:
    words = []
    total = int(np.count_nonzero(mask))
    outside = _outside(mask, source, target)
    if outside:
        volume_ml = outside * source.voxel_volume_mm3 / 1000
        share = f"{outside / total:.1%} of the mask" if outside < total else "all of the mask"
        words.append(f"{share} ({volume_ml:.3g} mL) lies outside the CT and is lost.")
    if total and not brought.any():
        words.append("the mask is empty now: no voxel of the CT lies in it.")
    overlap = max(_share_inside(source, target), _share_inside(target, source))
    if overlap < SMALL_OVERLAP:
        words.append(f"the grids of mask and CT share {overlap:.0%} of the smaller one: is the mask's header right?")
    return words


def _outside(mask: NDArray[np.bool_], source: Geometry, target: Geometry) -> int:
    """Return how many mask voxels have their centre outside the target's grid; slice by slice, to stay small."""
    count = 0
    for k in np.flatnonzero(mask.any(axis=(0, 1))):
        plane = np.argwhere(mask[:, :, k]).astype(np.float64)
        count += int(np.count_nonzero(~_inside(np.c_[plane, np.full(len(plane), k)], source, target)))
    return count


def _share_inside(source: Geometry, target: Geometry) -> float:
    """Return the share of the source's grid, 0 to 1, that lies within the target's."""
    middles = [(np.arange(_SAMPLES) + 0.5) / _SAMPLES * n - 0.5 for n in source.shape]
    points = np.stack(np.meshgrid(*middles, indexing="ij"), axis=-1).reshape(-1, 3)
    return float(_inside(points, source, target).mean())


def _inside(points: NDArray[np.float64], source: Geometry, target: Geometry) -> NDArray[np.bool_]:
    to_target = np.linalg.solve(target.matrix, source.matrix)
    there = points @ to_target[:3, :3].T + to_target[:3, 3]
    inside: NDArray[np.bool_] = ((there >= -0.5 - _SLACK) & (there <= np.array(target.shape) - 0.5 + _SLACK)).all(
        axis=1
    )
    return inside
