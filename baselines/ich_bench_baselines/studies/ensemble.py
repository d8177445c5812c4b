"""What do several methods say together: the masks that most of them draw, or those of their mean probability?

    majority   a voxel is hemorrhage where more than half of the members say so; a tie is none
    mean       where the mean of the members' probabilities is at least one half

Members are submissions, OUT folders or bare folders of masks, laid out as `evaluate` reads them. Probabilities lie
beside the masks, as `probabilities/<dataset>/…`, in the same layout: volumes of values from 0 to 1 on the CT's grid.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import lcm
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ich_bench.cases import Scheme
from ich_bench.errors import IchBenchError, InputError, Problem, UsageError, VolumeError, did_you_mean
from ich_bench.escape import printable
from ich_bench.folds import load_scheme
from ich_bench.geometry import Geometry, differences
from ich_bench.predictions.submission import Prediction, read_submission
from ich_bench.submissions.schema import FILE
from ich_bench.volume import open_mask, read_ct, read_geometry, write_mask
from ich_bench_baselines.studies.ensemble_manifest import write_ensemble_manifest

RULES = ("majority", "mean")
SEEDS = ("match", "pool")
PROBABILITIES = "probabilities"
Rule = Literal["majority", "mean"]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, order=True)
class Place:
    """Where a mask stands in a submission: training budget, seed, fold; "" and −1 where it names none."""

    budget: str
    seed: int
    fold: int
    case_id: str

    def below(self, root: Path) -> Path:
        """Return the mask's file below a folder."""
        parts = [f"budget-{self.budget}"] if self.budget else []
        parts += [f"seed_{self.seed}"] if self.seed >= 0 else []
        parts += [f"fold_{self.fold}"]
        return root.joinpath(*parts, f"{self.case_id}.nii.gz")


@dataclass(frozen=True, kw_only=True)
class Member:
    """One member: its name, its folder, its files by place (of each seed, where seeds are pooled), its manifest."""

    name: str
    folder: Path
    files: Mapping[Place, tuple[Path, ...]]
    manifest: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class Ensemble:
    """What was written: a folder for `evaluate` and `submit`, its masks, its manifest, and what it lacks for submit.

    `folds` are those that the members predicted, None where these are all.
    """

    folder: Path
    masks: tuple[Path, ...]
    manifest: Path
    folds: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()


