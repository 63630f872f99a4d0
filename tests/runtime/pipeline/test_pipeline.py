"""The order of a run, bad videos among good ones, resuming, dropping: with stages that cost nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgecap.engines.errors import EmptyVideoError, InputError, OutputError, SomeClipsFailedError
from edgecap.runtime.config import PipelineConfig
from edgecap.runtime.data.frame import Frame
from edgecap.runtime.data.record import FailedVideo, Record
from edgecap.runtime.pipeline.collect import CollectSink
from edgecap.runtime.pipeline.messages import Dropped, Ended, Sampled, Started, Windowed
from edgecap.runtime.pipeline.pipeline import Pipeline
from edgecap.runtime.pipeline.stages import PerceiveStep
from tests.runtime.pipeline.fake_videos import FakeVideo, Rig, rig_of


@pytest.mark.parametrize("overlap", [False, True], ids=["serial", "threads"])
def test_windows_come_in_order_with_times_and_totals(tmp_path: Path, overlap: bool) -> None:
    rig, paths = rig_of(tmp_path, ("a.mp4", 11.0), ("b.mp4", 4.0))
    sink = CollectSink()
    summary = Pipeline(PipelineConfig(), stages=rig.stages()).run(paths, [sink], overlap=overlap)
    clips = [
        (Path(r.video.path).name, r.window.clip_index, r.window.start_seconds, r.window.end_seconds)
        for r in sink.records
    ]
    assert clips == [("a.mp4", 0, 0.0, 5.0), ("a.mp4", 1, 5.0, 11.0), ("b.mp4", 0, 0.0, 4.0)]
    assert [len(r.window.observations) for r in sink.records] == [40, 48, 32]
    assert [r.stage_seconds["detect"] for r in sink.records] == [40.0, 48.0, 32.0], "one second per own frame"
    assert set(sink.records[0].stage_seconds) == {"decode", "detect", "measure", "describe"}
    assert (summary.videos, summary.videos_done, summary.clips, summary.exit_code) == (2, 2, 3, 0)
    assert summary.video_seconds == pytest.approx(15.0)
    assert summary.frames_analysed == 120
    assert [(s.name, s.items) for s in summary.stages] == [
        ("decode", 120),
        ("perceive", 120),
        ("describe", 3),
        ("write", 3),
    ]
    assert len(rig.perceivers) == 2, "each video has its own perceiver"
    assert all(0 <= r.age_seconds < 10 for r in sink.records)


@pytest.mark.parametrize("overlap", [False, True], ids=["serial", "threads"])
def test_bad_videos_are_rows_and_the_run_goes_on(tmp_path: Path, overlap: bool) -> None:
    rig, paths = rig_of(
        tmp_path, ("bug.mp4", 6.0), ("empty.mp4", 0.0), ("broken.mp4", 12.0), ("good.mp4", 4.0), fails_at=33
    )
    rig.videos["broken.mp4"].breaks_at = 200
    sink = CollectSink()
    summary = Pipeline(PipelineConfig(), stages=rig.stages()).run(
        [*paths, tmp_path / "none.mp4"], [sink], overlap=overlap
    )
    rows = [(Path(f.path).name, f.error, f.exit_code, f.clips_written) for f in sink.failures]
    assert rows == [
        ("bug.mp4", "ZeroDivisionError", 1, 0),
        ("empty.mp4", "EmptyVideoError", 3, 0),
        ("broken.mp4", "UnreadableVideoError", 3, 2),
        ("none.mp4", "MissingInputError", 3, 0),
    ]
    assert "internal error" in sink.failures[0].message
    done = [(Path(r.video.path).name, round(r.window.end_seconds, 2)) for r in sink.records]
    assert done == [("broken.mp4", 5.0), ("broken.mp4", 8.38), ("good.mp4", 4.0)], "what came before the break is used"
    assert (summary.exit_code, summary.videos_done) == (8, 1)
    with pytest.raises(SomeClipsFailedError, match="4 of 5 videos failed"):
        summary.raise_for_failures()


@pytest.mark.parametrize("overlap", [False, True], ids=["serial", "threads"])
def test_a_video_that_is_given_up_is_not_decoded_to_its_end(tmp_path: Path, overlap: bool) -> None:
    rig, paths = rig_of(tmp_path, ("bug.mp4", 36_000.0), ("good.mp4", 4.0), fails_at=33)
    summary = Pipeline(PipelineConfig(), stages=rig.stages()).run(paths, overlap=overlap)
    assert (len(summary.failures), summary.videos_done) == (1, 1)
    assert 33 < rig.videos["bug.mp4"].decoded < 400


def test_the_only_input_ends_the_run_with_its_own_code(tmp_path: Path) -> None:
    rig, paths = rig_of(tmp_path, ("empty.mp4", 0.0))
    summary = Pipeline(PipelineConfig(), stages=rig.stages()).run(paths)
    assert summary.exit_code == 3
    with pytest.raises(EmptyVideoError):
        summary.raise_for_failures()
    nowhere = Pipeline(PipelineConfig(), stages=rig.stages()).run([tmp_path / "nowhere"])
    with pytest.raises(InputError, match="no such file or folder"):
        nowhere.raise_for_failures()


def test_a_cut_ends_the_window_and_is_told_to_the_perceiver(tmp_path: Path) -> None:
    rig, paths = rig_of(tmp_path, ("a.mp4", 6.0))
    rig.videos["a.mp4"].cut_at = 3.0
    sink = CollectSink()
    Pipeline(PipelineConfig(), stages=rig.stages()).run(paths, [sink])
    assert [(r.window.shot_index, r.window.start_seconds) for r in sink.records] == [(0, 0.0), (1, 3.0)]
    assert rig.perceivers[0].cuts == 1


def test_windows_of_an_earlier_run_are_not_described_again(tmp_path: Path) -> None:
    rig, paths = rig_of(tmp_path, ("a.mp4", 15.0))
    sink = CollectSink()
    earlier = [(0.0, 5.0), (5.0, 10.0), (10.0, 14.5)]  # the last row was cut short
    skip = {(str(paths[0]), clip): times for clip, times in enumerate(earlier)}
    summary = Pipeline(PipelineConfig(), stages=rig.stages()).run(paths, [sink], skip=skip)
    assert [r.window.clip_index for r in sink.records] == rig.described == [2]
    assert (summary.clips, summary.clips_skipped, summary.exit_code) == (1, 2, 0)


def test_an_error_of_a_sink_ends_the_run(tmp_path: Path) -> None:
    class FullDisk:
        def write(self, record: Record) -> None:
            raise OutputError("disk full")

        def fail(self, failed: FailedVideo) -> None:
            raise AssertionError("no video failed")

    rig, paths = rig_of(tmp_path, ("a.mp4", 30.0))
    before = threading.active_count()
    with pytest.raises(OutputError, match="disk full"):
        Pipeline(PipelineConfig(), stages=rig.stages()).run(paths, [FullDisk()])
    assert threading.active_count() == before


def test_live_policy_drops_frames_and_says_so(tmp_path: Path) -> None:
    rig, paths = rig_of(tmp_path, ("a.mp4", 6.0), perceive_slow=0.02)
    sink = CollectSink()
    summary = Pipeline(PipelineConfig(policy="drop-oldest"), stages=rig.stages()).run(paths, [sink])
    assert summary.frames_dropped > 0
    assert summary.frames_analysed + summary.frames_dropped == 48
    assert sum(r.window.dropped_frames for r in sink.records) == summary.frames_dropped


def test_stages_overlap(tmp_path: Path) -> None:
    rig, paths = rig_of(tmp_path, ("a.mp4", 8.0), perceive_slow=0.005, describe_slow=0.15)
    pipeline = Pipeline(PipelineConfig(window_seconds=2.0), stages=rig.stages())
    serial, overlapped = (pipeline.run(paths, overlap=o).wall_seconds for o in (False, True))
    assert overlapped < 0.85 * serial, (
        f"{overlapped = :.2f}, {serial = :.2f}: 0.32 s of looking hides behind 0.6 s of describing"
    )


def test_one_file_given_twice_is_captioned_once(tmp_path: Path) -> None:
    rig, paths = rig_of(tmp_path, ("a.mp4", 3.0), ("b.mp4", 3.0))
    sink = CollectSink()
    summary = Pipeline(PipelineConfig(), stages=rig.stages()).run([paths[0], tmp_path, *paths], [sink])
    assert [Path(r.video.path).name for r in sink.records] == ["a.mp4", "b.mp4"]
    assert summary.videos == 2


def test_records_say_what_they_were_made_with(tmp_path: Path) -> None:
    rig, paths = rig_of(tmp_path, ("a.mp4", 3.0))
    sink = CollectSink()
    Pipeline(PipelineConfig(window_seconds=3), stages=rig.stages()).run(paths, [sink])
    assert sink.records[0].run == {
        "pack": "fake",
        "pack_sha256": "none",
        "detector": "pack",
        "captioner": "pack",
        "window_seconds": 3.0,
        "sample_fps": 8.0,
        "working_side": 640,
        "max_instances": 8,
        "change_gate": "off",
        "stages": "fast",
        "class_hint": "on",
        "camera_hint": "on",
        "visual_prompt": "blur",
        "lexicon": "off",
        "position": "corrected",
        "masks": "boxes",
        "mask_refresh": "none",
    }


def test_faulty_times_are_counted_up_to_the_window(tmp_path: Path) -> None:
    rig, paths = rig_of(tmp_path, ("a.mp4", 8.0))

    class Stutters(FakeVideo):
        def frames(self) -> Iterator[Frame]:
            for frame in super().frames():
                self.skipped_frames, self.estimated_times = int(frame.pts_seconds), frame.index // 24 // 5
                yield frame

    rig.videos["a.mp4"] = Stutters(paths[0], 8.0)
    sink = CollectSink()
    Pipeline(PipelineConfig(window_seconds=4.0), stages=rig.stages()).run(paths, [sink])
    assert [(r.video.skipped_frames, r.video.estimated_times) for r in sink.records] == [(3, 0), (7, 1)]


def test_frames_held_back_for_a_cut_are_captioned_though_the_video_breaks(tmp_path: Path) -> None:
    """The cut at 3.0 s is not decided when the video breaks at 3.25 s."""
    rig, paths = rig_of(tmp_path, ("a.mp4", 8.0))
    rig.videos["a.mp4"] = FakeVideo(paths[0], 8.0, breaks_at=78, cut_at=3.0)
    sink = CollectSink()
    Pipeline(PipelineConfig(), stages=rig.stages()).run(paths, [sink])
    assert [len(r.window.observations) for r in sink.records] == [24, 2]
    assert [f.clips_written for f in sink.failures] == [2]


def test_the_source_says_when_its_last_picture_is_over_and_what_was_done(tmp_path: Path) -> None:
    rig, paths = rig_of(tmp_path, ("a.mp4", 4.0))
    rig.videos["a.mp4"] = FakeVideo(paths[0], 4.0, end_seconds=24.0, notes=("a damaged part was left out",))
    sink = CollectSink()
    Pipeline(PipelineConfig(), stages=rig.stages()).run(paths, [sink])
    [record] = sink.records
    assert (record.window.end_seconds, record.video.notes) == (24.0, ("a damaged part was left out",))


def test_drops_belong_to_their_own_window_and_video() -> None:
    rig = Rig({})
    step = PerceiveStep(rig.stages(), PipelineConfig(window_seconds=2.0))
    made: list[object] = []

    def feed(message: object) -> None:
        made.extend(step.feed(message))  # type: ignore[arg-type]

    image = np.full((48, 64, 3), 90, np.uint8)
    for number in (0, 1):
        feed(Started(number, FakeVideo(Path("a.mp4"), 10.0).info))
        for pts in (0.0, 1.0):
            feed(Sampled(number, Frame(0, pts, image), False, 0.0, 0.0))
        for _ in range(number + 1):  # one dropped in the first window of the first video, two in the other's
            feed(Dropped(number))
        feed(Sampled(number, Frame(0, 2.0, image), False, 0.0, 0.0))
        feed(Dropped(number))
        for pts in (2.5, 3.5, 4.0):
            feed(Sampled(number, Frame(0, pts, image), False, 0.0, 0.0))
        feed(Ended(number))
    dropped = [(m.video_number, m.window.dropped_frames) for m in made if isinstance(m, Windowed)]
    assert dropped == [(0, 1), (0, 1), (1, 2), (1, 1)]
