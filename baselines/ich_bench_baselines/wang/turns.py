"""How is a network trained by several losses and optimisers in turn: the same to the bit after an interruption?

`train.fit` has one loss and Adam; here an epoch takes one or several turns, each with its own loss, batches, optimiser
and rate. A step depends on (seed, epoch, turn, step) alone, and the state of every optimiser, L-BFGS's memory among it,
lies in the checkpoint, so that what is kept after each epoch is all there is to keep.

Adam takes a step a batch. L-BFGS compares gradients of one and the same function, so it sees all batches of an epoch as
one: their losses are summed by their shares of slices, and it may ask for them again within a step. Its products are
taken in float32 whatever the run's precision.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ich_bench.errors import IchBenchError
from ich_bench.places import write_text
from ich_bench_baselines import checkpoint
from ich_bench_baselines.blocks.augment import generator
from ich_bench_baselines.train import LAST, LOG, Batches, Run, Step, autocast
from ich_bench_baselines.wang.divergence import Divergence, Rules, diverged
from ich_bench_baselines.wang.rates import Lbfgs, Rates

DIVERGED = "diverged"  # the key under which a checkpoint says so
_BEFORE, _AFTER = ("epoch", "turns", "steps", "slices"), ("learning_rate", "seconds", "slices_per_s")


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What is minimised, over which batches of an epoch, how; `moves` says which parameters by their names."""

    step: Step
    batches: Batches
    rates: Rates
    moves: Callable[[str], bool] = lambda name: True


def fit_in_turns(
    model: nn.Module,
    turns: Mapping[str, Turn],
    order: Callable[[int], Sequence[str]],
    epochs: int,
    run: Run,
    about: Mapping[str, Any],
    rules: Rules | None = None,
) -> Path:
    """Train a network and return its checkpoint, that of the last epoch; interrupted, it goes on; done, it is there.

    Args:
        model: The network, as it starts.
        turns: By name.
        order: epoch → the names of its turns, in their order, the same whenever it is asked.
        epochs: How many.
        run: Folder, device, precision, seed.
        about: Plain values that say what is trained; a checkpoint with other ones is refused.
        rules: Where given, a divergence is a result: the training ends with the weights of the last epoch before it,
            and the checkpoint says so. None: it is an error.

    Raises:
        IchBenchError: a loss is not finite and there are no rules, memory or the disk is full, or `run.out` holds
            another training.
    """
    kept_at = run.out / LAST
    said = told(about, turns, epochs, run)
    model.to(run.device)
    optimizers = {name: _optimizer(model, turn) for name, turn in turns.items()}
    done, losses, ended = _resume(kept_at, model, optimizers, said, run)
    if run.compiled:
        for part in model.children():
            part.compile()  # type: ignore[no-untyped-call]
    for epoch in range(done, 0 if ended else epochs):
        before = {name: one.detach().clone() for name, one in model.state_dict().items()} if rules else {}
        begun = time.perf_counter()
        found: dict[str, float] = {}
        counts = [0, 0]
        for name in order(epoch):
            _forget(turns[name], optimizers[name], name, [*(losses[-1] if losses else ()), *found])
            found[name], steps, slices = _turn(model, name, turns, optimizers[name], run, epoch)
            counts = [counts[0] + steps, counts[1] + slices]
        losses.append(found)
        fault = diverged(losses, model, rules or Rules(explosion=float("inf"), collapse=float("inf")))
        if fault is not None and rules is None:
            raise IchBenchError(
                f"{fault.words} The checkpoint of epoch {epoch} is kept in {run.out}. Try another --seed."
            )
        if fault is not None:
            model.load_state_dict(before)
            _save(kept_at, model, optimizers, said, epoch, losses, fault)
            break
        rate = turns[order(epoch)[0]].rates.at(epoch)
        _log(run.out / LOG, turns, epoch, found, counts, rate, time.perf_counter() - begun)
        _save(kept_at, model, optimizers, said, epoch + 1, losses, None)
        run.progress(epoch + 1, epochs)
    return kept_at


def divergence_in(path: Path) -> Divergence | None:
    """Return how the training of a checkpoint diverged; None where it did not."""
    found = checkpoint.read(path).optimizer.get(DIVERGED)
    return None if found is None else Divergence(**found)


def is_finished(path: Path, epochs: int) -> bool:
    """Return whether there is a checkpoint of all epochs, or of a training that diverged."""
    if not path.is_file():
        return False
    kept = checkpoint.read(path)
    return kept.epoch >= epochs or DIVERGED in kept.optimizer


def told(about: Mapping[str, Any], turns: Mapping[str, Turn], epochs: int, run: Run) -> dict[str, Any]:
    """Return what a checkpoint says of its training, as it is read back."""
    rates = {name: asdict(turn.rates) for name, turn in turns.items()}
    said = {**about, "epochs": epochs, "turns": rates, "seed": run.seed, "precision": run.precision}
    found: dict[str, Any] = json.loads(json.dumps(said))
    return found


def _optimizer(model: nn.Module, turn: Turn) -> torch.optim.Optimizer:
    moved = [one for name, one in model.named_parameters() if one.requires_grad and turn.moves(name)]
    rates = turn.rates
    if rates.optimizer == "adam" or not isinstance(rates, Lbfgs):
        return torch.optim.Adam(moved, lr=rates.lr)
    return torch.optim.LBFGS(
        moved,
        lr=rates.lr,
        max_iter=rates.iterations,
        history_size=rates.history,
        line_search_fn=None if rates.line_search == "none" else rates.line_search,
    )


