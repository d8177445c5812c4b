"""Which heads a drawn dataset holds: case, patient, site, ill or healthy, and the seed each is drawn from."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ich_bench.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from ich_bench.phantom.head import Head

Shape = tuple[int, int, int]
_ATTEMPTS = 10


@dataclass(frozen=True, kw_only=True)
class PlannedHead:
    """One head before it is drawn. `bleeds`: ill as the site's patients are (None), healthy (()), or these.

    `seed` starts PCG64. `shape` is the grid, None for the site's own.
    """

    case_id: str
    patient_id: str
    site: str
    bleeds: tuple[str, ...] | None
    seed: tuple[int, ...]
    shape: Shape | None = None

    @property
    def has_ich(self) -> bool:
        """Return whether something bleeds in it."""
        return self.bleeds is None or bool(self.bleeds)

    def drawn(self) -> Head:
        """Return the head, the same at every call: one second or a few.

        An ill head of which the drawn reader outlined nothing is drawn again from the next seed.
        """
        from ich_bench.phantom.bleeds import draw_bleed_plan
        from ich_bench.phantom.draw import draw

        for attempt in range(_ATTEMPTS):
            rng = np.random.Generator(np.random.PCG64([*self.seed, *([attempt] if attempt else [])]))
            bleeds = draw_bleed_plan(rng, self.site) if self.bleeds is None else self.bleeds
            head = draw(self.case_id, rng, site=self.site, bleeds=bleeds, shape=self.shape, patient_id=self.patient_id)
            if head.has_ich or not bleeds:
                return head
        raise UsageError(f"a grid of {self.shape} is too coarse to show {', '.join(bleeds)}: draw on a finer one.")

    def named(self, case_id: str) -> PlannedHead:
        """Return the same head under another case id."""
        return replace(self, case_id=case_id, patient_id=case_id)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a drawn dataset is made of: heads with ICH and healthy ones of each site, and the version of its heads.

    A version's heads never change; what changes a head raises the version. `seed` is chosen once for a version.
    """

    version: int
    sites: Mapping[str, tuple[int, int]]
    seed: int = 0


_DEVELOPMENT = {"a": (15, 5), "b": (10, 10), "c": (15, 5)}
RECIPES: Mapping[str, Recipe] = {
    "phantom": Recipe(version=1, sites=_DEVELOPMENT),
    "phantom-dev": Recipe(version=1, sites=_DEVELOPMENT),
    "phantom-test": Recipe(version=1, sites={"a": (37, 13), "b": (25, 25), "c": (37, 13), "d": (31, 19)}),
    "phantom-mini": Recipe(version=2, sites={"a": (3, 1), "b": (2, 2), "c": (3, 1)}),
}
MINI_BLEEDS: tuple[tuple[str, ...], ...] = (
    ("iph",), (), ("ivh",), ("edh",), (), ("sdh",), ("sah",), ("iph", "ivh"), (), ("sdh",), (), ("iph",),
)  # fmt: skip
MINI_SITES = "abcbbacbacca"
_MINI_SHAPES: Mapping[str, Shape] = {"a": (160, 160, 104), "b": (192, 192, 27), "c": (192, 192, 27)}


def planned(dataset: str) -> tuple[PlannedHead, ...]:
    """Return every head of a drawn dataset in order of case id; UsageError, nearest first, for an unknown one.

    The sites take turns, and so do ill and healthy heads by chance within a site, so that the first heads of a dataset
    already hold some of each. Each head is another patient.
    """
    if dataset not in RECIPES:
        raise UsageError(f"there is no drawn dataset {dataset!r}. {did_you_mean(dataset, RECIPES)}")
    return _planned(dataset)


@cache
def _planned(dataset: str) -> tuple[PlannedHead, ...]:
    recipe = RECIPES[dataset]
    if dataset == "phantom-mini":
        kinds: list[tuple[str, tuple[str, ...] | None, Shape | None]] = [
            (site, bleeds, _MINI_SHAPES[site]) for site, bleeds in zip(MINI_SITES, MINI_BLEEDS, strict=True)
        ]
    else:
        kinds = [(site, None if ich else (), None) for site, ich in _turns(dataset, recipe)]
    return tuple(
        PlannedHead(
            case_id=f"{dataset}-{number:03}",
            patient_id=f"{dataset}-{number:03}",
            site=site,
            bleeds=bleeds,
            seed=(zlib.crc32(dataset.encode()), recipe.version, recipe.seed, number),
            shape=shape,
        )
        for number, (site, bleeds, shape) in enumerate(kinds)
    )


def _turns(dataset: str, recipe: Recipe) -> list[tuple[str, bool]]:
    """Return (site, ill or healthy) of each head: sites in turn, within a site in the order of PCG64's raw output."""
    waiting = {}
    for site, (ill, healthy) in recipe.sites.items():
        raw = np.random.PCG64([zlib.crc32(dataset.encode()), ord(site)]).random_raw(ill + healthy)
        waiting[site] = [int(place) < ill for place in np.argsort(raw, kind="stable")]
    turns = []
    while any(waiting.values()):
        turns += [(site, flags.pop(0)) for site, flags in waiting.items() if flags]
    return turns
