"""Wang 2020's losses, curriculum and networks: numbers by hand, and wiring faults that show."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ich_bench.errors import IchBenchError  # noqa: E402
from ich_bench_baselines.blocks.unet import parameter_count, seeded  # noqa: E402
from ich_bench_baselines.wang import networks as wang_net  # noqa: E402
from ich_bench_baselines.wang.curriculum import order_of, probability  # noqa: E402
from ich_bench_baselines.wang.losses import jaccard_loss, weighted_mse  # noqa: E402
from ich_bench_baselines.wang.networks import AttentionNet, WangUNet, WangUNetSettings  # noqa: E402

SURE = 1e4  # a logit whose sigmoid is 1, and of −SURE 0


def logits(*values: float) -> Any:
    return torch.tensor(values).reshape(1, 1, 2, 2)


def test_the_jaccard_loss_of_sure_guesses_is_what_the_hand_says() -> None:
    # two marked, one of them right: overlap 1, union 2: 1 − (1 + 1)/(2 + 1) = 1/3
    assert float(jaccard_loss(logits(SURE, SURE, -SURE, -SURE), logits(1, 0, 0, 0))) == pytest.approx(1 / 3)
    # nothing in common: overlap 0, union 2: 1 − 1/3
    assert float(jaccard_loss(logits(-SURE, SURE, -SURE, -SURE), logits(1, 0, 0, 0))) == pytest.approx(2 / 3)
    # both empty, and both the same: 0
    assert float(jaccard_loss(logits(-SURE, -SURE, -SURE, -SURE), logits(0, 0, 0, 0))) == 0
    assert float(jaccard_loss(logits(SURE, -SURE, -SURE, -SURE), logits(1, 0, 0, 0))) == 0
    # one half everywhere: overlap 1/2, union 2 + 1 − 1/2 = 2.5: 1 − 1.5/3.5
    assert float(jaccard_loss(logits(0, 0, 0, 0), logits(1, 0, 0, 0))) == pytest.approx(1 - 1.5 / 3.5)


def test_the_jaccard_loss_is_meant_over_slices_and_falls_towards_the_mask() -> None:
    both = torch.cat([logits(SURE, SURE, -SURE, -SURE), logits(-SURE, SURE, -SURE, -SURE)])
    masks = torch.cat([logits(1, 0, 0, 0)] * 2).to(torch.uint8)
    assert float(jaccard_loss(both, masks)) == pytest.approx((1 / 3 + 2 / 3) / 2)
    guess = torch.zeros(1, 1, 2, 2, requires_grad=True)
    jaccard_loss(guess, logits(1, 0, 0, 0)).backward()
    assert guess.grad is not None
    assert guess.grad[0, 0, 0, 0] < 0  # up where the mask is
    assert (guess.grad.flatten()[1:] > 0).all()  # down elsewhere
    with pytest.raises(ValueError, match="one shape"):
        jaccard_loss(guess, torch.zeros(1, 1, 2, 3))


def test_the_weighted_error_is_equation_1_worked_out_by_hand() -> None:
    # x = 1 everywhere, f = (1, 1, 0, 0): half the slice each. Rebuilt background 0 everywhere against (0, 0, 1, 1):
    # MSE 1/2, weight 1/2. Rebuilt foreground (1, 0, 0, 0) against (1, 1, 0, 0): MSE 1/4, weight 1/2. Sum 3/8.
    image, mask = torch.ones(1, 1, 2, 2), logits(1, 1, 0, 0)
    maps = torch.cat([torch.zeros(1, 1, 2, 2), logits(1, 0, 0, 0)], dim=1)
    assert float(weighted_mse(image, mask, maps)) == pytest.approx(3 / 8)
    # a mask of a quarter: background (0, 1, 1, 1) against 0: MSE 3/4, weight 3/4; foreground right: 9/16
    assert float(weighted_mse(image, logits(1, 0, 0, 0), maps)) == pytest.approx(9 / 16)


def test_the_weighted_error_is_that_of_a_slow_loop_and_swapped_maps_are_not() -> None:
    rng = np.random.default_rng(4)
    image, mask, maps = rng.random((3, 1, 4, 5)), rng.random((3, 1, 4, 5)), rng.random((3, 2, 4, 5))

    def slow(maps: Any) -> float:
        total = 0.0
        for n in range(3):
            for number in range(2):
                weight = error = 0.0
                for r in range(4):
                    for c in range(5):
                        share = mask[n, 0, r, c] if number == 1 else 1 - mask[n, 0, r, c]
                        weight += share / 20
                        error += (image[n, 0, r, c] * share - maps[n, number, r, c]) ** 2 / 20
                total += weight * error / 3
        return total

    def fast(maps: Any) -> float:
        return float(weighted_mse(*(torch.from_numpy(one) for one in (image, mask, maps))))

    assert fast(maps) == pytest.approx(slow(maps), rel=1e-5)
    assert fast(maps[:, ::-1].copy()) != pytest.approx(slow(maps), rel=1e-2)
    with pytest.raises(ValueError, match="two maps"):
        weighted_mse(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))


def test_the_curriculum_is_the_papers_inverse_sigmoid_never_below_one_half() -> None:
    assert probability(0) == pytest.approx(40 / 41)
    assert probability(40) == pytest.approx(40 / (40 + math.e))  # 0.936
    assert probability(80) == pytest.approx(40 / (40 + math.e**2))  # 0.844
    # e^(x/40) = 40 at x = 40 · ln 40 = 147.6
    assert probability(147) > 0.5
    assert [probability(epoch) for epoch in (148, 4000, 10**6)] == [0.5, 0.5, 0.5]
    assert probability(10, k=10) == pytest.approx(10 / (10 + math.e))


def test_what_an_epoch_takes_follows_the_curriculum_and_nothing_that_came_before() -> None:
    order = order_of("curriculum", 0)
    early = [order(epoch) == ("supervised",) for epoch in range(40)]
    late = [order(epoch) == ("supervised",) for epoch in range(200, 4200)]
    # 38.4 of the first 40 are expected; of 4000 half, with a standard deviation of 32
    assert sum(early) >= 34
    assert abs(sum(late) - 2000) < 4 * 32
    assert [order(7), order(170), order(7)] == [order_of("curriculum", 0)(epoch) for epoch in (7, 170, 7)]
    assert any(order(epoch) != order_of("curriculum", 1)(epoch) for epoch in range(200, 220))
    assert order_of("alternating", 0)(5) == ("supervised", "unsupervised")
    assert order_of("joint", 0)(5) == ("joint",)
    assert order_of("supervised", 0)(5) == ("supervised",)


def test_the_networks_are_as_large_as_the_methods_say() -> None:
    from ich_bench_baselines.methods import METHODS

    # a level: 9ab weights, b biases, 2b of the batch normalisation; up: 2×2, a/2 of a channels, then a level over both
    down = sum(9 * a * b + 3 * b for a, b in ((1, 16), (16, 32), (32, 64), (64, 128)))
    up = sum(4 * a * a // 2 + a // 2 + 9 * a * a // 2 + 3 * a // 2 for a in (128, 64, 32)) + 16 + 1
    alone = sum(4 * a * a // 2 + a // 2 + 9 * a * a // 4 + 3 * a // 2 for a in (128, 64, 32)) + 2 * 16 + 2
    assert parameter_count(WangUNet()) == down + up == METHODS["wang-supervised"].parameters
    assert parameter_count(AttentionNet()) == down + up + alone == METHODS["chen-alternating"].parameters


def skipless(levels: Any) -> Any:
    return (torch.zeros_like(levels[0]), *levels[1:])


def mask_needs_skip(network: Any) -> bool:
    """Return whether the mask changes, and the rebuilt maps do not, when the finest feature map is taken away."""
    network = network.eval()
    levels = network.encoder(torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(1)))
    same = [torch.equal(part(levels), part(skipless(levels))) for part in (network.decoder, network.rebuild)]
    return same == [False, True]


def test_the_first_decoder_has_skips_and_the_second_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    network = seeded(lambda: AttentionNet(WangUNetSettings(top=4)), 0)
    assert mask_needs_skip(network)
    real = wang_net.Up.forward
    monkeypatch.setattr(
        wang_net.Up, "forward", lambda self, coarse, skip: real(self, coarse, None if skip is None else skip * 0)
    )
    assert not mask_needs_skip(network)  # a skip that was dropped shows
    monkeypatch.undo()
    network.rebuild = wang_net.Decoder(WangUNetSettings(top=4), 2, skips=True)
    assert not mask_needs_skip(network)  # so does one too many


def test_a_slice_gives_one_logit_a_pixel_and_two_maps_and_odd_sides_are_told() -> None:
    network = seeded(lambda: AttentionNet(WangUNetSettings(top=4)), 0)
    logit, maps = network.both(torch.rand(2, 1, 16, 24))
    assert (logit.shape, maps.shape) == ((2, 1, 16, 24), (2, 2, 16, 24))
    assert network(torch.rand(2, 1, 16, 24)).shape == (2, 1, 16, 24)
    with pytest.raises(IchBenchError, match="multiples of 8, got 12×16"):
        network(torch.rand(1, 1, 12, 16))
