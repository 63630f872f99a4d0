"""Plans: the ways an actor spends a clip, each a small pure function from a start to a path.

    still     stands                              stop    moves, then stands
    inside    moves and stays in view             start   stands, then moves
    sideways  the same, left or right (pairs)     turn    two legs at a right angle
    enter     comes in across the border          depth   moves and comes nearer or goes away
    leave     goes out across the border          emerge  comes out from behind scenery
    cross     comes in and goes out

All speeds are exactly zero or at least 6 % of the frame width per second; directions lie within 8 degrees of one of the
eight compass directions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.world.actors import Actor, Path, Prop
from edgecap.bench.world.backgrounds import Background
from edgecap.bench.world.classes import ActorClass
from edgecap.bench.world.sprites import rest_extent

LONGEST_ACT_SECONDS = 8.0
"""In longer clips an actor acts for this long and stands (or is outside) before and after."""
LEAST_TRAVEL = 0.125
"""Net way of a mover in frame widths."""


@dataclass(frozen=True, slots=True)
class Zone:
    """World rows in which the foot (ground, water) or the centre (air) may be."""

    top: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Start:
    """A moment, and a place in view at that moment: of the foot (ground, water) or of the centre (air)."""

    seconds: float
    x: float
    y: float
    zone: Zone
    duration_seconds: float
    frame_width: float
    size_scale: float
    horizon: float


@dataclass(frozen=True, slots=True)
class Plan:
    """How often a plan is drawn and which visibility histories (shares of the box inside the frame, [I]) it accepts."""

    weight: float
    accepts: Callable[[NDArray[np.float64]], bool]


def _stays(inside: NDArray[np.float64]) -> bool:
    return bool((inside > 0.55).mean() > 0.45)


def _enters(inside: NDArray[np.float64]) -> bool:
    return bool(inside[:2].max() <= 0 and inside[-2:].min() > 0.9)


def _leaves(inside: NDArray[np.float64]) -> bool:
    return bool(inside[-2:].max() <= 0 and inside[:2].min() > 0.9)


def _crosses(inside: NDArray[np.float64]) -> bool:
    return bool(inside[0] <= 0 and inside[-1] <= 0 and inside.max() > 0.95)


PLANS: dict[str, Plan] = {
    "still": Plan(0.36, _stays),
    "inside": Plan(0.24, _stays),
    "enter": Plan(0.08, _enters),
    "leave": Plan(0.08, _leaves),
    "cross": Plan(0.04, _crosses),
    "stop": Plan(0.10, _stays),
    "start": Plan(0.06, _stays),
    "turn": Plan(0.10, _stays),
    "depth": Plan(0.10, _stays),
    "emerge": Plan(0.0, _stays),
    "sideways": Plan(0.0, _stays),
}
EVENT_PLANS = ("enter", "leave", "cross", "emerge")

# Compass bins: angle 0 is right, 90 degrees is down. Ground actors mostly go sideways, as a side view asks for.
_ANGLES = np.arange(8) * 45.0
_GROUND = np.array([0.33, 0.06, 0.05, 0.06, 0.33, 0.06, 0.05, 0.06])
_AIR = np.array([0.20, 0.11, 0.08, 0.11, 0.20, 0.11, 0.08, 0.11])
_SIDEWAYS = np.array([0.5, 0, 0, 0, 0.5, 0, 0, 0])


def plan_weights() -> tuple[list[str], NDArray[np.float64]]:
    """Names and probabilities of the plans that fill up a clip."""
    weights = np.array([p.weight for p in PLANS.values()])
    return list(PLANS), weights / weights.sum()


def draw_path(plan: str, spec: ActorClass, start: Start, rng: np.random.Generator) -> Path | None:
    """A random path for `plan`, or None when it leaves the actor's zone."""
    begin, end = _act_window(start, rng)
    size = _size(spec, start, rng)
    if spec.habitat != "air":
        start = replace(start, y=start.y - rest_extent(spec.name)[1] * size / 2)
    if plan == "still":
        path = _knots([start.seconds], [(start.x, start.y)], size)
    else:
        path = _moving_path(plan, spec, start, rng, begin=begin, end=end, size=size)
    if not _in_zone(path, spec, start.zone):
        return None
    return path


def cover_for(actor: Actor, background: Background) -> Prop:
    """The wide prop behind which `actor` begins."""
    width, height = (v * float(actor.path.sizes[0]) for v in rest_extent(actor.class_name))
    prop_height = rest_extent(background.wide_prop)[1]
    size = max(1.2 * width, 1.12 * height / prop_height)
    foot = float(actor.path.points[0, 1]) + height / 2 + 6
    return Prop(
        background.wide_prop,
        (float(actor.path.points[0, 0]), foot - prop_height * size / 2),
        size,
        actor.z_order + 1.0,
        background.prop_inks[1],
        background.prop_inks[2],
        1,
    )


