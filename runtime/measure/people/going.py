"""Whether a person stands, walks or runs at each look, and whether they jump.

In: `Looks`, their postures, `BodyPosition`, `CameraPath`. Out: one name a look. Speeds are in standing heights per
second, camera removed; both change with the distance alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.measure.body_position import BodyPosition
from edgecap.runtime.measure.camera_path import CameraPath
from edgecap.runtime.measure.people.looks import ANKLES, HIPS, KNEES, LEAST_SCORE, Looks
from edgecap.runtime.measure.people.posture import Posture

STILL_SPEED = 0.12
"""Heights per second, at most: 0.2 m/s of a person of 1.7 m, a shift of the weight."""
WALKING_SPEED = (0.25, 1.1)
"""A slow walk is 0.6 m/s (.35), a usual one 1.2 to 1.5 m/s (.7-.9; Bohannon 1997), and walkers begin to run at about
2 m/s (1.2: Froude number 0.5, Alexander 1989). Seen at a slant, speed across the picture is less, never more."""
RUNNING_SPEED = 1.5
"""From here on running, with a bent knee: between the two nothing is said."""
RUNNING_KNEE_DEGREES = 80.0
"""Flexion in the swing of a run is 90 and more, of a walk 60 (Novacheck 1998)."""
STEP_SPREAD = 0.14
"""Heights between the ankles at some time of a step; step length is .41 of the height (Murray 1964), .1 when seen
at 15 degrees from in front. People who stand keep their feet a shoulder's breadth (.1) apart or less."""
STEP_CHANGE = 0.07
"""... and by how much it must change: a fixed wide stance is no step."""
JUMP_RISE = 0.14
"""Heights by which hips and feet rise and fall again: a walker's hips bob by .03 (Inman 1981), a jump from a run is
0.3 m and more."""
JUMP_SECONDS = 0.6
"""Longest rise, and longest fall: 0.6 s of fall are 1.8 m."""
_FIT_SECONDS = 0.5
_GAIT_SECONDS = 0.75


def goings(
    looks: Looks, postures: Sequence[Posture | None], body: BodyPosition, path: CameraPath, *, nears: bool
) -> list[str | None]:
    """ "standing", "walking", "running" of every look; None for postures that are none of them, and for what is
    not clear. `nears`: the person comes nearer or goes farther over the window (`motion.depth`)."""
    speeds, stepping, knees = world_speeds(looks, body, path), _stepping(looks), _knee_degrees(looks)
    feet = _feet_speeds(looks, body.tracklet.steps[looks.rows], path)
    low, high = WALKING_SPEED
    upright = np.array([posture == "upright" for posture in postures])
    names: list[str | None] = []
    for i, posture in enumerate(postures):
        near = np.abs(looks.seconds - looks.seconds[i]) <= _GAIT_SECONDS
        if posture not in ("upright", None) or not upright[near].any():
            names.append(None)
        elif stepping[i] and speeds[i] >= RUNNING_SPEED and (knees[near] >= RUNNING_KNEE_DEGREES).any():
            names.append("running")
        elif posture is None:
            names.append(None)
        elif stepping[i] and (low <= speeds[i] <= high or (speeds[i] < low and nears)):
            names.append("walking")
        else:
            still = speeds[i] <= STILL_SPEED or feet[i] <= STILL_SPEED
            names.append("standing" if still and not nears else None)
    return names


def world_speeds(looks: Looks, body: BodyPosition, path: CameraPath) -> NDArray[np.float64]:
    """[P]: heights per second against the background; NaN where the camera is not known around a look."""
    speeds: NDArray[np.float64] = np.hypot(*world_velocities(looks, body, path).T)
    return speeds


def world_velocities(looks: Looks, body: BodyPosition, path: CameraPath) -> NDArray[np.float64]:
    """[P, 2]: as `world_speeds`, x to the right and y down."""
    tracklet = body.tracklet
    out = np.full((len(looks), 2), np.nan)
    for i, row in enumerate(looks.rows):
        near = np.flatnonzero(np.abs(tracklet.pts_seconds - looks.seconds[i]) <= _FIT_SECONDS)
        near = near[path.stretches[tracklet.steps[near]] == path.stretches[tracklet.steps[row]]]
        times = tracklet.pts_seconds[near]
        if len(near) < 4 or times[-1] - times[0] < 0.6 * _FIT_SECONDS:
            continue
        widths = body.points_xy[near] * np.array([1.0, path.aspect])
        here = path.carried(widths, sources=tracklet.steps[near], target=int(tracklet.steps[row]))
        out[i] = _slope(times, here, body.weights[near]) / looks.heights[i]
    return out


