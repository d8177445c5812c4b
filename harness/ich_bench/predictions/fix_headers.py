"""Prediction headers put right, where it is provable that the voxels are those of the CT's grid."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from ich_bench.cases import Dataset, Scheme
from ich_bench.errors import VolumeError
from ich_bench.formats.nifti import HEADER_BYTES, parse_header
from ich_bench.geometry import Geometry, Matrix, differences, shape_text, shear_free
from ich_bench.predictions.asked import wanted_values
from ich_bench.predictions.rewritten import Changed, Grids, Progress, Rewritten, rewrite
from ich_bench.volume import MaskFile, open_mask, open_regular, rest_of

nib: Any = nibabel  # its functions carry no types
TOLERANCE_VOXELS = 0.1  # at every corner of the grid
Order = tuple[tuple[int, int], ...]  # nibabel's orientation: for each axis of the file, the CT's axis and direction
_AS_STORED: Order = ((0, 1), (1, 1), (2, 1))


def fix_headers(
    dataset: Dataset,
    folder: Path,
    out: Path,
    *,
    assume_ct_grid: bool = False,
    labels: Collection[float] | float | None = None,
    scheme: Scheme | str | None = None,
    rename: str | None = None,
    map_file: Path | None = None,
    progress: Progress | None = None,
) -> Rewritten:
    """Write a prediction folder anew with the CT's header on every mask, and return where it lies.

    No voxel is resampled. A mask qualifies when its shape is the CT's and its sform or its qform is one of the forms of
    the CT or the reference within a tenth of a voxel at every corner: the affine in use, the qform, or the affine
    without its gantry tilt, which is all that a qform or ITK can hold. It also qualifies when it is such a form with
    the axes in another order or direction: the voxels are then re-ordered, which loses nothing. Where both its forms
    qualify they must ask for the same order. What happens to the folder is told in `rewrite`.

    Args:
        dataset: Its CTs give the headers.
        folder: A submission or a bare folder of masks.
        out: A new or empty folder.
        assume_ct_grid: Take a mask of the CT's shape whose header says nowhere how it lies to be stored as the CT is.
        labels: The voxel values that count as hemorrhage, where they are not 0/1 or 0/255.
        scheme: The fold scheme of the folder; None: the official one.
        rename: Pattern with `{case_id}` for masks named otherwise.
        map_file: CSV with the columns file and case_id for masks named otherwise.
        progress: Called with (done, total) after each mask.

    Raises:
        InputError: with the reason for every mask that does not qualify, and what to do about it.
    """
    wanted = wanted_values(labels)

    def change(path: Path, grids: Grids) -> Changed:
        unoriented = _unoriented(path, grids[0])
        if unoriented is not None:
            _check_assumed(unoriented.geometry, grids[0], assume_ct_grid=assume_ct_grid)
            words = ("says nowhere how it lies; it was taken to be stored as the CT is.",)
            return Changed(mask=unoriented.voxels(wanted), warnings=words)
        file = open_mask(path)
        order = proven_order(file.geometry, grids)
        mask = nib.orientations.apply_orientation(file.voxels(wanted), np.array(order))
        told = "" if order == _AS_STORED else f"voxels re-ordered from {file.geometry.orientation} to the CT's order."
        return Changed(mask=np.ascontiguousarray(mask), warnings=(told,) if told else ())

    return rewrite(
        dataset, folder, out, step="fix-headers", change=change, scheme=scheme, rename=rename, map_file=map_file,
        progress=progress,
    )  # fmt: skip


def proven_order(mask: Geometry, grids: Grids) -> Order:
    """Return how the mask's axes have to be re-ordered to be the CT's; VolumeError where its header proves none.

    `grids` holds the CT's grid, then the reference's where there is one: a mask that `evaluate` would take on either
    stays as it is stored.
    """
    if not differences(mask, *grids):
        return _AS_STORED
    claims: dict[str, Matrix] = {"sform" if mask.qform else "affine": mask.matrix}
    if mask.qform is not None:
        claims["qform"] = np.array(mask.qform)
    orders = {order for claim in claims.values() if (order := _order(claim, mask.shape, grids)) is not None}
    if len(orders) == 1:
        return orders.pop()
    if orders:
        raise VolumeError(
            "its sform and its qform both lie on the CT's grid, but with the voxels in different orders.",
            "Set both to what the program that wrote the mask had loaded.",
        )
    raise _refusal(claims, mask, grids[0])


def _order(claim: Matrix, shape: tuple[int, int, int], grids: Grids) -> Order | None:
    """Return the order in which an array with this affine is the CT's grid, or None."""
    for form in (form for grid in grids for form in _forms(grid)):
        axes = nib.io_orientation(np.linalg.solve(form, claim))
        if np.isnan(axes).any():
            continue
        order: Order = tuple((int(axis), int(sign)) for axis, sign in axes)
        ordered = [shape[[axis for axis, _ in order].index(wanted)] for wanted in range(3)]
        if tuple(ordered) != grids[0].shape:
            continue
        to_form = np.linalg.solve(form, claim @ nib.orientations.inv_ornt_aff(axes, shape))
        corners = np.array([[*corner, 1] for corner in product(*((0, n - 1) for n in ordered))], dtype=np.float64)
        if np.abs(corners @ to_form.T - corners).max() <= TOLERANCE_VOXELS:
            return order
    return None


