"""Two processes never work on one folder; the second waits, and a killed one holds nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("fcntl", reason="no file locks on this system")

from ich_bench.errors import IchBenchError
from ich_bench_baselines.alone import alone, is_taken

HOLDER = """
import sys, time
from pathlib import Path
from ich_bench_baselines.alone import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def holder(out: Path) -> subprocess.Popen[str]:
    found = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert found.stdout is not None
    assert found.stdout.readline() == "held\n"
    return found


def test_a_folder_is_taken_while_another_process_works_there_and_free_afterwards(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "fold_0"
    assert not is_taken(out)
    with holder(out) as other:
        assert is_taken(out)
        other.communicate("\n")
    assert not is_taken(out)


def test_the_second_says_that_it_waits_and_goes_on_when_the_first_is_killed(tmp_path: Path) -> None:
    told: list[str] = []
    with holder(tmp_path / "fold_0") as other:

        def tell(what: str) -> None:
            told.append(what)
            other.send_signal(signal.SIGKILL)

        with alone(tmp_path / "fold_0", tell):
            assert is_taken(tmp_path / "fold_0")
        other.communicate()
    assert told == ["another process works on fold_0: waiting for it"]


def test_a_disk_that_refuses_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IchBenchError, match="cannot write to"), alone(tmp_path / "file" / "fold_0"):
        pass
