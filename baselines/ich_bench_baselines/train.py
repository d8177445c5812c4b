"""How is a network trained: one loop for every method, the same to the bit after an interruption.

A step depends on (seed, epoch, step) alone: the order of the slices, the augmentation and the dropout all start from
these three numbers. What is kept after each epoch is therefore all there is to keep.
"""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sized
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ich_bench.errors import IchBenchError
from ich_bench.places import write_text
from ich_bench_baselines import checkpoint, distributed, validation
from ich_bench_baselines.blocks.augment import generator

Progress = Callable[[int, int], None]
Step = Callable[[nn.Module, Any, torch.Generator], Tensor]
Batches = Callable[[int], Iterable[Any]]
LAST, LOG = "last.ckpt", "log.csv"
COLUMNS = ("epoch", "steps", "slices", "loss", "learning_rate", "seconds", "slices_per_s")


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How long and how fast: Adam, its rate multiplied by `gamma` after each epoch.

    `weight_decay` is Adam's own L2 term, not decoupled. `clip_norm` bounds the gradient's norm, None: no bound.
    `slices` says how many slices a batch holds, for the log and for what to suggest when memory runs out.
    """

    epochs: int
    batch_size: int
    lr: float
    weight_decay: float = 0.0
    gamma: float = 1.0
    clip_norm: float | None = None


@dataclass(frozen=True, kw_only=True)
class Run:
    """Where and on what a training runs: `precision` of the products, `compiled` by torch."""

    out: Path
    device: str = "cpu"
    precision: Literal["fp32", "bf16"] = "fp32"
    compiled: bool = False
    seed: int = 0
    progress: Progress = field(default=lambda done, total: None)


def fit(
    model: nn.Module,
    step: Step,
    batches: Batches,
    how: Fit,
    run: Run,
    about: Mapping[str, Any],
    watch: validation.Watch | None = None,
) -> Path:
    """Train a network and return its checkpoint, which is that of the last epoch: nothing is chosen on any fold.

    With `watch` it is that of the epoch that was best on the cases that `watch` looks at; until then the file holds the
    last epoch and the best one, so that an interruption loses neither. A training that was interrupted goes on after
    its last whole epoch; one that is done is returned as it is.

    Args:
        model: The network, as it starts; its weights are overwritten by those of an earlier epoch where there is one.
        step: (network, batch, generator on the device) → mean loss of the batch.
        batches: epoch → its batches, the same ones whenever it is asked; with a length, for the progress bar.
        how: Epochs, rates.
        run: Folder, device, precision, seed.
        about: Plain values that say what is trained; a checkpoint with other ones is refused.
        watch: What chooses the epoch and gives the training up, where the paper says so.

    Raises:
        IchBenchError: the loss or the validation is not finite, memory or the disk is full, or `run.out` holds another
            training.
    """
    kept_at = run.out / LAST
    kept_about = told(about, how, seed=run.seed, precision=run.precision)
    if watch is not None and _is_chosen(kept_at, kept_about):
        return kept_at
    model.to(run.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    adam = optimizer(model, how, run.device)
    done, best = _resume(kept_at, model, adam, kept_about, run)
    net = distributed.wrapped(model, run.device)
    fast = torch.compile(net) if run.compiled else net
    for epoch in range(done, how.epochs):
        if watch is not None and validation.given_up(best, epoch, watch.patience):
            break
        done = epoch + 1
        score = _epoch(fast, model, adam, step, batches, how, run, epoch, watch)
        weights = {name: one.detach().cpu() for name, one in model.state_dict().items()}
        best = None if score is None else validation.better(best, done, score, weights)
        if distributed.leads():
            state = checkpoint.Checkpoint(
                about=kept_about,
                weights=weights,
                epoch=done,
                optimizer=adam.state_dict(),
                best={} if best is None else best.plain(),
            )
            checkpoint.save(kept_at, state)
        distributed.wait()
    if best is not None and distributed.leads():
        slim = {**best.plain(), "weights": {}}
        chosen = checkpoint.Checkpoint(about=kept_about, weights=best.weights, epoch=done, optimizer={}, best=slim)
        checkpoint.save(kept_at, chosen)
    distributed.wait()
    return kept_at


def _is_chosen(path: Path, wanted: Mapping[str, Any]) -> bool:
    """Return whether a training that chooses its epoch is done; IchBenchError where another one lies there."""
    if not path.exists():
        return False
    kept = checkpoint.read(path)
    checkpoint.check_same(path, kept.about, wanted)
    return kept.is_chosen


def optimizer(model: nn.Module, how: Fit, device: str) -> torch.optim.Adam:
    """Return Adam over what is trained of a network."""
    trained = (one for one in model.parameters() if one.requires_grad)
    return torch.optim.Adam(trained, lr=how.lr, weight_decay=how.weight_decay, fused=device.startswith("cuda"))


def plain_fit(how: Fit) -> dict[str, Any]:
    """Return the fit as plain values, as a checkpoint holds them."""
    return {name: getattr(how, name) for name in Fit.__dataclass_fields__}


def told(about: Mapping[str, Any], how: Fit, *, seed: int, precision: str) -> dict[str, Any]:
    """Return what a checkpoint says of its training, as it is read back."""
    kept: dict[str, Any] = _as_json({**about, "fit": plain_fit(how), "seed": seed, "precision": precision})
    return kept


def autocast(run: Run) -> Any:
    """Return the context in which products are taken in the run's precision."""
    if run.precision == "fp32":
        return nullcontext()
    return torch.autocast(torch.device(run.device).type, dtype=torch.bfloat16)


