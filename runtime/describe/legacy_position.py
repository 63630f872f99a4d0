"""The reference's position text, mistakes included: to compare with InstanceVid's captions, and for nothing else.

In: a track and the times that were analysed. Out: its sentence. Rule:
docs/spec/instancecap.md 2.7. Its row test leaves "top" unreachable (above a third is "center", everything else
"bottom"); only the first and the last state are looked at; a mask that is hidden or lost counts as out of the frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgecap.runtime.data.evidence import TrackEvidence

OUT = "out of frame"
_MOST_STATES = 8
"""The reference samples one frame a second where that gives at most eight, else at eight spread evenly (1.3)."""


def legacy_position_sentence(track: TrackEvidence, times_seconds: NDArray[np.float64]) -> str:
    """ "person moves from center-left to bottom-right and out of frame in the end." `times_seconds` [T]: of all frames
    that were analysed, rising; those the track was not seen in are "out of frame" to the reference."""
    seen = {
        float(t): legacy_cell(x=float(x), y=float(y))
        for t, (x, y) in zip(track.pts_seconds, track.centroids_xy, strict=True)
    }
    states = [seen.get(float(times_seconds[i]), OUT) for i in legacy_sampling(times_seconds)]
    return legacy_text(track.class_name, states)


def legacy_cell(*, x: float, y: float) -> str:
    """The cell of a centroid in the reference's coordinates (0 to 1, y down), its row test as coded.

    >>> legacy_cell(x=0.1, y=0.1), legacy_cell(x=0.5, y=0.5), legacy_cell(x=0.9, y=0.9)
    ('center-left', 'bottom-middle', 'bottom-right')
    """
    column = "left" if x < 1 / 3 else "middle" if x < 2 / 3 else "right"
    return f"{'bottom' if y > 1 / 3 else 'center'}-{column}"


def legacy_text(class_name: str, states: Sequence[str]) -> str:
    """The sentence of a list of states. A first state outside gives "moves from out of frame"; none inside gives
    "None", as there."""
    inside = [state for state in states if state != OUT]
    first, last = states[0] if states else OUT, inside[-1] if inside else "None"
    where = f"stays at {first}" if first == last else f"moves from {first} to {last}"
    ends = " and out of frame in the end" if not states or states[-1] == OUT else ""
    return f"{class_name} {where}{ends}."


def legacy_sampling(times_seconds: NDArray[np.float64]) -> list[int]:
    """Indices of the frames that the reference would sample: the first of each second, or eight spread evenly."""
    count = len(times_seconds)
    if count == 0:
        return []
    seconds = np.floor(times_seconds - times_seconds[0] + 1e-6)
    picks = [int(np.flatnonzero(seconds == s)[0]) for s in np.unique(seconds)]
    if len(picks) <= _MOST_STATES:
        return picks
    return [k * (count - 1) // (_MOST_STATES - 1) for k in range(_MOST_STATES)]
