"""Do the drawn bleeds follow the published statistics of lesions? Prints tables, drawn beside published, site by site.

Run it with `python benchmarks/phantom_lesions.py --jobs 2`: ten minutes of two free cores. Two kinds of table come.
The first are of more than 1,000 bleeds as shapes, before any scan: their volume on a 3 mm lattice, times the share of
it that masks hold (`rendered`, measured). The others are of heads drawn whole (`--heads`, a site), as the simulated
reader outlines them: volumes, clusters, slices, and Dice between truth and reference. Seeds are this script's own.
"""

from __future__ import annotations

import argparse
import platform
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import label

from ich_bench.cases import SUBTYPES
from ich_bench.phantom.anatomy import draw_anatomy
from ich_bench.phantom.bleed_size import lattice_of
from ich_bench.phantom.bleeds import draw_bleed_plan, draw_bleeds, lesion_parameters
from ich_bench.phantom.draw import draw
from ich_bench.phantom.parameters import PHANTOM_VERSION, SITES

# Published or textbook figures, by site; None where there is none.
HEADS = {"a": 51, "b": 36, "c": 100}
COUNTS = {  # CQ500's reads; Hssayeni 2020; INSTANCE 2022 names its subdurals only
    "a": {"iph": 39, "ivh": 9, "edh": 3, "sdh": 11, "sah": 9},
    "b": {"iph": 16, "ivh": 5, "edh": 21, "sdh": 4, "sah": 7},
    "c": {"sdh": 13},
}
TOTALS_ML = {  # quantiles of a head's total, then the mean
    "a": {"min": 0.31, "P10": 1.5, "P25": 4.1, "P50": 15.3, "P75": 38.0, "P90": 84.0},
    "b": {"P50": 6.5, "mean": 15.3},
    "c": {"mean": 25.3},
}
CLASSES_ML = ((0.0, 1.0), (1.0, 5.0), (5.0, 30.0), (30.0, 1e9))
CLASSES_A = (5, 9, 18, 19)  # of 51
LESIONS_ML = {"iph": (10, 3, 30), "ivh": (4, 1, 12), "edh": (12, 4, 35), "sdh": (15, 5, 45), "sah": (3, 0.8, 10)}
DICE = {"iph": (0.85, 0.92), "ivh": None, "edh": (0.75, 0.88), "sdh": (0.75, 0.88), "sah": (0.55, 0.75)}
BONE_HU = 140
SPAN_MM = (-34.0, 48.0)  # heights at which bleeds are centred in a whole head


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What was measured in one head."""

    bleeds: tuple[str, ...]
    ml: dict[str, float]  # reference, by subtype
    dice: dict[str, float]  # truth against reference
    hu: dict[str, float]
    clusters_ml: tuple[float, ...]
    bony: int  # clusters that hold bone
    slices: int
    positive: int

    @property
    def total_ml(self) -> float:
        """Return the volume of the reference; subtypes hardly overlap."""
        return sum(self.clusters_ml)


def measured(site: str, number: int) -> Drawn:
    """Return the measures of one drawn head with ICH."""
    rng = np.random.Generator(np.random.PCG64([77, ord(site), number]))
    head = draw("one", rng, site=site)
    each_ml = head.geometry.voxel_volume_mm3 / 1000.0
    ml, dice, hu = {}, {}, {}
    for name in SUBTYPES:
        mask, truth = head.subtype_masks[name], head.truth_masks[name]
        if truth.any():
            ml[name] = float(mask.sum()) * each_ml
            dice[name] = 2.0 * float((mask & truth).sum()) / float(mask.sum() + truth.sum())
            hu[name] = float(head.hu[truth].mean())
    clusters, count = label(head.reference, np.ones((3, 3, 3), bool))
    bony = np.unique(clusters[(head.hu > BONE_HU) & head.reference])
    return Drawn(
        bleeds=head.facts.bleeds,
        ml=ml,
        dice=dice,
        hu=hu,
        clusters_ml=tuple(np.bincount(clusters.ravel(), minlength=count + 1)[1:] * each_ml),
        bony=int((bony > 0).sum()),
        slices=head.hu.shape[2],
        positive=int(head.reference.any(axis=(0, 1)).sum()),
    )


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """The bleeds of one head before any scan: subtypes and mL."""

    ml: tuple[tuple[str, float], ...]

    @property
    def total_ml(self) -> float:
        """Return the volume of all bleeds."""
        return sum(ml for _, ml in self.ml)

    def of(self, subtype: str) -> list[float]:
        """Return the volumes of the bleeds of one subtype."""
        return [ml for name, ml in self.ml if name == subtype]


def shapes(site: str, number: int) -> Shapes:
    """Return the bleeds of one head with ICH."""
    rng = np.random.Generator(np.random.PCG64([78, ord(site), number]))
    person = draw_anatomy(rng, site)
    parameters = lesion_parameters(site)
    bleeds = draw_bleeds(draw_bleed_plan(rng, site), rng, person, SPAN_MM, parameters)
    lattice = lattice_of(person)
    held = []
    for bleed in bleeds:
        depth = bleed.depth_mm(lattice.place, lattice.shell, lattice.spaces)
        ml = float((depth > 0).sum()) * lattice.each_ml * parameters.of(bleed.subtype).rendered
        held.append((bleed.subtype, ml))
    return Shapes(ml=tuple(held))


def show(title: str, header: list[str], lines: list[list[str]]) -> None:
    """Print a table in Markdown."""
    print(f"\n{title}\n\n| " + " | ".join(header) + " |\n|---|" + "---:|" * (len(header) - 1))
    for line in lines:
        print("| " + " | ".join(line) + " |", flush=True)


def beside(drawn: float, published: float | None, form: str = ".1f") -> str:
    """Return a cell: drawn, then published."""
    return f"{drawn:{form}} / " + ("–" if published is None else f"{published:g}")


def show_shapes(heads: dict[str, list[Shapes]]) -> None:
    """Print volumes of heads, classes of volume, and how often each subtype bled, of bleeds as shapes."""
    show_volumes(heads)
    lines = []
    for (low, high), published in zip(CLASSES_ML, CLASSES_A, strict=True):
        cells = [100 * np.mean([low <= one.total_ml < high for one in drawn]) for drawn in heads.values()]
        sources = [round(100 * published / HEADS["a"], 1) if site == "a" else None for site in heads]
        name = f"{low:g} mL and more" if high > 1e6 else f"{low:g} to {high:g} mL"
        lines.append([name, *(beside(cell, source) for cell, source in zip(cells, sources, strict=True))])
    show("Heads by total volume, %: drawn / published", ["", *(f"site {s}" for s in heads)], lines)
    lines = []
    for name in SUBTYPES:
        cells = []
        for site, drawn in heads.items():
            share = HEADS[site] * np.mean([bool(one.of(name)) for one in drawn])
            cells.append(beside(share, COUNTS[site].get(name)))
        lines.append([name.upper(), *cells])
    title = "Heads that hold a subtype, of 51, 36 and 100: drawn / published"
    show(title, ["", *(f"site {s}" for s in heads)], lines)
    lines = []
    for name in SUBTYPES:
        middle, low, high = LESIONS_ML[name]
        cells = []
        for drawn in heads.values():
            ml = [each for one in drawn for each in one.of(name)]
            parts = np.quantile(ml, (0.5, 0.25, 0.75)) if ml else [np.nan] * 3
            cells.append(f"{parts[0]:.1f} ({parts[1]:.1f}–{parts[2]:.1f}), {len(ml)}")
        lines.append([name.upper(), *cells, f"{middle} ({low:g}–{high})"])
    show("mL a bleed, median (quartiles), number of bleeds", ["", *(f"site {s}" for s in heads), "textbook"], lines)


def show_volumes(heads: dict[str, list[Shapes]] | dict[str, list[Drawn]]) -> None:
    """Print the distribution of a head's total volume."""
    lines = []
    for name, share in (("min", 0), ("P10", 0.1), ("P25", 0.25), ("P50", 0.5), ("P75", 0.75), ("P90", 0.9)):
        row = [np.quantile([one.total_ml for one in drawn], share) for drawn in heads.values()]
        lines.append([name, *(beside(x, TOTALS_ML[s].get(name)) for s, x in zip(heads, row, strict=True))])
    means = [np.mean([one.total_ml for one in drawn]) for drawn in heads.values()]
    lines.append(["mean", *(beside(x, TOTALS_ML[s].get("mean")) for s, x in zip(heads, means, strict=True))])
    show("Total volume of a head, mL: drawn / published", ["", *(f"site {s}" for s in heads)], lines)


