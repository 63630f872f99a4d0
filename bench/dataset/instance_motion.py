"""How intensely each instance moves: optical flow inside its mask with the camera's own motion taken out.

In: `Window`, `Evidence`. Out: `InstanceMotion` per reported instance. The paper asks for clips with "at least one
instance with high-intensity motion" and gives no rule (docs/spec/instancecap.md 5); this is ours. Flow sees what a
path does not: one who dances on the spot. Speeds are short sides of the picture per second.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.evidence import Evidence
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.data.window import Observation, Window
from edgecap.runtime.perceive.camera_step import grey

_SIDE = 320
_LEAST_PIXELS = 20
_LONGEST_STEP_SECONDS = 0.5
"""Over a longer gap a limb swings there and back unseen."""


@dataclass(frozen=True, slots=True)
class InstanceMotion:
    """One instance of a clip. `seconds`: how long it is seen. `flow_speed`: mean residual flow inside its mask,
    `path_speed`: of its body against the background (evidence.Motion), both in short sides per second; `flow_speed` is
    None where the camera's motion is not known or the mask is too small."""

    track_id: int
    class_name: str
    seconds: float
    flow_speed: float | None
    path_speed: float


def instance_motions(window: Window, evidence: Evidence) -> tuple[InstanceMotion, ...]:
    """Motion of every reported instance, in the order of `evidence`."""
    speeds: dict[int, list[float]] = defaultdict(list)
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    for before, after in pairwise(window.observations):
        gap = after.frame.pts_seconds - before.frame.pts_seconds
        if after.camera_step is None or not after.instances or gap > _LONGEST_STEP_SECONDS:
            continue
        residual = _residual_px(before, after, flow)
        for instance in after.instances:
            inside = _shrunk(instance.mask, residual.shape)
            if np.count_nonzero(inside) >= _LEAST_PIXELS:
                speeds[instance.track_id].append(float(residual[inside].mean()) / min(residual.shape) / gap)
    height, width = window.observations[0].frame.image_rgb.shape[:2] if window.observations else (1, 1)
    return tuple(
        InstanceMotion(
            track_id=t.track_id,
            class_name=t.class_name,
            seconds=float(t.pts_seconds[-1] - t.pts_seconds[0]),
            flow_speed=float(np.mean(speeds[t.track_id])) if t.track_id in speeds else None,
            path_speed=t.motion_world.speed_per_second * width / min(width, height),
        )
        for t in evidence.tracks
    )


def _residual_px(before: Observation, after: Observation, flow: cv2.DISOpticalFlow) -> NDArray[np.float32]:
    """float32 [h, w]: how far each pixel of the later picture moved beyond what the camera did, pixels of a picture of
    long side 320."""
    assert after.camera_step is not None, "asked only where it is known"
    earlier, later = grey(before.frame, _SIDE), grey(after.frame, _SIDE)
    moved = np.asarray(flow.calc(later, earlier, np.zeros((*later.shape, 2), np.float32)), np.float32)
    height, width = later.shape
    to_pixels = np.array([[width, 0, -0.5], [0, height, -0.5], [0, 0, 1.0]])
    back = to_pixels @ np.linalg.inv(after.camera_step) @ np.linalg.inv(to_pixels)
    ys, xs = np.mgrid[:height, :width]
    grid = np.stack([xs, ys], 2).astype(np.float32)
    camera = cv2.perspectiveTransform(grid.reshape(1, -1, 2), back).reshape(grid.shape) - grid
    return np.asarray(np.linalg.norm(moved - camera, axis=2), np.float32)


def _shrunk(mask: Mask, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The mask at the flow's size, its edge pixels left out: there the flow is half the background's."""
    small = cv2.resize(mask.full().astype(np.float32), (shape[1], shape[0]), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.erode((small > 0.5).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0, np.bool_)
