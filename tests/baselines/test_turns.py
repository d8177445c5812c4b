"""Several losses and optimisers in turn: L-BFGS by hand, the same to the bit after a kill, divergence as a result."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from ich_bench.errors import IchBenchError  # noqa: E402
from ich_bench_baselines import checkpoint  # noqa: E402
from ich_bench_baselines.train import LAST, LOG, Run  # noqa: E402
from ich_bench_baselines.wang import turns  # noqa: E402
from ich_bench_baselines.wang.curriculum import order_of  # noqa: E402
from ich_bench_baselines.wang.divergence import Rules, diverged  # noqa: E402
from ich_bench_baselines.wang.rates import Lbfgs, Rates  # noqa: E402
from ich_bench_baselines.wang.turns import Turn, fit_in_turns  # noqa: E402

EPOCHS = 6
QUICK = {"supervised": Lbfgs(lr=0.5, iterations=3, forgets=False), "unsupervised": Rates(lr=0.02, gamma=0.5)}
ABOUT = {"method": "tiny", "fold": 0}


class Net(torch.nn.Module):
    """Two heads on one trunk."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3, padding=1), torch.nn.BatchNorm2d(3))
        self.decoder = torch.nn.Conv2d(3, 1, 1)
        self.rebuild = torch.nn.Conv2d(3, 1, 1)

    def forward(self, image: Any) -> Any:
        return self.decoder(self.trunk(image).tanh())


def network() -> Net:
    torch.manual_seed(5)
    return Net()


def batches(epoch: int) -> list[Any]:
    own = torch.Generator().manual_seed(9 + epoch)
    return [torch.rand(n, 1, 8, 8, generator=own) for n in (3, 1)]


def on_masks(net: Any, batch: Any, own: Any) -> Any:
    return ((net(batch) - (batch > 0.5).float()) ** 2).mean()


def rebuilt(net: Any, batch: Any, own: Any) -> Any:
    noise = torch.rand(batch.shape, generator=own)
    return ((net.rebuild(net.trunk(batch + 0.1 * noise).tanh()) - batch) ** 2).mean()


def both(**steps: Any) -> dict[str, Turn]:
    return {
        "supervised": Turn(step=steps.get("masks", on_masks), batches=lambda epoch: batches(0),
                           rates=QUICK["supervised"], moves=lambda name: not name.startswith("rebuild.")),
        "unsupervised": Turn(step=steps.get("rebuilt", rebuilt), batches=batches, rates=QUICK["unsupervised"],
                             moves=lambda name: not name.startswith("decoder.")),
    }  # fmt: skip


def fitted(out: Path, rules: Rules | None = None, epochs: int = EPOCHS, **steps: Any) -> Path:
    order = order_of("alternating", 3)
    return fit_in_turns(network(), both(**steps), order, epochs, Run(out=out, seed=3), ABOUT, rules)


def weights(path: Path) -> dict[str, Any]:
    return dict(checkpoint.read(path).weights)


def plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return tuple(value.shape), value.contiguous().numpy().tobytes()
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def same(one: Path, other: Path) -> bool:
    first, second = checkpoint.read(one), checkpoint.read(other)
    return all(
        plain(getattr(first, name)) == plain(getattr(second, name))
        for name in ("weights", "optimizer", "epoch", "about")
    )


def logged(out: Path) -> list[list[str]]:
    lines = [line.split(",") for line in (out / LOG).read_text("utf-8").splitlines()]
    cut = lines[0].index("seconds")
    return [line[:cut] for line in lines]


def test_a_step_of_lbfgs_moves_a_weight_as_worked_out_by_hand(tmp_path: Path) -> None:
    """(w − 1)² at w = 2 has the gradient 2: the first step is min(1, 1/2) · rate · 2 = 1 for a rate of 1: w = 1."""
    model = torch.nn.Conv2d(1, 1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 2.0)
    rates = Lbfgs(lr=1.0, iterations=1, line_search="none")
    turn = Turn(
        step=lambda net, batch, own: ((net(batch) - 1) ** 2).mean(),
        batches=lambda epoch: [torch.ones(1, 1, 1, 1)],
        rates=rates,
    )
    path = fit_in_turns(model, {"only": turn}, lambda epoch: ("only",), 1, Run(out=tmp_path), {})
    assert weights(path)["weight"].item() == pytest.approx(1.0, abs=1e-6)


