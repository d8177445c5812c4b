"""Which heads does phantom_difficulty.py measure? Heads drawn for it, kept as slices that a small network can take.

A head is drawn on its own 256 x 256 grid and scored there. For the network its slices are windowed to -50...150 HU,
8 bits, cut to the middle 224 x 256 pixels and averaged over `factor` x `factor` of them. Of thin slices one in about
5 mm is taken, for training and for scoring alike. The threshold's mask is made here, from the CT itself.
"""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_opening, gaussian_filter, label

from ich_bench.cases import SUBTYPES
from ich_bench.phantom import parameters as parameters_of
from ich_bench.phantom.draw import draw
from ich_bench.phantom.library import spread

Mask = NDArray[np.bool_]
WINDOW_HU = (-50.0, 150.0)  # Spahr 2023
CUT = (slice(16, 240), slice(0, 256))  # of 256 x 256 pixels: no cavity is wider
EVERY_MM = 5.0
THRESHOLD_HU, SMOOTHING_MM, LEAST_ML = (50.0, 90.0), 1.0, 0.1
OLD_HU = 4.0  # a subdural no more than this above brain is as dense as it, or darker


@dataclass(frozen=True, kw_only=True)
class DrawnHead:
    """One head, slices first. `slices` are uint8 as the network sees them, `target` the reference on their grid.

    `reference`, `cavity`, `threshold` and `subtypes` lie on the head's own grid, cut. Volumes are of the whole head.
    """

    name: str
    site: str
    slices: NDArray[np.uint8]
    target: Mask
    reference: Mask
    cavity: Mask
    threshold: Mask
    subtypes: dict[str, Mask]
    volumes_ml: dict[str, float]
    sdh_over_brain_hu: float  # NaN without a subdural

    @property
    def ill(self) -> bool:
        """Return whether anything bled."""
        return self.volume_ml > 0

    @property
    def volume_ml(self) -> float:
        """Return the reference's volume."""
        return self.volumes_ml["all"]

    @property
    def main_subtype(self) -> str:
        """Return the subtype that holds most of the reference; "" in a healthy head."""
        return max(SUBTYPES, key=self.volumes_ml.__getitem__) if self.ill else ""

    @property
    def dark_sdh(self) -> bool:
        """Return whether its subdural is about as dense as brain, or darker."""
        return bool(self.sdh_over_brain_hu < OLD_HU)


@dataclass(frozen=True, kw_only=True)
class Part:
    """Heads of one site, so many with ICH and healthy. Two parts ("train", "test") or seeds never share a head."""

    site: str
    part: str
    ill: int
    healthy: int
    seed: int
    factor: int
    folder: Path


def heads(part: Part, *, jobs: int) -> list[DrawnHead]:
    """Return the heads of a part, drawn now or earlier into its folder."""
    wanted = [(True, number) for number in range(part.ill)] + [(False, number) for number in range(part.healthy)]
    stem = f"{part.site}-{part.part}{part.seed}"
    paths = [
        part.folder / f"{stem}-{'ich' if ill else 'healthy'}-{number:03}-{part.factor}.npz" for ill, number in wanted
    ]
    waiting = [(part, *one, path) for one, path in zip(wanted, paths, strict=True) if not path.exists()]
    for _ in spread(_draw_into, waiting, jobs=jobs):
        pass
    return [_loaded(path, part.site) for path in paths]


