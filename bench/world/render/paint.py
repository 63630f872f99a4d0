"""Painter: rasterises a sprite's shapes into a small premultiplied RGBA patch.

In: shapes, a 2x3 affine map from local units to image pixels, inks. Out: `Patch`, clipped to nothing: it covers the
whole sprite, also outside the frame, so that the amodal area is its count of opaque pixels. Contact shadows go straight
into the picture: a soft dark oval where an actor stands, a dark oval and a bright wake where it floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.bench.world.colours import RGB
from edgecap.bench.world.render.shapes import Shape

OVERSAMPLING = 2
"""Shapes are drawn without anti-aliasing at twice the size and averaged: smooth edges, cheaper than LINE_AA."""
SHIFT = 3
"""Fractional bits of the coordinates handed to OpenCV."""
RIM_ALPHA = 0.45
OPAQUE = 128
"""Alpha from which a pixel belongs to the actor's mask (the pale rim around it does not)."""
_TURN = np.linspace(0, 2 * np.pi, 20, endpoint=False)
_CIRCLE = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)
_STRENGTH = {"ground": 0.30, "water": 0.24}
"""Darkening in the middle of a shadow."""
_WAKE = (236, 242, 244)


@dataclass(frozen=True, slots=True)
class Patch:
    """Painted sprite, placed in the image."""

    rgba: NDArray[np.uint8]
    """[h, w, 4], colours premultiplied by alpha."""
    left: int
    """Column of the patch's first pixel in the image; may be negative."""
    top: int

    def opaque(self) -> NDArray[np.bool_]:
        """[h, w] mask of the amodal body."""
        return self.rgba[..., 3] >= OPAQUE


