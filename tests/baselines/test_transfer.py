"""What goes from a pretext network to the U-Net, tensor by tensor, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from ich_bench.errors import InputError  # noqa: E402
from ich_bench_baselines.blocks.heads import BINARY, GLOBAL, MULTI_LABEL, EncoderWithHead, PartWithHead  # noqa: E402
from ich_bench_baselines.blocks.transfer import ENCODER, PART, WHOLE, carried, transfer  # noqa: E402
from ich_bench_baselines.blocks.unet import UNet, UNetSettings, seeded  # noqa: E402
from ich_bench_baselines.paper import scaled  # noqa: E402

SMALL = scaled(UNetSettings(), "smoke")
PRETEXTS: dict[str, tuple[Callable[[], nn.Module], tuple[str, ...]]] = {
    "context-restoration": (lambda: UNet(SMALL), WHOLE),
    "global-contrastive": (lambda: EncoderWithHead(SMALL, GLOBAL), ENCODER),
    "local-contrastive": (lambda: PartWithHead(SMALL), PART),
    "binary-classification": (lambda: EncoderWithHead(SMALL, BINARY), ENCODER),
    "multilabel": (lambda: EncoderWithHead(SMALL, MULTI_LABEL), ENCODER),
}


def slices() -> torch.Tensor:
    return torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(1))


def pretrained(pretext: str) -> nn.Module:
    """A pretext network whose running averages have moved from where they start."""
    network = seeded(PRETEXTS[pretext][0], 1).train()
    with torch.no_grad():
        for _ in range(3):
            network(slices())
    return network.eval()


def fresh() -> UNet:
    return seeded(lambda: UNet(SMALL), 2).eval()


def same_encoder(one: nn.Module, other: nn.Module) -> bool:
    with torch.no_grad():
        pairs = zip(one.encoder(slices()), other.encoder(slices()), strict=True)
        return all(torch.equal(a, b) for a, b in pairs)


def block(name: str) -> set[str]:
    """The fourteen tensors of two convolutions with their normalisations."""
    kept = {f"{name}.{n}.{what}" for n in (0, 3) for what in ("weight", "bias")}
    normalised = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    return kept | {f"{name}.{n}.{what}" for n in (1, 4) for what in normalised}


def level(number: int) -> set[str]:
    up = {f"decoder.{number}.up.weight", f"decoder.{number}.up.bias"}
    return up | block(f"decoder.{number}.block")


ENCODER_NAMES = set().union(*(block(f"encoder.blocks.{n}") for n in range(5)))
EXPECTED = {
    "context-restoration": ENCODER_NAMES.union(*(level(n) for n in range(4)), {"final.weight", "final.bias"}),
    "global-contrastive": ENCODER_NAMES,
    "local-contrastive": ENCODER_NAMES.union(*(level(n) for n in range(3))),
    "binary-classification": ENCODER_NAMES,
    "multilabel": ENCODER_NAMES,
}


@pytest.mark.parametrize("pretext", PRETEXTS)
def test_exactly_these_tensors_go_over_and_the_rest_keeps_its_values(pretext: str) -> None:
    source, network = pretrained(pretext), fresh()
    before = {name: one.clone() for name, one in network.state_dict().items()}
    went = transfer(source.state_dict(), network, PRETEXTS[pretext][1])
    assert set(went) == EXPECTED[pretext]
    given, after = source.state_dict(), network.state_dict()
    assert all(torch.equal(after[name], given[name]) for name in went)
    assert all(torch.equal(after[name], before[name]) for name in after if name not in went)
    assert all(one.requires_grad for one in network.parameters())  # nothing is frozen


@pytest.mark.parametrize("pretext", PRETEXTS)
def test_the_encoder_answers_as_the_pretrained_one_afterwards_and_not_before(pretext: str) -> None:
    source, network = pretrained(pretext), fresh()
    assert not same_encoder(source, network)
    transfer(source.state_dict(), network, PRETEXTS[pretext][1])
    assert same_encoder(source, network)


def test_after_context_restoration_the_whole_network_answers_as_the_pretrained_one() -> None:
    source, network = pretrained("context-restoration"), fresh()
    transfer(source.state_dict(), network, WHOLE)
    assert torch.equal(network(slices()), source(slices()))


def test_after_the_local_contrast_three_levels_up_answer_as_the_pretrained_ones() -> None:
    source, network = pretrained("local-contrastive"), fresh()
    transfer(source.state_dict(), network, PART)
    levels = network.encode(slices())
    mine = levels[-1]
    for up, skip in zip(list(network.decoder)[:3], levels[-2::-1], strict=False):
        mine = up(mine, skip)
    assert torch.equal(mine, source.decoder(source.encoder(slices())))


def averages(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: one for name, one in weights.items() if name.startswith("encoder") and "running" in name}


@pytest.mark.parametrize(
    "fault",
    [
        lambda given, own: {**given, **averages(own)},  # running averages left behind
        lambda given, own: {**given, "encoder.blocks.2.1.weight": given["encoder.blocks.2.1.bias"]},  # a wrong name
        lambda given, own: {**given, "encoder.blocks.0.0.weight": own["encoder.blocks.0.0.weight"]},  # one left behind
    ],
    ids=["averages", "wrong name", "one tensor"],
)
def test_a_wrong_key_map_is_noticed_by_what_the_encoder_answers(
    fault: Callable[[dict[str, torch.Tensor], dict[str, torch.Tensor]], dict[str, torch.Tensor]],
) -> None:
    source, network = pretrained("global-contrastive"), fresh()
    transfer(fault(source.state_dict(), network.state_dict()), network, ENCODER)
    assert not same_encoder(source, network)


def test_a_prefix_that_only_begins_like_a_part_is_no_part() -> None:
    names = (
        "decoder.1.up.bias",
        "decoder.10.up.bias",
        "decoders.1.up.bias",
        "encoder.blocks.0.0.bias",
        "encoder2.bias",
    )
    assert carried(names, PART) == ("decoder.1.up.bias", "encoder.blocks.0.0.bias")


REFUSED: dict[str, tuple[Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]], str]] = {
    "missing": (
        lambda given: {name: one for name, one in given.items() if name != "encoder.blocks.3.4.running_var"},
        "encoder.blocks.3.4.running_var  is missing",
    ),
    "unknown": (
        lambda given: {**given, "encoder.blocks.9.0.weight": torch.zeros(1)},
        "encoder.blocks.9.0.weight  is no part of encoder",
    ),
    "of another part": (
        lambda given: {**given, "final.bias": torch.zeros(1)},
        "final.bias  is no part of encoder",
    ),
    "of another shape": (
        lambda given: {**given, "encoder.blocks.0.0.bias": torch.zeros(16)},
        "encoder.blocks.0.0.bias  has the shape 16, this network's has 4",
    ),
    "not finite": (
        lambda given: {**given, "encoder.blocks.0.0.bias": torch.full((4,), torch.nan)},
        "encoder.blocks.0.0.bias  holds values that are not finite",
    ),
    "wrapped": (
        lambda given: {f"module.{name}": one for name, one in given.items()},
        "encoder.blocks.0.0.weight  is missing",
    ),
    "hostile": (
        lambda given: {**given, "x\x1b[2J": torch.zeros(1)},
        r"x\\x1b\[2J  is no part of encoder",
    ),
}


@pytest.mark.parametrize(("change", "told"), REFUSED.values(), ids=REFUSED)
def test_weights_that_do_not_belong_are_named_and_nothing_is_changed(
    change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]], told: str
) -> None:
    source, network = pretrained("global-contrastive"), fresh()
    before = {name: one.clone() for name, one in network.state_dict().items()}
    with pytest.raises(InputError, match=told):
        transfer(change(source.state_dict()), network, ENCODER)
    assert all(torch.equal(one, before[name]) for name, one in network.state_dict().items())


def test_the_weights_of_one_pretext_are_refused_as_those_of_another() -> None:
    whole = pretrained("context-restoration").state_dict()
    for parts in (ENCODER, PART):
        with pytest.raises(InputError, match="is no part of"):
            transfer(whole, fresh(), parts)
    with pytest.raises(InputError, match=r"decoder\.3\.up\.weight  is missing"):
        transfer(pretrained("local-contrastive").state_dict(), fresh(), WHOLE)


def test_a_part_that_the_network_lacks_is_refused() -> None:
    with pytest.raises(InputError, match="this network"):
        transfer({}, fresh(), ("backbone",))
