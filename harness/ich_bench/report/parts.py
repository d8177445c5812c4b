"""In which order does a report tell what the boards hold, and what does it say where a part cannot be?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ich_bench.board.model import PRIMARY, Board
from ich_bench.report import drawn, numbers
from ich_bench.report.budgets import label_efficiency
from ich_bench.report.datasets import DRAWN, datasets_table
from ich_bench.report.labelled import full_names
from ich_bench.report.pictures import Picture
from ich_bench.report.tables import Table

Block = Table | Picture | str  # a sentence


@dataclass(frozen=True, kw_only=True)
class Part:
    """A heading (`level` 2 or 3) with what stands below it; `name` is its id."""

    name: str
    title: str
    level: int
    blocks: tuple[Block, ...]


def parts_of(boards: Sequence[Board], version: str) -> tuple[Part, ...]:
    """Return the whole report: datasets and labels first, then board by board."""
    rows = {row.slug: row for board in boards for row in board.rows}
    names = full_names(list(rows.values()))
    methods = [row for row in rows.values() if row.kind == "measured"]
    made = [
        Part(name="part-datasets", title="Datasets", level=2, blocks=(datasets_table(boards),)),
        Part(
            name="part-labels",
            title="Labels needed",
            level=2,
            blocks=(numbers.labels_needed(methods, names) if methods else "No measured method here has a manifest.",),
        ),
    ]
    for board in boards:
        made += _board(board, {row.slug: names[row.slug] for row in board.rows}, version)
    return tuple(made)


def _board(board: Board, names: Mapping[str, str], version: str) -> Iterator[Part]:
    slug = f"{board.dataset}-{board.scheme}"
    yield Part(name=f"part-{slug}", title=f"{board.dataset}, {board.scheme}", level=2, blocks=tuple(_opening(board)))

    def part(name: str, title: str, *blocks: Block | None, without: str = "") -> Iterator[Part]:
        held = tuple(block for block in blocks if block is not None)
        if held or without:
            yield Part(name=f"part-{slug}-{name}", title=title, level=3, blocks=held or (without,))

    nobody = not board.measured
    no_ich = not board.scores.has_ich.any()
    if nobody:
        yield from part("reported", "Published numbers", *(numbers.reported_rows(board) if board.reported else ()))
        yield from part("provenance", "Provenance", numbers.provenance(board, version), *_warnings(board, names))
        return
    why_no_dice = "This dataset holds no volume with hemorrhage: there is no Dice on ich." if no_ich else ""
    yield from part("overlap", "Overlap", numbers.overlap(board, names), numbers.published_overlap(board))
    yield from part("ranks", "Ranks", drawn.ranks(board, names), numbers.standings(board, names), _banner(board))
    yield from part("subtypes", "Dice by subtype", drawn.dice_by_subtype(board, names),
                    *numbers.beside(board, names, ("strata",)),
                    without=why_no_dice or "No measured method has a Dice on a volume with ICH.")  # fmt: skip
    yield from part("pairs", "Which methods differ", *_pairs(board, names), without=_why_no_pairs(board))
    clean = (drawn.healthy(board, names), *numbers.beside(board, names, ("healthy",)))
    yield from part("healthy", "Healthy heads", *clean, without="No healthy head was scored: there is no clean rate.")
    yield from part("cases", "Volume by volume", drawn.case_scores(board, names), without="No volume has a Dice.")
    efficiency = (label_efficiency(board, names), *numbers.beside(board, names, ("efficiency",)))
    yield from part("label-efficiency", "Label efficiency", *efficiency)
    further = [table for name in ("detection", "seeds", "odd", "schemes")
               for table in numbers.beside(board, names, (name,))]  # fmt: skip
    yield from part("further", "Detection, training runs, other ways to rank", *further)
    yield from part("reported", "Published numbers", *(numbers.reported_rows(board) if board.reported else ()))
    yield from part("provenance", "Provenance", numbers.provenance(board, version), *_warnings(board, names))


def _opening(board: Board) -> Iterator[str]:
    if board.dataset.startswith(DRAWN):
        yield (
            f"{board.dataset} is drawn: no patient is involved, and nothing here says how well a method does on "
            "patients."
        )
    healthy = int((~board.scores.has_ich).sum())
    count = len(board.scores.cases)
    if count:
        yield (
            f"{count} of {board.cases} volumes were scored, {count - healthy} with hemorrhage and {healthy} without, "
            f"in {board.scheme}, profile {board.profile}, suite {board.suite}."
        )
    if board.reported and not board.measured:
        yield "Published numbers only: nobody's masks have been scored here."
    yield from board.notes


def _banner(board: Board) -> str | None:
    return board.banner or None


def _pairs(board: Board, names: Mapping[str, str]) -> Iterator[Block]:
    cohorts = numbers.cohorts_of(board)
    for cohort in cohorts:
        yield from drawn.pair_maps(board, cohort, names)
    tested = board.pairs.get(PRIMARY) or board.pairs.get(("healthy", "clean"))
    if tested is not None and len(tested.slugs) > 1:
        yield numbers.pairs(board, tested, names)


def _why_no_pairs(board: Board) -> str:
    unranked = [row for row in board.measured if not row.ranked]
    told = f" {len(unranked)} of {len(board.measured)} measured rows are not ranked; the reason stands beside each."
    return f"Pairs need two ranked methods; here {'is one' if board.ranked == 1 else 'is none'}." + (
        told if unranked else " Name a second OUT folder, or a folder of submissions with --submissions."
    )


def _warnings(board: Board, names: Mapping[str, str]) -> Iterator[str]:
    for row in board.rows:
        for said in (*row.chips, *row.warnings):
            yield f"Warning about {names[row.slug]}: {said}"
