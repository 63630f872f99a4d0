"""Pictures for the language model: the isolated instance, and the whole frame, in training and in use.

The isolation follows the method (docs/spec/instancecap.md 2.4: everything but the instance is blurred, so that only
its appearance is described), with two corrections of the reference: the instance is cropped and enlarged, so that a
small one stays readable, and the edge between it and the blur is feathered.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.config import Isolation
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.describe.isolation import isolate


def instance_view(
    image_rgb: NDArray[np.uint8], mask: Mask, *, box_xyxy: NDArray[np.float32], side: int, margin: float
) -> NDArray[np.uint8]:
    """`instance_picture` in a square: uint8 [side, side, 3]."""
    return instance_picture(image_rgb, mask, box_xyxy=box_xyxy, size_wh=(side, side), margin=margin)


def instance_picture(
    image_rgb: NDArray[np.uint8],
    mask: Mask,
    *,
    box_xyxy: NDArray[np.float32],
    size_wh: tuple[int, int],
    margin: float,
    isolation: Isolation = "blur",
) -> NDArray[np.uint8]:
    """A crop around one instance, everything else blurred (or as `isolation` says).

    `image_rgb` uint8 [H, W, 3]; `box_xyxy` float32 [4] relative; the crop has the shape of `size_wh` (pixels), is the
    smallest that holds the box enlarged `margin` times, centred on it, and may reach past the frame (the edge pixels
    repeat). Returns uint8 [height, width, 3].
    """
    height, width = image_rgb.shape[:2]
    x1, y1, x2, y2 = box_xyxy * np.array([width, height, width, height], np.float32)
    out_w, out_h = size_wh
    cx, cy = (x1 + x2) / 2, (y1 + y2) / 2
    scale = min(out_w / (max(x2 - x1, 4.0) * margin), out_h / (max(y2 - y1, 4.0) * margin))
    # One affine resample for picture and mask; shrinking more than 2x is smoothed first so that thin parts don't alias.
    affine = np.array([[scale, 0, out_w / 2 - cx * scale], [0, scale, out_h / 2 - cy * scale]], np.float32)
    smoothing = max(1, int(0.6 / scale)) if scale < 0.5 else 1
    source = cv2.blur(image_rgb, (smoothing, smoothing)) if smoothing > 1 else image_rgb
    warped = cv2.warpAffine(source, affine, size_wh, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    crop: NDArray[np.uint8] = warped.astype(np.uint8, copy=False)
    alpha = cv2.warpAffine(mask.full().astype(np.uint8) * 255, affine, size_wh, flags=cv2.INTER_LINEAR)
    return isolate(crop, cv2.blur(alpha, (3, 3)).astype(np.float32) / 255.0, isolation)


def frame_view(image_rgb: NDArray[np.uint8], *, side: int) -> NDArray[np.uint8]:
    """The whole frame squeezed to a square (aspect not kept, as SigLIP-style towers expect): uint8 [side, side, 3]."""
    return frame_picture(image_rgb, size_wh=(side, side))


def frame_picture(image_rgb: NDArray[np.uint8], *, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """The whole frame squeezed to `size_wh` (pixels): uint8 [height, width, 3]."""
    view: NDArray[np.uint8] = cv2.resize(image_rgb, size_wh, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return view


def nearest_size(aspect: float, sizes_wh: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Of some picture sizes the one whose width / height is nearest to `aspect`, by ratio; the first of equals."""
    return min(sizes_wh, key=lambda wh: abs(math.log(wh[0] / wh[1]) - math.log(aspect)))


def pick_times(
    pts_seconds: NDArray[np.float64], weights: NDArray[np.float64], *, count: int, gap_seconds: float
) -> list[int]:
    """Indices [count] of the observations to show: `gap_seconds` apart, around where the instance is seen best.

    `pts_seconds` [T] rising, `weights` [T] >= 0 (visible area times sharpness...). The run of `count` observations
    that are nearest to t, t+gap, ... is scored by its smallest weight plus a little of its mean; short lives repeat
    their last observation. One sampling rule serves every view of a window.
    """
    best: tuple[float, list[int]] = (-1.0, [])
    for start in range(len(pts_seconds)):
        wanted = pts_seconds[start] + gap_seconds * np.arange(count)
        picks = [int(np.argmin(np.abs(pts_seconds - t))) for t in wanted]
        distinct = len(set(picks)) / count
        score = distinct * (float(weights[picks].min()) + 0.1 * float(weights[picks].mean()) + 1e-9)
        if score > best[0]:
            best = (score, picks)
    return best[1]


def spread_times(total: int, *, count: int) -> list[int]:
    """Indices [count] of the frames of the whole-picture view: the middles of `count` equal parts of `total` frames.

    Middles rather than ends, so that neither the first frame of a shot nor its last has a say of its own; fewer frames
    than views repeat some.
    """
    return [min(total - 1, int((k + 0.5) * total / count)) for k in range(count)]
