"""From labels of slices to masks: what is seen, that maps lie in the bleed, that every stage is kept and goes on."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import easy_heads  # noqa: E402
import small_heads  # noqa: E402
from ich_bench.errors import IchBenchError, UsageError  # noqa: E402
from ich_bench.predictions.manifest import read_tables  # noqa: E402
from ich_bench.runs.store import read_scores  # noqa: E402
from ich_bench.submissions.schema import check  # noqa: E402
from ich_bench_baselines import checkpoint, train  # noqa: E402
from ich_bench_baselines.data.loader import Pool  # noqa: E402
from ich_bench_baselines.data.slices import SliceSet  # noqa: E402
from ich_bench_baselines.experiment import run  # noqa: E402
from ich_bench_baselines.job import Job, folder, predictions_folder, submission_folder  # noqa: E402
from ich_bench_baselines.job import check as check_job  # noqa: E402
from ich_bench_baselines.methods import method  # noqa: E402
from ich_bench_baselines.parts import seconds, trainings  # noqa: E402
from ich_bench_baselines.predict import load_unet  # noqa: E402
from ich_bench_baselines.ramananda import pseudo  # noqa: E402
from ich_bench_baselines.ramananda import settings as ramananda  # noqa: E402
from ich_bench_baselines.ramananda.cam import both_ways, upsampled  # noqa: E402
from ich_bench_baselines.ramananda.weak import WeakSlices, of_pool, weak_slices  # noqa: E402

ID = "ramananda-weak"


def job(out: Path, **more: Any) -> Job:
    return Job(**{"method": ID, "dataset": "phantom-mini", "out": out, **more})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All three stages on 24 easy heads, once for all tests."""
    out = tmp_path_factory.mktemp("easy")
    images, masks, cases = easy_heads.drawn()
    settings = easy_heads.small_settings()
    seen = easy_heads.everything(easy_heads.cache(out / "slices", images, masks, cases), settings)
    own = job(out)
    classifier = ramananda.train_classifier(own, settings, seen, out / "run/classifier")
    made = pseudo.pseudo_masks(own, settings, seen, classifier, out / "run")
    light = pseudo.train_light(own, settings, seen, made, out / "run")
    return {"out": out / "run", "job": own, "settings": settings, "seen": seen, "classifier": classifier,
            "made": made, "light": light, "masks": masks}  # fmt: skip


def peaks_inside(network: Any, images: Any, masks: Any) -> float:
    """Share of the slices with a bleed whose map has its peak in it."""
    given = torch.from_numpy(images).reshape(-1, easy_heads.EACH, 1, *images.shape[1:]).float() / 255
    flat = upsampled(both_ways(network, given).cam, images.shape[1]).flatten(0, 1).flatten(1)
    inside = masks.reshape(len(masks), -1)[np.arange(len(masks)), flat.argmax(dim=1).numpy()]
    return float(inside[masks.any(axis=(1, 2))].mean())


def test_the_peak_of_the_map_lies_in_the_bleed_on_four_of_five_easy_slices_of_new_heads(trained: Any) -> None:
    network = ramananda.load_classifier(trained["classifier"], trained["settings"].classifier)
    images, masks, _ = easy_heads.drawn(seed=7)
    assert peaks_inside(network, images, masks) >= 0.8
    assert peaks_inside(network, images, np.roll(masks, 20, axis=1)) < 0.5  # a map of another place would show


def test_an_untrained_classifiers_maps_do_not_point_at_the_bleeds(trained: Any) -> None:
    network = ramananda.ResNetLSTM(trained["settings"].classifier.network).eval()
    images, masks, _ = easy_heads.drawn(seed=7)
    assert peaks_inside(network, images, masks) < 0.5


