"""Which instances are reported, and in which order.

In: lives and what was measured of them. Out: the ones to report, most important first. Called by measure.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgecap.runtime.life import Life

LEAST_OBSERVATIONS = 3
LEAST_SECONDS = 0.3
LEAST_WHOLE_OBSERVATIONS, LEAST_WHOLE_SECONDS = 5, 0.5
"""The same for a life that begins and ends inside the window: nothing before or after it vouches for it. Measured
on 100 clean clips: hallucinated instances .021 -> .007, recall .993 either way."""
_SAME_IOU = 0.8
_CONTAINED = 0.8
"""Share of the lesser track's observations that must lie on the other's for both to be one instance."""
_INSIDE, _WHOLE_LIFE = 0.9, 0.9
"""Share of a mask inside another's, and of the life in which it is so, from which a track is a part of the other."""


def long_enough(lives: Sequence[Life], *, observation_count: int) -> list[Life]:
    """Without the flicker of a detector: tracks that have both fewer than 3 observations and under 0.3 s; 5 and 0.5 s
    where the whole life lies inside the window.

    A window that itself has fewer observations (a one-frame video) keeps every track.
    """
    return [life for life in lives if _long_enough(life, observation_count)]


def _long_enough(life: Life, observation_count: int) -> bool:
    inside = life.steps[0] > 0 and life.steps[-1] < observation_count - 1
    least = LEAST_WHOLE_OBSERVATIONS if inside else LEAST_OBSERVATIONS
    seconds = LEAST_WHOLE_SECONDS if inside else LEAST_SECONDS
    return len(life) >= min(least, observation_count) or life.duration_seconds >= seconds


def without_duplicates(lives: Sequence[Life]) -> list[Life]:
    """Without the tracks that another, better seen one holds already, in the given order.

    Two tracks are one instance where their masks have a mean IoU over 0.8 in the frames that both are in, and
    these are at least 80 % of the lesser one's; the one with more observations x score stays. A track of the same class
    that lies inside a larger one's mask to 90 % in nearly every frame of its life is a part of it, seen twice (the
    reference has no such rule: spec/instancecap.md 2.1); one that passes in front shows its own pixels before and
    after, and the other's mask has a hole there.
    """
    kept: list[Life] = []
    for life in sorted(lives, key=lambda one: (-len(one) * float(one.scores.mean()), one.track_id)):
        if not any(_same(life, other) for other in kept):
            kept.append(life)
    wanted = {life.track_id for life in kept if not any(_part_of(life, other) for other in kept)}
    return [life for life in lives if life.track_id in wanted]


def importance(life: Life, *, moving: bool, observation_count: int) -> float:
    """Mean area x share of the window it is seen in x mean score x motion (1.5 where it moves) x centrality
    (1 at the frame's centre, 0.5 in a corner). Unlike the reference's plain box area, a still "dining table"
    over half the frame can lose to a walking person."""
    centre = life.centroids_xy.astype(np.float64).mean(0)
    away = float(np.hypot(*(centre - 0.5))) / float(np.hypot(0.5, 0.5))
    presence = len(life) / observation_count
    seen = float(life.areas.mean()) * presence * float(life.scores.mean())
    return seen * (1.5 if moving else 1.0) * (1.0 - 0.5 * away)


def _same(lesser: Life, other: Life) -> bool:
    shared = _shared_steps(lesser, other)
    if len(shared) < _CONTAINED * len(lesser):
        return False
    return float(np.mean([lesser.masks[i].iou(other.masks[j]) for i, j in shared])) > _SAME_IOU


def _part_of(lesser: Life, other: Life) -> bool:
    if lesser is other or _class_of(lesser) != _class_of(other):
        return False
    shared = _shared_steps(lesser, other)
    if len(shared) < _WHOLE_LIFE * len(lesser) or not float(lesser.areas.mean()) < float(other.areas.mean()):
        return False
    within = [lesser.masks[i].inside(other.masks[j]) >= _INSIDE for i, j in shared]
    return float(np.mean(within)) >= _WHOLE_LIFE


def _class_of(life: Life) -> int:
    return int(np.bincount(life.class_ids, weights=life.scores.astype(np.float64)).argmax())


def _shared_steps(lesser: Life, other: Life) -> list[tuple[int, int]]:
    """Indices of both in the frames that both are in."""
    places = {int(step): i for i, step in enumerate(other.steps)}
    return [(i, places[int(step)]) for i, step in enumerate(lesser.steps) if int(step) in places]
