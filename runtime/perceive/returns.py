"""Is a new object one that was seen before? Looks, kind, size and reach, against the tracks that are lost.

In: a track that has just been confirmed, and tracks. Out: the track that it continues, or None. The measure of looks
is the tracker's colour histogram; a return is believed only where no other track of the kind looks nearly as alike.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edgecap.runtime.perceive.track import Track, histogram_distance

REMEMBERED = 64
"""Lost tracks that are kept for comparison; the longest unseen is forgotten first."""

_ALIKE, _MARGIN = 0.28, 0.1  # Hellinger distance of looks, and how much farther the next one of the kind must be
_ALIKE_ALONE = 0.4  # where there is no other one of the kind
_MEETINGS = 3  # frames with both; in fewer, a second box was on the same object
_KIN, _SIZES = 0.25, 1.8  # share of votes that both give to the same classes; factor between their sizes (geometric
_HALF_KIN, _HALF_KIN_SIZES = 0.08, 1.15  # mean of the sides). A ball may be a frisbee to the detector for a while
_SIDES_PER_SECOND, _SIDES = 10.0, 1.5  # how far it may have come unseen: a kicked ball crosses ten of its own sides


def returning(found: Track, lost: Iterable[Track], alive: Iterable[Track]) -> Track | None:
    """The one of `lost` that `found` is, or None. `alive`: other tracks that are followed now; one of the same kind
    that looks as alike says that the looks distinguish nobody."""
    kin = [track for track in lost if _is_kin(track, found) and _fits(track, found)]
    if not kin:
        return None
    looks = [histogram_distance(track.histogram, found.histogram) for track in kin]
    best = kin[int(np.argmin(looks))]
    rivals = [t for t in kin if t is not best and _met(t, best)]
    rivals += [t for t in alive if t is not found and _is_kin(t, found)]
    clear = all(histogram_distance(t.histogram, found.histogram) >= min(looks) + _MARGIN for t in rivals)
    return best if clear and min(looks) <= (_ALIKE if rivals else _ALIKE_ALONE) else None


def _met(a: Track, b: Track) -> bool:
    """Both were seen in the same frames for a while: they are two objects."""
    return len(set(a.times) & set(b.times)) >= _MEETINGS


def _is_kin(a: Track, b: Track) -> bool:
    return _shared_votes(a, b) >= _HALF_KIN


def _shared_votes(a: Track, b: Track) -> float:
    return sum(min(a.vote_share(class_id), b.vote_share(class_id)) for class_id in a.votes)


def _fits(lost: Track, found: Track) -> bool:
    """Never seen beside each other, of about one size, and not farther away than it can have come."""
    if _met(lost, found):
        return False
    gap = found.first_seconds - lost.seen_seconds
    sides = [max(float(np.sqrt(t.state[2] * t.state[3])), 1e-6) for t in (lost, found)]
    travelled = float(np.linalg.norm(lost.seen_xy - found.first_xy)) / max(sides)
    factor = _SIZES if _shared_votes(lost, found) >= _KIN else _HALF_KIN_SIZES
    return max(sides) <= factor * min(sides) and travelled <= _SIDES + _SIDES_PER_SECOND * max(gap, 0.0)
