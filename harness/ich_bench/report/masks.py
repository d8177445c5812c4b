"""Where are the masks that a score file was made from, and are they still the same?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ich_bench.cases import Dataset, Scheme
from ich_bench.errors import IchBenchError, UsageError, VolumeError
from ich_bench.escape import printable
from ich_bench.geometry import Geometry
from ich_bench.metrics.scoring import score
from ich_bench.predictions.submission import Submission, read_submission
from ich_bench.runs import store
from ich_bench.submissions.publish import DECIMALS, metric_columns
from ich_bench.volume import mask_sha256, open_mask

Voxels = npt.NDArray[np.bool_]
_PUBLISHED_TO = 0.6 * 10.0**-DECIMALS  # half a last digit, and what two machines may differ by


class MaskAbsentError(IchBenchError):
    """The folder holds no mask of this case."""


class MaskUnreadableError(IchBenchError):
    """The file is no sound mask."""


class OtherMaskError(IchBenchError):
    """The mask is not the one that was scored."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One OUT folder's rows of one dataset (a single training run), and the folder its masks lie in.

    `run` says which run was taken where there are several ("" where there is one); `dice` is by case id.
    """

    name: str
    folder: Path
    rows: Mapping[str, Mapping[str, Any]]
    labels: frozenset[float] | None
    profile: str = "native"
    run: str = ""

    @property
    def dice(self) -> dict[str, float]:
        """Return the Dice of each case; NaN where the profile has none."""
        return {case_id: dice_of(row) for case_id, row in self.rows.items()}


def dice_of(row: Mapping[str, Any] | None) -> float:
    """Return a row's Dice, NaN where there is no row or its profile has none."""
    return float(row["dice"]) if row and row.get("dice") is not None else math.nan


def scored(out: Path, dataset: str, folder: Path) -> Scored:
    """Return what OUT says of a dataset: the official budget's (or the largest's) first training run."""
    table = store.read_scores(out if out.is_file() else out / "scores" / f"{dataset}.parquet")
    about = store.provenance(table)
    rows: list[dict[str, Any]] = table.to_pylist()
    budgets = {row["budget"] for row in rows}
    budget = None if None in budgets or not budgets else max(budgets, key=_size)
    seeds = sorted({row["seed"] for row in rows if row["budget"] == budget and row["seed"] is not None})
    seed = seeds[0] if seeds else None
    by_case: dict[str, dict[str, Any]] = {}
    for row in rows:
        if (row["budget"], row["seed"]) == (budget, seed):  # of several folds' models, the first one's
            by_case.setdefault(row["case_id"], row)
    said = [f"budget {budget}"] * (budget is not None) + [f"seed {seed}"] * (len(seeds) > 1)
    return Scored(
        name=rows[0]["submission"] if rows else out.name,
        folder=folder,
        rows=by_case,
        labels=frozenset(about.get("labels") or ()) or None,
        profile=str(about["profile"]),
        run=", ".join(said),
    )


def prediction_folders(outs: Sequence[Path], given: Sequence[Path], dataset: str) -> tuple[Path, ...]:
    """Return the folder of masks of each OUT: its own `predictions/`, else the next of those given.

    UsageError where they do not add up: one for every OUT, or one for every OUT that holds no masks itself.
    """
    own = [(out / "predictions" / dataset).is_dir() for out in outs]
    if len(given) == len(outs):
        return tuple(given)
    lacking = [out for out, has in zip(outs, own, strict=True) if not has]
    if len(given) == len(lacking):
        rest = iter(given)
        return tuple(out if has else next(rest) for out, has in zip(outs, own, strict=True))
    names = ", ".join(printable(str(out)) for out in lacking) or "none of them"
    raise UsageError(
        f"where are the masks? Score files hold no paths, and {names} hold{'s' * (len(lacking) == 1)} no "
        f"predictions/{dataset}. Give --predictions FOLDER once for each of these, in this order, or once for each "
        f"OUT; {len(given)} {'was' if len(given) == 1 else 'were'} given for {len(lacking)}."
    )


