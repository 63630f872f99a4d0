"""Scene: everything that happens in one clip, as data; a pure function of its arguments."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from edgecap.bench.world.actors import Actor, Prop
from edgecap.bench.world.backgrounds import BACKGROUNDS, Background
from edgecap.bench.world.camera import MOVING_KINDS, REFERENCE_HEIGHT, CameraPath, make_camera
from edgecap.bench.world.layout import Stage, populate
from edgecap.bench.world.seeds import generator

TIERS = ("clean", "moving", "stress")


@dataclass(frozen=True, slots=True)
class Degradation:
    """What the stress tier does to the finished picture; all zero (gain 1) elsewhere."""

    noise_sigma: float = 0.0
    """8-bit steps."""
    blur_sigma_px: float = 0.0
    gain: float = 1.0
    """Brightness factor; below 1 is low light."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One clip, not yet rendered."""

    seed: int
    tier: str
    size_wh: tuple[int, int]
    fps: float
    num_frames: int
    background: Background
    horizon: float
    """World y of the horizon."""
    camera_path: CameraPath
    actors: tuple[Actor, ...]
    props: tuple[Prop, ...]
    degradation: Degradation

    def __post_init__(self) -> None:
        if len(self.camera_path.matrices) != self.num_frames:
            raise ValueError(f"expected {self.num_frames} camera matrices, got {len(self.camera_path.matrices)}")

    @property
    def duration_seconds(self) -> float:
        """Frames over frame rate."""
        return self.num_frames / self.fps

    @property
    def name(self) -> str:
        """File stem of the clip."""
        return f"{self.tier}_{self.seed:06d}"

    def __repr__(self) -> str:
        who = ", ".join(f"{a.primary_colour} {a.class_name}" for a in self.actors)
        return (
            f"Scene({self.name}, {self.size_wh[0]}x{self.size_wh[1]}, {self.num_frames} frames, "
            f"{self.background.name}, {self.camera_path.kind}, [{who}])"
        )


def make_scene(
    *,
    seed: int,
    tier: str,
    size_wh: tuple[int, int] = (640, 360),
    fps: float = 24.0,
    duration_seconds: float | None = None,
    num_actors: int | None = None,
) -> Scene:
    """Scene number `seed` of a tier ("clean", "moving" or "stress"); default duration is drawn from 4 to 8 s.

    `num_actors`: at most so many; in rare crowded layouts fewer fit.
    """
    if tier not in TIERS:
        raise ValueError(f"unknown tier {tier!r}; one of {TIERS}")
    rng = generator(seed, tier, "scene")
    duration = float(rng.uniform(4.0, 8.0)) if duration_seconds is None else duration_seconds
    num_frames = max(1, round(duration * fps))
    background = BACKGROUNDS[int(rng.integers(len(BACKGROUNDS)))]
    horizon = float(rng.uniform(96, 116) if background.water_depth else rng.uniform(122, 160))
    kind = "static" if tier == "clean" else str(rng.choice(MOVING_KINDS))
    camera = make_camera(kind, rng=generator(seed, tier, "camera"), num_frames=num_frames, fps=fps, size_wh=size_wh)
    count = _count(tier, rng) if num_actors is None else num_actors
    frame_width = size_wh[0] / size_wh[1] * REFERENCE_HEIGHT
    stage = Stage(background, horizon, camera.matrices, fps, size_wh, frame_width, tier)
    actors, props = populate(stage, count, generator(seed, tier, "layout"))
    return Scene(
        seed=seed,
        tier=tier,
        size_wh=size_wh,
        fps=fps,
        num_frames=num_frames,
        background=background,
        horizon=horizon,
        camera_path=camera,
        actors=actors,
        props=props,
        degradation=_degradation(tier, rng),
    )


def with_camera(scene: Scene, camera: CameraPath) -> Scene:
    """The same scene seen by another camera (tests of camera compensation)."""
    return replace(scene, camera_path=camera)


def _count(tier: str, rng: np.random.Generator) -> int:
    if tier == "stress":
        return int(rng.integers(4, 8))
    return int(rng.choice([1, 2, 3, 4, 5], p=[0.07, 0.29, 0.32, 0.24, 0.08]))


def _degradation(tier: str, rng: np.random.Generator) -> Degradation:
    if tier != "stress":
        return Degradation()
    which = rng.random(3) < (0.7, 0.6, 0.6)
    if not which.any():
        which[0] = True
    noise, blur, gain = rng.uniform(4, 11), rng.uniform(0.6, 1.3), rng.uniform(0.45, 0.8)
    return Degradation(
        float(noise) if which[0] else 0.0, float(blur) if which[1] else 0.0, float(gain) if which[2] else 1.0
    )
