"""A pack's pose graph: boxes of people in, keypoints out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.letterbox import boxes_to_padded, fit_image, letterbox
from edgecap.engines.graph.session import Session
from edgecap.engines.packs.specs import PoseSpec
from edgecap.runtime.data.frame import Frame


@dataclass(frozen=True, slots=True)
class Poses:
    """Keypoints of K boxes of one frame."""

    keypoints_xy: NDArray[np.float32]
    """[K, J, 2], relative to the frame; may lie outside it."""
    scores: NDArray[np.float32]
    """[K, J], 0-1."""
    seen: NDArray[np.bool_]
    """[K, J]: the score reaches the pack's threshold."""

    def __post_init__(self) -> None:
        if self.keypoints_xy.shape != (*self.scores.shape, 2) or self.seen.shape != self.scores.shape:
            raise ValueError(
                f"expected [K, J, 2], [K, J], [K, J], got {self.keypoints_xy.shape = }, {self.scores.shape = }"
            )


class PoseEstimator:
    """Runs the pack's pose graph. `keypoints`: their names, in order."""

    def __init__(self, spec: PoseSpec, session: Session) -> None:
        self._spec, self._session = spec, session
        self.keypoints = spec.keypoints

    def poses(self, frame: Frame, boxes_xyxy: NDArray[np.float32]) -> Poses:
        """Keypoints for boxes [K, 4] relative to the frame, all of the class that the pack names. No box, no run."""
        spec, count = self._spec, len(self._spec.keypoints)
        if len(boxes_xyxy) == 0:
            empty = np.zeros((0, count), np.float32)
            return Poses(np.zeros((0, count, 2), np.float32), empty, empty.astype(np.bool_))
        height, width = frame.image_rgb.shape[:2]
        placed = letterbox((width, height), image_side=spec.image_side, stride=spec.stride)
        images = fit_image(frame.image_rgb, placed, pad_value=spec.pad_value)[None]
        found = self._session.run({"images": images, "boxes_xyxy": boxes_to_padded(boxes_xyxy, placed)})
        factor = np.array(placed.padded_wh, np.float32) / np.array(placed.content_wh, np.float32)
        scores = np.clip(np.asarray(found["scores"], np.float32), 0, 1)
        points = np.asarray(found["keypoints_xy"], np.float32) * factor
        return Poses(points.astype(np.float32), scores, scores >= spec.score_threshold)
