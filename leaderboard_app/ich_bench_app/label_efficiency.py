"""How much annotation does a method need: what the Label efficiency page shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from ich_bench.board import wording as say
from ich_bench.board.across import Transfer, transfers
from ich_bench.board.label_curves import REFERENCE, Curve, Saving, curves, savings
from ich_bench.board.model import Board
from ich_bench.errors import IchBenchError
from ich_bench.folds import schemes_of
from ich_bench_app import controls, data, frame
from ich_bench_app.charts.bump import LETTERS_PX, PALETTE
from ich_bench_app.charts.ground import apart, level, names
from ich_bench_app.charts.label_curves import HEIGHT, label_curves
from ich_bench_app.charts.transfer_map import transfer_map
from ich_bench_app.text import markdown_of

AMOUNTS = {"patients": "patients", "slices": "slices with hemorrhage", "mL": "mL of hemorrhage outlined"}
_FIELD = {"patients": "patients", "slices": "slices", "mL": "annotated_ml"}
NOBODY = "no reference"
_LINES = 25  # of the matrix; the CSV holds all


def choose_amount() -> str:
    """Return what is counted: a key of AMOUNTS."""
    return controls.choose(
        "Annotated", list(AMOUNTS), key="amount", help="What was annotated for training, mean over folds"
    )


def found_curves(board: Board, amount: str) -> tuple[Curve, ...]:
    """Return a curve a row of the board, those with most budgets first, then by Dice on their largest budget."""
    made = curves(board.efficiency, _FIELD[amount])
    return tuple(sorted(made, key=lambda one: (-len(one.amounts), -one.dice[-1], one.slug)))


def choose_reference(board: Board, found: Sequence[Curve]) -> str | None:
    """Return the slug of the row that labels are saved against; by default what re-implements `unet-mixed`."""
    slugs = [one.slug for one in found]
    here = data.sources()
    own = [one.slug for one in (*here.submissions, *here.runs) if one.manifest.baseline == REFERENCE]
    default = next((slug for slug in (*own, REFERENCE) if slug in slugs), NOBODY)
    told = f"Labels are saved against this row; {REFERENCE} (fully supervised) where it is on the board."
    chosen = controls.choose("Saved against", [NOBODY, *slugs], key="reference", default=default, help=told)
    return None if chosen == NOBODY else chosen


def how_to_fill(board: Board) -> None:
    """Say which training budgets fill this page, and where their masks are put."""
    st.info(
        f"**No row of {board.dataset} was trained on a part of its labels.** A curve needs one method trained on 10, "
        "20, 50 and 100 % of the training patients of each fold (three draws each, frozen), tested on the same folds.",
        icon=":material/trending_up:",
    )
    if board.scheme != schemes_of(board.dataset)[0]:
        st.caption(f"Budgets are frozen for the official folds only, not for {board.scheme}.")
    st.code(
        f"ich-bench folds {board.dataset} --budget 10 --draw 0    # who to train on; then 20, 50, and draws 1, 2\n"
        f"# masks of that training: my-method/predictions/{board.dataset}/budget-10-0/fold_0/<case_id>.nii.gz\n"
        f"ich-bench evaluate {board.dataset} my-method",
        language="bash",
        wrap_lines=True,
    )


def tables(board: Board, amount: str, found: Sequence[Curve]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the points (a line a budget and draw) and the curves, as `charts.label_curves` wants them."""
    called = names([one.slug for one in found])
    tint = {one.slug: place if place < len(PALETTE) else -1 for place, one in enumerate(found)}
    rows = {row.slug: level(row) for row in board.rows}
    points = [
        (called[one.slug], rows.get(one.slug, "not declared"), _budget(one.share, one.draw), _amount(one, amount),
         one.dice.stat.mean, one.dice.low, one.dice.high, one.dice.stat.n, tint[one.slug])
        for one in board.efficiency
        if one.slug in called and math.isfinite(_amount(one, amount))
    ]  # fmt: skip
    drawn = pd.DataFrame(points, columns=["method", "level", "budget", "amount", "dice", "low", "high", "n", "colour"])
    span = float(drawn["dice"].max() - drawn["dice"].min()) if len(drawn) else 0.0
    ends = apart([one.dice[-1] for one in found[: len(PALETTE)]], 2 * LETTERS_PX * (span or 0.1) / HEIGHT)
    lines = [
        (called[one.slug], x, dice, share, draws, tint[one.slug], place == len(one.amounts) - 1,
         ends[at] if at < len(ends) else math.nan)
        for at, one in enumerate(found)
        for place, (x, dice, share, draws) in enumerate(zip(one.amounts, one.dice, one.shares, one.draws, strict=True))
    ]  # fmt: skip
    columns = ["method", "amount", "dice", "share", "draws", "colour", "last", "label"]
    return drawn, pd.DataFrame(lines, columns=columns)


