"""What an instance is called: the detector's votes over the window, corrected where the way it moves rules a class out.

In: `Tracklet`, class names. Out: the name and its share of the votes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.measure.tracklet import Tracklet

_BOUNCES = {"frisbee": "sports ball"}
"""A class that never bounces -> the one that it is taken for when it does. To a detector of single frames both are a
bright disc in the air; a frisbee glides down, only a ball is thrown up again where it fell."""
_TIMES = 2
_LEG = 0.5  # its own heights that it falls, and rises again; what is carried bobs by less
_SPEED = 0.75  # its own heights per second on both legs, on average


def class_name(tracklet: Tracklet, labels: tuple[str, ...]) -> tuple[str, float]:
    """The label with the largest sum of scores, and its share (0-1) of all. A bouncing thing of a class that can't
    bounce gets the name of the one that does, with the votes of both, where the detector knows that name."""
    weights = np.bincount(tracklet.class_ids, weights=tracklet.scores.astype(np.float64), minlength=len(labels))
    winner = int(weights.argmax())
    name, votes = labels[winner], weights[winner]
    other = _BOUNCES.get(name)
    if other in labels and bounces(tracklet) >= _TIMES:
        assert other is not None
        name, votes = other, votes + weights[labels.index(other)]
    return name, float(votes / weights.sum())


def bounces(tracklet: Tracklet) -> int:
    """How often it falls, turns and rises again, in the picture."""
    boxes = tracklet.boxes_xyxy.astype(np.float64)
    height = max(float(np.median(boxes[:, 3] - boxes[:, 1])), 1e-6)
    turns = _turns((boxes[:, 1] + boxes[:, 3]) / 2 / height, _LEG)
    times = tracklet.pts_seconds[turns]
    middles = (boxes[turns, 1] + boxes[turns, 3]) / 2 / height
    speeds = np.diff(middles) / np.maximum(np.diff(times), 1e-6)
    return int(((speeds[:-1] >= _SPEED) & (speeds[1:] <= -_SPEED)).sum())


def _turns(values: NDArray[np.float64], least: float) -> list[int]:
    """Indices of the extremes of a path [T] whose legs are at least `least` long, its end included."""
    turns, extreme, heading = [0], 0, 0
    for n in range(1, len(values)):
        step = values[n] - values[extreme]
        if heading * step > 0 or (heading == 0 and abs(step) < least):
            extreme = n if heading else extreme
        elif abs(step) >= least:
            turns += [extreme] if extreme != turns[-1] else []
            heading, extreme = (1 if step > 0 else -1), n
    return turns + ([extreme] if extreme != turns[-1] else [])
