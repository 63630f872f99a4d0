"""Where a person faces at each look: to the picture's left or right, to the camera, away from it.

In: `Looks`, their world velocities and ways of going. Out: one name a look, None where signs disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.person import Act, FacingSpan
from edgecap.runtime.measure.people.looks import EARS, EYES, LEAST_SCORE, NOSE, SHOULDERS, Looks, runs

FRONT_BREADTH = 0.5
"""Torsos between the shoulders, the person's left on the picture's right: seen from in front joints are .8 apart
(.23 of the height, Drillis and Contini 1966), so that this is a turn of 50 degrees at most."""
BACK_BREADTH = -0.35
"""The same from behind, where nothing else helps the model to tell the sides apart."""
SIDE_BREADTH = 0.45
"""Torsos at most: a turn of 55 degrees at least."""
SIDE_NOSE = 0.1
"""Torsos between the nose and the middle of the ears. Of a profile it is the depth of the head, .2 to .3; of a face
turned by 20 degrees .1."""
FRONT_NOSE = 0.16
WAY_SPEED = 0.35
"""Heights per second across the picture from which a walker's way shows where they face: people walk forwards."""
TURN_SECONDS, TURN_SPAN_SECONDS = 1.5, 0.5
"""Longest time between two facings that one turn joins, and the least that each of them must last."""
FACE_SCORE = 0.4
"""Mean of nose and eyes for a face that is seen from in front: on the back of a head the model may guess one."""
_OPPOSITE = {"left": "right", "right": "left"}


def facings(looks: Looks, goings: Sequence[str | None], velocities: NDArray[np.float64]) -> list[str | None]:
    """The facing of every look. `velocities` [P, 2]: heights per second, see `going.world_velocities`."""
    from_pose = pose_facings(looks)
    names: list[str | None] = []
    for pose, going, velocity in zip(from_pose, goings, velocities, strict=True):
        if going in ("walking", "running") and abs(velocity[0]) >= max(WAY_SPEED, abs(velocity[1])):
            way = "right" if velocity[0] > 0 else "left"
            names.append(None if pose == _OPPOSITE[way] else way)
        else:
            names.append(pose)
    return names


def pose_facings(looks: Looks) -> list[str | None]:
    """As `facings`, from the keypoints alone."""
    left, right = SHOULDERS
    breadth = (looks.points[:, left, 0] - looks.points[:, right, 0]) / looks.torsos
    from_ears = (looks.points[:, NOSE, 0] - looks.middle(EARS)[:, 0]) / looks.torsos
    from_body = (looks.points[:, NOSE, 0] - looks.middle(SHOULDERS)[:, 0]) / looks.torsos
    shoulders = (looks.scores[:, list(SHOULDERS)] >= LEAST_SCORE).all(1)
    head = looks.seen(NOSE) & (looks.scores[:, list(EARS)] >= LEAST_SCORE).any(1)
    face = looks.scores[:, [NOSE, *EYES]].mean(1) >= FACE_SCORE
    sides = np.where(from_ears > 0, "right", "left")
    side = head & (np.abs(from_ears) >= SIDE_NOSE) & (np.abs(from_body) >= SIDE_NOSE) & (from_ears * from_body > 0)
    front = shoulders & head & face & (breadth >= FRONT_BREADTH) & (np.abs(from_ears) <= FRONT_NOSE)
    back = shoulders & ~side & (breadth <= BACK_BREADTH)
    names = np.where(
        side & (np.abs(breadth) <= SIDE_BREADTH), sides, np.where(front, "camera", np.where(back, "away", ""))
    )
    return [name or None for name in names.tolist()]


def facing_spans(looks: Looks, names: Sequence[str | None]) -> tuple[FacingSpan, ...]:
    """Facings that at least two looks in a row agree on; neighbours distinct."""
    spans: list[FacingSpan] = []
    for name, first, last in runs(names):
        start, end = float(looks.seconds[first]), float(looks.seconds[last])
        if spans and spans[-1].facing == name:
            start = spans.pop().start_seconds
        spans.append(FacingSpan(name, start, end))  # type: ignore[arg-type]
    return tuple(spans)


def turns(spans: Sequence[FacingSpan]) -> list[Act]:
    """A turn where a facing follows its opposite within `TURN_SECONDS`."""
    opposite = {**_OPPOSITE, "camera": "away", "away": "camera"}
    return [
        Act("turning", before.end_seconds, after.start_seconds)
        for before, after in pairwise(spans)
        if after.facing == opposite[before.facing]
        and after.start_seconds - before.end_seconds <= TURN_SECONDS
        and min(s.end_seconds - s.start_seconds for s in (before, after)) >= TURN_SPAN_SECONDS
    ]