def _moving_path(
    plan: str, spec: ActorClass, start: Start, rng: np.random.Generator, *, begin: float, end: float, size: float
) -> Path:
    angle = _angle(plan, spec, rng)
    heading = np.array([np.cos(angle), np.sin(angle)])
    fast = plan in ("cross", "enter", "leave")
    speed = rng.uniform(0.09, 0.26) if fast else rng.uniform(0.065, 0.15)
    velocity = heading * speed * start.frame_width
    here = np.array([start.x, start.y])
    length = end - begin
    if plan in ("enter", "leave", "cross"):
        here = _to_border(here, heading, start, leaving=plan == "leave")
    if plan in ("stop", "start", "emerge"):
        edge = begin + length * (rng.uniform(0.35, 0.65) if plan != "emerge" else rng.uniform(0.08, 0.25))
        legs = (begin, edge) if plan == "stop" else (edge, end)
        origin = here - velocity * (legs[1] - legs[0]) * (0.5 if plan != "emerge" else 0.0)
        return _straight(origin, velocity, legs, size)
    if plan == "turn":
        middle = (begin + end) / 2
        side = np.array([-velocity[1], velocity[0]]) * rng.choice([-1.0, 1.0])
        # Both legs lie 45 degrees off the net direction, which stays on its bin.
        one, two = (velocity + side) / np.sqrt(2), (velocity - side) / np.sqrt(2)
        half = length / 2
        return _knots([begin, middle, end], [here - one * half, here, here + two * half], size)
    path = _straight(here - velocity * (start.seconds - begin), velocity, (begin, end), size)
    if plan == "depth":
        factor = rng.uniform(1.45, 1.75)
        grows = heading[1] > 0.3 or (abs(heading[1]) <= 0.3 and rng.random() < 0.5)
        low, high = size / np.sqrt(factor), size * np.sqrt(factor)
        return Path(path.times_seconds, path.points, np.array([low, high] if grows else [high, low]))
    return path


def _to_border(
    here: NDArray[np.float64], heading: NDArray[np.float64], start: Start, *, leaving: bool
) -> NDArray[np.float64]:
    """Moves a place sideways to the border that a mover with `heading` crosses at `start.seconds`."""
    if abs(heading[0]) < 0.3:
        return here
    forward = (heading[0] > 0) == leaving
    offset = 0.42 * start.frame_width
    return np.asarray(here + np.array([offset if forward else -offset, 0.0]))


def _straight(
    origin: NDArray[np.float64], velocity: NDArray[np.float64], legs: tuple[float, float], size: float
) -> Path:
    way = velocity * (legs[1] - legs[0])
    return _knots(list(legs), [origin, origin + way], size)


def _knots(times: list[float], points: list[NDArray[np.float64]] | list[tuple[float, float]], size: float) -> Path:
    return Path(np.array(times, dtype=np.float64), np.array(points, dtype=np.float64), np.full(len(times), size))


def _angle(plan: str, spec: ActorClass, rng: np.random.Generator) -> float:
    weights = _AIR if spec.habitat == "air" else _GROUND
    if plan in ("sideways", "emerge") or spec.habitat == "water":
        weights = _SIDEWAYS
    jitter = 3.0 if spec.habitat == "water" else 7.0
    return float(np.deg2rad(rng.choice(_ANGLES, p=weights) + rng.uniform(-jitter, jitter)))


def _act_window(start: Start, rng: np.random.Generator) -> tuple[float, float]:
    length = min(start.duration_seconds, LONGEST_ACT_SECONDS)
    low, high = max(0.0, start.seconds - length), min(start.seconds, start.duration_seconds - length)
    begin = float(rng.uniform(low, max(low, high)))
    return begin, begin + length


def _size(spec: ActorClass, start: Start, rng: np.random.Generator) -> float:
    """Long side in world units: the class's range, a little smaller near the horizon."""
    low, high = spec.size_range
    nearness = (
        np.clip((start.y - start.horizon) / (360.0 - start.horizon), 0.0, 1.0) if spec.habitat == "ground" else 0.7
    )
    return float(rng.uniform(low, high) * 360.0 * start.size_scale * (0.82 + 0.18 * nearness))


def _in_zone(path: Path, spec: ActorClass, zone: Zone) -> bool:
    way = np.linalg.norm(path.points[-1] - path.points[0])
    if len(path.points) > 1 and way < LEAST_TRAVEL * 640.0:
        return False
    height = rest_extent(spec.name)[1] * path.sizes
    rows = path.points[:, 1] + (0.0 if spec.habitat == "air" else height / 2)
    return bool(rows.min() >= zone.top and rows.max() <= zone.bottom)