def is_done(out: Path, how: Fit) -> bool:
    """Return whether a folder holds a training of all its epochs, or one that was given up."""
    if not (out / LAST).is_file():
        return False
    kept = checkpoint.read(out / LAST)
    return kept.is_chosen or kept.epoch >= how.epochs


def _resume(
    path: Path, model: nn.Module, adam: torch.optim.Adam, wanted: Mapping[str, Any], run: Run
) -> tuple[int, validation.Best | None]:
    """Return how many epochs are done and the best, with network and optimiser as they were after the last of them."""
    if not path.exists():
        if distributed.leads():
            _shorten(run.out / LOG, 0)  # of a first epoch that ended before its checkpoint was there
        return 0, None
    kept = checkpoint.read(path, device=run.device)
    checkpoint.check_same(path, kept.about, wanted)
    checkpoint.load_weights(model, kept.weights, source=path)
    adam.load_state_dict(dict(kept.optimizer))
    if distributed.leads():
        _shorten(run.out / LOG, kept.epoch)
    return kept.epoch, validation.Best.of(kept.best)


def _epoch(net: Any, model: nn.Module, adam: torch.optim.Adam, step: Step, batches: Batches, how: Fit, run: Run,
           epoch: int, watch: validation.Watch | None) -> float | None:  # fmt: skip
    """Train one epoch and write its line into the log; return its validation, None where nothing is watched."""
    rate = how.lr * how.gamma**epoch
    for group in adam.param_groups:
        group["lr"] = rate
    model.train()
    begun, losses = time.perf_counter(), []
    todo = batches(epoch)
    count = len(todo) if isinstance(todo, Sized) else 0
    for number, batch in enumerate(todo):
        losses.append(one_step(net, model, adam, step, batch, how, run, (epoch, number)))
        if number % 50 == 49 and not math.isfinite(float(losses[-1])):  # seldom asked: each answer waits for the device
            break
        run.progress(epoch * count + number + 1, how.epochs * count)
    values = torch.stack(losses).float().cpu() if losses else torch.zeros(0)
    if not losses:
        raise IchBenchError("there is no batch to train on: fewer slices than one batch holds. Name a smaller --batch.")
    bad = torch.nonzero(~torch.isfinite(values)).flatten().tolist()
    if bad:
        raise IchBenchError(
            f"the loss became {float(values[bad[0]])} in epoch {epoch + 1}, step {bad[0] + 1}. The checkpoint of epoch "
            f"{epoch} is kept in {run.out}. Try --precision fp32 or a lower rate; --seed gives another start."
        )
    trained_s = time.perf_counter() - begun
    score = None if watch is None else _validated(model, watch, run.device)
    if distributed.leads():
        seconds = time.perf_counter() - begun
        slices = len(losses) * how.batch_size
        own = {} if score is None else {"validation": f"{score:.6g}"}
        _log(run.out / LOG, (epoch + 1, len(losses), slices, f"{float(values.mean()):.6g}", f"{rate:.6g}",
                             f"{seconds:.2f}", f"{slices / max(trained_s, 1e-9):.1f}", *own.values()), own)  # fmt: skip
    return score


def _validated(model: nn.Module, watch: validation.Watch, device: str) -> float:
    """Return the validation of the network as it is now, the same number in all processes."""
    model.eval()
    with torch.no_grad():
        return distributed.agreed(watch.score(model), device)


def one_step(net: Any, model: nn.Module, adam: torch.optim.Adam, step: Step, batch: Any, how: Fit, run: Run,
             place: tuple[int, int]) -> Tensor:  # fmt: skip
    """Return the loss of one step, the weights moved; what runs out of memory is named with a way out.

    `net` is the network as it is called (compiled, shared), `model` the one whose weights are trained, `place` epoch
    and step. Nothing here waits for the device: the loss is a tensor that is still being worked out.
    """
    own = generator(run.seed, *place, distributed.rank(), device=run.device)
    torch.manual_seed(own.initial_seed())  # dropout draws from the global generator
    try:
        with autocast(run):
            loss = step(net, batch, own)
        adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if how.clip_norm is not None:
            nn.utils.clip_grad_norm_(model.parameters(), how.clip_norm)
        adam.step()
    except (torch.OutOfMemoryError, MemoryError) as fault:
        raise IchBenchError(
            f"memory ran out on {run.device} in epoch {place[0] + 1}, step {place[1] + 1}, with batches of "
            f"{how.batch_size} slices. Try --batch {max(1, how.batch_size // 2)}. The checkpoint of epoch {place[0]} "
            f"is kept in {run.out}."
        ) from fault
    return loss.detach()


def _log(path: Path, line: Iterable[Any], more: Iterable[str] = ()) -> None:
    """Append a line, of `COLUMNS` and these more; IchBenchError where the disk refuses."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows([(*COLUMNS, *more), line] if new else [line])
    except OSError as fault:
        raise IchBenchError(f"cannot write {path}: {fault.strerror or fault}. Free space there.") from fault


def _shorten(path: Path, epochs: int) -> None:
    """Take away log lines of an epoch whose checkpoint was never written."""
    if not path.exists():
        return
    lines = path.read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines[1:] if line.split(",")[0].isdecimal() and int(line.split(",")[0]) <= epochs]
    write_text(path, "".join([*lines[:1], *kept]))


def _as_json(value: Any) -> Any:
    """Return a value as it comes back from JSON, so that it can be compared with what a checkpoint holds."""
    return json.loads(json.dumps(value))
