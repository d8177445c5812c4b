"""How is Hssayeni 2020's U-Net trained on crops, and how do the masks of crops become that of a CT?"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor, nn

from ich_bench.errors import IchBenchError
from ich_bench.places import write_json
from ich_bench.volume import CT
from ich_bench_baselines import checkpoint, distributed, train
from ich_bench_baselines.blocks import augment
from ich_bench_baselines.blocks.augment import Augmentation
from ich_bench_baselines.blocks.unet import seeded
from ich_bench_baselines.data.pixels import Mask, Window, images_of, native_mask
from ich_bench_baselines.data.slice_cases import slices_of
from ich_bench_baselines.data.streams import Stream
from ich_bench_baselines.hardware import hardware
from ich_bench_baselines.hssayeni.crop_unet import CropUNet, CropUNetSettings
from ich_bench_baselines.hssayeni.crops import CropBatch, CropPool, jaccard_of, of_a_normal_slice, together, with_ich
from ich_bench_baselines.hssayeni.morphology import closed, opened
from ich_bench_baselines.hssayeni.settings import Crops, Masks, Supervised
from ich_bench_baselines.job import Job, trained, training_cases
from ich_bench_baselines.predict import Predictor, settings_in
from ich_bench_baselines.segment import ABOUT, about_training, counted
from ich_bench_baselines.validation import Watch, inner

P = TypeVar("P")
AT_ONCE = 64  # crops, where nothing is learnt


def train_crops(job: Job, settings: Supervised, to: Path) -> Path:
    """Train one fold and return the checkpoint of its best epoch; log.csv and about.json lie beside it.

    Trained on: all crops with hemorrhage, and all crops of one normal slice a case. Validated on: crops with hemorrhage
    of the fold's validation cases, or of an inner part of its training cases. Done, it is returned as it is;
    interrupted, it goes on.

    Raises:
        UsageError, IchBenchError: the job is none, its data are not here, or hold nothing to learn from.
    """
    how, crops = settings.training, settings.crops
    scheme, fold = trained(job)
    low, high = crops.window_hu
    slices = slices_of(job.trained_dataset, window=Window(low_hu=low, high_hu=high), side=crops.side,
                       source=job.trained_data, jobs=job.jobs, progress=job.progress, tell=job.tell)  # fmt: skip
    parts = inner(slices.index, training_cases(job), scheme=scheme, fold=fold, share=how.inner_share, seed=job.seed,
                  whole=job.budget is None)  # fmt: skip
    patients = dict(zip(slices.index["case_id"], slices.index["patient_id"], strict=True))
    fits, sees = parts.guards(scheme, fold, patients=patients)
    device = distributed.begin(job.device)
    bleeding = with_ich(slices, parts.train, crops.tiling)
    chosen = together(bleeding, of_a_normal_slice(slices, parts.train, crops.tiling, seed=job.seed))
    aside = with_ich(slices, parts.validation, crops.tiling)
    for found, name in ((bleeding, "to train on"), (aside, "to choose the epoch by")):
        if not len(found):
            raise IchBenchError(
                f"no hemorrhage is drawn in the cases {name} in fold {fold} of {scheme.dataset}/{scheme.name}. Choose "
                "another fold, draw or budget."
            )
    chosen, aside = chosen.at_most(crops.most), aside.at_most(crops.most)
    pool = CropPool.on(device, slices, chosen, crops.tiling, fits)
    watched = CropPool.on(device, slices, aside, crops.tiling, sees)

    def stream_of(rows: Any, about: str) -> Stream:
        unique = np.unique(np.array(rows, np.int64))
        positive = slices.index["has_ich"].to_numpy(dtype=bool)[unique]
        return Stream(rows=unique, positive=positive, guard=fits, about=about, label_source="mask")

    fit = train.Fit(epochs=how.epochs, batch_size=how.batch_size, lr=how.lr)
    if distributed.leads() and not ((to / train.LAST).is_file() and (to / ABOUT).is_file()):
        both = stream_of((*chosen.rows, *aside.rows), f"{len(pool)} crops of {len(parts.train)} cases")
        write_json(to / ABOUT, {
            **counted(job, slices, both),
            "annotated_patients": len({patients[case] for case in (*parts.train, *parts.validation)}),
            "label_kind": "masks",
            "validation": parts.named,
            "validation_cases": list(parts.validation),
            "machine": hardware(device),
            "precision": job.precision,
            "compiled": job.compiled,
            "side": crops.side,
            "width": settings.unet.top,
            "pretext": None,
        })  # fmt: skip

    def batches(epoch: int) -> Any:
        return pool.epoch(epoch, fit.batch_size, seed=job.seed, rank=distributed.rank(), world=distributed.world())

    run = train.Run(out=to, device=device, precision=job.precision, compiled=job.compiled, seed=job.seed,
                    progress=job.progress)  # fmt: skip
    network = seeded(lambda: CropUNet(settings.unet), job.seed)
    about = {**about_training(job, settings, slices, stream_of(chosen.rows, "")), "crops_trained_on": len(pool)}
    step = crop_step(settings.augmentation)
    return train.fit(network, step, batches, fit, run, about, Watch(score=jaccard_of(watched, AT_ONCE)))


def crop_step(settings: Augmentation) -> train.Step:
    """Return the step: move crop and mask together, then the binary cross-entropy over all pixels."""

    def step(net: nn.Module, batch: CropBatch, own: torch.Generator) -> Tensor:
        images, masks = moved(batch.images, batch.masks, settings, own)
        logits = net(images.contiguous(memory_format=torch.channels_last))
        return F.binary_cross_entropy_with_logits(logits.float(), masks)

    return step


def moved(images: Tensor, masks: Tensor, settings: Augmentation, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return crops in [0, 1] and their masks, 0 and 1, float32, moved by the same numbers; edges are continued."""
    drawn = augment.draw(settings, len(images), generator)
    found, truth = images.float() / 255.0, (masks != 0).float()
    if not drawn.moves:
        return found, truth
    grid = augment.grid(drawn, found)
    return (
        F.grid_sample(found, grid, mode="bilinear", padding_mode="border", align_corners=False),
        F.grid_sample(truth, grid, mode="nearest", padding_mode="border", align_corners=False),
    )


