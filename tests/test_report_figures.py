"""Each figure of a report by itself: what is drawn where, in which colour, and how it leaves."""

from __future__ import annotations

import io
import math
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ich_bench.board.model import Efficiency, Standing
from ich_bench.errors import UsageError
from ich_bench.report import heat
from ich_bench.report.boxes import Group, subtype_boxes
from ich_bench.report.budgets import Line, label_efficiency
from ich_bench.report.budgets import _draw as budget_figure
from ich_bench.report.budgets import _ticks as budget_ticks
from ich_bench.report.labelled import Label, short
from ich_bench.report.pictures import Picture, save, save_as, svg
from ich_bench.report.style import MARKERS, ROLES, colour, drawing, new_figure, supervision_order
from ich_bench.report.whiskers import Healthy, Place, healthy_heads, rank_intervals
from ich_bench.submissions.model import SUPERVISION
from ich_bench.tables.describe import describe

METHODS = [Label(slug="a", name="A", supervision="supervised"), Label(slug="b", name="B", supervision="none")]


def lines(axis: object, role: str) -> list[tuple[list[float], list[float]]]:
    """Return the data of the lines of a colour."""
    return [(list(one.get_xdata()), list(one.get_ydata())) for one in axis.lines if one.get_color() == colour(role)]  # type: ignore[attr-defined]


def texts(figure: object) -> str:
    return " ".join(one.get_text() for axis in figure.axes for one in [axis.title, *axis.texts, axis._left_title])  # type: ignore[attr-defined]


def test_every_level_of_supervision_has_a_colour_a_marker_and_its_place() -> None:
    assert list(MARKERS) == list(SUPERVISION)
    assert set(SUPERVISION) <= set(ROLES)
    assert len(set(MARKERS.values())) == len(MARKERS)
    assert supervision_order("supervised") < supervision_order("weakly-supervised-transfer") < supervision_order("")


def test_no_two_colours_are_the_same_since_each_becomes_a_variable() -> None:
    light = [pair[0] for pair in ROLES.values()]
    assert len(set(light)) == len(light)
    assert not set(light) & {*heat._BETTER, *heat._WORSE, heat._SAME}


