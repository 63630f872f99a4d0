"""The reference (facebookresearch/sam2) on a clip: what each of its parts gives, frame by frame.

    .venv-sam2/bin/python export/sam2/meta_worker.py WEIGHTS.npz CLIP.npz OUT.npz

A process of its own, with torch and sam2 and nothing of edgecap. WEIGHTS: by the reference's names. CLIP: `pictures`
float32 [N, 3, S, S] as the image encoder takes them, `boxes` float32 [K, 4] in pixels of the first. OUT: per frame n
`features.n`, `middle.n`, `fine.n`, `mask_logits.n`, `quality.n`, `pointer.n`, `presence.n`, `memory.n` and, but for the
first, `conditioned.n`; and `versions`.

All objects are one batch, prompted in frame 0; every frame's memory is kept in float32 (the predictor rounds it to
bfloat16). The options are those of `build_sam2_video_predictor`.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

CONFIG = "configs/sam2.1/sam2.1_hiera_t.yaml"
_AS_PREDICTOR = ["++model.binarize_mask_from_pts_for_mem_enc=true"]
Found = dict[str, NDArray[Any]]


def main(weights: str, clip: str, out: str) -> None:
    """See the module's head."""
    with np.load(clip) as file:
        pictures, boxes = torch.from_numpy(file["pictures"]), torch.from_numpy(file["boxes"])
    with np.load(weights) as file:
        model = _model({name: torch.from_numpy(file[name]) for name in file.files}, side=pictures.shape[-1])
    with torch.inference_mode():
        found = _propagate(model, pictures, boxes)
    versions = [f"{name} {version(name)}" for name in ("sam2", "torch", "hydra-core", "iopath")]
    np.savez(out, versions=np.array(versions), **found)  # type: ignore[arg-type]  # numpy's stub takes arrays for flags


def _model(weights: dict[str, Any], *, side: int) -> Any:
    from sam2.build_sam import build_sam2  # type: ignore[import-not-found]  # in an environment of its own

    grid = side // 16
    sizes = [
        f"++model.memory_attention.layer.{a}.feat_sizes=[{grid},{grid}]" for a in ("self_attention", "cross_attention")
    ]
    overrides = [f"++model.image_size={side}", *sizes, *_AS_PREDICTOR]
    model = build_sam2(CONFIG, ckpt_path=None, device="cpu", hydra_overrides_extra=overrides)
    model.load_state_dict(weights, strict=True)
    return model.eval()


def _propagate(model: Any, pictures: torch.Tensor, boxes: torch.Tensor) -> Found:
    found: Found = {}
    noted = _Noted(model)
    outputs: dict[str, dict[int, Any]] = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}
    for n, picture in enumerate(pictures):
        encoded = model.forward_image(picture[None])
        for name, level in zip(("fine", "middle", "features"), encoded["backbone_fpn"], strict=True):
            found[f"{name}.{n}"] = level.numpy().copy()
        every = {
            name: [level.expand(len(boxes), -1, -1, -1) for level in encoded[name]]
            for name in ("backbone_fpn", "vision_pos_enc")
        }
        _, features, places, sizes = model._prepare_backbone_features(every)
        points = {
            "point_coords": boxes.view(-1, 2, 2),
            "point_labels": torch.tensor([[2, 3]] * len(boxes), dtype=torch.int32),
        }
        made = model.track_step(
            frame_idx=n,
            is_init_cond_frame=n == 0,
            current_vision_feats=features,
            current_vision_pos_embeds=places,
            feat_sizes=sizes,
            point_inputs=points if n == 0 else None,
            mask_inputs=None,
            output_dict=outputs,
            num_frames=len(pictures),
        )
        outputs["cond_frame_outputs" if n == 0 else "non_cond_frame_outputs"][n] = made
        if n:
            found[f"conditioned.{n}"] = noted.conditioned.numpy().copy()
        found[f"mask_logits.{n}"] = made["pred_masks"][:, 0].numpy().copy()
        found[f"quality.{n}"] = noted.quality.max(1).values.numpy().copy()
        found[f"pointer.{n}"] = made["obj_ptr"].numpy().copy()
        found[f"presence.{n}"] = made["object_score_logits"][:, 0].numpy().copy()
        found[f"memory.{n}"] = made["maskmem_features"].flatten(2).transpose(1, 2).numpy().copy()
    return found


class _Noted:
    """What passes inside a step. `conditioned`: features after memory attention [K, C, g, g]. `quality`: [K, n], of the
    masks that the decoder chose from."""

    conditioned: torch.Tensor
    quality: torch.Tensor

    def __init__(self, model: Any) -> None:
        condition, heads = model._prepare_memory_conditioned_features, model._forward_sam_heads

        def conditioned(**given: Any) -> Any:
            self.conditioned = condition(**given)
            return self.conditioned

        def decoded(**given: Any) -> Any:
            made = heads(**given)
            self.quality = made[2]
            return made

        model._prepare_memory_conditioned_features, model._forward_sam_heads = conditioned, decoded


if __name__ == "__main__":
    main(*sys.argv[1:])
