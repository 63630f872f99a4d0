"""Which predicted track is which true instance [spec 7.2].

Similarity of two tracks = mean over the union of their frames of mask IoU, 0 where one is absent; the
assignment that maximises the total; pairs of at least 0.5 are kept. Classes are ignored. An
unmatched true instance is an omission, an unmatched prediction a hallucination.

Two things are neutral: the frames in which a counting instance is visible but not countable, which neither help nor
hurt its track; and instances that never count (too small, too hidden, too brief), each of which may excuse one
prediction per frame (`excused_tracks`). A second track on a counting instance is never excused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.quality.facts import SaidClip, TrackMasks, TrueClip
from edgecap.runtime.data.mask import Mask
from edgecap.runtime.perceive.association import assign

MINIMUM_SIMILARITY = 0.5
_INVENTED_OVERLAP = 0.1


@dataclass(frozen=True, slots=True)
class Matching:
    """`pairs`: (instance id, track id, similarity), sorted. `missed`: instance ids. `unmatched`: reported
    track ids without a partner, of which `invented` are on no instance in most of their frames (the
    others are fragments or doubles of a true one)."""

    pairs: tuple[tuple[int, int, float], ...]
    missed: tuple[int, ...]
    unmatched: tuple[int, ...]
    invented: tuple[int, ...]


def match_clip(truth: TrueClip, said: SaidClip) -> Matching:
    """Match the instances that count with the tracks that were reported.

    A reported track without a partner that is excused (`excused_tracks`) in more than half of its frames is left
    out: it is neither right nor wrong. All others are hallucinations: inventions, doubles, and fragments.
    """
    reported = {s.track_id: said.masks.get(s.track_id, {}) for s in said.statements}
    pairs = match_tracks(truth.masks, reported, ignored=truth.ignored)
    taken_true, taken_said = {p[0] for p in pairs}, {p[1] for p in pairs}
    loose = {t: masks for t, masks in reported.items() if t not in taken_said}
    forgiven = _forgiven(loose, truth)
    left = [t for t in loose if t not in forgiven]
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


def excused_tracks(tracks: Mapping[int, Mask], frame: int, *, truth: TrackMasks, ignored: TrackMasks) -> frozenset[int]:
    """Predictions of one frame (track id -> mask) on an instance that never counts: neither right nor wrong
    there.

    Each instance that never counts (in `ignored`, not in `truth`) excuses at most one prediction per frame: the one
    with the largest IoU on it, if that is at least 0.5 and larger than the prediction's IoU with every visible mask of
    a counting instance (its hardly visible frames included). A prediction inside a larger mask is not excused.
    """
    counting = [o[frame] for group in (truth, ignored) for i, o in group.items() if i in truth and frame in o]
    excused: set[int] = set()
    for i in sorted(ignored):
        if i in truth or frame not in ignored[i]:
            continue
        overlaps = {t: mask.iou(ignored[i][frame]) for t, mask in tracks.items() if t not in excused}
        best = max(sorted(overlaps), key=lambda t: overlaps[t], default=None)
        if best is None or overlaps[best] < MINIMUM_SIMILARITY:
            continue
        if all(tracks[best].iou(mask) < overlaps[best] for mask in counting):
            excused.add(best)
    return frozenset(excused)


def lies_on(masks: Mapping[int, Mask], others: Iterable[Mapping[int, Mask]], *, minimum_iou: float = 0.5) -> bool:
    """Whether in more than half of its frames a track has IoU >= `minimum_iou` with (or is for half of its
    own area inside) one of `others`. It shows what a track is about (ids, fragments); it excuses nothing.
    """
    others = list(others)
    hits = sum(
        any(f in o and (mask.iou(o[f]) >= minimum_iou or _inside(mask, o[f]) >= 0.5) for o in others)
        for f, mask in masks.items()
    )
    return bool(masks) and 2 * hits > len(masks)


def _forgiven(loose: TrackMasks, truth: TrueClip) -> frozenset[int]:
    """Of the tracks without a partner, those excused in more than half of their frames."""
    frames = sorted({f for masks in loose.values() for f in masks})
    hits: Counter[int] = Counter()
    for f in frames:
        here = {t: masks[f] for t, masks in loose.items() if f in masks}
        hits.update(excused_tracks(here, f, truth=truth.masks, ignored=truth.ignored))
    return frozenset(t for t, masks in loose.items() if 2 * hits[t] > len(masks))


def _inside(mask: Mask, other: Mask) -> float:
    """Share of `mask`'s pixels that `other` covers."""
    iou, a, b = mask.iou(other), mask.area_pixels, other.area_pixels
    return iou * (a + b) / (1 + iou) / a if a else 0.0
