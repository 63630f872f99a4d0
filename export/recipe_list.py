"""The recipes as a list: what each makes and where it is. Reading it loads nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Listed:
    """A row of `edgecap export --list`, and the module of the recipe."""

    name: str
    role: str
    extra: str
    models: str
    module: str
    attribute: str


RECIPES: tuple[Listed, ...] = (
    Listed("dfine", "detector", "export", "D-FINE, RT-DETR, RT-DETRv2", "edgecap.export.detectors.dfine", "DFINE"),
    Listed("yolo", "detector", "yolo", "YOLO11, YOLO26 (AGPL-3.0)", "edgecap.export.detectors.yolo", "YOLO"),
    Listed(
        "sam2", "segmenter", "export", "SAM2.1 tiny and small, with video memory", "edgecap.export.sam2.recipe", "SAM2"
    ),
    Listed("smolvlm", "captioner", "export", "SmolVLM, SmolVLM2, Idefics3", "edgecap.export.smolvlm.recipe", "SMOLVLM"),
    Listed(
        "qwen2_5_vl",
        "captioner",
        "export",
        "Qwen2.5-VL, InstanceCap-Captioner",
        "edgecap.export.qwen.recipe",
        "QWEN2_5_VL",
    ),
    Listed(
        "tfjs",
        "detector",
        "export",
        "NanoDet, person masks, MoveNet (TensorFlow.js)",
        "edgecap.export.tfjs.roles.recipe",
        "TFJS",
    ),
    Listed("ready-made", "captioner", "export", "ONNX files of a model hub", "edgecap.export.ready_made", "READY_MADE"),
)
