"""What stands in each column of the leaderboard: every cell in the words of the harness."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from ich_bench.board import wording as say
from ich_bench.board.against import Delta
from ich_bench.board.model import Board, Row
from ich_bench.board.sections import say_name
from ich_bench.board.words import shared_warnings
from ich_bench_app import look
from ich_bench_app.text import markdown_of, plain

LISTS = ("badges", "labels")  # columns that hold several short texts
_ALWAYS = ("rank", "method")
_DELTA = ("delta", "delta_interval", "verdict", "delta_p")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a table of rows is about: the board, where one looks, and the differences to a baseline (none: empty)."""

    board: Board
    cohort: str
    metric: str
    baseline: str = ""
    deltas: Mapping[str, Delta] | None = None
    shared: tuple[str, ...] = ()  # warnings of all rows, which are told once


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: its label, what it says (shown when pointed at), and how a row's cell is made."""

    label: str
    help: str
    cell: Callable[[Row, Shown], Any]
    width: str | int | None = None


def about(board: Board, cohort: str, metric: str, baseline: str = "",
          deltas: Mapping[str, Delta] | None = None) -> Shown:  # fmt: skip
    """Return what a table of this board's rows is about."""
    return Shown(board=board, cohort=cohort, metric=metric, baseline=baseline, deltas=deltas,
                 shared=shared_warnings(board.measured))  # fmt: skip


def columns(board: Board, cohort: str, metric: str) -> Mapping[str, Column]:
    """Return every column that this board can fill, by the name it has in the address."""
    beside = [name for name in ("dice", "nsd_2mm", "precision", "recall", "hd95") if name != metric]
    held = board.scores.values
    found = {
        "rank": Column(label="rank", help="1 + the methods significantly better; in brackets the ranks that the data "
                       "do not exclude. Filters never change it.", cell=_rank, width=90),
        "method": Column(label="method", help="The submission's id; * is shown and not ranked.",
                         cell=lambda row, at: plain(say.name(row))),
        "name": Column(label="name", help="What its makers call it.", cell=lambda row, at: plain(row.method)),
        "score": Column(label=_score_label(metric), help=f"{metric} on {cohort}: mean ± SD over volumes, or median and "
                        "quartiles of a metric in mm or mL.", cell=_score),
        "interval": Column(label="95 % of mean", help="Student's t from 30 volumes on, BCa below, Wilson for shares.",
                           cell=_interval),
        **{name: _beside(name) for name in beside if name in held},
        "clean": Column(label="clean", help="Share of healthy heads left without a predicted voxel.", cell=_clean),
        "p_rank_one": Column(label="P(1)", help="Share of 2,000 resamples in which the row comes first: a description, "
                             "no test.", cell=_first),
        "supervision": Column(label="supervision", help="What training learnt from.",
                              cell=lambda row, at: plain(row.supervision)),
        "labels": Column(label="labels needed", help="Which labels training needed, in all stages.",
                         cell=lambda row, at: [plain(one) for one in row.labels] or ["none"]),
        "badges": Column(label="badges", help=look.KIND_HELP, cell=_badges, width="medium"),
        "warnings": Column(label="warnings", help="What a reader should know before believing the row.",
                           cell=_warnings, width="large"),
        "reason": Column(label="why not ranked", help="Empty where the row is ranked.",
                         cell=lambda row, at: plain(row.reason), width="medium"),
        "team": Column(label="team", help="Who submitted it.", cell=lambda row, at: plain(row.team)),
        "regime": Column(label="trained on", help="cv: the other folds and nothing else.",
                         cell=lambda row, at: plain(row.regime)),
        "runs": Column(label="training runs", help="Averaged for each volume before any test.",
                       cell=lambda row, at: str(max(1, len(row.seeds)))),
        "seed_sd": Column(label="SD of runs", help="SD over training runs of the mean of this metric.", cell=_seed_sd),
        "n": Column(label="n", help="Volumes on which this metric is defined.", cell=_n),
        "detected": Column(label="detected", help="Bleeds of which at least 10 % were found, with Wilson's interval.",
                           cell=lambda row, at: say.share(row.detected)),
        "sensitivity": Column(label="sensitivity", help="Of heads with hemorrhage.",
                              cell=lambda row, at: say.share(row.sensitivity)),
        "specificity": Column(label="specificity", help="Of healthy heads.",
                              cell=lambda row, at: say.share(row.specificity)),
        "side_of_30_ml": Column(label="right side of 30 mL", help="Reference and prediction both above, or both not.",
                                cell=lambda row, at: say.share(row.same_side_of_30_ml)),
        "false_positive_ml": Column(label="mL on healthy", help="Predicted mL on healthy heads: median, 95th "
                                    "percentile.", cell=_false_ml),
        "empty": Column(label="empty masks", help="Share of the masks on ich that are empty.",
                        cell=lambda row, at: f"{say.percent(row.empty_share)} %" if row.empty_share > 0 else "0 %"
                        if row.empty_share == 0 else say.BLANK),
        "volumes": Column(label="cases", help="Cases in its score file.", cell=lambda row, at: str(row.volumes)),
        "paper": Column(label="paper", help="Where it is described.", cell=lambda row, at: plain(row.paper)),
    }  # fmt: skip
    if not any(row.clean and row.clean.n for row in board.rows):
        found.pop("clean")
    return found


