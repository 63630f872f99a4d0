"""Sprites of things: umbrella and sports ball."""

from __future__ import annotations

import numpy as np

from edgecap.bench.world.render.shapes import Shape, disc, limb, oval, poly, turn_all, turned
from edgecap.bench.world.sprites.pose import Pose


def umbrella(pose: Pose) -> list[Shape]:
    """Scalloped dome (primary) with two stripes (secondary) on a hooked stick."""
    closed = 0.72 * pose.lift("open")
    half = 1.25 * (1.0 - closed)
    low = -0.98 + 0.75 * closed
    rib = np.linspace(-1.0, 1.0, 6) * half
    dome = np.linspace(np.pi, 2 * np.pi, 14)
    top = np.stack([half * np.cos(dome), low + (1.12 + 0.35 * closed) * np.sin(dome)], axis=1)
    hem = []
    for a, b in zip(rib[::-1][:-1], rib[::-1][1:], strict=True):
        hem += [((a + b) / 2, low - 0.13), (b, low)]
    canopy = np.concatenate([top, np.array(hem[:-1])])
    stripes = [_gore(rib[i], rib[i + 1], low, closed) for i in (1, 3)]
    stick = [
        limb([(0.0, -2.0), (0.0, 0.12)], "wood", 0.11),
        limb([(0.0, 0.10), (0.05, 0.24), (0.20, 0.27), (0.30, 0.14)], "wood", 0.12),
    ]
    shapes = [
        *stick,
        poly(canopy, "primary"),
        *stripes,
        limb([(-0.62 * half, low - 0.62), (-0.36 * half, low - 0.88)], "primary_light", 0.10, outline=False),
        limb([(0.0, low - 1.1 - 0.35 * closed), (0.0, low - 1.28 - 0.35 * closed)], "wood", 0.10),
    ]
    sway = 0.5 * pose.swing("tilt") if pose.gesture == "tilt" else 0.10 * pose.gait()
    return turn_all(shapes, sway, (0.0, 0.1))


def sports_ball(pose: Pose) -> list[Shape]:
    """Ball (primary) with one broad curved stripe (secondary); it turns when it rolls."""
    angle = 0.35 + (pose.stride or 0.0)
    t = np.linspace(-1.0, 1.0, 9)
    # The stripe bulges sideways, so that the turning can be seen.
    left = np.stack([-0.14 + 0.20 * (1 - t**2) - 0.18, t * 0.96], axis=1)
    right = np.stack([0.26 + 0.20 * (1 - t**2) - 0.18, t * 0.96], axis=1)
    stripe = np.concatenate([left, right[::-1]])
    stripe *= np.minimum(1.0, 0.97 / np.maximum(np.hypot(stripe[:, 0], stripe[:, 1]), 1e-6))[:, None]
    squash = 0.24 * pose.swing("squash")
    factor = np.array([1.0 + squash, 1.0 - squash])
    shapes = [
        disc((0.0, 0.0), 1.0, "primary"),
        poly(turned(stripe, angle), "secondary"),
        oval((-0.42, -0.48), (0.24, 0.14), "primary_light", turn=-0.7, outline=False),
    ]
    return [s._replace(points=s.points * factor + (0.0, squash)) for s in shapes]


def _gore(left: float, right: float, low: float, closed: float) -> Shape:
    """One panel of the canopy between two ribs, narrowing to the top."""
    crown = low - 1.08 - 0.35 * closed
    mid = low - 0.66 - 0.2 * closed
    return poly(
        [
            (left, low),
            ((left + right) / 2, low - 0.12),
            (right, low),
            (right * 0.78, mid),
            (0.04, crown),
            (-0.04, crown),
            (left * 0.78, mid),
        ],
        "secondary",
        outline=False,
    )
