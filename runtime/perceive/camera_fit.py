"""The similarity that most point pairs of two pictures follow.

In: where points are before and after. Out: `SimilarityFit`. RANSAC finds the points that agree (Fischler and Bolles
1981), least squares re-weighted by the Cauchy rule measures with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_INLIER_PX = 1.0
_PARALLAX = 0.1
"""Share of the camera's motion by which background may differ from it and still agree: of a turning camera, points away
from the centre move farther (by tan(a)^2, a tenth at 18 degrees); of a travelling one, what is nearer does."""
_MIN_INLIERS, _MIN_SHARE = 12, 0.3
_STILL_PX = 0.04
"""A fit to a still H.264 background moves its points by about 0.01 px; summing that up would drift."""


@dataclass(frozen=True, slots=True)
class SimilarityFit:
    """`matrix`: float64 [3, 3] in pixels, first picture -> second; the identity where the points stand still. `share`:
    of the points, 0-1, that agree with it."""

    matrix: NDArray[np.float64]
    share: float


def fit_similarity(start: NDArray[np.float32], end: NDArray[np.float32]) -> SimilarityFit | None:
    """Fit points `start` [n, 2] to `end` [n, 2], pixels; None where too few agree."""
    if len(start) < _MIN_INLIERS:
        return None
    cv2.setRNGSeed(1)  # RANSAC draws from OpenCV's process-wide generator: the same video must give the same record
    tolerance = _INLIER_PX + _PARALLAX * float(np.hypot(*np.median(end - start, axis=0)))
    inside: Any
    _, inside = cv2.estimateAffinePartial2D(
        start, end, method=cv2.RANSAC, ransacReprojThreshold=tolerance, maxIters=500, confidence=0.995, refineIters=0
    )
    if inside is None:
        return None
    chosen = inside.ravel() == 1
    share = float(chosen.mean())
    if chosen.sum() < _MIN_INLIERS or share < _MIN_SHARE:
        return None
    first, last = start[chosen].astype(np.float64), end[chosen].astype(np.float64)
    matrix = _similarity(first, last)
    motion = first @ matrix[:2, :2].T + matrix[:2, 2] - first
    still = float(np.sqrt((motion**2).sum(1).mean())) < _STILL_PX
    return SimilarityFit(np.eye(3) if still else matrix, share)


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
