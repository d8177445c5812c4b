"""`baselines bench`: work as counted by hand, rates and ratios of medians, the same loss both ways."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

from ich_bench.cli.app import app  # noqa: E402
from ich_bench.errors import IchBenchError, UsageError  # noqa: E402
from ich_bench_baselines import train  # noqa: E402
from ich_bench_baselines.bench import measured as bench  # noqa: E402
from ich_bench_baselines.bench import plain as bench_plain  # noqa: E402
from ich_bench_baselines.bench import rates as bench_rates  # noqa: E402
from ich_bench_baselines.bench import ways as bench_ways  # noqa: E402
from ich_bench_baselines.bench.drawn import sample  # noqa: E402
from ich_bench_baselines.bench.plain import Moves  # noqa: E402
from ich_bench_baselines.bench.rates import Rates, Work  # noqa: E402
from ich_bench_baselines.blocks.augment import Drawn, apply, draw, follow, generator  # noqa: E402
from ich_bench_baselines.data.loader import Pool  # noqa: E402
from ich_bench_baselines.data.pixels import image_of  # noqa: E402
from ich_bench_baselines.segment import segmentation_step  # noqa: E402

TINY = bench.size_of("cpu", side=32, width=2, batch=4, seconds=0.01, workers=1)


@pytest.fixture
def small_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ceilings from small matrices and copies."""
    monkeypatch.setattr(bench_rates, "SIDES", {"cpu": 32})
    monkeypatch.setattr(bench_rates, "COPIES", {"cpu": 2**20})
    monkeypatch.setattr(bench, "_SLICES", {"cpu": 4})  # six batches of 4 then, a third of them with ICH


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return sample(tmp_path_factory.mktemp("drawn"), 12, 32, depth=4)


def test_the_work_of_a_convolution_is_that_worked_out_by_hand() -> None:
    """1 → 2 channels, 3 × 3, on 4 × 4 pixels: 16 places × 2 × 9 products, each with its sum: 576 FLOP a slice."""
    conv = torch.nn.Conv2d(1, 2, 3, padding=1)
    forward = bench_rates.work_of(conv, (3, 1, 4, 4), itemsize=4, training=False)
    assert forward.flops == 16 * 2 * 9 * 2
    # a batch of 3 reads 48 numbers and 20 weights and writes 96, four bytes each
    assert forward.bytes_moved == pytest.approx((48 + 96 + 20) * 4 / 3)
    whole = bench_rates.work_of(conv, (3, 1, 4, 4), itemsize=4, training=True)
    assert whole.flops == 2 * 576  # the gradient of the weights; the image needs none
    # back: 96 gradients and 48 inputs read, 48 gradients written, 20 weights read and their gradients written; Adam: 7
    assert whole.bytes_moved == pytest.approx((48 + 96 + 20 + 96 + 48 + 48 + 2 * 20 + 7 * 20) * 4 / 3)
    half = bench_rates.work_of(conv, (3, 1, 4, 4), itemsize=2, training=False)
    assert half.bytes_moved == forward.bytes_moved / 2
    assert next(conv.parameters()).device.type == "cpu"  # the network itself is left as it is


def test_a_layer_that_passes_its_gradient_on_costs_twice_as_much_backward() -> None:
    """The second of two 1 × 1 convolutions on 2 × 2 pixels: 8 FLOP forward, 8 for its weights, 8 for its input."""
    two = torch.nn.Sequential(*(torch.nn.Conv2d(1, 1, 1, bias=False) for _ in range(2)))
    assert bench_rates.work_of(two, (5, 1, 2, 2), itemsize=4, training=True).flops == (8 + 8) + (8 + 8 + 8)


def test_the_ceilings_are_positive_and_finite(small_device: None) -> None:
    found = bench_rates.rates("cpu", {"fp32", "bf16"}, seconds=0.01)
    assert set(found.matrix) == {"fp32", "bf16"}
    assert all(0 < one < math.inf for one in (*found.matrix.values(), found.copy))


def test_a_rate_is_what_was_done_over_the_time_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    # the clock: 10 at the start; 11, 12.5 and 14 after the three calls; 15 once the device is done: 24 slices in 5 s
    clock = iter([10.0, 11.0, 12.5, 14.0, 15.0])
    monkeypatch.setattr(bench_rates.time, "perf_counter", lambda: next(clock))
    assert bench_rates.rate(lambda: 8.0, "cpu", 3.0) == pytest.approx(24 / 5)


def test_both_ways_are_measured_in_turn_and_the_ratio_is_that_of_their_medians() -> None:
    called: list[str] = []

    def way(name: str, *found: float) -> Any:
        left = iter(found)

        def window(seconds: float) -> float:
            called.append(f"{name} {seconds:g}")
            return next(left)

        return window

    ours, plain = bench.in_turn(way("ours", 10, 50, 30, 20, 40), way("plain", 1, 2, 9, 3, 4), 10.0)
    assert called == ["ours 2", "plain 2"] * 5
    assert ours == (10, 50, 30, 20, 40)
    speed = bench.Speed(name="training", precision="fp32", ours=ours, plain=plain, work=Work(flops=1, bytes_moved=1))
    assert speed.ratio == 30 / 3
    alone = bench.in_turn(way("ours", 1, 2, 3, 4, 5), None, 10.0)
    assert alone == ((1, 2, 3, 4, 5), ())
    assert math.isnan(bench.Speed(name="", precision="fp32", ours=(1.0,), plain=(), work=speed.work).ratio)


