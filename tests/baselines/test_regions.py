"""The local contrast's regions: cells of a grid, drawn without replacement, the same ones of both views."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from ich_bench.errors import IchBenchError  # noqa: E402
from ich_bench_baselines.blocks.augment import LocalContrastAugmentation, apply, draw, generator  # noqa: E402
from ich_bench_baselines.blocks.losses import local_info_nce  # noqa: E402
from ich_bench_baselines.blocks.regions import Regions, align, draw_cells, gather, seen_cells, twins  # noqa: E402


def maps(count: int = 2, channels: int = 4, height: int = 20, width: int = 23, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, channels, height, width, generator=torch.Generator().manual_seed(seed))


def smooth(count: int, side: int) -> torch.Tensor:
    """Slices that change little from pixel to pixel, each in its own way."""
    at = torch.linspace(-1, 1, side)
    phase = torch.arange(count)[:, None, None]
    wave = torch.sin(5 * at[:, None] + phase) + torch.cos(4 * at[None, :] * (1 + at[:, None]) - phase)
    return (0.5 + 0.2 * wave)[:, None]


def test_the_paper_draws_20_regions_of_3_by_3_and_does_not_align_them() -> None:
    assert Regions() == Regions(count=20, side=3, aligned=False)


def test_cells_lie_on_the_grid_and_none_comes_twice() -> None:
    # 20×23 places in cells of 3×3: 6×7 = 42 cells
    cells = draw_cells(Regions(), 500, 20, 23, generator(0))
    assert cells.shape == (500, 20)
    assert all(len(set(row)) == 20 for row in cells.tolist())
    assert set(cells.flatten().tolist()) == set(range(42))
    assert len({tuple(row) for row in cells.tolist()}) == 500  # each slice has its own
    counts = torch.bincount(cells.flatten(), minlength=42)
    assert counts.min() > 238 - 5 * 11  # 500·20/42 = 238, standard deviation √(500·20/42·22/42) = 11
    assert counts.max() < 238 + 5 * 11


def test_cells_depend_on_the_generators_numbers_alone() -> None:
    first = draw_cells(Regions(), 3, 20, 23, generator(1, 2, 3))
    assert torch.equal(first, draw_cells(Regions(), 3, 20, 23, generator(1, 2, 3)))
    assert not torch.equal(first, draw_cells(Regions(), 3, 20, 23, generator(1, 2, 4)))


def test_a_region_is_the_square_of_places_at_its_cell() -> None:
    features = maps()
    cells = draw_cells(Regions(), 2, 20, 23, generator(0))
    found = gather(features, cells, 3)
    assert found.shape == (2, 20, 4 * 9)
    for n in range(2):
        for r in range(20):
            row, column = divmod(int(cells[n, r]), 7)
            square = features[n, :, 3 * row : 3 * row + 3, 3 * column : 3 * column + 3]
            assert torch.equal(found[n, r], square.reshape(-1))


def test_both_views_are_read_at_the_same_cells() -> None:
    features = maps()
    found = twins(features, features + 1, Regions(), generator(0))
    assert torch.equal(found.second, found.first + 1)


def test_gradients_come_back_to_the_drawn_places_alone() -> None:
    features = maps().requires_grad_()
    gather(features, torch.tensor([[0, 8], [41, 1]]), 3).sum().backward()
    assert features.grad is not None
    expected = torch.zeros(2, 4, 20, 23)
    expected[0, :, 0:3, 0:3] = 1
    expected[0, :, 3:6, 3:6] = 1
    expected[1, :, 15:18, 18:21] = 1
    expected[1, :, 0:3, 3:6] = 1
    assert torch.equal(features.grad, expected)


def test_aligning_undoes_a_shift_and_knows_what_went_out_of_sight() -> None:
    # the second view shows the slice 4 rows lower: its row 4 is the first view's row 0, rows 60…63 are out of sight
    image = maps(1, 3, 64, 64)
    still = draw(replace(LocalContrastAugmentation(), translate=0.0, rotate_deg=0.0, scale=(1.0, 1.0)), 1, generator(0))
    still = replace(still, crop=torch.tensor([[0.0, 0.0, 1.0, 1.0]], dtype=torch.float64))
    lower = replace(still, shift=torch.tensor([[4 / 64, 0.0]], dtype=torch.float64))
    second = torch.zeros_like(image)
    second[:, :, 4:] = image[:, :, :60]
    found, seen = align(second, still, lower)
    assert torch.equal(seen[0, 0].any(dim=1), torch.arange(64) < 60)
    assert torch.equal(found[:, :, :60], image[:, :, :60])


def test_aligned_views_show_the_same_piece_of_the_head_and_plain_ones_do_not() -> None:
    image = smooth(8, 64)
    settings = replace(LocalContrastAugmentation(), chance=0.0)
    numbers = draw(settings, 8, generator(0)), draw(settings, 8, generator(1))
    first, second = (apply(image, one) for one in numbers)
    found, seen = align(second, *numbers)
    inside = seen & (first > 0) & (found > 0.05)
    assert inside.double().mean() > 0.3
    apart_aligned = (found - first).abs()[inside]
    assert apart_aligned.quantile(0.95) < 0.02
    assert (second - first).abs()[inside].quantile(0.95) > 0.1


def test_aligned_regions_are_drawn_where_both_views_know_the_slice() -> None:
    image = smooth(8, 96)
    settings = replace(LocalContrastAugmentation(), chance=0.0)
    numbers = draw(settings, 8, generator(0)), draw(settings, 8, generator(1))
    first, second = (apply(image, one) for one in numbers)
    plain = twins(first, second, Regions(), generator(3))
    aligned = twins(first, second, Regions(aligned=True), generator(3), numbers)
    assert aligned.first.shape == plain.first.shape == (8, 20, 9)
    assert (aligned.first - aligned.second).abs().median() < 0.01 < (plain.first - plain.second).abs().median()
    losses = [local_info_nce(one.first, one.second, temperature=0.1) for one in (aligned, plain)]
    assert losses[0] < losses[1]


def test_known_cells_are_drawn_before_any_other() -> None:
    seen = torch.zeros(2, 1, 9, 9, dtype=torch.bool)
    seen[0, 0, :6, :6] = True  # four whole cells: 0, 1, 3, 4
    seen[1, 0, 1:, 1:] = True  # four whole cells: 4, 5, 7, 8
    shown = seen_cells(seen, 3)
    assert [row.nonzero().flatten().tolist() for row in shown] == [[0, 1, 3, 4], [4, 5, 7, 8]]
    drawn = draw_cells(Regions(count=4), 2, 9, 9, generator(0), shown)
    assert [sorted(row) for row in drawn.tolist()] == [[0, 1, 3, 4], [4, 5, 7, 8]]
    more = draw_cells(Regions(count=6), 2, 9, 9, generator(0), shown)
    assert [sorted(row[:4]) for row in more.tolist()] == [[0, 1, 3, 4], [4, 5, 7, 8]]


def test_a_map_with_fewer_cells_than_regions_is_refused() -> None:
    with pytest.raises(IchBenchError, match="12×14 has 16 regions of 3×3, fewer than the 20"):
        draw_cells(Regions(), 1, 12, 14, generator(0))


def test_aligned_regions_need_to_know_how_the_views_were_moved() -> None:
    with pytest.raises(TypeError, match="what was drawn for both views"):
        twins(maps(), maps(), Regions(aligned=True), generator(0))
