"""Train the detector: `python -m edgecap.export.nano.vision.train_detector --work-dir .nano --steps 30000`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edgecap.bench.world.seeds import generator
from edgecap.export.nano.vision.cache import LABELS, CachedFrame, cached_frames
from edgecap.export.nano.vision.detector import Detector
from edgecap.export.nano.vision.losses import box_loss, peak_loss
from edgecap.export.nano.vision.samples import random_view
from edgecap.export.nano.vision.targets import dense_target
from edgecap.export.nano.vision.training import Budget, Losses, Recipe, TrainingRun, training_command
from edgecap.runtime.data.boxes import iou_matrix

CHECKPOINT = "detector.pt"
BATCH = 16
CROP_WH = (320, 192)
"""Window of a training picture: 70 % of the run-time area, hence of the cost; actors are at most 45 % of its height."""
SEED = 11
CROWDED_SHARE = 0.4
"""Share of the pictures that come from crowded frames: two objects in each other's boxes, or one cut by another or by
the border. They are about half of the frames, and nearly all of what goes wrong: tracks are lost there."""
_CROWDED_IOU = 0.05
_CROWDED_FRACTION = (0.25, 0.9)  # share of an instance that can be seen; below the first nothing is asked


@dataclass(frozen=True, slots=True)
class DetectorBatch:
    """Pictures and dense targets, stacked."""

    images: torch.Tensor  # uint8 [B, 3, h, w]
    heat: torch.Tensor  # [B, classes, h/8, w/8]
    heat_weight: torch.Tensor  # [B, 1, h/8, w/8]
    distances: torch.Tensor  # [B, 4, h/8, w/8]
    box_weight: torch.Tensor  # [B, h/8, w/8]


def is_crowded(frame: CachedFrame) -> bool:
    """Whether objects of a frame are in each other's boxes, or one of them is partly hidden or cut."""
    low, high = _CROWDED_FRACTION
    if bool(((frame.visible_fractions > low) & (frame.visible_fractions < high)).any()):
        return True
    overlap = iou_matrix(frame.boxes_xyxy, frame.boxes_xyxy)
    return bool((overlap[np.triu_indices(len(overlap), 1)] > _CROWDED_IOU).any())


def detector_batch(frames: list[CachedFrame], crowded: NDArray[np.int64], number: int) -> DetectorBatch:
    """Batch `number` of the run: random frames and windows. `crowded`: indices of `frames` (see `CROWDED_SHARE`)."""
    rng = generator(SEED, "detector-batch", number)
    chosen = rng.integers(0, len(frames), BATCH)
    if crowded.size:
        chosen = np.where(rng.random(BATCH) < CROWDED_SHARE, rng.choice(crowded, BATCH), chosen)
    views = [random_view(frames[int(i)], rng, size_wh=CROP_WH) for i in chosen]
    targets = [dense_target(view, classes=len(LABELS)) for view in views]
    return DetectorBatch(
        torch.from_numpy(np.stack([v.image for v in views])),
        torch.from_numpy(np.stack([t.heat for t in targets])),
        torch.from_numpy(np.stack([t.heat_weight for t in targets])),
        torch.from_numpy(np.stack([t.distances for t in targets])),
        torch.from_numpy(np.stack([t.box_weight for t in targets])),
    )


def detector_losses(network: nn.Module, batch: DetectorBatch) -> Losses:
    """Peak loss plus five times the box loss."""
    maps = network(batch.images.contiguous(memory_format=torch.channels_last))
    with torch.autocast("cpu", enabled=False):
        return {
            "peaks": peak_loss(maps.class_logits.float(), batch.heat, batch.heat_weight),
            "boxes": 5.0 * box_loss(maps.distances.float(), batch.distances, batch.box_weight),
        }


def train_detector(work_dir: Path, *, steps: int, minutes: float = math.inf, shards: int = 48) -> Path:
    """Train (or go on training) until the budget is spent; returns the checkpoint. Renders missing frames first."""
    cv2.setNumThreads(1)
    torch.manual_seed(SEED)
    frames = cached_frames(work_dir, split="train", shards=shards)
    crowded = np.flatnonzero([is_crowded(frame) for frame in frames])
    print(f"{len(frames)} frames, {len(crowded)} of them crowded", flush=True)
    run = TrainingRun(
        Detector(len(LABELS)),
        Recipe(work_dir / CHECKPOINT, Budget(steps, minutes)),
        batch_of=lambda number: detector_batch(frames, crowded, number),
        losses_of=detector_losses,
    )
    return run.run(lambda line: print(line, flush=True))


if __name__ == "__main__":
    training_command(train_detector, description=__doc__, steps=30_000)
