"""The arithmetic of the throughput report, and one real measurement of a short clip."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from edgecap.bench.speed.throughput import measure_throughput, overlap_efficiency
from edgecap.bench.world.cached_clips import RenderedClip, cached_clip
from edgecap.cli.bench.text import throughput_lines
from edgecap.engines.errors import MissingInputError
from edgecap.runtime.config import make_config
from edgecap.runtime.pipeline.pipeline import Pipeline


@pytest.mark.parametrize(
    ("busy", "wall", "efficiency"),
    [([6, 4], 10, 0.0), ([6, 4], 6, 1.0), ([6, 4], 8, 0.5), ([6, 4], 12, -0.5), ([6, 0], 6, 0.0)],
    ids=["none", "all", "half", "harmful", "nothing to hide"],
)
def test_overlap_efficiency(busy: list[float], wall: float, efficiency: float) -> None:
    assert overlap_efficiency(busy, wall_seconds=wall) == pytest.approx(efficiency)


@pytest.mark.slow
def test_measure(clip_folder: Path, two_second_clip: RenderedClip) -> None:
    clip = two_second_clip
    again = cached_clip(clip_folder, tier="clean", seed=3, duration_seconds=2.0, num_actors=2)
    assert clip == again and clip.truth.exists()
    pipeline = Pipeline(make_config(detector="motion", captioner="none"))
    steps: list[str] = []
    report = measure_throughput(pipeline, clip.video, warm_up=clip.video, repeats=1, on_step=steps.append)
    assert steps == ["warming up", "run 1 of 1, serial", "run 1 of 1, overlapped"]
    assert (report.clips, report.video_seconds, report.size_wh, report.source_fps) == (1, 2.0, (640, 360), 24.0)
    items = {s.name: s.items for s in report.stages}
    assert items == {"decode": 16, "perceive": 16, "describe": 1, "write": 1}
    assert sum(s.share for s in report.stages) == pytest.approx(1.0)
    assert sum(s.busy_seconds for s in report.stages) <= report.serial_wall_seconds
    assert report.times_real_time == pytest.approx(1 / report.real_time_factor)
    assert report.speedup == pytest.approx(report.serial_wall_seconds / report.overlapped_wall_seconds)
    assert set(report.part_seconds) == {"decode", "detect", "camera", "track", "segment", "measure", "describe"}
    assert 0.001 < report.cpu_seconds_per_video_second < 60
    assert 50 < report.peak_rss_mb < 8000
    assert json.loads(json.dumps(dataclasses.asdict(report)))["decode_tokens"] == 0
    assert any("overlap efficiency" in line for line in throughput_lines(report))


@pytest.mark.slow
def test_a_missing_video_is_its_own_error(tmp_path: Path, two_second_clip: RenderedClip) -> None:
    pipeline = Pipeline(make_config(detector="motion", captioner="none"))
    with pytest.raises(MissingInputError):
        measure_throughput(pipeline, tmp_path / "none.mp4", warm_up=two_second_clip.video, repeats=1)
