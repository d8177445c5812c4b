"""Which files lie in a prediction folder, and which scheme, budget, seed and fold do their folders name."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ich_bench.cases import Scheme
from ich_bench.errors import Problem, UsageError
from ich_bench.escape import is_utf8, printable
from ich_bench.folds import BUDGETS, DRAWS, schemes_of
from ich_bench.folds.table import SCHEMES
from ich_bench.volume import MASK_SUFFIXES, is_mask_name, stem

_DEEPEST = 8
_MOST_FILES = 100_000
PLACES = {"budget": re.compile(r"budget-([0-9]+)-([0-9]+)"), "seed": re.compile(r"seed_([0-9]{1,18})"),
           "fold": re.compile(r"fold_([0-9]{1,9})")}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One file that is named like a mask.

    `where` is its path below the folder, printable; `below` that path without suffix; `rest` what is left of it when
    the folders that name scheme, budget, seed and fold are taken away: the case id, where all is well.
    """

    path: Path
    where: str
    keys: tuple[str, ...]  # the names it may have in a --map
    folded: str  # equal for two names that one file system or another cannot tell apart
    below: str
    rest: str
    scheme: str | None
    budget: str | None
    seed: int | None
    fold: int | None


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The mask files of the asked scheme, what was ignored, and what is wrong with the folders themselves.

    `files` counts what is named like a mask, also where the name is none that can be written down.
    """

    masks: tuple[Listed, ...]
    ignored: tuple[str, ...]
    problems: tuple[Problem, ...]
    files: int = 0


def list_masks(folder: Path, *, dataset: str, scheme: Scheme) -> Listing:
    """Return what lies in `predictions/<dataset>`, or in the folder itself where there is none.

    Where several schemes have folders of their own, those of the asked one are taken; files beside such folders count
    for the official scheme. Without scheme folders all files count for the asked one.
    """
    root = folder / "predictions" / dataset
    root = root if root.is_dir() else folder
    files, ignored, problems = _walk(root, folder)
    schemes = _schemes(dataset, scheme)
    masks = []
    beside = {path.with_suffix(end) for path in files if path.suffix.lower() == ".mhd" for end in (".raw", ".zraw")}
    for path in files:
        if not is_mask_name(path.name):
            if path not in beside | {folder / "submission.toml"}:
                ignored.append(printable(path.relative_to(folder).as_posix()))
        else:
            masks.append(_placed(path, root, folder, schemes))
    pairs, ignored = _pairs(ignored)
    problems += pairs
    others = _other_datasets(folder) if root == folder else []
    if others and all(mask.path.is_relative_to(folder / "predictions") for mask in masks):
        what = f"holds predictions for {', '.join(others)}, none for {dataset}."
        mend = f"Put its masks into predictions/{dataset}, or ask for another dataset."
        return Listing(masks=(), ignored=(), problems=(Problem(where=_name(folder, folder), what=what, mend=mend),))
    if not masks and not problems:
        problems.append(_empty(folder, root, files, dataset))
    own = {mask.scheme for mask in masks} - {None}
    taken = [mask for mask in masks if (mask.scheme or (schemes[0] if own else scheme.name)) == scheme.name]
    if masks and not taken:
        what = f"holds masks for {' and '.join(sorted(filter(None, own)))}, none for {scheme.name}."
        problems.append(
            Problem(where=_name(root, folder), what=what, mend=f"Ask for --scheme {min(filter(None, own))}.")
        )
    for budget in sorted({mask.budget for mask in taken if mask.budget} - {f"{b}-{d}" for b in BUDGETS for d in DRAWS}):
        what = f"is no training budget: there are {_listed(BUDGETS)} %, each in draws {_listed(DRAWS)}."
        problems.append(Problem(where=f"budget-{budget}", what=what, mend="Write for instance budget-10-0."))
    named = [mask for mask in taken if is_utf8(mask.below)]
    problems += [not_utf8(mask.where) for mask in taken if not is_utf8(mask.below)]
    if not is_utf8(folder.resolve().name):
        problems.append(not_utf8(folder.resolve().name))
    return Listing(masks=tuple(named), ignored=tuple(sorted(ignored)), problems=tuple(problems), files=len(taken))


def not_utf8(name: str) -> Problem:
    """Return the problem of a name whose bytes are no text."""
    return Problem(where=printable(name), what="has a name that is not UTF-8.", mend="Rename it, in plain letters.")


def is_junk(name: str) -> bool:
    """Return whether a name is one that operating systems leave behind: `._x`, `.DS_Store`, `__MACOSX`."""
    return name.startswith(".") or name == "__MACOSX" or name.casefold() in {"thumbs.db", "desktop.ini"}


def _walk(root: Path, folder: Path) -> tuple[list[Path], list[str], list[Problem]]:
    files: list[Path] = []
    ignored: list[str] = []
    problems: list[Problem] = []
    if not folder.is_dir():
        what = "is a file, not a folder." if folder.exists() else "does not exist."
        return [], [], [Problem(where=printable(str(folder)), what=what, mend="Name the folder that holds the masks.")]

    def enter(here: Path, above: tuple[Path, ...]) -> Iterator[Path]:
        try:
            entries = sorted(here.iterdir(), key=lambda path: path.name)
        except OSError as fault:
            what = f"cannot be read: {fault.strerror or fault}."
            problems.append(Problem(where=_name(here, folder), what=what, mend="Check its permissions."))
            return
        for entry in entries:
            if is_junk(entry.name) and entry != folder:
                ignored.append(printable(entry.relative_to(folder).as_posix()) + ("/" if entry.is_dir() else ""))
            elif not entry.is_dir() or is_mask_name(entry.name):  # a folder of that name is refused as a mask
                yield entry
            elif entry.resolve() in above or len(above) > _DEEPEST:
                what = "leads back to a folder above it." if entry.resolve() in above else "lies too deep."
                problems.append(Problem(where=_name(entry, folder), what=what, mend="Put the masks into one folder."))
            else:
                yield from enter(entry, (*above, entry.resolve()))

    for file in enter(root, (root.resolve(),)):
        files.append(file)
        if len(files) > _MOST_FILES:
            what = f"holds more than {_MOST_FILES} files; only the first were looked at."
            problems.append(Problem(where=_name(root, folder), what=what, mend="Name the folder that holds the masks."))
            break
    return files, ignored, problems


def _placed(path: Path, root: Path, folder: Path, schemes: tuple[str, ...]) -> Listed:
    parts = path.relative_to(root).parts[:-1]
    named: dict[str, str] = {}
    rest = []
    for depth, part in enumerate(parts):
        kind = next((kind for kind, shape in PLACES.items() if shape.fullmatch(part)), None)
        if depth == 0 and part in schemes:
            named["scheme"] = part
        elif kind is not None and kind not in named:
            named[kind] = part
        else:
            rest.append(part)
    name = stem(path.name)
    in_folder, in_root = path.relative_to(folder).as_posix(), path.relative_to(root).as_posix()
    cut = len(name) - len(path.name)
    return Listed(
        path=path,
        where=printable(in_folder),
        keys=tuple(dict.fromkeys((in_folder, in_root, in_folder[:cut], in_root[:cut]))),
        folded=unicodedata.normalize("NFC", in_folder).casefold(),
        below=in_root[:cut],
        rest="/".join([*rest, name]),
        scheme=named.get("scheme"),
        budget="-".join(str(int(number)) for number in named["budget"].split("-")[1:]) if "budget" in named else None,
        seed=int(named["seed"].removeprefix("seed_")) if "seed" in named else None,
        fold=int(named["fold"].removeprefix("fold_")) if "fold" in named else None,
    )


def _pairs(ignored: list[str]) -> tuple[list[Problem], list[str]]:
    bases = sorted({name[:-4] for name in ignored if name.casefold().endswith((".hdr", ".img"))})
    problems = []
    for base in bases:
        files = sorted(name for name in ignored if name[:-4] == base and name.casefold().endswith((".hdr", ".img")))
        what = f"{'are' if len(files) > 1 else 'is'} an Analyze or NIfTI pair: a mask is one file."
        mend = "Write .nii.gz: in Python nibabel.save(nibabel.load(name), 'case.nii.gz')."
        problems.append(Problem(where=" and ".join(files), what=what, mend=mend))
    return problems, [name for name in ignored if name[:-4] not in bases]


def _empty(folder: Path, root: Path, files: list[Path], dataset: str) -> Problem:
    mend = f"Expected <case_id>.nii.gz for the cases of {dataset} (also {', '.join(MASK_SUFFIXES[1:])})."
    kinds = Counter(printable("".join(path.suffixes[-2:])) or "without suffix" for path in files)
    seen = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(5))
    what = f"holds no masks, but {seen}." if files else "is empty."
    return Problem(where=_name(root, folder), what=what, mend=mend)


def _other_datasets(folder: Path) -> list[str]:
    return [dataset for dataset in SCHEMES if (folder / "predictions" / dataset).is_dir()]


def _schemes(dataset: str, scheme: Scheme) -> tuple[str, ...]:
    if scheme.name == "none":
        return ()
    try:
        return tuple(dict.fromkeys((*schemes_of(dataset), scheme.name)))
    except UsageError:
        return (scheme.name,)


def _name(path: Path, folder: Path) -> str:
    inside = path.relative_to(folder).as_posix()
    return printable(folder.resolve().name if inside == "." else inside)


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers))