def test_lbfgs_sees_all_batches_as_one_each_by_its_share_of_slices(tmp_path: Path) -> None:
    found = []
    whole = torch.rand(4, 1, 4, 4, generator=torch.Generator().manual_seed(1))
    for name, dealt in (("cut", [whole[:3], whole[3:]]), ("whole", [whole])):
        torch.manual_seed(2)
        turn = Turn(step=on_masks, batches=lambda epoch, dealt=dealt: dealt, rates=QUICK["supervised"])
        model = torch.nn.Conv2d(1, 1, 3, padding=1)
        path = fit_in_turns(model, {"only": turn}, lambda epoch: ("only",), 2, Run(out=tmp_path / name), {})
        found.append((weights(path)["weight"], float(logged(tmp_path / name)[1][4])))
    assert torch.allclose(found[0][0], found[1][0], atol=1e-5)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-4)


def test_each_turn_moves_its_own_parameters_alone(tmp_path: Path) -> None:
    start = network().state_dict()
    for name, still in (("supervised", "rebuild"), ("unsupervised", "decoder")):
        path = fit_in_turns(network(), both(), lambda epoch, name=name: (name,), 1, Run(out=tmp_path / name), {})
        moved = {part: not torch.equal(one, start[part]) for part, one in weights(path).items()}
        assert moved["trunk.0.weight"]
        assert not moved[f"{still}.weight"]
        assert moved["decoder.weight" if name == "supervised" else "rebuild.weight"]


def test_the_rate_of_a_turn_falls_at_its_own_pace() -> None:
    rates = Rates(lr=0.01, gamma=0.5, gamma_epochs=500)
    assert [rates.at(epoch) for epoch in (0, 499, 500, 1000)] == [0.01, 0.01, 0.005, 0.0025]


def test_a_training_stopped_between_two_turns_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole = fitted(tmp_path / "whole")
    calls = 0

    def breaks(net: Any, batch: Any, own: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 6:  # two batches an epoch: the second one of the third epoch, after its step on masks
            raise KeyboardInterrupt
        return rebuilt(net, batch, own)

    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "cut", rebuilt=breaks)
    assert checkpoint.read(tmp_path / "cut" / LAST).epoch == 2
    assert same(whole, fitted(tmp_path / "cut"))
    assert logged(tmp_path / "whole") == logged(tmp_path / "cut")
    assert len(logged(tmp_path / "cut")) == 1 + EPOCHS


def test_a_log_line_whose_checkpoint_was_never_written_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            fitted(tmp_path)
    assert len(logged(tmp_path)) == 1 + 1
    fitted(tmp_path)
    assert [line[0] for line in logged(tmp_path)] == ["epoch", *map(str, range(1, EPOCHS + 1))]


def test_the_memory_of_lbfgs_is_in_the_checkpoint_and_needed_for_the_same_bits(tmp_path: Path) -> None:
    whole = fitted(tmp_path / "whole")
    part = fitted(tmp_path / "part", epochs=3)
    kept = checkpoint.read(part)
    memory = kept.optimizer["states"]["supervised"]["state"][0]
    assert memory["n_iter"] > 0
    assert len(memory["old_dirs"]) > 0
    forgot = {**kept.optimizer["states"]["supervised"], "state": {}}
    states = {**kept.optimizer["states"], "supervised": forgot}
    about = {**kept.about, "epochs": EPOCHS}
    checkpoint.save(part, replace(kept, about=about, optimizer={**kept.optimizer, "states": states}))
    assert not same(whole, fitted(tmp_path / "part"))
    checkpoint.save(part, replace(kept, about=about))
    assert same(whole, fitted(tmp_path / "part"))


