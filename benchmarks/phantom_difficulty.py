"""Are the drawn heads hard in the way patients are? Prints tables of Dice by method, subtype, size and site.

Run it with `python benchmarks/phantom_difficulty.py --smoke` (a CPU, two cores, about a quarter of an hour) or, for the
schedule of Spahr 2023 on a GPU, `python benchmarks/phantom_difficulty.py --device cuda`. It needs ich-bench and torch.

Rows: an HU threshold in the perfect cavity; a U-Net trained on slices with ICH only; the same, kept to the drawn
cavity; a U-Net trained on twice as many normal slices too (mixed). Heads are drawn from seeds of this script's own, and
training and test heads never meet. Scored are whole volumes, with epsilon 1 in Dice, precision and recall.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_opening, label
from small_unet import Schedule, UNet, predict, train

from ich_bench.cases import SUBTYPES
from ich_bench.phantom import parameters as parameters_of
from ich_bench.phantom.draw import draw

SITES = ("a", "b", "c")
MAIN = "b"
THRESHOLD_HU, LEAST_ML = (50, 90), 0.1
WINDOW_HU = (-50.0, 150.0)
SIZES_ML = ((0.0, 1.0), (1.0, 5.0), (5.0, 30.0), (30.0, 1e9))
ISODENSE_HU = (24.0, 42.0)  # a subdural as dense as brain


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is drawn and trained."""

    factor: int  # in-plane reduction of the 256 x 256 grid
    train_heads: tuple[int, int]  # with ICH, healthy
    test_heads: tuple[int, int]
    step: dict[str, int]  # of how many slices one is used, by site
    schedule: Schedule
    shift_schedule: Schedule  # for the site matrix
    folds: int


SMOKE = Plan(
    factor=2,
    train_heads=(60, 24),
    test_heads=(30, 12),
    step={"a": 4, "b": 1, "c": 1},
    schedule=Schedule(width=8, levels=4, batch=16, steps_ich=500),
    shift_schedule=Schedule(width=8, levels=4, batch=16, steps_ich=300),
    folds=1,
)
FULL = Plan(
    factor=1,
    train_heads=(72, 72),
    test_heads=(36, 39),
    step={"a": 4, "b": 1, "c": 1},
    schedule=Schedule(width=32, levels=5, batch=16, steps_ich=4000),
    shift_schedule=Schedule(width=32, levels=5, batch=16, steps_ich=2000),
    folds=3,
)


@dataclass(frozen=True, kw_only=True)
class Volume:
    """One drawn head, reduced: slices first, cropped to the middle."""

    slices: np.ndarray  # uint8
    mask: np.ndarray
    cavity: np.ndarray
    subtypes: dict[str, np.ndarray]
    volume_ml: float
    sdh_hu: float
    threshold: tuple[float, float, float]  # Dice, precision, recall of the threshold, on the full grid

    @property
    def ill(self) -> bool:
        """Return whether anything bled."""
        return bool(self.mask.any())


def volume(site: str, ill: bool, number: int, factor: int, step: int, folder: str) -> Volume:
    """Return a drawn head, from the folder where it lies already."""
    path = Path(folder) / f"{site}{int(ill)}-{number:04}-{factor}-{step}.npz"
    if not path.exists():
        _draw_to(path, site, ill, number, factor, step)
    with np.load(path) as held:
        bits = held["bits"]
        return Volume(
            slices=held["slices"],
            mask=bits > 0,
            cavity=held["cavity"],
            subtypes={name: (bits & (1 << n)) > 0 for n, name in enumerate(SUBTYPES)},
            volume_ml=float(held["facts"][0]),
            sdh_hu=float(held["facts"][1]),
            threshold=tuple(held["facts"][2:5]),
        )


