"""Numbers as tables: the terminal, Markdown, CSV, JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence

import numpy as np

from ich_bench.errors import UsageError, did_you_mean
from ich_bench.metrics.suite import COLUMNS
from ich_bench.tables.cohorts import Cohort
from ich_bench.tables.describe import Share, Stat, describe
from ich_bench.tables.layout import NO_BREAK, WIDTH, WRITERS, Block, Escape, width_of
from ich_bench.tables.rows import case_table, csv_rows, csv_summary, json_rows
from ich_bench.tables.summary import LowCase, RunSummary, Summary

__all__ = ["case_table", "csv_rows", "json_rows", "render", "side_by_side"]

NO_RANKING = """Mean ± SD on ich, a median where no SD stands; clean: healthy volumes without a
false-positive voxel. Sorted by mean dice on ich, then by name. This is not a
ranking: no test has been made."""
_BLANK = "–"
_NOTHING = describe(np.array([]))
_DECIMALS = {"": 3, "mm": 1, "mL": 2, "count": 1, "yes/no": 3}
_NATIVE_COLUMNS = ("dice", "nsd_2mm", "hd95")  # what stands side by side, where the profile has all three


def render(summary: Summary, format: str = "table") -> str:
    """Return a summary as text: `table` (80 columns), `md`, `csv` (one line a number) or `json`; UsageError else."""
    if format == "json":
        return json.dumps(summary.as_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if format == "csv":
        return csv_summary(summary)
    if format not in WRITERS:
        raise UsageError(f"there is no format {format!r}. {did_you_mean(format, [*WRITERS, 'csv', 'json'])}")
    write, escape = WRITERS[format]
    parts = [write(_heading(summary, run, escape), _blocks(run, escape)) for run in summary.runs]
    if not parts:
        parts = [write("no volume was scored", ())]
    if summary.warnings:
        parts.append(write("", [Block(rows=tuple(("warning", escape(warning)) for warning in summary.warnings))]))
    return "\n".join(parts)


def side_by_side(runs: Sequence[tuple[str, Summary]], format: str = "table") -> str:
    """Return one line a run, best mean dice on `ich` first; it says that this is no ranking."""
    if format not in WRITERS:
        raise UsageError(f"there is no format {format!r}. {did_you_mean(format, list(WRITERS))}")
    write, escape = WRITERS[format]
    lines = [(_label(name, summary, run), summary, run) for name, summary in runs for run in summary.runs]
    groups = dict.fromkeys((summary.dataset, run.scheme, summary.profile, summary.suite) for _, summary, run in lines)
    parts = []
    for dataset, scheme, profile, suite in groups:
        inside = [
            (name, run)
            for name, summary, run in lines
            if (summary.dataset, run.scheme, summary.profile, summary.suite) == (dataset, scheme, profile, suite)
        ]
        inside.sort(key=lambda line: (-_sortable(line[1].cohort("ich").metrics["dice"].mean), line[0]))
        heading = f"{escape(dataset)} · {escape(scheme)} · profile {profile} · suite {suite}"
        parts.append(write(heading, [_comparison([(escape(name), run) for name, run in inside])]))
    return "\n".join([*parts, NO_RANKING + "\n"])


def _heading(summary: Summary, run: RunSummary, escape: Escape) -> str:
    count = f"{run.volumes} volume{'s' * (run.volumes != 1)}"
    about = [run.submission, summary.dataset, run.scheme, *([f"budget {run.budget}"] if run.budget else [])]
    about += [f"profile {summary.profile}", f"suite {summary.suite}", count]
    hashes = [f"folds {summary.fold_sha256[:12]}"] if summary.fold_sha256 else []
    small = ["one training run", *hashes, f"references {summary.dataset_sha256[:12]}"][len(run.seeds) > 1 :]
    lines = [" · ".join(escape(part) for part in about), " · ".join(small)]
    if len(run.seeds) > 1:
        seeds = ", ".join(str(seed) for seed in run.seeds)
        lines.insert(1, f"{len(run.seeds)} training runs (seeds {seeds}), averaged per volume first")
    if summary.leaky:
        lines.append("leaky: slices of one patient stand on both sides of the split. Shown, never ranked.")
    if summary.status == "partial":
        folds = ", ".join(str(fold) for fold in summary.folds)
        absent = f"; {len(summary.cases_absent)} cases have no data here" if summary.cases_absent else ""
        lines.append(f"partial: folds {folds}{absent}. Comparable with the same volumes only, never ranked.")
    if summary.status == "imputed":
        lines.append("imputed: missing cases are scored as the worst value. Shown, never ranked.")
    return "\n".join(lines)


def _blocks(run: RunSummary, escape: Escape) -> Iterator[Block]:
    cohorts = [cohort for cohort in run.cohorts if cohort.name != "healthy" and cohort.volumes]
    if not run.cohorts[0].volumes or len({cohort.volumes for cohort in cohorts}) == 1:
        cohorts = cohorts[:1]  # `all` is `ich`, or there is no `ich`
    if cohorts:
        yield _metrics(cohorts, run, "mean")
        together = _metrics(cohorts, run, "median")
        if width_of(together) <= WIDTH:
            yield together
        else:
            yield from (_metrics([cohort], run, "median") for cohort in cohorts)
    yield Block(rows=tuple(_facts(run)))
    if run.cohorts[0].volumes:
        yield from _parts(run)
    yield Block(rows=tuple(_closing(run, escape)))


def _metrics(cohorts: Sequence[Cohort], run: RunSummary, kind: str) -> Block:
    rows: list[tuple[str, ...]] = []
    for name in cohorts[0].metrics:
        if COLUMNS[name].summary == kind and name != "detected":
            rows.append((_named(name), *_cells([(cohort, cohort.metrics[name]) for cohort in cohorts], name, run)))
        if kind == "mean" and name == "precision":
            found = [(cohort, cohort.precision_nonempty or _NOTHING) for cohort in cohorts]
            rows.append(("  of non-empty", *_cells(found, name, run)))
    title = "mean ± SD" if kind == "mean" else "median [IQR] mean"
    heads = [f"{cohort.name} (n = {cohort.volumes})" for cohort in cohorts]
    return Block(header=(title, *heads, *(("SD of runs",) if len(run.seeds) > 1 else ())), rows=tuple(rows))


def _cells(found: Sequence[tuple[Cohort, Stat]], name: str, run: RunSummary) -> Iterator[str]:
    """Yield a cell a cohort, its n where that is not the cohort's, and the first cohort's SD over training runs."""
    for cohort, stat in found:
        yield _stat(stat, name) + (f" (n = {stat.n})" if stat.n not in (0, cohort.volumes) else "")
    if len(run.seeds) > 1:
        yield _number(found[0][1].seed_sd, name)


def _stat(stat: Stat, name: str) -> str:
    if not stat.n:
        return _BLANK
    if COLUMNS[name].summary == "mean":
        return _mean_sd(stat, name)
    median, q1, q3, mean = (_number(value, name) for value in (stat.median, stat.q1, stat.q3, stat.mean))
    return f"{median} [{q1}, {q3}] {mean}"


def _short(stat: Stat, name: str, volumes: int) -> str:
    text = _mean_sd(stat, name) if COLUMNS[name].summary == "mean" else _number(stat.median, name)
    return text + (f" (n = {stat.n})" if stat.n not in (0, volumes) else "")


def _facts(run: RunSummary) -> Iterator[tuple[str, str]]:
    """Yield what is a share, an agreement or a count, cohort by cohort."""
    for cohort in run.cohorts:
        if not cohort.volumes:
            if cohort.name == "healthy":
                yield "healthy", "no healthy volume here: `all` is `ich`, and there is no clean rate"
            continue
        if cohort.detected:
            yield "detected", f"{_share(cohort.detected)} ich volumes, at least 10 % covered"
        if cohort.name == "ich":
            missing = f"; {cohort.missing} missing" if cohort.missing else ""
            yield "empty masks", f"{cohort.empty} of {cohort.predictions} predictions on ich{missing}"
        if cohort.same_side_of_30_ml:
            yield "30 mL", f"{_share(cohort.same_side_of_30_ml)} ich volumes on the right side of 30 mL"
        if cohort.volume_agreement and cohort.name == "ich":
            found = cohort.volume_agreement
            bias, low, high = (
                _number(value, "volume_ref_ml") for value in (found.bias_ml, found.low_ml, found.high_ml)
            )
            agreed = f"limits of agreement {low} to {high}, concordance {_number(found.concordance, 'dice')}"
            yield "volumes", f"bias {bias} mL, {agreed} (n = {found.n})"
        if cohort.sensitivity and cohort.specificity:
            yield "sensitivity", f"{_share(cohort.sensitivity)} patients with ICH: mask not empty"
            yield "specificity", f"{_share(cohort.specificity)} patients without: mask empty"
        if cohort.clean:
            missing = f" ({cohort.missing} missing)" if cohort.missing else ""
            yield "clean", f"{_share(cohort.clean)} healthy volumes, no false-positive voxel{missing}"
        if cohort.false_positives:
            wrong = cohort.false_positives
            median, p95 = _number(wrong.median_ml, "volume_ref_ml"), _number(wrong.p95_ml, "volume_ref_ml")
            yield "false mL", f"median {median}, 95th percentile {p95} on healthy volumes (n = {wrong.n})"
    if run.pooled:
        total = run.pooled
        dice, jaccard, slice_dice, slice_jaccard = (
            _number(value, "dice")
            for value in (total.dice, total.jaccard, total.slice_mean_dice, total.slice_mean_jaccard)
        )
        yield "pooled", f"Dice {dice}, Jaccard {jaccard}: counts added up per fold, mean of {total.runs}"
        yield "per slice", f"Dice {slice_dice}, Jaccard {slice_jaccard}: mean of {total.slices} positive slices"


def _parts(run: RunSummary) -> Iterator[Block]:
    names = [name for name in ("dice", "nsd_2mm", "hd95") if name in run.cohorts[0].metrics]
    detected = run.cohorts[0].detected is not None
    rows = [
        (
            stratum.name,
            str(stratum.volumes),
            *(_short(stratum.metrics[name], name, stratum.volumes) for name in names),
            *((_count(stratum.detected) if stratum.volumes else _BLANK,) if stratum.detected else ()),
        )
        for stratum in run.strata
    ]
    heads = ["median " + _named(name) if COLUMNS[name].summary == "median" else name for name in names]
    yield Block(header=("part of ich", "n", *heads, *(("detected",) if detected else ())), rows=tuple(rows))
    folds = [
        ("dice (ich)", *(_number(fold.dice, "dice") for fold in run.folds)),
        ("n", *(str(fold.n) for fold in run.folds)),
    ]
    if any(not math.isnan(fold.median_volume_ref_ml) for fold in run.folds):
        folds.append(("median mL", *(_number(fold.median_volume_ref_ml, "hd95") for fold in run.folds)))
    yield Block(header=("fold", *(str(fold.fold) for fold in run.folds)), rows=tuple(folds))


def _closing(run: RunSummary, escape: Escape) -> Iterator[tuple[str, str]]:
    if run.lowest:
        yield "lowest dice", " · ".join(_together(_low(case, escape)) for case in run.lowest)
    for number, line in enumerate(run.sensitivity):
        before, after = (f"{_mean_sd(stat, line.metric)} (n = {stat.n})" for stat in (line.with_case, line.without))
        why = "" if number else f"; it is {line.why}"
        yield f"without {line.left_out}", f"{line.metric} {_together(before)} becomes {_together(after)}{why}"


def _low(case: LowCase, escape: Escape) -> str:
    return f"{escape(case.case_id)} {case.dice:.3f}" + (f" ({case.reason})" if case.reason else "")


def _together(text: str) -> str:
    return text.replace(" ", NO_BREAK)


def _comparison(runs: Sequence[tuple[str, RunSummary]]) -> Block:
    metrics = runs[0][1].cohort("ich").metrics
    names = [name for name in _NATIVE_COLUMNS if name in metrics]
    names = names if len(names) == len(_NATIVE_COLUMNS) else list(metrics)[: 2 if runs[0][1].pooled else 4]
    detected = any(run.cohort("ich").detected for _, run in runs)
    healthy = any(cohort.name == "healthy" and cohort.volumes for _, run in runs for cohort in run.cohorts)
    rows = []
    for name, run in runs:
        ich = run.cohort("ich")
        cells = [_short(ich.metrics[metric], metric, ich.volumes) for metric in names]
        found = (
            [f"{_count(ich.detected)}/{ich.detected.n}" if ich.detected and ich.volumes else _BLANK] if detected else []
        )
        clean = run.cohort("healthy").clean if healthy else None
        pure = [f"{_count(clean)}/{clean.n}" if clean and clean.n else _BLANK] if healthy else []
        pooled = [_number(run.pooled.dice, "dice"), _number(run.pooled.jaccard, "dice")] if run.pooled else []
        rows.append((name, str(ich.volumes), *pooled, *cells, *found, *pure))
    heads = [_named(name) for name in names]
    pooled_heads = ("pooled Dice", "Jaccard") if runs[0][1].pooled else ()
    ends = (*(("detected",) if detected else ()), *(("clean",) if healthy else ()))
    return Block(header=("", "n", *pooled_heads, *heads, *ends), rows=tuple(rows))


def _label(name: str, summary: Summary, run: RunSummary) -> str:
    marks = [
        *([f"budget {run.budget}"] if run.budget else []),
        *([summary.status] if summary.status != "complete" else []),
    ]
    return f"{name} ({', '.join(marks)})" if marks else name


def _named(name: str) -> str:
    unit = COLUMNS[name].unit
    return f"{name} mm" if unit == "mm" else name


def _mean_sd(stat: Stat, name: str) -> str:
    if not stat.n:
        return _BLANK
    return f"{_number(stat.mean, name)} ± {_number(stat.sd, name)}"


def _share(share: Share) -> str:
    if not share.n:
        return f"{_BLANK} of 0"
    return f"{_count(share)} of {share.n} = {100 * share.share:.0f} % [{100 * share.low:.0f}–{100 * share.high:.0f}]"


def _count(share: Share) -> str:
    return f"{share.count:.1f}".removesuffix(".0")


def _number(value: float, name: str) -> str:
    if math.isnan(value):
        return _BLANK
    return f"{value:.{_DECIMALS[COLUMNS[name].unit]}f}"


def _sortable(mean: float) -> float:
    return -math.inf if math.isnan(mean) else mean
