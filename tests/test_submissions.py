"""A submission is checked key by key, made by the tool, never overwritten in silence, and holds what may be public."""

from __future__ import annotations

import datetime
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ich_bench.errors import IchBenchError, InputError, UsageError
from ich_bench.runs import store
from ich_bench.submissions import written
from ich_bench.submissions.load import from_run, load_submissions, out_folders, submissions_folder
from ich_bench.submissions.publish import committed_schema, four_decimals, masks_sha256
from ich_bench.submissions.schema import KEYS, check
from ich_bench.submissions.submit import Submitted, initialise
from ich_bench.submissions.submit import submit as make
from submitted import MANIFEST, manifest, of_dice, run


def told(**changed: Any) -> list[str]:
    said = {name: value for name, value in (dict(MANIFEST) | changed).items() if value is not None}
    return [str(problem) for problem in check(said)[1]]


def submit(tmp_path: Path, out: Path, slug: str = "my-net", **options: Any) -> Submitted:
    if not (out / "submission.toml").exists() and "manifest" not in options:
        (out / "submission.toml").write_text(manifest(), encoding="utf-8")
    return make([out], slug, submissions=tmp_path / "subs", **options)


def test_a_sound_manifest_has_no_fault_and_its_values_are_kept() -> None:
    found, problems = check(dict(MANIFEST) | {"seeds": [0, 1], "annotated_patients": 60, "about": " two\nlines "})
    assert problems == []
    assert (found.method, found.method_id, found.team, found.seeds) == ("Small U-Net", "small-u-net", "Us", (0, 1))
    assert (found.annotated_patients, found.about, found.needs_masks) == (60.0, "two\nlines", True)
    assert found.why_unranked() == ()


def test_every_key_has_a_fault_of_its_own_and_all_are_told_at_once() -> None:
    wrong = {name: datetime.date(2026, 1, 1) for name in KEYS}
    problems = check(wrong)[1]
    assert [problem.what.split(":")[0] for problem in problems] == [f"key {name}" for name in KEYS]
    assert all("found a date (2026-01-01); expected" in problem.what for problem in problems)
    assert all(problem.mend for problem in problems)


def test_what_a_submission_must_say_is_asked_for() -> None:
    problems = check({})[1]
    required = [name for name, key in KEYS.items() if key.required]
    assert [problem.what.split(" is absent")[0] for problem in problems] == [f"key {name}" for name in required]
    assert {"method", "team", "regime", "labels_needed", "checkpoint_selection"} <= set(required)
    assert told(team="") == [
        "submission.toml  key team is empty; expected text in quotes. Who submits it: persons or a group. "
        'Add a line such as team = "Our group"'
    ]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("method", "x" * 10_000, '(10000 letters); expected at most 120 letters.'),
        ("method", "a\x1b[31mb", r'the text "a\x1b[31mb"; expected letters that print, on one line.'),
        ("method", "two\nlines", "expected letters that print, on one line."),
        ("method", 7, "found the number 7; expected text in quotes."),
        ("team", ["a"], 'found a list with the text "a"; expected text in quotes.'),
        ("team", {"a": 1}, "found a table; expected text in quotes."),
        ("team", True, "found true; expected text in quotes."),
        ("training_hours", math.nan, "found the number nan; expected a number of at least 0."),
        ("training_hours", math.inf, "found the number inf; expected a number of at least 0."),
        ("training_hours", -1, "found the number -1; expected a number of at least 0."),
        ("training_hours", 10**400, "found a number of many digits; expected a number of at least 0."),
        ("training_hours", True, "found true; expected a number of at least 0."),
        ("training_hours", "3 h", 'found the text "3 h"; expected a number of at least 0.'),
        ("label_fraction_percent", 101, "expected a number from 0 to 100."),
        ("seeds", [1, 2.5], "expected a list of whole numbers, each a whole number from 0."),
        ("seeds", [True], "expected a list of whole numbers, each a whole number from 0."),
        ("seeds", 3, "found the number 3; expected a list of whole numbers."),
        ("labels_needed", ["voxels"], 'expected a list of kinds of label, each one of "unlabelled"'),
        ("labels_needed", [["voxel"]], "found a list; expected a list of kinds of label"),
        ("supervision", "full", 'expected one of "none", "unsupervised"'),
        ("regime", "from:brats", 'expected "cv", "cv+external", "external" or "from:<dataset>"'),
        ("checkpoint_selection", "best", 'expected one of "last", "inner", "test-fold".'),
        ("predictions_sha256", "abc", "expected 64 hexadecimal digits in small letters"),
        ("predictions_url", "ftp://x", "expected an address with http(s)://"),
        ("method_id", "My Net", "expected small letters a-z, digits and single hyphens"),
        ("kind", "baseline", 'expected one of "method", "calibration", "ceiling".'),
    ],
)  # fmt: skip
def test_a_value_that_will_not_do_is_named_with_what_was_expected(name: str, value: Any, words: str) -> None:
    lines = [line for line in told(**{name: value}) if f"key {name}:" in line]
    assert len(lines) == 1
    assert words in lines[0]
    assert lines[0].isprintable()
    assert len(lines[0]) < 600


