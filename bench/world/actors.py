"""Actors and scenery props: who they are, where they are at any time, and how they get their looks. World units as in
`camera`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.world.backgrounds import Background
from edgecap.bench.world.classes import CLASS_BY_NAME, ActorClass
from edgecap.bench.world.colours import COLOURS, RGB, jittered
from edgecap.bench.world.sprites import rest_extent
from edgecap.bench.world.sprites.pose import Pose

STRIDE_HERTZ = 1.3
SINGLE_COLOUR_SHARE = 0.25
GESTURE_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Path:
    """Piecewise straight way through the world; before the first and after the last knot the actor stands."""

    times_seconds: NDArray[np.float64]
    """[K] increasing."""
    points: NDArray[np.float64]
    """[K, 2] centre of the body in world units."""
    sizes: NDArray[np.float64]
    """[K] long side of the rest pose in world units."""

    def __post_init__(self) -> None:
        shapes = (self.times_seconds.shape[0], self.points.shape[0], self.sizes.shape[0])
        if len(set(shapes)) != 1 or self.points.shape[1:] != (2,):
            raise ValueError(f"expected K times, [K, 2] points and K sizes, got {shapes = }, {self.points.shape = }")

    def at(self, seconds: NDArray[np.float64] | float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(centres [..., 2], sizes [...]) at the given times."""
        x = np.interp(seconds, self.times_seconds, self.points[:, 0])
        y = np.interp(seconds, self.times_seconds, self.points[:, 1])
        return np.stack([x, y], axis=-1), np.asarray(np.interp(seconds, self.times_seconds, self.sizes))

    def velocity(self, seconds: float) -> NDArray[np.float64]:
        """[2] world units per second; zero while standing."""
        i = int(np.searchsorted(self.times_seconds, seconds, side="right"))
        if i == 0 or i >= len(self.times_seconds):
            return np.zeros(2)
        span = self.times_seconds[i] - self.times_seconds[i - 1]
        return np.asarray((self.points[i] - self.points[i - 1]) / span)

    def reversed_in(self, duration_seconds: float) -> Path:
        """The same way walked backwards in time."""
        return Path(duration_seconds - self.times_seconds[::-1], self.points[::-1].copy(), self.sizes[::-1].copy())


@dataclass(frozen=True, slots=True)
class Actor:
    """One instance."""

    id: int
    class_name: str
    primary_colour: str
    secondary_colour: str | None
    """None: both parts have the primary colour."""
    primary_rgb: RGB
    secondary_rgb: RGB
    gesture: str | None
    gesture_hertz: float
    gesture_phase: float
    path: Path
    z_order: float
    """Larger is nearer to the viewer."""
    facing: int
    """+1 right, -1 left; used while it does not move sideways."""
    skin: int
    hair: int
    birth_seconds: float
    """It exists from here (it may still be outside the frame or hidden)."""
    death_seconds: float

    @property
    def spec(self) -> ActorClass:
        """Its class."""
        return CLASS_BY_NAME[self.class_name]

    @property
    def moving(self) -> bool:
        """Whether it ever changes place."""
        return bool(np.ptp(self.path.points, axis=0).max() > 0)

    def alive(self, seconds: float) -> bool:
        """Whether it exists at that time."""
        return self.birth_seconds <= seconds <= self.death_seconds

    def extents(self, sizes: NDArray[np.float64]) -> NDArray[np.float64]:
        """[..., 2] width and height of the rest pose for the given long sides."""
        return np.asarray(np.asarray(sizes)[..., None] * np.array(rest_extent(self.class_name)))

    def rest_box(self, seconds: float, camera: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(centre [2], half size [2]) of the rest pose in pixels, not clipped; the roll is ignored for the size."""
        centre, size = self.path.at(seconds)
        zoom = float(np.sqrt(abs(np.linalg.det(camera[:2, :2]))))
        return camera[:2, :2] @ centre + camera[:2, 2], self.extents(size) * zoom / 2

    def facing_at(self, seconds: float) -> int:
        """Direction of the last sideways motion up to `seconds`."""
        times, points = self.path.times_seconds, self.path.points
        steps = np.diff(points, axis=0)
        sideways = np.abs(steps[:, 0]) > 0.25 * np.abs(steps[:, 1]) + 1e-9
        started = sideways & (times[:-1] <= seconds + 1e-9)
        if started.any():
            return 1 if steps[np.nonzero(started)[0][-1], 0] > 0 else -1
        if sideways.any():
            return 1 if steps[np.nonzero(sideways)[0][0], 0] > 0 else -1
        return self.facing

    def pose_at(self, seconds: float) -> Pose:
        """Gait and gesture phases."""
        moving = bool(np.any(self.path.velocity(seconds)))
        stride = 2 * np.pi * STRIDE_HERTZ * seconds + self.gesture_phase if moving else None
        beat = 2 * np.pi * self.gesture_hertz * seconds + self.gesture_phase
        return Pose(stride=stride, gesture=self.gesture, beat=beat)


@dataclass(frozen=True, slots=True)
class Prop:
    """Scenery that hides what is behind it; no actor, never in the truth."""

    sprite: str
    centre: tuple[float, float]
    size: float
    z_order: float
    primary_rgb: RGB
    secondary_rgb: RGB
    facing: int


def cast(
    actor_id: int, spec: ActorClass, path: Path, background: Background, rng: np.random.Generator, *, z_order: float
) -> Actor:
    """An actor of class `spec` on `path`, in colours that stand out from `background`."""
    names = list(COLOURS)
    primary = str(rng.choice([n for n in names if n not in background.clashes]))
    secondary = None if rng.random() < SINGLE_COLOUR_SHARE else str(rng.choice([n for n in names if n != primary]))
    primary_rgb = jittered(primary, rng)
    secondary_rgb = primary_rgb if secondary is None else jittered(secondary, rng)
    gesture = str(rng.choice([g.name for g in spec.gestures])) if rng.random() < GESTURE_SHARE else None
    return Actor(
        id=actor_id,
        class_name=spec.name,
        primary_colour=primary,
        secondary_colour=secondary,
        primary_rgb=primary_rgb,
        secondary_rgb=secondary_rgb,
        gesture=gesture,
        gesture_hertz=float(rng.uniform(0.5, 0.9)),
        gesture_phase=float(rng.uniform(0, 2 * np.pi)),
        path=path,
        z_order=z_order,
        facing=int(rng.choice([-1, 1])),
        skin=int(rng.integers(4)),
        hair=int(rng.integers(4)),
        birth_seconds=0.0,
        death_seconds=float("inf"),
    )
