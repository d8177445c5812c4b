"""What is in a prediction folder: which file is the mask of which case, and what does not belong there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ich_bench.cases import Scheme
from ich_bench.errors import Problem
from ich_bench.escape import printable
from ich_bench.predictions.listing import Listed, list_masks
from ich_bench.predictions.manifest import processing_steps, read_manifest
from ich_bench.predictions.naming import CASE_ID, Names, checked_pattern, compact, read_map

_MOST_COMPARISONS = 100_000  # a guess costs a comparison with every id


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One mask file: the case it is of, and the run it belongs to.

    `where` is its name below the folder, for messages. `budget` reads `<percent>-<draw>`; `fold` is that of its
    `fold_<k>` folder. Each is None where no such folder says so.
    """

    case_id: str
    path: Path
    where: str
    budget: str | None = None
    seed: int | None = None
    fold: int | None = None


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What was found in a folder; nothing but submission.toml has been opened.

    `predictions` (in fold-file order within each budget and seed) also holds the files that have a problem but whose
    case is known, so that their headers can be checked as well. `ignored` files were listed, never opened.
    `processing` names the steps (`regrid`, `fix-headers`) that changed the masks after the method had written them.
    `files` counts what is named like a mask; `guessed` are the (case id, budget, seed) that files of unknown ids were
    probably meant for, as their problems say: they need not be told of as missing once more. `at_fault` are the files
    (`where`) that a problem of a whole folder is about; `strays` the (budget, seed) of masks beside folders of runs.
    """

    name: str
    folder: Path
    predictions: tuple[Prediction, ...]
    problems: tuple[Problem, ...] = ()
    ignored: tuple[str, ...] = ()
    manifest: Mapping[str, Any] | None = None
    processing: tuple[str, ...] = ()
    files: int = 0
    guessed: frozenset[tuple[str, str | None, int | None]] = frozenset()
    at_fault: frozenset[str] = frozenset()
    strays: frozenset[tuple[str | None, int | None]] = frozenset()

    def fine(self, problems: Iterable[Problem]) -> int:
        """Return how many of the `files` none of these problems is about: what `evaluate` and `validate` count."""
        faulty = self.at_fault | {problem.where for problem in problems}
        return sum(one.where not in faulty for one in self.predictions)


def read_submission(
    folder: Path, *, dataset: str, scheme: Scheme, rename: str | None = None, map_file: Path | None = None
) -> Submission:
    """Return what a prediction folder holds for one dataset and fold scheme, with everything odd about it at once.

    The masks lie in `predictions/<dataset>` where there is such a folder, else in the folder itself, each at
    `[<scheme>/][budget-<b>-<draw>/][seed_<s>/][fold_<k>/]<case_id><suffix>`.

    Args:
        folder: a submission, or a bare folder of masks.
        dataset: the dataset's id.
        scheme: the fold scheme that is asked for; its case ids are the ones there are.
        rename: a pattern such as `{case_id}_seg` that explains names which are not case ids. Without a slash it is
            held against the file's name, else against the path below the fold folder or below the whole folder.
        map_file: a CSV with the columns file and case_id, files relative to the folder.

    Raises:
        UsageError: `rename` without `{case_id}`; a `map_file` that cannot be read.
    """
    pattern = checked_pattern(rename) if rename is not None else None
    listing = list_masks(folder, dataset=dataset, scheme=scheme)
    names = Names([row.case_id for row in scheme.rows])
    mapping, problems = read_map(map_file, names) if map_file is not None else ({}, [])
    manifest, faults = read_manifest(folder)
    problems += [*faults, *listing.problems]
    problems += [
        Problem(where=map_file.name, what=f"names {file}, which is not in the folder.", mend="Write its path below it.")
        for file in sorted(set(mapping) - {key for mask in listing.masks for key in mask.keys})
        if map_file is not None
    ]
    known: dict[Listed, str] = {}
    strangers: list[Listed] = []
    for mask in listing.masks:
        case_id = _case_of(mask, names, pattern, mapping)
        if case_id is None:
            strangers.append(mask)
        else:
            known[mask] = case_id
    told, guessed = _strangers(strangers, listing.masks, names, known, dataset=dataset, rename=rename)
    problems += told
    problems += _doubles(listing.masks, known, per_fold=scheme.trains_on_fold)
    misplaced, at_fault = _wrong_folds(known, scheme)
    problems += misplaced
    told_of = {problem.where for problem in problems}
    mixed, strays = _mixed(list(known))
    problems += [Problem(where=printable(folder.resolve().name), what=what, mend=mend) for what, mend in mixed]
    at_fault |= {mask.where for mask in known if (mask.budget, mask.seed) in strays}
    at_fault |= {mask.where for mask in known if f"budget-{mask.budget}" in told_of}
    order = {case_id: index for index, case_id in enumerate(names.case_ids)}
    predictions = [
        Prediction(
            case_id=case_id, path=mask.path, where=mask.where, budget=mask.budget, seed=mask.seed, fold=mask.fold
        )
        for mask, case_id in known.items()
    ]
    predictions.sort(key=lambda one: (one.budget or "", _first(one.seed), order[one.case_id], _first(one.fold)))
    return Submission(
        name=folder.resolve().name,
        folder=folder,
        predictions=tuple(predictions),
        problems=tuple(sorted(problems)),
        ignored=listing.ignored,
        manifest=manifest,
        processing=processing_steps(manifest),
        files=listing.files,
        guessed=guessed,
        at_fault=frozenset(at_fault),
        strays=frozenset(strays),
    )


def _case_of(mask: Listed, names: Names, pattern: str | None, mapping: Mapping[str, str]) -> str | None:
    for key in mask.keys:
        if key in mapping:
            return mapping[key]
    if pattern is not None:
        for path in (mask.rest, mask.below):
            case_id = names.exact(names.matched(pattern, path) or "")
            if case_id is not None:
                return case_id
        return None
    return names.exact(mask.rest)


def _strangers(
    strangers: Sequence[Listed],
    everything: Sequence[Listed],
    names: Names,
    known: Mapping[Listed, str],
    *,
    dataset: str,
    rename: str | None,
) -> tuple[list[Problem], frozenset[tuple[str, str | None, int | None]]]:
    have = {(case_id, mask.budget, mask.seed) for mask, case_id in known.items()}
    problems, guessed = [], set()
    suggestion = names.suggest([mask.rest for mask in everything]) if strangers and rename is None else None
    mended = [mask for mask in strangers if suggestion is not None and mask.rest in suggestion.cases]
    if suggestion is not None and (suggestion.pattern != CASE_ID or 2 * len(mended) > max(2, len(everything))):
        strangers = [mask for mask in strangers if mask.rest not in suggestion.cases]
        guessed = {(suggestion.cases[mask.rest], mask.budget, mask.seed) for mask in mended}
        problems.append(_one_pattern(mended, suggestion.pattern))
    guesses = max(5, _MOST_COMPARISONS // max(1, len(names.case_ids)))
    for count, mask in enumerate(strangers):
        name = mask.rest
        if rename is not None:
            what = f"does not fit --rename '{rename}' with a case of {dataset} for {CASE_ID}."
        elif "/" in name:
            what = "lies deeper than expected, which is [seed_<s>/][fold_<k>/]<case_id> and a suffix."
        else:
            what = f"is no case of {dataset}."
        guess, missing = None, set[str]()
        if count < guesses:
            missing = {case_id for case_id in names.case_ids if (case_id, mask.budget, mask.seed) not in have}
            guess = names.closest(name.rpartition("/")[2], missing)
        if guess is None:
            mend = "Move it away, or say which case it is with --rename or --map."
        elif guess in missing:
            mend = f"Did you mean {guess}? {guess} is missing."
            guessed.add((guess, mask.budget, mask.seed))
        else:
            mend = f"Did you mean {guess}?"
        problems.append(Problem(where=mask.where, what=what, mend=mend))
    return problems, frozenset(guessed)


def _one_pattern(mended: Sequence[Listed], pattern: str) -> Problem:
    what = f"and {len(mended) - 1} more are" if len(mended) > 1 else "is"
    mend = f"They follow one pattern: add --rename '{pattern}'."
    if pattern.endswith("_0000"):
        mend = (
            "Names that end in _0000 are nnU-Net's input images, not masks: name the folder that `nnUNetv2_predict -o` "
            f"wrote. If these are masks all the same, add --rename '{pattern}'."
        )
    return Problem(where=mended[0].where, what=f"{what} not named by case id alone.", mend=mend)


def _doubles(masks: Sequence[Listed], known: Mapping[Listed, str], *, per_fold: bool) -> list[Problem]:
    first: dict[tuple[object, ...], Listed] = {}
    problems = []
    for mask in masks:
        case_id = known.get(mask)
        keys: list[tuple[object, ...]] = [("name", mask.folded)]
        if case_id is not None:
            keys.append((case_id, mask.budget, mask.seed, mask.fold if per_fold else None))
        earlier = next((first[key] for key in keys if key in first), None)
        for key in keys:
            first.setdefault(key, mask)
        if earlier is None:
            continue
        if case_id is not None:
            what = f"is a second mask of case {case_id}, beside {earlier.where}."
        else:
            what = f"differs from {earlier.where} in upper and lower case only."
        problems.append(
            Problem(where=mask.where, what=what, mend="Keep the one that is meant and move the other away.")
        )
    return problems


def _wrong_folds(known: Mapping[Listed, str], scheme: Scheme) -> tuple[list[Problem], set[str]]:
    """Return what is wrong with fold folders, and the files that a problem of a whole folder is about."""
    tested: dict[str, list[int]] = {row.case_id: [] for row in scheme.rows}
    for fold in scheme.folds:
        for case_id in scheme.test_cases(fold):
            tested[case_id].append(fold)
    folded = {mask: case_id for mask, case_id in known.items() if mask.fold is not None}
    used = sorted({mask.fold for mask in folded if mask.fold is not None})
    from_one = [mask.fold not in tested[case] and (mask.fold or 0) - 1 in tested[case] for mask, case in folded.items()]
    if used[:2] == [1, 2] and all(from_one) and not scheme.trains_on_fold:
        what = f"to fold_{used[-1]} hold the cases of folds 0 to {used[-1] - 1}: folds count from 0 here."
        mend = f"Rename fold_1 to fold_0, and so on up to fold_{used[-1]} to fold_{used[-1] - 1}."
        return [Problem(where="fold_1", what=what, mend=mend)], {mask.where for mask in folded}
    problems = []
    for mask, case_id in known.items():
        right = tested[case_id]
        folders = " or ".join(f"fold_{fold}" for fold in right)
        if mask.fold is None and scheme.trains_on_fold:
            what = f"lies in no fold folder, and {scheme.name} predicts each case once for every fold but its own"
            what += f" (case {case_id}: {_listed(right)})."
            problems.append(Problem(where=mask.where, what=what, mend=f"Move it to {folders}."))
        elif mask.fold is not None and mask.fold not in right and mask.fold in scheme.folds:
            what = f"lies in fold_{mask.fold}, but {scheme.name} tests case {case_id} in fold {_listed(right)}."
            mend = (
                f"Move it to {folders} if that fold's model wrote it; the model of fold {mask.fold} was trained on it."
            )
            problems.append(Problem(where=mask.where, what=what, mend=mend))
    absent = sorted({mask.fold for mask in known if mask.fold is not None and mask.fold not in scheme.folds})
    for fold in absent if scheme.folds else ():
        known_folds = [str(number) for number in scheme.folds]
        what = f"is no fold of {scheme.name}, which has {compact(known_folds, order=known_folds)}, counted from 0."
        problems.append(Problem(where=f"fold_{fold}", what=what, mend="Rename it, or name its --scheme."))
    return problems, {mask.where for mask in known if mask.fold in absent}


def _mixed(masks: Sequence[Listed]) -> tuple[list[tuple[str, str]], set[tuple[str | None, int | None]]]:
    """Return what to say where masks lie beside the folders of runs, so that nobody can tell whose they are.

    With it come the (budget, seed) of such masks. Seeds beside budgets are no mixture: runs on all the data.
    """
    runs = {(mask.budget, mask.seed) for mask in masks}
    said, strays = [], set[tuple[str | None, int | None]]()
    for budget in sorted({budget for budget, seed in runs if seed is None}, key=lambda one: one or ""):
        seeds = sorted(seed for one, seed in runs if one == budget and seed is not None)
        others = [f"seed_{seed}" for seed in seeds]
        if budget is None:
            others += sorted(f"budget-{one}" for one in {one for one, _ in runs} if one is not None)
        if not others:
            continue
        strays.add((budget, None))
        count = sum((mask.budget, mask.seed) == (budget, None) for mask in masks)
        inside = f" in budget-{budget}" if budget else ""
        what = f"holds {count} mask{'s' * (count != 1)}{inside} beside {', '.join(others)}, of no run that is named."
        own = "a seed_<s> folder" if seeds else "a budget-<b>-<draw> folder"
        said.append(
            (what, f"Put {'them' if count != 1 else 'it'} into {own}, or move {'them' if count != 1 else 'it'} away.")
        )
    return said, strays


def _listed(folds: Sequence[int]) -> str:
    return ", ".join(map(str, folds[:-1])) + (" or " if len(folds) > 1 else "") + str(folds[-1])


def _first(number: int | None) -> int:
    return -1 if number is None else number
