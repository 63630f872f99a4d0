"""Train the segmenter: `python -m edgecap.export.nano.vision.train_segmenter --work-dir .nano --steps 5000`."""

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
from edgecap.export.nano.vision.cache import CachedFrame, cached_frames
from edgecap.export.nano.vision.losses import mask_loss, quality_loss
from edgecap.export.nano.vision.samples import random_view
from edgecap.export.nano.vision.segmenter import Segmenter
from edgecap.export.nano.vision.targets import mask_targets
from edgecap.export.nano.vision.training import Budget, Losses, Recipe, TrainingRun, training_command

CHECKPOINT = "segmenter.pt"
BATCH = 12
MOST_BOXES = 4
"""Prompts per picture."""
CROP_WH = (320, 192)
EDGE_JITTER = 0.05
"""Standard deviation of a prompt's edges, share of the box's side; cut at 2.5 times."""
SEED = 12


@dataclass(frozen=True, slots=True)
class SegmenterBatch:
    """Pictures, their prompts, and all masks in the order of the prompts."""

    images: torch.Tensor  # uint8 [B, 3, h, w]
    boxes_xyxy: list[torch.Tensor]  # B times [K_b, 4] relative
    coverage: torch.Tensor  # [sum K_b, 64, 64] 0-1


def segmenter_batch(frames: list[CachedFrame], number: int) -> SegmenterBatch:
    """Batch `number` of the run: windows that hold at least one instance, and prompts around them."""
    rng = generator(SEED, "segmenter-batch", number)
    images: list[NDArray[np.uint8]] = []
    boxes, masks = [], []
    while len(images) < BATCH:
        view = random_view(frames[int(rng.integers(0, len(frames)))], rng, size_wh=CROP_WH)
        boxes_xyxy, coverage = mask_targets(view, rng, jitter=EDGE_JITTER, most=MOST_BOXES)
        if len(boxes_xyxy):
            images.append(view.image)
            boxes.append(torch.from_numpy(boxes_xyxy))
            masks.append(coverage)
    return SegmenterBatch(torch.from_numpy(np.stack(images)), boxes, torch.from_numpy(np.concatenate(masks)))


def segmenter_losses(network: nn.Module, batch: SegmenterBatch) -> Losses:
    """Mask loss plus the error of the predicted IoU."""
    logits, quality = network(batch.images.contiguous(memory_format=torch.channels_last), batch.boxes_xyxy)
    with torch.autocast("cpu", enabled=False):
        logits = logits.float()
        return {
            "masks": mask_loss(logits, batch.coverage),
            "quality": quality_loss(quality.float(), logits, batch.coverage),
        }


def train_segmenter(work_dir: Path, *, steps: int, minutes: float = math.inf, shards: int = 48) -> Path:
    """Train (or go on training) until the budget is spent; returns the checkpoint. Renders missing frames first."""
    cv2.setNumThreads(1)
    torch.manual_seed(SEED)
    frames = [f for f in cached_frames(work_dir, split="train", shards=shards) if len(f.class_ids)]
    run = TrainingRun(
        Segmenter(),
        Recipe(work_dir / CHECKPOINT, Budget(steps, minutes)),
        batch_of=lambda number: segmenter_batch(frames, number),
        losses_of=segmenter_losses,
    )
    return run.run(lambda line: print(line, flush=True))


if __name__ == "__main__":
    training_command(train_segmenter, description=__doc__, steps=5_000)