def test_an_unknown_key_names_the_nearest_known_one() -> None:
    (line,) = told(supervison="supervised")
    assert "key 'supervison' is not known. Did you mean supervision?" in line
    (hostile,) = told(**{"\x1b[2J" + "x" * 10_000: 1})
    assert hostile.isprintable()
    assert len(hostile) < 800


def test_what_two_keys_together_cannot_mean_is_said() -> None:
    assert "labels_needed lacks" in told(labels_needed=["slice"])[0]
    assert "means no drawn masks" in told(supervision="weakly-supervised")[0]
    assert 'regime = "cv" means no other data' in told(external_data=["rsna"])[0]
    assert "go together" in told(predictions_url="https://example.org/a.zip")[0]
    assert "needs the key contamination" in told(test_data_seen="unknown")[0]
    assert told(test_data_seen="unknown", contamination="Weights of unknown training data.") == []


def test_the_template_asks_for_every_key_and_is_sound_once_filled_in(tmp_path: Path) -> None:
    path = initialise(tmp_path / "mine")
    text = path.read_text(encoding="utf-8")
    assert all(f"\n{name} = " in text or f"\n# {name} = " in text for name in KEYS)
    import tomllib

    assert len(check(tomllib.loads(text))[1]) == len([key for key in KEYS.values() if key.required])
    with pytest.raises(IchBenchError, match="is there already"):
        initialise(tmp_path / "mine")
    assert check(tomllib.loads(written.template(MANIFEST)))[1] == []


def test_text_cannot_end_its_own_quotes() -> None:
    import tomllib

    hostile = 'a"\nkind = "calibration" \\ \x7f \x00 \ud800 é'
    assert tomllib.loads(f"x = {written.toml_value(hostile)}")["x"] == hostile.replace("\ud800", "?")


def test_submit_writes_hashes_and_a_second_time_changes_nothing(tmp_path: Path) -> None:
    out = run(tmp_path / "out", seeds=(0, 1), text=manifest(seeds=[0, 1]))
    done = submit(tmp_path, out)
    assert done.changed == ("scores/seg-cq500.parquet", "submission.toml")
    (file,) = done.submission.scores
    assert (file.cases, file.seeds, file.folds, file.status, file.level) == (
        51, (0, 1), (0, 1, 2, 3, 4), "complete", "self-reported",
    )  # fmt: skip
    assert file.sha256 == store.file_sha256(tmp_path / "subs/my-net/scores/seg-cq500.parquet")
    assert file.local_sha256 == store.file_sha256(out / "scores/seg-cq500.parquet")
    assert set(file.table().column("submission").to_pylist()) == {"my-net"}
    assert done.notes == ()
    assert submit(tmp_path, out).changed == ()
    assert [path.name for path in (tmp_path / "subs").iterdir()] == ["my-net"]  # nothing half-made stays


