"""Background motion between two analysed frames, instances excluded.

Coarse to fine: phase correlation (Kuglin and Hines 1975) of a small picture, the last step and no motion are compared,
and the best is where Lucas-Kanade begins; corners of the previous frame, outside the (grown) masks, are followed forth
and back. A similarity is fitted by RANSAC and refined on its inliers by re-weighted least squares. A similarity (shift,
zoom, roll) is what a turning, zooming or rolling camera does to a distant background to first order; a shear or
perspective would fit noise. A step that fails is tried again at half the size, where motion blur is half as long.
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
from edgecap.runtime.perceive.camera_fit import fit_similarity

_SIDE = 480  # long side of the grey picture that is measured; finer ones cost time and gain nothing on H.264
_COARSE = 4  # the small picture's pixel, in pixels of the grey one
_LEAST_COARSE_PX = 16
_MAX_CORNERS = 200
_WINDOW = 15
_LEVELS = 3
_MAX_ROUND_TRIP_PX = 0.5
_MASK_GROWTH = 0.012  # of the long side: masks grow by this so that LK windows don't straddle an instance's edge


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
    """Remembers the last frame's grey picture, so that each frame is prepared once, and how far the last step went."""

    def __init__(self) -> None:
        self._frame: Frame | None = None
        self._grey: NDArray[np.uint8] = np.zeros((0, 0), np.uint8)
        self._shift = np.zeros(2)

    def step(self, previous_frame: Frame, frame: Frame, previous_masks: Sequence[Mask]) -> CameraStep:
        """Similarity of the background from `previous_frame` to `frame` (same size); `previous_masks` are left out."""
        before, last = self._grey, self._shift
        if self._frame is not previous_frame:
            before, last = grey(previous_frame), np.zeros(2)
        after = grey(frame)
        shift = _coarse_shift(before, after, previous_masks, last)
        step = _step(before, after, previous_masks, shift)
        if step.matrix is None:  # motion blur: half the size, half the blur
            step = _step(_resized(before, 0.5), _resized(after, 0.5), previous_masks, shift / 2)
        self._frame, self._grey, self._shift = frame, after, np.zeros(2)
        if step.matrix is not None:
            height, width = after.shape
            self._shift = ((step.matrix @ [0.5, 0.5, 1.0])[:2] - 0.5) * [width, height]
        return step


def _step(
    before: NDArray[np.uint8], after: NDArray[np.uint8], masks: Sequence[Mask], shift: NDArray[np.float64]
) -> CameraStep:
    fit = fit_similarity(*_follow(before, after, _corners(before, masks), shift))
    if fit is None:
        return UNKNOWN_STEP
    return CameraStep(_to_relative(fit.matrix, (before.shape[1], before.shape[0])), fit.share)


def grey(frame: Frame, side: int = _SIDE) -> NDArray[np.uint8]:
    """uint8 [h, w], long side at most `side`."""
    height, width = frame.image_rgb.shape[:2]
    scale = min(1.0, side / max(width, height))
    picture = cv2.cvtColor(frame.image_rgb, cv2.COLOR_RGB2GRAY)
    return _resized(picture.astype(np.uint8, copy=False), scale)


def _resized(picture: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    if scale >= 1.0:
        return picture
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _coarse_shift(
    before: NDArray[np.uint8], after: NDArray[np.uint8], masks: Sequence[Mask], last: NDArray[np.float64]
) -> NDArray[np.float64]:
    """About how far the background moves, float64 [2] in pixels: of none, the `last` step's and the peak of the phase
    correlation, the one with the least mean difference between the small pictures."""
    first, second = (_resized(picture, 1 / _COARSE).astype(np.float32) for picture in (before, after))
    size = first.shape[1], first.shape[0]
    if min(size) < _LEAST_COARSE_PX:
        return last
    seen = (_background(masks, size) > 0).astype(np.float32)
    mean = float((first * seen).sum()) / max(float(seen.sum()), 1.0)
    window = cv2.createHanningWindow(size, cv2.CV_32F)
    peak, _ = cv2.phaseCorrelate((first - mean) * seen, second - second.mean(), window)
    candidates = (np.zeros(2), last / _COARSE, np.array(peak, np.float64))
    errors = [_difference(first, second, seen, shift) for shift in candidates]
    return candidates[int(np.argmin(errors))] * _COARSE


def _difference(
    first: NDArray[np.float32], second: NDArray[np.float32], seen: NDArray[np.float32], shift: NDArray[np.float64]
) -> float:
    """Mean absolute difference where the shifted `first` picture's `seen` pixels lie over the `second`; infinite where
    less than half of them do."""
    move = np.array([[1.0, 0.0, shift[0]], [0.0, 1.0, shift[1]]])
    size = first.shape[1], first.shape[0]
    weights = cv2.warpAffine(seen, move, size)
    area = float(weights.sum())
    if area < 0.5 * float(seen.sum()) or area <= 0:
        return np.inf
    return float((np.abs(cv2.warpAffine(first, move, size) - second) * weights).sum()) / area


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
    before: NDArray[np.uint8], after: NDArray[np.uint8], start: NDArray[np.float32], shift: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Points of `before` and where they are in `after`, about `shift` pixels away, both float32 [n, 2]; only those that
    come back when followed back."""
    if len(start) == 0:
        return start, start
    options = {
        "winSize": (_WINDOW, _WINDOW),
        "maxLevel": _LEVELS,
        "minEigThreshold": 2e-4,
        "criteria": (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 20, 0.01),
        "flags": cv2.OPTFLOW_USE_INITIAL_FLOW,
    }
    guess = (start + shift).astype(np.float32)
    end, seen, _ = cv2.calcOpticalFlowPyrLK(before, after, start, guess, **options)  # type: ignore[call-overload]
    back, seen_back, _ = cv2.calcOpticalFlowPyrLK(
        after,
        before,
        end,
        start.copy(),
        **options,  # type: ignore[call-overload]
    )
    trip = np.linalg.norm(back - start, axis=1)
    good = (seen.ravel() == 1) & (seen_back.ravel() == 1) & (trip < _MAX_ROUND_TRIP_PX)
    return start[good], end[good]


def _to_relative(matrix_px: NDArray[np.float64], size_wh: tuple[int, int]) -> NDArray[np.float64]:
    """A map of pixel-centre coordinates (first pixel's centre = 0) -> of relative ones (its corner = 0)."""
    width, height = size_wh
    to_px = np.array([[width, 0, -0.5], [0, height, -0.5], [0, 0, 1.0]])
    return np.asarray(np.linalg.inv(to_px) @ matrix_px @ to_px, np.float64)
