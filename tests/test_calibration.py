"""The calibration rows: their masks by hand, the cavity of a drawn skull, folders that are scored like any other."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import downloads
from ich_bench.calibration import ROWS, Head, calibrate, classical_cavity
from ich_bench.calibration.written import manifest
from ich_bench.cli import app
from ich_bench.demo import demo
from ich_bench.errors import IchBenchError, InputError, UsageError
from ich_bench.geometry import Geometry
from ich_bench.submissions.schema import check
from ich_bench.tables.summary import summarise
from ich_bench.volume import CT, open_mask

Mask = NDArray[np.bool_]
CEILING = ("ref-eroded-1px", "ref-dilated-1px", "ref-shifted-1-slice", "ref-256")
METHODLESS = ("empty", "all-brain", "threshold")
AFFINE = np.diag([3.0, 3.0, 5.0, 1.0])


def skull() -> tuple[NDArray[np.int16], Mask, Mask]:
    """Return the CT of a ball of brain (35 HU) with a bleed (65 HU) in bone, its cavity, and the bleed."""
    x, y, z = np.ogrid[-32:32, -32:32, -8:8]
    radius_mm = np.sqrt((3.0 * (x + 0.5)) ** 2 + (3.0 * (y + 0.5)) ** 2 + (2.5 * (z + 0.5)) ** 2)
    hu = np.full(radius_mm.shape, -1000, np.int16)
    hu[radius_mm < 85] = 20  # scalp
    hu[radius_mm < 80] = 1000
    cavity = radius_mm < 72
    hu[cavity] = 35
    bleed = (np.abs(x - 6) < 5) & (np.abs(y + 4) < 4) & (np.abs(z) < 3)
    hu[bleed] = 65
    return hu, np.asarray(cavity), np.asarray(bleed)


def one_slice(*rows: str) -> Mask:
    """Return a mask of one slice from rows of "#" and "."."""
    return np.array([[[sign == "#"] for sign in row] for row in rows])


def test_eroding_and_dilating_take_one_pixel_off_or_on_within_the_slice() -> None:
    before = one_slice(".....", ".###.", ".###.", ".###.", ".....")
    smaller = one_slice(".....", ".....", "..#..", ".....", ".....")
    larger = one_slice(".###.", "#####", "#####", "#####", ".###.")
    three = np.concatenate([np.zeros_like(before), before, np.zeros_like(before)], axis=2)
    for name, expected in (("ref-eroded-1px", smaller), ("ref-dilated-1px", larger)):
        found = ROWS[name].mask(Head(reference=three))
        assert (found[:, :, 1:2] == expected).all(), name
        assert not found[:, :, [0, 2]].any(), name


def test_shifting_moves_every_slice_by_one_and_drops_the_last() -> None:
    before = np.zeros((1, 1, 4), np.bool_)
    before[0, 0, [0, 1, 3]] = True
    found = ROWS["ref-shifted-1-slice"].mask(Head(reference=before))
    assert found[0, 0].tolist() == [False, True, True, False]


def test_through_256_takes_the_second_of_two_pixels_for_both() -> None:
    # 512 pixels: row i of 256 is source row floor(2i + 1) = 2i + 1, and comes back as rows 2i and 2i + 1.
    before = np.zeros((512, 256, 1), np.bool_)
    before[[10, 13, 21], 7, 0] = True
    found = ROWS["ref-256"].mask(Head(reference=before))
    assert np.flatnonzero(found[:, 7, 0]).tolist() == [12, 13, 20, 21]
    assert found.sum() == 4


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 256), st.integers(1, 256))
def test_through_256_a_smaller_grid_stays_what_it_was(rows: int, columns: int) -> None:
    before = np.random.default_rng(rows + 1000 * columns).random((rows, columns, 1)) < 0.5
    assert (ROWS["ref-256"].mask(Head(reference=before)) == before).all()


def test_the_classical_cavity_is_the_inside_of_a_drawn_skull() -> None:
    hu, cavity, bleed = skull()
    found = classical_cavity(CT(hu=hu, geometry=Geometry.of(hu.shape, AFFINE)))
    assert 2 * (found & cavity).sum() / (found.sum() + cavity.sum()) > 0.95
    assert not (found & (hu > 150)).any()
    assert (found & bleed).sum() == bleed.sum()


def test_an_image_without_bone_has_no_cavity() -> None:
    hu = np.full((20, 20, 4), 35, np.int16)
    assert not classical_cavity(CT(hu=hu, geometry=Geometry.of(hu.shape, AFFINE))).any()


def test_without_a_cavity_the_threshold_finds_nothing() -> None:
    hu, cavity, bleed = skull()
    ct = CT(hu=hu, geometry=Geometry.of(hu.shape, AFFINE))
    assert not ROWS["threshold"].mask(Head(reference=bleed, ct=ct, cavity=np.zeros_like(cavity))).any()


def test_the_threshold_finds_a_bright_bleed_in_a_drawn_skull_and_all_brain_is_the_cavity() -> None:
    hu, cavity, bleed = skull()
    head = Head(reference=bleed, ct=CT(hu=hu, geometry=Geometry.of(hu.shape, AFFINE)), cavity=cavity)
    found = ROWS["threshold"].mask(head)
    assert 2 * (found & bleed).sum() / (found.sum() + bleed.sum()) > 0.8
    assert (ROWS["all-brain"].mask(head) == cavity).all()


@pytest.mark.parametrize("name", ROWS)
def test_the_manifest_of_each_row_can_be_submitted_and_says_what_kind_of_row_it_is(name: str) -> None:
    said, problems = check(tomllib.loads(manifest(ROWS[name])))
    assert problems == []
    assert (said.method, said.kind) == (name, "ceiling" if name in CEILING else "calibration")
    assert said.why_unranked()
    assert (said.test_data_seen == "yes") == (name in CEILING)


def patients(folder: Path) -> Path:
    """Write two drawn heads in PhysioNet's layout: 049 healthy, 050 with the bleed."""
    hu, _, bleed = skull()
    downloads.hssayeni(folder, {49: 0, 50: 3})
    for number, mask in ((49, np.zeros_like(bleed)), (50, bleed)):
        downloads.put(folder / "ct_scans" / f"{number:03}.nii", np.where(mask, hu, np.where(bleed, 35, hu)), AFFINE)
        downloads.put(folder / "masks" / f"{number:03}.nii", mask.astype(np.uint8) * 255, AFFINE)
    return folder


