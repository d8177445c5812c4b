"""Every chart: few and many methods, both grounds, as pictures to take away; strangers' names stay data."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pytest

from ich_bench_app import compare_two, frame, significance
from ich_bench_app.charts import ground
from ich_bench_app.charts.boxes import boxes
from ich_bench_app.charts.bump import PALETTE, bump
from ich_bench_app.charts.differences import differences
from ich_bench_app.charts.dumbbells import dumbbells
from ich_bench_app.charts.epsilon_lines import mean_lines, tau_line
from ich_bench_app.charts.label_curves import label_curves
from ich_bench_app.charts.mdd_map import mdd_map
from ich_bench_app.charts.pair_map import pair_map
from ich_bench_app.charts.paired_scatter import paired_scatter
from ich_bench_app.charts.tau_map import tau_map
from ich_bench_app.charts.transfer_map import transfer_map
from ich_bench_app.charts.whiskers import whiskers
from ich_bench_app.compare_two import mean_of
from ich_bench_app.look import KIND
from test_board_verdicts import of_two

HOSTILE = "datum.x[0] <b>&amp;</b> {{y}} ${z} \u202egnp"
LEVELS = ("supervised", "weakly-supervised", "no training")
Made = Callable[[bool], Any]


def called(count: int) -> list[str]:
    """Return names of so many methods, a hostile one among them."""
    return [ground.names([HOSTILE])[HOSTILE], *(f"method-{place:03d}" for place in range(1, count))]


def of_pairs(count: int) -> Made:
    rng = np.random.default_rng(0)
    lines = [f"{name}  {place}" for place, name in enumerate(called(count), start=1)]
    row, column = (axis.ravel() for axis in np.indices((count, count)))
    p = rng.uniform(0, 0.2, len(row))
    judged = np.where(p < 0.05, np.sign(rng.normal(size=len(row))), 0)
    cells = pd.DataFrame({
        "line": np.array(lines, dtype=object)[row], "column": column + 1, "first": "a", "second": "b", "p": p,
        "difference": 0.1, "mdd": p, "bin": significance._bins(p, judged), "mark": "▲", "p_text": ".012",
        "mdd_text": ".1", "changed": p < 0.01, "said": "row better", "outlined": "the same",
    })  # fmt: skip
    return lambda dark: pair_map(cells, lines, dark=dark) if dark or count % 2 else mdd_map(cells, lines)


def of_lines(count: int) -> Made:
    names = called(count)
    lines = pd.DataFrame({
        "name": names, "method": names, "level": [LEVELS[place % 3] for place in range(count)],
        "value": np.linspace(0, 1, count), "low": 0.0, "high": 1.0, "text": "x",
    })  # fmt: skip
    return lambda dark: whiskers(lines, names, title="t", words=("a", "b", "c"), dark=dark, hollow=dark)


def of_cases(count: int) -> Made:
    held = compare_two.CasePairs(
        cases=tuple(called(count)), has_ich=np.arange(count) % 2 == 0, first=np.linspace(0, 1, count),
        second=np.linspace(1, 0, count), difference=np.linspace(-1, 1, count),
    )  # fmt: skip
    points = compare_two.frame_of(held, "dice")
    if count % 2:
        return lambda dark: paired_scatter(points, 0.0, 1.0, dark=dark)
    return lambda dark: differences(points, mean_of(None), dark=dark)


def of_strata(count: int) -> Made:
    lines = pd.DataFrame({
        "name": called(count), "n": 9, "a": 0.5, "b": np.linspace(0, 1, count), "difference": 0.1, "few": True,
    })  # fmt: skip
    return lambda dark: dumbbells(lines, list(lines["name"]), dark=dark)


def of_boxes(count: int) -> Made:
    names = called(count)
    blank = {"method": "", "group": "all", "level": "", "few": False, "boxed": False, "n": 9}
    lines = [{"place": 0, "heading": "all, n = 9", **blank}]
    lines += [
        {"place": place, "heading": "", "method": name, "group": "all", "n": 9, "level": LEVELS[place % 3], "mean": 0.5,
         "q1": 0.4, "median": 0.5, "q3": 0.6, "low": 0.1, "high": 0.9, "few": True, "boxed": True}
        for place, name in enumerate(names, start=1)
    ]  # fmt: skip
    points = pd.DataFrame({
        "place": range(1, count + 1), "spread": 0.0, "case": names, "value": 0.5, "method": names, "group": "all",
        "level": [LEVELS[place % 3] for place in range(1, count + 1)], "few": True,
    })  # fmt: skip
    return lambda dark: boxes(pd.DataFrame(lines), points, ["", *names], unit=True, title="dice", dark=dark)


def of_schemes(count: int) -> Made:
    places = pd.DataFrame(
        [(name, scheme, letter, float(place + 1), place if place < len(PALETTE) else -1, scheme == "spahr", place + 1.0)
         for place, name in enumerate(called(count)) for scheme, letter in (("board", "A"), ("spahr", "B"))],
        columns=["method", "scheme", "letter", "rank", "colour", "ends", "place"],
    )  # fmt: skip
    cells = pd.DataFrame(
        [(f"{i} x", "x", letter, math.nan if i else 1.0, "–") for i in range(2) for letter in "AB"],
        columns=["first", "second", "letter", "tau", "text"],
    )
    return lambda dark: bump(places, ["board", "spahr"], dark=dark) if dark else tau_map(cells, ["0 x", "1 x"])


def of_epsilon(count: int) -> Made:
    steps = pd.DataFrame({"epsilon": [0.0, 1.0], "tau": [-0.5, 1.0] if count > 3 else [math.nan] * 2})
    means = pd.DataFrame(
        [(step, name, 0.5, 1.0, 9, place if place < len(PALETTE) else -1, 0.5)
         for place, name in enumerate(called(count)) for step in (0.0, 1.0)],
        columns=["epsilon", "method", "mean", "rank", "n", "colour", "label"],
    )  # fmt: skip
    return lambda dark: mean_lines(means, 0.5, dark=dark) if dark else tau_line(steps, 0.5, dark=dark)


def of_labels(count: int) -> Made:
    names = called(count)
    points = pd.DataFrame({
        "method": names, "level": "supervised", "budget": "10 %", "amount": np.linspace(1, 50, count), "dice": 0.5,
        "low": 0.4, "high": 0.6, "n": 9, "colour": -1,
    })  # fmt: skip
    curves = points.assign(share=10.0, draws=1, last=True, label=0.5)
    cells = pd.DataFrame({
        "line": names, "method": names, "trained": "a", "tested": "b", "dice": 0.5, "low": 0.4, "high": 0.6,
        "text": ".5", "home": True,
    })  # fmt: skip
    if count % 2:
        return lambda dark: label_curves(points, curves, title="patients", goal=0.5, goal_text="x", dark=dark)
    return lambda dark: transfer_map(cells, names, ["b"], dark=dark)


ALL = (of_pairs, of_lines, of_cases, of_strata, of_boxes, of_schemes, of_epsilon, of_labels)
FIELDS = re.compile(r"[a-z_0-9]+")


@pytest.mark.parametrize("made", ALL, ids=[one.__name__ for one in ALL])
@pytest.mark.parametrize("count", [3, 4])
def test_a_chart_is_drawn_as_svg_and_png_on_both_grounds(made: Callable[[int], Made], count: int) -> None:
    chart = made(count)
    for ground_of in (chart, lambda dark: chart(True)):
        svg = frame.picture(ground_of, "svg", "what is seen").decode()
        assert svg.startswith("<svg")
        assert svg.count("<path") + svg.count("<text") > 5
        assert "NaN" not in svg
    assert frame.picture(chart, "png").startswith(b"\x89PNG")


@pytest.mark.parametrize("made", ALL, ids=[one.__name__ for one in ALL])
def test_two_hundred_methods_are_drawn(made: Callable[[int], Made]) -> None:
    count = 40 if made is of_pairs else 200
    svg = frame.picture(made(count), "svg").decode()
    assert svg.startswith("<svg")


@pytest.mark.parametrize("made", ALL, ids=[one.__name__ for one in ALL])
@pytest.mark.parametrize("count", [3, 4])
def test_field_names_are_ours_and_names_are_values(made: Callable[[int], Made], count: int) -> None:
    for dark in (True, False):
        spec = json.loads(made(count)(dark).to_json())
        data = spec.pop("datasets")
        fields = {one["field"] for one in walk(spec) if isinstance(one.get("field"), str)}
        assert fields
        assert all(FIELDS.fullmatch(field) for field in fields), fields
        for one in walk(spec):  # expressions name our fields, never a stranger's word
            for key in ("filter", "test", "labelExpr", "calculate"):
                if isinstance(one.get(key), str):
                    assert "<b>" not in one[key]
        assert data


def walk(node: Any) -> list[dict[str, Any]]:
    """Return every object in a chart's JSON."""
    if isinstance(node, list):
        return [one for part in node for one in walk(part)]
    if isinstance(node, dict):
        return [node, *(one for part in node.values() for one in walk(part))]
    return []


