"""Names of a Sam2VideoModel's weights (transformers) -> those of the reference (facebookresearch/sam2)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_RULES = (
    (r"^vision_encoder\.backbone\.patch_embed\.projection", "image_encoder.trunk.patch_embed.proj"),
    (r"^vision_encoder\.backbone", "image_encoder.trunk"),
    (r"^vision_encoder\.neck\.convs\.(\d+)", r"image_encoder.neck.convs.\1.conv"),
    (r"^memory_attention\.layer_norm", "memory_attention.norm"),
    (r"^memory_encoder\.mask_downsampler\.final_conv", "memory_encoder.mask_downsampler.encoder.12"),
    (r"^memory_encoder\.feature_projection", "memory_encoder.pix_feat_proj"),
    (r"^memory_encoder\.projection", "memory_encoder.out_proj"),
    (r"^memory_encoder\.memory_fuser", "memory_encoder.fuser"),
    (r"depthwise_conv", "dwconv"),
    (r"pointwise_conv", "pwconv"),
    (r"\.scale$", ".gamma"),
    (r"^mask_decoder\.upscale_conv1", "mask_decoder.output_upscaling.0"),
    (r"^mask_decoder\.upscale_layer_norm", "mask_decoder.output_upscaling.1"),
    (r"^mask_decoder\.upscale_conv2", "mask_decoder.output_upscaling.3"),
    (r"^prompt_encoder\.mask_embed\.conv1", "prompt_encoder.mask_downscaling.0"),
    (r"^prompt_encoder\.mask_embed\.layer_norm1", "prompt_encoder.mask_downscaling.1"),
    (r"^prompt_encoder\.mask_embed\.conv2", "prompt_encoder.mask_downscaling.3"),
    (r"^prompt_encoder\.mask_embed\.layer_norm2", "prompt_encoder.mask_downscaling.4"),
    (r"^prompt_encoder\.mask_embed\.conv3", "prompt_encoder.mask_downscaling.6"),
    (r"shared_embedding\.positional_embedding", "pe_layer.positional_encoding_gaussian_matrix"),
    (r"^memory_temporal_positional_encoding$", "maskmem_tpos_enc"),
    (r"^no_memory_embedding$", "no_mem_embed"),
    (r"^no_memory_positional_encoding$", "no_mem_pos_enc"),
    (r"^no_object_pointer$", "no_obj_ptr"),
    (r"^occlusion_spatial_embedding_parameter$", "no_obj_embed_spatial"),
    (r"^object_pointer_proj", "obj_ptr_proj"),
    (r"^temporal_positional_encoding_projection_layer", "obj_ptr_tpos_proj"),
    (r"\.mlp\.proj_in", ".mlp.layers.0"),
    (r"\.mlp\.proj_out", ".mlp.layers.1"),
    # heads of three layers; their middle one before the first takes its number
    (r"(_head|_proj|_mlps\.\d)\.layers\.0\.", r"\1.layers.1."),
    (r"(_head|_proj|_mlps\.\d)\.proj_in", r"\1.layers.0"),
    (r"(_head|_proj|_mlps\.\d)\.proj_out", r"\1.layers.2"),
    (r"\.o_proj", ".out_proj"),
    (r"layer_norm", "norm"),
    (r"^(mask_decoder|prompt_encoder)", r"sam_\1"),
)
_DOWNSAMPLER = re.compile(r"^memory_encoder\.mask_downsampler\.layers\.(\d+)\.(conv|layer_norm)")


def meta_weights(weights: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    """The same weights under the reference's names, complete for a strict load.

    Raises ValueError where the two tables of places (of prompts and of the picture) differ: the reference has one.
    """
    left = dict(weights)
    picture = left.pop("shared_image_embedding.positional_embedding")
    if not np.array_equal(picture, left["prompt_encoder.shared_embedding.positional_embedding"]):
        raise ValueError("the checkpoint has different tables of places for prompts and picture; the reference has one")
    corners = left.pop("prompt_encoder.point_embed.weight")
    found = {f"sam_prompt_encoder.point_embeddings.{n}.weight": row[None] for n, row in enumerate(corners)}
    return found | {meta_name(name): value for name, value in left.items()}


def meta_name(name: str) -> str:
    """One name."""
    name = _DOWNSAMPLER.sub(_downsampler, name)
    for pattern, replacement in _RULES:
        name = re.sub(pattern, replacement, name)
    return name


def _downsampler(match: re.Match[str]) -> str:
    """A convolution, a norm and an activation a layer, counted through."""
    number = 3 * int(match[1]) + (match[2] == "layer_norm")
    return f"memory_encoder.mask_downsampler.encoder.{number}"
