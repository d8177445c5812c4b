"""With which values is Qayyum 2023's coarse stage trained?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ich_bench.errors import UsageError
from ich_bench_baselines.data.pixels import Window
from ich_bench_baselines.data.volumes import Intensity, Shape
from ich_bench_baselines.job import Job, choice
from ich_bench_baselines.methods import known
from ich_bench_baselines.paper import ours, paper, scaled, variant
from ich_bench_baselines.qayyum.dense import DenseSettings

METHOD = "qayyum-coarse"
C = TypeVar("C", bound="Coarse")


@dataclass(frozen=True, kw_only=True)
class Stacks:
    """What of a CT the network sees: slices of the volume brought to side × side × depth; `most` bounds how many."""

    side: int = paper(256, "Sec. 2.4", smoke=64)
    depth: int = paper(16, "Sec. 2.4: 256 × 256 × 16", smoke=8)
    intensity: Intensity = paper("minmax", "Sec. 2.4: max and min intensity normalization")
    window_hu: tuple[float, float] = ours((-50.0, 150.0), "with --option intensity=window alone; that of Spahr 2023")
    most: int | None = ours(None, "all slices of the training volumes", smoke=24)

    @property
    def shape(self) -> Shape:
        """(rows, columns, slices)."""
        return self.side, self.side, self.depth

    @property
    def window(self) -> Window:
        """The window as the pixels take it."""
        return Window(low_hu=self.window_hu[0], high_hu=self.window_hu[1])


@dataclass(frozen=True, kw_only=True)
class FlipsAndGamma:
    """How often a slice is mirrored, each way, and how often raised to a power drawn from `gamma`."""

    horizontal: float = paper(0.5, "Sec. 2.4")
    vertical: float = paper(0.5, "Sec. 2.4")
    gamma_chance: float = paper(0.8, "Sec. 2.4")
    gamma: tuple[float, float] = ours((0.8, 1.2), "not printed; the default of Albumentations, whose names it uses")


@dataclass(frozen=True, kw_only=True)
class CoarseTraining:
    """Adam with a constant rate; the epoch with the lowest loss on the inner validation part is kept."""

    epochs: int = paper(200, "Sec. 2.4", smoke=2)
    batch_size: int = paper(2, "Sec. 2.4; slices, as the network takes them one by one", smoke=4)
    lr: float = paper(4e-4, "Sec. 2.4")
    patience: int | None = paper(20, "Sec. 2.4: 20 early stopping steps, read as epochs")
    inner_share: float = ours(0.2, "of the training patients: as large a part as one of the paper's five folds")


@dataclass(frozen=True, kw_only=True)
class OnPhantomSchedule(CoarseTraining):
    """A shorter one that tells methods apart on drawn heads."""

    epochs: int = ours(40, "the phantom schedule: long enough to tell methods apart")
    batch_size: int = ours(16, "the phantom schedule")
    patience: int | None = ours(10, "the phantom schedule")


@dataclass(frozen=True, kw_only=True)
class Coarse:
    """The coarse stage."""

    net: DenseSettings = DenseSettings()
    stacks: Stacks = Stacks()
    augmentation: FlipsAndGamma = FlipsAndGamma()
    training: CoarseTraining = CoarseTraining()
    threshold: float = ours(0.5, "not printed")


def coarse_settings(job: Job, kind: type[C] = Coarse) -> C:  # type: ignore[assignment]
    """Return the coarse stage's hyper-parameters for a job; UsageError for a side that the network cannot take."""
    found: Any = scaled(variant(kind, job.variant), "smoke" if job.schedule == "smoke" else "paper")
    training = OnPhantomSchedule() if job.schedule == "phantom" else found.training
    training = replace(training, epochs=job.epochs or training.epochs, batch_size=job.batch or training.batch_size)
    stacks = replace(found.stacks, side=job.side or found.stacks.side)
    if "intensity" in known(job.method).choices:
        stacks = replace(stacks, intensity=choice(job, "intensity"))
    net = found.net
    if job.width is not None:  # all widths in proportion
        decoder = tuple(max(1, width * job.width // net.stem) for width in net.decoder)
        net = replace(net, stem=job.width, growth=max(1, job.width // 2), decoder=decoder)
    if stacks.side % net.step:
        raise UsageError(f"--side {stacks.side}: {METHOD} takes sides that are multiples of {net.step}, such as 256.")
    return replace(found, net=net, stacks=stacks, training=training)  # type: ignore[no-any-return]