def show_sites(heads: dict[str, list[Drawn]]) -> None:
    """Print volumes, clusters and slices of heads drawn whole."""
    show_volumes(heads)
    lines = []
    clusters = [np.mean([len(one.clusters_ml) for one in drawn]) for drawn in heads.values()]
    lines.append(
        [
            "clusters a head",
            *(beside(x, 2.04 if s == "c" else None, ".2f") for s, x in zip(heads, clusters, strict=True)),
        ]
    )
    per = [np.mean(np.concatenate([one.clusters_ml for one in drawn])) for drawn in heads.values()]
    lines.append(
        ["mL a cluster, mean", *(beside(x, 12.4 if s == "c" else None) for s, x in zip(heads, per, strict=True))]
    )
    bony = [
        100 * sum(one.bony for one in drawn) / sum(len(one.clusters_ml) for one in drawn) for drawn in heads.values()
    ]
    lines.append(
        ["clusters with bone, %", *(beside(x, 11.3 if s == "c" else None) for s, x in zip(heads, bony, strict=True))]
    )
    many = [np.mean([one.positive for one in drawn]) for drawn in heads.values()]
    published = {"b": 8.8, "c": 8.9}
    lines.append(
        ["positive slices a head with ICH", *(beside(x, published.get(s)) for s, x in zip(heads, many, strict=True))]
    )
    share = [
        100 * SITES[site].prevalence * sum(one.positive for one in drawn) / sum(one.slices for one in drawn)
        for site, drawn in heads.items()
    ]
    published = {"b": 11.3, "c": 30.0}
    lines.append(
        ["positive slices of all, %", *(beside(x, published.get(s)) for s, x in zip(heads, share, strict=True))]
    )
    show("Clusters and slices: drawn / published", ["", *(f"site {s}" for s in heads)], lines)


