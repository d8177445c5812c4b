"""Honest comparison of methods that segment intracranial hemorrhage on head CT."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ich_bench.datasets import load_dataset
    from ich_bench.errors import IchBenchError
    from ich_bench.evaluate import evaluate
    from ich_bench.metrics.suite import METRICS, SUITE, score
    from ich_bench.validate import validate

__version__ = "0.1.0"
__all__ = ["METRICS", "SUITE", "IchBenchError", "__version__", "evaluate", "load_dataset", "score", "validate"]

# Each name is imported on first use, so that `import ich_bench` and `ich-bench --help` stay instant.
_HOME = {
    "METRICS": "ich_bench.metrics.suite",
    "SUITE": "ich_bench.metrics.suite",
    "score": "ich_bench.metrics.suite",
    "evaluate": "ich_bench.evaluate",
    "validate": "ich_bench.validate",
    "load_dataset": "ich_bench.datasets",
    "IchBenchError": "ich_bench.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'ich_bench' has no attribute {name!r}; it has {', '.join(__all__)}")
    import importlib

    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


class _Face(ModuleType):
    """The package: `ich_bench.evaluate` is the function, also once the module of the same name has been imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):  # importing a submodule sets it on its package
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face
