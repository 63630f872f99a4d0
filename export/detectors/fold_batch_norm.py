"""Batch norms folded into the convolutions before them, and RepVGG branches into one: the same function,
fewer nodes, and convolutions that quantise as they run.

transformers' detectors keep frozen norms of their own classes, which neither the exporter nor onnxslim folds; here a
norm is anything with running statistics, a weight and a bias.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_PAIRS = (("convolution", "normalization"), ("conv", "norm"), ("conv", "bn"), ("0", "1"))
"""Names of a convolution and its norm inside one module, as transformers' and ultralytics' networks have them."""


def fold_norms(network: nn.Module) -> int:
    """Fold every convolution-norm pair of `network` in place; returns how many. The network must be in eval mode."""
    folded = 0
    for module in list(network.modules()):
        for first, second in _PAIRS:
            conv: Any = getattr(module, first, None)
            norm: Any = getattr(module, second, None)
            if isinstance(conv, nn.Conv2d) and _is_norm(norm) and norm.running_mean.shape[0] == conv.out_channels:
                _fold(conv, norm)
                setattr(module, second, nn.Identity())
                folded += 1
    return folded


def merge_branches(network: nn.Module) -> int:
    """RepVGG blocks (Ding et al. 2021): a 3x3 and a 1x1 convolution of one input, summed, become one 3x3. In place,
    after `fold_norms`; returns how many. A block is a module whose `conv1` and `conv2` are convolution-norm layers."""
    merged = 0
    for module in network.modules():
        wide, narrow = _lone_conv(getattr(module, "conv1", None)), _lone_conv(getattr(module, "conv2", None))
        if wide is None or narrow is None or not type(module).__name__.endswith("RepVggBlock"):
            continue
        if wide.kernel_size != (3, 3) or narrow.kernel_size != (1, 1) or wide.stride != narrow.stride:
            continue
        assert wide.bias is not None and narrow.bias is not None  # folding gave both one
        with torch.no_grad():
            wide.weight += nn.functional.pad(narrow.weight, (1, 1, 1, 1))
            wide.bias += narrow.bias
        module.conv2 = _Nothing()
        merged += 1
    return merged


class _Nothing(nn.Module):
    """Adds nothing to a sum."""

    def forward(self, x: torch.Tensor) -> float:
        return 0.0


def _is_norm(module: Any) -> bool:
    needed = ("running_mean", "running_var", "weight", "bias")
    return all(isinstance(getattr(module, name, None), torch.Tensor) for name in needed)


def _lone_conv(layer: Any) -> nn.Conv2d | None:
    """The convolution of a layer whose norm was folded and that has no activation."""
    conv = getattr(layer, "conv", None)
    plain = isinstance(getattr(layer, "norm", None), nn.Identity)
    quiet = isinstance(getattr(layer, "activation", nn.Identity()), nn.Identity)
    return conv if isinstance(conv, nn.Conv2d) and plain and quiet else None


@torch.no_grad()
def _fold(conv: nn.Conv2d, norm: Any) -> None:
    epsilon = float(getattr(norm, "eps", 1e-5))  # the frozen norms of transformers have it as a constant of 1e-5
    scale = norm.weight / torch.sqrt(norm.running_var + epsilon)
    bias = conv.bias if conv.bias is not None else torch.zeros_like(norm.running_mean)
    conv.weight *= scale[:, None, None, None]
    conv.bias = nn.Parameter((bias - norm.running_mean) * scale + norm.bias)
