"""What the two models are punished for. Shapes are those of `detector.DenseMaps` and `segmenter.Segmenter`."""

from __future__ import annotations

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid, mse_loss


def peak_loss(logits: torch.Tensor, heat: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Penalty-reduced focal loss of CornerNet (Law & Deng 2018, eq. 1), per object.

    logits, heat [B, C, h, w]; heat is 1 at an object's cell and falls off around it; weight [B, 1, h, w] is 0 where
    nothing is asked (an object too hidden to be demanded or forbidden).
    """
    positive = heat.eq(1.0).to(logits.dtype) * weight
    chance = logits.sigmoid()
    found = -logsigmoid(logits) * (1 - chance).square() * positive
    silent = -logsigmoid(-logits) * chance.square() * (1 - heat).pow(4) * (weight - positive).clamp_min(0.0)
    return (found.sum() + silent.sum()) / positive.sum().clamp_min(1.0)


def box_loss(distances: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """1 - GIoU (Rezatofighi et al. 2019) of boxes that share a centre cell, averaged with `weight`.

    distances, target [B, 4, h, w] pixels to left, top, right, bottom, all positive; weight [B, h, w] sums to 1 per
    object.
    """
    asked = weight > 0
    got, expected, weight = distances.movedim(1, -1)[asked], target.movedim(1, -1)[asked], weight[asked]
    smaller, larger = torch.minimum(got, expected), torch.maximum(got, expected)
    overlap = _area(smaller)
    union = _area(got) + _area(expected) - overlap
    hull = _area(larger)
    giou = overlap / union.clamp_min(1e-6) - (hull - union) / hull.clamp_min(1e-6)
    return ((1 - giou) * weight).sum() / weight.sum().clamp_min(1e-6)


def _area(sides: torch.Tensor) -> torch.Tensor:
    """[n, 4] left, top, right, bottom -> [n]."""
    return (sides[:, 0] + sides[:, 2]) * (sides[:, 1] + sides[:, 3])


def mask_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross entropy plus dice per instance; logits [K, h, w], target [K, h, w] coverage 0-1."""
    cross = binary_cross_entropy_with_logits(logits, target)
    chance = logits.sigmoid()
    shared = (chance * target).sum(dim=(1, 2))
    dice = 1 - (2 * shared + 1) / (chance.sum(dim=(1, 2)) + target.sum(dim=(1, 2)) + 1)
    return cross * 2 + dice.mean()


def true_iou(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """IoU [K] of (logits > 0) and (target > 0.5); an empty union counts as 1."""
    got, expected = logits > 0, target > 0.5
    shared = (got & expected).sum(dim=(1, 2)).to(torch.float32)
    union = (got | expected).sum(dim=(1, 2)).to(torch.float32)
    return torch.where(union > 0, shared / union.clamp_min(1.0), torch.ones_like(union))


def quality_loss(quality: torch.Tensor, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Squared error of the predicted IoU [K]."""
    return mse_loss(quality, true_iou(logits.detach(), target))
