"""The cache of training frames: what goes in comes out, the same on every run, and nothing is rendered twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgecap.bench.world import training_frames
from edgecap.bench.world.seeds import VALIDATION_SEED_START
from edgecap.export.nano.vision import cache
from edgecap.export.nano.vision.cache import (
    LABELS,
    CachedFrame,
    cached_frames,
    load_shard,
    pack_frame,
    render_shard,
    save_shard,
)


def _same(first: CachedFrame, second: CachedFrame) -> bool:
    arrays = ("class_ids", "boxes_xyxy", "visible_fractions", "visible_areas")
    return (
        first.jpeg == second.jpeg
        and np.array_equal(first.labels(), second.labels())
        and all(np.array_equal(getattr(first, name), getattr(second, name)) for name in arrays)
    )


@pytest.fixture(scope="module")
def frames() -> list[CachedFrame]:
    sample = training_frames(VALIDATION_SEED_START + 7, count=3, gap_seconds=0.5, tier="clean")
    return [pack_frame(frame, sample.scene, jpeg_quality=90) for frame in sample.frames]


def test_a_packed_frame_is_the_rendered_one(frames: list[CachedFrame]) -> None:
    sample = training_frames(VALIDATION_SEED_START + 7, count=3, gap_seconds=0.5, tier="clean")
    names = {a.id: a.class_name for a in sample.scene.actors}
    for packed, rendered in zip(frames, sample.frames, strict=True):
        shown = [k for k, mask in enumerate(rendered.visible_masks) if mask.any()]
        assert [LABELS[c] for c in packed.class_ids] == [names[int(rendered.actor_ids[k])] for k in shown]
        labels = packed.labels()
        for place, k in enumerate(shown):
            assert np.array_equal(labels == place + 1, rendered.visible_masks[k])
        assert packed.boxes_xyxy == pytest.approx(rendered.boxes_xyxy[shown])
        error = packed.image().astype(int) - rendered.image_rgb.astype(int)
        assert np.abs(error).mean() < 6  # JPEG 90 of a grainy picture; swapped channels would give 30 and more


def test_a_shard_comes_back_as_it_went(frames: list[CachedFrame], tmp_path: Path) -> None:
    save_shard(tmp_path / "shard.npz", frames)
    assert [p.name for p in tmp_path.iterdir()] == ["shard.npz"]
    back = load_shard(tmp_path / "shard.npz")
    assert len(back) == len(frames)
    assert all(_same(a, b) for a, b in zip(frames, back, strict=True))


def test_rendering_is_a_function_of_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "SCENES_PER_SHARD", 1)
    first, again = render_shard(VALIDATION_SEED_START), render_shard(VALIDATION_SEED_START)
    assert all(_same(a, b) for a, b in zip(first, again, strict=True))
    assert not _same(first[0], render_shard(VALIDATION_SEED_START + 1)[0])


def test_finished_shards_are_not_rendered_again(
    frames: list[CachedFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def render(first_seed: int) -> list[CachedFrame]:
        asked.append(first_seed)
        return frames

    monkeypatch.setattr(cache, "render_shard", render)
    assert len(cached_frames(tmp_path, split="validation", shards=2)) == 2 * len(frames)
    assert len(cached_frames(tmp_path, split="validation", shards=3)) == 3 * len(frames)
    assert asked == [VALIDATION_SEED_START + k * cache.SCENES_PER_SHARD for k in range(3)]
