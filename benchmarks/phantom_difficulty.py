"""Are the drawn heads hard in the way patients are? Prints Dice by method, site, subtype and size, as Markdown.

Run it with `python benchmarks/phantom_difficulty.py --smoke` (a CPU, two cores, about a quarter of an hour) or, with
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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from difficulty_heads import DrawnHead, Mask, default_folder, heads, stacked

from ich_bench.cases import SUBTYPES
from ich_bench.metrics import overlap
from ich_bench.phantom.parameters import PHANTOM_VERSION

SITES, MAIN = ("a", "b", "c"), "b"
ROWS = ("threshold", "ich-only", "mixed", "shift")
EPSILON = 1.0
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
    schedule={"width": 8, "epochs": 20, "batch": 8, "learning_rate": 3e-3, "first_bias": -4.0},
    train={"a": (29, 0), "b": (29, 31), "c": (29, 0)},
    test={"a": (20, 0), "b": (40, 20), "c": (20, 0)},
)


def scores(found: Mask, head: DrawnHead) -> tuple[float, float, float]:
    """Return Dice, precision and recall of a head."""
    counts = overlap.count(head.reference, found)
    return overlap.dice(counts, EPSILON), overlap.precision(counts, EPSILON), overlap.recall(counts, EPSILON)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One method on the test heads: scores of each, and the share found of each subtype (NaN where there is none)."""

    name: str
    scores: np.ndarray  # heads x (Dice, precision, recall)
    shares: np.ndarray  # heads x subtypes

    @classmethod
    def of(cls, name: str, found: Iterable[Mask], drawn: Sequence[DrawnHead]) -> Row:
        """Score a method's masks."""
        each, shares = [], []
        for mask, head in zip(found, drawn, strict=True):
            each.append(scores(mask, head))
            there = (head.subtypes[name] for name in SUBTYPES)
            shares.append([mask[part].mean() if part.any() else np.nan for part in there])
        return cls(name=name, scores=np.array(each), shares=np.array(shares))


class Measurement:
    """One run: its plan, its heads and its networks."""

    def __init__(self, plan: Plan, asked: argparse.Namespace) -> None:
        """Keep what was asked for."""
        self.plan, self.asked = plan, asked
        self.folder = Path(asked.folder) if asked.folder else default_folder()
        self.trained: dict[tuple[str, float], Callable[[DrawnHead], Mask]] = {}

    def heads(self, site: str, part: str) -> list[DrawnHead]:
        """Return the heads of a part ("train", "test") of a site."""
        counts = (self.plan.train if part == "train" else self.plan.test)[site]
        say(f"drawing {sum(counts)} heads of site {site}, {part}")
        rest = {"factor": self.plan.factor, "folder": self.folder, "jobs": self.asked.jobs}
        return heads(site, *counts, part=part, seed=self.asked.seed, **rest)

    def network(self, site: str, normals: float) -> Callable[[DrawnHead], Mask]:
        """Return what predicts a head's mask, trained on a site's heads."""
        import torch
        from small_unet import Schedule, on_stderr, predict, train

        if (site, normals) not in self.trained:
            torch.set_num_threads(self.asked.jobs)
            schedule = Schedule(**self.plan.schedule)
            how = {"device": self.asked.device, "bf16": self.asked.bf16}
            told = on_stderr(f"site {site}, {'mixed' if normals else 'ICH only'}")
            data = stacked(self.heads(site, "train"))
            net = train(*data, schedule, normals=normals, seed=self.asked.seed, told=told, **how)
            self.trained[site, normals] = lambda head: predict(net, head.slices, self.plan.factor, **how)
        return self.trained[site, normals]

    def main_rows(self, drawn: list[DrawnHead]) -> list[Row]:
        """Return the rows of the main site."""
        rows = []
        if "threshold" in self.asked.rows:
            rows.append(Row.of("threshold in the cavity", (head.threshold for head in drawn), drawn))
        for row, name, normals in (("ich-only", "ICH-only", 0.0), ("mixed", "mixed", 2.0)):
            if row in self.asked.rows:
                found = [self.network(MAIN, normals)(head) for head in drawn]
                kept = [mask & head.cavity for mask, head in zip(found, drawn, strict=True)]
                rows += [Row.of(name, found, drawn), Row.of(f"{name} + cavity", kept, drawn)]
        return rows

    def shift(self) -> list[list[float]]:
        """Return mean Dice on `ich`, trained at the site of the row, tested at that of the column."""
        tests = {site: [head for head in self.heads(site, "test") if head.ill] for site in SITES}
        table = []
        for home in SITES:
            net = self.network(home, 2.0)
            table.append([mean([scores(net(head), head)[0] for head in tests[away]]) for away in SITES])
        return table


