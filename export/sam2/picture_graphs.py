"""Modules behind the graphs that look at one picture: the image encoder and the two mask decoders.

They hold the modules of a loaded Sam2VideoModel and re-do only what stands between them; see Ravi et al., "SAM 2:
Segment Anything in Images and Videos" (2024), section 4 and appendix D.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from edgecap.export.sam2.settings import Sam2Settings


class ImageEncoder(nn.Module):
    """images uint8 [1,3,S,S] -> features [1,C,g,g], middle [1,C/4,2g,2g], fine [1,C/8,4g,4g]."""

    scale: Tensor
    shift: Tensor

    def __init__(self, model: Any, settings: Sam2Settings) -> None:
        super().__init__()
        self.vision = model.vision_encoder
        self.fine, self.middle = model.mask_decoder.conv_s0, model.mask_decoder.conv_s1
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (settings.mean, settings.std))
        self.register_buffer("scale", 1 / (255 * std))
        self.register_buffer("shift", -mean / std)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class."""
        levels = self.vision(images.float() * self.scale + self.shift, return_dict=True).fpn_hidden_states
        return levels[2], self.middle(levels[1]), self.fine(levels[0])


class _MaskDecoder(nn.Module):
    """Tokens and features -> one mask per object."""

    picture_pe: Tensor
    dense: Tensor
    nothing: Tensor
    no_pointer: Tensor

    def __init__(self, model: Any, *, best_of_three: bool) -> None:
        super().__init__()
        self.decoder, self.pointer_proj = model.mask_decoder, model.object_pointer_proj
        self.best_of_three = best_of_three
        prompts = model.prompt_encoder
        self.register_buffer("picture_pe", model.get_image_wide_positional_embeddings().detach())
        self.register_buffer("dense", prompts.no_mask_embed.weight.detach().view(1, -1, 1, 1))
        self.register_buffer("nothing", prompts.not_a_point_embed.weight.detach().view(1, 1, -1))
        self.register_buffer("no_pointer", model.no_object_pointer.detach())

    def _masks(self, features: Tensor, middle: Tensor, fine: Tensor, tokens: Tensor) -> tuple[Tensor, ...]:
        """features [K,C,g,g], tokens [K,n,C] -> mask_logits [K,4g,4g], quality [K], pointer [K,C], presence [K]."""
        masks, quality, mask_tokens, presence = self.decoder(
            image_embeddings=features,
            image_positional_embeddings=self.picture_pe,
            sparse_prompt_embeddings=tokens[:, None],
            dense_prompt_embeddings=self.dense,
            multimask_output=self.best_of_three,
            high_resolution_features=[fine, middle],
        )
        masks, quality, mask_tokens, presence = masks[:, 0], quality[:, 0], mask_tokens[:, 0], presence[:, 0]
        if self.best_of_three:
            best = quality.argmax(dim=1, keepdim=True)  # [K,1]
            quality = quality.gather(1, best)
            masks = masks.gather(1, best[:, :, None, None].expand(-1, 1, masks.shape[2], masks.shape[3]))
            mask_tokens = mask_tokens.gather(1, best[:, :, None].expand(-1, 1, mask_tokens.shape[2]))
        pointer = torch.where(presence > 0, self.pointer_proj(mask_tokens[:, 0]), self.no_pointer)
        return masks[:, 0], quality[:, 0], pointer, presence[:, 0]


class BoxDecoder(_MaskDecoder):
    """features, middle, fine, boxes_xyxy [K,4] relative -> mask_logits, quality, pointer, presence."""

    frequencies: Tensor
    corners: Tensor
    no_memory: Tensor

    def __init__(self, model: Any, settings: Sam2Settings) -> None:
        config = model.config
        # a box counts as two points: transformers' and Meta's predictors take the single mask for it (or, where that is
        # unstable, the best of three; the mask decoder does so itself)
        two_points = config.multimask_min_pt_num <= 2 <= config.multimask_max_pt_num
        super().__init__(model, best_of_three=bool(config.multimask_output_in_sam and two_points))
        self.half_pixel = 0.5 / settings.image_side
        prompts = model.prompt_encoder
        self.register_buffer("frequencies", prompts.shared_embedding.positional_embedding.detach() * 2 * math.pi)
        self.register_buffer("corners", prompts.point_embed.weight.detach()[None, 2:4])
        self.register_buffer("no_memory", model.no_memory_embedding.detach().view(1, -1, 1, 1))

    def forward(self, features: Tensor, middle: Tensor, fine: Tensor, boxes_xyxy: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        corners = boxes_xyxy.reshape(-1, 2, 2) + self.half_pixel  # [K, corner, xy]
        angles = (2 * corners - 1) @ self.frequencies
        embedded = torch.cat([angles.sin(), angles.cos()], dim=-1) + self.corners
        tokens = torch.cat([embedded, self.nothing.expand(embedded.shape[0], 1, -1)], dim=1)
        own = (features + self.no_memory).expand(tokens.shape[0], -1, -1, -1)
        return self._masks(own, middle, fine, tokens)


class MemoryDecoder(_MaskDecoder):
    """conditioned [K,C,g,g], middle, fine -> mask_logits, quality, pointer, presence."""

    def __init__(self, model: Any) -> None:
        config = model.config
        tracking = config.multimask_output_in_sam and config.multimask_output_for_tracking
        super().__init__(model, best_of_three=bool(tracking and config.multimask_min_pt_num == 0))

    def forward(self, conditioned: Tensor, middle: Tensor, fine: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        tokens = self.nothing.expand(conditioned.shape[0], 2, -1)  # an empty prompt is a padded point, padded once more
        return self._masks(conditioned, middle, fine, tokens)