def test_pseudo_masks_are_the_bleeds_of_the_slices_that_are_labelled_and_of_no_other(trained: Any) -> None:
    made, truth = trained["made"], trained["masks"]
    assert made.rows.tolist() == np.flatnonzero(truth.any(axis=(1, 2))).tolist()
    found, wanted = made.masks > 0, truth[made.rows]
    assert 2 * (found & wanted).sum() / (found.sum() + wanted.sum()) > 0.9
    spread = pseudo.Spread(held=made, count=len(truth))
    rows = np.array([made.rows[3], 0, made.rows[0]])
    assert not truth[0].any()
    assert [one.sum() for one in spread[rows]] == [made.masks[3].sum(), 0, made.masks[0].sum()]


def test_pieces_are_joined_in_any_order_and_a_damaged_one_is_made_again(tmp_path: Path) -> None:
    parts, masks = tmp_path / "pieces", np.zeros((3, 8, 8), np.uint8)
    parts.mkdir()
    masks[0, 5], masks[2, :3] = 1, 1  # of rows 5, 1 and 3: of 8, 0 and 24 pixels
    for number, (rows, some) in enumerate((([5, 1], masks[:2]), ([3], masks[2:]))):
        pseudo._keep(parts / f"{number:06}.npz", pseudo.Piece(rows=np.array(rows), masks=some, seconds=0.5))
    pseudo._join(tmp_path, parts, 2, 8)
    table = np.load(tmp_path / pseudo.ROWS)
    assert table["row"].tolist() == [1, 3, 5]
    assert table["masked"].tolist() == [False, True, True]
    held = pseudo.PseudoMasks(folder=tmp_path, rows=table["row"], masked=table["masked"], at=table["at"])
    assert pseudo.Spread(held=held, count=7)[np.array([3, 0, 5, 1])].sum(axis=(1, 2)).tolist() == [24, 0, 8, 0]
    assert seconds(tmp_path) == 1.0
    (parts / "000001.npz").write_bytes(b"PK half")
    with pytest.raises(IchBenchError, match="the same command makes it again"):
        pseudo._join(tmp_path, parts, 2, 8)
    assert not (parts / "000001.npz").exists()


def test_the_light_network_finds_new_bleeds_that_it_has_learnt_from_labels_of_slices_alone(trained: Any) -> None:
    values = {row["name"]: row["value"] for row in checkpoint.read(trained["light"]).about["settings"]}
    assert values["unet.depth"] == 4
    assert load_unet(trained["light"]).about["method"] == ID
    images, masks, _ = easy_heads.drawn(seed=7)
    network = pseudo.first_network(trained["settings"].light.unet, 0)
    checkpoint.load_weights(network, checkpoint.read(trained["light"]).weights, source=trained["light"])
    with torch.inference_mode():
        found = network.eval()(torch.from_numpy(images)[:, None].float() / 255).sigmoid()[:, 0].numpy() >= 0.5
    assert 2 * (found & masks).sum() / (found.sum() + masks.sum()) > 0.8


def test_what_a_training_sees_has_images_and_a_table_and_no_mask(trained: Any) -> None:
    seen = trained["seen"]
    assert not hasattr(seen.slices, "masks")
    assert not hasattr(seen.slices, "cavity")
    assert set(seen.slices.index.columns) == {"slice_id", "case_id", "patient_id", "place", "ich"}
    assert {one.name for one in dataclasses.fields(ramananda.Seen)} == {"slices", "stream", "windows"}
    assert seen.stream.labels is None
    with pytest.raises(AttributeError):
        Pool.on("cpu", seen.slices, seen.stream, kinds=("images", "masks"))


def test_a_whole_training_of_a_fold_never_opens_a_mask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(_: Any) -> Any:
        raise AssertionError("a mask was opened")

    heads = small_heads.mini()
    ramananda.seen_by(small_heads.tiny_job(tmp_path, heads, method=ID), method(ID).settings(job(tmp_path, side=32)))
    monkeypatch.setattr(SliceSet, "masks", property(opened))
    monkeypatch.setattr(SliceSet, "cavity", property(opened))
    path = method(ID).train(small_heads.tiny_job(tmp_path, heads, method=ID))
    assert checkpoint.read(path).epoch == 1
    with pytest.raises(AssertionError, match="a mask was opened"):
        method("ramananda-full").train(small_heads.tiny_job(tmp_path, heads, method="ramananda-full"))


