"""How a body is held at each look: upright, sitting, folded, bent.

In: `Looks`. Out: one name a look, None where the legs are not seen. Lengths are in torsos: a thigh has .85 of one, as
has a shank (Drillis and Contini 1966: .245, .246 and .288 of the height).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.measure.people.looks import ANKLES, HIPS, KNEES, SHOULDERS, Looks

Posture = Literal["upright", "sitting", "folded", "bent"]

LEG_SCORE = 0.2
"""Of knees and ankles; less than elsewhere, as sitting legs overlap one another, and whole legs of a wrong length are
refused below."""
UPRIGHT_THIGH = 0.5
"""A thigh that hangs this far down, in torsos: within 54 degrees of the vertical. In a step it is at 25 degrees at most
(hip flexion, Winter 1991), on a chair near 90."""
UPRIGHT_LEG = 0.95
"""Hip to ankle, downward: of 1.7 torsos; less is a leg that is folded, cut or hidden."""
SITTING_THIGH = 0.42
"""At most this far down: on a chair a thigh is level, and seen from a little above it points down a little."""
SITTING_SHANK = 0.65
"""At least this far down: of .85 a shank that hangs, or slants forward by at most 40 degrees."""
FOLDED_LEG = 0.75
"""Hip to ankle, downward, at most: less than a shank; the hips are below the knees or beside them."""
FOLDED_SHANK = 0.15
"""At least this far down, so that it is a leg under the body and not one that is cut off."""
BENT_DEGREES = 40.0
"""Torso from the vertical, from here on bent; walkers stay within 10, sitters who lean back within 30."""


def postures(looks: Looks) -> list[Posture | None]:
    """The posture of every look."""
    hips, legs = looks.middle(HIPS), _legs(looks)
    lean = np.degrees(np.arctan2(*np.abs(hips - looks.middle(SHOULDERS)).T))
    above = hips[:, 1] > looks.middle(SHOULDERS)[:, 1]
    return [_posture(*leg, lean=angle if up else 180.0) for leg, angle, up in zip(legs, lean, above, strict=True)]


def _posture(thigh: float, shank: float, *, lean: float) -> Posture | None:
    """`thigh`, `shank`: how far down they reach, torsos; NaN where not seen."""
    if np.isnan(thigh) or np.isnan(shank):
        return None
    if thigh + shank <= FOLDED_LEG and shank >= FOLDED_SHANK:
        return "folded"
    if lean > BENT_DEGREES:
        return "bent"
    if thigh <= SITTING_THIGH and shank >= SITTING_SHANK:
        return "sitting"
    if thigh >= UPRIGHT_THIGH and thigh + shank >= UPRIGHT_LEG:
        return "upright"
    return None


def _legs(looks: Looks) -> NDArray[np.float64]:
    """[P, 2]: how far down thigh and shank reach, in torsos, mean of the legs that are seen; NaN where none is."""
    legs = np.full((len(looks), 2, 2), np.nan)
    hips = looks.middle(HIPS)  # seen from the side one hip is a guess, their middle hardly
    for side in (0, 1):
        knee, ankle = KNEES[side], ANKLES[side]
        seen = (looks.scores[:, [knee, ankle]] >= LEG_SCORE).all(1)
        legs[seen, side, 0] = (looks.points[:, knee, 1] - hips[:, 1])[seen]
        legs[seen, side, 1] = (looks.points[:, ankle, 1] - looks.points[:, knee, 1])[seen]
    weights = ~np.isnan(legs[:, :, 0])
    total = np.where(weights[..., None], legs, 0.0).sum(1)
    count = weights.sum(1)[:, None]
    mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    scaled: NDArray[np.float64] = mean / looks.torsos[:, None]
    return scaled
