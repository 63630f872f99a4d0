"""Wheeled sprites: bicycle, car, bus, truck. All face right; wheels turn with the gait."""

from __future__ import annotations

import numpy as np

from edgecap.bench.world.render.shapes import Shape, box, corners, disc, limb, poly, smooth, turn_all, turned
from edgecap.bench.world.sprites.pose import Pose

_CAR_BODY = smooth(
    corners(
        "-2.08,-0.30 -2.10,-1.00 -1.75,-1.16 -1.25,-1.18 -0.86,-1.80 "
        "0.46,-1.82 1.06,-1.18 1.80,-1.08 2.12,-0.84 2.12,-0.30"
    ),
    rounds=2,
)
_CAR_REAR_GLASS = np.array([(-0.98, -1.18), (-0.72, -1.58), (-0.26, -1.58), (-0.26, -1.18)])
_CAR_FRONT_GLASS = np.array([(-0.08, -1.18), (-0.08, -1.58), (0.36, -1.58), (0.72, -1.18)])
_HOOD = np.array([(1.0, -1.18), (1.80, -1.08), (2.10, -0.88), (1.9, -0.86), (1.04, -1.0)])


def bicycle(pose: Pose) -> list[Shape]:
    """Disc wheels (primary) and a thick tube frame (secondary)."""
    rear, front = (-0.86, -0.60), (0.86, -0.60)
    pedal, saddle, head = (-0.12, -0.56), (-0.38, -1.34), (0.56, -1.36)
    shapes = [
        *_bike_wheel(rear, pose),
        *_bike_wheel(front, pose),
        limb([rear, saddle, head, pedal, rear], "secondary", 0.17),
        limb([saddle, pedal], "secondary", 0.17),
        limb([(0.52, -1.55), head, front], "secondary", 0.17),
        limb([(-0.62, -1.50), (-0.22, -1.50)], "tyre", 0.16),
        limb([saddle, (-0.42, -1.5)], "metal", 0.08),
        limb([(0.44, -1.72), (0.52, -1.62), (0.78, -1.66)], "tyre", 0.12),
        disc(pedal, 0.14, "metal"),
    ]
    shapes += lamp((0.86, -1.40), 0.15, pose)
    return turn_all(shapes, -0.55 * pose.lift("wheelie"), rear)


def car(pose: Pose) -> list[Shape]:
    """Low body with a greenhouse (primary); one wide door (secondary)."""
    shapes = [
        poly(_CAR_BODY, "primary"),
        limb([(-0.70, -1.71), (0.36, -1.71)], "primary_light", 0.07, outline=False),
        poly(_CAR_REAR_GLASS, "glass"),
        poly(_CAR_FRONT_GLASS, "glass"),
        poly([(0.06, -1.54), (0.24, -1.54), (0.12, -1.22), (-0.02, -1.22)], "gleam", outline=False),
        box(-0.80, -1.04, 0.74, -0.40, "secondary", radius=0.08),
        limb([(0.42, -0.86), (0.64, -0.86)], "hub", 0.07, outline=False),
        limb([(-1.95, -0.36), (2.0, -0.36)], "primary_dark", 0.08, outline=False),
    ]
    if pose.gesture == "hood":
        shapes += [
            poly(_HOOD, "inside", outline=False),
            poly(turned(_HOOD, -1.05 * pose.lift("hood"), (1.0, -1.1)), "primary"),
        ]
    shapes += [*_wheel((-1.28, -0.34), 0.36, pose), *_wheel((1.30, -0.34), 0.36, pose)]
    return shapes + lamp((2.02, -0.66), 0.15, pose) + lamp((-2.02, -0.72), 0.13, pose, back=True)


def bus(pose: Pose) -> list[Shape]:
    """Long tall box with a row of windows; a broad stripe (secondary) below them."""
    shapes = [
        box(-2.3, -2.12, 2.3, -0.30, "primary", radius=0.22),
        limb([(-2.1, -2.02), (2.1, -2.02)], "primary_light", 0.08, outline=False),
    ]
    shapes += [box(x, -1.80, x + 0.50, -1.36, "glass", radius=0.06) for x in (-2.04, -1.34, -0.64, 0.06)]
    shapes += [
        poly([(x + 0.1, -1.42), (x + 0.22, -1.74), (x + 0.34, -1.74), (x + 0.22, -1.42)], "gleam", outline=False)
        for x in (-2.04, -1.34, -0.64, 0.06)
    ]
    shapes += [
        box(-2.3, -1.12, 2.3, -0.72, "secondary"),
        box(1.68, -1.80, 2.26, -1.28, "glass", radius=0.06),
        box(0.84, -1.80, 1.46, -0.40, "glass"),
    ]
    opened = pose.lift("doors")
    if opened > 0:
        shapes.append(box(1.15 - 0.31 * opened, -1.80, 1.15 + 0.31 * opened, -0.40, "inside", outline=False))
    shapes.append(limb([(1.15, -1.80), (1.15, -0.40)], "line", 0.04, outline=False))
    shapes += [*_wheel((-1.42, -0.34), 0.36, pose), *_wheel((1.84, -0.34), 0.32, pose)]
    return shapes + lamp((2.24, -0.52), 0.14, pose) + lamp((-2.24, -0.52), 0.13, pose, back=True)


