"""What have the pretexts learned: do slices with ICH lie together in the encoder's bottleneck? Spahr 2023, Figure 5.

    OUT/figure5/    figure5.png, figure5.pdf, coordinates.csv, purity.csv

The bottleneck's mean over its places (512 numbers a slice) of slices that were held out of every pretext, by t-SNE.
What it draws apart need not be apart, so each panel carries a number that is counted in all 512 dimensions.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ich_bench.errors import IchBenchError, UsageError
from ich_bench.places import write_text
from ich_bench.report import pictures, style
from ich_bench.tables.layout import Block, as_text
from ich_bench_baselines import checkpoint
from ich_bench_baselines.blocks.heads import pooled
from ich_bench_baselines.data.loader import Pool
from ich_bench_baselines.data.slice_build import build
from ich_bench_baselines.data.slices import SliceSet
from ich_bench_baselines.data.streams import Stream
from ich_bench_baselines.job import Job
from ich_bench_baselines.pretext.tasks import BINARY, CONTEXT, GLOBAL, MULTI_LABEL_CE, MULTI_LABEL_DICE, Task
from ich_bench_baselines.pretext.training import plan_of, pretext, stream_of
from ich_bench_baselines.studies.purity import NEIGHBOURS, SHOWN, Flags, Floats, Purity, purities

PANELS: tuple[tuple[str, str, Task], ...] = (
    ("A", "Context restoration", CONTEXT),
    ("B", "Global contrast", GLOBAL),
    ("C", "Binary", BINARY),
    ("D", "Multi-label (CE)", MULTI_LABEL_CE),
    ("E", "Multi-label (DL)", MULTI_LABEL_DICE),
)
COUNT, PERPLEXITY, SEED = 5000, 30.0, 0  # the paper names the first alone
NAME = "figure5"
_BATCH, _CELL_IN = 64, 1.36


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pretext: its slices' features (n, 512), their places in the picture (n, 2), and what was counted."""

    letter: str
    title: str
    features: Floats
    places: Floats
    purities: tuple[Purity, ...]


@dataclass(frozen=True, kw_only=True)
class Figure5:
    """What was drawn: panels, the slices' ids and flags (n, 6) of `SHOWN`, and the files."""

    panels: tuple[Panel, ...]
    slice_ids: tuple[str, ...]
    flags: Flags
    files: tuple[Path, ...]


def figure5(
    job: Job,
    *,
    count: int = COUNT,
    perplexity: float = PERPLEXITY,
    seed: int = SEED,
    out: Path | None = None,
    stage: Callable[[str], None] = lambda what: None,
) -> Figure5:
    """Draw the figure of a job's pretexts, each trained now where it is not there yet, and return what was drawn.

    Args:
        job: Names pool, schedule, variant, seed, device, OUT; its dataset and fold play no part.
        count: How many held-out slices, half with ICH; all where there are fewer.
        perplexity: Of t-SNE; at most a third of the slices.
        seed: Of t-SNE.
        out: The folder; OUT/figure5 by default.
        stage: Told in words what begins.

    Raises:
        UsageError: fewer than 20 slices are asked for.
        IchBenchError: matplotlib or scikit-learn is missing, or fewer than 20 slices are held out.
    """
    if count < 20:
        raise UsageError(f"a figure of {count} slices shows nothing: ask for 20 at least.")
    style.matplotlib()
    _scikit_learn()
    paths = {}
    for _, title, task in PANELS:
        stage(f"pretext: {title}")
        paths[task.id] = pretext(job, task)
    cache, stream = held_out(job, count)
    ids = tuple(str(one) for one in cache.index["slice_id"].to_numpy()[stream.rows])
    flags = shown_flags(stream)
    panels = []
    for letter, title, task in PANELS:
        stage(f"{letter}: {len(stream)} held-out slices")
        found = features(encoder_of(job, task, paths[task.id]), cache, stream, job.device)
        panels.append(
            Panel(
                letter=letter,
                title=title,
                features=found,
                places=embedded(found, perplexity=perplexity, seed=seed),
                purities=purities(found, flags),
            )
        )
    folder = out or job.out / NAME
    tables = (_coordinates(folder, ids, flags, panels), _purity(folder, panels))
    files = pictures.save(picture(panels, flags, job), folder)
    return Figure5(panels=tuple(panels), slice_ids=ids, flags=flags, files=(*files, *tables))


