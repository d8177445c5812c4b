"""What does a submission say of itself, key by key, in words; and what does it leave unsaid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Any

from ich_bench.board import wording as say
from ich_bench.board.model import Row
from ich_bench.predictions.manifest import read_manifest
from ich_bench.submissions.model import ReportedRow, Submission
from ich_bench.submissions.schema import KEYS, TABLES, Key

NOT_SAID = "not said"
MOST = 200  # further entries that are shown
GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Who and what": ("method", "team", "method_id", "version", "supersedes", "kind", "baseline", "about", "paper",
                         "code", "licence", "contact"),
        "What it learnt from": ("supervision", "labels_needed", "regime", "training_data", "external_data",
                                "pretrained_weights", "annotated_patients", "annotated_slices", "annotated_ml",
                                "label_fraction_percent", "test_data_seen", "contamination"),
        "Choices": ("checkpoint_selection", "postprocessing", "postprocessing_chosen_on", "seeds"),
        "Cost": ("hardware", "training_hours", "inference_seconds_per_volume"),
        "Where the masks are": ("predictions_url", "predictions_sha256", "container"),
    }
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Said:
    """One key: `value` as text, "not said" where the manifest is silent; `means` the word's or the key's meaning.

    `value` and what is in it are strangers' words and not yet escaped.
    """

    group: str
    key: str
    value: str
    means: str
    is_said: bool


def said(one: Submission) -> tuple[Said, ...]:
    """Return every key of the schema in the order of GROUPS, those that a submission leaves away too.

    Whether a key is said is read from its submission.toml: a default is no statement.
    """
    tables = read_manifest(one.folder)[0] or {}
    listed = {name for names in GROUPS.values() for name in names}
    groups = {**GROUPS, "Other": tuple(name for name in KEYS if name not in listed)}
    found = [_said(group, KEYS[name], tables, one) for group, names in groups.items() for name in names]
    steps = one.manifest.processing
    found.append(
        Said(group="Choices", key="processing", value=", ".join(steps) or "none", is_said=bool(steps),
             means="What ich-bench changed in the masks after the method wrote them.")
    )  # fmt: skip
    order = list(groups)
    return tuple(sorted(found, key=lambda one: order.index(one.group)))


def _said(group: str, key: Key, tables: Mapping[str, Any], one: Submission) -> Said:
    raw = tables.get(key.name)
    value = getattr(one.manifest, key.name)
    expected = "" if raw is None or raw == "" else key.check(raw)[1]
    if expected:
        told = f"not understood; expected {expected}"
        return Said(group=group, key=key.name, value=_text(raw)[:500], means=told, is_said=True)
    silent = raw is None or raw == "" or value is None
    text = NOT_SAID if silent else _text(value)
    if not silent and raw == []:
        text = "none"
    words = key.values.get(str(value), "") if isinstance(value, str) else ""
    words = words or "; ".join(f"{item}: {key.values[item]}" for item in _items(value) if item in key.values)
    if isinstance(value, str) and value.startswith("from:"):
        words = key.values.get("from:<dataset>", words)
    return Said(group=group, key=key.name, value=text, means=key.about if silent or not words else words,
                is_said=not silent)  # fmt: skip


def further(one: Submission) -> tuple[tuple[str, str], ...]:
    """Return what else stands in submission.toml, such as hyper-parameters: (path of keys, value), at most MOST.

    Only an unsubmitted run can hold keys that the schema does not know.
    """
    tables = read_manifest(one.folder)[0] or {}
    own = {name: value for name, value in tables.items() if name not in KEYS and name not in TABLES}
    found = (pair for name, value in own.items() for pair in _flat(name, value, 0))
    return tuple(islice(found, MOST))


def _flat(path: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value and depth < 6:
        for name, inner in value.items():
            yield from _flat(f"{path}.{name}", inner, depth + 1)
    else:
        yield path, _text(value)[:500]


def _items(value: Any) -> Sequence[str]:
    return [str(item) for item in value] if isinstance(value, tuple | list) else []


def _text(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(str(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, kw_only=True)
class Beside:
    """One published number beside what a re-implementation got here: side by side, never tested against each other.

    `printed` and `measured` are in the benchmark's words ("0.563 ± 0.171"); `n_here` counts the volumes here.
    """

    dataset: str
    cohort: str
    metric: str
    printed: str
    measured: str
    source: str
    n_printed: int | None
    n_here: int
    training: str
    protocol: str
    same_protocol: bool


def beside(row: Row, dataset: str, rows: Sequence[ReportedRow]) -> tuple[Beside, ...]:
    """Return the published numbers of the method that a row re-implements, each with the row's own.

    The paper's method is the manifest's `baseline`, else its `method_id`. Published subsets of a cohort have no
    counterpart here and say so with "–".
    """
    from ich_bench.board.printed import printed

    manifest = row.submission.manifest if row.submission is not None else None
    wanted = "" if manifest is None else manifest.baseline or manifest.method_id
    found = []
    for one in rows:
        if not wanted or one.method_id != wanted or one.dataset != dataset:
            continue
        for metric, number in one.metrics.items():
            standing = None if one.subset else row.standing(one.cohort, metric)
            share = one.extra.get("label_fraction_percent")
            found.append(
                Beside(
                    dataset=dataset,
                    cohort=one.subset or one.cohort,
                    metric=metric,
                    printed=printed(number, metric),
                    measured=say.BLANK if standing is None else _measured(standing.stat.mean, standing.stat.sd, metric),
                    source=one.source,
                    n_printed=one.n,
                    n_here=0 if standing is None else standing.stat.n,
                    training="; ".join(part for part in (one.training, f"{share} % of the labels" if share else "")
                                       if part),
                    protocol=one.protocol,
                    same_protocol=one.same_protocol,
                )
            )  # fmt: skip
    return tuple(found)


def _measured(mean: float, sd: float, metric: str) -> str:
    """Return mean ± SD, which is what papers print, also of metrics that boards sum up by their median."""
    return say.together(f"{say.number(mean, metric)} ± {say.number(sd, metric)}")