def contrast(one: str, other: str) -> float:
    """Return the contrast of WCAG 2 between two colours."""

    def luminance(shade: str) -> float:
        parts = [int(shade[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("role", ["ink", "muted"])
def test_text_is_read_on_either_page(role: str) -> None:
    assert contrast(ROLES[role][0], "#ffffff") >= 4.5
    assert contrast(ROLES[role][1], "#14171b") >= 4.5


@pytest.mark.parametrize("role", [*MARKERS, "warn"])
def test_marks_are_seen_on_either_page(role: str) -> None:
    assert contrast(ROLES[role][0], "#ffffff") >= 2.5
    assert contrast(ROLES[role][1], "#14171b") >= 3


def test_boxes_have_a_grey_mean_a_black_median_their_points_and_their_n() -> None:
    # 0, 0.1, 0.2, 0.3, 0.9: mean 0.3, median 0.2, quartiles 0.1 and 0.3; 0.9 lies beyond 0.3 + 1.5·0.2 = 0.6.
    values = np.array([[0.0, 0.1, 0.2, 0.3, 0.9], [math.nan] * 5]).T
    figure = subtype_boxes([Group(name="IPH", values=values)], METHODS)
    axis = figure.axes[0]
    assert lines(axis, "mean") == [([0.3, 0.3], [-0.36, 0.36])]
    assert lines(axis, "ink") == [([0.2, 0.2], [-0.36, 0.36])]
    points, below, above = lines(axis, "supervised")
    assert points[0] == [0.0, 0.1, 0.2, 0.3, 0.9]
    assert below[0] == [0.0, 0.1]
    assert above[0] == [0.3, 0.3]
    assert not lines(axis, "none")
    assert "IPH, n = 0 to 5" in texts(figure)


def test_four_volumes_are_points_without_a_box() -> None:
    figure = subtype_boxes([Group(name="SDH", values=np.array([[0.1], [0.2], [0.3], [0.4]]))], METHODS[:1])
    assert not figure.axes[0].patches
    assert len(lines(figure.axes[0], "supervised")) == 1


def test_p_values_are_coloured_by_who_is_better_and_by_nothing_above_0_05() -> None:
    assert heat._shade(0.0009, 0.1) == heat._BETTER[0]
    assert heat._shade(0.001, -0.1) == heat._WORSE[1]
    assert heat._shade(0.049, -0.1) == heat._WORSE[2]
    assert heat._shade(0.05, 0.1) == heat._SAME
    assert heat._shade(math.nan, 0.1) == heat._SAME
    assert heat._shade(0.01, 0.0) == heat._SAME  # Welch of constants can be small without any difference


@pytest.mark.parametrize(
    ("p", "said"), [(0.0004, "<.001"), (0.0123, ".012"), (0.0996, ".10"), (0.5, ".50"), (0.996, "1"), (math.nan, "–")]
)
def test_p_values_are_written_without_the_leading_zero(p: float, said: str) -> None:
    assert heat._p_text(p) == said


def test_a_map_names_each_method_once_and_prints_each_pair_twice() -> None:
    one = heat.PMap(title="Dice, Welch", p=np.array([[1, 0.02], [0.02, 1]]), advantage=np.array([[0, 0.1], [-0.1, 0]]))
    figure = heat.p_maps([one], METHODS)
    assert [text.get_text() for text in figure.axes[0].texts] == [".020", ".020"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["A  1", "B  2"]


def test_a_value_that_is_not_there_is_crossed_out_and_healthy_heads_stand_below_a_line() -> None:
    figure = heat.case_map(np.array([[0.5, math.nan], [1.0, 0.0]]), ["1", "2"], METHODS, healthy=1)
    crosses, rule = figure.axes[0].lines
    assert (list(crosses.get_xdata()), list(crosses.get_ydata())) == ([1], [0])
    assert list(rule.get_ydata()) == [0.5, 0.5]


def test_rank_intervals_shade_what_lies_above_the_ceiling_and_hollow_what_was_published() -> None:
    places = [
        Place(label=METHODS[0], kind="measured", mean=0.7, low=0.6, high=0.8, rank=1, rank_high=2),
        Place(label=METHODS[1], kind="measured", mean=math.nan),
        Place(label=Label(slug="", name="Paper"), kind="reported", mean=0.5),
    ]
    figure = rank_intervals(places, ceiling=0.9, ranked=2)
    left, right = figure.axes
    assert [one.get_text() for one in left.get_yticklabels()] == ["A", "B", "Paper (reported)"]
    assert left.patches[0].get_x() == 0.9
    assert left.lines[-2].get_markerfacecolor() == "none"  # the last line is the ceiling
    assert "no value here" in texts(figure)
    assert lines(right, "supervised")[0] == ([1, 2], [0, 0])


def test_healthy_heads_show_the_interval_and_the_95th_percentile() -> None:
    one = Healthy(label=METHODS[0], share=0.5, low=0.2, high=0.8, median_ml=0.0, p95_ml=12.0)
    left, right = healthy_heads([one]).axes
    assert lines(left, "supervised")[0] == ([0.2, 0.8], [0, 0])
    assert lines(right, "supervised")[0] == ([0.0, 12.0], [0, 0])
    assert right.get_xlim()[1] > 12
    nowhere = Healthy(label=METHODS[0], share=0.5, low=0.2, high=0.8, median_ml=math.nan, p95_ml=math.nan)
    assert len(healthy_heads([nowhere]).axes) == 1  # volumes withheld: nothing is drawn for them


def test_a_long_name_keeps_its_end() -> None:
    assert short("nnU-Net ResEnc fullres, five folds, ensemble of checkpoint v2") == "nnU-Net ResEnc full…ckpoint v2"
    assert len(short("x" * 500)) == 30


def tiny(name: str = "tiny") -> Picture:
    def draw() -> object:
        with drawing():
            figure = new_figure(2, 1)
            figure.subplots().plot([0, 1], color=colour("ink"))
        return figure

    return Picture(name=name, draw=draw, caption="c", alt='a "line" & <more>')


def test_an_svg_takes_its_colours_from_the_page_and_its_ids_from_its_name() -> None:
    text = svg(tiny("one"))
    assert "var(--ink)" in text
    assert not any(light in text for light, _ in ROLES.values())
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert ids
    assert all(one.startswith("one-") for one in ids)
    assert set(re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', text)) <= set(ids)
    assert 'aria-label="a &quot;line&quot; &amp; &lt;more&gt;"' in text


@pytest.mark.slow
def test_the_same_figure_gives_the_same_bytes_in_every_format(tmp_path: Path) -> None:
    once, again = (save(tiny(), tmp_path / name) for name in ("once", "again"))
    assert [path.read_bytes() for path in once] == [path.read_bytes() for path in again]
    shown = tiny()
    first = svg(shown)
    save(shown, tmp_path / "between")
    assert svg(shown) == first == svg(tiny())


def test_a_png_has_300_dots_an_inch_on_white(tmp_path: Path) -> None:
    image = Image.open(io.BytesIO(save_as(tiny().figure, tmp_path / "x.png").read_bytes()))
    assert image.size == (600, 300)
    assert image.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"x.jpg: a figure is written as .png, .pdf, .svg"):
        save_as(tiny().figure, tmp_path / "x.jpg")


def budgets(slug: str, shares: dict[str | None, tuple[float, float, float]]) -> list[Efficiency]:
    """Return a method's trainings: budget → share in percent, annotated patients, mean Dice."""
    return [
        Efficiency(slug=slug, method=slug, budget=budget, share=share, draw=None, patients=patients,
                   slices=10 * patients, annotated_ml=math.nan,
                   dice=Standing(stat=describe(np.full(4, dice)), low=dice - 0.1, high=dice + 0.1))
        for budget, (share, patients, dice) in shares.items()
    ]  # fmt: skip


def test_label_efficiency_joins_the_means_of_a_methods_budgets_over_what_was_annotated() -> None:
    twenty = {"20-0": (20.0, 8.0, 0.3), "20-1": (20.0, 12.0, 0.5), None: (100.0, 50.0, 0.6)}
    line = Line(label=METHODS[0], points=tuple(budgets("a", twenty)))
    figure = budget_figure([line])
    assert [axis._left_title.get_text() for axis in figure.axes] == [
        "annotated patients",
        "annotated slices",
    ]  # no mL is known
    patients = figure.axes[0]
    drawn = lines(patients, "supervised")
    assert ([10.0, 50.0], [0.4, 0.6]) in [(x, pytest.approx(y)) for x, y in drawn]  # the mean of two draws, then all
    assert ([8.0, 12.0, 50.0], [0.3, 0.5, 0.6]) in [(x, pytest.approx(y)) for x, y in drawn]
    assert ([8.0, 8.0], [0.2, 0.4]) in [(x, pytest.approx(y)) for x, y in drawn]
    assert patients.get_xscale() == "log"
    assert budget_ticks([8.0, 50.0]) == [5.0, 10.0, 20.0, 50.0, 100.0]
    assert budget_ticks([1.0, 5000.0]) == [1.0, 10.0, 100.0, 1000.0, 10000.0]


def test_label_efficiency_is_no_figure_where_nothing_of_it_is_known() -> None:
    unknown = replace(budgets("a", {None: (100.0, math.nan, 0.5)})[0], slices=math.nan)
    board = SimpleNamespace(efficiency=(unknown,), measured=(), dataset="d", scheme="s")
    assert label_efficiency(board, {}) is None  # type: ignore[arg-type]
