"""Downloads in their native layouts, defects included, through `prepare`, `validate` and `evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import ich_bench
from ich_bench import places
from ich_bench.cases import Dataset
from ich_bench.datasets import load_dataset
from ich_bench.downloads.prepare import prepare
from ich_bench.errors import IchBenchError, InputError
from ich_bench.geometry import Geometry
from ich_bench.phantom.layouts import cq500_negative, hssayeni, instance2022, rsna, seg_cq500
from ich_bench.volume import open_mask, read_geometry, write_mask

SHAPE = (64, 64, 10)
WRITERS = {
    "hssayeni": hssayeni.write,
    "seg-cq500": seg_cq500.write,
    "instance2022": instance2022.write,
    "cq500-negative": cq500_negative.write,
}
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Download:
    """A drawn download and its reference masks, each on its CT's grid."""

    source: Path
    dataset: Dataset
    masks: Mapping[str, tuple[Mask, Geometry]]


@pytest.fixture(scope="module", params=WRITERS)
def download(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Download:
    source = WRITERS[request.param](tmp_path_factory.mktemp("download"), shape=SHAPE)
    dataset = load_dataset(request.param, source)
    masks = {}
    for case in dataset.cases:
        assert case.ct is not None
        grid = read_geometry(case.ct)
        voxels = open_mask(case.reference).voxels() if case.reference else np.zeros(grid.shape, dtype=np.bool_)
        masks[case.case_id] = voxels, grid
    return Download(source=source, dataset=dataset, masks=masks)


def predictions(folder: Path, download: Download, change: Callable[[Mask, Geometry], tuple[Mask, Geometry]]) -> Path:
    folder.mkdir()
    for case_id, (mask, grid) in download.masks.items():
        write_mask(folder / f"{case_id}.nii.gz", *change(mask, grid))
    return folder


def same(mask: Mask, grid: Geometry) -> tuple[Mask, Geometry]:
    return mask, grid


def test_a_copy_of_the_reference_scores_1_whatever_the_defects(download: Download, tmp_path: Path) -> None:
    prepare(download.dataset.id, download.source)
    assert places.remembered(download.dataset.id) == download.source.resolve()
    run = ich_bench.evaluate(download.dataset.id, predictions(tmp_path / "p", download, same), out=tmp_path / "out")
    rows = run.scores.to_pylist()
    assert [row["case_id"] for row in rows] == [case.case_id for case in download.dataset.cases]
    assert {row["dice"] for row in rows} == {1.0}
    assert run.status == "partial"  # the drawn download holds some of the cases only, and says so
    with_ich = [row["case_id"] for row in rows if row["has_ich"]]
    assert with_ich == [case_id for case_id, (mask, _) in download.masks.items() if mask.any()]


def test_volumes_and_spacing_are_those_of_the_ct_gantry_tilt_included(download: Download, tmp_path: Path) -> None:
    folder = predictions(tmp_path / "p", download, same)
    run = ich_bench.evaluate(download.dataset.id, folder, data=download.source, out=tmp_path / "out")
    for row in run.scores.to_pylist():
        mask, grid = download.masks[row["case_id"]]
        edges = grid.matrix[:3, :3]
        by_hand_mm3 = abs(float(np.dot(edges[:, 0], np.cross(edges[:, 1], edges[:, 2]))))  # the triple product
        assert row["volume_ref_ml"] == pytest.approx(np.count_nonzero(mask) * by_hand_mm3 / 1000, rel=1e-9)
        lengths = [round(float(np.sqrt((edges[:, axis] ** 2).sum())), 6) for axis in range(3)]
        assert [row["spacing_x_mm"], row["spacing_y_mm"], row["spacing_z_mm"]] == lengths


def mirrored(mask: Mask, grid: Geometry) -> tuple[Mask, Geometry]:
    turned = grid.matrix.copy()
    turned[:3, 3] += turned[:3, 0] * (grid.shape[0] - 1)
    turned[:3, 0] *= -1
    return mask[::-1], Geometry.of(grid.shape, turned)


def shifted(mask: Mask, grid: Geometry) -> tuple[Mask, Geometry]:
    moved = grid.matrix.copy()
    moved[:3, 3] += (40, 0, 0)
    return mask, Geometry.of(grid.shape, moved)


def respaced(mask: Mask, grid: Geometry) -> tuple[Mask, Geometry]:
    wider = grid.matrix.copy()
    wider[:3, :3] *= 1.25
    return mask, Geometry.of(grid.shape, wider)


def transposed(mask: Mask, grid: Geometry) -> tuple[Mask, Geometry]:
    order = [2, 1, 0]
    matrix = grid.matrix.copy()
    matrix[:3, :3] = grid.matrix[:3, order]
    return mask.transpose(order), Geometry.of([grid.shape[axis] for axis in order], matrix)


@pytest.mark.parametrize(
    ("change", "word"),
    [(mirrored, "mirrored"), (shifted, "shifted by"), (respaced, "voxels of"), (transposed, "another order")],
)
def test_what_the_header_admits_is_refused_in_words_for_every_mask(
    change: Callable[[Mask, Geometry], tuple[Mask, Geometry]], word: str, download: Download, tmp_path: Path
) -> None:
    folder = predictions(tmp_path / "p", download, change)
    with pytest.raises(InputError) as refused:
        ich_bench.evaluate(download.dataset.id, folder, data=download.source, out=tmp_path / "out")
    told = {problem.where for problem in refused.value.problems if word in problem.what}
    assert told == {f"{case_id}.nii.gz" for case_id in download.masks}
    assert not (tmp_path / "out").exists()


def zoomed(mask: Mask) -> Mask:
    """Return the mask as if brought to voxels twice as wide in-plane, in the corner of the old grid."""
    smaller = mask[::2, ::2]
    return np.pad(smaller, [(0, n - m) for n, m in zip(mask.shape, smaller.shape, strict=True)])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda mask: mask[::-1], "mirrored"),
        (lambda mask: np.roll(mask, (9, 7), axis=(0, 1)), "shifted"),
        (zoomed, "re-spaced"),
        (lambda mask: mask.transpose(1, 0, 2), "transposed"),
    ],
)
def test_the_same_done_to_the_data_under_an_unchanged_header_is_named_as_a_warning(
    change: Callable[[Mask], Mask], word: str, download: Download, tmp_path: Path
) -> None:
    folder = predictions(tmp_path / "p", download, lambda mask, grid: (change(mask), grid))
    run = ich_bench.evaluate(download.dataset.id, folder, data=download.source, out=tmp_path / "out")
    named = [warning for warning in run.warnings if word in warning]
    if download.dataset.id == "cq500-negative":
        assert named == []  # nothing bleeds: nothing can be told, and nothing is claimed
    else:
        assert named


