"""Scenes of a minute in which all actors cross each other repeatedly.

In: a seed. Out: `Scene`. Actors and background are those of `make_scene`; only the paths differ: each actor goes back
and forth across the picture at its own speed, so that any two meet every few seconds. The second actor is a twin of the
first (class and colours), the last one leaves the picture and comes back.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgecap.bench.world.actors import Actor, Path
from edgecap.bench.world.camera import REFERENCE_HEIGHT, make_camera
from edgecap.bench.world.scene import Scene, make_scene
from edgecap.bench.world.seeds import generator
from edgecap.bench.world.sprites import rest_extent

DURATION_SECONDS = 60.0
NUM_ACTORS = 5
_CAMERAS = ("static", "shake", "pan_right", "zoom_in")
_INSIDE, _OUTSIDE = (0.12, 0.88), (-0.3, 0.8)
"""Shares of the frame's width between which an actor goes back and forth."""
_PERIOD_SECONDS = (11.0, 26.0)
"""There and back: 6 to 14 % of the frame width per second, the world's own range (plans.py)."""
_TWIN_STEP = 14.0
"""World units by which the twin is nearer to the viewer."""


def crossing_scene(*, seed: int, duration_seconds: float = DURATION_SECONDS, num_actors: int = NUM_ACTORS) -> Scene:
    """The scene of a seed; the camera stands, shakes, pans or zooms (for 8 s around the middle), by seed."""
    scene = make_scene(seed=seed, tier="clean", duration_seconds=duration_seconds, num_actors=num_actors)
    rng = generator(seed, "crossings", "ways")
    kind = _CAMERAS[seed % len(_CAMERAS)]
    camera = make_camera(
        kind,
        rng=generator(seed, "crossings", "camera"),
        num_frames=scene.num_frames,
        fps=scene.fps,
        size_wh=scene.size_wh,
    )
    cast = [_endless(actor, duration_seconds) for actor in scene.actors]
    if len(cast) > 1:
        cast[1] = _twin(cast[0], cast[1])
    width = scene.size_wh[0] / scene.size_wh[1] * REFERENCE_HEIGHT
    actors = []
    for k, actor in enumerate(cast):
        low, high = _OUTSIDE if k == len(cast) - 1 and k > 1 else _INSIDE
        actors.append(replace(actor, path=_back_and_forth(actor, low * width, high * width, duration_seconds, rng)))
    return replace(scene, camera_path=camera, actors=tuple(actors), props=())


def _endless(actor: Actor, duration_seconds: float) -> Actor:
    return replace(actor, birth_seconds=0.0, death_seconds=duration_seconds)


def _twin(actor: Actor, other: Actor) -> Actor:
    """`other` with the looks of `actor`, a step nearer to the viewer."""
    path = actor.path
    foot = float(path.points[0, 1]) + _TWIN_STEP
    where = Path(path.times_seconds[:1], np.array([[path.points[0, 0], foot]]), path.sizes[:1])
    return replace(
        actor, id=other.id, path=where, z_order=actor.z_order + _TWIN_STEP, gesture_phase=actor.gesture_phase + 2.0
    )


def _back_and_forth(actor: Actor, left: float, right: float, duration_seconds: float, rng: np.random.Generator) -> Path:
    """A zigzag between two columns on the actor's own row, begun anywhere on it."""
    half = float(rng.uniform(*_PERIOD_SECONDS)) / 2
    size, row = float(actor.path.sizes[0]), float(actor.path.points[0, 1])
    margin = rest_extent(actor.class_name)[0] * size / 2 if left >= 0 else 0.0
    ends = (left + margin, right - margin) if right - left > 2 * margin + 100 else (left, right)
    begun = -float(rng.uniform(0, 2)) * half
    times = np.arange(begun, duration_seconds + 2 * half, half)
    xs = np.array([ends[k % 2] for k in range(len(times))])
    return Path(times, np.stack([xs, np.full(len(times), row)], 1), np.full(len(times), size))
