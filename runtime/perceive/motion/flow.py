"""Which pixels move against the background: dense flow minus the camera's motion.

Everything here is in pixels of a small grey picture (long side 320). Flow runs from the current picture to the previous
one, so that its masks are those of the current one.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 320
_SAMPLE_STEP = 5
_RANSAC_PX = 0.8
_MIN_SAMPLES, _MIN_SHARE = 40, 0.25
_FLOOR_PX = 0.55  # H.264 leaves residual flow of 0.1-0.3 px on still backgrounds
_NOISE_FACTOR = 4.0
_MOST_PARALLAX_PX = 1.0  # more would hide walkers from every panning camera
_SAY_GREYS = 4.0  # predictions that differ by less are H.264 noise
_FITS_GREYS = 9.0
_AVERAGE_RADIUS = 5
_LEAST_SIDE = 16  # px: OpenCV's flow refuses a picture of fewer on one side, or dies of it (segmentation fault)
_PRIOR = 0.04  # weight of the vote for "still" that every pixel starts with


@dataclass(frozen=True, slots=True)
class ResidualFlow:
    """Flow from the current picture to the previous one, and what the background doesn't explain of it.

    `flow`: float32 [h, w, 2] px. `residual`: float32 [h, w, 2] px, object motion from previous to current.
    `strength`: float32 [h, w] 0-1, 0.5 at the noise threshold. `threshold_px`: that threshold.
    `to_previous`: float64 [3, 3], background homography from current to previous pixels.
    """

    flow: NDArray[np.float32]
    residual: NDArray[np.float32]
    strength: NDArray[np.float32]
    threshold_px: float
    to_previous: NDArray[np.float64]


class FlowEstimator:
    """Dense inverse search flow (Kroeger et al., ECCV 2016) and a background homography by RANSAC."""

    def __init__(self) -> None:
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._dis.setFinestScale(1)

    def estimate(
        self, previous: NDArray[np.uint8], current: NDArray[np.uint8], foreground: NDArray[np.bool_]
    ) -> ResidualFlow | None:
        """Residual flow between two grey pictures uint8 [h, w]; None where no background motion can be agreed on,
        and for a picture of fewer than 16 pixels on a side.

        `foreground`: bool [h, w], where instances are expected in the current picture: no background is sampled there.
        """
        if min(current.shape) < _LEAST_SIDE:
            return None
        flow = np.asarray(self._dis.calc(current, previous, np.zeros((*current.shape, 2), np.float32)), np.float32)
        forth = np.asarray(self._dis.calc(previous, current, np.zeros((*current.shape, 2), np.float32)), np.float32)
        trip = _round_trip(flow, forth)
        background = _background(current, flow, trip, foreground)
        if background is None:
            return None
        to_previous, noise = background
        shift = _displacement(to_previous, current.shape)
        residual = (shift - flow).astype(np.float32)
        # Parallax: what is nearer than the fitted plane moves against it by about the camera's own motion.
        parallax = min(_MOST_PARALLAX_PX, 1.5 * float(np.median(np.linalg.norm(shift, axis=2))))
        threshold = max(_FLOOR_PX, _NOISE_FACTOR * noise) + parallax
        strength = _strength(previous, current, flow, residual, trip, to_previous, threshold)
        return ResidualFlow(
            flow=flow, residual=residual, strength=strength, threshold_px=threshold, to_previous=to_previous
        )


def _strength(
    previous: NDArray[np.uint8],
    current: NDArray[np.uint8],
    flow: NDArray[np.float32],
    residual: NDArray[np.float32],
    trip: NDArray[np.float32],
    to_previous: NDArray[np.float64],
    threshold: float,
) -> NDArray[np.float32]:
    """How surely each pixel moves against the background: float32 [h, w] 0-1.

    Both motions, the flow's and the background's, predict this pixel from the previous picture. Where they predict the
    same (flat areas, into which flow leaks from its surroundings) the pixel has no weight, and an edge-aware average of
    those that have some decides.
    """
    by_flow = carry(previous.astype(np.float32), flow, border=cv2.BORDER_REPLICATE)
    by_background = cv2.warpPerspective(
        previous,
        to_previous,
        current.shape[::-1],
        borderMode=cv2.BORDER_REPLICATE,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    ).astype(np.float32)
    here = current.astype(np.float32)
    patch = (5, 5)
    error_flow = cv2.blur(np.abs(here - by_flow), patch) + 1.5
    error_background = cv2.blur(np.abs(here - by_background), patch) + 1.5
    at_stake = cv2.blur(np.abs(by_flow - by_background), patch)
    size = np.linalg.norm(residual, axis=2)
    fast = (size / threshold) ** 2
    better = (error_background / error_flow) ** 2
    # Uncovered background fits neither motion; an object fits its own.
    explained = 1.0 / (1.0 + (np.maximum(error_flow - _FITS_GREYS, 0) / (2 * _FITS_GREYS)) ** 2)
    moving = (fast / (1 + fast)) * (better / (1 + better)) * explained * 1.5
    # A pixel that does not come back when followed there and back was hidden before: its flow is its neighbour's.
    trust = np.maximum(1.0 / (1.0 + (trip / np.maximum(1.0, 0.4 * size)) ** 4), 0.3 * (1 - explained))
    # Slow pixels count as background by their texture alone: there both predictions are the same by definition.
    still = cv2.blur(np.abs(cv2.Laplacian(here, cv2.CV_32F)), patch) * (size < 0.5 * threshold)
    say = np.maximum(at_stake, 0.5 * still)
    weight = (trust * say**2 / (say**2 + _SAY_GREYS**2)).astype(np.float32)
    # Where nothing near has weight the pixel is background: the prior is a weak vote for "still" everywhere.
    values = (np.minimum(moving, 1) * weight / (weight + _PRIOR)).astype(np.float32)
    return _averaged((here / 255).astype(np.float32), values, weight + np.float32(_PRIOR))


def _averaged(
    guide: NDArray[np.float32], values: NDArray[np.float32], weight: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Weighted guided filter (He et al., ECCV 2010): the average of `values` that respects the guide's edges."""
    window = (2 * _AVERAGE_RADIUS + 1,) * 2
    total = np.asarray(cv2.blur(weight, window), np.float32)
    mean_g, mean_v = cv2.blur(weight * guide, window) / total, cv2.blur(weight * values, window) / total
    spread = cv2.blur(weight * guide * guide, window) / total - mean_g**2
    together = cv2.blur(weight * guide * values, window) / total - mean_g * mean_v
    slope = np.asarray(together / (spread + 1e-3), np.float32)
    offset = np.asarray(mean_v - slope * mean_g, np.float32)
    nearby = cv2.blur(total, window)
    result = cv2.blur(slope * total, window) / nearby * guide + cv2.blur(offset * total, window) / nearby
    return np.asarray(np.clip(result, 0, 1), np.float32)


