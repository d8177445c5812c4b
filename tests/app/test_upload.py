"""An upload is scored by a process under limits: whatever is in it, and however it ends, nothing of it is left."""

from __future__ import annotations

import math
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("streamlit")

import ich_bench
import ich_bench_app
from folders import GEOMETRY, lopsided, write_folder
from ich_bench.errors import IchBenchError
from ich_bench.geometry import Geometry
from ich_bench.predictions import archive
from ich_bench.tables.summary import summarise
from ich_bench_app.started import VARIABLE
from ich_bench_app.upload import limits, offers, outcome, process
from ich_bench_app.upload.limits import GB, MB, Limits
from ich_bench_app.upload.line import Line
from ich_bench_app.upload.outcome import Failed, Faulty, Scored, Step
from ich_bench_app.upload.worker import SCORE, Order, obey
from test_archive import pack, pack_one

pytestmark = pytest.mark.usefixtures("temporary")
SOUND = {f"head-{number}": lopsided(number) for number in range(4)}
NAMES = tuple(f"{name}.nii.gz" for name in SOUND)


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "reference", SOUND)


def zipped(path: Path, folder: Path, **renamed: str) -> Path:
    """Write a zip of a folder's masks, without compression."""
    with zipfile.ZipFile(path, "w") as packed:
        for file in sorted(folder.iterdir()):
            packed.write(file, renamed.get(file.name.split(".")[0], file.name))
    return path


def order_of(reference: Path, file: Path, **fields: object) -> Order:
    return Order(do=SCORE, dataset=str(reference), file=str(file), home=str(file.parent), **fields)  # type: ignore[arg-type]


def told(reference: Path, file: Path) -> Faulty:
    came = obey(order_of(reference, file), lambda step: None)
    assert isinstance(came, Faulty)
    return came


def words(came: Faulty) -> str:
    return "\n".join(str(problem) for problem in came.problems)


# What is in the zip: the same functions as the command line's, so what they find is tested in their own files. Here: it
# arrives, whole and in words.


def test_a_sound_zip_is_scored_as_evaluate_scores_it(reference: Path, tmp_path: Path) -> None:
    mine = write_folder(tmp_path / "mine", {name: np.roll(mask, 1, axis=0) for name, mask in SOUND.items()})
    steps: list[Step] = []
    came = obey(order_of(reference, zipped(tmp_path / "mine.zip", mine)), steps.append)
    run = ich_bench.evaluate(reference, mine, out=tmp_path / "out")
    (expected,) = summarise(run.scores).runs
    assert isinstance(came, Scored)
    assert [one.cohorts for one in came.runs] == [expected.cohorts]
    assert came.warnings == run.warnings
    assert [(one.stage, one.done) for one in steps] == [
        ("unpacking the zip", 0),
        ("checking names and headers", 0),
        *(("checking the masks", number) for number in (1, 2, 3, 4)),
        ("scoring", 0),
        *(("scoring", number) for number in (1, 2, 3, 4)),
    ]


def test_no_number_of_a_single_volume_leaves_the_worker(reference: Path, tmp_path: Path) -> None:
    came = obey(order_of(reference, zipped(tmp_path / "mine.zip", reference)), lambda step: None)
    said = outcome.line(came).decode().split('"warnings"')[0]  # warnings name heads, as the visitor's own zip does
    assert "head-" not in said


def test_every_problem_is_the_one_that_validate_tells(reference: Path, tmp_path: Path) -> None:
    mirrored = Geometry.of(GEOMETRY.shape, np.diag([-1.0, 1, 1, 1]) @ np.array(GEOMETRY.affine))
    mine = write_folder(tmp_path / "mine", {"head-0": SOUND["head-0"], "stranger": SOUND["head-1"]})
    write_folder(mine, {"head-2": SOUND["head-2"]}, mirrored)
    (mine / "head-3.nii.gz").write_bytes((mine / "head-0.nii.gz").read_bytes()[:-20])
    path = zipped(tmp_path / "mine.zip", mine)
    came = told(reference, path)
    report = ich_bench.validate(reference, path)
    assert came.problems == report.problems
    assert (came.files, came.fine, came.refused) == (report.files, report.fine, False)
    for where, what in (("stranger", "is no case"), ("head-1", "missing"), ("head-2", "mirrored"), ("head-3", "trunc")):
        assert any(where in one.where and what in one.what for one in came.problems)


