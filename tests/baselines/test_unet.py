"""The network has the paper's size and shape, and every skip of it matters."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from ich_bench.errors import IchBenchError  # noqa: E402
from ich_bench_baselines.blocks.unet import UNet, UNetSettings, parameter_count, seeded  # noqa: E402
from ich_bench_baselines.paper import scaled, variant  # noqa: E402

SMALL = scaled(UNetSettings(), "smoke")


def small(seed: int = 0, settings: UNetSettings = SMALL) -> UNet:
    return seeded(lambda: UNet(settings), seed)


def slices(count: int = 2, side: int = 32) -> torch.Tensor:
    return torch.rand(count, 1, side, side, generator=torch.Generator().manual_seed(1))


def test_the_papers_network_has_5409089_parameters_2359296_of_them_in_the_encoder() -> None:
    with torch.device("meta"):
        network = UNet()
    assert parameter_count(network) == 5_409_089
    assert parameter_count(network.encoder) == 2_359_296
    assert parameter_count(network.decoder) == 3_049_760
    assert parameter_count(network.final) == 33


def test_the_codes_network_has_7765409_parameters_and_drops_half() -> None:
    settings = variant(UNetSettings, "code")
    with torch.device("meta"):
        network = UNet(settings)
    assert parameter_count(network) == 7_765_409
    assert parameter_count(network.encoder) == 4_715_616
    assert (settings.middle_factor, settings.dropout, network.encoder.dropout.p) == (1, 0.5, 0.5)


def test_logits_have_the_slices_size_and_may_be_of_either_sign() -> None:
    network = small()
    found = network(slices(side=48))
    assert found.shape == (2, 1, 48, 48)
    with torch.no_grad():
        network.final.bias.fill_(-100.0)
    assert (network(slices()) < -50).all()  # a sigmoid inside would leave them in 0…1
    with torch.no_grad():
        network.final.bias.fill_(100.0)
    assert (network(slices()) > 50).all()


def test_the_levels_halve_in_size_and_double_in_channels() -> None:
    with torch.device("meta"):
        levels = UNet().encode(torch.empty(1, 1, 256, 256))
    assert [tuple(one.shape[1:]) for one in levels] == [
        (32, 256, 256),
        (64, 128, 128),
        (128, 64, 64),
        (256, 32, 32),
        (512, 16, 16),
    ]


@pytest.mark.parametrize("level", range(5))
def test_every_skip_and_the_bottleneck_reach_the_output(level: int) -> None:
    network = small().train()  # normalised by the batch itself, so that no level is too faint to matter
    with torch.no_grad():
        levels = network.encode(slices())
        whole = network.decode(levels)
        without = tuple(torch.zeros_like(one) if n == level else one for n, one in enumerate(levels))
        assert (network.decode(without) - whole).abs().max() > 1e-2


def test_a_level_up_joins_the_skip_first_and_what_comes_from_below_second() -> None:
    # widths 8, 16, …: the finest level's first convolution reads 8 channels of the skip, then 8 from below
    network = small().eval()
    weight = network.decoder[3].block[0].weight
    assert weight.shape[1] == 16
    with torch.no_grad():
        levels = network.encode(slices())
        weight[:, :8] = 0
        changed = (torch.rand_like(levels[0]), *levels[1:])
        assert torch.equal(network.decode(changed), network.decode(levels))
        assert not torch.equal(network.decode((*levels[:4], torch.rand_like(levels[4]))), network.decode(levels))


def test_dropout_follows_each_block_of_the_encoder_and_none_of_the_decoder() -> None:
    network = small(settings=UNetSettings(top=8, dropout=0.5)).train()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.bias.fill_(5.0)  # keeps ReLU from making zeros of its own
        levels = network.encode(slices(side=64))
        for one in levels:
            assert 0.4 < (one == 0).float().mean() < 0.6
        assert (network.decoder(levels) == 0).float().mean() < 0.01


def test_first_weights_depend_on_the_seed_alone_and_leave_torchs_own_state() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    one = small(7).state_dict()
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(4)
    other = small(7).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    third = small(8).state_dict()
    assert not torch.equal(one["final.weight"], third["final.weight"])


def test_channels_last_and_bf16_agree_with_the_plain_network() -> None:
    # bfloat16 keeps 8 bits: 23 layers of it, each normalised, stay within 0.05 of logits of order 1
    network = small().train()
    image = slices(4)
    with torch.no_grad():
        plain = network(image)
        last = small().train().to(memory_format=torch.channels_last)(image.to(memory_format=torch.channels_last))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = small().train()(image)
    assert torch.allclose(plain, last, atol=1e-4)
    assert half.dtype == torch.bfloat16
    assert (half.float() - plain).abs().mean() < 0.05


def test_gradients_reach_every_parameter() -> None:
    network = small().train()
    network(slices()).square().mean().backward()
    assert [name for name, one in network.named_parameters() if one.grad is None or not one.grad.isfinite().all()] == []


def test_slices_whose_sides_are_no_multiple_of_16_are_refused() -> None:
    with pytest.raises(IchBenchError, match="multiples of 16, got 40×32"):
        small()(torch.zeros(1, 1, 40, 32))