@pytest.mark.parametrize("poison", ["gone", "all ones"])
def test_masks_that_are_gone_or_poisoned_after_the_table_was_made_change_nothing(tmp_path: Path, poison: str) -> None:
    images, masks, cases = easy_heads.drawn(heads=6)
    settings = easy_heads.small_settings(epochs=1)
    settings = replace(settings, light=replace(settings.light, training=replace(settings.light.training, epochs=1)))
    found = []
    for name in ("sound", "poisoned"):
        slices = easy_heads.cache(tmp_path / name, images, masks, cases)
        seen = easy_heads.everything(slices, settings)
        if name == "poisoned":
            (slices.folder / "masks.npy").unlink()
            if poison == "all ones":
                np.save(slices.folder / "masks.npy", np.ones_like(images))
        own = job(tmp_path)
        classifier = ramananda.train_classifier(own, settings, seen, tmp_path / f"{name}-run/classifier")
        made = pseudo.pseudo_masks(own, settings, seen, classifier, tmp_path / f"{name}-run")
        light = pseudo.train_light(own, settings, seen, made, tmp_path / f"{name}-run")
        found.append([checkpoint.weights_sha256(checkpoint.read(one).weights) for one in (classifier, light)])
    assert found[0] == found[1]


def test_the_label_is_the_datasets_own_where_it_has_one_else_whether_the_mask_holds_a_voxel(tmp_path: Path) -> None:
    images, masks, cases = easy_heads.drawn(heads=2)
    slices = easy_heads.cache(tmp_path, images, masks, cases)
    assert weak_slices(slices).label_source == "mask"
    assert weak_slices(slices).index["ich"].tolist() == masks.any(axis=(1, 2)).tolist()
    slices.index["any"] = ~slices.index["has_ich"]
    own = weak_slices(slices)
    assert own.label_source == "dataset"
    assert own.index["ich"].tolist() == (~masks.any(axis=(1, 2))).tolist()
    slices.index["any"] = None
    slices.index["has_ich"] = None
    with pytest.raises(IchBenchError, match="have no label"):
        weak_slices(slices)


def test_slices_whose_label_says_nothing_get_no_pseudo_mask_even_where_a_bleed_is(trained: Any) -> None:
    ich = trained["seen"].slices.index["ich"].to_numpy(bool)
    assert ich[trained["made"].rows].all()
    stream = pseudo.light_stream(trained["seen"], trained["made"], normals_per_ich=1.0, seed=0)
    masked = int(trained["made"].masked.sum())
    assert int(stream.positive.sum()) == masked
    assert len(stream) == 2 * masked
    again = pseudo.light_stream(trained["seen"], trained["made"], normals_per_ich=1.0, seed=0)
    assert (again.rows == stream.rows).all()


def test_without_any_pseudo_mask_it_says_so_and_learns_that_there_is_nothing(trained: Any) -> None:
    empty = replace(trained["made"], masked=np.zeros_like(trained["made"].masked))
    stream = pseudo.light_stream(trained["seen"], empty, normals_per_ich=1.0, seed=0)
    assert not stream.positive.any()
    assert any("No slice got a pseudo-mask" in note for note in stream.notes)


