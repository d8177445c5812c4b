"""The verb app: what it refuses, what it passes on, how it starts and ends; and where submissions are fetched from."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from importlib import util
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("streamlit")
pytest.importorskip("fsspec")
from typer.testing import CliRunner, Result

from boards import write_run
from ich_bench.board import kept_fetch
from ich_bench.board.kept_fetch import fetched
from ich_bench.cli.app import app
from ich_bench.errors import IchBenchError, InputError, UsageError
from ich_bench_app import serving
from ich_bench_app.started import Started
from submitted import manifest, run

ROOT = Path(__file__).parents[1]
SEG = "seg-cq500"


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ICH_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Started, dict[str, Any]]]:
    """Return with which options servers were started; none is."""
    found: list[tuple[Started, dict[str, Any]]] = []

    def serve(options: Started, *, ready: Callable[[], None], **place: Any) -> None:
        found.append((options, place))
        ready()

    monkeypatch.setattr(serving, "serve", serve)
    return found


def called(*words: object) -> Result:
    return CliRunner().invoke(app, ["app", *map(str, words)], catch_exceptions=False)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_options_reach_the_server_and_the_address_stands_alone_on_stdout(
    tmp_path: Path, started: list[tuple[Started, dict[str, Any]]]
) -> None:
    out, port = write_run(tmp_path / "out", SEG, [0.5] * 51), free_port()
    (tmp_path / "data").mkdir()
    (tmp_path / "shelf").mkdir()
    result = called("--submissions", "shelf", "--with", "out", "--data-root", "data", "--predictions-root", tmp_path,
                    "--port", port, "--allow-upload", SEG, "--allow-upload", "phantom-mini")  # fmt: skip
    assert result.exit_code == 0
    assert result.stdout == f"http://127.0.0.1:{port}\n"
    assert "warning" not in result.stderr
    expected = Started(
        submissions=str(tmp_path / "shelf"),
        runs=(str(out),),
        data_root=str(tmp_path / "data"),
        predictions_root=str(tmp_path),
        uploads=(SEG, "phantom-mini"),
    )
    assert started == [(expected, {"address": "127.0.0.1", "port": port})]


def test_boards_are_built_before_the_server_starts_and_faulty_files_are_told(
    tmp_path: Path, started: list[tuple[Started, dict[str, Any]]]
) -> None:
    runs = [write_run(tmp_path / "runs" / name, SEG, [0.5] * 51) for name in "ab"]
    (runs[1] / "scores" / f"{SEG}.parquet").write_bytes(b"half")
    result = called("--with", "runs", "--port", free_port())
    assert result.exit_code == 0
    assert "left out, and named on the page About:\n  b/scores/seg-cq500.parquet" in result.stderr
    assert len(started) == 1
    kept = [one.name for one in (tmp_path / "cache" / "boards").glob("*/*") if one.name != "files"]
    assert len(kept) == 1


def test_every_folder_that_is_not_there_and_a_port_in_use_are_told_at_once() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(InputError) as fault:
            called("--submissions", "none", "--with", "no-out", "--data-root", "no-data", "--predictions-root", "no-p",
                   "--port", port)  # fmt: skip
    where = [problem.where for problem in fault.value.problems]
    assert where[:4] == ["--submissions none", "--with no-out", "--data-root no-data", "--predictions-root no-p"]
    assert "--port" in fault.value.problems[4].mend


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--port", "0"), "1 to 65535"),
        (("--port", "70000"), "1 to 65535"),
        (("--allow-upload", "seg-cq50"), "Did you mean seg-cq500"),
    ],
)
def test_a_port_or_dataset_that_cannot_be_is_wrong_usage(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        called(*words)


def test_an_address_that_is_not_this_machines_is_refused() -> None:
    with pytest.raises(InputError, match=r"127\.0\.0\.1 or 0\.0\.0\.0"):
        called("--address", "no such host", "--port", free_port())


def test_without_streamlit_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name, *more: None if name == "streamlit" else real(name, *more))
    with pytest.raises(IchBenchError, match=r"needs streamlit, which is not.*pip install 'ich-bench\[app\]'"):
        called()


def test_an_address_that_others_reach_is_warned_about(started: list[tuple[Started, dict[str, Any]]]) -> None:
    result = called("--address", "0.0.0.0", "--port", free_port())
    assert "warning: 0.0.0.0 can be reached from other machines, and no login is set up" in result.stderr


def test_security_settings_are_flags_so_that_no_other_file_overrides_them() -> None:
    flags = serving.flags(address="0.0.0.0", port=8765)
    expected = ("server.enableXsrfProtection=true", "browser.gatherUsageStats=false", "client.showErrorDetails=none",
                "server.fileWatcherType=none", "server.headless=true", "server.maxUploadSize=200",
                "server.address=0.0.0.0", "server.port=8765")  # fmt: skip
    assert [one for one in expected if f"--{one}" not in flags] == []
    assert [one for one in flags if one.startswith("--server.address=")] == ["--server.address=0.0.0.0"]


# ---- Submissions at an address ----


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder of one submission and published numbers, with much that does not belong there."""
    from ich_bench.submissions.submit import submit

    out = run(tmp_path / "made" / "net", dice=lambda case, number: 0.5, text=manifest())
    home = tmp_path / "there" / "submissions"
    submit([out], "net", submissions=home)
    (home / "reported").mkdir()
    (home / "reported" / "x.toml").write_text("")
    for name in ("net/run.sh", "net/scores/x.exe", "Net2/submission.toml", "deep/er/still/submission.toml", "a.py"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("no result")
    return home


WANTED = ["net/scores/seg-cq500.parquet", "net/submission.toml", "reported/x.toml"]


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_of_a_folder_at_an_address_only_results_are_fetched(shelf: Path) -> None:
    folder = fetched(f"file://{shelf}")
    assert files_of(folder) == WANTED
    assert (folder / WANTED[0]).read_bytes() == (shelf / WANTED[0]).read_bytes()


@pytest.mark.parametrize("top", ["", "board/", "ich-bench-main/submissions/"])
def test_of_a_zip_only_results_are_taken_whatever_folder_they_lie_in(shelf: Path, tmp_path: Path, top: str) -> None:
    packed = tmp_path / "board.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
        for path in shelf.rglob("*"):
            if path.is_file():
                out.write(path, f"{top}{path.relative_to(shelf)}")
        out.writestr("../../escaped/submission.toml", "no")
        out.writestr("/etc/slug/submission.toml", "no")
    assert files_of(fetched(f"file://{packed}")) == WANTED
    assert not (tmp_path / "escaped").exists()


def test_what_is_fetched_again_is_what_stands_there_now(shelf: Path) -> None:
    fetched(f"file://{shelf}")
    (shelf / "reported" / "x.toml").unlink()
    assert files_of(fetched(f"file://{shelf}")) == WANTED[:2]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("MOST_FILE_BYTES", 100, "larger than"), ("MOST_BYTES", 100, "larger than"), ("MOST_FILES", 2, "more than")],
)
def test_more_than_may_be_is_not_fetched_and_nothing_is_kept(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: int, said: str
) -> None:
    monkeypatch.setattr(kept_fetch, name, value)
    with pytest.raises(IchBenchError, match=said):
        fetched(f"file://{shelf}")
    assert files_of(tmp_path / "cache") == []


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("net/submission.toml", "#" * 70_000_000)