def table(drawn: Figure5) -> str:
    """Return the purities as text: a line a pretext, a column a label."""
    rows = tuple(
        (f"{one.letter} {one.title}", *(f"{each.purity:.2f}" if each.slices else "–" for each in one.purities))
        for one in drawn.panels
    )
    chance = tuple(f"{each.chance:.2f}" if each.slices else "–" for each in drawn.panels[0].purities)
    heading = f"Share of the {NEIGHBOURS} nearest neighbours that are alike, of {len(drawn.flags)} held-out slices."
    files = tuple((path.name, str(path)) for path in drawn.files)
    return as_text(
        heading, [Block(header=("pretext", *SHOWN), rows=(*rows, ("by chance", *chance))), Block(rows=files)]
    )


def held_out(job: Job, count: int) -> tuple[SliceSet, Stream]:
    """Return the pool, and at most so many of the slices that no pretext of the job was trained on.

    IchBenchError where these are fewer than 20.
    """
    slices = replace(BINARY.settings(job).slices, most=count)
    cache = build(plan_of(job, slices), jobs=job.jobs, progress=job.progress, tell=job.tell)
    stream = stream_of(BINARY, slices, cache, "held-out")
    if len(stream) < 20:
        raise IchBenchError(
            f"only {len(stream)} slices of the pool are held out, a tenth of it: take a larger one with --pool."
        )
    return cache, stream


def shown_flags(stream: Stream) -> Flags:
    """Return the flags of `SHOWN`, (n, 6)."""
    if stream.labels is None:
        raise TypeError("the figure needs slices with labels")
    return stream.labels[:, 1:] > 0


def encoder_of(job: Job, task: Task, path: Path) -> nn.Module:
    """Return the encoder that a pretext trained."""
    network = task.network(task.settings(job))
    checkpoint.load_weights(network, checkpoint.read(path).weights, source=path)
    return network.get_submodule("encoder")


@torch.inference_mode()
def features(encoder: nn.Module, cache: SliceSet, stream: Stream, device: str = "cpu") -> Floats:
    """Return the bottleneck's mean over its places of every slice of a stream, (n, 512), in its order."""
    encoder.to(device).eval()
    pool = Pool.on(device, cache, stream, kinds=("images",))
    found = []
    for start in range(0, len(stream), _BATCH):
        batch = pool.batch(np.arange(start, min(start + _BATCH, len(stream))))
        found.append(pooled(encoder, batch.images.float() / 255.0).float().cpu().numpy())
    return np.concatenate(found).astype(np.float32)


def embedded(features: Floats, *, perplexity: float = PERPLEXITY, seed: int = SEED) -> Floats:
    """Return the features in two dimensions by scikit-learn's t-SNE, begun from their principal components."""
    if not np.isfinite(features).all() or float(np.ptp(features, axis=0).max()) == 0.0:
        raise IchBenchError("the encoder says the same of every slice: there is nothing to draw. Train it longer.")
    manifold = _scikit_learn()
    few = min(perplexity, (len(features) - 1) / 3)
    tsne = manifold.TSNE(n_components=2, perplexity=few, init="pca", learning_rate="auto", random_state=seed)
    found: Floats = tsne.fit_transform(features).astype(np.float32)
    return found


