"""Contact shadows: a soft dark oval where an actor stands, a dark oval and a bright wake where it floats."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_TURN = np.linspace(0, 2 * np.pi, 20, endpoint=False)
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)
_SHIFT = 3
_STRENGTH = {"ground": 0.30, "water": 0.24}
"""Darkening in the middle of the shadow."""
_WAKE = (236, 242, 244)


def cast_shadow(
    image: NDArray[np.uint8],
    camera: NDArray[np.float64],
    *,
    centre: NDArray[np.float64],
    extent: NDArray[np.float64],
    habitat: str,
) -> None:
    """Darken `image` in place under an actor with world `centre` [2] and `extent` [2]; flyers cast none."""
    if habitat not in _STRENGTH:
        return
    foot = np.add(centre, (0.0, 0.5 * extent[1]))
    half = np.array([0.50 * extent[0], 0.035 * extent[0] + 0.025 * extent[1] + 2.0])
    for grow, share in ((1.0, 0.45), (0.82, 0.55)):
        _darken(image, _mapped(camera, foot + _CIRCLE * half * grow), 1.0 - _STRENGTH[habitat] * share)
    if habitat == "water":
        for side in (-1.0, 1.0):
            line = np.array([(0.42, 0.5), (0.56, 0.1), (0.74, 0.9)]) * extent[0] * (side, 0.06) + foot
            cv2.polylines(image, [_mapped(camera, line)], False, _WAKE, 1, cv2.LINE_AA, _SHIFT)


def _mapped(camera: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.int32]:
    mapped = points @ camera[:2, :2].T + camera[:2, 2]
    return np.round(mapped * (1 << _SHIFT)).astype(np.int32)


def _darken(image: NDArray[np.uint8], fixed: NDArray[np.int32], factor: float) -> None:
    """Multiply the pixels inside a polygon by `factor`."""
    height, width = image.shape[:2]
    left, top = np.maximum(fixed.min(axis=0) >> _SHIFT, 0)
    right, bottom = np.minimum((fixed.max(axis=0) >> _SHIFT) + 2, (width, height))
    if left >= right or top >= bottom:
        return
    cut = np.full((bottom - top, right - left), 255, np.uint8)
    cv2.fillPoly(cut, [fixed - np.array([left << _SHIFT, top << _SHIFT])], round(255 * factor), cv2.LINE_AA, _SHIFT)
    region = np.ascontiguousarray(image[top:bottom, left:right])
    image[top:bottom, left:right] = cv2.multiply(region, cv2.merge([cut, cut, cut]), scale=1 / 255.0)
