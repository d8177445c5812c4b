"""What does a baseline's submission.toml say: every key measured, counted or known, none guessed?"""

from __future__ import annotations

import os
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ich_bench.errors import InputError
from ich_bench.places import write_text
from ich_bench.submissions.schema import FILE, check
from ich_bench.submissions.written import toml_value
from ich_bench_baselines.job import Job, folder, submission_folder, tested
from ich_bench_baselines.methods import known, method
from ich_bench_baselines.parts import facts, seconds, trainings
from ich_bench_baselines.predict import JOURNAL, read_journal

TEAM = "ich-bench"
_OF_ONE_DATASET = (
    *("annotated_patients", "annotated_slices", "annotated_ml"),
    *("training_hours", "inference_seconds_per_volume"),
)


def manifest(trained: Mapping[Job, Path]) -> dict[str, Any]:
    """Return the keys of submission.toml for the trainings of one method, each job with its checkpoint.

    Hours are those of all folds of one seed, a pretext or cavity that several share counted once; patients and slices
    are means over folds. Where several datasets were trained on into one OUT, no figure of any of them alone is told.
    """
    jobs = list(trained)
    job, about = jobs[0], known(jobs[0].method)
    pool = [job.pool.partition(":")[0]] if job.pool else []
    found: dict[str, Any] = {
        "method": submission_folder(job).name,
        "team": TEAM,
        "version": _version(job),
        "about": f"{about.about}. {_how(job)}",
        "paper": about.paper,
        "licence": "Apache-2.0",
        "kind": "method",
        "supervision": about.supervision,
        "labels_needed": list(about.labels),
        "training_data": _trained_on(job),
        "external_data": pool,
        "checkpoint_selection": "last",
        "postprocessing_chosen_on": "none",
        "test_data_seen": "no",
        "contamination": "Every batch is held against the ids of the test cases and patients before it is trained on.",
        "seeds": sorted({one.seed for one in jobs} | _seeds_there(job)),
        **_measured(trained),
    }
    own = dict(getattr(method(job.method), "said", lambda job: {})(job))
    found |= own | ({"about": f"{found['about']} {own['about']}"} if "about" in own else {})
    if len(found["training_data"]) > 1:  # each dataset was trained on by itself, and one figure is not that of all
        found |= dict.fromkeys(_OF_ONE_DATASET)
        found["about"] += f" Trained on the folds of {', '.join(found['training_data'])}, each by itself."
    found["regime"] = _regime(job, found["external_data"])
    if job.schedule != "smoke":
        found["baseline"] = job.method
    return {name: value for name, value in found.items() if value not in (None, "")}


def write_manifest(trained: Mapping[Job, Path]) -> Path:
    """Write submission.toml beside its place, then rename; InputError where the schema would refuse it."""
    job = next(iter(trained))
    values = manifest(trained)
    _, problems = check(values)
    if problems:
        raise InputError(f"the manifest of {job.method} is not one that can be submitted:", problems)
    path = submission_folder(job) / FILE
    text = "".join(f"{name} = {toml_value(value)}\n" for name, value in values.items())
    return write_text(path, text)


def _there(predictions: Path, dataset: str) -> list[str]:
    """Return the datasets on whose folds this method was trained into this OUT, this one among them."""
    there = {path.name for path in predictions.iterdir() if path.is_dir()} if predictions.is_dir() else set()
    return sorted({dataset, *there})


def _seeds_there(job: Job) -> set[int]:
    """Return the seeds of which masks of this dataset are there, from earlier runs too: all of them are scored."""
    home = submission_folder(job) / "predictions" / job.dataset / tested(job).name
    return {int(path.name.removeprefix("seed_")) for path in home.glob("**/seed_*") if path.name[5:].isdecimal()}


def _version(job: Job) -> str:
    words = f"{job.schedule} schedule, values of the {job.variant}"
    given = {"epochs": job.epochs, "batch": job.batch, "width": job.width, "side": job.side, "pool": job.pool}
    return ", ".join([words, *(f"{name} {value}" for name, value in given.items() if value is not None)])


def _how(job: Job) -> str:
    if job.schedule == "smoke":
        return "Trained for a few steps on small slices, to see that it runs: its scores say nothing about the method."
    if job.schedule == "phantom":
        return "Trained on a schedule of our own that tells methods apart on drawn heads."
    return "Trained as the paper says; what it leaves open is told by `ich-bench baselines show`."


def _trained_on(job: Job) -> list[str]:
    if job.elsewhere:
        return [] if job.train_on is None else [job.train_on]
    return _there(submission_folder(job) / "predictions", job.dataset)


def _regime(job: Job, external: Sequence[str]) -> str:
    if job.pool_alone:
        return "external"
    if job.elsewhere:
        return f"from:{job.train_on}"
    return "cv+external" if external else "cv"


def _measured(trained: Mapping[Job, Path]) -> dict[str, Any]:
    """Return what was counted and measured; a key that was not is absent."""
    by_seed: dict[int, dict[Path, float]] = {}
    patients, slices, machines, each_s = [], [], [], []
    ml: list[Any] = []
    for job, path in trained.items():
        runs = trainings(path)
        by_seed.setdefault(job.seed, {}).update({run: seconds(run) for run in runs})
        own = [facts(run) for run in runs if facts(run)]
        machines += [one["machine"] for one in own if "machine" in one]
        drawn = [one for one in own if one.get("label_kind", "masks") == "masks"]
        patients += [one["annotated_patients"] for one in drawn[:1]]
        slices += [one["annotated_slices"] for one in drawn[:1]]
        ml += [one.get("annotated_ml") for one in drawn[:1]]
        journal = read_journal(folder(job) / JOURNAL.format(dataset=job.dataset))
        each_s += [line["seconds"] for line in journal.values()]
    hours = statistics.fmean(sum(runs.values()) for runs in by_seed.values()) / 3600
    return {
        "annotated_patients": round(statistics.fmean(patients), 1) if patients else None,
        "annotated_slices": round(statistics.fmean(slices), 1) if slices else None,
        "annotated_ml": round(statistics.fmean(ml), 1) if ml and None not in ml else None,
        "hardware": _hardware(machines),
        "training_hours": float(f"{hours:.3g}") if hours else None,
        "inference_seconds_per_volume": float(f"{statistics.median(each_s):.3g}") if each_s else None,
    }


def _hardware(machines: Sequence[str]) -> str:
    cores = os.cpu_count()
    named = ", ".join(dict.fromkeys(machines))
    return f"{named} ({cores} cores)" if named.endswith("CPU") else named