def test_a_done_training_is_not_trained_again_and_another_one_is_refused(tmp_path: Path) -> None:
    def never(net: Any, batch: Any, own: Any) -> Any:
        raise AssertionError("a step was taken")

    path = fitted(tmp_path)
    before = path.stat().st_mtime_ns
    assert fitted(tmp_path, masks=never, rebuilt=never).stat().st_mtime_ns == before
    assert turns.is_finished(path, EPOCHS)
    assert not turns.is_finished(path, EPOCHS + 1)
    with pytest.raises(IchBenchError, match=r"epochs: 6 there, 7 now.*Name another --out"):
        fitted(tmp_path, epochs=7)


def bad_from(epoch: int, value: float) -> Any:
    """Return the second step, its loss another one from an epoch (counted from 1) on; two batches an epoch."""
    calls = 0

    def step(net: Any, batch: Any, own: Any) -> Any:
        nonlocal calls
        calls += 1
        return rebuilt(net, batch, own) * 0 + value if calls > 2 * (epoch - 1) else rebuilt(net, batch, own)

    return step


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_without_rules_a_loss_that_is_not_finite_is_an_error_that_keeps_the_checkpoint(
    tmp_path: Path, value: float
) -> None:
    with pytest.raises(
        IchBenchError, match=rf"unsupervised loss became {value} in epoch 3\. The checkpoint of epoch 2"
    ):
        fitted(tmp_path, rebuilt=bad_from(3, value))
    kept = checkpoint.read(tmp_path / LAST)
    assert kept.epoch == 2
    assert all(torch.isfinite(one).all() for one in kept.weights.values())


@pytest.mark.parametrize(
    ("value", "kind"), [(float("nan"), "not finite"), (float("inf"), "not finite"), (11.0, "exploded")]
)
def test_with_rules_a_divergence_ends_the_training_with_the_weights_before_it(
    tmp_path: Path, value: float, kind: str
) -> None:
    path = fitted(tmp_path / "bad", Rules(), rebuilt=bad_from(3, value))
    found = turns.divergence_in(path)
    assert found is not None
    assert (found.kind, found.epoch, found.turn) == (kind, 3, "unsupervised")
    assert turns.is_finished(path, EPOCHS)
    two = weights(fitted(tmp_path / "two", epochs=2))
    assert all(torch.equal(one, two[name]) for name, one in weights(path).items())
    assert len(logged(tmp_path / "bad")) == 1 + 2
    again = fitted(tmp_path / "bad", Rules())  # sound steps now: it stays as it ended
    assert turns.divergence_in(again) == found
    assert checkpoint.read(again).epoch == 2


def test_a_divergence_in_the_first_epoch_leaves_the_first_weights(tmp_path: Path) -> None:
    path = fitted(tmp_path, Rules(), rebuilt=bad_from(1, float("nan")))
    start = network().state_dict()
    assert all(torch.equal(one, start[name]) for name, one in weights(path).items())
    assert checkpoint.read(path).epoch == 0
    assert fitted(tmp_path, Rules()) == path  # no log yet: taken up all the same


def test_weights_that_are_not_finite_are_a_divergence_though_the_loss_was(tmp_path: Path) -> None:
    def poisons(net: Any, batch: Any, own: Any) -> Any:
        loss = rebuilt(net, batch, own)
        if len(batch) == 1:  # the last batch of the epoch
            loss.register_hook(lambda grad: grad * float("nan"))
        return loss

    found = turns.divergence_in(fitted(tmp_path, Rules(), rebuilt=poisons))
    assert found is not None
    assert "weights were no finite numbers after the unsupervised step of epoch 1" in found.words


def losses(*masks: float) -> list[dict[str, float]]:
    return [{"supervised": one} for one in masks]


def test_a_collapse_is_a_loss_that_was_learnt_and_stays_lost_five_times() -> None:
    model, rules = torch.nn.Linear(1, 1), Rules()
    found = diverged(losses(0.9, 0.8, 0.96, 0.95, 0.97, 0.99, 0.95), model, rules)
    assert found is not None
    assert (found.kind, found.epoch) == ("collapsed", 7)
    assert diverged(losses(0.9, 0.8, 0.96, 0.95, 0.97, 0.99), model, rules) is None  # four times
    assert diverged(losses(0.9, 0.8, 0.96, 0.95, 0.94, 0.99, 0.95), model, rules) is None  # once better
    assert diverged(losses(*[0.97] * 50), model, rules) is None  # never learnt: slow, not lost
    joint = [{"joint": one} for one in (0.5, 1.0, 1.0, 1.0, 1.0, 1.0)]
    assert diverged(joint, model, rules) is not None
    assert diverged(losses(10.0), model, rules) is None
    assert diverged(losses(10.1), model, rules) is not None


