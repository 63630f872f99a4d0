"""Quality of masks: region similarity J and boundary similarity F [spec 7.5, DAVIS arithmetic, own code]."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.mask import Mask


@dataclass(frozen=True, slots=True)
class MaskScores:
    """One matched instance. `j_union`, `f_union`: means over all frames of either side, 0 where one is absent
    (late births and early losses cost): what the bar is about, instances without a track counting 0. `j_both`,
    `f_both`: means over the frames that both have (the masks' own quality); 0 where there is none."""

    j_union: float
    f_union: float
    j_both: float
    f_both: float


def mask_scores(
    true_masks: Mapping[int, Mask], said_masks: Mapping[int, Mask], *, ignored: Mapping[int, Mask]
) -> MaskScores:
    """J and F of one pair, without the frames in which the true one is visible but not countable (`ignored`)."""
    frames = (set(true_masks) | set(said_masks)) - set(ignored)
    shared = sorted(f for f in frames if f in true_masks and f in said_masks)
    j = [true_masks[f].iou(said_masks[f]) for f in shared]
    f_scores = [boundary_f(true_masks[f], said_masks[f]) for f in shared]
    both, union = max(len(shared), 1), max(len(frames), 1)
    return MaskScores(sum(j) / union, sum(f_scores) / union, sum(j) / both, sum(f_scores) / both)


def boundary_f(true_mask: Mask, said_mask: Mask) -> float:
    """F of the boundaries: 2PR/(P+R) with a tolerance of ceil(0.008 * frame diagonal) pixels; 1 where both masks are
    empty, 0 where one is."""
    empty = true_mask.area_pixels == 0, said_mask.area_pixels == 0
    if any(empty):
        return float(all(empty))
    tolerance = math.ceil(0.008 * math.hypot(*true_mask.size_wh))
    a, b = _on_common_canvas(true_mask, said_mask, pad=tolerance + 1)
    edge_a, edge_b = _boundary(a), _boundary(b)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * tolerance + 1,) * 2)
    near_a, near_b = cv2.dilate(edge_a, disc), cv2.dilate(edge_b, disc)
    precision = np.count_nonzero(np.minimum(edge_b, near_a)) / np.count_nonzero(edge_b)
    recall = np.count_nonzero(np.minimum(edge_a, near_b)) / np.count_nonzero(edge_a)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _on_common_canvas(a: Mask, b: Mask, *, pad: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Both masks as uint8 0/1 on the rectangle around them, `pad` wider on each side (whole frames are 50 times
    slower)."""
    left, top = (min(a.origin_xy[k], b.origin_xy[k]) - pad for k in (0, 1))
    right, bottom = (max(m.origin_xy[k] + m.bits.shape[1 - k] for m in (a, b)) + pad for k in (0, 1))
    canvases = []
    for mask in (a, b):
        canvas = np.zeros((bottom - top, right - left), np.uint8)
        x, y, (h, w) = mask.origin_xy[0] - left, mask.origin_xy[1] - top, mask.bits.shape
        canvas[y : y + h, x : x + w] = mask.bits
        canvases.append(canvas)
    return canvases[0], canvases[1]


def _boundary(bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels of the set that touch its outside (4-neighbours), uint8 0/1."""
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    return (bits - cv2.erode(bits, cross)).astype(np.uint8)
