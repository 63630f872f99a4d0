"""MOTA, IDF1 and HOTA against TrackEval's own figures."""

from __future__ import annotations

import numpy as np
import pytest

from edgecap.bench.real.tracking import tracking_scores

FRAMES = 40
TRACKEVAL = {
    0: (0.594203, 15, 0.714801, 0.537481),
    3: (0.701493, 4, 0.722628, 0.574349),
    9: (0.593103, 16, 0.726644, 0.558764),
    17: (0.534483, 11, 0.597403, 0.492460),
}
"""Seed of `_world` -> MOTA, IDSW, IDF1, HOTA that trackeval 1.3.0 (MIT) printed for it, run once in its own venv."""


def _world(seed):
    """Boxes that drift, are missed, change their identity, and some that are on nothing."""
    rng = np.random.default_rng(seed)
    truth, found = {}, {}
    for i in range(5):
        x, y = rng.uniform(0, 300, 2)
        speed, first, last = rng.uniform(-4, 4, 2), rng.integers(0, 10), rng.integers(20, FRAMES)
        for frame in range(first, last):
            corner = np.array([x, y]) + speed * frame
            box = np.concatenate([corner, corner + np.array([40, 80])])
            truth.setdefault(i, {})[frame] = box
            if rng.random() < 0.85:
                identity = i * 3 + (frame > FRAMES // 2 and i % 2) * 1 + (rng.random() < 0.05) * 2
                found.setdefault(int(identity), {})[frame] = box + rng.normal(0, 4, 4)
    for k in range(100, 103):
        for frame in range(5, 12):
            found.setdefault(k, {})[frame] = np.array([10, 10, 60, 90.0]) + rng.normal(0, 30, 4) * 0 + k
    return truth, found


@pytest.mark.parametrize("seed", TRACKEVAL)
def test_scores_are_those_of_trackeval(seed):
    truth, found = _world(seed)
    scores = tracking_scores(truth, found, frame_count=FRAMES)
    mota, switches, idf1, hota = TRACKEVAL[seed]
    assert scores.switches == switches
    assert (scores.mota, scores.idf1, scores.hota) == pytest.approx((mota, idf1, hota), abs=1e-6)


def test_the_truth_itself_scores_one_and_nothing_scores_zero():
    truth, _ = _world(1)
    perfect = tracking_scores(truth, truth, frame_count=FRAMES)
    assert (perfect.mota, perfect.idf1, perfect.hota, perfect.switches) == (1.0, 1.0, pytest.approx(1.0), 0)
    silent = tracking_scores(truth, {}, frame_count=FRAMES)
    assert (silent.mota, silent.idf1, silent.hota) == (0.0, 0.0, 0.0)
    assert silent.missed == sum(len(boxes) for boxes in truth.values())


def test_a_swap_of_two_identities_is_two_switches():
    truth = {i: {f: np.array([100.0 * i, 0, 100 * i + 50, 80]) for f in range(10)} for i in range(2)}
    found = {i: {f: truth[i if f < 5 else 1 - i][f] for f in range(10)} for i in range(2)}
    scores = tracking_scores(truth, found, frame_count=10)
    assert (scores.switches, scores.missed, scores.false) == (2, 0, 0)
    assert scores.mota == pytest.approx(1 - 2 / 20)
    assert scores.idf1 == pytest.approx(0.5)
