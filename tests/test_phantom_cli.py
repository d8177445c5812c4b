"""`phantom make` and `phantom show` as their user meets them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ich_bench.cli import app
from ich_bench.datasets import reader
from ich_bench.errors import IchBenchError, UsageError
from ich_bench.phantom import plan
from ich_bench.phantom.making import Asked, write
from ich_bench.phantom.plan import planned

SMALL = (48, 48, 12)
LAYOUTS = ("hssayeni", "seg-cq500", "instance2022", "cq500-negative")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """phantom-mini of three heads on a coarse grid, ill, healthy, ill; a cache of its own."""
    heads = tuple(replace(head, shape=SMALL) for head in planned("phantom-mini")[:3])
    monkeypatch.setattr(plan, "_planned", lambda _: heads)
    monkeypatch.setenv("ICH_BENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))  # drawn once


def run(*words: str) -> tuple[str, str]:
    done = CliRunner().invoke(app, ["phantom", *words], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout, done.stderr


def test_make_prints_where_the_heads_lie(tmp_path: Path) -> None:
    out, _ = run("make", "phantom-mini", "-o", str(tmp_path / "heads"), "--heads", "1", "--jobs", "1")
    assert out == f"{tmp_path / 'heads'}\n"
    assert (tmp_path / "heads" / "ct" / "phantom-mini-000.nii.gz").is_file()


def test_show_prints_the_picture_and_tells_what_is_in_it(tmp_path: Path) -> None:
    out, told = run("show", "phantom-mini-000", "-o", str(tmp_path / "one.png"))
    assert out == f"{tmp_path / 'one.png'}\n"
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")
    assert "blood (80/200 HU), brain (40/80 HU), bone (600/2800 HU)" in told


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_is_found_by_the_reader_of_the_real_dataset(layout: str, tmp_path: Path) -> None:
    made = write(Asked(dataset="phantom-mini", layout=layout, out=tmp_path / layout))
    found = reader(layout).find(made.folder)
    # ill heads under ids of patients who bled: hssayeni's 049 and 050 bled, 054 did not
    assert (
        sorted(found.cases)
        == {
            "hssayeni": ["049", "050", "054"],
            "seg-cq500": ["CQ500-CT-10", "CQ500-CT-4"],
            "instance2022": ["001", "002"],
            "cq500-negative": ["CQ500-CT-2"],
        }[layout]
    )
    left = 3 - len(found.cases)
    assert made.notes == (
        (f"{left} of 3 heads are left out: {layout} has no more cases of their kind.",) if left else ()
    )
    assert [path.name for path in tmp_path.iterdir()] == [layout]


def test_the_rsna_layout_takes_ill_and_healthy_heads_alike(tmp_path: Path) -> None:
    made = write(Asked(dataset="phantom-mini", layout="rsna", out=tmp_path / "rsna"))
    assert len(list((made.folder / "stage_2_train").iterdir())) == 3 * 12


def test_the_pool_is_written_with_as_many_heads_as_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ich_bench.phantom import pool

    really = pool.planned_head
    monkeypatch.setattr(pool, "planned_head", lambda *given, **named: replace(really(*given, **named), shape=SMALL))
    made = write(Asked(dataset="pool", heads=2, seed=3, site="b", out=tmp_path / "pool"))
    assert len(list((made.folder / "stage_2_train").iterdir())) == 2 * 12


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (Asked(dataset="phanton"), "no drawn dataset 'phanton'. Did you mean phantom"),
        (Asked(dataset="phantom", layout="nifti"), "no layout 'nifti'. Known: hssayeni"),
        (Asked(dataset="pool"), "name the folder to write to with -o DIR"),
        (Asked(dataset="phantom-mini", layout="rsna"), "name the folder to write to with -o DIR"),
        (Asked(dataset="phantom", seed=4), "--seed belongs to the pool"),
        (Asked(dataset="phantom", clean=True), "--clean belongs to the pool"),
        (Asked(dataset="pool", layout="hssayeni", out=Path("x")), "the pool is written in the layout rsna"),
        (Asked(dataset="pool", site="d", out=Path("x")), "site 'd', which stays unseen"),
        (Asked(dataset="phantom-mini", jobs=-1), "jobs is -1"),
        (
            Asked(dataset="phantom-mini", site="b", layout="seg-cq500", out=Path("x")),
            "nothing to draw: seg-cq500 holds",
        ),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(asked: Asked, told: str, tmp_path: Path) -> None:
    asked = replace(asked, out=tmp_path / "x") if asked.out or asked.jobs < 0 else asked
    with pytest.raises(UsageError, match=told.replace(".", r"\.")):
        write(asked)
    assert not list(tmp_path.rglob("*.*"))


def test_a_layout_is_never_written_into_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(IchBenchError, match="holds something already"):
        write(Asked(dataset="phantom-mini", layout="hssayeni", out=tmp_path))
