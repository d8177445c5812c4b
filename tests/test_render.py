"""What a summary looks like: a terminal of 80 columns, Markdown, CSV, JSON."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest

from ich_bench.errors import UsageError
from ich_bench.escape import cell, markdown, printable
from ich_bench.tables import render
from ich_bench.tables.layout import Block, as_text
from ich_bench.tables.summary import Summary, summarise
from scored import row, scores


def cohort_rows(submission: str = "method", seeds: tuple[int | None, ...] = (None,)) -> list[dict]:
    rows = []
    for seed in seeds:
        given = {"submission": submission, "seed": seed, "dataset": "hssayeni"}
        for number in range(10):
            dice = 0.05 * number + 0.01 * (seed or 0)
            rows.append(row(f"{66 + number:03d}", fold=number, dice=dice, hd95=123.4, iph=True, **given))
        rows.append(row("116", has_ich=False, fp=9, dice=0.1, status="scored", volume_pred_ml=0.2, **given))
    return rows


def summary(rows: list[dict] | None = None, **about: object) -> Summary:
    return summarise(scores(cohort_rows() if rows is None else rows, **about))


@pytest.mark.parametrize("seeds", [(None,), (0, 1, 2)])
def test_the_terminal_table_fits_80_columns(seeds: tuple[int | None, ...]) -> None:
    text = render.render(summary(cohort_rows(seeds=seeds), warnings=["a warning of many words " * 8]))
    assert max(len(line) for line in text.splitlines()) <= 80


def test_every_cohort_is_named_with_its_n_and_a_metrics_own_n_where_it_differs() -> None:
    rows = [row("a", dice=0.5), row("b", dice=0.7, status="empty_prediction"), row("h", has_ich=False)]
    text = render.render(summary(rows))
    assert "ich (n = 2)" in text
    assert "all (n = 3)" in text
    assert "0.600 ± 0.141" in text
    assert "(n = 1)" in next(line for line in text.splitlines() if "of non-empty" in line)


def test_units_stand_beside_the_numbers() -> None:
    text = render.render(summary())
    assert "hd95 mm" in text
    assert "bias 0.00 mL" in text


def test_undefined_is_a_dash_never_nan() -> None:
    text = render.render(summary([row("a")])) + render.render(summary([row("h", has_ich=False)]))
    assert "nan" not in text.lower()
    assert "1.000 ± –" in text


def test_an_infinite_mean_is_printed_as_inf() -> None:
    rows = [row("a", profile="instance2022", hd100=math.inf), row("b", profile="instance2022", hd100=2.0)]
    assert "hd100 mm" in render.render(summarise(scores(rows, profile="instance2022")))
    assert " inf" in render.render(summarise(scores(rows, profile="instance2022")))


@pytest.mark.parametrize("format", ["table", "md", "csv", "json"])
def test_an_empty_table_renders(format: str) -> None:
    assert render.render(summary([]), format)


def test_partial_and_imputed_runs_say_that_they_are_never_ranked() -> None:
    assert "partial: folds 0. " in render.render(summary(status="partial", folds=[0]))
    assert "worst value. Shown, never ranked" in render.render(summary(status="imputed"))


def test_the_lowest_cases_and_the_line_without_the_oddity_stand_at_the_end() -> None:
    text = render.render(summary())
    assert "lowest dice  066 0.000 · 067 0.050" in text
    assert "without 070" in text
    assert "(n = 9); it is a\n" in text or "(n = 9); it is a chronic hemorrhage" in text


def test_names_cannot_move_the_cursor_or_reverse_the_line() -> None:
    hostile = "evil\x1b[2J\n\u202etxt"
    for format in ("table", "md"):
        text = render.render(summary(cohort_rows(hostile)), format)
        beside = render.side_by_side([(hostile, summary())], format)
        assert not {"\x1b", "\u202e"} & set(text + beside)
        assert "evil\\x1b" in text.replace("\\\\", "\\")
    assert printable("a\tb\x7f\u200b") == "a\\tb\\x7f\\u200b"
    assert printable("Ärzte – 12 µl") == "Ärzte – 12 µl"


def test_names_cannot_break_a_markdown_table() -> None:
    text = render.side_by_side([("a|b<img>[x](y)", summary())], "md")
    assert r"a\|b\<img\>\[x\]" in text
    assert markdown("|") == r"\|"


def test_runs_side_by_side_are_sorted_by_dice_then_name_and_called_no_ranking() -> None:
    low, high = (summary([row("a", dice=value)]) for value in (0.2, 0.9))
    nothing = summary([row("h", has_ich=False)])
    text = render.side_by_side([("zeta", nothing), ("low", low), ("beta", high), ("alpha", high)])
    order = [line.split()[0] for line in text.splitlines() if line.startswith(("zeta", "low", "beta", "alpha"))]
    assert order == ["alpha", "beta", "low", "zeta"]
    assert "This is not a\nranking: no test has been made." in text


def test_a_metric_defined_on_fewer_volumes_says_so_side_by_side() -> None:
    rows = [row("070", profile="hssayeni2020", dice=math.nan), row("071", profile="hssayeni2020", dice=0.4)]
    text = render.side_by_side([("m", summarise(scores(rows, profile="hssayeni2020")))])
    assert "0.400 ± – (n = 1)" in text


def test_partial_runs_are_marked_side_by_side() -> None:
    assert "m (partial)" in render.side_by_side([("m", summary(status="partial"))])


def test_runs_of_different_profiles_do_not_share_a_table() -> None:
    other = summarise(scores([row("a", profile="spahr2023")], profile="spahr2023"))
    text = render.side_by_side([("a", summary()), ("b", other)])
    assert text.count("profile native") == 1
    assert text.count("profile spahr2023") == 1


def test_an_unknown_format_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="md"):
        render.render(summary(), "mdd")


def test_json_is_strict_and_reads_back_as_the_summary() -> None:
    told = json.loads(render.render(summary(), "json"), parse_constant=pytest.fail)
    assert told == json.loads(json.dumps(summary().as_dict()))


def test_csv_rows_keep_numbers_whole_and_undefined_cells_empty() -> None:
    scored = scores([row("a", dice=0.1, rvd=-0.25, seed=None), row("h", has_ich=False)])
    first, second = csv.DictReader(io.StringIO(render.csv_rows(scored)))
    assert (first["dice"], first["rvd"], first["seed"], first["has_ich"]) == ("0.1", "-0.25", "", "true")
    assert (second["hd95"], second["fp"]) == ("", "0")
    assert list(first) == scored.column_names


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_text_that_a_spreadsheet_takes_for_a_formula_is_quoted(text: str) -> None:
    assert cell(text) == f"'{text}"
    (read,) = csv.DictReader(io.StringIO(render.csv_rows(scores([row("a", submission=text)])), newline=""))
    assert read["submission"] == f"'{text}"


def test_a_leading_line_break_is_quoted_too_and_shown_as_text() -> None:
    assert cell("\rx") == "'\\rx"
    assert cell("a\nb") == "a\\nb"


def test_the_summary_as_csv_has_one_line_a_number_with_its_n() -> None:
    lines = list(csv.DictReader(io.StringIO(render.render(summary([row("a", dice=0.5), row("b", dice=0.7)]), "csv"))))
    (dice,) = (line for line in lines if (line["part"], line["quantity"]) == ("ich", "dice"))
    assert (dice["n"], float(dice["mean"])) == ("2", pytest.approx(0.6))
    (clean,) = (line for line in lines if line["quantity"] == "clean")
    assert (clean["n"], clean["share"]) == ("0", "")


def test_one_case_is_shown_column_by_column_with_units() -> None:
    shown = render.case_table(scores([row("a", hd95=12.5, has_ich=True)]))
    lines = dict(line.rsplit(None, 1) for line in shown.splitlines())
    assert (lines["case_id"], lines["hd95 (mm)"], lines["has_ich"], lines["iph"]) == ("a", "12.5", "yes", "–")


def test_json_rows_are_strict() -> None:
    (told,) = render.json_rows(
        scores([row("a", profile="instance2022", hd100=math.inf, dice=math.nan)], profile="instance2022")
    )
    assert (told["hd100"], told["dice"]) == ("inf", None)


def test_a_wrapped_name_starts_at_the_margin() -> None:
    block = Block(
        header=("", *("column" for _ in range(8))), rows=(("dolphins (Qayyum 2023)", *("0.123" for _ in range(8))),)
    )
    lines = as_text("", [block]).splitlines()
    assert not any(line.startswith(" ") and line.strip() and "column" not in line for line in lines)
    assert "dolphins" in lines[-2]
    assert lines[-1].startswith("2023)") or lines[-1].startswith("(Qayyum")