def test_a_zip_without_a_mask_says_what_it_holds(reference: Path, tmp_path: Path) -> None:
    assert "holds no masks, but 1 .txt" in words(told(reference, pack(tmp_path / "mine.zip", "readme.txt")))
    assert "is empty" in words(told(reference, pack(tmp_path / "none.zip")))


def _link(path: Path) -> Path:
    info = zipfile.ZipInfo(NAMES[0])
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return pack_one(path, info, b"/etc/passwd")


def _twice(path: Path) -> Path:
    return pack(path, NAMES[0], NAMES[0].upper().replace(".NII.GZ", ".nii.gz"))


def _encrypted(path: Path) -> Path:
    content = bytearray(pack(path, NAMES[0]).read_bytes())
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + offset] |= 1
    path.write_bytes(content)
    return path


def _tar(path: Path) -> Path:
    import tarfile

    with tarfile.open(path, "w") as file:
        file.addfile(tarfile.TarInfo(NAMES[0]))
    return path


def _text(path: Path) -> Path:
    path.write_bytes(b"hello")
    return path


def _cut(path: Path) -> Path:
    path.write_bytes(pack(path, NAMES[0]).read_bytes()[:-5])
    return path


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda path: pack(path, "../../etc/passwd"), "leads out of its folder"),
        (lambda path: pack(path, "/etc/passwd"), "absolute path"),
        (lambda path: pack(path, "C:/a.nii.gz"), "a colon, as drive letters do"),
        (lambda path: pack(path, "more.zip"), "an archive inside the archive"),
        (_twice, "is there twice"),
        (_link, "is a link"),
        (_encrypted, "is encrypted"),
        (_tar, "tar is refused altogether"),
        (_text, "is not a zip archive"),
        (_cut, "is cut short"),
    ],
)
def test_a_hostile_archive_is_refused_whole_and_in_words(
    reference: Path, tmp_path: Path, make: Callable[[Path], Path], what: str
) -> None:
    came = told(reference, make(tmp_path / "upload.zip"))
    assert came.refused
    assert what in words(came)
    assert str(tmp_path) not in words(came)


def test_a_bomb_is_refused_while_it_unpacks(reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_RATIO", 500)  # these zeros reach 1,000 to 1
    came = told(reference, pack(tmp_path / "upload.zip", NAMES[0], content=b"\0" * 3_000_000))
    assert "unpacks to more than 500 times its size" in words(came)


def test_no_folder_of_the_server_is_named(reference: Path, tmp_path: Path) -> None:
    gone = order_of(tmp_path / "secret" / "masks", zipped(tmp_path / "mine.zip", reference))
    came = obey(gone, lambda step: None)
    assert isinstance(came, Faulty | Failed)
    data = order_of(reference, tmp_path / "mine.zip", data=str(tmp_path / "secret"))
    came = obey(data, lambda step: None)
    assert str(tmp_path / "secret") not in str(came)


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.25])
def test_an_outcome_survives_its_line(reference: Path, tmp_path: Path, value: float) -> None:
    came = obey(order_of(reference, zipped(tmp_path / "mine.zip", reference)), lambda step: None)
    assert isinstance(came, Scored)
    came.runs[0].cohorts[0].metrics["dice"].__dict__["mean"] = value  # type: ignore[index]
    assert repr(outcome.read(outcome.line(came))) == repr(came)
    faulty = told(reference, pack(tmp_path / "b.zip", "a\nb.nii.gz"))
    assert outcome.read(outcome.line(faulty)) == faulty
    assert outcome.read(outcome.line(Step(stage="x", done=1, total=2))) == Step(stage="x", done=1, total=2)


@pytest.mark.parametrize("said", [b"", b"{}", b"[]", b'{"kind": "step", "x": 1}', b'{"kind": "no"}', b"[" * 100_000])
def test_what_no_worker_says_is_not_believed(said: bytes) -> None:
    with pytest.raises(ValueError, match=r"worker|Expecting"):
        outcome.read(said)


# How it ends. The workers here are a few lines each; the real one is started in the slow tests below.


def worker(code: str) -> tuple[str, ...]:
    """Return the command of a worker that reads its order and does something else."""
    return (sys.executable, "-S", "-c", f"import os, sys, time\nsys.stdin.readline()\n{code}")


def run(code: str, *, content: bytes = b"PK", tell: Callable[..., None] = lambda step: None, name: str = "mine.zip",
        **limited: float) -> outcome.Outcome:  # fmt: skip
    return process.run(
        lambda file: Order(do=SCORE, dataset="x", file=str(file), home=str(file.parent), limits=Limits(**limited)),  # type: ignore[arg-type]
        tell=tell,
        content=content,
        name=name,
        command=worker(code),
    )