def test_the_shares_are_slices_times_work_over_the_measured_rates() -> None:
    rates = Rates(matrix={"fp32": 1000.0, "bf16": 4000.0}, copy=500.0, matrix_by="", copy_by="")
    by_hand = bench.Bench(
        size=TINY, machine="", versions="", slices=0, native=0, rates=rates, speeds=(),
        curves=bench_ways.Curves(ours=(), plain=(), redrawn=()),
    )  # fmt: skip
    # 30 slices/s of 20 FLOP and 10 bytes: 600 of 1000 or 4000 FLOP/s, 300 of 500 bytes/s
    speed = bench.Speed(name="", precision="fp32", ours=(30.0,), plain=(), work=Work(flops=20, bytes_moved=10))
    assert by_hand.shares(speed) == pytest.approx((0.6, 0.6))
    half = bench.Speed(name="", precision="bf16", ours=(30.0,), plain=(), work=speed.work)
    assert by_hand.shares(half) == pytest.approx((0.15, 0.6))


def test_a_bench_says_everything_in_80_columns_and_as_json(small_device: None) -> None:
    told: list[str] = []
    found = bench.bench(TINY, stage=told.append, steps=3)
    assert len(told) == 6
    for speed in found.speeds:
        assert all(0 < one < math.inf for one in (*speed.ours, *speed.plain, speed.work.flops, speed.work.bytes_moved))
    assert all(0 < share < math.inf for speed in found.speeds for share in found.shares(speed))
    text = bench.text(found)
    assert all(len(line) <= 80 for line in text.splitlines())
    for words in ("1 thread of", f"torch {torch.__version__}", "SciPy", "32² pixels", "64²", "estimated", "24 drawn"):
        assert words in text
    values = json.loads(json.dumps(bench.plain_values(found), allow_nan=False))
    training = values["speeds"][0]
    assert training["ratio"] == pytest.approx(np.median(training["ours"]) / np.median(training["plain"]))
    assert values["speeds"][2]["plain_median"] is None