def _round_trip(back: NDArray[np.float32], forth: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far a pixel is from itself after being followed to the previous picture and back: float32 [h, w] px."""
    grid = pixel_grid(back.shape[:2])
    there = grid + back
    again = cv2.remap(forth, there[..., 0], there[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(np.linalg.norm(back + again, axis=2), np.float32)


def _background(
    picture: NDArray[np.uint8], flow: NDArray[np.float32], trip: NDArray[np.float32], foreground: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], float] | None:
    """Homography current -> previous of the most samples, and the median residual (px) of those that follow it."""
    texture = cv2.blur(
        np.abs(cv2.Sobel(picture, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(picture, cv2.CV_32F, 0, 1)), (5, 5)
    )
    usable = (texture > 12) & (trip < 1.0) & ~foreground
    step = np.zeros_like(usable)
    step[3:-3:_SAMPLE_STEP, 3:-3:_SAMPLE_STEP] = True
    rows, cols = np.nonzero(usable & step)
    if len(rows) < _MIN_SAMPLES:
        return None
    start = np.stack([cols, rows], 1).astype(np.float32)
    end = start + flow[rows, cols]
    cv2.setRNGSeed(1)  # OpenCV's generator is process-wide: the same video must give the same masks
    matrix, inside = cv2.findHomography(start, end, cv2.RANSAC, _RANSAC_PX, maxIters=400, confidence=0.99)
    if matrix is None or inside.mean() < _MIN_SHARE:
        return None
    moved = cv2.perspectiveTransform(start[None], matrix)[0]
    errors = np.linalg.norm(moved - end, axis=1)
    return np.asarray(matrix, np.float64), float(np.median(errors[inside.ravel() == 1]))


def _displacement(matrix: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float32]:
    grid = pixel_grid(shape[:2])
    return (cv2.perspectiveTransform(grid.reshape(1, -1, 2), matrix).reshape(grid.shape) - grid).astype(np.float32)


def pixel_grid(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """x and y of every pixel: float32 [h, w, 2]."""
    ys, xs = np.mgrid[: shape[0], : shape[1]]
    return np.stack([xs, ys], 2).astype(np.float32)


def carry(
    picture: NDArray[np.float32], flow: NDArray[np.float32], *, border: int = cv2.BORDER_CONSTANT
) -> NDArray[np.float32]:
    """A map of the previous picture float32 [h, w] as the current one would show it; `flow` current -> previous."""
    there = pixel_grid(flow.shape[:2]) + flow
    return cv2.remap(picture, there[..., 0], there[..., 1], cv2.INTER_LINEAR, borderMode=border).astype(
        np.float32, copy=False
    )


def guided_coefficients(
    guide: NDArray[np.float32], values: NDArray[np.float32], *, radius: int, smoothness: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Guided filter (He et al., ECCV 2010): `values` ~ slope * guide + offset around each pixel; both float32 [h, w].

    `guide` 0-1. Enlarge slope and offset and apply them to a finer guide to sharpen `values` at its edges.
    """
    window = (2 * radius + 1,) * 2
    mean_g, mean_v = cv2.blur(guide, window), cv2.blur(values, window)
    slope = (cv2.blur(guide * values, window) - mean_g * mean_v) / (
        cv2.blur(guide * guide, window) - mean_g**2 + smoothness
    )
    offset = mean_v - slope * mean_g
    return cv2.blur(slope, window).astype(np.float32), cv2.blur(offset, window).astype(np.float32)