def test_nothing_is_overwritten_in_silence_and_comments_stay(tmp_path: Path) -> None:
    out = run(tmp_path / "out", text="# mine\n" + manifest())
    submit(tmp_path, out)
    before = (tmp_path / "subs/my-net/submission.toml").read_text(encoding="utf-8")
    assert before.startswith("# mine\n")
    run(tmp_path / "out", dice=lambda case_id, number: 0.6)
    with pytest.raises(IchBenchError, match=r"another scores/seg-cq500\.parquet"):
        submit(tmp_path, out)
    assert (tmp_path / "subs/my-net/submission.toml").read_text(encoding="utf-8") == before
    (out / "submission.toml").write_text(manifest(team="Them"), encoding="utf-8")
    with pytest.raises(IchBenchError, match=r"parquet and another submission\.toml"):
        submit(tmp_path, out)
    assert submit(tmp_path, out, overwrite=True).submission.manifest.team == "Them"


def test_another_dataset_joins_the_same_folder_and_a_stranger_s_file_stays(tmp_path: Path) -> None:
    out = run(tmp_path / "out", text=manifest())
    submit(tmp_path, out)
    (tmp_path / "subs/my-net/README.md").write_text("hello")
    run(tmp_path / "out2", "instance2022", text=manifest())
    done = submit(tmp_path, tmp_path / "out2")
    assert [file.dataset for file in done.submission.scores] == ["instance2022", "seg-cq500"]
    assert (tmp_path / "subs/my-net/README.md").read_text() == "hello"


def test_runs_of_several_seeds_are_put_together_and_the_same_run_twice_is_refused(tmp_path: Path) -> None:
    outs = [run(tmp_path / f"s{seed}", seeds=(seed,), text=manifest()) for seed in (3, 1)]
    done = make(outs, "my-net", submissions=tmp_path / "subs")
    assert done.submission.scores[0].seeds == (1, 3)
    assert done.submission.scores[0].table().column("seed").to_pylist() == [1] * 51 + [3] * 51
    again = run(tmp_path / "again", seeds=(3,))
    with pytest.raises(IchBenchError, match="holds the same training run as"):
        make([*outs, again], "other", submissions=tmp_path / "subs")
    elsewhere = run(tmp_path / "else", seeds=(4,), dataset_sha256="9" * 64)
    with pytest.raises(IchBenchError, match="differ in dataset_sha256"):
        make([outs[0], elsewhere], "other", submissions=tmp_path / "subs")


@pytest.mark.parametrize("dataset", ["hssayeni", "instance2022"])
def test_of_a_restricted_dataset_only_case_fold_status_and_metrics_are_committed(tmp_path: Path, dataset: str) -> None:
    out = run(tmp_path / "out", dataset, dice=lambda case_id, number: 0.123456, text=manifest())
    submit(tmp_path, out)
    held = pq.read_table(tmp_path / f"subs/my-net/scores/{dataset}.parquet")
    assert held.column_names == [
        "submission", "dataset", "scheme", "budget", "seed", "fold", "case_id", "dice", "precision", "recall", "iou",
        "nsd_2mm", "nsd_1mm", "nsd_0p42mm", "hd95", "hd100", "assd", "rvd", "abs_rvd", "lesion_recall",
        "lesion_precision", "detected", "status",
    ]  # fmt: skip
    # tp = 123 of 1000: (2 · 123 + 1)/2001 = 0.12343…
    ich = pa.compute.field("status") == "scored"
    assert set(held.filter(ich).column("dice").to_pylist()) == {0.1234}
    full = load_submissions(tmp_path / "subs").submissions[0].scores[0].table()
    assert full.schema.equals(store.schema("native"), check_metadata=False)
    assert full.column("tp").null_count == full.num_rows
    mine = store.read_scores(out / "scores" / f"{dataset}.parquet")
    assert full.column("has_ich").to_pylist() == mine.column("has_ich").to_pylist()
    assert full.column("patient_id").to_pylist() == mine.column("patient_id").to_pylist()


