"""A drawn dataset's order of methods is held against the printed one, where there are rows to hold."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ich_bench.submissions.load import from_run
from ich_bench.submissions.model import Submission
from ich_bench.submissions.reported import load_reported
from ich_bench.submissions.validity import validity
from submitted import manifest, run

ROWS = load_reported(Path(__file__).parents[1] / "submissions")
# Spahr 2023, Table 3, Seg-CQ500, printed: .5174, .5374, .5612, .5622, .5697 (and .5826, .6323 for two more).
ORDER = ("unet-ich-only", "unet-ich-only-icm", "unet-mixed", "unet-mixed-icm", "context-restoration")


def board(tmp_path: Path, dice: dict[str, float]) -> list[Submission]:
    return [
        from_run(run(tmp_path / name, dice=lambda case_id, number, at=at: at, text=manifest(baseline=name)))  # type: ignore[misc]
        for name, at in dice.items()
    ]


def test_one_swapped_pair_of_five_gives_tau_of_four_fifths(tmp_path: Path) -> None:
    levels = dict(zip(ORDER, (0.3, 0.4, 0.6, 0.5, 0.7), strict=True))  # mixed and mixed + ICM change places
    card = next(
        one for one in validity(board(tmp_path, levels), ROWS, dataset="seg-cq500") if one.published_on == "seg-cq500"
    )
    assert card.source == "Spahr 2023, Table 3"
    assert card.tau == pytest.approx((9 - 1) / 10)  # nine of ten pairs agree, one does not
    assert card.discordant == (("unet-mixed-icm", "unet-mixed"),)
    assert card.missing == ("multilabel-dice", "global-contrastive")
    assert card.verdict == "τ = 0.80 over 5 methods, 1 of 10 pairs the other way round"


def test_without_rows_it_says_not_testable_yet_and_which_are_missing(tmp_path: Path) -> None:
    cards = validity(board(tmp_path, {"unet-mixed": 0.5, "unet-ich-only": 0.4}), ROWS, dataset="seg-cq500")
    assert {one.source for one in cards} == {"Spahr 2023, Table 3", "Wang 2020, Table 1"}
    assert all(math.isnan(one.tau) for one in cards)
    spahr = next(one for one in cards if one.published_on == "seg-cq500")
    assert spahr.verdict.startswith("not testable yet: no rows of multilabel-dice, global-contrastive")
    assert "wang-semi-supervised@20" in next(one for one in cards if one.source.startswith("Wang")).missing
