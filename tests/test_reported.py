"""Published numbers are printed as their papers print them, and the arithmetic of each paper holds on them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ich_bench.errors import InputError, UsageError
from ich_bench.metrics.suite import METRICS
from ich_bench.submissions.model import ReportedRow
from ich_bench.submissions.reported import WORDS, load_papers, load_reported, reported_rows

SHELF = Path(__file__).parents[1] / "submissions"
ROWS = load_reported(SHELF)
TABLE_3 = [row for row in ROWS if row.source == "Spahr 2023, Table 3"]
WHOLE = ("unet-ich-only", "unet-ich-only-icm", "unet-mixed", "unet-mixed-icm", "context-restoration")


def spahr(method_id: str, cohort: str, dataset: str = "hssayeni") -> ReportedRow:
    (row,) = (r for r in TABLE_3 if (r.method_id, r.cohort, r.dataset) == (method_id, cohort, dataset))
    return row


def value(row: ReportedRow, metric: str, what: str = "value") -> float:
    found = getattr(row.metrics[metric], what)
    assert found is not None
    return float(found)


def test_every_row_says_where_it_comes_from_and_how_it_was_scored() -> None:
    assert len(ROWS) > 100
    for row in ROWS:
        assert row.source, row.row
        assert row.protocol, row.row
        assert row.caveats, row.row
        assert row.metrics, row.row
        assert bool(row.dataset) != bool(row.data), row.row


def test_a_cell_holds_a_number_or_says_why_not() -> None:
    for row in ROWS:
        for metric, cell in row.metrics.items():
            low, high = METRICS[metric].range
            if cell.value is None:
                assert cell.text in WORDS, row.row
            else:
                assert low <= cell.value <= high, row.row
                assert cell.sd is None or 0 < cell.sd < 1, row.row


def test_only_what_a_source_prints_as_a_doi_looks_like_one() -> None:
    found = {paper.key: paper.bibliography.get("doi", "") for paper in load_papers(SHELF)}
    assert all(doi.startswith("10.") and "/" in doi for doi in found.values() if doi)
    assert found["qayyum2023"] == ""  # the paper's text gives none


def test_table_3_of_spahr_is_whole_for_five_methods_and_said_to_be_unreadable_for_the_others() -> None:
    assert len(TABLE_3) == 10 * 3
    for row in TABLE_3:
        assert list(row.metrics) == ["dice", "precision", "recall"]
        if row.method_id in WHOLE:
            assert all(cell.value is not None and cell.sd is not None for cell in row.metrics.values())
    assert value(spahr("multilabel-dice", "ich", "seg-cq500"), "dice") == 0.6323
    assert spahr("local-contrastive", "ich").metrics["dice"].text == "not transcribed"


@pytest.mark.parametrize("method_id", WHOLE)
def test_a_healthy_volume_has_recall_1_in_spahr_s_table(method_id: str) -> None:
    # (36 · R_ICH + 39 · 1)/75, for U-Net ICH-only: (36 · 0.4477 + 39)/75 = 0.7349
    ich, all_ = spahr(method_id, "ich"), spahr(method_id, "all")
    assert value(all_, "recall") == pytest.approx((36 * value(ich, "recall") + 39) / 75, abs=1e-4)


@pytest.mark.parametrize("method_id", WHOLE)
def test_spahr_s_spread_is_the_sample_standard_deviation_over_pooled_volumes(method_id: str) -> None:
    # Of recall: Σ(x − mean)² = 35 s² + 36 (R_ICH − mean)² + 39 (1 − mean)², over 74 with ddof = 1.
    ich, all_ = spahr(method_id, "ich"), spahr(method_id, "all")
    mean, recall, sd = value(all_, "recall"), value(ich, "recall"), value(ich, "recall", "sd")
    squares = 35 * sd**2 + 36 * (recall - mean) ** 2 + 39 * (1 - mean) ** 2
    printed = value(all_, "recall", "sd")
    assert math.sqrt(squares / 74) == pytest.approx(printed, abs=1.5e-4)
    assert abs(math.sqrt(squares / 75) - printed) > 1.5e-4  # with ddof = 0 it does not fit


@pytest.mark.parametrize("method_id", WHOLE)
def test_the_mean_on_healthy_volumes_follows_from_the_two_printed_means(method_id: str) -> None:
    healthy = next(row for row in ROWS if row.method_id == method_id and row.cohort == "healthy")
    ich, all_ = spahr(method_id, "ich"), spahr(method_id, "all")
    implied = (75 * value(all_, "dice") - 36 * value(ich, "dice")) / 39
    assert value(healthy, "dice") == pytest.approx(implied, abs=1e-4)
    # Dice = precision on a healthy volume, 1/(n+1): both means imply the same, within the rounding of the print.
    precision = (75 * value(all_, "precision") - 36 * value(ich, "precision")) / 39
    assert precision == pytest.approx(implied, abs=3e-4)


def test_wang_s_jaccard_is_that_of_its_dice() -> None:
    pairs = [row for row in ROWS if row.paper == "wang2020" and row.metrics["dice"].value is not None]
    assert len(pairs) == 15  # ten in Table 1, five in Table 2
    for row in pairs:
        dice, jaccard = value(row, "dice"), value(row, "iou")
        low, high = ((d / (2 - d)) for d in (dice - 0.005, dice + 0.005))  # both are printed with two decimals
        assert low - 0.005 <= jaccard <= high + 0.005, row.row


def test_wang_s_tables_hold_all_fractions_and_what_diverged() -> None:
    cells = {(r.method_id, r.extra["label_fraction_percent"]): r.metrics["dice"] for r in ROWS if r.extra.get(
        "label_fraction_percent")}  # fmt: skip
    assert len(cells) == 5 * 3
    assert cells["wang-semi-supervised", "20"].value == 0.44
    assert cells["chen-alternating", "50"].text == "diverged"
    assert any("leakage" in caveat for r in ROWS if r.paper == "wang2020" for caveat in r.caveats)


def test_the_swapped_numbers_of_qayyum_are_put_right_and_said() -> None:
    (row,) = (r for r in ROWS if r.paper == "qayyum2023" and r.n == 70)
    official = next(r for r in ROWS if r.method == "dolphins (Qayyum 2023)")
    for metric, printed in (("nsd_0p42mm", "0.339"), ("abs_rvd", "0.469")):
        cell = row.metrics[metric]
        assert cell.text == printed
        assert "swapped" in cell.corrected
        assert value(row, metric) == pytest.approx(value(official, metric), abs=6e-4)  # .4686 and .3394
    assert value(row, "dice") == pytest.approx(value(official, "dice"), abs=6e-4)


def test_the_challenge_s_table_has_thirteen_teams_and_infinite_distances() -> None:
    teams = [r for r in ROWS if r.paper == "instance2022" and r.subset == "closed test, 70 cases"]
    assert len(teams) == 13
    assert [r.method for r in teams if not math.isinf(value(r, "hd100"))] == [
        "vegetable (winner)", "superembrace", "2i_mtl", "avich", "visal",
    ]  # fmt: skip
    assert all(("empty_predictions" in r.extra) == math.isinf(value(r, "hd100")) for r in teams)
    best = max(teams, key=lambda r: value(r, "dice"))
    assert best.method == "nvauto"  # the winner has not the best DSC
    assert value(next(r for r in teams if r.method == "visal"), "abs_rvd") == 1.5548  # a share, above 1


def test_rows_are_found_by_dataset() -> None:
    assert {row.dataset for row in reported_rows("seg-cq500", submissions=SHELF)} == {"seg-cq500"}
    assert len(reported_rows(submissions=SHELF)) == len(ROWS)
    with pytest.raises(UsageError, match="Did you mean hssayeni"):
        reported_rows("hssayen", submissions=SHELF)


GOOD = """
[paper]
key = "mine"
[[tables]]
source = "Mine, Table 1"
protocol = "p"
caveats = ["c"]
unit = ""
rows = [{ method = "m", method_id = "", supervision = "", dataset = "hssayeni", cohort = "ich", dice = "0.5" }]
"""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('dice = "0.5"', 'dice = ""', "dice is ''; expected a number as printed"),
        ('dice = "0.5"', "dice = 0.5", "dice is 0.5; expected"),
        ('dice = "0.5"', 'dyce = "0.5"', "key 'dyce' is not known. Did you mean dice?"),
        ('"hssayeni"', '"hsayeni"', "needs a dataset of the benchmark"),
        ('caveats = ["c"]', "caveats = []", "the table has no caveats"),
        ('unit = ""', 'unit = "points"', 'expected "" or "%"'),
        ('key = "mine"', 'key = "other"', "expected 'mine'"),
        ('cohort = "ich"', 'cohort = "sick"', "is none of the known ones"),
    ],
)
def test_a_fault_in_a_published_row_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    (tmp_path / "reported").mkdir()
    path = tmp_path / "reported/mine.toml"
    path.write_text(GOOD)
    assert load_reported(tmp_path)[0].metrics["dice"].value == 0.5
    path.write_text(GOOD.replace(old, new) + " ")
    with pytest.raises(InputError) as fault:
        load_reported(tmp_path)
    assert words in str(fault.value)
