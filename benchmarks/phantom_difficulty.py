"""Are the drawn heads hard in the way patients are? Prints Dice by method, site, subtype and size, as Markdown.

Run it with `python benchmarks/phantom_difficulty.py --smoke` (a CPU, two free cores, about 20 minutes) or, with
Spahr 2023's own schedule on a GPU, `python benchmarks/phantom_difficulty.py --device cuda`. It needs ich-bench and
torch.

Rows: an HU threshold inside the drawn cavity (no torch: `--rows threshold`); a U-Net trained on slices with ICH only;
its predictions kept to the drawn cavity; a U-Net trained on twice as many normal slices too (mixed); and mixed
training at each site, tested at every other (`shift`). Heads come from seeds of this script's own, and training and
test heads never meet. A site's training heads are as many as a fold of the dataset that it follows has. Whole volumes
are scored on the grid of the CT, by ich_bench.metrics.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from difficulty_heads import DrawnHead, Mask, Part, default_folder, heads

from ich_bench.cases import SUBTYPES
from ich_bench.metrics import overlap
from ich_bench.phantom.parameters import PHANTOM_VERSION

SITES, MAIN = ("a", "b", "c"), "b"
ROWS = ("threshold", "ich-only", "mixed", "shift")
EPSILON = 1.0
Predict = Callable[[DrawnHead], Mask]
KINDS = (*(name.upper() for name in SUBTYPES), "SDH as dense as brain or darker")
SIZES_ML = ((0.0, 1.0), (1.0, 5.0), (5.0, 30.0), (30.0, float("inf")))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is drawn, and how long is trained."""

    factor: int  # in-plane reduction of the 256 x 256 grid for the network
    schedule: dict[str, Any]  # where it is not small_unet.Schedule's own
    train: dict[str, tuple[int, int]]  # heads with ICH and healthy ones, by site
    test: dict[str, tuple[int, int]]


# Four fifths of Seg-CQ500's 51 heads (all with ICH), of ct-ich's 75 (36), of INSTANCE's 100 open ones (all).
_TRAIN = {"a": (41, 0), "b": (29, 31), "c": (80, 0)}
FULL = Plan(
    factor=1, schedule={"width": 32, "epochs": 100}, train=_TRAIN, test={"a": (50, 20), "b": (100, 50), "c": (50, 20)}
)
SMOKE = Plan(
    factor=2,
    schedule={"width": 8, "epochs": 20, "batch": 8, "learning_rate": 3e-3},
    train={"a": (29, 0), "b": (29, 31), "c": (29, 0)},
    test={"a": (20, 0), "b": (40, 20), "c": (20, 0)},
)


def scores(found: Mask, head: DrawnHead) -> tuple[float, float, float]:
    """Return Dice, precision and recall of a head."""
    counts = overlap.count(head.reference, found)
    return overlap.dice(counts, EPSILON), overlap.precision(counts, EPSILON), overlap.recall(counts, EPSILON)


def kinds(head: DrawnHead) -> list[Mask]:
    """Return the mask of each of KINDS: the subtypes, and the subdural if it is as dense as brain or darker."""
    dark = head.subtypes["sdh"] & head.dark_sdh
    return [*(head.subtypes[name] for name in SUBTYPES), dark]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One method on the test heads: scores of each, and the share found of each KIND (NaN where there is none)."""

    name: str
    scores: np.ndarray  # heads x (Dice, precision, recall)
    shares: np.ndarray  # heads x KINDS

    @classmethod
    def of(cls, name: str, found: Iterable[Mask], drawn: Sequence[DrawnHead]) -> Row:
        """Score a method's masks."""
        each, shares = [], []
        for mask, head in zip(found, drawn, strict=True):
            each.append(scores(mask, head))
            shares.append([mask[part].mean() if part.any() else np.nan for part in kinds(head)])
        return cls(name=name, scores=np.array(each), shares=np.array(shares))


def wanted_networks(rows: Sequence[str]) -> list[tuple[str, float]]:
    """Return the networks that the rows need, the longest training first."""
    only, mixed = [(MAIN, 0.0)], [(MAIN, 2.0)]
    away = [(site, 2.0) for site in SITES if site != MAIN]
    return (
        (mixed if {"mixed", "shift"} & set(rows) else [])
        + (away if "shift" in rows else [])
        + (only if "ich-only" in rows else [])
    )


