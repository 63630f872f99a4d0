"""The segmenter: one encoding per picture, one small decoding per box.

In: uint8 RGB [1, 3, H, W] and boxes relative to that padded picture. Out: what `SegmenterSpec` with `mask_frame="box"`
promises: logits over the box enlarged by `BOX_MARGIN`.

    picture -> fine map (stride 2, 16 channels) ----crop 64x64-----------------+-> 64x64 logits
            -> coarse map (stride 4, 32 channels) --crop 32x32 -> 16 -> 8 -> 16 -> 32
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import grid_sample, interpolate

from edgecap.export.nano.vision.blocks import ConvUnit, Residual, normalise, upsample

MASK_SIDE = 64
"""Side of the logits, cells."""
BOX_MARGIN = 0.15
"""Share of the box's own width/height added on each side before cropping."""
FINE_CHANNELS, COARSE_CHANNELS = 16, 32


class Encoder(nn.Module):
    """Picture -> fine [B, 16, H/2, W/2] and coarse [B, 32, H/4, W/4] maps."""

    def __init__(self) -> None:
        super().__init__()
        self.to_2 = ConvUnit(3, FINE_CHANNELS, stride=2)
        self.fine = ConvUnit(FINE_CHANNELS, FINE_CHANNELS)
        self.to_4 = nn.Sequential(ConvUnit(FINE_CHANNELS, 32, stride=2), ConvUnit(32, 32))
        self.to_8 = nn.Sequential(ConvUnit(32, 64, stride=2), Residual(64))
        self.to_16 = nn.Sequential(ConvUnit(64, 96, stride=2), Residual(96))
        self.from_16 = ConvUnit(96, 64, kernel=1)
        self.mix_8 = ConvUnit(64, COARSE_CHANNELS)
        self.from_4 = ConvUnit(32, COARSE_CHANNELS, kernel=1)
        self.mix_4 = ConvUnit(COARSE_CHANNELS, COARSE_CHANNELS)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """uint8 or float 0-255 [B, 3, H, W]."""
        x2 = self.to_2(normalise(images))
        x4 = self.to_4(x2)
        x8 = self.to_8(x4)
        down = upsample(self.mix_8(x8 + upsample(self.from_16(self.to_16(x8)))))
        return self.fine(x2), self.mix_4(down + self.from_4(x4))


def crop_grid(boxes_xyxy: torch.Tensor, *, side: int) -> torch.Tensor:
    """Boxes [K, 4] relative -> sampling points [K, side, side, 2] in -1..1 at the centres of side x side cells that
    cover the box enlarged by `BOX_MARGIN`."""
    size = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]  # [K, 2]
    steps = (torch.arange(side, dtype=torch.float32) + 0.5) * ((1 + 2 * BOX_MARGIN) / side) - BOX_MARGIN
    points = boxes_xyxy[:, None, :2] + size[:, None] * steps[None, :, None]  # [K, side, 2]
    x = points[:, None, :, 0].expand(-1, side, -1)
    y = points[:, :, None, 1].expand(-1, -1, side)
    return torch.stack([x, y], dim=-1) * 2.0 - 1.0


def crop(features: torch.Tensor, boxes_xyxy: torch.Tensor, *, side: int) -> torch.Tensor:
    """Features [1, C, h, w] of one picture, boxes [K, 4] -> [K, C, side, side], bilinear, zero outside.

    All boxes are sampled in one call as one tall grid: the features are not copied K times.
    """
    channels = features.shape[1]
    tall = crop_grid(boxes_xyxy, side=side).reshape(1, -1, side, 2)
    sampled = grid_sample(features, tall, mode="bilinear", padding_mode="zeros", align_corners=False)
    return sampled.reshape(channels, -1, side, side).transpose(0, 1)


def _prompt_maps(side: int) -> torch.Tensor:
    """[1, 3, side, side]: x and y in units of the box (-1..1 inside it) and whether the cell is inside the box."""
    steps = ((torch.arange(side, dtype=torch.float32) + 0.5) * ((1 + 2 * BOX_MARGIN) / side) - BOX_MARGIN) * 2 - 1
    x, y = steps.expand(side, side), steps[:, None].expand(side, side)
    inside = (torch.maximum(x.abs(), y.abs()) <= 1.0).to(torch.float32)
    return torch.stack([x, y, inside]).unsqueeze(0)


