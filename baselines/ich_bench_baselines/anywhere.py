"""How does a checkpoint predict the heads of any dataset, or of any folder of CTs?"""

from __future__ import annotations

from pathlib import Path

from ich_bench.cases import Case
from ich_bench.datasets import DATASETS, card, load_dataset
from ich_bench.errors import IchBenchError, UsageError, did_you_mean
from ich_bench.escape import printable
from ich_bench.folds import load_scheme
from ich_bench.volume import MASK_SUFFIXES, is_mask_name, stem
from ich_bench_baselines.job import WHOLE, Progress
from ich_bench_baselines.methods import method
from ich_bench_baselines.parts import PARTS, SEGMENTATION, about_of, read_parts
from ich_bench_baselines.predict import write_predictions
from ich_bench_baselines.train import LAST

JOURNAL = ".predicted.jsonl"  # beside the masks, where `evaluate` passes it over


def predict_anywhere(
    checkpoint: Path,
    what: str,
    out: Path,
    *,
    data: Path | None = None,
    device: str = "cpu",
    every: bool = False,
    progress: Progress | None = None,
) -> tuple[tuple[Path, ...], str]:
    """Write `<case_id>.nii.gz` for each head of a dataset or folder into `out`; return the files and a note.

    Args:
        checkpoint: last.ckpt or parts.json of a training, or the folder that holds it.
        what: A dataset id, or a folder of CTs (.nii.gz, .nii, .mha …), whose masks get the names of the CTs.
        out: Where the masks go.
        data: The dataset's own folder.
        device: Where the network runs.
        every: Of the dataset it was trained on also the cases it has seen; else only its fold's test cases.
        progress: Told (heads done, heads in all).

    Raises:
        UsageError: `what` is neither.
        IchBenchError: the checkpoint is none, or another program's; there is nothing to predict.
        InputError: with every CT that cannot be read.
    """
    checkpoint = next((path for name in (PARTS, LAST) if (path := checkpoint / name).is_file()), checkpoint)
    about = training_of(checkpoint)
    predictor = method(str(about["method"])).load(checkpoint, device)
    cases, note = _cases(what, data, about, every=every)
    files = write_predictions(predictor, cases, out, journal=out / JOURNAL, progress=progress)
    return files, note


def training_of(checkpoint: Path) -> dict[str, object]:
    """Return what a checkpoint says of its training, of several parts that of the segmentation, with their method."""
    about = about_of(checkpoint)
    if "scheme" not in about:
        parts = read_parts(checkpoint)[1]
        first = parts.get(SEGMENTATION, next(iter(parts.values())))
        about = {**(training_of(first) if isinstance(first, Path) else {}), **about}
    return about


def _cases(what: str, data: Path | None, about: dict[str, object], *, every: bool) -> tuple[tuple[Case, ...], str]:
    if what in DATASETS:
        if card(what).pool:
            raise UsageError(f"{what} is a pool for pre-training: it has no heads to predict one by one.")
        cases = load_dataset(what, data).cases
        if what != about.get("dataset"):
            return cases, ""
        if every:
            return cases, "Among these are cases that it was trained on: their masks say nothing about new heads."
        return _unseen(what, cases, about)
    folder = Path(what).expanduser()
    if not folder.is_dir():
        raise UsageError(
            f"{printable(what)} is neither a dataset nor a folder of head CTs. {did_you_mean(what, DATASETS)}"
        )
    files = sorted(path for path in folder.iterdir() if is_mask_name(path.name) and not path.name.startswith("."))
    if not files:
        raise IchBenchError(f"{folder} holds no CT: expected files such as {', '.join(MASK_SUFFIXES)}.")
    return tuple(_case(path) for path in files), ""


def _unseen(dataset: str, cases: tuple[Case, ...], about: dict[str, object]) -> tuple[tuple[Case, ...], str]:
    if about.get("scheme") == WHOLE:
        raise IchBenchError(f"it was trained on all cases of {dataset}: none is new to it. --every-case predicts them.")
    scheme = load_scheme(dataset, str(about["scheme"]))
    fold = int(str(about["fold"]))
    tests = set(scheme.test_cases(fold))
    note = f"Only the test cases of fold {fold} of {dataset}/{scheme.name}, which it has not seen; --every-case: all."
    return tuple(case for case in cases if case.case_id in tests), note


def _case(path: Path) -> Case:
    return Case(case_id=stem(path.name), patient_id=stem(path.name), ct=path, reference=None)