def says(why: str) -> str:
    """Return the code that says why something failed, an expression of Python."""
    return f"import json; print(json.dumps({{'kind': 'failed', 'why': {why}}}), flush=True)\n"


def test_steps_are_heard_while_the_worker_works() -> None:
    heard: list[Step | None] = []
    code = "".join(f'print(\'{{"kind": "step", "stage": "at", "done": {n}}}\', flush=True)\n' for n in (1, 2))
    assert run(code + "time.sleep(0.5)\n" + says("'done'"), tell=heard.append) == Failed(why="done")
    assert [one.done for one in heard if one is not None] == [1, 2]
    assert None in heard  # in between, so that a visitor who leaves is noticed


def test_the_worker_sees_a_private_folder_and_none_of_the_servers_variables(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, '{"data_root": "/secret"}')
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    facts = (
        "repr([sorted(os.environ), os.getcwd(), oct(os.stat('.').st_mode), os.getpgrp() == os.getpid(), os.listdir()])"
    )
    came = run(says(facts), name="../../x.tar.gz")
    assert isinstance(came, Failed)
    names, place, mode, leads, files = eval(came.why)
    assert set(names) <= {
        "HOME",
        "LANG",
        "LC_CTYPE",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONPATH",
        "PYTHONUTF8",
        "TMPDIR",
    } | {f"{library}_THREADS" for library in ("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "ITK_GLOBAL_DEFAULT_NUMBER_OF")}
    assert Path(place).parent.resolve() == temporary.resolve()
    assert (mode, leads) == ("0o40700", True)
    assert sorted(files) == ["log", "tmp", "upload.tar.gz"]  # of its name, the ending alone


def test_who_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    code = f"""import subprocess
child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)'])
open({str(tmp_path / "child")!r}, 'w').write(str(child.pid))
time.sleep(60)"""
    came = run(code, wall_s=2)
    assert isinstance(came, Failed)
    assert "longer than 2 seconds" in came.why
    assert _is_gone(int((tmp_path / "child").read_text()))


def _is_gone(number: int) -> bool:
    """Return whether a process has ended, soon; one that nobody has waited for yet has ended too."""
    for _ in range(50):
        try:
            state = Path(f"/proc/{number}/stat").read_text().rsplit(")")[-1].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False


def test_who_fills_the_disk_is_ended() -> None:
    came = run("open('big', 'wb').write(b'0' * 3_000_000)\ntime.sleep(60)", disk_bytes=2_000_000)
    assert isinstance(came, Failed)
    assert "unpacks to more than the 0.002 GB" in came.why


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("os.kill(os.getpid(), 9)", "killed, most likely because memory ran out"),
        ("os.kill(os.getpid(), 24)", "needed more than 600 seconds of computing"),
        ("os.kill(os.getpid(), 11)", "crashed (error"),
        ("sys.exit('secret: /srv/x')", "crashed (error"),
        ("pass", "crashed (error"),
        ("print('hello')", "crashed (error"),
        ("print('x' * 20_000_000)", "says more than can be shown"),
    ],
)
def test_who_breaks_is_explained_in_words(code: str, why: str, caplog: pytest.LogCaptureFixture) -> None:
    came = run(code)
    assert isinstance(came, Failed)
    assert why in came.why
    assert "secret" not in came.why
    if "secret" in code:
        assert "secret: /srv/x" in caplog.text  # the host reads it in the log, under the number that the visitor sees
        assert re.search(r"error (\w+)", came.why)[1] in caplog.text  # type: ignore[index]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the address space has no limit elsewhere")
@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("try:\n    bytearray(500_000_000)\nexcept MemoryError:\n    print('no memory')", "no memory"),
        ("try:\n    open('big', 'wb').write(b'0' * 2_000_000)\nexcept OSError as fault:\n    print(fault.errno)", "27"),
        ("try:\n    [open(os.devnull) for _ in range(100)]\nexcept OSError as fault:\n    print(fault.errno)", "24"),
        ("print(os.nice(0) >= 10, oct(os.umask(0)))", "True 0o77"),
    ],
)
def test_the_limits_hold(tmp_path: Path, code: str, what: str) -> None:
    asked = Limits(address_bytes=300 * MB, data_bytes=300 * MB, file_bytes=1 * MB, open_files=50)
    script = f"import os\nfrom ich_bench_app.upload.limits import Limits, apply\napply({asked!r})\n{code}"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == what, done.stderr


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="as above")
def test_endless_computing_is_ended_by_its_own_signal() -> None:
    script = f"from ich_bench_app.upload.limits import Limits, apply\napply({Limits(cpu_s=1)!r})\nwhile True: pass"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGXCPU


