"""The best epoch is chosen on an inner part of the training cases; an interruption loses neither it nor the last."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

torch = pytest.importorskip("torch")

from ich_bench.cases import FoldRow, Scheme  # noqa: E402
from ich_bench.errors import IchBenchError  # noqa: E402
from ich_bench.folds import load_scheme  # noqa: E402
from ich_bench_baselines import checkpoint, train  # noqa: E402
from ich_bench_baselines.validation import Best, Watch, better, given_up, inner  # noqa: E402

HOW = train.Fit(epochs=8, batch_size=2, lr=0.01)
ABOUT = {"fold": 0}
WHERE = {"share": 0.25, "seed": 0, "whole": True, "fold": 0}


def network() -> Any:
    torch.manual_seed(5)
    return torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3, padding=1), torch.nn.Dropout(0.5), torch.nn.Conv2d(3, 1, 1))


def batches(epoch: int) -> list[Any]:
    own = torch.Generator().manual_seed(9 + epoch)
    return [torch.rand(2, 1, 8, 8, generator=own) for _ in range(3)]


def step(net: Any, batch: Any, own: Any) -> Any:
    return ((net(batch + torch.rand(batch.shape, generator=own)) - batch) ** 2).mean()


def run(out: Path) -> train.Run:
    return train.Run(out=out, seed=3)


def weights(path: Path) -> dict[str, Any]:
    return dict(checkpoint.read(path).weights)


def watch(scores: list[float], patience: int | None = None) -> Watch:
    """Give these scores, one an epoch, by how far the log has come: the same ones after an interruption."""
    told = iter(scores)
    return Watch(score=lambda model: next(told), patience=patience)


def fit(out: Path, scores: list[float], patience: int | None = None, how: Any = step) -> Path:
    return train.fit(network(), how, batches, HOW, run(out), ABOUT, watch(scores, patience))


def weights_after(out: Path, epochs: int) -> dict[str, Any]:
    how = train.Fit(**train.plain_fit(HOW) | {"epochs": epochs})
    return weights(train.fit(network(), step, batches, how, run(out), ABOUT))


def same(one: Any, other: Any) -> bool:
    return set(one) == set(other) and all(torch.equal(one[name], other[name]) for name in one)


def test_of_equal_epochs_the_earlier_is_the_best_and_a_copy_of_its_weights_is_kept() -> None:
    own = {"w": torch.zeros(1)}
    first = better(None, 1, 0.5, own)
    own["w"] += 1  # the network trains on
    assert better(first, 2, 0.5, own) is first
    assert first.weights["w"].item() == 0
    assert better(first, 3, 0.6, own).epoch == 3


@pytest.mark.parametrize(
    ("done", "patience", "over"), [(4, 2, False), (5, 2, True), (5, None, False), (3, 1, False), (4, 1, True)]
)
def test_a_training_is_given_up_after_so_many_epochs_without_a_better_one(
    done: int, patience: int | None, over: bool
) -> None:
    assert given_up(Best(epoch=3, score=1.0, weights={}), done, patience) is over


def test_what_is_kept_are_the_weights_of_the_best_epoch_and_nothing_else(tmp_path: Path) -> None:
    path = fit(tmp_path / "a", [0.1, 0.2, 0.5, 0.4, 0.5, 0.1, 0.0, 0.3])
    kept = checkpoint.read(path)
    assert same(kept.weights, weights_after(tmp_path / "b", 3))
    assert (kept.epoch, kept.best["epoch"], kept.best["score"]) == (8, 3, 0.5)
    assert (kept.is_chosen, kept.optimizer, kept.best["weights"]) == (True, {}, {})
    log = (tmp_path / "a" / train.LOG).read_text().splitlines()
    assert [line.split(",")[-1] for line in log] == [
        "validation",
        *("0.1", "0.2", "0.5", "0.4", "0.5", "0.1", "0", "0.3"),
    ]


def test_a_training_stops_early_and_takes_no_step_more(tmp_path: Path) -> None:
    path = fit(tmp_path, [0.1, 0.5, 0.4, 0.4, 0.4], patience=3)  # a sixth score would be a StopIteration
    kept = checkpoint.read(path)
    assert (kept.epoch, kept.best["epoch"]) == (5, 2)
    assert train.is_done(tmp_path, HOW)
    before = path.read_bytes()
    assert fit(tmp_path, [], patience=3) == path
    assert path.read_bytes() == before


def test_an_interrupted_training_keeps_its_best_epoch_and_its_count(tmp_path: Path) -> None:
    scores = [0.1, 0.9, 0.2, 0.3, 0.4, 0.5]
    calls = 0

    def breaks(net: Any, batch: Any, own: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 11:  # the second step of the fourth epoch
            raise KeyboardInterrupt
        return step(net, batch, own)

    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "cut", scores, 3, breaks)
    half = checkpoint.read(tmp_path / "cut" / train.LAST)
    assert (half.epoch, half.best["epoch"], half.is_chosen) == (3, 2, False)
    path = fit(tmp_path / "cut", scores[3:], 3)
    whole = fit(tmp_path / "whole", scores, 3)
    assert checkpoint.read(path).epoch == checkpoint.read(whole).epoch == 5  # 2 + 3, not 3 after it was begun again
    assert same(weights(path), weights(whole))
    assert same(weights(path), weights_after(tmp_path / "two", 2))


def test_the_network_is_asked_in_evaluation_and_trained_on_afterwards(tmp_path: Path) -> None:
    modes: list[tuple[bool, bool]] = []

    def score(model: Any) -> float:
        modes.append((model.training, torch.is_grad_enabled()))
        return 0.0

    def asked(net: Any, batch: Any, own: Any) -> Any:
        modes.append((net.training, torch.is_grad_enabled()))
        return step(net, batch, own)

    how = train.Fit(epochs=2, batch_size=2, lr=0.01)
    train.fit(network(), asked, batches, how, run(tmp_path), ABOUT, Watch(score=score))
    assert modes == 2 * [*3 * [(True, True)], (False, False)]


def test_a_validation_that_is_no_number_is_told_and_the_epoch_before_is_kept(tmp_path: Path) -> None:
    with pytest.raises(IchBenchError, match="validation became nan in epoch 2"):
        fit(tmp_path, [0.1, float("nan")])
    assert checkpoint.read(tmp_path / train.LAST).epoch == 1


def test_another_training_in_the_folder_is_refused_also_once_it_has_chosen(tmp_path: Path) -> None:
    fit(tmp_path, [0.1] * 8)
    with pytest.raises(IchBenchError, match="was trained otherwise"):
        train.fit(network(), step, batches, HOW, run(tmp_path), {"fold": 1}, watch([]))


PROGRAM = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_validation as t
from ich_bench_baselines import train
from ich_bench_baselines.validation import Watch
def slow(net, batch, own):
    time.sleep({pause})
    return t.step(net, batch, own)
def score(net):
    return -abs(float(net[0].weight.flatten()[0]) - 0.06)
how = train.Fit(epochs=30, batch_size=2, lr=0.01)
train.fit(t.network(), slow, t.batches, how, t.run(Path(sys.argv[1])), t.ABOUT, Watch(score=score, patience=9))
"""


