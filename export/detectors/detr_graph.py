"""A DETR of transformers as one graph: uint8 pictures in, sorted boxes out.

The network class gives `logits` [B, Q, C] and `pred_boxes` [B, Q, 4] (centre, width, height, relative) and its
encoder's feature maps; everything after that, and the scaling of pixels before it, is here.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from edgecap.export.detectors.fold_batch_norm import fold_norms, merge_branches


@dataclass(frozen=True, slots=True)
class PixelScale:
    """pixels = (uint8 * `factor` - `mean`) / `std` per channel, RGB."""

    factor: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class DetrGraph(nn.Module):
    """images uint8 [B, 3, S, S] -> boxes_xyxy float32 [B, Q, 4] relative to the picture, scores float32 [B, Q] in 0-1,
    best first, class_ids int64 [B, Q], embedding float32 [B, E] (mean of the encoder's coarsest feature map)."""

    gain: torch.Tensor
    shift: torch.Tensor

    def __init__(self, network: Any, scale: PixelScale) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("gain", torch.tensor([scale.factor / s for s in scale.std]).reshape(1, 3, 1, 1))
        self.register_buffer(
            "shift", torch.tensor([m / s for m, s in zip(scale.mean, scale.std, strict=True)]).reshape(1, 3, 1, 1)
        )

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = self.network(pixel_values=images.float() * self.gain - self.shift)
        embedding = found.encoder_last_hidden_state[-1].mean((2, 3))
        return *best_boxes(found.logits, found.pred_boxes), embedding


def best_boxes(logits: torch.Tensor, boxes_cxcywh: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The Q best of the Q x C (query, class) pairs: boxes xyxy [B, Q, 4], scores [B, Q], class ids int64 [B, Q].

    Sigmoid scores, as focal-loss DETRs are trained (Zhao et al. 2024, RT-DETR); the same selection as transformers'
    `post_process_object_detection`. A query can come twice, under two classes: its boxes are equal, and the runtime's
    suppression keeps the better name.
    """
    queries, classes = logits.shape[1:]
    scores, index = torch.topk(logits.sigmoid().flatten(1), queries, dim=1)
    chosen = boxes_cxcywh.gather(1, (index // classes)[..., None].expand(-1, -1, 4))
    centre, half = chosen[..., :2], chosen[..., 2:] / 2
    return torch.cat([centre - half, centre + half], -1), scores, index % classes


def folded_batch_norm(network: Any) -> Any:
    """A copy of `network` with norms and RepVGG branches folded."""
    copied = copy.deepcopy(network).eval()
    fold_norms(copied)
    merge_branches(copied)
    return copied