def default_columns(board: Board, known: Mapping[str, Column]) -> tuple[str, ...]:
    """Return the columns that a visitor meets first: few, and those that fit on a screen."""
    named = any(row.method != row.slug for row in board.measured)
    first = ["rank", "method", *(["name"] if named else []), "score", "interval", "nsd_2mm", "dice", "clean", "badges"]
    first += ["reason"] if any(row.reason for row in board.measured) else []
    first += ["p_rank_one", "supervision", "labels"]
    first += ["warnings"] if any(_warned(row, about(board, "", "")) for row in board.measured) else []
    return tuple(name for name in first if name in known)


def frame_of(rows: Iterable[Row], at: Shown, asked: Sequence[str], known: Mapping[str, Column]) -> pd.DataFrame:
    """Return the table of rows in the columns that are asked for; differences to a baseline stand beside the score."""
    first = [*_ALWAYS, *(one for one in asked if one == "score"), *_delta_names(at)]
    names = [*first, *(one for one in asked if one not in first)]
    all_known = {**known, **_delta_columns(at)}
    made = {name: [all_known[name].cell(row, at) for row in rows] for name in names if name in all_known}
    return pd.DataFrame({name: cells if name in LISTS else _aligned(cells) for name, cells in made.items()})


def config(at: Shown, known: Mapping[str, Column]) -> dict[str, Any]:
    """Return how Streamlit shows the columns: as text, never as a link or Markdown; unpinned, as pins pale."""
    made: dict[str, Any] = {}
    for name, column in {**known, **_delta_columns(at)}.items():
        kind = st.column_config.ListColumn if name in LISTS else st.column_config.TextColumn
        made[name] = kind(column.label, help=column.help, width=column.width)  # type: ignore[arg-type]
    return made


def _aligned(cells: Sequence[str]) -> list[str]:
    """Return cells that start with a number padded so that sorting them as text sorts the numbers."""
    heads = [cell.lstrip("+-").split(".")[0].split("\u00a0")[0] for cell in cells]
    widths = [len(head) for head in heads if head.isdigit()]
    most = max(widths, default=0)
    return [
        " " * (most - len(head)) + cell if head.isdigit() and len(head) < most else cell
        for head, cell in zip(heads, cells, strict=True)
    ]


def _delta_names(at: Shown) -> tuple[str, ...]:
    return _DELTA if at.baseline else ()


