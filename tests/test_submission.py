"""A prediction folder is understood from its names alone, and everything odd about it is said at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from ich_bench.cases import FoldRow, Scheme
from ich_bench.errors import UsageError
from ich_bench.folds import load_scheme
from ich_bench.predictions.checks import check_ids
from ich_bench.predictions.naming import Names, compact
from ich_bench.predictions.submission import Submission, read_submission

# Six cases, two to a fold: 049 and 050 in fold 0, 051 and 052 in fold 1, 053 and 130 in fold 2.
CASES = ("049", "050", "051", "052", "053", "130")


def scheme(name: str = "cv10", *, trains_on_fold: bool = False) -> Scheme:
    rows = tuple(FoldRow(case_id=c, patient_id=c, fold=i // 2) for i, c in enumerate(CASES))
    return Scheme(dataset="hssayeni", name=name, rows=rows, sha256="", trains_on_fold=trains_on_fold)


def put(folder: Path, *names: str) -> Path:
    """Lay down files that hold no mask: nothing here may be opened."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"never opened")
    return folder


def read(folder: Path, plan: Scheme | None = None, **options: object) -> Submission:
    return read_submission(folder, dataset="hssayeni", scheme=plan or scheme(), **options)  # type: ignore[arg-type]


def told(found: Submission) -> list[str]:
    return [str(problem) for problem in found.problems]


def test_a_bare_folder_is_read_in_fold_file_order_whatever_the_suffix(tmp_path: Path) -> None:
    names = ["130.nii.gz", "052.nrrd", "051.mha", "050.NII.GZ", "049.nii", "053.mhd", "053.raw"]
    found = read(put(tmp_path / "mine", *names))
    assert [one.case_id for one in found.predictions] == list(CASES)
    assert [one.where for one in found.predictions][:2] == ["049.nii", "050.NII.GZ"]
    assert (found.name, found.problems, found.ignored, found.files) == ("mine", (), (), 6)


def test_a_submission_holds_predictions_of_the_dataset_and_a_manifest(tmp_path: Path) -> None:
    put(tmp_path, *(f"predictions/hssayeni/fold_{i // 2}/{c}.nii.gz" for i, c in enumerate(CASES)), "README.md")
    (tmp_path / "submission.toml").write_text(
        'method = "x"\n[[processing]]\nstep = "regrid"\n[[processing]]\nstep = "fix-headers"\n'
    )
    found = read(tmp_path)
    assert found.problems == ()
    assert [one.fold for one in found.predictions] == [0, 0, 1, 1, 2, 2]
    assert found.predictions[0].where == "predictions/hssayeni/fold_0/049.nii.gz"
    assert found.manifest is not None
    assert found.manifest["method"] == "x"
    assert found.processing == ("regrid", "fix-headers")


def test_seeds_and_budgets_are_read_from_the_folders(tmp_path: Path) -> None:
    put(tmp_path, "budget-10-2/seed_7/fold_0/049.nii.gz", "budget-10-2/seed_8/049.nii.gz", "seed_7/049.nii.gz")
    found = read(tmp_path)
    assert found.problems == ()  # runs on all the data beside those on a tenth
    runs = [(one.budget, one.seed, one.fold) for one in found.predictions]
    assert runs == [(None, 7, None), ("10-2", 7, 0), ("10-2", 8, None)]
    put(tmp_path, "budget-15-0/049.nii.gz")
    assert any(
        "budget-15-0  is no training budget: there are 10, 20, 50, 100 %" in line for line in told(read(tmp_path))
    )


