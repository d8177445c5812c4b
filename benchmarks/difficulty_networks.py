"""Which networks does phantom_difficulty.py need? Trained side by side, one thread each, and kept with the heads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import small_unet
import torch
from difficulty_heads import DrawnHead, Mask, Part, heads, stacked

from ich_bench.phantom.library import spread

Network = tuple[str, float]  # site, normal slices for each slice with ICH


@dataclass(frozen=True, kw_only=True)
class Training:
    """What all networks of one run share."""

    parts: Mapping[str, Part]  # the training heads, by site
    schedule: Mapping[str, Any]
    seed: int
    device: str
    bf16: bool

    def path(self, network: Network) -> Path:
        """Return where the network's weights are kept: under a name that its code and its settings make."""
        site, normals = network
        part = self.parts[site]
        code = Path(small_unet.__file__).read_bytes()
        said = json.dumps([dict(self.schedule), self.device, self.bf16, part.ill, part.healthy, part.factor, normals])
        mark = hashlib.sha256(code + said.encode()).hexdigest()[:10]
        return part.folder / f"{site}-network-{part.seed}-{self.seed}-{mark}.pt"


def networks(wanted: Sequence[Network], training: Training, *, jobs: int) -> dict[Network, Callable[[DrawnHead], Mask]]:
    """Return what predicts a head's mask, for each network that is wanted; those not kept are trained now."""
    waiting = [(network, training) for network in wanted if not training.path(network).exists()]
    for _ in spread(_train_into, waiting, jobs=jobs if training.device == "cpu" else 1):
        pass
    return {network: _loaded(network, training) for network in wanted}


def _train_into(network: Network, training: Training) -> None:
    site, normals = network
    if training.device == "cpu":
        torch.set_num_threads(1)  # so that the sums, and with them the weights, do not hang on the number of cores
    told = small_unet.on_stderr(f"site {site}, {'mixed' if normals else 'ICH only'}")
    net = small_unet.train(
        *stacked(heads(training.parts[site], jobs=1)), small_unet.Schedule(**training.schedule), normals=normals,
        seed=training.seed, device=training.device, bf16=training.bf16, told=told,
    )  # fmt: skip
    path = training.path(network)
    torch.save(net.state_dict(), path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)


def _loaded(network: Network, training: Training) -> Callable[[DrawnHead], Mask]:
    net = small_unet.UNet(small_unet.Schedule(**training.schedule).width)
    net.load_state_dict(torch.load(training.path(network), map_location="cpu", weights_only=True))
    net = net.to(training.device, memory_format=torch.channels_last).eval()
    factor = training.parts[network[0]].factor

    def masks(head: DrawnHead) -> Mask:
        found: Mask = np.asarray(
            small_unet.predict(net, head.slices, factor, device=training.device, bf16=training.bf16)
        )
        return found

    return masks