def test_the_verb_prints_the_table_and_tells_its_stages_beside_it(small_device: None) -> None:
    small = ("--side", "32", "--width", "2", "--batch", "4", "--seconds", "0.01", "--workers", "1")
    result = CliRunner().invoke(app, ["baselines", "bench", "--device", "cpu", *small], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.stdout.startswith("Training and prediction, ours next to the plain way")
    assert "training, both ways in turn" in result.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"side": 40}, "--side 40: expected a multiple of 16"),
        ({"width": 3, "batch": 1}, "--width 3: expected an even number, 2 at least; --batch 1: expected 2 at least"),
        ({"seconds": 0.0}, "--seconds 0.0: expected more than 0"),
        ({"seconds": math.nan}, "--seconds nan"),
        ({"workers": 0}, "--workers 0"),
        ({"precision": "bf61"}, "there is no precision 'bf61'. Did you mean bf16?"),
        ({"device": "gpu"}, "there is no device 'gpu'"),
    ],
)
def test_an_option_that_is_none_is_told(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as fault:
        bench.size_of(**{"device": "cpu", **options})
    assert said in str(fault.value)


def test_what_runs_out_of_memory_is_told_with_a_smaller_batch(
    small_device: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(bench_plain, "train_step", full)
    with pytest.raises(IchBenchError, match=r"memory ran out on cpu with batches of 4 slices of 32².*Try --batch 2\."):
        bench.bench(TINY)


def moved_both_ways(moves: Moves, side: int = 64) -> tuple[Any, Any, Any, Any]:
    rows, columns = np.mgrid[:side, :side] / side
    image = (np.exp(-((rows - 0.4) ** 2) / 0.02 - (columns - 0.55) ** 2 / 0.05) * (1 + columns)).astype(np.float32) / 2
    mask = image > 0.3
    one = torch.zeros(1, dtype=torch.float64)
    numbers = Drawn(
        shift=torch.tensor([moves.shift], dtype=torch.float64), angle_deg=one + moves.angle_deg,
        scale=one + moves.scale, flip=torch.tensor([moves.flip]), crop=torch.tensor([[0.0, 0.0, 1.0, 1.0]]).double(),
        contrast=one + 1, brightness=one, blur_px=one, moves=True, blur_reach_px=0,
    )  # fmt: skip
    ours = apply(torch.from_numpy(image)[None, None], numbers)[0, 0].numpy()
    marked = follow(torch.from_numpy(mask)[None, None], numbers)[0, 0].numpy()
    plain = bench_plain.moved(image, moves, 1)
    return ours, plain, marked, bench_plain.moved(mask.astype(np.uint8), moves, 0) != 0


@pytest.mark.parametrize(
    "moves",
    [
        Moves(shift=(0.1, 0.0), angle_deg=0, scale=1, flip=False),
        Moves(shift=(0.0, -0.08), angle_deg=0, scale=1, flip=False),
        Moves(shift=(0.0, 0.0), angle_deg=15, scale=1, flip=False),
        Moves(shift=(0.0, 0.0), angle_deg=0, scale=1.1, flip=False),
        Moves(shift=(0.05, -0.08), angle_deg=-12, scale=0.9, flip=True),
    ],
)
def test_the_plain_way_moves_a_slice_as_ours_does(moves: Moves) -> None:
    """Three interpolations instead of one blur a little: below 0.4 % of the range, masks that overlap by 95 %."""
    ours, plain, marked, marked_plain = moved_both_ways(moves)
    assert np.abs(ours - plain).mean() < 0.004
    assert 2 * (marked & marked_plain).sum() / (marked.sum() + marked_plain.sum()) > 0.95
    other = moved_both_ways(Moves(shift=(0.0, 0.0), angle_deg=0, scale=1, flip=False))[0]
    assert np.abs(ours - other).mean() > 0.01  # the numbers did move it


def test_noise_is_the_farthest_that_plain_trainings_lie_apart() -> None:
    # from (1, 1): (1, 2) by 0.5, (2, 2) by 1, ours (1.5, 0.5) by 0.5; (1, 2) and (2, 2) by 0.5
    found = bench_ways.Curves(ours=(1.5, 0.5), plain=(1, 1), redrawn=((1, 2), (2, 2)))
    assert (found.difference, found.noise, found.within_noise) == (0.5, 1.0, True)
    assert not bench_ways.Curves(ours=(3, 2), plain=(1, 1), redrawn=((1, 2), (2, 2))).within_noise


def test_the_plain_way_takes_the_numbers_that_were_drawn_for_a_batch() -> None:
    numbers = draw(bench_ways.SETTINGS.augmentation, 3, generator(0, 0, 1, 0))
    found = bench_plain.moves_of(numbers)
    assert [one.angle_deg for one in found] == numbers.angle_deg.tolist()
    assert found[2] == Moves(
        shift=(float(numbers.shift[2, 0]), float(numbers.shift[2, 1])),
        angle_deg=float(numbers.angle_deg[2]),
        scale=float(numbers.scale[2]),
        flip=bool(numbers.flip[2]),
    )


def test_a_slice_that_is_not_moved_is_the_cached_one_but_for_its_rounding(drawn: Any) -> None:
    image, mask = bench_plain.changed(drawn.hu[0], drawn.masks[0], None, 32)
    assert image.shape == mask.shape == (32, 32)
    assert np.abs(image[1:-1, 1:-1] - image_of(drawn.hu[0], side=32)[1:-1, 1:-1] / 255).max() < 1 / 255
    assert (mask != drawn.slices.masks[0]).mean() < 0.02


def test_the_loss_is_the_same_both_ways_and_a_mask_in_the_wrong_place_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = bench.size_of("cpu", side=64, width=8, batch=4)
    drawn = sample(tmp_path, 24, 64, depth=1)
    found = bench_ways.loss_curves(size, drawn, 24)
    assert [len(one) for one in (found.ours, found.plain, *found.redrawn)] == [24] * 4
    assert found.plain[-1] < found.plain[0] - 0.1  # something was learnt
    assert found.within_noise
    right = bench_plain.changed

    def wrong(hu: Any, mask: Any, moves: Any, side: int) -> Any:
        image, marked = right(hu, mask, moves, side)
        return image, np.roll(marked, side // 3, axis=0)

    monkeypatch.setattr(bench_plain, "changed", wrong)
    assert not bench_ways.loss_curves(size, drawn, 24).within_noise


def test_the_workers_end_with_their_window(drawn: Any) -> None:
    import multiprocessing

    slices = bench_plain.PlainSlices(drawn, bench_ways.SETTINGS.augmentation, 32)
    source: Iterator[Any] = bench_plain.endless(slices, 4, 1, "cpu")
    images, masks = next(source)
    assert (images.shape, images.dtype, masks.dtype) == ((4, 1, 32, 32), torch.float32, torch.bool)
    assert multiprocessing.active_children()
    source.close()  # type: ignore[attr-defined]
    assert not multiprocessing.active_children()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_no_step_waits_for_the_gpu(drawn: Any) -> None:
    model, net, adam, how, run = bench_ways.trained_with(bench.size_of("cuda", side=32, width=2, batch=4))
    step = segmentation_step(bench_ways.SETTINGS.augmentation, 0.2)
    batches = iter(Pool.on("cuda", drawn.slices, drawn.stream).epoch(0, 4, seed=0))
    train.one_step(net, model, adam, step, next(batches), how, run, (0, 0))
    torch.cuda.set_sync_debug_mode("error")
    try:
        losses = [train.one_step(net, model, adam, step, one, how, run, (0, n)) for n, one in enumerate(batches, 1)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(losses) == 2