def test_the_clean_rate_survives_without_counts(tmp_path: Path) -> None:
    from ich_bench.tables.summary import summarise

    def wrong(made: dict[str, Any]) -> None:
        if made["case_id"] in ("054", "055", "056"):  # three of the 39 healthy heads
            made.update(fp=3, dice=0.25, status="scored")

    submit(tmp_path, run(tmp_path / "out", "hssayeni", change=wrong, text=manifest()))
    table = load_submissions(tmp_path / "subs").submissions[0].scores[0].table()
    clean = summarise(table).runs[0].cohort("healthy").clean
    assert clean is not None
    assert (clean.count, clean.n) == (36.0, 39)
    assert summarise(table).runs[0].cohort("ich").same_side_of_30_ml.n == 0  # type: ignore[union-attr]


def test_what_was_odd_about_restricted_files_is_not_committed(tmp_path: Path) -> None:
    odd = ["reference of 066 is moved by 3.1 mm", "all 75 masks are empty"]
    for dataset, kept in (("hssayeni", ("all 75 masks are empty",)), ("seg-cq500", tuple(odd))):
        done = submit(tmp_path, run(tmp_path / dataset, dataset, text=manifest(), warnings=odd), dataset)
        (file,) = done.submission.scores
        assert file.warnings == kept
        assert tuple(store.provenance(file.table())["warnings"]) == kept


def test_a_number_is_rounded_to_four_decimals_and_undefined_stays() -> None:
    assert four_decimals(0.123449) == 0.1234
    assert math.copysign(1, four_decimals(-0.00001)) == 1
    assert four_decimals(math.inf) == math.inf
    assert math.isnan(four_decimals(math.nan))
    assert four_decimals(None) is None


@pytest.mark.parametrize("slug", ["My-Net", "my_net", "", "-a", "a--b", "../x", "a/b", "reported", "é", "a" * 200])
def test_a_name_that_is_no_slug_is_refused(tmp_path: Path, slug: str) -> None:
    with pytest.raises(UsageError, match="is no slug"):
        submit(tmp_path, run(tmp_path / "out", text=manifest()), slug)


def refused(tmp_path: Path, out: Path, **options: Any) -> str:
    with pytest.raises(InputError) as fault:
        submit(tmp_path, out, **options)
    assert not (tmp_path / "subs").exists()
    return str(fault.value)


def test_one_mask_for_two_cases_is_refused_but_two_empty_ones_are_not(tmp_path: Path) -> None:
    def same(made: dict[str, Any]) -> None:
        if made["case_id"] in ("CQ500-CT-4", "CQ500-CT-19"):
            made["prediction_sha256"] = "a" * 64

    words = refused(tmp_path, run(tmp_path / "out", change=same))
    assert "the same non-empty mask is given for 2 cases: CQ500-CT-19, CQ500-CT-4." in words

    def blank(made: dict[str, Any]) -> None:
        same(made)
        if made["prediction_sha256"] == "a" * 64:
            made["status"] = "empty_prediction"

    assert submit(tmp_path, run(tmp_path / "out", change=blank)).changed


def test_a_copy_of_the_reference_is_refused_unless_it_is_said_to_be_a_ceiling(tmp_path: Path) -> None:
    def copied(made: dict[str, Any]) -> None:
        if made["case_id"] == "CQ500-CT-19":
            made.update(of_dice(1.0))

    out = run(tmp_path / "out", change=copied)
    assert "the mask is the reference itself in 1 case: CQ500-CT-19." in refused(tmp_path, out)
    (out / "submission.toml").write_text(manifest(kind="ceiling"), encoding="utf-8")
    assert "ceiling row" in " ".join(submit(tmp_path, out).notes)


def test_faults_of_manifest_and_scores_are_told_together(tmp_path: Path) -> None:
    def same(made: dict[str, Any]) -> None:
        made["prediction_sha256"] = "a" * 64

    out = run(tmp_path / "out", change=same, text=manifest(team=None, regime="x"))
    words = refused(tmp_path, out)
    assert words.startswith("3 problems with submission my-net")
    assert all(part in words for part in ("key team is absent", "key regime:", "given for 51 cases"))


