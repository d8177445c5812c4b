"""What was trained, kept on disk: weights, optimiser, and everything that says where they come from.

A checkpoint holds tensors and one JSON text, nothing that could run: it is read with `weights_only`.
"""

from __future__ import annotations

import hashlib
import json
import uuid
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ich_bench.errors import IchBenchError
from ich_bench.escape import printable

FORMAT = "ich-bench checkpoint 1"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What a checkpoint file holds.

    `about` is plain: method, dataset, scheme, fold, budget, seed, every hyper-parameter with its origin, the key of the
    data. `epoch` counts the epochs that are done. `optimizer` is its state dict, empty in a finished, slim file.
    `best` is the best epoch so far (`validation.Best`), empty where none is chosen, and without weights once `weights`
    are its.
    """

    about: Mapping[str, Any]
    weights: Mapping[str, Tensor]
    epoch: int
    optimizer: Mapping[str, Any]
    best: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_chosen(self) -> bool:
        """Return whether the training is done and these weights are those of its best epoch."""
        return bool(self.best) and not self.best["weights"]


def save(path: Path, kept: Checkpoint) -> None:
    """Write a checkpoint beside its place, then rename: what was there before stays whole until the new one is.

    IchBenchError where the disk refuses; the file that was there is then untouched.
    """
    content = {
        "format": FORMAT,
        "about": json.dumps(dict(kept.about), sort_keys=True, ensure_ascii=False, allow_nan=False),
        "epoch": kept.epoch,
        "weights": dict(kept.weights),
        "optimizer": dict(kept.optimizer),
        **({"best": dict(kept.best)} if kept.best else {}),
    }
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, part)
        part.replace(path)
    except (OSError, RuntimeError) as fault:  # torch reports a full disk as a RuntimeError of its zip writer
        if isinstance(fault, RuntimeError) and "PytorchStreamWriter" not in str(fault) and "write" not in str(fault):
            raise
        raise IchBenchError(
            f"cannot write {path}: {getattr(fault, 'strerror', None) or fault}. Nothing already trained is lost: free "
            "space there, or name another folder with --out and copy the runs, then give the same command again."
        ) from fault
    finally:
        part.unlink(missing_ok=True)


def read(path: Path, *, device: str = "cpu") -> Checkpoint:
    """Return a checkpoint; IchBenchError where there is none, it is damaged, or it is another program's."""
    if not path.is_file():
        raise IchBenchError(f"there is no checkpoint {path}. `ich-bench baselines train` makes it.")
    mend = "If `ich-bench baselines` wrote it, delete it, and the same command trains again from the start."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location=device, weights_only=True)
    except Exception as fault:  # damaged bytes raise almost anything
        raise IchBenchError(
            f"{path} is no sound checkpoint: it is damaged, or holds more than weights and plain values. {mend}"
        ) from fault
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise IchBenchError(f"{path} is a checkpoint of another program or version; expected {FORMAT!r}. {mend}")
    try:
        about = json.loads(content["about"])
        return Checkpoint(
            about=about,
            weights=content["weights"],
            epoch=int(content["epoch"]),
            optimizer=content["optimizer"],
            best=content.get("best", {}),
        )
    except (KeyError, TypeError, ValueError) as fault:
        raise IchBenchError(f"{path} is no sound checkpoint: {fault} is missing or odd. {mend}") from fault


def check_same(path: Path, held: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise IchBenchError that names what differs where a checkpoint was trained otherwise than is asked now."""
    if dict(held) != dict(wanted):
        held, wanted = _one_by_one(held, wanted), _one_by_one(wanted, held)
        differing = sorted(name for name in {*held, *wanted} if held.get(name) != wanted.get(name))
        told = "; ".join(f"{name}: {held.get(name)!r} there, {wanted.get(name)!r} now" for name in differing[:6])
        more = f" … ({len(differing)} in all)" if len(differing) > 6 else ""
        raise IchBenchError(
            f"{path} was trained otherwise: {printable(told)}{more}. Name another --out, or delete it to train anew."
        )


def _one_by_one(about: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return the same with each of its `settings` by name and value, where these tell it from the other."""
    mine, theirs = ({row["name"]: row["value"] for row in one.get("settings") or ()
                     if isinstance(row, dict) and {"name", "value"} <= {*row}} for one in (about, other))  # fmt: skip
    if mine == theirs:
        return dict(about)
    rest = {name: value for name, value in about.items() if name != "settings"}
    return {**rest, **{f"settings {name}": value for name, value in mine.items()}}


def weights_sha256(weights: Mapping[str, Tensor]) -> str:
    """Return the hash of a network's tensors: names, shapes and bytes, whatever file they lie in."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def load_weights(module: torch.nn.Module, weights: Mapping[str, Tensor], *, source: Path) -> None:
    """Put weights into a network of the same layers; IchBenchError names what does not fit."""
    own = module.state_dict()
    faults = [
        f"{name} is {tuple(weights[name].shape)}, expected {tuple(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    faults += [f"{name} is missing" for name in own if name not in weights]
    faults += [f"{name} is unknown" for name in weights if name not in own]
    if faults:
        more = f" … ({len(faults)} in all)" if len(faults) > 4 else ""
        raise IchBenchError(f"{source} holds another network: {'; '.join(faults[:4])}{more}.")
    module.load_state_dict(dict(weights))
