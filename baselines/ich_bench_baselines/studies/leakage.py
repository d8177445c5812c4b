"""How much of a score is leakage: slices of one head on both sides, a checkpoint chosen on the test fold?

The same U-Net (`unet-ich-only`) is trained on the slices with hemorrhage twice: split by patients, as the frozen folds
are, and by slices, as papers have done (`ich_bench.folds.slices.deal_slices`); each is scored with the weights of its
last epoch and with those that were best on the test fold itself. Every slice with hemorrhage is scored once, by a model
that was not trained on it, on the grid on which the network sees it.

    OUT/leakage/<dataset>/<scheme>/seed_0/leakage.csv
    OUT/leakage/<dataset>/<scheme>/seed_0/<split>/fold_2/   last.ckpt, log.csv, about.json, scored.json

Three of the four cells are leaky, and the study as a whole is no result of a method: its checkpoints belong to none, so
that `predict` refuses them, and no manifest is written.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from ich_bench.errors import IchBenchError, UsageError
from ich_bench.folds.slices import deal_slices
from ich_bench.places import write_json, write_text
from ich_bench.tables.layout import Block, as_text
from ich_bench_baselines import checkpoint, distributed, train
from ich_bench_baselines.data.guard import Guard
from ich_bench_baselines.data.loader import Pool
from ich_bench_baselines.data.slices import SliceSet
from ich_bench_baselines.data.streams import Stream, labelled
from ich_bench_baselines.hardware import hardware
from ich_bench_baselines.job import Job, check, tested
from ich_bench_baselines.methods import unet_ich_only as unet
from ich_bench_baselines.predict import BATCH
from ich_bench_baselines.segment import ABOUT, about_training, first_network, segmentation_step, thinned, trained_slices
from ich_bench_baselines.spahr.settings import fit_of
from ich_bench_baselines.validation import Watch

STUDY, FILE, SCORED = "leakage-study", "leakage.csv", "scored.json"
MARK = "leakage study: never a submission"
Split = Literal["patients", "slices"]
Chosen = Literal["last", "test-fold"]
SPLITS: tuple[Split, ...] = ("patients", "slices")
CHOSEN: tuple[Chosen, ...] = ("last", "test-fold")
_LEAKS = {
    ("patients", "last"): "none",
    ("patients", "test-fold"): "checkpoint chosen on the test fold",
    ("slices", "last"): "slices of one head on both sides",
    ("slices", "test-fold"): "slices of one head on both sides, checkpoint chosen on the test fold",
}
_HEAD = ("split", "checkpoint", "folds", "slices", "cases", "dice_slices", "dice_cases", "leaks", "mark")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One of four: mean Dice over the tested slices, and over heads with the counts of their slices added up."""

    split: Split
    checkpoint: Chosen
    folds: int
    slices: int
    cases: int
    dice_slices: float
    dice_cases: float

    @property
    def leaks(self) -> str:
        """What of the test part this score has seen, in words."""
        return _LEAKS[self.split, self.checkpoint]

    @property
    def title(self) -> str:
        """Its name in a table: "slices, last"."""
        return f"{self.split}, {self.checkpoint}"


@dataclass(frozen=True, kw_only=True)
class Study:
    """The four cells of one dataset, scheme and seed, and the table's file."""

    dataset: str
    scheme: str
    seed: int
    path: Path
    cells: tuple[Cell, ...]

    def text(self) -> str:
        """Return the table as text, at most 80 columns wide."""
        first = self.cells[0]
        folds = f"{first.folds} fold{'' if first.folds == 1 else 's'}"
        heading = (
            f"Leakage study · {self.dataset} · {self.scheme} · seed {self.seed} · {folds} · "
            f"{first.slices} slices with ICH of {first.cases} heads"
        )
        scores = tuple((one.title, f"{one.dice_slices:.3f}", f"{one.dice_cases:.3f}") for one in self.cells)
        header = ("split and checkpoint", "dice by slice", "by head")
        said = tuple((one.title, one.leaks) for one in self.cells)
        mark = (("mark", f"{MARK}."),)
        return as_text(
            heading,
            (
                Block(header=header, rows=scores),
                Block(rows=said),
                Block(rows=mark),
            ),
        )