def test_a_stage_that_is_done_is_taken_as_it_is_and_another_training_is_refused(
    trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("made again")

    monkeypatch.setattr(train, "fit", never)
    monkeypatch.setattr(pseudo, "made", never)
    settings, seen, out, own = (trained[name] for name in ("settings", "seen", "out", "job"))
    assert ramananda.train_classifier(own, settings, seen, out / "classifier") == trained["classifier"]
    made = pseudo.pseudo_masks(own, settings, seen, trained["classifier"], out)
    assert made.folder == trained["made"].folder
    assert pseudo.train_light(own, settings, seen, made, out) == trained["light"]
    other = replace(settings, classifier=replace(settings.classifier, clip_norm=9.0))
    with pytest.raises(IchBenchError, match="was trained otherwise"):
        ramananda.train_classifier(own, other, seen, out / "classifier")
    with pytest.raises(IchBenchError, match="was trained otherwise"):
        pseudo.train_light(own, settings, seen, replace(made, folder=made.folder.with_name("pseudo-0")), out)


def test_hours_count_all_stages_and_no_drawn_mask(trained: Any) -> None:
    folders = trainings(trained["light"])
    assert folders == tuple(
        one.resolve() for one in (trained["out"], trained["made"].folder, trained["out"] / "classifier")
    )
    assert all(seconds(one) > 0 for one in folders)
    for one in folders:
        assert json.loads((one / "about.json").read_text())["label_kind"] == "slice labels"


KILLED = """
    import os, signal, sys
    sys.path[:0] = {path!r}
    from pathlib import Path
    import torch
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    import easy_heads
    from ich_bench_baselines import checkpoint
    from ich_bench_baselines.ramananda import pseudo
    from ich_bench_baselines.ramananda import settings as ramananda
    from ich_bench_baselines.job import Job

    out, stage = Path(sys.argv[1]), sys.argv[2]
    images, masks, cases = easy_heads.drawn(heads=6)
    settings = easy_heads.small_settings(epochs=2)
    seen = easy_heads.everything(easy_heads.cache(out / "slices", images, masks, cases), settings)
    job = Job(method="ramananda-weak", dataset="phantom-mini", out=out)
    saved, kept = checkpoint.save, pseudo._keep
    pseudo._WINDOWS_A_PIECE = 2

    def after(real, wanted):
        def call(path, *more):
            real(path, *more)
            if wanted in str(path):
                os.kill(os.getpid(), signal.SIGKILL)
        return call

    if stage == "classifier":
        checkpoint.save = after(saved, "classifier")
    if stage == "pseudo":
        pseudo._keep = after(kept, "pieces")
    if stage == "light":
        checkpoint.save = after(saved, "run/last")
    classifier = ramananda.train_classifier(job, settings, seen, out / "run/classifier")
    made = pseudo.pseudo_masks(job, settings, seen, classifier, out / "run")
    light = pseudo.train_light(job, settings, seen, made, out / "run")
    print(checkpoint.weights_sha256(checkpoint.read(light).weights))
"""


def test_killed_in_any_stage_the_same_call_goes_on_and_ends_in_the_same_weights(tmp_path: Path) -> None:
    here = Path(__file__).parent
    script = textwrap.dedent(KILLED).format(path=[str(here.parent)])
    ended = []

    def call(out: str, stage: str) -> Any:
        where = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / out), stage], capture_output=True, text=True, env=where
        )

    whole = call("whole", "none")
    assert whole.returncode == 0, whole.stderr
    for stage in ("classifier", "pseudo", "light"):
        assert call("killed", stage).returncode == -signal.SIGKILL
        ended.append(sorted(str(one.relative_to(tmp_path / "killed")) for one in tmp_path.glob("killed/run/**/*.npz")))
    assert not ended[0]
    assert len(ended[1]) == 1  # one piece of several was kept
    assert not ended[2]
    last = call("killed", "none")
    assert last.returncode == 0, last.stderr
    assert last.stdout == whole.stdout
    with (tmp_path / "killed/run/classifier/log.csv").open() as lines:
        assert [row["epoch"] for row in csv.DictReader(lines)] == ["1", "2"]


def small_pool(patch: pytest.MonkeyPatch, folder_: Path) -> Any:
    """Let `--pool phantom-pool:24` mean 24 easy heads: nothing is drawn."""
    way, (images, masks, cases) = method(ID), easy_heads.drawn()  # imported before it is patched
    slices = easy_heads.cache(folder_, images, masks, cases)
    slices.index["any"], slices.index["has_ich"] = slices.index["has_ich"], None
    (folder_ / "masks.npy").unlink()
    patch.setattr(ramananda, "build", lambda plan, **_: slices)
    patch.setattr(ramananda, "weak_settings", _tiny_settings(ramananda.weak_settings))
    patch.setattr(way, "weak_settings", ramananda.weak_settings)
    return slices