def load_crops(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → mask, all it needs read from the checkpoint; IchBenchError where it is none of `train_crops`."""
    kept = checkpoint.read(path)
    values = settings_in(kept.about, path)
    try:
        network = CropUNet(_part(CropUNetSettings, values, "unet"))
        crops, how = _part(Crops, values, "crops"), _part(Masks, values, "masks")
        tiling, window = crops.tiling, Window(low_hu=crops.window_hu[0], high_hu=crops.window_hu[1])
    except (KeyError, TypeError, ValueError) as fault:
        raise IchBenchError(f"{path} is no checkpoint of hssayeni-unet: {fault} is missing or odd.") from fault
    checkpoint.load_weights(network, kept.weights, source=path)
    network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    group = max(1, AT_ONCE // len(tiling.corners))

    @torch.inference_mode()
    def mask(ct: CT) -> Mask:
        images = np.stack(list(images_of(ct, window, tiling.side)))
        found = np.empty(images.shape, np.bool_)
        for start in range(0, len(images), group):
            some = tiling.cut(torch.from_numpy(images[start : start + group]).to(device))
            sure = network(some.unsqueeze(1).float() / 255.0).float().sigmoid()[:, 0]
            found[start : start + group] = tiling.merged(sure, how.threshold, how.merge).cpu().numpy()
        return native_mask(opened(closed(found, how.closing), how.opening), ct.geometry)

    return Predictor(key=checkpoint.weights_sha256(kept.weights), about=kept.about, mask=mask)


def _part(kind: type[P], values: dict[str, Any], name: str) -> P:
    """Return one of the settings as a checkpoint's plain values have it."""
    return kind(**{one.name: values[f"{name}.{one.name}"] for one in fields(kind)})  # type: ignore[arg-type]
