"""nnU-Net's own evaluation of a folder, one process: Dice, IoU and counts; it has no distance."""

from __future__ import annotations

import sys
from pathlib import Path

from nnunetv2.evaluation.evaluate_predictions import compute_metrics_on_folder_simple

if __name__ == "__main__":
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    compute_metrics_on_folder_simple(
        str(folder / "reference"),
        str(folder / "prediction"),
        (1,),
        output_file=str(out.with_suffix(".json")),
        num_processes=1,
    )