def test_a_training_killed_at_any_moment_ends_with_the_same_best_epoch_to_the_bit(tmp_path: Path) -> None:
    def program(pause: float) -> str:
        return PROGRAM.format(tests=str(Path(__file__).parent), pause=pause)

    def lines() -> int:
        log = tmp_path / "cut" / train.LOG
        return len(log.read_text().splitlines()) if log.exists() else 0

    env = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", program(0), str(tmp_path / "whole")], check=True, env=env)
    running = subprocess.Popen([sys.executable, "-c", program(0.05), str(tmp_path / "cut")], env=env)
    until = time.monotonic() + 120
    while lines() < 4 and time.monotonic() < until and running.poll() is None:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    cut = checkpoint.read(tmp_path / "cut" / train.LAST)
    whole = checkpoint.read(tmp_path / "whole" / train.LAST)
    assert 0 < cut.epoch < whole.epoch  # it was indeed cut short
    assert 1 < whole.epoch < 30  # and the whole one was given up
    subprocess.run([sys.executable, "-c", program(0), str(tmp_path / "cut")], check=True, env=env)
    after = checkpoint.read(tmp_path / "cut" / train.LAST)
    assert (after.epoch, after.best["epoch"], after.best["score"]) == (
        *(whole.epoch, whole.best["epoch"]),
        whole.best["score"],
    )
    assert same(after.weights, whole.weights)


def scheme(**more: Any) -> Scheme:
    """Sixteen cases of fifteen patients, c0 and c1 of one; fold 0 tests the last four."""
    rows = [FoldRow(case_id=f"c{n}", patient_id=f"p{max(n, 1)}", fold=0 if n >= 12 else 1) for n in range(16)]
    return Scheme(dataset="toy", name="cv2", rows=tuple(rows), sha256="", **more)


def index(ich: set[int]) -> pd.DataFrame:
    rows = [(f"c{n}", f"p{max(n, 1)}", n in ich and k == 1) for n in range(16) for k in range(3)]
    return pd.DataFrame(rows, columns=["case_id", "patient_id", "has_ich"])


TRAINING = tuple(f"c{n}" for n in range(12))


