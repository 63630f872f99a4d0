"""Where a person faces at each look: to the picture's left or right, to the camera, away from it.

In: `Looks`, their world velocities and ways of going. Out: one name a look, None where signs disagree.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.person import Act, FacingSpan
from edgecap.runtime.measure.people.looks import EARS, LEAST_SCORE, NOSE, SHOULDERS, Looks, runs

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
TURN_SECONDS = 1.5
"""Longest time between two facings that one turn joins."""
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
    shoulders = (looks.scores[:, list(SHOULDERS)] >= LEAST_SCORE).all(1)
    nose = looks.points[:, NOSE, 0]
    from_ears = (nose - looks.middle(EARS)[:, 0]) / looks.torsos
    from_body = (nose - looks.middle(SHOULDERS)[:, 0]) / looks.torsos
    face, ear = looks.seen(NOSE), (looks.scores[:, list(EARS)] >= LEAST_SCORE).any(1)
    return [
        _facing(*row)
        for row in zip(
            breadth.tolist(), shoulders.tolist(), from_ears.tolist(), from_body.tolist(), (face & ear).tolist(),
            strict=True,
        )
    ]  # fmt: skip


def _facing(breadth: float, shoulders: bool, from_ears: float, from_body: float, head: bool) -> str | None:
    side = abs(from_ears) >= SIDE_NOSE and abs(from_body) >= SIDE_NOSE and from_ears * from_body > 0
    if head and side and abs(breadth) <= SIDE_BREADTH:
        return "right" if from_ears > 0 else "left"
    if not shoulders:
        return None
    if head and breadth >= FRONT_BREADTH and abs(from_ears) <= FRONT_NOSE:
        return "camera"
    return "away" if breadth <= BACK_BREADTH and not (head and side) else None


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
        for before, after in zip(spans, spans[1:], strict=False)
        if after.facing == opposite[before.facing] and after.start_seconds - before.end_seconds <= TURN_SECONDS
    ]