def study(job: Job, *, folds: Sequence[int] | None = None, stage: Callable[[str], None] = lambda what: None) -> Study:
    """Train and score both splits; return the four cells, which are also written as a table.

    Stopped anywhere, the same call goes on; a fold that is scored is not trained again.

    Args:
        job: Whose dataset, scheme, seed, schedule, device, `out` … count; its method and fold do not.
        folds: Of both splits; None: all.
        stage: Told in words what begins.

    Raises:
        UsageError: the job is none, or its scheme tests a case several times or is itself one of slices.
        IchBenchError: the data are not here, hold nothing to learn from, memory or the disk is full.
    """
    scheme = tested(job)
    if job.elsewhere or scheme.leaky or scheme.trains_on_fold or len(scheme.folds) < 2:
        raise UsageError(
            f"the leakage study needs folds of patients that test every case once; {job.dataset}/{scheme.name} has "
            "none. Leave --scheme and --train-on away."
        )
    if distributed.is_group():
        raise UsageError("the leakage study trains on one GPU or CPU: start it without torchrun.")
    own = replace(job, method=unet.ID, options=())
    chosen = tuple(dict.fromkeys(scheme.folds if folds is None else folds))
    for fold in chosen:
        check(replace(own, fold=fold))
    settings = unet.settings(own)
    slices = trained_slices(own, settings.slices)
    home = own.out / "leakage" / own.dataset / scheme.name / f"seed_{own.seed}"
    found: dict[tuple[Split, Chosen], list[dict[str, Any]]] = {(a, b): [] for a in SPLITS for b in CHOSEN}
    for split in SPLITS:
        for number, fold in enumerate(chosen):
            stage(f"split by {split} · seed {own.seed} · fold {fold} ({number + 1}/{len(chosen)})")
            scored = _fold(replace(own, fold=fold), slices, split, home / split / f"fold_{fold}")
            for which in CHOSEN:
                found[split, which] += scored[which]
    cells = tuple(_cell(split, which, len(chosen), rows) for (split, which), rows in found.items())
    path = _write(home / FILE, cells)
    return Study(dataset=own.dataset, scheme=scheme.name, seed=own.seed, path=path, cells=cells)


def sides(slices: SliceSet, job: Job, split: Split) -> tuple[Stream, npt.NDArray[np.int64]]:
    """Return what a fold of a split is trained on, and the rows that it is tested on: all with a mask of hemorrhage.

    The guard of the first keeps the second apart: by patients the heads and their patients, by slices the slices.
    """
    scheme, index = tested(job), slices.index
    ids = index["case_id"].to_numpy(dtype=str)
    ich = np.array([bool(mask.any()) for mask in slices.masks])  # on the network's grid: a mask may be lost there
    if split == "patients":
        stream = labelled(index, scheme, job.fold, regime="ich-only", label="mask", seed=job.seed)
        return stream, np.flatnonzero(ich & np.isin(ids, list(scheme.test_cases(job.fold)))).astype(np.int64)
    marked = index["has_ich"].to_numpy(dtype=bool)
    known = marked & np.isin(ids, [row.case_id for row in scheme.rows])
    names = index["slice_id"].to_numpy(dtype=str)
    places = {(ids[row], int(index["k"].iloc[row])): row for row in np.flatnonzero(known)}
    positive: dict[str, list[int]] = {}
    for case_id, k in places:
        positive.setdefault(case_id, []).append(k)
    dealt = deal_slices(positive, folds=len(scheme.folds))
    turn = scheme.folds.index(job.fold)
    mine = np.array(sorted(places[key] for key, fold in dealt.items() if fold != turn), dtype=np.int64)
    apart = np.array(sorted(places[key] for key, fold in dealt.items() if fold == turn), dtype=np.int64)
    if not len(mine) or not len(apart):
        raise IchBenchError(f"{len(places)} slices with hemorrhage are too few for {len(scheme.folds)} folds.")
    guard = Guard(slices=names[apart], where=f"the test slices of fold {job.fold}")
    about = f"{len(mine)} of {len(places)} slices with ICH, patients disregarded (leaky)"
    stream = Stream(rows=mine, positive=np.ones(len(mine), np.bool_), guard=guard, about=about, label_source="mask")
    return stream, apart[ich[apart]]


