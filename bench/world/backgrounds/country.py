"""Open country: meadow, desert, snow field, forest. Each function paints a whole canvas."""

from __future__ import annotations

import numpy as np

from edgecap.bench.world.backgrounds.brush import Brush
from edgecap.bench.world.backgrounds.texture import clouds, dashes, grain, pebbles, ridge, stones, tufts, varied
from edgecap.bench.world.colours import RGB, tinted


def meadow(brush: Brush) -> None:
    """Hills, grass tufts and flowers under clouds."""
    _, top, _, bottom = brush.world_rect
    h, rng = brush.horizon, brush.rng
    brush.gradient(top, h, [varied((178, 208, 232), rng), (226, 236, 238)])
    clouds(brush, h - 34, (246, 248, 248))
    far = varied((172, 198, 178), rng)
    ridge(brush, h, 44, far, line=tinted(far, -0.15))
    near = varied((170, 200, 140), rng)
    crest = ridge(brush, h + 4, 22, near, line=tinted(near, -0.15))
    round_trees(brush, np.add(crest[1:-1:2], (0, 3)), varied((136, 170, 116), rng), size=9)
    grass = varied((182, 208, 142), rng)
    brush.gradient(h, 380, [tinted(grass, 0.12), grass, tinted(grass, -0.10)])
    if bottom > 380:
        brush.gradient(380, bottom, [tinted(grass, -0.10)] * 2)
    dashes(brush, h + 4, bottom, tinted(grass, 0.22), per_unit_area=1 / 1500, length=34, width=2.2)
    tufts(brush, h + 3, bottom, tinted(grass, -0.30))
    flowers(brush, h + 6, bottom)
    grain(brush)


def desert(brush: Brush) -> None:
    """Dunes, mesas, rocks and dry shrubs under a warm sky."""
    left, top, right, bottom = brush.world_rect
    h, rng = brush.horizon, brush.rng
    brush.gradient(top, h, [varied((232, 214, 196), rng), (248, 234, 206)])
    sun = np.array([[rng.uniform(left, right), h - rng.uniform(70, 110)]])
    brush.spots(sun, np.array([26.0]), (252, 242, 210))
    brush.spots(sun, np.array([18.0]), (254, 248, 226))
    clouds(brush, h - 30, (250, 240, 224), per_unit_area=1 / 16000)
    _mesas(brush, varied((206, 160, 130), rng))
    dune = varied((226, 198, 150), rng)
    for i, height in enumerate((30, 16)):
        tone = tinted(dune, -0.05 + 0.08 * i)
        ridge(brush, h + 6 * i, height, tone, rough=0.1, line=tinted(tone, -0.16))
    brush.gradient(h + 4, max(bottom, 380), [tinted(dune, 0.14), dune, tinted(dune, -0.06)])
    dashes(brush, h + 8, bottom, tinted(dune, -0.16), per_unit_area=1 / 620, length=26, bend=3.0)
    dashes(brush, h + 8, bottom, tinted(dune, 0.30), per_unit_area=1 / 900, length=22, bend=3.0)
    tufts(brush, h + 8, bottom, (148, 138, 92), per_unit_area=1 / 2600, height=9)
    stones(brush, h + 8, bottom, (198, 168, 138), per_unit_area=1 / 4200, radius=7)
    pebbles(brush, h + 8, bottom, [(180, 148, 112), (240, 222, 184)], per_unit_area=1 / 1100)
    grain(brush)


