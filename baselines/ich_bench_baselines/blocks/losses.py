"""How wrong is a prediction: the losses of Spahr 2023, as functions of tensors?

All take logits, not probabilities, and count in float32 whatever precision the network ran in. Each returns a scalar
that falls as the prediction improves. Differences from the authors' code, none of which the paper has:

1. Softmax or sigmoid is applied once, inside the loss; their classifiers apply it before a loss that applies it again.
2. Their multi-label training applies the sigmoid to the input image; ours does not.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor

SMOOTH = 1.0  # keeps the Dice of two empty masks defined; Spahr 2023, Sec. 2.4 uses the same for its metric


def dice_loss(logits: Tensor, target: Tensor, *, empty_weight: float = 1.0) -> Tensor:
    """Return 1 − (2 Σpt + 1)/(Σp² + Σt² + 1), meant over the batch, with p the sigmoid of the logits.

    Shapes: both (n, …), the sums over all but n. A sample without any target counts `empty_weight` times, the paper's α
    (Spahr 2023, Sec. 2.5.2 and 2.5.3; the form with squares is Milletari 2016). Range 0 to 1.
    """
    _same_shape(logits, target)
    guess = logits.float().sigmoid().flatten(1)
    truth = target.to(guess.dtype).flatten(1)
    positive = truth.sum(dim=1)
    overlap = (guess * truth).sum(dim=1)
    sizes = (guess * guess).sum(dim=1) + (truth * truth).sum(dim=1)
    loss = 1.0 - (2.0 * overlap + SMOOTH) / (sizes + SMOOTH)
    return torch.where(positive > 0, loss, empty_weight * loss).mean()


def multilabel_dice(logits: Tensor, target: Tensor) -> Tensor:
    """Return the Dice loss of each slice's labels, (n, classes), meant over the batch (Spahr 2023, Sec. 2.6.2.2)."""
    return dice_loss(logits, target)


def weighted_bce(logits: Tensor, target: Tensor, positive_weight: Tensor) -> Tensor:
    """Return the binary cross-entropy meant over slices and classes, positives counting `positive_weight` times.

    Shapes: (n, classes), (n, classes), (classes,) (Spahr 2023, Sec. 2.6.2.2; `class_balance` gives the weights).
    """
    _same_shape(logits, target)
    guess = logits.float()
    with torch.autocast(guess.device.type, enabled=False):
        weight = positive_weight.to(device=guess.device, dtype=guess.dtype, non_blocking=True)
        return F.binary_cross_entropy_with_logits(guess, target.to(guess.dtype), pos_weight=weight)


def class_balance(labels: Tensor) -> Tensor:
    """Return negatives per positive of each class, (classes,), from 0/1 labels (n, classes): the code's `pos_weight`.

    A class without a positive gets 1: it has nothing to weigh.
    """
    positives = labels.sum(dim=0).double()
    negatives = labels.shape[0] - positives
    return torch.where(positives > 0, negatives / positives.clamp(min=1), torch.ones_like(positives)).float()


def cross_entropy(logits: Tensor, target: Tensor, class_weight: Tensor | None = None) -> Tensor:
    """Return the cross-entropy of the softmax, classes weighted, a weighted mean over the batch.

    Shapes: (n, classes), (n,) of class numbers, (classes,) (Spahr 2023, Sec. 2.6.2.1 names no weights; the authors'
    code has (1 − w, w) with w the share of slices with ICH).
    """
    guess = logits.float()
    weight = None if class_weight is None else class_weight.to(guess.device, guess.dtype, non_blocking=True)
    return F.cross_entropy(guess, target.long(), weight=weight)


def restoration(restored: Tensor, image: Tensor) -> Tensor:
    """Return the mean squared error over all pixels, swapped or not (Spahr 2023, Sec. 2.6.1.1)."""
    _same_shape(restored, image)
    return (restored.float() - image.float()).square().mean()


def info_nce(first: Tensor, second: Tensor, *, temperature: float) -> Tensor:
    """Return how poorly each of 2n vectors finds its twin among the 2n − 1 others, by cosine similarity, meant.

    Shapes: both (n, d); row i of one is the twin of row i of the other. −log of the softmax of similarity over
    `temperature`, the vector itself left out, the twin among what is summed (Spahr 2023, Sec. 2.6.1.2).
    """
    _same_shape(first, second)
    return _twins(first[None], second[None], temperature)


def local_info_nce(first: Tensor, second: Tensor, *, temperature: float) -> Tensor:
    """Return the same for regions: each of an image pair's 2r regions finds its twin among that pair's alone.

    Shapes: both (n, r, d), d = K·K·channels as `regions.gather` gives them; meant over regions and images (Spahr 2023,
    Sec. 2.6.1.3).
    """
    _same_shape(first, second)
    return _twins(first, second, temperature)


def _twins(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    with torch.autocast(first.device.type, enabled=False):
        views = F.normalize(torch.cat([first, second], dim=1).float(), dim=2)
        likeness = views @ views.transpose(1, 2) / temperature
        count = likeness.shape[1]
        itself = torch.eye(count, dtype=torch.bool, device=likeness.device)
        likeness = likeness.masked_fill(itself, -torch.inf)
        twin = torch.arange(count, device=likeness.device).roll(count // 2).expand(likeness.shape[0], count)
        return F.cross_entropy(likeness.flatten(0, 1), twin.flatten())


def _same_shape(one: Tensor, other: Tensor) -> None:
    if one.shape != other.shape:
        raise ValueError(f"the loss compares tensors of one shape, got {tuple(one.shape)} and {tuple(other.shape)}")
