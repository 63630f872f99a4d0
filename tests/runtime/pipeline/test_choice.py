"""A video waits for the stages that its first clip chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from edgecap.engines.errors import PackError, TamperedPackError
from edgecap.engines.packs.pulled import STREET_MEGABYTES, packs_folder, pulled_pack, unfinished_mark
from edgecap.export.street.sources import HUMAN_MODELS, REMBG
from edgecap.runtime.config import PipelineConfig, make_config
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.pipeline.auto import config_for
from edgecap.runtime.pipeline.collect import CollectSink
from edgecap.runtime.pipeline.pipeline import Pipeline
from edgecap.runtime.pipeline.stages import StageSet
from tests.runtime.pipeline.fake_videos import rig_of


@pytest.mark.parametrize("overlap", [True, False])
def test_each_video_is_captioned_by_the_stages_it_chose(tmp_path: Path, overlap: bool) -> None:
    rig, paths = rig_of(tmp_path, ("a.mp4", 12.0), ("b.mp4", 1.0))
    asked: list[list[float]] = []

    def choose(frames: Sequence[Frame]) -> StageSet:
        asked.append([frame.pts_seconds for frame in frames])
        name = f"choice {len(asked)}"
        return replace(rig.stages(), used={"pack": name}, run={"pack": name}, labels=(name,))

    sink = CollectSink()
    summary = Pipeline(PipelineConfig(), stages=replace(rig.stages(), choose=choose)).run(
        paths, [sink], overlap=overlap
    )
    assert summary.videos_done == 2 and summary.clips == 4
    assert [r.used["pack"] for r in sink.records] == ["choice 1"] * 3 + ["choice 2"]
    assert [r.run["pack"] for r in sink.records] == [r.window.labels[0] for r in sink.records]
    first, second = asked
    assert first[0] == 0 and first[-1] == pytest.approx(4.875, abs=0.05)  # the first clip, no more
    assert second[-1] < 1
    assert sink.records[0].window.observations[0].frame.pts_seconds == 0


def test_a_choice_that_fails_is_the_failure_of_its_video(tmp_path: Path) -> None:
    rig, paths = rig_of(tmp_path, ("a.mp4", 12.0), ("b.mp4", 1.0))

    def choose(frames: Sequence[Frame]) -> StageSet:
        if len(frames) > 10:
            raise TamperedPackError("street/pack.json is changed; pull it again")
        return rig.stages()

    sink = CollectSink()
    summary = Pipeline(PipelineConfig(), stages=replace(rig.stages(), choose=choose)).run(paths, [sink])
    assert [f.message for f in sink.failures] == ["street/pack.json is changed; pull it again"]
    assert [r.video.path for r in sink.records] == [str(paths[1])] and summary.exit_code == 8


def test_a_live_source_chooses_by_its_first_frame(tmp_path: Path) -> None:
    rig, paths = rig_of(tmp_path, ("a.mp4", 3.0))
    counts: list[int] = []

    def choose(frames: Sequence[Frame]) -> StageSet:
        counts.append(len(frames))
        return rig.stages()

    Pipeline(make_config(policy="drop-oldest"), stages=replace(rig.stages(), choose=choose)).run(paths)
    assert counts == [1]


def test_without_street_a_video_outside_gets_measurements() -> None:
    asked = make_config(stages="full", change_gate=True, window_seconds=3.0)
    inside, outside = (config_for(asked, inside=inside) for inside in (True, False))
    assert inside == replace(asked, pack="nano")
    assert (outside.detector, outside.captioner, outside.stages, outside.window_seconds) == (
        "motion",
        "none",
        "fast",
        3.0,
    )
    assert not outside.needs_pack


def test_pulled_packs_have_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGECAP_PACKS", str(tmp_path))
    assert packs_folder() == tmp_path and pulled_pack("street") is None
    (tmp_path / "street").mkdir()
    (tmp_path / "street" / "pack.json").touch()
    assert pulled_pack("street") == tmp_path / "street"
    unfinished_mark(tmp_path / "street").touch()
    with pytest.raises(PackError, match="not finished: `edgecap pull street` is running or was stopped; run it again"):
        pulled_pack("street")
    monkeypatch.delenv("EDGECAP_PACKS")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert packs_folder() == Path("/data/edgecap/packs")
    monkeypatch.setenv("XDG_DATA_HOME", "not absolute")
    monkeypatch.setenv("HOME", "/home/ann")
    assert packs_folder() == Path("/home/ann/.local/share/edgecap/packs")


def test_the_size_that_users_read_is_that_of_the_packages() -> None:
    assert round((HUMAN_MODELS.size + REMBG.size) / 1e6) == STREET_MEGABYTES
