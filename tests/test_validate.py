"""Everything wrong with a prediction folder is said at once, in words, with how to mend it; nothing is scored."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import ich_bench
from crafted import nifti_bytes, zipped
from folders import GEOMETRY, SHAPE, SPACING_MM, box, empty, write_folder
from ich_bench.cases import Case, Dataset, FoldRow, Scheme
from ich_bench.errors import InputError, UsageError
from ich_bench.geometry import Geometry
from ich_bench.plain import reference_folder, resolve
from ich_bench.predictions.checks import check_headers, check_ids, whole_submission_warnings
from ich_bench.predictions.submission import Prediction, Submission, read_submission
from ich_bench.predictions.validation import ScoredMask, validate
from ich_bench.volume import write_mask

NAMES = ("a", "b", "c", "d")
# Bleeds off the diagonal and off every middle, each of its own size and place: no flip or turn maps them to themselves.
MASKS = {
    name: box((2, 6 + n), (9 + n, 13 + n), (1, 2)) | box((2, 4), (9 + n, 11 + n), (2, 3))
    for n, name in enumerate(NAMES)
}
TILTED = np.array([[0.5, 0, 0, 0], [0, 0.5, 1.0, 0], [0, 0, 5, 0], [0, 0, 0, 1.0]])


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A reference folder and an honest prediction of it: each mask lacks one voxel of its bleed."""
    near = {name: mask & ~box((4, 5), (12, 13), (1, 2)) for name, mask in MASKS.items()}
    return write_folder(tmp_path / "reference", MASKS), write_folder(tmp_path / "mine", near)


def plan(count: int, folds: int = 3, *, trains_on_fold: bool = False) -> Scheme:
    rows = tuple(FoldRow(case_id=f"{i:03d}", patient_id=f"{i:03d}", fold=i % folds) for i in range(count))
    return Scheme(dataset="x", name="cv", rows=rows, sha256="", trains_on_fold=trains_on_fold)


def holding(*predictions: tuple[str, int | None, int | None]) -> Submission:
    """Return a submission of (case id, seed, fold) without files."""
    found = (
        Prediction(case_id=case_id, path=Path(case_id), where=f"{case_id}.nii.gz", seed=seed, fold=fold)
        for case_id, seed, fold in predictions
    )
    return Submission(name="mine", folder=Path("mine"), predictions=tuple(found))


def test_a_sound_folder_has_no_problem_and_no_warning(folders: tuple[Path, Path]) -> None:
    report = validate(*folders)
    assert (report.dataset, report.scheme, report.files, report.fine) == ("reference", "none", 4, 4)
    assert (report.problems, report.warnings) == ((), ())
    assert report.text(folders[1]).startswith("no problems in ")


