"""Where a person's joints are in one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KEYPOINTS = (
    "nose", "left eye", "right eye", "left ear", "right ear", "left shoulder", "right shoulder", "left elbow",
    "right elbow", "left wrist", "right wrist", "left hip", "right hip", "left knee", "right knee", "left ankle",
    "right ankle",
)  # fmt: skip
"""COCO's 17 keypoints in COCO's order (Lin et al., ECCV 2014; cocodataset.org, person keypoints); left and right are
the person's own."""


@dataclass(frozen=True, slots=True)
class Pose:
    """Keypoints of one person in one frame, in the order of `KEYPOINTS`."""

    points_xy: NDArray[np.float32]
    """[17, 2], relative to the frame; may be outside it."""
    scores: NDArray[np.float32]
    """[17], 0-1; 0 for a keypoint that the pose model does not have."""
    seen: NDArray[np.bool_]
    """[17]: the score reaches the pack's threshold."""

    def __post_init__(self) -> None:
        count = len(KEYPOINTS)
        shapes = self.points_xy.shape, self.scores.shape, self.seen.shape
        if shapes != ((count, 2), (count,), (count,)):
            raise ValueError(f"expected [{count}, 2], [{count}], [{count}], got {shapes}")