def test_the_limits_are_those_that_the_deployment_page_names() -> None:
    page = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text("utf-8")
    asked = Limits()
    for said in (
        f"{limits.UPLOAD_BYTES // MB} MB", f"{asked.disk_bytes / GB:g} GB on disk", f"{asked.wall_s / 60:.0f} minutes",
        f"{asked.address_bytes // GB} GB of address space", f"{limits.MOST_PER_VISIT} evaluations",
        f"{limits.MOST_WAITING} wait",
    ):  # fmt: skip
        assert said in page.replace("\n", " ")


def test_every_setting_is_explained_with_its_value() -> None:
    page = (Path(__file__).parents[2] / "docs" / "deployment.md").read_text("utf-8")
    settings = tomllib.loads((Path(ich_bench_app.__file__).parent / ".streamlit" / "config.toml").read_text("utf-8"))
    for section in ("server", "browser", "client", "runner"):
        for name, value in settings[section].items():
            said = str(value).lower() if isinstance(value, bool) else value
            assert f"| `{section}.{name}` | {said} |" in page
    assert all(f"`theme.{ground}`" in page for ground in settings["theme"])


class Left(BaseException):
    """What Streamlit raises in a script whose visitor has left is no Exception either."""


def test_nothing_is_left_when_the_visitor_leaves(tmp_path: Path) -> None:
    def leave(step: Step | None) -> None:
        if (tmp_path / "pid").exists():
            raise Left

    code = f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"
    with pytest.raises(Left):
        run(code, tell=leave)
    assert _is_gone(int((tmp_path / "pid").read_text()))


def test_a_full_disk_is_told_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    came = run("pass", disk_bytes=10**18)
    assert isinstance(came, Failed)
    assert "short of disk space" in came.why


def test_what_a_killed_server_left_is_swept_and_nothing_else(temporary: Path) -> None:
    def folder(name: str, *, hours: float) -> Path:
        made = temporary / name
        made.mkdir()
        os.utime(made, (time.time() - 3600 * hours,) * 2)
        return made

    dead = subprocess.Popen([sys.executable, "-S", "-c", ""])
    dead.wait()
    gone = folder(f"{process.PREFIX}{dead.pid}-abc", hours=2)
    kept = [
        folder(f"{process.PREFIX}{dead.pid}-young", hours=0),
        folder(f"{process.PREFIX}{os.getpid()}-mine", hours=2),
        folder(f"{process.PREFIX}1-another", hours=2),
        folder("somebody-elses", hours=2),
    ]
    process.sweep()
    assert not gone.exists()
    assert all(one.exists() for one in kept)
    for one in kept:
        one.rmdir()


@pytest.mark.slow
def test_a_worker_whose_server_is_killed_ends_and_leaves_nothing(tmp_path: Path, temporary: Path) -> None:
    script = f"""
import os, tempfile
from pathlib import Path
from ich_bench_app.upload import process
from ich_bench_app.upload.worker import SCORE, Order
tempfile.tempdir = {str(temporary)!r}
def order(file):
    os.mkfifo(file)  # opening it waits for ever
    return Order(do=SCORE, dataset="x", file=str(file), home=str(file.parent))
process.run(order, tell=lambda step: print(step.stage, flush=True) if step else None)
"""
    server = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    assert server.stdout.readline() == "unpacking the zip\n"
    assert len(list(temporary.iterdir())) == 1
    server.kill()
    server.wait()
    server.stdout.close()
    for _ in range(100):
        if not list(temporary.iterdir()):
            break
        time.sleep(0.1)
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_the_real_worker_scores_a_zip_and_explains_a_broken_one(reference: Path, tmp_path: Path) -> None:
    def asked(file: Path) -> Order:
        return order_of(reference, file)

    sound = zipped(tmp_path / "mine.zip", reference).read_bytes()
    came = process.run(asked, tell=lambda step: None, content=sound, name="mine.zip")
    assert isinstance(came, Scored)
    assert came.runs[0].mean("ich", "dice") == 1.0
    assert "identical to the reference" in came.warnings[0]
    came = process.run(asked, tell=lambda step: None, content=sound[:-30], name="mine.zip")
    assert isinstance(came, Faulty)
    assert "cut short" in words(came)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the address space has no limit elsewhere")
