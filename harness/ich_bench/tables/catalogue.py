"""The datasets and their folds as tables and JSON: what `ich-bench datasets` and `ich-bench folds` print."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from dataclasses import asdict
from typing import Any

from ich_bench.cases import Scheme
from ich_bench.datasets import DATASETS, card
from ich_bench.errors import IchBenchError, UsageError, did_you_mean
from ich_bench.folds import budget_sha256, load_budget, load_scheme, schemes_of
from ich_bench.phantom import library
from ich_bench.phantom.plan import RECIPES
from ich_bench.places import data_folder

FORMATS = ("table", "csv", "json", "nnunet")


def listing() -> str:
    """Return one line a dataset."""
    rows = [("id", "cases", "with ICH", "folds", "on this machine")]
    for name in DATASETS:
        about = card(name)
        ich = "–" if about.with_ich is None else str(about.with_ich)
        rows.append((name, str(about.cases or "any"), ich, about.official_scheme or "–", _where(name) or "no"))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*lines, "", "ich-bench datasets ID says how to get one, what it holds and what to beware of."])


def listing_json() -> list[dict[str, Any]]:
    """Return every dataset's card with where it lies."""
    return [one_json(name) for name in DATASETS]


def one(dataset: str) -> str:
    """Return all that is known about one dataset."""
    about = card(dataset)
    ich = "" if about.with_ich is None else f", {about.with_ich} with ICH"
    lines = [
        f"{about.id}  {about.title}",
        "",
        f"cases      {about.cases or 'as many as asked for'}{ich}",
        f"folds      {', '.join(about.schemes) or '–'}"
        + (f" (official: {about.official_scheme})" if about.schemes else ""),
        f"here       {_where(dataset) or 'no; see access'}",
        f"access     {about.access}",
        f"licence    {about.licence}",
        f"publish    {_PUBLISH.get(about.publish, about.publish)}",
        f"layout     {about.layout}",
        f"page       {about.url}",
        f"cite       {about.citation}",
    ]
    lines += [f"beware     {caveat}" for caveat in about.caveats]
    return "\n".join(line for long in lines for line in _wrapped(long))


def one_json(dataset: str) -> dict[str, Any]:
    """Return one dataset's card with where it lies."""
    return {**asdict(card(dataset)), "here": _where(dataset)}


def folds(dataset: str, scheme: str | None, *, budget: int | None, draw: int | None = None, format: str) -> str:
    """Return a scheme's folds, or the training cases of one budget and draw in every fold.

    Formats: `table`, `csv` (the frozen file's columns), `json`, `nnunet` (a splits_final.json). Without a draw, the
    first of a budget is taken.
    """
    if format not in FORMATS:
        raise UsageError(f"there is no format {format!r}. {did_you_mean(format, FORMATS)}")
    if card(dataset).pool:
        raise UsageError(f"{dataset} is a pool for pre-training: nothing is tested on it, so it has no folds.")
    if draw is not None and budget is None:
        raise UsageError(f"--draw {draw} belongs to a training budget: name it too, such as --budget 10.")
    plan, draw = load_scheme(dataset, scheme), draw or 0
    train = {fold: _train(plan, fold, budget, draw) for fold in plan.folds}
    if format == "nnunet":
        if not any(train.values()):
            raise UsageError(f"{dataset}/{plan.name} holds nothing to train on, so there are no splits. {plan.about}")
        return json.dumps(
            [{"train": list(train[fold]), "val": list(_held_out(plan, fold))} for fold in plan.folds], indent=2
        )
    if format == "json":
        return json.dumps(_json(plan, train, budget, draw), indent=2)
    if format == "csv":
        return _csv(plan, train, budget, draw)
    return _table(plan, train, budget, draw)


def _wrapped(line: str) -> list[str]:
    return textwrap.wrap(
        line, width=100, subsequent_indent=" " * 11, break_long_words=False, break_on_hyphens=False
    ) or [""]


_PUBLISH = {
    "full": "a committed score file may hold everything",
    "metrics": "a committed score file may hold case id, fold, status and metrics only",
}


def _where(dataset: str) -> str | None:
    if dataset in RECIPES:
        folder = library.default_folder(dataset)
        return str(folder) if (folder / library.HEADS).is_file() else "drawn on first use"
    if dataset.startswith("phantom"):
        return "drawn on demand"
    try:
        return str(data_folder(dataset))
    except IchBenchError:
        return None


def _train(plan: Scheme, fold: int, budget: int | None, draw: int) -> tuple[str, ...]:
    if budget is None:
        return plan.train_cases(fold)
    return load_budget(plan.dataset, plan.name, fold, budget, draw)


def _held_out(plan: Scheme, fold: int) -> tuple[str, ...]:
    return plan.validation.get(fold) or plan.test_cases(fold)


def _json(plan: Scheme, train: dict[int, tuple[str, ...]], budget: int | None, draw: int) -> dict[str, Any]:
    chosen = (
        {}
        if budget is None
        else {"budget": budget, "draw": draw, "budget_sha256": budget_sha256(plan.dataset, plan.name)}
    )
    return {
        "dataset": plan.dataset,
        "scheme": plan.name,
        "about": plan.about,
        "official": plan.name == schemes_of(plan.dataset)[0],
        "leaky": plan.leaky,
        "sha256": plan.sha256,
        **chosen,
        "folds": [
            {
                "fold": fold,
                "train": list(train[fold]),
                "validation": list(plan.validation.get(fold, ())),
                "test": list(plan.test_cases(fold)),
            }
            for fold in plan.folds
        ],
    }


def _csv(plan: Scheme, train: dict[int, tuple[str, ...]], budget: int | None, draw: int) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if budget is None:
        writer.writerow(["case_id", "patient_id", "fold"])
        writer.writerows([row.case_id, row.patient_id, row.fold] for row in plan.rows)
    else:
        writer.writerow(["fold", "budget", "draw", "case_id"])
        writer.writerows([fold, budget, draw, case] for fold, cases in train.items() for case in cases)
    return out.getvalue()


def _table(plan: Scheme, train: dict[int, tuple[str, ...]], budget: int | None, draw: int) -> str:
    from ich_bench.tables.composition import composition

    leaky = "  LEAKY: never ranked" if plan.leaky else ""
    others = ", ".join(name for name in schemes_of(plan.dataset) if name != plan.name)
    lines = [
        f"{plan.dataset} · {plan.name} · {len(plan.rows)} cases · {len(plan.folds)} folds{leaky}",
        plan.about,
        f"sha256 {plan.sha256}",
    ]
    if budget is not None:
        lines.append(f"budget {budget} %, draw {draw}, sha256 {budget_sha256(plan.dataset, plan.name)}")
    lines += ["", composition(plan), ""]
    for fold in plan.folds:
        part, cases = ("test", plan.test_cases(fold)) if budget is None else ("train", train[fold])
        lines += _wrapped(f"fold {fold}  {part} {len(cases)}: {' '.join(cases)}")
    return "\n".join([*lines, "", *([f"other schemes: {others}"] if others else [])]).rstrip()
