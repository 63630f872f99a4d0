"""Layout: draws actors and props until they are well visible, rarely hide each other, and something happens.

In: the stage (background, camera). Out: actors and props. Rejection sampling on boxes
at a few instants; the exact visibility is measured later by the renderer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.world.actors import Actor, Path, Prop, cast
from edgecap.bench.world.backgrounds import Background
from edgecap.bench.world.classes import CLASSES, ActorClass
from edgecap.bench.world.plans import EVENT_PLANS, PLANS, Start, Zone, cover_for, draw_path, plan_weights
from edgecap.bench.world.sprites import rest_extent

_TRIES = 72
_TRIES_PER_CLASS = 24
_NUM_INSTANTS = 25
_LEAST_NET_WAY = 0.08
_OFF_BIN_DEGREES = 14.0
PAIR_SHARE = 0.15
EVENT_SHARE = 0.86
"""Share of clips in which an entering, leaving or emerging actor is tried first."""
SMALLEST_LONG_SIDE, SMALLEST_SHORT_SIDE = 46.0, 23.0
"""Pixels of a 360-line frame; stress: two thirds."""

_View = tuple[NDArray[np.float64], float]
"""Boxes [I, 4] at the sampled instants, in pixels, and the z order."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What the layout has to know about the scene."""

    background: Background
    horizon: float
    camera: NDArray[np.float64]
    """[T, 3, 3] world -> image."""
    fps: float
    size_wh: tuple[int, int]
    frame_width: float
    """World units."""
    tier: str

    @property
    def duration_seconds(self) -> float:
        """Length of the clip."""
        return len(self.camera) / self.fps

    def zone(self, habitat: str) -> Zone:
        """Where the foot (ground, water) or the centre (air) of an actor may be, in world y."""
        ground = self.horizon + self.background.water_depth
        if habitat == "water":
            return Zone(self.horizon + 0.45 * self.background.water_depth, ground - 5)
        if habitat == "air":
            return Zone(-1e4, self.horizon + 70)
        return Zone(ground + 16, 1e4)


def populate(stage: Stage, count: int, rng: np.random.Generator) -> tuple[tuple[Actor, ...], tuple[Prop, ...]]:
    """Up to `count` actors and a few props."""
    crowd = _Crowd(stage, rng)
    crowd.add_narrow_props()
    if count >= 2 and rng.random() < PAIR_SHARE:
        crowd.add_pair()
    if len(crowd.actors) < count and rng.random() < EVENT_SHARE:
        plans = [str(p) for p in rng.permutation(EVENT_PLANS)]
        any(crowd.add(p) for p in plans)
    names, weights = plan_weights()
    misses = 0
    while len(crowd.actors) < count and misses < 6:
        misses += not crowd.add(str(rng.choice(names, p=weights)))
    return tuple(crowd.actors), tuple(crowd.props)


