"""One analysed frame into an observation: detect, camera step, track, segment."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.detections import Detections
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.data.window import Observation, TrackedInstance, Window
from edgecap.runtime.perceive.camera_step import UNKNOWN_STEP, CameraEstimator, CameraStep
from edgecap.runtime.perceive.memory.track_masks import TrackMasks
from edgecap.runtime.perceive.pose import PosedPeople, PoseEstimator
from edgecap.runtime.perceive.segmenter import Segmenter
from edgecap.runtime.perceive.tracker import Assignment, Tracker


class Detector(Protocol):
    """What perceive needs of a detector. `labels`: class names by id."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names by id."""
        ...

    def detect(self, frame: Frame) -> Detections:
        """Boxes of one frame."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """A detector or segmenter that compares frames and has to be reset at a cut."""

    def reset(self) -> None:
        """Forget the frames so far."""
        ...


class Perceiver:
    """Perception of one video, frame after frame.

    `segmenter` is None for detectors that make masks themselves. `stage_seconds`: time spent so far in "detect",
    "camera", "track" and "segment", and in "pose" where there is a `pose` model.
    """

    def __init__(
        self,
        detector: Detector,
        segmenter: Segmenter | TrackMasks | None,
        *,
        camera: CameraEstimator | None = None,
        tracker: Tracker | None = None,
        pose: PoseEstimator | None = None,
    ) -> None:
        self._detector, self._segmenter = detector, segmenter
        self._camera, self._tracker = camera or CameraEstimator(), tracker or Tracker()
        self._previous: tuple[Frame, tuple[Mask, ...]] | None = None
        self.labels = detector.labels
        self.stage_seconds = {"detect": 0.0, "camera": 0.0, "track": 0.0, "segment": 0.0}
        self._people = None if pose is None else PosedPeople(pose, detector.labels)
        if pose is not None:
            self.stage_seconds["pose"] = 0.0

    def observe(self, frame: Frame) -> Observation:
        """The frame's instances, unconfirmed tracks included: `drop_unconfirmed` the window before use."""
        with self._timed("detect"):
            detections = self._detector.detect(frame)
        with self._timed("camera"):
            step = self._camera_step(frame)
        with self._timed("track"):
            assigned = self._tracker.update(detections, frame, step.matrix)
        with self._timed("segment"):
            masks = self._masks(detections, frame, assigned)
        self._previous = frame, masks
        return Observation(
            frame=frame,
            instances=self._posed(frame, self._instances(detections, assigned, masks)),
            camera_step=step.matrix,
            camera_inliers=step.inliers,
            embedding=detections.embedding,
        )

    def cut(self) -> None:
        """Call before observing the first frame of a new shot: tracks end, ids go on rising."""
        self._tracker.reset()
        self._previous = None
        for part in (self._detector, self._segmenter):
            if isinstance(part, Remembers):
                part.reset()

    def drop_unconfirmed(self, window: Window) -> Window:
        """The window without the instances of tracks that were never confirmed. Call when it closes.

        In a window too short to confirm anything (a picture, a shot of two frames) a sure detection is enough.
        """
        settings = self._tracker.settings
        least_score = settings.sure_score if len(window.observations) < settings.confirm_hits else np.inf
        return replace(
            window,
            observations=tuple(
                replace(o, instances=tuple(self._named(i) for i in o.instances if self._stands(i, least_score)))
                for o in window.observations
            ),
        )

    def _stands(self, instance: TrackedInstance, least_score: float) -> bool:
        return self._tracker.is_confirmed(instance.track_id) or instance.score >= least_score

    def _named(self, instance: TrackedInstance) -> TrackedInstance:
        return replace(instance, track_id=self._tracker.identity(instance.track_id))

    def _posed(self, frame: Frame, instances: tuple[TrackedInstance, ...]) -> tuple[TrackedInstance, ...]:
        if self._people is None:
            return instances
        least_score = self._tracker.settings.sure_score  # as in a window too short to confirm anything
        with self._timed("pose"):
            return self._people.added(frame, instances, stands=lambda i: self._stands(i, least_score))

    def _camera_step(self, frame: Frame) -> CameraStep:
        if self._previous is None:
            return UNKNOWN_STEP
        previous_frame, masks = self._previous
        return self._camera.step(previous_frame, frame, masks)

    def _masks(self, detections: Detections, frame: Frame, assigned: Sequence[Assignment]) -> tuple[Mask, ...]:
        chosen = [a.detection_index for a in assigned]
        if isinstance(self._segmenter, TrackMasks):
            return self._segmenter.masks(frame, detections.boxes_xyxy[chosen], [a.track_id for a in assigned])
        if self._segmenter is not None:
            return self._segmenter.masks(frame, detections.boxes_xyxy[chosen], detections.class_ids[chosen])[0]
        if detections.masks is None:
            raise ValueError("a detector without masks needs a segmenter")
        return tuple(detections.masks[i] for i in chosen)

    def _instances(
        self, detections: Detections, assigned: Sequence[Assignment], masks: Sequence[Mask]
    ) -> tuple[TrackedInstance, ...]:
        instances = []
        for assignment, mask in zip(assigned, masks, strict=True):
            if mask.bits.size == 0:
                continue  # the segmenter found no pixel in its box
            i = assignment.detection_index
            box: NDArray[np.float32] = detections.boxes_xyxy[i].copy()
            instances.append(
                TrackedInstance(
                    track_id=assignment.track_id,
                    box_xyxy=box,
                    score=float(detections.scores[i]),
                    class_id=int(detections.class_ids[i]),
                    mask=mask,
                )
            )
        return tuple(instances)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.stage_seconds[stage] += time.perf_counter() - begun
