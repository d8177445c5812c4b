"""Where data, caches and configuration are looked for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ich_bench import places
from ich_bench.errors import IchBenchError


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICH_BENCH_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("ICH_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ICH_BENCH_DATA", raising=False)


def test_data_is_looked_for_in_the_option_then_the_shelf_then_what_was_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    option, shelf, kept = tmp_path / "option", tmp_path / "shelf" / "hssayeni", tmp_path / "kept"
    for folder in (option, shelf, kept):
        folder.mkdir(parents=True)
    places.remember("hssayeni", kept)
    assert places.data_folder("hssayeni") == kept
    monkeypatch.setenv("ICH_BENCH_DATA", str(tmp_path / "shelf"))
    assert places.data_folder("hssayeni") == shelf
    assert places.data_folder("hssayeni", option) == option


def test_a_shelf_without_this_dataset_falls_through_to_what_was_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kept").mkdir()
    places.remember("hssayeni", tmp_path / "kept")
    monkeypatch.setenv("ICH_BENCH_DATA", str(tmp_path / "no shelf"))
    assert places.data_folder("hssayeni") == tmp_path / "kept"


def test_an_option_that_names_nothing_is_an_error_even_where_another_place_has_the_data(tmp_path: Path) -> None:
    places.remember("hssayeni", tmp_path)
    with pytest.raises(IchBenchError, match="no such folder"):
        places.data_folder("hssayeni", tmp_path / "absent")


def test_data_found_nowhere_is_told_with_every_place_and_the_way_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ICH_BENCH_DATA", str(tmp_path / "shelf"))
    places.remember("hssayeni", tmp_path / "moved")
    with pytest.raises(IchBenchError) as told:
        places.data_folder("hssayeni")
    for part in (
        "--data",
        "ICH_BENCH_DATA",
        str(tmp_path / "shelf" / "hssayeni"),
        "moved",
        "ich-bench datasets hssayeni",
    ):
        assert part in str(told.value)


def test_what_is_remembered_of_one_dataset_leaves_the_others(tmp_path: Path) -> None:
    places.remember("hssayeni", tmp_path / "a")
    places.remember("seg-cq500", tmp_path / "b")
    assert places.remembered("hssayeni") == tmp_path / "a"
    assert places.remembered("instance2022") is None
    kept = list(places.config_folder().iterdir())
    assert [path.name for path in kept] == ["data.json"]  # no half-written file beside it
    assert set(json.loads(kept[0].read_text())) == {"hssayeni", "seg-cq500"}


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_a_damaged_memory_is_told_with_its_path_and_the_mend(content: str) -> None:
    places.config_folder().mkdir()
    (places.config_folder() / "data.json").write_text(content)
    with pytest.raises(IchBenchError, match=r"data\.json.*Delete it"):
        places.remembered("hssayeni")


def test_a_config_folder_that_cannot_be_written_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ICH_BENCH_CONFIG", str(tmp_path / "file" / "below"))
    with pytest.raises(IchBenchError, match="cannot write"):
        places.write_json(places.config_folder() / "data.json", {})


def test_a_text_that_the_disk_refuses_leaves_what_was_there_and_names_the_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = places.write_text(tmp_path / "below" / "a.csv", "one\n")

    def full(part: Path, text: str, **how: str) -> None:
        part.write_bytes(b"t")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(IchBenchError, match=r"a\.csv: No space left on device\. Make room\."):
        places.write_text(path, "two\n", mend="Make room.")
    assert path.read_bytes() == b"one\n"
    assert list(path.parent.iterdir()) == [path]  # and no half-written file beside it


def test_without_settings_cache_and_config_are_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ICH_BENCH_CACHE")
    monkeypatch.delenv("ICH_BENCH_CONFIG")
    assert places.cache_folder().name == places.config_folder().name == "ich-bench"
    assert places.cache_folder() != places.config_folder()


def test_places_loads_nothing_heavy() -> None:
    code = "import sys, ich_bench.places; print([m for m in ('numpy', 'pandas', 'pyarrow') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
