"""Convolution blocks shared by the two models: plain convolutions with ReLU, because they fold, quantise and run
fast."""

from __future__ import annotations

import torch
from torch import nn


class ConvUnit(nn.Sequential):
    """3x3 (or 1x1) convolution, batch norm, ReLU. Stride 2 halves the sides, rounding up."""

    def __init__(self, channels_in: int, channels_out: int, *, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(channels_out, momentum=0.03),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut; the second starts at zero, so that a fresh block is the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvUnit(channels, channels)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(channels, momentum=0.03)
        nn.init.zeros_(self.norm.get_parameter("weight"))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W] -> [B, C, H, W]."""
        return torch.relu(x + self.norm(self.second(self.first(x))))


def normalise(images: torch.Tensor) -> torch.Tensor:
    """uint8 or float [B, 3, H, W] in 0-255 -> float32 about -2..2; part of every graph, so the host sends raw
    pixels."""
    return (images.to(torch.float32) - 114.0) * (1.0 / 58.0)


def upsample(x: torch.Tensor) -> torch.Tensor:
    """Twice the side by nearest neighbour: one Resize node, exact in INT8."""
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


def fold_batch_norms(module: nn.Module) -> nn.Module:
    """The same function in evaluation mode without batch norms: their scales go into the convolutions. Changes
    `module`."""
    for child in module.modules():
        if isinstance(child, ConvUnit):
            child[0], child[1] = _fused(child[0], child[1]), nn.Identity()
        elif isinstance(child, Residual):
            child.second, child.norm = _fused(child.second, child.norm), nn.Identity()
    return module


def _fused(conv: nn.Module, norm: nn.Module) -> nn.Conv2d:
    assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d)
    return nn.utils.fuse_conv_bn_eval(conv, norm)
