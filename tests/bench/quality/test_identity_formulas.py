"""IDF1 and HOTA against their definitions, written down a second time by brute force, on random small clips."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecap.bench.quality.identity import ALPHAS, identity_counts
from edgecap.runtime.data.mask import Mask

FRAMES = 8
Tracks = dict[int, dict[int, Mask]]
Floats = NDArray[np.float64]


def _best(score: Floats) -> list[tuple[int, int]]:
    """The assignment of the largest sum, by trying all."""
    if score.shape[0] > score.shape[1]:
        return [(r, c) for c, r in _best(score.T)]
    rows = range(score.shape[0])
    columns = max(permutations(range(score.shape[1]), len(rows)), key=lambda p: sum(score[r, p[r]] for r in rows))
    return list(zip(rows, columns, strict=True))


def _random_tracks(rng: np.random.Generator) -> tuple[Tracks, Tracks]:
    true: Tracks = {}
    for i in range(int(rng.integers(1, 4))):
        x, y = (int(v) for v in rng.integers(0, 30, 2))
        true[i] = {
            f: Mask((x + f + int(rng.integers(4)), y), np.ones((12, 12), bool), (80, 60))
            for f in range(FRAMES)
            if rng.random() < 0.8
        }
    said: Tracks = {}
    for t in range(int(rng.integers(1, 5))):
        source = true[int(rng.integers(len(true)))]
        said[t] = {
            f: Mask((m.origin_xy[0] + int(rng.integers(6)), m.origin_xy[1]), m.bits, m.size_wh)
            for f, m in source.items()
            if rng.random() < 0.7
        }
    return true, said


def _by_definition(true: Tracks, said: Tracks) -> tuple[float, float]:
    """(IDF1, HOTA). HOTA: Luiten et al., IJCV 2021, in TrackEval's form (docs/spec/metrics.md 7.5)."""
    overlap = np.zeros((FRAMES, len(true), len(said)))
    for f in range(FRAMES):
        for i, t in ((i, t) for i in true for t in said if f in true[i] and f in said[t]):
            overlap[f, i, t] = true[i][f].iou(said[t][f])
    lives, lengths = (np.array([len(one) for one in tracks.values()], float) for tracks in (true, said))
    shared = (overlap >= 0.5).sum(0).astype(float)
    idtp = sum(shared[r, c] for r, c in _best(shared))
    soft = np.zeros(shared.shape)
    for s in overlap:
        around = s.sum(0)[None] + s.sum(1)[:, None] - s
        soft += np.divide(s, around, out=np.zeros_like(s), where=around > 0)
    aligned = soft / np.maximum(lives[:, None] + lengths[None] - soft, 1e-12)
    hits = np.zeros((len(ALPHAS), *shared.shape))
    for s in overlap:
        for r, c in _best(aligned * s):
            hits[:, r, c] += (s[r, c] > 0) & (s[r, c] >= ALPHAS - 1e-9)
    tp = hits.sum((1, 2))
    association = (hits * hits / np.maximum(lives[None, :, None] + lengths - hits, 1)).sum((1, 2)) / np.maximum(tp, 1)
    detection = tp / np.maximum(lives.sum() + lengths.sum() - tp, 1)
    return 2 * idtp / (lives.sum() + lengths.sum()), float(np.sqrt(detection * association).mean())


@pytest.mark.parametrize("seed", range(30))
def test_counts_follow_the_definitions(seed: int) -> None:
    true, said = _random_tracks(np.random.default_rng(seed))
    counts = identity_counts(true, said, ignored={}, frame_count=FRAMES)
    assert (counts.idf1, counts.hota) == pytest.approx(_by_definition(true, said), abs=1e-12)
