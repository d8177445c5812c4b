"""How does Ramananda 2025 go from labels of slices to masks: classifier, pseudo-masks, light network, each kept?

    FOLDER/classifier/             last.ckpt, log.csv, about.json: the ResNet and LSTM
    FOLDER/pseudo-<key>/           masks.npy, rows.npy: what its activation maps were refined to, and from what
    FOLDER/                        last.ckpt, log.csv, about.json: the light network, which alone predicts

Interrupted anywhere, the same call goes on: a stage that is done is taken as it is.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor, nn

from ich_bench.errors import UsageError
from ich_bench.places import write_json
from ich_bench_baselines import checkpoint, distributed, train
from ich_bench_baselines.alone import alone
from ich_bench_baselines.blocks.augment import SliceAugmentation, apply, draw
from ich_bench_baselines.blocks.unet import seeded
from ich_bench_baselines.data.loader import Pool
from ich_bench_baselines.data.pixels import Window
from ich_bench_baselines.data.pools import dicom_pool, phantom_pool
from ich_bench_baselines.data.slice_build import Plan, build
from ich_bench_baselines.data.streams import Stream
from ich_bench_baselines.hardware import hardware
from ich_bench_baselines.job import Job, budget_of, choice, folder, trained
from ich_bench_baselines.paper import origins, ours, paper, scaled
from ich_bench_baselines.pretext.training import KINDS
from ich_bench_baselines.ramananda.light import Light, OurAugmentation, light_settings
from ich_bench_baselines.ramananda.refine import Refinement
from ich_bench_baselines.ramananda.resnet_lstm import ResNetLSTM, ResNetLSTMSettings
from ich_bench_baselines.ramananda.sequences import SequenceBatch, Windows, dealt, thinned, together, windows
from ich_bench_baselines.ramananda.shares import HELD_OUT_SLICES, TRAIN_SHARE
from ich_bench_baselines.ramananda.weak import WeakSlices, counted, of_fold, of_pool, weak_slices
from ich_bench_baselines.segment import ABOUT, trained_slices
from ich_bench_baselines.spahr.settings import Training, fit_of

CLASSIFIER = "classifier"
_MOST_WEIGHT = 10.0  # of a slice with ICH against one without


@dataclass(frozen=True, kw_only=True)
class ClassifierTraining(Training):
    """How long and how fast; `batch_size` counts slices."""

    epochs: int = ours(30, "the abstract is silent; the folds hold two thousand slices", smoke=3)
    batch_size: int = ours(64, "eight sequences of eight slices", smoke=16)
    lr: float = ours(1e-3, "no pre-trained weights: 1e-4 learnt slower on 60 drawn heads")
    gamma: float = ours(0.95, "down to a fifth after 30 epochs")
    weight_decay: float = ours(1e-5, "the abstract is silent")


@dataclass(frozen=True, kw_only=True)
class PoolClassifierTraining(ClassifierTraining):
    """On a pool, whose epochs are longer."""

    epochs: int = ours(10, "a pool has a hundred times the slices of a fold", smoke=3)
    gamma: float = ours(0.8, "down to a tenth after 10 epochs")


@dataclass(frozen=True, kw_only=True)
class PhantomClassifierTraining(ClassifierTraining):
    """On drawn heads."""

    epochs: int = ours(15, "the phantom schedule: long enough to tell methods apart")
    gamma: float = ours(0.9, "the phantom schedule")


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """ResNet and LSTM over sequences of `length` slices; `most` bounds how many sequences (None: all)."""

    network: ResNetLSTMSettings = ResNetLSTMSettings()
    length: int = ours(8, "4 cm of slices of 5 mm: longer than most hemorrhages")
    augmentation: SliceAugmentation = OurAugmentation()
    training: Training = ClassifierTraining()
    clip_norm: float = ours(1.0, "usual for an LSTM")
    most: int | None = ours(None, "all", smoke=8)


@dataclass(frozen=True, kw_only=True)
class PoolPart:
    """What of a pool is trained on: `percent` of the slices with ICH, by patient."""

    percent: int = ours(100, "the whole training part; the abstract's own numbers are of 50")
    held_out: int = paper(HELD_OUT_SLICES, "abstract: 541 slices of RSNA were held as test data")
    train: float = paper(TRAIN_SHARE, "abstract: the remaining samples were divided 90:10")
    split_seed: int = ours(42, "the paper's split is unpublished")


@dataclass(frozen=True, kw_only=True)
class WeakSettings:
    """All three stages, and what of a pool is trained on."""

    classifier: Classifier = Classifier()
    refinement: Refinement = Refinement()
    light: Light = Light()
    pool: PoolPart = PoolPart()


def weak_settings(job: Job, settings_class: type[WeakSettings] = WeakSettings) -> WeakSettings:
    """Return the settings for a job; its width holds for both networks, its batch and epochs for both trainings.

    UsageError for a share of a pool where no pool is named.
    """
    percent = int(choice(job, "share"))
    if percent != 100 and job.pool is None:
        raise UsageError(f"--option share={percent} is a share of a pool: name one with --pool. {KINDS}.")
    full = settings_class()
    training: Training = {"phantom": PhantomClassifierTraining()}.get(
        job.schedule, PoolClassifierTraining() if job.pool else ClassifierTraining()
    )
    small = scaled(replace(full.classifier, training=training), "smoke" if job.schedule == "smoke" else "paper")
    network = replace(full.classifier.network, lstm=choice(job, "lstm") == "on")
    network = network if job.width is None else replace(network, top=job.width)
    given = {"epochs": job.epochs, "batch_size": job.batch}
    asked: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    training = replace(small.training, **asked)
    return replace(
        full,
        classifier=replace(small, network=network, training=training),
        light=light_settings(job, type(full.light)),
        pool=replace(full.pool, percent=percent),
    )


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that the stages see: slices with labels, which of them, and as which sequences. There is no mask in it."""

    slices: WeakSlices
    stream: Stream
    windows: Windows


