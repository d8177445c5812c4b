"""MetricsReloaded: its binary pairwise measures of one pair at a time."""

from __future__ import annotations

from pathlib import Path

from MetricsReloaded.metrics.pairwise_measures import BinaryPairwiseMeasures
from pairs import TOLERANCE_MM, Row, loaded, main

MEASURES = {"dsc": "dice", "iou": "jaccard", "nsd": "nsd", "hd_perc": "hd95", "assd": "assd"}


def score(reference_path: Path, prediction_path: Path) -> Row:
    reference, spacing_mm = loaded(reference_path)
    prediction, _ = loaded(prediction_path)
    measures = BinaryPairwiseMeasures(
        prediction.astype("uint16"),
        reference.astype("uint16"),
        measures=list(MEASURES),
        pixdim=spacing_mm,
        dict_args={"nsd": TOLERANCE_MM, "hd_perc": 95},
    ).to_dict_meas()
    return {ours: float(measures[theirs]) for theirs, ours in MEASURES.items()}


main(score)
