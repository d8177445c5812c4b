"""panoptica: both masks as one region, with its global Dice, IoU, relative volume, NSD, HD95 and ASSD (in voxels)."""

from __future__ import annotations

import os
from pathlib import Path

os.environ.setdefault("PANOPTICA_CITATION_REMINDER", "false")

from pairs import Row, loaded, main
from panoptica import (
    ConnectedComponentsInstanceApproximator,
    InputType,
    Metric,
    NaiveThresholdMatching,
    Panoptica_Evaluator,
)

METRICS = [Metric.DSC, Metric.IOU, Metric.RVD, Metric.NSD, Metric.HD95, Metric.ASSD]
evaluator = Panoptica_Evaluator(
    expected_input=InputType.SEMANTIC,
    instance_approximator=ConnectedComponentsInstanceApproximator(),
    instance_matcher=NaiveThresholdMatching(),
    instance_metrics=[Metric.DSC],
    global_metrics=METRICS,
)


def score(reference_path: Path, prediction_path: Path) -> Row:
    reference, spacing_mm = loaded(reference_path)
    prediction, _ = loaded(prediction_path)
    found = evaluator.evaluate(
        prediction.astype("uint8"), reference.astype("uint8"), voxelspacing=spacing_mm, verbose=False
    )
    (result,) = found.values()
    return {metric.name.lower(): float(getattr(result, f"global_bin_{metric.name.lower()}")) for metric in METRICS}


main(score)
