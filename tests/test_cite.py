"""A citation says what was done to get a result, and every key it uses has an entry that a source stands behind."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ich_bench.datasets import DATASETS, card
from ich_bench.errors import UsageError
from ich_bench.submissions.cite import FORMATS, OF_DATASET, OF_PROFILE, cite, references, show_citation
from ich_bench.submissions.load import from_run, load_submissions
from ich_bench.submissions.reported import load_papers
from ich_bench.submissions.submit import submit
from submitted import manifest, run

SHELF = Path(__file__).parents[1] / "submissions"


def test_the_paragraph_names_suite_folds_epsilon_n_runs_and_tests(tmp_path: Path) -> None:
    out = run(tmp_path / "out", "hssayeni", seeds=(0, 1), text=manifest(baseline="unet-mixed", external_data=["rsna"],
        regime="cv+external"))  # fmt: skip
    submit([out], "my-net", submissions=tmp_path / "subs")
    found = cite(load_submissions(tmp_path / "subs").get("my-net"))
    (text,) = found.paragraphs
    for words in (
        "suite 1, profile native, ε = 1",
        "75 head CTs of hssayeni [@hssayeni2020] [@physionet-ct-ich], 36 of them",
        "frozen cv10 (10 folds, SHA-256 fc0b72970e4d)",
        "2 training runs (seeds 0 and 1)",
        "n = 36 with hemorrhage, 39 without",
        "20,000 draws",
        "within ± 0.05",
        "The last checkpoint was taken",
        "External data: rsna.",
        "tolerance of 0.42 mm, 1 mm and 2 mm",
    ):
        assert words in text
    assert {"spahr2023", "flanders2020"} <= set(found.keys)  # the method it re-implements, and the pool


def test_a_method_that_never_saw_the_dataset_is_not_said_to_be_cross_validated(tmp_path: Path) -> None:
    for regime, words in (
        ("external", "any choice (scheme cv5)"),
        ("from:hssayeni", "Models were trained on hssayeni."),
    ):
        submit([run(tmp_path / "out", text=manifest(regime=regime))], "my-net", submissions=tmp_path / regime[:4])
        text = cite(load_submissions(tmp_path / regime[:4]).get("my-net")).paragraphs[0]
        assert words in text
        assert "not trained on its fold" not in text


def test_a_run_that_was_not_submitted_is_cited_by_its_own_manifest(tmp_path: Path) -> None:
    said = manifest(regime="external", supervision="none", labels_needed=[], training_data=[])
    text = cite(from_run(run(tmp_path / "out", text=said))).paragraphs[0]
    assert "Nothing of this dataset was used in training or for any choice (scheme cv5)." in text
    assert "Nothing was trained." in text
    assert "training run" not in text
    assert "not trained on its fold" in cite(from_run(run(tmp_path / "bare"))).paragraphs[0]


def test_every_key_that_is_used_has_an_entry_and_nothing_is_cited_that_was_not_used(tmp_path: Path) -> None:
    found = cite(from_run(run(tmp_path / "out", "instance2022", text=manifest(training_data=["instance2022"]))))
    assert set(re.findall(r"@([\w-]+)", found.paragraphs[0])) == set(found.keys)
    assert all(found.entries[key].startswith("@") for key in found.keys)
    every = {key for keys in (*OF_DATASET.values(), *OF_PROFILE.values()) for key in keys}
    assert every <= set(references())


def test_entries_agree_with_the_papers_and_the_datasets_cards() -> None:
    for paper in load_papers(SHELF):
        for name in ("doi", "volume", "year"):
            if paper.bibliography.get(name) and paper.key in references():
                assert paper.bibliography[name] in references()[paper.key], (paper.key, name)
    dois = {doi for entry in references().values() for doi in re.findall(r"doi\s+= \{(.+?)\}", entry)}
    known = " ".join(card(name).citation for name in DATASETS)
    known += " ".join(paper.bibliography.get("doi", "") for paper in load_papers(SHELF))
    assert {doi for doi in dois if doi not in known} == {"10.1038/s41592-020-01008-z"}  # nnU-Net, as Qayyum 2023 cites
    for entry in references().values():
        assert entry.count("{") == entry.count("}")


def test_without_a_result_the_software_and_its_datasets_are_cited() -> None:
    found = cite()
    assert found.keys[0] == "ich-bench"
    assert {"hssayeni2020", "spahr2023", "instance2022", "flanders2020"} <= set(found.keys)


def test_partial_runs_and_own_references_are_said(tmp_path: Path) -> None:
    partial = cite(from_run(run(tmp_path / "a", status="partial", folds=[0, 2]))).paragraphs[0]
    assert "Only folds 0 and 2" in partial
    assert "Missing masks" in cite(from_run(run(tmp_path / "b", status="imputed"))).paragraphs[0]
    mine = from_run(run(tmp_path / "c", change=lambda row: row.update(dataset="mine")))
    assert "51 masks of our own" in cite(mine).paragraphs[0]
    assert "permutation" not in cite(mine).paragraphs[0]  # nothing but a benchmark dataset has a board


@pytest.mark.parametrize("format", FORMATS)
def test_citations_come_in_every_format(tmp_path: Path, format: str) -> None:
    text = show_citation(cite(from_run(run(tmp_path / "out"))), format)
    if format == "json":
        assert set(json.loads(text)) == {"paragraphs", "bibtex"}
    elif format == "latex":
        assert r"~\cite{spahr2023}" in text
        assert r"~\cite{westfall1993,romano2005}" in text
        assert "@" not in text
    elif format == "bibtex":
        assert text.startswith("@software{ich-bench,")
    else:
        assert max(len(line) for line in text.split("\n\n")[0].splitlines()) <= 80
    with pytest.raises(UsageError, match="there is no format"):
        show_citation(cite(), "bib")