def main_rows(nets: Mapping[tuple[str, float], Predict], drawn: list[DrawnHead], rows: Sequence[str]) -> list[Row]:
    """Return the rows of the main site."""
    made = []
    if "threshold" in rows:
        made.append(Row.of("threshold in the cavity", (head.threshold for head in drawn), drawn))
    for row, name, normals in (("ich-only", "ICH-only", 0.0), ("mixed", "mixed", 2.0)):
        if row in rows:
            found = [nets[MAIN, normals](head) for head in drawn]
            kept = [mask & head.cavity for mask, head in zip(found, drawn, strict=True)]
            made += [Row.of(name, found, drawn), Row.of(f"{name} + cavity", kept, drawn)]
    return made


def shift(nets: Mapping[tuple[str, float], Predict], tests: Mapping[str, list[DrawnHead]]) -> list[list[float]]:
    """Return mean Dice on `ich`, trained at the site of the row, tested at that of the column."""
    return [
        [mean(scores(nets[home, 2.0](head), head)[0] for head in tests[away] if head.ill) for away in SITES]
        for home in SITES
    ]


def groups(drawn: Sequence[DrawnHead]) -> dict[str, list[int]]:
    """Return which of the heads with ICH belong to which group."""
    found: dict[str, list[int]] = {f"mostly {name.upper()}": [] for name in SUBTYPES}
    found |= {size_name(low, high): [] for low, high in SIZES_ML}
    for number, head in enumerate(drawn):
        if head.ill:
            found[f"mostly {head.main_subtype.upper()}"].append(number)
            found[next(size_name(*size) for size in SIZES_ML if head.volume_ml < size[1])].append(number)
    return found


def size_name(low: float, high: float) -> str:
    """Return the name of a stratum of volume."""
    return f"{low:g} mL and more" if high == float("inf") else f"{low:g} to {high:g} mL"


def mean(values: Iterable[float]) -> float:
    """Return the mean of those that are defined; NaN of none."""
    kept = [value for value in values if not np.isnan(value)]
    return float(np.mean(kept)) if kept else float("nan")


def show(title: str, header: Sequence[str], lines: Iterable[tuple[str, Sequence[float | int]]]) -> None:
    """Print a table in Markdown."""
    print(f"\n{title}\n\n| " + " | ".join(header) + " |\n|---|" + "---:|" * (len(header) - 1))
    for name, values in lines:
        cells = (str(v) if isinstance(v, int) else "-" if np.isnan(v) else f"{v:.3f}" for v in values)
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def show_rows(rows: Sequence[Row], drawn: Sequence[DrawnHead]) -> dict[str, Any]:
    """Print the main site's tables and return them."""
    ill = np.array([head.ill for head in drawn])
    header = ["row", "Dice, `ich`", "precision", "recall", "Dice, `all`", "Dice, healthy"]
    whole = {row.name: [*(mean(row.scores[ill, n]) for n in range(3)), mean(row.scores[:, 0]),
                        mean(row.scores[~ill, 0])] for row in rows}  # fmt: skip
    show(f"Site {MAIN}: {ill.sum()} heads with ICH, {(~ill).sum()} healthy", header, whole.items())
    names = [row.name for row in rows]
    members = groups(drawn)
    grouped = {name: [len(who), *(mean(row.scores[who, 0]) for row in rows)] for name, who in members.items()}
    show(f"Site {MAIN}: Dice by most of the blood, and by its volume", ["heads", "number", *names], grouped.items())
    shares = {}
    for n, kind in enumerate(KINDS):
        count = sum(bool(kinds(head)[n].any()) for head in drawn)
        shares[kind] = [count, *(mean(row.shares[:, n]) for row in rows)]
    show(f"Site {MAIN}: share found of each subtype's voxels", ["subtype", "heads", *names], shares.items())
    return {"cohorts": whole, "groups": grouped, "shares": shares}


