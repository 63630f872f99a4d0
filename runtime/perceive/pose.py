"""A pack's pose graph: boxes of people in, keypoints out; and which people of which frames it is run on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.letterbox import boxes_to_padded, fit_image, letterbox
from edgecap.engines.graph.session import Session
from edgecap.engines.packs.specs import PoseSpec
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.pose import KEYPOINTS, Pose
from edgecap.runtime.data.window import TrackedInstance
from edgecap.runtime.english import is_person

POSES_PER_SECOND = 4.0
"""Of one track. A walker makes about two steps a second (1.9 at 1.4 m/s: Murray 1964), so that four looks see both legs
in front; the posture of people at rest changes more slowly. At 9 ms a look eight people cost 0.3 s a second."""
LEAST_HEIGHT_PIXELS = 60
"""Of a box in the analysed frame: COCO gives no keypoints to people under 32 x 32 pixels, and below about this height
limbs are two or three pixels wide."""
MOST_PEOPLE = 8
"""In one frame, the largest first: as many as a caption reports by default."""
_TOLERANCE_SECONDS = 0.01


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


class PosedPeople:
    """Adds poses to the people of a video's frames, sparingly: see the constants. One per video."""

    def __init__(self, estimator: PoseEstimator, labels: Sequence[str]) -> None:
        self._estimator, self._labels = estimator, labels
        self._columns = [(KEYPOINTS.index(name), i) for i, name in enumerate(estimator.keypoints) if name in KEYPOINTS]
        self._last_seconds: dict[int, float] = {}

    def added(
        self, frame: Frame, instances: Sequence[TrackedInstance], *, stands: Callable[[TrackedInstance], bool]
    ) -> tuple[TrackedInstance, ...]:
        """The instances, with a pose where one is due. `stands`: whether a track is confirmed or sure enough."""
        due = sorted(
            (i for i in range(len(instances)) if self._is_due(frame, instances[i]) and stands(instances[i])),
            key=lambda i: -_height_pixels(frame, instances[i]),
        )[:MOST_PEOPLE]
        if not due:
            return tuple(instances)
        found = self._estimator.poses(frame, np.stack([instances[i].box_xyxy for i in due]))
        posed = list(instances)
        for row, i in enumerate(due):
            self._last_seconds[instances[i].track_id] = frame.pts_seconds
            posed[i] = replace(instances[i], pose=self._pose(found, row))
        return tuple(posed)

    def _is_due(self, frame: Frame, instance: TrackedInstance) -> bool:
        last = self._last_seconds.get(instance.track_id, -np.inf)
        return (
            is_person(self._labels[instance.class_id])
            and frame.pts_seconds - last >= 1 / POSES_PER_SECOND - _TOLERANCE_SECONDS
            and _height_pixels(frame, instance) >= LEAST_HEIGHT_PIXELS
        )

    def _pose(self, found: Poses, row: int) -> Pose:
        points = np.zeros((len(KEYPOINTS), 2), np.float32)
        scores, seen = np.zeros(len(KEYPOINTS), np.float32), np.zeros(len(KEYPOINTS), np.bool_)
        for to, column in self._columns:
            points[to] = found.keypoints_xy[row, column]
            scores[to], seen[to] = found.scores[row, column], found.seen[row, column]
        return Pose(points, scores, seen)


def _height_pixels(frame: Frame, instance: TrackedInstance) -> float:
    height: int = frame.image_rgb.shape[0]
    return float(instance.box_xyxy[3] - instance.box_xyxy[1]) * height
