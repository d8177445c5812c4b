"""On which slices is the speed measured: drawn on the fly, the same ones for both ways?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ich_bench.geometry import Geometry
from ich_bench.metrics.masks import on_square
from ich_bench.volume import CT
from ich_bench_baselines.data.guard import Guard
from ich_bench_baselines.data.pixels import BRAIN, image_of
from ich_bench_baselines.data.slices import SliceSet
from ich_bench_baselines.data.streams import Stream

NATIVE = 2  # pixels of a scanner's slice for each that the network sees: 512 and 256
WITH_ICH = 3  # every third slice, as in the mixed training
_AIR_HU, _BONE_HU, _BRAIN_HU, _BLOOD_HU, _NOISE_HU = -1000.0, 900.0, 35.0, 68.0, 6.0


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Slices as a scanner gives them, `hu` float32 and `masks` bool (n, native, native), and as the cache holds them.

    `stream` takes all of them; `head` is a CT of some of them, to predict on.
    """

    hu: npt.NDArray[np.float32]
    masks: npt.NDArray[np.bool_]
    slices: SliceSet
    stream: Stream
    head: CT

    def __len__(self) -> int:
        """Return the number of slices."""
        return len(self.hu)


def sample(folder: Path, count: int, side: int, *, depth: int, seed: int = 0) -> Sample:
    """Return so many drawn slices, cached in a folder at `side` pixels; the head has `depth` of them.

    They are ellipses of bone around noise, a bright blob in every third: enough to time a training and to see a loss
    fall, no heads to learn from.
    """
    native = NATIVE * side
    rng = np.random.default_rng(seed)
    hu = np.empty((count, native, native), np.float32)
    masks = np.zeros((count, native, native), np.bool_)
    for place in range(count):
        hu[place], masks[place] = _drawn(native, place % WITH_ICH == 0, rng)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "images.npy", np.stack([image_of(one, BRAIN, side) for one in hu]))
    np.save(folder / "masks.npy", np.stack([on_square(one[:, :, None], side)[:, :, 0] for one in masks]).astype("u1"))
    names = [f"drawn-{place}" for place in range(count)]
    index = pd.DataFrame({"case_id": names, "patient_id": names, "slice_id": names})
    cached = SliceSet(dataset="drawn", key="bench", folder=folder, window=BRAIN, side=side, index=index)
    positive = np.asarray(masks.any(axis=(1, 2)))
    stream = Stream(rows=np.arange(count, dtype=np.int64), positive=positive, guard=Guard(), about="drawn")
    volume = np.ascontiguousarray(hu[np.arange(depth) % count].transpose(2, 1, 0))
    grid = Geometry.of((native, native, depth), np.diag([-220 / native, -220 / native, 5.0, 1.0]))
    return Sample(hu=hu, masks=masks, slices=cached, stream=stream, head=CT(hu=volume, geometry=grid))


def _drawn(
    native: int, with_ich: bool, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return one slice in HU and its mask."""
    rows, columns = np.mgrid[-1 : 1 : native * 1j, -1 : 1 : native * 1j]
    tall, wide = rng.uniform(0.75, 0.9), rng.uniform(0.6, 0.75)
    away = (rows / tall) ** 2 + (columns / wide) ** 2
    hu = np.where(away < 1, _BONE_HU, _AIR_HU)
    hu[away < 0.85] = _BRAIN_HU
    blood = np.zeros(hu.shape, np.bool_)
    if with_ich:
        row, column = rng.uniform(-0.35, 0.35, 2)
        reach = rng.uniform(0.08, 0.2)
        blood = (rows - row) ** 2 + 2 * (columns - column) ** 2 < reach**2
        hu[blood] = _BLOOD_HU
    hu += rng.normal(0, _NOISE_HU, hu.shape)
    return hu.astype(np.float32), blood
