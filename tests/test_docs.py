"""The docs hold: generated tables are current, commands and options exist, links lead somewhere, messages are real."""

from __future__ import annotations

import importlib.util
import pkgutil
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *ROOT.glob("*/*.md"))
    if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands(text: str) -> Iterator[str]:
    """Yield each `ich-bench …` of code blocks and code spans, without comments and redirections."""
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    spans = re.findall(r"`(ich-bench [^`\n]*)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    for line in [*(line for block in blocks for line in block.splitlines()), *spans]:
        found = re.search(r"(?:^|[/ ])ich-bench (?P<rest>[a-z-].*)", line.removeprefix("$ ").strip())
        if found and not line.lstrip().startswith("#"):
            yield re.split(r"\s#|\s[>|]\s|&&|→", found["rest"])[0].strip()


def command_tree() -> object:
    import typer

    from ich_bench.cli import data, machine, mend, score  # noqa: F401  (they hang the verbs on the app)
    from ich_bench.cli.app import app

    return typer.main.get_command(app)


def test_the_generated_tables_are_current() -> None:
    generate = load_generator()
    found = set()
    for page in PAGES:
        text = page.read_text("utf-8")
        found |= set(re.findall(r"<!-- generated: ([a-z-]+) -->", text))
        assert generate.renewed(text) == text, f"{name_of(page)} is out of date: run `python docs/generate.py`"
    assert found == set(generate.GENERATED)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_in_the_docs_names_a_verb_and_options_that_exist(page: Path) -> None:
    tree = command_tree()
    for command in commands(page.read_text("utf-8")):
        words = [word for word in shlex.split(command.replace("…", " ")) if word]
        verb = tree
        while words and hasattr(verb, "commands") and not words[0].startswith("-"):
            if words[0] not in verb.commands:
                break
            verb = verb.commands[words.pop(0)]
        assert verb is not tree or command.startswith("-"), f"{name_of(page)}: no verb in `ich-bench {command}`"
        known = {option for parameter in verb.params for option in (*parameter.opts, *parameter.secondary_opts)}
        asked = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        unknown = asked - known - {"--help", "-h"}
        assert not unknown, f"{name_of(page)}: `ich-bench {command}` has no {', '.join(sorted(unknown))}"


def test_the_command_check_would_notice_a_verb_and_an_option_that_are_not_there() -> None:
    text = (
        "```\nich-bench evaluate x y  # comment\n```\n and `ich-bench compare a b`, `ich-bench show out --format csv`"
    )
    assert list(commands(text)) == ["evaluate x y", "compare a b", "show out --format csv"]


def test_the_readme_says_how_the_bare_command_comes_to_be_found_before_it_is_used() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    bare = re.search(r"^ich-bench ", text, re.MULTILINE)
    assert bare is not None
    for way in (". .venv/bin/activate", r".venv\Scripts\activate"):
        assert 0 < text.find(way) < bare.start()


def test_each_check_of_style_and_types_in_ci_runs_before_a_commit_too() -> None:
    checked = re.findall(r"^\.venv/bin/(\w+)", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)
    hooks = re.findall(r"- id: ([a-z-]+)", (ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert {"ruff", "mypy"} <= set(checked)
    assert {name for name in checked if name not in ("pip", "python")} <= set(hooks)


def test_the_examples_of_splits_by_slices_run_on_drawn_downloads(tmp_path: Path) -> None:
    from ich_bench.phantom.layouts import hssayeni, rsna

    text = (ROOT / "docs" / "datasets.md").read_text("utf-8").split("## Splits of slices")[1]
    first, second = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[:2]
    pool = str(rsna.write(tmp_path / "rsna", shape=(32, 32, 4)))
    heads = str(hssayeni.write(tmp_path / "heads", cases=("049", "050"), shape=(48, 48, 6)))
    told: dict[str, object] = {}
    exec(first.replace("/data/rsna-intracranial-hemorrhage-detection.zip", pool), told)
    assert told["held_out"]
    exec(second.replace("/data/ct-ich-1.3.1", heads), told)
    assert {case for case, _ in told["fold_of"]} == {"049", "050"}


def test_each_dotted_name_in_text_is_there() -> None:
    files = [*PAGES, *(ROOT / "harness").rglob("*.py"), *(ROOT / "tests").glob("*.py")]
    names = {name for path in files for name in re.findall(r"`(ich_bench(?:\.\w+)+)", path.read_text("utf-8"))}
    assert names
    for name in sorted(names):
        pkgutil.resolve_name(name)  # an error names what is not there


def test_code_and_tests_refer_only_to_documents_that_are_in_this_repository() -> None:
    elsewhere = re.compile(r"PROTOCOL [0-9]" + r"|paper_" + r"facts|\b[A-Z]{3,}\.md section|metric_" + r"engines")
    for folder in ("harness", "baselines", "leaderboard_app", "tests", "docs", "benchmarks"):
        for path in [*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.md")]:
            text = path.read_text("utf-8")
            assert not elsewhere.findall(text), path
            for page, heading in re.findall(r"(docs/\w+\.md), ([A-Z][\w ]*[a-z])", text):
                assert f"# {heading}\n" in (ROOT / page).read_text("utf-8"), f"{path}: {page} has no {heading!r}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_between_pages_lead_to_a_file_and_a_heading(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{name_of(page)} links to {target}"
        if anchor:
            assert anchor in anchors(there.read_text("utf-8")), f"{name_of(page)} links to {target}"


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_each_message_on_the_troubleshooting_page_is_one_that_the_harness_gives() -> None:
    sources = [path.read_text("utf-8") for path in (ROOT / "harness").rglob("*.py")]
    plain = "\n".join(re.sub(r'"\s*\n\s*f?"', "", re.sub(r"\{[^{}]*\}", "…", text)) for text in sources)
    rows = re.findall(r"^\| (`.*?) \| ", (ROOT / "docs" / "troubleshooting.md").read_text("utf-8"), re.MULTILINE)
    assert len(rows) > 30
    for row in rows:
        for message in re.findall(r"`([^`]+)`", row):
            for part in re.split(r"…", message):
                assert part.strip(" ()") in plain, f"no message holds {part!r} (of {message!r})"