def test_of_several_schemes_the_asked_one_is_taken_and_loose_files_count_for_the_official_one(tmp_path: Path) -> None:
    put(tmp_path, "049.nii.gz", "cv5/050.nii.gz", "lf50/051.nii.gz")
    assert [one.case_id for one in read(tmp_path).predictions] == ["049"]
    assert [one.case_id for one in read(tmp_path, scheme("cv5")).predictions] == ["050"]
    only = put(tmp_path / "only", "cv5/050.nii.gz")
    assert told(read(only)) == ["only  holds masks for cv5, none for cv10. Ask for --scheme cv5."]
    flat = put(tmp_path / "flat", "049.nii.gz")  # nothing says which scheme: the asker does
    assert [one.case_id for one in read(flat, scheme("cv5")).predictions] == ["049"]


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("131", "Did you mean 130? 130 is missing."),
        ("49", "Did you mean 049? 049 is missing."),
        ("0050", "Did you mean 050? 050 is missing."),
        ("patient51", "Did you mean 051? 051 is missing."),
    ],
)
def test_an_unknown_id_is_named_with_the_closest_known_one(tmp_path: Path, name: str, guess: str) -> None:
    others = [f"{c}.nii.gz" for c in CASES if f"{c} " not in guess]
    assert told(read(put(tmp_path, f"{name}.nii.gz", *others))) == [f"{name}.nii.gz  is no case of hssayeni. {guess}"]


def test_the_closest_id_prefers_what_is_missing_then_what_is_near_in_number() -> None:
    names = Names([f"{number:03d}" for number in range(49, 131)])
    assert names.closest("131", missing={"130"}) == "130"
    assert names.closest("131", missing=()) == "130"
    assert names.closest("zzzz", missing={"049"}) is None
    assert Names(["CQ500-CT-4", "CQ500-CT-42"]).closest("CQ500CT4", ()) == "CQ500-CT-4"


def test_a_case_given_twice_is_named(tmp_path: Path) -> None:
    assert read(put(tmp_path / "seeds", "seed_1/050.nii.gz", "seed_2/050.nii.gz")).problems == ()
    assert told(read(put(tmp_path / "two", "049.nii", "049.nii.gz"))) == [
        "049.nii.gz  is a second mask of case 049, beside 049.nii. Keep the one that is meant and move the other away."
    ]
    assert any("second mask of case 051" in line for line in told(read(put(tmp_path, "051.nii.gz", "051.NII.GZ"))))


def test_names_that_differ_in_letter_case_only_are_named(tmp_path: Path) -> None:
    rows = tuple(FoldRow(case_id=c, patient_id=c, fold=0) for c in ("a", "A"))
    plan = Scheme(dataset="x", name="none", rows=rows, sha256="")
    found = read_submission(put(tmp_path, "a.nii.gz", "A.nii.gz"), dataset="x", scheme=plan)
    assert len(found.problems) == 1


def test_a_file_in_the_wrong_fold_is_named_with_the_right_one(tmp_path: Path) -> None:
    found = read(put(tmp_path, "fold_0/049.nii.gz", "fold_2/051.nii.gz", "fold_7/130.nii.gz"))
    assert told(found) == [
        "fold_2/051.nii.gz  lies in fold_2, but cv10 tests case 051 in fold 1. Move it to fold_1 if that fold's model "
        "wrote it; the model of fold 2 was trained on it.",
        "fold_7  is no fold of cv10, which has 0–2, counted from 0. Rename it, or name its --scheme.",
    ]


def test_folds_that_are_counted_from_1_are_one_problem(tmp_path: Path) -> None:
    found = read(put(tmp_path, *(f"fold_{i // 2 + 1}/{c}.nii.gz" for i, c in enumerate(CASES))))
    assert len(found.problems) == 1
    assert "folds count from 0" in told(found)[0]


def test_where_a_fold_is_trained_on_each_case_belongs_to_all_the_other_folds(tmp_path: Path) -> None:
    plan = scheme("lf20", trains_on_fold=True)
    good = put(tmp_path / "good", "fold_1/049.nii.gz", "fold_2/049.nii.gz", "fold_0/051.nii.gz")
    assert read(good, plan).problems == ()
    assert len(read(good, plan).predictions) == 3
    bad = read(put(tmp_path / "bad", "049.nii.gz", "fold_1/051.nii.gz"), plan)
    assert "Move it to fold_1 or fold_2." in told(bad)[0]
    assert "tests case 051 in fold 0 or 2" in told(bad)[1]


