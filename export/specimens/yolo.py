"""A YOLO of ultralytics with random weights that sees, as the .pt file that ultralytics saves after training.

Needs .yolo on PYTHONPATH (`make yolo`; AGPL-3.0).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.world.seeds import EVALUATION_SEED_END
from edgecap.bench.world.training import training_frames
from edgecap.engines.graph.letterbox import fit_image, letterbox
from edgecap.export.checkpoint.labels import COCO_LABELS
from edgecap.export.specimens.detectors import awaken


def frames_of(seed: int, *, image_side: int) -> list[NDArray[np.uint8]]:
    """Three frames of a scene of the world, uint8 [image_side * 9 / 16, image_side, 3]."""
    size_wh = (image_side, image_side * 9 // 16)
    sample = training_frames(EVALUATION_SEED_END + seed, count=3, gap_seconds=0.5, size_wh=size_wh)
    return [frame.image_rgb for frame in sample.frames]


def padded(image_rgb: NDArray[np.uint8], *, image_side: int) -> NDArray[np.uint8]:
    """As the runtime feeds it, uint8 [1, 3, h, image_side], h a multiple of 32."""
    placement = letterbox((image_rgb.shape[1], image_rgb.shape[0]), image_side=image_side, stride=32)
    return fit_image(image_rgb, placement, pad_value=114)[None]


def save_yolo(path: Path, *, name: str, image_side: int) -> Path:
    """As ultralytics saves a trained model: the module itself in half precision, and what is known of its training.

    `name`: of ultralytics' own model file, as "yolo11n" or "yolo26n-seg".
    """
    import torch

    from edgecap.export.detectors.yolo_shim import import_tasks

    tasks = import_tasks()
    torch.manual_seed(0)
    kind = tasks.SegmentationModel if name.endswith("-seg") else tasks.DetectionModel
    model = kind(f"{name}.yaml", ch=3, nc=80, verbose=False).eval()
    model.names = dict(enumerate(COCO_LABELS))
    frames = [frame for seed in range(1, 5) for frame in frames_of(seed, image_side=image_side)]
    awaken(model, model, images=np.concatenate([padded(f, image_side=image_side) for f in frames]))
    head = model.model[-1]
    with torch.no_grad():
        for part in (*head.cv3, *getattr(head, "one2one_cv3", ())):
            part[-1].weight.normal_(std=1.2 / part[-1].in_channels ** 0.5)
            part[-1].bias.fill_(-5.0)
        for part in (*head.cv2, *getattr(head, "one2one_cv2", ())):
            part[-1].weight.normal_(std=0.3 / part[-1].in_channels ** 0.5)
    from ultralytics.utils import IterableSimpleNamespace

    model.args = IterableSimpleNamespace(imgsz=image_side, task="detect")
    torch.save(
        {"model": None, "ema": model.half(), "train_args": {"imgsz": image_side}, "version": "8.4.190",
         "train_metrics": {"fitness": np.float64(0.5)}, "license": "AGPL-3.0 (https://ultralytics.com/license)"},
        path,
    )  # fmt: skip
    return path