def _tiny_settings(real: Any) -> Any:
    def settings(own: Job, kind: Any = ramananda.WeakSettings) -> Any:
        found, small = real(own, kind), easy_heads.small_settings(epochs=1)
        network = replace(small.classifier.network, lstm=found.classifier.network.lstm)
        light = replace(small.light, training=replace(small.light.training, epochs=1))
        return replace(found, classifier=replace(small.classifier, network=network), light=light)

    return settings


def test_a_share_of_the_pool_keeps_every_other_patient_apart(tmp_path: Path) -> None:
    images, masks, cases = easy_heads.drawn()
    weak = weak_slices(easy_heads.cache(tmp_path, images, masks, cases))
    how = {"held_out": 4, "train": 0.9, "seed": 42}
    half, whole = (of_pool(weak, percent, **how) for percent in (50, 100))
    assert set(half.rows) < set(whole.rows)
    mine = set(weak.index["patient_id"].iloc[half.rows])
    assert half.guard.patients == set(weak.index["patient_id"]) - mine
    pool = Pool.on("cpu", weak, replace(half, rows=whole.rows, positive=whole.positive), kinds=("images",))  # type: ignore[arg-type]
    with pytest.raises(IchBenchError, match="outside this share of the pool"):
        pool.batch(np.arange(len(whole)))