def show_subtypes(heads: dict[str, list[Drawn]]) -> None:
    """Print volume, density and the reader's Dice by subtype, over heads that hold one bleed of it."""
    lines = []
    for name in SUBTYPES:
        held = [one for drawn in heads.values() for one in drawn if one.bleeds.count(name) == 1 and name in one.ml]
        if not held:
            continue
        ml = np.quantile([one.ml[name] for one in held], (0.5, 0.25, 0.75))
        middle, low, high = LESIONS_ML[name]
        dice = np.array([one.dice[name] for one in held])
        band = DICE[name]
        lines.append(
            [
                name.upper(),
                str(len(held)),
                f"{ml[0]:.1f} ({ml[1]:.1f}–{ml[2]:.1f}) / {middle} ({low:g}–{high})",
                f"{np.mean([one.hu[name] for one in held]):.0f}",
                f"{np.mean(dice):.3f} ({np.quantile(dice, 0.1):.2f}–{np.quantile(dice, 0.9):.2f})",
                f"{band[0]:.2f}–{band[1]:.2f}" if band else "–",
            ]
        )
    header = [
        "bleed", "number", "mL, median (quartiles): drawn / textbook", "HU, mean", "Dice truth–reference (P10–P90)",
        "aimed at",
    ]  # fmt: skip
    show("Single bleeds, all sites", header, lines)


def main() -> None:
    """Draw, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", type=int, default=250, help="heads of which only the bleeds are drawn, a site")
    parser.add_argument("--heads", type=int, default=60, help="heads with ICH drawn whole, a site")
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    print(f"phantom version {PHANTOM_VERSION}, numpy {np.__version__}, Python {platform.python_version()}")
    with ProcessPoolExecutor(asked.jobs) as pool:
        found = {s: list(pool.map(shapes, [s] * asked.shapes, range(asked.shapes), chunksize=4)) for s in HEADS}
        count = sum(len(one.ml) for drawn in found.values() for one in drawn)
        print(f"\n## {count} bleeds as shapes, {asked.shapes} heads a site")
        show_shapes(found)
        heads = {s: list(pool.map(measured, [s] * asked.heads, range(asked.heads), chunksize=4)) for s in HEADS}
    print(f"\n## {asked.heads} heads a site drawn whole")
    show_sites(heads)
    show_subtypes(heads)


if __name__ == "__main__":
    main()