def _delta_columns(at: Shown) -> Mapping[str, Column]:
    if not at.baseline:
        return {}
    who = markdown_of(at.baseline)
    return {
        "delta": Column(label=f"Δ {at.metric}", help=f"Mean paired difference to {who}, as the board has tested it.",
                        cell=_delta(lambda found, at: say.number(found.difference, at.metric, sign=True), "baseline")),
        "delta_interval": Column(label="95 % of Δ", help="Paired t interval, not corrected for the number of pairs.",
                                 cell=_delta(lambda found, at: say.interval(found.low, found.high, at.metric, sign=True)
                                             )),
        "verdict": Column(label="than baseline", help="Sign-flip test, step-down max-T over all pairs of the board. "
                          "Not separated is not equal.",
                          cell=_delta(lambda found, at: _VERDICTS[found.verdict], "baseline", "not tested")),
        "delta_p": Column(label="p (max-T)", help="Corrected over all pairs.",
                          cell=_delta(lambda found, at: say.p_value(found.p))),
    }  # fmt: skip


_VERDICTS = {"better": "▲ better", "worse": "▼ worse", "not separated": "= not separated"}


def _delta(
    write: Callable[[Delta, Shown], str], own: str = say.BLANK, none: str = say.BLANK
) -> Callable[[Row, Shown], str]:
    def cell(row: Row, at: Shown) -> str:
        if row.slug == at.baseline:
            return own
        found = (at.deltas or {}).get(row.slug)
        return none if found is None else write(found, at)

    return cell


def _score_label(metric: str) -> str:
    return f"{say_name(metric)} [quartiles]" if say_name(metric).startswith("median") else f"{say_name(metric)} ± SD"


def _rank(row: Row, at: Shown) -> str:
    return say.rank(row.standing(at.cohort, at.metric))


def _score(row: Row, at: Shown) -> str:
    found = row.standing(at.cohort, at.metric)
    return say.BLANK if found is None else say.spread(found.stat, at.metric)


def _interval(row: Row, at: Shown) -> str:
    found = row.standing(at.cohort, at.metric)
    return say.BLANK if found is None else say.interval(found.low, found.high, at.metric)


def _beside(name: str) -> Column:
    def cell(row: Row, at: Shown) -> str:
        found = row.standing(at.cohort, name)
        return say.BLANK if found is None else say.number(found.stat.mean, name)

    return Column(label=say_name(name).removeprefix("median "), help=f"Mean {name} on the same cohort.", cell=cell)


def _clean(row: Row, at: Shown) -> str:
    return say.BLANK if row.clean is None or not row.clean.n else say.number(row.clean.share)


def _first(row: Row, at: Shown) -> str:
    found = row.standing(at.cohort, at.metric)
    return say.BLANK if found is None or math.isnan(found.p_rank_one) else say.number(found.p_rank_one)


def _badges(row: Row, at: Shown) -> list[str]:
    kept = [plain(one) for one in row.badges if one != row.kind]
    more = [f"{row.earlier} earlier"] if row.earlier else []
    return [look.kind(row), *kept, *more]


def _warned(row: Row, at: Shown) -> list[str]:
    return [*row.chips, *(one for one in row.warnings if one not in at.shared)]


def _warnings(row: Row, at: Shown) -> str:
    return " · ".join(f"⚠ {plain(one)}" for one in _warned(row, at))


def _seed_sd(row: Row, at: Shown) -> str:
    found = row.standing(at.cohort, at.metric)
    return say.BLANK if found is None else say.number(found.stat.seed_sd, at.metric)


def _n(row: Row, at: Shown) -> str:
    found = row.standing(at.cohort, at.metric)
    return say.BLANK if found is None else str(found.stat.n)


def _false_ml(row: Row, at: Shown) -> str:
    found = row.false_positives
    if found is None:
        return say.BLANK
    return f"{say.number(found.median_ml, 'volume_pred_ml')}, {say.number(found.p95_ml, 'volume_pred_ml')}"
