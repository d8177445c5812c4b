"""What does a score mean: rows that need no method, and rows made from the reference itself. Never ranked.

`empty`, `all-brain` and `threshold` are what any method must beat; the `ref-…` rows show what a pixel, a slice or a
smaller grid costs on perfect masks: between them and 1 methods cannot be told from careful readers.
"""

from ich_bench.calibration.cavity import classical_cavity
from ich_bench.calibration.masks import ROWS, Head, Row, bright_in_cavity
from ich_bench.calibration.written import Calibrated, calibrate

__all__ = ["ROWS", "Calibrated", "Head", "Row", "bright_in_cavity", "calibrate", "classical_cavity"]