def test_from_a_pool_one_model_is_trained_and_predicts_all_cases_as_external(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_pool(monkeypatch, tmp_path / "slices")
    heads = small_heads.mini()
    own = job(tmp_path / "out", pool="phantom-pool:24", data=heads, options=(("share", "50"),))
    check_job(own)
    fits: list[Any] = []
    real = train.fit

    def fit(*given: Any) -> Path:
        fits.append(given)
        return real(*given)

    monkeypatch.setattr(train, "fit", fit)
    done = run(own)
    assert len(fits) == 2  # a classifier and a light network for all folds
    assert done.folder == tmp_path / "out/ramananda-weak-share-50-from-phantom-pool-24"
    said, problems = check(read_tables(done.manifest)[0] or {})  # type: ignore[arg-type]
    assert not problems
    assert (said.regime, said.training_data, said.external_data) == ("external", (), ("phantom-pool",))
    assert (said.label_fraction_percent, said.supervision, said.labels_needed) == (
        *(50.0, "weakly-supervised", ("slice",)),
    )
    assert said.annotated_patients is None
    assert done.scores is not None
    assert {row["case_id"] for row in read_scores(done.scores.path).to_pylist()} == {
        path.name.removesuffix(".nii.gz") for path in predictions_folder(own).iterdir()
    }
    assert len(done.checkpoints) == 1
    again = run(replace(own, dataset="phantom-mini"))
    assert len(fits) == 2
    assert list(again.checkpoints.values()) == list(done.checkpoints.values())
    whole = replace(own, options=())
    assert folder(whole) != folder(own)
    assert submission_folder(whole) != submission_folder(replace(whole, pool=None))


def test_weak_inside_the_folds_trains_on_its_folds_cases_alone(tmp_path: Path) -> None:
    own = small_heads.tiny_job(tmp_path, small_heads.mini(), method=ID, fold=1)
    settings = method(ID).settings(own)
    seen = ramananda.seen_by(own, settings)
    assert isinstance(seen.slices, WeakSlices)
    cases = set(seen.slices.index["case_id"].iloc[seen.stream.rows])
    scheme, fold = ramananda.trained(own)
    assert cases == set(scheme.train_cases(fold))
    bad = replace(seen.stream, rows=np.arange(len(seen.slices)), positive=seen.slices.index["ich"].to_numpy(bool))
    pool = Pool.on("cpu", seen.slices, bad, kinds=("images",))  # type: ignore[arg-type]
    with pytest.raises(IchBenchError, match="kept apart"):
        list(ramananda.dealt(pool, ramananda.windows(seen.slices.index, 8), 4, seed=0, epoch=0))


def test_jobs_that_ask_for_what_there_is_not_are_refused_in_words(tmp_path: Path) -> None:
    own = job(tmp_path)
    for wrong, words in (
        ({"options": (("share", "55"),)}, "knows 100, 10"),
        ({"pool": "phantom-pool:9", "train_on": "phantom"}, "leave --pool or --train-on away"),
        ({"pool": "phantom-pool:9", "budget": "20-1"}, "leave it or --pool away"),
    ):
        with pytest.raises(UsageError, match=words):
            check_job(replace(own, **wrong))
    with pytest.raises(UsageError, match="share of a pool: name one"):
        method(ID).settings(replace(own, options=(("share", "50"),)))
    with pytest.raises(UsageError, match="no such pool"):
        ramananda.seen_by(replace(own, pool="phantom-pool:x"), ramananda.WeakSettings())
    with pytest.raises(UsageError, match="leave --pool away"):
        method("ramananda-full").train(replace(own, method="ramananda-full", pool="phantom-pool:9"))


def test_what_a_pool_trained_lies_apart_from_the_folds_and_is_shared_by_the_datasets_it_is_tested_on() -> None:
    out = Path("out")
    own = job(out, pool="phantom-pool:24", options=(("share", "50"), ("lstm", "off")))
    assert folder(own) == out / "ramananda-weak-share-50-lstm-off/phantom-pool-24/all/seed_0"
    assert folder(replace(own, dataset="hssayeni", fold=3)) == folder(own)
    assert folder(job(out, pool="rsna:/data/x", dataset="hssayeni")) == out / "ramananda-weak/rsna/all/seed_0"
    assert predictions_folder(job(out, pool="rsna", dataset="hssayeni")) == (
        out / "ramananda-weak-from-rsna/predictions/hssayeni/cv10/seed_0"
    )
    assert submission_folder(job(out)) == out / "ramananda-weak"
    assert ramananda.trained(own)[0].dataset == "phantom-pool"
    check_job(job(out, pool="rsna", dataset="phantom-test"))  # which has no case to train on


def test_the_abstracts_own_numbers_are_the_papers_and_all_others_are_ours() -> None:
    from ich_bench_baselines.paper import origins

    rows = origins(method(ID).Settings())
    assert {row.name for row in rows if row.origin == "paper"} == {"pool.held_out", "pool.train"}
    assert {row.origin for row in rows} == {"paper", "ours"}
    assert {row.origin for row in origins(method("ramananda-full").Settings())} == {"ours"}


def test_options_width_batch_and_epochs_reach_the_settings(tmp_path: Path) -> None:
    settings = method(ID).settings(job(tmp_path, options=(("lstm", "off"),), width=8, epochs=3, batch=24))
    assert not settings.classifier.network.lstm
    assert (settings.classifier.network.top, settings.light.unet.top) == (8, 8)
    assert (settings.classifier.training.epochs, settings.light.training.epochs) == (3, 3)
    assert (settings.classifier.training.batch_size, settings.light.training.batch_size) == (24, 24)
    assert method(ID).settings(job(tmp_path, pool="rsna")).classifier.training.epochs == 10
    assert method(ID).settings(job(tmp_path, schedule="smoke")).classifier.network.top == 64


def test_the_full_row_has_the_very_light_network_of_the_weak_one_and_learns_from_drawn_masks(tmp_path: Path) -> None:
    weak = method(ID).settings(job(tmp_path)).light
    full = method("ramananda-full").settings(job(tmp_path, method="ramananda-full"))
    assert {**vars(full)} == {**vars(weak)}
    assert (
        pseudo.first_network(full.unet, 0).state_dict().keys() == pseudo.first_network(weak.unet, 0).state_dict().keys()
    )
    heads = small_heads.mini()
    path = method("ramananda-full").train(small_heads.tiny_job(tmp_path, heads, method="ramananda-full"))
    assert json.loads((path.parent / "about.json").read_text())["label_kind"] == "masks"
