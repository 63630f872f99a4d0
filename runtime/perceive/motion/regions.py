"""From a map of moving pixels to separate objects.

All pixels are those of the small picture that motion is estimated in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.perceive.motion.flow import ResidualFlow

_MIN_AREA = 0.003  # of the picture
_CLOSE_PX = 5
_SPLIT_SHARE = 0.2  # each part of a split must have this share of the region
_SPLIT_SPREADS = 2.5  # ...and the two motions be this many spreads apart
_SAME_MOTION = 0.35  # relative difference below which two neighbouring pieces are one object
_NEAR_PX = 7


@dataclass(slots=True)
class Region:
    """One moving object in one small picture: `mask` bool [h, w], `motion_xy` its mean residual (px per step), `score`
    0-1."""

    mask: NDArray[np.bool_]
    motion_xy: NDArray[np.float32]
    score: float


def find_regions(
    strength: NDArray[np.float32], flow: ResidualFlow, expected: Sequence[NDArray[np.bool_]]
) -> list[Region]:
    """Objects in `strength` float32 [h, w] (moving where > 0.5). `expected`: masks where earlier objects should be now;
    a blob that covers several of them is divided among them."""
    moving = (strength > 0.5).astype(np.uint8)
    opened = cv2.morphologyEx(moving, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, np.ones((_CLOSE_PX,) * 2, np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    smallest = _MIN_AREA * strength.size
    pieces: list[NDArray[np.bool_]] = []
    for label in range(1, count):
        if stats[label, cv2.CC_STAT_AREA] < smallest / 4:
            continue
        blob = labels == label
        shares = [e for e in expected if area(e & blob) > 0.5 * max(1, area(e))]
        pieces += _divide(blob, shares) if len(shares) > 1 else _split_by_motion(blob, flow.residual)
    regions = [_region(piece, strength, flow) for piece in pieces]
    return [r for r in _joined(regions) if area(r.mask) >= smallest]


def area(mask: NDArray[np.bool_]) -> int:
    """Pixels set."""
    return int(np.count_nonzero(mask))


def _region(mask: NDArray[np.bool_], strength: NDArray[np.float32], flow: ResidualFlow) -> Region:
    filled = _without_holes(mask)
    inside = filled & (strength > 0.5)
    if not inside.any():
        inside = filled
    motion = np.median(flow.residual[inside], axis=0)
    speed = float(np.median(np.linalg.norm(flow.residual[inside], axis=1)))
    return Region(filled, motion.astype(np.float32), speed**2 / (speed**2 + flow.threshold_px**2))


def _without_holes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Holes below half of the object are filled: flat parts show no motion; larger ones are see-through."""
    outside = (~mask).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(outside, connectivity=4)
    height, width = mask.shape
    filled = mask.copy()
    for label in range(1, count):
        x, y, w, h, size = stats[label]
        at_border = x == 0 or y == 0 or x + w == width or y + h == height
        if not at_border and size < 0.5 * area(mask):
            filled |= labels == label
    return filled


def _divide(blob: NDArray[np.bool_], owners: Sequence[NDArray[np.bool_]]) -> list[NDArray[np.bool_]]:
    """Each pixel of a blob to the expected object nearest to it."""
    distances = np.stack([cv2.distanceTransform((~owner).astype(np.uint8), cv2.DIST_L2, 3) for owner in owners])
    nearest = distances.argmin(0)
    return [blob & (nearest == i) for i in range(len(owners))]