def test_the_report_does_not_depend_on_the_number_of_workers(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    report = validate(*folders)
    assert validate(*folders, jobs=0) == report
    monkeypatch.setattr("ich_bench.predictions.validation._POOL_PAYS_AFTER_S", 0.0)  # else four tiny masks need none
    for jobs in (0, 2):
        assert ich_bench.validate(*folders, jobs=jobs) == report
    with pytest.raises(UsageError, match="jobs is -1"):
        validate(*folders, jobs=-1)


def test_every_problem_of_every_file_is_said_at_once_sorted_by_file(folders: tuple[Path, Path]) -> None:
    reference, mine = folders
    write_mask(mine / "a.nii.gz", MASKS["a"], Geometry.of(SHAPE, np.diag([-0.5, 0.5, 5, 1])))
    damaged = bytearray((mine / "b.nii.gz").read_bytes())
    damaged[-6] ^= 0xFF  # the CRC: only seen once the voxels are read
    (mine / "b.nii.gz").write_bytes(damaged)
    (mine / "c.nii.gz").unlink()
    (mine / "e9.nii.gz").write_bytes(b"")
    (mine / "plans.json").write_text("{}")
    report = validate(reference, mine)
    assert [problem.where for problem in report.problems] == ["a.nii.gz", "b.nii.gz", "c", "e9.nii.gz"]
    for problem, word in zip(report.problems, ("mirrored left-right", "CRC", "missing", "no case"), strict=True):
        assert word.lower() in str(problem).lower()
    assert (report.files, report.fine, report.ignored) == (4, 1, ("plans.json",))
    text = report.text(mine)
    assert text.startswith(f"4 problems in {mine} (1 of 4 files are fine)\n")
    assert "not opened: plans.json" in text
    assert json.loads(json.dumps(report.as_dict()))["problems"][2]["where"] == "c"


@pytest.mark.parametrize(
    ("words", "affine"),
    [
        ("mirrored left-right", np.diag([-0.5, 0.5, 5, 1])),
        ("mirrored front-back", np.diag([0.5, -0.5, 5, 1])),
        ("mirrored top-bottom", np.diag([0.5, 0.5, -5, 1])),
        ("shifted by 5.0 mm upwards", np.array([[0.5, 0, 0, 0], [0, 0.5, 0, 0], [0, 0, 5, 5], [0, 0, 0, 1.0]])),
        ("voxels of 1.0x1.0x5.0 mm", np.diag([1, 1, 5, 1.0])),
        ("another order", np.array([[0, 0.5, 0, 0], [0.5, 0, 0, 0], [0, 0, 5, 0], [0, 0, 0, 1.0]])),
        ("gantry tilt", TILTED),
    ],
)
def test_a_change_that_the_header_admits_is_refused_in_words_for_every_mask(
    folders: tuple[Path, Path], words: str, affine: np.ndarray
) -> None:
    reference, mine = folders
    write_folder(mine, MASKS, Geometry.of(SHAPE, affine))
    report = validate(reference, mine)
    named = [problem.where for problem in report.problems if words in problem.what]
    assert named == [f"{name}.nii.gz" for name in NAMES]


@pytest.mark.parametrize(
    ("words", "harm"),
    [
        ("mirrored left-right", lambda mask: mask[::-1]),
        ("mirrored front-back", lambda mask: mask[:, ::-1]),
        ("mirrored top-bottom", lambda mask: mask[:, :, ::-1]),
        ("shifted by one slice", lambda mask: np.roll(mask, 1, axis=2)),
        ("shifted by one slice", lambda mask: np.roll(mask, -1, axis=2)),
        ("shifted by (6, -5, 0) voxels", lambda mask: np.roll(mask, (6, -5), axis=(0, 1))),
        ("transposed in-plane", lambda mask: mask.transpose(1, 0, 2)),
        ("rotated by 90 degrees in-plane", np.rot90),
        ("inverted", np.logical_not),
        # 0.5 mm in-plane voxels brought to 1 mm: every other voxel, in the corner of the old grid
        ("resampled to 1 mm in-plane", lambda mask: np.pad(mask[::2, ::2], ((0, 10), (0, 10), (0, 0)))),
    ],
)
def test_trap_03_the_same_change_under_an_unchanged_header_is_a_warning(  # type: ignore[no-untyped-def]
    folders: tuple[Path, Path], words: str, harm
) -> None:
    reference, mine = folders
    write_folder(mine, {name: np.ascontiguousarray(harm(mask)) for name, mask in MASKS.items()})
    report = validate(reference, mine)
    assert report.problems == ()
    assert [warning for warning in report.warnings if words in warning], report.warnings


def test_trap_12_missing_cases_are_listed_one_by_one_up_to_20_and_then_in_one_line() -> None:
    scheme = plan(30)
    cases = [row.case_id for row in scheme.rows]
    problems, warnings = check_ids(holding(*((c, None, None) for c in cases[2:])), scheme, cases, None)
    assert [problem.where for problem in problems] == ["000", "001"]
    assert warnings == []
    # 25 of 30 are missing, 005 to 029
    problems, _ = check_ids(holding(*((c, None, None) for c in cases[:5])), scheme, cases, None)
    assert len(problems) == 1
    assert problems[0].what == "lacks 25 of 30 masks: 005–029."


def test_whole_folds_that_are_there_can_be_scored_alone() -> None:
    scheme = plan(6)
    cases = [row.case_id for row in scheme.rows]
    found = holding(("000", None, 0), ("003", None, 0), ("001", None, 1), ("004", None, 1))
    problems, _ = check_ids(found, scheme, cases, None)
    assert [problem.where for problem in problems] == ["002", "005"]
    assert "--fold 0,1" in problems[0].mend
    assert check_ids(found, scheme, cases, (0, 1)) == ([], [])


def test_missing_cases_are_a_warning_when_they_are_allowed() -> None:
    scheme = plan(3)
    problems, warnings = check_ids(
        holding(("000", None, None)), scheme, ["000", "001", "002"], None, allow_missing=True
    )
    assert problems == []
    assert warnings == ["2 masks are missing and count as the worst value: 001, 002"]
    found = holding(("000", 4, None), ("001", 4, None))
    _, warnings = check_ids(found, scheme, ["000", "001", "002"], None, allow_missing=True)
    assert warnings == ["1 mask is missing in seed_4 and counts as the worst value: 002"]


def test_each_seed_must_be_complete() -> None:
    found = holding(("000", 1, None), ("001", 1, None), ("000", 2, None))
    problems, _ = check_ids(found, plan(2), ["000", "001"], None)
    assert [str(problem).split(". ")[0] for problem in problems] == ["001  is missing in seed_2"]


def test_a_case_is_expected_in_every_fold_but_its_own_where_folds_are_trained_on() -> None:
    scheme = plan(3, trains_on_fold=True)
    found = holding(("000", None, 1), ("000", None, 2), ("001", None, 0), ("002", None, 0), ("002", None, 1))
    problems, _ = check_ids(found, scheme, ["000", "001", "002"], None)
    assert [problem.what for problem in problems] == ["is missing for fold 2."]


def test_cases_whose_data_is_not_here_are_neither_missing_nor_scored() -> None:
    problems, warnings = check_ids(holding(("000", None, None), ("001", None, None)), plan(3), ["000"], None)
    assert problems == []
    assert warnings == ["the data of 1 predicted case is not on this machine; it is not scored: 001"]


def test_trap_13_an_unknown_id_stands_for_the_missing_case_it_was_meant_to_be(folders: tuple[Path, Path]) -> None:
    reference, mine = folders
    (mine / "d.nii.gz").rename(mine / "dd.nii.gz")
    report = validate(reference, mine)
    assert [str(problem) for problem in report.problems] == [
        "dd.nii.gz  is no case of reference. Did you mean d? d is missing."
    ]


def test_the_grid_of_the_ct_or_of_the_reference_will_do(tmp_path: Path) -> None:
    moved = Geometry.of(SHAPE, GEOMETRY.matrix + np.array([[0, 0, 0, 0.5]] * 3 + [[0, 0, 0, 0]]))
    write_folder(tmp_path / "ct", {"a": empty()}, GEOMETRY)
    write_folder(tmp_path / "ref", {"a": empty()}, moved)
    case = Case(case_id="a", patient_id="a", ct=tmp_path / "ct" / "a.nii.gz", reference=tmp_path / "ref" / "a.nii.gz")
    dataset = Dataset(id="x", source=tmp_path, cases=(case,))
    scheme = Scheme(dataset="x", name="none", rows=(FoldRow(case_id="a", patient_id="a", fold=0),), sha256="")
    for geometry, count in ((GEOMETRY, 0), (moved, 0), (Geometry.of(SHAPE, np.diag([0.5, 0.5, 4, 1])), 1)):
        write_folder(tmp_path / "mine", {"a": empty()}, geometry)
        found = read_submission(tmp_path / "mine", dataset="x", scheme=scheme)
        assert len(check_headers(found, dataset)) == count


def test_a_header_that_lies_elsewhere_hides_no_fault_of_the_voxels(folders: tuple[Path, Path], tmp_path: Path) -> None:
    reference, mine = folders
    mirrored = Geometry.of(SHAPE, np.diag([-0.5, 0.5, 5, 1]))
    soft = nifti_bytes((MASKS["a"] * 0.7).astype(np.float32), mirrored.matrix)
    (mine / "a.nii.gz").write_bytes(zipped(soft))
    write_mask(mine / "b.nii.gz", MASKS["b"], mirrored)
    (mine / "b.nii.gz").write_bytes((mine / "b.nii.gz").read_bytes()[:-12])  # mirrored, and truncated
    (mine / "c.nii.gz").write_bytes(b"")  # a header that cannot be read is all there is to say
    told = both(reference, mine, tmp_path / "out")
    assert [where for where, _ in told] == ["a.nii.gz", "a.nii.gz", "b.nii.gz", "b.nii.gz", "c.nii.gz"]
    for (_, words), word in zip(told, ("probability map", "mirrored", "mirrored", "truncated", "0 bytes"), strict=True):
        assert word in words


def test_masks_of_other_folds_are_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "hssayeni"
    cases = tuple(
        Case(case_id=name, patient_id=name, ct=source / "049.nii.gz", reference=None) for name in ("049", "050")
    )
    write_folder(source, {"049": empty()})
    rows = tuple(FoldRow(case_id=name, patient_id=name, fold=fold) for fold, name in enumerate(("049", "050")))
    scheme = Scheme(dataset="hssayeni", name="cv10", rows=rows, sha256="")
    dataset = Dataset(id="hssayeni", source=source, cases=cases)
    monkeypatch.setattr("ich_bench.plain.load_dataset", lambda *_: dataset)
    monkeypatch.setattr("ich_bench.plain.load_scheme", lambda *_: scheme)
    mine = write_folder(tmp_path / "mine", {"049": empty()})
    (mine / "050.nii.gz").write_bytes(b"no mask at all")
    assert validate("hssayeni", mine, folds=[0]).problems == ()
    assert ich_bench.evaluate("hssayeni", mine, folds=[0], out=tmp_path / "out").scores.num_rows == 1
    assert [problem.where for problem in validate("hssayeni", mine).problems] == ["050.nii.gz"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_place_of_a_mask_blocks_nothing(folders: tuple[Path, Path]) -> None:
    reference, mine = folders
    (mine / "a.nii.gz").unlink()
    os.mkfifo(mine / "a.nii.gz")
    assert "a pipe, not a file" in str(validate(reference, mine).problems[0])


def test_the_whole_submission_is_looked_at() -> None:
    def mask(case_id: str, prediction: str | None, status: str = "scored", reference: str = "r") -> ScoredMask:
        return ScoredMask(case_id=case_id, has_ich=True, status=status, prediction_sha256=prediction,
                          reference_sha256=reference)  # fmt: skip

    assert whole_submission_warnings([mask("a", "x"), mask("b", "y"), mask("a", "x")]) == []  # two seeds of one case
    assert whole_submission_warnings([mask("a", "x"), mask("b", "x")]) == [
        "the same non-empty mask is given for 2 cases: a, b"
    ]
    assert whole_submission_warnings([mask("a", "x", reference="x"), mask("b", "y")]) == [
        "the mask is identical to the reference in 1 case: a"
    ]
    nothing = [mask("a", "0", "empty_prediction", "0"), mask("b", "0", "empty_prediction")]
    assert whole_submission_warnings(nothing) == ["all 2 masks are empty"]
    assert whole_submission_warnings(nothing[1:]) == ["the only mask is empty"]
    assert whole_submission_warnings([mask("a", None, "missing")]) == []


def test_masks_rewritten_by_regrid_are_marked(folders: tuple[Path, Path]) -> None:
    (folders[1] / "submission.toml").write_text('[[processing]]\nstep = "regrid"\n')
    assert validate(*folders).warnings == ("masks were changed by `ich-bench regrid`",)


def test_labels_say_which_values_count(folders: tuple[Path, Path]) -> None:
    reference, mine = folders
    for name, mask in MASKS.items():
        nib.save(nib.Nifti1Image(mask.astype(np.uint8) * 3, np.diag([*SPACING_MM, 1])), mine / f"{name}.nii.gz")
    assert len(validate(reference, mine).problems) == 4
    assert validate(reference, mine, labels=[3]).problems == ()


def test_a_folder_of_reference_masks_is_a_dataset_with_one_unnamed_fold(tmp_path: Path) -> None:
    write_folder(tmp_path / "mine", {"case-10": empty(), "case-9": empty()})
    (tmp_path / "mine" / "._case-9.nii.gz").write_bytes(b"")
    (tmp_path / "mine" / "notes.txt").write_text("")
    dataset, scheme = reference_folder(tmp_path / "mine")
    assert (dataset.id, scheme.name, scheme.folds, scheme.sha256) == ("mine", "none", (0,), "")
    assert [(row.case_id, row.patient_id) for row in scheme.rows] == [("case-9", "case-9"), ("case-10", "case-10")]
    assert all(case.ct is None for case in dataset.cases)


def test_a_folder_that_cannot_be_a_reference_says_why(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no masks"):
        reference_folder(tmp_path / "empty")
    write_folder(tmp_path / "twice", {"a": empty()})
    (tmp_path / "twice" / "a.nii").write_bytes(b"")
    with pytest.raises(InputError, match=r"several masks: a\.nii, a\.nii\.gz"):
        reference_folder(tmp_path / "twice")
    with pytest.raises(InputError, match="does not exist"):
        resolve(tmp_path / "absent")


def test_a_known_id_wins_over_a_folder_and_a_path_has_a_separator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / "hssayeni", {"a": empty()})
    assert resolve("./hssayeni")[0].id == "hssayeni"
    assert resolve("./hssayeni")[1].name == "none"
    with pytest.raises(Exception, match="hssayeni") as known:  # the dataset itself, which is not on this machine
        resolve("hssayeni")
    assert not isinstance(known.value, UsageError)
    with pytest.raises(UsageError, match="Did you mean hssayeni"):
        resolve("hsayeni")
    with pytest.raises(UsageError, match="--scheme cv5 belongs to a dataset"):
        resolve("./hssayeni", scheme="cv5")


def test_an_unknown_fold_is_wrong_usage(folders: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="no fold 1"):
        validate(*folders, folds=[1])


def labelled(path: Path, mask: np.ndarray, value: int = 3) -> None:
    """Write a mask whose one value beside 0 is no 1, as some tools do."""
    path.write_bytes(zipped(nifti_bytes(mask.astype(np.uint8) * value, np.diag([*SPACING_MM, 1]))))


def both(reference: Path, mine: Path, out: Path, **options: object) -> list[tuple[str, str]]:
    """Return (where, what and how to mend) of each problem, which `validate` and `evaluate` must tell alike."""
    report = validate(reference, mine, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError) as refused:
        ich_bench.evaluate(reference, mine, out=out, **options)  # type: ignore[arg-type]
    assert refused.value.problems == report.problems
    assert not (out / "scores").exists()
    return [(problem.where, f"{problem.what} {problem.mend}") for problem in report.problems]


def test_what_is_wrong_with_references_is_said_at_once_too_and_with_their_own_option(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    reference, mine = folders
    labelled(reference / "b.nii.gz", MASKS["b"])
    labelled(reference / "d.nii.gz", MASKS["d"])
    labelled(mine / "b.nii.gz", MASKS["b"], 7)
    told = both(reference, mine, tmp_path / "out")  # nothing wrong with any header
    assert [where for where, _ in told] == ["b.nii.gz", "reference of b", "reference of d"]
    write_mask(mine / "c.nii.gz", MASKS["c"], Geometry.of(SHAPE, np.diag([-0.5, 0.5, 5, 1])))
    told = both(reference, mine, tmp_path / "out")
    assert [where for where, _ in told] == ["b.nii.gz", "c.nii.gz", "reference of b", "reference of d"]
    assert "`--labels 1,3`" in told[0][1]
    assert "`--reference-labels 1,3`" in told[2][1]
    assert "`--labels" not in told[2][1]
    (mine / "d.nii.gz").unlink()  # the reference of a missing mask is scored against as well
    assert "reference of d" in [where for where, _ in both(reference, mine, tmp_path / "out")]


def test_evaluate_and_validate_count_the_sound_files_alike(folders: tuple[Path, Path], tmp_path: Path) -> None:
    # 5 files named like masks: b mirrored, z of no case; a, c, e are fine. d is missing, the reference of c is damaged.
    reference, mine = folders
    write_folder(reference, {"e": MASKS["a"]})
    labelled(reference / "c.nii.gz", MASKS["c"])
    write_mask(mine / "b.nii.gz", MASKS["b"], Geometry.of(SHAPE, np.diag([-0.5, 0.5, 5, 1])))
    (mine / "d.nii.gz").unlink()
    write_folder(mine, {"e": MASKS["b"], "zzzz": MASKS["b"]})
    both(reference, mine, tmp_path / "out")
    report = validate(reference, mine)
    assert (report.fine, report.files) == (3, 5)
    with pytest.raises(InputError, match=r"\(3 of 5 files are fine\)"):
        ich_bench.evaluate(reference, mine, out=tmp_path / "out")


def test_the_truth_of_a_known_dataset_cannot_be_relabelled(tmp_path: Path) -> None:
    for call in (validate, ich_bench.evaluate):
        with pytest.raises(UsageError, match="--reference-labels belongs to a folder of reference masks"):
            call("phantom-mini", tmp_path, reference_labels=[1])


@pytest.mark.parametrize(
    "wrong",
    [
        {"folds": []},
        {"folds": "0"},
        {"folds": 0.5},
        {"labels": []},
        {"labels": "1"},
        {"labels": ["1"]},
        {"labels": 0},
        {"labels": [float("nan")]},
        {"reference_labels": True},
    ],
)
def test_a_single_fold_or_label_will_do_and_anything_but_numbers_is_wrong_usage(
    folders: tuple[Path, Path], tmp_path: Path, wrong: dict[str, object]
) -> None:
    assert validate(*folders, folds=0, labels=1, reference_labels=1.0).problems == ()
    for call in (validate, ich_bench.evaluate):
        with pytest.raises(UsageError, match=r"folds=.*whole numbers|labels .*numbers, never 0"):
            call(*folders, **wrong)  # type: ignore[operator]
    run = ich_bench.evaluate(*folders, folds=0, labels=1, reference_labels=1.0, out=tmp_path / "out")  # type: ignore[arg-type]
    assert (run.status, run.scores.num_rows) == ("complete", 4)


def test_an_unknown_fold_of_a_plain_folder_is_named_without_a_scheme(folders: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="no fold 3 in reference: a folder of reference masks is one fold, 0"):
        validate(*folders, folds=[3])


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="this file system has no names but text")
def test_names_that_are_no_text_are_refused_in_words(folders: tuple[Path, Path], tmp_path: Path) -> None:
    reference, mine = folders
    odd = os.fsdecode(b"\xff0.nii.gz")
    (mine / odd).write_bytes((mine / "a.nii.gz").read_bytes())
    told = both(reference, mine, tmp_path / "out")
    assert told == [("\\udcff0.nii.gz", "has a name that is not UTF-8. Rename it, in plain letters.")]
    report = validate(reference, mine)
    assert (report.fine, report.files) == (4, 5)
    (mine / odd).rename(reference / odd)
    for call in (validate, ich_bench.evaluate):
        with pytest.raises(InputError, match=r"udcff0  has a name that is not UTF-8"):
            call(reference, mine)
    (reference / odd).unlink()
    moved = mine.rename(tmp_path / os.fsdecode(b"mine\xfe"))
    told = both(reference, moved, tmp_path / "out")
    assert told == [("mine\\udcfe", "has a name that is not UTF-8. Rename it, in plain letters.")]
    validate(reference, moved).text(moved).encode()
    with pytest.raises(InputError, match="not UTF-8"):
        validate(reference.rename(tmp_path / os.fsdecode(b"ref\xfe")), moved)


def test_a_folder_that_is_named_like_a_mask_is_no_mask(folders: tuple[Path, Path], tmp_path: Path) -> None:
    reference, mine = folders
    (mine / "a.nii.gz").unlink()
    write_folder(mine / "a.nii.gz", {"a": MASKS["a"]})
    assert both(reference, mine, tmp_path / "out") == [
        ("a.nii.gz", "it is a folder, not a file. Put the mask file itself here.")
    ]


def test_masks_in_sub_folders_of_a_reference_folder_are_not_left_aside_in_silence(tmp_path: Path) -> None:
    write_folder(tmp_path / "ref", {"a": empty()})
    write_folder(tmp_path / "ref" / "more" / "deeper", {"b": empty(), "c": empty()})
    write_folder(tmp_path / "ref" / "x.nii.gz", {"d": empty()})
    (tmp_path / "ref" / "figures").mkdir()
    dataset, _ = reference_folder(tmp_path / "ref")
    assert [case.case_id for case in dataset.cases] == ["a"]
    assert [(note.where, note.what) for note in dataset.notes] == [
        ("more/", "is a sub-folder with 2 masks, which are not used."),
        ("x.nii.gz/", "is a folder, although it is named like a mask; it is not used."),
    ]
    (tmp_path / "ref" / "a.nii.gz").unlink()
    with pytest.raises(InputError, match="2 masks, which are not used"):
        reference_folder(tmp_path / "ref")


def two_forms(mask: np.ndarray, qform: np.ndarray) -> bytes:
    """Return a mask file on the usual grid that codes another place as its qform."""
    image = nib.Nifti1Image(mask.astype(np.uint8), GEOMETRY.matrix)
    image.set_sform(GEOMETRY.matrix, 1)
    image.set_qform(qform, 1)
    return zipped(image.to_bytes())


def test_a_reference_whose_forms_contradict_each_other_is_a_warning(folders: tuple[Path, Path], tmp_path: Path) -> None:
    reference, mine = folders
    away = GEOMETRY.matrix + np.array([[0, 0, 0, 7], [0] * 4, [0] * 4, [0] * 4])
    (reference / "b.nii.gz").write_bytes(two_forms(MASKS["b"], away))
    words = "sform and qform contradict each other in the dataset's own files; the sform is used: b.nii.gz"
    report = validate(reference, mine)
    run = ich_bench.evaluate(reference, mine, out=tmp_path / "out")
    assert (report.problems, report.warnings, run.warnings) == ((), (words,), (words,))
    (mine / "b.nii.gz").write_bytes(two_forms(MASKS["b"], away))  # repeats the reference's forms: allowed
    (mine / "c.nii.gz").write_bytes(two_forms(MASKS["c"], away))
    told = both(reference, mine, tmp_path / "again")
    assert [where for where, _ in told] == ["c.nii.gz"]
    assert "Set both to the reference's affine" in told[0][1]


def test_where_there_is_no_ct_no_mend_names_one(folders: tuple[Path, Path], tmp_path: Path) -> None:
    reference, mine = folders
    (mine / "a.nii.gz").write_bytes(zipped(nifti_bytes(MASKS["a"].astype(np.uint8), GEOMETRY.matrix, sform_code=0)))
    (mine / "b.nii.gz").write_bytes(zipped(b"x" * 400))
    told = both(reference, mine, tmp_path / "out")
    assert [where for where, _ in told] == ["a.nii.gz", "b.nii.gz"]
    assert "Write the mask with the reference's affine" in told[0][1]
    assert "the CT" not in told[1][1]