def test_no_batch_and_too_little_memory_are_told(tmp_path: Path) -> None:
    empty = {"only": Turn(step=on_masks, batches=lambda epoch: [], rates=Rates())}
    with pytest.raises(IchBenchError, match="no batch to train on"):
        fit_in_turns(network(), empty, lambda epoch: ("only",), 1, Run(out=tmp_path), {})

    def full(net: Any, batch: Any, own: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(IchBenchError, match=r"batches of 3 slices\. Try --batch 1\."):
        fitted(tmp_path / "full", masks=full)


PROGRAM = """
import sys, time
from pathlib import Path
sys.path[:0] = [{tests!r}]
import test_turns as t
def slow(net, batch, own):
    if {slow}:
        time.sleep(0.02)
    return t.rebuilt(net, batch, own)
t.fitted(Path(sys.argv[1]), epochs=20, rebuilt=slow)
"""


def test_a_training_killed_at_any_moment_ends_with_the_same_bits(tmp_path: Path) -> None:
    tests = str(Path(__file__).parent)
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole = fitted(tmp_path / "whole", epochs=20)
    program = [sys.executable, "-c", PROGRAM.format(tests=tests, slow=True), str(tmp_path / "cut")]
    killed = subprocess.Popen(program, env=env)
    log = tmp_path / "cut" / LOG
    until = time.monotonic() + 120
    while not (log.is_file() and len(log.read_text().splitlines()) > 4) and time.monotonic() < until:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert 0 < checkpoint.read(tmp_path / "cut" / LAST).epoch < 20
    cut = fitted(tmp_path / "cut", epochs=20)
    assert same(whole, cut)
    assert logged(tmp_path / "whole") == logged(tmp_path / "cut")


def test_a_step_of_lbfgs_that_breaks_is_a_divergence_too(tmp_path: Path) -> None:
    steps = 0

    def breaks(net: Any, batch: Any, own: Any) -> Any:
        nonlocal steps
        steps += 1
        return on_masks(net, batch, own) * (float("nan") if steps > 12 else 1.0)

    found = turns.divergence_in(fitted(tmp_path, Rules(), masks=breaks))
    assert found is not None
    assert (found.kind, found.turn) == ("not finite", "supervised")
    assert all(torch.isfinite(one).all() for one in weights(tmp_path / LAST).values())


def test_lbfgs_forgets_what_it_knew_when_another_turn_has_moved_the_weights(tmp_path: Path) -> None:
    def memory(name: str, order: Any, epochs: int, **more: Any) -> int:
        own = both()
        own["supervised"] = replace(own["supervised"], rates=Lbfgs(lr=0.5, iterations=3, line_search="none", **more))
        path = fit_in_turns(network(), own, order, epochs, Run(out=tmp_path / name, seed=3), ABOUT)
        return int(checkpoint.read(path).optimizer["states"]["supervised"]["state"][0]["n_iter"])

    # two iterations a step (PyTorch asks at most 5/4 · 3 times, once before the first), counted since it began afresh
    assert memory("alone", lambda epoch: ("supervised",), 2) == 4
    assert memory("turns", lambda epoch: ("supervised", "unsupervised"), 2) == 2
    assert memory("between", lambda epoch: ("unsupervised",) if epoch == 1 else ("supervised",), 3) == 2
    assert memory("kept", lambda epoch: ("supervised", "unsupervised"), 2, forgets=False) == 4


def test_lbfgs_starts_afresh_where_a_step_moved_nothing(tmp_path: Path) -> None:
    still = Turn(step=lambda net, batch, own: net(batch).mean() * 0, batches=batches, rates=Lbfgs())
    path = fit_in_turns(network(), {"only": still}, lambda epoch: ("only",), 1, Run(out=tmp_path), {})
    assert checkpoint.read(path).optimizer["states"]["only"]["state"] == {}
