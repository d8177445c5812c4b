"""Which light network segments at test, and how is it trained: on drawn masks (full) or on pseudo-masks (weak)?

The abstract of Ramananda 2025 calls the network computationally light and gives no number of it: every value is ours,
and the same for both rows, so that they differ in their labels alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ich_bench_baselines.blocks.augment import SliceAugmentation
from ich_bench_baselines.blocks.unet import UNetSettings
from ich_bench_baselines.data.streams import Regime
from ich_bench_baselines.job import Job
from ich_bench_baselines.paper import ours, scaled
from ich_bench_baselines.spahr.settings import Slices, Supervised, Training, asked

_SILENT = "the abstract is silent"


@dataclass(frozen=True, kw_only=True)
class LightUNet(UNetSettings):
    """A U-Net of half the usual channels and one level less: 336,417 parameters, a sixteenth of Spahr 2023's."""

    depth: int = ours(4, "one level less than Spahr 2023's: computationally light")
    top: int = ours(16, "half of Spahr 2023's channels: computationally light")
    middle_factor: int = ours(2, "as in Spahr 2023's U-Net")
    dropout: float = ours(0.0, _SILENT)
    channels_in: int = ours(1, "slice by slice")
    channels_out: int = ours(1, "one mask")


@dataclass(frozen=True, kw_only=True)
class LightSlices(Slices):
    """What it sees of a CT, and which slices it is trained on."""

    window_hu: tuple[float, float] = ours((-50.0, 150.0), "blood, brain, CSF and the rim of bone, in steps of 0.8 HU")
    side: int = ours(256, "half of a CT's 512 pixels", smoke=96)
    regime: Regime = ours("mixed", "slices with ICH, and some without, so that it learns where nothing is")
    normals_per_ich: float = ours(1.0, "as many without as with ICH")
    most: int | None = ours(None, "all", smoke=48)


@dataclass(frozen=True, kw_only=True)
class OurAugmentation(SliceAugmentation):
    """Small moves, as usual for heads."""

    translate: float = ours(0.1, "heads lie apart by as much")
    rotate_deg: float = ours(15.0, "heads are turned by as much")
    scale: tuple[float, float] = ours((0.9, 1.1), "heads differ in size by as much")
    flip: float = ours(0.5, "hemorrhage is as likely on either side")


@dataclass(frozen=True, kw_only=True)
class LightTraining(Training):
    """How long and how fast."""

    epochs: int = ours(50, "the loss is flat by then on drawn heads", smoke=3)
    batch_size: int = ours(16, _SILENT, smoke=8)
    lr: float = ours(1e-3, "Adam's own")
    gamma: float = ours(0.95, "down to a thirteenth after 50 epochs")
    weight_decay: float = ours(1e-6, _SILENT)


@dataclass(frozen=True, kw_only=True)
class LightOnPhantom(LightTraining):
    """A shorter one for drawn heads."""

    epochs: int = ours(20, "the phantom schedule: long enough to tell methods apart")
    gamma: float = ours(0.88, "the phantom schedule: as far down as in 50 epochs")


@dataclass(frozen=True, kw_only=True)
class Light(Supervised):
    """The light network's training on masks, drawn or made."""

    unet: UNetSettings = LightUNet()
    slices: Slices = LightSlices()
    augmentation: SliceAugmentation = OurAugmentation()
    training: Training = LightTraining()
    empty_weight: float = ours(0.2, "slices without ICH weigh as in Spahr 2023: else it learns to say nothing")
    threshold: float = ours(0.5, "ICH where the sigmoid is at least this")


def light_settings(job: Job, settings_class: type[Light] = Light) -> Light:
    """Return the settings for a job: its schedule, then what the job itself asks for; the network keeps its size."""
    full = settings_class()
    if job.schedule == "phantom":
        full = replace(full, training=LightOnPhantom())
    return asked(scaled(full, "smoke" if job.schedule == "smoke" else "paper"), full, job)