@pytest.mark.parametrize(
    ("template", "pattern"),
    [
        ("{}_seg", "{case_id}_seg"),
        ("pred-{}", "pred-{case_id}"),
        ("ICH{}_mask_v2", "ICH{case_id}_mask_v2"),
        ("{0}/{0}_seg", "{case_id}/{case_id}_seg"),
        ("{}/prediction", "{case_id}/prediction"),
        ("validation/{}", "validation/{case_id}"),
        ("fold_x/sub-{}/1/2", "fold_x/sub-{case_id}/1/2"),
    ],
)
def test_one_pattern_for_all_is_one_problem_and_what_it_suggests_mends_it(
    tmp_path: Path, template: str, pattern: str
) -> None:
    put(tmp_path, *(f"{template.format(c)}.nii.gz" for c in CASES))
    problem = read(tmp_path).problems
    assert len(problem) == 1
    assert problem[0].mend == f"They follow one pattern: add --rename '{pattern}'."
    mended = read(tmp_path, rename=pattern)
    assert [one.case_id for one in mended.predictions] == list(CASES)
    assert mended.problems == ()


def test_dropped_zeros_are_one_pattern_too(tmp_path: Path) -> None:
    put(tmp_path, *(f"{int(c)}.nii.gz" for c in CASES[:5]), "130.nii.gz")
    assert [problem.mend for problem in read(tmp_path).problems] == [
        "They follow one pattern: add --rename '{case_id}'."
    ]
    assert read(tmp_path, rename="{case_id}").problems == ()


@pytest.mark.parametrize(
    ("ids", "template", "pattern"),
    [
        ("{:03d}_label", "{:03d}", "{case_id}"),
        ("{:03d}_label", "{:03d}_pred", "{case_id}_pred"),
        ("case_{:03d}", "{}_out", "{case_id}_out"),
        ("CQ500-CT-{}", "CQ500CT{}", "{case_id}"),
    ],
)
def test_what_all_ids_have_in_common_may_be_left_out(tmp_path: Path, ids: str, template: str, pattern: str) -> None:
    numbers = (1, 2, 9, 10, 11, 21)
    rows = tuple(FoldRow(case_id=ids.format(n), patient_id=str(n), fold=0) for n in numbers)
    plan = Scheme(dataset="mine", name="none", rows=rows, sha256="")
    put(tmp_path, *(f"{template.format(n)}.nii.gz" for n in numbers))
    assert [problem.mend for problem in read(tmp_path, plan).problems] == [
        f"They follow one pattern: add --rename '{pattern}'."
    ]
    mended = read(tmp_path, plan, rename=pattern)
    assert (mended.problems, [one.case_id for one in mended.predictions]) == ((), [row.case_id for row in rows])


def test_a_pattern_keeps_the_fold_folders_and_may_carry_the_suffix(tmp_path: Path) -> None:
    put(tmp_path, *(f"fold_{i // 2}/validation/{c}.nii.gz" for i, c in enumerate(CASES)))
    put(tmp_path, "fold_0/validation/summary.json")
    found = read(tmp_path, rename="validation/{case_id}.nii.gz")
    assert [one.fold for one in found.predictions] == [0, 0, 1, 1, 2, 2]
    assert found.problems == ()
    assert read(tmp_path, rename="{case_id}").problems == ()  # without a slash: the file's name alone


def test_what_does_not_fit_a_given_pattern_is_named(tmp_path: Path) -> None:
    found = read(put(tmp_path, "049_seg.nii.gz", "050_ct.nii.gz", "777_seg.nii.gz"), rename="{case_id}_seg")
    assert [one.case_id for one in found.predictions] == ["049"]
    assert [problem.where for problem in found.problems] == ["050_ct.nii.gz", "777_seg.nii.gz"]
    with pytest.raises(UsageError, match=r"does not hold \{case_id\}"):
        read(tmp_path, rename="case_seg")


