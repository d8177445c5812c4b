"""The cache holds what the files hold; it is whole or not there, whoever builds it and whatever stops them."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from ich_bench.cases import Dataset
from ich_bench.datasets import load_dataset
from ich_bench.errors import IchBenchError, InputError
from ich_bench.geometry import Geometry
from ich_bench.phantom import library, plan
from ich_bench.phantom.plan import planned
from ich_bench.volume import open_mask, read_ct, write_ct, write_mask
from ich_bench_baselines.data import slice_build, slice_cases, slice_parts, slices
from ich_bench_baselines.data.pixels import BONE, BRAIN, image_of, masks_of
from ich_bench_baselines.data.slice_build import build, size_of
from ich_bench_baselines.data.slices import is_whole, open_slices

SIDE = 32


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """phantom-mini of four coarse heads, drawn once."""
    small = tuple(replace(head, shape=(48, 40, 9)) for head in planned("phantom-mini")[:4])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "_planned", lambda _: small)
        yield library.make("phantom-mini", tmp_path_factory.mktemp("heads") / "mini")


@pytest.fixture
def mini(heads: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv("ICH_BENCH_CACHE", str(tmp_path / "cache"))
    shutil.copytree(heads, tmp_path / "mini")
    return load_dataset("phantom-mini", tmp_path / "mini")


def made(mini: Dataset, **more: Any) -> slices.SliceSet:
    return build(slice_cases.plan(mini, side=SIDE), **more)


def all_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_cache_holds_what_the_files_hold(mini: Dataset) -> None:
    found = made(mini)
    assert len(found) == 4 * 9
    assert found.images.dtype == found.masks.dtype == found.cavity.dtype == np.uint8
    labels = pd.read_csv(mini.source / "slices.csv").set_index(["case_id", "slice"])
    for case in mini.cases:
        assert case.ct is not None
        ct = read_ct(case.ct)
        mask = open_mask(case.reference).voxels()
        cavity = open_mask(mini.source / "cavity" / f"{case.case_id}.nii.gz").voxels()
        rows = found.index[found.index["case_id"] == case.case_id]
        assert rows["k"].tolist() == rows["place"].tolist() == list(range(9))  # drawn from foot to head
        for row, line in rows.iterrows():
            k = line["k"]
            upright = ct.hu[:, ::-1, k].T  # drawn heads are stored as LAS: x to the left, y to the front
            assert np.array_equal(found.images[row], image_of(upright, BRAIN, SIDE))
            small = [math.floor((i + 0.5) * 48 / SIDE) for i in range(SIDE)]  # 40 rows in a square of 48: 4 of air
            square = np.pad(mask[:, ::-1, k].T, ((4, 4), (0, 0)))
            assert np.array_equal(found.masks[row], square[small][:, small])
            assert line["has_ich"] == mask[:, :, k].any()
            assert line["ich_ml"] == mask[:, :, k].sum() * ct.geometry.voxel_volume_mm3 / 1000
            assert line["in_cavity"] == cavity[:, :, k].any()
            for name in slices.LABELS:
                assert line[name] == bool(labels.loc[(case.case_id, k), name])
        here = slice(rows.index[0], rows.index[-1] + 1)
        assert np.array_equal(found.masks[here], np.stack(list(masks_of(mask, ct.geometry, SIDE))))
        assert np.array_equal(found.cavity[here], np.stack(list(masks_of(cavity, ct.geometry, SIDE))))
    assert found.index["has_ich"].any()
    assert (found.index[["rows", "columns"]].to_numpy() == (40, 48)).all()  # rows run along y


def test_a_second_run_opens_the_same_cache_without_making_anything(
    mini: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made(mini)
    monkeypatch.setattr(slice_build, "_make", lambda *_: pytest.fail("made again"))
    again = made(mini)
    assert (again.folder, again.key) == (first.folder, first.key)
    pd.testing.assert_frame_equal(again.index, first.index)
    assert [path.name for path in first.folder.parent.iterdir() if path.name.startswith(".")] == []


def test_the_key_follows_the_window_the_size_and_the_bytes_of_the_files(mini: Dataset) -> None:
    keys = {
        slice_cases.plan(mini, side=SIDE).key,
        slice_cases.plan(mini, side=16).key,
        slice_cases.plan(mini, side=SIDE, window=BONE).key,
    }
    path = mini.cases[0].reference
    assert path is not None
    mask = open_mask(path)
    voxels = mask.voxels()
    voxels[0, 0, 0] ^= True
    write_mask(path, voxels, mask.geometry)
    keys.add(slice_cases.plan(mini, side=SIDE).key)
    assert len(keys) == 4


def test_the_hemorrhage_of_a_slice_is_counted_in_ml_on_its_own_grid_tilted_or_not(mini: Dataset) -> None:
    """Columns (0.5, 0, 0), (0, 0.5, 0), (0, 1, 5): a tilted voxel has 0.5 · 0.5 · 5 = 1.25 mm³, not 0.5 · 0.5 · √26."""
    case = mini.cases[0]
    grid = Geometry.of((20, 20, 3), np.array([[0.5, 0, 0, 0], [0, 0.5, 1, 0], [0, 0, 5, 0], [0, 0, 0, 1]]))
    mask = np.zeros((20, 20, 3), np.bool_)
    mask[3:7, 5:10, 1] = True  # 20 voxels: 25 mm³
    mask[4, 4, 2] = True
    write_ct(case.ct, np.zeros((20, 20, 3), np.int16), grid)
    write_mask(case.reference, mask, grid)
    rows = slice_cases.made(case, None, None, False, BRAIN, SIDE).rows
    assert [row["ich_ml"] for row in rows] == pytest.approx([0, 0.025, 0.00125])


def test_a_cache_from_before_a_column_of_the_index_opens_with_it_null(mini: Dataset) -> None:
    whole = made(mini)
    table = pq.read_table(whole.folder / slices.INDEX)
    pq.write_table(table.drop_columns(["ich_ml"]), whole.folder / slices.INDEX)
    about = json.loads((whole.folder / slices.ABOUT).read_text())
    about["bytes"][slices.INDEX] = (whole.folder / slices.INDEX).stat().st_size
    (whole.folder / slices.ABOUT).write_text(json.dumps(about))
    found = open_slices(whole.folder).index
    assert found["ich_ml"].isna().all()
    assert list(found.columns) == list(whole.index.columns)


def test_a_slice_keeps_its_number_in_a_file_that_runs_from_head_to_foot(mini: Dataset) -> None:
    case = mini.cases[0]
    assert case.ct is not None
    assert case.reference is not None
    ct = read_ct(case.ct)
    mask = open_mask(case.reference).voxels()
    down = ct.geometry.matrix @ np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, 8], [0, 0, 0, 1]])
    grid = Geometry.of(ct.geometry.shape, down)
    before = slice_cases.made(case, None, {0: {"any": True}}, False, BRAIN, SIDE)
    write_ct(case.ct, ct.hu[:, :, ::-1], grid)
    write_mask(case.reference, mask[:, :, ::-1], grid)
    after = slice_cases.made(case, None, {8: {"any": True}}, False, BRAIN, SIDE)
    assert all(np.array_equal(before.arrays[kind], after.arrays[kind]) for kind in ("images", "masks"))
    assert [row["k"] for row in after.rows] == list(range(8, -1, -1))
    assert [row["any"] for row in after.rows] == [True, *[None] * 8]
    assert [row["has_ich"] for row in after.rows] == [row["has_ich"] for row in before.rows]


KILLED = """
import os, signal, sys
from ich_bench.datasets import load_dataset
from ich_bench_baselines.data import slice_build
from ich_bench_baselines.data import slice_cases
def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "while making":
    tick = lambda done, total: kill() if done == 2 else None
