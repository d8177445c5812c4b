"""What does the app stand on in a test: an empty board, one row, two hundred, or one written by someone hostile."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from streamlit.testing.v1 import AppTest

import ich_bench_app
from boards import cases_of, dice_like, write_run
from ich_bench.submissions.written import toml_value
from ich_bench_app.views import VIEWS

APP = Path(ich_bench_app.__file__).with_name("app.py")
STATES = ("empty", "one", "many", "hostile")
REAL = ("seg-cq500", "hssayeni", "instance2022")  # 226 cases together
METHODS = 200
DRAWS = 200
SECONDS = 120  # a busy machine fails no test
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "![x](http://evil.example/a.png)",
    "[a](javascript:alert(1))",
    "$x^2$ and $$y$$",
    ":red[x] :material/home: :smile:",
    '=1+1;@x|"quoted", `code`',
    "# no heading\\n* no item",
    "datum.x[0].y and {{x}} ${y}",
    "abc\u202egnp.exe\u2066 \u200bzero\u200dwidth\ufeff",
    "x" * 240,
)


@dataclass(frozen=True, kw_only=True)
class BoardState:
    """What stands in the app: `slugs` are the board's keys, `names` the methods' names as their makers wrote them.

    `dataset` is the one to look at; `many` has rows on all of REAL. `folder` holds `runs` (OUT folders of `evaluate`)
    and an empty folder of submissions.
    """

    name: str
    dataset: str
    folder: Path
    slugs: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def options(self) -> str:
        """Return what stands in ICH_BENCH_APP."""
        said = {"submissions": str(self.folder / "submissions"), "runs": [str(self.folder / "runs")], "draws": DRAWS}
        return json.dumps(said if self.slugs else {**said, "runs": []})


def made(name: str, home: Path) -> BoardState:
    """Return a state, written below `home` by whichever process comes first; the others wait for it."""
    home.mkdir(parents=True, exist_ok=True)
    folder = home / name
    with (home / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        state = _WRITERS[name](folder)
        (folder / "submissions").mkdir(parents=True, exist_ok=True)
        (folder / "written").touch()
    return state


def open_page(file: str, *, run: bool = True, **query: str | list[str]) -> AppTest:
    """Return a page of the app under an address, having asserted that it stands: its title, no error, no exception."""
    at = AppTest.from_file(str(APP), default_timeout=SECONDS)
    for name, value in query.items():
        at.query_params[name] = value
    at.switch_page(f"views/{file}.py")
    return stands(at.run(), file) if run else at


def stands(at: AppTest, file: str) -> AppTest:
    """Return a page that has run, having asserted its title, and that nothing went wrong on it."""
    assert [one.value for one in at.title] == [VIEWS[file].title]
    assert not at.exception, at.exception[0].value
    assert not at.error, at.error[0].value
    return at


def _empty(folder: Path) -> BoardState:
    return BoardState(name="empty", dataset="hssayeni", folder=folder)


def _one(folder: Path) -> BoardState:
    if not (folder / "written").exists():
        cases = len(cases_of("phantom-mini"))
        write_run(
            folder / "runs" / "lonely", "phantom-mini", np.linspace(0.4, 0.9, cases), manifest=_manifest("Lonely")
        )
    return BoardState(name="one", dataset="phantom-mini", folder=folder, slugs=("lonely",), names=("Lonely",))


def _many(folder: Path) -> BoardState:
    slugs = tuple(f"method-{number:03d}" for number in range(METHODS))
    names = tuple(f"Method {number}" for number in range(METHODS))
    if not (folder / "written").exists():
        rng = np.random.default_rng(0)
        shifts = rng.normal(0, 0.05, size=METHODS)
        for dataset in REAL:
            scores = dice_like(rng, METHODS, len(cases_of(dataset)), shifts)
            for number, (slug, name) in enumerate(zip(slugs, names, strict=True)):
                manifest = _manifest(name, number=number)
                write_run(folder / "runs" / slug, dataset, scores[:, number], manifest=manifest)
    return BoardState(name="many", dataset="hssayeni", folder=folder, slugs=slugs, names=names)


def _hostile(folder: Path) -> BoardState:
    slugs = tuple(name.replace("/", "∕") for name in HOSTILE)
    if not (folder / "written").exists():
        cases = cases_of("phantom-mini")
        rng = np.random.default_rng(1)
        for number, (slug, name) in enumerate(zip(slugs, HOSTILE, strict=True)):
            dice = rng.uniform(0.2, 0.95, len(cases))
            edit = {cases[0]: {"hd95": float("inf"), "hd100": float("inf")}} if number == 1 else {}
            manifest = _manifest(name, number=number)
            write_run(folder / "runs" / slug, "phantom-mini", dice, manifest=manifest, edit=edit)
    return BoardState(name="hostile", dataset="phantom-mini", folder=folder, slugs=slugs, names=HOSTILE)


_WRITERS: dict[str, Callable[[Path], BoardState]] = {"empty": _empty, "one": _one, "many": _many, "hostile": _hostile}


def _manifest(name: str, *, number: int = 0) -> str:
    """Return a submission.toml in which the name stands wherever a stranger may write."""
    levels = (("supervised", ["voxel"]), ("weak", ["slice"]), ("none", []))
    supervision, labels = levels[number % 3]
    said = {
        "method": name,
        "team": f"Team of {name}"[:120],
        "about": name,
        "paper": name if number % 2 else "https://example.org/paper",
        "code": "javascript:alert(1)" if number % 2 else "http://evil.example/a.png",
        "licence": name[:120],
        "contact": name[:120],
        "postprocessing": name,
        "pretrained_weights": name,
        "contamination": name,
        "hardware": name[:120],
        "regime": "cv",
        "supervision": supervision,
        "labels_needed": labels,
        "training_data": [name[:120]],
        "external_data": [name[:120]] if number % 4 == 1 else [],
        "checkpoint_selection": "last",
        "postprocessing_chosen_on": "none",
        "test_data_seen": "no",
        "training_hours": 2.5,
    }
    return "".join(f"{key} = {toml_value(value)}\n" for key, value in said.items())


def shared_home(base: Path) -> Path:
    """Return the folder that all workers of a test session share."""
    return (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "app-states"