def test_scores_of_other_suites_folds_and_data_are_refused(tmp_path: Path) -> None:
    assert "was scored under suite 0; this version submits suite 1" in refused(tmp_path, run(tmp_path / "a", suite=0))
    assert "another version of the folds" in refused(tmp_path, run(tmp_path / "b", fold_sha256="0" * 64))
    out = run(tmp_path / "c", change=lambda made: made.update(dataset="mine"))
    assert "'mine', which is no dataset of the benchmark" in refused(tmp_path, out)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("method = ", "is not valid TOML"),
        (manifest() + "[[scores]]\nsha256 = 'x'\n", "key scores is written by `ich-bench submit`"),
        (manifest() + 'processing = "regrid"\n', r"holds `processing` that is not a list"),
    ],
)
def test_a_manifest_that_cannot_be_read_or_forges_hashes_is_refused(tmp_path: Path, text: str, words: str) -> None:
    assert words in refused(tmp_path, run(tmp_path / "out", text=text))


def test_a_manifest_of_another_name_is_checked_alike(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(manifest() + 'processing = "regrid"\n', encoding="utf-8")
    assert "holds `processing` that is not a list" in refused(tmp_path, run(tmp_path / "out"), manifest=path)
    path.write_bytes(b"method = '\xff'")
    assert "is not valid TOML" in refused(tmp_path, run(tmp_path / "out"), manifest=path)
    with pytest.raises(UsageError, match="there is no such file"):
        submit(tmp_path, run(tmp_path / "out"), manifest=tmp_path / "absent.toml")


def test_an_out_folder_that_is_not_there_is_named_before_anything_else(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere: there is no such folder or score file"):
        make([run(tmp_path / "out"), tmp_path / "nowhere"], "my-net", submissions=tmp_path / "subs")


def test_without_a_manifest_the_way_to_one_is_said(tmp_path: Path) -> None:
    with pytest.raises(IchBenchError, match="submit --init FOLDER"):
        make([run(tmp_path / "out")], "my-net", submissions=tmp_path / "subs")


def test_what_will_not_be_ranked_is_said_at_once(tmp_path: Path) -> None:
    text = manifest(checkpoint_selection="test-fold", postprocessing_chosen_on="test-fold")
    notes = submit(tmp_path, run(tmp_path / "out", text=text, status="partial")).notes
    assert notes[0] == (
        "seg-cq500.parquet will be shown, not ranked: checkpoint chosen on the test fold; post-processing chosen on "
        "the test fold; partial: some folds or cases only."
    )
    assert notes[-1].startswith("one training run")


def test_a_submission_at_fault_hides_no_other(tmp_path: Path) -> None:
    for slug in ("a-net", "b-net", "c-net"):
        submit(tmp_path, run(tmp_path / slug, text=manifest(method=slug)), slug)
    path = tmp_path / "subs/b-net/scores/seg-cq500.parquet"
    path.write_bytes(path.read_bytes() + b" ")
    (tmp_path / "subs/c-net/scores/more.parquet").write_bytes(b"")
    (tmp_path / "subs/empty").mkdir()
    (tmp_path / "subs/reported").mkdir()
    shelf = load_submissions(tmp_path / "subs")
    assert [one.slug for one in shelf.submissions] == ["a-net"]
    assert [problem.where for problem in shelf.problems] == [
        "b-net/scores/seg-cq500.parquet", "c-net/scores/more.parquet", "empty/submission.toml",
    ]  # fmt: skip
    assert "was changed after it was submitted" in shelf.problems[0].what
    assert shelf.get("a-net").slug == "a-net"
    with pytest.raises(UsageError, match="Did you mean a-net"):
        shelf.get("a-nett")
    with pytest.raises(UsageError, match="cannot be used"):
        shelf.get("b-net")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('status = "complete"', 'status = "great"', 'key status: found the text "great"; expected complete, partial'),
        ("suite = 1", "suite = true", "key suite: found true; expected a whole number."),
        ("cases = 51\n", "", "key cases is absent."),
        ("leaky = false", "leaky = false\nrank = 1", "key 'rank' is not known."),
        ('file = "scores/seg-cq500.parquet"', 'file = "../../etc/passwd"', "expected scores/seg-cq500.parquet."),
        ('level = "self-reported"', 'level = "gold"', 'key level: found the text "gold"'),
        ("folds = [0, 1, 2, 3, 4]", 'folds = ["0"]', "expected a list of whole numbers."),
    ],
)
def test_what_the_tool_wrote_cannot_be_changed_by_hand(tmp_path: Path, old: str, new: str, words: str) -> None:
    submit(tmp_path, run(tmp_path / "out", text=manifest()))
    path = tmp_path / "subs/my-net/submission.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    told = " ".join(str(problem) for problem in load_submissions(tmp_path / "subs").problems)
    assert words in told


