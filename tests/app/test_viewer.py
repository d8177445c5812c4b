"""`ich_bench_app.viewer`: windows, overlays, outlines, slices, what is kept in memory."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("streamlit")

from PIL import Image

from downloads import put
from folders import box
from ich_bench.cases import Case
from ich_bench.errors import VolumeError
from ich_bench.metrics.overlap import count
from ich_bench_app import look
from ich_bench_app.viewer import picture
from ich_bench_app.viewer.contour import dashes, loops
from ich_bench_app.viewer.heads import Head, grown, marked, most_error, most_hemorrhage, read_head
from ich_bench_app.viewer.position import hint
from ich_bench_app.viewer.stack import Shelf, Stack

SHAPE = (20, 16, 6)
RAS = np.diag([1.0, 2.0, 5.0, 1.0])


def head(tmp_path: Path, reference: NDArray[np.bool_] | None, affine: NDArray[np.float64] = RAS) -> Head:
    """Return a head whose HU is 10 times the slice, with one bright voxel at (2, 10, 4)."""
    hu = np.zeros(SHAPE, dtype=np.int16)
    hu += np.arange(SHAPE[2], dtype=np.int16) * 10
    hu[2, 10, 4] = 1000
    put(tmp_path / "ct.nii.gz", hu, affine)
    if reference is not None:
        put(tmp_path / "mask.nii.gz", reference.astype(np.uint8), affine)
    mask = None if reference is None else tmp_path / "mask.nii.gz"
    return read_head(Case(case_id="one", patient_id="one", ct=tmp_path / "ct.nii.gz", reference=mask))


def pixels(png: bytes) -> NDArray[np.uint8]:
    """Return a PNG as (rows, columns, red-green-blue)."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_a_window_maps_its_ends_to_black_and_white_and_its_level_to_the_middle() -> None:
    # Level 40, width 80: 0 HU is black, 80 white, 20 a quarter: 255/4 = 63.75, 40 the half: 127.5, even is 128.
    assert picture.windowed(np.array([-1000, 0, 20, 40, 80, 3000]), 40, 80).tolist() == [0, 0, 64, 128, 255, 255]
    # Level 600, width 2800 begins at -800 and ends at 2000: 600 is the middle, 1300 three quarters.
    assert picture.windowed(np.array([-800, 600, 1300, 2000]), 600, 2800).tolist() == [0, 128, 191, 255]


def test_hit_missed_and_added_are_the_voxels_that_scoring_counts_and_add_up_to_the_volume(tmp_path: Path) -> None:
    reference, prediction = box((4, 9), (4, 9), (1, 4), SHAPE), box((6, 12), (3, 7), (2, 6), SHAPE)
    marks = marked(head(tmp_path, reference), prediction)
    for k in range(SHAPE[2]):
        by_slice = count(reference[:, :, [k]], prediction[:, :, [k]])
        assert (marks.tp[k], marks.fp[k], marks.fn[k]) == (by_slice.tp, by_slice.fp, by_slice.fn)
    whole = count(reference, prediction)
    assert (marks.tp.sum(), marks.fp.sum(), marks.fn.sum()) == (whole.tp, whole.fp, whole.fn)
    # By hand: they share 3 × 3 voxels on slices 2 and 3; 5·5·3 = 75 reference, 6·4·4 = 96 predicted.
    assert (whole.tp, whole.fp, whole.fn) == (18, 96 - 18, 75 - 18)


def test_the_slice_with_most_error_and_with_most_hemorrhage_are_those_counted_by_hand(tmp_path: Path) -> None:
    # Wrong voxels a slice: reference alone on 1 (25), 25 + 24 - 2·9 = 31 on 2 and 3, prediction alone on 4 and 5 (24).
    reference, prediction = box((4, 9), (4, 9), (1, 4), SHAPE), box((6, 12), (3, 7), (2, 6), SHAPE)
    one = head(tmp_path, reference)
    assert most_error([marked(one, prediction)]) == 2
    assert most_error([marked(one, reference)]) is None
    assert most_error([]) is None
    # Beside a mask that is wrong by 100 voxels on slice 5, the errors of both together are largest there: 24 + 100.
    other = reference | box((0, 10), (6, 16), (5, 6), SHAPE)
    assert most_error([marked(one, prediction), marked(one, other)]) == 5
    assert most_hemorrhage(one) == 1
    assert most_hemorrhage(head(tmp_path, None)) is None


