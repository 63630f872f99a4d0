"""Text on pictures: measured, wrapped, set on a ground.

OpenCV 5 sets its built-in TrueType face; sizes are pixels, positions the top left of the line box.
"""

from __future__ import annotations

from functools import cache, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

RGB = tuple[int, int, int]
REGULAR, SEMIBOLD = 400, 620
LINE = 1.36
"""Line height in sizes."""


@cache
def _face() -> cv2.FontFace:
    return cv2.FontFace("sans")


@lru_cache(maxsize=4096)
def text_width(text: str, *, size: int, weight: int = REGULAR) -> int:
    """Width in pixels of one line; a final space counts nothing."""
    (_, _, width, _) = cv2.getTextSize((0, 0), text, (0, 0), _face(), size, weight)
    return int(width)


def draw_text(
    image_rgb: NDArray[np.uint8], text: str, *, x: int, y: int, size: int, colour: RGB, weight: int = REGULAR
) -> None:
    """Set one line in place; (x, y) is the top left of its line box."""
    baseline = y + round(size * 1.04)
    cv2.putText(image_rgb, text, (x, baseline), colour, _face(), size, weight, cv2.PUT_TEXT_ALIGN_LEFT)


def wrap(text: str, *, width: int, size: int, most_lines: int, weight: int = REGULAR) -> list[str]:
    """Greedy lines no wider than `width` pixels, at most `most_lines`; what is left out shows as an
    ellipsis."""
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < most_lines:
        line = words.pop(0)
        while words and text_width(f"{line} {words[0]}", size=size, weight=weight) <= width:
            line = f"{line} {words.pop(0)}"
        lines.append(line)
    if words:
        lines[-1] = clip(f"{lines[-1]} {words[0]}", width=width, size=size, weight=weight, always=True)
    return [clip(line, width=width, size=size, weight=weight) for line in lines]


def clip(text: str, *, width: int, size: int, weight: int = REGULAR, always: bool = False) -> str:
    """The text cut to `width` pixels with "..." at the end where it was cut (`always`: even where it
    fits)."""
    if not always and text_width(text, size=size, weight=weight) <= width:
        return text
    while text and text_width(f"{text}...", size=size, weight=weight) > width:
        text = text[:-1]
    return f"{text.rstrip()}..."


def chip(
    image_rgb: NDArray[np.uint8], text: str, *, x: int, y: int, size: int, fill: RGB, colour: RGB, opacity: float = 1.0
) -> None:
    """A line on a rounded ground with its top left at (x, y), moved inside the picture where it would leave
    it."""
    width, height = chip_size(text, size=size)
    x = max(0, min(x, image_rgb.shape[1] - width))
    y = max(0, min(y, image_rgb.shape[0] - height))
    rounded_box(
        image_rgb, x=x, y=y, width=width, height=height, radius=round(height * 0.28), fill=fill, opacity=opacity
    )
    draw_text(
        image_rgb, text, x=x + round(size * 0.55), y=y + round(size * 0.24), size=size, colour=colour, weight=SEMIBOLD
    )


def chip_size(text: str, *, size: int) -> tuple[int, int]:
    """(width, height) in pixels of a chip."""
    return text_width(text, size=size, weight=SEMIBOLD) + round(size * 1.1), round(size * 1.62)


def rounded_box(
    image_rgb: NDArray[np.uint8], *, x: int, y: int, width: int, height: int, radius: int, fill: RGB, opacity: float
) -> None:
    """Blend a rounded rectangle into the picture, in place; the part outside the picture is cut."""
    x1, y1 = max(0, x), max(0, y)
    region = image_rgb[y1 : y + height, x1 : x + width]
    if not region.size:
        return
    cover = np.zeros((height, width), np.uint8)
    r = max(1, min(radius, width // 2, height // 2))
    cv2.rectangle(cover, (r, 0), (width - r - 1, height - 1), 255, cv2.FILLED)
    cv2.rectangle(cover, (0, r), (width - 1, height - r - 1), 255, cv2.FILLED)
    for cx in (r, width - r - 1):
        for cy in (r, height - r - 1):
            cv2.circle(cover, (cx, cy), r, 255, cv2.FILLED, cv2.LINE_AA)
    cover = cover[y1 - y : y1 - y + region.shape[0], x1 - x : x1 - x + region.shape[1]]
    alpha = cover[..., None].astype(np.float32) / 255.0 * opacity
    region[:] = (region * (1 - alpha) + np.array(fill, np.float32) * alpha + 0.5).astype(np.uint8)
