"""From OUT folders to a figure of examples: cases chosen, masks found and verified, heads turned as they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ich_bench.cases import Dataset, Scheme
from ich_bench.errors import IchBenchError, UsageError, VolumeError, did_you_mean
from ich_bench.escape import printable
from ich_bench.geometry import Geometry
from ich_bench.plain import reference_folder, resolve
from ich_bench.report.chosen import Chosen, choose, slice_of
from ich_bench.report.masks import Scored, check_reference, dice_of, masks_of, prediction_folders, scored
from ich_bench.report.panels import EXTRA, HIT, MISSED, REFERENCE, CaseRow, Panel, draw_cases, window
from ich_bench.report.solid import Solid, backdrop, beyond_one_voxel, render
from ich_bench.report.view import View
from ich_bench.runs import store
from ich_bench.submissions.load import out_folders
from ich_bench.tables.shown import score_files
from ich_bench.volume import CT, open_mask, read_ct

Voxels = npt.NDArray[np.bool_]
Labels = frozenset[float] | None  # voxel values that count in the reference masks; None: 0/1 or 0/255
MOST_METHODS = 10
_AIR_HU = -400
_MARGIN_MM = 4.0


@dataclass(frozen=True, kw_only=True)
class Examples:
    """The drawn figure, which cases it shows, and sentences about what had to be chosen."""

    figure: Any
    cases: tuple[Chosen, ...]
    notes: tuple[str, ...]


def figure_cases(
    outs: Sequence[Path],
    *,
    cases: Sequence[str] = ("best", "median", "worst"),
    dataset: str | None = None,
    data: Path | None = None,
    predictions: Sequence[Path] = (),
    rename: str | None = None,
    window_name: str = "brain",
    overlay: str = "errors",
    by: str = "reference",
    three_d: bool = False,
) -> Examples:
    """Return rows of cases × columns of CT, reference and each run's mask, Dice printed in each panel.

    Every mask is compared with the SHA-256 in its score file first. `dataset` is the path of the reference folder for
    runs that were scored against one.

    Raises:
        UsageError: more than MOST_METHODS runs, an unknown case, window, overlay or slice, masks nobody told of.
        IchBenchError: runs of different datasets or schemes, a mask that is not found or not the scored one.
    """
    outs = [one for out in outs for one in out_folders(out)]
    if len(outs) > MOST_METHODS:
        raise UsageError(f"{len(outs)} runs are too many for one figure that is read: name {MOST_METHODS} or fewer.")
    window_hu = window(window_name)
    found, scheme, name, labels = _home(outs, dataset, data)
    folders = prediction_folders(outs, predictions, name)
    runs = [scored(out, name, folder) for out, folder in zip(outs, folders, strict=True)]
    with_ich = list(dict.fromkeys(key for run in runs for key, row in run.rows.items() if row["has_ich"]))
    chosen = choose(cases, [run.dice for run in runs], with_ich)
    masks = [masks_of(run, found, scheme, [one.case_id for one in chosen], rename) for run in runs]
    rows = [
        _row(_case(found, one, labels), runs, [held.get(one.case_id) for held in masks], by, three_d=three_d)
        for one in chosen
    ]
    figure = draw_cases(rows, [run.name for run in runs], window_hu=window_hu, overlay=overlay, three_d=three_d)
    notes = [f"{printable(run.name)}: {run.run} is shown" for run in runs if run.run]
    if all(row.ct is None for row in rows):
        notes.append("a folder of reference masks has no CTs: the masks stand on black")
    return Examples(figure=figure, cases=chosen, notes=tuple(notes))


def _home(outs: Sequence[Path], dataset: str | None, data: Path | None) -> tuple[Dataset, Scheme, str, Labels]:
    """Return the dataset that all OUT folders were scored on, its scheme, its id, and what counts in its masks."""
    scored_on = [{path.stem: store.provenance(store.read_scores(path)) for path in score_files(out)} for out in outs]
    wanted = Path(dataset).resolve().name if dataset is not None and Path(dataset).is_dir() else dataset
    shared = [name for name in scored_on[0] if all(name in one for one in scored_on)]
    everything = sorted({name for one in scored_on for name in one})
    if wanted is None and len(shared) == 1:
        wanted = shared[0]
    if wanted is None and shared:
        raise UsageError(f"these runs were scored on {', '.join(shared)}: choose one with --dataset.")
    if wanted is None:
        raise IchBenchError(f"these runs share no dataset: they were scored on {', '.join(everything)}.")
    if wanted not in shared:
        raise UsageError(f"not all of these runs were scored on {wanted!r}. {did_you_mean(wanted, everything)}")
    abouts = [one[wanted] for one in scored_on]
    for key in ("scheme", "dataset_sha256", "reference_labels"):
        if len({str(about.get(key)) for about in abouts}) > 1:
            values = ", ".join(sorted({str(about.get(key))[:12] for about in abouts}))
            raise IchBenchError(f"these runs were scored on different {key.replace('_sha256', ' contents')}: {values}.")
    if abouts[0]["scheme"] == "none":
        if dataset is None or not Path(dataset).is_dir():
            raise UsageError(f"{wanted} is a folder of reference masks: name its path with --dataset.")
        labels = frozenset(float(one) for one in abouts[0].get("reference_labels") or ()) or None
        return *reference_folder(Path(dataset)), wanted, labels
    return *resolve(wanted, data=data, scheme=abouts[0]["scheme"]), wanted, None


@dataclass(frozen=True, kw_only=True)
class _Read:
    """A chosen case with its voxels: CT (None in a plain folder) and reference, on one grid."""

    one: Chosen
    ct: CT | None
    reference: Voxels
    geometry: Geometry


def _row(read: _Read, runs: Sequence[Scored], masks: Sequence[Voxels | None], by: str, *, three_d: bool) -> CaseRow:
    one, ct, reference, geometry = read.one, read.ct, read.reference, read.geometry
    if any(mask is not None and mask.shape != reference.shape for mask in masks):
        raise IchBenchError(f"{printable(one.case_id)}: a mask and the CT have different shapes.")
    for run in runs:
        check_reference(run, one.case_id, reference)
    at = slice_of(reference, [mask for mask in masks if mask is not None], by)
    view = View.of(geometry)
    flat = [mask[:, :, at] for mask in (reference, *masks) if mask is not None]
    margin_mm = 10.0 * _MARGIN_MM
    if ct is not None:
        flat, margin_mm = [_largest(ct.hu[:, :, at] > _AIR_HU)], _MARGIN_MM
    crop = _crop(np.logical_or.reduce(flat), margin_mm, geometry.spacing_mm)
    spacing_mm = view.turned_spacing_mm(geometry.spacing_mm)
    head = None
    if ct is not None and three_d:
        head = backdrop(view.turned(_largest(ct.hu > _AIR_HU)), spacing_mm)

    def solid(classes: dict[str, Voxels]) -> Solid:
        return render({colour: view.turned(mask) for colour, mask in classes.items()}, spacing_mm, head)

    panels = []
    for run, mask in zip(runs, masks, strict=True):
        dice = dice_of(run.rows.get(one.case_id))
        if mask is None:
            panels.append(Panel(mask=None, dice=dice, note="no mask"))
            continue
        drawn = solid(_classes(mask, reference)) if three_d else None
        note = "" if mask.any() else "empty mask"
        panels.append(Panel(mask=view.plane(mask[:, :, at][crop]), dice=dice, note=note, solid=drawn))
    volume_ml = int(reference.sum()) * geometry.voxel_volume_mm3 / 1000
    title = f"{one.why}: {printable(one.case_id)}" if one.why else printable(one.case_id)
    return CaseRow(
        title=f"{title}\n{volume_ml:.1f} mL" if reference.any() else f"{title}\nhealthy",
        ct=None if ct is None else view.plane(ct.hu[:, :, at][crop]),
        reference=view.plane(reference[:, :, at][crop]),
        panels=panels,
        pixel_mm=(spacing_mm[1], spacing_mm[0]),
        slice_text=f"slice {at + 1} of {reference.shape[2]}",
        right_on_left=view.right_on_left,
        solid=solid({REFERENCE: reference}) if three_d else None,
    )


def _classes(mask: Voxels, reference: Voxels) -> dict[str, Voxels]:
    """Return what a solid shows: errors of more than a voxel, so that a blurred edge does not hide what was hit."""
    extra, missed = beyond_one_voxel(mask, reference), beyond_one_voxel(reference, mask)
    return {HIT: (mask | reference) & ~extra & ~missed, MISSED: missed, EXTRA: extra}


def _case(dataset: Dataset, one: Chosen, labels: Labels) -> _Read:
    """Return a chosen case, read; IchBenchError where it is not here, cannot be read, or does not fit together."""
    if one.case_id not in {case.case_id for case in dataset.cases}:
        raise IchBenchError(f"{printable(one.case_id)} is not among the data of {dataset.id} on this machine.")
    case = dataset.case(one.case_id)
    try:
        ct = None if case.ct is None else read_ct(case.ct)
        if case.reference is not None:
            file = open_mask(case.reference, trusted=True)
            reference = file.voxels(labels)
            grid = file.geometry if ct is None else ct.geometry
        elif ct is not None:
            reference, grid = np.zeros(ct.geometry.shape, dtype=np.bool_), ct.geometry
        else:
            raise VolumeError("has neither a CT nor a reference.")
    except VolumeError as fault:
        raise IchBenchError(f"{printable(case.case_id)}: {fault}") from fault
    if reference.shape != grid.shape:
        raise IchBenchError(f"{printable(case.case_id)}: its reference and its CT have different shapes.")
    return _Read(one=one, ct=ct, reference=reference, geometry=grid)


def _crop(inside: Voxels, margin_mm: float, spacing_mm: Sequence[float]) -> tuple[slice, slice]:
    """Return what to show of a slice: what is inside, with a margin; all of it where nothing is."""
    spans = []
    for axis in (0, 1):
        at = np.flatnonzero(inside.any(axis=1 - axis))
        margin = round(margin_mm / spacing_mm[axis])
        spans.append(slice(max(0, int(at[0]) - margin), int(at[-1]) + 1 + margin) if at.size else slice(None))
    return spans[0], spans[1]


def _largest(inside: Voxels) -> Voxels:
    """Return the largest connected part: the head without its rest and table."""
    labels, count = ndimage.label(inside)
    if not count:
        return inside
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    largest: Voxels = labels == int(sizes.argmax())
    return largest
