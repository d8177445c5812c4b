"""What a visitor does in a real browser: hands in a zip, moves a slice by its keys, takes a chart away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api")
process = pytest.importorskip("ich_bench_app.upload.process")

from chromium import Seen, Server, opened, settled  # noqa: E402

pytestmark = pytest.mark.slow
METHOD = "demo-threshold"


def zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for mask in sorted(folder.glob("*.nii.gz")):
            packed.write(mask, mask.name)
    return path


def hand_in(tab: Any, server: Server, path: Path) -> None:
    opened(tab, server, "try_a_submission")
    tab.locator("input[type=file]").set_input_files(str(path))
    tab.get_by_role("button", name="Check and score").click()


def left_behind() -> list[str]:
    return [one.name for one in Path(tempfile.gettempdir()).glob(f"{process.PREFIX}*")]


def test_a_zip_is_scored_as_the_command_scores_it_and_forgotten(
    tab: Any, server: Server, seen: Seen, tmp_path: Path
) -> None:
    masks = server.runs / METHOD / "predictions" / "phantom-mini"
    hand_in(tab, server, zipped(masks, tmp_path / "mine.zip"))
    tab.get_by_text("is sound and scored").wait_for(timeout=300_000)
    settled(tab)
    program = [sys.executable, "-c", "from ich_bench.cli import main; main()", "leaderboard", "phantom-mini", "--json",
               "--submissions", str(server.runs.parent), "--with", str(server.runs)]  # fmt: skip
    (server.runs.parent / "reported").mkdir(exist_ok=True)
    board = json.loads(subprocess.run(program, check=True, capture_output=True, env=os.environ).stdout)
    row = next(one for one in board["rows"] if one["slug"] == METHOD)
    mean = row["standings"]["ich"]["dice"]["stat"]["mean"]
    assert f"{mean:.3f}" in tab.inner_text("[data-testid=stMainBlockContainer]")
    assert left_behind() == []
    tab.reload()
    settled(tab)
    assert tab.get_by_text("is sound and scored").count() == 0
    opened(tab, server, "", "dataset=phantom-mini")
    assert "mine" not in tab.inner_text("[data-testid=stMainBlockContainer]")
    seen.assert_quiet()


def test_a_broken_zip_is_explained(tab: Any, server: Server, seen: Seen, tmp_path: Path) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\x03\x04 and no more")
    hand_in(tab, server, broken)
    tab.get_by_text("refused as a whole").wait_for(timeout=300_000)
    tab.get_by_text("cut short").first.wait_for()
    assert left_behind() == []
    seen.assert_quiet()


def test_arrow_keys_move_the_slice(tab: Any, server: Server, seen: Seen) -> None:
    query = "dataset=phantom-mini&case=phantom-mini-007&first=demo-second-reader&slice=10"
    opened(tab, server, "cases", query)
    slider = tab.get_by_role("slider", name="Slice (arrow keys move it)")
    slider.wait_for()
    pictures = tab.locator("[data-testid=stImage] img")
    pictures.first.wait_for()
    before = pictures.first.get_attribute("src")
    slider.focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function(
        "old => document.querySelector('[data-testid=stImage] img').getAttribute('src') !== old", arg=before
    )
    tab.wait_for_url("**slice=11**")
    tab.keyboard.press("ArrowLeft")
    tab.wait_for_url("**slice=10**")
    seen.assert_quiet()


def test_a_chart_and_the_board_are_taken_away(tab: Any, server: Server, seen: Seen, tmp_path: Path) -> None:
    opened(tab, server, "", "dataset=phantom-mini")
    starts = {"SVG": b"<svg", "PNG": b"\x89PNG", "JSON": b"{"}
    for name, start in starts.items():
        button = tab.get_by_role("button", name=name, exact=False).first
        with tab.expect_download() as download:  # by keys alone, as whoever has no mouse does
            button.focus()
            tab.keyboard.press("Enter")
        path = tmp_path / name
        download.value.save_as(path)
        assert path.read_bytes().lstrip().startswith(start), name
    assert json.loads((tmp_path / "JSON").read_text("utf-8"))["dataset"] == "phantom-mini"
    seen.assert_quiet()


def test_a_score_file_that_breaks_while_the_app_runs_is_named_and_the_others_stand(
    tab: Any, server: Server, seen: Seen
) -> None:
    path = server.runs / "demo-second-reader" / "scores" / "phantom-mini.parquet"
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[: len(whole) // 2])
        tab.wait_for_timeout(6_000)  # the files are looked at again every few seconds
        opened(tab, server, "", "dataset=phantom-mini")
        tab.get_by_text("2 ranked").first.wait_for()
        opened(tab, server, "about")
        tab.locator("[data-testid=stTable]", has_text="demo-second-reader").first.wait_for()
    finally:
        path.write_bytes(whole)
    seen.assert_quiet()


def test_a_click_on_a_case_opens_it(tab: Any, server: Server, seen: Seen) -> None:
    opened(tab, server, "compare_two", f"dataset=phantom-mini&first=demo-second-reader&second={METHOD}")
    bars = tab.locator("[data-testid=stVegaLiteChart]").nth(1)
    bars.wait_for()
    bars.evaluate("one => one.scrollIntoView({block: 'center'})")
    tab.wait_for_timeout(2_000)
    box = bars.bounding_box()
    assert box is not None
    tab.mouse.click(box["x"] + 0.15 * box["width"], box["y"] + 0.75 * box["height"])  # in the first bar
    tab.wait_for_url("**/cases?**case=phantom-mini-**")
    tab.get_by_role("slider", name="Slice (arrow keys move it)").wait_for()
    seen.assert_quiet()