def _feet_speeds(looks: Looks, steps: NDArray[np.int64], path: CameraPath) -> NDArray[np.float64]:
    """[P]: heights per second of the middle between the ankles: who bends or reaches out stands on the same spot. NaN
    where they or the camera are not known around a look."""
    seen = (looks.scores[:, list(ANKLES)] >= LEAST_SCORE).all(1)
    out = np.full(len(looks), np.nan)
    for i, now in enumerate(looks.seconds):
        near = np.flatnonzero(
            seen & (np.abs(looks.seconds - now) <= _GAIT_SECONDS) & (path.stretches[steps] == path.stretches[steps[i]])
        )
        if len(near) >= 3:
            here = path.carried(looks.middle(ANKLES)[near], sources=steps[near], target=int(steps[i]))
            out[i] = np.hypot(*_slope(looks.seconds[near], here, np.ones(len(near)))) / looks.heights[i]
    return out


def jump_looks(looks: Looks, body: BodyPosition, path: CameraPath) -> list[str | None]:
    """ "jumping" for looks in the upper half of a rise and fall of the hips' and the feet's height against the
    background."""
    tracklet = body.tracklet
    names: list[str | None] = [None] * len(looks)
    for i, row in enumerate(looks.rows):
        near = np.flatnonzero(np.abs(tracklet.pts_seconds - looks.seconds[i]) <= JUMP_SECONDS)
        near = near[path.stretches[tracklet.steps[near]] == path.stretches[tracklet.steps[row]]]
        if not body.clean[near].all() or len(near) < 5:
            continue
        boxes = tracklet.boxes_xyxy[near].astype(np.float64)
        feet = np.column_stack([boxes[:, [0, 2]].mean(1), boxes[:, 3]]) * np.array([1.0, path.aspect])
        middle = tracklet.centroids_xy[near].astype(np.float64) * np.array([1.0, path.aspect])
        here = int(np.flatnonzero(near == row)[0])
        rises = [
            _rise(path.carried(p, sources=tracklet.steps[near], target=int(tracklet.steps[row]))[:, 1], here)
            for p in (feet, middle)
        ]
        if min(rises) >= JUMP_RISE * looks.heights[i]:
            names[i] = "jumping"
    return names


def _rise(ys: NDArray[np.float64], here: int) -> float:
    """By how much the point `here` is above the lowest before it and the lowest after it, the lesser of both."""
    if here == 0 or here == len(ys) - 1:
        return 0.0
    return float(min(ys[:here].max(), ys[here + 1 :].max()) - ys[here])


def _stepping(looks: Looks) -> NDArray[np.bool_]:
    """[P]: the ankles come apart and together around that time."""
    seen = (looks.scores[:, list(ANKLES)] >= LEAST_SCORE).all(1)
    apart = np.hypot(*(looks.points[:, ANKLES[0]] - looks.points[:, ANKLES[1]]).T) / looks.heights
    out = np.zeros(len(looks), bool)
    for i, now in enumerate(looks.seconds):
        near = apart[seen & (np.abs(looks.seconds - now) <= _GAIT_SECONDS)]
        out[i] = len(near) >= 2 and near.max() >= STEP_SPREAD and np.ptp(near) >= STEP_CHANGE
    return out


def _knee_degrees(looks: Looks) -> NDArray[np.float64]:
    """[P]: flexion of the more bent knee that is seen; 0 where none is."""
    out = np.zeros(len(looks))
    for hip, knee, ankle in zip(HIPS, KNEES, ANKLES, strict=True):
        seen = (looks.scores[:, [hip, knee, ankle]] >= LEAST_SCORE).all(1)
        thigh, shank = looks.points[:, knee] - looks.points[:, hip], looks.points[:, ankle] - looks.points[:, knee]
        cosine = (thigh * shank).sum(1) / np.maximum(np.hypot(*thigh.T) * np.hypot(*shank.T), 1e-9)
        out = np.maximum(out, np.where(seen, np.degrees(np.arccos(np.clip(cosine, -1, 1))), 0.0))
    return out


def _slope(
    times: NDArray[np.float64], values: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """[D]: weighted least-squares slope of the columns of [N, D], per second."""
    centred = times - np.average(times, weights=weights)
    spread = float((weights * centred**2).sum())
    slope: NDArray[np.float64] = (weights * centred) @ values / max(spread, 1e-9)
    return slope
