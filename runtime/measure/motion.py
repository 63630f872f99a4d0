"""How an instance moves: in the image plane, and in the world with the camera's own movement taken out.

In: `BodyPosition`, `CameraPath`. Out: `Motion`, `Depth`.

All lengths are frame widths. A path is smoothed over about half a second before anything is decided, so that
jitter of the masks and camera shake are no movement. The dead zone of a direction is 2 % of the frame's
diagonal (docs/spec/metrics.md 7.3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.evidence import Depth, Direction, Motion
from edgecap.runtime.measure.body_position import BodyPosition
from edgecap.runtime.measure.camera_path import CameraPath
from edgecap.runtime.measure.smoothing import local_linear
from edgecap.runtime.measure.tracklet import Tracklet

DIRECTIONS: tuple[Direction, ...] = ("right", "down-right", "down", "down-left", "left", "up-left", "up", "up-right")
"""In steps of 45 degrees, beginning at 0; y grows downward."""
DEAD_ZONE_DIAGONALS = 0.02
DEPTH_RATIO = 1.25
_SMOOTH_SECONDS = 0.4
_STEP_ERROR = 0.0006
"""Frame widths by which one estimated camera step is wrong; errors of n steps add up as sqrt(n)."""
_SWING = 1.6
_SWING_BODIES = 0.4
"""A swing that leads nowhere must exceed so many dead zones, and so many body lengths, to be movement and no
gesture."""
_REST_SECONDS = 0.5
_TURN_DEGREES = 50.0
_LEAST_LEG = 0.03
"""Frame widths: a straight stretch shorter than this has no heading of its own."""

Path = NDArray[np.float64]


def image_motion(body: BodyPosition, path: CameraPath) -> Motion:
    """Movement across the picture, whatever the camera does."""
    widths = body.points_xy * np.array([1.0, path.aspect])
    return describe_path(
        body.tracklet.pts_seconds,
        _sighted(widths, body.blind_xy),
        body.weights,
        clean=body.clean,
        size=_body_size(body.tracklet, path),
        aspect=path.aspect,
        camera_steps=0,
    )


def world_motion(body: BodyPosition, path: CameraPath) -> Motion:
    """Movement against the background, in the picture of the track's middle observation.

    Where camera steps are missing, only the longest stretch of observations without a gap is looked at.
    """
    tracklet = body.tracklet
    rows = longest_stretch(tracklet, path)
    middle = int(tracklet.steps[rows[len(rows) // 2]])
    widths = body.points_xy[rows] * np.array([1.0, path.aspect])
    carried = path.carried(widths, sources=tracklet.steps[rows], target=middle)
    return describe_path(
        tracklet.pts_seconds[rows],
        _sighted(carried, body.blind_xy[rows]),
        body.weights[rows],
        clean=body.clean[rows],
        size=_body_size(tracklet, path),
        aspect=path.aspect,
        camera_steps=int(tracklet.steps[rows[-1]] - tracklet.steps[rows[0]]),
    )


def longest_stretch(tracklet: Tracklet, path: CameraPath) -> NDArray[np.intp]:
    """Indices into the tracklet of its longest run of observations within one stretch of the camera path; at
    least one."""
    stretches = path.stretches[tracklet.steps]
    best = max(np.unique(stretches), key=lambda s: (int((stretches == s).sum()), -int(s)))
    return np.flatnonzero(stretches == best)


def depth(body: BodyPosition) -> Depth:
    """approaching or receding where the mask's scale changes by over 1.25 with the camera's zoom divided out,
    and its box grows or shrinks on both axes.

    Only observations that show the whole body count; with fewer than four of them, or under half a second, it
    is "constant".
    """
    tracklet, clean = body.tracklet, body.clean
    times = tracklet.pts_seconds[clean]
    if clean.sum() < 4 or times[-1] - times[0] < 0.5:
        return "constant"
    extent = tracklet.boxes_xyxy[clean, 2:] - tracklet.boxes_xyxy[clean, :2]
    sizes = np.column_stack([extent, np.sqrt(tracklet.areas[clean])]) / body.scales[clean, None]
    logs = np.log(np.maximum(sizes, 1e-6)).astype(np.float64)
    centred = times - times.mean()
    # A straight line per size: a gesture swings about it; what comes out from behind something grows on one axis.
    change = centred @ logs / float(centred @ centred) * (times[-1] - times[0])
    size = np.abs(change)
    if np.ptp(np.sign(change)) > 0 or size.min() < 0.5 * size.max() or not _follows_line(centred, logs[:, 2]):
        return "constant"
    scale = float(np.median(change))
    return "approaching" if scale > np.log(DEPTH_RATIO) else "receding" if scale < -np.log(DEPTH_RATIO) else "constant"


def _follows_line(centred: NDArray[np.float64], values: NDArray[np.float64]) -> bool:
    """True where the values correlate with time by 0.9 or more, either way."""
    away = values - values.mean()
    spread = float(np.sqrt((centred @ centred) * (away @ away)))
    return spread > 1e-9 and abs(float(centred @ away)) >= 0.9 * spread


def describe_path(
    times: NDArray[np.float64],
    points: Path,
    weights: NDArray[np.float64],
    *,
    clean: NDArray[np.bool_],
    size: float,
    aspect: float,
    camera_steps: int,
) -> Motion:
    """Motion of a path float64 [T, 2] in frame widths; `weights` and `clean` [T] as in `BodyPosition`, `size` of
    the body.

    It moves where whole bodies drift by more than the dead zone. A swing without drift, or a drift of cut
    bodies only, must be clearly larger: gestures, and what a border does to a mask, stay below.
    `camera_steps`: number of estimated steps that the points were carried over.
    """
    dead = DEAD_ZONE_DIAGONALS * float(np.hypot(1.0, aspect)) + _STEP_ERROR * float(np.sqrt(camera_steps))
    smooth = local_linear(times, points, half_width_seconds=_SMOOTH_SECONDS, weights=weights)
    net = smooth[-1] - smooth[0]
    if _trend(times[clean], smooth[clean]) <= dead and _diameter(smooth) <= max(_SWING * dead, _SWING_BODIES * size):
        return _at_rest(net)
    direction = octant(net) if np.hypot(*net) > dead else "static"
    first, last = _rests(times, smooth, dead)
    headings = _headings(smooth, tolerance=max(0.4 * dead, 0.08 * _diameter(smooth)), dead=dead)
    excursion = float(np.hypot(*(smooth - smooth[0]).T).max())
    length = float(np.hypot(*np.diff(smooth, axis=0).T).sum())
    return Motion(
        direction=direction,
        moving=True,
        displacement_xy=(float(net[0]), float(net[1])),
        angle_degrees=_angle(net) if direction != "static" else None,
        speed_per_second=length / float(times[-1] - times[0]),
        stops=last,
        starts=first,
        turns=any(_apart(a, b) > _TURN_DEGREES for a in headings for b in headings),
        returns=excursion > 1.6 * dead and float(np.hypot(*net)) < 0.4 * excursion,
        headings=_named(headings),
    )


def _at_rest(net: NDArray[np.float64]) -> Motion:
    """No motion; `net` float64 [2] is what little it drifted, in frame widths."""
    return Motion(
        direction="static",
        moving=False,
        displacement_xy=(float(net[0]), float(net[1])),
        angle_degrees=None,
        speed_per_second=0.0,
        stops=False,
        starts=False,
        turns=False,
        returns=False,
    )


def _sighted(points: Path, blind: NDArray[np.bool_]) -> Path:
    """Fill in the blind coordinates of a path float64 [T, 2]: from the nearest seen one, on in the direction
    it had there.

    Only where the body mostly moves across the border that cuts it; of one that moves along a border, the
    part that shows is a good measure.
    """
    out = points.copy()
    for axis in (0, 1):
        seen = np.flatnonzero(~blind[:, axis])
        if len(seen) == 0 or np.ptp(points[:, 1 - axis]) < 1.5 * np.ptp(points[seen, axis]):
            continue
        for row in np.flatnonzero(blind[:, axis]):
            near = seen[np.argsort(np.abs(seen - row), kind="stable")[:8]]
            along, across = points[near, 1 - axis], points[near, axis]
            slope = 0.0
            if np.ptp(along) >= _LEAST_LEG:
                slope = float(np.clip(np.polyfit(along, across, 1)[0], -2.0, 2.0))
            out[row, axis] = across[0] + slope * (points[row, 1 - axis] - along[0])
    return out


def octant(vector: NDArray[np.float64]) -> Direction:
    """Nearest of the eight directions of a vector (x right, y down)."""
    return DIRECTIONS[round(_angle(vector) / 45.0) % 8]


def _angle(vector: NDArray[np.float64]) -> float:
    return float(np.degrees(np.arctan2(vector[1], vector[0]))) % 360.0


def _apart(a: float, b: float) -> float:
    return abs((a - b + 180.0) % 360.0 - 180.0)


def _body_size(tracklet: Tracklet, path: CameraPath) -> float:
    """Median long side of its box in frame widths."""
    extents = (tracklet.boxes_xyxy[:, 2:] - tracklet.boxes_xyxy[:, :2]) * np.array([1.0, path.aspect])
    return float(np.median(extents.max(1)))


def _trend(times: NDArray[np.float64], points: Path) -> float:
    """Length of the displacement that a straight line through the path gives: a swing has none, wherever it
    begins and ends."""
    if len(times) < 2:
        return 0.0
    centred = times - times.mean()
    slope = centred @ points / float(centred @ centred)
    return float(np.hypot(*slope)) * float(times[-1] - times[0])


def _diameter(points: Path) -> float:
    """Largest distance between any two points of the path."""
    gaps = points[:, None] - points[None, :]
    return float(np.sqrt((gaps**2).sum(-1).max()))


def _rests(times: NDArray[np.float64], smooth: Path, dead: float) -> tuple[bool, bool]:
    """(rested first, rested last): it kept within half the dead zone for half a second, and clearly slower
    than on average."""
    out = []
    for order in (slice(None), slice(None, None, -1)):
        clock, points = np.abs(times[order] - times[order][0]), smooth[order]
        distance = np.hypot(*(points - points[0]).T)
        still = distance <= 0.5 * dead
        stays = len(still) if still.all() else int(np.argmin(still))
        seconds = float(clock[stays - 1])
        moved = float(np.hypot(*np.diff(points[stays - 1 :], axis=0).T).sum())
        pace = moved / max(float(clock[-1]) - seconds, 1e-6)
        out.append(seconds >= _REST_SECONDS and float(distance[stays - 1]) / seconds < 0.35 * pace)
    return out[0], out[1]


def _headings(smooth: Path, *, tolerance: float, dead: float) -> list[float]:
    """Angles in degrees of the straight stretches of the path that are long enough to have one, in order."""
    corners = [0, *_corners(smooth, 0, len(smooth) - 1, tolerance), len(smooth) - 1]
    legs = np.diff(smooth[corners], axis=0)
    lengths = np.hypot(legs[:, 0], legs[:, 1])
    keep = lengths >= max(_LEAST_LEG, dead, 0.12 * float(lengths.sum()))
    if not keep.any():
        keep = lengths == lengths.max()
    return [_angle(leg) for leg in legs[keep]]


def _corners(points: Path, first: int, last: int, tolerance: float) -> list[int]:
    """Indices strictly between `first` and `last` where the path bends by more than `tolerance` (Ramer 1972,
    Douglas and Peucker 1973)."""
    if last - first < 2:
        return []
    chord = points[last] - points[first]
    inner = points[first + 1 : last] - points[first]
    along = np.clip(inner @ chord / max(float(chord @ chord), 1e-12), 0.0, 1.0)
    distance = np.hypot(*(inner - along[:, None] * chord).T)
    far = int(np.argmax(distance))
    if distance[far] <= tolerance:
        return []
    middle = first + 1 + far
    return [*_corners(points, first, middle, tolerance), middle, *_corners(points, middle, last, tolerance)]


def _named(headings: list[float]) -> tuple[Direction, ...]:
    names: list[Direction] = []
    for angle in headings:
        name = DIRECTIONS[round(angle / 45.0) % 8]
        if not names or names[-1] != name:
            names.append(name)
    return tuple(names)