def say(line: str) -> None:
    """Tell on stderr."""
    print(line, file=sys.stderr, flush=True)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what was asked for on the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--smoke", action="store_true", help="a narrow network at half the resolution, for a CPU")
    parser.add_argument("--rows", default=",".join(ROWS), help="of " + ",".join(ROWS))
    parser.add_argument("--seed", type=int, default=0, help="of heads and training")
    parser.add_argument("--epochs", type=int, help="other than the schedule's")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--bf16", action="store_true", help="multiply in bfloat16 (faster where the CPU has it)")
    parser.add_argument("--jobs", type=int, default=2, help="processes that draw and train")
    parser.add_argument("--folder", help="where drawn heads are kept; one by the generator's code when not given")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write all figures there too")
    asked = parser.parse_args(arguments)
    asked.rows = asked.rows.split(",")
    if not set(asked.rows) <= set(ROWS):
        parser.error(f"--rows takes {', '.join(ROWS)}")
    return asked


def prepared(
    plan: Plan, asked: argparse.Namespace, folder: Path
) -> tuple[dict[tuple[str, float], Predict], dict[str, list[DrawnHead]]]:
    """Return the networks and the test heads that the rows need, drawn and trained now or earlier."""

    def part(site: str, name: str) -> Part:
        ill, healthy = (plan.train if name == "train" else plan.test)[site]
        return Part(site=site, part=name, ill=ill, healthy=healthy, seed=asked.seed, factor=plan.factor, folder=folder)

    wanted = wanted_networks(asked.rows)
    homes = sorted({site for site, _ in wanted})
    for site in homes:
        say(f"heads of site {site}, for training")
        heads(part(site, "train"), jobs=asked.jobs)
    tests = {}
    for site in SITES if {"threshold", "shift"} & set(asked.rows) else MAIN:
        say(f"heads of site {site}, for testing")
        tests[site] = heads(part(site, "test"), jobs=asked.jobs)
    if not wanted:
        return {}, tests
    from difficulty_networks import Training, networks

    training = Training(
        parts={site: part(site, "train") for site in homes}, schedule=plan.schedule, seed=asked.seed,
        device=asked.device, bf16=asked.bf16,
    )  # fmt: skip
    return networks(wanted, training, jobs=asked.jobs), tests


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    asked = parsed(arguments)
    plan = SMOKE if asked.smoke else FULL
    if asked.epochs:
        plan.schedule["epochs"] = asked.epochs
    began = time.monotonic()
    torch_version = version("torch") if set(asked.rows) - {"threshold"} else "not used"
    print(
        f"ich-bench {version('ich-bench')}, phantom version {PHANTOM_VERSION}, torch {torch_version}, {asked.device}"
        f"{', bfloat16' if asked.bf16 else ''}, seed {asked.seed}. U-Net: {256 // plan.factor} x {256 // plan.factor} "
        f"pixels a slice, {', '.join(f'{name} {value}' for name, value in plan.schedule.items())}."
    )
    told: dict[str, Any] = {"plan": asdict(plan), "seed": asked.seed, "phantom": PHANTOM_VERSION}
    folder = Path(asked.folder) if asked.folder else default_folder()
    nets, tests = prepared(plan, asked, folder)
    if "threshold" in asked.rows:
        cells = [mean(scores(head.threshold, head)[0] for head in tests[site] if head.ill) for site in SITES]
        told["threshold"] = cells
        show("HU threshold in the drawn cavity", ["", *(f"site {s}" for s in SITES)], [("Dice, `ich`", cells)])
    if {"ich-only", "mixed"} & set(asked.rows):
        told |= show_rows(main_rows(nets, tests[MAIN], asked.rows), tests[MAIN])
    if "shift" in asked.rows:
        table = told["shift"] = shift(nets, tests)
        lines = [(f"trained at {home}", values) for home, values in zip(SITES, table, strict=True)]
        show("Mixed, from site to site: Dice, `ich`", ["", *(f"tested at {s}" for s in SITES)], lines)
    say(f"{time.monotonic() - began:.0f} s")
    if asked.json:
        asked.json.write_text(json.dumps(told, indent=1, default=float))


if __name__ == "__main__":
    main()
