"""What does DATASET mean: a dataset known by its id, or any folder of reference masks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ich_bench.cases import Case, Dataset, FoldRow, Scheme
from ich_bench.datasets import DATASETS, load_dataset
from ich_bench.datasets.found import natural
from ich_bench.errors import InputError, Problem, UsageError, did_you_mean
from ich_bench.escape import is_utf8, printable
from ich_bench.folds import load_scheme
from ich_bench.predictions.listing import is_junk, not_utf8
from ich_bench.volume import MASK_SUFFIXES, is_mask_name, stem

PLAIN_SCHEME = "none"
_MOST_LOOKED_AT = 10_000  # names below a sub-folder of a reference folder


def resolve(
    dataset: str | Path, *, data: str | Path | None = None, scheme: str | None = None, reference_labels: object = None
) -> tuple[Dataset, Scheme]:
    """Return a dataset as it lies on this machine and the fold scheme that is asked for (the official one by default).

    A known id wins over a folder of that name; a path contains a separator. UsageError for what is neither, and for a
    scheme or a data folder asked for with a plain reference folder, which has none, as for `reference_labels` (whatever
    they are) with a known dataset.
    """
    name = str(dataset)
    if name in DATASETS:
        refuse_relabelling(name, reference_labels)
        found = load_dataset(name, Path(data) if data is not None else None)
        return found, filled(load_scheme(name, scheme), found)
    if not any(separator in name for separator in "/\\") and not Path(name).is_dir():
        mend = "For a folder of reference masks write a path that exists, such as ./masks."
        raise UsageError(f"there is no dataset {name!r}. {did_you_mean(name, DATASETS)} {mend}")
    if scheme not in (None, PLAIN_SCHEME) or data is not None:
        option = f"--scheme {scheme}" if scheme not in (None, PLAIN_SCHEME) else "--data"
        raise UsageError(f"{option} belongs to a dataset known by its id; {name} is a folder of reference masks.")
    return reference_folder(Path(dataset))


def reference_folder(path: Path) -> tuple[Dataset, Scheme]:
    """Return a plain folder of reference masks as a dataset named after it, all cases in fold 0 of scheme `none`.

    case_id = patient_id = file name without suffix, in natural order; there is no CT. InputError where the folder is
    absent, cannot be read, holds no mask, or holds two masks of one name.
    """
    name = path.resolve().name or "reference"
    headline = f"{printable(str(path))} cannot be used as a folder of reference masks"
    if not path.is_dir():
        what = "is a file, not a folder." if path.exists() else "does not exist."
        mend = f"Name a folder of masks, or a dataset: {', '.join(DATASETS)}."
        raise InputError(headline, [Problem(where=printable(str(path)), what=what, mend=mend)])
    try:
        entries = [entry for entry in path.iterdir() if not is_junk(entry.name)]
    except OSError as fault:
        what = f"cannot be read: {fault.strerror or fault}."
        raise InputError(
            headline, [Problem(where=printable(str(path)), what=what, mend="Check its permissions.")]
        ) from fault
    files = [entry for entry in entries if not entry.is_dir()]
    notes = tuple(sorted(note for entry in entries if entry.is_dir() for note in _left_aside(entry)))
    masks: dict[str, list[Path]] = {}
    for file in files:
        if is_mask_name(file.name):
            masks.setdefault(stem(file.name), []).append(file)
    problems = [
        Problem(
            where=printable(case_id),
            what=f"has several masks: {', '.join(sorted(printable(file.name) for file in same))}.",
            mend="Keep the one that is meant.",
        )
        for case_id, same in masks.items()
        if len(same) > 1
    ]
    problems += [not_utf8(called) for called in (name, *masks) if not is_utf8(called)]
    if not masks:
        seen = "holds no masks."
        if files:
            seen = f"holds {len(files)} files, none of them a mask." if len(files) > 1 else "holds one file, no mask."
        mend = f"Put the masks directly into it, as <case_id>.nii.gz (also {', '.join(MASK_SUFFIXES[1:])})."
        problems += [Problem(where=printable(name), what=seen, mend=mend), *notes]
    if problems:
        raise InputError(headline, sorted(problems))
    cases = tuple(
        Case(case_id=case_id, patient_id=case_id, ct=None, reference=masks[case_id][0])
        for case_id in sorted(masks, key=natural)
    )
    about = "A plain folder of reference masks: one unnamed fold, never on the board."
    scheme = Scheme(dataset=name, name=PLAIN_SCHEME, rows=_all_in_fold_0(cases), sha256="", about=about)
    return Dataset(id=name, source=path, cases=cases, notes=notes), scheme


def _left_aside(folder: Path) -> Iterator[Problem]:
    """Yield a note where a sub-folder of a reference folder looks as if it held references."""
    where, mend = f"{printable(folder.name)}/", "Put the masks directly into the reference folder, if they count."
    if is_mask_name(folder.name):
        yield Problem(where=where, what="is a folder, although it is named like a mask; it is not used.", mend=mend)
        return
    names = [entry.name for entry in islice(folder.rglob("*"), _MOST_LOOKED_AT)]
    count = sum(is_mask_name(name) and not is_junk(name) for name in names)
    if count:
        what = f"is a sub-folder with {count} mask{'s' * (count != 1)}, which {'are' if count > 1 else 'is'} not used."
        yield Problem(where=where, what=what, mend=mend)


def refuse_relabelling(dataset: str, reference_labels: object) -> None:
    """Raise UsageError where `reference_labels` would rewrite the truth of a dataset known by its id."""
    if reference_labels is not None:
        raise UsageError(
            f"--reference-labels belongs to a folder of reference masks; what counts in {dataset} is fixed."
        )


def filled(scheme: Scheme, dataset: Dataset) -> Scheme:
    """Return the scheme with the cases that its rule finds on this machine, where its file lists none."""
    return scheme if scheme.rows else replace(scheme, rows=_all_in_fold_0(dataset.cases))


def _all_in_fold_0(cases: tuple[Case, ...]) -> tuple[FoldRow, ...]:
    return tuple(FoldRow(case_id=case.case_id, patient_id=case.patient_id, fold=0) for case in cases)
