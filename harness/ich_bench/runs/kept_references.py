"""What follows from a reference mask alone, kept so that the next submission does not pay for it again.

An entry lies in the cache folder under the sha256 of the reference file's bytes, of how its values count, and of the
code that made it. It is written aside and renamed, so that it is whole or absent however many processes write, and it
holds a checksum of itself: one that is damaged counts as absent. Where all exceed MOST_BYTES, the oldest are deleted.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

import ich_bench
from ich_bench.metrics.components import Components
from ich_bench.metrics.corners import Surface
from ich_bench.metrics.packed import Rows
from ich_bench.metrics.side import Side
from ich_bench.places import cache_folder

MOST_BYTES = 2 * 2**30
LARGEST_BYTES = 2**27  # of one entry: a checkerboard would push out what the others need
VERSION = 1  # raised whenever what is kept, or how it is made, changes
_ARRAYS = ("begins", "labels", "sizes", "places", "codes", "bits")  # wide numbers first: each then lies aligned
_CHECK = 32


def key_of_reference(file_sha256: str, labels: Collection[float] | None) -> str:
    """Return the name of the entry of a file with these bytes, read with these labels."""
    parts = [
        VERSION,
        ich_bench.__version__,
        np.__version__,
        file_sha256,
        sorted(labels) if labels is not None else "0/1",
    ]
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def recall(key: str) -> tuple[Side, str] | None:
    """Return the side of a reference and the hash of its voxels; None where it is absent or damaged."""
    path = _folder() / key
    try:
        content = path.read_bytes()
        body = memoryview(content)[_CHECK:]
        if hashlib.sha256(body).digest() != content[:_CHECK]:
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # what was used last is deleted last
        return _unpacked(body)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def keep(key: str, side: Side, mask_sha256: str) -> None:
    """Keep an entry; a disk that is full or read-only is no reason to stop, since all of it can be made again."""
    folder = _folder()
    part = folder / f".{key}.{uuid.uuid4().hex}.part"
    body = _packed(side, mask_sha256)
    if len(body) > LARGEST_BYTES:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(hashlib.sha256(body).digest())
            file.write(body)
        part.replace(folder / key)
        _shrink(folder)
    except OSError:
        pass
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _folder() -> Path:
    return cache_folder() / "references"


def _packed(side: Side, mask_sha256: str) -> bytes:
    """Return a line of JSON that says what follows, then the arrays one after the other."""
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    first = None
    if side.rows is not None:
        first = side.rows.first
        surface, components = side.surface, side.components
        wide = (components.begins, components.labels, components.sizes)
        found = (*wide, surface.places, surface.codes, side.rows.bits)
        arrays = dict(zip(_ARRAYS, found, strict=True))
    listed = [[name, array.dtype.str, array.shape] for name, array in arrays.items()]
    about = {"shape": side.shape, "sha256": mask_sha256, "first": first, "arrays": listed}
    line = json.dumps(about).encode()
    line += b" " * (-(len(line) + 1) % 64) + b"\n"
    return b"".join([line, *(array.tobytes() for array in arrays.values())])


def _unpacked(body: memoryview) -> tuple[Side, str]:
    line = bytes(body[:4096]).split(b"\n", 1)[0]
    about = json.loads(line)
    at, arrays = len(line) + 1, {}
    for name, dtype, shape in about["arrays"]:
        count = int(np.prod(shape, dtype=np.int64))
        arrays[name] = np.frombuffer(body, dtype=dtype, count=count, offset=at).reshape(shape)
        at += arrays[name].nbytes
    x, y, z = about["shape"]
    if about["first"] is None:
        return Side((x, y, z), None), about["sha256"]
    slice_, row, byte = about["first"]
    side = Side(
        (x, y, z),
        Rows(first=(slice_, row, byte), bits=arrays["bits"]),
        surface=Surface(places=arrays["places"], codes=arrays["codes"]),
        components=Components(begins=arrays["begins"], labels=arrays["labels"], sizes=arrays["sizes"]),
    )
    return side, about["sha256"]


def _shrink(folder: Path) -> None:
    """Delete what was used longest ago until no more than MOST_BYTES are left; another process may do the same."""
    entries = []
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            about = path.stat()
            entries.append((about.st_mtime, about.st_size, path))
    held = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if held <= MOST_BYTES:
            return
        with contextlib.suppress(OSError):
            path.unlink()
        held -= size
