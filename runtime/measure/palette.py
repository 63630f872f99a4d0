"""Which of the 11 basic colour terms an instance carries, and how much of each.

In: pictures and masks of a track's best views. Out: `ColourShare`s, largest first.

The terms are those of Berlin and Kay (Basic Color Terms, 1969). The prototypes are our own: for each term a
few typical sRGB values, from dark to light, placed by hand in CIELAB so that the borders fall where people
usually change the word (brown is dark orange, pink is light red...). A pixel takes the term of the nearest
prototype in CIELAB, with hue counted more than lightness, because light and shadow change the latter; the
answer is tabulated once for 32 x 32 x 32 colours. Gray ends at sRGB 80 and 182: fitted to what people call the dogs and
cars of Flickr8k's photographs, one half of them, as is "gray only where sure" in describe/said_colours.py.

Tried and left out: white balance by shades of gray or by the gray world (Finlayson and Trezzi 2004), of the background
alone, capped or halved. Cameras have balanced their pictures already: of those photographs' things fewer were right.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.engines.compiled import compiled
from edgecap.runtime.data.evidence import ColourShare
from edgecap.runtime.data.mask import Mask

TERMS = ("black", "white", "gray", "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown")
PROTOTYPES: dict[str, tuple[tuple[int, int, int], ...]] = {
    "black": ((0, 0, 0), (20, 20, 22), (36, 36, 40), (30, 24, 22), (20, 24, 36), (52, 52, 56), (66, 66, 68)),
    "white": (
        (255, 255, 255),
        (240, 240, 238),
        (226, 226, 226),
        (246, 240, 226),
        (228, 236, 246),
        (216, 216, 214),
        (196, 196, 196),
    ),
    "gray": (
        (92, 92, 94),
        (104, 105, 108),
        (128, 128, 130),
        (160, 161, 164),
        (168, 168, 170),
        (112, 116, 124),
        (140, 132, 126),
    ),
    "red": ((90, 8, 12), (140, 14, 20), (190, 24, 28), (220, 36, 36), (236, 60, 52), (200, 64, 64)),
    "orange": ((246, 130, 20), (255, 150, 40), (226, 110, 10), (236, 96, 24), (250, 160, 74), (204, 104, 20)),
    "yellow": (
        (250, 216, 40),
        (255, 240, 90),
        (230, 196, 20),
        (200, 174, 24),
        (250, 236, 140),
        (170, 150, 20),
        (255, 204, 20),
    ),
    "green": (
        (10, 56, 20),
        (24, 100, 40),
        (42, 150, 62),
        (80, 190, 80),
        (130, 200, 90),
        (100, 130, 50),
        (140, 220, 150),
        (20, 120, 90),
        (60, 84, 40),
        (96, 150, 110),
    ),
    "blue": (
        (10, 20, 70),
        (20, 50, 130),
        (38, 88, 214),
        (60, 120, 230),
        (110, 170, 240),
        (40, 150, 210),
        (170, 206, 244),
        (60, 90, 140),
        (24, 110, 140),
        (110, 140, 180),
        (30, 30, 180),
    ),
    "purple": (
        (50, 16, 70),
        (90, 30, 120),
        (126, 52, 168),
        (150, 80, 200),
        (176, 120, 214),
        (120, 40, 120),
        (200, 160, 230),
        (110, 80, 150),
    ),
    "pink": (
        (250, 142, 192),
        (255, 170, 205),
        (240, 100, 160),
        (250, 196, 214),
        (226, 70, 140),
        (240, 150, 160),
        (214, 120, 160),
    ),
    "brown": (
        (60, 34, 16),
        (90, 54, 26),
        (122, 72, 34),
        (146, 92, 50),
        (100, 70, 50),
        (170, 116, 70),
        (80, 50, 40),
        (130, 50, 26),
    ),
}
MOST_VIEWS = 6
_SIDE = 32
_LIGHTNESS_WEIGHT = 0.55
"""Distance in L* counts this much of one in a* or b*."""
_LIT_LEVEL, _BRIGHT_LEVEL, _MOST_GAIN = 205.0, 240.0, 2.5
"""A picture whose 98th percentile is under the first is too dark and is brought to the second, at most by
the third."""
_LEAST_CORE = 0.15
"""Share of an instance's pixels that must have neighbours of their own colour; below it, all its pixels are
counted."""


def palette(views: Sequence[tuple[NDArray[np.uint8], Mask]]) -> tuple[ColourShare, ...]:
    """Colour shares over the pixels of up to `MOST_VIEWS` views (picture uint8 [H, W, 3] RGB, mask of the
    same size); they sum to 1.

    The mask's rim is left out (1 or 2 pixels, where it keeps a body), and a pixel counts only where all eight
    neighbours carry its own term: thin outlines, and the mixed colours that compression leaves between two
    surfaces, are no colour of the instance. No views, or empty masks only: an empty tuple.
    """
    counts = np.zeros((2, len(TERMS)), np.int64)
    for image_rgb, mask in views[:MOST_VIEWS]:
        if mask.area_pixels == 0:
            continue
        if image_rgb.shape[:2] != mask.size_wh[::-1]:
            raise ValueError(f"picture and mask of two sizes: {image_rgb.shape = }, {mask.size_wh = }")
        left, top = mask.origin_xy
        height, width = mask.bits.shape
        # The median takes sensor noise out and keeps edges.
        crop = cv2.medianBlur(np.ascontiguousarray(image_rgb[top : top + height, left : left + width]), 3)
        counts += _count(np.asarray(crop, np.uint8), _eroded(mask), colour_table(), _exposure(image_rgb))
    core, every = counts
    used = core if core.sum() >= _LEAST_CORE * every.sum() else every
    if used.sum() == 0:
        return ()
    shares = used / used.sum()
    order = np.argsort(-shares, kind="stable")
    return tuple(ColourShare(name=TERMS[i], share=float(shares[i])) for i in order if shares[i] > 0)


def best_views(areas: NDArray[np.float32], clean: NDArray[np.bool_], *, count: int = MOST_VIEWS) -> list[int]:
    """Indices of up to `count` observations to look at, in time order: the largest of each of `count` equal
    stretches of the tracklet, whole bodies (`clean` bool [T]) before cut ones, and none smaller than a third of
    the largest."""
    worth = areas * np.where(clean, 1.0, 0.25)
    parts = np.array_split(np.arange(len(areas)), min(count, len(areas)))
    picks = [int(part[np.argmax(worth[part])]) for part in parts]
    floor = float(worth[picks].max()) / 3
    return [i for i in picks if worth[i] >= floor]


@cache
def colour_table() -> NDArray[np.uint8]:
    """uint8 [32, 32, 32]: index into `TERMS` of every RGB colour, by its cell's middle."""
    middles = (np.arange(_SIDE) * (256 // _SIDE) + 128 // _SIDE).astype(np.float64)
    grid = np.stack(np.meshgrid(middles, middles, middles, indexing="ij"), -1).reshape(-1, 3)
    terms = np.repeat(np.arange(len(TERMS)), [len(PROTOTYPES[t]) for t in TERMS])
    weights = np.array([_LIGHTNESS_WEIGHT, 1.0, 1.0])
    prototypes = _lab(np.array([rgb for t in TERMS for rgb in PROTOTYPES[t]], np.float64)) * weights
    cells = _lab(grid) * weights
    # |a-b|^2 without the |a|^2 that every candidate shares.
    distances = (prototypes**2).sum(1)[None, :] - 2 * cells @ prototypes.T
    table: NDArray[np.uint8] = terms[distances.argmin(1)].astype(np.uint8).reshape(_SIDE, _SIDE, _SIDE)
    return table


def _lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    """CIELAB (D65) of sRGB 0-255, [N, 3] (IEC 61966-2-1, CIE 15)."""
    linear = np.where(rgb <= 0.04045 * 255, rgb / 255 / 12.92, ((rgb / 255 + 0.055) / 1.055) ** 2.4)
    xyz = (
        linear
        @ np.array(
            [[0.4124564, 0.2126729, 0.0193339], [0.3575761, 0.7151522, 0.1191920], [0.1804375, 0.0721750, 0.9503041]]
        )
        / np.array([0.95047, 1.0, 1.08883])
    )
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def _exposure(image_rgb: NDArray[np.uint8]) -> float:
    """Factor that brings a dark picture's brightest surfaces to where a well exposed one has them; 1 for all
    others."""
    red, green, blue = (image_rgb[::8, ::8, channel] for channel in range(3))
    level = float(np.percentile(np.maximum(np.maximum(red, green), blue), 98))
    return 1.0 if level >= _LIT_LEVEL else min(_BRIGHT_LEVEL / max(level, 1.0), _MOST_GAIN)


def _eroded(mask: Mask) -> NDArray[np.bool_]:
    """The mask's bits without their rim; with it, where too little would remain."""
    bits = mask.bits.astype(np.uint8)
    rim = 2 if mask.area_pixels > 1600 else 1
    inner = cv2.erode(bits, np.ones((3, 3), np.uint8), iterations=rim, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return (inner if inner.sum() >= 0.3 * bits.sum() else bits).astype(bool)


@compiled
def _count(
    image: NDArray[np.uint8], bits: NDArray[np.bool_], table: NDArray[np.uint8], gain: float
) -> NDArray[np.int64]:
    """int64 [2, 11]: pixels per term, row 0 those with all neighbours inside the mask alike, row 1 all."""
    lit = np.empty(256, np.uint8)
    for value in range(256):
        lit[value] = min(255, int(value * gain + 0.5)) >> 3
    height, width = bits.shape
    terms = np.full((height, width), 255, np.uint8)
    out = np.zeros((2, 11), np.int64)
    for y in range(height):
        for x in range(width):
            if bits[y, x]:
                term = table[lit[image[y, x, 0]], lit[image[y, x, 1]], lit[image[y, x, 2]]]
                terms[y, x] = term
                out[1, term] += 1
    for y in range(height):
        for x in range(width):
            term = terms[y, x]
            if term == 255:
                continue
            alike = True
            for v in range(max(y - 1, 0), min(y + 2, height)):
                for u in range(max(x - 1, 0), min(x + 2, width)):
                    if terms[v, u] != term and terms[v, u] != 255:
                        alike = False
            if alike:
                out[0, term] += 1
    return out