def ensemble(
    members: Sequence[Path],
    dataset: str,
    out: Path,
    *,
    rule: Rule = "majority",
    scheme: str | None = None,
    seeds: Literal["match", "pool"] = "match",
    name: str = "Ensemble",
    team: str = "",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Ensemble:
    """Write the masks of an ensemble, and a submission.toml that names its members, into a folder for `evaluate`.

    Nothing is written unless all members hold masks of the same cases, on the same grids.

    Args:
        members: Submissions, OUT folders or folders of masks; one alone with `seeds="pool"`.
        dataset: Its id.
        out: The folder to make.
        rule: See above; `mean` reads the members' `probabilities/`.
        scheme: The fold scheme, None: the dataset's official one.
        seeds: `match`: seed s of the ensemble is made of seed s of each. `pool`: all seeds of a member together are
            one vote.
        name: What the ensemble is called on the board.
        team: Who submits it; left to be filled in where it is empty.
        overwrite: Replace masks of this dataset and scheme that are there.
        progress: Told (masks done, masks in all).

    Raises:
        UsageError: there is no such rule, dataset or scheme; fewer than two members; `out` is one of them.
        InputError: with every fault of every member: other cases, folds, seeds or grids, unreadable masks.
        IchBenchError: masks are there already, or the disk refuses.
    """
    _check(members, out, rule, seeds)
    plan = load_scheme(dataset, scheme)
    read = _members(members, dataset, plan, rule, seeds)
    places = sorted(read[0].files)
    grids = _grids(read, places)
    root = out / "predictions" / dataset / plan.name
    if root.exists() and any(root.iterdir()):
        if not overwrite:
            raise IchBenchError(f"{root} holds masks already. Name another folder, or ask to overwrite them.")
        shutil.rmtree(root)
    written = []
    combine = majority if rule == "majority" else mean_of_probabilities
    for number, place in enumerate(places):
        mask = combine([one.files[place] for one in read])
        path = place.below(root)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_mask(path, mask, grids[place])
        except OSError as fault:
            raise IchBenchError(f"cannot write {path}: {fault.strerror or fault}.") from fault
        written.append(path)
        if progress is not None:
            progress(number + 1, len(places))
    own_seeds = sorted({place.seed for place in places if place.seed >= 0})
    named = {one.name: one.manifest for one in read}
    notes = write_ensemble_manifest(out / FILE, named, dataset, rule=rule, name=name, team=team, seeds=own_seeds)
    folds = tuple(sorted({place.fold for place in places}))
    some = None if set(plan.folds) <= set(folds) else folds
    return Ensemble(folder=out, masks=tuple(written), manifest=out / FILE, folds=some, notes=notes)


def majority(members: Sequence[Sequence[Path]]) -> npt.NDArray[np.bool_]:
    """Return where more than half of the members draw hemorrhage; of a member's several masks each has its share.

    Whole numbers are counted, so that a tie is one: it is no hemorrhage.
    """
    total = lcm(*(len(masks) for masks in members))
    votes: npt.NDArray[np.int32] | None = None
    for masks in members:
        for path in masks:
            found = open_mask(path).voxels().astype(np.int32) * (total // len(masks))
            votes = found if votes is None else votes + found
    if votes is None:
        raise ValueError("no masks")
    return 2 * votes > total * len(members)


def mean_of_probabilities(members: Sequence[Sequence[Path]]) -> npt.NDArray[np.bool_]:
    """Return where the mean of the members' probabilities is at least one half; of several maps a member's mean.

    VolumeError where a map holds a value that is no probability.
    """
    total: npt.NDArray[np.float64] | None = None
    for maps in members:
        for path in maps:
            values = read_ct(path).hu.astype(np.float64)
            if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
                raise InputError(
                    "a member's probabilities are none:",
                    [Problem(where=printable(path.name), what="holds values outside 0 to 1.", mend="Write it again.")],
                )
            share = values / (len(maps) * len(members))
            total = share if total is None else total + share
    if total is None:
        raise ValueError("no maps")
    return total >= 0.5 - 1e-9  # what is a half but for the sum's last digits is one


def _check(members: Sequence[Path], out: Path, rule: str, seeds: str) -> None:
    for value, known, what in ((rule, RULES, "rule"), (seeds, SEEDS, "way to take seeds")):
        if value not in known:
            raise UsageError(f"there is no {what} {printable(value)!r}. {did_you_mean(value, known)}")
    if len(members) < (1 if seeds == "pool" else 2):
        raise UsageError("an ensemble needs two members at least; one alone only where its seeds are pooled.")
    resolved = [Path(one).resolve() for one in members]
    absent = [printable(str(one)) for one in members if not Path(one).is_dir()]
    if absent:
        raise UsageError(f"{', '.join(absent)}: there is no such folder.")
    if len(set(resolved)) < len(resolved):
        raise UsageError("a member is named twice: its vote would count double.")
    inside = [one for one in resolved if out.resolve() == one or one.is_relative_to(out.resolve())]
    if inside:
        raise UsageError(f"the ensemble would be written over its member {printable(str(inside[0]))}.")


def _members(folders: Sequence[Path], dataset: str, plan: Scheme, rule: Rule, seeds: str) -> tuple[Member, ...]:
    found, problems = [], []
    for folder, name in zip(map(Path, folders), _names(folders), strict=True):
        within = folder if rule == "majority" else folder / PROBABILITIES / dataset
        if not within.is_dir():
            mend = f"Write them beside its masks as {PROBABILITIES}/{dataset}/…, or take the rule majority."
            problems.append(Problem(where=name, what="holds no probabilities.", mend=mend))
            continue
        read = read_submission(within, dataset=dataset, scheme=plan)
        problems += [Problem(where=f"{name}/{one.where}", what=one.what, mend=one.mend) for one in read.problems]
        if not read.predictions:
            what = f"holds no masks of {dataset}/{plan.name}."
            problems.append(Problem(where=name, what=what, mend="Name a submission or OUT folder that does."))
            continue
        whole = read if rule == "majority" else read_submission(folder, dataset=dataset, scheme=plan)
        files = _by_place(read.predictions, plan, pooled=seeds == "pool")
        found.append(Member(name=name, folder=folder, files=files, manifest=whole.manifest))
    problems += _others(found)
    if problems:
        raise InputError("these members make no ensemble; nothing was written:", problems)
    return tuple(found)


def _names(folders: Sequence[Path]) -> list[str]:
    """Return each folder's name, with as many of the folders around it as tell it from the others."""
    parts = [Path(one).resolve().parts for one in folders]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(one[-depth:]) for one in parts]
        if len(set(names)) == len(names):
            break
    return [printable(name) for name in names]


def _by_place(masks: Sequence[Prediction], plan: Scheme, *, pooled: bool) -> dict[Place, tuple[Path, ...]]:
    found: dict[Place, list[Path]] = {}
    for one in masks:
        fold = one.fold if one.fold is not None else plan.test_folds(one.case_id)[0]
        seed = -1 if one.seed is None or pooled else one.seed
        place = Place(budget=one.budget or "", seed=seed, fold=fold, case_id=one.case_id)
        found.setdefault(place, []).append(one.path)
    return {place: tuple(sorted(paths)) for place, paths in found.items()}


def _others(members: Sequence[Member]) -> list[Problem]:
    """Return what members lack that others have, one problem a member, run and fold."""
    every = {place for one in members for place in one.files}
    problems = []
    for one in members:
        lacking: dict[tuple[str, int, int], list[str]] = {}
        for place in sorted(every - set(one.files)):
            lacking.setdefault((place.budget, place.seed, place.fold), []).append(place.case_id)
        for (budget, seed, fold), cases in lacking.items():
            run = [f"budget {budget}"] * bool(budget) + [f"seed {seed}"] * (seed >= 0) + [f"fold {fold}"]
            named = ", ".join(cases[:5]) + (" …" if len(cases) > 5 else "")
            what = f"lacks {len(cases)} masks of {', '.join(run)} that another member has: {named}."
            mend = "Members of one ensemble predict the same cases, folds and seeds; pooled, seeds may differ."
            problems.append(Problem(where=one.name, what=what, mend=mend))
    return problems


def _grids(members: Sequence[Member], places: Sequence[Place]) -> dict[Place, Geometry]:
    """Return the grid of each mask, which is that of all members; from headers alone."""
    found: dict[Place, Geometry] = {}
    problems = []
    for place in places:
        for member in members:
            for path in member.files[place]:
                where = f"{member.name}/{printable(path.name)}"
                try:
                    grid = read_geometry(path)
                except VolumeError as fault:
                    problems.append(fault.at(where))
                    continue
                first = found.setdefault(place, grid)
                words = differences(grid, first, names=(f"the mask of {members[0].name}",))
                mend = "Bring both onto the CT's grid: `ich-bench regrid`."
                problems += [Problem(where=where, what=what, mend=mend) for what in words]
    if problems:
        raise InputError("the members' masks do not lie on the same grids; nothing was written:", problems)
    return found
