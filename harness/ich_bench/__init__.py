"""Honest comparison of methods that segment intracranial hemorrhage on head CT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ich_bench.board.compare import compare
    from ich_bench.board.public import leaderboard
    from ich_bench.datasets import load_dataset
    from ich_bench.errors import IchBenchError
    from ich_bench.metrics.suite import METRICS, SUITE, score
    from ich_bench.predictions.validation import validate
    from ich_bench.runs.evaluation import evaluate

__version__ = "0.1.0"
__all__ = [
    "METRICS",
    "SUITE",
    "IchBenchError",
    "__version__",
    "compare",
    "evaluate",
    "leaderboard",
    "load_dataset",
    "score",
    "validate",
]

# Each name is imported on first use, so that `import ich_bench` and `ich-bench --help` stay instant.
_HOME = {
    "METRICS": "ich_bench.metrics.suite",
    "SUITE": "ich_bench.metrics.suite",
    "score": "ich_bench.metrics.suite",
    "evaluate": "ich_bench.runs.evaluation",
    "validate": "ich_bench.predictions.validation",
    "load_dataset": "ich_bench.datasets",
    "leaderboard": "ich_bench.board.public",
    "compare": "ich_bench.board.compare",
    "IchBenchError": "ich_bench.errors",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ich_bench' has no attribute {name!r}; it has {', '.join(__all__)}")
    import importlib

    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value
