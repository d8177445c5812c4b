"""What is a submission: its manifest, its score files, and a published number beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from ich_bench.errors import Problem
from ich_bench.submissions.terms import KINDS, LABELS, LEVELS, POSTPROCESSING, REGIMES, SEEN, SELECTION, SUPERVISION

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "KINDS",
    "LABELS",
    "LEVELS",
    "NOT_REPORTED",
    "NOT_TRANSCRIBED",
    "POSTPROCESSING",
    "REGIMES",
    "SEEN",
    "SELECTION",
    "SUPERVISION",
    "Manifest",
    "Reported",
    "ReportedRow",
    "ScoreFile",
    "Shelf",
    "Submission",
]
Published = Literal["full", "metrics"]


@dataclass(frozen=True, kw_only=True)
class ScoreFile:
    """One committed score file: what its [[scores]] table says, written by `submit`, never by hand.

    `path` is the file on this machine. `published` is what it may hold (`full`, or `metrics`: see
    `ich_bench.submissions.publish`); `local_sha256` is the SHA-256 of the full file that `evaluate` wrote, equal to
    `sha256` where `published` is `full`; `masks_sha256` that of the lines `budget,seed,fold,case_id,prediction_sha256`.
    `status` is `complete`, `partial` or `imputed`. `seeds` and `budgets` name the training runs in it (none: one run
    that names no seed; all training data).
    """

    dataset: str
    scheme: str
    profile: str
    path: Path
    sha256: str
    local_sha256: str
    masks_sha256: str
    fold_sha256: str
    dataset_sha256: str
    suite: int
    harness: str
    status: str
    published: Published
    cases: int
    folds: tuple[int, ...] = ()
    seeds: tuple[int, ...] = ()
    budgets: tuple[str, ...] = ()
    leaky: bool = False
    warnings: tuple[str, ...] = ()
    level: str = "self-reported"  # one of LEVELS, of this file

    def table(self) -> pa.Table:
        """Return the rows with every column of the profile (`runs.store.schema`), withheld values as null or NaN.

        `has_ich` and `patient_id` of a `metrics` file come from the frozen folds and the dataset's card.
        """
        from ich_bench.submissions.publish import read_committed

        return read_committed(self.path, self)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What submission.toml says, checked; the meaning of each key stands in `ich_bench.submissions.schema`.

    Empty text and None mean "not said" (allowed only where the schema says optional). `label_fraction_percent` is the
    share of the training patients whose labels were used; `annotated_*` count what carried the labels of the strongest
    kind, as the mean over folds. `training_data` and `external_data` name datasets. `processing` are the [[processing]]
    steps that changed the masks after the method wrote them.
    """

    method: str
    method_id: str  # rows of one team with one method_id are versions of one method: one of them is ranked
    team: str
    kind: str = "method"
    version: str = ""
    supersedes: str = ""  # the slug of the older version that this one replaces on the board
    about: str = ""
    paper: str = ""
    code: str = ""
    licence: str = ""
    contact: str = ""
    baseline: str = ""  # the id of the paper's method this re-implements, such as `unet-mixed`; the claims ask for it
    supervision: str = "supervised"
    regime: str = "cv"
    checkpoint_selection: str = "last"
    postprocessing: str = ""
    postprocessing_chosen_on: str = "none"
    labels_needed: tuple[str, ...] = ()
    annotated_patients: float | None = None
    annotated_slices: float | None = None
    annotated_ml: float | None = None
    label_fraction_percent: float | None = None
    training_data: tuple[str, ...] = ()
    external_data: tuple[str, ...] = ()
    pretrained_weights: str = ""
    test_data_seen: str = "no"
    contamination: str = ""
    seeds: tuple[int, ...] = ()
    hardware: str = ""
    training_hours: float | None = None
    inference_seconds_per_volume: float | None = None
    predictions_url: str = ""
    predictions_sha256: str = ""
    container: str = ""
    processing: tuple[str, ...] = ()

    @property
    def needs_masks(self) -> bool:
        """Return whether training needs drawn masks of hemorrhage."""
        return "voxel" in self.labels_needed

    def why_unranked(self) -> tuple[str, ...]:
        """Return, in words, why no score of this submission may be ranked; empty where it may."""
        reasons = []
        if self.kind != "method":
            reasons.append(f"{self.kind} row")
        if self.checkpoint_selection == "test-fold":
            reasons.append("checkpoint chosen on the test fold")
        if self.postprocessing_chosen_on == "test-fold":
            reasons.append("post-processing chosen on the test fold")
        if self.test_data_seen != "no":
            seen = "was seen in training" if self.test_data_seen == "yes" else "may have been seen in training"
            reasons.append(f"test data {seen}")
        return tuple(reasons)