def _split_by_motion(blob: NDArray[np.bool_], residual: NDArray[np.float32]) -> list[NDArray[np.bool_]]:
    """The blob, or its two halves when two motions clearly live in it (2-means on the residual flow)."""
    vectors = residual[blob]
    if len(vectors) < 60:
        return [blob]
    axis = np.linalg.svd(vectors[::7] - vectors[::7].mean(0), full_matrices=False)[2][0]
    along = vectors @ axis
    low, high = np.percentile(along, [15, 85])
    for _ in range(6):
        upper = along > (low + high) / 2
        if upper.all() or not upper.any():
            return [blob]
        low, high = float(along[~upper].mean()), float(along[upper].mean())
    spread = max(float(along[~upper].std()), float(along[upper].std()), 0.3)
    means = vectors[~upper].mean(0), vectors[upper].mean(0)
    opposed = float(means[0] @ means[1]) < 0.3 * float(np.linalg.norm(means[0]) * np.linalg.norm(means[1]))
    share = float(upper.mean())
    if not opposed or high - low < _SPLIT_SPREADS * spread or not _SPLIT_SHARE < share < 1 - _SPLIT_SHARE:
        return [blob]
    part = np.zeros_like(blob)
    part[blob] = upper
    part = cv2.medianBlur(part.astype(np.uint8), 7).astype(bool) & blob
    return [piece for piece in (part, blob & ~part) if piece.any()]


def _joined(regions: list[Region]) -> list[Region]:
    """Pieces that nearly touch and move alike are one object (a person's leg and trunk)."""
    regions = sorted(regions, key=lambda r: -area(r.mask))
    done: list[Region] = []
    for region in regions:
        grown = cv2.dilate(region.mask.astype(np.uint8), np.ones((_NEAR_PX,) * 2, np.uint8)).astype(bool)
        for other in done:
            size = max(float(np.linalg.norm(other.motion_xy)), float(np.linalg.norm(region.motion_xy)), 1e-6)
            difference = float(np.linalg.norm(other.motion_xy - region.motion_xy))
            if difference < _SAME_MOTION * size and (grown & other.mask).any():
                other.mask = other.mask | region.mask
                other.score = max(other.score, region.score)
                break
        else:
            done.append(region)
    return done


_RING_PX, _GAP_PX = 14, 2
_COLOUR_BINS = 12
_MOST_CHANGE = 0.45  # share of the mask that colour may take away before it is not believed


def colour_index(image_rgb: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.int32]:
    """Every pixel's bin in Lab, int32 [h, w], of the small picture."""
    small = cv2.resize(image_rgb, size_wh, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.int32) * _COLOUR_BINS // 256
    return np.asarray((lab[..., 0] * _COLOUR_BINS + lab[..., 1]) * _COLOUR_BINS + lab[..., 2], np.int32)


def recoloured(mask: NDArray[np.bool_], colours: NDArray[np.int32]) -> NDArray[np.float32]:
    """How much each pixel belongs to the object, float32 [h, w] 0-1, by its position in `mask` and its colour.

    Colours that are common in a ring around the object and rare in it are background that the object just uncovered.
    Where object and ring have the same colours, or colour would take most of the object away, the mask is kept.
    """
    window = mask.astype(np.uint8)
    near = cv2.dilate(window, np.ones((2 * _GAP_PX + 1,) * 2, np.uint8)).astype(bool)
    ring = cv2.dilate(window, np.ones((2 * _RING_PX + 1,) * 2, np.uint8)).astype(bool) & ~near
    inside, outside = (_histogram(colours[where]) for where in (mask, ring))
    ratio = np.clip(np.log((inside + 1e-3) / (outside + 1e-3)), -3, 3)
    belongs = 1 / (1 + np.exp(-(np.where(mask, 1.0, -1.0) + ratio[colours])))
    belongs = cv2.blur(np.where(near, belongs, 0.0).astype(np.float32), (3, 3))
    taken = 1.0 - area((belongs > 0.5) & mask) / max(1, area(mask))
    return mask.astype(np.float32) if taken > _MOST_CHANGE else belongs.astype(np.float32, copy=False)


def _histogram(values: NDArray[np.int32]) -> NDArray[np.float64]:
    """Shares of the colour bins, float64, smoothed over lightness (shadows)."""
    counts = np.bincount(values, minlength=_COLOUR_BINS**3).astype(np.float64).reshape(_COLOUR_BINS, -1)
    smooth = 0.5 * counts
    smooth[1:] += 0.25 * counts[:-1]
    smooth[:-1] += 0.25 * counts[1:]
    return smooth.ravel() / max(1.0, float(smooth.sum()))
