"""One loop for every method: the same to the bit after an interruption, and faults that lose nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from ich_bench.errors import IchBenchError  # noqa: E402
from ich_bench_baselines import checkpoint, train  # noqa: E402

HOW = train.Fit(epochs=4, batch_size=2, lr=0.01, gamma=0.9)
ABOUT = {"method": "tiny", "fold": 0}


def network() -> Any:
    torch.manual_seed(5)
    layers = (
        torch.nn.Conv2d(1, 3, 3, padding=1),
        torch.nn.BatchNorm2d(3),
        torch.nn.Dropout(0.5),
        torch.nn.Conv2d(3, 1, 1),
    )
    return torch.nn.Sequential(*layers)


class Batches:
    """Three batches an epoch, made of seed 9 and the epoch."""

    def __len__(self) -> int:
        return 3

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[Any]:
        own = torch.Generator().manual_seed(9 + self.epoch)
        for _ in range(3):
            yield torch.rand(2, 1, 8, 8, generator=own)


def step(net: Any, batch: Any, own: Any) -> Any:
    noise = torch.rand(batch.shape, generator=own)
    return ((net(batch + noise) - batch) ** 2).mean()


def weights(path: Path) -> dict[str, Any]:
    return dict(checkpoint.read(path).weights)


def run(out: Path, **changed: Any) -> train.Run:
    return train.Run(out=out, seed=3, **changed)


def test_a_training_continued_after_its_second_epoch_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = train.fit(network(), step, Batches, HOW, run(tmp_path / "whole"), ABOUT)
    calls = 0

    def breaks(net: Any, batch: Any, own: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 8:  # the second step of the third epoch
            raise KeyboardInterrupt
        return step(net, batch, own)

    with pytest.raises(KeyboardInterrupt):
        train.fit(network(), breaks, Batches, HOW, run(tmp_path / "cut"), ABOUT)
    assert checkpoint.read(tmp_path / "cut" / train.LAST).epoch == 2
    cut = train.fit(network(), step, Batches, HOW, run(tmp_path / "cut"), ABOUT)
    assert all(torch.equal(one, weights(cut)[name]) for name, one in weights(whole).items())
    losses = [
        [line.split(",")[3] for line in (path.parent / train.LOG).read_text().splitlines()] for path in (whole, cut)
    ]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 1 + 4  # a header, and a line an epoch


def test_the_first_epochs_line_stands_once_in_the_log_though_its_checkpoint_was_never_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", stopped)
        with pytest.raises(KeyboardInterrupt):
            train.fit(network(), step, Batches, HOW, run(tmp_path), ABOUT)
    train.fit(network(), step, Batches, HOW, run(tmp_path), ABOUT)
    lines = (tmp_path / train.LOG).read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch", "1", "2", "3", "4"]


def test_a_done_training_is_not_trained_again(tmp_path: Path) -> None:
    path = train.fit(network(), step, Batches, HOW, run(tmp_path), ABOUT)
    before = path.stat().st_mtime_ns
    assert train.is_done(tmp_path, HOW)

    def never(net: Any, batch: Any, own: Any) -> Any:
        raise AssertionError("a step was taken")

    assert train.fit(network(), never, Batches, HOW, run(tmp_path), ABOUT).stat().st_mtime_ns == before


def test_the_rate_falls_by_gamma_after_each_epoch(tmp_path: Path) -> None:
    train.fit(network(), step, Batches, HOW, run(tmp_path), ABOUT)
    rates = [float(line.split(",")[4]) for line in (tmp_path / train.LOG).read_text().splitlines()[1:]]
    assert rates == pytest.approx([0.01, 0.009, 0.0081, 0.00729])  # 0.01 · 0.9^epoch


def test_adam_moves_a_weight_as_worked_out_by_hand(tmp_path: Path) -> None:
    """One step of Adam moves each weight by the rate against the sign of its gradient: 2.0 - 0.1 = 1.9."""
    model = torch.nn.Conv2d(1, 1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 2.0)
    how = train.Fit(epochs=1, batch_size=1, lr=0.1)
    path = train.fit(model, lambda net, batch, own: net(batch).sum(), lambda epoch: [torch.ones(1, 1, 1, 1)], how,
                     run(tmp_path), ABOUT)  # fmt: skip
    assert weights(path)["weight"].item() == pytest.approx(1.9, abs=1e-6)


def test_another_seed_gives_other_weights(tmp_path: Path) -> None:
    one = weights(train.fit(network(), step, Batches, HOW, run(tmp_path / "3"), ABOUT))
    other = train.Run(out=tmp_path / "4", seed=4)
    assert not torch.equal(one["0.weight"], weights(train.fit(network(), step, Batches, HOW, other, ABOUT))["0.weight"])


def test_a_folder_with_another_training_is_refused(tmp_path: Path) -> None:
    train.fit(network(), step, Batches, HOW, run(tmp_path), ABOUT)
    with pytest.raises(IchBenchError, match=r"fold: 0 there, 1 now.*Name another --out"):
        train.fit(network(), step, Batches, HOW, run(tmp_path), ABOUT | {"fold": 1})


def test_a_loss_that_is_not_finite_keeps_the_last_sound_checkpoint(tmp_path: Path) -> None:
    calls = 0

    def bad(net: Any, batch: Any, own: Any) -> Any:
        nonlocal calls
        calls += 1
        return step(net, batch, own) * (float("nan") if calls == 5 else 1.0)  # the second step of the second epoch

    with pytest.raises(IchBenchError, match=r"became nan in epoch 2, step 2\. The checkpoint of epoch 1 is kept"):
        train.fit(network(), bad, Batches, HOW, run(tmp_path), ABOUT)
    kept = checkpoint.read(tmp_path / train.LAST)
    assert kept.epoch == 1
    assert all(torch.isfinite(one).all() for one in kept.weights.values())


def test_out_of_memory_names_the_batch_and_a_smaller_one(tmp_path: Path) -> None:
    def full(net: Any, batch: Any, own: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(IchBenchError, match=r"batches of 2 slices\. Try --batch 1"):
        train.fit(network(), full, Batches, HOW, run(tmp_path), ABOUT)


def test_a_full_disk_leaves_the_earlier_checkpoint_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train.fit(network(), step, Batches, train.Fit(**train.plain_fit(HOW) | {"epochs": 1}), run(tmp_path), ABOUT)
    before = (tmp_path / train.LAST).read_bytes()

    def refuses(content: Any, part: Path) -> None:
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", refuses)
    kept = checkpoint.Checkpoint(about=ABOUT, weights={}, epoch=2, optimizer={})
    with pytest.raises(IchBenchError, match=r"No space left on device\. Nothing already trained is lost"):
        checkpoint.save(tmp_path / train.LAST, kept)
    assert (tmp_path / train.LAST).read_bytes() == before
    assert [one.name for one in tmp_path.iterdir() if one.name.endswith(".part")] == []


def test_no_batch_at_all_is_told(tmp_path: Path) -> None:
    with pytest.raises(IchBenchError, match="no batch to train on"):
        train.fit(network(), step, lambda epoch: [], HOW, run(tmp_path), ABOUT)


def test_bf16_stays_within_two_percent_of_fp32_on_a_fixed_batch(tmp_path: Path) -> None:
    """bfloat16 keeps 8 bits of a number, 0.4 %; two layers and a square stay below 2 %."""
    losses = []
    for precision in ("fp32", "bf16"):
        out = tmp_path / precision
        train.fit(network(), step, Batches, HOW, train.Run(out=out, seed=3, precision=precision), ABOUT)  # type: ignore[arg-type]
        losses.append(float((out / train.LOG).read_text().splitlines()[1].split(",")[3]))
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"\x80\x04N.", b"no checkpoint"])
def test_a_damaged_checkpoint_is_explained(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.ckpt").write_bytes(content)
    with pytest.raises(IchBenchError, match="delete it, and the same command trains again"):
        checkpoint.read(tmp_path / "x.ckpt")


def test_what_was_trained_otherwise_is_named_setting_by_setting(tmp_path: Path) -> None:
    def about(top: int, lr: float) -> dict[str, Any]:
        rows = [("unet.top", top), ("unet.depth", 5), ("training.lr", lr)]
        return {"seed": 0, "settings": [{"name": name, "value": value, "origin": "ours"} for name, value in rows]}

    checkpoint.check_same(tmp_path, about(8, 0.1), about(8, 0.1))
    with pytest.raises(IchBenchError) as fault:
        checkpoint.check_same(tmp_path, about(8, 0.1), about(12, 0.1))
    assert "was trained otherwise: settings unet.top: 8 there, 12 now. Name" in str(fault.value)
    with pytest.raises(IchBenchError, match=r"seed: 1 there, 0 now; settings training.lr: 0.2 there, 0.1 now"):
        checkpoint.check_same(tmp_path, {**about(8, 0.2), "seed": 1}, about(8, 0.1))


def test_a_checkpoint_of_another_program_is_explained(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "x.ckpt")
    with pytest.raises(IchBenchError, match="another program or version"):
        checkpoint.read(tmp_path / "x.ckpt")


def test_a_checkpoint_that_would_run_something_is_not_loaded(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "made"),)

    torch.save({"format": checkpoint.FORMAT, "about": Evil()}, tmp_path / "x.ckpt")
    with pytest.raises(IchBenchError, match="no sound checkpoint"):
        checkpoint.read(tmp_path / "x.ckpt")
    assert not (tmp_path / "made").exists()


def test_an_absent_checkpoint_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(IchBenchError, match="baselines train"):
        checkpoint.read(tmp_path / "x.ckpt")


def test_weights_of_another_network_are_named(tmp_path: Path) -> None:
    with pytest.raises(IchBenchError, match=r"0\.weight is \(3, 1, 3, 3\), expected \(4, 1, 3, 3\)"):
        checkpoint.load_weights(torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3)), network().state_dict(), source=tmp_path)


PROGRAM = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_train as t
from ich_bench_baselines import train
def slow(net, batch, own):
    if {slow}:
        time.sleep(0.05)
    return t.step(net, batch, own)
how = train.Fit(epochs=12, batch_size=2, lr=0.01, gamma=0.9)
train.fit(t.network(), slow, t.Batches, how, t.run(Path(sys.argv[1])), t.ABOUT)
"""


@pytest.mark.slow
def test_a_training_killed_at_any_moment_ends_with_the_same_bits(tmp_path: Path) -> None:
    def program(slow: bool) -> str:
        return PROGRAM.format(tests=str(Path(__file__).parent), slow=slow)

    env = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", program(slow=False), str(tmp_path / "whole")], check=True, env=env)
    for _ in range(3):
        running = subprocess.Popen([sys.executable, "-c", program(slow=True), str(tmp_path / "cut")], env=env)
        until = time.monotonic() + 120
        before = _epochs(tmp_path / "cut")
        while _epochs(tmp_path / "cut") <= before and time.monotonic() < until and running.poll() is None:
            time.sleep(0.02)
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert 0 < _epochs(tmp_path / "cut") < 12  # it was indeed cut short
    subprocess.run([sys.executable, "-c", program(slow=False), str(tmp_path / "cut")], check=True, env=env)
    whole, cut = weights(tmp_path / "whole" / train.LAST), weights(tmp_path / "cut" / train.LAST)
    assert all(torch.equal(one, cut[name]) for name, one in whole.items())


def _epochs(folder: Path) -> int:
    log = folder / train.LOG
    return len(log.read_text().splitlines()) - 1 if log.exists() else 0
