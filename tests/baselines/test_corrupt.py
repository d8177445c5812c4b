"""Context restoration's patch swaps: sequential, apart, losing no value, the same as one patch at a time."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ich_bench.errors import IchBenchError  # noqa: E402
from ich_bench_baselines.blocks.augment import generator  # noqa: E402
from ich_bench_baselines.blocks.corrupt import Corruption, Swaps, apply, corrupt, draw  # noqa: E402
from ich_bench_baselines.paper import variant  # noqa: E402

PAPER, CODE = variant(Corruption, "paper"), variant(Corruption, "code")


def images(count: int = 3, side: int = 96, channels: int = 1) -> torch.Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(0))


def swaps(
    *places: tuple[tuple[int, int], tuple[int, int]], size: tuple[int, int], turns: tuple[int, int] = (0, 0)
) -> Swaps:
    """Swaps of one slice, by hand."""
    count = len(places)
    return Swaps(
        first=torch.tensor([[one for one, _ in places]]),
        second=torch.tensor([[other for _, other in places]]),
        size=torch.tensor([[size] * count]),
        turns=torch.tensor([[turns] * count]),
        largest=size,
    )


def slowly(image: np.ndarray, drawn: Swaps, n: int) -> np.ndarray:
    """One slice, one patch after the other."""
    found = image.copy()
    for s in range(drawn.size.shape[1]):
        (a, b), (c, d) = drawn.first[n, s].tolist(), drawn.second[n, s].tolist()
        (h, w), (k, m) = drawn.size[n, s].tolist(), drawn.turns[n, s].tolist()
        one, other = found[a : a + h, b : b + w].copy(), found[c : c + h, d : d + w].copy()
        found[a : a + h, b : b + w] = np.rot90(other, k)
        found[c : c + h, d : d + w] = np.rot90(one, m)
    return found


def test_the_papers_corruption_is_20_swaps_of_20_by_20_and_the_codes_10_turned_squares() -> None:
    assert Corruption(swaps=20, height_px=(20, 20), width_px=(20, 20), turned=False) == PAPER
    assert Corruption(swaps=10, height_px=(10, 29), width_px=None, turned=True) == CODE


def test_a_later_swap_moves_what_an_earlier_one_moved() -> None:
    # a b c: 0 ↔ 1 → b a c, then 1 ↔ 2 → b c a
    image = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    found = apply(image, swaps(((0, 0), (0, 1)), ((0, 1), (0, 2)), size=(1, 1)))
    assert found.flatten().tolist() == [2.0, 3.0, 1.0]


def test_two_patches_change_places_and_the_rest_stays() -> None:
    image = torch.arange(20.0).reshape(1, 1, 4, 5)
    found = apply(image, swaps(((0, 0), (2, 3)), size=(2, 2)))
    assert found[0, 0].tolist() == [
        [13.0, 14.0, 2.0, 3.0, 4.0],
        [18.0, 19.0, 7.0, 8.0, 9.0],
        [10.0, 11.0, 12.0, 0.0, 1.0],
        [15.0, 16.0, 17.0, 5.0, 6.0],
    ]


def test_patches_turn_counter_clockwise_as_they_arrive() -> None:
    # 0 1 / 6 7 and 3 4 / 9 10; what arrives left, one quarter turn: 4 10 / 3 9; what arrives right, three: 6 0 / 7 1
    image = torch.arange(12.0).reshape(1, 1, 2, 6)
    found = apply(image, swaps(((0, 0), (0, 3)), size=(2, 2), turns=(1, 3)))
    assert found[0, 0].tolist() == [[4.0, 10.0, 2.0, 6.0, 0.0, 5.0], [3.0, 9.0, 8.0, 7.0, 1.0, 11.0]]


@pytest.mark.parametrize("settings", [PAPER, CODE, Corruption(swaps=30, height_px=(3, 12), width_px=(5, 20))])
def test_a_batch_equals_one_slice_after_the_other_and_keeps_every_value(settings: Corruption) -> None:
    before = images()
    kept = before.clone()
    drawn = draw(settings, 3, 96, 96, generator(1))
    found = apply(before, drawn)
    for n in range(3):
        assert np.array_equal(found[n, 0].numpy(), slowly(before[n, 0].numpy(), drawn, n))
        assert torch.equal(found[n].flatten().sort().values, before[n].flatten().sort().values)
        assert not torch.equal(found[n], before[n])
    assert torch.equal(before, kept)  # the target


def test_channels_move_together() -> None:
    one = images()
    found = corrupt(torch.cat([one, 2 * one], dim=1), PAPER, generator(4))
    assert torch.equal(found[:, 1], 2 * found[:, 0])


def test_bytes_stay_bytes() -> None:
    image = (images() * 255).to(torch.uint8)
    assert corrupt(image, PAPER, generator(4)).dtype == torch.uint8


@pytest.mark.parametrize("settings", [PAPER, CODE, Corruption(swaps=9, height_px=(3, 9), width_px=(20, 30))])
@pytest.mark.parametrize("shape", [(256, 256), (64, 96)])
def test_drawn_patches_lie_in_the_slice_and_apart_and_have_the_sizes_asked_for(
    settings: Corruption, shape: tuple[int, int]
) -> None:
    drawn = draw(settings, 500, *shape, generator(2))
    assert drawn.first.shape == drawn.second.shape == drawn.size.shape == (500, settings.swaps, 2)
    for corner in (drawn.first, drawn.second):
        assert corner.min() >= 0
        assert (corner + drawn.size <= torch.tensor(shape)).all()
    between = (drawn.first - drawn.second).abs()
    assert (between >= drawn.size).any(dim=-1).all()
    assert (between < drawn.size).any(dim=-1).any()  # apart in one direction is enough
    low, high = settings.height_px
    assert (drawn.size[..., 0].min(), drawn.size[..., 0].max()) == (low, high)
    if settings.width_px is None:
        assert torch.equal(drawn.size[..., 0], drawn.size[..., 1])
    assert set(drawn.turns.unique().tolist()) == ({0, 1, 2, 3} if settings.turned else {0})


def test_corners_come_from_the_whole_slice() -> None:
    drawn = draw(PAPER, 3000, 256, 256, generator(0))
    for corner in (drawn.first, drawn.second):
        assert corner.min() == 0
        assert corner.max() == 256 - 20
        # 20 × 3000 corners over 237 places a side: the middle third gets about its share, a little less by the rule
        assert ((corner >= 79) & (corner < 158)).double().mean().item() == pytest.approx(1 / 3, abs=0.02)


def test_where_patches_hardly_fit_they_still_lie_apart() -> None:
    drawn = draw(Corruption(swaps=50, height_px=(2, 2), width_px=(2, 2)), 200, 5, 5, generator(0))
    assert ((drawn.first - drawn.second).abs() >= 2).any(dim=-1).all()


def test_the_papers_corruption_changes_about_a_fifth_of_a_slice() -> None:
    # 2·20 patches of 400 of 65,536 pixels: 24 % if none met another
    before = images(8, 256)
    share = (corrupt(before, PAPER, generator(0)) != before).double().mean().item()
    assert 0.17 < share < 0.245


def test_each_slice_has_its_own_swaps_which_depend_on_the_generators_numbers_alone() -> None:
    one = images(1).repeat(4, 1, 1, 1)
    found = corrupt(one, PAPER, generator(5, 1, 2))
    assert len(found.flatten(1).unique(dim=0)) == 4
    assert torch.equal(found, corrupt(one, PAPER, generator(5, 1, 2)))
    assert not torch.equal(found, corrupt(one, PAPER, generator(5, 1, 3)))


def test_patches_too_large_for_the_slice_are_refused() -> None:
    with pytest.raises(
        IchBenchError, match="Two patches of 20×20 pixels do not fit beside each other in slices of 40×40"
    ):
        corrupt(images(1, 40), PAPER, generator(0))


def test_only_squares_are_turned() -> None:
    with pytest.raises(IchBenchError, match="set width_px to None"):
        corrupt(images(1), Corruption(turned=True), generator(0))
