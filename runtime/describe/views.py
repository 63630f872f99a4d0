"""Pictures for the language model: the isolated instance, and the whole frame, in training and in use.

The isolation follows the method (docs/spec/instancecap.md 2.4: everything but the instance is blurred, so that only
its appearance is described), with two corrections of the reference: the instance is cropped and enlarged, so that a
small one stays readable, and the edge between it and the blur is feathered. The other three ways to set it apart are
those of the method's ablation; they differ in nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.config import Isolation
from edgecap.runtime.data.mask import Mask

SOLID_RGB = (0, 0, 255)
"""The reference meant a blue screen; its channels were swapped and the model saw a red one."""
RING_RGB = (255, 0, 0)
_BLUR_CELLS = 6  # the background keeps a 6x6 grid of colours: the scene's palette, none of its objects
_RING_MARGIN = 1.15
_RING_SHARE = 0.02
"""Width of the ring's line over the picture's short side."""


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
    smallest that contains the box enlarged `margin` times, centred on it, and may reach past the frame (the edge pixels
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


def isolate(crop_rgb: NDArray[np.uint8], alpha: NDArray[np.float32], kind: Isolation) -> NDArray[np.uint8]:
    """`crop_rgb` uint8 [H, W, 3]; `alpha` float32 [H, W], the instance's share (0-1) of each pixel. Returns uint8
    [H, W, 3]: the instance over a blur of its surroundings, over one colour, inside a ring, or the crop as it is."""
    if kind == "crop":
        return crop_rgb
    if kind == "ring":
        return _ringed(crop_rgb, alpha)
    ground = _blurred(crop_rgb) if kind == "blur" else np.full(crop_rgb.shape, SOLID_RGB, np.float32)
    share = alpha[..., None]
    out = share * crop_rgb.astype(np.float32) + (1.0 - share) * ground
    rounded: NDArray[np.uint8] = np.clip(out + 0.5, 0, 255).astype(np.uint8)
    return rounded


def _blurred(crop_rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    height, width = crop_rgb.shape[:2]
    tiny = cv2.resize(crop_rgb, (_BLUR_CELLS, _BLUR_CELLS), interpolation=cv2.INTER_AREA)
    blurred = cv2.resize(tiny, (width, height), interpolation=cv2.INTER_LINEAR)
    # Blend halfway to grey: a saturated blur next to the instance would compete with its own colours.
    ground: NDArray[np.float32] = 0.5 * blurred.astype(np.float32) + 64.0
    return ground


def _ringed(crop_rgb: NDArray[np.uint8], alpha: NDArray[np.float32]) -> NDArray[np.uint8]:
    """An ellipse around what can be seen of the instance; none where nothing can."""
    rows, columns = np.flatnonzero((alpha > 0.5).any(1)), np.flatnonzero((alpha > 0.5).any(0))
    if not len(rows):
        return crop_rgb
    out = crop_rgb.copy()
    centre = (int(columns[0] + columns[-1]) // 2, int(rows[0] + rows[-1]) // 2)
    # An ellipse through a box's corners is sqrt(2) times as wide; half-way there it misses little of the instance.
    axes = tuple(int(_RING_MARGIN * (span[-1] - span[0] + 1) / 2) + 1 for span in (columns, rows))
    line = max(2, round(_RING_SHARE * min(crop_rgb.shape[:2])))
    cv2.ellipse(out, centre, axes, 0, 0, 360, RING_RGB, line, cv2.LINE_AA)
    return out


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
        times = pts_seconds[start] + gap_seconds * np.arange(count)
        picks = [int(np.argmin(np.abs(pts_seconds - t))) for t in times]
        distinct = len(set(picks)) / count
        score = distinct * (float(weights[picks].min()) + 0.1 * float(weights[picks].mean()) + 1e-9)
        if score > best[0]:
            best = (score, picks)
    return best[1]


def spread_times(total: int, *, count: int) -> list[int]:
    """Indices [count] of the frames of the whole-picture view: the middles of `count` equal parts of `total` frames.

    Middles rather than ends, so that neither the first frame of a shot nor its last decides on its own; fewer frames
    than views repeat some.
    """
    return [min(total - 1, int((k + 0.5) * total / count)) for k in range(count)]