def groups(drawn: Sequence[DrawnHead]) -> dict[str, list[int]]:
    """Return which of the heads with ICH belong to which group."""
    found: dict[str, list[int]] = {f"mostly {name.upper()}": [] for name in SUBTYPES}
    found["SDH as dense as brain"] = []
    found |= {size_name(low, high): [] for low, high in SIZES_ML}
    for number, head in enumerate(drawn):
        if head.ill:
            found[f"mostly {head.main_subtype.upper()}"].append(number)
            found[next(size_name(*size) for size in SIZES_ML if head.volume_ml < size[1])].append(number)
            if head.dark_sdh and head.main_subtype == "sdh":
                found["SDH as dense as brain"].append(number)
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
    show(f"Site {MAIN}: Dice by group of heads with ICH", ["heads", "number", *names], grouped.items())
    shares = {}
    for n, subtype in enumerate(SUBTYPES):
        count = sum(bool(head.subtypes[subtype].any()) for head in drawn)
        shares[subtype.upper()] = [count, *(mean(row.shares[:, n]) for row in rows)]
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
    parser.add_argument("--jobs", type=int, default=2, help="processes that draw, threads that train")
    parser.add_argument("--folder", help="where drawn heads are kept; one by the generator's code when not given")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write all figures there too")
    asked = parser.parse_args(arguments)
    asked.rows = asked.rows.split(",")
    if not set(asked.rows) <= set(ROWS):
        parser.error(f"--rows takes {', '.join(ROWS)}")
    return asked


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    asked = parsed(arguments)
    plan = SMOKE if asked.smoke else FULL
    if asked.epochs:
        plan.schedule["epochs"] = asked.epochs
    run = Measurement(plan, asked)
    began = time.monotonic()
    torch_version = version("torch") if set(asked.rows) - {"threshold"} else "not used"
    print(
        f"ich-bench {version('ich-bench')}, phantom version {PHANTOM_VERSION}, torch {torch_version}, {asked.device}"
        f"{', bfloat16' if asked.bf16 else ''}, seed {asked.seed}. U-Net: {256 // plan.factor} x {256 // plan.factor} "
        f"pixels a slice, {', '.join(f'{name} {value}' for name, value in plan.schedule.items())}."
    )
    told: dict[str, Any] = {"plan": asdict(plan), "seed": asked.seed, "phantom": PHANTOM_VERSION}
    if "threshold" in asked.rows:
        tests = [[head for head in run.heads(site, "test") if head.ill] for site in SITES]
        cells = [mean(scores(head.threshold, head)[0] for head in drawn) for drawn in tests]
        told["threshold"] = cells
        show("HU threshold in the drawn cavity", ["", *(f"site {s}" for s in SITES)], [("Dice, `ich`", cells)])
    if {"ich-only", "mixed"} & set(asked.rows):
        drawn = run.heads(MAIN, "test")
        told |= show_rows(run.main_rows(drawn), drawn)
    if "shift" in asked.rows:
        table = told["shift"] = run.shift()
        lines = [(f"trained at {home}", values) for home, values in zip(SITES, table, strict=True)]
        show("Mixed, from site to site: Dice, `ich`", ["", *(f"tested at {s}" for s in SITES)], lines)
    say(f"{time.monotonic() - began:.0f} s")
    if asked.json:
        asked.json.write_text(json.dumps(told, indent=1, default=float))


if __name__ == "__main__":
    main()
