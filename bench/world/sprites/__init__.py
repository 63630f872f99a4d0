"""Sprites by class name, normalised: long side of the rest pose 1, its centre at the origin, facing right, y down."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.world.render.shapes import Shape
from edgecap.bench.world.sprites import animals, flyers, people, props, things, vehicles
from edgecap.bench.world.sprites.pose import Pose

Draw = Callable[[Pose], list[Shape]]

SPRITES: dict[str, Draw] = {
    "person": people.person,
    "bicycle": vehicles.bicycle,
    "car": vehicles.car,
    "bus": vehicles.bus,
    "truck": vehicles.truck,
    "boat": flyers.boat,
    "airplane": flyers.airplane,
    "bird": flyers.bird,
    "dog": animals.dog,
    "horse": animals.horse,
    "elephant": animals.elephant,
    "giraffe": animals.giraffe,
    "umbrella": things.umbrella,
    "kite": flyers.kite,
    "sports ball": things.sports_ball,
    **props.PROPS,
}


@cache
def rest_extent(name: str) -> tuple[float, float]:
    """(width, height) of the rest pose in normalised units; the larger one is 1."""
    low, high = _bounds(name)
    extent = (high - low) / np.max(high - low)
    return (float(extent[0]), float(extent[1]))


def shapes_of(name: str, pose: Pose) -> tuple[list[Shape], NDArray[np.float64], float]:
    """Shapes in the sprite's own units, with (centre [2], scale) that normalise them: p -> (p - centre) * scale."""
    low, high = _bounds(name)
    return SPRITES[name](pose), (low + high) / 2, float(1.0 / np.max(high - low))


@cache
def _bounds(name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    shapes = SPRITES[name](Pose())
    low = np.min([s.points.min(axis=0) - s.width / 2 for s in shapes], axis=0)
    high = np.max([s.points.max(axis=0) + s.width / 2 for s in shapes], axis=0)
    return low, high
