"""Where an instance's body is, also while part of it is hidden by the frame's border or by another instance.

The centroid of a visible mask moves less than the body while the body slides behind an edge. So on each axis
the position is taken from whichever side of the box is free, at the distance from the centroid that it has
where the whole body shows. In: `Tracklet`, its window, the camera's path. Out: `BodyPosition`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.window import Window
from edgecap.runtime.measure.camera_path import CameraPath, mapped
from edgecap.runtime.measure.tracklet import Tracklet

BORDER = 0.012
"""A box edge this near to the frame's border (share of the frame) counts as cut off by it."""
_USUAL_SECONDS = 1.5
_HIDDEN_AREA = 0.85
"""Less than this share of its usual area, with another box over one of its sides: it is partly hidden."""
_GAP = 0.015
"""A box edge this near to another instance's box (share of the frame) may be its edge, not the body's."""
_BLIND_SHARE = 0.75
"""Less than this share of its usual extent shows on the cut axis: the other axis is blind."""
_WEIGHT_ONE_SIDE, _WEIGHT_NO_SIDE = 0.3, 0.05


@dataclass(frozen=True, slots=True)
class BodyPosition:
    """A tracklet with the position of its body. `points_xy` float64 [T, 2]: relative position of the body.
    `weights` float64 [T]: trust in it, 0.05 to 1. `clean` bool [T]: the whole body shows (nothing cuts its box on any
    side). `blind_xy` bool [T, 2]: most of the body is cut off along the *other* axis, so that the part which shows
    says nothing about the whole on this one (of a horse that comes in, the head shows first). `scales` float64 [T]: how
    much larger than in its first frame of the stretch the camera shows things where the instance is; lengths are
    divided by it before they are compared."""

    tracklet: Tracklet
    points_xy: NDArray[np.float64]
    weights: NDArray[np.float64]
    clean: NDArray[np.bool_]
    blind_xy: NDArray[np.bool_]
    scales: NDArray[np.float64]


def body_position(tracklet: Tracklet, window: Window, path: CameraPath) -> BodyPosition:
    """Body position of every observation of a tracklet of `window`; `path` is the window's camera path."""
    scales = _camera_scales(tracklet, path)
    cut = np.concatenate([tracklet.boxes_xyxy[:, :2] <= BORDER, tracklet.boxes_xyxy[:, 2:] >= 1 - BORDER], axis=1)
    hidden = _hidden_sides(tracklet, window, scales, cut)  # [T, 4] x1 y1 x2 y2
    clean: NDArray[np.bool_] = np.logical_not(hidden.any(1))
    points = tracklet.centroids_xy.astype(np.float64)
    weights = np.ones(len(tracklet))
    blind = np.zeros((len(tracklet), 2), bool)
    extents = (tracklet.boxes_xyxy[:, 2:] - tracklet.boxes_xyxy[:, :2]) / scales[:, None]
    for axis in (0, 1):
        low, high = hidden[:, axis], hidden[:, axis + 2]
        for rows, edge in ((low & ~high, axis + 2), (high & ~low, axis)):
            if rows.any():
                points[rows, axis] = _from_side(tracklet, edge, axis, rows, whole=~low & ~high, scales=scales)
                weights[rows] = np.minimum(weights[rows], _WEIGHT_ONE_SIDE)
        weights[low & high] = _WEIGHT_NO_SIDE
        small = extents[:, axis] < _BLIND_SHARE * extents[:, axis].max()
        blind[:, 1 - axis] = (cut[:, axis] | cut[:, axis + 2]) & small
    return BodyPosition(tracklet, points, weights, clean, blind, scales)


def _camera_scales(tracklet: Tracklet, path: CameraPath) -> NDArray[np.float64]:
    scales = np.empty(len(tracklet))
    for i, step in enumerate(tracklet.steps):
        _, jacobian = mapped(path.to_first[step], tracklet.centroids_xy[i] * np.array([1.0, path.aspect]))
        scales[i] = 1.0 / np.sqrt(max(float(np.linalg.det(jacobian)), 1e-6))
    return scales


def _from_side(
    tracklet: Tracklet,
    edge: int,
    axis: int,
    rows: NDArray[np.bool_],
    *,
    whole: NDArray[np.bool_],
    scales: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Position on one axis from the free box side `edge`, for the observations `rows`."""
    sides = tracklet.boxes_xyxy[:, edge].astype(np.float64)
    offsets = (sides - tracklet.centroids_xy[:, axis]) / scales
    if whole.any():
        known = np.interp(tracklet.pts_seconds[rows], tracklet.pts_seconds[whole], offsets[whole])
    else:
        # Never whole on this axis: half of the most that was ever seen, the same for both sides.
        extents = (tracklet.boxes_xyxy[:, axis + 2] - tracklet.boxes_xyxy[:, axis]) / scales
        known = np.full(int(rows.sum()), float(extents.max()) / 2 * (1.0 if edge >= 2 else -1.0))
    position: NDArray[np.float64] = sides[rows] - known * scales[rows]
    return position


def _hidden_sides(
    tracklet: Tracklet, window: Window, scales: NDArray[np.float64], cut: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """bool [T, 4]: the box side is not the body's own: `cut` by the border, or another instance is in
    front."""
    hidden = cut.copy()
    sizes = tracklet.areas / scales**2
    whole = ~cut.any(1)
    for i, seconds in enumerate(tracklet.pts_seconds):
        # Compared with its size around that time, so that a body that comes nearer isn't "hidden" while it is far.
        near = whole & (np.abs(tracklet.pts_seconds - seconds) <= _USUAL_SECONDS)
        if near.any() and sizes[i] < _HIDDEN_AREA * float(np.percentile(sizes[near], 75)):
            for other in window.observations[tracklet.steps[i]].instances:
                if other.track_id != tracklet.track_id:
                    hidden[i] |= _covered(tracklet.boxes_xyxy[i], other.box_xyxy)
    return hidden


def _covered(box: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.bool_]:
    """bool [4]: which sides of `box` lie on or in `other`, along at least a quarter of their length."""
    out = np.zeros(4, bool)
    for axis in (0, 1):
        cross = 1 - axis
        shared = min(box[cross + 2], other[cross + 2]) - max(box[cross], other[cross])
        if shared < 0.25 * (box[cross + 2] - box[cross]):
            continue
        for side in (axis, axis + 2):
            out[side] = other[axis] - _GAP <= box[side] <= other[axis + 2] + _GAP
    return out
