"""Figure 5 shows held-out slices as the encoders see them, with numbers counted by hand."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from ich_bench.errors import IchBenchError, UsageError  # noqa: E402
from ich_bench_baselines import checkpoint, train  # noqa: E402
from ich_bench_baselines.pretext import training as pretrain  # noqa: E402
from ich_bench_baselines.pretext.tasks import BINARY, CONTEXT  # noqa: E402
from ich_bench_baselines.studies import figure5, purity  # noqa: E402
from tiny_pool import tiny_job, use  # noqa: E402


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    found = use(monkeypatch, tmp_path / "pool")
    monkeypatch.setattr(figure5, "build", lambda plan, **_: found)
    return found


def test_the_nearest_neighbours_are_those_of_a_plain_search() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(40, 6)).astype(np.float32) + 1000
    found = purity.nearest(points, 5)
    for n, point in enumerate(points.astype(np.float64)):
        far = ((points - point) ** 2).sum(axis=1)
        far[n] = np.inf
        assert found[n].tolist() == np.argsort(far)[:5].tolist()


def test_purity_and_chance_by_hand() -> None:
    # on a line: bleeding at 0, 1, 2 and 20, not at 10, 11. Two nearest of each: 0→1,2  1→0,2  2→1,0  20→11,10
    # 10→11, 2 (8 away; 1 is 9 away, 20 is 10)  11→10, 2 or 20 (both 9 away: the first counts)
    points = np.array([[0], [1], [2], [10], [11], [20]], np.float32)
    ich = np.array([True, True, True, False, False, True])
    flags = np.zeros((6, 6), bool)
    flags[:, 0], flags[:3, 2] = ich, True  # the first three are IPH
    ich_row, edh, iph, *_ = purity.purities(points, flags, neighbours=2)
    # alike: 2, 2, 2, 0 of 2 with ICH; 1 of 2 for both without: 8 of 12
    assert ich_row.purity == pytest.approx(8 / 12)
    # another of the same label among the five others: 3/5 for the four with ICH, 1/5 for the two without
    assert ich_row.chance == pytest.approx((4 * 3 / 5 + 2 * 1 / 5) / 6)
    assert (iph.slices, iph.purity, iph.chance) == (3, 1.0, pytest.approx(2 / 5))
    assert edh.slices == 0
    assert np.isnan(edh.purity)


def test_shuffled_labels_have_the_purity_of_chance() -> None:
    rng = np.random.default_rng(1)
    points = np.concatenate([rng.normal(0, 1, (150, 8)), rng.normal(6, 1, (150, 8))]).astype(np.float32)
    flags = np.zeros((300, 6), bool)
    flags[150:, 0] = True
    assert purity.purities(points, flags)[0].purity > 0.99
    shuffled = flags[rng.permutation(300)]
    one = purity.purities(points, shuffled)[0]
    assert one.purity == pytest.approx(one.chance, abs=0.03)


def test_the_embedding_is_the_same_every_time_and_keeps_what_is_apart() -> None:
    rng = np.random.default_rng(2)
    points = np.concatenate([rng.normal(0, 1, (20, 8)), rng.normal(30, 1, (20, 8))]).astype(np.float32)
    one, other = (figure5.embedded(points, perplexity=5.0) for _ in range(2))
    assert one.shape == (40, 2)
    assert np.array_equal(one, other)
    near = purity.nearest(one, 5)
    assert ((near < 20) == (np.arange(40) < 20)[:, None]).all()


def test_features_that_say_the_same_of_every_slice_are_told() -> None:
    with pytest.raises(IchBenchError, match="the same of every slice"):
        figure5.embedded(np.ones((30, 4), np.float32))


def test_the_features_are_the_bottlenecks_mean_of_the_trained_encoder(pool: Any, tmp_path: Path) -> None:
    job = tiny_job(tmp_path, epochs=1)
    path = pretrain.pretext(job, CONTEXT)
    encoder = figure5.encoder_of(job, CONTEXT, path)
    kept = checkpoint.read(path).weights
    assert torch.equal(encoder.state_dict()["blocks.4.3.weight"], kept["encoder.blocks.4.3.weight"])
    stream = pretrain.stream_of(BINARY, replace(BINARY.settings(job).slices, most=None), pool, "held-out")
    found = figure5.features(encoder, pool, stream)
    assert found.shape == (12, 64)  # 16 times the four channels on top
    one = torch.from_numpy(np.array(pool.images[stream.rows[3]]))[None, None].float() / 255
    with torch.no_grad():
        assert np.allclose(found[3], encoder(one)[-1].mean(dim=(2, 3))[0].numpy(), atol=1e-5)


def test_a_panel_of_training_slices_is_refused(pool: Any, tmp_path: Path) -> None:
    job = tiny_job(tmp_path)
    slices = replace(BINARY.settings(job).slices, most=None)
    held = pretrain.stream_of(BINARY, slices, pool, "held-out")
    seen = pretrain.stream_of(BINARY, slices, pool)
    wrong = replace(held, rows=seen.rows[: len(held)])
    with pytest.raises(IchBenchError, match="training part of the pool"):
        figure5.features(BINARY.network(BINARY.settings(job)).encoder, pool, wrong)


@pytest.mark.slow
def test_five_pretexts_become_a_picture_and_two_tables(
    pool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = pretrain.stream_of

    def most_held_out(task: Any, slices: Any, cache: Any, part: Any = "train") -> Any:
        """The toy holds out twelve: hand out all of them twice, so that there are 24."""
        stream = really(task, slices, cache, part)
        if part == "train":
            return stream
        twice = {name: np.concatenate([getattr(stream, name)] * 2) for name in ("rows", "positive", "labels")}
        return replace(stream, **twice)

    monkeypatch.setattr(figure5, "stream_of", most_held_out)
    job = tiny_job(tmp_path, epochs=1)
    drawn = figure5.figure5(job)
    assert [one.letter for one in drawn.panels] == list("ABCDE")
    assert [path.name for path in drawn.files] == ["figure5.png", "figure5.pdf", "coordinates.csv", "purity.csv"]
    with drawn.files[2].open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 24
    flags = pool.index.set_index("slice_id")
    for row, (x, y) in zip(rows, drawn.panels[4].places, strict=True):
        assert row["ICH"] == str(int(flags.loc[row["slice_id"], "any"]))
        assert row["SDH"] == str(int(flags.loc[row["slice_id"], "sdh"]))
        assert (float(row["E_x"]), float(row["E_y"])) == (pytest.approx(x, abs=1e-4), pytest.approx(y, abs=1e-4))
    with drawn.files[3].open(newline="") as lines:
        assert [(row["panel"], row["label"]) for row in csv.DictReader(lines)][:3] == [
            ("A", "ICH"), ("A", "EDH"), ("A", "IPH"),
        ]  # fmt: skip
    told = figure5.table(drawn)
    assert max(map(len, told.splitlines()[:10])) <= 80
    assert told.splitlines()[0] == "Share of the 15 nearest neighbours that are alike, of 24 held-out slices."
    assert "by chance" in told
    # a second time nothing is trained and the numbers are the same
    monkeypatch.setattr(train, "one_step", lambda *_: pytest.fail("a step was taken"))
    again = figure5.figure5(job, out=tmp_path / "again")
    assert again.files[2].read_bytes() == drawn.files[2].read_bytes()
    assert again.files[3].read_bytes() == drawn.files[3].read_bytes()


def test_too_few_slices_are_refused(pool: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="20 at least"):
        figure5.figure5(tiny_job(tmp_path), count=19)
    with pytest.raises(IchBenchError, match="only 12 slices of the pool are held out"):
        figure5.held_out(tiny_job(tmp_path), 100)


def test_the_command_names_what_the_pool_is_missing(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from ich_bench.cli import app

    told = CliRunner().invoke(app, ["baselines", "figure5", "--out", str(tmp_path), "--device", "cpu"])
    assert isinstance(told.exception, UsageError)
    assert "name one with --pool" in str(told.exception)
    assert not list(tmp_path.iterdir())
