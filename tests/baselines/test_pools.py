"""Pools become caches: drawn heads one at a time, RSNA's files as they are, each slice with its patient and labels."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest

from ich_bench.datasets import pool as files
from ich_bench.errors import IchBenchError, UsageError
from ich_bench.phantom import pool as drawn
from ich_bench.phantom.layouts import rsna
from ich_bench.phantom.plan import PlannedHead
from ich_bench_baselines.data import pools
from ich_bench_baselines.data.pixels import BRAIN, image_of
from ich_bench_baselines.data.pools import HELD_OUT, TRAIN, UNUSED, dicom_pool, parts, phantom_pool
from ich_bench_baselines.data.slice_build import build, size_of

SHAPE, SIDE = (40, 40, 6), 16
REALLY_DRAWN = PlannedHead.drawn
drawn_once = cache(lambda head: REALLY_DRAWN(head))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICH_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(PlannedHead, "drawn", lambda head: drawn_once(head))


@pytest.fixture(scope="module")
def download(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six exams of six slices in RSNA's layout, one of the 36 files cut short."""
    return rsna.write(tmp_path_factory.mktemp("rsna"), shape=SHAPE)


def test_a_drawn_pool_holds_the_slices_and_labels_of_its_heads() -> None:
    found = build(phantom_pool(3, shape=SHAPE, side=SIDE))
    slices = list(drawn.slices(3, shape=SHAPE))
    assert len(found) == len(slices) == 18
    for row, one in zip(found.index.itertuples(), slices, strict=True):
        assert (row.case_id, row.patient_id, row.k) == (one.case_id, one.patient_id, one.number)
        assert {name: getattr(row, name) for name in one.labels} == dict(one.labels)
        assert np.array_equal(found.images[row.Index], image_of(one.hu[:, ::-1].T, BRAIN, SIDE))  # drawn as LAS
    assert found.index["has_ich"].isna().all()
    assert not found.has("masks")
    with pytest.raises(IchBenchError, match="have no masks"):
        _ = found.masks


def test_a_larger_drawn_pool_begins_with_the_smaller_and_has_another_key() -> None:
    small, large = (build(phantom_pool(heads, shape=SHAPE, side=SIDE)) for heads in (1, 2))
    assert small.key != large.key
    assert np.array_equal(large.images[:6], small.images)
    keys = {
        phantom_pool(2, shape=SHAPE, side=SIDE).key,
        phantom_pool(2, shape=SHAPE, side=SIDE, seed=1).key,
        phantom_pool(2, shape=SHAPE, side=SIDE, clean=True).key,
        phantom_pool(2, shape=SHAPE, side=SIDE, sites=("a",)).key,
    }
    assert len(keys) == 4


def test_the_size_of_a_drawn_pool_is_told_before_it_is_drawn() -> None:
    assert size_of(phantom_pool(1000)).at_rest == 1000 * 62 * 65536  # about 62 slices a head: 4.1 GB
    assert size_of(phantom_pool(10, shape=SHAPE, side=SIDE)).at_rest == 10 * 6 * 256


def test_a_drawn_pool_never_holds_site_d_and_is_never_empty() -> None:
    with pytest.raises(UsageError, match="site 'd', which stays unseen"):
        phantom_pool(2, sites=("a", "d"))
    with pytest.raises(UsageError, match="one at least"):
        phantom_pool(0)


def test_rsnas_slices_come_with_patient_series_position_and_labels_and_the_corrupt_one_is_told(download: Path) -> None:
    found = build(dicom_pool(download, selection="all", side=SIDE))
    assert len(found) == 35
    assert [note.split(" cannot be read")[0] for note in found.notes if "cannot be read" in note] == [
        "stage_2_train/ID_6431af929.dcm "
    ]
    pool = files.open_pool(download)
    table, _ = files.labels(pool)
    headers = {one.slice_id: one for one in files.headers(pool)[0]}
    pixels = dict(files.read_slices(pool, list(headers), []))
    for row in found.index.itertuples():
        one = headers[row.slice_id]
        assert (row.patient_id, row.case_id, row.position_mm) == (one.patient_id, one.series, one.position_mm)
        assert [getattr(row, name) for name in table.columns] == table.loc[row.slice_id].tolist()
        assert np.array_equal(found.images[row.Index], image_of(pixels[row.slice_id], BRAIN, SIDE))
    for _, series in found.index.groupby("case_id"):  # places run from foot to head
        assert series.sort_values("position_mm")["place"].tolist() == list(range(len(series)))


