"""Which keys may submission.toml hold, what may each say, and what is wrong with this one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ich_bench.errors import Problem, did_you_mean
from ich_bench.escape import printable
from ich_bench.submissions import allowed
from ich_bench.submissions.model import Manifest
from ich_bench.submissions.terms import KINDS, LABELS, POSTPROCESSING, REGIMES, SEEN, SELECTION, SUPERVISION

FILE = "submission.toml"


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key: what it says, what it must look like, and whether a submission must have it.

    `check` returns (the value as the Manifest holds it, "" or what was expected). `example` is what the template shows.
    """

    name: str
    about: str
    check: allowed.Check
    required: bool = False
    example: str = '""'
    values: Mapping[str, str] = dataclasses.field(default_factory=lambda: MappingProxyType({}))


def _choice(name: str, about: str, values: Mapping[str, str], example: str, *, required: bool = True) -> Key:
    return Key(
        name=name, about=about, check=allowed.one_of(values), required=required, example=f'"{example}"', values=values
    )


_SOURCE = "a paper, an address, or empty"
_KEYS = (
    Key(name="method", about="The method's name, as it shall stand on the board.", check=allowed.name, required=True,
        example='"Our U-Net"'),
    Key(name="team", about="Who submits it: persons or a group.", check=allowed.name, required=True,
        example='"Our group"'),
    Key(
        name="method_id",
        about="A short id that all versions of the method share; one version of a team's method is ranked. "
        "Default: the method's name in small letters.",
        check=allowed.slug,
    ),
    Key(name="version", about="Which version of the method this is.", check=allowed.name),
    Key(name="supersedes", about="The slug of the older submission that this one replaces.", check=allowed.slug),
    Key(name="about", about="The method in a sentence or two.", check=allowed.text(lines=True)),
    Key(name="paper", about=f"Where it is described: {_SOURCE}.", check=allowed.text()),
    Key(name="code", about=f"Where the code is: {_SOURCE}.", check=allowed.text()),
    Key(name="licence", about="The licence of code and weights, such as Apache-2.0, or \"closed\".", check=allowed.name,
        required=True, example='"Apache-2.0"'),
    Key(name="contact", about="Where questions reach you; it is public.", check=allowed.name),
    _choice("kind", "What this row is.", KINDS, "method", required=False),
    Key(
        name="baseline",
        about="Only for a re-implementation of a published method: its id, such as unet-mixed. Claims are re-tested "
        "with it.",
        check=allowed.slug,
    ),
    _choice("supervision", "What training learnt from.", SUPERVISION, "supervised"),
    Key(
        name="labels_needed",
        about="Which labels training needed, in all stages; an empty list for a method without training.",
        check=allowed.listed(allowed.one_of(LABELS), "kinds of label"),
        required=True,
        example='["voxel"]',
        values=LABELS,
    ),
    Key(name="annotated_patients", about="Patients whose drawn masks were used (mean over folds).",
        check=allowed.number(0, math.inf), example="60"),
    Key(name="annotated_slices", about="Slices whose drawn masks were used (mean over folds).",
        check=allowed.number(0, math.inf), example="286"),
    Key(name="annotated_ml", about="Hemorrhage in the drawn masks that were used, in mL (mean over folds).",
        check=allowed.number(0, math.inf), example="500"),
    Key(
        name="label_fraction_percent",
        about="Share of the training patients whose drawn masks were used, in percent; runs on frozen budgets say it "
        "in their folder names instead.",
        check=allowed.number(0, 100),
        example="100",
    ),
    Key(
        name="regime",
        about="What training saw of the scored dataset and besides it.",
        check=allowed.regime,
        required=True,
        example='"cv"',
        values=REGIMES,
    ),
    Key(
        name="training_data",
        about="Datasets whose images were trained on with their drawn masks.",
        check=allowed.listed(allowed.name, "names of datasets"),
        required=True,
        example='["hssayeni"]',
    ),
    Key(
        name="external_data",
        about="All other data, for pre-training too, such as rsna; an empty list where there is none.",
        check=allowed.listed(allowed.name, "names of datasets"),
        required=True,
        example="[]",
    ),
    Key(name="pretrained_weights", about="Weights the training started from, and where they come from.",
        check=allowed.text()),
    _choice("checkpoint_selection", "How the checkpoint was chosen.", SELECTION, "last"),
    Key(name="postprocessing", about="What was done to the masks after the network, in words.", check=allowed.text()),
    _choice("postprocessing_chosen_on", "What post-processing was chosen on.", POSTPROCESSING, "none"),
    _choice(
        "test_data_seen", "Were scored images or labels used in training, pre-training or any choice?", SEEN, "no"
    ),
    Key(name="contamination", about="How you know, or what was seen.", check=allowed.text(lines=True)),
    Key(name="seeds", about="The seeds of the training runs.", check=allowed.listed(allowed.whole, "whole numbers"),
        example="[0, 1, 2]"),
    Key(name="hardware", about="What it was trained on, such as 1 x A100 80 GB.", check=allowed.name),
    Key(name="training_hours", about="Hours of training on it, all folds of one run together.",
        check=allowed.number(0, math.inf), example="12.5"),
    Key(name="inference_seconds_per_volume", about="Seconds for one head on it.", check=allowed.number(0, math.inf),
        example="3.0"),
    Key(name="predictions_url", about="Where the masks can be fetched as one archive, if they may be public.",
        check=allowed.url),
    Key(name="predictions_sha256", about="The SHA-256 of that archive.", check=allowed.sha256),
    Key(name="container", about="An image that writes the masks: name@sha256:<digest>.", check=allowed.text()),
)  # fmt: skip
KEYS: Mapping[str, Key] = MappingProxyType({key.name: key for key in _KEYS})
TABLES = ("processing", "scores")  # written by `regrid` and `fix-headers`, and by `submit`


