"""Brush: paints in world units on the canvas of one scene.

World units are pixels of the 360-line reference frame, x right, y down, (0, 0) the top left corner of the frame at
the middle of the clip. The canvas covers `world_rect`, everything the camera ever sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.bench.world.colours import RGB

SHIFT = 3


@dataclass(frozen=True, slots=True)
class Brush:
    """Canvas and where it is in the world."""

    canvas: NDArray[np.uint8]
    """[h, w, 3] RGB, painted in place."""
    world_rect: tuple[float, float, float, float]
    """(left, top, right, bottom) in world units."""
    scale: float
    """Canvas pixels per world unit."""
    horizon: float
    """World y where the ground begins."""
    rng: np.random.Generator

    @classmethod
    def blank(
        cls, world_rect: tuple[float, float, float, float], *, scale: float, horizon: float, rng: np.random.Generator
    ) -> Brush:
        """Brush over a new canvas."""
        left, top, right, bottom = world_rect
        size = (int(np.ceil((bottom - top) * scale)), int(np.ceil((right - left) * scale)), 3)
        return cls(np.full(size, 200, np.uint8), world_rect, scale, horizon, rng)

    def fixed(self, points: NDArray[np.float64]) -> NDArray[np.int32]:
        """World points [..., 2] -> canvas coordinates with `SHIFT` fractional bits."""
        origin = np.array(self.world_rect[:2])
        return np.asarray(np.round((points - origin) * (self.scale * (1 << SHIFT))), np.int32)

    def gradient(self, top: float, bottom: float, stops: Sequence[RGB]) -> None:
        """Vertical gradient between world rows `top` and `bottom` through even `stops`, clipped to the canvas."""
        rows = self.canvas.shape[0]
        first = int(np.clip(np.floor((top - self.world_rect[1]) * self.scale), 0, rows))
        last = int(np.clip(np.ceil((bottom - self.world_rect[1]) * self.scale), 0, rows))
        if first >= last:
            return
        y = np.arange(first, last) / self.scale + self.world_rect[1]
        knots = np.linspace(top, bottom, len(stops))
        colours = np.stack([np.interp(y, knots, [s[c] for s in stops]) for c in range(3)], axis=1)
        self.canvas[first:last] = np.round(colours).astype(np.uint8)[:, None]

    def poly(
        self,
        points: NDArray[np.float64] | list[tuple[float, float]],
        colour: RGB,
        *,
        line: RGB | None = None,
        width: float = 1.2,
    ) -> None:
        """Filled polygon, optionally with an outline."""
        fixed = self.fixed(np.asarray(points, dtype=np.float64))
        cv2.fillPoly(self.canvas, [fixed], colour, cv2.LINE_AA, SHIFT)
        if line is not None:
            cv2.polylines(self.canvas, [fixed], True, line, self._px(width), cv2.LINE_AA, SHIFT)

    def polys(self, points: NDArray[np.float64], colour: RGB) -> None:
        """Many equal-length filled polygons [N, K, 2] of one colour."""
        for fixed in self.fixed(points):
            cv2.fillConvexPoly(self.canvas, fixed, colour, cv2.LINE_AA, SHIFT)

    def strokes(self, points: NDArray[np.float64], colour: RGB, *, width: float = 1.2) -> None:
        """Many open strokes [N, K, 2] of one colour in one call."""
        if len(points):
            cv2.polylines(self.canvas, list(self.fixed(points)), False, colour, self._px(width), cv2.LINE_AA, SHIFT)

    def spots(self, centres: NDArray[np.float64], radii: NDArray[np.float64], colour: RGB) -> None:
        """Many discs; `centres` [N, 2], `radii` [N]."""
        fixed = self.fixed(centres)
        for (x, y), r in zip(fixed.tolist(), radii.tolist(), strict=True):
            cv2.circle(self.canvas, (x, y), round(r * self.scale * (1 << SHIFT)), colour, -1, cv2.LINE_AA, SHIFT)

    def rect(
        self, left: float, top: float, right: float, bottom: float, colour: RGB, *, line: RGB | None = None
    ) -> None:
        """Axis-parallel rectangle."""
        self.poly([(left, top), (right, top), (right, bottom), (left, bottom)], colour, line=line)

    def scatter(self, top: float, bottom: float, per_unit_area: float) -> NDArray[np.float64]:
        """Random points [N, 2] in the band, sorted from far (small y) to near; the limits are clipped to the canvas."""
        left, low, right, high = self.world_rect
        top, bottom = max(top, low), min(bottom, high)
        if bottom <= top:
            return np.zeros((0, 2))
        count = int((bottom - top) * (right - left) * per_unit_area) + 1
        # Stratified in x, so that no stretch of the picture stays empty.
        x = left + (self.rng.permutation(count) + self.rng.random(count)) / count * (right - left)
        y = top + self.rng.random(count) * (bottom - top)
        points = np.stack([x, y], axis=1)
        return points[np.argsort(points[:, 1])]

    def nearness(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Size factor of ground details: 0.55 at the horizon to 1.5 at the bottom of the reference frame and below."""
        return np.clip(0.55 + 0.95 * (y - self.horizon) / (360.0 - self.horizon), 0.55, 1.6)

    def _px(self, width: float) -> int:
        return max(1, round(width * self.scale))
