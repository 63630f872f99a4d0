"""Your own detector: any function of one RGB array. Here it finds strong colours; put your model in its place.

`python examples/own_detector.py [VIDEO]`
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

import edgecap
from edgecap.bench.world import make_scene, write_clip

Boxes = tuple[NDArray[np.float32], NDArray[np.float32], list[str]]


def colourful(rgb: NDArray[np.uint8]) -> Boxes:
    """rgb uint8 [H, W, 3] -> boxes_xyxy [N, 4] in pixels, scores [N], labels [N]."""
    saturated = (cv2.cvtColor(rgb, cv2.COLOR_RGB2HSV)[..., 1] > 170).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(cv2.morphologyEx(saturated, cv2.MORPH_CLOSE, np.ones((9, 9))))
    large = stats[1:][stats[1:, 4] > 0.005 * rgb.shape[0] * rgb.shape[1]]
    boxes = np.column_stack([large[:, :2], large[:, :2] + large[:, 2:4]]).astype(np.float32)
    return boxes, np.full(len(boxes), 0.9, np.float32), ["patch"] * len(boxes)


video = sys.argv[1] if len(sys.argv) > 1 else write_clip(make_scene(seed=25, tier="moving"), Path("clips"))
with edgecap.Captioner(detector=colourful) as captioner:
    for clip in captioner.stream(video):
        print(f"{clip.start_seconds:.1f}-{clip.end_seconds:.1f} s, {len(clip.instances)} instances")
        for instance in clip.instances:
            print(f"  {instance.id}: {instance.appearance} {instance.action}")
