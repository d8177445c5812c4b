"""RSNA 2019: a pool of labelled slices for pre-training; nothing to evaluate."""

from __future__ import annotations

from pathlib import Path

from ich_bench.cases import Card
from ich_bench.datasets.found import Found

CARD = Card(
    id="rsna",
    title="RSNA 2019 hemorrhage detection: 752,803 labelled slices of 21,784 exams, a pool for pre-training",
    cases=21784,
    with_ich=None,
    official_scheme="",
    schemes=(),
    licence="RSNA's Kaggle competition terms: non-commercial and academic use, no redistribution",
    access="A Kaggle account, then accept the rules of "
    "https://www.kaggle.com/c/rsna-intracranial-hemorrhage-detection : "
    "minutes, plus hours for the download (180 GB as one zip, which is read as it is: no need to unpack it).",
    citation="Flanders AE, et al. Construction of a machine learning dataset through collaboration: the RSNA 2019 "
    "brain CT "
    "hemorrhage challenge. Radiology: Artificial Intelligence 2020;2(3):e190211. doi:10.1148/ryai.2020190211",
    url="https://www.kaggle.com/c/rsna-intracranial-hemorrhage-detection",
    layout="stage_2_train/ID_<9 hex digits>.dcm in one flat folder, with stage_2_train.csv beside it, or the zip that "
    "holds "
    "both (a folder of the same names inside is fine)",
    trainable=False,
    pool=True,
    caveats=(
        "Weak labels per slice (any, and five subtypes), no outlines: nothing to evaluate.",
        "stage_2_train.csv has 4,516,842 rows of 752,807 images; four are repeated, 752,803 are left; 107,933 hold "
        "ICH.",
        "ID_6431af929.dcm is cut short: it is skipped and listed, as is any other file that cannot be read.",
        "Files of 12 bits, unsigned, with an intercept above -100 are wrapped around: ich-bench mends them (add 1000, "
        "wrap "
        "4096, intercept -1000). The papers did not.",
        "Slices are grouped by series and sorted by ImagePositionPatient; InstanceNumber is not to be trusted.",
        "The papers split by slices; our split is by patients. Both are functions of `ich_bench.datasets.pool`: "
        "`split_patients`, and `split_papers_slices` for comparison with the papers only.",
        "BHSD and HemSeg outlines are drawn on these scans: do not use them beside claims of weak supervision on RSNA.",
    ),
)


def find(source: Path) -> Found:
    """Return no cases: a pool has no outlines. `ich_bench.datasets.pool` reads its slices."""
    return Found(cases={})
