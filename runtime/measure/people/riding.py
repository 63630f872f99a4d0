"""Who rides what: a person whose box stays on that of a bicycle, a motorcycle or a horse.

In: the person's tracklet, the other tracklets with their classes, speeds. Out: `Act`s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.person import Act
from edgecap.runtime.measure.tracklet import Tracklet

RIDDEN = ("bicycle", "motorcycle", "horse")
LEAST_SHARED = 3
"""Frames in which both are seen."""
LEAST_SHARE = 0.5
"""Of the frames that both are in, in which the person is on it: detectors lose one behind the other at times."""
OVER_SHARE = 0.05
"""Of its height by which the person's head is above the thing: far less than a trunk, as a horse's neck is
high and a motorcycle's box often has the rider's legs in it."""
FEET_BELOW = 0.05
"""Of the thing's height by which the person's feet may be lower: who stands in front of it is nearer to the camera, and
their feet lower in the picture."""
MIDDLE_INSIDE = 0.1
"""Of its width by which the person's middle must be inside its box: a rider sits between the ends."""
STEADY = 0.12
"""Of the person's height that their middles may stray from one another, one sigma: a rider bobs, who passes goes by."""
MOVING_SPEED = 0.25
"""Heights of the person per second against the background: who goes along with what is under them rides it."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another track of the window, with its class by vote."""

    class_name: str
    tracklet: Tracklet


def riding_acts(person: Tracklet, others: Sequence[Neighbour], *, sits: bool, top_speed: float) -> list[Act]:
    """At most one act. `sits`: some look shows sitting legs; `top_speed`: the person's largest, heights per second, 0
    where unknown. A bicycle or motorcycle that neither moves with the person nor is sat on may stand behind them."""
    found = [
        (share, other, steps)
        for other in others
        if other.class_name in RIDDEN
        for share, steps in [_on(person, other.tracklet)]
        if share >= LEAST_SHARE and (sits or top_speed >= MOVING_SPEED or other.class_name == "horse")
    ]
    if not found:
        return []
    _, other, steps = max(found, key=lambda one: (one[0], len(one[2])))
    seconds = person.pts_seconds[np.isin(person.steps, steps)]
    return [
        Act(
            "riding",
            float(seconds[0]),
            float(seconds[-1]),
            on_track_id=other.tracklet.track_id,
            on_class=other.class_name,
        )
    ]


def _on(person: Tracklet, thing: Tracklet) -> tuple[float, NDArray[np.int64]]:
    """Share of the frames with both in which the person is on it (0 where they part), and these frames."""
    steps, mine, its = np.intersect1d(person.steps, thing.steps, return_indices=True)
    if len(steps) < LEAST_SHARED:
        return 0.0, steps
    box, under = person.boxes_xyxy[mine].astype(np.float64), thing.boxes_xyxy[its].astype(np.float64)
    height, width = under[:, 3] - under[:, 1], under[:, 2] - under[:, 0]
    middle = box[:, [0, 2]].mean(1)
    on = (
        (box[:, 1] <= under[:, 1] - OVER_SHARE * height)
        & (box[:, 3] > under[:, 1] + 0.1 * height)
        & (box[:, 3] <= under[:, 3] + FEET_BELOW * height)
        & (middle >= under[:, 0] + MIDDLE_INSIDE * width)
        & (middle <= under[:, 2] - MIDDLE_INSIDE * width)
    )
    away = (middle - under[:, [0, 2]].mean(1)) / (box[:, 3] - box[:, 1])
    steady = len(away[on]) > 0 and float(away[on].std()) <= STEADY
    return (float(on.mean()) if steady else 0.0), steps[on]