def snow_field(brush: Brush) -> None:
    """White hills, distant firs, drifts and twigs under a pale sky."""
    _, top, _, bottom = brush.world_rect
    h, rng = brush.horizon, brush.rng
    brush.gradient(top, h, [varied((188, 202, 218), rng), (224, 230, 236)])
    clouds(brush, h - 34, (240, 243, 246))
    far = varied((206, 216, 228), rng)
    ridge(brush, h, 50, far, line=tinted(far, -0.18))
    near = varied((222, 229, 237), rng)
    crest = ridge(brush, h + 3, 24, near, line=tinted(near, -0.18))
    firs(
        brush,
        crest[1:-1] + (rng.uniform(-8, 8, len(crest) - 2)[:, None] * (1, 0)) + (0, 8),
        varied((130, 152, 146), rng),
    )
    snow = varied((228, 233, 240), rng, by=4)
    brush.gradient(h + 2, max(bottom, 380), [tinted(snow, -0.03), snow, tinted(snow, -0.05)])
    dashes(brush, h + 6, bottom, tinted(snow, -0.11), per_unit_area=1 / 1150, length=30, bend=3.4, width=1.5)
    dashes(brush, h + 6, bottom, (249, 250, 252), per_unit_area=1 / 1150, length=24, bend=3.0, width=2.4)
    stones(brush, h + 8, bottom, (196, 202, 210), per_unit_area=1 / 7000, radius=6)
    tufts(brush, h + 8, bottom, (150, 144, 138), per_unit_area=1 / 1900, height=8)
    pebbles(brush, h + 8, bottom, [(178, 190, 206), (250, 252, 254)], per_unit_area=1 / 800, radius=1.3)
    grain(brush)


def forest(brush: Brush) -> None:
    """Rows of trunks under a canopy, a mossy clearing with ferns and mushrooms in front."""
    left, top, right, bottom = brush.world_rect
    h, rng = brush.horizon, brush.rng
    haze = varied((200, 212, 180), rng)
    brush.gradient(top, h, [tinted(haze, -0.12), tinted(haze, 0.2)])
    for row, (tone, width, gap) in enumerate(
        (((176, 184, 158), 7, 34), ((146, 138, 118), 12, 62), ((124, 106, 88), 18, 108))
    ):
        base = h - 8 + 7 * row
        brush.polys(_trunks(np.arange(left - gap, right + gap, gap), base, top, width, rng, gap), varied(tone, rng))
        moss = tinted(varied((150, 172, 122), rng), 0.12 - 0.1 * row)
        ridge(brush, base + 7, 9, moss, step=12, rough=0.8)
    for row, tone in enumerate(((168, 188, 140), (150, 174, 122), (134, 160, 108))):
        _canopy(brush, h - 92 + 4 * row - 20 * row, varied(tone, rng))
    ground = varied((176, 188, 134), rng)
    brush.gradient(h + 8, max(bottom, 380), [tinted(ground, 0.08), ground, tinted(ground, -0.12)])
    dashes(brush, h + 10, bottom, tinted(ground, 0.2), per_unit_area=1 / 1600, length=30, width=2.2)
    tufts(brush, h + 10, bottom, tinted(ground, -0.32), per_unit_area=1 / 520, height=7)
    pebbles(brush, h + 10, bottom, [(164, 142, 104), (206, 200, 156), (138, 152, 100)], per_unit_area=1 / 700)
    _mushrooms(brush, h + 14, bottom)
    grain(brush)


def flowers(brush: Brush, top: float, bottom: float) -> None:
    """Small five-spot flowers in pale colours."""
    where = brush.scatter(top, bottom, 1 / 1700)
    turn = np.linspace(0, 2 * np.pi, 5, endpoint=False)
    petals = np.stack([np.cos(turn), 0.8 * np.sin(turn)], axis=1)
    for i, colour in enumerate(((250, 248, 244), (240, 206, 216), (244, 232, 170))):
        some = where[i::3]
        size = brush.nearness(some[:, 1]) * 2.0
        centres = (some[:, None] + petals[None] * size[:, None, None]).reshape(-1, 2)
        brush.spots(centres, np.repeat(size * 0.75, 5), colour)
        brush.spots(some, size * 0.6, (222, 186, 110))


def round_trees(brush: Brush, roots: np.ndarray, colour: RGB, *, size: float) -> None:
    """Distant round trees standing on `roots` [N, 2]."""
    radii = size * brush.rng.uniform(0.6, 1.2, len(roots))
    brush.strokes(np.stack([roots, roots - (0, 1) * radii[:, None]], axis=1), (140, 116, 92), width=2)
    centres = roots - (0, 1.4) * radii[:, None]
    brush.spots(centres, radii + 1, tinted(colour, -0.25))
    brush.spots(centres, radii, colour)
    brush.spots(centres - 0.3 * radii[:, None], radii * 0.4, tinted(colour, 0.2))


