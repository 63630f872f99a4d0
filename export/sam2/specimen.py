"""A SAM2 checkpoint folder with random weights, for tests and timings where the real one can't be had.

Weights as transformers draws them give nets that hardly react: every mask is the same, every memory zero (the tables of
SAM2Video start at 0). Here each layer keeps the variance of what it gets, the tables are drawn too, memory attention is
made local (each place looks at the same place of the past, and hears it loudly), the fine features of the picture are
made quiet so that masks come from what is remembered, and most objects count as present. About 40 % of the picture is
mask then, another part for every picture and, for some frames, for every object.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

Size = Literal["micro", "tiny"]
PRESENCE = 4.0
"""Added to the presence logit: with a drawn head it scatters around 0 by about 1."""
_PEAK = 8.0
"""Score of a place looking at itself, before what picture and memory add."""


def save_specimen(folder: Path, *, size: Size = "micro", image_side: int = 128, seed: int = 0) -> Path:
    """Write config.json and model.safetensors as `save_pretrained` does; returns `folder`.

    "tiny": layer shapes and depth of SAM2.1-tiny (39 M parameters). "micro": the same parts, 2.0 M parameters.
    `image_side`: a multiple of 32 pixels.
    """
    import torch
    from transformers import Sam2VideoModel

    torch.manual_seed(seed)
    model = Sam2VideoModel(_config(size, image_side))
    model.eval()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    with torch.no_grad():
        enliven(model)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\nRandom weights: a specimen, not a model.\n")
    return folder


def enliven(model: Any) -> None:
    """Redraw all weights of a Sam2VideoModel, in place (see the module's head)."""
    from torch import nn

    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            fan_in = module.weight[0].numel()
            module.weight.normal_(0, 1 / math.sqrt(fan_in))
        elif isinstance(module, nn.ConvTranspose2d):
            module.weight.normal_(0, 1 / math.sqrt(module.weight.shape[0]))
        elif isinstance(module, nn.LayerNorm):
            module.weight.normal_(1, 0.1)
        elif isinstance(module, nn.Embedding):
            module.weight.normal_(0, 0.5)
        else:
            continue
        if getattr(module, "bias", None) is not None:
            module.bias.normal_(0, 0.1)
    for name, tensor in model.named_parameters():
        if name.count(".") == 0 or name.endswith(("pos_embed", "pos_embed_window")):
            # tables: places in the picture, no-memory, temporal, no-object pointer, occlusion
            tensor.normal_(0, 0.5)
        elif "memory_fuser" in name and name.endswith("scale"):
            tensor.fill_(0.3)
    # one table of places serves prompts and picture, as in every published checkpoint
    model.prompt_encoder.shared_embedding.positional_embedding.copy_(model.shared_image_embedding.positional_embedding)
    model.mask_decoder.pred_obj_score_head.proj_out.bias += PRESENCE
    for layer in model.memory_attention.layers:
        _localise(layer.cross_attn_image)
    model.memory_encoder.feature_projection.weight *= 0.1
    model.mask_decoder.conv_s0.weight *= 0.2
    model.mask_decoder.conv_s1.weight *= 0.2


def _localise(attention: Any) -> None:
    """Equal constant queries and keys: after rotation their product is largest where both have the same place."""
    import torch

    direction = torch.randn(attention.q_proj.bias.shape)
    constant = (
        direction / direction.norm() * math.sqrt(_PEAK * math.sqrt(attention.head_dim) * attention.num_attention_heads)
    )
    for projection in (attention.q_proj, attention.k_proj):
        projection.weight *= 0.3
        projection.bias.copy_(constant)
    attention.o_proj.weight *= 3.0


def _config(size: Size, side: int) -> Any:
    from transformers import Sam2HieraDetConfig, Sam2VideoConfig, Sam2VisionConfig

    backbone: dict[str, Any] = {"image_size": [side, side]}
    vision: dict[str, Any] = {"backbone_feature_sizes": [[side // n, side // n] for n in (4, 8, 16)]}
    video: dict[str, Any] = {}
    hidden = 256
    if size == "micro":
        hidden, widths = 128, [32, 64, 96, 128]
        backbone |= {
            "hidden_size": 32, "blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": widths,
            "num_attention_heads_per_stage": [1, 2, 3, 4], "window_size_per_stage": [8, 4, 4, 4],
            "global_attention_blocks": [3],
        }  # fmt: skip
        vision |= {"fpn_hidden_size": hidden, "backbone_channel_list": widths[::-1]}
        video = {
            "memory_attention_hidden_size": hidden, "memory_attention_num_layers": 2,
            "memory_attention_feed_forward_hidden_size": 256, "memory_encoder_hidden_size": hidden,
            "mask_downsampler_embed_dim": hidden, "memory_fuser_embed_dim": hidden,
            "memory_fuser_intermediate_dim": 256,
        }  # fmt: skip
    narrow = {} if size == "tiny" else {"mlp_dim": 256, "iou_head_hidden_dim": hidden}
    return Sam2VideoConfig(
        vision_config=Sam2VisionConfig(backbone_config=Sam2HieraDetConfig(**backbone), **vision),
        prompt_encoder_config={"image_size": side, "hidden_size": hidden},
        mask_decoder_config={"hidden_size": hidden, **narrow},
        image_size=side,
        memory_attention_rope_feat_sizes=[side // 16, side // 16],
        **video,
    )