def seen_by(job: Job, settings: WeakSettings) -> Seen:
    """Return what a job is trained on: its fold's training cases, or a share of its pool, cached if needed."""
    if job.pool_alone:
        cache = build(pool_plan(job, settings), jobs=job.jobs, progress=job.progress, tell=job.tell)
        slices, part = weak_slices(cache), settings.pool
        stream = of_pool(slices, part.percent, held_out=part.held_out, train=part.train, seed=part.split_seed)
    else:
        slices = weak_slices(trained_slices(job, settings.light.slices))
        scheme, fold = trained(job)
        budget, draw_number = budget_of(job)
        stream = of_fold(slices, scheme, fold, budget=budget, draw=draw_number)
    return seen_as(settings.classifier, slices, stream)


def seen_as(settings: Classifier, slices: WeakSlices, stream: Stream) -> Seen:
    """Return a stream of slices with its sequences, at most `settings.most`."""
    whole = windows(slices.index.iloc[stream.rows], settings.length)
    return Seen(slices=slices, stream=stream, windows=thinned(whole, stream.positive, settings.most))


def pool_plan(job: Job, settings: WeakSettings) -> Plan:
    """Return the plan of the job's pool: all slices of each head, since a sequence needs those without ICH as well.

    UsageError where there is no such pool.
    """
    slices = settings.light.slices
    window, side = Window(low_hu=slices.window_hu[0], high_hu=slices.window_hu[1]), slices.side
    kind, _, rest = (job.pool or "").partition(":")
    if kind == "rsna":
        return dicom_pool(rest or None, selection="all", seed=settings.pool.split_seed, window=window, side=side)
    if kind == "phantom-pool" and rest.isdecimal() and int(rest) > 0:
        return phantom_pool(int(rest), window=window, side=side)
    raise UsageError(f"--pool {job.pool!r}: there is no such pool. {KINDS}.")


def about_stage(job: Job, settings: Any, seen: Seen, **more: Any) -> dict[str, Any]:
    """Return the plain values that a stage's checkpoint carries: whose it is, its settings, and `more`."""
    scheme, fold = trained(job)
    return {
        **{name: getattr(job, name) for name in ("method", "seed", "schedule", "budget", "pool")},
        "dataset": scheme.dataset,
        "scheme": scheme.name,
        "scheme_sha256": scheme.sha256,
        "fold": None if job.elsewhere else fold,
        "slices": seen.slices.key,
        "slices_trained_on": int(seen.windows.counts.sum()),
        "settings": [dataclasses.asdict(row) for row in origins(settings)],
        **more,
    }


