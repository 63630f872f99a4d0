"""Tracks of boxes against true ones: MOTA, IDF1, HOTA.

In: boxes by identity and frame. Out: `TrackingScores`. MOTA is CLEAR MOT's (Bernardin and Stiefelhagen 2008) as
TrackEval computes it: a pair of the frame before stays while its IoU is at least .5, the rest is the assignment with
the largest total; IDF1 and HOTA are those of `quality/identity.py`. A test holds all three against TrackEval's figures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.quality.identity import counts_of
from edgecap.bench.quality.matching import heaviest_pairs
from edgecap.bench.real.sequences import Boxes

_SAME = 0.5
_STAYS = 1000.0
"""Weight of a pair of the frame before: larger than any sum of IoUs, as in TrackEval."""


@dataclass(frozen=True, slots=True)
class TrackingScores:
    """One sequence, over all its frames; shares 0-1 (MOTA may be negative)."""

    mota: float
    idf1: float
    hota: float
    switches: int
    missed: int
    """True boxes without a track."""
    false: int
    """Boxes of tracks without a true one."""
    identities: int
    """Tracks that were given."""


def tracking_scores(truth: Boxes, found: Boxes, *, frame_count: int) -> TrackingScores:
    """Score one sequence of `frame_count` frames."""
    similarity, present_true, present_found = _similarities(truth, found, frame_count)
    identity = counts_of(similarity, present_true, present_found)
    matched, switches = _clear(similarity, present_true, present_found)
    missed, false = int(present_true.sum()) - matched, int(present_found.sum()) - matched
    total = max(int(present_true.sum()), 1)
    return TrackingScores(
        mota=1.0 - (missed + false + switches) / total,
        idf1=identity.idf1,
        hota=identity.hota,
        switches=switches,
        missed=missed,
        false=false,
        identities=len(found),
    )


def _similarities(
    truth: Boxes, found: Boxes, frame_count: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """IoU [T, true, found], and which are present [T, true], [T, found]."""
    presences, arrays = [], []
    for boxes in (truth, found):
        array = np.full((frame_count, len(boxes), 4), np.nan)
        for column, identity in enumerate(sorted(boxes)):
            for frame, box in boxes[identity].items():
                if 0 <= frame < frame_count:
                    array[frame, column] = box
        arrays.append(array)
        presences.append(~np.isnan(array[..., 0]))
    a, b = np.nan_to_num(arrays[0])[:, :, None], np.nan_to_num(arrays[1])[:, None]
    sizes = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = np.clip(sizes, 0, None).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    return np.where(union > 0, shared / np.maximum(union, 1e-12), 0.0), presences[0], presences[1]


def _clear(
    similarity: NDArray[np.float64], present_true: NDArray[np.bool_], present_found: NDArray[np.bool_]
) -> tuple[int, int]:
    """Matched pairs and identity switches over the sequence."""
    last = np.full(similarity.shape[1], -1)
    before = np.full(similarity.shape[1], -1)
    matched = switches = 0
    for frame, iou in enumerate(similarity):
        rows, columns = np.flatnonzero(present_true[frame]), np.flatnonzero(present_found[frame])
        values = iou[np.ix_(rows, columns)]
        weights = np.where(values >= _SAME, values + _STAYS * (columns[None, :] == before[rows][:, None]), 0.0)
        pairs = [(rows[r], columns[c]) for r, c in heaviest_pairs(weights) if values[r, c] >= _SAME]
        before[:] = -1
        for row, column in pairs:
            switches += last[row] not in (-1, column)
            last[row] = before[row] = column
        matched += len(pairs)
    return matched, switches