else:
    tick = None
    slice_build.pq.write_table = kill
slice_build.build(slice_cases.plan(load_dataset("phantom-mini", sys.argv[1]), side=32), progress=tick)
"""


@pytest.mark.slow  # two fresh processes
@pytest.mark.parametrize(("when", "left"), [("while making", 2), ("while joining", 0)])
def test_a_build_killed_in_the_middle_is_never_taken_as_whole_and_goes_on(
    mini: Dataset, monkeypatch: pytest.MonkeyPatch, when: str, left: int
) -> None:
    ran = subprocess.run([sys.executable, "-c", KILLED, str(mini.source), when], capture_output=True)
    assert ran.returncode == -signal.SIGKILL, ran.stderr
    wanted = slice_cases.plan(mini, side=SIDE)
    assert not wanted.folder.exists()
    calls = []
    really = slice_cases.made
    chunks = tuple(replace(chunk, make=lambda *given: calls.append(1) or really(*given)) for chunk in wanted.chunks)
    after = build(replace(wanted, chunks=chunks))
    assert len(calls) == left
    resumed = all_bytes(after.folder)
    shutil.rmtree(after.folder)
    assert all_bytes(build(wanted).folder) == resumed


def test_what_a_killed_build_left_is_swept_after_an_hour(mini: Dataset) -> None:
    wanted = slice_cases.plan(mini, side=SIDE)
    fresh, stale = (wanted.folder.with_name(f".{wanted.folder.name}.{age}.part") for age in ("fresh", "stale"))
    for folder in (fresh, stale):
        folder.mkdir(parents=True)
        (folder / "images.npy").write_bytes(b"half")
    for path in (stale / "images.npy", stale):
        os.utime(path, (time.time() - 7200,) * 2)
    build(wanted)
    assert fresh.exists()
    assert not stale.exists()


def left_behind(mini: Dataset, *, side: int, days: float) -> Path:
    """Return chunks of another cache of these heads to which nobody has written for so many days."""
    chunks = slice_parts.chunks_of(slice_cases.plan(mini, side=side).folder)
    chunks.mkdir(parents=True)
    (chunks / "a.npz").write_bytes(b"made")
    for path in (chunks / "a.npz", chunks):
        os.utime(path, (time.time() - days * 86400,) * 2)
    return chunks


def test_chunks_go_after_a_week_without_a_builder_and_not_while_one_is_at_work(mini: Dataset) -> None:
    given_up, held, fresh = (left_behind(mini, side=side, days=days) for side, days in ((8, 8), (16, 8), (24, 6)))
    with slice_parts.at_work(held):
        made(mini)
    assert (given_up.exists(), held.exists(), fresh.exists()) == (False, True, True)
    assert (held / "a.npz").read_bytes() == b"made"
    slice_parts.sweep(held.parent)
    assert (held.exists(), fresh.exists()) == (False, True)
    assert [path.name for path in held.parent.iterdir() if path.suffix == ".part"] == []


def test_chunks_of_a_cache_that_is_whole_go_at_once(mini: Dataset) -> None:
    whole = made(mini).folder
    chunks = left_behind(mini, side=SIDE, days=0)
    slice_parts.sweep(whole.parent)
    assert not chunks.exists()
    assert is_whole(whole)


def test_a_killed_builder_holds_its_chunks_no_longer(mini: Dataset) -> None:
    chunks = left_behind(mini, side=8, days=8)
    code = f"""