def default_folder() -> Path:
    """Return where heads are kept between runs: a folder named by the code that draws them."""
    code = sorted(Path(parameters_of.__file__).parent.glob("*.py"))
    mark = hashlib.sha256(b"".join(path.read_bytes() for path in code)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"phantom-difficulty-{mark}"


def stacked(drawn: Iterable[DrawnHead]) -> tuple[NDArray[np.uint8], Mask]:
    """Return all slices and targets of the heads."""
    drawn = list(drawn)
    return np.concatenate([one.slices for one in drawn]), np.concatenate([one.target for one in drawn])


def threshold(hu: NDArray[np.int16], cavity: Mask, spacing_mm: tuple[float, float, float]) -> Mask:
    """Return what lies at 50-90 HU inside the cavity after smoothing, opened in plane, without pieces under 0.1 mL."""
    sigma = (SMOOTHING_MM / spacing_mm[0], SMOOTHING_MM / spacing_mm[1], 0)
    smooth = gaussian_filter(np.clip(hu, -100, 200).astype(np.float32), sigma)
    found = (smooth >= THRESHOLD_HU[0]) & (smooth <= THRESHOLD_HU[1]) & cavity
    found = binary_opening(found, np.ones((3, 3, 1), bool))
    pieces, _ = label(found, np.ones((3, 3, 3), bool))
    large = np.bincount(pieces.ravel()) * float(np.prod(spacing_mm)) / 1000.0 >= LEAST_ML
    large[0] = False
    kept: Mask = large[pieces]
    return kept


def _draw_into(part: Part, ill: bool, number: int, path: Path) -> None:
    seed = [zlib.crc32(part.part.encode()), parameters_of.PHANTOM_VERSION, part.seed, ord(part.site), int(ill), number]
    rng = np.random.Generator(np.random.PCG64(seed))
    head = draw("difficulty", rng, site=part.site, bleeds=None if ill else ())
    spacing_mm = head.facts.spacing_mm
    voxel_ml = head.geometry.voxel_volume_mm3 / 1000.0
    volumes = [head.reference.sum() * voxel_ml, *(head.subtype_masks[name].sum() * voxel_ml for name in SUBTYPES)]
    sdh, any_blood = head.truth_masks["sdh"], head.truth
    over = np.median(head.hu[sdh]) - np.median(head.hu[head.cavity & ~any_blood]) if sdh.any() else np.nan
    step = max(1, round(EVERY_MM / spacing_mm[2]))
    masks = [head.reference, head.cavity, threshold(head.hu, head.cavity, spacing_mm)]
    masks += [head.subtype_masks[name] for name in SUBTYPES]
    native = np.stack([_slices(mask, step) for mask in masks])
    window = (_slices(head.hu, step) - WINDOW_HU[0]) / (WINDOW_HU[1] - WINDOW_HU[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part.npz")
    np.savez(
        aside,
        slices=np.rint(255 * _reduced(window.clip(0, 1), part.factor)).astype(np.uint8),
        target=np.packbits(_reduced(native[0], part.factor) >= 0.5),
        native=np.packbits(native),
        shape=native.shape,
        facts=np.array([*volumes, over]),
    )
    aside.replace(path)


def _slices(array: NDArray[np.generic], step: int) -> NDArray[np.generic]:
    return np.moveaxis(array[(*CUT, slice(step // 2, None, step))], 2, 0)


def _reduced(planes: NDArray[np.generic], factor: int) -> NDArray[np.float64]:
    """Return the means of factor x factor pixels."""
    count, across, along = planes.shape
    return planes.reshape(count, across // factor, factor, along // factor, factor).mean(axis=(2, 4), dtype=np.float64)


def _loaded(path: Path, site: str) -> DrawnHead:
    with np.load(path) as held:
        shape, slices, facts = tuple(held["shape"]), held["slices"], held["facts"]
        native = np.unpackbits(held["native"], count=int(np.prod(shape))).reshape(shape).astype(bool)
        target = np.unpackbits(held["target"], count=slices.size).reshape(slices.shape).astype(bool)
    return DrawnHead(
        name=path.stem,
        site=site,
        slices=slices,
        target=target,
        reference=native[0],
        cavity=native[1],
        threshold=native[2],
        subtypes=dict(zip(SUBTYPES, native[3:], strict=True)),
        volumes_ml=dict(zip(("all", *SUBTYPES), facts[:-1].tolist(), strict=True)),
        sdh_over_brain_hu=float(facts[-1]),
    )
