"""What a submission says of itself, what it leaves unsaid, and what papers print of the method it repeats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from boards import board_of, cases_of, write_run
from ich_bench.submissions.load import from_run
from ich_bench.submissions.model import Reported, ReportedRow
from ich_bench.submissions.said import NOT_SAID, beside, further, said
from ich_bench.submissions.schema import KEYS
from submitted import manifest


def _run(folder: Path, text: str) -> Path:
    return write_run(folder, "phantom-mini", [0.5] * len(cases_of("phantom-mini")), manifest=text)


def test_every_key_is_there_once_and_silence_is_told(tmp_path: Path) -> None:
    out = _run(tmp_path / "out", manifest(training_hours=12.5, external_data=[], about=None))
    found = {one.key: one for one in said(from_run(out))}
    assert set(found) == {*KEYS, "processing"}
    assert len(said(from_run(out))) == len(found)
    assert found["training_hours"].value == "12.5"
    assert found["external_data"].value == "none"  # an empty list is an answer
    assert found["about"].value == NOT_SAID
    assert not found["about"].is_said
    assert found["regime"].means == "trained on the other folds, on nothing else"
    assert found["labels_needed"].means == "voxel: drawn masks"


def test_a_default_is_no_statement(tmp_path: Path) -> None:
    out = _run(tmp_path / "out", 'method = "Mine"\n')
    found = {one.key: one for one in said(from_run(out))}
    assert found["method"].value == "Mine"
    assert found["supervision"].value == NOT_SAID  # the manifest's default would be "supervised"
    assert found["test_data_seen"].value == NOT_SAID


def test_a_run_without_a_manifest_has_said_nothing(tmp_path: Path) -> None:
    out = _run(tmp_path / "out", "")
    assert not any(one.is_said for one in said(from_run(out)))
    assert further(from_run(out)) == ()


def test_a_word_that_the_schema_does_not_know_is_shown_as_it_was_written(tmp_path: Path) -> None:
    found = {one.key: one for one in said(from_run(_run(tmp_path / "out", 'supervision = "weak"\n')))}
    assert found["supervision"].value == "weak"
    assert found["supervision"].means.startswith("not understood")


def test_keys_of_its_own_are_shown_with_their_path(tmp_path: Path) -> None:
    text = 'method = "Mine"\n[hyperparameters.learning_rate]\nvalue = 0.001\norigin = "paper, Sec. 2"\n'
    assert further(from_run(_run(tmp_path / "out", text))) == (
        ("hyperparameters.learning_rate.value", "0.001"),
        ("hyperparameters.learning_rate.origin", "paper, Sec. 2"),
    )


def _printed(**changed: object) -> ReportedRow:
    about = {
        "paper": "p", "row": "r", "method": "U-Net", "method_id": "unet-mixed", "supervision": "supervised",
        "dataset": "phantom-mini", "data": "", "cohort": "ich", "subset": "", "n": 36, "unit_of_n": "volumes",
        "source": "A paper, Table 3", "protocol": "theirs", "caveats": (),
        "metrics": {"dice": Reported(text="56.25 ± 17", value=0.5625, sd=0.17)},
    }  # fmt: skip
    return ReportedRow(**{**about, **changed})  # type: ignore[arg-type]


def test_published_numbers_stand_beside_the_rows_own_of_the_same_cohort(tmp_path: Path) -> None:
    dice = np.linspace(0.3, 0.85, 12)
    out = write_run(tmp_path / "out", "phantom-mini", dice, manifest=manifest(baseline="unet-mixed"))
    board = board_of("phantom-mini", [out])
    found = beside(board.rows[0], "phantom-mini", [_printed(), _printed(method_id="other"), _printed(dataset="")])
    assert len(found) == 1
    assert found[0].printed == "0.562\u00a0±\u00a00.170"  # 0.5625 rounds to even
    stat = board.rows[0].standings["ich"]["dice"].stat
    assert found[0].measured == f"{stat.mean:.3f}\u00a0±\u00a0{stat.sd:.3f}"
    assert (found[0].n_printed, found[0].n_here) == (36, 8)


@pytest.mark.parametrize("changed", [{"subset": "without 070"}, {"cohort": "healthy"}])
def test_a_cohort_or_subset_that_is_not_measured_here_has_a_dash(tmp_path: Path, changed: dict[str, str]) -> None:
    out = write_run(tmp_path / "out", "phantom-mini", [0.5] * 12, manifest=manifest(method_id="unet-mixed"))
    row = _printed(**changed, metrics={"hd95": Reported(text="3.0", value=3.0)})
    found = beside(board_of("phantom-mini", [out]).rows[0], "phantom-mini", [row])
    assert [one.measured for one in found] == ["–"]
