"""Which words may a manifest use, and what does each mean."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# Each value with what it means, in the order in which boards and figures show them.
KINDS: Mapping[str, str] = MappingProxyType(
    {
        "method": "a method that could be run on a new head",
        "calibration": "a mask that needs no method (empty, all of the brain, a threshold): shown, never ranked",
        "ceiling": "drawn from the reference itself, to show what reader noise costs: shown, never ranked",
    }
)
SUPERVISION: Mapping[str, str] = MappingProxyType(  # from no labels at all to the most; colours of the figures
    {
        "none": "no training",
        "unsupervised": "images only",
        "weakly-supervised": "labels of slices or volumes, no drawn masks",
        "supervised": "drawn masks only",
        "semi-supervised": "drawn masks, and images without labels in the same training",
        "self-supervised-transfer": "drawn masks, after pre-training on images without labels",
        "weakly-supervised-transfer": "drawn masks, after pre-training on labels of slices or volumes",
    }
)
LABELS: Mapping[str, str] = MappingProxyType(
    {
        "unlabelled": "images without labels",
        "volume": "hemorrhage yes or no, for each scan",
        "volume-subtypes": "the five subtypes, for each scan",
        "slice": "hemorrhage yes or no, for each slice",
        "slice-subtypes": "the five subtypes, for each slice",
        "boxes": "boxes around hemorrhages",
        "voxel": "drawn masks",
        "cavity": "drawn masks of the intracranial cavity",
    }
)
REGIMES: Mapping[str, str] = MappingProxyType(
    {
        "cv": "trained on the other folds, on nothing else",
        "cv+external": "trained on the other folds and on external data",
        "external": "nothing of the scored dataset was used for any choice",
        "from:<dataset>": "trained on one other dataset of the benchmark",
    }
)
SELECTION: Mapping[str, str] = MappingProxyType(
    {
        "last": "the last checkpoint",
        "inner": "chosen on training cases",
        "test-fold": "chosen on the scored fold: shown, never ranked",
    }
)
POSTPROCESSING: Mapping[str, str] = MappingProxyType(
    {
        "none": "no post-processing, or none that was chosen on data",
        "inner": "chosen on training cases",
        "test-fold": "chosen on the scored fold: shown, never ranked",
    }
)
SEEN: Mapping[str, str] = MappingProxyType(
    {
        "no": "no scored image or label was used in training, pre-training or any choice",
        "yes": "some were: shown, never ranked",
        "unknown": "cannot be told, for instance with public pre-trained weights: shown, never ranked",
    }
)
LEVELS: Mapping[str, str] = MappingProxyType(
    {
        "self-reported": "the score file of the submitter",
        "predictions public": "the masks can be fetched and have the declared SHA-256",
        "recomputed": "`ich-bench verify` scored the masks again and found the same numbers",
        "container re-run": "the masks were written again from the container, then scored",
    }
)
