"""Grad-CAM through the LSTM is what its definition says, and the classifier's sequences count each slice once."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from ich_bench.errors import UsageError  # noqa: E402
from ich_bench_baselines.blocks.augment import SliceAugmentation, apply, draw  # noqa: E402
from ich_bench_baselines.blocks.unet import parameter_count, seeded  # noqa: E402
from ich_bench_baselines.ramananda.cam import both_ways, grad_cam, upsampled  # noqa: E402
from ich_bench_baselines.ramananda.resnet_lstm import Residual, ResNet, ResNetLSTM, ResNetLSTMSettings  # noqa: E402
from ich_bench_baselines.ramananda.sequences import thinned, together, windows  # noqa: E402

SMALL = ResNetLSTMSettings(top=4, hidden=3)


def network(settings: ResNetLSTMSettings = SMALL) -> Any:
    return seeded(lambda: ResNetLSTM(settings), 1).eval()


def sequences(count: int = 2, length: int = 3, side: int = 32) -> Any:
    return torch.rand(count, length, 1, side, side, generator=torch.Generator().manual_seed(0))


def by_definition(net: Any, given: Any) -> np.ndarray:
    """Selvaraju 2017, Eq. 1 and 2, one slice after the other, by gradients of whole feature maps."""
    found = np.zeros((*given.shape[:2], *net.features(given).shape[-2:]), np.float32)
    for one in range(given.shape[0]):
        for place in range(given.shape[1]):
            maps = net.features(given[one : one + 1]).detach().requires_grad_()
            logit = net.judged(net.pooled(maps))[0, place]
            (slope,) = torch.autograd.grad(logit, maps)
            for channel in range(maps.shape[2]):
                found[one, place] += float(slope[0, place, channel].mean()) * maps[0, place, channel].detach().numpy()
    return np.maximum(found, 0)


@pytest.mark.parametrize("lstm", [True, False])
def test_the_fast_maps_are_those_of_the_definition(lstm: bool) -> None:
    net, given = network(replace(SMALL, lstm=lstm)), sequences()
    maps = grad_cam(net, given)
    slow = by_definition(net, given)
    assert slow.max() > 0
    np.testing.assert_allclose(maps.cam.numpy(), slow, atol=1e-6 * slow.max() + 1e-9, rtol=1e-3)
    with torch.no_grad():
        assert torch.allclose(maps.logits, net(given), atol=1e-6)


def test_a_map_of_the_wrong_slices_gradient_would_be_another_one() -> None:
    net, given = network(), sequences()
    features = net.features(given).detach()
    pooled = net.pooled(features).requires_grad_()
    (slope,) = torch.autograd.grad(net.judged(pooled).sum(), pooled)  # of all logits at once: the neighbours' as well
    wrong = torch.relu((slope[..., None, None] * features).sum(dim=2)) / (2 * 2)
    assert not np.allclose(wrong.numpy(), by_definition(net, given), rtol=1e-3)


def test_without_the_lstm_the_map_is_the_classic_one() -> None:
    net, given = network(replace(SMALL, lstm=False, sharpness=1e-4)), sequences()  # so flat that it is a mean
    features = net.features(given).detach()
    weights = net.own.weight.detach().clamp(min=0)[0]
    classic = torch.einsum("blchw,c->blhw", features, weights) / (features.shape[-1] * features.shape[-2])
    assert torch.allclose(grad_cam(net, given).cam, classic.relu(), rtol=1e-2, atol=1e-6)


def test_a_slice_and_its_mirror_image_have_mirrored_maps() -> None:
    net, given = network(), sequences()
    maps = both_ways(net, given)
    assert torch.allclose(both_ways(net, given.flip(-1)).cam.flip(-1), maps.cam, atol=1e-9)
    each = [grad_cam(net, given).cam, grad_cam(net, given.flip(-1)).cam.flip(-1)]
    assert not torch.allclose(each[0], each[1], rtol=1e-3)
    assert torch.allclose(maps.cam, (each[0] + each[1]) / 2)


def test_maps_leave_the_network_as_it_was() -> None:
    net = network().train()
    before = {name: one.clone() for name, one in net.state_dict().items()}
    grad_cam(net, sequences())
    assert net.training
    assert all(torch.equal(one, before[name]) for name, one in net.state_dict().items())
    assert all(one.grad is None for one in net.parameters())


def test_maps_are_brought_to_one_by_their_own_maximum_and_an_empty_one_stays_empty() -> None:
    cam = torch.tensor([[[[0.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]])
    large = upsampled(cam, 8)
    assert large.shape == (1, 2, 8, 8)
    assert float(large[0, 0].max()) == 1.0
    assert int(large[0, 0].argmax()) in {6, 7}  # the upper right corner
    assert not large[0, 1].any()


def test_features_are_pooled_between_their_mean_and_their_maximum() -> None:
    features = torch.tensor([0.0, 0.0, 0.0, 1.0]).reshape(1, 1, 1, 2, 2)
    pooled = float(network(replace(SMALL, sharpness=10.0)).pooled(features))
    assert pooled == pytest.approx(math.log((3 + math.exp(10)) / 4) / 10)  # 0.861
    assert float(network(replace(SMALL, sharpness=1e-3)).pooled(features)) == pytest.approx(0.25, abs=1e-3)
    assert float(network(replace(SMALL, sharpness=1e3)).pooled(features)) == pytest.approx(1.0, abs=2e-3)


def test_a_slice_speaks_for_ich_by_what_is_there_never_by_what_is_absent() -> None:
    net = network(replace(SMALL, lstm=False))
    with torch.no_grad():
        net.own.weight.fill_(-1.0)
        low, high = net.judged(torch.zeros(1, 1, 32)), net.judged(torch.ones(1, 1, 32))
    assert torch.equal(low, high)


def test_with_the_lstm_a_slice_hears_its_neighbours_and_without_it_does_not() -> None:
    given = sequences(1)
    changed = given.clone()
    changed[0, 2] = 0.5
    for lstm in (True, False):
        net = network(replace(SMALL, lstm=lstm))
        with torch.no_grad():
            moved = (net(given) - net(changed)).abs()[0]
        assert (float(moved[0]) > 0) == lstm
        assert float(moved[2]) > 0


def test_the_resnet_has_the_published_size() -> None:
    # ResNet-18 (He 2016, Table 1) has 11,689,512 parameters: less 513,000 of its last layer, and two of three input
    # channels of 7 · 7 · 64 weights each
    assert parameter_count(ResNet(ResNetLSTMSettings())) == 11_689_512 - 513_000 - 2 * 7 * 7 * 64
    with torch.no_grad():
        assert ResNet(SMALL)(torch.rand(1, 1, 64, 96)).shape == (1, 32, 4, 6)  # a sixteenth


def test_a_block_adds_its_input() -> None:
    block = Residual(2, 2, 1).eval()
    image = torch.rand(1, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    torch.nn.init.zeros_(block.path[0].weight)
    with torch.no_grad():
        assert torch.equal(block(image), image)


def table(*lengths: int) -> pd.DataFrame:
    lines = [(f"h{n}", k) for n, length in enumerate(lengths) for k in range(length)]
    return pd.DataFrame(lines, columns=["case_id", "place"])


def test_windows_are_contiguous_and_each_slice_counts_once() -> None:
    found = windows(table(5, 2, 4), 4)
    assert found.places.tolist() == [[0, 1, 2, 3], [1, 2, 3, 4], [5, 6, 6, 6], [7, 8, 9, 10]]
    assert found.counts.tolist() == [[True] * 4, [False] * 3 + [True], [True, True, False, False], [True] * 4]
    rng = np.random.default_rng(2)
    for length in (1, 3, 8):
        some = table(*rng.integers(1, 20, 9))
        found = windows(some, length)
        assert sorted(found.places[found.counts]) == list(range(len(some)))
        assert found.places.shape[1] == length


def test_windows_follow_the_place_of_a_slice_and_not_its_row() -> None:
    mixed = table(4, 3).iloc[[6, 2, 0, 4, 3, 1, 5]].reset_index(drop=True)
    found = windows(mixed, 4)
    for row in found.places:
        assert mixed["case_id"].iloc[row].nunique() == 1
        assert (np.diff(mixed["place"].to_numpy()[row]) >= 0).all()
    with pytest.raises(UsageError, match="0 slices"):
        windows(mixed, 0)


def test_thinned_windows_hold_ich_where_there_is_any() -> None:
    whole = windows(table(*[4] * 20), 4)
    positive = np.zeros(80, bool)
    positive[[0, 40, 76]] = True
    few = thinned(whole, positive, 4)
    assert len(few) == 4
    assert positive[few.places].any(axis=1).sum() == 2
    assert thinned(whole, positive, None) is whole


def test_a_head_moves_as_a_whole() -> None:
    how = SliceAugmentation()
    drawn = together(draw(how, 2, torch.Generator().manual_seed(3)), 3)
    same = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(4)).expand(6, 1, 16, 16)
    moved = apply(same, drawn)
    assert torch.equal(moved[0], moved[2])
    assert torch.equal(moved[3], moved[5])
    assert not torch.equal(moved[0], moved[3])