def _draw_to(path: Path, site: str, ill: bool, number: int, factor: int, step: int) -> None:
    rng = np.random.Generator(np.random.PCG64([20260, ord(site), int(ill), number]))
    head = draw("one", rng, site=site, bleeds=None if ill else ())
    hu = head.hu.astype(np.float32)
    voxel_ml = head.geometry.voxel_volume_mm3 / 1000.0
    found = threshold(head.hu, head.cavity, voxel_ml)
    sdh = head.subtype_masks["sdh"]
    facts = [
        float(head.reference.sum()) * voxel_ml,
        float(hu[sdh].mean()) if sdh.any() else np.nan,
        *scores(found, head.reference),
    ]
    bits = sum((head.subtype_masks[name].astype(np.uint8) << n for n, name in enumerate(SUBTYPES)), np.uint8(0))
    shown = np.clip((hu - WINDOW_HU[0]) / (WINDOW_HU[1] - WINDOW_HU[0]), 0.0, 1.0) * 255.0
    each = range(step // 2, hu.shape[2], step)
    kept = [np.moveaxis(array[:, :, each], 2, 0) for array in (shown, bits, head.cavity)]
    slices = _crop(np.rint(_reduced(kept[0], factor)).astype(np.uint8), factor)
    many = sum(
        ((_reduced(((kept[1] >> n) & 1).astype(np.float32), factor) >= 0.5).astype(np.uint8) << n for n in range(5)),
        np.uint8(0),
    )
    cavity = _crop(_reduced(kept[2].astype(np.float32), factor) >= 0.5, factor)
    part = path.with_suffix(".part.npz")
    np.savez(part, slices=slices, bits=_crop(many, factor), cavity=cavity, facts=np.array(facts))
    part.rename(path)


def _reduced(slices: np.ndarray, factor: int) -> np.ndarray:
    """Return the mean of factor x factor pixels."""
    count, across, along = slices.shape
    return slices.reshape(count, across // factor, factor, along // factor, factor).mean(axis=(2, 4))


def _crop(slices: np.ndarray, factor: int) -> np.ndarray:
    """Return the middle 192 x 224 of 256 x 256: the cavity lies within."""
    across, along = 32 // factor, 16 // factor
    return slices[:, across:-across, along:-along]


def threshold(hu: np.ndarray, cavity: np.ndarray, voxel_ml: float) -> np.ndarray:
    """Return what lies between two HU in the cavity, opened in plane, without pieces under 0.1 mL."""
    found = (hu >= THRESHOLD_HU[0]) & (hu <= THRESHOLD_HU[1]) & cavity
    found = binary_opening(found, np.ones((3, 3, 1), bool))
    pieces, _ = label(found, np.ones((3, 3, 3), bool))
    large = np.bincount(pieces.ravel()) * voxel_ml >= LEAST_ML
    large[0] = False
    return large[pieces]


def scores(found: np.ndarray, reference: np.ndarray) -> tuple[float, float, float]:
    """Return Dice, precision and recall with epsilon 1."""
    both = float((found & reference).sum())
    return (
        (2 * both + 1) / (found.sum() + reference.sum() + 1),
        (both + 1) / (found.sum() + 1),
        (both + 1) / (reference.sum() + 1),
    )


def heads(site: str, counts: tuple[int, int], start: int, plan: Plan, folder: str, jobs: int) -> list[Volume]:
    """Return so many heads with ICH and healthy ones of a site, drawn now or before."""
    wanted = [(True, start + n) for n in range(counts[0])] + [(False, start + n) for n in range(counts[1])]
    ills, numbers = zip(*wanted, strict=True)
    with ProcessPoolExecutor(jobs) as pool:
        rest = (repeat(plan.factor), repeat(plan.step[site]), repeat(folder))
        return list(pool.map(volume, repeat(site), ills, numbers, *rest))


def fit(volumes: list[Volume], schedule: Schedule, normals: float, device: str, seed: int = 1) -> UNet:
    """Return a network trained on these heads."""
    slices = np.concatenate([each.slices for each in volumes])
    masks = np.concatenate([each.mask for each in volumes])
    return train(slices, masks, schedule, normals=normals, seed=seed, device=device)


Found = list[np.ndarray]


def rows(found: dict[str, Found], volumes: list[Volume]) -> dict[str, list[tuple[float, float, float]]]:
    """Return Dice, precision and recall of each method and head."""
    table = {"threshold in the perfect cavity": [each.threshold for each in volumes]}
    for name, masks in found.items():
        table[name] = [scores(mask, each.mask) for mask, each in zip(masks, volumes, strict=True)]
    return table


def show(title: str, header: list[str], lines: list[list[str]]) -> None:
    """Print a table in Markdown."""
    print(f"\n{title}\n\n| " + " | ".join(header) + " |")
    print("|---|" + "---:|" * (len(header) - 1))
    for line in lines:
        print("| " + " | ".join(line) + " |", flush=True)


def show_main(table: dict[str, list[tuple[float, float, float]]], volumes: list[Volume]) -> None:
    """Print the methods' scores on the cohorts."""
    ill = np.array([each.ill for each in volumes])
    lines = []
    for name, values in table.items():
        held = np.array(values)
        cells = [f"{part:.3f}" for part in held[ill].mean(axis=0)]
        lines.append([name, *cells, f"{held[:, 0].mean():.3f}", f"{held[~ill, 0].mean():.3f}"])
    header = ["row", "Dice, `ich`", "precision", "recall", "Dice, `all`", "Dice, healthy"]
    show(f"Site {MAIN}, {ill.sum()} heads with ICH and {(~ill).sum()} healthy", header, lines)


def groups(volumes: list[Volume]) -> dict[str, list[int]]:
    """Return which heads with ICH belong to which group."""
    found: dict[str, list[int]] = {}
    for number, each in enumerate(volumes):
        held = [name for name in SUBTYPES if each.subtypes[name].any()]
        if not held:
            continue
        low, high = next(size for size in SIZES_ML if size[0] <= each.volume_ml < size[1])
        size = f"{low:g} mL and more" if high > 1e6 else f"{low:g} to {high:g} mL"
        for name in [*(f"only {kind.upper()}" for kind in held if len(held) == 1), size]:
            found.setdefault(name, []).append(number)
        if "sdh" in held:
            same = ISODENSE_HU[0] <= each.sdh_hu <= ISODENSE_HU[1]
            found.setdefault("SDH as dense as brain" if same else "SDH denser or lighter", []).append(number)
    return found


def show_groups(found: dict[str, Found], volumes: list[Volume], table: dict) -> None:
    """Print Dice by group of heads, and recall by subtype."""
    names = list(table)
    members = groups(volumes)
    lines = []
    for group in sorted(members, key=lambda name: (not name.startswith("only"), name)):
        chosen = members[group]
        lines.append([group, str(len(chosen)), *(f"{np.mean([table[n][k][0] for k in chosen]):.3f}" for n in names)])
    show("Dice by group of heads", ["heads", "number", *names], lines)
    lines = []
    for kind in SUBTYPES:
        chosen = [number for number, each in enumerate(volumes) if each.subtypes[kind].any()]
        cells = []
        for masks in found.values():
            cells.append(np.mean([masks[k][volumes[k].subtypes[kind]].mean() for k in chosen]) if chosen else np.nan)
        lines.append([kind.upper(), str(len(chosen)), *(f"{cell:.3f}" for cell in cells)])
    show("Share of each subtype's voxels found", ["subtype", "heads", *found], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="a quarter of an hour on a CPU, at 128 x 128")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--jobs", type=int, default=2, help="processes that draw, threads that train")
    parser.add_argument("--folder", default="", help="where drawn heads are kept; a folder by versions when not given")
    parser.add_argument("--no-shift", action="store_true", help="leave the sites' matrix out")
    asked = parser.parse_args()
    import torch

    torch.set_num_threads(asked.jobs)
    plan = SMOKE if asked.smoke else FULL
    began = time.monotonic()
    folder = asked.folder or f"{tempfile.gettempdir()}/phantom-difficulty-{_generator()}"
    Path(folder).mkdir(parents=True, exist_ok=True)
    print(
        f"phantom version {parameters_of.PHANTOM_VERSION} ({_generator()}), torch {torch.__version__}, {asked.device},"
    )
    print(f"numpy {np.__version__}, Python {platform.python_version()}; {plan}")
    training = heads(MAIN, plan.train_heads, 0, plan, folder, asked.jobs)
    testing = heads(MAIN, plan.test_heads, 5000, plan, folder, asked.jobs)
    print(f"\ndrawn after {time.monotonic() - began:.0f} s", flush=True)
    only = fit(training, plan.schedule, 0.0, asked.device)
    plain = [predict(only, each.slices, device=asked.device) for each in testing]
    found = {"ICH-only": plain}
    found["ICH-only + cavity"] = [mask & each.cavity for mask, each in zip(plain, testing, strict=True)]
    mixed = fit(training, plan.schedule, 2.0, asked.device)
    found["mixed"] = [predict(mixed, each.slices, device=asked.device) for each in testing]
    found["mixed + cavity"] = [mask & each.cavity for mask, each in zip(found["mixed"], testing, strict=True)]
    table = rows(found, testing)
    show_main(table, testing)
    show_groups(found, testing, table)
    print(f"\nafter {time.monotonic() - began:.0f} s", flush=True)
    if not asked.no_shift:
        show_shift(plan, folder, asked.device, asked.jobs)
        print(f"\nafter {time.monotonic() - began:.0f} s")


def show_shift(plan: Plan, folder: str, device: str, jobs: int) -> None:
    """Print the threshold by site, and mixed training on each site tested on every other."""
    counts = (plan.train_heads[0] // 2, plan.train_heads[1] // 2)
    tests = {site: heads(site, (plan.test_heads[0], 1), 5000, plan, folder, jobs)[:-1] for site in SITES}
    cells = [f"{np.mean([each.threshold[0] for each in tests[site]]):.3f}" for site in SITES]
    show("Threshold in the perfect cavity, Dice on `ich`", ["", *(f"site {s}" for s in SITES)], [["Dice", *cells]])
    lines = []
    for home in SITES:
        net = fit(heads(home, counts, 0, plan, folder, jobs), plan.shift_schedule, 2.0, device)
        dice = []
        for away in SITES:
            each = [scores(predict(net, one.slices, device=device), one.mask)[0] for one in tests[away]]
            dice.append(f"{np.mean(each):.3f}")
        lines.append([f"trained on {home}", *dice])
    show("Mixed training by site, Dice on `ich`", ["", *(f"tested on {s}" for s in SITES)], lines)


def _generator() -> str:
    """Return a hash of the code that draws."""
    code = Path(parameters_of.__file__).parent
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(code.glob("*.py")))).hexdigest()[:8]


if __name__ == "__main__":
    main()
