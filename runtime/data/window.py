"""What leaves perception: one analysed frame with its tracked, masked instances and the camera step into it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.data.pose import Pose


@dataclass(frozen=True, slots=True)
class TrackedInstance:
    """One confirmed track in one analysed frame.

    `track_id`: stable over the whole video, across windows, never reused. `box_xyxy`: float32 [4] relative.
    `class_id`: the detector's label index for this frame alone (measure votes over all frames of a track).
    `score`: the detection's score; 0.0 never occurs: frames in which a track is only predicted carry no instance.
    `pose`: keypoints, of people in some frames (runtime/perceive/pose.py); None in all others.
    """

    track_id: int
    box_xyxy: NDArray[np.float32]
    score: float
    class_id: int
    mask: Mask
    pose: Pose | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """One analysed frame.

    `camera_step`: float64 [3, 3], maps homogeneous *relative* image coordinates (x/W, y/H, 1) of the previous analysed
    frame to this one for the background; None for the first frame of a shot and where background motion could not be
    estimated. `camera_inliers`: share (0-1) of background points that agree with it; 0 where None.
    `embedding`: the detector's frame embedding for the domain check, or None.
    """

    frame: Frame
    instances: tuple[TrackedInstance, ...]
    camera_step: NDArray[np.float64] | None
    camera_inliers: float
    embedding: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """The analysed frames of one clip: 2-10 s of one shot (shorter only where the shot or the file ends).

    `clip_index`: 0-based in the video. `shot_index`: 0-based. `start_seconds`/`end_seconds`: half-open interval on the
    source clock. `ends_shot`: a cut or the end of the file follows. `labels`: the detector's label list.
    `arrived_seconds`: `time.monotonic()` when the newest frame of the window was decoded (for the age of a caption).
    `dropped_frames`: analysed-rate frames dropped by back-pressure inside the window (live sources).
    """

    clip_index: int
    shot_index: int
    start_seconds: float
    end_seconds: float
    observations: tuple[Observation, ...]
    labels: tuple[str, ...]
    ends_shot: bool
    arrived_seconds: float
    dropped_frames: int = 0
