"""rescore: every submission scored again from its own masks, what moved told, what is missing refused in words."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from folders import GEOMETRY, empty
from ich_bench.cli import app
from ich_bench.errors import InputError, UsageError
from ich_bench.folds import load_scheme
from ich_bench.runs.evaluation import evaluate
from ich_bench.runs.moved import Moved, as_table, moved
from ich_bench.runs.rescore import rescore
from ich_bench.submissions.load import load_submission
from ich_bench.submissions.submit import submit
from ich_bench.volume import write_mask
from submitted import guesses, manifest, tiny

ROW = {"budget": None, "seed": None, "fold": 0, "submission": "a", "status": "scored"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One submission of two datasets: seg-cq500, published in full, and instance2022, metrics only."""
    home = tmp_path_factory.mktemp("home")
    (home / "submission.toml").write_text(manifest(), encoding="utf-8")
    for dataset in ("seg-cq500", "instance2022"):
        tiny(home / "data" / dataset, dataset)
        guesses(home / "masks" / "my-net" / dataset, dataset)
        out = home / "out" / dataset
        evaluate(dataset, home / "masks" / "my-net" / dataset, data=home / "data" / dataset, out=out)
        submit([out], "my-net", submissions=home / "subs", manifest=home / "submission.toml")
    return home


def again(home: Path, out: Path, **options: Any) -> Any:
    given = {"submissions": home / "subs", "predictions_root": home / "masks", "data_root": home / "data"} | options
    return rescore(**given, out=out)


def test_under_the_same_suite_nothing_moves_and_nothing_is_written(home: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in (home / "subs").rglob("*") if path.is_file()}
    done = again(home, tmp_path)
    assert [(one.file, one.suite_before, one.moved, one.written) for one in done] == [
        ("instance2022.parquet", 1, (), False),
        ("seg-cq500.parquet", 1, (), False),
    ]
    assert {path: path.read_bytes() for path in (home / "subs").rglob("*") if path.is_file()} == before
    assert [one.reused for one in again(home, tmp_path)] == [one.cases for one in done]  # taken over, not scored


def test_an_interrupted_rescore_continues(home: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        again(home, tmp_path, progress=interrupt)
    assert [one.reused for one in again(home, tmp_path)] == [7, 0]


def test_a_new_suite_is_written_with_levels_and_hashes_that_load(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(home / "subs", tmp_path / "subs")
    for module in ("metrics.suite", "runs.task", "runs.evaluation", "runs.rescore", "submissions.refused"):
        monkeypatch.setattr(f"ich_bench.{module}.SUITE", 2)
    done = again(home, tmp_path / "out", submissions=tmp_path / "subs", write=True)
    assert [(one.suite_before, one.suite, one.written) for one in done] == [(1, 2, True)] * 2
    found, problems = load_submission(tmp_path / "subs" / "my-net")
    assert found is not None
    assert problems == []
    assert [(file.suite, file.level) for file in found.scores] == [(2, "recomputed")] * 2


def test_all_that_is_missing_is_said_before_anything_is_scored(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "subs", tmp_path / "subs")
    shutil.copytree(tmp_path / "subs" / "my-net", tmp_path / "subs" / "other-net")
    (tmp_path / "subs" / "other-net" / "scores" / "seg-cq500.parquet").write_bytes(b"changed")
    places = {"submissions": tmp_path / "subs", "predictions_root": tmp_path / "empty", "data_root": tmp_path / "no"}
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="nothing was scored") as refused:
        again(home, tmp_path / "out", **places)
    told = str(refused.value)
    assert "my-net  its masks of seg-cq500 are absent" in told
    assert "my-net  its masks of instance2022 are absent" in told
    assert "seg-cq500  its data are absent" in told
    assert "other-net/scores/seg-cq500.parquet  was changed after it was submitted" in told
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="Did you mean my-net"):
        again(home, tmp_path / "out", only=["my-nets"])


def test_other_masks_are_refused_and_the_submission_stays(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "masks", tmp_path / "masks")
    case = load_scheme("seg-cq500").rows[0].case_id
    write_mask(tmp_path / "masks" / "my-net" / "seg-cq500" / f"{case}.nii.gz", empty(), GEOMETRY)
    before = (home / "subs" / "my-net" / "submission.toml").read_bytes()
    with pytest.raises(InputError, match="not the masks that were submitted"):
        again(home, tmp_path / "out", predictions_root=tmp_path / "masks", write=True)
    assert (home / "subs" / "my-net" / "submission.toml").read_bytes() == before


def test_what_moved_has_means_rows_and_the_largest_change() -> None:
    before = _rows(dice=(0.5, 0.7, math.nan), hd95=(3.0, math.nan, math.nan), old=(1.0, 2.0, 3.0))
    after = _rows(dice=(0.5, 0.9, math.nan), hd95=(3.0 + 1e-12, math.nan, 4.0), nsd_2mm=(0.1, 0.2, 0.6))
    found = {one.metric: one for one in moved(before, after, "native", rounded=False)}
    # dice: (0.5 + 0.7) / 2 = 0.6 and (0.5 + 0.9) / 2 = 0.7; one row moved, by 0.2
    assert found["dice"] == Moved(
        metric="dice", before=pytest.approx(0.6), after=pytest.approx(0.7), rows=1, largest=pytest.approx(0.2)
    )
    # hd95: the first row moved by rounding only; the third is defined now: mean (3 + 4) / 2, no size
    assert (found["hd95"].before, found["hd95"].rows) == (3, 1)
    assert found["hd95"].after == pytest.approx(3.5)
    assert math.isnan(found["hd95"].largest)
    assert math.isnan(found["nsd_2mm"].before)  # new
    assert found["nsd_2mm"].after == pytest.approx(0.3)
    assert math.isnan(found["old"].after)  # gone
    assert "volume_ml" not in found


def test_the_verb_prints_a_table_of_80_columns_or_json(home: Path, tmp_path: Path) -> None:
    words = ["rescore", str(home / "subs"), "--predictions-root", str(home / "masks"), "--data-root"]
    words += [str(home / "data"), "-o", str(tmp_path), "--jobs", "1"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "my-net seg-cq500" in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 80
    told = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)["rescored"]
    assert [one["moved"] for one in told] == [[], []]
    absent = CliRunner().invoke(app, [*words[:3], str(tmp_path / "nowhere")])
    assert absent.exit_code != 0


def test_a_table_shows_what_is_undefined_as_a_dash(home: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    (one, _) = again(home, tmp_path)
    line = Moved(metric="nsd_2mm", before=math.nan, after=0.3, rows=3, largest=math.nan)
    lines = as_table([replace(one, moved=(line,))]).splitlines()
    assert next(text for text in lines if text.startswith("nsd_2mm")).split() == ["nsd_2mm", "–", "0.3000", "3", "–"]


def _rows(**columns: Sequence[float]) -> list[dict[str, Any]]:
    count = len(next(iter(columns.values())))
    return [{**ROW, "case_id": f"c{i}", **{name: values[i] for name, values in columns.items()}} for i in range(count)]
