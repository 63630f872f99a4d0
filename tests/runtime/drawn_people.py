"""Stick people whose posture, gait and facing are given, as poses of a drawn window's tracks.

Lengths are shares of the standing height, y down from the top of the head (joint heights of Drillis and Contini 1966).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.pose import KEYPOINTS, Pose
from edgecap.runtime.data.window import Window
from tests.runtime.drawn_windows import ASPECT

HEIGHT = 0.42
"""Frame widths of a standing person: 134 pixels in a drawn window."""
Joints = dict[str, tuple[float, float]]


def standing(facing: str = "camera", *, spread: float = 0.06, breadth: float = 0.13, nose: float = 0.06) -> Joints:
    """Upright; `spread`: how far each ankle is from the middle; `breadth`: half of the shoulders' distance."""
    turned = {"camera": 1.0, "away": -1.0, "left": 0.1, "right": 0.1}[facing]
    forward = {"left": -nose, "right": nose}.get(facing, 0.0)
    joints: Joints = {"nose": (forward, 0.07)}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        joints |= {
            f"{side} eye": (forward * 0.8 + 0.015 * sign * turned, 0.055),
            f"{side} ear": (0.035 * sign * turned, 0.065),
            f"{side} shoulder": (breadth * sign * turned, 0.182),
            f"{side} elbow": (breadth * sign * turned, 0.37),
            f"{side} wrist": (breadth * sign * turned, 0.515),
            f"{side} hip": (0.06 * sign * turned, 0.47),
            f"{side} knee": (0.5 * (0.06 * turned + spread) * sign, 0.715),
            f"{side} ankle": (spread * sign, 0.961),
        }
    return joints


def legs(joints: Joints, *, thigh: float, shank: float, forward: float = 0.0) -> Joints:
    """The same with thighs and shanks that reach so far down, and knees so far to the right."""
    changed = dict(joints)
    for side in ("left", "right"):
        x, y = joints[f"{side} hip"]
        changed[f"{side} knee"] = (x + forward, y + thigh)
        changed[f"{side} ankle"] = (x + forward, y + thigh + shank)
    return changed


def walking(phase: float, facing: str = "right", *, stride: float = 0.2, lift: float = 0.0) -> Joints:
    """A moment of a step; `phase` in steps. `lift`: how far the swinging ankle is folded up behind the knee."""
    swing = stride * np.cos(np.pi * phase)
    joints = standing(facing)
    for side, sign in (("left", 1.0), ("right", -1.0)):
        joints[f"{side} knee"] = (0.5 * swing * sign, 0.715)
        joints[f"{side} ankle"] = (swing * sign, 0.961)
    x, y = joints["left knee"]
    if lift:
        joints["left ankle"] = (x - 0.246 * np.sin(lift), y + 0.246 * np.cos(lift))
    return joints


def arm(joints: Joints, side: str, *, wrist: tuple[float, float], elbow: tuple[float, float]) -> Joints:
    """The same with one arm elsewhere, relative to its shoulder."""
    x, y = joints[f"{side} shoulder"]
    return joints | {f"{side} elbow": (x + elbow[0], y + elbow[1]), f"{side} wrist": (x + wrist[0], y + wrist[1])}


def pose(joints: Joints, *, x: float, top: float, height: float = HEIGHT, score: float = 0.8) -> Pose:
    """`x`, `top`, `height`: where the head's top is, and the standing height, frame widths."""
    points = np.array([joints[name] for name in KEYPOINTS]) * height + [x, top]
    scores = np.full(len(KEYPOINTS), score, np.float32)
    return Pose((points / [1.0, ASPECT]).astype(np.float32), scores, scores >= 0.3)


def posed(
    window: Window,
    joints: Callable[[float], Joints | None],
    *,
    track_id: int = 1,
    height: float = HEIGHT,
    every: int = 2,
    score: float = 0.8,
) -> Window:
    """The window with a pose of one track in every second frame: head at the top of its box, middle of its box."""
    observations = []
    for k, observation in enumerate(window.observations):
        drawn = joints(observation.frame.pts_seconds) if k % every == 0 else None
        instances = []
        for one in observation.instances:
            if one.track_id == track_id and drawn is not None:
                x0, y0, x1, _ = (float(v) for v in one.box_xyxy)
                made = pose(drawn, x=(x0 + x1) / 2, top=y0 * ASPECT, height=height, score=score)
                instances.append(replace(one, pose=made))
            else:
                instances.append(one)
        observations.append(replace(observation, instances=tuple(instances)))
    return replace(window, observations=tuple(observations))


def painted(window: Window, boxes: dict[tuple[float, float, float, float], tuple[int, int, int]]) -> Window:
    """The window with rectangles of a colour: (left, top, right, bottom) in frame widths -> RGB."""
    observations = []
    for observation in window.observations:
        image: NDArray[np.uint8] = observation.frame.image_rgb.copy()
        width = image.shape[1]
        for box, colour in boxes.items():
            left, top, right, bottom = (round(v * width) for v in box)
            image[top:bottom, left:right] = colour
        observations.append(replace(observation, frame=replace(observation.frame, image_rgb=image)))
    return replace(window, observations=tuple(observations))