def test_masks_on_the_reference_affine_are_taken_where_it_differs_from_the_ct(tmp_path: Path) -> None:
    source = seg_cq500.write(tmp_path / "download", shape=SHAPE)
    dataset = load_dataset("seg-cq500", source)
    folder = tmp_path / "p"
    folder.mkdir()
    for case in dataset.cases:
        assert case.reference is not None
        reference = open_mask(case.reference)
        write_mask(folder / f"{case.case_id}.nii.gz", reference.voxels(), reference.geometry)
    run = ich_bench.evaluate("seg-cq500", folder, data=source, out=tmp_path / "out")
    assert {row["dice"] for row in run.scores.to_pylist()} == {1.0}


def test_subtypes_come_from_the_datasets_own_tables_or_stay_unknown(download: Download, tmp_path: Path) -> None:
    folder = predictions(tmp_path / "p", download, same)
    rows = ich_bench.evaluate(
        download.dataset.id, folder, data=download.source, out=tmp_path / "out"
    ).scores.to_pylist()
    flags = {name: [row[name] for row in rows] for name in ("iph", "ivh", "edh", "sdh", "sah")}
    if download.dataset.id == "hssayeni":
        assert any(any(column) for column in flags.values())
        assert None not in flags["edh"]
    if download.dataset.id in ("instance2022", "seg-cq500"):
        assert {value for column in flags.values() for value in column} == {None}


