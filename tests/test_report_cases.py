"""The figure of examples: which cases, which slice, whose mask, and how the head is turned."""

from __future__ import annotations

import math
from pathlib import Path

import nibabel
import numpy as np
import pytest

from folders import GEOMETRY, SHAPE, box, empty, lopsided, write_folder
from ich_bench.errors import IchBenchError, UsageError
from ich_bench.geometry import Geometry
from ich_bench.report.chosen import choose, slice_of
from ich_bench.report.examples import figure_cases
from ich_bench.report.masks import prediction_folders
from ich_bench.report.panels import EXTRA, HIT, MISSED, CaseRow, Panel, draw_cases, window
from ich_bench.report.solid import backdrop, beyond_one_voxel, render
from ich_bench.report.view import View
from ich_bench.runs.evaluation import evaluate
from ich_bench.volume import write_mask

DICE = [{"a": 0.9, "b": 0.2, "c": 0.5, "d": 0.6, "h": 1.0}, {"a": 0.7, "b": 0.4, "c": 0.5, "d": 0.8, "h": 1.0}]


def chosen(*words: str) -> list[tuple[str, str]]:
    return [(one.case_id, one.why) for one in choose(words, DICE, ["a", "b", "c", "d"])]


def test_best_median_and_worst_are_by_mean_dice_on_the_cases_with_ich() -> None:
    # Means: a 0.8, d 0.7, c 0.5, b 0.3; the lower of the two in the middle is c. The healthy head h is none of them.
    assert chosen("best", "median", "worst") == [("a", "best"), ("c", "median"), ("b", "worst")]


def test_a_case_is_shown_once_and_under_the_first_name_it_was_asked_by() -> None:
    assert chosen("d", "h", "best", "a") == [("d", ""), ("h", ""), ("a", "best")]


def test_an_unknown_case_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no case 'wurst'.*Known: a, b"):
        chosen("wurst")


def test_best_without_ich_is_an_error_in_words() -> None:
    with pytest.raises(IchBenchError, match="there is no best case"):
        choose(["best"], DICE, [])
    with pytest.raises(IchBenchError, match="no case with ICH has a Dice"):
        choose(["best"], [{"a": math.nan}], ["a"])


def test_the_slice_holds_the_most_reference_or_the_most_error() -> None:
    reference, prediction = box((0, 5), (0, 5), (2, 3)), box((0, 5), (0, 9), (4, 5))
    reference[0, 0, 4] = True
    assert slice_of(reference, [prediction]) == 2  # 25 voxels
    assert slice_of(reference, [prediction], by="error") == 4  # 44 voxels
    assert slice_of(empty(), [prediction]) == 4
    assert slice_of(empty(), [empty()]) == SHAPE[2] // 2
    with pytest.raises(UsageError, match="there is no slice 'errors'"):
        slice_of(reference, [], by="errors")


def test_each_out_brings_its_own_masks_or_is_given_them_in_order(tmp_path: Path) -> None:
    own, bare, other = tmp_path / "own", tmp_path / "bare", tmp_path / "other"
    (own / "predictions" / "set").mkdir(parents=True)
    assert prediction_folders([own], [], "set") == (own,)
    assert prediction_folders([bare, own, other], [tmp_path / "x", tmp_path / "y"], "set") == (
        tmp_path / "x", own, tmp_path / "y"
    )  # fmt: skip
    assert prediction_folders([own, bare], [tmp_path / "x", tmp_path / "y"], "set") == (tmp_path / "x", tmp_path / "y")
    with pytest.raises(UsageError, match=r"bare holds no predictions/set.*0 were given for 1"):
        prediction_folders([bare, own], [], "set")


