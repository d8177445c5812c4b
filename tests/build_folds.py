"""Builds every frozen fold and budget file again: `python tests/build_folds.py [FOLDER]`; the tests compare bytes.

The committed CSV files are the truth. Facts used here: ids and ICH flags, lesion volume and slice thickness of the 51
Seg-CQ500 cases (shipped with the harness), and for INSTANCE 2022, whose terms forbid passing data on, only a stratum
code a case: lesion-volume tertile, plus 3 where the slices are not 5.0 mm apart (within 1 µm). Each fact
names its source.
"""

from __future__ import annotations

import csv
import sys
import warnings
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedKFold

from ich_bench.phantom.plan import planned

ROOT = Path(__file__).parents[1] / "harness" / "ich_bench"

# The ids of PhysioNet's ct-ich 1.3.1, and which of them its tables and masks say bleed: 36, as in Hssayeni 2020.
HSSAYENI = [*range(49, 59), *range(66, 131)]
HSSAYENI_ICH = {*range(49, 54), 58, *range(66, 95), 97}

# The data authors' five groups, as id - 49.
HSSAYENI5 = (
    (31, 39, 21, 33, 34, 5, 54, 2, 67, 68, 53, 29, 44, 76, 59),
    (73, 77, 71, 61, 69, 50, 32, 6, 37, 57, 75, 80, 41, 27, 40),
    (46, 79, 45, 55, 62, 7, 66, 58, 78, 4, 47, 52, 28, 20, 24),
    (51, 36, 63, 30, 48, 26, 60, 49, 25, 42, 18, 43, 72, 0, 35),
    (81, 70, 22, 64, 1, 3, 17, 74, 23, 38, 8, 65, 19, 56, 9),
)

# The public folds of the MONAI tutorials, file auto3dseg/tasks/instance22/instance22_folds.json.
INSTANCE_PUBLIC = (
    "095 066 069 025 057 075 062 099 005 016 059 021 098 061 031 071 038 054 034 096",
    "065 029 037 003 032 072 053 076 011 013 089 012 067 022 007 035 079 058 085 050",
    "090 020 100 086 044 091 024 008 082 081 074 092 045 094 017 080 068 036 047 060",
    "097 028 042 093 004 019 073 043 063 084 010 018 033 002 055 041 030 078 015 039",
    "014 006 026 001 048 083 064 051 046 049 077 027 087 070 056 009 040 088 052 023",
)
# Tertile and thickness come from a public audit of the same scans: GitHub haithamalshari/CT-Seg1500,
# CT-Seg1500/reports/features/per_case_features_raw.csv. Neither volumes nor spacings are kept here, only the code.
INSTANCE_STRATA = "0101011010105311142211501205004050542121042210242002000110021225001200022220201151101210110120502222"

# The scans that all three readers of CQ500's reads.csv (as published with the dataset, http://headctstudy.qure.ai/dataset)
# call free of hemorrhage: no mark in R1:ICH, R2:ICH, R3:ICH. 491 - 168 unanimous - 78 split = 245.
CQ500_NEGATIVE = """
2 3 5 6 7 9 16 17 20 21 23 25 26 27 30 32 34 36 37 38 39 42 44 45 46 47 49 50 51 53 54 58 62 69 70 71 72 73 74 76 77 78
79 81 82 83 85 88 89 91 93 94 96 97 98 99 100 101 103 104 105 110 112 116 117 119 120 122 123 124 127 130 131 132 138
141 142 145 146 148 150 151 152 156 158 160 161 162 163 164 165 167 170 171 172 174 175 177 178 179 180 184 185 191 193
194 195 197 198 199 200 201 204 206 209 212 214 218 222 223 229 231 232 233 235 242 244 246 252 253 255 258 259 261 262
267 269 270 271 272 276 280 281 282 286 287 288 289 290 292 293 294 295 298 299 300 301 302 304 306 307 308 311 313 315
317 319 320 321 322 323 324 325 327 329 330 331 332 333 335 336 349 350 351 353 354 357 360 361 365 367 368 373 375 387
389 390 391 394 395 398 401 405 407 409 410 411 414 418 421 424 428 431 433 437 439 440 441 442 444 445 448 450 451 453
459 460 462 463 464 465 466 467 468 470 471 472 475 476 477 478 482 484 487 490
"""


def main(folder: Path) -> None:
    """Write every fold and budget file under a folder."""
    for name, content in build().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def build() -> dict[str, bytes]:
    """Return the bytes of each file by its path under `folds/`."""
    files = {
        **_seg_cq500(),
        **_hssayeni(),
        **_instance2022(),
        "cq500-negative/external.csv": _folds([(f"CQ500-CT-{n}", 0) for n in sorted(map(int, CQ500_NEGATIVE.split()))]),
    }
    return files | _drawn()


def _seg_cq500() -> dict[str, bytes]:
    with (ROOT / "datasets" / "seg_cq500_expected.csv").open(newline="") as table:
        facts = sorted(csv.DictReader(table), key=lambda row: int(row["case_id"].rsplit("-", 1)[1]))
    cases = [row["case_id"] for row in facts]
    tertile = _tertiles([float(row["lesion_ml"]) for row in facts])
    strata = [3 * (float(row["spacing_z_mm"]) >= 3) + t for row, t in zip(facts, tertile, strict=True)]
    official = _stratified([1] * len(cases), 5, seed=42)
    return {
        "seg-cq500/cv5.csv": _folds(zip(cases, official, strict=True)),
        **_repeats("seg-cq500", cases, strata),
        "seg-cq500/cv5.budgets.csv": _budgets("seg-cq500", cases, [True] * len(cases), official),
    }


