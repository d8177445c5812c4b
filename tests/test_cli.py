"""The command as its user meets it: exit status, stdout for data, stderr for talk."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from folders import GEOMETRY, SHAPE, box, empty, lopsided, write_folder
from ich_bench.geometry import Geometry
from ich_bench.volume import write_mask


def ich_bench(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ich_bench", *map(str, arguments)]
    env = {**os.environ, "COLUMNS": "100", **environment}
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    return subprocess.run(command, capture_output=True, encoding=encoding, env=env, check=False)


@pytest.fixture
def cohort(tmp_path: Path) -> tuple[Path, Path]:
    masks = {f"case-{number}": lopsided(number) for number in range(3)} | {"case-3": empty()}
    return write_folder(tmp_path / "reference", masks), write_folder(tmp_path / "prediction", masks)


def test_evaluate_exits_0_with_a_table_on_stdout_and_says_where_the_scores_lie(
    cohort: tuple[Path, Path], tmp_path: Path
) -> None:
    done = ich_bench("evaluate", *cohort, "-o", tmp_path / "out", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    assert "n = 3" in done.stdout
    assert "dice" in done.stdout
    assert str(tmp_path / "out" / "scores" / "reference.parquet") in done.stdout


def test_json_on_stdout_is_strict_and_holds_the_cohorts(cohort: tuple[Path, Path], tmp_path: Path) -> None:
    done = ich_bench("evaluate", *cohort, "-o", tmp_path / "out", "--jobs", "1", "--json")

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    run = json.loads(done.stdout, parse_constant=refuse)["runs"][0]
    assert run["submission"] == "prediction"
    assert run["scores"] == str(tmp_path / "out" / "scores" / "reference.parquet")


def test_evaluate_exits_1_with_every_reason(cohort: tuple[Path, Path], tmp_path: Path) -> None:
    write_mask(cohort[1] / "case-0.nii.gz", box((1, 2), (1, 2), (1, 2)), Geometry.of(SHAPE, GEOMETRY.matrix * 2))
    (cohort[1] / "case-1.nii.gz").unlink()
    done = ich_bench("evaluate", *cohort, "-o", tmp_path / "out", "--jobs", "1")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "case-0.nii.gz" in done.stderr
    assert "case-1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("evaluate",), "Missing argument"),
        (("evalaute", "x", "y"), "No such command"),
        (("evaluate", "instance2023", "."), "instance2022"),
        (("datasets", "hsayeni"), "hssayeni"),
        (("folds", "hssayeni", "--scheme", "cv11"), "cv10"),
        (("evaluate", "hssayeni", ".", "--fold", "x"), "--fold"),
        (("evaluate", "hssayeni", ".", "--fold", "inf"), "--fold"),
        (("evaluate", "hssayeni", ".", "--labels", "nan"), "--labels"),
        (("folds", "rsna"), "pool"),
    ],
)
def test_wrong_usage_exits_2_and_names_the_known(arguments: tuple[str, ...], told: str) -> None:
    done = ich_bench(*arguments)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr


def test_absent_data_exits_1_and_says_where_it_was_looked_for(tmp_path: Path) -> None:
    done = ich_bench("evaluate", "hssayeni", tmp_path)
    assert done.returncode == 1
    assert "--data" in done.stderr
    assert "ICH_BENCH_DATA" in done.stderr


def test_a_bug_prints_its_traceback_and_exits_70() -> None:
    probe = (
        "import sys; sys.argv = ['ich-bench', 'datasets']\n"
        "import ich_bench.tables.catalogue as broken\n"
        "broken.listing = lambda: 1 / 0\n"
        "from ich_bench.cli import main; main()\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 70
    assert "ZeroDivisionError" in done.stderr


@pytest.mark.slow
def test_an_interrupt_exits_130_and_the_same_command_ends_with_the_same_bytes(tmp_path: Path) -> None:
    masks = {f"case-{number:03d}": lopsided(number) for number in range(64)}
    shape = (256, 256, 24)
    geometry = Geometry.of(shape, GEOMETRY.matrix)
    big = {name: box((20, 220), (30, 200), (2, 20), shape) for name in masks}
    reference = write_folder(tmp_path / "reference", big, geometry)
    prediction = write_folder(tmp_path / "prediction", big, geometry)
    arguments = ["evaluate", str(reference), str(prediction), "--jobs", "2", "-o"]
    command = [sys.executable, "-m", "ich_bench", *arguments, str(tmp_path / "stopped")]
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # also where the tests run with Ctrl-C ignored
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heard)
    journal = tmp_path / "stopped" / ".partial" / "reference"
    for _ in range(600):
        if len(list(journal.glob("*.json"))) >= 3:
            break
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    _, talk = running.communicate(timeout=60)
    assert running.returncode == 130, talk
    assert "Traceback" not in talk
    assert not (tmp_path / "stopped" / "scores").exists()
    assert ich_bench(*arguments, tmp_path / "stopped").returncode == 0
    assert ich_bench(*arguments, tmp_path / "whole").returncode == 0
    name = Path("scores") / "reference.parquet"
    assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_several_folders_are_shown_side_by_side_and_a_broken_one_does_not_hide_the_others(
    cohort: tuple[Path, Path], tmp_path: Path
) -> None:
    worse = write_folder(tmp_path / "worse", {f"case-{number}": empty() for number in range(4)})
    done = ich_bench("evaluate", cohort[0], cohort[1], worse, tmp_path / "none", "-o", tmp_path / "out")
    assert done.returncode == 1
    assert "prediction" in done.stdout
    assert "worse" in done.stdout
    assert "none" in done.stderr
    assert (tmp_path / "out" / "worse" / "scores" / "reference.parquet").exists()


def test_show_reads_a_run_back(cohort: tuple[Path, Path], tmp_path: Path) -> None:
    ich_bench("evaluate", *cohort, "-o", tmp_path / "out", "--jobs", "1")
    assert "dice" in ich_bench("show", tmp_path / "out").stdout
    rows = ich_bench("show", tmp_path / "out", "--format", "csv").stdout.splitlines()
    assert rows[0].startswith("submission,dataset,scheme")
    assert len(rows) == 5
    one = ich_bench("show", tmp_path / "out", "--case", "case-1")
    assert one.returncode == 0
    assert "case-1" in one.stdout
    unknown = ich_bench("show", tmp_path / "out", "--case", "case-11")
    assert unknown.returncode == 2
    assert "case-1" in unknown.stderr


def test_doctor_finds_this_installation_sound() -> None:
    done = ich_bench("doctor")
    assert done.returncode == 0, done.stdout
    assert "numpy" in done.stdout
    assert "broken" not in done.stdout


def test_doctor_says_how_to_mend_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = ich_bench("doctor", ICH_BENCH_CACHE=str(blocked / "cache"))
    assert done.returncode == 1
    assert "ICH_BENCH_CACHE" in done.stdout


def test_cache_clear_removes_what_can_be_made_again_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "cache" / "heads").mkdir(parents=True)
    (tmp_path / "cache" / "heads" / "one").write_text("x" * 1000)
    (tmp_path / "beside").write_text("kept")
    shown = ich_bench("cache", ICH_BENCH_CACHE=str(tmp_path / "cache"))
    assert "heads" in shown.stdout
    assert ich_bench("cache", "clear", ICH_BENCH_CACHE=str(tmp_path / "cache")).returncode == 0
    assert list((tmp_path / "cache").iterdir()) == []
    assert (tmp_path / "beside").read_text() == "kept"


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_a_console_that_lacks_a_sign_loses_nothing_and_is_no_bug(
    encoding: str, cohort: tuple[Path, Path], tmp_path: Path
) -> None:
    done = ich_bench("evaluate", *cohort, "-o", tmp_path / "out", "--jobs", "1", PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert "thick (" in done.stdout


def test_tables_keep_to_80_columns_whatever_the_name(tmp_path: Path) -> None:
    masks = {f"case-{number}": lopsided(number) for number in range(3)} | {"case-3": empty()}
    reference = write_folder(tmp_path / "reference", masks)
    names = [letter * 60 for letter in "ab"]
    for name in names:
        write_folder(tmp_path / name, {case: mask for case, mask in masks.items() if case != "case-1"})
    single = ich_bench("evaluate", reference, tmp_path / names[0], "--allow-missing", "-o", tmp_path / "one")
    both = ich_bench(
        "evaluate", reference, *(tmp_path / name for name in names), "--allow-missing", "-o", tmp_path / "o"
    )
    for done in (single, both):
        assert done.returncode == 0, done.stderr
        lines = [line for line in done.stdout.splitlines() if not line.startswith("scores ")]
        assert [line for line in lines if len(line) > 80] == []