def test_a_restricted_dataset_cannot_be_published_in_full(tmp_path: Path) -> None:
    submit(tmp_path, run(tmp_path / "out", "instance2022", text=manifest()))
    path = tmp_path / "subs/my-net/submission.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('published = "metrics"', 'published = "full"'), encoding="utf-8")
    assert "its card allows metrics only" in str(load_submissions(tmp_path / "subs").problems[0])
    full = run(tmp_path / "full", "instance2022") / "scores/instance2022.parquet"
    target = tmp_path / "subs/my-net/scores/instance2022.parquet"
    sums = [store.file_sha256(target), store.file_sha256(full)]
    target.write_bytes(full.read_bytes())
    path.write_text(text.replace(sums[0], sums[1]), encoding="utf-8")  # the hash was mended as well
    with pytest.raises(IchBenchError, match=r"may not be there"):
        load_submissions(tmp_path / "subs").submissions[0].scores[0].table()


def test_an_unsubmitted_run_is_read_with_what_manifest_there_is(tmp_path: Path) -> None:
    found = from_run(run(tmp_path / "my run", text='method = "Mine"\nabout = "x"\nunknown = 1\n'))
    assert (found.slug, found.manifest.method, found.submitted) == ("my run", "Mine", False)
    bare = from_run(run(tmp_path / "bare"))
    assert (bare.manifest.method, bare.manifest.team, bare.scores[0].cases) == ("bare", "", 51)
    assert bare.score_file("seg-cq500") is bare.scores[0]
    assert bare.score_file("hssayeni") is None


def test_the_folder_of_submissions_is_the_named_one_or_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(IchBenchError, match="there is no such folder"):
        submissions_folder(tmp_path / "absent")
    monkeypatch.setenv("ICH_BENCH_SUBMISSIONS", str(tmp_path))
    assert submissions_folder() == tmp_path
    monkeypatch.delenv("ICH_BENCH_SUBMISSIONS")
    monkeypatch.chdir(tmp_path)
    assert (submissions_folder() / "README.md").is_file()  # the checkout's own


def test_the_hash_of_all_masks_is_that_of_its_lines() -> None:
    import hashlib

    rows = [{"budget": None, "seed": 1, "fold": 0, "case_id": "049", "prediction_sha256": "ab"}]
    assert masks_sha256(rows) == hashlib.sha256(b",1,0,049,ab\n").hexdigest()


def test_other_profiles_publish_their_own_columns() -> None:
    assert "positive_slices" not in committed_schema("wang2020", "metrics").names  # a count
    assert committed_schema("spahr2023", "metrics").names[-5:] == ["dice", "precision", "recall", "iou", "status"]


def test_a_folder_of_output_folders_stands_for_all_of_them(tmp_path: Path) -> None:
    for name in ("b-method", "a-method", "notes"):
        (tmp_path / name / ("" if name == "notes" else "scores")).mkdir(parents=True)
    assert out_folders(tmp_path) == (tmp_path / "a-method", tmp_path / "b-method")
    assert out_folders(tmp_path / "a-method") == (tmp_path / "a-method",)
    assert out_folders(tmp_path / "notes") == (tmp_path / "notes",)  # told of as holding no scores where it is read
    assert out_folders(tmp_path / "absent") == (tmp_path / "absent",)
