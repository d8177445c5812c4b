"""How does a trained network become masks on the CTs' own grids, each written once?

Slice by slice as it was trained: window, padding, resizing; sigmoid; threshold; then nearest neighbour back to the
native grid. A journal beside the checkpoint says which case was written by which weights from which CT, so that what is
there and unchanged is not predicted again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ich_bench.cases import Case
from ich_bench.errors import IchBenchError, InputError, UsageError, VolumeError
from ich_bench.runs.store import file_sha256
from ich_bench.volume import CT, read_ct, write_ct, write_mask
from ich_bench_baselines import checkpoint
from ich_bench_baselines.blocks.unet import UNet, UNetSettings
from ich_bench_baselines.data.pixels import SIDE, Floats, Mask, Window, images_of, native_mask, native_values
from ich_bench_baselines.job import Job, Progress, folder, predictions_folder, submission_folder

JOURNAL = "predicted-{dataset}.jsonl"
BATCH = 32


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A trained method: CT → mask (x, y, z) on the CT's own grid. `key` is that of its weights and threshold.

    `of_case`: the same from a CT and its case id, for a method of several models that have seen different slices.
    `probability`: CT → how probable hemorrhage is, float32 from 0 to 1 on that grid, where the method can say.
    """

    key: str
    about: Mapping[str, Any]
    mask: Callable[[CT], Mask]
    of_case: Callable[[CT, str], Mask] | None = None
    probability: Callable[[CT], Floats] | None = None

    def __call__(self, ct: CT, case_id: str = "") -> Mask:
        """Return the mask; ValueError where it does not lie on the CT's grid."""
        found = self.mask(ct) if self.of_case is None else self.of_case(ct, case_id)
        if found.shape != ct.geometry.shape or found.dtype != np.bool_:
            raise ValueError(f"predicted {found.dtype} {found.shape}; expected bool {ct.geometry.shape}")
        return found


def load_unet(path: Path, device: str = "cpu") -> Predictor:
    """Return the predictor of a U-Net's checkpoint, everything it needs read from the checkpoint itself.

    IchBenchError where it is none of `segment.train_segmentation`.
    """
    kept = checkpoint.read(path)
    values = settings_in(kept.about, path)
    try:
        network = UNet(UNetSettings(**{name: values[f"unet.{name}"] for name in UNetSettings.__dataclass_fields__}))
        low, high = values["slices.window_hu"]
        side, threshold = int(values["slices.side"]), float(values["threshold"])
    except (KeyError, TypeError, ValueError) as fault:
        raise IchBenchError(f"{path} is no checkpoint of a segmentation: {fault} is missing or odd.") from fault
    checkpoint.load_weights(network, kept.weights, source=path)
    window = Window(low_hu=low, high_hu=high)
    mask = slice_predictor(network, window, device, side=side, threshold=threshold)
    probable = slice_probabilities(network, window, device, side=side)
    return Predictor(
        key=checkpoint.weights_sha256(kept.weights),
        about=kept.about,
        mask=mask,
        probability=lambda ct: native_values(probable(ct), ct.geometry),
    )


