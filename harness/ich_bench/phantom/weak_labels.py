"""What would a hurried reader have ticked for each slice? Labels of the pool, with the usual share of mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ich_bench.cases import SUBTYPES
from ich_bench.phantom.chance import Floats, chance, one_of, uniforms

Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class WeakLabelParameters:
    """How often slice labels are wrong; textbook shares, to be taken as an order of magnitude."""

    end_flipped: float = 0.15  # the first and the last slice of a bleed: called free
    small_missed: float = 0.20  # any slice that shows less than `small_mm2` of it: called free
    small_mm2: float = 50.0  # a slice that shows less is a small one
    false_positive: float = 0.01  # share of the slices without this bleed that are called bled, mimics first


def weak_labels(
    areas_mm2: Mapping[str, Floats],
    rng: np.random.Generator,
    *,
    mimic_slices: Flags | None = None,
    parameters: WeakLabelParameters | None = None,
    clean: bool = False,
) -> dict[str, Flags]:
    """Return for each of SUBTYPES which slices of one head are labelled so, mistakes and all.

    One percent of the free slices of a head is less than one slice: the share is drawn, for the whole head, as the
    number of slices that are called bled; they are taken from those that show a mimic, and only then from others. Which
    subtype they are called is drawn.

    Args:
        areas_mm2: by subtype, how much of each slice it takes, (slices,); subtypes left out did not bleed.
        rng: where chance comes from; nothing is drawn when `clean`.
        mimic_slices: (slices,) which slices show something that looks like blood.
        parameters: how often labels are wrong; the usual when None.
        clean: labels without any mistake.
    """
    parameters = parameters or WeakLabelParameters()
    count = len(next(iter(areas_mm2.values()))) if areas_mm2 else len(mimic_slices) if mimic_slices is not None else 0
    areas = {name: np.asarray(areas_mm2.get(name, np.zeros(count)), np.float64) for name in SUBTYPES}
    labels = {name: area > 0 for name, area in areas.items()}
    if clean or not count:
        return labels
    for name in SUBTYPES:
        shown = labels[name].copy()
        ends = _ends(shown)
        drawn = uniforms(rng, (2, count))
        labels[name][ends & (drawn[0] < parameters.end_flipped)] = False
        labels[name][shown & (areas[name] < parameters.small_mm2) & (drawn[1] < parameters.small_missed)] = False
    free = np.logical_and.reduce([area == 0 for area in areas.values()])
    mimics = np.zeros(count, bool) if mimic_slices is None else np.asarray(mimic_slices, bool) & free
    wrong = sum(chance(rng, parameters.false_positive) for _ in range(int(free.sum())))
    order = [*_shuffled(np.nonzero(mimics)[0], rng), *_shuffled(np.nonzero(free & ~mimics)[0], rng)]
    for k in order[:wrong]:
        labels[one_of(rng, SUBTYPES)][k] = True
    return labels


def _ends(shown: Flags) -> Flags:
    """Return the first and last slice of every run of slices."""
    padded = np.concatenate([[False], shown, [False]])
    ends: Flags = shown & (~padded[:-2] | ~padded[2:])
    return ends


def _shuffled(numbers: NDArray[np.intp], rng: np.random.Generator) -> list[int]:
    return [int(each) for each in numbers[np.argsort(uniforms(rng, (len(numbers),)), kind="stable")]]