def test_a_picture_has_true_proportions_and_the_patients_right_on_its_left(tmp_path: Path) -> None:
    # 20 × 16 voxels of 1 × 2 mm: 20 mm wide, 32 mm high. The axes run to the right and to the front, so the voxel
    # (2, 10) is at column 19 - 2 = 17 and row 15 - 10 = 5 of the picture, of 10 × 20 pixels each.
    one = head(tmp_path, None)
    assert one.pixel_mm == (2.0, 1.0)
    shown = picture.Slice(hu=one.view.plane(one.ct.plane(4)), reference=one.view.plane(one.reference.plane(4)),
                          prediction=None, pixel_mm=one.pixel_mm)  # fmt: skip
    drawn = pixels(picture.png(shown, level=500, width=1000, overlay="off", longest=320))
    assert drawn.shape == (320, 200, 3)
    assert drawn[110, 175].min() > 200
    assert drawn[110, 25].max() < 30
    turned = head(tmp_path, None, np.diag([-1.0, -2.0, 5.0, 1.0]))  # the axes run to the left and to the back
    assert turned.view.plane(turned.ct.plane(4))[10, 2] == 1000


def test_tints_are_the_colours_of_the_app_and_no_overlay_leaves_the_picture_grey(tmp_path: Path) -> None:
    hu = np.full((40, 40), 40, dtype=np.int16)
    reference, prediction = np.zeros((2, 40, 40), dtype=np.bool_)
    reference[5:20, 5:20] = prediction[5:20, 12:30] = True
    shown = picture.Slice(hu=hu, reference=reference, prediction=prediction, pixel_mm=(1.0, 1.0))
    plain = pixels(picture.png(shown, level=40, width=80, overlay="off", longest=400))
    assert (plain[..., 0] == plain[..., 1]).all()
    assert (plain[..., 1] == plain[..., 2]).all()
    tinted = pixels(picture.png(shown, level=40, width=80, overlay="fill", longest=400))
    for name, (y, x) in {"hit": (120, 160), "missed": (120, 90), "added": (120, 250)}.items():
        tone = np.array([int(look.OVERLAY[name][at : at + 2], 16) for at in (1, 3, 5)])
        around = tinted[y - 8 : y + 8, x - 8 : x + 8].reshape(-1, 3).astype(int)
        nearest = np.abs(around - (tone + 127) // 2).max(axis=1).min()
        assert nearest <= 6, name
    outlined = pixels(picture.png(shown, level=40, width=80, overlay="outline", longest=400))
    assert (outlined[120, 90] == plain[120, 90]).all()  # no tint inside
    yellow = np.array([0xF0, 0xE4, 0x42])
    assert (np.abs(outlined[100, 45:56].astype(int) - yellow).max(axis=1) == 0).any()  # the reference's left edge


def test_reference_is_a_whole_line_and_prediction_a_broken_one() -> None:
    square = np.zeros((30, 30), dtype=np.bool_)
    square[5:25, 5:25] = True
    nothing = np.zeros_like(square)
    hu = np.full((30, 30), -1000, dtype=np.int16)

    def edge(reference: NDArray[np.bool_], prediction: NDArray[np.bool_], colour: str) -> float:
        shown = picture.Slice(hu=hu, reference=reference, prediction=prediction, pixel_mm=(1.0, 1.0))
        drawn = pixels(picture.png(shown, level=40, width=80, overlay="outline", longest=300))
        tone = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])
        upper = (np.abs(drawn[46:55, 60:240].astype(int) - tone).max(axis=2) == 0).any(axis=0)
        return float(upper.mean())

    assert edge(square, nothing, picture.REFERENCE) == 1.0
    broken = edge(nothing, square, picture.PREDICTION)
    assert 0.4 < broken < 0.85  # seven pixels on, five off, and the pen's own width


def test_the_outline_of_a_mask_is_as_long_as_its_edge() -> None:
    # A block of 3 × 2 pixels with a hole of one pixel would be 10 + 4 long; two pixels that touch at a corner, 4 + 4.
    mask = np.zeros((7, 8), dtype=np.bool_)
    mask[1:4, 1:4] = True
    mask[2, 2] = False
    mask[5, 5] = mask[6, 6] = True
    found = loops(mask)
    length = sum(abs(b[0] - a[0]) + abs(b[1] - a[1]) for line in found for a, b in pairwise(line))
    assert length == 12 + 4 + 4 + 4
    assert all(line[0] == line[-1] for line in found)
    assert loops(np.zeros((3, 3), dtype=np.bool_)) == []


