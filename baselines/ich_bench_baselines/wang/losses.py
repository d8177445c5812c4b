"""How wrong are a mask and a rebuilt slice: the two losses of Wang 2020?

Wang 2020, Sec. 5.3 and Equation 1. The sentence behind the equation calls what is multiplied with the slice a
reconstruction and what it is compared with a segmentation; by the sense of it, and by Chen 2019, it is the other way
round: the segmentation masks and weighs, the reconstruction is compared.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ich_bench_baselines.wang.networks import BACKGROUND, FOREGROUND

SMOOTH = 1.0  # keeps the index of two empty masks defined; the paper names none


def jaccard_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return 1 − (Σpt + 1)/(Σp + Σt − Σpt + 1), meant over the batch, p the sigmoid of the logits. Range 0 to 1.

    Shapes: both (n, 1, h, w), the sums over all but n; the target is 0 and 1.
    """
    guess = logits.float().sigmoid().flatten(1)
    truth = target.to(guess.dtype).flatten(1)
    if guess.shape != truth.shape:
        raise ValueError(f"the loss compares tensors of one shape, got {tuple(logits.shape)} and {tuple(target.shape)}")
    overlap = (guess * truth).sum(dim=1)
    union = guess.sum(dim=1) + truth.sum(dim=1) - overlap
    return (1.0 - (overlap + SMOOTH) / (union + SMOOTH)).mean()


def weighted_mse(image: Tensor, foreground: Tensor, rebuilt: Tensor) -> Tensor:
    """Return (Σb/N) · MSE(x ⊙ b, rebuilt background) + (Σf/N) · MSE(x ⊙ f, rebuilt foreground), meant over the batch.

    Shapes: image x and foreground f (n, 1, h, w), both in [0, 1], f the probability of hemorrhage and b = 1 − f;
    rebuilt (n, 2, h, w), background first. N counts a slice's pixels. Whether gradients reach f is the caller's choice.
    """
    if image.shape != foreground.shape or rebuilt.shape[:2] != (len(image), 2):
        raise ValueError(
            f"expected one image, one foreground and two maps each, got {tuple(image.shape)}, "
            f"{tuple(foreground.shape)} and {tuple(rebuilt.shape)}"
        )
    image, foreground, rebuilt = image.float(), foreground.float(), rebuilt.float()
    total = torch.zeros(len(image), device=image.device)
    for number, attention in ((BACKGROUND, 1.0 - foreground), (FOREGROUND, foreground)):
        error = (image * attention - rebuilt[:, number : number + 1]).square().flatten(1).mean(dim=1)
        total = total + attention.flatten(1).mean(dim=1) * error
    return total.mean()
