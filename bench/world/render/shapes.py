"""Shapes: what a sprite is made of, in local coordinates, before any painter touches them.

Local coordinates: x to the right (the way the sprite faces), y down, any unit; `sprites.shapes_of` normalises them.
A shape is a filled polygon (`width` 0) or a stroke with round ends (`width` > 0, same unit as the points).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

_TURN = np.linspace(0.0, 2 * np.pi, 24, endpoint=False)
_CIRCLE: Points = np.stack([np.cos(_TURN), np.sin(_TURN)], axis=1)


class Shape(NamedTuple):
    """One filled polygon or one stroke."""

    points: Points  # [K, 2] local
    ink: str  # key of colours.inks_of
    width: float = 0.0  # 0: filled polygon, else stroke width in local units
    outline: bool = True  # dark line around it; inner details have none


def poly(points: Points | list[tuple[float, float]], ink: str, *, outline: bool = True) -> Shape:
    """Filled polygon."""
    return Shape(np.asarray(points, dtype=np.float64), ink, 0.0, outline)


def limb(points: list[tuple[float, float]], ink: str, width: float, *, outline: bool = True) -> Shape:
    """Stroke with round ends: legs, arms, tubes, tails."""
    return Shape(np.asarray(points, dtype=np.float64), ink, width, outline)


def oval(
    centre: tuple[float, float], radii: tuple[float, float], ink: str, *, turn: float = 0.0, outline: bool = True
) -> Shape:
    """Ellipse with half axes `radii`, turned clockwise by `turn` radians."""
    points = _CIRCLE * radii
    if turn:
        points = turned(points, turn)
    return Shape(points + centre, ink, 0.0, outline)


def disc(centre: tuple[float, float], radius: float, ink: str, *, outline: bool = True) -> Shape:
    """Circle."""
    return Shape(_CIRCLE * radius + centre, ink, 0.0, outline)


def box(
    left: float, top: float, right: float, bottom: float, ink: str, *, radius: float = 0.0, outline: bool = True
) -> Shape:
    """Rectangle with rounded corners."""
    return Shape(box_points(left, top, right, bottom, radius=radius), ink, 0.0, outline)


def box_points(left: float, top: float, right: float, bottom: float, *, radius: float = 0.0) -> Points:
    """Corner points of a rectangle with rounded corners, [4 or 16, 2]."""
    if radius <= 0:
        return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=np.float64)
    quarter = np.linspace(0, np.pi / 2, 4)
    rounded = []
    for (x, y), start in (
        ((right - radius, bottom - radius), 0.0),
        ((left + radius, bottom - radius), np.pi / 2),
        ((left + radius, top + radius), np.pi),
        ((right - radius, top + radius), 1.5 * np.pi),
    ):
        angle = quarter + start
        rounded.append(np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1))
    return np.concatenate(rounded)


def smooth(points: list[tuple[float, float]], *, rounds: int = 2) -> Points:
    """Closed polygon with its corners cut `rounds` times (Chaikin), for soft outlines."""
    curve = np.asarray(points, dtype=np.float64)
    for _ in range(rounds):
        ahead = np.roll(curve, -1, axis=0)
        curve = np.stack([0.75 * curve + 0.25 * ahead, 0.25 * curve + 0.75 * ahead], axis=1).reshape(-1, 2)
    return curve


def corners(text: str) -> list[tuple[float, float]]:
    """Points written as in SVG's `points`: "x,y x,y ..."."""
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in text.split())]


def turned(points: Points, angle: float, pivot: tuple[float, float] = (0.0, 0.0)) -> Points:
    """Points turned clockwise (on the screen, y down) by `angle` radians about `pivot`."""
    c, s = np.cos(angle), np.sin(angle)
    return np.asarray((points - pivot) @ np.array([[c, s], [-s, c]]) + pivot)


def turn_all(shapes: list[Shape], angle: float, pivot: tuple[float, float]) -> list[Shape]:
    """All `shapes` turned together."""
    if angle == 0:
        return shapes
    return [s._replace(points=turned(s.points, angle, pivot)) for s in shapes]


def reach(start: tuple[float, float], length: float, angle: float) -> tuple[float, float]:
    """End of a limb that starts at `start`; angle 0 hangs down, positive swings forward (to the right)."""
    return (start[0] + length * float(np.sin(angle)), start[1] + length * float(np.cos(angle)))
