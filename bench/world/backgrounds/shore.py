"""Places with water: beach, lake, night harbor. Water is between the horizon and the near land."""

from __future__ import annotations

import numpy as np

from edgecap.bench.world.backgrounds.brush import Brush
from edgecap.bench.world.backgrounds.country import flowers
from edgecap.bench.world.backgrounds.texture import clouds, dashes, grain, pebbles, ridge, stones, tufts, varied
from edgecap.bench.world.colours import RGB, tinted

WATER_DEPTH = {"beach": 76.0, "lake": 92.0, "night harbor": 80.0}
"""World units from the horizon down to the near land."""


def beach(brush: Brush) -> None:
    """Sea with ripples and foam, sand with shells, bright sky."""
    _, top, _, bottom = brush.world_rect
    h, rng = brush.horizon, brush.rng
    brush.gradient(top, h, [varied((180, 212, 234), rng), (232, 240, 238)])
    clouds(brush, h - 20, (248, 248, 244))
    shore = h + WATER_DEPTH["beach"]
    _water(brush, h, shore + 8, varied((150, 192, 206), rng))
    sand = varied((238, 222, 186), rng)
    _bank(brush, shore, tinted(sand, -0.14), foam=(248, 250, 248))
    _bank(brush, shore + 9, sand, foam=None)
    dashes(brush, shore + 14, bottom, tinted(sand, -0.14), per_unit_area=1 / 750, length=24, bend=2.6)
    dashes(brush, shore + 14, bottom, tinted(sand, 0.4), per_unit_area=1 / 1000, length=20, bend=2.6)
    pebbles(brush, shore + 14, bottom, [(196, 174, 140), (250, 246, 236), (224, 196, 178)], per_unit_area=1 / 420)
    _starfish(brush, shore + 18, bottom)
    grain(brush)


def lake(brush: Brush) -> None:
    """Mountains with snow caps behind calm water, reeds and grass in front."""
    _, top, _, bottom = brush.world_rect
    h, rng = brush.horizon, brush.rng
    brush.gradient(top, h, [varied((186, 208, 228), rng), (230, 234, 234)])
    clouds(brush, h - 56, (246, 247, 248))
    _mountains(brush, varied((168, 180, 196), rng))
    wood = varied((142, 168, 146), rng)
    ridge(brush, h + 2, 14, wood, step=8, rough=0.9, line=tinted(wood, -0.2))
    shore = h + WATER_DEPTH["lake"]
    _water(brush, h, shore + 8, varied((158, 190, 204), rng))
    grass = varied((174, 200, 140), rng)
    _bank(brush, shore, tinted(grass, -0.2), foam=(222, 230, 226))
    _bank(brush, shore + 6, grass, foam=None)
    tufts(brush, shore + 10, bottom, tinted(grass, -0.3), per_unit_area=1 / 460)
    flowers(brush, shore + 14, bottom)
    stones(brush, shore + 8, bottom, (186, 188, 184), per_unit_area=1 / 5200, radius=7)
    _reeds(brush, shore + 4, tinted(grass, -0.36))
    grain(brush)


def night_harbor(brush: Brush) -> None:
    """Skyline with lit windows under stars, water with their reflections, a stone quay in front."""
    left, top, right, bottom = brush.world_rect
    h, rng = brush.horizon, brush.rng
    brush.gradient(top, h, [varied((62, 70, 104), rng), (104, 108, 140)])
    stars = brush.scatter(top, h - 20, 1 / 700)
    brush.spots(stars, rng.uniform(0.7, 1.7, len(stars)), (206, 208, 214))
    clouds(brush, h - 70, (96, 102, 134), per_unit_area=1 / 15000)
    moon = np.array([[rng.uniform(left, right), h - rng.uniform(95, 120)]])
    brush.spots(moon, np.array([15.0]), (232, 228, 204))
    brush.spots(np.add(moon, (-4, -3)), np.array([3.5]), (210, 206, 186))
    _skyline(brush, varied((84, 88, 118), rng), (40, 110), 46)
    _skyline(brush, varied((70, 74, 102), rng), (22, 74), 58)
    quay = h + WATER_DEPTH["night harbor"]
    _water(brush, h, quay + 4, varied((86, 98, 130), rng), light=(150, 156, 176))
    _reflections(brush, h, quay)
    stone = varied((138, 140, 152), rng)
    brush.gradient(quay, max(bottom, 380), [tinted(stone, -0.12), stone, tinted(stone, -0.12)])
    brush.rect(left, quay - 3, right, quay + 6, tinted(stone, 0.16), line=tinted(stone, -0.4))
    slabs(brush, quay + 6, bottom, tinted(stone, -0.24))
    pebbles(brush, quay + 10, bottom, [tinted(stone, 0.2), tinted(stone, -0.25)], per_unit_area=1 / 600, radius=1.3)
    grain(brush)


def _water(brush: Brush, top: float, bottom: float, colour: RGB, *, light: RGB = (232, 240, 242)) -> None:
    brush.gradient(top, bottom, [tinted(colour, 0.18), colour])
    left, _, right, _ = brush.world_rect
    brush.rect(left, top - 1, right, top + 0.6, tinted(colour, -0.2))
    dashes(brush, top + 4, bottom, light, per_unit_area=1 / 330, length=17, bend=1.8, width=1.3)
    dashes(brush, top + 4, bottom, tinted(colour, -0.18), per_unit_area=1 / 430, length=20, bend=1.8, width=1.2)


