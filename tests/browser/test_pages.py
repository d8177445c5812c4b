"""Every page in a real browser: it opens, complains of nothing, asks no other host, and fits a telephone."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("playwright.sync_api")
views = pytest.importorskip("ich_bench_app.views")

from chromium import HOSTILE, Seen, Server, opened, settled, watched  # noqa: E402

pytestmark = pytest.mark.slow
ALL = pytest.mark.parametrize("file", list(views.VIEWS))


def address(file: str) -> str:
    return "" if file == "leaderboard" else file


@ALL
def test_every_page_opens_in_silence(file: str, tab: Any, server: Server, seen: Seen) -> None:
    opened(tab, server, address(file))
    assert tab.locator("h1").inner_text() == views.VIEWS[file].title
    tab.wait_for_timeout(1_500)  # charts and tables are drawn after the script has ended
    assert "Something went wrong" not in tab.inner_text("body")
    seen.assert_quiet()


@ALL
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_a_telephone(file: str, scheme: str, browser: Any, server: Server, seen: Seen) -> None:
    context = browser.new_context(viewport={"width": 380, "height": 800}, color_scheme=scheme)
    tab = opened(watched(context.new_page(), seen), server, address(file))
    tab.wait_for_timeout(1_000)
    wide = tab.evaluate("[document.scrollingElement.scrollWidth, ...[...document.querySelectorAll("
                        "'[data-testid=stMainBlockContainer]')].map(one => one.scrollWidth)]")  # fmt: skip
    assert max(wide) <= 380
    context.close()
    seen.assert_quiet()


def test_a_hostile_name_stays_text(tab: Any, server: Server, seen: Seen) -> None:
    slug = sorted(one.name for one in server.runs.iterdir())[0]
    for file in ("leaderboard", "method", "compare_two", "cases"):
        opened(tab, server, address(file), f"dataset=phantom-mini&method={slug}&first={slug}")
        tab.wait_for_timeout(1_000)
        assert tab.locator("img[src='x']").count() == 0
        assert tab.locator("a[href^='javascript']").count() == 0
    opened(tab, server, "method", f"dataset=phantom-mini&method={slug}")
    tab.get_by_role("heading", name="What it says of itself").wait_for()
    shown = tab.inner_text("body").replace("\u2060", "")  # an unseen letter keeps an address from becoming a link
    assert HOSTILE in shown.replace("\n", " ")
    seen.assert_quiet()


def test_a_link_brings_back_every_choice(tab: Any, browser: Any, server: Server, seen: Seen) -> None:
    opened(tab, server, "", "dataset=phantom-mini&cohort=all&metric=recall")
    tab.get_by_role("button", name="Link to this view").click()
    link = tab.locator("[data-testid=stPopoverBody] code").inner_text().strip()
    assert "dataset=phantom-mini" in link
    assert "metric=recall" in link
    other = watched(browser.new_context().new_page(), seen)
    other.goto(link)
    settled(other)
    metric = other.get_by_role("combobox", name="Metric")
    metric.wait_for()
    assert metric.input_value() == "recall"
    other.context.close()
    opened(tab, server, "", "dataset=nonsense&cohort=%3Cscript%3E&metric=recall")
    assert "nonsense" not in tab.url
    seen.assert_quiet()


def test_charts_are_drawn(tab: Any, server: Server, seen: Seen) -> None:
    for file in ("leaderboard", "significance", "rank_stability", "compare_two", "healthy_heads", "cases"):
        opened(tab, server, address(file), "dataset=phantom-mini")
        chart = tab.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg").first
        chart.wait_for(state="visible")
        box = chart.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) > 40, file
    seen.assert_quiet()
