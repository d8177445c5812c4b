"""verify finds what was changed after `submit`, and scores the masks again to name the first case that differs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from folders import GEOMETRY, empty
from ich_bench.cli import app
from ich_bench.errors import IchBenchError, InputError, UsageError
from ich_bench.folds import load_scheme
from ich_bench.runs import store
from ich_bench.runs.evaluation import evaluate
from ich_bench.submissions.submit import submit
from ich_bench.submissions.verify import verify
from ich_bench.volume import write_mask
from submitted import guess, guesses, manifest, run, tiny

# The second row is CQ500-CT-10, tested in fold 3; this is another case of that fold.
SAME_FOLD = next(case for case in load_scheme("seg-cq500").test_cases(3) if case != "CQ500-CT-10")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One submission of two datasets: seg-cq500, published in full, and instance2022, metrics only."""
    home = tmp_path_factory.mktemp("home")
    (home / "submission.toml").write_text(manifest(container="ghcr.io/us/net@sha256:0"), encoding="utf-8")
    for dataset in ("seg-cq500", "instance2022"):
        tiny(home / "data" / dataset, dataset)
        guesses(home / "masks" / dataset, dataset)
        out = home / "out" / dataset
        evaluate(dataset, home / "masks" / dataset, data=home / "data" / dataset, out=out)
        submit([out], "my-net", submissions=home / "subs", manifest=home / "submission.toml")
    return home


@pytest.fixture
def copy(home: Path, tmp_path: Path) -> Path:
    """Return a copy of the submissions that a test may spoil."""
    import shutil

    shutil.copytree(home / "subs", tmp_path / "subs")
    return tmp_path / "subs"


def again(home: Path, subs: Path, dataset: str, masks: Path | None = None, **options: Any) -> Any:
    folder = home / "masks" / dataset if masks is None else masks
    return verify(
        "my-net", submissions=subs, predictions=folder, data=home / "data" / dataset, dataset=dataset, **options
    )


def own_faults(subs: Path) -> str:
    with pytest.raises(InputError) as fault:
        verify("my-net", submissions=subs)
    return str(fault.value)


def faults(home: Path, subs: Path, dataset: str, masks: Path | None = None) -> str:
    with pytest.raises(InputError) as fault:
        again(home, subs, dataset, masks)
    return str(fault.value)


def rewrite(subs: Path, name: str, columns: dict[str, Any], *, mend_hash: bool = True) -> None:
    """Change a committed score file in its second row, and its hash in the manifest as a forger would."""
    path = subs / f"my-net/scores/{name}.parquet"
    before, table = store.file_sha256(path), pq.read_table(path)
    for column, value in columns.items():
        held = table.column(column).to_pylist()
        held[1] = value
        at = table.schema.get_field_index(column)
        table = table.set_column(at, table.schema.field(at), pa.array(held, type=table.schema.field(at).type))
    pq.write_table(table, path)
    if mend_hash:
        said = subs / "my-net/submission.toml"
        said.write_text(said.read_text("utf-8").replace(before, store.file_sha256(path)), encoding="utf-8")


def test_without_masks_files_are_checked_and_that_is_said(home: Path) -> None:
    found = verify("my-net", submissions=home / "subs")
    assert (found.recomputed, found.unread) == ((), ("instance2022.parquet", "seg-cq500.parquet"))


def test_the_same_masks_give_the_same_numbers_and_write_raises_the_level_of_what_was_recomputed(
    home: Path, copy: Path
) -> None:
    found = again(home, copy, "seg-cq500", write=True)
    assert (found.recomputed, found.written) == (("seg-cq500.parquet",), True)
    levels = {one.dataset: one.level for one in verify("my-net", submissions=copy).submission.scores}
    assert levels == {"seg-cq500": "recomputed", "instance2022": "self-reported"}
    again(home, copy, "instance2022", write=True, container=True)
    levels = {one.dataset: one.level for one in verify("my-net", submissions=copy).submission.scores}
    assert levels == {"seg-cq500": "recomputed", "instance2022": "container re-run"}
    out = home / "out" / "seg-cq500"
    assert submit([out], "my-net", submissions=copy, manifest=home / "submission.toml").changed == ()  # it stays so


def test_a_changed_score_file_is_found_by_its_hash(home: Path, copy: Path) -> None:
    rewrite(copy, "seg-cq500", {"dice": 0.99}, mend_hash=False)
    assert "seg-cq500.parquet  was changed after it was submitted" in own_faults(copy)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"dice": 0.99},
            "dice is 0.990000, but its counts (tp 62, fp 4, fn 0) give 0.968992.",
        ),
        ({"dice": 1.5, "tp": None}, "case CQ500-CT-10: dice is 1.5, outside [0, 1]."),
        ({"case_id": SAME_FOLD}, "holds case"),
        ({"case_id": "CQ500-CT-1"}, "does not test it there"),
        ({"fold": 0}, "does not test it there"),
        ({"dataset": "hssayeni"}, "is a row of hssayeni/cv5"),
        ({"prediction_sha256": "0" * 64}, "the hashes of its masks are not those"),
        ({"dice": math.nan}, "dice cannot be undefined on a volume with hemorrhage"),
        ({"has_ich": False}, "has_ich is False; seg-cq500 says otherwise"),
        ({"tp": 0, "fn": 0}, "has_ich is True, but the reference has 0 voxels"),
        ({"patient_id": "somebody"}, "its patient is CQ500-CT-10, not somebody"),
        ({"status": "missing"}, "its mask is missing, but the file says it is complete"),
        ({"status": "empty_prediction"}, "status empty_prediction, but the mask has 66 voxels"),
        ({"status": "fine"}, "status 'fine' is none of scored, empty_prediction, missing"),
        ({"spacing_z_mm": -5.0}, "a spacing is not above 0 mm"),
    ],
)
def test_a_forged_hash_does_not_hide_a_changed_row(home: Path, copy: Path, changed: dict[str, Any], words: str) -> None:
    rewrite(copy, "seg-cq500", changed)
    assert words in own_faults(copy)


