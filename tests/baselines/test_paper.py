"""Every hyper-parameter says where it comes from, whatever value it has in the end."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from ich_bench.errors import UsageError
from ich_bench_baselines.paper import code, origins, ours, paper, scaled, variant


@dataclass(frozen=True, kw_only=True)
class Shape:
    depth: int = paper(5, "Sec. 2.5.1")
    dropout: float = paper(0.0, "Sec. 2.5.1 names none", code=code(0.5, "config.json"))


@dataclass(frozen=True, kw_only=True)
class Settings:
    epochs: int = paper(100, "Sec. 2.5.3", smoke=2)
    blur: tuple[float, float] = code((0.1, 1.5), "transforms.py")
    warm_up: int | None = ours(None, "the paper is silent", code=code(3, "config.json"), smoke=0)
    shape: Shape = Shape()


def rows(settings: object) -> dict[str, tuple[object, str, str, str]]:
    return {row.name: (row.value, row.origin, row.source, row.elsewhere) for row in origins(settings)}


def test_a_settings_class_starts_with_the_papers_values() -> None:
    assert variant(Settings, "paper") == Settings()
    assert (Settings().epochs, Settings().blur, Settings().shape.dropout) == (100, (0.1, 1.5), 0.0)


def test_each_value_says_where_it_comes_from_also_inside_other_settings() -> None:
    assert rows(Settings()) == {
        "epochs": (100, "paper", "Sec. 2.5.3", ""),
        "blur": ((0.1, 1.5), "code", "transforms.py", ""),
        "warm_up": (None, "ours", "the paper is silent", "code: 3 (config.json)"),
        "shape.depth": (5, "paper", "Sec. 2.5.1", ""),
        "shape.dropout": (0.0, "paper", "Sec. 2.5.1 names none", "code: 0.5 (config.json)"),
    }
    assert [row.name for row in origins(Settings())] == ["epochs", "blur", "warm_up", "shape.depth", "shape.dropout"]


def test_the_variant_code_takes_the_codes_value_wherever_it_differs() -> None:
    found = variant(Settings, "code")
    assert found == replace(Settings(), warm_up=3, shape=Shape(dropout=0.5))
    assert rows(found)["shape.dropout"] == (0.5, "code", "config.json", "paper: 0.0 (Sec. 2.5.1 names none)")
    assert rows(found)["epochs"] == (100, "paper", "Sec. 2.5.3", "")


def test_the_smoke_schedule_takes_the_small_values_and_says_so() -> None:
    assert scaled(Settings(), "paper") == Settings()
    found = scaled(Settings(), "smoke")
    assert found == replace(Settings(), epochs=2, warm_up=0)
    assert rows(found)["epochs"] == (2, "ours", "the smoke schedule", "paper: 100 (Sec. 2.5.3)")


def test_a_value_set_by_hand_is_never_shown_as_the_papers() -> None:
    found = replace(Settings(), epochs=50)
    assert rows(found)["epochs"] == (50, "given", "set for this run", "paper: 100 (Sec. 2.5.3)")


def test_a_value_without_an_origin_is_refused() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Bare:
        lr: float = 1e-3

    with pytest.raises(TypeError, match=r"Bare\.lr has no origin"):
        origins(Bare())


@pytest.mark.parametrize(
    "declared", [lambda: paper(1, ""), lambda: ours(1, " "), lambda: paper(1, "Sec. 1", code=2), lambda: code(1, "")]
)
def test_a_declaration_without_a_source_is_refused(declared: object) -> None:
    with pytest.raises(TypeError):
        declared()  # type: ignore[operator]


def test_unknown_variants_and_schedules_list_the_known() -> None:
    with pytest.raises(UsageError, match=r"no variant 'papr'\. Did you mean paper"):
        variant(Settings, "papr")
    with pytest.raises(UsageError, match=r"no schedule 'smokes'\. Did you mean smoke"):
        scaled(Settings(), "smokes")