def test_slices_that_lie_otherwise_in_their_files_are_turned_as_the_files_say(download: Path, tmp_path: Path) -> None:
    """One series counts its columns to the right, one its rows to the front, one has rows and columns exchanged."""
    folder = tmp_path / "turned"
    shutil.copytree(download, folder)
    headers, _ = files.headers(files.open_pool(folder))
    series = sorted({one.series for one in headers})
    for one in headers:
        path = folder / "stage_2_train" / f"{one.slice_id}.dcm"
        tags = pydicom.dcmread(path)
        pixels, directions = tags.pixel_array, np.array(tags.ImageOrientationPatient, float).reshape(2, 3)
        tags.PixelSpacing = [0.5, 0.25]  # between rows, between columns
        if one.series == series[0]:
            pixels, directions = pixels[:, ::-1], directions * [[-1], [1]]
        elif one.series == series[1]:
            pixels, directions = pixels[::-1], directions * [[1], [-1]]
        elif one.series == series[2]:
            pixels, directions = pixels.T, directions[::-1]
            tags.PixelSpacing = [0.25, 0.5]
        tags.ImageOrientationPatient = [round(float(value), 8) for value in directions.ravel()]
        tags.PixelData = np.ascontiguousarray(pixels).tobytes()
        tags.Rows, tags.Columns = pixels.shape
        tags.save_as(path, enforce_file_format=False)
    plain, found = (build(dicom_pool(source, selection="all", side=SIDE)) for source in (download, folder))
    assert np.array_equal(found.images, plain.images)
    assert (found.index[["spacing_row_mm", "spacing_column_mm"]].to_numpy() == (0.5, 0.25)).all()
    same = [name for name in plain.index.columns if not name.startswith("spacing")]
    pd.testing.assert_frame_equal(found.index[same], plain.index[same])


def test_the_spacing_is_that_of_the_files_and_what_a_file_does_not_say_is_told(download: Path, tmp_path: Path) -> None:
    plain = build(dicom_pool(download, selection="all", side=SIDE))
    said = {one.slice_id: one.spacing_mm for one in files.headers(files.open_pool(download))[0]}
    spacing = plain.index[["spacing_row_mm", "spacing_column_mm"]].to_numpy()
    assert np.isfinite(spacing).all()
    assert [tuple(row) for row in spacing] == [said[name] for name in plain.index["slice_id"]]
    folder = tmp_path / "silent"
    shutil.copytree(download, folder)
    broken = sorted((folder / "stage_2_train").glob("ID_*.dcm"), key=lambda path: path.stat().st_size)[1:5]
    for path, values in zip(broken, (None, [1, 0, 0, 0, 0, 0], [1, 0, 0, 1, 0, 0], [0, 1, 0, 0, 0, -1]), strict=True):
        tags = pydicom.dcmread(path)
        if values is None:
            del tags.PixelSpacing, tags.ImageOrientationPatient
        else:
            tags.ImageOrientationPatient = values  # no direction, twice the same, a sagittal slice
        tags.save_as(path, enforce_file_format=False)
    found = build(dicom_pool(folder, selection="all", side=SIDE))
    assert "3 slices do not say how they lie: they are taken as front to back, right to left." in found.notes
    assert [note for note in found.notes if "no axial slice" in note] == [
        f"{broken[3].name}  is no axial slice; it is skipped."
    ]
    assert len(found) == len(plain) - 1
    silent = found.index[found.index["slice_id"] == broken[0].stem].iloc[0]
    assert np.isnan(silent["spacing_row_mm"])
    kept = plain.index["slice_id"].isin(found.index["slice_id"]).to_numpy()
    assert np.array_equal(found.images, plain.images[kept])


def test_the_zip_gives_the_same_slices_as_the_folder(download: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "rsna.zip", "w") as archive:
        for path in sorted(download.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(download).as_posix())
    folder, zipped = (
        build(dicom_pool(source, selection="all", side=SIDE)) for source in (download, tmp_path / "rsna.zip")
    )
    assert np.array_equal(folder.images, zipped.images)
    pd.testing.assert_frame_equal(folder.index, zipped.index)


def test_the_balanced_selection_holds_all_slices_with_ich_and_as_many_without(download: Path, tmp_path: Path) -> None:
    source = tmp_path / "copy"
    shutil.copytree(download, source)
    table, _ = files.labels(files.open_pool(source))
    cleared = set(table.index[table["any"]][:8])  # else each slice of the bleeding exams shows ICH: half of all
    lines = (source / files.TABLE).read_text().splitlines()
    lines = [line[:-1] + "0" if line.rsplit("_", 1)[0] in cleared else line for line in lines]
    (source / files.TABLE).write_text("\n".join(lines))
    ich = int(table["any"].sum()) - 8
    assert 0 < ich < 18
    once, again, other = (dicom_pool(source, seed=seed, side=SIDE) for seed in (1, 1, 2))
    assert once.key == again.key != other.key
    assert size_of(once).slices == 2 * ich
    found = build(once)
    assert 2 * ich - 1 <= len(found) <= 2 * ich  # one of them may be the corrupt one
    assert int(found.index["any"].sum()) in (ich - 1, ich)
    assert set(found.index["slice_id"]) != set(build(other).index["slice_id"])
    assert build(dicom_pool(source, selection="ich", side=SIDE)).index["any"].all()