def run_of(job: Job, out: Path) -> train.Run:
    """Return where and on what a stage runs."""
    return train.Run(
        out=out,
        device=distributed.begin(job.device),
        precision=job.precision,
        compiled=job.compiled,
        seed=job.seed,
        progress=job.progress,
    )


def train_classifier(job: Job, settings: WeakSettings, seen: Seen, out: Path) -> Path:
    """Train the ResNet and LSTM from labels of slices and return its checkpoint; done, it is returned as it is."""
    own = settings.classifier
    size = max(1, own.training.batch_size // own.length)
    how = replace(fit_of(own.training), batch_size=size * own.length, clip_norm=own.clip_norm)
    about = about_stage(job, own, seen, part=dataclasses.asdict(settings.pool) if job.pool_alone else None)
    if train.is_done(out, how):
        kept = checkpoint.read(out / train.LAST)
        checkpoint.check_same(
            out / train.LAST, kept.about, train.told(about, how, seed=job.seed, precision=job.precision)
        )
        return out / train.LAST
    run = run_of(job, out)
    pool = Pool.on(run.device, seen.slices, seen.stream, kinds=("images",))  # type: ignore[arg-type]
    ranks = {"rank": distributed.rank(), "world": distributed.world()}
    if distributed.leads() and not (out / ABOUT).is_file():
        machine = {"machine": hardware(run.device), "side": seen.slices.side, "precision": job.precision}
        write_json(out / ABOUT, {**counted(seen.slices, seen.stream), **machine, "method": job.method})
    return train.fit(
        seeded(lambda: ResNetLSTM(own.network), job.seed),
        classifier_step(own.augmentation, positive_weight(seen)),
        lambda epoch: dealt(pool, seen.windows, size, seed=job.seed, epoch=epoch, **ranks),
        how,
        run,
        about,
    )


def positive_weight(seen: Seen) -> float:
    """Return how much a slice with ICH weighs: as many as there are without for each with, at most ten."""
    ich = seen.stream.positive[seen.windows.places[seen.windows.counts]]
    return float(min(_MOST_WEIGHT, (~ich).sum() / max(1, ich.sum()))) if ich.any() and not ich.all() else 1.0


def classifier_step(augmentation: SliceAugmentation, weight: float) -> train.Step:
    """Return the step of the classifier: a head moves as a whole, then the cross-entropy of each slice that counts."""

    def step(net: nn.Module, batch: SequenceBatch, own: torch.Generator) -> Tensor:
        count, length = batch.ich.shape
        drawn = together(draw(augmentation, count, own), length)
        images = apply(batch.images.flatten(0, 1), drawn).reshape(batch.images.shape)
        logits = net(images).float()
        heavier = torch.tensor(weight, device=logits.device)
        with torch.autocast(logits.device.type, enabled=False):
            loss = F.binary_cross_entropy_with_logits(logits, batch.ich, pos_weight=heavier, reduction="none")
        return (loss * batch.counts).sum() / batch.counts.sum().clamp(min=1.0)

    return step


def load_classifier(path: Path, settings: Classifier, device: str = "cpu") -> ResNetLSTM:
    """Return the trained classifier."""
    network = ResNetLSTM(settings.network)
    checkpoint.load_weights(network, checkpoint.read(path).weights, source=path)
    return network.to(device).eval()


def train_weak(job: Job, settings: WeakSettings) -> Path:
    """Train all three stages, each resumed where it stopped, and return the light network's checkpoint.

    Raises:
        UsageError, IchBenchError: the job is none, its data are not here, or hold nothing to learn from.
    """
    from ich_bench_baselines.ramananda.pseudo import pseudo_masks, train_light

    out = folder(job)
    with alone(out, job.tell):  # datasets that are predicted share the model of a pool
        seen = seen_by(job, settings)
        distributed.tell(job.tell, f"classifier: {seen.stream.about}")
        classifier = train_classifier(job, settings, seen, out / CLASSIFIER)
        made = pseudo_masks(job, settings, seen, classifier, out)
        distributed.tell(job.tell, f"pseudo-masks on {int(made.masked.sum())} of {len(made.masked)} slices with ICH")
        return train_light(job, settings, seen, made, out)
