"""The drawn datasets: what is planned, and how it comes to lie in a folder, whole, by several hands at once."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from ich_bench.cases import SUBTYPES
from ich_bench.datasets import load_dataset, phantom_mini
from ich_bench.errors import IchBenchError, UsageError
from ich_bench.phantom import library, plan, records, watch
from ich_bench.phantom.plan import RECIPES, PlannedHead, planned
from ich_bench.volume import open_mask, read_ct

SMALL = (48, 48, 12)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> tuple[PlannedHead, ...]:
    """phantom-mini of four heads on a coarse grid; each is drawn once for all tests."""
    heads = tuple(replace(head, shape=SMALL) for head in planned("phantom-mini")[:4])
    monkeypatch.setattr(plan, "_planned", lambda _: heads)
    monkeypatch.setattr(PlannedHead, "drawn", drawn_once)
    return heads


@cache
def _drawn(head: PlannedHead) -> object:
    return REALLY_DRAWN(head)


REALLY_DRAWN = PlannedHead.drawn


def drawn_once(head: PlannedHead) -> object:
    return _drawn(head)


def test_the_datasets_hold_as_many_heads_and_bleeds_as_their_cards_say() -> None:
    counts = {name: (len(planned(name)), sum(head.has_ich for head in planned(name))) for name in RECIPES}
    assert counts == {"phantom": (60, 40), "phantom-dev": (60, 40), "phantom-test": (200, 130), "phantom-mini": (12, 8)}
    for name in ("phantom", "phantom-dev"):
        assert [sum(head.site == site for head in planned(name)) for site in "abcd"] == [20, 20, 20, 0]
    assert [sum(head.site == site for head in planned("phantom-test")) for site in "abcd"] == [50, 50, 50, 50]


def test_site_d_is_in_nothing_that_is_trained_or_tuned_on() -> None:
    assert {name for name in RECIPES if any(head.site == "d" for head in planned(name))} == {"phantom-test"}


def test_no_two_heads_of_any_dataset_come_from_one_seed() -> None:
    seeds = [head.seed for name in RECIPES for head in planned(name)]
    assert len(set(seeds)) == len(seeds) == 60 + 60 + 200 + 12


def test_the_first_heads_already_hold_every_site() -> None:
    assert [head.site for head in planned("phantom")[:6]] == ["a", "b", "c", "a", "b", "c"]


def test_phantom_mini_holds_each_subtype_and_one_head_with_two() -> None:
    bleeds = [head.bleeds for head in planned("phantom-mini") if head.bleeds]
    assert {name for one in bleeds for name in one} == set(SUBTYPES)
    assert max(len(one) for one in bleeds) == 2


def test_an_unknown_drawn_dataset_and_a_site_it_lacks_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="Did you mean phantom-test"):
        planned("phantom-tets")
    with pytest.raises(UsageError, match="phantom has no heads of site 'd'; it has a, b, c"):
        library.selected("phantom", site="d")
    with pytest.raises(UsageError, match="nothing to draw"):
        library.selected("phantom", heads=0)
    assert [head.case_id for head in library.selected("phantom", heads=2, site="b")] == ["phantom-001", "phantom-004"]


@pytest.mark.usefixtures("small")
def test_the_files_hold_what_was_drawn_and_the_tables_say_so(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    folder = library.make("phantom-mini", tmp_path / "heads", progress=lambda *at: seen.append(at))
    assert seen == [(n, 4) for n in range(1, 5)]
    rows = records.read_heads(folder / library.HEADS)
    assert list(rows) == [f"phantom-mini-{n:03}" for n in range(4)]
    with (folder / library.SLICES).open(newline="") as table:
        slices = list(csv.DictReader(table))
    assert len(slices) == 4 * 12
    for head in planned("phantom-mini"):
        one, row, name = head.drawn(), rows[head.case_id], f"{head.case_id}.nii.gz"
        assert np.array_equal(read_ct(folder / "ct" / name).hu, one.hu)
        for kind, mask in (("masks", one.reference), ("truth", one.truth), ("cavity", one.cavity)):
            assert np.array_equal(open_mask(folder / kind / name).voxels(), mask)
        bits = read_ct(folder / "subtypes" / name).hu
        for place, subtype in enumerate(SUBTYPES):
            assert np.array_equal(bits >> place & 1 == 1, one.subtype_masks[subtype])
        back = library.read_head(folder, head.case_id)
        assert back.facts.bleeds == one.facts.bleeds
        for subtype in SUBTYPES:
            assert np.array_equal(back.truth_masks[subtype], one.truth_masks[subtype])
        assert np.allclose(read_ct(folder / "ct" / name).geometry.matrix, one.geometry.matrix, atol=1e-4)  # float32
        assert row == records.head_row(one)
        assert row["has_ich"] == str(int(head.has_ich))
        flags = [line["any"] == "1" for line in slices if line["case_id"] == head.case_id]
        assert flags == list(one.reference.any(axis=(0, 1)))


@pytest.mark.usefixtures("small")
def test_a_run_that_was_stopped_continues_and_draws_only_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []

    def stopped(head: PlannedHead) -> object:
        if len(drawn) == 2:
            raise KeyboardInterrupt
        drawn.append(head.case_id)
        return drawn_once(head)

    monkeypatch.setattr(PlannedHead, "drawn", stopped)
    with pytest.raises(KeyboardInterrupt):
        library.make("phantom-mini", tmp_path)
    assert not (tmp_path / library.HEADS).exists()
    drawn.clear()
    library.make("phantom-mini", tmp_path)
    assert sorted(drawn) == ["phantom-mini-002", "phantom-mini-003"]
    assert len(records.read_heads(tmp_path / library.HEADS)) == 4
    (tmp_path / "truth" / "phantom-mini-001.nii.gz").unlink()
    drawn.clear()
    library.make("phantom-mini", tmp_path)
    assert drawn == ["phantom-mini-001"]
    drawn.clear()
    library.make("phantom-mini", tmp_path)
    assert drawn == []


@pytest.mark.usefixtures("small")
def test_first_heads_alone_are_a_whole_folder_that_grows(tmp_path: Path) -> None:
    assert list(records.read_heads(library.make("phantom-mini", tmp_path, heads=1) / library.HEADS)) == [
        "phantom-mini-000"
    ]
    assert len(records.read_heads(library.make("phantom-mini", tmp_path) / library.HEADS)) == 4


@pytest.mark.usefixtures("small")
def test_two_at_once_make_one_whole_folder_and_leave_no_parts(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        folders = list(pool.map(lambda _: library.make("phantom-mini", tmp_path / "heads"), range(3)))
    assert set(folders) == {tmp_path / "heads"}
    assert len(list((tmp_path / "heads").rglob("*.nii.gz"))) == 4 * len(library.VOLUMES)
    assert not list(tmp_path.rglob(".*"))
    assert len(records.read_heads(tmp_path / "heads" / library.HEADS)) == 4


@pytest.mark.usefixtures("small")
def test_what_a_killed_run_left_is_swept_away_an_hour_later_and_not_before(tmp_path: Path) -> None:
    old, fresh = tmp_path / ".phantom-mini-000.1.part", tmp_path / ".phantom-mini-001.2.part"
    for part in (old, fresh):
        (part / "ct").mkdir(parents=True)
    os.utime(old, (0, 0))
    library.make("phantom-mini", tmp_path, heads=1)
    assert not old.exists()
    assert fresh.exists()


@pytest.mark.usefixtures("small")
def test_another_folder_s_content_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(IchBenchError, match="holds something else already"):
        library.make("phantom-mini", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    other = tmp_path / "other"
    other.mkdir()
    (other / library.MARK).write_text(json.dumps({"dataset": "phantom", "version": 1}))
    with pytest.raises(IchBenchError, match=r"holds other drawn heads \(dataset phantom, version 1\)"):
        library.make("phantom-mini", other)


@pytest.mark.usefixtures("small")
def test_a_full_disk_is_told_with_what_to_do_and_leaves_no_half_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    library.begin(tmp_path, {"dataset": "phantom-mini", "version": RECIPES["phantom-mini"].version})
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(IchBenchError, match=r"No space left on device\. Free space there, or name another folder"):
        library.make("phantom-mini", tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [library.MARK]


@pytest.mark.usefixtures("small")
def test_the_heads_lie_in_the_cache_and_whoever_watches_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import contextmanager

    told: list[object] = []

    @contextmanager
    def bar(what: str) -> Iterator[watch.Progress]:
        told.append(what)
        yield lambda done, total: told.append((done, total))

    monkeypatch.setenv("ICH_BENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(library, "workers_for", lambda jobs: 1)
    token = watch.drawing.set(bar)
    try:
        assert phantom_mini.home() == tmp_path / "phantom-mini-v2"
        assert told == ["drawing phantom-mini", *((n, 4) for n in range(1, 5))]
        phantom_mini.home()
        assert len(told) == 5
    finally:
        watch.drawing.reset(token)


@pytest.mark.usefixtures("small")
def test_heads_that_differ_are_warned_of_with_both_sides_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = library.make("phantom-mini", tmp_path)
    frozen = records.read_heads(folder / library.HEADS)
    monkeypatch.setattr(records, "frozen_heads", lambda *_: frozen)
    found = load_dataset("phantom-mini", folder)
    assert found.warnings == ()
    assert [note.what for note in found.notes] == [
        "lacks 8 of its 12 cases: phantom-mini-004, phantom-mini-005, phantom-mini-006, phantom-mini-007, "
        "phantom-mini-008, phantom-mini-009, phantom-mini-010, phantom-mini-011."
    ]
    other = {**frozen["phantom-mini-002"], "ct_sha256": "0" * 64, "numpy": "1.0", "scipy": "2.0"}
    monkeypatch.setattr(records, "frozen_heads", lambda *_: {**frozen, "phantom-mini-002": other, "x": other})
    (warning,) = load_dataset("phantom-mini", folder).warnings
    assert warning.startswith("heads differ: 1 of 4 heads (phantom-mini-002) are not those frozen as version 2")
    assert f"numpy {np.__version__}" in warning


@pytest.mark.usefixtures("small")
def test_a_lost_file_leaves_its_case_out_and_says_how_to_get_it_back(tmp_path: Path) -> None:
    folder = library.make("phantom-mini", tmp_path)
    (folder / "masks" / "phantom-mini-000.nii.gz").unlink()
    found = phantom_mini.find(folder)
    assert list(found.cases) == [f"phantom-mini-{n:03}" for n in (1, 2, 3)]
    assert found.notes[0].what == "has no masks/phantom-mini-000.nii.gz."
    assert "phantom make phantom-mini -o" in found.notes[0].mend


def test_a_table_that_is_none_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / library.HEADS).write_text("case_id\nphantom-mini-000\n", encoding="utf-8")
    with pytest.raises(IchBenchError, match="not the table of drawn heads"):
        phantom_mini.find(tmp_path)
    assert phantom_mini.find(tmp_path / "absent").cases == {}


@pytest.mark.slow
def test_workers_draw_what_one_process_draws(tmp_path: Path) -> None:
    one = library.make("phantom-mini", tmp_path / "one", heads=3, jobs=1)
    two = library.make("phantom-mini", tmp_path / "two", heads=3, jobs=2)
    assert (one / library.HEADS).read_bytes() == (two / library.HEADS).read_bytes()
    for path in one.rglob("*.nii.gz"):
        assert path.read_bytes() == (two / path.relative_to(one)).read_bytes()
