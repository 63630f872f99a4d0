"""Flaws of a real front end, drawn at random: video coding, box errors, mask errors.

In: exact truth of the world. Out: what decoder, detector and segmenter would have delivered instead.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_BOX_ERROR = 0.06  # of the box's own width/height, per edge
_MASK_REACH = 0.10  # the segmenter sees the box enlarged by this on each side


def coded(image_rgb: NDArray[np.uint8], *, quality: int) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] through JPEG with halved chroma (OpenCV's default 4:2:0), the cheapest stand-in for H.264
    4:2:0."""
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None  # imencode wrote it
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)


def flawed_box(box_xyxy: NDArray[np.float32], *, rng: np.random.Generator) -> NDArray[np.float32]:
    """The box [4] with every edge moved by up to 6 % of the box's size; relative, clipped to the frame."""
    size = np.tile(box_xyxy[2:] - box_xyxy[:2], 2)
    return np.clip(box_xyxy + rng.uniform(-_BOX_ERROR, _BOX_ERROR, 4) * size, 0, 1).astype(np.float32)


def flawed_mask(
    truth: NDArray[np.bool_], *, box_xyxy: NDArray[np.float32], others: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """bool [H, W] -> bool [H, W]: cut at the enlarged box, coarse, grown or shrunk, with bites, leaks and
    neighbours."""
    height, width = truth.shape
    reach = np.tile(box_xyxy[2:] - box_xyxy[:2], 2) * np.array([-1, -1, 1, 1]) * _MASK_REACH
    x1, y1, x2, y2 = np.clip(box_xyxy + reach, 0, 1) * np.array([width, height, width, height])
    rows, cols = slice(int(y1), max(int(np.ceil(y2)), int(y1) + 2)), slice(int(x1), max(int(np.ceil(x2)), int(x1) + 2))
    part = truth[rows, cols].astype(np.uint8)
    if rng.random() < 0.6:
        part = _coarse(part, rng)
    part = _grown_or_shrunk(part, rng)
    if rng.random() < 0.2:
        _ellipse(part, value=0, rng=rng)
    if rng.random() < 0.2:
        _ellipse(part, value=1, rng=rng)
    if rng.random() < 0.06:
        part |= others[rows, cols]
    out = np.zeros_like(truth)
    out[rows, cols] = part > 0
    return out


def _coarse(part: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """As a mask of 40-64 cells would be after enlargement: thin parts fade."""
    cells = int(rng.integers(40, 65))
    height, width = part.shape
    small = cv2.resize(part.astype(np.float32), (cells, cells), interpolation=cv2.INTER_AREA)
    big = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return (big > rng.uniform(0.35, 0.6)).astype(np.uint8)


def _grown_or_shrunk(part: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    steps = int(rng.choice([-1, 0, 1, 2], p=[0.15, 0.4, 0.3, 0.15]))
    kernel = np.ones((3, 3), np.uint8)
    if steps == 0:
        return part
    grow = cv2.dilate if steps > 0 else cv2.erode
    return np.asarray(grow(part, kernel, iterations=abs(steps)), np.uint8)


def _ellipse(part: NDArray[np.uint8], *, value: int, rng: np.random.Generator) -> None:
    """Paint a small ellipse of `value` somewhere on the rim of the box, in place."""
    height, width = part.shape
    axes = tuple(max(1, int(rng.uniform(0.03, 0.10) * s)) for s in (width, height))
    centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
    cv2.ellipse(part, centre, axes, float(rng.uniform(0, 180)), 0, 360, value, -1)
