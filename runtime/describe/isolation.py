"""How one instance is set apart from the rest of the picture it is shown in: the visual prompt.

In: a crop and the instance's share of each pixel. Out: the picture shown. The four are those that
the method's ablation compares (docs/spec/instancecap.md 2.4), drawn in the crop, so that they differ in nothing else.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.config import Isolation

SOLID_RGB = (0, 0, 255)
"""The reference meant a blue screen; its channels were swapped and the model saw a red one."""
RING_RGB = (255, 0, 0)
_BLUR_CELLS = 6  # the background keeps a 6x6 grid of colours: the scene's palette, none of its objects
_RING_MARGIN = 1.15
_RING_SHARE = 0.02
"""Width of the ring's line over the picture's short side."""


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