def _forget(turn: Turn, optimizer: torch.optim.Optimizer, name: str, taken: Sequence[str]) -> None:
    """Empty L-BFGS's memory unless the last turn taken was its own."""
    if isinstance(turn.rates, Lbfgs) and turn.rates.forgets and (not taken or taken[-1] != name):
        optimizer.state.clear()


def _moved(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [one for group in optimizer.param_groups for one in group["params"]]


def _turn(
    model: nn.Module, name: str, turns: Mapping[str, Turn], optimizer: torch.optim.Optimizer, run: Run, epoch: int
) -> tuple[float, int, int]:
    """Return the mean loss of one turn, its steps and slices, the weights moved."""
    turn, place = turns[name], list(turns).index(name)
    for group in optimizer.param_groups:
        group["lr"] = turn.rates.at(epoch)
    batches = turn.batches(epoch)
    sizes = [len(one) for one in getattr(batches, "dealt", batches)]
    if not sizes:
        raise IchBenchError("there is no batch to train on: fewer slices than one batch holds. Name a smaller --batch.")
    model.train()
    total = sum(sizes)

    def part(number: int, batch: Any, share: float) -> Tensor:
        own = generator(run.seed, epoch, place, number, device=run.device)
        with autocast(run) if turn.rates.optimizer == "adam" else nullcontext():
            loss = turn.step(model, batch, own)
        (loss * share).backward()  # type: ignore[no-untyped-call]
        return loss.detach() * share

    def whole() -> Tensor:
        model.zero_grad(set_to_none=True)
        return torch.stack([part(n, batch, sizes[n] / total) for n, batch in enumerate(batches)]).sum()

    try:
        if turn.rates.optimizer == "l-bfgs":
            before = [one.detach().clone() for one in _moved(optimizer)]
            loss = float(optimizer.step(whole))  # type: ignore[arg-type]
            if all(torch.equal(*pair) for pair in zip(before, _moved(optimizer), strict=True)):
                _forget(turn, optimizer, name, ())
            return loss, 1, total
        found = torch.zeros((), device=run.device)
        for number, batch in enumerate(batches):
            model.zero_grad(set_to_none=True)
            found = found + part(number, batch, 1.0) * (sizes[number] / total)
            optimizer.step()
        return float(found), len(sizes), total
    except (torch.OutOfMemoryError, MemoryError) as fault:
        raise IchBenchError(
            f"memory ran out on {run.device} in epoch {epoch + 1} ({name}), with batches of {max(sizes)} slices. Try "
            f"--batch {max(1, max(sizes) // 2)}. The checkpoint of epoch {epoch} is kept in {run.out}."
        ) from fault


def _resume(
    path: Path, model: nn.Module, optimizers: Mapping[str, torch.optim.Optimizer], said: Mapping[str, Any], run: Run
) -> tuple[int, list[dict[str, float]], bool]:
    """Return how many epochs are done, their losses, and whether it ended there, everything as it was then."""
    if not path.exists():
        _shorten(run.out / LOG, 0)
        return 0, [], False
    kept = checkpoint.read(path, device=run.device)
    checkpoint.check_same(path, kept.about, said)
    checkpoint.load_weights(model, kept.weights, source=path)
    for name, optimizer in optimizers.items():
        optimizer.load_state_dict(kept.optimizer["states"][name])
    _shorten(run.out / LOG, kept.epoch)
    return kept.epoch, list(kept.optimizer["losses"]), DIVERGED in kept.optimizer


def _save(
    path: Path,
    model: nn.Module,
    optimizers: Mapping[str, torch.optim.Optimizer],
    said: Mapping[str, Any],
    epoch: int,
    losses: Sequence[Mapping[str, float]],
    fault: Divergence | None,
) -> None:
    state: dict[str, Any] = {
        "states": {name: one.state_dict() for name, one in optimizers.items()},
        "losses": [dict(one) for one in losses],
        **({} if fault is None else {DIVERGED: asdict(fault)}),
    }
    weights = {name: one.detach().cpu() for name, one in model.state_dict().items()}
    checkpoint.save(path, checkpoint.Checkpoint(about=said, weights=weights, epoch=epoch, optimizer=state))


def _log(
    path: Path,
    turns: Mapping[str, Turn],
    epoch: int,
    losses: Mapping[str, float],
    counts: Sequence[int],
    rate: float,
    seconds: float,
) -> None:
    """Append an epoch's line; IchBenchError where the disk refuses."""
    own = [f"{losses[name]:.6g}" if name in losses else "" for name in turns]
    values = [epoch + 1, "+".join(losses), *counts, *own, f"{rate:.6g}", f"{seconds:.2f}"]
    line = ",".join(map(str, [*values, f"{counts[1] / max(seconds, 1e-9):.1f}"])) + "\n"
    header = ",".join([*_BEFORE, *(f"{name}_loss" for name in turns), *_AFTER]) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        with path.open("a", encoding="utf-8") as file:
            file.write(header + line if new else line)
    except OSError as fault:
        raise IchBenchError(f"cannot write {path}: {fault.strerror or fault}. Free space there.") from fault


def _shorten(path: Path, epochs: int) -> None:
    """Take away log lines of an epoch whose checkpoint was never written."""
    if not path.exists():
        return
    lines = path.read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines[1:] if line.split(",")[0].isdecimal() and int(line.split(",")[0]) <= epochs]
    if len(kept) + 1 < len(lines):
        write_text(path, "".join([*lines[:1], *kept]))
