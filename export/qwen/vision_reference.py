"""transformers' own vision tower, loaded alone, as the measure of our graph.

In: tower weights by name, the config's vision block, pictures. Out: tokens. Of a 7B checkpoint this reads 2.7 GB, not
33.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