def truck(pose: Pose) -> list[Shape]:
    """Tall load box (primary) behind a lower cab (secondary) with a gap between them."""
    load = [
        box(-2.25, -2.15, 0.46, -0.52, "primary", radius=0.06),
        limb([(-2.1, -2.03), (0.32, -2.03)], "primary_light", 0.08, outline=False),
    ]
    load += [limb([(x, -1.85), (x, -0.75)], "primary_dark", 0.06, outline=False) for x in (-1.62, -0.92, -0.22)]
    cab = [
        poly(
            smooth(
                [(0.60, -0.30), (0.60, -1.84), (1.56, -1.88), (1.90, -1.16), (2.28, -1.06), (2.32, -0.30)], rounds=1
            ),
            "secondary",
        ),
        poly([(1.14, -1.22), (1.14, -1.62), (1.50, -1.62), (1.70, -1.22)], "glass"),
        limb([(0.86, -0.96), (1.1, -0.96)], "hub", 0.06, outline=False),
    ]
    shapes = [box(-2.1, -0.58, 2.1, -0.36, "inside"), *turn_all(load, 0.0, (0, 0)), *cab]
    if pose.gesture == "tip":
        tipped = turn_all(load, -0.42 * pose.lift("tip"), (-2.1, -0.55))
        shapes = [
            box(-2.1, -0.58, 2.1, -0.36, "inside"),
            limb([(0.2, -0.6), (0.1, -1.0)], "metal", 0.12),
            *cab,
            *tipped,
        ]
    shapes += [
        *_wheel((-1.62, -0.36), 0.37, pose),
        *_wheel((-0.74, -0.36), 0.37, pose),
        *_wheel((1.52, -0.36), 0.37, pose),
    ]
    return shapes + lamp((2.24, -0.66), 0.14, pose) + lamp((-2.2, -0.42), 0.12, pose, back=True)


def _wheel(centre: tuple[float, float], radius: float, pose: Pose) -> list[Shape]:
    """Tyre, hub and a spoke that shows the turning."""
    angle = pose.stride or 0.0
    dx, dy = 0.42 * radius * float(np.cos(angle)), 0.42 * radius * float(np.sin(angle))
    x, y = centre
    return [
        disc(centre, radius, "tyre"),
        disc(centre, 0.55 * radius, "hub", outline=False),
        limb([(x - dx, y - dy), (x + dx, y + dy)], "tyre", 0.18 * radius, outline=False),
    ]


def _bike_wheel(centre: tuple[float, float], pose: Pose) -> list[Shape]:
    angle = pose.stride or 0.0
    spokes = []
    for turn in (angle, angle + np.pi / 2):
        dx, dy = 0.44 * float(np.cos(turn)), 0.44 * float(np.sin(turn))
        spokes.append(
            limb(
                [(centre[0] - dx, centre[1] - dy), (centre[0] + dx, centre[1] + dy)],
                "primary_dark",
                0.05,
                outline=False,
            )
        )
    return [
        disc(centre, 0.60, "tyre"),
        disc(centre, 0.54, "primary", outline=False),
        *spokes,
        disc(centre, 0.1, "hub", outline=False),
    ]


def lamp(centre: tuple[float, float], radius: float, pose: Pose, *, back: bool = False) -> list[Shape]:
    """Lamp that glows with short rays in the lit half of the "flash" gesture."""
    if pose.gesture != "flash":
        return [disc(centre, 0.7 * radius, "lamp_off")]
    if not pose.lit():
        return [disc(centre, radius, "lamp_off")]
    side = -1.0 if back else 1.0
    rays = [
        limb(
            [
                (centre[0] + side * 1.9 * radius * float(np.cos(a)), centre[1] + 1.9 * radius * float(np.sin(a))),
                (centre[0] + side * 3.0 * radius * float(np.cos(a)), centre[1] + 3.0 * radius * float(np.sin(a))),
            ],
            "lamp_on",
            0.5 * radius,
        )
        for a in (-0.7, 0.0, 0.7)
    ]
    return [disc(centre, 1.5 * radius, "lamp_on"), *rays]
