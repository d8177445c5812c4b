"""How is a result cited: a methods paragraph that says what was done, and BibTeX of everything it rests on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import ich_bench
from ich_bench.board.latex import escape as latex
from ich_bench.cases import Scheme
from ich_bench.datasets import DATASETS
from ich_bench.errors import UsageError, did_you_mean
from ich_bench.escape import printable
from ich_bench.folds import load_scheme
from ich_bench.metrics.profiles import PROFILES
from ich_bench.runs import store
from ich_bench.statistics import equivalence_margin
from ich_bench.statistics.signs import DRAWS
from ich_bench.submissions.model import ScoreFile, Submission

FORMATS = ("text", "latex", "bibtex", "json")
OF_DATASET: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "hssayeni": ("hssayeni2020", "physionet-ct-ich"),
        "seg-cq500": ("spahr2023", "seg-cq500", "chilamkurthy2018"),
        "cq500-negative": ("chilamkurthy2018",),
        "instance2022": ("instance2022", "instance2022design"),
        "rsna": ("flanders2020",),
    }
)
OF_PROFILE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "spahr2023": ("spahr2023",),
        "instance2022": ("instance2022",),
        "hssayeni2020": ("hssayeni2020",),
        "wang2020": ("wang2020",),
    }
)
_OF_BASELINE = (  # the beginning of a re-implemented method's id, and its paper
    ("unet-", "spahr2023"), ("context-restoration", "spahr2023"), ("global-contrastive", "spahr2023"),
    ("local-contrastive", "spahr2023"), ("binary-classification", "spahr2023"), ("multilabel-", "spahr2023"),
    ("hssayeni-", "hssayeni2020"), ("wang-", "wang2020"), ("chen-", "wang2020"), ("qayyum-", "qayyum2023"),
    ("nnunet-", "isensee2021"), ("ramananda-", "ramananda2025"),
)  # fmt: skip
_ENTRY = re.compile(r"^@\w+\{([^,]+),.*?^\}", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Citation:
    """A methods paragraph a score file, and the keys of all entries it needs, each once."""

    paragraphs: tuple[str, ...]
    keys: tuple[str, ...]
    entries: Mapping[str, str]

    @property
    def bibtex(self) -> str:
        """Return the BibTeX entries, the software's first."""
        return "\n\n".join(self.entries[key] for key in self.keys) + "\n"


def cite(submission: Submission | None = None) -> Citation:
    """Return the citation of a submission or run; without one, of the software and all its datasets."""
    files = submission.scores if submission is not None else ()
    used = ["ich-bench", *(key for file in files for key in _keys(file))]
    if submission is None:
        used += [key for dataset in DATASETS for key in OF_DATASET.get(dataset, ())]
        used += ["nikolov2021", "surfacedistance", "romano2005", "westfall1993"]
    else:
        manifest = submission.manifest
        used += [key for data in (*manifest.training_data, *manifest.external_data) for key in OF_DATASET.get(data, ())]
        used += [paper for start, paper in _OF_BASELINE if manifest.baseline.startswith(start)]
    return Citation(
        paragraphs=tuple(paragraph(file, submission) for file in files if submission is not None) or (_general(),),
        keys=tuple(dict.fromkeys(used)),
        entries=MappingProxyType({"ich-bench": _software(), **references()}),
    )


def show_citation(found: Citation, format: str = "text") -> str:
    """Return a citation as text (paragraphs, then BibTeX), as LaTeX with cite commands, as BibTeX, or as JSON."""
    if format not in FORMATS:
        raise UsageError(f"there is no format {format!r}. {did_you_mean(format, FORMATS)}")
    if format == "bibtex":
        return found.bibtex
    if format == "json":
        bibtex = {key: found.entries[key] for key in found.keys}
        return json.dumps({"paragraphs": list(found.paragraphs), "bibtex": bibtex}, indent=2, ensure_ascii=False)
    if format == "latex":
        return "\n\n".join(_as_latex(text) for text in found.paragraphs) + "\n"
    import textwrap

    told = "\n\n".join(textwrap.fill(text, 80, break_on_hyphens=False) for text in found.paragraphs)
    return f"{told}\n\n{found.bibtex}"


def paragraph(file: ScoreFile, submission: Submission) -> str:
    """Return what was done to get one score file, in sentences for a methods section; [@key] marks a citation."""
    table = file.table()
    about, rows = store.provenance(table), table.to_pylist()
    ich = len({row["case_id"] for row in rows if row["has_ich"]})
    cases = len({row["case_id"] for row in rows})
    said = [
        *_scored(file, about),
        *_data(file, submission, cases, ich),
        *_runs(file, submission),
        *_numbers(file, ich, cases),
    ]
    return " ".join(said)


def _scored(file: ScoreFile, about: Mapping[str, Any]) -> Iterator[str]:
    profile = PROFILES[file.profile]
    yield (
        f"Masks were scored with ich-bench {file.harness or ich_bench.__version__} (suite {file.suite}, profile "
        f"{profile.name}, ε = {profile.epsilon:g}) [@ich-bench]."
    )
    if profile.name == "native":
        yield "Counts were taken over whole volumes on the CT's own grid."
    else:
        marks = "".join(f" [@{key}]" for key in OF_PROFILE[profile.name])
        yield f"This repeats a published protocol{marks}: {profile.about}"
        if about.get("legacy_dilation"):
            yield "The reference was dilated before it was shrunk, as the published code very likely did."
    if any(name.startswith(("nsd", "hd", "assd")) for name in profile.columns):
        tolerances = sorted({f"{value:g} mm" for value in profile.tolerances_mm.values()})
        engine = printable(str(about.get("engine", "surface-distance")))
        yield (
            f"Surface distances come from {engine} [@surfacedistance], "
            f"the surface Dice [@nikolov2021] with a tolerance of {_and(tolerances)}."
        )


