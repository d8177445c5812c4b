"""How do the classifier's maps become pseudo-masks on disk, piece by piece, and train the light network?

A piece is some sequences; it is written beside its place and renamed, so that a stage that was killed goes on after
the last whole piece. The folder's name ends in the key of the classifier's weights, the slices and the refinement.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import os
import shutil
import time
import uuid
import zipfile
import zlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ich_bench.errors import IchBenchError
from ich_bench.places import write_json, write_text
from ich_bench_baselines import checkpoint, distributed, train
from ich_bench_baselines.data.loader import Pool
from ich_bench_baselines.data.slices import key_of
from ich_bench_baselines.data.streams import Rows, Stream
from ich_bench_baselines.hardware import hardware
from ich_bench_baselines.job import Job
from ich_bench_baselines.ramananda.cam import both_ways, upsampled
from ich_bench_baselines.ramananda.refine import Refinement, pseudo_mask
from ich_bench_baselines.ramananda.sequences import Windows, in_turn
from ich_bench_baselines.ramananda.settings import (
    Classifier,
    Seen,
    WeakSettings,
    about_stage,
    load_classifier,
    run_of,
)
from ich_bench_baselines.ramananda.weak import WeakSlices, counted
from ich_bench_baselines.segment import ABOUT, first_network, segmentation_step, thinned
from ich_bench_baselines.spahr.settings import fit_of

MASKS, ROWS = "masks.npy", "rows.npy"
_WINDOWS_A_PIECE, _WINDOWS_AT_ONCE = 64, 8
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class PseudoMasks:
    """Masks (n, side, side), 0 and 1, of rows of a cache, in the order in which they were made.

    `rows` ascend; `masked` says which of them hold any pixel, and `at` which of the masks is theirs.
    """

    folder: Path
    rows: Rows
    masked: npt.NDArray[np.bool_]
    at: Rows

    @cached_property
    def masks(self) -> Bytes:
        """The pseudo-masks, uint8, mapped into memory."""
        return np.load(self.folder / MASKS, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Pseudo-masks as an array over all rows of a cache: zeros where a slice has none, as a loader reads masks."""

    held: PseudoMasks
    count: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return (rows of the cache, side, side)."""
        return self.count, *self.held.masks.shape[1:]

    dtype = np.dtype(np.uint8)

    def __getitem__(self, rows: Rows) -> Bytes:
        """Return the masks of these rows."""
        found = np.zeros((len(rows), *self.shape[1:]), np.uint8)
        at = np.minimum(np.searchsorted(self.held.rows, rows), max(len(self.held.rows) - 1, 0))
        has = self.held.rows[at] == rows if len(self.held.rows) else np.zeros(len(rows), np.bool_)
        found[has] = self.held.masks[self.held.at[at[has]]]
        return found


@dataclass(frozen=True, kw_only=True)
class PseudoSlices(WeakSlices):
    """Slices whose masks are the pseudo-masks: what the light network is trained on."""

    masks: Spread


class Piece(NamedTuple):
    """What was made of some sequences: rows with ICH, their masks, and how long it took."""

    rows: Rows
    masks: Bytes
    seconds: float


def pseudo_masks(job: Job, settings: WeakSettings, seen: Seen, classifier: Path, out: Path) -> PseudoMasks:
    """Return the pseudo-masks of all slices with ICH that are seen, made now where they are not there yet.

    Only slices that their label calls ICH get one: of the others the label says that there is none.
    """
    weights = checkpoint.read(classifier).weights
    key = key_of(
        {
            "weights": checkpoint.weights_sha256(weights),
            "refinement": dataclasses.asdict(settings.refinement),
            "slices": seen.slices.key,
            "sequences": [seen.stream.rows[seen.windows.places].tolist(), seen.windows.counts.tolist()],
        }
    )
    folder = out / f"pseudo-{key}"
    device = run_of(job, out).device
    if distributed.leads() and not (folder / ABOUT).is_file():
        _make(job, settings, seen, classifier, folder, device)
    distributed.wait()
    rows = np.load(folder / ROWS, allow_pickle=False)
    return PseudoMasks(folder=folder, rows=rows["row"], masked=rows["masked"], at=rows["at"])


def _make(job: Job, settings: WeakSettings, seen: Seen, classifier: Path, folder: Path, device: str) -> None:
    parts = folder / "pieces"
    numbers = np.flatnonzero((seen.stream.positive[seen.windows.places] & seen.windows.counts).any(axis=1))
    cut = [numbers[start : start + _WINDOWS_A_PIECE] for start in range(0, len(numbers), _WINDOWS_A_PIECE)]
    network = load_classifier(classifier, settings.classifier, device)
    pool = Pool.on(device, seen.slices, seen.stream, kinds=("images",), resident=False)  # type: ignore[arg-type]
    try:
        parts.mkdir(parents=True, exist_ok=True)
        for number, some in enumerate(cut):
            path = parts / f"{number:06}.npz"
            if not path.is_file():
                few = Windows(places=seen.windows.places[some], counts=seen.windows.counts[some])
                _keep(path, made(network, pool, few, settings.classifier, settings.refinement))
            job.progress(number + 1, len(cut))
        _join(folder, parts, len(cut), seen.slices.side)
    except OSError as fault:
        raise IchBenchError(
            f"cannot write {folder}: {fault.strerror or fault}. Free space there: the same command goes on."
        ) from fault
    write_json(
        folder / ABOUT,
        {
            **counted(seen.slices, seen.stream),
            "method": job.method,
            "machine": hardware(device),
            "pretext": os.path.relpath(classifier, folder),
            "slices_with_pseudo_mask": int(np.load(folder / ROWS)["masked"].sum()),
        },
    )
    shutil.rmtree(parts, ignore_errors=True)


def made(network: Any, pool: Pool, given: Windows, how: Classifier, refinement: Refinement) -> Piece:
    """Return the pseudo-masks of the slices with ICH in some sequences, each slice once."""
    begun = time.perf_counter()
    slices = pool.slices
    rows, masks = [np.zeros(0, np.int64)], [np.zeros((0, slices.side, slices.side), np.uint8)]
    size = max(1, _WINDOWS_AT_ONCE * 8 // how.length)
    at = 0
    for batch in in_turn(pool, given, size):
        cams = upsampled(both_ways(network, batch.images.float() / 255.0).cam, slices.side).float().cpu().numpy()
        images = batch.images.cpu().numpy()[:, :, 0]
        wanted = ((batch.ich > 0) & (batch.counts > 0)).cpu().numpy()
        places = given.places[at : at + len(wanted)]
        at += len(wanted)
        rows.append(pool.stream.rows[places[wanted]])
        masks += [
            pseudo_mask(image, cam, slices.window, refinement)[None].astype(np.uint8)
            for image, cam in zip(images[wanted], cams[wanted], strict=True)
        ]
    return Piece(rows=np.concatenate(rows), masks=np.concatenate(masks), seconds=time.perf_counter() - begun)


def _keep(path: Path, piece: Piece) -> None:
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with aside.open("wb") as file:
            packed = np.packbits(piece.masks, axis=-1)
            np.savez_compressed(file, rows=piece.rows, masks=packed, seconds=np.float64(piece.seconds))
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _join(folder: Path, parts: Path, count: int, side: int) -> None:
    """Write rows, masks and log from the pieces; written, not mapped, so that a full disk is an error."""
    rows, masked, pieces = [np.zeros(0, np.int64)], [np.zeros(0, np.bool_)], []
    total = sum(len(_piece(parts, number, side).rows) for number in range(count))
    with (folder / f".{MASKS}.part").open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (total, side, side)}
        np.lib.format.write_array_header_1_0(file, header)
        for number in range(count):
            one = _piece(parts, number, side)
            file.write(one.masks.tobytes())
            rows.append(one.rows)
            masked.append(np.asarray(one.masks.any(axis=(1, 2))))
            pieces.append((len(one.rows), one.seconds))
    (folder / f".{MASKS}.part").replace(folder / MASKS)
    order = np.argsort(np.concatenate(rows), kind="stable")
    table = np.zeros(total, dtype=[("row", np.int64), ("masked", np.bool_), ("at", np.int64)])
    table["row"], table["masked"], table["at"] = np.concatenate(rows)[order], np.concatenate(masked)[order], order
    np.save(folder / ROWS, table, allow_pickle=False)
    text = io.StringIO()
    lines = [[n + 1, slices, f"{seconds:.2f}"] for n, (slices, seconds) in enumerate(pieces)]
    csv.writer(text, lineterminator="\n").writerows([["piece", "slices", "seconds"], *lines])
    write_text(folder / train.LOG, text.getvalue())


def _piece(parts: Path, number: int, side: int) -> Piece:
    """Return a piece; one that is damaged (the power failed) is taken away, to be made again."""
    path = parts / f"{number:06}.npz"
    try:
        with np.load(path, allow_pickle=False) as one:
            masks = np.unpackbits(one["masks"], axis=-1, count=side)
            return Piece(rows=one["rows"], masks=masks, seconds=float(one["seconds"]))
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as fault:
        path.unlink(missing_ok=True)
        raise IchBenchError(f"{path} was damaged ({fault}) and is removed: the same command makes it again.") from fault


def light_stream(seen: Seen, made: PseudoMasks, *, normals_per_ich: float, seed: int) -> Stream:
    """Return the slices that have a pseudo-mask, and so many of those without ICH for each, drawn once for a seed.

    A slice with ICH whose pseudo-mask is empty is left out: nothing is known of its pixels. Where no slice has a
    pseudo-mask the network is trained on slices without ICH alone, and a note says so.
    """
    here = np.unique(seen.stream.rows[seen.windows.places[seen.windows.counts]])
    ich = seen.slices.index["ich"].to_numpy(dtype=bool)
    masked = made.rows[made.masked]
    normal = here[~ich[here]]
    wanted = round(normals_per_ich * len(masked)) if len(masked) else len(normal)
    if len(normal):
        normal = normal[np.argsort(np.random.PCG64([seed, 1]).random_raw(len(normal)), kind="stable")]
    rows = np.sort(np.concatenate([masked, normal[:wanted]])).astype(np.int64)
    if not len(rows):
        raise IchBenchError("no slice has a pseudo-mask, and none is without ICH: there is nothing to learn from.")
    without = len(made.rows) - len(masked)
    notes = [f"{without} slices with ICH got no pseudo-mask and are left out."] if without else []
    notes += [] if len(masked) else ["No slice got a pseudo-mask: the network can only learn that there is nothing."]
    return replace(
        seen.stream,
        rows=rows,
        positive=ich[rows],
        about=f"{len(masked)} slices with a pseudo-mask and {len(rows) - len(masked)} without ICH",
        notes=(*seen.stream.notes, *notes),
    )


def train_light(job: Job, settings: WeakSettings, seen: Seen, made: PseudoMasks, out: Path) -> Path:
    """Train the light network on pseudo-masks and return its checkpoint, which is all that predicts."""
    own = settings.light
    stream = light_stream(seen, made, normals_per_ich=own.slices.normals_per_ich, seed=job.seed)
    stream = thinned(stream, own.slices.most)
    run, how = run_of(job, out), fit_of(own.training)
    about = about_stage(job, own, seen, pseudo=made.folder.name, pseudo_slices=len(stream))
    if train.is_done(out, how):
        kept = checkpoint.read(out / train.LAST)
        checkpoint.check_same(
            out / train.LAST, kept.about, train.told(about, how, seed=job.seed, precision=job.precision)
        )
        return out / train.LAST
    held = {one.name: getattr(seen.slices, one.name) for one in dataclasses.fields(seen.slices)}
    slices = PseudoSlices(**held, masks=Spread(held=made, count=len(seen.slices)))
    pool = Pool.on(run.device, slices, stream, kinds=("images", "masks"))  # type: ignore[arg-type]
    rank, world = distributed.rank(), distributed.world()
    if distributed.leads() and not (out / ABOUT).is_file():
        ran = {"machine": hardware(run.device), "precision": job.precision, "compiled": job.compiled}
        size = {"side": seen.slices.side, "width": own.unet.top, "method": job.method}
        before = os.path.relpath(made.folder / MASKS, out)
        write_json(out / ABOUT, {**counted(seen.slices, stream), **ran, **size, "pretext": before})
    return train.fit(
        first_network(own.unet, job.seed),
        segmentation_step(own.augmentation, own.empty_weight),
        lambda epoch: pool.epoch(epoch, how.batch_size, seed=job.seed, rank=rank, world=world),
        how,
        run,
        about,
    )