def dice_of(
    network: nn.Module, slices: SliceSet, rows: npt.NDArray[np.int64], device: str
) -> list[tuple[int, int, int]]:
    """Return (2·overlap, marked by the network, marked in the reference) of each of these rows, in pixels."""
    was = network.training
    network.eval()
    found: list[tuple[int, int, int]] = []
    with torch.inference_mode():
        for start in range(0, len(rows), BATCH):
            some = rows[start : start + BATCH]
            images = torch.from_numpy(np.stack([slices.images[row] for row in some])).to(device)
            guess = (network(images.unsqueeze(1).float() / 255.0) >= 0).squeeze(1).cpu().numpy()
            for row, mask in zip(some, guess, strict=True):
                truth = slices.masks[row] != 0
                found.append((2 * int((mask & truth).sum()), int(mask.sum()), int(truth.sum())))
    network.train(was)
    return found


def mean_dice(counts: Sequence[tuple[int, int, int]]) -> float:
    """Return the mean of 2·overlap / (marked + marked); every reference has a marked pixel, so none is undefined."""
    return float(np.mean([twice / (guess + truth) for twice, guess, truth in counts]))


def _fold(job: Job, slices: SliceSet, split: Split, out: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the counts of the tested slices with both choices of weights; trained and scored where they are not."""
    settings = unet.settings(job)
    stream, rows = sides(slices, job, split)
    stream = thinned(stream, settings.slices.most and settings.slices.most // 2)  # smoke: a fold is trained twice
    if not len(rows):
        raise IchBenchError(f"no slice of the test part of fold {job.fold} holds ICH: name other --fold.")
    how = fit_of(settings.training)
    about = {**about_training(job, settings, slices, stream), "method": STUDY, "split": split, "mark": MARK}
    said = train.told(about, how, seed=job.seed, precision=job.precision)
    try:
        kept = json.loads((out / SCORED).read_text("utf-8"))
        if kept["about"] == said:
            return {which: kept[which] for which in CHOSEN}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    network = first_network(settings.unet, job.seed)
    pool = Pool.on(job.device, slices, stream)
    write_json(out / ABOUT, {"method": STUDY, "about": stream.about, "mark": MARK, "machine": hardware(job.device)})
    run = train.Run(
        out=out,
        device=job.device,
        precision=job.precision,
        compiled=job.compiled,
        seed=job.seed,
        progress=job.progress,
    )
    asked: list[list[tuple[int, int, int]]] = []  # what each epoch of this call marked

    def score(net: nn.Module) -> float:
        asked.append(dice_of(net, slices, rows, job.device))
        return mean_dice(asked[-1])

    path = train.fit(
        network,
        segmentation_step(settings.augmentation, settings.empty_weight),
        lambda epoch: pool.epoch(epoch, how.batch_size, seed=job.seed),
        how,
        run,
        about,
        Watch(score=score),
    )
    ids = slices.index["case_id"].to_numpy(dtype=str)[rows]
    found: dict[str, list[dict[str, Any]]] = {}
    for which, file in (("last", out / train.LAST), ("test-fold", path)):
        weights = checkpoint.read(file)
        if len(asked) == how.epochs:
            counts = asked[weights.epoch - 1]
        else:  # an earlier call trained some epochs
            checkpoint.load_weights(network, weights.weights, source=file)
            counts = dice_of(network.to(job.device), slices, rows, job.device)
        found[which] = [{"case": case, "counts": list(one)} for case, one in zip(ids.tolist(), counts, strict=True)]
    write_json(out / SCORED, {"about": said, **found})
    return found


def _cell(split: Split, which: Chosen, folds: int, rows: Sequence[dict[str, Any]]) -> Cell:
    heads: dict[str, npt.NDArray[np.int64]] = {}
    for row in rows:
        heads[row["case"]] = heads.get(row["case"], np.zeros(3, np.int64)) + np.array(row["counts"])
    return Cell(
        split=split,
        checkpoint=which,
        folds=folds,
        slices=len(rows),
        cases=len(heads),
        dice_slices=mean_dice([tuple(row["counts"]) for row in rows]),
        dice_cases=mean_dice([(int(a), int(b), int(c)) for a, b, c in heads.values()]),
    )


def _write(path: Path, cells: Sequence[Cell]) -> Path:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_HEAD)
    for one in cells:
        scores = f"{one.dice_slices:.6f}", f"{one.dice_cases:.6f}"
        table.writerow((one.split, one.checkpoint, one.folds, one.slices, one.cases, *scores, one.leaks, MARK))
    return write_text(path, text.getvalue())
