"""The pretext heads have the paper's size, and leave the encoder's names alone."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from ich_bench_baselines.blocks.heads import (  # noqa: E402
    BINARY,
    CLASSES,
    GLOBAL,
    LOCAL,
    MULTI_LABEL,
    EncoderWithHead,
    PartWithHead,
    freeze,
    pooled,
)
from ich_bench_baselines.blocks.unet import UNetSettings, parameter_count, seeded  # noqa: E402
from ich_bench_baselines.paper import scaled  # noqa: E402

SMALL = scaled(UNetSettings(), "smoke")


def slices(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 1, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("widths", "parameters"), [(GLOBAL, 328_320), (BINARY, 788_226), (MULTI_LABEL, 789_511)])
def test_heads_on_the_encoder_have_the_papers_parameters(widths: tuple[int, ...], parameters: int) -> None:
    with torch.device("meta"):
        network = EncoderWithHead(UNetSettings(), widths)
    assert parameter_count(network.head) == parameters
    assert parameter_count(network.encoder) == 2_359_296


def test_the_head_of_the_local_contrast_has_12448_parameters_on_64_channels_of_half_size() -> None:
    with torch.device("meta"):
        network = PartWithHead(UNetSettings())
        found = network(torch.empty(1, 1, 256, 256))
    assert parameter_count(network.head) == 12_448
    assert len(network.decoder) == 3
    assert found.shape == (1, LOCAL[-1], 128, 128)


def test_a_classifier_gives_one_logit_a_class_of_either_sign() -> None:
    network = seeded(lambda: EncoderWithHead(SMALL, MULTI_LABEL), 0)
    assert network(slices()).shape == (3, len(CLASSES)) == (3, 7)
    with torch.no_grad():
        network.head[-1].bias.fill_(-50.0)
    assert (network(slices()) < -20).all()  # neither sigmoid, softmax nor ReLU after the last layer


def test_the_head_reads_the_mean_of_the_bottleneck() -> None:
    network = seeded(lambda: EncoderWithHead(SMALL, GLOBAL), 0).eval()
    with torch.no_grad():
        bottleneck = network.encoder(slices())[-1]
        by_hand = torch.stack([one.reshape(one.shape[0], -1).mean(dim=1) for one in bottleneck])
        assert torch.allclose(pooled(network.encoder, slices()), by_hand, atol=1e-6)
        assert torch.allclose(network(slices()), network.head(by_hand), atol=1e-6)


def test_a_frozen_encoder_keeps_its_weights_while_decoder_and_head_learn() -> None:
    network = seeded(lambda: PartWithHead(SMALL), 0).train()
    freeze(network.encoder)
    before = {name: one.clone() for name, one in network.state_dict().items()}
    adam = torch.optim.Adam((one for one in network.parameters() if one.requires_grad), lr=0.01)
    network(slices()).square().mean().backward()
    adam.step()
    after = network.state_dict()
    weights = {name for name, _ in network.named_parameters()}
    changed = {name.split(".")[0] for name in weights if not torch.equal(before[name], after[name])}
    assert changed == {"decoder", "head"}
    averages = [name for name in after if name.startswith("encoder") and name.endswith("running_mean")]
    assert all(not torch.equal(before[name], after[name]) for name in averages)  # as in the authors' code


def test_parts_carry_the_names_they_have_in_the_unet() -> None:
    part, encoder = PartWithHead(SMALL), EncoderWithHead(SMALL, GLOBAL)
    assert {name.split(".")[0] for name in part.state_dict()} == {"encoder", "decoder", "head"}
    assert {name.split(".")[0] for name in encoder.state_dict()} == {"encoder", "head"}
