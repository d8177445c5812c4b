"""References kept in the cache change no byte of a score file, survive damage, and stay bounded in size."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ich_bench import evaluate
from ich_bench.geometry import Geometry
from ich_bench.metrics.packed import Packed
from ich_bench.metrics.side import Side
from ich_bench.places import cache_folder
from ich_bench.runs import kept_references
from ich_bench.runs.kept_references import keep, key_of_reference, recall
from ich_bench.volume import write_mask

GRID = Geometry.of((40, 30, 12), np.diag([0.5, 0.5, 5.0, 1.0]))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICH_BENCH_CACHE", str(tmp_path / "cache"))


def noise(seed: int, share: float = 0.2) -> Packed:
    return Packed.of(np.random.default_rng(seed).random(GRID.shape) < share)


def folders(tmp_path: Path) -> tuple[Path, Path]:
    for number in range(3):  # the last reference is empty
        for seed, name in ((number, "reference"), (number + 10, "prediction")):
            mask = noise(seed, 0.0 if (number, name) == (2, "reference") else 0.2).mask()
            write_mask(tmp_path / name / f"case{number}.nii.gz", mask, GRID)
    return tmp_path / "reference", tmp_path / "prediction"


def scored(tmp_path: Path, out: str) -> bytes:
    return evaluate(*folders(tmp_path), out=tmp_path / out).path.read_bytes()


def kept() -> list[Path]:
    return sorted((cache_folder() / "references").iterdir())


def test_a_score_file_has_the_same_bytes_without_with_and_after_damage_to_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = scored(tmp_path, "first")
    assert len(kept()) == 3
    assert scored(tmp_path, "second") == first  # answered from the cache
    for path in kept():
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    assert scored(tmp_path, "damaged") == first
    for path in kept():
        path.write_bytes(b"")
    assert scored(tmp_path, "emptied") == first
    monkeypatch.setenv("ICH_BENCH_CACHE", str(tmp_path / "no" / "such"))
    (tmp_path / "no").write_text("a file where the folder would be")
    assert scored(tmp_path, "no cache") == first


def test_a_kept_reference_is_not_extracted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = scored(tmp_path, "first")
    asked: list[int] = []
    real = Packed.sha256
    monkeypatch.setattr(Packed, "sha256", lambda self: asked.append(1) or real(self))
    assert scored(tmp_path, "second") == first
    assert len(asked) == 3  # the three predictions


def test_what_comes_back_is_what_was_kept() -> None:
    side = Side.of(noise(1))
    keep("key", side, "hash")
    found = recall("key")
    assert found is not None
    again, sha256 = found
    assert (again.shape, again.voxels, sha256) == (side.shape, side.voxels, "hash")
    assert np.array_equal(again.surface.places, side.surface.places)
    assert np.array_equal(again.surface.codes, side.surface.codes)
    assert again.components.labels.tolist() == side.components.labels.tolist()
    assert recall("another") is None


def test_other_labels_are_another_entry() -> None:
    keys = {key_of_reference("a", None), key_of_reference("a", {1.0}), key_of_reference("b", None)}
    assert len(keys) == 3
    assert key_of_reference("a", {2.0, 1.0}) == key_of_reference("a", [1.0, 2.0])


def test_the_cache_stays_bounded_and_lets_go_of_what_was_used_longest_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    side = Side.of(noise(1))
    keep("0", side, "")
    size = kept()[0].stat().st_size
    monkeypatch.setattr(kept_references, "MOST_BYTES", 3 * size + 100)
    for number in range(1, 3):
        keep(str(number), side, "")
    for number in range(3):
        os.utime(cache_folder() / "references" / str(number), (number, number))
    assert recall("0") is not None  # used now: the oldest is 1
    keep("3", side, "")
    assert [path.name for path in kept()] == ["0", "2", "3"]


def test_many_writers_and_readers_of_one_entry_see_it_whole_or_not_at_all() -> None:
    side = Side.of(noise(1))

    def both(_: int) -> bool:
        keep("key", side, "hash")
        found = recall("key")
        return found is not None and found[0].components.sizes.sum() == side.voxels

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(both, range(64)))
    assert [path.name for path in kept()] == ["key"]


def test_an_entry_that_would_push_out_the_others_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    side = Side.of(noise(1))
    keep("0", side, "")
    monkeypatch.setattr(kept_references, "LARGEST_BYTES", 1000)
    keep("1", side, "")
    assert [path.name for path in kept()] == ["0"]
