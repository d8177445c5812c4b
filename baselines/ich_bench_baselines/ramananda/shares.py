"""Which patients of a pool are trained on, tested on or held out, and which are the first 10 … 100 % of it?

Everything goes by patient, in one order that a seed draws: a larger share holds every smaller one.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from ich_bench.errors import IchBenchError, UsageError

HELD_OUT_SLICES = 541  # Ramananda 2025: as many slices of RSNA were annotated by the authors and held as test data
TRAIN_SHARE = 0.9  # the same: the remaining samples were divided 90:10
SHARES = (10, 20, 30, 40, 50, 60, 70, 80, 90, 100)  # percent of the ICH slices of the training part
TRAIN, TEST, HELD_OUT, UNUSED = "train", "test", "held-out", "unused"
Flags = npt.NDArray[np.bool_]


def parts(table: pd.DataFrame, *, held_out: int = HELD_OUT_SLICES, train: float = TRAIN_SHARE, seed: int
          ) -> npt.NDArray[np.str_]:  # fmt: skip
    """Return of each slice of a pool whether it is `train`, `test`, `held-out` or `unused`, (n,).

    Held out are `held_out` slices with ICH (at most a tenth of those with ICH) of the first patients with ICH; what
    else these patients have is unused. Of the other patients, those with and those without ICH apart, the first
    1 − `train` are tested on.

    Args:
        table: `slice_id`, `patient_id` and `ich` of each slice.
        held_out: How many slices.
        train: Share of the remaining patients, in (0, 1).
        seed: Of the order of the patients.
    """
    codes, ich_slices, order = _patients(table, seed)
    ich = table["ich"].to_numpy(dtype=bool)
    part = np.full(len(ich), TRAIN, dtype="<U8")
    wanted = min(held_out, int(ich.sum()) // 10)
    ill = order[ich_slices[order] > 0]
    first = int(np.searchsorted(np.cumsum(ich_slices[ill]), wanted)) + 1 if wanted else 0
    mine = np.isin(codes, ill[:first])
    part[mine] = UNUSED
    part[np.flatnonzero(mine & ich)[:wanted]] = HELD_OUT
    for group in (ill[first:], order[ich_slices[order] == 0]):
        part[np.isin(codes, group[: math.floor(len(group) * (1 - train) + 0.5)])] = TEST
    if not (part[ich] == TRAIN).any():
        raise IchBenchError("after what is held out and tested no slice with ICH is left: take a larger pool.")
    return part


def within(table: pd.DataFrame, among: Flags, percent: int, *, seed: int) -> Flags:
    """Return which of the slices in `among` belong to a share of them, (n,).

    Of the patients with ICH the first whose slices with ICH make up `percent` of all (the last of them whole), and the
    same share of those without ICH, rounded. UsageError where `percent` is not within 1 and 100.
    """
    if not 1 <= percent <= 100:
        raise UsageError(f"a share of {percent} %: expected 1 to 100.")
    codes, ich_slices, order = _patients(table, seed, among)
    here = np.bincount(codes[among], minlength=len(order)) > 0
    ill = order[(ich_slices > 0)[order] & here[order]]
    well = order[(ich_slices == 0)[order] & here[order]]
    sums = np.cumsum(ich_slices[ill])
    enough = int(np.searchsorted(sums * 100, percent * sums[-1])) + 1 if len(sums) else 0
    chosen = [*ill[:enough], *well[: math.floor(len(well) * percent / 100 + 0.5)]]
    found: Flags = among & np.isin(codes, chosen)
    return found


def _patients(table: pd.DataFrame, seed: int, among: Flags | None = None
              ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:  # fmt: skip
    """Return each slice's patient, how many slices with ICH each patient has, and the patients in drawn order.

    The order is that of PCG64's raw output, which no later NumPy changes.
    """
    codes, names = pd.factorize(table["patient_id"], sort=True)
    ich = table["ich"].to_numpy(dtype=bool)
    ich_slices = np.bincount(codes[ich if among is None else ich & among], minlength=len(names))
    order = np.argsort(np.random.PCG64(seed).random_raw(len(names)), kind="stable")
    return codes, ich_slices, order
