"""An ensemble is what most of its members draw, or their mean probability; members that do not match are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import small_heads  # noqa: E402
from ich_bench.datasets import load_dataset  # noqa: E402
from ich_bench.errors import IchBenchError, InputError, UsageError  # noqa: E402
from ich_bench.folds import load_scheme  # noqa: E402
from ich_bench.geometry import Geometry  # noqa: E402
from ich_bench.predictions.manifest import read_tables  # noqa: E402
from ich_bench.runs.evaluation import evaluate  # noqa: E402
from ich_bench.submissions.schema import check  # noqa: E402
from ich_bench.volume import open_mask, read_ct, write_ct, write_mask  # noqa: E402
from ich_bench_baselines.experiment import run  # noqa: E402
from ich_bench_baselines.methods import method  # noqa: E402
from ich_bench_baselines.predict import predict_cases, write_predictions  # noqa: E402
from ich_bench_baselines.studies.ensemble import ensemble, majority, mean_of_probabilities  # noqa: E402

DATASET = "phantom-mini"
CV4 = load_scheme(DATASET)
CASE, OTHER = CV4.test_cases(0)[:2]
GRID = Geometry.of((4, 1, 1), np.diag([2.0, 2.0, 5.0, 1.0]))


def masks(folder: Path, rows: dict[str, Sequence[int]], *, seed: int | None = None, fold: int = 0,
          grid: Geometry = GRID) -> Path:  # fmt: skip
    """Write masks of a row of voxels each, as a submission lays them out; return the submission."""
    home = folder / "predictions" / DATASET / "cv4" / ("" if seed is None else f"seed_{seed}") / f"fold_{fold}"
    home.mkdir(parents=True, exist_ok=True)
    for case, row in rows.items():
        write_mask(home / f"{case}.nii.gz", np.array(row, np.bool_).reshape(grid.shape), grid)
    return folder


def manifest(folder: Path, **values: Any) -> Path:
    usual: dict[str, Any] = {
        **{"method": folder.name, "team": "t", "licence": "Apache-2.0", "supervision": "supervised", "regime": "cv"},
        **{"labels_needed": ["voxel"], "training_data": [DATASET], "external_data": []},
        **{"checkpoint_selection": "last", "postprocessing_chosen_on": "none", "test_data_seen": "no"},
    }
    text = "".join(f"{name} = {value!r}\n".replace("'", '"') for name, value in {**usual, **values}.items())
    (folder / "submission.toml").write_text(text)
    return folder


def drawn(made: Any) -> dict[str, list[int]]:
    """Return the voxels of each mask of an ensemble, by its path below the scheme."""
    root = made.folder / "predictions" / DATASET / "cv4"
    return {str(path.relative_to(root)): open_mask(path).voxels().ravel().astype(int).tolist() for path in made.masks}


def test_three_members_vote_and_two_of_them_are_enough(tmp_path: Path) -> None:
    members = [
        masks(tmp_path / "a", {CASE: [1, 1, 1, 0]}),
        masks(tmp_path / "b", {CASE: [1, 1, 0, 0]}),
        masks(tmp_path / "c", {CASE: [1, 0, 0, 0]}),
    ]
    made = ensemble(members, DATASET, tmp_path / "out")
    assert drawn(made) == {f"fold_0/{CASE}.nii.gz": [1, 1, 0, 0]}  # votes 3, 2, 1, 0 of 3


def test_a_tie_is_no_hemorrhage(tmp_path: Path) -> None:
    members = [masks(tmp_path / "a", {CASE: [1, 1, 0, 0]}), masks(tmp_path / "b", {CASE: [1, 0, 1, 0]})]
    assert drawn(ensemble(members, DATASET, tmp_path / "out")) == {f"fold_0/{CASE}.nii.gz": [1, 0, 0, 0]}


def test_the_seed_s_of_each_makes_the_seed_s_of_the_ensemble(tmp_path: Path) -> None:
    for seed, row in ((0, [1, 1, 0, 0]), (4, [0, 0, 1, 1])):
        for name in ("a", "b", "c"):
            masks(tmp_path / name, {CASE: row}, seed=seed)
    made = ensemble([tmp_path / name for name in "abc"], DATASET, tmp_path / "out")
    assert drawn(made) == {
        f"seed_0/fold_0/{CASE}.nii.gz": [1, 1, 0, 0],
        f"seed_4/fold_0/{CASE}.nii.gz": [0, 0, 1, 1],
    }


def test_pooled_a_member_has_one_vote_however_many_seeds_it_has(tmp_path: Path) -> None:
    for seed, row in enumerate(([1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0])):
        masks(tmp_path / "a", {CASE: row}, seed=seed)  # shares 1, 2/3, 1/3, 0
    masks(tmp_path / "b", {CASE: [1, 0, 1, 0]}, seed=7)
    made = ensemble([tmp_path / "a", tmp_path / "b"], DATASET, tmp_path / "out", seeds="pool")
    assert drawn(made) == {f"fold_0/{CASE}.nii.gz": [1, 0, 1, 0]}  # of 2 votes: 2, 2/3, 4/3, 0
    alone = ensemble([tmp_path / "a"], DATASET, tmp_path / "alone", seeds="pool")
    assert drawn(alone) == {f"fold_0/{CASE}.nii.gz": [1, 1, 0, 0]}


def test_shares_that_add_up_to_a_half_are_a_tie_to_the_last_digit(tmp_path: Path) -> None:
    home = tmp_path / "x"
    home.mkdir()
    for name, row in (("on", [1, 1, 1, 1]), ("off", [0, 0, 0, 0])):
        write_mask(home / f"{name}.nii.gz", np.array(row, np.bool_).reshape(4, 1, 1), GRID)
    on, off = home / "on.nii.gz", home / "off.nii.gz"
    # 1/3 + 1/6 = 1/2 of two votes is 1/4; 2/3 + 1/3 = 1 of two votes is a tie
    assert not majority([[on, on, off], [on, off, off]]).any()
    assert majority([[on, on, off], [on, on, off]]).all()


def test_the_mean_of_probabilities_is_cut_at_one_half(tmp_path: Path) -> None:
    rows = {"a": [0.9, 0.2, 0.6, 0.0], "b": [0.3, 0.7, 0.4, 0.1], "c": [0.6, 0.5, 0.5, 0.0]}
    for name, row in rows.items():
        masks(tmp_path / name, {CASE: [0, 0, 0, 0]})
        home = tmp_path / name / "probabilities" / DATASET / "cv4" / "fold_0"
        home.mkdir(parents=True)
        write_ct(home / f"{CASE}.nii.gz", np.array(row, np.float32).reshape(4, 1, 1), GRID)
    made = ensemble([tmp_path / name for name in "abc"], DATASET, tmp_path / "out", rule="mean")
    assert drawn(made) == {f"fold_0/{CASE}.nii.gz": [1, 0, 1, 0]}  # means 0.6, 0.467, 0.5, 0.033
    write_ct(home / f"{CASE}.nii.gz", np.array([1.2, 0, 0, 0], np.float32).reshape(4, 1, 1), GRID)
    with pytest.raises(InputError, match="outside 0 to 1"):
        mean_of_probabilities([[home / f"{CASE}.nii.gz"]])


def test_members_without_probabilities_are_named_all_at_once(tmp_path: Path) -> None:
    members = [masks(tmp_path / "a", {CASE: [1, 0, 0, 0]}), masks(tmp_path / "b", {CASE: [1, 0, 0, 0]})]
    with pytest.raises(InputError, match="holds no probabilities") as fault:
        ensemble(members, DATASET, tmp_path / "out", rule="mean")
    assert len(fault.value.problems) == 2
    assert not (tmp_path / "out").exists()


def test_missing_cases_other_folds_other_seeds_and_other_grids_are_refused_in_words(tmp_path: Path) -> None:
    whole = masks(tmp_path / "a", {CASE: [1, 0, 0, 0], OTHER: [1, 0, 0, 0]})
    short = masks(tmp_path / "b", {CASE: [1, 0, 0, 0]})
    with pytest.raises(InputError, match="lacks 1 masks of fold 0 that another member has") as fault:
        ensemble([whole, short], DATASET, tmp_path / "out")
    assert [problem.where for problem in fault.value.problems] == ["b"]
    elsewhere = masks(tmp_path / "c", {CV4.test_cases(1)[0]: [1, 0, 0, 0]}, fold=1)
    with pytest.raises(InputError, match="of fold 1 that another member has"):
        ensemble([short, elsewhere], DATASET, tmp_path / "out")
    seeded = masks(tmp_path / "d", {CASE: [1, 0, 0, 0]}, seed=3)
    with pytest.raises(InputError, match="of seed 3, fold 0 that another member has"):
        ensemble([short, seeded], DATASET, tmp_path / "out")
    moved = Geometry.of((4, 1, 1), np.diag([2.0, 2.0, 4.0, 1.0]))
    other = masks(tmp_path / "e", {CASE: [1, 0, 0, 0]}, grid=moved)
    with pytest.raises(InputError, match="do not lie on the same grids") as fault:
        ensemble([short, other], DATASET, tmp_path / "out")
    assert fault.value.problems[0].where == f"e/{CASE}.nii.gz"
    wrong = masks(tmp_path / "f", {CASE: [1, 0, 0, 0]}, fold=2)
    with pytest.raises(InputError, match="make no ensemble"):
        ensemble([short, wrong], DATASET, tmp_path / "out")
    (tmp_path / "g").mkdir()
    with pytest.raises(InputError, match="holds no masks of phantom-mini/cv4"):
        ensemble([short, tmp_path / "g"], DATASET, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_meant_is_told_before_anything_is_read(tmp_path: Path) -> None:
    one, two = (masks(tmp_path / name, {CASE: [1, 0, 0, 0]}) for name in "ab")
    with pytest.raises(UsageError, match="Did you mean majority"):
        ensemble([one, two], DATASET, tmp_path / "out", rule="majorty")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="two members"):
        ensemble([one], DATASET, tmp_path / "out")
    with pytest.raises(UsageError, match="named twice"):
        ensemble([one, tmp_path / "b" / ".." / "a"], DATASET, tmp_path / "out")
    with pytest.raises(UsageError, match="written over its member"):
        ensemble([one, two], DATASET, two)
    with pytest.raises(UsageError, match="no such folder"):
        ensemble([one, tmp_path / "x"], DATASET, tmp_path / "out")


def test_masks_that_are_there_are_replaced_only_where_that_is_asked_for(tmp_path: Path) -> None:
    members = [masks(tmp_path / name, {CASE: [1, 0, 0, 0]}) for name in "ab"]
    out = masks(tmp_path / "out", {OTHER: [1, 1, 1, 1]})
    with pytest.raises(IchBenchError, match="holds masks already"):
        ensemble(members, DATASET, out)
    assert list(drawn(ensemble(members, DATASET, out, overwrite=True))) == [f"fold_0/{CASE}.nii.gz"]
    assert not (out / "predictions" / DATASET / "cv4" / "fold_0" / f"{OTHER}.nii.gz").exists()


def test_an_ensemble_knows_which_folds_its_members_predicted(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for fold in CV4.folds:
            masks(tmp_path / name, {CV4.test_cases(fold)[0]: [1, 0, 0, 0]}, fold=fold)
            masks(tmp_path / f"part {name}", {CASE: [1, 0, 0, 0]}, fold=0)
    assert ensemble([tmp_path / "part a", tmp_path / "part b"], DATASET, tmp_path / "some").folds == (0,)
    assert ensemble([tmp_path / "a", tmp_path / "b"], DATASET, tmp_path / "every").folds is None


def test_the_manifest_names_the_members_and_says_the_worst_of_each(tmp_path: Path) -> None:
    a = manifest(masks(tmp_path / "a", {CASE: [1, 0, 0, 0]}), training_hours=1.5, hardware="1 x A100")
    b = manifest(
        masks(tmp_path / "b", {CASE: [1, 0, 0, 0]}),
        **{"method": "B-net", "training_hours": 2.0, "hardware": "CPU", "checkpoint_selection": "test-fold"},
        **{"regime": "cv+external", "external_data": ["rsna"], "labels_needed": ["slice", "voxel"]},
        **{"supervision": "weakly-supervised-transfer", "test_data_seen": "unknown", "contamination": "who knows"},
    )
    made = ensemble([a, b], DATASET, tmp_path / "out", name="Both", team="us")
    said, problems = check(read_tables(made.manifest)[0] or {})
    assert not problems
    assert made.notes == ()
    assert said.about.startswith("Ensemble of a, B-net: ")
    assert (said.method, said.team, said.regime, said.external_data) == ("Both", "us", "cv+external", ("rsna",))
    assert (said.supervision, said.labels_needed) == ("weakly-supervised-transfer", ("slice", "voxel"))
    assert (said.checkpoint_selection, said.test_data_seen) == ("test-fold", "unknown")
    assert (said.training_hours, said.hardware) == (3.5, "1 x A100, CPU")
    assert said.contamination == "B-net: who knows"


def test_members_of_one_name_are_told_apart_by_the_folder_around_them(tmp_path: Path) -> None:
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
    members = [masks(tmp_path / place / "a", {CASE: [1, 0, 0, 0]}) for place in ("one", "two")]
    made = ensemble(members, DATASET, tmp_path / "out")
    tables = read_tables(made.manifest)[0] or {}
    assert tables["about"].startswith("Ensemble of one/a, two/a: ")
    assert tables["version"] == "majority of 2"


def test_an_ensemble_with_a_ceiling_is_one_and_what_a_bare_folder_does_not_say_is_asked_for(tmp_path: Path) -> None:
    a = manifest(masks(tmp_path / "a", {CASE: [1, 0, 0, 0]}), kind="ceiling")
    bare = masks(tmp_path / "b", {CASE: [1, 0, 0, 0]})
    made = ensemble([a, bare], DATASET, tmp_path / "out")
    tables = read_tables(made.manifest)[0] or {}
    assert tables["kind"] == "ceiling"
    assert "supervision" not in tables
    assert any("supervision is absent" in note for note in made.notes)
    assert any("team is absent" in note for note in made.notes)


def test_real_members_make_an_ensemble_that_is_scored_as_any_submission(tmp_path: Path) -> None:
    heads = small_heads.mini()
    for name in ("unet-mixed", "unet-ich-only"):
        job = small_heads.tiny_job(tmp_path, heads, name)
        run(job, folds=[0])
        way = method(name)
        cases = [one for one in load_dataset(DATASET, heads).cases if one.case_id in CV4.test_cases(0)]
        files = predict_cases(job, way.load(way.train(job), "cpu"), cases, probabilities=True)
        for path in files:
            maps = Path(str(path).replace("/predictions/", "/probabilities/"))
            found = read_ct(maps)
            assert found.hu.dtype == np.float32
            assert np.array_equal(found.hu >= 0.5, open_mask(path).voxels())
    members = [tmp_path / "unet-mixed", tmp_path / "unet-ich-only"]
    for rule in ("majority", "mean"):
        made = ensemble(members, DATASET, tmp_path / rule, rule=rule, team="t")  # type: ignore[arg-type]
        assert made.notes == ()
        scored = evaluate(DATASET, made.folder, data=heads, out=made.folder, folds=(0,))
        assert set(scored.scores.column("case_id").to_pylist()) == set(CV4.test_cases(0))
    both = np.logical_and(*(open_mask(next(one.rglob(f"predictions/**/{CASE}.nii.gz"))).voxels() for one in members))
    assert np.array_equal(open_mask(next((tmp_path / "majority").rglob(f"{CASE}.nii.gz"))).voxels(), both)


def test_a_method_that_gives_masks_alone_is_told_so(tmp_path: Path) -> None:
    heads = small_heads.mini()
    way = method("unet-mixed")
    predictor = way.load(way.train(small_heads.tiny_job(tmp_path, heads)), "cpu")
    with pytest.raises(UsageError, match="unet-mixed gives masks alone"):
        write_predictions(replace(predictor, probability=None), (), tmp_path / "out", maps=tmp_path / "maps")