def paint(shapes: Sequence[Shape], affine: NDArray[np.float64], inks: dict[str, RGB], *, outline_px: float) -> Patch:
    """Paint `shapes`; `affine` [2, 3] maps their points to image pixels, `outline_px` is the dark line's width."""
    scale = float(np.sqrt(abs(np.linalg.det(affine[:, :2]))))
    placed = _place(shapes, affine)
    widths = [s.width * scale for s in shapes]
    margin = outline_px * 2 + 2
    low = np.floor(np.min([p.min(axis=0) - w / 2 for p, w in zip(placed, widths, strict=True)], axis=0) - margin)
    high = np.ceil(np.max([p.max(axis=0) + w / 2 for p, w in zip(placed, widths, strict=True)], axis=0) + margin)
    width, height = (int(v) for v in high - low)
    canvas = np.zeros((height * OVERSAMPLING, width * OVERSAMPLING, 4), np.uint8)
    factor = OVERSAMPLING * (1 << SHIFT)
    fixed = [np.round((p - low) * factor).astype(np.int32) for p in placed]
    rim = tuple(round(c * RIM_ALPHA) for c in (*inks["rim"], 255))
    for shape, points, stroke in zip(shapes, fixed, widths, strict=True):
        if shape.outline:
            _stroke(canvas, points, rim, stroke + outline_px * 3.2, closed=shape.width == 0)
    line = (*inks["line"], 255)
    for shape, points, stroke in zip(shapes, fixed, widths, strict=True):
        if shape.outline:
            _stroke(canvas, points, line, stroke + outline_px * (2 if shape.width else 1.6), closed=shape.width == 0)
        ink = (*inks[shape.ink], 255)
        if shape.width:
            _stroke(canvas, points, ink, stroke, closed=False)
        else:
            cv2.fillPoly(canvas, [points], ink, cv2.LINE_8, SHIFT)
    small = np.asarray(cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return Patch(_shaded(small), int(low[0]), int(low[1]))


def _place(shapes: Sequence[Shape], affine: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Points of every shape in image pixels, mapped in one product."""
    everything = np.concatenate([s.points for s in shapes])
    mapped = everything @ affine[:, :2].T + affine[:, 2]
    ends = np.cumsum([len(s.points) for s in shapes])[:-1]
    return np.split(mapped, ends)


def _stroke(
    canvas: NDArray[np.uint8], points: NDArray[np.int32], ink: Sequence[int], width_px: float, *, closed: bool
) -> None:
    thickness = max(1, round(width_px * OVERSAMPLING))
    cv2.polylines(canvas, [points], closed, tuple(ink), thickness, cv2.LINE_8, SHIFT)


@cache
def _light() -> NDArray[np.uint8]:
    """[32, 32, 4] soft light from the top left; alpha is left alone (240 is neutral)."""
    y, x = np.mgrid[0:32, 0:32] / 31.0
    level = 250.0 - 34.0 * np.clip(0.35 * x + 0.65 * y, 0, 1) ** 1.3
    light = np.repeat(level[..., None], 4, axis=2)
    light[..., 3] = 240.0
    return light.astype(np.uint8)


def _shaded(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    light = cv2.resize(_light(), (rgba.shape[1], rgba.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.multiply(rgba, light, scale=1 / 240.0), np.uint8)


def blend(image: NDArray[np.uint8], patch: Patch) -> tuple[slice, slice, slice, slice] | None:
    """Lay `patch` over `image` in place; returns (image rows, columns, patch rows, columns), None if outside."""
    height, width = image.shape[:2]
    rows, columns = patch.rgba.shape[:2]
    top, left = max(patch.top, 0), max(patch.left, 0)
    bottom, right = min(patch.top + rows, height), min(patch.left + columns, width)
    if top >= bottom or left >= right:
        return None
    where = (
        slice(top, bottom),
        slice(left, right),
        slice(top - patch.top, bottom - patch.top),
        slice(left - patch.left, right - patch.left),
    )
    front = patch.rgba[where[2], where[3]]
    keep = cv2.bitwise_not(np.ascontiguousarray(front[..., 3]))
    behind = cv2.multiply(
        np.ascontiguousarray(image[where[0], where[1]]), cv2.merge([keep, keep, keep]), scale=1 / 255.0
    )
    image[where[0], where[1]] = cv2.add(behind, np.ascontiguousarray(front[..., :3]))
    return where


def cast_shadow(
    image: NDArray[np.uint8],
    camera: NDArray[np.float64],
    *,
    centre: NDArray[np.float64],
    extent: NDArray[np.float64],
    habitat: str,
) -> None:
    """Darken `image` in place under an actor with world `centre` [2] and `extent` [2]; flyers cast none."""
    if habitat not in _STRENGTH:
        return
    foot = np.add(centre, (0.0, 0.5 * extent[1]))
    half = np.array([0.50 * extent[0], 0.035 * extent[0] + 0.025 * extent[1] + 2.0])
    for grow, share in ((1.0, 0.45), (0.82, 0.55)):
        _darken(image, _mapped(camera, foot + _CIRCLE * half * grow), 1.0 - _STRENGTH[habitat] * share)
    if habitat == "water":
        for side in (-1.0, 1.0):
            line = np.array([(0.42, 0.5), (0.56, 0.1), (0.74, 0.9)]) * extent[0] * (side, 0.06) + foot
            cv2.polylines(image, [_mapped(camera, line)], False, _WAKE, 1, cv2.LINE_AA, SHIFT)


def _mapped(camera: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.int32]:
    mapped = points @ camera[:2, :2].T + camera[:2, 2]
    return np.round(mapped * (1 << SHIFT)).astype(np.int32)


def _darken(image: NDArray[np.uint8], fixed: NDArray[np.int32], factor: float) -> None:
    """Multiply the pixels inside a polygon by `factor`."""
    height, width = image.shape[:2]
    left, top = np.maximum(fixed.min(axis=0) >> SHIFT, 0)
    right, bottom = np.minimum((fixed.max(axis=0) >> SHIFT) + 2, (width, height))
    if left >= right or top >= bottom:
        return
    cut = np.full((bottom - top, right - left), 255, np.uint8)
    cv2.fillPoly(cut, [fixed - np.array([left << SHIFT, top << SHIFT])], round(255 * factor), cv2.LINE_AA, SHIFT)
    region = np.ascontiguousarray(image[top:bottom, left:right])
    image[top:bottom, left:right] = cv2.multiply(region, cv2.merge([cut, cut, cut]), scale=1 / 255.0)
