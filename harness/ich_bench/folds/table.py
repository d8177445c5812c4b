"""Which fold schemes each dataset has and what each is for; the official scheme stands first."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class SchemeFacts:
    """What a scheme's CSV cannot say (see `cases.Scheme`); `validation`: so many of the first training cases."""

    about: str
    trains_on_fold: bool = False
    leaky: bool = False
    validation: int = 0


def _repeats(how: str) -> dict[str, SchemeFacts]:
    return {
        f"cv5-r{number}": SchemeFacts(about=f"Five folds stratified on {how}; seed {42 + number}. For split luck.")
        for number in (1, 2, 3, 4)
    }


_ALL = SchemeFacts(
    about="Every case is tested, in fold 0; nothing of this dataset may be used for any choice of a method."
)

SCHEMES: dict[str, dict[str, SchemeFacts]] = {
    "seg-cq500": {
        "cv5": SchemeFacts(about="Five folds as in Spahr 2023, Sec. 2.5.2: StratifiedKFold(5), shuffled, seed 42."),
        **_repeats("lesion-volume tertile × slice thickness (thick: 3 mm and more)"),
    },
    "hssayeni": {
        "cv10": SchemeFacts(about="Ten folds as in Spahr 2023, Sec. 2.5.2: stratified on ICH, shuffled, seed 42."),
        "cv5": SchemeFacts(about="Five folds stratified on ICH, shuffled, seed 42."),
        "hssayeni5": SchemeFacts(
            about="The data authors' own five groups of 15, in their order, not stratified (Hssayeni 2020); the first "
            "15 of the other 60 are for validation, the last 45 for training.",
            validation=15,
        ),
        "lf80": SchemeFacts(
            about="Wang 2020, 80 % of the labels, read as patients: train on four fifths, test on one."
        ),
        "lf50": SchemeFacts(
            about="Wang 2020, 50 % of the labels, read as patients: train on one half, test on the other."
        ),
        "lf20": SchemeFacts(
            about="Wang 2020, 20 % of the labels, read as patients: train on fold k, test on the other four; each case "
            "is predicted four times and its score is the mean.",
            trains_on_fold=True,
        ),
        "wang-slices": SchemeFacts(
            about="Wang 2020 read as a split of slices: slices of one patient stand on both sides, so the scores are "
            "not those of new patients. Every case is tested, in fold 0; never ranked. Which "
            "slice a model may be trained on: `ich_bench.folds.slices.deal_slices`.",
            leaky=True,
        ),
    },
    "instance2022": {
        "cv5": SchemeFacts(about="The public five folds of the MONAI tutorials (Auto3DSeg, INSTANCE 2022)."),
        **_repeats("lesion-volume tertile × slice thickness (5.0 mm or other)"),
    },
    "cq500-negative": {"external": _ALL},
    "phantom": {
        "cv5": SchemeFacts(about="Five folds stratified on ICH × site, shuffled, seed 42."),
        "by-site": SchemeFacts(
            about="Three folds, one a site: fold 0 tests site a, 1 site b, 2 site c; trained on the other two."
        ),
    },
    "phantom-dev": {
        "external": SchemeFacts(about="Every head is tested, in fold 0; for tuning, never for a reported score.")
    },
    "phantom-test": {"external": _ALL},
    "phantom-mini": {"cv4": SchemeFacts(about="Four folds stratified on ICH, shuffled, seed 42.")},
}