def check(tables: Mapping[str, Any], *, where: str = FILE, lenient: bool = False) -> tuple[Manifest, list[Problem]]:
    """Return the manifest and one problem per fault, in the order of the file; at a fault the default stands in.

    `lenient` asks for no key and takes any that it does not know: for runs that are not submitted.
    """
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    for name, value in tables.items():
        if name in TABLES:
            continue
        key = KEYS.get(name)
        if key is None:
            if not lenient:
                problems.append(_unknown(where, name))
            continue
        if key.required and value == "":
            continue  # told with what is absent
        found, expected = key.check(value)
        if expected:
            what = f"key {name}: found {allowed.shown(value)}; expected {expected}."
            problems.append(Problem(where=where, what=what, mend=key.about))
        elif found != "":
            values[name] = found
    if not lenient:
        problems += _absent(tables, where)
        problems += _contradictions(values, where)
    method = values.setdefault("method", "")
    values.setdefault("team", "")
    values.setdefault("method_id", allowed.slugged(method))
    from ich_bench.predictions.manifest import processing_steps

    return Manifest(**values, processing=processing_steps(tables)), problems


def _unknown(where: str, name: str) -> Problem:
    told = did_you_mean(name[:100], KEYS) if name not in ("", " ") else f"Known: {', '.join(KEYS)}."
    what = f"key {printable(name)[:60]!r} is not known."
    return Problem(where=where, what=what, mend=f"{told} `ich-bench submit --init` writes a template with all keys.")


def _absent(tables: Mapping[str, Any], where: str) -> Iterator[Problem]:
    for key in _KEYS:
        if key.required and tables.get(key.name, "") == "":
            said = "empty" if key.name in tables else "absent"
            what = f"key {key.name} is {said}; expected {key.check(None)[1]}."
            yield Problem(where=where, what=what, mend=f"{key.about} Add a line such as {key.name} = {key.example}")


def _contradictions(values: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """Yield what two keys together cannot mean."""
    labels, supervision = values.get("labels_needed"), values.get("supervision")
    pair = f'supervision = "{supervision}"'
    if labels is not None and supervision is not None and values.get("kind", "method") == "method":
        drawn = supervision in ("supervised", "semi-supervised") or supervision.endswith("-transfer")
        if drawn and "voxel" not in labels:
            yield _clash(where, f'{pair} needs drawn masks, but labels_needed lacks "voxel".', 'Add "voxel".')
        if not drawn and "voxel" in labels:
            yield _clash(
                where, f'{pair} means no drawn masks, but labels_needed has "voxel".', "Change one of the two."
            )
        if supervision == "none" and labels:
            yield _clash(where, f"{pair} means no training, but labels_needed is not empty.", "Change one of the two.")
    if values.get("regime") == "cv" and values.get("external_data"):
        what = 'regime = "cv" means no other data, but external_data is not empty.'
        yield _clash(where, what, 'Write regime = "cv+external".')
    if bool(values.get("predictions_url")) != bool(values.get("predictions_sha256")):
        what = "predictions_url and predictions_sha256 go together, but one of them is absent."
        yield _clash(where, what, "Add the other, or leave both away.")
    if values.get("test_data_seen") in ("yes", "unknown") and not values.get("contamination"):
        what = f'test_data_seen = "{values["test_data_seen"]}" needs the key contamination beside it.'
        yield _clash(where, what, "Say in a sentence what was seen, or why it cannot be told.")


def _clash(where: str, what: str, mend: str) -> Problem:
    return Problem(where=where, what=what, mend=mend)
