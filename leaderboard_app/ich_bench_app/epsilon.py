"""What would another ε in Dice have ranked: the slider of the Rank stability page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ich_bench.board.epsilon import STEPS, EpsilonRanks, epsilon_ranks
from ich_bench.board.model import Board
from ich_bench_app import controls, frame
from ich_bench_app.charts.bump import LETTERS_PX, PALETTE
from ich_bench_app.charts.epsilon_lines import HEIGHT, mean_lines, tau_line
from ich_bench_app.charts.ground import apart, names
from ich_bench_app.text import markdown_of


def counted(board: Board, cohort: str) -> EpsilonRanks:
    """Return mean Dice and ranks with every ε; remembered as long as the score files stay the same."""
    files = tuple(
        (row.slug, file.sha256)
        for row in board.rows
        if row.ranked and row.submission is not None
        and (file := row.submission.score_file(board.dataset, board.scheme, board.profile)) is not None
    )  # fmt: skip
    return _counted((board.dataset, board.scheme, board.profile), files, cohort, board)


@st.cache_data(show_spinner="reading the voxel counts …", max_entries=24)
def _counted(key: tuple[str, ...], files: tuple[tuple[str, str], ...], cohort: str, _board: Board) -> EpsilonRanks:
    return epsilon_ranks(_board, cohort)


def show(board: Board, slugs: Sequence[str]) -> None:
    """Show what ε does to means and order on `ich` or `all`: a slider, τ against ε = 1, and the ranks at that step."""
    st.subheader("Another ε", anchor=False)
    st.caption("Dice here is (2TP + ε)/(2TP + FP + FN + ε) with ε = 1 voxel (Spahr 2023). ε decides what an empty mask "
               "is worth on a healthy head, and on a small bleed that is missed. Ranks below are by the mean alone: a "
               "description, without tests.")  # fmt: skip
    both = [name for name in ("all", "ich") if board.scores.of(name).any()]
    with st.container(horizontal=True):
        cohort = controls.choose("Volumes", both, key="epsilon_cohort", help="ε matters most with healthy heads in.")
        chosen = st.slider("ε, voxels", STEPS[0], STEPS[-1], STEPS[-1], STEPS[1], key=controls.bound("epsilon"),
                           bind="query-params", help="0 … 1 in steps of 0.05")  # fmt: skip
    found = counted(board, cohort)
    for slug, why in list(found.missing.items())[:6]:
        st.caption(f"{markdown_of(slug)} is left out: {markdown_of(why)}.")
    if len(found.missing) > 6:
        st.caption(f"{len(found.missing) - 6} more rows are left out for reasons of the same kind.")
    if not found.slugs:
        st.info(
            "No ranked row here comes with voxel counts: its Dice cannot be computed again.", icon=":material/lock:"
        )
        return
    step = min(range(len(found.epsilons)), key=lambda at: abs(found.epsilons[at] - chosen))
    told = in_words(found, step)
    st.markdown(f"**{told}**")
    means = mean_table(found, slugs)
    left, right = st.columns(2)
    with left:
        steps = pd.DataFrame({"epsilon": found.epsilons, "tau": found.tau})
        frame.chart(
            partial(_tau, steps, found.epsilons[step]),
            name=f"{board.dataset}-{cohort}-epsilon-tau",
            alt_text=f"Kendall's tau-b of the order by mean Dice with each ε against that with ε = 1. {told}",
            table=steps,
        )
    with right:
        frame.chart(
            partial(_means, means, found.epsilons[step]),
            name=f"{board.dataset}-{cohort}-epsilon",
            alt_text=f"Mean Dice of {means['method'].nunique()} methods over ε from 0 to 1. {told}",
            table=partial(mean_table, found, found.slugs),
        )
    st.dataframe(
        ranks_at(found, step),
        hide_index=True,
        column_config={name: st.column_config.NumberColumn(format="%.4f") for name in ("Dice, ε = 1", "Dice here")},
        alt=f"Mean Dice and rank of each method with ε = {found.epsilons[step]:g} and with ε = 1",
        height=min(420, 38 + 36 * len(found.slugs)),
    )
    if cohort == "all" and found.epsilons[step] == 0:
        st.caption("With ε = 0 a healthy head that is left empty is 0/0: it has no Dice and is left out, so that "
                   "methods are no longer compared on the same volumes (see “volumes”).")  # fmt: skip


def _tau(steps: pd.DataFrame, chosen: float, dark: bool) -> Any:
    return tau_line(steps, chosen, dark=dark)


def _means(means: pd.DataFrame, chosen: float, dark: bool) -> Any:
    return mean_lines(means, chosen, dark=dark)


def in_words(found: EpsilonRanks, step: int) -> str:
    """Return what a step does to the order, in words."""
    moved = int((found.ranks[step] != found.ranks[-1]).sum())
    tau = found.tau[step]
    alike = "" if tau != tau else f", τ {tau:.2f} against ε = 1"
    return f"ε = {found.epsilons[step]:g}: {moved} of {len(found.slugs)} methods change their place{alike}."


def mean_table(found: EpsilonRanks, slugs: Sequence[str]) -> pd.DataFrame:
    """Return a line a method and step; the first methods have a colour."""
    called = names(found.slugs)
    wanted = set(slugs)
    kept = [(at, slug) for at, slug in enumerate(found.slugs) if slug in wanted]
    drawn = found.mean[:, [at for at, _ in kept]]
    span = float(np.ptp(drawn[np.isfinite(drawn)])) if np.isfinite(drawn).any() else 0.0
    first = [float(found.mean[-1, at]) for at, _ in kept[: len(PALETTE)]]
    labels = apart(first, LETTERS_PX * (span or 1.0) / HEIGHT) + [float("nan")] * max(0, len(kept) - len(first))
    return pd.DataFrame(
        [
            (epsilon, called[slug], float(found.mean[step, at]), float(found.ranks[step, at]), int(found.n[step, at]),
             place if place < len(PALETTE) else -1, labels[place])
            for place, (at, slug) in enumerate(kept) for step, epsilon in enumerate(found.epsilons)
        ],
        columns=["epsilon", "method", "mean", "rank", "n", "colour", "label"],
    )  # fmt: skip


def ranks_at(found: EpsilonRanks, step: int) -> pd.DataFrame:
    """Return a line a method: mean Dice and place at a step beside those with ε = 1, the first place first."""
    own = len(found.epsilons) - 1
    made = pd.DataFrame(
        {
            "method": list(names(found.slugs).values()),
            "place here": found.ranks[step],
            "place, ε = 1": found.ranks[own],
            "Dice here": found.mean[step],
            "Dice, ε = 1": found.mean[own],
            "volumes": found.n[step],
        }
    )
    return made.sort_values(["place here", "place, ε = 1"], kind="stable", ignore_index=True)