def picture(panels: Sequence[Panel], flags: Flags, job: Job) -> pictures.Picture:
    """Return the figure: a column a pretext; ICH above, the five subtypes below; orange: has it."""
    numbers = ", ".join(f"{one.title} {one.purities[0].purity:.2f}" for one in panels)
    chance = panels[0].purities[0].chance
    drawn = "" if (job.pool or "").startswith("rsna") else " Drawn heads, not patients."
    return pictures.Picture(
        name=NAME,
        draw=lambda: _draw(panels, flags),
        caption=f"t-SNE of the pooled bottleneck of {len(flags)} held-out slices; orange: the slice shows it. Numbers: "
        f"share of the {NEIGHBOURS} nearest neighbours in all dimensions that are alike (chance).{drawn}",
        alt=f"Five panels of {len(flags)} slices. Share of alike neighbours for ICH: {numbers}; chance {chance:.2f}.",
    )


def _draw(panels: Sequence[Panel], flags: Flags) -> Any:
    with style.drawing():
        figure = style.new_figure(_CELL_IN * len(panels) + 0.4, (_CELL_IN + 0.13) * len(SHOWN) + 0.55)
        cells = figure.subplots(len(SHOWN), len(panels), squeeze=False)
        size = 1.2 if len(flags) > 1000 else 4.0
        for column, panel in enumerate(panels):
            for row, name in enumerate(SHOWN):
                cell, has = cells[row, column], flags[:, row]
                shades = np.where(has, style.colour("warn"), style.colour("mean"))
                order = np.argsort(has, kind="stable") if row else slice(None)  # a subtype's slices lie on top
                cell.scatter(*panel.places[order].T, s=size, c=shades[order], linewidths=0, alpha=0.7, rasterized=True)
                cell.set(xticks=[], yticks=[])
                cell.set_box_aspect(1)
                cell.set_xlabel(_number(panel.purities[row]), fontsize=style.SMALL_POINT, labelpad=1.5)
                if row == 0:
                    cell.set_title(f"{panel.letter}  {panel.title}", fontsize=style.POINT)
                if column == 0:
                    cell.set_ylabel(name)
        _legend(figure)
        return figure


def _legend(figure: Any) -> None:
    from matplotlib.lines import Line2D

    says = {"warn": "the slice shows it", "mean": "it does not"}
    figure.legend(
        handles=[
            Line2D([], [], marker="o", linestyle="", markersize=4, color=style.colour(role), label=text)
            for role, text in says.items()
        ],
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=style.SMALL_POINT,
        title=f"below each: share of the {NEIGHBOURS} nearest neighbours in all dimensions that are alike",
        title_fontsize=style.SMALL_POINT,
    )


def _number(one: Purity) -> str:
    return "no such slice" if not one.slices else f"{one.purity:.2f} (chance {one.chance:.2f})"


def _coordinates(folder: Path, ids: Sequence[str], flags: Flags, panels: Sequence[Panel]) -> Path:
    axes = [f"{panel.letter}_{axis}" for panel in panels for axis in ("x", "y")]
    places = np.concatenate([panel.places for panel in panels], axis=1)
    lines = [[one, *flags[n].astype(int), *(f"{value:.4f}" for value in places[n])] for n, one in enumerate(ids)]
    return _write(folder / "coordinates.csv", [["slice_id", *SHOWN, *axes], *lines])


def _purity(folder: Path, panels: Sequence[Panel]) -> Path:
    head = ["panel", "pretext", "label", "slices", "neighbours", "purity", "chance"]
    lines = [
        [panel.letter, panel.title, one.label, one.slices, NEIGHBOURS, *(f"{v:.4f}" for v in (one.purity, one.chance))]
        for panel in panels
        for one in panel.purities
    ]
    return _write(folder / "purity.csv", [head, *lines])


def _write(path: Path, lines: Sequence[Sequence[Any]]) -> Path:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return write_text(path, text.getvalue())


def _scikit_learn() -> Any:
    try:
        from sklearn import manifold
    except ImportError as fault:
        raise IchBenchError("scikit-learn is not installed: pip install 'ich-bench[baselines]'") from fault
    return manifold
