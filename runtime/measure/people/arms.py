"""Raised and waving arms, from wrists, elbows and shoulders.

In: `Looks`. Out: `Act`s.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.person import Act, Side
from edgecap.runtime.measure.people.looks import ELBOWS, LEAST_SCORE, NOSE, SHOULDERS, WRISTS, Looks, runs

RAISED_ABOVE_NOSE = 0.2
"""Torsos by which a wrist is above the nose: the top of the head is .3 above it; hands at a face are level with it."""
ELBOW_BELOW_SHOULDER = 0.1
"""Torsos by which the elbow of a raised arm may be below its shoulder: an upper arm has .65."""
WAVE_SWING = 0.2
"""Torsos that a waving wrist goes sideways, relative to its elbow: a forearm (.5) that swings by 24 degrees."""
WAVE_SWINGS = 3
_SIDES: tuple[Side, Side] = ("left", "right")


def arm_acts(looks: Looks) -> list[Act]:
    """An arm held up for at least two looks; waving where it swings at least `WAVE_SWINGS` times meanwhile."""
    raised = [_raised(looks, side) for side in (0, 1)]
    both = raised[0] & raised[1]
    acts = []
    for name, flags in (("both", both), (_SIDES[0], raised[0] & ~both), (_SIDES[1], raised[1] & ~both)):
        for _, first, last in runs([name if flag else None for flag in flags]):
            acts.append(Act("arm_raised", float(looks.seconds[first]), float(looks.seconds[last]), side=name))  # type: ignore[arg-type]
    return acts + [act for side in (0, 1) for act in _waves(looks, side)]


def _raised(looks: Looks, side: int) -> NDArray[np.bool_]:
    shoulder, elbow, wrist = SHOULDERS[side], ELBOWS[side], WRISTS[side]
    seen = (looks.scores[:, [shoulder, elbow, wrist, NOSE]] >= LEAST_SCORE).all(1)
    over = (looks.points[:, NOSE, 1] - looks.points[:, wrist, 1]) / looks.torsos
    low = (looks.points[:, elbow, 1] - looks.points[:, shoulder, 1]) / looks.torsos
    return np.asarray(seen & (over >= RAISED_ABOVE_NOSE) & (low <= ELBOW_BELOW_SHOULDER))


def _waves(looks: Looks, side: int) -> list[Act]:
    shoulder, elbow, wrist = SHOULDERS[side], ELBOWS[side], WRISTS[side]
    seen = (looks.scores[:, [elbow, wrist]] >= LEAST_SCORE).all(1)
    high = looks.points[:, wrist, 1] < np.minimum(looks.points[:, elbow, 1], looks.points[:, shoulder, 1])
    sideways = (looks.points[:, wrist, 0] - looks.points[:, elbow, 0]) / looks.torsos
    acts = []
    for _, first, last in runs(["up" if flag else None for flag in seen & high], least=WAVE_SWINGS + 1):
        if _swings(sideways[first : last + 1]) >= WAVE_SWINGS:
            acts.append(Act("waving", float(looks.seconds[first]), float(looks.seconds[last]), side=_SIDES[side]))
    return acts


def _swings(values: NDArray[np.float64]) -> int:
    """How often a series goes by `WAVE_SWING` one way, then the other."""
    turning, way = [float(values[0])], 0
    for value in values[1:].tolist():
        step = value - turning[-1]
        if way * step > 0:
            turning[-1] = value
        elif abs(step) >= WAVE_SWING:
            turning.append(value)
            way = 1 if step > 0 else -1
    return sum(abs(b - a) >= WAVE_SWING for a, b in pairwise(turning))
