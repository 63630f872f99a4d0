"""Motion truth: directions in the image and in the world, and 3x3 position cells.

Definitions, used by `truth` and by the quality bench:
- an actor counts as visible in a frame when at least 30 % of its whole area and at least 60 pixels are visible (of a
  640x360 frame; scaled with the frame area otherwise);
- displacement = body centre in the last visible frame minus body centre in the first one. The body centre is the centre
  of the rest pose, so neither gestures nor occlusion move it;
- image: both centres projected by their own frame's camera. World: both centres taken in the world and mapped by the
  linear part of the camera of the clip's middle frame: what a camera standing still as in the middle frame would see;
- below 2 % of the frame diagonal the direction is "static".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COMPASS = ("right", "up-right", "up", "up-left", "left", "down-left", "down", "down-right")
"""Bins of 45 degrees around 0, 45, ... degrees, counter-clockwise from the right."""
DEAD_ZONE = 0.02
VISIBLE_FRACTION = 0.30
VISIBLE_PIXELS = 60.0
_REFERENCE_AREA = 640 * 360


def visible_pixels(size_wh: tuple[int, int]) -> float:
    """Least visible area in pixels for a frame of this size."""
    return VISIBLE_PIXELS * size_wh[0] * size_wh[1] / _REFERENCE_AREA


def compass_word(displacement_px: NDArray[np.float64], size_wh: tuple[int, int]) -> str:
    """Nearest of eight directions, or "static"; `displacement_px` [2] with y down."""
    if float(np.hypot(*displacement_px)) < DEAD_ZONE * float(np.hypot(*size_wh)):
        return "static"
    return COMPASS[int(np.round(angle_degrees(displacement_px) / 45.0)) % 8]


def angle_degrees(displacement_px: NDArray[np.float64]) -> float:
    """Angle in [0, 360): 0 right, 90 up."""
    return float(np.rad2deg(np.arctan2(-displacement_px[1], displacement_px[0])) % 360.0)


def image_displacement(centres: NDArray[np.float64], cameras: NDArray[np.float64]) -> NDArray[np.float64]:
    """[2] pixels between the projections of world `centres` [2, 2] by `cameras` [2, 3, 3] (first, last)."""
    projected = np.einsum("tij,tj->ti", cameras[:, :2, :2], centres) + cameras[:, :2, 2]
    return np.asarray(projected[1] - projected[0])


def world_displacement(centres: NDArray[np.float64], middle_camera: NDArray[np.float64]) -> NDArray[np.float64]:
    """[2] pixels between world `centres` [2, 2] as the camera of the middle frame sees them."""
    return np.asarray(middle_camera[:2, :2] @ (centres[1] - centres[0]))


def position_cell(x: float, y: float) -> str:
    """3x3 cell of a relative point, e.g. "top-left"; rows top, center, bottom; columns left, middle, right."""
    row = "top" if y < 1 / 3 else "center" if y < 2 / 3 else "bottom"
    column = "left" if x < 1 / 3 else "middle" if x < 2 / 3 else "right"
    return f"{row}-{column}"