def _forms(grid: Geometry) -> list[Matrix]:
    forms = [grid.matrix, shear_free(grid.matrix)]
    return forms if grid.qform is None else [*forms, np.array(grid.qform)]


def _refusal(claims: Mapping[str, Matrix], mask: Geometry, grid: Geometry) -> VolumeError:
    regrid = "If its header is right, `ich-bench regrid` resamples it; if not, write it anew with the CT's affine."
    if sorted(mask.shape) != sorted(grid.shape):
        what = f"has {shape_text(mask.shape)} voxels, the CT {shape_text(grid.shape)}: not the same grid."
        return VolumeError(what, "`ich-bench regrid` resamples it, if its header is right.")
    if len(claims) > 1 and differences(mask):
        what = "its sform and qform contradict each other, and neither is the CT's."
        return VolumeError(
            what, "Write it anew with the CT's affine: only the program that wrote it knows how it lies."
        )
    words = differences(Geometry.of(mask.shape, mask.affine), grid)
    what = words[0].split(". ")[0] if words else "its affine is not the CT's"
    return VolumeError(f"{what}; its header does not prove that its voxels are the CT's.", regrid)


def _check_assumed(mask: Geometry, grid: Geometry, *, assume_ct_grid: bool) -> None:
    if mask.shape != grid.shape:
        raise VolumeError(
            f"its header says nowhere how it lies in the head, and it has {shape_text(mask.shape)} voxels, the CT "
            f"{shape_text(grid.shape)}.",
            "Write it anew with the CT's shape and affine.",
        )
    if not assume_ct_grid:
        raise VolumeError(
            "its header says nowhere how it lies in the head (neither sform nor qform is set), so nothing is proven.",
            "If you know that it is stored voxel by voxel as the CT is, add --assume-ct-grid.",
        )


def _unoriented(path: Path, grid: Geometry) -> MaskFile | None:
    """Return a NIfTI file that codes neither sform nor qform, as if on the CT's affine; None for any other file.

    `open_mask` refuses such a file, rightly; all its other checks are made here too.
    """
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        return None
    with open_regular(path) as file:
        begin = file.read(64 * 1024)
        gzipped = begin[:2] == b"\x1f\x8b"
        try:
            claimed = zlib.decompressobj(31).decompress(begin, HEADER_BYTES) if gzipped else begin[:HEADER_BYTES]
            fields = _fields(claimed)
        except (zlib.error, nib.spatialimages.HeaderDataError, nib.wrapstruct.WrapStructError):
            return None  # broken in another way: open_mask says how
        if int(fields["sform_code"]) > 0 or int(fields["qform_code"]) > 0:
            return None
        fields.set_sform(grid.matrix, 1)
        header = parse_header(fields.binaryblock + claimed[len(fields.binaryblock) :], gzipped=False)
        header = replace(header, wbits=31 if gzipped else 0)
        if header.slope < 0 or header.intercept != 0:
            raise VolumeError("its header scales or shifts the values.", "Save the mask as uint8 with 0 and 1.")
        data = begin + rest_of(file, len(begin), header)
    return MaskFile(path=path, data=data, sha256=hashlib.sha256(data).hexdigest(), header=header)


def _fields(begin: bytes) -> Any:
    if len(begin) >= 540 and 540 in (int.from_bytes(begin[:4], "little"), int.from_bytes(begin[:4], "big")):
        return nib.Nifti2Header(begin[:540], check=False)
    return nib.Nifti1Header(begin[:348], check=False)