def test_a_hostile_name_is_shown_letter_by_letter() -> None:
    svg = frame.picture(of_lines(3), "svg").decode()
    assert "datum.x[0] &lt;b&gt;&amp;amp;&lt;/b&gt;" in svg
    assert "\u202e" not in svg


def test_the_words_for_a_screen_reader_stand_in_the_svg() -> None:
    assert "three methods, one ahead" in frame.picture(of_lines(3), "svg", "three methods, one ahead").decode()


def test_pictures_are_on_white_whatever_the_visitors_ground() -> None:
    asked: list[bool] = []

    def made(dark: bool) -> Any:
        asked.append(dark)
        return alt.Chart(pd.DataFrame({"x": [1]})).mark_point().encode(x="x:Q")

    svg = frame.picture(made, "svg").decode()
    assert asked == [False]
    assert 'fill="white"' in svg


def test_a_csv_holds_no_formula_and_is_made_on_demand() -> None:
    table = pd.DataFrame({"method": ["=1+1", "@x", "plain"], "p": [0.5, math.nan, math.inf]})
    found = list(csv.reader(io.StringIO(frame.as_csv(lambda: table).decode())))
    assert found[0] == ["method", "p"]
    assert all(not line[0].startswith(("=", "@")) for line in found[1:])
    assert frame.as_csv(table) == frame.as_csv(lambda: table)


