"""nnU-Net's own integrity check passes on the export of every native layout, and a copy of its labels scores Dice 1."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from ich_bench.datasets import load_dataset
from ich_bench.evaluate import evaluate
from ich_bench.export import export
from ich_bench.phantom.mini import phantom_mini

SHAPE = (16, 14, 6)
TILTED = np.array(
    [[-0.45, 0, 0, 110], [0, -0.45, 0.27, 90], [0, 0, 0.6, -40], [0, 0, 0, 1]]
)  # atan(.27/.6) = 24 degrees
MIRRORED = np.diag([-0.45, -0.45, 5.0, 1.0])


def save(path: Path, voxels: np.ndarray, affine: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(voxels, affine), path)


def head(seed: int, *, bleeds: bool = True) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    mask = np.zeros(SHAPE, dtype=np.uint8)
    if bleeds:
        mask[3 : 6 + seed, 4:9, 2:4] = 1
    return rng.integers(-1024, 2000, SHAPE).astype(np.int16), mask


def hssayeni(root: Path) -> Path:
    """Write .nii, masks of 0 and 255, one of them empty."""
    for seed, case_id in enumerate(("049", "050", "098")):
        hu, mask = head(seed, bleeds=case_id != "098")
        save(root / "ct_scans" / f"{case_id}.nii", hu.astype(np.float32), np.diag([0.4, 0.4, 5.0, 1.0]))
        save(root / "masks" / f"{case_id}.nii", mask * 255, np.diag([0.4, 0.4, 5.0, 1.0]))
    return root


def seg_cq500(root: Path) -> Path:
    """Write sheared CTs, a mask whose affine is not its CT's, and the junk of a Mac."""
    for seed, case_id in enumerate(("CQ500-CT-4", "CQ500-CT-108", "CQ500-CT-64")):
        folder = root / "Seg-CQ500" / "data" / "volumes" / case_id
        hu, mask = head(seed)
        save(folder / "CT.nii", hu, TILTED)
        save(folder / "ICH_mask.nii.gz", mask, TILTED if seed else np.diag([0.45, 0.45, 0.6, 1.0]))
        save(folder / "brain.nii.gz", mask, TILTED)
        (folder / "._CT.nii").write_bytes(b"junk")
    (root / "__MACOSX").mkdir()
    return root


def instance2022(root: Path) -> Path:
    """Write .nii.gz with the affine signs -, -, +."""
    for seed, case_id in enumerate(("001", "052", "100")):
        hu, mask = head(seed)
        save(root / "train_2" / "data" / f"{case_id}.nii.gz", hu, MIRRORED)
        save(root / "train_2" / "label" / f"{case_id}.nii.gz", mask, MIRRORED)
    return root


def drawn(root: Path) -> Path:
    """Return the drawn heads, four of which are tilted."""
    return phantom_mini()


LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "hssayeni": hssayeni, "seg-cq500": seg_cq500, "instance2022": instance2022, "phantom-mini": drawn
}  # fmt: skip


@pytest.mark.parametrize(
    "dataset_id", ["hssayeni", "seg-cq500", "instance2022", pytest.param("phantom-mini", marks=pytest.mark.slow)]
)
def test_a_copy_of_the_labels_scores_dice_1_by_evaluate(dataset_id: str, tmp_path: Path) -> None:
    source = LAYOUTS[dataset_id](tmp_path / "download")
    dataset = load_dataset(dataset_id, source)
    made = export(dataset, format="nnunet", out=tmp_path / "raw")
    run = evaluate(dataset_id, made.folder / "labelsTr", data=source, out=tmp_path / "out", profile="native")
    assert run.scores.column("dice").to_pylist() == [1.0] * len(dataset.cases)


@pytest.mark.slow
@pytest.mark.parametrize("dataset_id", LAYOUTS)
def test_nnunets_own_integrity_check_passes_without_a_word_of_warning(
    dataset_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("nnunetv2")
    for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.setenv(name, str(tmp_path / name))
    from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity

    dataset = load_dataset(dataset_id, LAYOUTS[dataset_id](tmp_path / "download"))
    made = export(dataset, format="nnunet")
    assert made.folder.parent == tmp_path / "nnUNet_raw"
    verify_dataset_integrity(str(made.folder), num_processes=1)
    said = capfd.readouterr()
    assert "verify_dataset_integrity Done" in said.out
    assert "Warning" not in said.out + said.err
    assert "Error" not in said.out + said.err
    splits = json.loads((tmp_path / "nnUNet_preprocessed" / made.folder.name / "splits_final.json").read_text())
    assert {case_id for fold in splits for case_id in fold["val"]} == {case.case_id for case in dataset.cases}
