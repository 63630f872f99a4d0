"""What a SAM2 checkpoint and the command's options say of an export: sizes, counts, normalisation.

In: `Checkpoint`, options. Out: `Sam2Settings`. Imports no torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from edgecap.engines.errors import CheckpointError
from edgecap.export.checkpoint.checkpoint import Checkpoint
from edgecap.export.checkpoint.image_stats import image_stats
from edgecap.export.job import multiple

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)
"""Of ImageNet, which SAM2 was trained with (facebookresearch/sam2, sam2/utils/misc.py)."""


@dataclass(frozen=True, slots=True)
class Sam2Options:
    """Read by `read_options`."""

    image_side: Annotated[int | None, multiple(32, least=64, most=8192)] = None
    """Pixels, as the coarsest stage of Hiera has a pixel per 32; None = the checkpoint's, 1024 as SAM2 is trained."""


@dataclass(frozen=True, slots=True)
class Sam2Settings:
    """`image_side`: the square input in pixels. `hidden`: C, `memory_dim`: M. `memory_frames`, `pointers`: slots.
    `mean`, `std`: of pixels 0-1, per channel."""

    image_side: int
    hidden: int
    memory_dim: int
    memory_frames: int
    pointers: int
    mean: tuple[float, float, float] = IMAGE_MEAN
    std: tuple[float, float, float] = IMAGE_STD

    @property
    def grid(self) -> int:
        """Features per side."""
        return self.image_side // 16

    @property
    def mask_side(self) -> int:
        """Mask logits per side."""
        return self.image_side // 4

    @property
    def pad_value(self) -> int:
        """The grey nearest to the mean picture, which the model sees as nothing."""
        return round(255 * sum(self.mean) / 3)


def read_settings(checkpoint: Checkpoint, *, image_side: int | None = None) -> Sam2Settings:
    """`image_side`: in pixels; None = the checkpoint's. Raises `CheckpointError` for a config that our graphs can't
    follow."""
    config = checkpoint.config
    mean, std = image_stats(checkpoint.folder, default=(IMAGE_MEAN, IMAGE_STD))
    return Sam2Settings(
        image_side=image_side or _image_side(checkpoint),
        hidden=int(config.get("memory_attention_hidden_size", 256)),
        memory_dim=int(config.get("memory_encoder_output_channels", 64)),
        memory_frames=int(config.get("num_maskmem", 7)),
        pointers=int(config.get("max_object_pointers_in_encoder", 16)),
        mean=mean,
        std=std,
    )


def sized_config(checkpoint: Checkpoint, image_side: int) -> Any:
    """transformers' config of the checkpoint for another input size; no weight of SAM2 depends on it.

    Raises `CheckpointError` where transformers can't read the config.
    """
    from transformers import Sam2VideoConfig

    grids = [image_side // n for n in (4, 8, 16)]
    config: Any
    try:
        config = Sam2VideoConfig.from_dict({**checkpoint.config, "model_type": "sam2_video"})
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise CheckpointError(
            f"{checkpoint.folder}: config.json is not a Sam2VideoConfig ({error}); fetch it again"
        ) from error
    config.image_size = image_side
    config.prompt_encoder_config.image_size = image_side
    config.vision_config.backbone_config.image_size = [image_side, image_side]
    config.vision_config.backbone_feature_sizes = [[grid, grid] for grid in grids]
    config.memory_attention_rope_feat_sizes = [grids[-1], grids[-1]]
    _refuse_unknown(checkpoint, config)
    return config


def _refuse_unknown(checkpoint: Checkpoint, config: Any) -> None:
    """What would change the arithmetic and no published SAM2 has."""
    followed = {
        "max_cond_frame_num": -1,
        "mask_downsampler_total_stride": 16,
        "enable_occlusion_spatial_embedding": True,
        "enable_temporal_pos_encoding_for_object_pointers": True,
    }
    for name, value in followed.items():
        if getattr(config, name) != value:
            raise CheckpointError(
                f"{checkpoint.folder}: config.json has {name}={getattr(config, name)!r}, recipe sam2 follows only "
                f"{value!r} (SAM2.1); export a SAM2.1 checkpoint"
            )
    if config.num_maskmem < 2 or config.prompt_encoder_config.patch_size != 16:
        raise CheckpointError(
            f"{checkpoint.folder}: needs num_maskmem >= 2 and patch_size 16; export a SAM2.1 checkpoint"
        )


def _image_side(checkpoint: Checkpoint) -> int:
    native = checkpoint.config.get("image_size", 1024)
    if not isinstance(native, int) or native % 32 or native < 64:
        raise CheckpointError(
            f"{checkpoint.folder}: config.json has image_size={native!r}, expected a multiple of 32 from 64; set "
            "image_side=1024, as SAM2 is trained"
        )
    return native
