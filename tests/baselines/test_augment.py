"""A slice and its masks change together, within the paper's ranges, the same way every time it is asked."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from ich_bench_baselines.blocks.augment import (  # noqa: E402
    Augmentation,
    ClassifierAugmentation,
    Drawn,
    GlobalContrastAugmentation,
    LocalContrastAugmentation,
    SliceAugmentation,
    apply,
    draw,
    follow,
    generator,
    pair,
    source,
)
from ich_bench_baselines.paper import origins, variant  # noqa: E402

PRESETS = [SliceAugmentation, ClassifierAugmentation, GlobalContrastAugmentation, LocalContrastAugmentation]


def bytes_(count: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    made = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 1, height, width), dtype=torch.uint8, generator=made)


def by_hand(count: int = 1, **given: object) -> Drawn:
    """Numbers that change nothing, but for those given."""
    still = Drawn(
        shift=torch.zeros(count, 2, dtype=torch.float64),
        angle_deg=torch.zeros(count, dtype=torch.float64),
        scale=torch.ones(count, dtype=torch.float64),
        flip=torch.zeros(count, dtype=torch.bool),
        crop=torch.tensor([[0.0, 0.0, 1.0, 1.0]], dtype=torch.float64).repeat(count, 1),
        contrast=torch.ones(count, dtype=torch.float64),
        brightness=torch.zeros(count, dtype=torch.float64),
        blur_px=torch.zeros(count, dtype=torch.float64),
        moves=True,
        blur_reach_px=0,
    )
    return replace(
        still, **{name: torch.as_tensor(one) if isinstance(one, list) else one for name, one in given.items()}
    )


def test_without_ranges_nothing_changes_not_even_the_last_bit() -> None:
    image, mask = bytes_(3, 20, 24), bytes_(3, 20, 24, seed=1) > 128
    found = pair(image, mask, Augmentation(), generator(0))
    assert found.images.dtype == torch.float32
    assert torch.equal(found.images, image.float() / 255)
    assert torch.equal(found.masks, mask)


def test_numbers_that_change_nothing_change_nothing_where_the_slice_is_read_anew() -> None:
    image = bytes_(2, 64, 64)
    assert torch.equal(apply(image, by_hand(2)), image.float() / 255)
    assert torch.equal(follow(image > 99, by_hand(2)), image > 99)


def test_a_shift_by_whole_pixels_moves_image_and_mask_down_and_right_and_leaves_zeros() -> None:
    image = bytes_(1, 64, 64)
    drawn = by_hand(shift=[[3 / 64, -5 / 64]])
    expected = torch.zeros(1, 1, 64, 64)
    expected[:, :, 3:, :-5] = image[:, :, :-3, 5:].float() / 255
    assert torch.equal(apply(image, drawn), expected)
    assert torch.equal(follow(image > 99, drawn), expected > 99.5 / 255)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns_are_exact_and_counter_clockwise(turns: int) -> None:
    image = bytes_(1, 32, 32)
    drawn = by_hand(angle_deg=[90.0 * turns])
    assert torch.equal(apply(image, drawn), torch.rot90(image, turns, (2, 3)).float() / 255)
    assert torch.equal(follow(image > 99, drawn), torch.rot90(image, turns, (2, 3)) > 99)


def test_a_flip_changes_left_and_right() -> None:
    image = bytes_(2, 32, 32)
    drawn = by_hand(2, flip=[True, False])
    assert torch.equal(apply(image, drawn)[0], image[0].flip(2).float() / 255)
    assert torch.equal(apply(image, drawn)[1], image[1].float() / 255)
    assert torch.equal(follow(image > 99, drawn)[0], image[0].flip(2) > 99)


def test_a_scale_of_two_shows_the_middle_at_twice_its_size() -> None:
    # columns a b c d: a pixel at ±1.5 or ±0.5 from the middle is read at ±0.75 or ±0.25, so b b c c
    mask = torch.tensor([[[[0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0]]]]).bool()
    expected = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]).bool()
    assert torch.equal(follow(mask, by_hand(scale=[2.0]))[0, 0], expected)


def test_a_crop_is_brought_to_full_size() -> None:
    # the lower left quarter of a 4×4 slice: each of its four pixels becomes four
    mask = torch.tensor([[[[1, 1, 1, 1], [1, 1, 1, 1], [0, 1, 1, 1], [1, 0, 1, 1]]]]).bool()
    expected = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0]]).bool()
    assert torch.equal(follow(mask, by_hand(crop=[[0.5, 0.0, 0.5, 0.5]]))[0, 0], expected)


def test_a_place_goes_where_translation_then_rotation_then_scaling_then_flip_then_crop_take_it() -> None:
    # of 100 rows and 80 columns, at (row 10, column −4) from the middle:
    # shift by 0.05·100 and −0.1·80 → (15, −12); 90° counter-clockwise → (12, 15); doubled → (24, 30);
    # flipped → (24, −30); crop of rows 20…100 and columns 0…40, whose middle is (10, −20) → (14, −10),
    # enlarged by 100/80 and 80/40 → (17.5, −20)
    drawn = by_hand(shift=[[0.05, -0.1]], angle_deg=[90.0], scale=[2.0], flip=[True], crop=[[0.2, 0.0, 0.8, 0.5]])
    affine = source(drawn, 100, 80)[0]
    back = affine[:, :2] @ torch.tensor([17.5, -20.0], dtype=torch.float64) + affine[:, 2]
    assert back.tolist() == pytest.approx([10.0, -4.0])


def slowly(image: np.ndarray, drawn: Drawn, n: int) -> np.ndarray:
    """One slice, pixel by pixel, each change undone by itself."""
    height, width = image.shape
    found = np.zeros((height, width))
    top, left, tall, wide = drawn.crop[n].tolist()
    angle, scale = math.radians(drawn.angle_deg[n].item()), drawn.scale[n].item()
    down, right = drawn.shift[n].tolist()
    for i in range(height):
        for j in range(width):
            row, column = (i + 0.5) / height, (j + 0.5) / width  # shares of the side
            row, column = top + row * tall, left + column * wide
            row, column = (row - 0.5) * height, (column - 0.5) * width  # pixels from the middle
            column = -column if drawn.flip[n] else column
            row, column = row / scale, column / scale
            row, column = (
                math.cos(angle) * row + math.sin(angle) * column,
                -math.sin(angle) * row + math.cos(angle) * column,
            )
            row, column = row - down * height, column - right * width
            row, column = row + height / 2 - 0.5, column + width / 2 - 0.5
            for a in (math.floor(row), math.floor(row) + 1):
                for b in (math.floor(column), math.floor(column) + 1):
                    if 0 <= a < height and 0 <= b < width:
                        found[i, j] += image[a, b] * (1 - abs(row - a)) * (1 - abs(column - b))
    return found


def test_moved_slices_equal_those_of_the_slow_way() -> None:
    image = bytes_(4, 14, 18)
    settings = replace(GlobalContrastAugmentation(), chance=0.0)
    drawn = draw(settings, 4, generator(3))
    fast = apply(image, drawn)
    for n in range(4):
        assert np.allclose(fast[n, 0].numpy(), slowly(image[n, 0].numpy() / 255, drawn, n), atol=1e-5)


def test_contrast_multiplies_then_brightness_adds_and_both_are_cut_to_0_and_1() -> None:
    # 0.2·1.4 − 0.25 = 0.03; 0.8·1.4 → 1 − 0.25 = 0.75; 0.1·1.4 − 0.25 → 0; 0.5 + 0.25; 0.9 + 0.25 → 1
    image = torch.tensor([[0.2, 0.8, 0.1], [0.5, 0.9, 0.0]])[:, None, None]
    drawn = by_hand(2, contrast=[1.4, 1.0], brightness=[-0.25, 0.25], moves=False)
    expected = torch.tensor([[0.03, 0.75, 0.0], [0.75, 1.0, 0.25]])
    assert torch.allclose(apply(image, drawn)[:, 0, 0], expected, atol=1e-6)


def test_blur_is_scipys_gaussian_each_slice_with_its_own_width() -> None:
    ndimage = pytest.importorskip("scipy.ndimage")
    image = bytes_(3, 20, 16).float() / 255
    drawn = by_hand(3, blur_px=[0.7, 0.0, 1.5], moves=False, blur_reach_px=6)
    found = apply(image, drawn)
    for n, sigma in ((0, 0.7), (2, 1.5)):
        expected = ndimage.gaussian_filter(image[n, 0].double().numpy(), sigma, mode="nearest", truncate=4.0)
        assert np.allclose(found[n, 0].numpy(), expected, atol=1e-6)
    assert torch.equal(found[1], image[1])


@pytest.mark.parametrize("preset", PRESETS)
def test_the_mask_of_a_bright_square_follows_it(preset: type[Augmentation]) -> None:
    square = torch.zeros(16, 2, 128, 128, dtype=torch.bool)
    square[:, 0, 40:80, 50:90] = True  # the reference
    square[:, 1, 20:110, 20:110] = True  # the cavity
    image = square[:, :1].to(torch.uint8) * 255
    settings = replace(preset(), chance=0.0)
    found = pair(image, square, settings, generator(1, 2, 3))
    seen = found.images > 0.5
    share = (seen & found.masks[:, :1]).sum((1, 2, 3)) / (seen | found.masks[:, :1]).sum((1, 2, 3))
    assert share.min() > 0.97
    assert not torch.equal(found.masks[:, 0], square[:, 0])
    assert not (found.masks[:, 0] & ~found.masks[:, 1]).any()  # what lies in the cavity stays in it
    other = follow(square, draw(settings, 16, generator(1, 2, 4)))[:, :1]  # the fault: numbers of another step
    assert ((seen & other).sum() / (seen | other).sum()) < 0.9


def test_brightness_contrast_and_blur_leave_masks_alone() -> None:
    mask = bytes_(8, 16, 16) > 128
    settings = Augmentation(chance=1.0, contrast=(0.5, 1.4), brightness=(-0.25, 0.25), blur_px=(0.1, 1.5))
    assert torch.equal(pair(bytes_(8, 16, 16), mask, settings, generator(0)).masks, mask)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("which", ["paper", "code"])
def test_drawn_numbers_fill_their_ranges_and_never_leave_them(preset: type[Augmentation], which: str) -> None:
    settings = variant(preset, which)
    drawn = draw(settings, 20_000, generator(7))

    def fills(values: torch.Tensor, low: float, high: float) -> None:
        assert low <= values.min()
        assert values.max() <= high
        assert values.min() <= low + 0.02 * (high - low)
        assert values.max() >= high - 0.02 * (high - low)

    fills(drawn.shift[:, 0], -settings.translate, settings.translate)
    fills(drawn.shift[:, 1], -settings.translate, settings.translate)
    fills(drawn.angle_deg, -settings.rotate_deg, settings.rotate_deg)
    fills(drawn.scale, *settings.scale)
    assert drawn.flip.double().mean().item() == pytest.approx(settings.flip, abs=0.02)
    for values, span, none in (
        (drawn.contrast, settings.contrast, 1.0),
        (drawn.brightness, settings.brightness, 0.0),
        (drawn.blur_px, settings.blur_px, 0.0),
    ):
        if span == (none, none):
            assert (values == none).all()
            continue
        assert (values == none).double().mean().item() == pytest.approx(0.5, abs=0.02)
        fills(values[values != none], *span)
    top, left, tall, wide = drawn.crop.unbind(1)
    assert min(top.min(), left.min()) >= 0
    assert max((top + tall).max(), (left + wide).max()) <= 1 + 1e-9
    part = tall * wide
    assert settings.crop_area[0] - 1e-9 <= part.min()
    assert part.max() <= settings.crop_area[1] + 1e-9
    ratio = wide / tall
    assert settings.crop_ratio[0] - 1e-9 <= ratio.min()
    assert ratio.max() <= settings.crop_ratio[1] + 1e-9


def test_the_presets_have_the_papers_ranges() -> None:
    slice_, whole, local = SliceAugmentation(), GlobalContrastAugmentation(), LocalContrastAugmentation()
    assert (slice_.translate, slice_.rotate_deg, slice_.scale, slice_.flip) == (0.1, 15.0, (0.9, 1.1), 0.5)
    assert (whole.translate, whole.rotate_deg, whole.scale, whole.flip) == (0.15, 90.0, (0.8, 1.2), 0.5)
    assert (local.translate, local.rotate_deg, local.scale, local.flip) == (0.15, 45.0, (0.8, 1.2), 0.0)
    assert (variant(SliceAugmentation, "code").rotate_deg, variant(ClassifierAugmentation, "code").rotate_deg) == (
        10,
        15,
    )
    assert variant(GlobalContrastAugmentation, "code").rotate_deg == 45
    assert variant(LocalContrastAugmentation, "code").brightness == (0.0, 0.0)
    for preset in PRESETS:
        assert len(origins(preset())) == 10


def test_a_steps_numbers_depend_on_seed_epoch_and_step_alone() -> None:
    first = draw(SliceAugmentation(), 4, generator(5, 3, 17))
    torch.rand(1000)
    draw(SliceAugmentation(), 9, generator(5, 3, 16))
    again = draw(SliceAugmentation(), 4, generator(5, 3, 17))
    for name in ("shift", "angle_deg", "scale", "flip", "crop", "contrast", "brightness", "blur_px"):
        assert torch.equal(getattr(first, name), getattr(again, name))
    for numbers in ((5, 3, 18), (5, 4, 17), (6, 3, 17), (3, 5, 17)):
        assert not torch.equal(draw(SliceAugmentation(), 4, generator(*numbers)).shift, first.shift)


def test_each_slice_of_a_batch_is_changed_its_own_way() -> None:
    drawn = draw(GlobalContrastAugmentation(), 16, generator(0))
    for values in (drawn.angle_deg, drawn.scale, drawn.shift[:, 0], drawn.shift[:, 1], drawn.crop[:, 0]):
        assert len(values.unique()) == 16
    image = bytes_(1, 32, 32).repeat(16, 1, 1, 1)
    assert len(apply(image, drawn).flatten(1).unique(dim=0)) == 16


def test_bytes_and_floats_give_the_same_float32_within_0_and_1() -> None:
    image = bytes_(6, 32, 32)
    drawn = draw(GlobalContrastAugmentation(), 6, generator(2))
    found = apply(image, drawn)
    assert found.dtype == torch.float32
    assert 0 <= found.min() <= found.max() <= 1
    assert torch.equal(found, apply(image.float() / 255, drawn))
    assert image.dtype == torch.uint8
    assert torch.equal(image, bytes_(6, 32, 32))  # the batch itself stays as it was
