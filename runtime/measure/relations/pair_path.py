"""Two instances side by side in time: where both are, in the picture and with the camera's movement taken out.

In: the `BodyPosition` of two tracks, the camera's path. Out: `PairPath`.

The bench makes the same paths from exact positions, so that one set of rules defines what is true and what is
measured.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.measure.body_position import BodyPosition
from edgecap.runtime.measure.camera_path import CameraPath
from edgecap.runtime.measure.smoothing import local_linear

SMOOTH_SECONDS = 0.4
"""As for the motion of one instance (motion.py)."""
_UNSURE_SIDE = 0.6
"""BodyPosition weights below this belong to a body most of which a border hides; 0.3 and less in practice."""


@dataclass(frozen=True, slots=True)
class PairPath:
    """The T observations in which both a and b are seen, in time order.

    `times_seconds` [T]. `world_a_xy`, `world_b_xy` float64 [T, 2]: positions against the background, frame widths,
    y down. `offset_xy` float64 [T, 2]: from a to b in the picture as it is, frame widths. `boxes_a`, `boxes_b`
    float64 [T, 4]: x1 y1 x2 y2 in frame widths on both axes. `known` bool [T]: the camera's path is known there, so the
    world positions may be compared with those of the other known observations. `trust` float64 [T], 0-1: how far the
    positions of both are their bodies' (less where the border cuts one).
    """

    times_seconds: NDArray[np.float64]
    world_a_xy: NDArray[np.float64]
    world_b_xy: NDArray[np.float64]
    offset_xy: NDArray[np.float64]
    boxes_a: NDArray[np.float64]
    boxes_b: NDArray[np.float64]
    known: NDArray[np.bool_]
    trust: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.times_seconds)

    def __repr__(self) -> str:
        return f"PairPath({len(self)} observations, {int(self.known.sum())} with a known camera)"

    @property
    def gaps(self) -> NDArray[np.float64]:
        """float64 [T]: empty space between the two boxes, frame widths; 0 where they touch or overlap."""
        a, b = self.boxes_a, self.boxes_b
        apart = np.maximum(np.maximum(a[:, :2] - b[:, 2:], b[:, :2] - a[:, 2:]), 0.0)
        gaps: NDArray[np.float64] = np.hypot(apart[:, 0], apart[:, 1])
        return gaps


def pair_path(a: BodyPosition, b: BodyPosition, path: CameraPath) -> PairPath | None:
    """The shared observations of two tracks; None where there are fewer than two.

    World positions are in the picture of the middle shared observation of the longest stretch with a known camera.
    """
    _, rows_a, rows_b = np.intersect1d(a.tracklet.steps, b.tracklet.steps, assume_unique=True, return_indices=True)
    if len(rows_a) < 2:
        return None
    steps = a.tracklet.steps[rows_a]
    stretches = path.stretches[steps]
    names, counts = np.unique(stretches, return_counts=True)
    known: NDArray[np.bool_] = stretches == names[int(counts.argmax())]
    middle = int(steps[np.flatnonzero(known)[int(known.sum()) // 2]])
    widths = np.array([1.0, path.aspect])
    position_a, position_b = a.points_xy[rows_a] * widths, b.points_xy[rows_b] * widths
    times = a.tracklet.pts_seconds[rows_a]

    def world(points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Only known positions are carried, and smoothed among themselves: the others are in another picture."""
        out = points.copy()
        there = path.carried(points[known], sources=steps[known], target=middle)
        out[known] = local_linear(times[known], there, half_width_seconds=SMOOTH_SECONDS)
        return out

    weights = np.minimum(a.weights[rows_a], b.weights[rows_b])
    return PairPath(
        times_seconds=times,
        world_a_xy=world(position_a),
        world_b_xy=world(position_b),
        offset_xy=position_b - position_a,
        boxes_a=a.tracklet.boxes_xyxy[rows_a].astype(np.float64) * np.tile(widths, 2),
        boxes_b=b.tracklet.boxes_xyxy[rows_b].astype(np.float64) * np.tile(widths, 2),
        known=known,
        trust=np.where(weights >= _UNSURE_SIDE, 1.0, weights),
    )
