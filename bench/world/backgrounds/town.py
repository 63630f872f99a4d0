"""The street: a row of houses, a pavement of slabs, a road with lane marks."""

from __future__ import annotations

import numpy as np

from edgecap.bench.world.backgrounds.brush import Brush
from edgecap.bench.world.backgrounds.shore import slabs
from edgecap.bench.world.backgrounds.texture import clouds, grain, pebbles, varied
from edgecap.bench.world.colours import RGB, tinted

_FACADES: tuple[RGB, ...] = (
    (226, 208, 188),
    (206, 214, 212),
    (222, 198, 186),
    (210, 206, 220),
    (216, 218, 194),
    (232, 222, 206),
)


def street(brush: Brush) -> None:
    """Houses up to the horizon, pavement below, then the road."""
    left, top, right, bottom = brush.world_rect
    h, rng = brush.horizon, brush.rng
    brush.gradient(top, h, [varied((186, 208, 226), rng), (228, 234, 236)])
    clouds(brush, h - 60, (246, 247, 248), per_unit_area=1 / 8000)
    x = left - rng.uniform(0, 60)
    while x < right:
        width = rng.uniform(66, 104)
        _house(brush, x, width, h + 4)
        x += width + rng.choice([0.0, 0.0, 14.0])
    pave = varied((212, 208, 200), rng)
    curb = h + 44
    brush.gradient(h + 4, curb, [tinted(pave, -0.06), pave])
    slabs(brush, h + 4, curb, tinted(pave, -0.16))
    road = varied((172, 174, 180), rng)
    brush.gradient(curb, max(bottom, 380), [tinted(road, 0.05), tinted(road, -0.06)])
    brush.rect(left, curb - 2, right, curb + 4, tinted(pave, 0.35), line=tinted(road, -0.35))
    _lane_marks(brush, curb)
    pebbles(brush, curb + 8, bottom, [tinted(road, 0.2), tinted(road, -0.2)], per_unit_area=1 / 260, radius=1.1)
    _patches(brush, curb + 14, bottom, road)
    grain(brush)


def _house(brush: Brush, left: float, width: float, base: float) -> None:
    rng = brush.rng
    wall = varied(_FACADES[int(rng.integers(len(_FACADES)))], rng)
    line = tinted(wall, -0.35)
    storeys = int(rng.integers(2, 4))
    top = base - 34 * storeys - 8
    brush.rect(left, top, left + width, base, wall, line=line)
    if rng.random() < 0.6:
        roof = varied((186, 152, 138), rng)
        brush.poly(
            [(left - 4, top), (left + width * 0.5, top - 26), (left + width + 4, top)], roof, line=tinted(roof, -0.3)
        )
    else:
        brush.rect(left - 3, top - 6, left + width + 3, top + 2, tinted(wall, -0.15), line=line)
    count = int(width // 26)
    xs = left + (np.arange(count) + 0.5) * width / count
    door = int(rng.integers(count))
    for storey in range(storeys):
        y = base - 34 * (storey + 1) + 4
        for i, x in enumerate(xs):
            if storey == 0 and i == door:
                brush.rect(x - 8, y + 2, x + 8, base, varied((158, 136, 122), rng), line=line)
                continue
            brush.rect(x - 8, y, x + 8, y + 20, (238, 236, 230), line=line)
            brush.rect(x - 6, y + 2, x + 6, y + 18, varied((172, 188, 198), rng))
            brush.strokes(np.array([[(x, y + 2), (x, y + 18)], [(x - 6, y + 9), (x + 6, y + 9)]]), (238, 236, 230))
            brush.rect(x - 10, y + 20, x + 10, y + 23, tinted(wall, -0.18))


def _lane_marks(brush: Brush, curb: float) -> None:
    left, _, right, _ = brush.world_rect
    for y, length, thick in ((curb + 58, 40, 5), (curb + 150, 58, 8), (curb + 270, 70, 10)):
        x = np.arange(left - brush.rng.uniform(0, 60), right, length * 2)
        mark = np.array([(0, 0), (length, 0), (length - 5, thick), (-5, thick)])
        brush.polys(np.stack([x, np.full(len(x), y)], axis=1)[:, None] + mark, (230, 228, 220))


def _patches(brush: Brush, top: float, bottom: float, road: RGB) -> None:
    """Manholes and mended cracks."""
    for i, (x, y) in enumerate(brush.scatter(top, bottom, 1 / 9000)):
        s = float(brush.nearness(np.array(y)))
        if i % 2:
            turn = np.linspace(0, 2 * np.pi, 14, endpoint=False)
            ring = np.stack([np.cos(turn), 0.42 * np.sin(turn)], axis=1) * 13 * s
            brush.poly(np.add(ring, (x, y)), tinted(road, -0.18), line=tinted(road, -0.4))
            brush.poly(ring * 0.6 + (x, y), tinted(road, -0.10), line=tinted(road, -0.32))
        else:
            steps = np.stack([np.linspace(-20, 20, 6), brush.rng.uniform(-3, 3, 6)], axis=1) * s
            brush.strokes(steps[None] + (x, y), tinted(road, -0.25), width=1.4)
