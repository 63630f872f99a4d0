"""Windows whose truth is known because they are drawn from it: bodies in a flat world, seen by a camera that moves.

World units are frame widths at zoom 1, y down. No picture is rendered: masks are the bodies' rectangles, cut by the
frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.data.window import Observation, TrackedInstance, Window

SIZE_WH = (320, 180)
ASPECT = SIZE_WH[1] / SIZE_WH[0]
FPS = 8.0
LABELS = ("person", "dog", "car")
Where = Callable[[float], tuple[float, float]]


@dataclass(frozen=True)
class View:
    """The camera at one moment: centre of its view, zoom, and roll in degrees (clockwise as the operator sees it)."""

    x: float = 0.5
    y: float = ASPECT / 2
    zoom: float = 1.0
    roll: float = 0.0

    def matrix(self) -> NDArray[np.float64]:
        """World -> picture, both in widths: the picture turns against the camera's roll."""
        angle = np.radians(-self.roll)
        out = np.eye(3)
        out[:2, :2] = self.zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        out[:2, 2] = np.array([0.5, ASPECT / 2]) - out[:2, :2] @ np.array([self.x, self.y])
        return out


STILL_CAMERA = View()


@dataclass(frozen=True)
class Body:
    """A rectangle: where its centre is at a time (None: it isn't there), its size, and how much its mask jitters
    (widths)."""

    where: Callable[[float], tuple[float, float] | None]
    size: tuple[float, float] = (0.12, 0.16)
    growth: float = 1.0
    """Factor of its size from the first to the last frame."""
    jitter: float = 0.0
    class_id: int = 0
    score: float = 0.9


def straight(x: float, y: float, *, vx: float = 0.0, vy: float = 0.0) -> Where:
    """Centre at (x, y) at time 0, moving at (vx, vy) widths per second."""
    return lambda t: (x + vx * t, y + vy * t)


def window(
    bodies: list[Body] | None = None,
    view: Callable[[float], View] = lambda t: STILL_CAMERA,
    *,
    seconds: float = 5.0,
    fps: float = FPS,
    missing_steps: tuple[int, ...] = (),
    seed: int = 0,
) -> Window:
    """A window of `seconds`; track ids are 1, 2, ... in the order of `bodies`."""
    rng = np.random.default_rng(seed)
    image = np.full((SIZE_WH[1], SIZE_WH[0], 3), 128, np.uint8)
    image[:20] = 245  # a bright sky: the picture isn't underexposed
    observations, before = [], np.eye(3)
    count = round(seconds * fps)
    for k in range(count):
        t = k / fps
        to_picture = view(t).matrix()
        relative = np.diag([1.0, 1 / ASPECT, 1.0]) @ to_picture
        step = None if k == 0 or k in missing_steps else relative @ np.linalg.inv(before)
        before = relative
        instances = []
        for track_id, body in enumerate(bodies or [], start=1):
            mask = _mask(body, t, to_picture, k / max(count - 1, 1), rng)
            if mask is not None:
                instances.append(TrackedInstance(track_id, mask.box_xyxy, body.score, body.class_id, mask))
        observations.append(Observation(Frame(k, t, image), tuple(instances), step, 0.0 if step is None else 0.9))
    return Window(0, 0, 0.0, seconds, tuple(observations), LABELS, True, 0.0)


def _mask(body: Body, t: float, to_picture: NDArray[np.float64], share: float, rng: np.random.Generator) -> Mask | None:
    centre = body.where(t)
    if centre is None:
        return None
    middle = (to_picture @ np.array([*centre, 1.0]))[:2] + rng.normal(0, body.jitter or 1e-12, 2)
    half = np.array(body.size) / 2 * np.sqrt(np.linalg.det(to_picture[:2, :2])) * body.growth**share
    low, high = (np.round((middle + sign * half) * SIZE_WH[0]).astype(int) for sign in (-1, 1))
    low, high = np.maximum(low, 0), np.minimum(high, SIZE_WH)
    if (high - low < 2).any():
        return None
    return Mask((int(low[0]), int(low[1])), np.ones((int(high[1] - low[1]), int(high[0] - low[0])), bool), SIZE_WH)


def layered(drawn: Window, *, front: int, back: int) -> Window:
    """The window with the front track's pixels taken out of the back track's masks: rectangles hide nothing alone."""
    observations = []
    for observation in drawn.observations:
        masks = {i.track_id: i.mask for i in observation.instances}
        instances = []
        for instance in observation.instances:
            if instance.track_id == back and front in masks:
                bits = instance.mask.full() & ~masks[front].full()
                if not bits.any():
                    continue
                mask = Mask.from_full(bits)
                instance = replace(instance, mask=mask, box_xyxy=mask.box_xyxy)
            instances.append(instance)
        observations.append(replace(observation, instances=tuple(instances)))
    return replace(drawn, observations=tuple(observations))