def no_zip(path: Path) -> None:
    path.write_bytes(b"PK no zip")


@pytest.mark.parametrize("make", [bomb, no_zip])
def test_a_zip_that_is_none_or_unpacks_too_large_is_refused_in_words(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "board.zip")
    with pytest.raises(IchBenchError, match=r"board\.zip|larger than 64 MB"):
        fetched(f"file://{tmp_path / 'board.zip'}")
    assert files_of(tmp_path / "cache") == []


@pytest.mark.parametrize("url", ["file:///no/such/folder", "nosuch://x", "file:///no/such.zip"])
def test_an_address_where_nothing_is_says_so(url: str) -> None:
    with pytest.raises(IchBenchError, match=r"no such|cannot be fetched|holds no"):
        fetched(url)


def test_the_verb_fetches_first_and_serves_the_copy(
    shelf: Path, tmp_path: Path, started: list[tuple[Started, dict[str, Any]]]
) -> None:
    result = called("--submissions", f"file://{shelf}", "--port", free_port())
    assert result.exit_code == 0, result.output
    (options, _), *_ = started
    assert options.submissions is not None
    assert Path(options.submissions).is_relative_to(tmp_path / "cache" / "fetched")
    assert "1 submissions and runs on 1 datasets." in result.stderr


# ---- A server, as a user starts it ----


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Return a function that starts `ich-bench app` in an empty folder and waits until it answers."""
    running: list[subprocess.Popen[str]] = []

    def start(env: dict[str, str] | None = None) -> tuple[subprocess.Popen[str], str]:
        home = tmp_path / "empty"
        home.mkdir()
        url = f"http://127.0.0.1:{(port := free_port())}"
        words = [sys.executable, "-m", "ich_bench", "app", "--port", str(port)]
        made = subprocess.Popen(words, cwd=home, env={**os.environ, **(env or {})}, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # fmt: skip
        running.append(made)
        for _ in range(1200):
            assert made.poll() is None, made.stderr.read() if made.stderr else ""
            try:
                with urllib.request.urlopen(f"{url}/_stcore/health", timeout=5) as answer:
                    assert answer.read() == b"ok"
                    return made, url
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the server did not answer")

    yield start
    for one in running:
        one.kill()
        one.communicate()


@pytest.mark.slow
def test_the_server_answers_says_where_and_ends_quietly_on_ctrl_c(
    server: Callable[..., tuple[subprocess.Popen[str], str]],
) -> None:
    running, url = server()
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 0
    assert out == f"{url}\n"
    assert "Traceback" not in err
    assert "interrupted" not in err


@pytest.mark.slow
def test_an_installed_wheel_carries_the_settings_and_serves_from_an_empty_folder(
    tmp_path: Path, server: Callable[..., tuple[subprocess.Popen[str], str]]
) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", tmp_path / "wheel", ROOT], check=True)
    (wheel,) = (tmp_path / "wheel").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"ich_bench_app/.streamlit/config.toml", "ich_bench_app/icon.png"} <= set(names)
    site = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", site, wheel], check=True)
    env = {"PYTHONPATH": str(site)}
    where = "import ich_bench, ich_bench_app; print(ich_bench.__file__, ich_bench_app.__file__)"
    found = subprocess.run([sys.executable, "-c", where], env={**os.environ, **env}, text=True, capture_output=True, check=True)  # fmt: skip  # noqa: E501
    assert found.stdout.count(str(site)) == 2
    server(env)