import pathlib, time
from ich_bench_baselines.data import slice_parts
with slice_parts.at_work(pathlib.Path({str(chunks)!r})):
    print("at work", flush=True)
    time.sleep(600)
"""
    builder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert builder.stdout is not None
    assert builder.stdout.readline() == b"at work\n"
    slice_parts.sweep(chunks.parent)
    assert chunks.exists()
    builder.kill()
    builder.communicate()
    slice_parts.sweep(chunks.parent)
    assert not chunks.exists()


def test_a_builder_who_comes_while_the_chunks_are_swept_makes_new_ones(
    mini: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")
    chunks = left_behind(mini, side=8, days=8)
    lock, calls = fcntl.flock, []

    def swept_before_it_is_held(opened: int, how: int) -> None:
        calls.append(how)
        if len(calls) == 1:
            slice_parts.sweep(chunks.parent)  # its own lock is the second call
        lock(opened, how)

    monkeypatch.setattr(fcntl, "flock", swept_before_it_is_held)
    with slice_parts.at_work(chunks):
        assert list(chunks.iterdir()) == []  # a new folder, which is held
        slice_parts.sweep(chunks.parent)
        assert chunks.exists()
    assert calls[:3] == [fcntl.LOCK_SH, fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_SH]


@pytest.mark.parametrize("name", ["images.npy", "index.parquet", "about.json"])
def test_a_cache_that_lost_bytes_is_not_taken_as_whole_but_made_again(mini: Dataset, name: str) -> None:
    folder = made(mini).folder
    whole = all_bytes(folder)
    (folder / name).write_bytes(whole[name][:-7])
    assert not is_whole(folder)
    with pytest.raises(IchBenchError, match="not a whole cache"):
        open_slices(folder)
    assert all_bytes(made(mini).folder) == whole


def test_a_chunk_that_is_damaged_is_made_again(mini: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = all_bytes(made(mini).folder)
    wanted = slice_cases.plan(mini, side=SIDE)
    shutil.rmtree(wanted.folder)
    join = slice_build._join

    def torn(plan: Any, parts: Path) -> None:
        path = parts / f"{plan.chunks[1].name}.npz"
        path.write_bytes(path.read_bytes()[:-100])
        join(plan, parts)

    monkeypatch.setattr(slice_build, "_join", torn)
    assert all_bytes(build(wanted).folder) == whole


def test_builders_at_the_same_time_agree(mini: Dataset) -> None:
    wanted = slice_cases.plan(mini, side=SIDE)
    with ThreadPoolExecutor(4) as hands:
        found = list(hands.map(lambda _: build(wanted), range(4)))
    assert {one.folder for one in found} == {wanted.folder}
    assert all(np.array_equal(one.images, found[0].images) for one in found)
    assert is_whole(wanted.folder)
    assert sorted(path.name for path in wanted.folder.parent.iterdir()) == [
        "hashes-phantom-mini.json", wanted.folder.name,
    ]  # fmt: skip


@pytest.mark.slow
def test_workers_make_the_same_bytes(mini: Dataset) -> None:
    alone = all_bytes(made(mini).folder)
    shutil.rmtree(slices.shelf())
    assert all_bytes(made(mini, jobs=2).folder) == alone


def test_the_size_is_told_before_anything_is_written(mini: Dataset) -> None:
    told: list[str] = []
    wanted = slice_cases.plan(mini, side=SIDE)
    assert size_of(wanted).at_rest == 36 * 32 * 32 * 3  # images, masks and cavities of 4 heads with 9 slices each
    found = build(wanted, tell=lambda line: told.append(f"{line} {wanted.folder.exists()}"))
    assert len(told) == 1
    assert told[0].startswith("phantom-mini: about 36 slices of 32 × 32, 111 kB in ")
    assert told[0].endswith("False")
    assert sum((found.folder / f"{kind}.npy").stat().st_size - 128 for kind in slices.KINDS) == 36 * 32 * 32 * 3


def test_a_disk_that_is_too_small_is_refused_before_anything_is_made(
    mini: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type(shutil.disk_usage("/"))(total=10, used=10, free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    monkeypatch.setattr(slice_build, "_make", lambda *_: pytest.fail("made"))
    with pytest.raises(IchBenchError, match=r"need 111 kB in .*; 1 kB are free.*ICH_BENCH_CACHE"):
        made(mini)


def test_a_disk_that_fills_up_is_told_in_words_and_the_next_build_goes_on(
    mini: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle, calls = slice_build._settle, []

    def full(file: Any) -> None:
        calls.append(file)
        if len(calls) > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        settle(file)

    monkeypatch.setattr(slice_build, "_settle", full)
    with pytest.raises(IchBenchError, match=r"No space left on device\. Free space there.*the same command continues"):
        made(mini)
    assert not slice_cases.plan(mini, side=SIDE).folder.exists()
    monkeypatch.setattr(slice_build, "_settle", settle)
    ticks: list[int] = []
    made(mini, progress=lambda done, total: ticks.append(done))
    assert ticks == [3, 4]  # two were kept


def test_all_broken_cases_are_told_at_once(mini: Dataset) -> None:
    for case in mini.cases[:2]:
        assert case.reference is not None
        case.reference.write_bytes(case.reference.read_bytes()[:-40])
    with pytest.raises(InputError) as told:
        made(mini)
    assert [problem.where for problem in told.value.problems] == ["phantom-mini-000", "phantom-mini-001"]
    assert "2 of 4 parts of phantom-mini cannot be read" in str(told.value)


def test_where_the_datasets_own_labels_and_the_masks_differ_it_is_said(mini: Dataset) -> None:
    table = mini.source / "slices.csv"
    lines = table.read_text().splitlines()
    cells = lines[1].split(",")
    other = {"0": "1", "1": "0"}[cells[2]]  # any, of slice 0 of the first head
    table.write_text("\n".join([lines[0], ",".join([*cells[:2], other, *cells[3:]]), *lines[2:]]))
    found = made(mini)
    assert found.notes[-1] == "the dataset's own label of a slice and its mask differ in 1 of 36 slices."
    assert found.index.loc[0, "any"] == (other == "1") != found.index.loc[0, "has_ich"]


def test_a_dataset_without_cavities_has_none(mini: Dataset) -> None:
    shutil.rmtree(mini.source / "cavity")
    found = build(slice_cases.plan(mini, side=SIDE))
    assert not found.has("cavity")
    assert found.index["in_cavity"].isna().all()
    with pytest.raises(IchBenchError, match="have no cavity"):
        _ = found.cavity


def test_hssayenis_own_table_labels_the_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ich_bench.datasets import hssayeni
    from ich_bench.phantom.layouts import hssayeni as layout

    monkeypatch.setenv("ICH_BENCH_CACHE", str(tmp_path / "cache"))
    source = layout.write(tmp_path / "h", cases=("049", "054"), shape=(64, 64, 8))
    found = slice_cases.slices_of("hssayeni", source=source, side=SIDE)
    table = hssayeni.slice_labels(source)
    for line in found.index.itertuples():
        flags = table[line.case_id][line.k]
        assert (line.any, line.iph, line.sdh) == (any(flags.values()), flags["iph"], flags["sdh"])
    assert found.index["any"].any()
    assert not found.index.loc[found.index["case_id"] == "054", "any"].any()


def test_a_torn_list_of_hashes_is_made_again(mini: Dataset) -> None:
    key = slice_cases.plan(mini, side=SIDE).key
    memory = slices.shelf() / "hashes-phantom-mini.json"
    kept = json.loads(memory.read_text())
    assert len(kept) == 4 * 3
    memory.write_text("{ torn")
    assert slice_cases.plan(mini, side=SIDE).key == key
    assert json.loads(memory.read_text()) == kept
