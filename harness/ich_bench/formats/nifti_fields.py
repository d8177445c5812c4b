"""Which fields of a NIfTI header lie where, and which rotation does its quaternion say.

Sources: nifti1.h and nifti2.h of the NIfTI Data Format Working Group (https://nifti.nimh.nih.gov). The numbers are
those of nibabel, to the bit, whose import takes longer than reading a hundred headers.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Order = Literal["<", ">"]
Matrix = npt.NDArray[np.float64]

_PLACES_1 = {
    "sizeof_hdr": ("i4", 0),
    "dim": ("8i2", 40),
    "intent_code": ("i2", 68),
    "datatype": ("i2", 70),
    "pixdim": ("8f4", 76),
    "vox_offset": ("f4", 108),
    "scl_slope": ("f4", 112),
    "scl_inter": ("f4", 116),
    "qform_code": ("i2", 252),
    "sform_code": ("i2", 254),
    "quatern": ("3f4", 256),
    "qoffset": ("3f4", 268),
    "srow": ("(3,4)f4", 280),
}
_PLACES_2 = {
    "sizeof_hdr": ("i4", 0),
    "datatype": ("i2", 12),
    "dim": ("8i8", 16),
    "pixdim": ("8f8", 104),
    "vox_offset": ("i8", 168),
    "scl_slope": ("f8", 176),
    "scl_inter": ("f8", 184),
    "qform_code": ("i4", 344),
    "sform_code": ("i4", 348),
    "quatern": ("3f8", 352),
    "qoffset": ("3f8", 376),
    "srow": ("(3,4)f8", 400),
    "intent_code": ("i4", 504),
}
_LAYOUTS = {
    size: np.dtype(
        {
            "names": list(places),
            "formats": [kind for kind, _ in places.values()],
            "offsets": [at for _, at in places.values()],
            "itemsize": size,
        }
    )
    for size, places in ((348, _PLACES_1), (540, _PLACES_2))
}
_NO_TURN = float(np.finfo(np.float32).eps) * 3  # of a quaternion's square, which float32 cannot tell from 1


def fields_of(header: bytes, order: Order) -> dict[str, Any]:
    """Return the fields of a NIfTI-1 (348 bytes) or NIfTI-2 header (540) by name, in the machine's byte order."""
    layout = _LAYOUTS[len(header)].newbyteorder(order)
    stored = np.frombuffer(header, dtype=layout, count=1)[0]
    return {name: stored[name].astype(stored[name].dtype.newbyteorder("=")) for name in layout.names or ()}


def sform_of(fields: dict[str, Any]) -> Matrix:
    """Return the affine of the three rows."""
    affine = np.eye(4)
    affine[:3] = fields["srow"]
    return affine


def qform_of(fields: dict[str, Any]) -> Matrix:
    """Return the affine of quaternion, offset and spacings; ValueError where the quaternion is longer than 1."""
    turn: npt.NDArray[np.longdouble] = np.asarray(fields["quatern"], dtype=np.longdouble)
    left = np.longdouble(1.0 - turn @ turn)
    if abs(left) < _limit(fields):
        left = np.longdouble(0)
    if left < 0:
        raise ValueError("the quaternion is longer than 1")
    w, x, y, z = np.sqrt(left), *turn
    twice = 2.0 / (w * w + x * x + y * y + z * z)
    wx, wy, wz = w * (x * twice), w * (y * twice), w * (z * twice)
    xx, xy, xz = x * (x * twice), x * (y * twice), x * (z * twice)
    yy, yz, zz = y * (y * twice), y * (z * twice), z * (z * twice)
    rotation = np.array(
        [[1.0 - (yy + zz), xy - wz, xz + wy], [xy + wz, 1.0 - (xx + zz), yz - wx], [xz - wy, yz + wx, 1.0 - (xx + yy)]]
    )
    mm = fields["pixdim"][1:4].copy()
    mm[-1] *= -1 if fields["pixdim"][0] < 0 else 1  # the standard reads 0 as 1
    affine = np.eye(4)
    affine[:3, :3] = np.dot(rotation, np.diag(mm))
    affine[:3, 3] = fields["qoffset"]
    return affine


def turn_of(rotation: Matrix) -> Matrix:
    """Return x, y, z of the quaternion (w at least 0) of a rotation without mirroring."""
    r = rotation
    products = np.array(  # of w, x, y, z with each other, four times
        [
            [1 + r[0, 0] + r[1, 1] + r[2, 2], r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], 1 + r[0, 0] - r[1, 1] - r[2, 2], r[0, 1] + r[1, 0], r[0, 2] + r[2, 0]],
            [r[0, 2] - r[2, 0], r[0, 1] + r[1, 0], 1 - r[0, 0] + r[1, 1] - r[2, 2], r[1, 2] + r[2, 1]],
            [r[1, 0] - r[0, 1], r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], 1 - r[0, 0] - r[1, 1] + r[2, 2]],
        ]
    )
    best = products[int(np.argmax(np.diag(products)))]
    turn = best / np.sqrt((best**2).sum())
    return np.asarray(turn[1:] * (-1 if turn[0] < 0 else 1), dtype=np.float64)


def _limit(fields: dict[str, Any]) -> float:
    return _NO_TURN if int(fields["sizeof_hdr"]) == 348 else float(np.finfo(np.float64).eps) * 3
