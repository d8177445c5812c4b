"""Boards as text: every format, strangers' names in each of them, filters that never renumber, other programs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from boards import board_of, cases_of, dice_like, write_run
from folders import lopsided, write_folder
from ich_bench.board.model import PRIMARY, Board
from ich_bench.board.public import overview
from ich_bench.board.sections import PARTS
from ich_bench.board.show import FORMATS, show, show_overview
from ich_bench.errors import UsageError
from ich_bench.runs.evaluation import evaluate

SEG, HSS = "seg-cq500", "hssayeni"
HOSTILE = "=cmd|'/C calc'!A0 | <script> $x_1$ \\input{x} % & # ~ ^ \x1b[31m \u202e `rm`"
EVERYTHING = (*PARTS, "reported")


@pytest.fixture
def board(tmp_path: Path) -> Board:
    scores = dice_like(np.random.default_rng(2), 3, 75, [0, 0.1, -0.1])
    return board_of(HSS, [write_run(tmp_path / "abc"[place], HSS, scores[:, place]) for place in range(3)])


@pytest.fixture
def hostile(tmp_path: Path) -> Board:
    manifest = f"method = {json.dumps(HOSTILE)}\nteam = {json.dumps(HOSTILE)}\n"
    names = ["=1+1", "a|b_c&d%"]
    runs = [write_run(tmp_path / name, SEG, [0.5] * 51, manifest=manifest) for name in names]
    return board_of(SEG, runs)


def test_a_board_fits_eighty_columns(board: Board) -> None:
    text = show(board, parts=EVERYTHING, pairs=True)
    assert max(len(line) for line in text.splitlines()) <= 80


def test_k_draws_and_the_correction_are_printed(board: Board) -> None:
    text = " ".join(show(board).split())
    assert "3 ranked" in text
    assert "step-down max-T over all pairs of 3 methods, 999 sign vectors" in text
    assert "treats the volumes as independent samples" in " ".join(show(board, pairs=True).split())


def test_a_filter_hides_rows_and_never_renumbers(board: Board) -> None:
    whole = {line.split()[0]: line.split()[1] for line in show(board).splitlines() if "±" in line}
    text = show(board, only=["c"])
    (line,) = [line for line in text.splitlines() if line.startswith("c ") and "[" in line]
    assert line.split()[1] == whole["c"] == "3"
    assert "1 of 3 rows shown; ranks are those of the whole board." in " ".join(text.split())
    only = list(csv.DictReader(io.StringIO(show(board, only=["c"], format="csv"))))
    assert {row["slug"] for row in only if row["kind"] == "measured"} == {"c"}
    assert {row["rank"] for row in only if (row["cohort"], row["metric"]) == PRIMARY and row["rank"]} == {"3"}


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_a_stranger_named_reaches_a_format_unescaped(hostile: Board, format: str) -> None:
    text = show(hostile, format=format, parts=EVERYTHING, pairs=format != "challenger")
    assert "\x1b" not in text
    assert "\u202e" not in text
    if format in ("csv", "challenger"):
        cells = [cell for line in csv.reader(io.StringIO(text)) for cell in line]
        assert "'=1+1" in cells
        assert not [cell for cell in cells if cell.startswith(("=", "@", "+"))]
    if format == "md":
        assert "<script>" not in text
        assert r"a\|b\_c\&d%" in text
    if format == "latex":
        assert r"a\textbar{}b\_c\&d\%" in text
        assert r"\input" not in text
    if format == "json":
        json.loads(text)


def test_latex_balances_and_has_as_many_cells_as_columns(hostile: Board) -> None:
    text = show(hostile, format="latex", parts=EVERYTHING, pairs=True)
    plain = text.replace(r"\{", "").replace(r"\}", "").replace(r"\&", "").replace(r"\%", "").replace(r"\$", "")
    assert plain.count("{") == plain.count("}")
    assert plain.count("$") % 2 == 0
    for name in ("tabular", "description"):
        assert plain.count(rf"\begin{{{name}}}") == plain.count(rf"\end{{{name}}}")
    width = 0
    for line in plain.splitlines():
        if line.startswith(r"\begin{tabular}"):
            width = line.count("r", len(r"\begin{tabular}")) + 1
        elif line.endswith(r"\\"):
            assert line.count("&") + 1 == width
    assert all(ord(sign) < 256 for sign in text)


def test_json_is_strict_and_holds_no_path_of_this_machine(board: Board, tmp_path: Path) -> None:
    text = show(board, format="json", pairs=True)
    loaded = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert str(tmp_path) not in text
    assert [row["slug"] for row in loaded["rows"]] == ["b", "a", "c"]
    assert loaded["rows"][0]["standings"]["ich"]["dice"]["rank"] == 1
    assert loaded["pairs"]["ich/dice"]["slugs"] == ["b", "a", "c"]
    assert "pairs" not in json.loads(show(board, format="json"))


def test_csv_holds_every_pair_once_with_its_verdict(board: Board) -> None:
    lines = list(csv.DictReader(io.StringIO(show(board, format="csv", pairs=True))))
    dice = [line for line in lines if (line["cohort"], line["metric"]) == PRIMARY]
    assert [(line["first"], line["second"]) for line in dice] == [("b", "a"), ("b", "c"), ("a", "c")]
    assert {line["verdict"] for line in dice} == {"better"}
    assert {line["metric"] for line in lines} >= {"dice", "nsd_2mm", "clean", "detected"}


def test_challenger_has_a_line_a_case_and_ranked_method(board: Board) -> None:
    lines = list(csv.reader(io.StringIO(show(board, format="challenger"))))
    assert lines[0] == ["Task", "Case", "Algorithm", "MetricValue"]
    assert len(lines) == 1 + 36 * 3
    task, case, algorithm, value = lines[1]
    place = board.scores.cases.index(case)
    assert (task, algorithm) == (HSS, "b")
    assert float(value) == board.scores.values["dice"][place, board.scores.slugs.index("b")]


def test_challenger_writes_negative_numbers_as_numbers(tmp_path: Path) -> None:
    edit = {case: {"rvd": -0.25} for case in cases_of(SEG)}
    board = board_of(SEG, [write_run(tmp_path / "a", SEG, [0.5] * 51, edit=edit)])
    text = show(board, format="challenger", metric="rvd")
    assert text.splitlines()[1] == f"{SEG},{cases_of(SEG)[0]},a,-0.25"


def test_challenger_holds_the_ranked_rows_of_all_datasets(tmp_path: Path) -> None:
    out = write_run(tmp_path / "a", SEG, [0.5] * 51)
    write_run(out, HSS, [0.25] * 75)
    (tmp_path / "none").mkdir()
    found = overview(submissions=tmp_path / "none", runs=[out], draws=9)
    lines = list(csv.DictReader(io.StringIO(show_overview(found, format="challenger"))))
    assert [sum(line["Task"] == task for line in lines) for task in (SEG, HSS)] == [51, 36]
    for format in FORMATS:
        assert show_overview(found, format=format)


def test_unknown_formats_cohorts_metrics_and_parts_list_the_known(board: Board) -> None:
    with pytest.raises(UsageError, match=r"no format 'latx'.*Did you mean latex"):
        show(board, format="latx")
    with pytest.raises(UsageError, match=r"no cohort 'icg'.*Did you mean ich"):
        show(board, cohort="icg")
    with pytest.raises(UsageError, match=r"no metric 'dise'.*Did you mean dice"):
        show(board, metric="dise")
    with pytest.raises(UsageError, match=r"no part 'strat'.*Did you mean strata"):
        show(board, parts=["strat"])
    with pytest.raises(UsageError, match="clean is not summed up on ich, only on healthy"):
        show(board, metric="clean")


@pytest.mark.parametrize("metric", ["abs_volume_error_ml", "volume_pred_ml", "hd95", "lesion_precision"])
def test_a_board_of_any_metric_fits_eighty_columns(board: Board, metric: str) -> None:
    table = show(board, metric=metric).split("reported:")[0]
    assert f"{metric} on ich" in table
    assert max(len(line) for line in table.splitlines()) <= 80


def test_healthy_heads_have_a_table_and_no_rank(board: Board) -> None:
    text = show(board, cohort="healthy", metric="clean")
    (line,) = [line for line in text.splitlines() if line.startswith("b ") and "[" in line]
    assert line.split()[1] == "–"


def test_a_board_nobody_is_on_shows_the_published_numbers() -> None:
    board = board_of(SEG, [])
    text = show(board)
    assert "reported: Spahr 2023, Table 3" in text
    assert "never tested or ranked against measured rows" in " ".join(text.split())
    assert "not transcribed" in text
    assert board.pairs == {}


def test_published_tables_say_once_what_all_their_rows_share_and_fit_the_terminal() -> None:
    text = show(board_of("instance2022", []))
    table = text[text.index("reported: INSTANCE 2022, the organisers'") : text.index("reported: INSTANCE 2022, short")]
    assert "on        closed test, 70 cases (n = 70)" in table
    assert max(len(line) for line in table.splitlines()) <= 80
    assert "hd100" in table
    assert "inf" in table


def test_masks_that_nnunet_wrote_are_scored_and_its_own_summary_is_ignored(tmp_path: Path) -> None:
    masks = {f"case_{number}": lopsided(number) for number in range(3)}
    reference = write_folder(tmp_path / "ref", masks)
    folder = write_folder(tmp_path / "fold_all", masks)
    (folder / "summary.json").write_text('{"foreground_mean": {"Dice": 0.123}}', "utf-8")
    run = evaluate(str(reference), folder, out=tmp_path / "out")
    assert run.ignored == ("summary.json",)
    assert run.scores.column("dice").to_pylist() == [1.0, 1.0, 1.0]  # not 0.123