@dataclass(frozen=True, kw_only=True)
class Submission:
    """One folder `submissions/<slug>/`, or an unsubmitted run (`folder` is then the OUT of `evaluate`)."""

    slug: str
    folder: Path
    manifest: Manifest
    scores: tuple[ScoreFile, ...]
    submitted: bool = True

    def score_file(self, dataset: str, scheme: str | None = None, profile: str = "native") -> ScoreFile | None:
        """Return the score file of a dataset (official scheme by default) under a profile, or None."""
        from ich_bench.folds import schemes_of
        from ich_bench.folds.table import SCHEMES

        wanted = scheme or (schemes_of(dataset)[0] if dataset in SCHEMES else None)
        for one in self.scores:
            if (one.dataset, one.profile) == (dataset, profile) and wanted in (None, one.scheme):
                return one
        return None

    def why_unranked(self, file: ScoreFile) -> tuple[str, ...]:
        """Return, in words, why this score file may not be ranked: reasons of the method, then of the file."""
        reasons = list(self.manifest.why_unranked())
        if file.status == "partial":
            reasons.append("partial: some folds or cases only")
        elif file.status != "complete":
            reasons.append("masks are missing" if file.status == "imputed" else f"status {file.status}")
        if file.leaky:
            reasons.append(f"scheme {file.scheme} puts one patient on both sides")
        if file.profile != "native":
            reasons.append(f"profile {file.profile}")
        return tuple(reasons)

    @property
    def seeds(self) -> int:
        """Return the largest number of training runs in any of its score files; 1 is badged "one training run"."""
        return max((len(file.seeds) for file in self.scores), default=0) or 1


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """A folder of submissions: those that can be used, in order of slug, and what is wrong with the others."""

    folder: Path
    submissions: tuple[Submission, ...]
    problems: tuple[Problem, ...]

    def get(self, slug: str) -> Submission:
        """Return the submission of this slug; UsageError with the nearest known names where there is none."""
        from ich_bench.errors import UsageError, did_you_mean
        from ich_bench.escape import printable

        for one in self.submissions:
            if one.slug == slug:
                return one
        faults = [str(problem) for problem in self.problems if problem.where.split("/")[0] == slug]
        if faults:
            raise UsageError("\n".join([f"submission {printable(slug)} cannot be used:", *faults]))
        known = [one.slug for one in self.submissions]
        told = did_you_mean(slug, known) if known else f"{self.folder} holds none."
        raise UsageError(f"there is no submission {printable(slug)!r}. {told}")


NOT_TRANSCRIBED = "not transcribed"
NOT_REPORTED = "not reported"


@dataclass(frozen=True, kw_only=True)
class Reported:
    """One printed number: `text` as printed, `value` and `sd` as fractions, mm or counts.

    `value` is None where nothing could be taken over: `text` then says why (`not transcribed`: printed, but not
    readable in the copy we have; `not reported`: the source has no such number; `diverged`). It may be infinite.
    `corrected` says what is wrong with the print where `value` is not what the source prints.
    """

    text: str
    value: float | None = None
    sd: float | None = None
    corrected: str = ""


@dataclass(frozen=True, kw_only=True)
class ReportedRow:
    """One method on one dataset and cohort as a paper prints it: shown and badged, never ranked or tested.

    `dataset` is one of the benchmark's ids, or "" for other data (`data` then says which). `cohort` is `ich`, `all`,
    `healthy` or what `subset` explains. `metrics` maps the benchmark's metric names to printed numbers; `same_protocol`
    says whether the protocol is close enough to the benchmark's to be read side by side (it is never ranked anyway).
    """

    paper: str  # the file's name and the key in the bibliography
    row: str  # unique in the paper
    method: str
    method_id: str  # the id of the re-implementation, "" where there is none
    supervision: str
    dataset: str
    data: str
    cohort: str
    subset: str
    n: int | None
    unit_of_n: str
    source: str  # "Spahr 2023, Table 3"
    protocol: str
    caveats: tuple[str, ...]
    metrics: Mapping[str, Reported]
    same_protocol: bool = False
    training: str = ""
    extra: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
