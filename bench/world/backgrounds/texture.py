"""Textures that several backgrounds share: clouds, hills, tufts, ripples, pebbles, and the grain laid over everything.

Everything here is fixed to the world, so that optical flow finds corners in every part of the picture, the sky
included.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.bench.world.backgrounds.brush import Brush
from edgecap.bench.world.colours import RGB, tinted


def varied(rgb: RGB, rng: np.random.Generator, *, by: int = 7) -> RGB:
    """`rgb` with a random shade and tint, at most `by` + 2 steps per channel away."""
    shade = int(rng.integers(-by, by + 1))
    r, g, b = (int(np.clip(c + shade + int(rng.integers(-2, 3)), 0, 255)) for c in rgb)
    return (r, g, b)


def clouds(brush: Brush, bottom: float, colour: RGB, *, per_unit_area: float = 1 / 11000) -> None:
    """Puffy clouds with a shaded foot and a soft line, between the top of the canvas and `bottom`."""
    rng = brush.rng
    shade, edge = tinted(colour, -0.07), tinted(colour, -0.16)
    for x, y in brush.scatter(brush.world_rect[1], bottom - 8, per_unit_area):
        size = rng.uniform(0.5, 1.25)
        puffs = np.array([(-26, 2), (-12, -6), (4, -11), (18, -5), (30, 3)]) * size * (1, 0.8) + rng.normal(
            0, 2, (5, 2)
        )
        radii = np.array([9, 13, 15, 12, 8]) * size
        centres = np.add(puffs, (x, y))
        brush.spots(centres, radii + 1.1, edge)
        brush.rect(x - 33 * size, y + 2 * size, x + 37 * size, y + 11 * size, edge)
        brush.spots(np.add(centres, (0, 2.0)), radii, shade)
        brush.rect(x - 32 * size, y + 2 * size, x + 36 * size, y + 10 * size, shade)
        brush.spots(centres, radii * 0.93, colour)
        wisp = np.array([(-20, 6), (-6, 5), (10, 6.5)]) * size + (x, y)
        brush.strokes(wisp[None], edge, width=1.1)


def ridge(
    brush: Brush,
    base: float,
    height: float,
    colour: RGB,
    *,
    step: float = 24.0,
    rough: float = 0.35,
    line: RGB | None = None,
) -> NDArray[np.float64]:
    """Range of hills that stands on world row `base`; returns its crest [K, 2]."""
    left, _, right, _ = brush.world_rect
    x = np.arange(left - step, right + 2 * step, step)
    phase = brush.rng.uniform(0, 2 * np.pi, 3)
    waves = sum(a * np.sin(x / w + p) for a, w, p in zip((0.5, 0.3, 0.2), (110.0, 47.0, 23.0), phase, strict=True))
    y = base - height * (0.6 + 0.4 * waves + rough * brush.rng.uniform(-0.5, 0.5, len(x)))
    crest = np.stack([x, y], axis=1)
    brush.poly(np.concatenate([crest, [(x[-1], base + 2), (x[0], base + 2)]]), colour, line=line)
    return crest


def tufts(
    brush: Brush, top: float, bottom: float, colour: RGB, *, per_unit_area: float = 1 / 420, height: float = 6.0
) -> None:
    """Grass tufts of three blades, larger when nearer."""
    roots = brush.scatter(top, bottom, per_unit_area)
    size = brush.nearness(roots[:, 1]) * height * brush.rng.uniform(0.7, 1.3, len(roots))
    blades = np.array([[(-0.15, 0), (-0.55, -0.75)], [(0, 0), (0.05, -1.0)], [(0.15, 0), (0.6, -0.7)]])
    strokes = roots[:, None, None] + blades[None] * size[:, None, None, None]
    brush.strokes(strokes.reshape(-1, 2, 2), colour, width=1.3)


def dashes(
    brush: Brush,
    top: float,
    bottom: float,
    colour: RGB,
    *,
    per_unit_area: float,
    length: float,
    bend: float = 1.6,
    width: float = 1.2,
) -> None:
    """Short lying arcs: ripples of water, ripples of sand, snow drifts."""
    centres = brush.scatter(top, bottom, per_unit_area)
    size = brush.nearness(centres[:, 1]) * brush.rng.uniform(0.6, 1.4, len(centres))
    arc = np.array([(-0.5 * length, 0), (-0.2 * length, -bend), (0.2 * length, -bend), (0.5 * length, 0)])
    brush.strokes(centres[:, None] + arc[None] * size[:, None, None], colour, width=width)


def pebbles(
    brush: Brush, top: float, bottom: float, colours: list[RGB], *, per_unit_area: float, radius: float = 1.6
) -> None:
    """Small round spots of mixed colours."""
    centres = brush.scatter(top, bottom, per_unit_area)
    radii = brush.nearness(centres[:, 1]) * radius * brush.rng.uniform(0.6, 1.4, len(centres))
    for i, colour in enumerate(colours):
        brush.spots(centres[i :: len(colours)], radii[i :: len(colours)], colour)


def stones(brush: Brush, top: float, bottom: float, colour: RGB, *, per_unit_area: float, radius: float = 8.0) -> None:
    """Flat stones with a shadow, a light top and a line."""
    outline, light, shadow = tinted(colour, -0.35), tinted(colour, 0.25), tinted(colour, -0.2)
    turn = np.linspace(0, 2 * np.pi, 9, endpoint=False)
    for x, y in brush.scatter(top, bottom, per_unit_area):
        size = float(brush.nearness(np.array(y))) * radius * brush.rng.uniform(0.6, 1.3)
        ring = np.stack([np.cos(turn), 0.55 * np.sin(turn)], axis=1) * (size * brush.rng.uniform(0.8, 1.1, (9, 1)))
        brush.poly(ring * (1.15, 0.7) + (x + 1, y + size * 0.35), shadow)
        brush.poly(np.add(ring, (x, y)), colour, line=outline)
        brush.poly(ring * (0.5, 0.4) + (x - size * 0.2, y - size * 0.2), light)


def grain(brush: Brush) -> None:
    """Paper grain over the whole canvas: two octaves of speckle, at most 9 steps up or down."""
    tile = _grain_tile()
    rows, columns = brush.canvas.shape[:2]
    shift = brush.rng.integers(0, tile.shape[0], 2)
    rolled = np.roll(tile, shift, axis=(0, 1))
    repeats = (rows // tile.shape[0] + 1, columns // tile.shape[1] + 1)
    speckle = np.tile(rolled, repeats)[:rows, :columns]
    middle = np.full_like(speckle, 128)
    lighter = cv2.merge([cv2.subtract(speckle, middle)] * 3)
    darker = cv2.merge([cv2.subtract(middle, speckle)] * 3)
    cv2.add(brush.canvas, lighter, dst=brush.canvas)
    cv2.subtract(brush.canvas, darker, dst=brush.canvas)


@cache
def _grain_tile() -> NDArray[np.uint8]:
    rng = np.random.default_rng(20250711)
    total = np.zeros((256, 256))
    for cells, weight in ((128, 1.0), (40, 1.0)):
        coarse = rng.normal(0, 1, (cells, cells)).astype(np.float32)
        total += weight * cv2.resize(coarse, (256, 256), interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + 3.0 * total, 119, 137).astype(np.uint8)