def test_the_key_of_files_follows_the_table_and_the_sizes_of_the_files(download: Path, tmp_path: Path) -> None:
    shutil.copytree(download, tmp_path / "copy")
    key = dicom_pool(download, side=SIDE).key
    assert dicom_pool(tmp_path / "copy", side=SIDE).key == key
    path = sorted((tmp_path / "copy" / "stage_2_train").glob("*.dcm"))[0]
    path.write_bytes(path.read_bytes() + b"\0")
    assert dicom_pool(tmp_path / "copy", side=SIDE).key != key


def test_labelled_slices_without_a_file_are_told(download: Path, tmp_path: Path) -> None:
    shutil.copytree(download, tmp_path / "copy")
    sorted((tmp_path / "copy" / "stage_2_train").glob("*.dcm"))[0].unlink()
    assert "1 labelled slices have no file." in dicom_pool(tmp_path / "copy").notes


def test_a_limit_takes_the_first_of_the_selection_and_unknown_selections_are_refused(download: Path) -> None:
    assert size_of(dicom_pool(download, selection="all", limit=5)).slices == 5
    with pytest.raises(UsageError, match="no selection 'half'; there are balanced, ich, all"):
        dicom_pool(download, selection="half")  # type: ignore[arg-type]


def index_of(counts: list[tuple[int, int]]) -> pd.DataFrame:
    """One patient a pair: so many slices with ICH, so many without."""
    rows = [
        {"slice_id": f"{p}-{k}", "patient_id": f"p{p}", "any": k < ich}
        for p, (ich, healthy) in enumerate(counts)
        for k in range(ich + healthy)
    ]
    return pd.DataFrame(rows).astype({"any": "boolean"})


def counted(index: pd.DataFrame, part: np.ndarray) -> Iterator[tuple[str, int, int]]:
    for name in (TRAIN, HELD_OUT, UNUSED):
        ich = index["any"].to_numpy(bool)
        yield name, int((ich & (part == name)).sum()), int((~ich & (part == name)).sum())


def test_held_out_are_half_with_ich_and_half_without_and_no_patient_stands_on_both_sides() -> None:
    # 50 patients with 4 slices of each kind: 400 slices, balanced as they are. 20 held out: 10 of each kind, from three
    # patients (4 · 3 = 12 of each), who have 2 and 2 left over
    index = index_of([(4, 4)] * 50)
    part = parts(index, held_out=20)
    assert list(counted(index, part)) == [(TRAIN, 188, 188), (HELD_OUT, 10, 10), (UNUSED, 2, 2)]
    by_patient = {name: set(index["patient_id"][part == name]) for name in (TRAIN, HELD_OUT, UNUSED)}
    assert not by_patient[TRAIN] & (by_patient[HELD_OUT] | by_patient[UNUSED])
    assert np.array_equal(part, parts(index, held_out=20))
    assert not np.array_equal(part, parts(index, held_out=20, seed=1))


def test_at_most_a_tenth_of_a_small_pool_is_held_out() -> None:
    index = index_of([(4, 4)] * 50)  # of 400 slices 40, not 5,000
    assert (parts(index) == HELD_OUT).sum() == 40


def test_a_pool_is_balanced_unless_asked_otherwise() -> None:
    index = index_of([(1, 9)] * 40)  # 40 with ICH, 360 without; balanced 80, of which 8 are held out
    ich = index["any"].to_numpy(bool)
    part = parts(index)
    assert ((part != UNUSED) & ~ich).sum() <= 40
    assert (part == HELD_OUT).sum() == 8
    whole = parts(index, balanced=False)
    assert (whole == HELD_OUT).sum() == 40  # 20 of each kind
    assert (whole[~ich] == TRAIN).sum() > 40


def test_by_slice_the_papers_own_split_is_taken() -> None:
    index = index_of([(4, 4)] * 50)
    part = parts(index, by="slice", held_out=20)
    table = pd.DataFrame({"any": index["any"].to_numpy(bool)}, index=index["slice_id"].to_numpy(str))
    train, held = files.split_papers_slices(table, held_out=20)
    assert sorted(index["slice_id"][part == HELD_OUT]) == held
    assert sorted(index["slice_id"][part == TRAIN]) == train


def test_pools_that_cannot_be_split_are_refused() -> None:
    with pytest.raises(UsageError, match="by patient or by slice"):
        parts(index_of([(4, 4)]), by="exam")  # type: ignore[arg-type]
    blank = index_of([(4, 4)])
    blank.loc[0, "any"] = pd.NA
    with pytest.raises(IchBenchError, match="no label"):
        parts(blank)
    with pytest.raises(IchBenchError, match="fewer than 2 slices of a kind"):
        parts(index_of([(1, 40)] * 1), balanced=False)


def test_a_worker_gets_only_the_names_of_its_own_files(download: Path) -> None:
    plan = dicom_pool(download, selection="all", side=SIDE)
    assert pools._FILES_A_CHUNK == 256
    assert [len(chunk.given[0].slices) for chunk in plan.chunks] == [36]
