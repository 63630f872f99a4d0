"""View sets and their shards: deterministic, labelled, flawed but never empty, resumable."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecap.bench.world.classes import CLASS_BY_NAME
from edgecap.export.nano.caption.dataset import ViewStore, write_shards
from edgecap.export.nano.caption.flaws import flawed_box, flawed_mask
from edgecap.export.nano.caption.view_sets import VIEWS, view_sets

SEED = 900_003


def test_a_scene_gives_the_same_sets_twice() -> None:
    first, second = list(view_sets(SEED, side=48)), list(view_sets(SEED, side=48))
    assert [s.label for s in first] == [s.label for s in second]
    assert all((a.frames_rgb == b.frames_rgb).all() for a, b in zip(first, second, strict=True))


def test_sets_hold_views_and_truth() -> None:
    sets = list(view_sets(SEED, side=48))
    assert {s.label["kind"] for s in sets} == {"instance", "picture"}
    for found in sets:
        assert found.frames_rgb.shape == (VIEWS, 48, 48, 3) and found.frames_rgb.dtype == np.uint8
        if found.label["kind"] == "instance":
            gestures = {None, *(g.name for g in CLASS_BY_NAME[found.label["class"]].gestures)}
            assert found.label["gesture"] in gestures and isinstance(found.label["moving"], bool)


@pytest.mark.parametrize("seed", range(6))
def test_flaws_stay_small(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, others = np.zeros((90, 160), bool), np.zeros((90, 160), bool)
    truth[20:60, 40:90] = True
    others[20:60, 100:140] = True
    box = np.array([40 / 160, 20 / 90, 90 / 160, 60 / 90], np.float32)
    moved = flawed_box(box, rng=rng)
    assert np.abs(moved - box).max() <= 0.06 * max(box[2] - box[0], box[3] - box[1]) + 1e-6
    bits = flawed_mask(truth, box_xyxy=moved, others=others, rng=rng)
    overlap = np.count_nonzero(bits & truth) / np.count_nonzero(bits | truth)
    assert bits.shape == truth.shape and overlap > 0.6


def test_shards_resume_and_serve_rows(tmp_path: Path) -> None:
    plan = {"train_shards": 1, "validation_shards": 1, "scenes_per_shard": 1, "side": 32}
    write_shards(tmp_path, **plan)
    before = {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    write_shards(tmp_path, **plan)
    assert {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == before
    store = ViewStore(tmp_path, "train")
    assert store.count("picture") == 1
    assert store.frames("picture", np.array([0])).shape == (1, VIEWS, 32, 32, 3)
    assert store.label("picture", 0)["kind"] == "picture"
    write_shards(tmp_path, **{**plan, "train_shards": 2})
    store.refresh()
    assert store.count("picture") == 2


def test_an_unfinished_shard_is_not_read(tmp_path: Path) -> None:
    write_shards(tmp_path, train_shards=1, validation_shards=0, scenes_per_shard=1, side=32)
    (tmp_path / "train_0000.json").rename(tmp_path / "train_0000.tmp")
    assert ViewStore(tmp_path, "train").count("picture") == 0