def test_rows_of_a_real_layout_are_scored_though_the_reference_itself_is_among_them(tmp_path: Path) -> None:
    data = patients(tmp_path / "data")
    scored, warnings = calibrate("hssayeni", tmp_path / "out", data=data)
    assert warnings == ()
    assert [one.run.name for one in scored] == list(ROWS)
    dice = {one.run.name: summarise(one.run.scores).runs[0].cohort("ich").metrics["dice"].mean for one in scored}
    assert dice["ref-256"] == 1  # 64 pixels a side: the reference itself
    assert {one.row.name: one.same_as_reference for one in scored}["ref-256"] == 1
    # 9 × 7 × 5 voxels: 7 × 5 × 5 without a pixel on each side, 2·175/(315+175); with one on, but not at the corners,
    # 9·7 + 2·9 + 2·7 = 95 a slice, 2·315/(315+475); a slice further 4 of 5 slices meet. ε = 1 moves the third decimal.
    assert dice["ref-eroded-1px"] == pytest.approx(0.714, abs=0.002)
    assert dice["ref-dilated-1px"] == pytest.approx(0.797, abs=0.002)
    assert dice["ref-shifted-1-slice"] == pytest.approx(0.8, abs=0.002)
    assert dice["empty"] < dice["all-brain"] < dice["threshold"]
    assert any("identical to the reference" in warning for warning in scored[-1].run.warnings)


def test_heads_without_mask_files_get_empty_reference_rows(tmp_path: Path) -> None:
    hu, _, _ = skull()
    for number in (2, 3):
        downloads.put(tmp_path / "data" / f"CQ500-CT-{number}.nii.gz", hu, AFFINE)
    scored, _ = calibrate("cq500-negative", tmp_path / "out", data=tmp_path / "data")
    clean = {one.run.name: summarise(one.run.scores).runs[0].cohort("healthy").clean for one in scored}
    assert {name: share.count for name, share in clean.items() if share is not None} == {
        "empty": 2, "all-brain": 0, "threshold": 0, **dict.fromkeys(CEILING, 2)
    }  # fmt: skip


