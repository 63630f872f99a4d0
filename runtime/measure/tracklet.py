"""One track's tracklet in one window, gathered from its observations: what goes into every per-track measurement.

In: `Window`. Out: `Tracklet` per track id.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.mask import Mask
from edgecap.runtime.data.window import TrackedInstance, Window


@dataclass(frozen=True, slots=True)
class Tracklet:
    """The observations of one track that carry a real (non-empty) mask, in time order; T >= 1.

    `steps` int64 [T]: indices into `window.observations`. `boxes_xyxy` float32 [T, 4] and `centroids_xy`
    float32 [T, 2] are relative; boxes are the tight boxes of the masks, not the detector's, so that box and
    centroid agree. `areas` float32 [T]: share of the frame. `scores` float32 [T]. `class_ids` int64 [T].
    """

    track_id: int
    steps: NDArray[np.int64]
    pts_seconds: NDArray[np.float64]
    boxes_xyxy: NDArray[np.float32]
    centroids_xy: NDArray[np.float32]
    areas: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    masks: tuple[Mask, ...]

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        return f"Tracklet(track_id={self.track_id}, {len(self)} observations, {self.duration_seconds:.2f} s)"

    @property
    def duration_seconds(self) -> float:
        """Time from the first to the last observation; 0 for a single one."""
        return float(self.pts_seconds[-1] - self.pts_seconds[0])


def tracklets(window: Window) -> tuple[Tracklet, ...]:
    """Every track of the window that has at least one non-empty mask, by track id."""
    seen: dict[int, list[tuple[int, TrackedInstance]]] = {}
    for step, observation in enumerate(window.observations):
        for instance in observation.instances:
            if instance.mask.area_pixels > 0:
                seen.setdefault(instance.track_id, []).append((step, instance))
    return tuple(_tracklet(track_id, rows, window) for track_id, rows in sorted(seen.items()))


def _tracklet(track_id: int, rows: list[tuple[int, TrackedInstance]], window: Window) -> Tracklet:
    masks = tuple(instance.mask for _, instance in rows)
    sizes = [m.size_wh[0] * m.size_wh[1] for m in masks]
    return Tracklet(
        track_id=track_id,
        steps=np.array([step for step, _ in rows], np.int64),
        pts_seconds=np.array([window.observations[step].frame.pts_seconds for step, _ in rows], np.float64),
        boxes_xyxy=np.stack([m.box_xyxy for m in masks]),
        centroids_xy=np.array([m.centroid_xy for m in masks], np.float32),
        areas=np.array([m.area_pixels / size for m, size in zip(masks, sizes, strict=True)], np.float32),
        scores=np.array([instance.score for _, instance in rows], np.float32),
        class_ids=np.array([instance.class_id for _, instance in rows], np.int64),
        masks=masks,
    )
