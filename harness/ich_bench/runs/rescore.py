"""What does a new suite version change? All submissions scored again from their masks, beside what they held before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ich_bench.errors import IchBenchError, InputError, Problem
from ich_bench.escape import printable
from ich_bench.metrics.suite import SUITE
from ich_bench.runs import store
from ich_bench.runs.evaluation import Run, evaluate
from ich_bench.runs.moved import Rescored, moved
from ich_bench.runs.pool import Progress
from ich_bench.submissions.load import load_submissions
from ich_bench.submissions.publish import masks_sha256

if TYPE_CHECKING:
    from ich_bench.submissions.model import ScoreFile, Submission

Tell = Callable[[str], None]


def rescore(
    submissions: str | Path,
    predictions_root: str | Path,
    *,
    out: str | Path = "ich-bench-rescore",
    data_root: str | Path | None = None,
    only: Sequence[str] = (),
    write: bool = False,
    jobs: int = 1,
    backend: str = "loky",
    scheduler: str | None = None,
    stage: Tell = lambda what: None,
    progress: Progress | None = None,
) -> tuple[Rescored, ...]:
    """Score every score file of every submission again, from masks that must be those submitted; return what moved.

    What an interrupted call had scored is taken over from `out`. Nothing in `submissions` changes without `write`.

    Args:
        submissions: the folder of submissions.
        predictions_root: a folder with the masks of each: `<slug>/<dataset>`, `<slug>`, or `<slug>.zip`.
        out: where the new score files go, `<slug>/<name of the file>/`.
        data_root: a folder with each dataset's download as `<dataset id>`; else as in `evaluate`.
        only: these submissions only, by slug.
        write: put the new scores into the submissions' folders, each as a whole, with hashes and levels.
        jobs: workers.
        backend: where they run, as in `evaluate`.
        scheduler: the address of a Dask scheduler.
        stage: told which score file is at work.
        progress: called with (done, total) after each case of it.

    Raises:
        InputError: before anything is scored, all that is missing (masks, data, submissions that are at fault); at the
            end, the submissions whose masks could not be scored or are other ones. The others are done by then.
    """
    shelf = load_submissions(submissions)
    chosen = [shelf.get(slug) for slug in only] if only else list(shelf.submissions)
    missing = [] if only else list(shelf.problems)
    missing += _missing(chosen, Path(predictions_root), data_root)
    if missing:
        raise InputError(f"nothing was scored: {len(missing)} thing{'s' * (len(missing) != 1)} missing", missing)
    if not chosen:
        raise IchBenchError(f"{printable(str(shelf.folder))} holds no submission.")
    done: list[Rescored] = []
    faults: list[Problem] = []
    for one in chosen:
        homes, again, wrong = [], [], []
        for file in one.scores:
            stage(f"{one.slug}/{file.path.name}")
            where, home = f"{one.slug}/scores/{file.path.name}", Path(out) / one.slug / file.path.stem
            try:
                run = _again(file, _masks(Path(predictions_root), one.slug, file.dataset), home, data_root,
                             jobs=jobs, backend=backend, scheduler=scheduler, progress=progress)  # fmt: skip
                wrong += [
                    Problem(where=f"{one.slug}/scores/{file.path.name}", what=what) for what in _others(file, run)
                ]
                again.append(_rescored(one.slug, file, run))
                homes.append(home)
            except IchBenchError as fault:
                wrong.append(Problem(where=where, what=str(fault)))
        faults += wrong
        if not wrong:
            if write:
                _write(one, homes, shelf.folder)
            done += [Rescored(**vars(each) | {"written": write}) for each in again]
    if faults:
        good = len({each.slug for each in done})
        raise NotAllError(
            f"{good} of {len(chosen)} submissions were scored again; not the others:", faults, tuple(done)
        )
    return tuple(done)


class NotAllError(InputError):
    """Some submissions could not be scored again; `done` holds what could."""

    def __init__(self, headline: str, problems: Sequence[Problem], done: tuple[Rescored, ...]) -> None:
        """Keep what was done beside the problems."""
        super().__init__(headline, problems)
        self.done = done


def _masks(root: Path, slug: str, dataset: str) -> Path:
    """Return where the masks of a submission lie; the last place that is looked at where they lie nowhere."""
    places = (root / slug / dataset, root / slug / f"{dataset}.zip", root / slug, root / f"{slug}.zip")
    return next((place for place in places if place.exists()), places[-1])


def _missing(chosen: Sequence[Submission], root: Path, data_root: str | Path | None) -> Iterator[Problem]:
    from ich_bench.plain import resolve

    if not root.is_dir():
        raise IchBenchError(f"--predictions-root {printable(str(root))}: there is no such folder.")
    for one in chosen:
        for dataset in sorted({file.dataset for file in one.scores}):
            if not _masks(root, one.slug, dataset).exists():
                what = f"its masks of {dataset} are absent from {root}."
                mend = f"Put them into {one.slug}/ or {one.slug}/{dataset}/ there, or as {one.slug}.zip."
                yield Problem(where=one.slug, what=what, mend=mend)
    for dataset in sorted({file.dataset for one in chosen for file in one.scores}):
        try:
            resolve(dataset, data=_data(data_root, dataset))
        except IchBenchError as fault:
            yield Problem(where=dataset, what=f"its data are absent: {fault}")


def _data(data_root: str | Path | None, dataset: str) -> Path | None:
    return Path(data_root) / dataset if data_root is not None and not dataset.startswith("phantom-") else None


def _again(
    file: ScoreFile, masks: Path, home: Path, data_root: str | Path | None, *,
    jobs: int, backend: str, scheduler: str | None, progress: Progress | None,
) -> Run:  # fmt: skip
    about = store.provenance(store.read_table(file.path))
    return evaluate(
        file.dataset,
        masks,
        data=_data(data_root, file.dataset),
        out=home,
        scheme=file.scheme,
        folds=None if file.status != "partial" else file.folds,
        profile=file.profile,
        legacy_dilation=bool(about.get("legacy_dilation")),
        labels=about.get("labels") or None,
        allow_missing=file.status == "imputed",
        overwrite=True,  # of scores that an older version of the software left there
        jobs=jobs,
        backend=backend,
        scheduler=scheduler,
        progress=progress,
    )


def _others(file: ScoreFile, run: Run) -> Iterator[str]:
    """Yield why the new scores are not of what was submitted: other references, or other masks."""
    here = str(store.provenance(run.scores)["dataset_sha256"])
    if here != file.dataset_sha256:
        yield f"was scored on other references: dataset_sha256 is {file.dataset_sha256[:12]}…, here {here[:12]}…."
    elif masks_sha256(run.scores.to_pylist()) != file.masks_sha256:
        yield "these are not the masks that were submitted: their hashes differ."


def _rescored(slug: str, file: ScoreFile, run: Run) -> Rescored:
    old, new = store.read_table(file.path), run.scores  # as it lies: an older suite may have other columns
    return Rescored(
        slug=slug,
        file=file.path.name,
        suite_before=file.suite,
        suite=SUITE,
        cases=len({row["case_id"] for row in new.select(["case_id"]).to_pylist()}),
        reused=run.reused,
        moved=tuple(moved(old.to_pylist(), new.to_pylist(), file.profile, rounded=file.published == "metrics")),
    )


def _write(one: Submission, homes: Sequence[Path], folder: Path) -> None:
    """Replace a submission's scores; its masks were scored again here, so its files are at least `recomputed`."""
    from ich_bench.submissions.submit import submit
    from ich_bench.submissions.verify import raise_level

    new = submit(homes, one.slug, submissions=folder, manifest=one.folder / "submission.toml", overwrite=True)
    levels = {file.path.name: file.level for file in one.scores}
    for level in ("recomputed", "container re-run"):
        names = [n for n, before in levels.items() if (before == "container re-run") == (level == "container re-run")]
        files = [file for file in new.submission.scores if file.path.name in names]
        if files:
            raise_level(load_submissions(folder).get(one.slug), files, level)