def test_the_cavity_of_a_drawn_head_is_taken_where_it_lies_beside(tmp_path: Path) -> None:
    data = patients(tmp_path / "data")
    drawn = np.zeros((64, 64, 16), np.uint8)
    drawn[30, 30, 8] = 1
    downloads.put(data / "cavity" / "050.nii.gz", drawn, AFFINE)
    calibrate("hssayeni", tmp_path / "out", data=data, rows=["all-brain"])
    folder = tmp_path / "out" / "all-brain" / "predictions" / "hssayeni"
    assert open_mask(folder / "050.nii.gz").voxels().sum() == 1
    assert open_mask(folder / "049.nii.gz").voxels().sum() > 1000


def test_the_same_data_gives_the_same_masks_and_scores_twice(tmp_path: Path) -> None:
    data = patients(tmp_path / "data")
    files = []
    for out in (tmp_path / "one", tmp_path / "two"):
        calibrate("hssayeni", out, data=data, rows=["threshold"])
        written = [*out.rglob("*.nii.gz"), *out.rglob("*.parquet"), *out.rglob("*.toml")]
        files.append({path.relative_to(out): path.read_bytes() for path in written})
    assert len(files[0]) == 4
    assert files[0] == files[1]
    again, _ = calibrate("hssayeni", tmp_path / "one", data=data, rows=["threshold"])
    assert again[0].run.reused > 0


def test_a_head_without_skull_is_named(tmp_path: Path) -> None:
    data = patients(tmp_path / "data")
    downloads.put(data / "ct_scans" / "049.nii", np.full((64, 64, 16), 35, np.int16), AFFINE)
    _, warnings = calibrate("hssayeni", tmp_path / "out", data=data, rows=["all-brain", "empty"])
    assert warnings == ("no cavity was found in 1 head(s): 049",)


def test_all_heads_that_cannot_be_read_are_named_at_once(tmp_path: Path) -> None:
    data = patients(tmp_path / "data")
    for number in ("049", "050"):
        (data / "ct_scans" / f"{number}.nii").write_bytes(b"no volume")
    with pytest.raises(InputError) as refused:
        calibrate("hssayeni", tmp_path / "out", data=data)
    assert len(refused.value.problems) == 2


def test_what_is_no_calibration_row_is_never_written_over(tmp_path: Path) -> None:
    mine = tmp_path / "out" / "empty"
    mine.mkdir(parents=True)
    (mine / "submission.toml").write_text('method = "mine"\n')
    with pytest.raises(IchBenchError, match="holds something else"):
        calibrate("hssayeni", tmp_path / "out", data=patients(tmp_path / "data"))
    assert (mine / "submission.toml").read_text() == 'method = "mine"\n'


def test_an_unknown_row_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean ref-256"):
        calibrate("hssayeni", tmp_path, rows=["ref-265"])
    with pytest.raises(UsageError, match="no calibration row is named"):
        calibrate("hssayeni", tmp_path, rows=[])


@pytest.mark.slow
def test_on_drawn_heads_no_row_without_method_comes_first_and_no_ceiling_row_is_below_threshold(
    tmp_path: Path,
) -> None:
    rows, _ = calibrate("phantom-mini", tmp_path / "rows")
    runs = [one.run for one in rows] + list(demo(tmp_path / "demo"))
    for metric in ("dice", "nsd_2mm"):
        mean = {run.name: summarise(run.scores).runs[0].cohort("ich").metrics[metric].mean for run in runs}
        others = [mean["demo-second-reader"], *(mean[name] for name in CEILING)]
        assert max(mean[name] for name in METHODLESS) < min(others), metric
        assert mean["empty"] < mean["all-brain"] < mean["threshold"], metric


def test_the_command_prints_one_line_a_row(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    data = patients(tmp_path / "data")
    asked = ["calibrate", "hssayeni", "--data", data, "-o", tmp_path / "out", "--rows", "empty,ref-256", "--jobs", "1"]
    done = CliRunner().invoke(app, [str(one) for one in asked])
    assert done.exit_code == 0, done.output
    assert "ref-256: the reference itself on 1 head(s) with ICH" in done.stderr
    table = done.stdout.splitlines()
    assert [line.split()[0] for line in table if line.startswith(("empty ", "ref-256 "))] == ["ref-256", "empty"]
    assert f"folder      {tmp_path / 'out' / 'empty'}" in table
