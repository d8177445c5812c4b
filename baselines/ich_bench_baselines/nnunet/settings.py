"""With which values is nnU-Net planned, trained and asked for masks, and who chose them?

Sizes stand in nnU-Net's own order: the axis of the coarsest spacing first, in voxels or mm of the planned grid. None
leaves a value to nnU-Net's own rules. Isensee 2021: Nature Methods 18, 203–211.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, make_dataclass, replace
from typing import Any, TypeVar, cast

from ich_bench_baselines.job import Job, training_cases
from ich_bench_baselines.paper import code, ours, paper, scaled, variant
from ich_bench_baselines.spahr.settings import need_supervision

S = TypeVar("S", bound="NnUNet")
PAPER = "Isensee 2021, Methods"


@dataclass(frozen=True, kw_only=True)
class NnUNet:
    """One training of nnU-Net; what is not here is nnU-Net's own (loss, augmentation, normalisation, resampling)."""

    configuration: str = paper("3d_fullres", PAPER)
    epochs: int = paper(1000, PAPER, smoke=1)
    steps_per_epoch: int = paper(250, PAPER, smoke=2)
    validation_steps: int = code(50, "nnUNetTrainer; only for the log, nothing is chosen by it", smoke=1)
    lr: float = paper(0.01, f"{PAPER}: falls with (1 − epoch/epochs)^0.9")
    weight_decay: float = code(3e-5, "nnUNetTrainer")
    memory_gb: float = code(8.0, "ExperimentPlanner: the GPU memory that patch and batch are planned for")
    width: int = paper(32, f"{PAPER}: channels of the first stage")
    batch_size: int | None = paper(None, f"{PAPER}: by rule, 2 or more", smoke=2)
    patch: tuple[int, ...] | None = paper(None, f"{PAPER}: by rule from the median head and the memory")
    spacing_mm: tuple[float, ...] | None = paper(None, f"{PAPER}: by rule, the median of the training heads")
    tile_step: float = paper(0.5, f"{PAPER}: tiles overlap by half", smoke=1.0)
    mirroring: bool = paper(value=True, source=f"{PAPER}: the mean over all mirrored views", smoke=False)


@dataclass(frozen=True, kw_only=True)
class NnUNet2D(NnUNet):
    """Slice by slice."""

    configuration: str = paper("2d", PAPER)
    patch: tuple[int, ...] | None = paper(None, f"{PAPER}: by rule", smoke=(64, 64))
    spacing_mm: tuple[float, ...] | None = paper(None, f"{PAPER}: by rule", smoke=(5.0, 2.5, 2.5))


@dataclass(frozen=True, kw_only=True)
class NnUNet3D(NnUNet):
    """In three dimensions, at full resolution."""

    patch: tuple[int, ...] | None = paper(None, f"{PAPER}: by rule", smoke=(16, 64, 64))
    spacing_mm: tuple[float, ...] | None = paper(None, f"{PAPER}: by rule", smoke=(5.0, 2.5, 2.5))


def nnunet_settings(settings_class: type[S], job: Job) -> S:
    """Return nnU-Net's settings for a job: schedule, then what the job itself asks for.

    UsageError for a pool, which nnU-Net has no use for, and for a side that its network cannot halve.
    """
    need_supervision(job)
    kind = _on_phantom(settings_class) if job.schedule == "phantom" else settings_class
    found = scaled(variant(kind, job.variant), "smoke" if job.schedule == "smoke" else "paper")
    if job.epochs is not None:
        found = replace(found, epochs=job.epochs)
    if job.batch is not None:
        found = replace(found, batch_size=job.batch)
    if job.width is not None:
        found = replace(found, width=job.width)
    if job.side is not None:
        found = replace(found, patch=_patch(found, job.side))
    return found


def _on_phantom(settings_class: type[S]) -> type[S]:
    """Return the same settings with the epochs of the `phantom` schedule, which say where they come from."""
    epochs = ours(50, "the phantom schedule: long enough to tell methods apart")
    fields: list[tuple[str, type, Any]] = [("epochs", int, epochs)]
    made = make_dataclass(settings_class.__name__, fields, bases=(settings_class,), frozen=True, kw_only=True)
    return cast(type[S], made)


def _patch(settings: NnUNet, side: int) -> tuple[int, ...]:
    """Return a patch of this side within the slice; across slices as it was, or 16 where nnU-Net was to say."""
    if settings.configuration == "2d":
        return side, side
    return (16 if settings.patch is None else settings.patch[0]), side, side


def nnunet_stages(job: Job, settings: NnUNet, part: str = "") -> Iterator[tuple[str, int, int, int, int | None]]:
    """Yield part, training cases, epochs, batch (2 where it is nnU-Net's to say) and patches an epoch."""
    batch = settings.batch_size or 2
    yield part, len(training_cases(job)), settings.epochs, batch, settings.steps_per_epoch * batch
