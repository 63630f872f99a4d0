"""How alike two pictures are: what is compared of them, their change, and their parts in a blend. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Thumbnail = tuple[NDArray[np.uint8], NDArray[np.float32]]
"""RGB uint8 [54, 96, 3], blurred a little, and its HSV histogram float32 [n], sum 1."""

_THUMB_WH = (96, 54)
_PATCH_WH = (20, 14)
_SEARCH_XY = (16, 10)


def thumbnail(image_rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """RGB thumbnail uint8 [54, 96, 3] and its HSV histogram float32 [n], sum 1, smoothed across neighbouring bins."""
    small = cv2.blur(cv2.resize(image_rgb, _THUMB_WH, interpolation=cv2.INTER_AREA), (3, 3))
    hsv = cv2.cvtColor(small, cv2.COLOR_RGB2HSV)
    bins = cv2.calcHist([hsv], [0, 1, 2], None, [12, 4, 6], [0, 180, 0, 256, 0, 256])
    return small.astype(np.uint8, copy=False), (bins / bins.sum()).astype(np.float32).ravel()


def change(
    before: tuple[NDArray[np.uint8], NDArray[np.float32]], after: tuple[NDArray[np.uint8], NDArray[np.float32]]
) -> float:
    """0 (same picture, possibly shifted) to 1 (nothing in common)."""
    # Two equal histograms may sum to a hair over 1 in float32; without the floor a still picture breaks the root.
    colour = max(0.0, 1.0 - float(np.minimum(before[1], after[1]).sum()))
    return math.sqrt(colour * _lost_patches(before[0], after[0]))


def _lost_patches(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """Mean over the patches of how badly each is found again, 0-1; 1 = 40 grey levels and another pattern at its best
    place."""
    lost = []
    (pw, ph), (sx, sy) = _PATCH_WH, _SEARCH_XY
    for top in np.linspace(0, _THUMB_WH[1] - ph, 3).astype(int):
        for left in np.linspace(0, _THUMB_WH[0] - pw, 4).astype(int):
            patch = before[top : top + ph, left : left + pw]
            y0, x0 = max(0, top - sy), max(0, left - sx)
            region = after[y0 : top + ph + sy, x0 : left + pw + sx]
            difference = float(cv2.matchTemplate(region, patch, cv2.TM_SQDIFF).min())
            greys = math.sqrt(max(difference, 0.0) / patch.size)
            # A light switched on changes the greys and keeps the pattern; a flat patch has no pattern to keep.
            pattern = 1.0
            if float(patch.std()) > 6.0:
                pattern = 1.6 * (1.0 - float(cv2.matchTemplate(region, patch, cv2.TM_CCOEFF_NORMED).max()))
            lost.append(min(1.0, greys / 40.0, max(0.0, pattern)))
    return float(np.mean(lost))


def blend_shares(pictures: Sequence[NDArray[Any]]) -> tuple[NDArray[np.float64], float]:
    """Share of the last picture in each, float64 [n] by least squares, and the largest part that is in neither."""
    rows = np.stack([p.astype(np.float32).ravel() for p in pictures])
    rows = rows - rows[0]
    whole = float(rows[-1] @ rows[-1]) or 1.0
    shares = (rows @ rows[-1]).astype(np.float64) / whole
    rest = rows - np.outer(shares, rows[-1]).astype(np.float32)
    return shares, float((rest**2).sum(1).max() / whole)