def _bank(brush: Brush, level: float, colour: RGB, *, foam: RGB | None) -> None:
    """Land from a wavy shore line at `level` down to the bottom."""
    left, _, right, bottom = brush.world_rect
    x = np.arange(left - 20, right + 40, 14.0)
    phase = brush.rng.uniform(0, 6)
    y = level + 2.4 * np.sin(x / 31 + phase) + 1.4 * np.sin(x / 13)
    edge = np.stack([x, y], axis=1)
    brush.poly(np.concatenate([edge, [(right + 40, bottom + 4), (left - 20, bottom + 4)]]), colour)
    if foam is not None:
        brush.strokes(edge[None], foam, width=3)
        brush.strokes(edge[None] - (5, 7), foam, width=1.4)


def _mountains(brush: Brush, colour: RGB) -> None:
    left, _, right, _ = brush.world_rect
    h, rng = brush.horizon, brush.rng
    for x in np.arange(left - 40, right + 80, 105) + rng.uniform(-20, 20):
        w, t = rng.uniform(70, 105), rng.uniform(54, 92)
        peak = (x + rng.uniform(-12, 12), h - t)
        tone = varied(colour, rng)
        brush.poly([(x - w, h + 2), peak, (x + w, h + 2)], tone, line=tinted(tone, -0.2))
        brush.poly([peak, (x + w, h + 2), (x + 0.2 * w, h + 2)], tinted(tone, -0.09))
        a = np.array(peak)
        slope_l, slope_r = (np.array([x - w, h + 2]) - a) * 0.3, (np.array([x + w, h + 2]) - a) * 0.3
        cap = [
            peak,
            tuple(a + slope_r),
            tuple(a + 0.55 * slope_r + 0.2 * slope_l),
            tuple(a + 0.45 * (slope_l + slope_r)),
            tuple(a + 0.6 * slope_l + 0.15 * slope_r),
            tuple(a + slope_l),
        ]
        brush.poly(cap, (240, 243, 246))


def _reeds(brush: Brush, level: float, colour: RGB) -> None:
    left, _, right, _ = brush.world_rect
    for x in np.arange(left, right, 78) + brush.rng.uniform(-30, 30):
        roots = np.stack([x + brush.rng.uniform(-9, 9, 5), level + brush.rng.uniform(0, 4, 5)], axis=1)
        tips = roots + np.stack([brush.rng.uniform(-4, 4, 5), -brush.rng.uniform(14, 26, 5)], axis=1)
        brush.strokes(np.stack([roots, tips], axis=1), colour, width=1.5)
        brush.strokes(np.stack([tips, np.add(tips, (0, 6))], axis=1), (150, 116, 86), width=3)


def _starfish(brush: Brush, top: float, bottom: float) -> None:
    turn = np.linspace(-np.pi / 2, 1.5 * np.pi, 10, endpoint=False)
    star = np.stack([np.cos(turn), 0.75 * np.sin(turn)], axis=1) * np.where(np.arange(10) % 2, 0.42, 1.0)[:, None]
    for x, y in brush.scatter(top, bottom, 1 / 9000):
        size = float(brush.nearness(np.array(y))) * 5.5
        brush.poly(star * size + (x, y), (228, 178, 158), line=(182, 138, 122), width=1)


def _skyline(brush: Brush, colour: RGB, heights: tuple[float, float], step: float) -> None:
    left, _, right, _ = brush.world_rect
    h, rng = brush.horizon, brush.rng
    for x in np.arange(left - step, right + step, step):
        tall, wide = rng.uniform(*heights), step * rng.uniform(0.75, 1.0)
        tone = varied(colour, rng)
        brush.rect(x, h - tall, x + wide, h + 2, tone, line=tinted(tone, -0.3))
        columns, rows = np.arange(x + 6, x + wide - 8, 9), np.arange(h - tall + 7, h - 8, 11)
        grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
        pane = np.array([(0, 0), (4.5, 0), (4.5, 6), (0, 6)])
        lit = rng.random(len(grid)) < 0.55
        brush.polys(grid[lit][:, None] + pane, (228, 206, 146))
        brush.polys(grid[~lit][:, None] + pane, tinted(tone, -0.22))


def _reflections(brush: Brush, top: float, bottom: float) -> None:
    x = np.arange(brush.world_rect[0], brush.world_rect[2], 26) + brush.rng.uniform(-10, 10)
    for k in range(6):
        y = top + 5 + k * (bottom - top) / 9
        left = np.stack([x + brush.rng.uniform(-3, 3, len(x)) - 4, np.full(len(x), y)], axis=1)
        keep = brush.rng.random(len(x)) < 0.8 - 0.1 * k
        brush.strokes(np.stack([left, np.add(left, (8, 0))], axis=1)[keep], (206, 190, 150), width=1.6)


def slabs(brush: Brush, top: float, bottom: float, colour: RGB) -> None:
    """Stone slabs in rows that grow towards the viewer."""
    left, _, right, _ = brush.world_rect
    y, step, shift = top, 12.0, 0.0
    while y < bottom:
        brush.strokes(np.array([[(left, y), (right, y)]]), colour, width=1.2)
        x = np.arange(left - shift, right, step * 2.6)
        brush.strokes(
            np.stack([np.stack([x, np.full(len(x), y)], 1), np.stack([x, np.full(len(x), y + step)], 1)], 1), colour
        )
        y, step, shift = y + step, step * 1.14, step * 1.5 - shift * 0.5