@pytest.mark.parametrize("seed", range(6))
def test_the_inner_part_is_whole_patients_with_and_without_ich_and_never_of_the_test_fold(seed: int) -> None:
    table = index({0, 2, 3, 4, 5, 6, 7, 8, 12})
    parts = inner(table, TRAINING, scheme=scheme(), **WHERE | {"seed": seed})
    # 8 patients with ICH (p1 to p8, less none: c0 makes p1 one), 3 without: a quarter is 2 and 1
    own = {f"p{max(int(case[1:]), 1)}" for case in parts.validation}
    assert sorted(parts.train + parts.validation) == sorted(TRAINING)
    assert len(own & {f"p{n}" for n in range(1, 9)}) == 2
    assert len(own & {"p9", "p10", "p11"}) == 1
    assert ("c0" in parts.validation) == ("c1" in parts.validation)  # one patient
    assert not set(parts.validation) & set(scheme().test_cases(0))


def test_at_least_one_patient_with_ich_is_on_each_side() -> None:
    parts = inner(index({2, 5}), TRAINING, scheme=scheme(), **WHERE | {"share": 0.01})
    assert len({"c2", "c5"} & set(parts.validation)) == 1
    parts = inner(index({2, 5}), TRAINING, scheme=scheme(), **WHERE | {"share": 0.99})
    assert len({"c2", "c5"} & set(parts.train)) == 1


def test_a_scheme_that_names_its_validation_cases_is_followed_on_whole_folds_alone() -> None:
    named = scheme(validation={0: ("c3", "c4")})
    cases = named.train_cases(0)
    assert inner(index({0, 2, 5}), cases, scheme=named, **WHERE).validation == ("c3", "c4")
    part = inner(index({0, 2, 5}), ("c0", "c1", "c2", "c5"), scheme=named, **WHERE | {"whole": False})
    assert set(part.validation) < {"c0", "c1", "c2", "c5"}


def test_the_authors_folds_keep_their_own_fifteen_cases_aside() -> None:
    frozen = load_scheme("hssayeni", "hssayeni5")
    table = pd.DataFrame({"case_id": [row.case_id for row in frozen.rows]})
    table["patient_id"], table["has_ich"] = table["case_id"], True
    for fold in frozen.folds:
        parts = inner(table, frozen.train_cases(fold), scheme=frozen, **WHERE | {"fold": fold})
        assert parts.validation == frozen.validation[fold]
        assert (len(parts.train), len(parts.validation)) == (45, 15)
        assert not {*parts.train, *parts.validation} & set(frozen.test_cases(fold))


@pytest.mark.parametrize("held", ["c13", "c3", "c5"])
def test_a_batch_with_a_case_that_is_not_trained_on_is_refused(held: str) -> None:
    """Of the test fold, of the inner part, and of what the caller did not name: an outer training's own inner fold."""
    named = scheme(validation={0: ("c3",)})
    cases = tuple(case for case in named.train_cases(0) if case != "c5")
    table = index({0, 2, 4})
    parts = inner(table, cases, scheme=named, **WHERE)
    people = dict(zip(table["case_id"], table["patient_id"], strict=True))
    fits, sees = parts.guards(named, 0, patients=people)
    with pytest.raises(IchBenchError, match=held):
        fits.hand_out([held], [people[held]], ["s"])
    fits.hand_out(["c2"], ["p2"], ["s"])
    if held == "c3":
        sees.hand_out([held], [people[held]], ["s"])
        return
    with pytest.raises(IchBenchError, match=held):
        sees.hand_out([held], [people[held]], ["s"])


def test_another_case_of_a_held_patient_is_refused_too() -> None:
    table = index({0, 1, 2, 4})
    cases = tuple(case for case in TRAINING if case != "c1")  # c0 is the same patient's
    parts = inner(table, cases, scheme=scheme(), **WHERE | {"whole": False})
    fits, _ = parts.guards(scheme(), 0, patients=dict(zip(table["case_id"], table["patient_id"], strict=True)))
    with pytest.raises(IchBenchError, match="p1"):
        fits.hand_out(["c0"], ["p1"], ["s"])


@pytest.mark.parametrize(
    ("ich", "cases", "told"),
    [
        ({2}, TRAINING, "1 of the 11 patients to train on in fold 0 of toy/cv2 have ICH: two are needed"),
        ({2, 3}, (*TRAINING, "c14"), "c14 may not be trained on: tested in fold 0"),
        ({2, 3}, (*TRAINING, "x"), "1 of the 13 training cases of fold 0 of toy/cv2 are not among the slices: x"),
    ],
)
def test_what_cannot_be_split_is_told(ich: set[int], cases: tuple[str, ...], told: str) -> None:
    with pytest.raises(IchBenchError, match=told):
        inner(index(ich), cases, scheme=scheme(), **WHERE)
