"""Sprites of the air and the water: airplane, bird, kite, boat."""

from __future__ import annotations

import numpy as np

from edgecap.bench.world.render.shapes import Shape, box, corners, disc, limb, oval, poly, smooth, turn_all
from edgecap.bench.world.sprites.pose import Pose
from edgecap.bench.world.sprites.vehicles import lamp

_FUSELAGE = smooth(corners("-2.2,-0.28 -1.9,-0.52 1.4,-0.56 2.1,-0.34 2.38,0.02 2.0,0.36 1.3,0.50 -1.2,0.50 -2.1,0.08"))
_FIN = np.array([(-2.15, -0.30), (-2.45, -1.15), (-1.95, -1.15), (-1.30, -0.38)])
_TAILPLANE = np.array([(-2.25, -0.12), (-2.62, 0.10), (-2.2, 0.14), (-1.5, -0.06)])
_BIRD_BODY = smooth(
    [(-0.92, -0.10), (-0.35, -0.42), (0.35, -0.58), (0.90, -0.36), (0.82, 0.22), (0.16, 0.54), (-0.5, 0.34)]
)
_BIRD_TAIL = smooth([(-0.60, -0.16), (-1.50, -0.34), (-1.56, 0.02), (-1.40, 0.28), (-0.56, 0.16)], rounds=1)
_WING = smooth(
    [(0.38, 0.05), (0.20, -0.75), (-0.30, -1.25), (-0.86, -1.42), (-0.78, -0.95), (-0.62, -0.50), (-0.42, 0.02)],
    rounds=1,
)
_HULL = smooth([(-1.75, -0.72), (-1.30, 0.06), (1.20, 0.06), (1.95, -0.80), (1.2, -0.68), (-1.2, -0.66)], rounds=1)


def airplane(pose: Pose) -> list[Shape]:
    """Side view: fuselage with windows (primary), swept wings and tail (secondary)."""
    swing = pose.swing("rock") if pose.gesture == "rock" else 0.45
    near = np.array([(0.60, 0.16), (-0.50, 0.16), (-1.46, 0.16 + 1.80 * swing), (-0.82, 0.16 + 1.80 * swing)])
    far = np.array([(0.62, -0.40), (-0.15, -0.40), (-0.90, -0.40 - 1.25 * swing), (-0.45, -0.40 - 1.25 * swing)])
    windows = [disc((x, -0.12), 0.095, "glass", outline=False) for x in np.arange(-1.3, 1.31, 0.37)]
    return [
        poly(far, "secondary_dark"),
        poly(_FIN, "secondary"),
        poly(_FUSELAGE, "primary"),
        limb([(-1.7, -0.30), (1.3, -0.35)], "primary_light", 0.09, outline=False),
        *windows,
        poly([(1.56, -0.36), (1.98, -0.24), (2.06, -0.06), (1.58, -0.08)], "glass"),
        poly(_TAILPLANE, "secondary"),
        poly(near, "secondary"),
        *(
            lamp((2.30, 0.02), 0.15, pose) + lamp((-2.3, -0.30), 0.15, pose, back=True)
            if pose.gesture == "flash"
            else []
        ),
    ]


def bird(pose: Pose) -> list[Shape]:
    """Turn body with a head, beak and fan tail (primary), two broad wings (secondary)."""
    reach = 0.15 + 1.0 * float(np.cos(pose.beat)) if pose.gesture == "flap" else 0.92 + 0.08 * pose.gait()
    far = _WING * (0.72, 0.72 * reach) + (0.42, -0.18)
    near = _WING * (0.86, 0.86 * reach) + (0.0, -0.04)
    nod = 0.75 * pose.lift("nod")
    head = [
        poly([(1.18, -0.66), (1.62, -0.48), (1.16, -0.38)], "beak"),
        disc((0.86, -0.52), 0.40, "primary"),
        disc((1.00, -0.60), 0.07, "eye", outline=False),
    ]
    return [
        poly(far, "secondary_dark"),
        poly(_BIRD_TAIL, "primary_dark"),
        poly(_BIRD_BODY, "primary"),
        oval((0.30, 0.16), (0.42, 0.14), "primary_light", turn=-0.3, outline=False),
        *turn_all(head, nod, (0.55, -0.20)),
        poly(near, "secondary"),
        limb(_quill(near), "secondary_dark", 0.07, outline=False),
    ]


def kite(pose: Pose) -> list[Shape]:
    """Diamond (primary) with a broad cross (secondary) and a tail of bows on a string."""
    top, right, bottom, left = (0.0, -1.35), (0.92, -0.45), (0.0, 1.05), (-0.92, -0.45)
    wave = pose.swing("tail")
    ys = np.linspace(1.05, 2.35, 6)
    bend = (ys - 1.05) ** 1.1
    xs = 0.14 * np.sin(4.2 * (ys - 1.05)) + (1.15 * wave * bend if pose.gesture == "tail" else 0.0)
    tail = [limb(list(zip(xs.tolist(), ys.tolist(), strict=True)), "string", 0.07)]
    for x, y in zip(xs[[1, 3, 5]], ys[[1, 3, 5]], strict=True):
        tail += [
            poly([(x, y), (x - 0.27, y - 0.15), (x - 0.27, y + 0.15)], "secondary"),
            poly([(x, y), (x + 0.27, y - 0.15), (x + 0.27, y + 0.15)], "secondary"),
        ]
    sheet = [
        poly([top, right, bottom, left], "primary"),
        poly([(-0.11, -1.10), (0.11, -1.10), (0.11, 0.72), (-0.11, 0.72)], "secondary", outline=False),
        poly([(-0.70, -0.56), (0.70, -0.56), (0.70, -0.33), (-0.70, -0.33)], "secondary", outline=False),
        limb([(0.0, -1.25), (-0.78, -0.48)], "primary_light", 0.08, outline=False),
    ]
    return turn_all([*tail, *sheet], 0.5 * pose.swing("rock"), (0.0, -0.2))


def boat(pose: Pose) -> list[Shape]:
    """Deep hull with a plank line (primary), mast and one triangular sail (secondary)."""
    width = 1.0 - 0.75 * pose.lift("sail")
    sail = np.array([(0.10, -2.55), (0.10, -0.98), (0.10 - 1.25 * width, -0.98)])
    jib = np.array([(0.34, -2.30), (0.34, -0.98), (0.34 + 0.72 * width, -0.98)])
    shapes = [
        limb([(0.22, -2.62), (0.22, -0.60)], "wood", 0.12),
        poly(sail, "secondary"),
        poly(jib, "secondary"),
        limb([(0.0, -2.1), (0.0, -1.12)], "secondary_light", 0.06, outline=False),
        poly(_HULL, "primary"),
        limb([(-1.36, -0.42), (1.40, -0.44)], "primary_light", 0.11, outline=False),
        limb([(-1.20, -0.08), (1.14, -0.08)], "primary_dark", 0.13, outline=False),
        box(-1.02, -1.0, -0.28, -0.68, "primary", radius=0.08),
        disc((-0.65, -0.84), 0.1, "glass", outline=False),
    ]
    return turn_all(shapes, 0.20 * pose.swing("rock") + 0.03 * pose.gait(), (0.0, -0.2))


def _quill(wing: np.ndarray) -> list[tuple[float, float]]:
    """Line along the middle of a wing, from its root to near its tip."""
    root = wing[[0, -1]].mean(axis=0)
    tip = wing[len(wing) // 2]
    start, end = root * 0.7 + tip * 0.3, root * 0.25 + tip * 0.75
    return [(float(start[0]), float(start[1])), (float(end[0]), float(end[1]))]
