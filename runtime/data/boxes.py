"""Arithmetic of boxes x1 y1 x2 y2, in any unit, with the float type of what comes in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.floating[Any]]
"""Boxes [..., 4]; two arrays of them are broadcast against each other."""


def box_areas(boxes_xyxy: Boxes) -> Boxes:
    """Area of each box, [...]; 0 for an empty one."""
    return np.asarray(np.clip(boxes_xyxy[..., 2:] - boxes_xyxy[..., :2], 0, None).prod(-1))


def shared_areas(a_xyxy: Boxes, b_xyxy: Boxes) -> Boxes:
    """Area of the intersection of each pair, [...]; 0 where they don't overlap."""
    low, high = np.maximum(a_xyxy[..., :2], b_xyxy[..., :2]), np.minimum(a_xyxy[..., 2:], b_xyxy[..., 2:])
    return np.asarray(np.clip(high - low, 0, None).prod(-1))


def box_ious(a_xyxy: Boxes, b_xyxy: Boxes) -> Boxes:
    """Intersection over union of each pair, [...]; 0 where both are empty."""
    shared = shared_areas(a_xyxy, b_xyxy)
    union = box_areas(a_xyxy) + box_areas(b_xyxy) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def iou_matrix(a_xyxy: Boxes, b_xyxy: Boxes) -> Boxes:
    """Intersection over union of boxes [N, 4] with boxes [M, 4]: [N, M]."""
    return box_ious(a_xyxy[:, None], b_xyxy[None])
