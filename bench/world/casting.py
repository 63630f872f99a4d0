"""Casting: gives a path a body: colours, gesture, phases."""

from __future__ import annotations

import numpy as np

from edgecap.bench.world.actors import Actor, Path
from edgecap.bench.world.backgrounds import Background
from edgecap.bench.world.classes import ActorClass
from edgecap.bench.world.colours import COLOURS, jittered

SINGLE_COLOUR_SHARE = 0.25
GESTURE_SHARE = 0.6


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
