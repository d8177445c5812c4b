"""How does nnU-Net learn from coarse masks as a second channel without any of them having seen the head it is of?

A coarse mask of a training head comes from a coarse network that was trained without that head's patient: on the other
inner folds of the training part. The masks of an outer cross-validation would not do: their networks have been trained
on the test fold. A test head's coarse mask comes from the coarse network of the whole training part, which is that of
`qayyum-coarse`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ich_bench.cases import Case
from ich_bench.errors import IchBenchError
from ich_bench.volume import open_mask
from ich_bench_baselines.alone import alone
from ich_bench_baselines.data.guard import Guard
from ich_bench_baselines.job import Job, choice, folder
from ich_bench_baselines.methods import qayyum_coarse
from ich_bench_baselines.nnunet.data import CONTAMINATION, training_part
from ich_bench_baselines.nnunet.settings import NnUNet
from ich_bench_baselines.nnunet.training import load_nnunet, train_nnunet
from ich_bench_baselines.parts import SEGMENTATION, read_parts, write_parts
from ich_bench_baselines.predict import Predictor, write_predictions
from ich_bench_baselines.qayyum.coarse import load_coarse, train_coarse
from ich_bench_baselines.qayyum.settings import Coarse

COARSE, INNER = "coarse", "coarse_inner_{}"


def train_both(job: Job, coarse: Coarse, fine: NnUNet, inner_folds: int) -> Path:
    """Train the inner coarse networks, that of the whole training part, and the fine stage; return their parts.json.

    Each is kept when it is done; interrupted, it goes on. UsageError for several GPUs.
    """
    dataset, guard = training_part(job)
    guard.hand_out((case.case_id for case in dataset.cases), (case.patient_id for case in dataset.cases), ())
    out = folder(job)
    with alone(out, job.tell):
        folds = inner_parts(dataset.cases, inner_folds, job.seed)
        parts: dict[str, Path | str] = {}
        masks: dict[str, Path] = {}
        for number, held in enumerate(folds):
            fitted = others(dataset.cases, held)
            name = INNER.format(number)
            parts[name] = train_coarse(job, cases=fitted, to=out / name, settings=coarse)
            found = write_predictions(
                load_coarse(parts[name], job.device),  # type: ignore[arg-type]
                held,
                out / name / "masks",
                journal=out / name / "masks.jsonl",
            )
            masks |= {case.case_id: path for case, path in zip(held, found, strict=True)}
        whole = qayyum_coarse.train(coarse_job(job))
        second_is = f"coarse masks of {len(folds)} inner folds, {_sha256(masks)}"
        last = train_nnunet(job, fine, second=masks, second_is=second_is, to=out / "fine")
        about = {"dataset": job.trained_dataset, "fold": job.fold, "inner_folds": len(folds)}
        return write_parts(out, job.method, {SEGMENTATION: last, COARSE: whole, **parts}, about)


def load_both(path: Path, device: str = "cpu") -> Predictor:
    """Return CT → mask of the fine stage, which is given the coarse mask of that CT."""
    about, parts = read_parts(path)
    if not {SEGMENTATION, COARSE} <= set(parts):
        raise IchBenchError(f"{path} holds {', '.join(sorted(parts))}; expected a {SEGMENTATION} and a {COARSE}.")
    coarse = load_coarse(Path(parts[COARSE]), device)
    fine = load_nnunet(Path(parts[SEGMENTATION]), device, second=coarse)
    return replace(fine, key=f"{fine.key} after {coarse.key}", about=about)


def coarse_job(job: Job) -> Job:
    """Return the job of the coarse method that this one builds on: the same, with the options that both know."""
    options = tuple((name, value) for name, value in job.options if name == "intensity")
    return replace(job, method=qayyum_coarse.ID, options=options)


def inner_parts(cases: Sequence[Case], count: int, seed: int) -> tuple[tuple[Case, ...], ...]:
    """Return the training cases dealt into inner folds, patients whole, those with ICH spread evenly.

    Args:
        cases: Of the training part.
        count: How many; as many as there are patients where these are fewer.
        seed: Of the order in which patients are dealt.

    Raises:
        IchBenchError: a single patient, who cannot be left out.
    """
    by_patient: dict[str, list[Case]] = {}
    for case in cases:
        by_patient.setdefault(case.patient_id, []).append(case)
    if len(by_patient) < 2:
        raise IchBenchError("inner folds need two patients to train on; there is one. Choose a larger --budget.")
    order = np.argsort(np.random.PCG64([seed, len(by_patient)]).random_raw(len(by_patient)), kind="stable")
    shuffled = [sorted(by_patient)[place] for place in order]
    with_ich = [one for one in shuffled if any(map(_has_ich, by_patient[one]))]
    without = [one for one in shuffled if one not in set(with_ich)]
    count = min(count, len(by_patient))
    dealt = [*with_ich, *without]
    return tuple(
        tuple(case for patient in dealt[number::count] for case in by_patient[patient]) for number in range(count)
    )


def others(cases: Sequence[Case], held: Sequence[Case]) -> tuple[str, ...]:
    """Return the ids of the cases that are left to train on where some are held out; none is of a held patient."""
    apart = {case.case_id for case in held}
    left = [case for case in cases if case.case_id not in apart]
    guard = Guard(cases=apart, patients={case.patient_id for case in held}, where="an inner fold")
    guard.hand_out((case.case_id for case in left), (case.patient_id for case in left), ())
    return tuple(case.case_id for case in left)


def fine_alone(job: Job) -> bool:
    """Return whether the job asks for the fine stage without the coarse one."""
    return choice(job, "stage") == "nnunet-alone"


def said(job: Job) -> dict[str, Any]:
    """Return what the manifest says of the test part, and of how epochs were chosen: coarse ones on an inner part."""
    chosen = {} if fine_alone(job) else {"checkpoint_selection": "inner"}
    return {"contamination": CONTAMINATION, **chosen}


def _has_ich(case: Case) -> bool:
    return case.reference is not None and bool(open_mask(case.reference, trusted=True).voxels().any())


def _sha256(masks: Mapping[str, Path]) -> str:
    digest = hashlib.sha256()
    for name in sorted(masks):
        digest.update(name.encode())
        digest.update(open_mask(masks[name], trusted=True).data)
    return digest.hexdigest()[:16]
