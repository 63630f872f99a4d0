"""Where an instance is: cells of the 3x3 grid, and whether it has left the frame.

The rule is InstanceCap's (docs/spec/instancecap.md 2.7) with its unreachable "top" row corrected: thirds of the
frame on both axes, y growing downward, by the centroid of the *visible* mask. In: `Tracklet`. Out: cell names.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.measure.tracklet import Tracklet

ROWS = ("top", "center", "bottom")
COLUMNS = ("left", "middle", "right")
CELLS = tuple(f"{row}-{column}" for row in ROWS for column in COLUMNS)

_TOUCH = 0.02
"""A box edge this near to the frame's border (share of the frame) touches it: two pixels of a coarse mask."""
_LEAVING_SPEED = 0.02
"""Frame widths per second towards a border that count as heading out; centroid jitter over 0.5 s stays below
half of it."""
_TREND_SECONDS = 0.5
_NEAR, _SLIVER = 0.1, 0.005
"""Share of the frame: farther from a border when last seen, or with more still to go, it was lost rather than
gone."""
_LONG_GONE_SECONDS = 1.0
_FAIR_PART = 0.3
"""Share of its area; the same that makes an instance count as visible in the figures (docs/spec/metrics.md 7.4)."""
_REFERENCE_SECONDS = 1.25
"""Long enough for most objects to come in whole, short enough that approaching the camera does not count."""


def cell(*, x: float, y: float) -> str:
    """Name of the cell of a relative position, `row-column`; a position on a third belongs to the cell after
    it.

    >>> cell(x=0.1, y=0.1), cell(x=1 / 3, y=2 / 3)
    ('top-left', 'bottom-middle')
    """
    return f"{ROWS[_third(y)]}-{COLUMNS[_third(x)]}"


def cells(tracklet: Tracklet) -> tuple[str, ...]:
    """The cell of every observation, in time order."""
    return tuple(cell(x=float(x), y=float(y)) for x, y in tracklet.centroids_xy)


def well_seen(tracklet: Tracklet) -> tuple[int, int]:
    """Indices of the first and the last observation in which a fair part of the instance can be seen: at least
    `_FAIR_PART` of the largest visible area within `_REFERENCE_SECONDS` after (before) it. A foot that comes in across
    the border is not yet where the person is. (0, last) for a single observation.
    """
    return _first_fair(tracklet.pts_seconds, tracklet.areas), len(tracklet) - 1 - _first_fair(
        -tracklet.pts_seconds[::-1], tracklet.areas[::-1]
    )


def left_frame(tracklet: Tracklet, *, step_count: int, end_seconds: float) -> bool:
    """True where the track ended before the last of `step_count` observations, by going out of the picture.

    It has gone out where its last movement carries its whole box past a border that it was near to before
    `end_seconds`, or where a border hid most of it and it has not been seen for a second. Occlusion or loss
    in mid-frame is not "out of frame", nor is a part that is still in the picture.
    """
    if int(tracklet.steps[-1]) >= step_count - 1:
        return False
    recent = tracklet.pts_seconds >= tracklet.pts_seconds[-1] - _TREND_SECONDS
    velocity = _velocity(tracklet.pts_seconds[recent], tracklet.boxes_xyxy[recent])  # of x1 y1 x2 y2
    box = tracklet.boxes_xyxy[-1].astype(np.float64)
    mostly_gone = float(tracklet.areas[-1]) < 0.5 * float(np.percentile(tracklet.areas, 75))
    gap = max(end_seconds - float(tracklet.pts_seconds[-1]), 0.0)
    for near, far, sign in ((0, 2, -1.0), (1, 3, -1.0), (2, 0, 1.0), (3, 1, 1.0)):
        # `near` is the edge at the border in question: clipped, it does not move, so the far one is used.
        distance = box[near] if sign < 0 else 1.0 - box[near]
        outward = sign * velocity[far]
        left_to_go = (box[far] if sign < 0 else 1.0 - box[far]) - outward * gap
        if outward > _LEAVING_SPEED and distance <= _NEAR and left_to_go <= _SLIVER:
            return True
        if mostly_gone and distance <= _TOUCH and gap >= _LONG_GONE_SECONDS:
            return True
    return False


def _first_fair(times: NDArray[np.float64], areas: NDArray[np.float32]) -> int:
    """Index of the first observation that passes; times rise. The largest always passes, so there is one."""
    for i, (time, area) in enumerate(zip(times, areas, strict=True)):
        if area >= _FAIR_PART * areas[i:][times[i:] <= time + _REFERENCE_SECONDS].max():
            return i
    raise AssertionError("the last observation is its own reference")


def _third(value: float) -> int:
    return 0 if value < 1 / 3 else 1 if value < 2 / 3 else 2


def _velocity(times: NDArray[np.float64], values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Least-squares slope of every column, per second; zeros for a single observation."""
    centred = times - times.mean()
    spread = float((centred**2).sum())
    if spread == 0:
        return np.zeros(values.shape[1])
    slope: NDArray[np.float64] = centred @ values.astype(np.float64) / spread
    return slope
