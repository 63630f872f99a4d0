"""transformers' own vision tower and text model, each loaded alone, as the measure of our graphs.

In: weights by name, the config's blocks, pictures. Out: modules, tokens. Of a 7B checkpoint the tower reads 2.7 GB, not
33.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.export.decoder.config import DecoderConfig
from edgecap.export.decoder.text_model import HEAD

_MEMORY_SHARE = 0.4
"""Of the machine's memory, for float32 weights in PyTorch; then as much again for ONNX Runtime, which comes after."""


def load_tower(weights: Mapping[str, NDArray[Any]], vision_config: Mapping[str, Any]) -> Any:
    """The torch module, float32, eval mode; every tensor from `weights` (none may be missing)."""
    import torch
    from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
        Qwen2_5_VisionTransformerPretrainedModel,
        Qwen2_5_VLVisionRotaryEmbedding,
    )

    config = Qwen2_5_VLVisionConfig.from_dict(dict(vision_config))
    config._attn_implementation = "sdpa"
    with torch.device("meta"):  # no memory, and no random numbers for 670 million weights that are replaced at once
        tower = Qwen2_5_VisionTransformerPretrainedModel(config)
    names = [name for name, _ in tower.named_parameters()]
    tower.load_state_dict({n: torch.from_numpy(np.array(weights[n], np.float32)) for n in names}, assign=True)
    tower.rotary_pos_emb = Qwen2_5_VLVisionRotaryEmbedding(config)  # its table is no weight, so meta left it empty
    return tower.eval()  # type: ignore[no-untyped-call]  # transformers leaves it untyped


def tower_tokens(tower: Any, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """pixels float32 [n,3,h,w] (normalised) -> tokens float32 [n,T,H], each picture on its own."""
    import torch

    found = []
    for picture in pixels:
        patches, grid = cut_patches(
            picture,
            patch=tower.config.patch_size,
            merge=tower.config.spatial_merge_size,
            frames=tower.config.temporal_patch_size,
        )
        with torch.inference_mode():
            out = tower(torch.from_numpy(patches), grid_thw=torch.tensor([grid]))
        found.append(out.pooler_output.numpy())
    return np.stack(found)


def cut_patches(
    picture: NDArray[np.float32], *, patch: int, merge: int, frames: int
) -> tuple[NDArray[np.float32], tuple[int, int, int]]:
    """What transformers' image processor makes of one still picture [3,h,w]: rows [patches, 3 * frames * patch^2], the
    patches of one token together, and the grid (time, rows, columns) in patches."""
    channels, height, width = picture.shape
    rows, columns = height // patch, width // patch
    cells = picture.reshape(channels, rows // merge, merge, patch, columns // merge, merge, patch)
    ordered = cells.transpose(1, 4, 2, 5, 0, 3, 6).reshape(rows * columns, channels, 1, patch, patch)
    repeated = np.repeat(ordered, frames, axis=2)
    return np.ascontiguousarray(repeated.reshape(rows * columns, -1), np.float32), (1, rows, columns)


def load_text(
    weights: Mapping[str, NDArray[Any]], text_config: Mapping[str, Any], *, layers: int, tied_head: bool
) -> tuple[Any, Any]:
    """The torch text model of the first `layers` layers with the final norm, float32, and the head, torch [V, H]."""
    import torch
    from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLTextConfig
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLRotaryEmbedding, Qwen2_5_VLTextModel

    config = Qwen2_5_VLTextConfig.from_dict(dict(text_config) | {"num_hidden_layers": layers, "layer_types": None})
    config._attn_implementation = "sdpa"
    with torch.device("meta"):  # filled below; the embedding table stays empty, vectors come from the pack's
        model = Qwen2_5_VLTextModel(config)
    names = [name for name, _ in model.named_parameters() if not name.startswith("embed_tokens.")]
    state = {n: torch.from_numpy(np.array(weights[n], np.float32)) for n in names}
    missing = model.load_state_dict(state, strict=False, assign=True).missing_keys
    assert missing == ["embed_tokens.weight"], missing
    # its table is not a weight, so meta left it empty; the annotation of transformers names the outer config
    model.rotary_emb = Qwen2_5_VLRotaryEmbedding(config)  # type: ignore[arg-type]
    model.eval()  # type: ignore[no-untyped-call]  # transformers leaves it untyped
    return model, torch.from_numpy(np.array(weights["embed_tokens.weight" if tied_head else HEAD], np.float32))


def layers_that_fit(config: DecoderConfig) -> int:
    """How many layers can be held in float32 on this machine: at least 1."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * _MEMORY_SHARE
    everything = config.weight_bytes("fp32")
    ends = 4 * config.vocab_size * config.hidden_size
    layer = (everything - ends) / config.layers
    return max(1, min(config.layers, int((memory - ends) / layer)))