def test_the_rsna_pool_goes_through_prepare_and_says_why_it_cannot_be_scored(tmp_path: Path) -> None:
    source = rsna.write(tmp_path / "download", shape=SHAPE, zipped=True)
    prepared = prepare("rsna", source)
    assert prepared.pool
    with pytest.raises(IchBenchError, match="pool for pre-training"):
        ich_bench.evaluate("rsna", tmp_path, data=source, out=tmp_path / "out")


def test_wangs_twenty_percent_takes_four_predictions_a_case(tmp_path: Path) -> None:
    from ich_bench.folds import load_scheme
    from ich_bench.tables.summary import summarise

    source = hssayeni.write(tmp_path / "download", shape=SHAPE)
    dataset = load_dataset("hssayeni", source)
    scheme = load_scheme("hssayeni", "lf20")
    for case in dataset.cases:
        reference = open_mask(case.reference)  # type: ignore[arg-type]
        for number, fold in enumerate(scheme.test_folds(case.case_id)):
            voxels = reference.voxels() if number else np.zeros(SHAPE, dtype=np.bool_)  # one of four found nothing
            path = tmp_path / "p" / f"fold_{fold}" / f"{case.case_id}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_mask(path, voxels, reference.geometry)
    run = ich_bench.evaluate("hssayeni", tmp_path / "p", data=source, scheme="lf20", out=tmp_path / "out")
    rows = [row for row in run.scores.to_pylist() if row["case_id"] == "050"]
    assert [row["fold"] for row in rows] == list(scheme.test_folds("050"))
    fn = rows[0]["fn"]  # the case's score is the mean of the four: three times 1 and once 1/(FN + 1)
    summary = summarise(run.scores).runs[0]
    with_ich = [row for row in run.scores.to_pylist() if row["has_ich"]]
    assert summary.cohort("ich").metrics["dice"].n == len(with_ich) // 4
    by_hand = np.mean([row["dice"] for row in with_ich])
    assert summary.cohort("ich").metrics["dice"].mean == pytest.approx(by_hand)
    assert rows[0]["dice"] == pytest.approx(1 / (fn + 1))


def test_the_leaky_scheme_says_so_in_its_score_file_and_in_its_table(tmp_path: Path) -> None:
    from ich_bench.runs.store import provenance
    from ich_bench.tables.render import render
    from ich_bench.tables.summary import summarise

    source = hssayeni.write(tmp_path / "download", shape=SHAPE)
    folder = tmp_path / "p"
    folder.mkdir()
    for case in load_dataset("hssayeni", source).cases:
        reference = open_mask(case.reference)  # type: ignore[arg-type]
        write_mask(folder / f"{case.case_id}.nii.gz", reference.voxels(), reference.geometry)
    run = ich_bench.evaluate("hssayeni", folder, data=source, scheme="wang-slices", out=tmp_path / "out")
    assert provenance(run.scores)["leaky"] is True
    assert "leaky" in render(summarise(run.scores))


def test_a_reference_off_its_cts_grid_is_told_by_evaluate_and_validate(tmp_path: Path) -> None:
    source = instance2022.write(tmp_path / "download", shape=SHAPE)
    dataset = load_dataset("instance2022", source)
    folder = tmp_path / "p"
    folder.mkdir()
    for case in dataset.cases:
        assert case.reference is not None
        write_mask(folder / f"{case.case_id}.nii.gz", open_mask(case.reference).voxels(), read_geometry(case.reference))
    turned = dataset.cases[0]
    assert turned.reference is not None
    write_mask(turned.reference, *mirrored(open_mask(turned.reference).voxels(), read_geometry(turned.reference)))
    run = ich_bench.evaluate("instance2022", folder, data=source, out=tmp_path / "out")
    checked = ich_bench.validate("instance2022", folder, data=source)
    for warnings in (run.warnings, checked.warnings):
        told = [warning for warning in warnings if f"reference of {turned.case_id}" in warning]
        assert len(told) == 1
        assert "is mirrored left-right" in told[0]