def masks_of(
    run: Scored, dataset: Dataset, scheme: Scheme, case_ids: Sequence[str], rename: str | None
) -> dict[str, Voxels]:
    """Return the masks of these cases by id, each the very one that was scored; a missing one is left out.

    Raises:
        MaskAbsentError, MaskUnreadableError: a mask that is not found or cannot be read.
        OtherMaskError: a mask that differs from the one in the score file.
    """
    held = read_submission(run.folder, dataset=dataset.id, scheme=scheme, rename=rename)
    found: dict[str, Voxels] = {}
    for case_id in case_ids:
        row = run.rows.get(case_id)
        if row is None or row["status"] == "missing":
            continue
        path, voxels = mask_in(held, run, case_id)
        if mask_sha256(voxels) != row["prediction_sha256"]:
            raise OtherMaskError(
                f"{printable(str(path))} is not the mask that was scored: its voxels have another SHA-256 than "
                f"the score file of {printable(run.name)} says. Name the right folder with --predictions, or score "
                f"these masks again."
            )
        found[case_id] = voxels
    return found


def mask_in(held: Submission, run: Scored, case_id: str) -> tuple[Path, Voxels]:
    """Return the mask that a folder holds for a case of a run, and its file; not yet compared with what was scored.

    Raises:
        MaskAbsentError, MaskUnreadableError: a mask that is not found or cannot be read.
    """
    row = run.rows[case_id]
    paths = [one.path for one in held.predictions if one.case_id == case_id and _same_run(one, row)]
    if not paths:
        raise MaskAbsentError(
            f"{printable(str(run.folder))} holds no mask of {case_id}, which {printable(run.name)} was scored "
            f"with. Name the folder that was scored with --predictions (and --rename, if it was used)."
        )
    try:
        return paths[0], open_mask(paths[0]).voxels(run.labels)
    except VolumeError as fault:
        raise MaskUnreadableError(f"{printable(str(paths[0]))}: {fault}") from fault


def scores_alike(run: Scored, case_id: str, reference: Voxels, prediction: Voxels, geometry: Geometry) -> bool:
    """Return whether a mask scores what its row says, to the four decimals that are published.

    It stands in for the hash where a score file withholds that: equal overlap, surfaces and lesions are then all that
    can be compared.
    """
    row = run.rows[case_id]
    made = score(
        reference, prediction, geometry.spacing_mm, voxel_volume_mm3=geometry.voxel_volume_mm3, profile=run.profile
    )
    return all(_alike(row.get(name), made[name]) for name in metric_columns(run.profile))


def _alike(said: float | None, found: float | None) -> bool:
    if said is None or found is None or math.isnan(said) or math.isnan(found):
        return (said is None or math.isnan(said)) == (found is None or math.isnan(found))
    return said == found or math.isclose(said, found, rel_tol=0.0, abs_tol=_PUBLISHED_TO)


def check_reference(run: Scored, case_id: str, reference: Voxels) -> None:
    """Raise IchBenchError where a reference holds another number of voxels than the one that a run was scored on."""
    row = run.rows.get(case_id)
    if run.profile == "native" and row is not None and None not in (row["tp"], row["fn"]):
        counted, here = row["tp"] + row["fn"], int(reference.sum())
        if counted != here:
            raise IchBenchError(
                f"{printable(case_id)}: the reference on this machine holds {here} voxels, the one that "
                f"{printable(run.name)} was scored on held {counted}. Is this another version of the dataset?"
            )


def _same_run(one: Any, row: Mapping[str, Any]) -> bool:
    fold = one.fold in (None, row["fold"])
    return bool(one.budget == row["budget"] and one.seed == row["seed"] and fold)


def _size(budget: str) -> tuple[int, str]:
    percent = str(budget).partition("-")[0]
    return (int(percent) if percent.isdigit() else 0, str(budget))
