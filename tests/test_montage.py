"""The pictures of drawn heads: right way up, windowed, outlined, lettered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from ich_bench.errors import UsageError
from ich_bench.phantom import montage
from ich_bench.phantom.letters import lettered, write_on
from ich_bench.phantom.montage import OUTLINE, Scanned, joined, slices_shown, tile


def scan(**changes: object) -> Scanned:
    """A cube of 40 HU with 60 HU of blood at its front left, on a grid that runs left, forward and up."""
    hu = np.full((40, 40, 12), 40, np.int16)
    mask = np.zeros((40, 40, 12), bool)
    mask[28:36, 28:36, 5:8] = True  # index 0 grows to the patient's left, index 1 to the front
    hu[mask] = 60
    one = Scanned(case_id="x", hu=hu, mask=mask, spacing_mm=(1.0, 1.0, 5.0), signs=(-1, 1, 1))
    return replace(one, **changes)


def outlined(pixels: np.ndarray) -> np.ndarray:
    return np.argwhere((pixels == OUTLINE).all(axis=2))


def test_the_patients_left_is_on_the_right_and_the_front_is_up() -> None:
    rows, columns = outlined(tile(scan(), 6, "brain", size=40)).T
    assert rows.max() < 20  # in front: above the middle
    assert columns.min() > 20  # left: on the right
    mirrored = scan(hu=scan().hu[::-1, ::-1], mask=scan().mask[::-1, ::-1], signs=(1, -1, 1))
    assert np.array_equal(tile(scan(), 6, "brain"), tile(mirrored, 6, "brain"))


def test_a_window_maps_its_ends_to_black_and_white() -> None:
    # brain: level 40, width 80: 0 HU is black, 80 white, 20 a quarter of 255 = 63.75
    one = scan(mask=np.zeros((40, 40, 12), bool), hu=scan().hu * 0)
    assert set(tile(one, 0, "brain").ravel()) == {0}
    assert set(tile(replace(one, hu=one.hu + 20), 0, "brain").ravel()) == {64}
    assert set(tile(replace(one, hu=one.hu + 80), 0, "brain").ravel()) == {255}


def test_the_outline_is_the_masks_rim_and_absent_where_there_is_no_mask() -> None:
    # 8 x 8 voxels: a rim of 4 x 8 - 4 = 28
    assert len(outlined(tile(scan(), 6, "brain", size=40))) == 28
    assert len(outlined(tile(scan(), 2, "brain", size=40))) == 0


def test_voxels_that_are_not_square_are_shown_in_their_true_proportion() -> None:
    assert tile(scan(spacing_mm=(1.0, 0.5, 5.0)), 6, "bone", size=80).shape == (40, 80, 3)


def test_slices_are_spread_over_the_bleed_and_over_the_middle_of_a_healthy_head() -> None:
    # the bleed takes slices 5 to 7; three more of six are put around it: 4 ... 9
    assert slices_shown(scan()) == [4, 5, 6, 7, 8, 9]
    assert slices_shown(scan(mask=np.zeros((40, 40, 12), bool)), 3) == [3, 6, 9]


def test_tiles_are_joined_in_rows_and_columns_with_gaps() -> None:
    one = np.full((10, 20, 3), 9, np.uint8)
    whole = joined([[one, one], [one]])
    assert whole.shape == (10 + 4 + 10, 20 + 4 + 20, 3)
    assert (whole[14:, 24:] == 0).all()


def test_letters_are_ten_pixels_high_and_cut_off_at_the_edge() -> None:
    assert lettered("a-7").shape == (10, 3 * 8)
    assert lettered("").shape == (10, 0)
    assert lettered("1").sum() == 4 * (1 + 2 + 1 + 1 + 3)  # rows 26227 in octal: 1, 2, 1, 1, 3 squares of 2 x 2
    pixels = np.zeros((8, 12, 3), np.uint8)
    write_on(pixels, "head")
    assert pixels.any()


def test_the_picture_of_a_case_is_a_png_of_three_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(montage, "scanned", lambda head: scan(case_id=head.case_id))
    made = montage.picture_of("phantom-003", tmp_path / "deeper" / "one.png")
    pixels = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(made.path)))
    assert pixels.shape == (3 * 200 + 2 * 4, 6 * 200 + 5 * 4, 3)
    assert outlined(pixels).size
    assert "site a" in made.legend
    assert "no patient" in made.legend
    assert [path.name for path in made.path.parent.iterdir()] == ["one.png"]


def test_the_picture_of_a_dataset_has_a_head_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(montage, "scanned", lambda head: scan(case_id=head.case_id))
    seen: list[tuple[int, int]] = []
    made = montage.picture_of("phantom-mini", tmp_path / "all.png", heads=2, progress=lambda *at: seen.append(at))
    assert SimpleITK.ReadImage(str(made.path)).GetSize() == (3 * 200 + 2 * 4, 2 * 200 + 4)
    assert seen == [(1, 2), (2, 2)]


def test_what_is_no_head_and_no_dataset_or_no_png_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="'phantom-99' is neither a drawn head"):
        montage.picture_of("phantom-99", tmp_path / "x.png")
    monkeypatch.setattr(montage, "scanned", lambda head: scan())
    with pytest.raises(UsageError, match=r"should end in \.png"):
        montage.picture_of("phantom-000", tmp_path / "x.jpg")
