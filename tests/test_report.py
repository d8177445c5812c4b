"""The whole report: one page that holds together, and says why where something is missing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from ich_bench.errors import IchBenchError, UsageError
from ich_bench.folds import load_scheme
from ich_bench.report import style
from ich_bench.report.tables import as_latex
from ich_bench.report.write import Report, report
from ich_bench.runs.store import schema, write_scores
from report_runs import DATASET, run
from scored import row, scores

HOSTILE = '<script>alert("1")<b> & $x_{1}$ \\end{tabular} | # \x1b[31m\u202e ' + "long " * 30


@pytest.fixture(scope="module", autouse=True)
def _no_submissions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The rows of a report are those of the test, whatever the checkout holds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICH_BENCH_SUBMISSIONS", str(tmp_path_factory.mktemp("submissions")))
        yield


class Page(HTMLParser):
    """What a page asks for, names and shows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str) -> list[dict[str, str]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def titles(made: Report) -> list[str]:
    return [part.title for part in made.parts]


def sentences(made: Report) -> str:
    return " ".join(block for part in made.parts for block in part.blocks if isinstance(block, str))


def table(made: Report, name: str) -> dict[str, tuple[str, ...]]:
    """Return a table's rows by name."""
    found = next(one for one in made.tables if one.name.endswith(name))
    return {row.name: row.cells for row in found.rows}


@pytest.fixture(scope="module")
def two(_no_submissions: None, tmp_path_factory: pytest.TempPathFactory) -> Report:
    home = tmp_path_factory.mktemp("two")
    return report([run(home / "good", shift=0.1), run(home / "poor")])


@pytest.fixture(scope="module")
def page(two: Report) -> Page:
    return Page(two.html())


def test_a_page_asks_for_no_other_file_and_runs_no_script(two: Report, page: Page) -> None:
    asked = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert all(value.startswith(("#", "data:")) for value in asked)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert "url(http" not in two.html()
    assert "@import" not in two.html()


def test_every_link_and_label_of_a_page_leads_to_one_place(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {value[1:] for _, attributes in page.tags for name, value in attributes.items()
               if name in ("href", "xlink:href") and value.startswith("#")}  # fmt: skip
    targets |= {attributes["aria-labelledby"] for _, attributes in page.tags if "aria-labelledby" in attributes}
    assert targets <= set(ids)


def test_a_page_can_be_read_aloud(two: Report, page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    pictures = page.all("svg")
    assert len(pictures) == len(two.pictures) > 4
    assert all(one["role"] == "img" and len(one["aria-label"]) > 20 for one in pictures)
    assert all(cell.get("scope") in ("row", "col") for cell in page.all("th"))
    assert page.all("html")[0]["lang"] == "en"


def test_the_same_scores_give_the_same_page(two: Report, tmp_path: Path) -> None:
    assert report([run(tmp_path / "poor"), run(tmp_path / "good", shift=0.1)]).html() == two.html()


def test_a_drawn_dataset_is_called_drawn_in_words_and_in_its_column(two: Report) -> None:
    assert "phantom-mini is drawn: no patient is involved" in sentences(two)
    assert next(one for one in two.tables if one.name == "datasets").header == ("", "phantom-mini (drawn)")


def test_overlap_is_the_mean_and_sample_sd_over_the_volumes_of_each_cohort(two: Report) -> None:
    # Dice on ich of the poor run: 0.50, 0.54 … 0.78. Mean 0.64; deviations ±0.14, 0.10, 0.06, 0.02: squares sum to
    # 2·(0.0196 + 0.01 + 0.0036 + 0.0004) = 0.0672, over 7 is 0.0096, root 0.098.
    # On all 12: four healthy heads (two clean: 1, two with 100 voxels: 1/101). (5.12 + 2 + 2/101)/12 = 0.595.
    cells = [cell.replace("\u00a0", " ") for cell in table(two, "-overlap")["poor"]]
    assert cells[0] == "0.640 ± 0.098"
    assert cells[3].startswith("0.595 ± ")


def test_the_highest_mean_is_bold_and_a_tie_is_bold_twice(tmp_path: Path) -> None:
    made = report([run(tmp_path / "a"), run(tmp_path / "b"), run(tmp_path / "c", shift=-0.1)])
    rows = {row.name: row.best for row in next(one for one in made.tables if one.name.endswith("-overlap")).rows}
    assert 0 in rows["a"]
    assert 0 in rows["b"]
    assert 0 not in rows["c"]


def test_datasets_are_described_from_the_score_files_where_nothing_else_is_known(two: Report) -> None:
    said = table(two, "datasets")
    assert said["volumes"] == ("12",)
    assert said["with ICH"] == ("8",)
    assert said["healthy"] == ("4",)
    assert said["volumes with IPH"] == ("2",)  # cases 0 and 5 of the eight
    assert said["hemorrhage, mL: median [quartiles]"] == ("4.5 [2.8, 6.2]",)  # 1 … 8 mL: 2.75, 4.5, 6.25


def test_labels_needed_are_ticked_as_the_manifest_says(tmp_path: Path) -> None:
    said = 'method = "Weak"\nsupervision = "weakly-supervised-transfer"\nlabels_needed = ["slice", "voxel"]\n'
    made = report([run(tmp_path / "weak", manifest=said), run(tmp_path / "silent")])
    found = next(one for one in made.tables if one.name == "labels-needed")
    assert found.header[1:4] == ("supervision", "slice", "voxel")
    cells = {row.name: row.cells for row in found.rows}
    assert cells["Weak"][:3] == ("weakly-supervised-transfer", "✓", "✓")
    assert cells["silent"][:3] == ("–", "–", "–")  # nobody said that it is supervised
    assert r"Weak & weakly-supervised-transfer & \checkmark{} & \checkmark{} &" in as_latex(found)


def test_one_method_has_no_pairs_and_the_report_says_why(tmp_path: Path) -> None:
    made = report([run(tmp_path / "alone")])
    assert "Pairs need two ranked methods; here is one" in sentences(made)
    assert not any("-pairs-" in picture.name for picture in made.pictures)
    assert "Dice by subtype" in titles(made)


def test_pairs_are_shown_on_ich_and_on_all_with_their_n(two: Report) -> None:
    captions = {one.name: one.caption for one in two.pictures if "-pairs-" in one.name}
    assert "ich (n = 8 volumes, K = 2 methods)" in captions[f"{DATASET}-cv4-pairs-ich"]
    assert "all (n = 12 volumes, K = 2 methods)" in captions[f"{DATASET}-cv4-pairs-all"]


def test_hssayeni_is_compared_on_its_36_and_on_its_75(tmp_path: Path) -> None:
    outs = [run(tmp_path / name, dataset="hssayeni", with_ich=36, shift=at) for name, at in (("a", 0.0), ("b", 0.05))]
    captions = " ".join(one.caption for one in report(outs, draws=99).pictures if "-pairs-" in one.name)
    assert "ich (n = 36 volumes" in captions
    assert "all (n = 75 volumes" in captions


def test_several_datasets_stand_one_after_the_other_real_ones_first(tmp_path: Path) -> None:
    out = run(tmp_path / "both", with_ich=8)
    run(out, dataset="seg-cq500", with_ich=51)
    made = report([out])
    assert [part.title for part in made.parts if part.level == 2][2:] == ["seg-cq500, cv5", "phantom-mini, cv4"]
    assert next(one for one in made.tables if one.name == "datasets").header[1:] == (
        "seg-cq500",
        "phantom-mini (drawn)",
    )
    assert [board.dataset for board in report([out], datasets=["seg-cq500"]).boards] == ["seg-cq500"]


def test_healthy_heads_alone_give_a_clean_rate_and_say_that_there_is_no_dice(tmp_path: Path) -> None:
    made = report([run(tmp_path / name, dataset="cq500-negative", with_ich=0) for name in "ab"], draws=99)
    assert "no volume with hemorrhage: there is no Dice on ich" in sentences(made)
    assert [one.name for one in made.pictures if one.name.endswith("healthy")]
    assert table(made, "-overlap")["a"][0].startswith("0.5")  # dice on all: about half of the heads are clean


def test_unknown_subtypes_are_said_to_be_unknown_and_all_ich_is_drawn(tmp_path: Path) -> None:
    made = report([run(tmp_path / "a", dataset="instance2022", with_ich=100, subtypes=False)])
    picture = next(one for one in made.pictures if one.name.endswith("subtypes"))
    assert "The subtypes of this dataset are not known here" in picture.caption
    assert table(made, "datasets")["volumes with IPH"] == ("–",)


def test_published_numbers_alone_make_a_report_that_says_so() -> None:
    here = Path(__file__).parents[1] / "submissions"
    made = report(submissions=here, datasets=["instance2022"])
    assert "Published numbers only: nobody's masks have been scored here." in sentences(made)
    assert all(row.badges == ("reported",) for one in made.tables if one.name.endswith("-reported") for row in one.rows)
    assert made.html().count('class="badge">reported') > 5


def test_a_strangers_name_is_shown_and_runs_nothing(tmp_path: Path) -> None:
    made = report([run(tmp_path / HOSTILE), run(tmp_path / "plain")])
    text = made.html()
    assert "<script" not in text.lower()
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert '<script>alert("1")<b> & $x_{1}$' in Page(text).text
    written = {path.suffix: path.read_text() for path in made.save_tables(tmp_path / "t") if "overlap" in path.name}
    assert r"\textbackslash{}end\{tabular\}" in written[".tex"]
    assert written[".tex"].count(r"\end{tabular}") == 1
    assert r"\<script\>" in written[".md"]
    assert "\x1b" not in written[".md"] + written[".tex"]


def test_a_run_with_a_fold_of_the_cases_is_shown_and_not_ranked(tmp_path: Path) -> None:
    made = report([run(tmp_path / "part", about={"status": "partial", "folds": [0]}), run(tmp_path / "whole")])
    badges = {row.name: row.badges for row in next(one for one in made.tables if one.name.endswith("-overlap")).rows}
    assert badges == {"part": ("not ranked",), "whole": ()}
    assert "partial" in table(made, "-ranks")["part"][-1]


def test_an_undefined_metric_is_a_dash_and_a_cross_never_a_zero(tmp_path: Path) -> None:
    made = report([run(tmp_path / "nan", [math.nan]), run(tmp_path / "known"), run(tmp_path / "more", shift=0.1)])
    cells = table(made, "-overlap")["nan"]
    assert cells[0] == "–"
    assert "Crossed out: no value (8)" in next(one for one in made.pictures if one.name.endswith("cases")).caption


def test_nothing_to_report_on_is_an_error_that_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Name output folders of `ich-bench evaluate`, or --submissions"):
        report()
    with pytest.raises(IchBenchError, match="holds no scores"):
        report([tmp_path])
    with pytest.raises(UsageError, match="Did you mean hssayeni"):
        report([run(tmp_path / "a")], datasets=["hssayen"])
    tmp_path.joinpath("empty").mkdir()
    with pytest.raises(IchBenchError, match="nothing to report on"):
        report(submissions=tmp_path / "empty", datasets=["phantom-mini"])  # of which nothing is published


def test_without_matplotlib_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(IchBenchError, match=re.escape("pip install 'ich-bench[report]'")):
        style.matplotlib()
    with pytest.raises(IchBenchError, match=re.escape("ich-bench[report]")):
        report([run(tmp_path / "a")])


def test_figures_and_tables_are_written_as_files_by_name(two: Report, tmp_path: Path) -> None:
    less = replace(two, parts=tuple(part for part in two.parts if part.title in ("Ranks", "Overlap")))
    figures = less.save_figures(tmp_path / "f")
    assert [path.name for path in figures] == ["phantom-mini-cv4-ranks-figure.png", "phantom-mini-cv4-ranks-figure.pdf"]
    written = two.save_tables(tmp_path / "t", ("md",))
    assert {path.suffix for path in written} == {".md"}
    assert "| poor |" in next(path for path in written if path.name.endswith("overlap.md")).read_text()


def test_a_published_protocol_says_its_own_epsilon_and_has_no_all_where_it_scores_none(tmp_path: Path) -> None:
    outs = []
    for name in "ab":
        rows = [row(str(one.case_id), profile="wang2020", has_ich=place < 8, scheme="cv4", fold=one.fold, dice=0.5,
                    submission=name) for place, one in enumerate(load_scheme(DATASET).rows)]  # fmt: skip
        rows = [{key: one[key] for key in schema("wang2020").names} for one in rows]
        outs.append(tmp_path / name)
        made = scores(rows, profile="wang2020", scheme="cv4", fold_sha256=load_scheme(DATASET).sha256)
        write_scores(made, outs[-1] / "scores" / f"{DATASET}.parquet")
    found = report(outs)
    overlap = next(one for one in found.tables if one.name.endswith("-overlap"))
    assert overlap.header == ("method", "dice, ich")
    assert "no ε" in overlap.caption
    assert not [one for one in found.pictures if "-pairs-all" in one.name]


@pytest.mark.slow
def test_46_methods_are_all_named_and_their_maps_stand_one_by_one(tmp_path: Path) -> None:
    made = report([run(tmp_path / f"m{number:02d}", shift=number / 500) for number in range(46)], draws=99)
    maps = [one for one in made.pictures if "-pairs-ich" in one.name]
    assert len(maps) == 4
    assert len(table(made, "-overlap")) == 46
    assert len(table(made, "-pairs-ich-dice")) == 45  # of 1,035: those of the first method
    tallest = max(one.figure.get_figheight() for one in made.pictures)
    assert tallest < 11  # inches: none is taller than a page
