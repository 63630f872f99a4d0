"""Identity of tracks: IDF1 and HOTA with mask IoU [spec 7.5; TrackEval's arithmetic, own code].

Both count every confirmed track, reported in a caption or not, and every analysed frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecap.bench.quality.facts import TrackMasks
from edgecap.bench.quality.matching import excused_tracks, heaviest_pairs, match_tracks
from edgecap.bench.quality.tally import Pooled
from edgecap.runtime.data.mask import Mask

ALPHAS = np.arange(0.05, 0.99, 0.05)
_IDF1_SIMILARITY = 0.5
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class IdentityCounts(Pooled):
    """`idtp`, `idfn`, `idfp`: identity true positives etc. `tp`, `fn`, `fp` [19]: detections per alpha.
    `association` [19]: sum over true positives of TPA / (TPA + FNA + FPA). `switches`: changes of the track
    that covers an instance (IoU >= 0.5).
    """

    idtp: int
    idfn: int
    idfp: int
    tp: Floats
    fn: Floats
    fp: Floats
    association: Floats
    switches: int

    @property
    def idf1(self) -> float:
        """2 IDTP / (2 IDTP + IDFP + IDFN); 1 where there was nothing to find and nothing was found."""
        total = 2 * self.idtp + self.idfp + self.idfn
        return 2 * self.idtp / total if total else 1.0

    @property
    def det_a(self) -> Floats:
        """Detection accuracy TP / (TP + FN + FP) per alpha [19]; 1 where there is nothing."""
        total = self.tp + self.fn + self.fp
        return np.where(total > 0, self.tp / np.maximum(total, 1), 1.0)

    @property
    def ass_a(self) -> Floats:
        """Association accuracy per alpha [19]: mean over true positives; 0 without any, 1 where there is nothing."""
        nothing = self.tp + self.fn + self.fp == 0
        return np.where(nothing, 1.0, self.association / np.maximum(self.tp, 1))

    @property
    def hota(self) -> float:
        """Mean over alpha of sqrt(DetA * AssA)."""
        return float(np.sqrt(self.det_a * self.ass_a).mean())


def no_identity() -> IdentityCounts:
    """The neutral element of `+`."""
    zeros = np.zeros(len(ALPHAS))
    return IdentityCounts(0, 0, 0, zeros, zeros, zeros, zeros, 0)


def identity_counts(truth: TrackMasks, said: TrackMasks, *, ignored: TrackMasks, frame_count: int) -> IdentityCounts:
    """Count one clip. Predicted masks without a counting instance under them are taken out first, frame by frame,
    where they lie with IoU >= 0.5 on an instance that never counts (one each, see `excused_tracks`), or, for the one
    track matched to a counting instance, on that instance while it is hardly visible. A double of it stays wrong."""
    true_ids, said_ids = sorted(truth), sorted(said)
    partner = {t: i for i, t, _ in match_tracks(truth, said, ignored=ignored)}
    frames = [_frame_similarity(truth, said, partner, ignored, f) for f in range(frame_count)]
    present_true = np.array([[f in truth[i] for i in true_ids] for f in range(frame_count)], bool)
    present_true = present_true.reshape(frame_count, len(true_ids))
    present_said = np.array([kept for _, kept in frames], bool).reshape(frame_count, len(said_ids))
    similarity = np.array([s for s, _ in frames], np.float64).reshape(frame_count, len(true_ids), len(said_ids))
    return counts_of(similarity, present_true, present_said)


def counts_of(similarity: Floats, present_true: NDArray[np.bool_], present_said: NDArray[np.bool_]) -> IdentityCounts:
    """Count from IoU [T, true, said] (0 where one is absent) and presence [T, true], [T, said]."""
    both = present_true[:, :, None] & present_said[:, None, :]
    overlaps = (both & (similarity >= _IDF1_SIMILARITY)).sum(0).astype(np.float64)
    idtp = int(sum(overlaps[r, c] for r, c in heaviest_pairs(overlaps)))
    true_total, said_total = int(present_true.sum()), int(present_said.sum())
    tp, fn, fp, association = _hota_sums(similarity, present_true, present_said)
    return IdentityCounts(
        idtp, true_total - idtp, said_total - idtp, tp, fn, fp, association, _switches(similarity, both)
    )


def _frame_similarity(
    truth: TrackMasks, said: TrackMasks, partner: Mapping[int, int], ignored: TrackMasks, frame: int
) -> tuple[Floats, list[bool]]:
    """IoU [true, said] in one frame by rising ids, and which predictions stay. `partner`: track id -> instance id."""
    true_ids, said_ids = sorted(truth), sorted(said)
    iou = np.zeros((len(true_ids), len(said_ids)))
    loose: dict[int, Mask] = {}
    for c, t in enumerate(said_ids):
        if frame not in said[t]:
            continue
        mask = said[t][frame]
        for r, i in enumerate(true_ids):
            if frame in truth[i]:
                iou[r, c] = truth[i][frame].iou(mask)
        if iou[:, c].max(initial=0.0) < _IDF1_SIMILARITY:
            loose[t] = mask
    excused = set(excused_tracks(loose, frame, truth=truth, ignored=ignored))
    for t, mask in loose.items():
        own = ignored.get(partner[t], {}) if t in partner else {}
        if frame in own and own[frame].iou(mask) >= _IDF1_SIMILARITY:
            excused.add(t)
    return iou, [frame in said[t] and t not in excused for t in said_ids]


def _hota_sums(
    similarity: Floats, present_true: NDArray[np.bool_], present_said: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats, Floats]:
    """Per alpha: TP, FN, FP, and the sum over TP of the association Jaccard.

    The per-frame assignment maximises (global alignment Jaccard * similarity), where the alignment is the
    soft count of frames in which two tracks overlap: sum of s / (row sum + column sum - s), over the lengths
    of both.
    """
    frames = len(similarity)
    both = present_true[:, :, None] & present_said[:, None, :]
    s = np.where(both, similarity, 0.0)
    denominator = s.sum(2, keepdims=True) + s.sum(1, keepdims=True) - s
    potential = np.where(denominator > 1e-9, s / np.maximum(denominator, 1e-9), 0.0).sum(0)
    lengths_true, lengths_said = present_true.sum(0).astype(float), present_said.sum(0).astype(float)
    alignment = potential / np.maximum(lengths_true[:, None] + lengths_said[None, :] - potential, 1e-9)
    matches = np.zeros((len(ALPHAS), *alignment.shape))
    for f in range(frames):
        rows, cols = np.flatnonzero(present_true[f]), np.flatnonzero(present_said[f])
        score = (alignment * s[f])[np.ix_(rows, cols)]
        for r, c in heaviest_pairs(score):
            matches[:, rows[r], cols[c]] += s[f, rows[r], cols[c]] >= ALPHAS - 1e-9
    tp = matches.sum((1, 2))
    jaccard = matches / np.maximum(lengths_true[None, :, None] + lengths_said[None, None, :] - matches, 1.0)
    return tp, lengths_true.sum() - tp, lengths_said.sum() - tp, (matches * jaccard).sum((1, 2))


def _switches(similarity: Floats, both: NDArray[np.bool_]) -> int:
    """How often the predicted track covering a true instance (IoU >= 0.5) differs from the one before."""
    count = 0
    for r in range(similarity.shape[1]):
        last = -1
        for f in range(len(similarity)):
            covered = np.where(both[f, r], similarity[f, r], 0.0)
            if len(covered) == 0 or covered.max() < _IDF1_SIMILARITY:
                continue
            now = int(covered.argmax())
            count += last not in (-1, now)
            last = now
    return count
