"""Background motion between two analysed frames, instances excluded.

Corners of the previous frame, outside the (grown) masks, are followed by pyramidal Lucas-Kanade forth and back; a
similarity is fitted by RANSAC and refined on its inliers by re-weighted least squares. A similarity (shift, zoom, roll)
is what a turning, zooming or rolling camera does to a distant background to first order; a shear or perspective would
fit noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.mask import Mask

_SIDE = 480  # long side of the grey picture that is measured; finer ones cost time and gain nothing on H.264
_MAX_CORNERS = 200
_WINDOW = 15
_LEVELS = 3
_MAX_ROUND_TRIP_PX = 0.5
_MASK_GROWTH = 0.012  # of the long side: masks grow by this so that LK windows don't straddle an instance's edge
_INLIER_PX = 1.0
_MIN_INLIERS, _MIN_SHARE = 12, 0.3
_STILL_PX = 0.04  # a fit to a still H.264 background moves its points by about 0.01 px; summing that up would drift


@dataclass(frozen=True, slots=True)
class CameraStep:
    """Background motion from one frame to the next.

    `matrix`: float64 [3, 3] as `Observation.camera_step` (relative coordinates, previous -> this), None where it could
    not be estimated. `inliers`: share (0-1) of followed points that agree; 0 where None.
    """

    matrix: NDArray[np.float64] | None
    inliers: float


UNKNOWN_STEP = CameraStep(None, 0.0)


class CameraEstimator:
    """Remembers the last frame's grey picture, so that each frame is prepared once."""

    def __init__(self) -> None:
        self._frame: Frame | None = None
        self._grey: NDArray[np.uint8] = np.zeros((0, 0), np.uint8)

    def step(self, previous_frame: Frame, frame: Frame, previous_masks: Sequence[Mask]) -> CameraStep:
        """Similarity of the background from `previous_frame` to `frame` (same size); `previous_masks` are left out."""
        before = self._grey if self._frame is previous_frame else grey(previous_frame)
        after = grey(frame)
        self._frame, self._grey = frame, after
        start = _corners(before, previous_masks)
        start, end = _follow(before, after, start)
        if len(start) < _MIN_INLIERS:
            return UNKNOWN_STEP
        return _fit(start, end, (before.shape[1], before.shape[0]))


def grey(frame: Frame, side: int = _SIDE) -> NDArray[np.uint8]:
    """uint8 [h, w], long side at most `side`."""
    height, width = frame.image_rgb.shape[:2]
    scale = min(1.0, side / max(width, height))
    picture = cv2.cvtColor(frame.image_rgb, cv2.COLOR_RGB2GRAY)
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return picture.astype(np.uint8, copy=False)


