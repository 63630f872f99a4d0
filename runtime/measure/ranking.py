"""Which instances are reported, and in which order.

In: tracklets and what was measured of them. Out: the ones to report, most important first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.boxes import box_areas, box_ious, shared_areas
from edgecap.runtime.measure.tracklet import Tracklet

LEAST_OBSERVATIONS = 3
LEAST_SECONDS = 0.3
LEAST_WHOLE_OBSERVATIONS, LEAST_WHOLE_SECONDS = 5, 0.5
"""The same for a tracklet that begins and ends inside the window: nothing before or after it confirms it. Measured
on 100 clean clips: hallucinated instances .021 -> .007, recall .993 either way."""
_SAME_IOU, _SAME_BOX_IOU = 0.8, 0.85
_CONTAINED = 0.8
"""Share of the lesser track's observations that must coincide with the other's for both to be one instance."""
_INSIDE, _WHOLE_TRACKLET, _STEADY = 0.9, 0.9, 0.05
"""Share of a box inside another's, share of its tracklet where it is so, and how far it may stray (box sides, one
sigma): what is worn, carried or ridden stays in its place."""
_HELD = 0.5


def long_enough(tracklets: Sequence[Tracklet], *, observation_count: int) -> list[Tracklet]:
    """Without the flicker of a detector: tracks that have both fewer than 3 observations and under 0.3 s; 5 and 0.5 s
    where the whole tracklet is inside the window.

    A window that itself has fewer observations (a one-frame video) keeps every track.
    """
    return [tracklet for tracklet in tracklets if _long_enough(tracklet, observation_count)]


def _long_enough(tracklet: Tracklet, observation_count: int) -> bool:
    inside = tracklet.steps[0] > 0 and tracklet.steps[-1] < observation_count - 1
    least = LEAST_WHOLE_OBSERVATIONS if inside else LEAST_OBSERVATIONS
    seconds = LEAST_WHOLE_SECONDS if inside else LEAST_SECONDS
    return len(tracklet) >= min(least, observation_count) or tracklet.duration_seconds >= seconds


def without_duplicates(tracklets: Sequence[Tracklet]) -> list[Tracklet]:
    """Without the tracks that another, better seen one holds already, in the given order.

    Two tracks are one instance where their masks have a mean IoU over 0.8, or, being of one class, their boxes one over
    0.85 (a segmenter that gives each pixel to one instance divides a double between its tracks), in the frames that
    both are in, and these are at least 80 % of the lesser one's; the one with more observations x score stays.
    """
    kept: list[Tracklet] = []
    for tracklet in sorted(tracklets, key=lambda one: (-len(one) * float(one.scores.mean()), one.track_id)):
        if not any(_same(tracklet, other) for other in kept):
            kept.append(tracklet)
    kept_ids = {tracklet.track_id for tracklet in kept}
    return [tracklet for tracklet in tracklets if tracklet.track_id in kept_ids]


def held(tracklet: Tracklet, tracklets: Sequence[Tracklet]) -> bool:
    """Whether a track keeps its position inside a larger one's box nearly always: a tie on a person, a bag, a
    part that was detected as a second instance. It may be real, so it is not left out, but it comes after independent
    instances (the reference lets a tie compete on its area alone: docs/spec/instancecap.md 2.1)."""
    return any(_held_by(tracklet, other) for other in tracklets if other is not tracklet)


def importance(tracklet: Tracklet, *, moving: bool, observation_count: int, is_held: bool = False) -> float:
    """Mean area x share of the window it is seen in x mean score x motion (1.5 where it moves) x centrality
    (1 at the frame's centre, 0.5 in a corner) x containment (0.5 where another holds it). Unlike the reference's plain
    box area, a still "dining table" over half the frame can lose to a walking person."""
    centre = tracklet.centroids_xy.astype(np.float64).mean(0)
    away = float(np.hypot(*(centre - 0.5))) / float(np.hypot(0.5, 0.5))
    presence = len(tracklet) / observation_count
    seen = float(tracklet.areas.mean()) * presence * float(tracklet.scores.mean())
    return seen * (1.5 if moving else 1.0) * (1.0 - 0.5 * away) * (_HELD if is_held else 1.0)


def _same(lesser: Tracklet, other: Tracklet) -> bool:
    shared = _shared_steps(lesser, other)
    if len(shared) < _CONTAINED * len(lesser):
        return False
    if float(np.mean([lesser.masks[i].iou(other.masks[j]) for i, j in shared])) > _SAME_IOU:
        return True
    one, two = _boxes(lesser, other, shared)
    return _class_of(lesser) == _class_of(other) and float(np.mean(box_ious(one, two))) > _SAME_BOX_IOU


def _held_by(lesser: Tracklet, other: Tracklet) -> bool:
    shared = _shared_steps(lesser, other)
    if len(shared) < _WHOLE_TRACKLET * len(lesser):
        return False
    one, two = _boxes(lesser, other, shared)
    if not float(box_areas(one).mean()) < float(box_areas(two).mean()):
        return False
    inside = shared_areas(one, two) >= _INSIDE * box_areas(one)
    offset = ((one[:, :2] + one[:, 2:]) - (two[:, :2] + two[:, 2:])) / 2 / np.maximum(two[:, 2:] - two[:, :2], 1e-6)
    return float(inside.mean()) >= _WHOLE_TRACKLET and float(offset.std(0).max()) <= _STEADY


def _boxes(
    lesser: Tracklet, other: Tracklet, shared: Sequence[tuple[int, int]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Boxes [S, 4] of both in the frames that both are in."""
    return lesser.boxes_xyxy[[i for i, _ in shared]], other.boxes_xyxy[[j for _, j in shared]]


def _class_of(tracklet: Tracklet) -> int:
    return int(np.bincount(tracklet.class_ids, weights=tracklet.scores.astype(np.float64)).argmax())


def _shared_steps(lesser: Tracklet, other: Tracklet) -> list[tuple[int, int]]:
    """Indices of both in the frames that both are in."""
    rows = {int(step): i for i, step in enumerate(other.steps)}
    return [(i, rows[int(step)]) for i, step in enumerate(lesser.steps) if int(step) in rows]
