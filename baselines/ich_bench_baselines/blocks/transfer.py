"""Which weights go from a pretext network to the U-Net?

Spahr 2023, Sec. 2.6: `WHOLE` after context restoration, `ENCODER` after the contrast of whole slices and the
classifications, `PART` after the contrast of regions. Heads stay behind. Weights go by name, running averages of the
batch normalisation with them, as in the authors' code; nothing is frozen afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from ich_bench.errors import InputError, Problem
from ich_bench.escape import printable

ENCODER = ("encoder",)
PART = ("encoder", "decoder.0", "decoder.1", "decoder.2")  # Sec. 2.6.1.3: encoder and three of four levels up
WHOLE = ("encoder", "decoder", "final")
LEFT_BEHIND = ("head",)
SHOWN = 10


def carried(names: Iterable[str], parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of a network's tensor names that lie in the named parts, in their order."""
    return tuple(name for name in names if _within(name, parts))


def transfer(weights: Mapping[str, Tensor], network: nn.Module, parts: tuple[str, ...]) -> tuple[str, ...]:
    """Put a pretext network's weights into a network, in place, and return the names of those that went over.

    Args:
        weights: The pretext network's state dict.
        network: The U-Net; what lies outside `parts` keeps its own values.
        parts: `ENCODER`, `PART` or `WHOLE`. Every tensor of these parts must come, and none but these and heads.

    Raises:
        InputError: names every tensor that is missing, unknown, of another shape, or not finite; nothing was changed.
    """
    state = network.state_dict()
    wanted = carried(state, parts)
    problems = [
        *(Problem(where=name, what="is missing from the weights.") for name in wanted if name not in weights),
        *(
            Problem(where=printable(name), what=f"is no part of {', '.join(parts)} of this network, nor of a head.")
            for name in weights
            if name not in wanted and not _within(name, LEFT_BEHIND)
        ),
        *(_unfit(name, weights[name], state[name]) for name in wanted if name in weights),
    ]
    faults = [problem for problem in problems if problem is not None]
    if faults or not wanted:
        shown = f" (the first {SHOWN} of {len(faults)} tensors)" if len(faults) > SHOWN else ""
        raise InputError(
            "These weights come from another pretext task or another size of network; train the pretext anew" + shown,
            faults[:SHOWN] or [Problem(where=", ".join(parts), what="is no part of this network.")],
        )
    with torch.no_grad():
        network.load_state_dict({**state, **{name: weights[name] for name in wanted}})
    return wanted


def _within(name: str, parts: tuple[str, ...]) -> bool:
    return any(name.startswith(f"{part}.") for part in parts)


def _unfit(name: str, given: Tensor, own: Tensor) -> Problem | None:
    if given.shape != own.shape:
        what = f"has the shape {_shape(given)}, this network's has {_shape(own)}."
        return Problem(where=name, what=what, mend="Train both with the same network settings.")
    if not torch.isfinite(given).all():
        return Problem(where=name, what="holds values that are not finite.", mend="Its training diverged.")
    return None


def _shape(tensor: Tensor) -> str:
    return "×".join(str(size) for size in tensor.shape) or "of a single number"
