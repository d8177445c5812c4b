"""From OUT folders and submissions to a report: the page, the figures for paper, the tables as Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import ich_bench
from ich_bench.board.model import Board
from ich_bench.board.pairs import DRAWS
from ich_bench.board.public import Sources, board_of, gather, scored_datasets
from ich_bench.datasets import card
from ich_bench.errors import IchBenchError, UsageError, did_you_mean
from ich_bench.escape import printable
from ich_bench.folds import load_scheme
from ich_bench.places import write_text
from ich_bench.report.page import page
from ich_bench.report.parts import Part, parts_of
from ich_bench.report.pictures import Picture, save_all
from ich_bench.report.style import matplotlib
from ich_bench.report.tables import FORMATS, Table, as_latex, as_markdown


@dataclass(frozen=True, kw_only=True)
class Report:
    """The boards that a report is about, its parts, and sentences about what was left out."""

    boards: tuple[Board, ...]
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Return all figures, in their order."""
        return tuple(block for part in self.parts for block in part.blocks if isinstance(block, Picture))

    @property
    def tables(self) -> tuple[Table, ...]:
        """Return all tables, in their order."""
        return tuple(block for part in self.parts for block in part.blocks if isinstance(block, Table))

    def html(self) -> str:
        """Return the page: one file that asks for no other."""
        names = list(dict.fromkeys(board.dataset for board in self.boards))
        measured = len({row.slug for board in self.boards for row in board.measured})
        published = sum(len(board.reported) for board in self.boards)
        lede = [
            f"{measured} measured method{'s' * (measured != 1)} on {', '.join(names)}"
            + (f"; {published} published rows, quoted and never ranked." if published else "."),
            "Not for clinical use.",
        ]
        foot = (
            f"Made by ich-bench {ich_bench.__version__} from score files. Its protocol says what is counted, and how."
        )
        return page(self.parts, title=f"ich-bench report: {', '.join(names)}", lede=lede, foot=foot)

    def save_figures(self, folder: Path) -> tuple[Path, ...]:
        """Write each figure as PNG (300 dpi) and PDF; return the paths."""
        return save_all(self.pictures, folder)

    def save_tables(self, folder: Path, formats: Collection[str] = tuple(FORMATS)) -> tuple[Path, ...]:
        """Write each table as `<name>.md` and `<name>.tex`; return the paths."""
        written = []
        for table in self.tables:
            for format in formats:
                text = as_latex(table) if format == "latex" else as_markdown(table)
                written.append(write_text(folder / f"{table.name}{FORMATS[format]}", text))
        return tuple(written)


def report(
    outs: Sequence[Path] = (),
    *,
    submissions: Path | None = None,
    datasets: Collection[str] = (),
    profile: str | None = None,
    draws: int = DRAWS,
) -> Report:
    """Return a report of runs among what has been submitted.

    Args:
        outs: Output folders of `evaluate`.
        submissions: A folder of submissions; else the one that the leaderboard takes.
        datasets: Only these; by default those of the runs, or, without a run, all that have any row.
        profile: As for the leaderboard.
        draws: Sign vectors of each test.

    Raises:
        IchBenchError: matplotlib is absent; nothing was scored; scores that cannot stand together.
        UsageError: neither a run nor a folder of submissions; an unknown dataset.
    """
    matplotlib()
    if not outs and submissions is None:
        raise UsageError("what to report on? Name output folders of `ich-bench evaluate`, or --submissions DIR.")
    for name in datasets:
        if name not in scored_datasets():
            raise UsageError(f"there is no dataset {printable(name)!r}. {did_you_mean(name, scored_datasets())}")
    sources = gather(submissions=submissions, runs=outs)
    wanted, notes = _wanted(sources, datasets)
    boards = tuple(
        board_of(card(dataset), sources, scheme=scheme, profile=profile, metrics=(), draws=draws)
        for dataset, scheme in wanted
    )
    boards = tuple(board for board in boards if board.rows or board.reported)
    if not boards:
        told = " ".join(notes) or "No score file and no published row is about " + (
            ", ".join(datasets) or "any dataset."
        )
        raise IchBenchError(f"there is nothing to report on. {told}")
    return Report(boards=boards, parts=parts_of(boards, ich_bench.__version__), notes=(*sources.notes, *notes))


def _wanted(sources: Sources, datasets: Collection[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the boards to make, each a dataset and a scheme, real datasets first; and what was left out."""
    known = scored_datasets()
    files = [(one, file) for one in sources.runs for file in one.scores]
    notes = [
        f"{printable(str(one.folder))}: {printable(file.dataset)} is a folder of reference masks, which has no board; "
        "`ich-bench show` prints it."
        for one, file in files
        if file.dataset not in known
    ]
    if not sources.runs:
        files = [(one, file) for one in sources.submissions for file in one.scores]
        about = {row.dataset for row in sources.reported if row.dataset in known}
        found = [(name, load_scheme(name).name) for name in about] + [(file.dataset, file.scheme) for _, file in files]
    else:
        found = [(file.dataset, file.scheme) for _, file in files if file.dataset in known]
    chosen = [pair for pair in dict.fromkeys(found) if not datasets or pair[0] in datasets]
    for name in datasets:
        if name not in {pair[0] for pair in chosen}:
            chosen.append((name, load_scheme(name).name))
    return sorted(chosen, key=lambda pair: (known.index(pair[0]), pair[1])), notes
