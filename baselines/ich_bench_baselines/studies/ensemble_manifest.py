"""What does the submission.toml of an ensemble say, from what those of its members say?

What all members say is taken over or added up; of choices and contamination the worst word stands. What a member does
not say is left away, for the one who submits to fill in.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ich_bench.errors import IchBenchError
from ich_bench.escape import printable
from ich_bench.submissions.schema import check
from ich_bench.submissions.terms import LABELS, SEEN, SELECTION, SUPERVISION
from ich_bench.submissions.written import toml_value

Members = Mapping[str, Mapping[str, Any] | None]
_SUMS = ("training_hours", "inference_seconds_per_volume")
_LARGEST = ("annotated_patients", "annotated_slices", "annotated_ml")
_RULES = {"majority": "the voxels that more than half of them draw, a tie being none",
          "mean": "the voxels whose mean probability is at least one half"}  # fmt: skip


def ensemble_manifest(
    members: Members, dataset: str, *, rule: str, name: str, team: str, seeds: Sequence[int]
) -> dict[str, Any]:
    """Return the keys of an ensemble's submission.toml; one that cannot be known from its members is absent."""
    said = [dict(one or {}) for one in members.values()]
    titles = [str((one or {}).get("method") or folder) for folder, one in members.items()]
    labels = _union(said, "labels_needed")
    training, external = _union(said, "training_data"), _union(said, "external_data")
    regime, external = _regime(said, dataset, training, external)
    found: dict[str, Any] = {
        "method": name,
        "team": team,
        "version": f"{rule} of {len(said)}",
        "about": f"Ensemble of {printable(', '.join(titles))}: {_RULES[rule]}.",
        "licence": _same(said, "licence"),
        "kind": _kind(said),
        "supervision": _last(said, "supervision", list(SUPERVISION)),
        "labels_needed": None if labels is None else [one for one in LABELS if one in labels],
        "regime": regime,
        "training_data": training,
        "external_data": external,
        "checkpoint_selection": _last(said, "checkpoint_selection", list(SELECTION)),
        "postprocessing_chosen_on": _last(said, "postprocessing_chosen_on", ["none", "inner", "test-fold"]),
        "test_data_seen": _last(said, "test_data_seen", [one for one in ("no", "unknown", "yes") if one in SEEN]),
        "contamination": _told(said, titles),
        "seeds": list(seeds) or None,
        "hardware": ", ".join(dict.fromkeys(str(one["hardware"]) for one in said)) if _all(said, "hardware") else None,
        **{key: float(f"{sum(one[key] for one in said):.3g}") if _all(said, key) else None for key in _SUMS},
        **{key: max(one[key] for one in said) if _all(said, key) else None for key in _LARGEST},
    }
    return {key: value for key, value in found.items() if value is not None and value != ""}


def write_ensemble_manifest(
    path: Path, members: Members, dataset: str, *, rule: str, name: str, team: str, seeds: Sequence[int]
) -> tuple[str, ...]:
    """Write the manifest whole, and return what `submit` will ask for besides, in words."""
    values = ensemble_manifest(members, dataset, rule=rule, name=name, team=team, seeds=seeds)
    _, problems = check(values)
    text = "".join(f"{key} = {toml_value(value)}\n" for key, value in values.items())
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as fault:
        raise IchBenchError(f"cannot write {path}: {fault.strerror or fault}.") from fault
    finally:
        part.unlink(missing_ok=True)
    return tuple(one.what for one in problems)


def _all(said: Sequence[Mapping[str, Any]], key: str) -> bool:
    return all(one.get(key) not in (None, "") for one in said)


def _same(said: Sequence[Mapping[str, Any]], key: str) -> Any:
    values = {one.get(key) for one in said}
    return values.pop() if len(values) == 1 else None


def _union(said: Sequence[Mapping[str, Any]], key: str) -> list[Any] | None:
    if any(not isinstance(one.get(key), list) for one in said):
        return None
    return sorted({str(value) for one in said for value in one[key]})


def _last(said: Sequence[Mapping[str, Any]], key: str, order: Sequence[str]) -> str | None:
    """Return the member's word that stands last in this order; None where one says nothing or another word."""
    words = [one.get(key) for one in said]
    return max(map(str, words), key=order.index) if all(word in order for word in words) else None


def _kind(said: Sequence[Mapping[str, Any]]) -> str:
    """Return `ceiling` where one member is drawn from the reference, `calibration` where all need no method."""
    kinds = [one.get("kind", "method") for one in said]
    if "ceiling" in kinds:
        return "ceiling"
    return "calibration" if set(kinds) == {"calibration"} else "method"


def _regime(
    said: Sequence[Mapping[str, Any]], dataset: str, training: list[Any] | None, external: list[Any] | None
) -> tuple[str | None, list[Any] | None]:
    """Return one regime for all, and the external data: what another member was trained on is external to `cv`."""
    regimes = {one.get("regime") for one in said}
    if len(regimes) == 1:
        return regimes.pop(), external
    if None in regimes or training is None or external is None:
        return None, external
    if regimes & {"cv", "cv+external"}:
        other = sorted({*external, *(name for name in training if name != dataset)})
        return "cv+external", other
    return "external", external


def _told(said: Sequence[Mapping[str, Any]], titles: Sequence[str]) -> str | None:
    lines = [f"{title}: {one['contamination']}" for title, one in zip(titles, said, strict=True)
             if one.get("contamination")]  # fmt: skip
    return " ".join(lines) or None