def test_what_follows_from_nothing_in_the_file_is_found_from_the_masks(home: Path, copy: Path) -> None:
    rewrite(copy, "seg-cq500", {"nsd_2mm": 0.75})
    verify("my-net", submissions=copy)  # by itself it looks sound
    told = faults(home, copy, "seg-cq500")
    assert "case CQ500-CT-10 (fold 3): nsd_2mm is stored as 0.75, recomputed as 0.9" in told
    rewrite(copy, "instance2022", {"dice": 0.5})
    told = faults(home, copy, "instance2022")
    assert "case 002 (fold 3): dice is stored as 0.5, recomputed as 0.9" in told


def test_other_masks_are_named_by_the_first_case_and_counted(home: Path, tmp_path: Path) -> None:
    masks = guesses(tmp_path / "masks")
    for number, name in ((1, "CQ500-CT-10"), (3, "CQ500-CT-15")):
        mask = guess(number)
        mask[0, 0, 0] = True
        write_mask(masks / f"{name}.nii.gz", mask, GEOMETRY)
    told = faults(home, home / "subs", "seg-cq500", masks)
    assert "case CQ500-CT-10 (fold 3): fp is stored as" in told
    assert "its mask is another one (prediction_sha256 differs)" in told
    assert "1 more of 51 rows differ: CQ500-CT-15." in told


def test_of_a_restricted_dataset_too_the_masks_are_bound_by_their_hashes(home: Path, tmp_path: Path) -> None:
    # The same counts and distances from another mask: only the hash of all masks can tell.
    masks = guesses(tmp_path / "masks", "instance2022")
    mask = guess(0)
    assert mask[19, 0, 5]
    mask[19, 0, 5], mask[19, 0, 4] = False, True
    write_mask(masks / "001.nii.gz", mask, GEOMETRY)
    told = faults(home, home / "subs", "instance2022", masks)
    assert "case 001" in told or "these are not the masks that were submitted" in told


def test_masks_that_cannot_be_scored_are_told_as_evaluate_tells_them(home: Path, tmp_path: Path) -> None:
    masks = guesses(tmp_path / "masks")
    (masks / "CQ500-CT-10.nii.gz").unlink()
    write_mask(masks / "CQ500-CT-4.nii.gz", empty(), GEOMETRY)
    with pytest.raises(InputError, match="CQ500-CT-10  is missing"):
        again(home, home / "subs", "seg-cq500", masks)


def test_scores_of_another_suite_are_not_verified_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = run(tmp_path / "out", text=manifest())
    submit([out], "my-net", submissions=tmp_path / "subs")
    monkeypatch.setattr("ich_bench.submissions.own_faults.SUITE", 2)
    with pytest.raises(InputError, match="was scored under suite 1; this version checks suite 2"):
        verify("my-net", submissions=tmp_path / "subs")


def test_what_cannot_be_asked_is_said(home: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean my-net"):
        verify("my-ne", submissions=home / "subs")
    with pytest.raises(UsageError, match="there is no submission"):
        verify("../subs/my-net", submissions=home / "subs")
    with pytest.raises(IchBenchError, match=r"holds no scores of hssayeni; it has instance2022, seg-cq500\."):
        verify("my-net", submissions=home / "subs", dataset="hssayeni")


def command(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def test_the_verbs_submit_verify_and_claims_work_from_the_command_line(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    template = command("submit", "--init", "mine")
    assert (template.exit_code, template.stdout) == (0, "mine/submission.toml\n")
    out, text = str(home / "out/seg-cq500"), str(tmp_path / "mine/submission.toml")
    told = command("submit", out, "--name", "net", "--manifest", text)
    assert isinstance(told.exception, InputError)
    assert "key team is empty" in str(told.exception)
    (tmp_path / "mine/submission.toml").write_text(manifest(), encoding="utf-8")
    made = command("submit", out, "--name", "net", "--manifest", text, "--json")
    assert json.loads(made.stdout)["changed"] == ["scores/seg-cq500.parquet", "submission.toml"]
    masks, data = str(home / "masks/seg-cq500"), str(home / "data/seg-cq500")
    found = command("verify", "net", "--predictions", masks, "--data", data, "--write", "-j", "1")
    assert found.stdout == "net: seg-cq500.parquet recomputed from its masks, every number equal\n"
    assert 'level = "recomputed"' in (tmp_path / "submissions/net/submission.toml").read_text("utf-8")
    for wrong in (["submit", out, "--name", "No Slug"], ["submit", out], ["verify", "net", "--write"], ["verify", "n"]):
        assert isinstance(command(*wrong).exception, UsageError), wrong


def test_what_is_no_result_does_not_belong_into_a_submission(copy: Path) -> None:
    (copy / "my-net" / "train.py").write_text("print()", encoding="utf-8")
    (copy / "my-net" / "README.md").write_text("About.", encoding="utf-8")
    assert "my-net/train.py" in own_faults(copy)
    assert "results only" in own_faults(copy)
    assert "README" not in own_faults(copy)