class Decoder(nn.Module):
    """Two crops -> mask logits [K, 64, 64] and predicted IoU [K]."""

    prompt: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("prompt", _prompt_maps(MASK_SIDE // 2))
        self.fine_down = ConvUnit(FINE_CHANNELS, 16, stride=2)
        self.at_32 = nn.Sequential(ConvUnit(COARSE_CHANNELS + 16 + 3, 40), ConvUnit(40, 40))
        self.at_16 = nn.Sequential(ConvUnit(40, 64, stride=2), Residual(64))
        self.at_8 = nn.Sequential(ConvUnit(64, 96, stride=2), Residual(96))
        self.up_16 = ConvUnit(96, 64, kernel=1)
        self.mix_16 = ConvUnit(64, 64)
        self.up_32 = ConvUnit(64, 40, kernel=1)
        self.mix_32 = ConvUnit(40, 40)
        self.up_64 = nn.Conv2d(40, 16, 1)
        self.mix_64 = ConvUnit(16 + FINE_CHANNELS, 16)
        self.mask_head = nn.Conv2d(16, 1, 1)
        self.quality_head = nn.Sequential(nn.Linear(96 + 40, 48), nn.ReLU(), nn.Linear(48, 1))

    def forward(self, fine: torch.Tensor, coarse: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """fine [K, 16, 64, 64], coarse [K, 32, 32, 32] -> logits [K, 64, 64], quality [K] in 0-1."""
        prompt = self.prompt.expand(coarse.shape[0], -1, -1, -1)
        x32 = self.at_32(torch.cat([coarse, self.fine_down(fine), prompt], dim=1))
        x16 = self.at_16(x32)
        x8 = self.at_8(x16)
        y16 = self.mix_16(x16 + upsample(self.up_16(x8)))
        y32 = self.mix_32(x32 + upsample(self.up_32(y16)))
        up = interpolate(self.up_64(y32), scale_factor=2.0, mode="bilinear", align_corners=False)
        logits = self.mask_head(self.mix_64(torch.cat([up, fine], dim=1))).squeeze(1)
        pooled = torch.cat([x8.mean(dim=(2, 3)), y32.mean(dim=(2, 3))], dim=1)
        return logits, self.quality_head(pooled).squeeze(1).sigmoid()


class Segmenter(nn.Module):
    """Encoder and decoder together, for training."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.decoder = Decoder()

    def forward(self, images: torch.Tensor, boxes: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """images [B, 3, H, W]; for each picture its boxes [K_b, 4] -> logits [sum K, 64, 64], quality [sum K]."""
        fine, coarse = self.encoder(images)
        fine_crops = [crop(fine[b : b + 1], xyxy, side=MASK_SIDE) for b, xyxy in enumerate(boxes)]
        coarse_crops = [crop(coarse[b : b + 1], xyxy, side=MASK_SIDE // 2) for b, xyxy in enumerate(boxes)]
        # channels last again after the crops' transpose: the convolutions are twice as fast
        logits, quality = self.decoder(
            torch.cat(fine_crops).contiguous(memory_format=torch.channels_last),
            torch.cat(coarse_crops).contiguous(memory_format=torch.channels_last),
        )
        return logits, quality


class DecoderGraph(nn.Module):
    """What is exported as the decoder: crops and decoding."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(
        self, fine: torch.Tensor, coarse: torch.Tensor, boxes_xyxy: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """fine [1, 16, H/2, W/2], coarse [1, 32, H/4, W/4], boxes [K, 4] -> mask_logits [K, 64, 64], quality [K]."""
        logits, quality = self.decoder(
            crop(fine, boxes_xyxy, side=MASK_SIDE), crop(coarse, boxes_xyxy, side=MASK_SIDE // 2)
        )
        return logits, quality
