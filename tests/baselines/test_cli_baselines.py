"""`ich-bench baselines` says what there is, what it would do, what it did, and what is wrong, each in its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import small_heads
from ich_bench.cli import baselines_options as verbs
from ich_bench.cli.app import app
from ich_bench.errors import IchBenchError, UsageError
from ich_bench.volume import open_mask, read_geometry
from ich_bench_baselines.told import short

SMALL = ["--schedule", "smoke", "--width", "4", "--side", "32", "--epochs", "1", "--batch", "4", "--device", "cpu"]


def said(*options: str) -> str:
    """Return stdout of a verb; what it raises comes through, as `main` sees it."""
    result = CliRunner().invoke(app, ["baselines", *options], catch_exceptions=False)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def refused(*options: str) -> IchBenchError:
    with pytest.raises(IchBenchError) as fault:
        said(*options)
    return fault.value


def test_the_list_says_of_each_method_what_it_needs_and_what_was_reported() -> None:
    text = said("list")
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "5,409,089" in text
    assert "weakly-supervised-transfer" in text
    found = {one["id"]: one for one in json.loads(said("list", "--json"))}
    assert found["unet-mixed"]["labels"] == ["voxel"]
    assert found["unet-mixed"]["parameters"] == 5_409_089
    assert found["unet-mixed"]["reported"] == 4  # Table 3: hssayeni all and ICH, seg-cq500; healthy by arithmetic


def test_show_says_every_setting_with_its_origin_departures_and_the_papers_numbers() -> None:
    pytest.importorskip("torch")
    text = said("show", "unet-mixed")
    assert all(len(line) <= 80 for line in text.splitlines())
    for words in ("empty_weight", "0.2  [paper: Sec. 2.5.3", "42.17 ± 29.60", "1.  ", "code: 10.0"):
        assert words in text
    code = json.loads(said("show", "unet-mixed", "--variant", "code", "--json"))
    rows = {row["name"]: row for row in code["settings"]}
    assert (rows["unet.dropout"]["value"], rows["unet.dropout"]["origin"]) == (0.5, "code")
    assert code["departures"]


def test_what_there_is_not_is_told_with_the_nearest_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    out = ["-o", str(tmp_path)]
    assert "Did you mean unet-mixed?" in str(refused("run", "unet-mixd", "-d", "phantom-mini", *out))
    assert "Did you mean phantom?" in str(refused("train", "unet-mixed", "-d", "phantm", *out))
    assert "Did you mean hssayeni?" in str(refused("show", "unet-mixed", "-d", "hsayeni"))
    assert "there is no schedule 'fast'" in str(refused("show", "unet-mixed", "--schedule", "fast"))
    assert "has no fold 9" in str(refused("run", "unet-mixed", "-d", "phantom-mini", "--fold", "9", *out))
    assert "only tested on" in str(refused("run", "unet-mixed", "-d", "phantom-test", *out))
    assert "--device cuda:99" in str(refused("run", "unet-mixed", "-d", "phantom-mini", "--device", "cuda:99", *out))
    assert "--seed a" in str(refused("run", "unet-mixed", "-d", "phantom-mini", "--seed", "a", *out))
    nothing = refused("train", "unet-mixed", "-d", "hssayeni", "--device", "cpu", *out)
    assert "the data of hssayeni were not found" in str(nothing)
    assert not isinstance(nothing, UsageError)
    assert "--pool" in str(refused("train", "unet-mixed", "-d", "phantom-mini", "--pool", "rsna", *out))
    assert "learns from a pool" in str(refused("run", "multilabel-ce", "-d", "phantom-mini", "--dry-run", *out))
    assert "leave --pool away" in str(refused("run", "nnunet-2d", "-d", "phantom-mini", "--pool", "rsna", *out))
    on = ["run", "unet-mixed", "-d", "phantom-mini", "--device", "cpu", *out]
    assert "goes with --cluster" in str(refused(*on, "--cluster-option", "timeout_min=5"))
    assert "--submit goes with" in str(refused(*on, "--cluster", "local", "--submit", str(tmp_path / "shelf")))
    (tmp_path / "last.ckpt").write_bytes(b"PK something else")
    assert "no sound checkpoint" in str(
        refused("predict", str(tmp_path / "last.ckpt"), "phantom-mini", "-o", str(tmp_path / "masks"))
    )


def test_hours_and_gigabytes_are_told_in_two_digits_and_no_power_of_ten() -> None:
    told = [short(number) for number in (None, 0.0, 4.5e-5, 0.0161, 1.5, 14.0, 123.4, 1234.0)]
    assert told == ["?", "0", "< 0.001", "0.016", "1.5", "14", "123", "1,234"]


def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = verbs.find_spec
    monkeypatch.setattr(verbs, "find_spec", lambda name: None if name == "torch" else real(name))
    assert "torch not installed: pip install 'ich-bench[baselines]'" in str(refused("run", "unet-mixed", "-d", "x"))
    assert "unet-mixed" in said("list")


def test_a_dry_run_says_what_would_be_done_and_does_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setenv("ICH_BENCH_CACHE", str(tmp_path / "cache"))
    text = said("run", "unet-mixed", "-d", "phantom", "-o", str(tmp_path / "out"), "--dry-run")
    assert "5 trainings; nothing was done" in text
    assert all(len(line) <= 80 for line in text.splitlines())
    assert list(tmp_path.iterdir()) in ([], [tmp_path / ".ich-bench-config"])


@pytest.mark.slow
def test_run_prints_the_table_and_the_command_that_submits_and_predict_writes_masks_anywhere(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    data, out = small_heads.mini(), tmp_path / "out"
    options: list[Any] = ["-d", "phantom-mini", "--data", str(data), "-o", str(out), *SMALL, "-j", "1"]
    text = said("run", "unet-ich-only", "--fold", "2", *options)
    assert "dice" in text
    assert f"ich-bench submit {out / 'unet-ich-only'} --name ich-bench-unet-ich-only" in text
    path = said("train", "unet-ich-only", "--fold", "2", *options).strip()  # there already: the path alone
    assert path == str(out / "unet-ich-only/phantom-mini/cv4/seed_0/fold_2/last.ckpt")
    masks = tmp_path / "masks"
    said("predict", path, str(data / "ct"), "-o", str(masks), "--device", "cpu")
    cts = sorted((data / "ct").glob("*.nii.gz"))
    assert sorted(one.name for one in masks.glob("*.nii.gz")) == [one.name for one in cts]
    assert open_mask(masks / cts[0].name).geometry.shape == read_geometry(cts[0]).shape
    own = tmp_path / "own"
    said("predict", path, "phantom-mini", "--data", str(data), "-o", str(own), "--device", "cpu")
    assert len(list(own.glob("*.nii.gz"))) == 3  # the test heads of fold 2 alone
