"""The house rules about imports, held against the code itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HARNESS = ROOT / "harness" / "ich_bench"
PACKAGES = {
    "harness": ("ich_bench", {"ich_bench_baselines", "ich_bench_app", "torch", "streamlit", "nnunetv2"}),
    "baselines": ("ich_bench_baselines", {"ich_bench_app", "streamlit"}),
    "leaderboard_app": ("ich_bench_app", {"ich_bench_baselines", "torch", "nnunetv2"}),
}
HEAVY = ("numpy", "pandas", "scipy", "pyarrow", "nibabel", "SimpleITK", "torch", "streamlit", "joblib", "pydicom")


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield the top package of each import and whether it stands inside a function."""
    tree = ast.parse(path.read_text("utf-8"))
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module]
        for name in names:
            yield name.split(".")[0], id(node) in inside


@pytest.mark.parametrize("folder", PACKAGES)
def test_a_package_imports_only_what_the_house_allows(folder: str) -> None:
    package, forbidden = PACKAGES[folder]
    files = sorted((ROOT / folder / package).rglob("*.py"))
    assert files
    found = [
        (str(path.relative_to(ROOT)), name)
        for path in files
        for name, inside in imports(path)
        if name in forbidden and not (inside and path.is_relative_to(HARNESS / "cli"))
    ]
    assert found == []


def test_each_outer_folder_holds_one_package_and_no_loose_module() -> None:
    for folder, (package, _) in PACKAGES.items():
        assert [path.name for path in (ROOT / folder).iterdir() if (path / "__init__.py").exists()] == [package]
        assert list((ROOT / folder).glob("*.py")) == []
        assert (ROOT / folder / "README.md").exists()


def test_no_module_is_longer_than_300_lines() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines())
        for folder, (package, _) in PACKAGES.items()
        for path in (ROOT / folder / package).rglob("*.py")
    }
    assert {name: length for name, length in lengths.items() if length > 300} == {}


def test_every_module_says_first_which_question_it_answers() -> None:
    for path in HARNESS.rglob("*.py"):
        doc = ast.get_docstring(ast.parse(path.read_text("utf-8")))
        assert doc, path


@pytest.mark.parametrize("argument", ["--help", "evaluate --help", "--version"])
def test_help_loads_nothing_heavy(argument: str) -> None:
    probe = (
        "import sys\n"
        f"sys.argv = ['ich-bench', *{argument.split()!r}]\n"
        "from ich_bench.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert end.code in (0, None), end.code\n"
        f"print('LOADED', sorted(set({HEAVY!r}) & set(sys.modules)))\n"
    )
    told = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines()[-1] == "LOADED []"


def test_nothing_that_could_run_code_is_ever_loaded_from_a_file() -> None:
    calls = ("pickle", "allow_pickle=True", "torch.load(", "joblib.load(", "yaml.load(", "eval(", "exec(")
    for path in HARNESS.rglob("*.py"):
        text = path.read_text("utf-8")
        assert [call for call in calls if call in text] == [], path


def test_the_public_face_lists_all_its_names_before_any_is_used() -> None:
    probe = "import ich_bench; print(sorted(set(ich_bench.__all__) - set(dir(ich_bench))))"
    told = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_only_the_command_line_prints() -> None:
    for path in HARNESS.rglob("*.py"):
        calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
        printing = [call for call in calls if isinstance(call, ast.Name) and call.id == "print"]
        assert not printing or path.parent.name == "cli", path