def firs(brush: Brush, roots: np.ndarray, colour: RGB) -> None:
    """Distant snowy firs."""
    for x, y in roots:
        s = brush.rng.uniform(0.7, 1.4)
        for k in (0, 1):
            tier = np.array([(0, -24 + 3 * k), (8 - 2 * k, -8 * k), (-8 + 2 * k, -8 * k)]) * s + (x, y)
            brush.poly(tier, colour, line=tinted(colour, -0.25), width=1)
        brush.poly(np.array([(0, -22), (3, -15), (-3, -15)]) * s + (x, y), (240, 244, 248))


def _mesas(brush: Brush, colour: RGB) -> None:
    left, _, right, _ = brush.world_rect
    h, rng = brush.horizon, brush.rng
    for x in np.arange(left, right, 190) + rng.uniform(0, 60):
        w, t = rng.uniform(50, 95), rng.uniform(34, 62)
        brush.poly(
            [(x - w, h + 2), (x - 0.72 * w, h - t), (x + 0.66 * w, h - t + rng.uniform(-4, 4)), (x + w, h + 2)],
            colour,
            line=tinted(colour, -0.2),
        )
        for level in (0.3, 0.55, 0.78):
            brush.strokes(
                np.array([[(x - 0.72 * w, h - t * level), (x, h - t * level + 3), (x + 0.7 * w, h - t * level)]]),
                tinted(colour, -0.12),
                width=1.6,
            )


def _trunks(xs: np.ndarray, base: float, top: float, width: float, rng: np.random.Generator, gap: float) -> np.ndarray:
    x = xs + rng.uniform(-0.3, 0.3, len(xs)) * gap
    w = width * rng.uniform(0.7, 1.2, len(xs)) / 2
    lean = rng.uniform(-8, 8, len(xs))
    quads = [
        np.stack([x - w * 1.3, np.full(len(x), base + 4)], 1),
        np.stack([x - w * 0.8 + lean, np.full(len(x), top)], 1),
        np.stack([x + w * 0.8 + lean, np.full(len(x), top)], 1),
        np.stack([x + w * 1.3, np.full(len(x), base + 4)], 1),
    ]
    return np.stack(quads, axis=1)


def _canopy(brush: Brush, level: float, colour: RGB) -> None:
    """Ragged leaf roof from the top of the canvas down to about `level`."""
    left, top, right, _ = brush.world_rect
    brush.rect(left, top - 2, right, max(level - 8, top - 1), colour)
    x = np.arange(left - 10, right + 20, 15.0)
    edge = np.stack([x, level + brush.rng.uniform(-14, 6, len(x))], axis=1)
    radii = brush.rng.uniform(10, 17, len(x))
    brush.spots(np.add(edge, (0, 1.5)), radii, tinted(colour, -0.2))
    brush.spots(edge, radii, colour)
    leaves = brush.scatter(top, level + 4, 1 / 420)
    brush.spots(leaves, brush.rng.uniform(1.5, 4, len(leaves)), tinted(colour, 0.16))
    brush.spots(np.add(leaves[::2], (5, 3)), brush.rng.uniform(1.5, 3.5, len(leaves[::2])), tinted(colour, -0.13))


def _mushrooms(brush: Brush, top: float, bottom: float) -> None:
    for x, y in brush.scatter(top, bottom, 1 / 6500):
        s = float(brush.nearness(np.array(y))) * 4.5
        brush.strokes(np.array([[(x, y), (x, y - s)]]), (234, 226, 206), width=0.55 * s)
        turn = np.linspace(np.pi, 2 * np.pi, 8)
        cap = np.stack([x + np.cos(turn) * s, y + (np.sin(turn) - 1) * 0.8 * s], axis=1)
        brush.poly(cap, (198, 150, 130), line=(140, 104, 92), width=1)