def _data(file: ScoreFile, submission: Submission, cases: int, ich: int) -> Iterator[str]:
    if file.dataset not in DATASETS:
        yield f"The references were {cases} masks of our own ({ich} with intracranial hemorrhage)."
        return
    marks = "".join(f" [@{key}]" for key in OF_DATASET.get(file.dataset, ()))
    scheme: Scheme = load_scheme(file.dataset, file.scheme)
    drawn = " drawn" if file.dataset.startswith("phantom") else ""
    yield (
        f"The test data were {cases}{drawn} head CTs of {file.dataset}{marks}, {ich} of them with intracranial "
        f"hemorrhage (references' SHA-256 {file.dataset_sha256[:12]})."
    )
    regime = submission.manifest.regime
    if not regime.startswith("cv"):  # a run that says nothing has the default, cv
        yield f"Nothing of this dataset was used in training or for any choice (scheme {file.scheme})."
        if regime.startswith("from:"):
            yield f"Models were trained on {regime.removeprefix('from:')}."
    elif len(scheme.folds) > 1:
        each = "each case was predicted by the models of all other folds" if scheme.trains_on_fold else (
            "each case was predicted by the model that was not trained on its fold")  # fmt: skip
        sha256 = file.fold_sha256[:12]
        yield f"Folds were the frozen {file.scheme} ({len(scheme.folds)} folds, SHA-256 {sha256}): {each}."
    else:
        yield f"All cases were held out (scheme {file.scheme}, SHA-256 {file.fold_sha256[:12]})."
    if file.leaky:
        yield "In this scheme slices of one patient stand on both sides of the split."
    if file.status == "partial":
        yield f"Only folds {_and([str(fold) for fold in file.folds])}, or the cases at hand, were scored."
    if file.status == "imputed":
        yield "Missing masks were scored as the worst possible value."


def _runs(file: ScoreFile, submission: Submission) -> Iterator[str]:
    manifest = submission.manifest
    if len(file.seeds) > 1:
        yield (
            f"There were {len(file.seeds)} training runs (seeds {_and([str(seed) for seed in file.seeds])}), averaged "
            "for each volume before any test."
        )
    else:
        yield "There was one training run." if manifest.supervision != "none" else "Nothing was trained."
    if file.budgets:
        yield f"Models were also trained on frozen budgets of the training patients ({_and(list(file.budgets))})."
    if submission.submitted:
        chosen = {"last": "The last checkpoint was taken", "inner": "The checkpoint was chosen on training cases",
                  "test-fold": "The checkpoint was chosen on the scored fold"}  # fmt: skip
        after = {"none": "nothing in post-processing was chosen on data",
                 "inner": "post-processing was chosen on training cases",
                 "test-fold": "post-processing was chosen on the scored fold"}  # fmt: skip
        yield f"{chosen[manifest.checkpoint_selection]}; {after[manifest.postprocessing_chosen_on]}."
        if manifest.external_data:
            yield f"External data: {_and([printable(one) for one in manifest.external_data])}."


def _numbers(file: ScoreFile, ich: int, cases: int) -> Iterator[str]:
    yield (
        f"Overlap and surface Dice are given as mean ± sample standard deviation over volumes (n = {ich} with "
        f"hemorrhage" + (f", {cases - ich} without" if cases > ich else "") + "), distances and volumes as median and "
        "quartiles."
    )
    if file.profile == "native" and file.dataset in DATASETS:
        yield (
            "Methods are compared on the same volumes by sign-flip permutation tests of the mean difference "
            f"({DRAWS:,} draws; exact up to 14 volumes), corrected over all pairs of the board by the step-down max-T "
            "procedure "
            "[@westfall1993; @romano2005]; two methods count as equivalent in Dice within "
            f"± {equivalence_margin(file.dataset):g} by two one-sided tests [@schuirmann1987]."
        )


def _keys(file: ScoreFile) -> tuple[str, ...]:
    keys = [*OF_DATASET.get(file.dataset, ()), *OF_PROFILE.get(file.profile, ())]
    if any(name.startswith(("nsd", "hd", "assd")) for name in PROFILES[file.profile].columns):
        keys += ["nikolov2021", "surfacedistance"]
    if file.profile == "native" and file.dataset in DATASETS:
        keys += ["westfall1993", "romano2005", "schuirmann1987"]
    return tuple(keys)


def _general() -> str:
    return (
        f"Scored with ich-bench {ich_bench.__version__} [@ich-bench]. Name a submission or an OUT folder of `evaluate` "
        "for the paragraph of that result: suite, profile, folds, n and tests."
    )


@cache
def references() -> Mapping[str, str]:
    """Return the BibTeX entries that ship with the software, by key."""
    text = (Path(__file__).parent / "references.bib").read_text(encoding="utf-8")
    return MappingProxyType({found[1]: found[0] for found in _ENTRY.finditer(text)})


def _software() -> str:
    return (
        "@software{ich-bench,\n"
        "  author  = {{The ich-bench contributors}},\n"
        "  title   = {ich-bench: a benchmark harness for intracranial hemorrhage segmentation on head CT},\n"
        f"  version = {{{ich_bench.__version__}}},\n"
        "  license = {Apache-2.0}\n"
        "}"
    )


def _as_latex(text: str) -> str:
    parts = re.split(r" \[@([^\]]+)\]", text)
    told = latex(parts[0])
    for keys, rest in zip(parts[1::2], parts[2::2], strict=True):
        told += rf"~\cite{{{keys.replace('; @', ',')}}}{latex(rest)}"
    return told


def _and(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
