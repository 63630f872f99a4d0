"""The detector: one dense stride-8 map of class peaks and box distances.

In: uint8 RGB [B, 3, H, W], H and W multiples of 32. Out: what `DetectorSpec` promises. The target shape is that of
CenterNet/TTFNet: a Gaussian per object on the map of its class, and left/top/right/bottom distances regressed over the
middle of that Gaussian.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import max_pool2d, softplus

from edgecap.export.nano.vision.blocks import ConvUnit, Residual, normalise, upsample

STRIDE = 8
"""Pixels of the input per cell of the output map."""
PEAKS = 60
"""Candidates per picture that leave the graph; the world shows at most a dozen actors."""
_PRIOR_LOGIT = -4.6  # sigmoid = 0.01: a fresh map says "nothing here" almost everywhere
_DISTANCE_UNIT = 16.0  # pixels per unit of softplus: a fresh head guesses boxes of about 22 pixels


class DenseMaps(NamedTuple):
    """What the network says of one batch before peaks are picked."""

    class_logits: torch.Tensor  # [B, classes, H/8, W/8]
    distances: torch.Tensor  # [B, 4, H/8, W/8] pixels from the cell centre to left, top, right, bottom
    middle: torch.Tensor  # [B, 64, H/8, W/8] features that the embedding is the mean and deviation of


class Detector(nn.Module):
    """About 0.9 M parameters, 0.5 G multiply-adds for 384x224."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.to_2 = ConvUnit(3, 16, stride=2)
        self.to_4 = nn.Sequential(ConvUnit(16, 32, stride=2), ConvUnit(32, 32))
        self.to_8 = nn.Sequential(ConvUnit(32, 64, stride=2), Residual(64))
        self.to_16 = nn.Sequential(ConvUnit(64, 96, stride=2), Residual(96))
        self.to_32 = nn.Sequential(ConvUnit(96, 128, stride=2), Residual(128))
        self.from_32 = ConvUnit(128, 64, kernel=1)
        self.from_16 = ConvUnit(96, 64, kernel=1)
        self.from_8 = ConvUnit(64, 64, kernel=1)
        self.from_4 = ConvUnit(32, 64, stride=2)
        self.mix_16 = ConvUnit(64, 64)
        self.mix_8 = ConvUnit(64, 64)
        self.class_branch = ConvUnit(64, 64)
        self.box_branch = ConvUnit(64, 64)
        self.class_head = nn.Conv2d(64, classes, 1)
        self.box_head = nn.Conv2d(64, 4, 1)
        nn.init.constant_(self.class_head.get_parameter("bias"), _PRIOR_LOGIT)

    def forward(self, images: torch.Tensor) -> DenseMaps:
        """[B, 3, H, W] uint8 or float 0-255 -> maps at stride 8."""
        x4 = self.to_4(self.to_2(normalise(images)))
        x8 = self.to_8(x4)
        x16 = self.to_16(x8)
        down = upsample(self.from_32(self.to_32(x16)))
        down = upsample(self.mix_16(down + self.from_16(x16)))
        mixed = self.mix_8(down + self.from_8(x8) + self.from_4(x4))
        distances = softplus(self.box_head(self.box_branch(mixed))) * _DISTANCE_UNIT
        return DenseMaps(self.class_head(self.class_branch(mixed)), distances, x8)


def decode_peaks(maps: DenseMaps) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Maps -> boxes_xyxy [B, N, 4] relative to the input, scores [B, N], class_ids int64 [B, N]; N = min(PEAKS, cells).

    A peak is a cell whose best class score is the largest of its 3x3 neighbours over *all* classes: two labels of one
    object never leave the graph from one place (one peak map per class found no more objects and made 0.5 % more
    false ones).
    """
    best, labels = maps.class_logits.sigmoid().max(dim=1)  # [B, h, w]
    height, width = best.shape[-2:]
    peaks = best * (max_pool2d(best.unsqueeze(1), 3, 1, 1).squeeze(1) == best)
    scores, cells = peaks.flatten(1).topk(PEAKS, dim=1)
    class_ids = labels.flatten(1).gather(1, cells)
    sides = maps.distances.flatten(2).gather(2, cells.unsqueeze(1).expand(-1, 4, -1))  # [B, 4, N]
    # positions by look-up: the exporter has no integer division by a free size
    columns = torch.arange(width, dtype=torch.float32).expand(height, width).flatten()[cells]
    rows = torch.arange(height, dtype=torch.float32)[:, None].expand(height, width).flatten()[cells]
    x, y = (columns + 0.5) * STRIDE, (rows + 0.5) * STRIDE
    scale_x, scale_y = 1.0 / (width * STRIDE), 1.0 / (height * STRIDE)
    corners = (
        (x - sides[:, 0]) * scale_x,
        (y - sides[:, 1]) * scale_y,
        (x + sides[:, 2]) * scale_x,
        (y + sides[:, 3]) * scale_y,
    )
    return torch.stack(corners, dim=-1).clamp(0.0, 1.0), scores, class_ids


class DetectorGraph(nn.Module):
    """What is exported: the network, its decoding and the frame embedding."""

    def __init__(self, network: Detector) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """uint8 [B, 3, H, W] -> boxes_xyxy, scores, class_ids, embedding float32 [B, 128].

        The embedding is taken at stride 8: real footage is 1.7 times as far out as the farthest frame of the world
        there, 1.5 times at stride 16 or 32.
        """
        maps = self.network(images)
        mean = maps.middle.mean(dim=(2, 3))
        variance = (maps.middle * maps.middle).mean(dim=(2, 3)) - mean * mean
        return *decode_peaks(maps), torch.cat([mean, variance.clamp_min(0.0).sqrt()], dim=1)