@pytest.fixture
def scored(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Return a reference folder of three cases, a folder of masks, and what `evaluate` made of them."""
    truth = write_folder(tmp_path / "truth", {"1": lopsided(0), "2": lopsided(1), "3": lopsided(2)})
    masks = write_folder(tmp_path / "masks", {"1": lopsided(0), "2": lopsided(0), "3": empty()})
    evaluate(truth, masks, out=tmp_path / "out", jobs=1)
    return truth, masks, tmp_path / "out"


def test_a_folder_of_masks_gives_a_figure_on_black_with_dice_in_each_panel(scored: tuple[Path, Path, Path]) -> None:
    truth, masks, out = scored
    made = figure_cases([out], dataset=str(truth), predictions=[masks])
    assert [(one.case_id, one.why) for one in made.cases] == [("1", "best"), ("2", "median"), ("3", "worst")]
    assert "has no CTs" in made.notes[0]
    said = [text.get_text() for axis in made.figure.axes for text in axis.texts]
    assert "Dice 1.00" in said
    assert "empty mask" in said
    assert len(made.figure.axes) == 9  # three cases; CT, reference and one method


def test_a_mask_that_is_not_the_scored_one_is_refused(scored: tuple[Path, Path, Path]) -> None:
    truth, masks, out = scored
    write_mask(masks / "2.nii.gz", lopsided(2), GEOMETRY)
    with pytest.raises(IchBenchError, match=r"2.nii.gz is not the mask that was scored"):
        figure_cases([out], dataset=str(truth), predictions=[masks])
    assert figure_cases([out], dataset=str(truth), predictions=[masks], cases=["1"]).cases[0].case_id == "1"


def test_a_mask_that_is_gone_is_told_by_case_and_folder(scored: tuple[Path, Path, Path]) -> None:
    truth, masks, out = scored
    (masks / "1.nii.gz").unlink()
    with pytest.raises(IchBenchError, match=r"masks holds no mask of 1"):
        figure_cases([out], dataset=str(truth), predictions=[masks])


def test_a_reference_that_is_not_the_scored_one_is_refused(scored: tuple[Path, Path, Path]) -> None:
    truth, masks, out = scored
    write_mask(truth / "1.nii.gz", box((0, 2), (0, 2), (0, 1)), GEOMETRY)  # 4 voxels; lopsided(0) holds 5·5·2 + 2
    with pytest.raises(IchBenchError, match=r"1: the reference on this machine holds 4 voxels.* held 52"):
        figure_cases([out], dataset=str(truth), predictions=[masks], cases=["1"])


def test_references_of_several_labels_count_as_they_did_when_scored(tmp_path: Path) -> None:
    truth = write_folder(tmp_path / "truth", {"1": lopsided(0)})
    image = nibabel.load(truth / "1.nii.gz")
    nibabel.Nifti1Image(np.asarray(image.dataobj) * np.uint8(3), image.affine).to_filename(truth / "1.nii.gz")
    masks = write_folder(tmp_path / "masks", {"1": lopsided(0)})
    evaluate(truth, masks, out=tmp_path / "out", jobs=1, reference_labels=[3])
    made = figure_cases([tmp_path / "out"], dataset=str(truth), predictions=[masks], cases=["best"])
    assert "Dice 1.00" in [text.get_text() for axis in made.figure.axes for text in axis.texts]


def test_a_reference_folder_must_be_named_and_shared(scored: tuple[Path, Path, Path], tmp_path: Path) -> None:
    _truth, masks, out = scored
    with pytest.raises(UsageError, match="truth is a folder of reference masks: name its path with --dataset"):
        figure_cases([out], predictions=[masks])
    other = write_folder(tmp_path / "more", {"1": lopsided(0)})
    evaluate(other, other, out=tmp_path / "out2", jobs=1)
    with pytest.raises(IchBenchError, match="share no dataset: they were scored on more, truth"):
        figure_cases([out, tmp_path / "out2"], dataset=None, predictions=[masks, other])
    with pytest.raises(UsageError, match="11 runs are too many"):
        figure_cases([out] * 11)


@pytest.mark.parametrize("letters", ["RAS", "LPS", "LAS", "ARS", "PLI"])
def test_the_patients_right_is_on_the_left_and_the_front_is_up(letters: str) -> None:
    # One voxel at the far right, front and top of the head, in voxel axes that run by `letters`.
    affine, volume = np.zeros((4, 4)), np.zeros((4, 4, 4), dtype=bool)
    place = []
    for axis, letter in enumerate(letters):
        world = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}[letter]
        affine[world, axis] = 1 if letter in "RAS" else -1
        place.append(3 if letter in "RAS" else 0)  # towards right, front and top, as the axis runs
    affine[3, 3] = 1
    volume[tuple(place)] = True
    view = View.of(Geometry.of((4, 4, 4), affine))
    assert view.right_on_left
    assert np.argwhere(view.plane(volume[:, :, place[2]])).tolist() == [[0, 0]]  # first row, first column
    assert np.argwhere(view.turned(volume)).tolist() == [[0, 0, 3]]  # x grows to the left, y to the back, z upwards


def test_slices_that_are_not_axial_are_left_as_they_are() -> None:
    sagittal = Geometry.of((2, 3, 4), [[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    assert View.of(sagittal).right_on_left is None


def test_a_window_is_a_name_or_level_and_width() -> None:
    assert window("brain") == (0, 80)
    assert window("40,80") == (0, 80)
    for wrong in ("bran", "40,0", "nan,3", "1,2,3"):
        with pytest.raises(UsageError, match="there is no window"):
            window(wrong)


def row(mask: np.ndarray | None) -> CaseRow:
    reference = np.zeros((8, 8), dtype=bool)
    reference[2:5, 2:5] = True
    panel = Panel(mask=mask, dice=math.nan if mask is None else 0.5, note="no mask" if mask is None else "")
    return CaseRow(title="x", ct=np.full((8, 8), 40.0), reference=reference, panels=[panel], pixel_mm=(10, 10),
                   slice_text="slice 1 of 1", right_on_left=True)  # fmt: skip


def test_hits_false_positives_and_misses_have_their_colours() -> None:
    mask = np.zeros((8, 8), dtype=bool)
    mask[2:5, 4:7] = True  # one column of the reference hit, two missed, two added
    picture = np.asarray(draw_cases([row(mask)], ["m"]).axes[2].images[1].get_array())
    shades = {shade: tuple(int(shade[at : at + 2], 16) / 255 for at in (1, 3, 5)) for shade in (HIT, EXTRA, MISSED)}
    count = {shade: int(np.isclose(picture[..., :3], rgb).all(axis=-1).sum()) for shade, rgb in shades.items()}
    assert count == {HIT: 3, EXTRA: 6, MISSED: 6}


def test_a_missing_mask_has_a_panel_that_says_so_and_no_dice() -> None:
    axis = draw_cases([row(None)], ["m"], overlay="outlines").axes[2]
    assert [text.get_text() for text in axis.texts] == ["Dice –", "no mask"]
    with pytest.raises(UsageError, match="there is no overlay 'outline'"):
        draw_cases([row(None)], ["m"], overlay="outline")


def test_outlines_follow_the_edges_of_pixels() -> None:
    mask = np.zeros((8, 8), dtype=bool)
    mask[3, 3] = True
    drawn = draw_cases([row(mask)], ["m"], overlay="outlines").axes[2].collections
    assert [len(one.get_segments()) for one in drawn] == [12, 4]  # a square of 3 × 3, a square of 1


def test_a_solid_is_seen_in_its_colour_before_the_head() -> None:
    head, bleed = np.ones((20, 20, 10), dtype=bool), box((8, 12), (8, 12), (3, 7), (20, 20, 10))
    behind = backdrop(head, (1.0, 1.0, 2.0))
    picture = render({HIT: bleed}, (1.0, 1.0, 2.0), behind).picture
    assert picture.shape == behind.picture.shape
    solid = picture[picture[..., 3] == 1.0]
    assert len(solid) > 0
    assert (solid[:, 1] > solid[:, 0]).all()  # green over red, as HIT is
    assert set(np.unique(behind.picture[..., 3])) == {0.0, 0.4}


def test_a_blurred_edge_is_no_error_in_three_dimensions() -> None:
    assert not beyond_one_voxel(box((2, 8), (2, 8), (1, 4)), box((3, 7), (3, 7), (2, 3))).any()
    assert beyond_one_voxel(box((2, 8), (2, 8), (2, 3)), box((2, 6), (2, 8), (2, 3))).sum() == 6  # the last column