def _hssayeni() -> dict[str, bytes]:
    cases = [f"{number:03}" for number in HSSAYENI]
    ich = [number in HSSAYENI_ICH for number in HSSAYENI]
    official = _stratified(ich, 10, seed=42)
    five = _folds(zip(cases, _stratified(ich, 5, seed=42), strict=True))
    return {
        "hssayeni/cv10.csv": _folds(zip(cases, official, strict=True)),
        "hssayeni/cv5.csv": five,
        "hssayeni/lf80.csv": five,
        "hssayeni/lf20.csv": five,
        "hssayeni/lf50.csv": _folds(zip(cases, _stratified(ich, 2, seed=42), strict=True)),
        "hssayeni/hssayeni5.csv": _folds(
            (f"{index + 49:03}", fold) for fold, group in enumerate(HSSAYENI5) for index in group
        ),
        "hssayeni/wang-slices.csv": _folds((case, 0) for case in cases),
        "hssayeni/cv10.budgets.csv": _budgets("hssayeni", cases, ich, official),
    }


def _instance2022() -> dict[str, bytes]:
    cases = [f"{number:03}" for number in range(1, 101)]
    public = {case: fold for fold, group in enumerate(INSTANCE_PUBLIC) for case in group.split()}
    official = [public[case] for case in cases]
    return {
        "instance2022/cv5.csv": _folds(zip(cases, official, strict=True)),
        **_repeats("instance2022", cases, [int(code) for code in INSTANCE_STRATA]),
        "instance2022/cv5.budgets.csv": _budgets("instance2022", cases, [True] * 100, official),
    }


def _drawn() -> dict[str, bytes]:
    """Return the files of the drawn datasets: who is ill, and of which site, is planned before anything is drawn."""
    mini, heads = planned("phantom-mini"), planned("phantom")
    four = _stratified([head.has_ich for head in mini], 4, seed=42)
    five = _stratified([2 * "abc".index(head.site) + head.has_ich for head in heads], 5, seed=42)
    files = {"phantom/by-site.csv": _folds((head.case_id, "abc".index(head.site)) for head in heads)}
    for name in ("phantom-dev", "phantom-test"):
        files[f"{name}/external.csv"] = _folds((head.case_id, 0) for head in planned(name))
    for name, plan, folds in (("phantom-mini/cv4", mini, four), ("phantom/cv5", heads, five)):
        cases, ich = [head.case_id for head in plan], [head.has_ich for head in plan]
        files[f"{name}.csv"] = _folds(zip(cases, folds, strict=True))
        files[f"{name}.budgets.csv"] = _budgets(name.split("/")[0], cases, ich, folds)
    return files


def _repeats(dataset: str, cases: Sequence[str], strata: Sequence[int]) -> dict[str, bytes]:
    return {
        f"{dataset}/cv5-r{number}.csv": _folds(zip(cases, _stratified(strata, 5, seed=42 + number), strict=True))
        for number in (1, 2, 3, 4)
    }


def _stratified(strata: Sequence[int | bool], folds: int, *, seed: int) -> list[int]:
    """Return the fold of each case, in the order given."""
    splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    fold_of = [0] * len(strata)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a stratum may hold fewer cases than there are folds
        for fold, (_, test) in enumerate(splitter.split(np.zeros(len(strata)), [int(stratum) for stratum in strata])):
            for index in test:
                fold_of[index] = fold
    return fold_of


def _tertiles(values: Sequence[float]) -> list[int]:
    """Return 0, 1 or 2 for each value by its rank: rank · 3 // n, ranks from 0."""
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    return [int(rank) * 3 // len(values) for rank in ranks]


def _folds(rows: Iterable[tuple[str, int]]) -> bytes:
    """Return a fold file; in all these datasets the case is the patient."""
    return "".join(["case_id,patient_id,fold\n", *(f"{case},{case},{fold}\n" for case, fold in rows)]).encode()


def _budgets(dataset: str, cases: Sequence[str], ich: Sequence[bool], fold_of: Sequence[int]) -> bytes:
    """Return a budget file: for each draw and fold, the smallest budget that holds each training case.

    ICH and healthy are shuffled apart, by the order of PCG64's raw 64-bit output, seeded with the dataset's CRC-32, the
    draw and the fold; NumPy promises that stream. A budget takes the first of each, rounded half up, ICH at least two.
    """
    lines = ["draw,fold,case_id,budget\n"]
    for draw in (0, 1, 2):
        for fold in sorted(set(fold_of)):
            raw = np.random.PCG64([zlib.crc32(dataset.encode()), draw, fold]).random_raw(len(cases))
            order = [index for index in np.argsort(raw, kind="stable") if fold_of[index] != fold]
            smallest: dict[str, int] = {}
            for flag in (True, False):
                group = [cases[index] for index in order if ich[index] == flag]
                for budget in (10, 20, 50, 100):
                    share = (budget * len(group) + 50) // 100
                    for case in group[: max(share, 2) if flag else share]:
                        smallest.setdefault(case, budget)
            lines += [f"{draw},{fold},{case},{smallest[case]}\n" for case in cases if case in smallest]
    return "".join(lines).encode()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "folds")