def _budget(share: float, draw: int | None) -> str:
    return f"{share:g} %" + ("" if draw is None else f", draw {draw}")


def _amount(one: Any, amount: str) -> float:
    return float(getattr(one, _FIELD[amount]))


def show(board: Board, amount: str, found: Sequence[Curve], every: Sequence[Curve], reference: str | None) -> None:
    """Show the curves, then what each method saves."""
    points, lines = tables(board, amount, found)
    base = next((one for one in every if one.slug == reference), None)
    goal = math.nan if base is None else base.dice[-1]
    told = "" if base is None else f"{names([base.slug])[base.slug]} with all its labels: {say.number(goal)}"
    several = sum(len(one.amounts) > 1 for one in every)
    best = max(every, key=lambda one: one.dice[-1])
    frame.chart(
        partial(_curves, points, lines, AMOUNTS[amount], goal, told),
        name=f"{board.dataset}-labels-{amount}",
        alt_text=f"Mean Dice on ich of {len(found)} methods by annotated {AMOUNTS[amount]}, {several} with several "
        f"budgets. The highest Dice is that of {names([best.slug])[best.slug]}, {say.number(best.dice[-1])}. {told}",
        table=lambda: tables(board, amount, every)[0].drop(columns="colour"),
    )
    st.caption("A point is one training budget and draw with the 95 % interval of its mean; the line goes through the "
               "means of the draws. Amounts are means over the folds. A label of one kind is not one of another: a "
               "patient with outlined voxels costs more than one with a yes or no.")  # fmt: skip
    saved(board, amount, savings(every, reference), base)


def _curves(points: pd.DataFrame, lines: pd.DataFrame, title: str, goal: float, told: str, dark: bool) -> Any:
    return label_curves(points, lines, title=title, goal=goal, goal_text=told, dark=dark)


def saved(board: Board, amount: str, found: Sequence[Saving], base: Curve | None) -> None:
    """Show area under each curve and the labels saved, as a table."""
    st.subheader("Area under the curve, labels saved", anchor=False)
    made = saving_table(found)
    held = [name for name in made.columns if made[name].notna().any()]
    digits = st.column_config.NumberColumn(format="%.1f")
    dice = st.column_config.NumberColumn(format="%.3f")
    config = {"annotated": digits, "for the reference's Dice": digits, "reference needs": digits, "Dice": dice,
              "area": dice, "saved": st.column_config.NumberColumn(format="percent")}  # fmt: skip
    st.dataframe(made, hide_index=True, column_order=held, column_config=config, placeholder="–",
                 alt=f"Area under the curve and {amount} saved, a line a method")  # fmt: skip
    frame.downloads(f"{board.dataset}-labels-saved-{amount}", table=made)
    low = next((one.low for one in found if one.low == one.low), math.nan)
    high = next((one.high for one in found if one.high == one.high), math.nan)
    reach = f"Area: mean Dice from {low:.1f} to {high:.1f} {AMOUNTS[amount]}, which every curve covers. " * (low == low)
    against = ""
    if base is not None:
        against = (
            f"Saved: 1 − what the method needs for the {say.number(base.dice[-1])} of **{markdown_of(base.slug)}**, "
            f"over the {base.amounts[-1]:.1f} that this had; ≥: its smallest budget is enough. –: never reached. "
        )
    st.caption(f"{reach}{against}Read off straight lines between the points, on a plain scale; a description, no test.")


