"""How is a dataset parted: what each fold holds, the frozen files with their hashes, and the training budgets."""

from __future__ import annotations

import hashlib
from functools import partial

import pandas as pd
import streamlit as st

from ich_bench.cases import Scheme
from ich_bench.errors import IchBenchError, UsageError
from ich_bench.folds import BUDGETS, DRAWS, budget_sha256, load_budget, load_scheme, schemes_of
from ich_bench.tables import catalogue
from ich_bench.tables.composition import HEADER, lines_of
from ich_bench_app import controls, frame
from ich_bench_app.text import markdown_of

_SUBTYPES = {
    "iph": "intraparenchymal",
    "ivh": "intraventricular",
    "edh": "epidural",
    "sdh": "subdural",
    "sah": "subarachnoid",
}


def show(dataset: str) -> None:
    """Show the folds of a dataset with a choice of scheme, and its budgets where it has any."""
    st.subheader("Folds", anchor=False)
    names = schemes_of(dataset)
    name = controls.choose("Fold scheme", names, key="scheme", help="The official folds come first.")
    plan = load_scheme(dataset, name)
    official = "the official scheme" if name == names[0] else f"not official ({names[0]} is)"
    st.markdown(f"**{name}**, {official}. {markdown_of(plan.about)}")
    if plan.leaky:
        st.warning("Leaky: one patient stands on both sides of the split. Scores under it are never ranked.")
    if plan.trains_on_fold:
        st.caption("Here a fold is what is trained on; the lines count that fold's own cases.")
    table = composition(plan)
    st.dataframe(
        table,
        hide_index=True,
        height="content",
        key="composition",
        placeholder="",
        column_config={key: st.column_config.TextColumn(key, help=said) for key, said in _SUBTYPES.items()},
        alt=f"Composition of {len(plan.folds)} folds of {dataset}",
    )
    frame.downloads(f"composition-{dataset}-{name}", table=table)
    if "–" in table.to_numpy():
        st.caption(f"–: not known without the data; `ich-bench prepare {dataset}` finds out.")
    _files(plan)
    if name == names[0]:
        _budgets(plan)


def composition(plan: Scheme) -> pd.DataFrame:
    """Return a line a fold and one for all, in the words of `ich-bench folds`."""
    return pd.DataFrame(list(lines_of(plan)), columns=list(HEADER))


def frozen_csv(plan: Scheme) -> bytes:
    """Return the fold file as it is frozen; its SHA-256 is the scheme's."""
    made = catalogue.folds(plan.dataset, plan.name, budget=None, format="csv").encode()
    if hashlib.sha256(made).hexdigest() != plan.sha256:
        raise IchBenchError(f"{plan.dataset}/{plan.name} cannot be given as it is frozen: install ich-bench again.")
    return made


def splits(plan: Scheme, budget: int | None = None, draw: int | None = None) -> bytes | None:
    """Return nnU-Net's splits_final.json, None where nothing may be trained on."""
    try:
        return catalogue.folds(plan.dataset, plan.name, budget=budget, draw=draw, format="nnunet").encode()
    except UsageError:
        return None


def _files(plan: Scheme) -> None:
    st.markdown("SHA-256 of the frozen file")
    st.code(plan.sha256, language=None)
    with st.container(horizontal=True):
        st.download_button(
            "Folds, CSV",
            partial(frozen_csv, plan),
            file_name=f"{plan.dataset}-{plan.name}.csv",
            mime="text/csv",
            key="folds-csv",
            on_click="ignore",
            icon=":material/download:",
            help="case_id, patient_id, fold: the frozen bytes",
        )
        made = splits(plan)
        if made is not None:
            st.download_button(
                "splits_final.json",
                made,
                file_name="splits_final.json",
                mime="application/json",
                key="folds-nnunet",
                on_click="ignore",
                icon=":material/download:",
                help="The folds as nnU-Net reads them",
            )
        else:
            st.caption("Nothing of it may be trained on, so there is no splits_final.json.")


def _budgets(plan: Scheme) -> None:
    st.subheader("Training budgets", anchor=False)
    try:
        sha256 = budget_sha256(plan.dataset, plan.name)
    except UsageError:
        st.caption("No budgets are frozen for it: there is nothing to train on, or it is a dataset for tests only.")
        return
    st.caption(
        "Nested shares of each fold's training patients, in three draws; the tests never change. "
        "Cases to train on, by budget and draw (a range over the folds):"
    )
    table = budgets(plan)
    st.dataframe(table, hide_index=True, key="budgets", alt="Training cases by budget and draw")
    st.code(sha256, language=None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        budget = int(controls.choose("Budget in percent", tuple(map(str, BUDGETS)), key="budget"))
        draw = int(controls.choose("Draw", tuple(map(str, DRAWS)), key="draw"))
        name = f"{plan.dataset}-{plan.name}-{budget}-draw{draw}"
        st.download_button(
            "Budget, CSV",
            partial(budget_csv, plan, budget, draw),
            file_name=f"{name}.csv",
            mime="text/csv",
            key="budget-csv",
            on_click="ignore",
            icon=":material/download:",
            help="fold, budget, draw, case_id",
        )
        st.download_button(
            "splits_final.json of the budget",
            partial(_splits, plan, budget, draw),
            file_name="splits_final.json",
            mime="application/json",
            key="budget-nnunet",
            on_click="ignore",
            icon=":material/download:",
        )


def budgets(plan: Scheme) -> pd.DataFrame:
    """Return a line a budget, a column a draw: how many cases may be trained on, "24 to 25" over the folds."""
    lines = []
    for budget in BUDGETS:
        line = {"budget": f"{budget} %"}
        for draw in DRAWS:
            counts = [len(load_budget(plan.dataset, plan.name, fold, budget, draw)) for fold in plan.folds]
            least, most = min(counts), max(counts)
            line[f"draw {draw}"] = str(least) if least == most else f"{least} to {most}"
        lines.append(line)
    return pd.DataFrame(lines)


def budget_csv(plan: Scheme, budget: int, draw: int) -> bytes:
    """Return the training cases of one budget and draw in every fold."""
    return catalogue.folds(plan.dataset, plan.name, budget=budget, draw=draw, format="csv").encode()


def _splits(plan: Scheme, budget: int, draw: int) -> bytes:
    return splits(plan, budget, draw) or b""
