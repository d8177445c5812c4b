"""How well do classifier and light network do on slices of their own pool that no training saw?

Ramananda 2025 annotated 541 slices of RSNA and held them as test data; they are unpublished. As many slices with ICH
are held out here. Of drawn heads the reference is drawn again; of RSNA there is none, only whether anything is found.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import rankdata

from ich_bench.errors import UsageError
from ich_bench.phantom import pool as drawn
from ich_bench.places import write_json
from ich_bench_baselines import checkpoint, train
from ich_bench_baselines.data.guard import Guard
from ich_bench_baselines.data.loader import Pool
from ich_bench_baselines.data.pixels import masks_of
from ich_bench_baselines.data.slice_build import build
from ich_bench_baselines.data.streams import Stream
from ich_bench_baselines.job import Job, folder
from ich_bench_baselines.ramananda.sequences import in_turn
from ich_bench_baselines.ramananda.settings import CLASSIFIER, WeakSettings, load_classifier, pool_plan, seen_as
from ich_bench_baselines.ramananda.shares import HELD_OUT, TEST, parts
from ich_bench_baselines.ramananda.weak import WeakSlices, weak_slices
from ich_bench_baselines.segment import first_network

FILE = "pool-test.json"
_BATCH = 32


@dataclass(frozen=True, kw_only=True)
class PoolTest:
    """What was found; NaN where it cannot be known.

    `auc`: of the classifier on the `tested` slices of the pool's test part. `found`: share of the `held_out` slices,
    all with ICH by their label, on which the light network marks any pixel. `dice`: its mean Dice with the drawn
    reference over those `drawn` of them whose reference is not empty.
    """

    tested: int
    auc: float
    held_out: int
    found: float
    drawn: int
    dice: float


def pool_test(job: Job, settings: WeakSettings) -> PoolTest:
    """Return how a trained job of a pool does on the pool's test part and held-out slices; kept beside its checkpoint.

    UsageError for a job without a pool; IchBenchError where it is not trained yet.
    """
    if not job.pool_alone:
        raise UsageError(f"{job.method} was not asked to learn from a pool: there is none to be tested on.")
    light = checkpoint.read(folder(job) / train.LAST)
    key, place = checkpoint.weights_sha256(light.weights), folder(job) / FILE
    try:
        kept = json.loads(place.read_text("utf-8"))
        if kept.pop("weights") == key:
            known: dict[str, Any] = {name: math.nan if value is None else value for name, value in kept.items()}
            return PoolTest(**known)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    cache = build(pool_plan(job, settings), jobs=job.jobs, progress=job.progress, tell=job.tell)
    slices, part = weak_slices(cache), settings.pool
    where = parts(slices.index, held_out=part.held_out, train=part.train, seed=part.split_seed)
    tested, held = np.flatnonzero(where == TEST), np.flatnonzero(where == HELD_OUT)
    network = first_network(settings.light.unet, job.seed)
    checkpoint.load_weights(network, light.weights, source=folder(job) / train.LAST)
    masks = _predicted(network.to(job.device).eval(), slices, held, job.device, settings.light.threshold)
    truth = _drawn_again(slices, held) if slices.dataset == "phantom-pool" else [None] * len(held)
    dice = [_dice(one, other) for one, other in zip(masks, truth, strict=True) if other is not None and other.any()]
    done = PoolTest(
        tested=len(tested),
        auc=_classified(job, settings, slices, tested),
        held_out=len(held),
        found=float(np.mean([one.any() for one in masks])) if len(held) else math.nan,
        drawn=len(dice),
        dice=float(np.mean(dice)) if dice else math.nan,
    )
    told = {name: None if value != value else value for name, value in dataclasses.asdict(done).items()}
    write_json(place, {**told, "weights": key})
    return done


def auc(scores: npt.ArrayLike, positive: npt.ArrayLike) -> float:
    """Return how often a slice with ICH scores above one without, ties half; NaN where one kind is missing."""
    given, ich = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    if ich.all() or not ich.any():
        return math.nan
    count = int(ich.sum())
    beaten = float(rankdata(given)[ich].sum()) - count * (count + 1) / 2
    return beaten / (count * (len(ich) - count))


def _classified(job: Job, settings: WeakSettings, slices: WeakSlices, rows: Any) -> float:
    if not len(rows):
        return math.nan
    positive = slices.index["ich"].to_numpy(dtype=bool)[rows]
    stream = Stream(rows=rows, positive=positive, guard=Guard(), about="the test part of the pool")
    seen = seen_as(replace(settings.classifier, most=None), slices, stream)
    pool = Pool.on(job.device, slices, stream, kinds=("images",), resident=False)  # type: ignore[arg-type]
    network = load_classifier(folder(job) / CLASSIFIER / train.LAST, settings.classifier, job.device)
    scores, labels = [], []
    with torch.inference_mode():
        for batch in in_turn(pool, seen.windows, 8):
            counts = batch.counts > 0
            scores.append(network(batch.images.float() / 255.0)[counts].cpu().numpy())
            labels.append(batch.ich[counts].cpu().numpy())
    return auc(np.concatenate(scores), np.concatenate(labels) > 0)


@torch.inference_mode()
def _predicted(network: Any, slices: WeakSlices, rows: Any, device: str, threshold: float) -> list[Any]:
    found: list[Any] = []
    for start in range(0, len(rows), _BATCH):
        images = torch.from_numpy(slices.images[rows[start : start + _BATCH]]).to(device)[:, None].float() / 255.0
        found += list((network(images).float().sigmoid() >= threshold)[:, 0].cpu().numpy())
    return found


def _drawn_again(slices: WeakSlices, rows: Any) -> list[Any]:
    """Return the reference of each slice of a drawn pool, whose heads are named by seed and number."""
    table, found = slices.index.iloc[rows], dict[int, Any]()
    for case_id, group in table.assign(at=np.arange(len(rows))).groupby("case_id"):
        seed, number = (int(one) for one in str(case_id).rsplit("-", 2)[1:])
        head = next(drawn.heads(number + 1, seed=seed, first=number)).head
        masks = list(masks_of(head.reference, head.geometry, slices.side))
        found |= {int(at): masks[int(place)] > 0 for at, place in zip(group["at"], group["place"], strict=True)}
    return [found[at] for at in range(len(rows))]


def _dice(one: Any, other: Any) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))