def saving_table(found: Sequence[Saving]) -> pd.DataFrame:
    """Return a line a method; undefined numbers are blank."""
    called = names([one.slug for one in found])
    made = pd.DataFrame(
        [
            (called[one.slug], one.amount, one.dice, one.area, one.for_reference, one.saved, "≥" if one.at_most else "",
             one.reference_needs)
            for one in found
        ],
        columns=["method", "annotated", "Dice", "area", "for the reference's Dice", "saved", "or more",
                 "reference needs"],
    )  # fmt: skip
    return made.assign(**{"or more": made["or more"].replace("", None)})


def train_and_test() -> None:
    """Show what methods score on data that they were not trained on, over all datasets here."""
    st.subheader("Trained here, tested there", anchor=False)
    here = data.sources()
    if all(one.manifest.regime in ("", "cv") for one in (*here.submissions, *here.runs)):
        told = "No row here was trained on one dataset and tested on another. A submission says so in its manifest:"
        st.info(f'{told} `regime = "from:<dataset>"` (or `external`).', icon=":material/swap_horiz:")
        return
    found, faults = _transfers()
    for told in faults:
        st.warning(markdown_of(told), icon=":material/error:")
    if not found:
        st.info("No row that was trained elsewhere stands on a board here.", icon=":material/swap_horiz:")
        return
    cells = transfer_cells(found)
    lines, columns = list(dict.fromkeys(cells["line"])), list(dict.fromkeys(cells["tested"]))
    shown = lines[:_LINES]
    kept = cells[cells["line"].isin(shown)]
    away = int((~cells["home"]).sum())
    frame.chart(
        partial(_transfer, kept, shown, columns),
        name="train-test",
        alt_text=f"Heat map of mean Dice, {len(shown)} trained methods by {len(columns)} datasets tested on; {away} "
        "cells are tests away from the training data.",
        table=cells.drop(columns=["line", "text"]),
    )
    st.caption(
        "Outlined: tested by cross-validation on the dataset it was trained on. “external”: trained on data that is "
        "none of the benchmark's, or not trained at all. Numbers of different datasets are not comparable as such: "
        "their heads differ."
    )


def _transfer(cells: pd.DataFrame, lines: Sequence[str], columns: Sequence[str], dark: bool) -> Any:
    return transfer_map(cells, lines, columns, dark=dark)


def _transfers() -> tuple[tuple[Transfer, ...], tuple[str, ...]]:
    boards, faults = [], []
    for name in (one for one in data.datasets() if one in data.held()):
        try:
            boards.append(data.board(name))
        except IchBenchError as fault:
            faults.append(f"{name}: {str(fault).splitlines()[0]}")
    return transfers(boards), tuple(faults)


def transfer_cells(found: Sequence[Transfer]) -> pd.DataFrame:
    """Return a line a method, training data and tested dataset; those tested on most datasets first."""
    called = names(sorted({one.slug for one in found}))
    count = {one.slug: len({other.tested_on for other in found if other.slug == one.slug}) for one in found}
    ordered = sorted(found, key=lambda one: (-count[one.slug], one.slug, one.trained_on))
    return pd.DataFrame(
        [
            (f"{called[one.slug]} ← {one.trained_on}", called[one.slug], one.trained_on, one.tested_on,
             one.dice.stat.mean, one.dice.low, one.dice.high, say.number(one.dice.stat.mean),
             one.trained_on == one.tested_on)
            for one in ordered
        ],
        columns=["line", "method", "trained", "tested", "dice", "low", "high", "text", "home"],
    )  # fmt: skip