class _Crowd:
    """Actors and props placed so far."""

    def __init__(self, stage: Stage, rng: np.random.Generator) -> None:
        self.stage, self.rng = stage, rng
        self.actors: list[Actor] = []
        self.props: list[Prop] = []
        frames = np.unique(np.linspace(0, len(stage.camera) - 1, _NUM_INSTANTS).round().astype(int))
        self._seconds = frames / stage.fps
        self._camera = stage.camera[frames]
        self._views: list[_View] = []
        self._prop_views: list[_View] = []

    def add(self, plan: str) -> bool:
        """Try to place one actor that follows `plan`."""
        for attempt in range(_TRIES):
            # Redrawing the class each time would favour the classes that fit easily.
            if attempt % _TRIES_PER_CLASS == 0:
                spec = self._draw_class(plan)
            path = draw_path(plan, spec, self._start(spec), self.rng)
            if path is None:
                continue
            actor = cast(len(self.actors), spec, path, self.stage.background, self.rng, z_order=self._depth(spec, path))
            cover = cover_for(actor, self.stage.background) if plan == "emerge" else None
            boxes = self._boxes(path, rest_extent(spec.name))
            if self._fits(actor, boxes, plan=plan, cover=cover):
                self._keep(actor, boxes, cover)
                return True
        return False

    def add_pair(self) -> bool:
        """Two actors of one class and colouring that cross in opposite directions."""
        for _ in range(_TRIES):
            spec = self._draw_class("turn")  # no boats: their strip is too narrow for two
            path = draw_path("sideways", spec, self._start(spec), self.rng)
            if path is None:
                continue
            mirror = path.reversed_in(float(path.times_seconds[0] + path.times_seconds[-1]))
            shift = float(self.rng.choice([-1, 1]) * self.rng.uniform(0.08, 0.22)) * float(path.sizes[0])
            second = replace(mirror, points=np.add(mirror.points, (0.0, shift)))
            one = cast(len(self.actors), spec, path, self.stage.background, self.rng, z_order=self._depth(spec, path))
            two = replace(one, id=one.id + 1, path=second, z_order=one.z_order + shift)
            views = [self._boxes(p, rest_extent(spec.name)) for p in (path, second)]
            if all(self._fits(a, v, plan="inside", cover=None) for a, v in zip((one, two), views, strict=True)):
                self._keep(one, views[0], None)
                self._keep(two, views[1], None)
                return True
        return False

    def add_narrow_props(self) -> None:
        """None to two posts or trees in the foreground."""
        background, rng = self.stage.background, self.rng
        for _ in range(int(rng.choice([0, 1, 2], p=[0.35, 0.45, 0.2]))):
            size = float(rng.uniform(130, 210)) * (1.5 if background.narrow_prop == "trunk" else 1.0)
            foot = float(rng.uniform(285, 350))
            centre = (float(rng.uniform(0.05, 0.95)) * self.stage.frame_width, foot - size / 2)
            prop = Prop(
                background.narrow_prop,
                centre,
                size,
                foot,
                background.prop_inks[0],
                background.prop_inks[2],
                int(rng.choice([-1, 1])),
            )
            self._keep_prop(prop)

    def _draw_class(self, plan: str) -> ActorClass:
        """Uniform over the classes that may be here; boats are favoured where there is water, their only home."""
        wet = self.stage.background.water_depth > 0
        pool = [c for c in CLASSES if c.habitat != "water" or (wet and plan not in ("depth", "emerge", "turn"))]
        if plan == "emerge":
            # Only what is wider than tall and stands on the ground can hide behind a low prop.
            pool = [c for c in pool if c.habitat == "ground" and rest_extent(c.name)[1] < 0.7]
        weights = np.array([2.6 if c.habitat == "water" else 1.0 for c in pool])
        return pool[int(self.rng.choice(len(pool), p=weights / weights.sum()))]

    def _start(self, spec: ActorClass) -> Start:
        """A random moment and a random place that is in view then."""
        rng, stage = self.rng, self.stage
        moment = float(rng.uniform(0.1, 0.9)) * stage.duration_seconds
        matrix = stage.camera[min(int(moment * stage.fps), len(stage.camera) - 1)]
        target = np.array([rng.uniform(0.06, 0.94) * stage.size_wh[0], rng.uniform(0.12, 0.95) * stage.size_wh[1], 1.0])
        x, y = np.linalg.solve(matrix, target)[:2]
        zone = stage.zone(spec.habitat)
        if spec.habitat == "water":
            y = rng.uniform(zone.top, zone.bottom)
        scale = 0.68 if stage.tier == "stress" else 1.0
        return Start(
            seconds=moment,
            x=float(x),
            y=float(y),
            zone=zone,
            duration_seconds=stage.duration_seconds,
            frame_width=stage.frame_width,
            size_scale=scale,
            horizon=stage.horizon,
        )

    def _depth(self, spec: ActorClass, path: Path) -> float:
        foot = float(np.mean(path.points[:, 1])) + rest_extent(spec.name)[1] * float(path.sizes.mean()) / 2
        return foot + (float(self.rng.uniform(-60, 120)) if spec.habitat == "air" else 0.0)

    def _boxes(self, path: Path, extent: tuple[float, float]) -> NDArray[np.float64]:
        """[I, 4] image boxes of the rest pose at the sampled instants, in pixels, not clipped."""
        centres, sizes = path.at(self._seconds)
        return _project(self._camera, centres, sizes[:, None] * np.array(extent))

    def _keep(self, actor: Actor, boxes: NDArray[np.float64], cover: Prop | None) -> None:
        self.actors.append(actor)
        self._views.append((boxes, actor.z_order))
        if cover is not None:
            self._keep_prop(cover)

    def _keep_prop(self, prop: Prop) -> None:
        self.props.append(prop)
        self._prop_views.append(self._prop_view(prop))

    def _prop_view(self, prop: Prop) -> _View:
        extent = np.array(rest_extent(prop.sprite)) * prop.size
        n = len(self._seconds)
        return _project(self._camera, np.tile(prop.centre, (n, 1)), np.tile(extent, (n, 1))), prop.z_order

    def _fits(self, actor: Actor, boxes: NDArray[np.float64], *, plan: str, cover: Prop | None) -> bool:
        inside = _inside(boxes, self.stage.size_wh)
        step = self.stage.duration_seconds / len(boxes)
        well = inside >= 0.6
        if well.sum() * step < min(1.6, 0.55 * self.stage.duration_seconds):
            return False
        if not PLANS[plan].accepts(inside) or not self._large_enough(boxes[inside > 0.2]):
            return False
        if not self._heading_is_clear(actor.path, inside > 0.35):
            return False
        if any((_overlap(boxes, view)[well] > 0.5).sum() * step > 1.0 for view, _ in [*self._views, *self._prop_views]):
            return False
        return self._all_seen([*self._views, (boxes, actor.z_order)], cover, step)

    def _all_seen(self, views: list[_View], cover: Prop | None, step: float) -> bool:
        """Whether every actor, the new one included, stays mostly in view and uncovered for long enough."""
        in_front = [*views, *self._prop_views]
        if cover is not None:
            in_front.append(self._prop_view(cover))
        needed = min(1.5, 0.5 * self.stage.duration_seconds)
        for boxes, z_order in views:
            seen = _inside(boxes, self.stage.size_wh) >= 0.6
            covered = np.zeros(len(boxes))
            for other, z in in_front:
                if z > z_order:
                    covered += _overlap(boxes, other)
            seen &= covered <= 0.38
            if seen.sum() * step < needed:
                return False
        return True

    def _heading_is_clear(self, path: Path, seen: NDArray[np.bool_]) -> bool:
        """Whether the net way while in view is nothing at all, or long and not between two compass directions."""
        where = path.at(self._seconds[seen])[0]
        x, y = where[-1] - where[0]
        if x == 0 and y == 0:
            return True
        off_bin = (np.rad2deg(np.arctan2(y, x)) + 22.5) % 45.0 - 22.5
        return bool(np.hypot(x, y) > _LEAST_NET_WAY * self.stage.frame_width and abs(off_bin) < _OFF_BIN_DEGREES)

    def _large_enough(self, boxes: NDArray[np.float64]) -> bool:
        factor = self.stage.size_wh[1] / 360.0 * (0.66 if self.stage.tier == "stress" else 1.0)
        sides = boxes[:, 2:] - boxes[:, :2]
        return bool(
            sides.max(axis=1).min(initial=1e9) >= SMALLEST_LONG_SIDE * factor
            and sides.min(axis=1).min(initial=1e9) >= SMALLEST_SHORT_SIDE * factor
            and sides.max(initial=0) <= 0.66 * self.stage.size_wh[1]
        )


def _project(
    camera: NDArray[np.float64], centres: NDArray[np.float64], extents: NDArray[np.float64]
) -> NDArray[np.float64]:
    """[I, 4] boxes; the roll is ignored for the extent (it is small), the zoom is not."""
    middle = np.einsum("tij,tj->ti", camera[:, :2, :2], centres) + camera[:, :2, 2]
    zoom = np.sqrt(np.abs(np.linalg.det(camera[:, :2, :2])))[:, None]
    return np.concatenate([middle - extents * zoom / 2, middle + extents * zoom / 2], axis=1)


def _inside(boxes: NDArray[np.float64], size_wh: tuple[int, int]) -> NDArray[np.float64]:
    """[I] share of each box that is in the frame."""
    frame = np.array([[0.0, 0.0, *size_wh]])
    shared = _shared_area(boxes, frame)
    return np.asarray(shared / np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))


def _overlap(boxes: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """[I] shared area over the smaller of the two boxes."""
    areas = [np.prod(b[:, 2:] - b[:, :2], axis=1) for b in (boxes, others)]
    return np.asarray(_shared_area(boxes, others) / np.minimum(*areas))


def _shared_area(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    sides = np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2])
    return np.asarray(np.prod(np.clip(sides, 0, None), axis=1))