def settings_in(about: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the hyper-parameters that a checkpoint carries, by dotted name; IchBenchError where it has none."""
    try:
        return {row["name"]: row["value"] for row in about["settings"]}
    except (KeyError, TypeError) as fault:
        raise IchBenchError(f"{path} does not say how it was trained: it is no checkpoint of a method.") from fault


def slice_predictor(
    model: nn.Module,
    window: Window,
    device: str = "cpu",
    batch: int = BATCH,
    threshold: float = 0.5,
    *,
    side: int = SIDE,
) -> Callable[[CT], Mask]:
    """Return CT → mask on its own grid: hemorrhage where the sigmoid of the network's logit is at least `threshold`.

    Args:
        model: Images (n, 1, side, side) in [0, 1] → logits of that shape.
        window: As it was trained.
        device: Where it runs, in float32.
        batch: Slices at once.
        threshold: In (0, 1).
        side: Pixels a side, as it was trained.
    """
    probable = slice_probabilities(model, window, device, batch, side=side)
    return lambda ct: native_mask(probable(ct) >= threshold, ct.geometry)


def slice_probabilities(
    model: nn.Module, window: Window, device: str = "cpu", batch: int = BATCH, *, side: int = SIDE
) -> Callable[[CT], Floats]:
    """Return CT → the sigmoid of the network's logits, float32 (slices, side, side); arguments as above."""
    model.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    @torch.inference_mode()
    def probable(ct: CT) -> Floats:
        images = images_of(ct, window, side, threads=torch.get_num_threads())  # the next ones while the network runs
        found = []
        while some := list(islice(images, batch)):
            given = torch.from_numpy(np.stack(some)).to(device).unsqueeze(1).float() / 255.0
            logits = model(given.contiguous(memory_format=torch.channels_last))
            found.append(logits.float().sigmoid().squeeze(1))
        return torch.cat(found).cpu().numpy()  # type: ignore[no-any-return]

    return probable


def predict_cases(
    job: Job, predictor: Predictor, cases: Iterable[Case], *, probabilities: bool = False
) -> tuple[Path, ...]:
    """Write the masks of these cases where `evaluate` looks for those of the job; return the files, in their order.

    With `probabilities`, maps of them too, where an ensemble looks for them: in `probabilities/`, laid out alike.
    """
    journal, out = folder(job) / JOURNAL.format(dataset=job.dataset), predictions_folder(job)
    home = submission_folder(job)
    maps = home / "probabilities" / out.relative_to(home / "predictions") if probabilities else None
    return write_predictions(predictor, cases, out, journal=journal, maps=maps, progress=job.progress)


def write_predictions(
    predictor: Predictor,
    cases: Iterable[Case],
    out: Path,
    *,
    journal: Path | None = None,
    maps: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Path, ...]:
    """Write `<case_id>.nii.gz` of each case into a folder, each whole or not at all; return the files.

    With a journal, a case that the same weights wrote from the same CT, unchanged since, is left as it is. `maps` is a
    folder for float32 volumes of probabilities under the same names.

    Raises:
        InputError: with every case whose CT cannot be read; the others are written.
        UsageError: `maps` of a method that gives no probabilities.
        IchBenchError: the disk refuses.
    """
    if maps is not None and predictor.probability is None:
        raise UsageError(f"{predictor.about.get('method', 'this method')} gives masks alone, no probabilities.")
    todo, files, faults = list(cases), [], []
    known = read_journal(journal)
    for number, case in enumerate(todo):
        path = out / f"{case.case_id}.nii.gz"
        try:
            stamp = _stamp(case)
            line = known.get(_named(path, journal))
            if (
                line is None
                or (line["key"], line["ct"]) != (predictor.key, stamp)
                or line["sha256"] != file_sha256(path)
                or (maps is not None and not (maps / path.name).is_file())
            ):
                begun = time.perf_counter()
                _write(predictor, case, path, maps)
                _note(journal, path, predictor.key, stamp, time.perf_counter() - begun)
            files.append(path)
        except VolumeError as fault:
            faults.append(fault.at(case.case_id))
        if progress is not None:
            progress(number + 1, len(todo))
    if faults:
        raise InputError(f"{len(faults)} of {len(todo)} cases cannot be predicted:", faults)
    return tuple(files)


def read_journal(journal: Path | None) -> dict[str, dict[str, Any]]:
    """Return the last line of each file in a journal; a line that a stopped run left half is passed over."""
    found: dict[str, dict[str, Any]] = {}
    if journal is None or not journal.is_file():
        return found
    for text in journal.read_text("utf-8").splitlines():
        try:
            line = json.loads(text)
            found[line["file"]] = {name: line[name] for name in ("key", "ct", "sha256", "seconds")}
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _named(path: Path, journal: Path | None) -> str:
    """Return a file's place as seen from the journal, so that OUT may be moved."""
    return os.path.relpath(path, path.parent if journal is None else journal.parent)


def _write(predictor: Predictor, case: Case, path: Path, maps: Path | None) -> None:
    if case.ct is None:
        raise VolumeError("has no CT.", "Only a dataset with CTs can be predicted.")
    ct = read_ct(case.ct)
    try:
        mask = predictor(ct, case.case_id)
        probable = None if maps is None or predictor.probability is None else predictor.probability(ct)
    except torch.OutOfMemoryError as fault:
        raise IchBenchError(f"memory ran out on {case.case_id}: predict on another device (--device cpu).") from fault
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if maps is not None and probable is not None:
            maps.mkdir(parents=True, exist_ok=True)
            write_ct(maps / path.name, probable, ct.geometry)
        write_mask(path, mask, ct.geometry)
    except OSError as fault:
        raise IchBenchError(f"cannot write {path}: {fault.strerror or fault}. What is there is kept.") from fault


def _stamp(case: Case) -> list[list[int]]:
    """Return size and time of the CT's file, or of each in its folder."""
    if case.ct is None:
        return []
    try:
        files = sorted(one for one in case.ct.rglob("*") if one.is_file()) if case.ct.is_dir() else [case.ct]
        return [[one.stat().st_size, one.stat().st_mtime_ns] for one in files]
    except OSError as fault:
        raise VolumeError(f"its CT cannot be read: {fault.strerror or fault}.") from fault


def _note(journal: Path | None, path: Path, key: str, stamp: list[list[int]], seconds: float) -> None:
    if journal is None:
        return
    line: dict[str, Any] = {"file": _named(path, journal), "key": key, "ct": stamp, "sha256": file_sha256(path)}
    try:
        journal.parent.mkdir(parents=True, exist_ok=True)
        with journal.open("a", encoding="utf-8") as file:
            file.write("\n" + json.dumps({**line, "seconds": round(seconds, 3)}))
    except OSError as fault:
        raise IchBenchError(f"cannot write {journal}: {fault.strerror or fault}.") from fault
