"""One instance's pixels in one frame, kept as their bounding rectangle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Mask:
    """A binary mask of a frame, stored as its bounding rectangle.

    `origin_xy`: left and top pixel of the rectangle in the frame. `bits`: bool [h, w], the rectangle's pixels.
    `size_wh`: the frame's size in pixels. The rectangle is inside the frame. An empty mask has bits of shape [0, 0].
    """

    origin_xy: tuple[int, int]
    bits: NDArray[np.bool_]
    size_wh: tuple[int, int]

    def __post_init__(self) -> None:
        (x, y), (h, w), (width, height) = self.origin_xy, self.bits.shape, self.size_wh
        if x < 0 or y < 0 or x + w > width or y + h > height:
            raise ValueError(f"mask outside its frame: {self.origin_xy = }, {self.bits.shape = }, {self.size_wh = }")

    def __repr__(self) -> str:
        return f"Mask({self.origin_xy = }, {self.bits.shape = }, area={self.area_pixels}, {self.size_wh = })"

    @property
    def area_pixels(self) -> int:
        """Number of pixels set."""
        return int(np.count_nonzero(self.bits))

    @property
    def centroid_xy(self) -> tuple[float, float] | None:
        """Mean of the pixel centres, relative to the frame (0-1); None for an empty mask."""
        ys, xs = np.nonzero(self.bits)
        if len(xs) == 0:
            return None
        return (
            float((xs.mean() + 0.5 + self.origin_xy[0]) / self.size_wh[0]),
            float((ys.mean() + 0.5 + self.origin_xy[1]) / self.size_wh[1]),
        )

    @property
    def box_xyxy(self) -> NDArray[np.float32]:
        """Tight box of the set pixels, float32 [4], relative (0-1); zeros for an empty mask."""
        rows, cols = np.flatnonzero(self.bits.any(1)), np.flatnonzero(self.bits.any(0))
        if len(rows) == 0:
            return np.zeros(4, np.float32)
        x, y = self.origin_xy
        edges = np.array([x + cols[0], y + rows[0], x + cols[-1] + 1, y + rows[-1] + 1], np.float32)
        sizes = np.array([*self.size_wh, *self.size_wh], np.float32)
        return np.divide(edges, sizes, dtype=np.float32)

    def full(self) -> NDArray[np.bool_]:
        """The whole frame's mask, bool [H, W]."""
        return self.part((0, 0, *self.size_wh))

    def part(self, rectangle_xyxy: tuple[int, int, int, int]) -> NDArray[np.bool_]:
        """The pixels in a rectangle x0 y0 x1 y1 (half-open) of the frame, bool [y1 - y0, x1 - x0]."""
        x0, y0, x1, y1 = rectangle_xyxy
        out = np.zeros((y1 - y0, x1 - x0), bool)
        (x, y), (h, w) = self.origin_xy, self.bits.shape
        left, top, right, bottom = max(x, x0), max(y, y0), min(x + w, x1), min(y + h, y1)
        if right > left and bottom > top:
            out[top - y0 : bottom - y0, left - x0 : right - x0] = self.bits[top - y : bottom - y, left - x : right - x]
        return out

    def shared_rectangle(self, other: Mask) -> tuple[int, int, int, int] | None:
        """x0 y0 x1 y1 (half-open) of what both rectangles cover; None where they don't meet."""
        if self.size_wh != other.size_wh:
            raise ValueError(f"masks of two frame sizes: {self.size_wh = }, {other.size_wh = }")
        (ax, ay), (ah, aw) = self.origin_xy, self.bits.shape
        (bx, by), (bh, bw) = other.origin_xy, other.bits.shape
        x0, y0, x1, y1 = max(ax, bx), max(ay, by), min(ax + aw, bx + bw), min(ay + ah, by + bh)
        return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None

    @classmethod
    def from_full(cls, bits: NDArray[np.bool_]) -> Mask:
        """Crop a whole-frame mask bool [H, W] to its bounding rectangle."""
        return cls.from_part(bits, origin_xy=(0, 0), size_wh=(bits.shape[1], bits.shape[0]))

    @classmethod
    def from_part(cls, bits: NDArray[np.bool_], *, origin_xy: tuple[int, int], size_wh: tuple[int, int]) -> Mask:
        """Crop a rectangle bool [h, w] of a frame, left and top pixel at `origin_xy`, to the mask's own rectangle."""
        rows, cols = np.flatnonzero(bits.any(1)), np.flatnonzero(bits.any(0))
        if len(rows) == 0:
            return cls(origin_xy=(0, 0), bits=np.zeros((0, 0), bool), size_wh=size_wh)
        y0, y1, x0, x1 = int(rows[0]), int(rows[-1]) + 1, int(cols[0]), int(cols[-1]) + 1
        return cls((origin_xy[0] + x0, origin_xy[1] + y0), bits[y0:y1, x0:x1].copy(), size_wh)

    def iou(self, other: Mask) -> float:
        """Intersection over union with another mask of the same frame size; 0 where either is empty."""
        rectangle = self.shared_rectangle(other)
        shared = int((self.part(rectangle) & other.part(rectangle)).sum()) if rectangle is not None else 0
        union = self.area_pixels + other.area_pixels - shared
        return shared / union if union else 0.0