def test_names_that_end_in_0000_are_taken_for_images(tmp_path: Path) -> None:
    found = read(put(tmp_path, *(f"{c}_0000.nii.gz" for c in CASES)))
    assert len(found.problems) == 1
    assert "input images" in told(found)[0]


def test_a_map_says_which_file_is_which_case(tmp_path: Path) -> None:
    folder = put(tmp_path / "preds", "a.nii.gz", "sub/b.nii.gz", "051.nii.gz")
    table = tmp_path / "names.csv"
    table.write_text("\ufefffile,case_id\na.nii.gz,49\nsub/b,050\n", encoding="utf-8")
    found = read(folder, map_file=table)
    assert [(one.where, one.case_id) for one in found.predictions] == [
        ("a.nii.gz", "049"), ("sub/b.nii.gz", "050"), ("051.nii.gz", "051"),
    ]  # fmt: skip
    assert found.problems == ()
    table.write_text("file,case_id\na.nii.gz,049\na.nii.gz,050\nb.nii.gz,131\nc.nii.gz,051\n")
    lines = told(read(folder, map_file=table))
    for words in ("line 3  names a.nii.gz a second time", "line 4  names '131'", "names c.nii.gz, which is not in"):
        assert any(words in line for line in lines)
    table.write_text("name,id\n")
    with pytest.raises(UsageError, match="needs the columns file and case_id"):
        read(folder, map_file=table)


def test_other_files_are_listed_and_never_opened(tmp_path: Path) -> None:
    junk = ["._049.nii.gz", ".DS_Store", "__MACOSX/._049.nii.gz", "dataset.json", "plans.json", "049.npz", "049.pkl"]
    found = read(put(tmp_path, "049.nii.gz", *junk))
    assert [one.case_id for one in found.predictions] == ["049"]
    assert found.problems == ()
    assert found.ignored == (
        ".DS_Store",
        "._049.nii.gz",
        "049.npz",
        "049.pkl",
        "__MACOSX/",
        "dataset.json",
        "plans.json",
    )


def test_folders_that_hold_nothing_to_score_say_so(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "empty  is empty. Expected <case_id>.nii.gz" in told(read(tmp_path / "empty"))[0]
    assert "holds no masks, but 2 .npy" in told(read(put(tmp_path / "npy", "049.npy", "050.npy")))[0]
    assert "does not exist" in told(read(tmp_path / "absent"))[0]
    assert "is a file, not a folder" in told(read(put(tmp_path, "file") / "file"))[0]
    other = put(tmp_path / "other", "predictions/instance2022/001.nii.gz")
    assert "holds predictions for instance2022, none for hssayeni" in told(read(other))[0]


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "049.nii.gz", "fold_1/051.nii.gz")
    listed = Path.iterdir

    def refuse(path: Path) -> object:
        if path.name == "fold_1":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert told(read(tmp_path)) == ["fold_1  cannot be read: Permission denied. Check its permissions."]


def test_a_pair_of_header_and_image_is_refused_as_one(tmp_path: Path) -> None:
    found = read(put(tmp_path, "049.hdr", "049.img", "050.nii.gz"))
    assert len(found.problems) == 1
    assert found.problems[0].where == "049.hdr and 049.img"
    assert "pair: a mask is one file" in found.problems[0].what


def test_a_link_in_a_circle_ends(tmp_path: Path) -> None:
    put(tmp_path, "049.nii.gz")
    (tmp_path / "again").symlink_to(tmp_path, target_is_directory=True)
    assert "leads back to a folder above it" in told(read(tmp_path))[0]


def test_a_manifest_from_an_editor_that_marks_utf_8_is_read(tmp_path: Path) -> None:
    put(tmp_path, "predictions/hssayeni/049.nii.gz")
    (tmp_path / "submission.toml").write_text('method = "x"', encoding="utf-8-sig")  # a byte order mark first
    found = read(tmp_path)
    assert found.manifest is not None
    assert found.manifest["method"] == "x"