def test_dashes_leave_out_what_lies_between_them() -> None:
    # A line of 10, 3 on and 2 off: 0–3, 5–8, then 10: nothing is left to draw.
    assert list(dashes([(0.0, 0.0), (10.0, 0.0)], 3, 2)) == [[(0.0, 0.0), (3.0, 0.0)], [(5.0, 0.0), (8.0, 0.0)]]
    # Around a corner at 2: one dash has a knee.
    assert list(dashes([(0.0, 0.0), (2.0, 0.0), (2.0, 2.0)], 3, 2)) == [[(0.0, 0.0), (2.0, 0.0), (2.0, 1.0)]]


def test_the_crop_around_a_lesion_has_a_margin_and_stays_on_the_picture() -> None:
    # 10 mm of margin are 5 rows of 2 mm and 10 columns of 1 mm; at the border there is less.
    assert grown((slice(20, 30), slice(4, 6)), (100, 100), (2.0, 1.0), 10) == (slice(15, 35), slice(0, 16))


def test_the_scale_bar_is_the_longest_round_length_within_a_third() -> None:
    assert [picture.scale_mm(mm) for mm in (320, 160, 149, 40, 2)] == [100, 50, 20, 10, 1]


def test_the_position_line_goes_up_with_the_slices_also_where_the_file_runs_down(tmp_path: Path) -> None:
    one = head(tmp_path, box((4, 9), (4, 9), (1, 4), SHAPE))
    assert [one.scout.line_of(k) for k in (0, 5)] == [5, 0]  # slice 0 is the lowest: the last row
    assert one.scout.side_reference.any(axis=1).tolist() == [False, False, True, True, True, False]
    down = head(tmp_path, box((4, 9), (4, 9), (1, 4), SHAPE), np.diag([1.0, 2.0, -5.0, 1.0]))
    assert [down.scout.line_of(k) for k in (0, 5)] == [0, 5]
    assert down.scout.side_reference.any(axis=1).tolist() == [False, True, True, True, False, False]
    assert pixels(hint(one.scout, 2, sides=True)).shape[2] == 3


def test_a_mask_of_another_shape_is_not_put_on_a_head(tmp_path: Path) -> None:
    with pytest.raises(VolumeError, match="shape"):
        marked(head(tmp_path, None), np.zeros((4, 4, 4), dtype=np.bool_))


def test_a_volume_comes_out_of_its_packing_as_it_went_in() -> None:
    volume = np.random.default_rng(0).integers(-1000, 3000, size=(7, 5, 4)).astype(np.int16)
    packed = Stack.of(volume)
    assert all((packed.plane(k) == volume[:, :, k]).all() for k in range(4))
    mask = np.zeros((512, 512, 3), dtype=np.bool_)
    mask[100:200, 100:200, 1] = True
    assert Stack.of(mask).nbytes < 2000  # of 786 432
    assert (Stack.of(mask).plane(1) == mask[:, :, 1]).all()


def test_the_shelf_keeps_no_more_bytes_than_it_may_and_forgets_the_least_used() -> None:
    made: list[str] = []

    def thing(name: str, size: int) -> Stack:
        made.append(name)
        return Stack(slices=(b"x" * size,), shape=(1, 1, 1), dtype="|b1")

    shelf = Shelf(100)
    for name in ("a", "b", "a", "c"):  # a and b fill 80; c makes it 120: b was used least lately
        shelf.get(name, lambda name=name: thing(name, 40))
    assert shelf.nbytes == 80
    shelf.get("a", lambda: thing("a", 40))
    shelf.get("b", lambda: thing("b", 40))
    assert made == ["a", "b", "c", "b"]
    assert shelf.get("large", lambda: thing("large", 1000)).nbytes == 1000
    assert shelf.nbytes == 1000


def test_the_shelf_keeps_no_failure() -> None:
    shelf = Shelf(100)

    def fails() -> Stack:
        raise ValueError("not now")

    with pytest.raises(ValueError, match="not now"):
        shelf.get("a", fails)
    assert shelf.get("a", lambda: Stack(slices=(b"x",), shape=(1, 1, 1), dtype="|b1")).nbytes == 1
