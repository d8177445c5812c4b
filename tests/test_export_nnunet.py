"""nnU-Net's own integrity check passes on the export of every native layout, and a copy of its labels scores Dice 1."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ich_bench.datasets import load_dataset
from ich_bench.downloads.export import export
from ich_bench.phantom.layouts import hssayeni, instance2022, seg_cq500
from ich_bench.phantom.library import home
from ich_bench.runs.evaluation import evaluate

# Masks of 0/255 and empty ones; sheared CTs and masks on another affine; axes stored to the left and back; drawn heads.
LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "hssayeni": hssayeni.write,
    "seg-cq500": seg_cq500.write,
    "instance2022": instance2022.write,
    "phantom-mini": lambda _: home("phantom-mini"),
}


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
