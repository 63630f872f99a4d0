"""From a coded picture to the displayed one: which turn or mirror, which size with square pixels, which bars."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

_SAME_SHAPE = 0.02  # sides that differ by less than this are stretched, not given bars


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight ways that a picture can lie. Applied in this order: `transposed` (rows become columns),
    `flipped_lr`, `flipped_ud`."""

    transposed: bool = False
    flipped_lr: bool = False
    flipped_ud: bool = False

    @classmethod
    def of_matrix(cls, matrix: bytes | None) -> Orientation:
        """From a display matrix: nine int32 a b u / c d v / x y w of ISO/IEC 14496-12, 8.3.2, by which a coded point
        (x, y) is shown at (a x + c y, b x + d y); None: as coded. The nearest of the eight for other angles."""
        if matrix is None or len(matrix) < 36:
            return cls()
        a, b, _, c, d = (int(v) for v in np.frombuffer(matrix[:20], np.int32))
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, a < 0, d < 0)
        return cls(True, c < 0, b < 0)

    @property
    def rotation_degrees(self) -> int:
        """Counter-clockwise turn, after mirroring left to right where the picture is mirrored at all."""
        lr, ud = self.flipped_lr, self.flipped_ud
        if not self.transposed:
            return 180 if ud else 0
        return 270 if lr else 90

    def apply(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """[H, W, 3] as coded -> as displayed, contiguous."""
        if self.transposed:
            image = image.transpose(1, 0, 2)
        if self.flipped_lr:
            image = image[:, ::-1]
        if self.flipped_ud:
            image = image[::-1]
        return np.ascontiguousarray(image)


def square_pixel_size(width: int, height: int, pixel_aspect: Fraction | None) -> tuple[float, float]:
    """(width, height) with square pixels: the side that is too short is stretched, so that nothing is lost."""
    if not pixel_aspect or pixel_aspect < 0:
        return float(width), float(height)
    if pixel_aspect > 1:
        return float(width * pixel_aspect), float(height)
    return float(width), float(height / pixel_aspect)


def fitted_size(size_wh: tuple[float, float], into_wh: tuple[int, int]) -> tuple[int, int]:
    """The largest (width, height) of the shape of `size_wh` inside `into_wh`; all of it where the shapes agree."""
    scale_x, scale_y = into_wh[0] / size_wh[0], into_wh[1] / size_wh[1]
    if abs(scale_x / scale_y - 1) < _SAME_SHAPE:
        return into_wh
    scale = min(scale_x, scale_y)
    return max(1, round(size_wh[0] * scale)), max(1, round(size_wh[1] * scale))


def with_bars(image: NDArray[np.uint8], size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture in the middle of a black one of `size_wh`; itself where it fills it."""
    height, width = image.shape[:2]
    if (width, height) == size_wh:
        return image
    canvas = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    top, left = (size_wh[1] - height) // 2, (size_wh[0] - width) // 2
    canvas[top : top + height, left : left + width] = image
    return canvas
