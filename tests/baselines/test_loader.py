"""Slices reach the device whole or batch by batch: the same bytes, each batch past the guard."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from ich_bench.errors import IchBenchError  # noqa: E402
from ich_bench_baselines.data import loader  # noqa: E402
from ich_bench_baselines.data.guard import Guard  # noqa: E402
from ich_bench_baselines.data.loader import Pool, fits  # noqa: E402
from ich_bench_baselines.data.pixels import BRAIN  # noqa: E402
from ich_bench_baselines.data.slices import SliceSet  # noqa: E402
from ich_bench_baselines.data.streams import Stream  # noqa: E402

COUNT, SIDE = 20, 8


@pytest.fixture
def slices(tmp_path: Path) -> SliceSet:
    """Twenty random slices of four cases; slice n of case n // 5."""
    rng = np.random.default_rng(0)
    for kind, top in (("images", 256), ("masks", 2), ("cavity", 2)):
        np.save(tmp_path / f"{kind}.npy", rng.integers(0, top, (COUNT, SIDE, SIDE), dtype=np.uint8))
    names = [f"c{n // 5}" for n in range(COUNT)]
    index = pd.DataFrame({"case_id": names, "patient_id": names, "slice_id": [f"s{n}" for n in range(COUNT)]})
    return SliceSet(dataset="toy", key="k", folder=tmp_path, window=BRAIN, side=SIDE, index=index)


@pytest.fixture
def stream() -> Stream:
    rows = np.array([1, 2, 5, 7, 8, 11, 13, 14, 16, 19])
    labels = np.arange(70, dtype=np.float32).reshape(10, 7)
    return Stream(rows=rows, positive=rows % 2 == 0, guard=Guard(), about="", labels=labels)


def test_memory_decides_with_a_share_of_what_is_free() -> None:
    # RSNA's 215,866 slices of 65,536 bytes are 14.1 GB: they fit into half of 80 GB and of 29, not of 28
    need = 215_866 * 65_536
    assert fits(need, 80 * 10**9)
    assert fits(need, 29 * 10**9)
    assert not fits(need, 28 * 10**9)
    assert not fits(need, 28 * 10**9, 0.5)
    assert fits(need, 28 * 10**9, 0.6)
    assert not fits(1, None)


@pytest.mark.parametrize(("free", "whole"), [(2 * 10 * 64 * 2, True), (2 * 10 * 64 * 2 - 1, False), (None, False)])
def test_a_pool_goes_to_the_device_whole_where_it_fits(
    slices: SliceSet, stream: Stream, free: int | None, whole: bool
) -> None:
    # 10 slices of 64 bytes, images and masks: 1,280 bytes, which must be half of what is free
    pool = Pool.on("cpu", slices, stream, free=lambda device: free)
    assert (pool.resident is not None) == whole


def test_both_ways_hand_out_the_same_bytes_which_are_those_of_the_cache(slices: SliceSet, stream: Stream) -> None:
    kinds = ("images", "masks", "cavity")
    pools = [Pool.on("cpu", slices, stream, kinds=kinds, resident=resident) for resident in (True, False)]
    for epoch in (0, 1):
        for held, gathered in zip(*(pool.epoch(epoch, 4, seed=5) for pool in pools), strict=True):
            assert np.array_equal(held.rows, gathered.rows)
            assert held.images.shape == (len(held), 1, SIDE, SIDE)
            for kind in kinds:
                one, other = getattr(held, kind), getattr(gathered, kind)
                assert one.dtype == other.dtype == torch.uint8
                assert torch.equal(one, other)
                assert np.array_equal(one[:, 0].numpy(), getattr(slices, kind)[held.rows])
            places = np.searchsorted(stream.rows, held.rows)
            assert np.array_equal(held.labels.numpy(), stream.labels[places])
            assert torch.equal(held.labels, gathered.labels)


def test_the_order_of_a_whole_epoch_goes_to_the_device_at_once(
    slices: SliceSet, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = Pool.on("cpu", slices, stream, resident=True)
    brought = []
    here = torch.from_numpy
    monkeypatch.setattr(torch, "from_numpy", lambda array: brought.append(len(array)) or here(array))
    assert len(list(pool.epoch(0, 4, seed=5))) == 3
    assert brought == [10]  # not three times: each transfer waits for all that the device was given before


def test_every_slice_comes_once_an_epoch_and_an_epoch_is_the_same_whenever_asked(
    slices: SliceSet, stream: Stream
) -> None:
    pool = Pool.on("cpu", slices, stream, kinds=("images",))
    first, again = ([batch.rows.tolist() for batch in pool.epoch(3, 4, seed=5)] for _ in range(2))
    assert first == again
    assert sorted(row for batch in first for row in batch) == stream.rows.tolist()
    assert len(pool.epoch(3, 4, seed=5)) == 3
    assert len(pool.epoch(3, 4, seed=5, drop_last=True)) == 2
    assert [batch.rows.tolist() for batch in pool.epoch(3, 4, seed=5).after(1)] == first[1:]
    assert next(iter(pool.epoch(0, 4, seed=5))).masks is None


def test_processes_share_an_epoch(slices: SliceSet, stream: Stream) -> None:
    pool = Pool.on("cpu", slices, stream)
    one, two = (list(pool.epoch(0, 4, seed=5, rank=rank, world=2)) for rank in (0, 1))
    assert sorted(np.concatenate([batch.rows for batch in (*one, *two)]).tolist()) == stream.rows.tolist()


@pytest.mark.parametrize("resident", [True, False])
def test_the_guard_sees_every_batch_and_stops_one_with_a_test_case(
    slices: SliceSet, stream: Stream, resident: bool
) -> None:
    pool = Pool.on("cpu", slices, stream, resident=resident)
    assert sum(len(batch) for batch in pool.epoch(0, 4, seed=5)) == 10
    assert dict(stream.guard.seen) == {"c0": 2, "c1": 3, "c2": 3, "c3": 2}  # rows 1 2 · 5 7 8 · 11 13 14 · 16 19
    strict = Pool.on("cpu", slices, replace(stream, guard=Guard(cases={"c2"}, where="fold 0")), resident=resident)
    with pytest.raises(IchBenchError, match="fold 0: c2"):
        list(strict.epoch(0, 4, seed=5))
    assert "c2" not in strict.stream.guard.seen


def test_leaving_an_epoch_early_ends_the_thread_that_gathers(slices: SliceSet, stream: Stream) -> None:
    before = threading.active_count()
    for _ in Pool.on("cpu", slices, stream, resident=False).epoch(0, 1, seed=5):
        break
    assert threading.active_count() == before


def test_a_fault_while_gathering_reaches_the_training(
    slices: SliceSet, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(array: Any, rows: Any) -> Any:
        raise OSError("Input/output error")

    monkeypatch.setattr(loader, "_taken", broken)
    with pytest.raises(IchBenchError, match="cannot be read: Input/output error"):
        list(Pool.on("cpu", slices, stream, resident=False).epoch(0, 4, seed=5))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_both_ways_hand_out_the_same_bytes_on_a_gpu(slices: SliceSet, stream: Stream) -> None:
    pools = [Pool.on("cuda", slices, stream, resident=resident) for resident in (True, False)]
    for held, gathered in zip(*(pool.epoch(0, 4, seed=5) for pool in pools), strict=True):
        assert held.images.is_cuda
        assert gathered.images.is_cuda
        assert torch.equal(held.images, gathered.images)
        assert torch.equal(held.masks, gathered.masks)
