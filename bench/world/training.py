"""Frames for training: a random scene of the training seeds and a few frames of it, without any file in between."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgecap.bench.world.render.renderer import RenderedFrame, Renderer
from edgecap.bench.world.scene import TIERS, Scene, make_scene
from edgecap.bench.world.seeds import EVALUATION_SEED_END, generator

TIER_SHARES = (0.45, 0.45, 0.10)
_TRIES = 6
_VISIBLE = 0.3


class TrainingSample(NamedTuple):
    """What `training_frames` returns."""

    frames: list[RenderedFrame]
    scene: Scene


def training_frames(
    seed: int, *, count: int, gap_seconds: float, tier: str | None = None, size_wh: tuple[int, int] = (640, 360)
) -> TrainingSample:
    """`count` frames `gap_seconds` apart from a random time of scene `seed`, at least one actor visible in the first.

    The tier is drawn (45 % clean, 45 % moving, 10 % stress) unless given. When no such time is found in a few tries,
    the last tried one is returned: a picture without actors is a training picture too.
    """
    if seed < EVALUATION_SEED_END:
        raise ValueError(
            f"seed {seed} belongs to the held-out clips (< {EVALUATION_SEED_END}); see bench/world/seeds.py"
        )
    rng = generator(seed, "training")
    chosen = str(rng.choice(TIERS, p=TIER_SHARES)) if tier is None else tier
    scene = make_scene(seed=seed, tier=chosen, size_wh=size_wh)
    renderer = Renderer(scene)
    gap = gap_seconds * scene.fps
    last_start = max(0, scene.num_frames - 1 - round(gap * (count - 1)))
    for _ in range(_TRIES):
        first = int(rng.integers(last_start + 1))
        frame = renderer.render(first)
        if np.any(frame.visible_fractions > _VISIBLE):
            break
    rest = [renderer.render(min(scene.num_frames - 1, first + round(gap * k))) for k in range(1, count)]
    return TrainingSample([frame, *rest], scene)
