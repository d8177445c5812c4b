"""How do several GPUs of one node share a training: torch's own DDP, started by `torchrun`."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta

import torch
from torch import distributed as dist
from torch import nn


def begin(device: str) -> str:
    """Join the group that `torchrun` started and return this process's device; the device itself outside of one."""
    if not is_group():
        return device
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=timedelta(minutes=30))
    if device.startswith("cuda"):
        own = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
        torch.cuda.set_device(own)
        return own
    return device


def is_group() -> bool:
    """Return whether `torchrun` started several processes."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def rank() -> int:
    """Return this process's number, 0 outside of a group; known before the group is joined."""
    return int(os.environ.get("RANK", "0")) if is_group() else 0


def world() -> int:
    """Return how many processes share the training, 1 outside of a group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def leads() -> bool:
    """Return whether this process writes checkpoints and logs."""
    return rank() == 0


def tell(listener: Callable[[str], None] | None, what: str) -> None:
    """Tell somebody something once, however many processes share the work."""
    if listener is not None and leads():
        listener(what)


def wait() -> None:
    """Wait for the other processes, where there are any."""
    if world() > 1:
        dist.barrier()


def agreed(value: float, device: str) -> float:
    """Return what the leading process has, so that all decide alike."""
    if world() == 1:
        return value
    held = torch.tensor([value], dtype=torch.float64, device=device)
    dist.broadcast(held, src=0)
    return float(held)


def wrapped(model: nn.Module, device: str) -> nn.Module:
    """Return the network, its gradients averaged over the processes where there are several."""
    if world() == 1:
        return model
    where = [torch.device(device)] if device.startswith("cuda") else None
    return nn.parallel.DistributedDataParallel(model, device_ids=where)


def end() -> None:
    """Leave the group."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()
