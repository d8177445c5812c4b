"""Where did the classifier look: Grad-CAM (Selvaraju 2017) through an LSTM?

The classic class activation map (Zhou 2016) needs a linear layer right behind the pooled features; with an LSTM between
there is none. Grad-CAM weighs a slice's feature maps by the gradient of that slice's own logit, and is the classic map
where there is no LSTM.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name that every torch user knows
from torch import Tensor

from ich_bench_baselines.ramananda.resnet_lstm import ResNetLSTM


class Maps(NamedTuple):
    """Activation maps (b, length, h, w), none below 0, and logits (b, length)."""

    cam: Tensor
    logits: Tensor


def grad_cam(network: ResNetLSTM, sequences: Tensor) -> Maps:
    """Return the map of each slice's own logit, ReLU(Σ α A): α of a feature map A is its gradient's mean.

    `sequences` is (b, length, 1, h, w) in [0, 1]. The logit sees a map by one pooled number alone, whose own gradient
    sums to one over the map, so a step through the LSTM for each slice of the sequence is enough.

    Source: Selvaraju, Grad-CAM (2017), Sec. 3, Eq. 1 and 2.
    """
    was = network.training
    network.eval()
    with torch.no_grad():
        features = network.features(sequences).float()
    pooled = network.pooled(features).requires_grad_()
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):  # cuDNN's LSTM has no gradient when it judges
        logits = network.judged(pooled)
        own = [
            torch.autograd.grad(logits[:, place].sum(), pooled, retain_graph=True)[0][:, place]
            for place in range(logits.shape[1])
        ]
    places = features.shape[-2] * features.shape[-1]
    weights = torch.stack(own, dim=1) / places
    cam = torch.relu((weights[..., None, None] * features).sum(dim=2))
    network.train(was)
    return Maps(cam=cam, logits=logits.detach())


def both_ways(network: ResNetLSTM, sequences: Tensor) -> Maps:
    """Return the mean of each slice's map and its mirror image's, mirrored back; the logits are the slices' own.

    What a network marks beside a bleed, always on the same side, is then on both sides, and the bleed between them.
    """
    own, mirrored = grad_cam(network, sequences), grad_cam(network, sequences.flip(-1))
    return Maps(cam=(own.cam + mirrored.cam.flip(-1)) / 2, logits=own.logits)


def upsampled(cam: Tensor, side: int) -> Tensor:
    """Return maps (…, h, w) at side × side, bilinear, each from 0 to 1 by its own maximum; an empty one stays 0."""
    flat = cam.reshape(-1, 1, *cam.shape[-2:])
    large = F.interpolate(flat, size=(side, side), mode="bilinear", align_corners=False)
    top = large.amax(dim=(-2, -1), keepdim=True)
    found = torch.where(top > 0, large / top.clamp(min=torch.finfo(large.dtype).tiny), torch.zeros_like(large))
    return found.reshape(*cam.shape[:-2], side, side)