def test_a_click_names_the_case() -> None:
    class Event:
        selection = {"picked": [{"case": "007"}], "other": []}  # noqa: RUF012

    assert frame.clicked(Event(), "picked", "case") == "007"
    assert frame.clicked(Event(), "other", "case") is None
    assert frame.clicked(Event(), "picked", "nothing") is None
    assert frame.clicked(None, "picked", "case") is None


def test_names_that_look_alike_are_told_apart() -> None:
    found = ground.names(["a\u202e", "a\\u202e", "b"])
    assert len(set(found.values())) == 3


def test_labels_stand_apart_in_their_order() -> None:
    assert ground.apart([1.0, 1.0, 3.0], 0.5) == [1.0, 1.5, 3.0]
    assert ground.apart([3.0, 1.0, 1.1], 1.0) == [3.0, 1.0, 2.0]
    assert ground.apart([], 1.0) == []


def test_every_level_of_supervision_has_its_own_mark() -> None:
    assert len(set(ground.LEVELS)) == len(ground.LEVELS)
    assert {KIND["calibration"], KIND["ceiling"], "no training", "not declared", "supervised"} <= set(ground.LEVELS)


def test_a_changed_verdict_is_outlined_on_both_maps() -> None:
    pairs = of_two(welch=0.4, paired=0.01, difference=0.02)
    found = significance.verdicts(pairs)
    for p, here, there in ((pairs.welch_p, found.welch, found.paired), (pairs.p_max_t, found.paired, found.welch)):
        cells, lines = significance.cells(pairs, p, 2, here, there)
        assert cells["changed"].all()
        spec = pair_map(cells, lines, dark=False).to_dict()
        outlines = [one for one in spec["layer"] if one["mark"].get("strokeWidth")]
        assert outlines
        assert {"filter": "datum.changed"} in outlines[0]["transform"]
