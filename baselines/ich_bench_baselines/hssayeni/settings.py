"""With which values is Hssayeni 2020's U-Net trained? Those of the authors' code: the paper's text is not at hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ich_bench.errors import UsageError
from ich_bench_baselines.blocks.augment import Augmentation
from ich_bench_baselines.hssayeni.crop_unet import CropUNetSettings
from ich_bench_baselines.hssayeni.crops import Merge, Tiling
from ich_bench_baselines.job import Job
from ich_bench_baselines.paper import code, ours, scaled, variant

S = TypeVar("S", bound="Supervised")
MAIN = "main.py"


@dataclass(frozen=True, kw_only=True)
class Crops:
    """What of a CT the network sees; `most` bounds how many crops are trained on, and validated on."""

    window_hu: tuple[float, float] = code((-20.0, 100.0), f"{MAIN}: centre 40, width 120")
    side: int = code(512, MAIN, smoke=32)
    crop: int = code(128, MAIN, smoke=16)
    stride: int = code(64, MAIN, smoke=8)
    most: int | None = ours(None, "all that are chosen", smoke=24)

    @property
    def tiling(self) -> Tiling:
        """Where the crops lie."""
        return Tiling(side=self.side, crop=self.crop, stride=self.stride)


@dataclass(frozen=True, kw_only=True)
class CropAugmentation(Augmentation):
    """How crops are moved; beyond their edge the outermost pixel goes on."""

    translate: float = code(0.1, MAIN)
    rotate_deg: float = code(20.0, MAIN)
    scale: tuple[float, float] = code((0.8, 1.2), MAIN)


@dataclass(frozen=True, kw_only=True)
class CropTraining:
    """Adam with a constant rate; the epoch with the best Jaccard on the validation cases is kept."""

    epochs: int = code(100, MAIN, smoke=2)
    batch_size: int = code(32, MAIN, smoke=8)
    lr: float = code(1e-5, MAIN, smoke=1e-4)
    inner_share: float = ours(0.25, "where the folds name no validation cases; 15 of 60, as in the authors' folds")


@dataclass(frozen=True, kw_only=True)
class OnPhantomSchedule(CropTraining):
    """A shorter one that tells methods apart on drawn heads."""

    epochs: int = ours(40, "the phantom schedule: long enough to tell methods apart")
    lr: float = ours(1e-4, "the phantom schedule: as far in 40 epochs")


@dataclass(frozen=True, kw_only=True)
class Masks:
    """How crops become masks; sizes in pixels of the slices that are cut."""

    threshold: float = code(0.5, MAIN)
    merge: Merge = ours(
        "majority",
        "each crop is cut at the threshold, then they vote",
        code=code("mean", f"{MAIN}: the crops' probabilities are averaged, then cut"),
    )
    closing: int = code(10, MAIN, smoke=2)
    opening: int = code(5, MAIN, smoke=1)


@dataclass(frozen=True, kw_only=True)
class Supervised:
    """The whole method."""

    unet: CropUNetSettings = CropUNetSettings()
    crops: Crops = Crops()
    augmentation: CropAugmentation = CropAugmentation()
    training: CropTraining = CropTraining()
    masks: Masks = Masks()


def settings_for(kind: type[S], job: Job) -> S:
    """Return the hyper-parameters for a job; UsageError for a side that cannot be cut."""
    found: Any = scaled(variant(kind, job.variant), "smoke" if job.schedule == "smoke" else "paper")
    training = OnPhantomSchedule() if job.schedule == "phantom" else found.training
    training = replace(training, epochs=job.epochs or training.epochs, batch_size=job.batch or training.batch_size)
    unet = replace(found.unet, top=job.width or found.unet.top)
    crops = found.crops
    if job.side is not None:
        if job.side % (4 * unet.step):
            raise UsageError(
                f"--side {job.side}: {job.method} cuts slices into crops of a quarter of their side, which must be a "
                f"multiple of {unet.step}: expected a multiple of {4 * unet.step}, such as 512."
            )
        crops = replace(crops, side=job.side, crop=job.side // 4, stride=job.side // 8)
    return replace(found, unet=unet, crops=crops, training=training)  # type: ignore[no-any-return]
