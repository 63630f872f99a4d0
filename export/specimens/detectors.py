"""Detector checkpoints with random weights that see: transformers' classes at true layer shapes, less depth.

A fresh DETR gives every query the same answer, and then the order of its boxes is a matter of the last bit. Here every
batch norm is set to the statistics of a structured picture and the class heads are stretched, so that scores differ and
the tests compare something.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecap.export.checkpoint.labels import COCO_LABELS

HGNET_B0: dict[str, Any] = {
    "model_type": "hgnet_v2",
    "embedding_size": 16,
    "hidden_sizes": [64, 256, 512, 1024],
    "stem_channels": [3, 16, 16],
    "stage_in_channels": [16, 64, 256, 512],
    "stage_mid_channels": [16, 32, 64, 128],
    "stage_out_channels": [64, 256, 512, 1024],
    "stage_num_blocks": [1, 1, 2, 1],
    "stage_downsample": [False, True, True, True],
    "stage_light_block": [False, False, True, True],
    "stage_kernel_size": [3, 3, 5, 5],
    "stage_numb_of_layers": [3, 3, 3, 3],
    "use_learnable_affine_block": True,
    "out_indices": [3, 4],
}
"""The backbone of D-FINE-N and D-FINE-S (Peng et al. 2024), whole."""

DFINE_N: dict[str, Any] = {
    "encoder_in_channels": [512, 1024],
    "feat_strides": [16, 32],
    "encode_proj_layers": [1],
    "encoder_hidden_dim": 128,
    "encoder_ffn_dim": 512,
    "num_feature_levels": 2,
    "d_model": 128,
    "decoder_in_channels": [128, 128],
    "decoder_ffn_dim": 512,
    "decoder_n_points": [6, 6],
    "hidden_expansion": 0.34,
    "depth_mult": 0.5,
    "decoder_layers": 2,  # the real one has 3
    "eval_idx": -1,
}

RTDETR_R18: dict[str, Any] = {
    "encoder_in_channels": [128, 256, 512],
    "hidden_expansion": 0.5,
    "decoder_layers": 2,  # the real one has 3
    "initializer_bias_prior_prob": None,
}
_RESNET_18: dict[str, Any] = {
    "embedding_size": 64,
    "hidden_sizes": [64, 128, 256, 512],
    "depths": [2, 2, 2, 2],
    "layer_type": "basic",
    "out_indices": [2, 3, 4],
}


def save_dfine(folder: Path, *, side: int = 256, seed: int = 0, **config: Any) -> Any:
    """Write a D-FINE-N checkpoint, two decoder layers deep, awake at `side` pixels, and return its model."""
    from transformers import DFineConfig, DFineForObjectDetection, HGNetV2Config

    backbone = HGNetV2Config(**{k: v for k, v in HGNET_B0.items() if k != "model_type"})
    return _save(folder, DFineForObjectDetection, DFineConfig, backbone, DFINE_N | config, seed, side)


def save_rtdetr(folder: Path, *, version: int = 1, side: int = 256, seed: int = 0, **config: Any) -> Any:
    """Write an RT-DETR-r18 (`version` 1) or RT-DETRv2-r18 (2) checkpoint and return its model."""
    import transformers

    kind = "RTDetr" if version == 1 else "RTDetrV2"
    backbone = transformers.RTDetrResNetConfig(**_RESNET_18)
    return _save(
        folder,
        getattr(transformers, f"{kind}ForObjectDetection"),
        getattr(transformers, f"{kind}Config"),
        backbone,
        RTDETR_R18 | config,
        seed,
        side,
    )


def _save(
    folder: Path, model_class: Any, config_class: Any, backbone: Any, entries: dict[str, Any], seed: int, side: int
) -> Any:
    import torch

    torch.manual_seed(seed)
    names = dict(enumerate(COCO_LABELS))
    config = config_class(
        backbone_config=backbone, id2label=names, label2id={v: k for k, v in names.items()}, **entries
    )
    model = model_class(config).eval()
    awaken(model, lambda pixels: model(pixel_values=pixels), images=pictures(2, side))
    stretch(model)
    model.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\nRandom weights.\n")
    return model


def awaken(model: Any, run: Any, *, images: np.ndarray) -> None:
    """Set every batch norm to the statistics it meets on `images`, uint8 [n, 3, H, W]: like those of the test, or the
    features drift off layer by layer."""
    import torch

    def adapt(norm: Any, inputs: tuple[Any, ...]) -> None:
        variance = inputs[0].var((0, 2, 3))
        epsilon = getattr(norm, "eps", 1e-5)  # above the variance of a fresh encoder, which it would hush
        norm.running_mean.copy_(inputs[0].mean((0, 2, 3)))
        norm.running_var.copy_(variance)
        norm.weight.copy_(torch.sqrt((variance + epsilon) / variance.clamp_min(epsilon / 1000)))

    norms = [m for m in model.modules() if getattr(m, "running_mean", None) is not None]
    hooks = [norm.register_forward_pre_hook(adapt) for norm in norms]
    with torch.no_grad():
        run(torch.from_numpy(images).float() / 255)
    for hook in hooks:
        hook.remove()


def stretch(model: Any, *, gain: float = 1.2) -> None:
    """Class heads whose logits spread over several units, and other linear layers away from zero."""
    import torch

    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, module in model.named_modules():
            if not isinstance(module, torch.nn.Linear):
                continue
            if module.out_features == model.config.num_labels:
                torch.nn.init.normal_(module.weight, std=gain / module.in_features**0.5, generator=generator)
                module.bias.fill_(-3.0)
            elif not module.weight.abs().sum() or "sampling_offsets" in name:
                torch.nn.init.normal_(module.weight, std=0.5 / module.in_features**0.5, generator=generator)


def pictures(count: int, side: int, *, seed: int = 3) -> NDArray[np.uint8]:
    """Coarse blocks of random colour under fine noise, uint8 [count, 3, side, side]."""
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (count, 3, side // 16, side // 16)).repeat(16, 2).repeat(16, 3)
    noisy: NDArray[np.uint8] = np.clip(blocks + random.integers(-20, 21, blocks.shape), 0, 255).astype(np.uint8)
    return noisy
