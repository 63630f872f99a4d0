"""Which predicted track is which true instance [spec 7.2].

Similarity of two tracks = mean over the union of their frames of mask IoU, 0 where one is absent; the
assignment that maximises the total; pairs of at least 0.5 are kept. Classes are never looked at. What is left
of the truth is an omission, what is left of the prediction a hallucination.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.quality.facts import SaidClip, TrackMasks, TrueClip
from edgecap.runtime.association import assign
from edgecap.runtime.mask import Mask

MINIMUM_SIMILARITY = 0.5
_INVENTED_OVERLAP = 0.1


@dataclass(frozen=True, slots=True)
class Matching:
    """`pairs`: (instance id, track id, similarity), sorted. `missed`: instance ids. `unmatched`: reported
    track ids without a partner, of which `invented` lie on no instance at all in most of their frames (the
    others are fragments or doubles of a true one)."""

    pairs: tuple[tuple[int, int, float], ...]
    missed: tuple[int, ...]
    unmatched: tuple[int, ...]
    invented: tuple[int, ...]


def match_clip(truth: TrueClip, said: SaidClip) -> Matching:
    """Match the instances that count with the tracks that were reported.

    A reported track that lies on something ignored (see `TrueClip.ignored`) in most of its frames is left
    out: it is neither right nor wrong.
    """
    reported = {s.track_id: said.masks.get(s.track_id, {}) for s in said.statements}
    pairs = match_tracks(truth.masks, reported, ignored=truth.ignored)
    taken_true, taken_said = {p[0] for p in pairs}, {p[1] for p in pairs}
    left = [t for t in reported if t not in taken_said and not lies_on(reported[t], truth.ignored.values())]
    everything = [*truth.masks.values(), *truth.ignored.values()]
    invented = [t for t in left if not lies_on(reported[t], everything, minimum_iou=_INVENTED_OVERLAP)]
    return Matching(tuple(pairs), tuple(i for i in truth.masks if i not in taken_true), tuple(left), tuple(invented))


def match_tracks(truth: TrackMasks, said: TrackMasks, *, ignored: TrackMasks) -> list[tuple[int, int, float]]:
    """(instance id, track id, similarity >= 0.5) of the best assignment, sorted by instance id."""
    true_ids, said_ids = sorted(truth), sorted(said)
    similarity = np.array(
        [[similarity_of(truth[i], said[t], ignored=ignored.get(i, {})) for t in said_ids] for i in true_ids], np.float64
    ).reshape(len(true_ids), len(said_ids))
    found = heaviest_pairs(similarity)
    return [
        (true_ids[r], said_ids[c], float(similarity[r, c])) for r, c in found if similarity[r, c] >= MINIMUM_SIMILARITY
    ]


def heaviest_pairs(weights: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pairs (row, column) of the one-to-one assignment with the largest total of weights [R, C] >= 0; pairs
    of weight 0 are left out.
    """
    return assign(-weights, max_cost=0.0)


def similarity_of(
    true_masks: Mapping[int, Mask], said_masks: Mapping[int, Mask], *, ignored: Mapping[int, Mask]
) -> float:
    """Mean IoU over the union of frames, without the frames in which the true one is visible but not
    countable (`ignored`).
    """
    frames = (set(true_masks) | set(said_masks)) - set(ignored)
    if not frames:
        return 0.0
    return sum(true_masks[f].iou(said_masks[f]) for f in frames if f in true_masks and f in said_masks) / len(frames)


def lies_on(masks: Mapping[int, Mask], others: Iterable[Mapping[int, Mask]], *, minimum_iou: float = 0.5) -> bool:
    """Whether in more than half of its frames a track has IoU >= `minimum_iou` with (or lies for half of its
    own area inside) one of `others`.
    """
    others = list(others)
    hits = sum(
        any(f in o and (mask.iou(o[f]) >= minimum_iou or _inside(mask, o[f]) >= 0.5) for o in others)
        for f, mask in masks.items()
    )
    return bool(masks) and 2 * hits > len(masks)


def _inside(mask: Mask, other: Mask) -> float:
    """Share of `mask`'s pixels that `other` covers."""
    iou, a, b = mask.iou(other), mask.area_pixels, other.area_pixels
    return iou * (a + b) / (1 + iou) / a if a else 0.0
