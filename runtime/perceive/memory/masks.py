"""Mask logits over the whole padded picture -> masks of the frame that never overlap."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.engines.graph.letterbox import Letterbox
from edgecap.runtime.data.mask import Mask


def masks_of_picture(
    logits: NDArray[np.float32],
    present: NDArray[np.bool_],
    *,
    placement: Letterbox,
    size_wh: tuple[int, int],
    threshold: float,
) -> tuple[Mask, ...]:
    """One `Mask` per object of logits [K, h, w], empty where not `present` [K].

    Logits are resampled bilinearly at pixel centres; a pixel that two objects claim goes to the larger logit.
    """
    width, height = size_wh
    best = np.full((height, width), threshold, np.float32)
    owner = np.full((height, width), -1, np.int16)
    for k in np.flatnonzero(present):
        local = _resampled(logits[k], placement, size_wh)
        wins = local > best
        best[wins], owner[wins] = local[wins], k
    return tuple(Mask.from_full(owner == k) for k in range(len(logits)))


def _resampled(logits: NDArray[np.float32], placement: Letterbox, size_wh: tuple[int, int]) -> NDArray[np.float32]:
    """Logits [h, w] of the padded picture -> values at the pixel centres of the frame [H, W]."""
    (rows, cols), (content_w, content_h), (padded_w, padded_h) = logits.shape, placement.content_wh, placement.padded_wh
    step_x, step_y = content_w / padded_w * cols / size_wh[0], content_h / padded_h * rows / size_wh[1]
    back = np.array([[step_x, 0, 0.5 * step_x - 0.5], [0, step_y, 0.5 * step_y - 0.5]])
    return cv2.warpAffine(
        logits, back, size_wh, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    ).astype(np.float32, copy=False)
