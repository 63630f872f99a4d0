"""Modules behind the graphs of the memory: attention to what is remembered, and the encoder that remembers.

Memory attention is rewritten from the layers' weights, because transformers' has no mask for empty slots. Three
changes leave its result as it was (up to rounding) and make it cheaper:

- rotary pairs (2i, 2i+1) become halves (i, i + d/2) by reordering the rows of the query and key projections;
- the first self-attention sees the same picture for every object, so it is done once and not K times;
- rows of a softmax sum to 1, so attention(q, k, values W + b) = attention(q, k, values) W + b: values of M = 64
  channels are weighted instead of 256, and W is merged with the output projection.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from edgecap.export.sam2.settings import Sam2Settings

EMPTY = -10_000.0
"""Added to the scores of empty slots: exp of it is 0, and float16 can hold it."""
NO_OBJECT_LOGIT = -1024.0
"""Mask logit of an absent object (facebookresearch/sam2, sam2_base.py NO_OBJ_SCORE)."""
_POINTER_TEMPERATURE = 10_000.0


class MemoryAttention(nn.Module):
    """features [1,C,g,g], memories [K,S,T,M], memory_ages int32 [K,S], pointers [K,P,C], pointer_ages int32 [K,P]
    -> conditioned [K,C,g,g]. `query_chunk`: rows of the score matrix held at once (see `_attend`)."""

    picture_pe: Tensor
    spatial_pe: Tensor
    temporal_pe: Tensor
    periods: Tensor
    cos: Tensor
    sin: Tensor

    def __init__(self, model: Any, settings: Sam2Settings, *, query_chunk: int) -> None:
        super().__init__()
        grid, own = settings.grid, model.memory_attention
        self.grid, self.splits = grid, settings.hidden // settings.memory_dim
        self.longest = float(settings.pointers - 1)
        self.layers = nn.ModuleList(_Layer(layer, query_chunk) for layer in own.layers)
        self.norm, self.pointer_time = own.layer_norm, model.temporal_positional_encoding_projection_layer
        picture = model.vision_encoder.neck.position_encoding((1, settings.hidden, grid, grid), "cpu", torch.float32)
        spatial = model.memory_encoder.position_encoding((1, settings.memory_dim, grid, grid), "cpu", torch.float32)
        self.register_buffer("picture_pe", 0.1 * picture.flatten(2).transpose(1, 2).clone())  # [1,T,C]
        self.register_buffer("spatial_pe", spatial.flatten(2).transpose(1, 2).clone())  # [1,T,M]
        # row by age: 0 (the prompted frame) has the last row of the checkpoint's table, age a its row a - 1
        temporal = model.memory_temporal_positional_encoding.detach()[:, 0, 0].roll(1, 0)
        self.register_buffer("temporal_pe", temporal.clone())
        steps = torch.arange(settings.hidden // 2)
        periods = _POINTER_TEMPERATURE ** (2 * (steps // 2) / (settings.hidden // 2))
        self.register_buffer("periods", periods.float())
        cos, sin = own.rotary_emb(torch.zeros(1), own.position_ids)  # [1,T,d], every angle twice in a row
        self.register_buffer("cos", cos[..., ::2].clone())
        self.register_buffer("sin", sin[..., ::2].clone())

    def forward(
        self, features: Tensor, memories: Tensor, memory_ages: Tensor, pointers: Tensor, pointer_ages: Tensor
    ) -> Tensor:
        """See the class."""
        objects, slots, tokens, channels = memories.shape
        values = torch.cat([memories.flatten(1, 2), pointers.reshape(objects, -1, channels)], 1)  # [K, S*T + P*n, M]
        temporal = self.temporal_pe[memory_ages.clamp(0, slots - 1).long()]  # [K,S,M]
        positions = (temporal[:, :, None] + self.spatial_pe).flatten(1, 2)
        keys = values + torch.cat([positions, self._pointer_positions(pointer_ages)], 1)
        bias = torch.cat([_empty(memory_ages, tokens), _empty(pointer_ages, self.splits)], 1)[:, None]  # [K,1,N]
        x = features.flatten(2).transpose(1, 2) + self.picture_pe  # [1,T,C] up to the first look at memories
        for layer in self.layers:
            x = layer(x, keys, values, bias, self.cos, self.sin, slots)
        conditioned: Tensor = self.norm(x).transpose(1, 2).reshape(objects, -1, self.grid, self.grid)
        return conditioned

    def _pointer_positions(self, ages: Tensor) -> Tensor:
        """Ages [K,P] -> encodings [K, P*n, M]: sines and cosines of the age, projected, once per piece of a pointer."""
        angles = (ages.float() / self.longest)[..., None] / self.periods
        times: Tensor = self.pointer_time(torch.cat([angles.sin(), angles.cos()], -1))
        return times.repeat_interleave(self.splits, dim=1)


class _Layer(nn.Module):
    """One layer: the picture looks at itself, then at the memories, then through two linear layers."""

    def __init__(self, layer: Any, query_chunk: int) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = layer.layer_norm1, layer.layer_norm2, layer.layer_norm3
        self.linear1, self.linear2, self.activation = layer.linear1, layer.linear2, layer.activation
        self.self_attention = _Attention(layer.self_attn, query_chunk)
        self.cross_attention = _Attention(layer.cross_attn_image, query_chunk)

    def forward(
        self, x: Tensor, keys: Tensor, values: Tensor, bias: Tensor, cos: Tensor, sin: Tensor, slots: int
    ) -> Tensor:
        """x [1 or K,T,C], keys and values [K,N,M], bias [K,1,N] -> [K,T,C]."""
        y = self.norm1(x)
        x = x + self.self_attention(y, y, y, None, cos, sin, 1)
        x = x + self.cross_attention(self.norm2(x), keys, values, bias, cos, sin, slots)
        widened: Tensor = self.linear2(self.activation(self.linear1(self.norm3(x))))
        return x + widened


class _Attention(nn.Module):
    """Rotary attention; see the module's head for what was changed."""

    def __init__(self, own: Any, query_chunk: int) -> None:
        super().__init__()
        self.heads, self.dim, self.chunk = own.num_attention_heads, own.head_dim, query_chunk
        pairs = torch.arange(own.head_dim).view(-1, 2).t().flatten()  # 0 2 4 ... 1 3 5 ...
        rows = (torch.arange(self.heads)[:, None] * self.dim + pairs).flatten()
        self.query = _linear(own.q_proj.weight[rows] * own.scaling, own.q_proj.bias[rows] * own.scaling)
        self.key = _linear(own.k_proj.weight[rows], own.k_proj.bias[rows])
        into, out = own.v_proj, own.o_proj
        merged = [
            out.weight[:, h * self.dim : (h + 1) * self.dim] @ into.weight[h * self.dim : (h + 1) * self.dim]
            for h in range(self.heads)
        ]
        self.output = _linear(torch.cat(merged, 1), out.weight @ into.bias + out.bias)

    def forward(
        self, x: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None, cos: Tensor, sin: Tensor, slots: int
    ) -> Tensor:
        """x [B,T,C]; keys, values [K,N,M] of which the first slots * T have places in the picture -> [K,T,C]."""
        tokens = x.shape[1]
        split = (self.heads, self.dim)
        q = _turned(self.query(x).unflatten(-1, split).transpose(1, 2), cos, sin)  # [B,h,T,d]
        k = self.key(keys).unflatten(-1, split).transpose(1, 2)  # [K,h,N,d]
        placed = k[:, :, : slots * tokens].unflatten(2, (slots, tokens))
        k = torch.cat([_turned(placed, cos, sin).flatten(2, 3), k[:, :, slots * tokens :]], 2)
        seen = self._attend(q, k.transpose(2, 3), values[:, None], None if bias is None else bias[:, None])
        projected: Tensor = self.output(seen.transpose(1, 2).flatten(2))
        return projected

    def _attend(self, q: Tensor, k: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
        """In pieces of `chunk` queries: at 1024 px all scores are 470 MB per object, those of 512 queries 59 MB."""
        pieces = []
        for start in range(0, q.shape[2], self.chunk):
            scores = q[:, :, start : start + self.chunk] @ k
            if bias is not None:
                scores = scores + bias
            pieces.append(scores.softmax(-1) @ values)
        return torch.cat(pieces, 2) if len(pieces) > 1 else pieces[0]


class MemoryEncoder(nn.Module):
    """features [1,C,g,g], mask_logits [K,4g,4g], presence [K], prompted bool [K] -> memory [K,T,M]."""

    absent: Tensor

    def __init__(self, model: Any, settings: Sam2Settings) -> None:
        super().__init__()
        self.own, self.side = model.memory_encoder, settings.image_side
        self.scale, self.bias = model.config.sigmoid_scale_for_mem_enc, model.config.sigmoid_bias_for_mem_enc
        self.register_buffer("absent", model.occlusion_spatial_embedding_parameter.detach()[None].clone())  # [1,1,M]

    def forward(self, features: Tensor, mask_logits: Tensor, presence: Tensor, prompted: Tensor) -> Tensor:
        """See the class."""
        seen = (presence > 0)[:, None, None, None]
        logits = torch.where(seen, mask_logits[:, None], torch.full_like(mask_logits[:, None], NO_OBJECT_LOGIT))
        logits = nn.functional.interpolate(logits, size=(self.side, self.side), mode="bilinear", align_corners=False)
        share = torch.where(prompted[:, None, None, None], (logits > 0).float(), logits.sigmoid())
        masks = self.own.mask_downsampler(share * self.scale + self.bias)
        fused = self.own.memory_fuser(self.own.feature_projection(features) + masks)
        memory = self.own.projection(fused).flatten(2).transpose(1, 2)
        return torch.where(seen[:, :, :, 0], memory, memory + self.absent)


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the pairs (i, i + d/2) of the last axis; cos and sin [1,T,d/2]."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def _empty(ages: Tensor, repeats: int) -> Tensor:
    """Ages [K,n] -> score bias [K, n * repeats]."""
    return ((ages < 0).float() * EMPTY).repeat_interleave(repeats, dim=1)


def _linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight, layer.bias = nn.Parameter(weight.detach().clone()), nn.Parameter(bias.detach().clone())
    return layer