def test_a_worker_that_runs_out_of_memory_says_so(reference: Path, tmp_path: Path) -> None:
    tight = Limits(address_bytes=700 * MB, data_bytes=330 * MB)  # enough to start, too little to write scores
    shape = (512, 512, 400)
    big = {"head-0": np.ones(shape, dtype=np.bool_)}
    reference = write_folder(tmp_path / "big", big, Geometry.of(shape, np.diag([0.5, 0.5, 5, 1])))
    content = zipped(tmp_path / "mine.zip", reference).read_bytes()
    came = process.run(lambda file: order_of(reference, file, limits=tight), tell=lambda step: None, content=content)
    assert isinstance(came, Failed)
    assert "memory" in came.why


# Whose turn it is


def test_one_is_served_at_a_time_in_the_order_of_coming() -> None:
    queue, served, most = Line(), [], [0]
    inside = threading.Lock()

    def visit(number: int) -> None:
        with queue.turn(lambda ahead: None):
            assert inside.acquire(blocking=False)
            most[0] += 1
            served.append(number)
            time.sleep(0.05)
            inside.release()

    visitors = []
    for number in range(3):
        visitors.append(threading.Thread(target=visit, args=(number,)))
        visitors[-1].start()
        while len(queue) + len(served) <= number:
            time.sleep(0.01)
    for visitor in visitors:
        visitor.join()
    assert served == [0, 1, 2]
    assert len(queue) == 0


def test_who_waits_hears_how_many_are_ahead_and_may_leave() -> None:
    queue = Line()
    ahead: list[int] = []

    def leave(count: int) -> None:
        ahead.append(count)
        raise Left

    with queue.turn(lambda count: None):
        with pytest.raises(Left), queue.turn(leave):
            pass
        assert len(queue) == 1
    assert ahead == [1]
    assert len(queue) == 0


def test_no_more_than_so_many_may_wait() -> None:
    queue = Line(most_waiting=0)
    with (
        queue.turn(lambda count: None),
        pytest.raises(IchBenchError, match="wait already"),
        queue.turn(lambda count: None),
    ):
        pass
    with queue.turn(lambda count: None):
        assert len(queue) == 1


# What may be scored against


def offered() -> dict[str, offers.Offer]:
    return {one.dataset: one for one in offers.offers()}


def test_only_drawn_heads_are_offered_and_none_are_drawn_by_looking(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ICH_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(VARIABLE, raising=False)
    found = offered()
    assert set(found) == {"phantom", "phantom-dev", "phantom-mini", "phantom-test"}
    assert [one.dataset for one in found.values() if one.ready] == ["phantom-mini"]  # the small one is drawn when asked
    assert found["phantom-mini"].draw
    assert "ich-bench phantom make phantom-test" in found["phantom-test"].lacking
    assert not (tmp_path / "cache").exists()


def test_a_real_dataset_is_offered_where_its_host_allows_it_and_holds_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "data" / "instance2022").mkdir(parents=True)
    monkeypatch.setenv("ICH_BENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv(VARIABLE, '{"uploads": ["instance2022", "hssayeni"]}')
    found = offered()
    assert found["instance2022"].ready
    assert found["instance2022"].data == (tmp_path / "data" / "instance2022").resolve()
    assert not found["hssayeni"].ready
    assert "seg-cq500" not in found
    monkeypatch.setenv(VARIABLE, "{}")
    assert "instance2022" not in offered()
    monkeypatch.setenv(VARIABLE, '{"uploads": []}')
    assert offered() == {}


# What the app never does


def test_the_app_reads_no_format_that_can_run_code() -> None:
    package = Path(ich_bench_app.__file__).parent
    files = sorted(package.rglob("*.py"))
    assert len(files) > 20
    forbidden = re.compile(
        r"\bpickle\b|\bcloudpickle\b|\bjoblib\b|\bshelve\b|\bmarshal\b|\byaml\b|\bnp\.load\(|numpy\.load\(|allow_pickle"
        r"|read_pickle|torch\.load|\beval\(|\bexec\(|shell\s*=\s*True|os\.system|os\.popen|tarfile|extractall"
        r"|unsafe_allow_html|preexec_fn"
    )
    found = [f"{path.name}: {match[0]}" for path in files for match in forbidden.finditer(path.read_text("utf-8"))]
    assert found == []
