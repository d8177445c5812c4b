"""Prediction folders become score files: right numbers, the same bytes every time, or every reason at once."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import ich_bench
from folders import GEOMETRY, SHAPE, SPACING_MM, box, empty, lopsided, write_folder
from ich_bench.errors import IchBenchError, InputError, UsageError
from ich_bench.geometry import Geometry
from ich_bench.runs import store
from ich_bench.volume import write_mask

# 16 voxels of 0.5 × 0.5 × 5 mm = 1.25 mm³ each: 0.02 mL.
BLEED = box((4, 8), (4, 8), (2, 3))
# Shares 8 of its 8 voxels with BLEED: TP 8, FP 0, FN 8.
HALF = box((4, 6), (4, 8), (2, 3))


@pytest.fixture
def cohort(tmp_path: Path) -> tuple[Path, Path]:
    """Four cases: half found, missed, healthy and clean, healthy with 3 false positive voxels."""
    reference = {"case-1": BLEED, "case-2": BLEED, "case-3": empty(), "case-4": empty()}
    prediction = {"case-1": HALF, "case-2": empty(), "case-3": empty(), "case-4": box((1, 4), (1, 2), (1, 2))}
    return write_folder(tmp_path / "reference", reference), write_folder(tmp_path / "prediction", prediction)


def test_two_folders_of_masks_give_the_numbers_worked_out_by_hand(cohort: tuple[Path, Path], tmp_path: Path) -> None:
    run = ich_bench.evaluate(cohort[0], cohort[1], out=tmp_path / "out")
    rows = run.scores.to_pylist()
    assert [row["case_id"] for row in rows] == ["case-1", "case-2", "case-3", "case-4"]
    # case-1: (2·8+1)/(2·8+0+8+1) = 17/25; precision (8+1)/(8+1) = 1; recall 9/17.
    assert (rows[0]["tp"], rows[0]["fp"], rows[0]["fn"], rows[0]["tn"]) == (8, 0, 8, 20 * 20 * 6 - 16)
    assert rows[0]["dice"] == pytest.approx(17 / 25, abs=1e-12)
    assert (rows[0]["precision"], rows[0]["recall"]) == (1, pytest.approx(9 / 17, abs=1e-12))
    assert rows[0]["rvd"] == pytest.approx(-0.5)
    assert rows[0]["volume_ref_ml"] == pytest.approx(0.02)
    # case-2: empty prediction. Dice 1/(16+1); HD95 = the diagonal sqrt((20·0.5)² + (20·0.5)² + (6·5)²) = sqrt(1100).
    assert rows[1]["dice"] == pytest.approx(1 / 17)
    assert rows[1]["hd95"] == pytest.approx(math.sqrt(1100))
    assert rows[1]["nsd_2mm"] == 0
    # healthy: empty → 1; three false positive voxels → 1/(3+1).
    assert (rows[2]["dice"], rows[3]["dice"]) == (1, pytest.approx(0.25))
    assert math.isnan(rows[2]["hd95"])
    assert [row["status"] for row in rows] == ["scored", "empty_prediction", "empty_prediction", "scored"]
    assert [row["has_ich"] for row in rows] == [True, True, False, False]
    assert run.status == "complete"


def test_columns_stand_in_the_order_of_the_protocol(cohort: tuple[Path, Path], tmp_path: Path) -> None:
    run = ich_bench.evaluate(cohort[0], cohort[1], out=tmp_path / "out")
    expected = (
        "submission dataset scheme budget seed fold case_id patient_id has_ich iph ivh edh sdh sah "
        "spacing_x_mm spacing_y_mm spacing_z_mm shear_deg tp fp fn tn dice precision recall iou nsd_2mm nsd_1mm "
        "nsd_0p42mm hd95 hd100 assd rvd abs_rvd volume_ref_ml volume_pred_ml abs_volume_error_ml lesion_recall "
        "lesion_precision false_lesions detected status prediction_sha256"
    )
    written = pq.read_table(tmp_path / "out" / "scores" / "reference.parquet")
    assert " ".join(written.column_names) == expected
    row = run.scores.to_pylist()[0]
    told = {name: row[name] for name in ("submission", "dataset", "scheme", "fold", "budget", "seed", "iph")}
    assert told == {"submission": "prediction", "dataset": "reference", "scheme": "none", "fold": 0, "budget": None,
                    "seed": None, "iph": None}  # fmt: skip
    assert str(written.schema.field("fold").type) == "int32"
    assert str(written.schema.field("false_lesions").type) == "int64"


def test_provenance_says_what_was_done_and_holds_no_clock_and_no_path(
    cohort: tuple[Path, Path], tmp_path: Path
) -> None:
    run = ich_bench.evaluate(cohort[0], cohort[1], out=tmp_path / "out")
    said = store.provenance(run.scores)
    assert said["suite"] == ich_bench.SUITE
    assert (said["profile"], said["epsilon"]) == ("native", 1)
    assert said["tolerances_mm"] == {"nsd_2mm": 2.0, "nsd_1mm": 1.0, "nsd_0p42mm": 0.42}
    assert len(said["dataset_sha256"]) == 64
    assert str(tmp_path) not in (tmp_path / "out" / "scores" / "reference.parquet").read_bytes().decode("latin-1")


def test_the_bytes_do_not_depend_on_workers_or_on_an_interruption(
    cohort: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("ich_bench.runs.pool.POOL_PAYS_AFTER_S", 0.0)  # else four tiny volumes need no workers
    one = ich_bench.evaluate(*cohort, out=tmp_path / "one", jobs=1)
    two = ich_bench.evaluate(*cohort, out=tmp_path / "two", jobs=2)
    with pytest.raises(KeyboardInterrupt):
        ich_bench.evaluate(*cohort, out=tmp_path / "resumed", progress=interrupt)
    assert not (tmp_path / "resumed" / "scores").exists()
    resumed = ich_bench.evaluate(*cohort, out=tmp_path / "resumed")
    assert (one.reused, two.reused, resumed.reused) == (0, 0, 2)
    assert one.path.read_bytes() == two.path.read_bytes() == resumed.path.read_bytes()


def test_a_finished_run_is_taken_over_whole_and_other_input_needs_overwrite(
    cohort: tuple[Path, Path], tmp_path: Path
) -> None:
    first = ich_bench.evaluate(*cohort, out=tmp_path / "out")
    bytes_then = first.path.read_bytes()
    assert ich_bench.evaluate(*cohort, out=tmp_path / "out").reused == 4
    write_mask(cohort[1] / "case-2.nii.gz", BLEED, GEOMETRY)
    with pytest.raises(IchBenchError, match="--overwrite"):
        ich_bench.evaluate(*cohort, out=tmp_path / "out")
    assert first.path.read_bytes() == bytes_then
    again = ich_bench.evaluate(*cohort, out=tmp_path / "out", overwrite=True)
    assert again.scores.to_pylist()[1]["dice"] == 1


def test_a_half_written_journal_entry_is_scored_again(cohort: tuple[Path, Path], tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ich_bench.evaluate(*cohort, out=tmp_path / "out", progress=interrupt)
    entries = list((tmp_path / "out" / ".partial" / "reference").glob("*.json"))
    assert len(entries) == 1
    entries[0].write_text('{"values": {"dice"')
    run = ich_bench.evaluate(*cohort, out=tmp_path / "out")
    assert run.reused == 0
    assert run.scores.to_pylist()[0]["dice"] == pytest.approx(17 / 25)


def test_every_problem_of_every_file_is_said_at_once_and_nothing_is_written(
    cohort: tuple[Path, Path], tmp_path: Path
) -> None:
    mirrored = Geometry.of(SHAPE, np.diag([-0.5, 0.5, 5.0, 1.0]))
    write_mask(cohort[1] / "case-1.nii.gz", HALF, mirrored)
    (cohort[1] / "case-2.nii.gz").write_bytes(b"")
    (cohort[1] / "case-3.nii.gz").unlink()
    write_mask(cohort[1] / "case-9.nii.gz", empty(), GEOMETRY)
    damaged = bytearray((cohort[1] / "case-4.nii.gz").read_bytes())
    damaged[-6] ^= 0xFF  # in the CRC: only seen once the voxels are read
    (cohort[1] / "case-4.nii.gz").write_bytes(damaged)
    with pytest.raises(InputError) as refused:
        ich_bench.evaluate(*cohort, out=tmp_path / "out")
    told = str(refused.value)
    for word in ("mirrored", "empty", "case-3", "case-9", "case-4"):
        assert word in told
    assert not (tmp_path / "out").exists()


def test_trap_12_a_missing_case_is_refused_or_counts_as_the_worst_value(
    cohort: tuple[Path, Path], tmp_path: Path
) -> None:
    (cohort[1] / "case-1.nii.gz").unlink()
    (cohort[1] / "case-3.nii.gz").unlink()
    with pytest.raises(InputError, match="case-1  is missing"):
        ich_bench.evaluate(*cohort, out=tmp_path / "out")
    run = ich_bench.evaluate(*cohort, out=tmp_path / "out", allow_missing=True)
    assert run.status == "imputed"
    ich, _, healthy, _ = run.scores.to_pylist()
    assert ich["status"] == healthy["status"] == "missing"
    assert (ich["dice"], ich["nsd_2mm"], ich["lesion_recall"], ich["rvd"], ich["abs_rvd"]) == (0, 0, 0, -1, 1)
    assert ich["hd95"] == pytest.approx(math.sqrt(1100))
    assert ich["tp"] is ich["false_lesions"] is ich["volume_pred_ml"] is ich["prediction_sha256"] is None
    assert (healthy["dice"], healthy["recall"], healthy["nsd_2mm"]) == (0, 0, 0)
    assert math.isnan(healthy["hd95"])
    assert math.isnan(healthy["rvd"])


def test_trap_13_a_mask_of_an_unknown_case_is_named_and_other_files_are_listed_unopened(
    cohort: tuple[Path, Path], tmp_path: Path
) -> None:
    (cohort[1] / "plans.json").write_text("{}")
    assert ich_bench.evaluate(*cohort, out=tmp_path / "fine").ignored == ("plans.json",)
    write_mask(cohort[1] / "case-5.nii.gz", empty(), GEOMETRY)
    with pytest.raises(InputError, match=r"case-5\.nii\.gz .*no case of"):
        ich_bench.evaluate(*cohort, out=tmp_path / "out")


@pytest.mark.parametrize(
    ("word", "harm"),
    [
        ("mirrored", lambda mask: mask[::-1]),
        ("shifted", lambda mask: np.roll(mask, 1, axis=2)),
        ("inverted", np.logical_not),
    ],
)
def test_trap_03_data_changed_under_an_unchanged_header_is_a_warning(word: str, harm, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    bleeds = {f"case-{number}": lopsided(number) for number in range(4)}
    reference = write_folder(tmp_path / "reference", bleeds)
    prediction = write_folder(tmp_path / "prediction", {name: harm(mask) for name, mask in bleeds.items()})
    run = ich_bench.evaluate(reference, prediction, out=tmp_path / "out")
    assert [warning for warning in run.warnings if word in warning]
    assert store.provenance(run.scores)["warnings"] == list(run.warnings)


def test_a_copy_of_the_reference_and_a_mask_used_twice_are_warnings(tmp_path: Path) -> None:
    reference = write_folder(tmp_path / "reference", {"a": BLEED, "b": HALF})
    prediction = write_folder(tmp_path / "prediction", {"a": BLEED, "b": BLEED})
    warnings = " ".join(ich_bench.evaluate(reference, prediction, out=tmp_path / "out").warnings)
    assert "identical to the reference" in warnings
    assert "a, b" in warnings


def test_spacing_comes_from_the_reference_side_never_from_the_prediction(tmp_path: Path) -> None:
    reference = write_folder(tmp_path / "reference", {"a": BLEED})
    nearly = Geometry.of(SHAPE, np.diag([0.5004, 0.5, 5.0, 1.0]))  # within the tolerance of 1e-3 mm
    prediction = write_folder(tmp_path / "prediction", {"a": HALF}, nearly)
    row = ich_bench.evaluate(reference, prediction, out=tmp_path / "out").scores.to_pylist()[0]
    assert (row["spacing_x_mm"], row["spacing_y_mm"], row["spacing_z_mm"]) == SPACING_MM


def test_several_seeds_give_a_row_each_and_each_must_be_complete(tmp_path: Path) -> None:
    reference = write_folder(tmp_path / "reference", {"a": BLEED, "b": BLEED})
    write_folder(tmp_path / "prediction" / "seed_0", {"a": HALF, "b": HALF})
    write_folder(tmp_path / "prediction" / "seed_1", {"a": BLEED, "b": HALF})
    run = ich_bench.evaluate(reference, tmp_path / "prediction", out=tmp_path / "out")
    assert [(row["seed"], row["case_id"]) for row in run.scores.to_pylist()] == [(0, "a"), (0, "b"), (1, "a"), (1, "b")]
    (tmp_path / "prediction" / "seed_1" / "b.nii.gz").unlink()
    with pytest.raises(InputError, match="seed_1"):
        ich_bench.evaluate(reference, tmp_path / "prediction", out=tmp_path / "again")


@pytest.mark.parametrize("profile", ["native", "spahr2023", "instance2022", "hssayeni2020", "wang2020"])
def test_every_profile_writes_its_own_columns(profile: str, cohort: tuple[Path, Path], tmp_path: Path) -> None:
    run = ich_bench.evaluate(*cohort, out=tmp_path / "out", profile=profile)
    assert run.scores.schema.equals(store.schema(profile))
    assert str(store.read_scores(run.path).to_pylist()) == str(run.scores.to_pylist())  # NaN differs from itself
    if profile == "instance2022":
        assert run.scores.to_pylist()[1]["hd100"] == math.inf


def test_wrong_use_is_told_apart_from_wrong_input(cohort: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="instance2022"):
        ich_bench.evaluate("instance2020", cohort[1], out=tmp_path / "out")
    with pytest.raises(UsageError, match="spahr2023"):
        ich_bench.evaluate(*cohort, out=tmp_path / "out", profile="spahr")
    with pytest.raises(UsageError, match="legacy-dilation"):
        ich_bench.evaluate(*cohort, out=tmp_path / "out", legacy_dilation=True)
    with pytest.raises(UsageError, match="fold"):
        ich_bench.evaluate(*cohort, out=tmp_path / "out", folds=[3])
    with pytest.raises(InputError, match="does not exist"):
        ich_bench.evaluate(tmp_path / "nowhere", cohort[1], out=tmp_path / "out")
    with pytest.raises(InputError):
        ich_bench.evaluate(cohort[0], tmp_path / "nowhere", out=tmp_path / "out")


def test_labels_say_which_values_count(cohort: tuple[Path, Path], tmp_path: Path) -> None:
    import nibabel as nib

    values = np.zeros(SHAPE, dtype=np.uint8)
    values[HALF] = 3
    values[15, 15, 1] = 2
    nib.save(nib.Nifti1Image(values, GEOMETRY.matrix), cohort[1] / "case-1.nii.gz")
    with pytest.raises(InputError, match="--labels"):
        ich_bench.evaluate(*cohort, out=tmp_path / "out")
    run = ich_bench.evaluate(*cohort, out=tmp_path / "out", labels=[3])
    assert run.scores.to_pylist()[0]["dice"] == pytest.approx(17 / 25)


def test_a_read_only_place_is_one_clear_error(cohort: tuple[Path, Path], tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(IchBenchError, match="file"):
        ich_bench.evaluate(*cohort, out=blocked / "out")


def test_a_kill_between_writing_and_remembering_never_passes_one_runs_scores_off_as_anothers(
    cohort: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = write_folder(tmp_path / "other", {f"case-{number}": BLEED for number in (1, 2, 3, 4)})
    mine = ich_bench.evaluate(*cohort, out=tmp_path / "out").path.read_bytes()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ich_bench.runs.journal.Journal.finish", killed)
        with pytest.raises(KeyboardInterrupt):
            ich_bench.evaluate(cohort[0], other, out=tmp_path / "out", overwrite=True)
    with pytest.raises(IchBenchError, match="other input"):  # what lies there is the other's
        ich_bench.evaluate(*cohort, out=tmp_path / "out")
    again = ich_bench.evaluate(cohort[0], other, out=tmp_path / "out")  # and the other's own command just goes on
    assert again.name == "other"
    assert ich_bench.evaluate(*cohort, out=tmp_path / "out", overwrite=True).path.read_bytes() == mine


@pytest.mark.parametrize("left", [0, 100])
def test_a_damaged_score_file_is_no_finished_one(left: int, cohort: tuple[Path, Path], tmp_path: Path) -> None:
    run = ich_bench.evaluate(*cohort, out=tmp_path / "out")
    whole = run.path.read_bytes()
    run.path.write_bytes(whole[:left])
    assert ich_bench.evaluate(*cohort, out=tmp_path / "out").path.read_bytes() == whole


def test_a_killed_worker_is_told_in_words_and_what_was_scored_is_kept(
    cohort: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    def out_of_memory(*_: object) -> None:
        raise TerminatedWorkerError("killed")

    monkeypatch.setattr("ich_bench.runs.pool.POOL_PAYS_AFTER_S", 0.0)
    monkeypatch.setattr("joblib.Parallel.__call__", out_of_memory)
    with pytest.raises(IchBenchError, match="--jobs 1"):
        ich_bench.evaluate(*cohort, out=tmp_path / "out", jobs=2)
    monkeypatch.undo()
    assert ich_bench.evaluate(*cohort, out=tmp_path / "out").reused == 1


def test_workers_are_started_only_where_they_pay_and_zero_means_every_core(
    cohort: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a pool was started for four tiny volumes")

    monkeypatch.setattr("joblib.Parallel.__call__", refuse)
    assert ich_bench.evaluate(*cohort, out=tmp_path / "out", jobs=0).scores.num_rows == 4
    with pytest.raises(UsageError, match="jobs"):
        ich_bench.evaluate(*cohort, out=tmp_path / "again", jobs=-1)