def _corners(picture: NDArray[np.uint8], masks: Sequence[Mask]) -> NDArray[np.float32]:
    """Well spread corners float32 [n, 2] in pixels. Found at half size (a third of the time): LK needs texture, not
    peaks."""
    height, width = picture.shape
    size = (max(8, width // 2), max(8, height // 2))
    half = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    allowed = _background(masks, size)
    spacing = max(3.0, 0.6 * (size[0] * size[1] / _MAX_CORNERS) ** 0.5)
    found: Any = cv2.goodFeaturesToTrack(half, _MAX_CORNERS, 0.004, spacing, mask=allowed, blockSize=5)
    if found is None:  # OpenCV's stubs leave out what it returns for "nothing found"
        return np.zeros((0, 2), np.float32)
    factor = np.array([width / size[0], height / size[1]], np.float32)
    return np.asarray((found.reshape(-1, 2) + 0.5) * factor - 0.5, np.float32)


def _background(masks: Sequence[Mask], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """255 where corners may be: outside the grown masks and off the border, where LK windows leave the picture."""
    allowed = np.zeros((size_wh[1], size_wh[0]), np.uint8)
    allowed[2:-2, 2:-2] = 255
    growth = max(1, round(_MASK_GROWTH * max(size_wh)))
    for mask in masks:
        if mask.bits.size == 0:
            continue
        scale = np.array(size_wh) / np.array(mask.size_wh)
        x0, y0 = np.floor(np.array(mask.origin_xy) * scale).astype(int)
        w, h = np.ceil(np.array(mask.bits.shape[::-1]) * scale).astype(int)
        small = cv2.resize(mask.bits.astype(np.uint8), (int(w), int(h)), interpolation=cv2.INTER_LINEAR)
        padded = cv2.copyMakeBorder(small, growth, growth, growth, growth, cv2.BORDER_CONSTANT, value=0)
        grown = cv2.dilate(padded, np.ones((2 * growth + 1,) * 2, np.uint8))
        top, left = max(0, y0 - growth), max(0, x0 - growth)
        part = grown[top - (y0 - growth) :, left - (x0 - growth) :]
        target = allowed[top : top + part.shape[0], left : left + part.shape[1]]
        target[part[: target.shape[0], : target.shape[1]] > 0] = 0
    return allowed


def _follow(
    before: NDArray[np.uint8], after: NDArray[np.uint8], start: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points of `before` and where they are in `after`, both float32 [n, 2]; only those that come back when followed
    back."""
    if len(start) == 0:
        return start, start
    options = {
        "winSize": (_WINDOW, _WINDOW),
        "maxLevel": _LEVELS,
        "minEigThreshold": 2e-4,
        "criteria": (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 20, 0.01),
    }
    end, seen, _ = cv2.calcOpticalFlowPyrLK(before, after, start, None, **options)  # type: ignore[call-overload]
    back, seen_back, _ = cv2.calcOpticalFlowPyrLK(
        after,
        before,
        end,
        start.copy(),  # type: ignore[call-overload]
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
        **options,
    )
    trip = np.linalg.norm(back - start, axis=1)
    good = (seen.ravel() == 1) & (seen_back.ravel() == 1) & (trip < _MAX_ROUND_TRIP_PX)
    return start[good], end[good]


def _fit(start: NDArray[np.float32], end: NDArray[np.float32], size_wh: tuple[int, int]) -> CameraStep:
    cv2.setRNGSeed(1)  # RANSAC draws from OpenCV's process-wide generator: the same video must give the same record
    inside: Any
    _, inside = cv2.estimateAffinePartial2D(
        start, end, method=cv2.RANSAC, ransacReprojThreshold=_INLIER_PX, maxIters=500, confidence=0.995, refineIters=0
    )
    if inside is None:
        return UNKNOWN_STEP
    chosen = inside.ravel() == 1
    share = float(chosen.mean())
    if chosen.sum() < _MIN_INLIERS or share < _MIN_SHARE:
        return UNKNOWN_STEP
    first, last = start[chosen].astype(np.float64), end[chosen].astype(np.float64)
    matrix = _similarity(first, last)
    motion = first @ matrix[:2, :2].T + matrix[:2, 2] - first
    if float(np.sqrt((motion**2).sum(1).mean())) < _STILL_PX:
        return CameraStep(np.eye(3), share)
    return CameraStep(_to_relative(matrix, size_wh), share)


def _similarity(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Similarity float64 [3, 3] in pixels, least squares re-weighted by the Cauchy rule (scale: median residual)."""
    weights = np.ones(len(start))
    a, b, shift = 1.0, 0.0, np.zeros(2)
    for _ in range(4):
        total = weights.sum()
        mean_s, mean_e = weights @ start / total, weights @ end / total
        s, e = start - mean_s, end - mean_e
        power = float(weights @ (s * s).sum(1))
        if power <= 0:
            break
        a = float(weights @ (s * e).sum(1)) / power
        b = float(weights @ (s[:, 0] * e[:, 1] - s[:, 1] * e[:, 0])) / power
        turn = np.array([[a, -b], [b, a]])
        shift = mean_e - turn @ mean_s
        residual = np.linalg.norm(end - start @ turn.T - shift, axis=1)
        weights = 1.0 / (1.0 + (residual / max(1.5 * float(np.median(residual)), 0.02)) ** 2)
    return np.array([[a, -b, shift[0]], [b, a, shift[1]], [0.0, 0.0, 1.0]])


def _to_relative(matrix_px: NDArray[np.float64], size_wh: tuple[int, int]) -> NDArray[np.float64]:
    """A map of pixel-centre coordinates (first pixel's centre = 0) -> of relative ones (its corner = 0)."""
    width, height = size_wh
    to_px = np.array([[width, 0, -0.5], [0, height, -0.5], [0, 0, 1.0]])
    return np.asarray(np.linalg.inv(to_px) @ matrix_px @ to_px, np.float64)
