"""The domain check against its formula, and a calibration that lets its own world in and keeps others out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgecap.engines.errors import PackSchemaError
from edgecap.engines.packs.specs import DomainSpec
from edgecap.runtime.perceive.domain import DomainCheck, DomainStats, calibrate, distances, unchecked
from tests.runtime.drawn_windows import window

SIZE, HIDDEN = 24, 5


def _world(count, seed):
    """Embeddings of a world with `HIDDEN` causes, plus a little noise."""
    mixing = np.random.default_rng(1).normal(0, 1, (HIDDEN, SIZE))
    rng = np.random.default_rng(seed)
    return (3 + rng.normal(0, 1, (count, HIDDEN)) @ mixing + rng.normal(0, 0.05, (count, SIZE))).astype(np.float32)


@pytest.fixture(scope="module")
def calibrated():
    return calibrate(_world(400, 0).reshape(100, 4, SIZE), components=HIDDEN, quantile=0.99)


def _verdict(calibrated, embeddings):
    stats, threshold = calibrated
    observations = window(seconds=len(embeddings) / 8).observations
    seen = tuple(replace(o, embedding=e) for o, e in zip(observations, embeddings, strict=True))
    return DomainCheck(DomainSpec("domain.npz", threshold), stats).verdict(replace(window(), observations=seen))


def test_distance_is_the_formula_of_the_spec(calibrated):
    stats, _ = calibrated
    e = _world(1, 9)[0].astype(np.float64)
    projected = stats.components @ (e - stats.mean)
    residual = np.linalg.norm(e - stats.mean - stats.components.T @ projected)
    expected = np.sqrt(np.mean((projected / stats.scales) ** 2) + (residual / stats.residual_scale) ** 2)
    assert distances(e[None].astype(np.float32), stats)[0] == pytest.approx(expected, rel=1e-4)
    assert stats.components @ stats.components.T == pytest.approx(np.eye(HIDDEN), abs=1e-5)


def test_own_world_inside_others_outside(calibrated):
    for seed in range(5, 15):
        verdict = _verdict(calibrated, _world(20, seed))
        assert verdict.status == "inside"
        assert verdict.distance < verdict.threshold == calibrated[1]
    shifted = _world(20, 5) + np.random.default_rng(3).normal(0, 1, SIZE).astype(np.float32)
    assert _verdict(calibrated, shifted).status == "outside"
    assert _verdict(calibrated, np.zeros((20, SIZE), np.float32)).status == "outside"


def test_a_direction_in_which_the_world_hardly_varies_shows_what_is_not_of_it():
    """All components see a step of five noises that five components with one residual do not."""
    scenes = _world(400, 0).reshape(100, 4, SIZE)
    quiet = np.linalg.svd(_world(400, 0) - _world(400, 0).mean(0))[2][-1].astype(np.float32)
    stepped = _world(20, 6) + 0.6 * quiet
    some, all_of_them = (calibrate(scenes, components=k, quantile=0.99) for k in (HIDDEN, SIZE))
    assert _verdict(some, _world(20, 6)).status == _verdict(all_of_them, _world(20, 6)).status == "inside"
    assert _verdict(all_of_them, stepped).status == "outside"
    assert _verdict(all_of_them, stepped).distance > 1.2 * _verdict(some, stepped).distance / some[1] * all_of_them[1]


def test_the_median_ignores_a_few_odd_frames(calibrated):
    embeddings = _world(20, 6)
    embeddings[:7] += 50
    assert _verdict(calibrated, embeddings).status == "inside"


def test_nan_is_outside(calibrated):
    assert _verdict(calibrated, np.full((9, SIZE), np.nan, np.float32)).status == "outside"


def test_without_embeddings_unchecked(calibrated):
    stats, threshold = calibrated
    verdict = DomainCheck(DomainSpec("domain.npz", threshold), stats).verdict(window())
    assert verdict == unchecked()
    assert verdict.status == "unchecked" and verdict.distance is None and verdict.threshold is None


def test_statistics_survive_their_file(calibrated, tmp_path):
    stats, _ = calibrated
    stats.save(tmp_path / "domain.npz")
    again = DomainStats.load(tmp_path / "domain.npz")
    assert np.array_equal(again.components, stats.components)
    assert distances(_world(3, 2), again) == pytest.approx(distances(_world(3, 2), stats))


def test_refusals(calibrated, tmp_path):
    with pytest.raises(PackSchemaError, match=r"domain statistics .*restore the pack's file"):
        DomainStats.load(tmp_path / "missing.npz")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(PackSchemaError, match="domain statistics"):
        DomainStats.load(tmp_path / "text.npz")
    np.savez(tmp_path / "half.npz", mean=np.zeros(3))
    with pytest.raises(PackSchemaError, match="components"):
        DomainStats.load(tmp_path / "half.npz")
    with pytest.raises(PackSchemaError, match=r"embedding has 7 values.*expects 24"):
        _verdict(calibrated, np.zeros((3, 7), np.float32))
    scenes = _world(400, 0).reshape(100, 4, SIZE)
    with pytest.raises(ValueError, match="expected components from 1 to 24"):
        calibrate(scenes, components=25, quantile=0.99)
    with pytest.raises(ValueError, match="quantile"):
        calibrate(scenes, components=4, quantile=1.5)
    with pytest.raises(ValueError, match="scales must be positive"):
        replace(calibrated[0], scales=np.zeros(HIDDEN, np.float32))