def test_a_broken_manifest_is_a_problem_and_hides_no_other(tmp_path: Path) -> None:
    put(tmp_path, "049.nii.gz", "999.nii.gz")
    (tmp_path / "submission.toml").write_text("method = \n")
    assert len(read(tmp_path).problems) == 2
    (tmp_path / "submission.toml").write_bytes(b"method = '\xff'")
    assert any("not valid TOML" in line for line in told(read(tmp_path)))
    (tmp_path / "submission.toml").write_text('processing = "regrid"')
    assert any("[[processing]]" in line for line in told(read(tmp_path)))


def test_control_characters_in_a_name_reach_no_terminal(tmp_path: Path) -> None:
    found = read(put(tmp_path, "\x1b[31m049\n.nii.gz", "x\x07.txt"))
    assert "\x1b" not in "".join([*told(found), *found.ignored])
    assert found.ignored == ("x\\x07.txt",)


def test_ids_are_listed_in_few_words() -> None:
    assert compact(["051", "049", "050", "130", "053"], order=CASES) == "049–051, 053, 130"
    assert compact(["130", "049"], order=CASES) == "049, 130"


def test_the_frozen_schemes_of_the_real_datasets_are_understood(tmp_path: Path) -> None:
    plan = load_scheme("hssayeni", "lf20")
    for fold in plan.folds:
        put(tmp_path, *(f"fold_{fold}/{case_id}.nii.gz" for case_id in plan.test_cases(fold)))
    found = read(tmp_path, plan)
    assert found.problems == ()
    assert len(found.predictions) == 75 * 4  # every case once for each fold but its own


def test_files_of_a_folder_at_fault_are_not_counted_as_fine(tmp_path: Path) -> None:
    shifted = read(put(tmp_path / "from-1", *(f"fold_{i // 2 + 1}/{c}.nii.gz" for i, c in enumerate(CASES))))
    assert (shifted.fine(shifted.problems), shifted.files) == (0, 6)
    absent = read(put(tmp_path / "absent", "fold_7/049.nii.gz", "fold_0/050.nii.gz"))
    assert (absent.fine(absent.problems), absent.files) == (1, 2)
    none = read(put(tmp_path / "none", "budget-15-0/049.nii.gz", "budget-10-0/049.nii.gz"))
    assert (none.fine(none.problems), none.files) == (1, 2)


@pytest.mark.parametrize(
    ("beside", "words"),
    [
        (
            ["049.nii.gz", "050.nii.gz"],
            "mine  holds 2 masks beside seed_0, seed_3, of no run that is named. Put them into",
        ),
        (["fold_0/049.nii.gz"], "mine  holds 1 mask beside seed_0, seed_3, of no run that is named. Put it into"),
    ],
)
def test_masks_beside_folders_of_runs_are_refused(tmp_path: Path, beside: list[str], words: str) -> None:
    found = read(put(tmp_path / "mine", "seed_0/049.nii.gz", "seed_3/049.nii.gz", *beside))
    assert len(found.problems) == 1
    assert words in told(found)[0]
    assert (found.fine(found.problems), found.files) == (2, 2 + len(beside))
    missing, _ = check_ids(found, scheme(), ["049"], None)
    assert missing == []  # nobody knows of which run they would be missing


def test_masks_beside_budgets_are_refused_and_masks_beside_folds_are_no_mixture(tmp_path: Path) -> None:
    found = read(put(tmp_path / "mine", "budget-10-0/049.nii.gz", "budget-10-1/seed_1/049.nii.gz", "049.nii.gz"))
    assert told(found) == [
        "mine  holds 1 mask beside budget-10-0, budget-10-1, of no run that is named. Put it into a "
        "budget-<b>-<draw> folder, or move it away."
    ]
    inside = read(put(tmp_path / "in", "budget-10-0/049.nii.gz", "budget-10-0/seed_1/049.nii.gz"))
    assert "holds 1 mask in budget-10-0 beside seed_1, of no run" in told(inside)[0]
    assert read(put(tmp_path / "folds", "fold_0/049.nii.gz", "050.nii.gz")).problems == ()  # each case has one mask
