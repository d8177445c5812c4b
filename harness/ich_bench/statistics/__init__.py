"""Is one method better than another, by how much, and how sure is that: tests, intervals and effect sizes.

Pure functions over plain arrays; randomness comes in as a `numpy.random.Generator`. Scores are (cases × methods), one
value a case, seeds and folds averaged before. docs/statistics.md says which question takes which test, and why.

NaN means that a metric is undefined on a case, which depends on the reference alone:

- a function of one sample (`values`, `differences`) leaves NaN out, and its `n` says how many values were used;
- two methods are compared on the cases where either is defined. A method without a finite value on one of those takes
  no part: its p-values are NaN and the status says why (`max_t`, `welch_matrix`, `paired_differences`);
- an infinite value has no mean difference: NaN, with the status NOT_FINITE.
"""

from ich_bench.statistics.effects import (
    Equivalence,
    cohens_dz,
    matched_rank_biserial,
    minimal_detectable_difference,
    tost,
)
from ich_bench.statistics.intervals import Interval, bca_interval, t_interval, wilson
from ich_bench.statistics.margins import EQUIVALENCE_MARGINS, equivalence_margin
from ich_bench.statistics.multiplicity import MaxT, holm, max_t
from ich_bench.statistics.paired import SignFlip, Wilcoxon, sign_flip, wilcoxon
from ich_bench.statistics.ranking import kendall_tau_b, p_rank_one
from ich_bench.statistics.samples import Status, paired_differences
from ich_bench.statistics.welch import Welch, WelchMatrix, welch, welch_matrix

__all__ = [
    "EQUIVALENCE_MARGINS",
    "Equivalence",
    "Interval",
    "MaxT",
    "SignFlip",
    "Status",
    "Welch",
    "WelchMatrix",
    "Wilcoxon",
    "bca_interval",
    "cohens_dz",
    "equivalence_margin",
    "holm",
    "kendall_tau_b",
    "matched_rank_biserial",
    "max_t",
    "minimal_detectable_difference",
    "p_rank_one",
    "paired_differences",
    "sign_flip",
    "t_interval",
    "tost",
    "welch",
    "welch_matrix",
    "wilcoxon",
    "wilson",
]
